"""What the attack is held against: true cost and marginal value at exchanges nobody has spoken of.

The run's owner solves them after the run. No attacker sees them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.problem import PlanningProblem
from model.world import World
from protocols.products import Products

# Tries per place: where a country cannot serve its load in most of the box, few places are found.
_TRIES = 40


@dataclass(frozen=True)
class Truth:
    """Cost and marginal value of one country at some places.

    Attributes
    ----------
    at_mw : ndarray, shape (places, products)
        Net import.
    cost_eur : ndarray, shape (places,)
        Cost there less cost in autarky.
    value_eur_per_mwh : ndarray, shape (places, products)
        Marginal value of net import.
    """

    at_mw: np.ndarray
    cost_eur: np.ndarray
    value_eur_per_mwh: np.ndarray


def trading_box(world: World, country: str) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest net import that a country's interconnectors allow, MW of each product."""
    products = world.products
    least, most = np.zeros(len(products)), np.zeros(len(products))
    for neighbour in world.graph.neighbors(country):
        line = world.graph.edges[country, neighbour]
        there, back = (
            products.largest_within(np.full(products.snapshots, line["capacity_mw"][c]))
            for c in (country, neighbour)
        )
        least, most = least - there, most + (1 - line["loss"]) * back
    return least, most


def truth_at(problem: PlanningProblem, products: Products, at_mw: np.ndarray) -> Truth:
    """Solve a country at places; ``at_mw`` has the shape (places, products)."""
    alone = problem.cost(np.zeros(len(problem.weights_h)))
    plans = [problem.solve(products.profile_mw(mw)) for mw in at_mw]
    return Truth(
        at_mw,
        np.array([plan.cost_eur - alone for plan in plans]),
        np.array([products.average(plan.price_eur_per_mwh) for plan in plans]),
    )


def unseen(world: World, country: str, places: int, rng: np.random.Generator) -> Truth:
    """A country at random places of its trading box.

    Places where it would have to shed load are passed over: nobody trades there, and the value of
    lost load would drown all else.

    Parameters
    ----------
    world : World
    country : str
        With one port.
    places : int
        Fewer are returned if next to none in the box can be served.
    rng : numpy.random.Generator
    """
    cap = world.scenario.settings.value_of_lost_load_eur_per_mwh
    problem, (least, most) = world.problems[country], trading_box(world, country)
    found: list[np.ndarray] = []
    for _ in range(_TRIES * places):
        if len(found) == places:
            break
        place = rng.uniform(least, most)
        plan = problem.solve(world.products.profile_mw(place))
        if plan.price_eur_per_mwh.max() < 0.99 * cap:
            found.append(place)
    return truth_at(problem, world.products, np.reshape(found, (-1, len(world.products))))


def between(stood_mw: Sequence[np.ndarray], places: int, rng: np.random.Generator) -> np.ndarray:
    """Random exchanges in the box that autarky and some exchanges span (places, products)."""
    all_mw = np.array([np.zeros_like(stood_mw[0]), *stood_mw])
    least, most = all_mw.min(axis=0), all_mw.max(axis=0)
    found: np.ndarray = rng.uniform(least, most, (places, len(least)))
    return found
