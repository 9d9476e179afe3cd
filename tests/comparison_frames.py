"""Tables of comparisons made by hand, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from model.experiments.tables import TABLES

Gains = Mapping[str, float] | None


def runs_and_countries(
    outcomes: Mapping[tuple[str, int], Gains],
    *,
    planner_gain_meur: float = 100.0,
    cost_meur: float = 1000.0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs and countries of a comparison in which gains are known.

    Parameters
    ----------
    outcomes : mapping of (protocol, seed) to (country to gain, M EUR/a)
        None for a run that failed. A protocol may carry a strategy after ``|``.
    """
    runs, countries = [], []
    for (name, seed), gains in outcomes.items():
        protocol, _, strategy = name.partition("|")
        case = f"{name} {seed}"
        gain = None if gains is None else sum(gains.values())
        losers = "+".join(c for c, g in (gains or {}).items() if g < 0)
        row = {
            "case": case,
            "protocol": protocol,
            "products": "tou",
            "strategy": strategy or "truthful",
            "settlement": "pay_as_agreed",
            "variant": "base",
            "seed": seed,
            "luck": 0,
            "changes": "",
            "status": "failed" if gains is None else "completed",
            "reason": "no solution" if gains is None else "",
            "autarky_meur": cost_meur,
            "planner_meur": cost_meur - planner_gain_meur,
            "ceiling_meur": planner_gain_meur,
            "gain_meur": gain,
            "efficiency": None if gain is None else gain / planner_gain_meur,
            "of_ceiling": None if gain is None else gain / planner_gain_meur,
            "least_gain_meur": None if gains is None else min(gains.values()),
            "losers": None if gains is None else losers,
        }
        counts = ("steps", "rounds", "messages", "numbers_disclosed", "solves", "dependent_solves")
        for place, count in enumerate(counts):
            row[count] = None if gains is None else (place + 1) * (len(protocol) + seed + 1)
        runs.append(row)
        for country, value in (gains or {}).items():
            countries.append(
                {
                    "case": case,
                    "country": country,
                    "gain_meur": value,
                    "payments_meur": 0.0,
                    "net_import_gwh": 0.0,
                    "cost_autarky_meur": cost_meur / 2,
                    "cost_meur": cost_meur / 2 - value,
                }
            )
    frame = pd.DataFrame(runs, columns=[c.name for c in TABLES["runs"]])
    return frame, pd.DataFrame(countries, columns=[c.name for c in TABLES["countries"]])
