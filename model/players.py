"""Who negotiates how: the protocol and the countries' strategies, from the options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from agents.perturbation import Perturbation
from agents.privacy import KINDS, read_privacy
from agents.strategy import Strategy, Truthful, make_strategy
from model.graph import interconnection_graph
from model.options import DEFAULT_PERTURB, RunOptions
from model.settlement import make_settlement
from protocols.base import Protocol
from protocols.landing import port_count
from protocols.registry import make_protocol, protocol_class
from scenarios.errors import ScenarioError, did_you_mean
from scenarios.schema import Scenario

if TYPE_CHECKING:
    from model.world import World

# Stands for the protocol where the settlement is a direct mechanism and none is held.
DIRECT = "direct"
# Child of the run's seed that noise is drawn from.
_PRIVACY = 0x9A17


def as_carried_out(options: RunOptions) -> RunOptions:
    """The options of a run as they are carried out.

    A settlement that is a direct mechanism holds no negotiation: it plans every snapshot of the
    year at once, whatever protocol, products and decomposition were asked for.

    Raises
    ------
    PluginError
        If there is no such settlement.
    """
    if not make_settlement(options.settlement).direct:
        return options
    return replace(
        options,
        protocol=DIRECT,
        mode=Protocol.mode,
        protocol_settings={},
        products="hourly",
        decomposition="coupled",
    )


def negotiation_terms(options: RunOptions, world: World) -> dict[str, Any]:
    """Arguments of :class:`model.negotiation.NegotiationModel` but for the protocol."""
    settings = world.scenario.settings
    return {
        "problems": world.problems,
        "graph": world.graph,
        "products": world.products,
        "seed": negotiation_seed(options, world.scenario),
        "workers": options.workers,
        "strategies": chosen_strategies(options, world.scenario),
        "price_cap_eur_per_mwh": settings.value_of_lost_load_eur_per_mwh,
        "perturbation": chosen_perturbation(options),
    }


def chosen_perturbation(options: RunOptions) -> Perturbation:
    """How countries value a little more and a little less import in every step of a run.

    Raises
    ------
    ScenarioError
        If it cannot be read, or the protocol does it by its own rules.
    """
    if options.perturb is not None and options.protocol != DIRECT:
        kind = protocol_class(options.protocol, options.mode)
        if kind.valuation == "perturbation":
            raise ScenarioError(
                f"--perturb: {options.protocol}, mode {options.mode}, makes every country perturb "
                "its demand by its own rule; --set protocol.step_share=0.05 changes it"
            )
    if options.perturb_products < 1:
        raise ScenarioError("--perturb-products must be at least 1; --perturb off tries none")
    text = DEFAULT_PERTURB if options.perturb is None else options.perturb
    try:
        return Perturbation.from_text(text, options.perturb_products)
    except ValueError as error:
        raise ScenarioError(f"--perturb: {error}") from None


def chosen_protocol(options: RunOptions) -> Protocol:
    """Protocol of a run.

    Raises
    ------
    PluginError
        If there is no such protocol, mode or parameter.
    """
    return make_protocol(options.protocol, options.mode, **options.protocol_settings)


def negotiation_seed(options: RunOptions, scenario: Scenario) -> int:
    """Root of the random streams of a negotiation: the scenario's seed, unless luck is another."""
    if options.luck == 0:
        return scenario.settings.seed
    root = np.random.SeedSequence(scenario.settings.seed, spawn_key=(options.luck,))
    return int(root.generate_state(1)[0])


def chosen_strategies(options: RunOptions, scenario: Scenario) -> dict[str, Strategy]:
    """Strategies of a run: the scenario's, unless the options name others.

    Whoever has none is discreet, if the options ask for privacy. See :func:`profile_strategies`.
    """
    given = profile_strategies({**scenario.settings.strategies, **options.strategies}, scenario)
    if not options.privacy:
        return given
    kind, amount = read_privacy(options.privacy)
    return {
        c: given[c] if c in given else KINDS[kind](amount, (scenario.settings.seed, _PRIVACY, k))
        for k, c in enumerate(scenario.codes)
    }


def profile_strategies(profile: Mapping[str, str], scenario: Scenario) -> dict[str, Strategy]:
    """Strategy of each country that a profile names; whoever it leaves out is truthful.

    The scenario's own strategies do not count, so that a profile of a comparison is what its label
    says.

    Raises
    ------
    ScenarioError
        If a country does not take part.
    PluginError
        If there is no such strategy.
    """
    for country in profile:
        if country not in scenario.codes:
            advice = did_you_mean(country, scenario.codes)
            raise ScenarioError(f"--strategy: no country '{country}'{advice}")
    return {c: make_strategy(profile[c]) for c in scenario.codes if c in profile}


def check_rules(options: RunOptions, scenario: Scenario) -> None:
    """Refuse a protocol or a settlement that is not made for the scenario.

    Raises
    ------
    ScenarioError
        If a country has more ports than the protocol knows, the settlement values coalitions of
        the countries of a network file, or a strategy is to answer a direct mechanism.
    PluginError
        If there is no such protocol, mode or settlement.
    """
    settlement = make_settlement(options.settlement)
    graph = interconnection_graph(scenario)
    several = [c for c in scenario.codes if port_count(graph, c) > 1]
    if settlement.direct:
        _check_direct(options, scenario)
    elif several and not protocol_class(options.protocol, options.mode).several_ports:
        raise ScenarioError(
            f"--protocol {options.protocol} is not made for countries whose interconnectors land "
            f"at several places ({', '.join(several)}); choose bilateral_bids or consensus_admm"
        )
    if scenario.settings.kind == "network" and settlement.values_coalitions:
        raise ScenarioError(
            f"--settlement {options.settlement} values coalitions, which is not made for "
            "network files; choose another"
        )


def _check_direct(options: RunOptions, scenario: Scenario) -> None:
    """Refuse strategies where problems are handed over as they are and nobody answers."""
    if options.privacy:
        raise ScenarioError(
            f"--settlement {options.settlement} is handed every country's planning problem as it "
            "is; leave out --privacy"
        )
    given = {**scenario.settings.strategies, **options.strategies}
    playing = [
        f"{c}={how}" for c, how in given.items() if not isinstance(make_strategy(how), Truthful)
    ]
    if playing:
        raise ScenarioError(
            f"--settlement {options.settlement} takes every country's planning problem as it is, "
            f"so that no strategy can answer; leave out --strategy {playing[0]}"
        )
