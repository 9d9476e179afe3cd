"""Who negotiates how: the protocol and the countries' strategies, from the options."""

from __future__ import annotations

from agents.strategy import Strategy, make_strategy
from model.options import RunOptions
from protocols.base import Protocol
from protocols.registry import make_protocol
from scenarios.errors import ScenarioError, did_you_mean
from scenarios.schema import Scenario


def chosen_protocol(options: RunOptions) -> Protocol:
    """Protocol of a run.

    Raises
    ------
    PluginError
        If there is no such protocol, mode or parameter.
    """
    return make_protocol(options.protocol, options.mode, **options.protocol_settings)


def chosen_strategies(options: RunOptions, scenario: Scenario) -> dict[str, Strategy]:
    """Strategy of each country that has one: the scenario's, unless the options name another.

    Raises
    ------
    ScenarioError
        If a country does not take part.
    PluginError
        If there is no such strategy.
    """
    named = {**scenario.settings.strategies, **options.strategies}
    for country in options.strategies:
        if country not in scenario.codes:
            advice = did_you_mean(country, scenario.codes)
            raise ScenarioError(f"--strategy: no country '{country}'{advice}")
    return {c: make_strategy(named[c]) for c in scenario.codes if c in named}
