"""The yardstick that sees everything, cached by the content of what it was computed from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pypsa
import scipy.sparse as sp

from agents.curve_problem import CurveProblem
from model.cache import cache_folder, fingerprint, load_arrays, programs, store_arrays
from model.curve_planner import plan_curves
from model.graph import strands
from model.joint import joint_network, plan_jointly
from model.ledger import Ledger
from model.world import World
from protocols.products import Products
from scenarios.schema import Scenario

# In the cache, before the country whose price it is.
_PRICE = "price/"


@dataclass(frozen=True)
class PlannerResult:
    """The planner's optimum.

    Attributes
    ----------
    cost_eur : float
        Cost of all countries, EUR/a.
    flows_mw : dict of str to ndarray
        Net flow of each interconnector, positive from its alphabetically first country.
    price_eur_per_mwh : dict of str to ndarray
        Dual price of each country in every snapshot; empty for cost curves and where a country has
        several buses.
    """

    cost_eur: float
    flows_mw: dict[str, np.ndarray]
    price_eur_per_mwh: dict[str, np.ndarray] = field(default_factory=dict)

    def exchange_mw(self, world: World, country: str) -> np.ndarray:
        """Net import of a country in the planner's optimum, MW per snapshot."""
        ledger = Ledger(world.graph, world.products)
        ledger.flows_mw = self.flows_mw
        return ledger.exchange_mw(country)


def planner(
    world: World,
    products: Products | None = None,
    time_limit_s: float | None = None,
    told: Callable[[str], None] | None = None,
) -> PlannerResult:
    """Planner's optimum on exactly the agents' problems; from the cache if it is there.

    Parameters
    ----------
    world : World
    products : Products, optional
        Restrict exchange to these; by default every snapshot is free.
    time_limit_s : float, optional
        Seconds the solver may take; building the problem does not count.
    told : callable, optional
        Gets a few words now and then while the solver works.

    Raises
    ------
    OutOfTime
        If the solver reaches its time limit.
    RuntimeError
        If it finds no optimum for another reason.
    """
    place = cache_folder() / f"planner-{_key(world, products)}.npz"
    cached = load_arrays(place)
    if cached is not None:
        cost_eur = float(cached.pop("cost_eur"))
        prices = {k: v for k, v in cached.items() if k.startswith(_PRICE)}
        flows = {k: v for k, v in cached.items() if k not in prices}
        return PlannerResult(
            cost_eur, flows, {k.removeprefix(_PRICE): v for k, v in prices.items()}
        )
    result = _compute(world, products, time_limit_s, told)
    prices = {f"{_PRICE}{c}": price for c, price in result.price_eur_per_mwh.items()}
    store_arrays(place, {"cost_eur": np.array(result.cost_eur), **result.flows_mw, **prices})
    return result


def _compute(
    world: World,
    products: Products | None,
    time_limit_s: float | None,
    told: Callable[[str], None] | None,
) -> PlannerResult:
    if not world.networks:
        curves = {c: p for c, p in world.problems.items() if isinstance(p, CurveProblem)}
        free = products or _every_snapshot(world)
        cost, flows = plan_curves(curves, world.graph, free, time_limit_s)
        return PlannerResult(cost, flows)
    n = joint_network(world.networks, world.graph)
    cost = plan_jointly(n, world.policies, products, world.graph, time_limit_s, told)
    return PlannerResult(cost, _net_flows(n, world), _prices(n, world))


def _prices(n: pypsa.Network, world: World) -> dict[str, np.ndarray]:
    """Duals of the countries' balances, EUR/MWh; empty if one has several."""
    buses = {country: network.buses.index for country, network in world.networks.items()}
    if any(len(names) != 1 for names in buses.values()):
        return {}
    price = n.buses_t.marginal_price
    return {country: price[names[0]].to_numpy() for country, names in buses.items()}


def _net_flows(n: pypsa.Network, world: World) -> dict[str, np.ndarray]:
    def sent(sender: str, receiver: str) -> np.ndarray:
        names = [strand.name for strand in strands(world.graph, sender, receiver)]
        total: np.ndarray = n.links_t.p0[names].sum(axis=1).to_numpy()
        return total

    return {
        data["name"]: (sent(a, b) - sent(b, a)) * (1 if a < b else -1)
        for a, b, data in world.graph.edges(data=True)
    }


def _every_snapshot(world: World) -> Products:
    weights = world.products.weights_h
    names = tuple(str(t) for t in range(len(weights)))
    return Products(names, names, sp.eye_array(len(weights)), weights)


def _key(world: World, products: Products | None) -> str:
    """Hash of everything the optimum depends on."""
    return fingerprint(
        programs(),
        without_negotiation(world.scenario).model_dump_json(),
        world.products.weights_h,
        world.policies,
        world.networks,
        {country: problem.demand_mw for country, problem in world.problems.items()},
        None if products is None else products.shape,
    )[:24]


def without_negotiation(scenario: Scenario) -> Scenario:
    """The scenario with what the planner does not look at set to its default.

    So that negotiations about other products, or with other strategies, find the same optimum.
    """
    plain = {"products": "flat", "slices": "year", "strategies": {}}
    settings = scenario.settings.model_copy(update=plain)
    return scenario.model_copy(update={"settings": settings})
