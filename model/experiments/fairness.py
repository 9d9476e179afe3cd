"""Cases beside the divisions of cooperative game theory: one table of coalitions for each draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from model.coalitions import LineGains, coalition_scenario, coalitions_of_countries
from model.division import distance, gini, in_core, shapley, strongest_complaint
from model.nucleolus import nucleolus
from scenarios.schema import Scenario

EUR_PER_MEUR = 1e6


class Fairness:
    """Values of all coalitions of a scenario's countries, and what follows from them.

    Where coalitions are valued at a coarser resolution than the scenario's, their values are
    multiplied by one factor, so that all together are worth the planner's gain.

    Parameters
    ----------
    scenario : Scenario
    planner_gain_eur : float
        Planner's gain over autarky, EUR/a.
    """

    def __init__(self, scenario: Scenario, planner_gain_eur: float) -> None:
        game = coalitions_of_countries(LineGains(coalition_scenario(scenario), workers=1))
        values = game.all_values_eur()
        factor = 1.0
        if min(planner_gain_eur, values[-1]) > 0:
            factor = planner_gain_eur / float(values[-1])
        self._players = game.players
        self._worth_meur = factor * values / EUR_PER_MEUR
        count = len(game.players)
        self._divisions = {
            "shapley": shapley(self._worth_meur),
            "nucleolus": nucleolus(self._worth_meur),
            "equal_split": np.full(count, self._worth_meur[-1] / count),
        }

    def row(self, gains_meur: Mapping[str, float]) -> dict[str, Any]:
        """Row of the table ``gains`` without its case.

        Parameters
        ----------
        gains_meur : mapping of str to float
            Gain of each country after payments.
        """
        gains = np.array([gains_meur[c] for c in self._players])
        complaint = strongest_complaint(self._worth_meur, gains)
        return {
            "in_core": "yes" if in_core(self._worth_meur, gains) else "no",
            "complaining": "+".join(self._players[i] for i in complaint.members),
            "complaint_meur": float(complaint.excess),
            "gini": _finite(gini(gains)),
            **{
                f"distance_to_{name}": _finite(distance(gains, division))
                for name, division in self._divisions.items()
            },
        }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
