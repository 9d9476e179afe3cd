"""Small worlds for tests, most cut from sapp2030: real data, coarse time, seconds to build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pypsa

from agents.planning import PypsaProblem
from agents.policy import PolicyInForce, add_policy_constraints
from agents.problem import PlanningProblem, Terms
from model.options import RunOptions
from model.reporting import Reporter
from model.world import World, build_fleets, build_world, chosen_scenario
from tests import small_networks

TWO = ("MZ", "ZA")
FOUR = ("MZ", "ZA", "ZW", "NA")
# Rounding of two solves of the same size, as a share of cost.
ROUNDING = 1e-9


def small_world(
    countries: tuple[str, ...] = FOUR,
    resolution: str = "4w6h",
    slices: str = "year",
    products: str = "tou",
) -> World:
    """World that all tests of a process share; only its problems remember what they were asked."""
    return _built(countries, resolution, slices, products)


@cache
def _built(countries: tuple[str, ...], resolution: str, slices: str, products: str) -> World:
    chosen = RunOptions(
        "sapp2030",
        countries=countries,
        resolution=resolution,
        slices=slices,
        products=products,
    )
    return build_world(chosen_scenario(chosen), "highs", Reporter())


@cache
def ports_world(window: int = 6) -> World:
    """World of a network file in which South Africa's interconnectors land at two ports."""
    with TemporaryDirectory() as folder:
        chosen = RunOptions(
            str(small_networks.written(Path(folder))),
            countries=small_networks.COUNTRIES,
            overrides={"network.window": window},
        )
        return build_world(chosen_scenario(chosen), "highs", Reporter())


def small_fleet(
    country: str, others: tuple[str, ...] = (), resolution: str = "4w12h", **changes: object
) -> pypsa.Network:
    """A country's network without the model of it, which takes most of the time."""
    chosen = RunOptions(
        "sapp2030", countries=(country, *others), resolution=resolution, overrides=changes
    )
    fleets, _ = build_fleets(chosen_scenario(chosen), Reporter())
    return fleets.networks[country]


def teaching_world(scenario: str, **overrides: object) -> World:
    """World of a built-in scenario of cost curves."""
    chosen = RunOptions(scenario, overrides=overrides)
    return build_world(chosen_scenario(chosen), "highs", Reporter())


def untouched(world: World) -> World:
    """The same world with problems that nobody has asked anything."""
    return replace(world, problems=renewed(world.problems))


def renewed(problems: Mapping[str, PlanningProblem]) -> dict[str, PlanningProblem]:
    """PyPSA problems as they were when they were built."""
    fresh: dict[str, PlanningProblem] = {}
    for country, problem in problems.items():
        assert isinstance(problem, PypsaProblem)
        fresh[country] = problem.renewed()
    return fresh


def solved_anew(
    network: pypsa.Network, exchange_mw: np.ndarray, policy: PolicyInForce | None = None
) -> pypsa.Network:
    """The country's network with its load changed, built and solved from nothing by PyPSA."""
    n = network.copy()
    before = n.get_switchable_as_dense("Load", "p_set")
    n.loads_t.p_set = before.sub(exchange_mw, axis=0)
    in_force = policy or PolicyInForce()
    if in_force.self_sufficiency is not None:
        # A share of the country's own demand, not of what is left of it after the exchange.
        hours = n.snapshot_weightings.generators
        left = (hours @ n.loads_t.p_set).sum() / (hours @ before).sum()
        in_force = replace(in_force, self_sufficiency=in_force.self_sufficiency / left)

    def add_policy(n: pypsa.Network, snapshots: object) -> None:
        del snapshots
        add_policy_constraints(n, n.buses.index[0], in_force)

    status, _ = n.optimize(
        solver_name="highs",
        include_objective_constant=False,
        extra_functionality=add_policy,
        output_flag=False,
    )
    assert status == "ok"
    return n


def box_mw(world: World, country: str) -> tuple[float, float]:
    """Smallest and largest net import that the country's interconnectors allow, MW."""
    export = imports = 0.0
    for neighbour in world.graph.neighbors(country):
        data = world.graph.edges[country, neighbour]
        export += data["capacity_mw"][country]
        imports += data["capacity_mw"][neighbour] * (1 - data["loss"])
    return -export, imports


def random_exchange(world: World, country: str, rng: np.random.Generator) -> np.ndarray:
    """Net import anywhere in the trading box, MW per snapshot."""
    low, high = box_mw(world, country)
    return rng.uniform(low, high, len(world.snapshots))


def traded_exchange(world: World, country: str, rng: np.random.Generator) -> np.ndarray:
    """Net import that the products can express, MW per snapshot."""
    low, high = box_mw(world, country)
    return world.products.profile_mw(rng.uniform(low, high, len(world.products)))


def random_terms(world: World, country: str, value: np.ndarray, rng: np.random.Generator) -> Terms:
    """Prices around a value and limits that its interconnectors allow."""
    low, high = box_mw(world, country)
    price = value * rng.uniform(0.5, 1.5, len(value)) + rng.normal(0.0, 3.0, len(value))
    return Terms(
        import_price=price + 0.1,
        export_price=price - 0.1,
        import_limit_mw=rng.uniform(0.0, high, len(value)),
        export_limit_mw=rng.uniform(0.0, -low, len(value)),
    )


def annual_cost_eur(n: pypsa.Network, country: str | None = None) -> float:
    """Variable cost and annuities of what was built, EUR/a, added up component by component."""
    hours = n.snapshot_weightings.objective
    total = 0.0
    for component in ("Generator", "StorageUnit"):
        static, dynamic = n.c[component].static, n.c[component].dynamic
        own = static.index if country is None else static.index[static.bus == country]
        output = dynamic.p[own]
        if component == "StorageUnit":
            output = dynamic.p_dispatch[own]
        total += float((output.mul(hours, axis=0).sum() * static.marginal_cost[own]).sum())
        grown = static.index.isin(own) & static.p_nom_extendable
        total += float((static.p_nom_opt * static.capital_cost)[grown].sum())
    return total


def emissions_t(n: pypsa.Network, country: str) -> float:
    """CO2 of a solved network's generators on one bus, t/a."""
    static = n.generators[n.generators.bus == country]
    rate = static.carrier.map(n.carriers.co2_emissions).fillna(0.0) / static.efficiency
    energy = n.generators_t.p[static.index].mul(n.snapshot_weightings.generators, axis=0).sum()
    return float((energy * rate).sum())


def share_of_demand_met_at_home(n: pypsa.Network, country: str) -> float:
    """Generation and release of inflow on one bus as a share of its own demand."""
    hours = n.snapshot_weightings.generators
    static = n.generators[n.generators.bus == country]
    own = static.index[~static.carrier.isin(["load_shedding", "disposal"])]
    energy = n.generators_t.p[own].mul(hours, axis=0).sum().sum()
    units = n.storage_units.index[n.storage_units.bus == country]
    fed = [u for u in units if u in n.storage_units_t.inflow]
    energy += n.storage_units_t.p_dispatch[fed].mul(hours, axis=0).sum().sum()
    loads = n.loads.index[n.loads.bus == country]
    demand = n.get_switchable_as_dense("Load", "p_set")[loads].mul(hours, axis=0).sum().sum()
    return float(energy / demand)


def firm_mw(n: pypsa.Network, country: str, share: Mapping[str, float]) -> float:
    """Firm capacity on one bus, MW."""
    total = 0.0
    for table in (n.generators, n.storage_units):
        own = table[table.bus == country]
        total += float((own.p_nom_opt * own.carrier.map(share).fillna(0.0)).sum())
    return total
