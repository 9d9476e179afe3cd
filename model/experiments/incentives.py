"""What a country gains by not telling the truth alone, and what the pool loses by it.

A comparison over strategies holds, for each protocol and draw, a run in which all are truthful and
runs in which one country deviates. Gains are by true, re-solved cost with payments. The best
deviation on the grid bounds from below what a country could gain; the largest over countries is how
far the protocol is from being an equilibrium in truth (an epsilon-Nash equilibrium on the grid).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

TRUTHFUL = "truthful"
# What must be equal for two runs to differ in strategy alone; the draw beside the rules.
RULES = ("protocol", "products", "settlement", "changes")
_DRAW = ("variant", "seed")
# As a share of its cost in autarky, what a country must gain for it to be more than rounding.
_ROUNDING = 1e-7


def unilateral(strategy: str) -> tuple[str, str] | None:
    """Country and strategy of a run in which one country deviates from the truth.

    Examples
    --------
    >>> unilateral("ZA=markup:0.1")
    ('ZA', 'markup:0.1')
    >>> unilateral("truthful") is None
    True
    """
    country, equals, how = strategy.partition("=")
    return (country, how) if equals and how and "=" not in how else None


def strategy_grid(countries: Sequence[str], strategies: Sequence[str]) -> list[str]:
    """The truth, then every strategy of every country alone.

    Examples
    --------
    >>> strategy_grid(["MZ", "ZA"], ["markup:0.1"])
    ['truthful', 'MZ=markup:0.1', 'ZA=markup:0.1']
    """
    alone = [f"{country}={strategy}" for country in countries for strategy in strategies]
    return [TRUTHFUL, *alone]


def deviations(runs: pd.DataFrame, countries: pd.DataFrame) -> pd.DataFrame:
    """Mean effect over draws of each deviation under each set of rules.

    Parameters
    ----------
    runs, countries : DataFrame
        Tables of a comparison, see :mod:`model.experiments.tables`.

    Returns
    -------
    DataFrame
        :data:`RULES`, ``country``, ``deviation``, ``draws`` in which it and the truth ended,
        ``draws_missing``, ``own_gain_meur`` (gain of the country over telling the truth, its mean,
        ``least_`` and ``most_``), ``pool_loss_meur`` (gain of all that is lost), and both as shares
        of the planner's gain. NaN without a draw.
    """
    rules, draw = list(RULES), list(_DRAW)
    told = _with_countries(runs[runs["strategy"] == TRUTHFUL], countries)
    truth = told[[*rules, *draw, "country", "gain_meur", "own_meur"]]
    found = [unilateral(str(strategy)) for strategy in runs["strategy"]]
    if not any(found):
        return pd.DataFrame(columns=[*rules, "country", "deviation", *_EFFECTS])
    alone = runs[[who is not None for who in found]].assign(
        country=[who[0] for who in found if who], deviation=[who[1] for who in found if who]
    )
    effects = _with_countries(alone, countries).merge(
        truth, "left", [*rules, *draw, "country"], suffixes=("", "_if_truthful")
    )
    planner_meur = effects["autarky_meur"] - effects["planner_meur"]
    effects = effects.assign(
        own=effects["own_meur"] - effects["own_meur_if_truthful"],
        loss=effects["gain_meur_if_truthful"] - effects["gain_meur"],
        rounding=_ROUNDING * effects["cost_autarky_meur"],
    )
    effects = effects.assign(
        own_share=effects["own"] / planner_meur, loss_share=effects["loss"] / planner_meur
    )
    rows = []
    for key, part in effects.groupby([*rules, "country", "deviation"]):
        known = part.dropna(subset=["own", "loss"])
        rows.append(
            {
                **dict(zip([*rules, "country", "deviation"], key, strict=True)),
                "draws": len(known),
                "draws_missing": len(part) - len(known),
                "own_gain_meur": known["own"].mean(),
                "least_own_gain_meur": known["own"].min(),
                "most_own_gain_meur": known["own"].max(),
                "own_gain_share": known["own_share"].mean(),
                "pool_loss_meur": known["loss"].mean(),
                "pool_loss_share": known["loss_share"].mean(),
                "pays": bool(known["own"].mean() > known["rounding"].mean()),
            }
        )
    return pd.DataFrame(rows, columns=[*rules, "country", "deviation", *_EFFECTS])


_EFFECTS = (
    "draws",
    "draws_missing",
    "own_gain_meur",
    "least_own_gain_meur",
    "most_own_gain_meur",
    "own_gain_share",
    "pool_loss_meur",
    "pool_loss_share",
    "pays",
)


def best_deviations(effects: pd.DataFrame) -> pd.DataFrame:
    """Each country's best answer to the others' truth: a deviation, or the truth itself.

    A country chooses before it knows the draw: by the mean over draws, and the truth where nothing
    pays more than rounding.

    Parameters
    ----------
    effects : DataFrame
        From :func:`deviations`.
    """
    rows = []
    for key, part in effects.groupby([*RULES, "country"], sort=False):
        who = dict(zip((*RULES, "country"), key, strict=True))
        paying = part[part["pays"]]
        if not part["draws"].any():
            chosen = {"deviation": "", "draws": 0, **dict.fromkeys(_AMOUNTS, np.nan)}
        elif paying.empty:
            chosen = {"deviation": TRUTHFUL, "draws": int(part["draws"].max())}
            chosen |= dict.fromkeys(_AMOUNTS, 0.0)
        else:
            best = _largest(paying, "own_gain_meur")
            chosen = {name: best[name] for name in ("deviation", "draws", *_AMOUNTS)}
        rows.append({**who, **chosen})
    return pd.DataFrame(rows, columns=[*RULES, "country", "deviation", "draws", *_AMOUNTS])


_AMOUNTS = ("own_gain_meur", "own_gain_share", "pool_loss_meur", "pool_loss_share")


def regrets(best: pd.DataFrame) -> pd.DataFrame:
    """How far each set of rules is from truth being everybody's best answer.

    Parameters
    ----------
    best : DataFrame
        From :func:`best_deviations`.

    Returns
    -------
    DataFrame
        :data:`RULES`; ``countries`` that were looked at and how many of them ``deviate``; the
        ``largest_own_gain_meur``, whose it is and by what; the pool's ``regret_meur``, the largest
        loss of all together by one country's best answer, whose it is, and ``mean_regret_meur``
        over countries; the two largest also as shares of the planner's gain.
    """
    rows = []
    for key, part in best.groupby(list(RULES), sort=False):
        known = part.dropna(subset="own_gain_meur")
        row: dict[str, object] = dict(zip(RULES, key, strict=True))
        row |= {
            "countries": len(known),
            "deviate": int((known["deviation"] != TRUTHFUL).sum()),
        }
        if len(known):
            keen = _largest(known, "own_gain_meur")
            costly = _largest(known, "pool_loss_meur")
            row |= {
                "largest_own_gain_meur": keen["own_gain_meur"],
                "largest_own_gain_share": keen["own_gain_share"],
                "by": keen["country"] if keen["deviation"] != TRUTHFUL else "",
                "how": keen["deviation"],
                "regret_meur": costly["pool_loss_meur"],
                "regret_share": costly["pool_loss_share"],
                "regret_by": costly["country"] if costly["deviation"] != TRUTHFUL else "",
                "mean_regret_meur": known["pool_loss_meur"].mean(),
            }
        rows.append(row)
    columns = [*RULES, "countries", "deviate", "largest_own_gain_meur", "largest_own_gain_share"]
    columns += ["by", "how", "regret_meur", "regret_share", "regret_by", "mean_regret_meur"]
    return pd.DataFrame(rows, columns=columns)


def _largest(table: pd.DataFrame, column: str) -> dict[str, Any]:
    """First row in which a column is largest."""
    row = table.iloc[int(table[column].to_numpy(dtype=float).argmax())]
    return {str(name): value for name, value in row.items()}


def _with_countries(runs: pd.DataFrame, countries: pd.DataFrame) -> pd.DataFrame:
    """Runs with what a country has: the one in ``country``, or a row for each if there is none."""
    own = countries[["case", "country", "gain_meur", "cost_autarky_meur"]]
    on = ["case", "country"] if "country" in runs else ["case"]
    return runs.merge(own.rename(columns={"gain_meur": "own_meur"}), "left", on)
