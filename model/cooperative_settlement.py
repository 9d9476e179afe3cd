"""Settlement rules from cooperative game theory: Shapley value and nucleolus.

The office that settles must know what every coalition could gain by itself, that is, everybody's
whole planning problem: these rules are yardsticks for protocols that keep problems private.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from model.division import shapley
from model.nucleolus import nucleolus
from model.settlement import Settled, Settlement
from scenarios.errors import ScenarioError


class ShapleySettlement(Settlement):
    """The gain reached is shared as the Shapley value shares the planner's gain.

    Every country gets what it adds to the coalitions it may join, on average. Nobody loses where
    the pool gains; groups may do better alone.

    Reference: Shapley (1953), A value for n-person games.
    """

    name = "shapley"
    discloses = "everything: the value of every coalition"
    values_coalitions = True

    def payments_eur(self, case: Settled) -> dict[str, float]:
        """Own saving less the country's share of all savings."""
        return _payments_eur(case, shapley)


class NucleolusSettlement(Settlement):
    """The gain reached is shared as the nucleolus shares the planner's gain.

    The largest complaint of any group is as small as it can be. Nobody loses where the pool gains;
    if the whole gain is reached and any division keeps all groups content, this one does.

    Reference: Schmeidler (1969), The nucleolus of a characteristic function game.
    """

    name = "nucleolus"
    discloses = "everything: the value of every coalition"
    values_coalitions = True

    def payments_eur(self, case: Settled) -> dict[str, float]:
        """Own saving less the country's share of all savings."""
        return _payments_eur(case, nucleolus)


def _payments_eur(case: Settled, divide: Callable[[np.ndarray], np.ndarray]) -> dict[str, float]:
    """Payments that leave everyone with a share of the gain reached.

    Coalitions are valued at the scenario's resolution if that takes minutes, else at a coarser one:
    only their proportions count.
    """
    # When it is needed: listing the rules must not load the modelling tools.
    from model.coalitions import (
        MOST_PLAYERS,
        LineGains,
        coalition_scenario,
        coalitions_of_countries,
    )

    game = coalitions_of_countries(LineGains(coalition_scenario(case.world.scenario)))
    if len(game.players) > MOST_PLAYERS:
        raise ScenarioError(
            f"settlement by coalitions of {len(game.players)} countries takes too long; at most "
            f"{MOST_PLAYERS} can be settled, choose another --settlement or fewer --countries"
        )
    values = game.all_values_eur()
    savings = case.savings_eur
    reached = sum(savings.values())
    if values[-1] > 0:
        shares = divide(values / values[-1])
    else:
        shares = np.full(len(game.players), 1 / len(game.players))
    return {c: savings[c] - share * reached for c, share in zip(game.players, shares, strict=True)}
