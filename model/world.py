"""Everything one run negotiates about, built from options: problems, graph, products."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import networkx as nx
import numpy as np
import pandas as pd
import pypsa

from agents.curve_problem import CurveProblem
from agents.network import country_network
from agents.planning import PypsaProblem
from agents.policy import Policy, PolicyInForce, policy_in_force
from agents.problem import PlanningProblem
from model.graph import interconnection_graph, limit_over_time
from model.options import RunOptions
from model.reporting import Reporter
from protocols.products import Products, make_products
from pypsa_earth.names import is_network_file
from pypsa_earth.scenario import axis_of_network, country_parts, network_scenario
from pypsa_earth.split import CountryPart
from scenarios.loader import load_scenario
from scenarios.schema import Scenario
from scenarios.time_axis import TimeAxis, build_time_axis

Ports = Sequence[Mapping[str, float]]


@dataclass
class World:
    """Input of a negotiation.

    Attributes
    ----------
    scenario : Scenario
    graph : networkx.Graph
    products : Products
    snapshots : Index, shape (snapshots,)
    problems : dict of str to PlanningProblem
        One per country, handed to the agents, who see their own; protocols see none. The run
        itself, which is no party to the negotiation, keeps these references: it re-solves autarky,
        the outcome and the planner's case when the negotiation is over, and hands the world to the
        settlement rule, which says what it makes countries disclose.
    networks : dict of str to pypsa.Network
        Networks behind the problems; empty for cost curves.
    policies : dict of str to Policy
    """

    scenario: Scenario
    graph: nx.Graph
    products: Products
    snapshots: pd.Index
    problems: dict[str, PlanningProblem] = field(default_factory=dict)
    networks: dict[str, pypsa.Network] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)

    @property
    def countries(self) -> tuple[str, ...]:
        """Country codes in their fixed order."""
        return self.scenario.codes


def chosen_scenario(options: RunOptions) -> Scenario:
    """Scenario with everything the options change.

    Raises
    ------
    ScenarioError
        If the scenario or a change is not valid.
    """
    overrides = dict(options.overrides)
    for key in ("products", "slices", "resolution", "seed"):
        value = getattr(options, key)
        if value is not None:
            overrides[key] = value
    if is_network_file(options.scenario):
        scenario = network_scenario(options.scenario, overrides, options.countries)
    else:
        scenario = load_scenario(options.scenario, overrides=overrides, countries=options.countries)
    return scenario if options.transit_charges else _without_charges(scenario)


def _without_charges(scenario: Scenario) -> Scenario:
    """The scenario in which passing on energy is free."""
    settings = scenario.settings.model_copy(update={"wheeling_eur_per_mwh": 0.0})
    free = tuple(
        line.model_copy(update={"wheeling_eur_per_mwh": 0.0}) for line in scenario.interconnectors
    )
    return scenario.model_copy(update={"settings": settings, "interconnectors": free})


def build_world(scenario: Scenario, solver: str, reporter: Reporter) -> World:
    """Build the planning problem of every country.

    Parameters
    ----------
    scenario : Scenario
    solver : {"highs", "gurobi"}
    reporter : Reporter
    """
    if scenario.settings.kind == "cost_curves":
        return _curve_world(scenario)
    if scenario.settings.kind == "network":
        return _network_world(scenario, solver, reporter)
    fleets, axis = build_fleets(scenario, reporter)
    products = make_products(
        scenario.settings.products,
        axis.slice_labels(scenario.settings.slices).to_numpy(),
        axis.tou_labels().to_numpy(),
        axis.weights_h.to_numpy(dtype=float),
    )
    world = World(scenario, interconnection_graph(scenario), products, axis.snapshots)
    world.networks.update(fleets.networks)
    world.policies.update(fleets.policies)
    world.problems = pypsa_problems(
        world.networks, world.policies, products, solver, told=reporter.solving
    )
    return world


@dataclass(frozen=True)
class Fleets:
    """What the countries plan with.

    Attributes
    ----------
    networks : dict of str to pypsa.Network
        Unsolved network of each country.
    policies : dict of str to PolicyInForce
    """

    networks: dict[str, pypsa.Network] = field(default_factory=dict)
    policies: dict[str, PolicyInForce] = field(default_factory=dict)


def build_fleets(scenario: Scenario, reporter: Reporter) -> tuple[Fleets, TimeAxis]:
    """Networks and policies of all countries, and the time axis they share.

    Parameters
    ----------
    scenario : Scenario
        Of kind ``"pypsa"``.
    reporter : Reporter
    """
    from scenarios.profiles import synthesise  # the weather's libraries; other worlds have none

    profiles = synthesise(scenario)
    axis = build_time_axis(scenario.settings.resolution, profiles)
    fleets = Fleets()
    reporter.phase("building the countries' models", len(scenario.codes))
    for country in scenario.codes:
        reporter.advance(country)
        peak_mw = float(profiles.load_mw[country].max())
        fleets.policies[country] = policy_in_force(scenario, country, peak_mw)
        fleets.networks[country] = country_network(scenario, country, profiles, axis)
    return fleets, axis


def pypsa_problems(
    networks: Mapping[str, pypsa.Network],
    policies: Mapping[str, Policy],
    products: Products,
    solver: str,
    ports: Mapping[str, Ports] | None = None,
    told: Callable[[str], None] | None = None,
) -> dict[str, PlanningProblem]:
    """Hot problems of all countries; ``ports`` where exchange enters, if not at the one bus.

    ``told`` hears how long solves are getting on.
    """
    return {
        country: PypsaProblem(
            country,
            n,
            products.shape,
            policies[country],
            solver,
            ports=None if ports is None else ports[country],
            told=told,
        )
        for country, n in networks.items()
    }


def _network_world(scenario: Scenario, solver: str, reporter: Reporter) -> World:
    """World of the countries of a network file."""
    reporter.phase("splitting the network", len(scenario.codes))
    parts = country_parts(scenario)
    snapshots, hours = parts[scenario.codes[0]].time
    axis = axis_of_network(snapshots, hours)
    settings = scenario.settings
    products = make_products(
        settings.products,
        axis.slice_labels(settings.slices).to_numpy(),
        axis.tou_labels().to_numpy(),
        hours,
    )
    world = World(scenario, interconnection_graph(scenario), products, snapshots)
    hold_limits(world.graph, parts)
    ports: dict[str, Ports] = {}
    for country, part in parts.items():
        reporter.advance(country)
        world.networks[country] = part.network
        world.policies[country] = part.rules
        # A country without neighbours still has a price: where its load is.
        ports[country] = world.graph.nodes[country].get("ports") or [part.load_shares()]
    world.problems = pypsa_problems(
        world.networks, world.policies, products, solver, ports, reporter.solving
    )
    return world


def hold_limits(graph: nx.Graph, parts: Mapping[str, CountryPart]) -> None:
    """Let the limits of interconnectors follow those of the branches of a network file."""
    for country, part in parts.items():
        for neighbour, limit_mw in part.limit_mw.items():
            if graph.has_edge(country, neighbour):
                limit_over_time(graph, country, neighbour, limit_mw)


def _curve_world(scenario: Scenario) -> World:
    settings = scenario.settings
    weights_h = np.full(settings.snapshots, settings.hours_per_snapshot)
    slices = np.full(settings.snapshots, str(settings.year))
    parts = np.full(settings.snapshots, "standard")
    products = make_products(settings.products, slices, parts, weights_h)
    snapshots = pd.date_range(f"{settings.year}-01-01", periods=settings.snapshots, freq="h")
    world = World(scenario, interconnection_graph(scenario), products, snapshots)
    for curve in scenario.curves:
        world.problems[curve.country] = CurveProblem(
            curve, weights_h, products.shape, settings.value_of_lost_load_eur_per_mwh
        )
    return world
