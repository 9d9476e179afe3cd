"""Where bargaining should end: the Nash, Kalai-Smorodinsky and egalitarian points.

Yardsticks for what a negotiation ended in, not rules of one. Utilities are gains over no deal, EUR,
so that the point of disagreement is the origin. Where money can be transferred freely all three
points coincide: the largest joint gain, split equally. They part where the price is fixed or
capped, or where nothing is paid.

References: Nash (1950), The bargaining problem, Econometrica 18; Kalai & Smorodinsky (1975), Other
solutions to Nash's bargaining problem, Econometrica 43; Kalai (1977), Proportional solutions to
bargaining situations, Econometrica 45; Thomson (1994) for more than two parties.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from agents.problem import PlanningProblem
from agents.valuation import Valuation
from model.graph import largest_mw
from model.options import RunOptions
from model.reporting import Reporter
from model.world import build_world, chosen_scenario
from scenarios.errors import ScenarioError

Solution = Literal["nash", "kalai_smorodinsky", "egalitarian"]
SOLUTIONS: tuple[Solution, ...] = ("nash", "kalai_smorodinsky", "egalitarian")
# Values that differ by less than this share of the largest are equal.
ROUNDING = 1e-12


def choose(utility_eur: np.ndarray, solution: Solution) -> int | None:
    """Outcome that a solution picks from a finite set.

    Parameters
    ----------
    utility_eur : ndarray, shape (outcomes, parties)
        Gains of each party over no deal, EUR.
    solution : {"nash", "kalai_smorodinsky", "egalitarian"}
        Largest product of gains; largest smallest share of the ideal gains; largest smallest gain.
        Ties go to the outcome whose next smallest value is larger, then to the first.

    Returns
    -------
    int or None
        Row of the outcome; None if no outcome gives every party at least nothing, or none gains.
    """
    utility = np.asarray(utility_eur, dtype=float)
    rational = np.flatnonzero((utility >= 0).all(axis=1))
    if not len(rational) or not (utility[rational] > 0).any():
        return None
    gains = utility[rational]
    ideal = gains.max(axis=0)
    # A party that cannot gain anywhere is no party to the bargain.
    sharing = ideal > 0
    relative = gains[:, sharing] / ideal[sharing]
    if solution == "nash":
        merits = np.column_stack([relative.prod(axis=1), np.sort(relative, axis=1)])
    elif solution == "kalai_smorodinsky":
        merits = np.sort(relative, axis=1)
    else:
        merits = np.sort(gains[:, sharing], axis=1) / ideal.max()
    return int(rational[_best_row(merits)])


def _best_row(merits: np.ndarray) -> int:
    """First row that is lexicographically largest, up to rounding."""
    left = np.arange(len(merits))
    for column in merits.T:
        left = left[column[left] >= column[left].max() - ROUNDING]
    return int(left[0])


@dataclass(frozen=True)
class Contract:
    """A point of the price-quantity problem.

    Attributes
    ----------
    mw : float
    price_eur_per_mwh : float
        NaN for no trade.
    buyer_eur, seller_eur : float
        Gains.
    """

    mw: float
    price_eur_per_mwh: float
    buyer_eur: float
    seller_eur: float


@dataclass(frozen=True)
class PriceQuantity:
    """Bargaining of two countries over a quantity and a price.

    Attributes
    ----------
    mw : ndarray, shape (n,)
        Quantities that may be agreed on, as sent.
    hours : float
        Energy of one MW, MWh.
    value_eur, cost_eur : ndarray, shape (n,)
        What the buyer saves and the seller spends more with each quantity.
    lowest_price, highest_price : float
        Limits of the price, EUR/MWh; equal for a fixed price. Without limits by default.
    """

    mw: np.ndarray
    hours: float
    value_eur: np.ndarray
    cost_eur: np.ndarray
    lowest_price: float = field(default=-np.inf)
    highest_price: float = field(default=np.inf)

    def solve(self, solution: Solution) -> Contract:
        """Contract of a solution; no trade if none gives both at least nothing.

        For a given quantity the gains lie on a line of slope -1, cut off where a price limit or
        one party's reservation is met, so that the best price follows in closed form.
        """
        energy = self.mw * self.hours
        joint = self.value_eur - self.cost_eur
        with np.errstate(invalid="ignore"):
            least = np.where(energy > 0, self.lowest_price * energy, 0.0) - self.cost_eur
            most = np.where(energy > 0, self.highest_price * energy, 0.0) - self.cost_eur
        least, most = np.maximum(least, 0.0), np.minimum(most, joint)
        # A fixed price leaves one point, which must not be lost to rounding.
        slack = ROUNDING * np.abs(joint).max(initial=0.0)
        possible = (least <= most + slack) & (energy > 0) & (joint > 0)
        if not possible.any():
            return Contract(0.0, np.nan, 0.0, 0.0)
        share = 0.5
        if solution == "kalai_smorodinsky":
            seller_ideal = most[possible].max()
            buyer_ideal = (joint - least)[possible].max()
            share = seller_ideal / (seller_ideal + buyer_ideal)
        seller = np.clip(share * joint, least, np.maximum(least, most))
        points = np.column_stack([joint - seller, seller])[possible]
        if solution == "kalai_smorodinsky":
            merits = np.sort(points / [buyer_ideal, seller_ideal], axis=1)
        elif solution == "egalitarian":
            merits = np.sort(points, axis=1) / points.max()
        else:
            merits = (points / points.max()).prod(axis=1)[:, None]
        best = int(np.flatnonzero(possible)[_best_row(merits)])
        price = (seller[best] + self.cost_eur[best]) / energy[best]
        return Contract(
            float(self.mw[best]),
            float(price),
            float(joint[best] - seller[best]),
            float(seller[best]),
        )


def price_quantity(
    buyer: PlanningProblem,
    seller: PlanningProblem,
    shape: np.ndarray,
    mw: np.ndarray,
    arriving: float = 1.0,
    lowest_price: float = -np.inf,
    highest_price: float = np.inf,
) -> PriceQuantity:
    """Price-quantity problem of two countries that do not trade yet, by re-solving.

    Parameters
    ----------
    buyer, seller : PlanningProblem
    shape : ndarray, shape (snapshots,)
        MW in every snapshot per MW of the contract.
    mw : ndarray, shape (n,)
        Quantities, MW as sent.
    arriving : float
        MW that arrive per MW sent.
    lowest_price, highest_price : float
        EUR/MWh.
    """
    value = buyer.cost(0 * shape) - np.array([buyer.cost(arriving * q * shape) for q in mw])
    cost = np.array([seller.cost(-q * shape) for q in mw]) - seller.cost(0 * shape)
    hours = float(shape @ buyer.weights_h)
    return PriceQuantity(np.asarray(mw), hours, value, cost, lowest_price, highest_price)


@dataclass(frozen=True)
class Bargain:
    """Where two neighbours' bargain over a flat delivery should end.

    Attributes
    ----------
    buyer, seller : str
    terms : PriceQuantity
        Quantities as sent, and what they are worth and cost.
    worth, cost : ndarray, shape (n - 1,)
        Per MWh sent, of each block between consecutive quantities, EUR/MWh.
    contracts : dict of str to Contract
        By solution.
    """

    buyer: str
    seller: str
    terms: PriceQuantity
    worth: np.ndarray
    cost: np.ndarray
    contracts: dict[str, Contract]


def between(
    scenario: str,
    buyer: str,
    seller: str,
    points: int,
    lowest_price: float = -np.inf,
    highest_price: float = np.inf,
    *,
    resolution: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    reporter: Reporter | None = None,
) -> Bargain:
    """Bargain of two neighbours who trade with nobody else, over one product for the whole year.

    Parameters
    ----------
    scenario : str
    buyer, seller : str
    points : int
        Quantities from nothing to the line's limit.
    lowest_price, highest_price : float
        EUR/MWh.
    resolution : str, optional
    overrides : mapping, optional
        Changes of the scenario.
    reporter : Reporter, optional

    Raises
    ------
    ScenarioError
        If there is no such country, no line between them that can carry anything from the seller,
        or no price allowed.
    """
    if lowest_price > highest_price:
        raise ScenarioError(f"--lowest-price {lowest_price:g} is above --highest-price")
    chosen = RunOptions(
        scenario,
        countries=(buyer, seller),
        resolution=resolution,
        products="flat",
        slices="year",
        overrides=dict(overrides or {}),
    )
    world = build_world(chosen_scenario(chosen), "highs", reporter or Reporter())
    line = world.graph.get_edge_data(buyer, seller)
    most_mw = largest_mw({seller: line["capacity_mw"][seller]}) if line else 0.0
    if most_mw <= 0:
        raise ScenarioError(
            f"no interconnector carries anything from {seller} to {buyer}; name two neighbours"
        )
    year = world.products
    everywhere = np.ones(len(year.weights_h))
    mw, arriving = np.linspace(0.0, most_mw, points), 1 - line["loss"]
    terms = price_quantity(
        world.problems[buyer],
        world.problems[seller],
        everywhere,
        mw,
        arriving,
        lowest_price,
        highest_price,
    )
    rest = 0 * everywhere
    bought, sold = (Valuation(world.problems[c], year) for c in (buyer, seller))
    worth = arriving * bought.curve(rest, 0, arriving * mw)
    cost = sold.curve(rest, 0, -mw[::-1])[::-1]
    contracts = {solution: terms.solve(solution) for solution in SOLUTIONS}
    return Bargain(buyer, seller, terms, worth, cost, {str(k): v for k, v in contracts.items()})


def with_money(total_gain_eur: float, parties: int) -> np.ndarray:
    """All three solutions where money can be transferred freely: equal shares of the gain."""
    return np.full(parties, total_gain_eur / parties)


def distance(gains_eur: Mapping[str, float], point_eur: Mapping[str, float]) -> float:
    """Share of the gain that would have to change hands to reach a division of it.

    Half the sum of absolute differences over the sum of the gains, in [0, 1] where nobody loses
    and both divide the same gain; NaN without a gain.
    """
    total = sum(gains_eur.values())
    if total <= 0:
        return float("nan")
    return sum(abs(gains_eur[c] - point_eur[c]) for c in gains_eur) / (2 * total)
