"""Direct mechanisms: the operator plans for all, and pays each country for what it adds.

Every country hands its planning problem to the operator, who carries out the joint optimum. No
negotiation is held. What remains is the money. With ``v(S)`` the planner's gain of the countries
``S`` with the lines between them, country ``i`` adds ``v(N) - v(N without i)``; the rules here
start from that and need only as many plans as there are countries, and one more.

The game of ``v`` has a core (Owen 1975, for countries with convex costs and lines with limits),
and nobody gets more than it adds in the core. Therefore what all add is never less than ``v(N)``,
and the Clarke rule never leaves a surplus.
"""

from __future__ import annotations

import numpy as np

from model.settlement import Settled, Settlement


class ClarkeSettlement(Settlement):
    """The operator plans for all; everyone earns what it adds to the others, at a deficit.

    Efficient; truth is a dominant strategy, because a country's payment does not depend on what it
    says but through the plan, and the plan is best for it if what it says is true; nobody loses,
    because nobody adds less than nothing. Not balanced: the operator's account pays the deficit,
    and who fills that account is not said. No rule has all four for all costs (Green &
    Laffont 1979; Myerson & Satterthwaite 1983 for two parties). Groups may gain by lying together.

    References: Vickrey (1961), Journal of Finance 16; Clarke (1971), Public Choice 11; Groves
    (1973), Econometrica 41.
    """

    name = "clarke"
    discloses = "everything: every country's planning problem, to the operator"
    values_coalitions = True
    direct = True
    balanced = False

    def payments_eur(self, case: Settled) -> dict[str, float]:
        """Own saving less what the country adds to the gain of all."""
        added, savings = contributions_eur(case), case.savings_eur
        return {country: savings[country] - added[country] for country in savings}


class ThresholdSettlement(Settlement):
    """The operator plans for all; everyone earns what it adds less one amount, the same for all.

    Country ``i`` gains ``max(0, D_i - t)``, where ``D_i`` is what it adds and ``t`` makes the gains
    sum to the gain of all. Efficient if told the truth, balanced, nobody loses; not truthful. What
    a country can gain by a lie is bounded by how far it stays below what it adds, and of all
    balanced divisions without losers this one makes the largest such distance smallest.

    Reference: Parkes, Kalagnanam & Eso (2001), Achieving budget-balance with Vickrey-based payment
    schemes in exchanges, IJCAI 17.
    """

    name = "threshold"
    discloses = "everything: every country's planning problem, to the operator"
    values_coalitions = True
    direct = True

    def payments_eur(self, case: Settled) -> dict[str, float]:
        """Own saving less what the country adds beyond the threshold."""
        added, savings = contributions_eur(case), case.savings_eur
        gains = above_threshold(np.array([added[c] for c in savings]), sum(savings.values()))
        return {c: savings[c] - float(gain) for c, gain in zip(savings, gains, strict=True)}


def contributions_eur(case: Settled) -> dict[str, float]:
    """What each country adds to the planner's gain of all: that less the gain without it, EUR/a.

    Without a country its lines carry nothing, also not for others. Valued at the run's own
    resolution.
    """
    # When it is needed: listing the rules must not load the modelling tools.
    from model.coalitions import LineGains, coalitions_of_countries

    game = coalitions_of_countries(LineGains(case.world.scenario))
    n = len(game.players)
    everyone = (1 << n) - 1
    all_eur, *without_eur = game.values_eur([everyone, *(everyone ^ 1 << i for i in range(n))])
    return {
        country: max(float(all_eur - less), 0.0)
        for country, less in zip(game.players, without_eur, strict=True)
    }


def above_threshold(contributions: np.ndarray, total: float) -> np.ndarray:
    """Divide a total so that everyone has its contribution less a threshold, or nothing.

    Parameters
    ----------
    contributions : ndarray, shape (n,)
        Their sum is at least the total, but for rounding.
    total : float
        Not negative, but for rounding.

    Returns
    -------
    ndarray, shape (n,)
        Sums to the total.

    Examples
    --------
    >>> above_threshold(np.array([3000.0, 1000.0, 0.0]), 3000.0).tolist()
    [2500.0, 500.0, 0.0]
    """
    ranked = np.sort(contributions)[::-1]
    # The threshold if the k largest have something: where it leaves exactly these above it.
    thresholds = (np.cumsum(ranked) - total) / np.arange(1, len(ranked) + 1)
    above = np.flatnonzero(ranked > thresholds)
    last = int(above[-1]) if len(above) else 0
    gains = contributions - thresholds[last]
    return np.where(contributions >= ranked[last], gains, 0.0)
