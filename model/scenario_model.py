"""A negotiation as a Mesa user wants it: a model made from plain parameters."""

from __future__ import annotations

from typing import Any

from model.choices import choose_options
from model.negotiation import NegotiationModel
from model.players import chosen_protocol, negotiation_terms
from model.reporting import Reporter
from model.world import build_world, chosen_scenario
from scenarios.schema import Scenario


class ScenarioModel(NegotiationModel):
    """A scenario under a protocol; ``step()`` works at once, and nothing is written to disk.

    Mesa's own tools take it as it is: ``mesa.batch_run(ScenarioModel, {"protocol": [...]})``, its
    ``datacollector``, and ``SolaraViz`` (``docs/mesa_page.py``). ``running`` turns False in the
    step in which the protocol ends. An error in a step reaches the caller.

    Parameters are those of the command line, see ``docs/command-line.md``; whatever is left out is
    what a run would take. ``mesa.batch_run`` tries every item of what can be iterated: give it a
    tuple of countries or a dict in a list.

    Parameters
    ----------
    scenario : str
        Built-in scenario or path of a scenario folder.
    protocol, mode : str
    products, slices, resolution : str, optional
    countries : tuple of str, optional
    strategies : dict of str to str, optional
        ``{"A": "markup:0.1"}``
    protocol_settings : dict, optional
        Parameters of the protocol.
    overrides : dict, optional
        Values of the scenario, by ``--set``'s keys.
    perturb : str, optional
    perturb_products : int, optional
    solver : str, optional
    workers : int
        Countries that act at the same time; does not change results.
    seed : int, optional

    Attributes
    ----------
    scenario : Scenario
        Effective scenario.

    Raises
    ------
    ScenarioError
        If something is not known or does not fit, in one line.
    """

    def __init__(
        self,
        scenario: str = "two_countries",
        protocol: str | None = None,
        mode: str | None = None,
        products: str | None = None,
        slices: str | None = None,
        resolution: str | None = None,
        countries: tuple[str, ...] | None = None,
        strategies: dict[str, str] | None = None,
        protocol_settings: dict[str, Any] | None = None,
        overrides: dict[str, Any] | None = None,
        perturb: str | None = None,
        perturb_products: int | None = None,
        solver: str | None = None,
        workers: int = 1,
        seed: int | None = None,
    ) -> None:
        given = {
            "scenario": scenario,
            "protocol": protocol,
            "mode": mode,
            "products": products,
            "slices": slices,
            "resolution": resolution,
            "countries": countries,
            "strategies": strategies,
            "protocol_settings": protocol_settings,
            "overrides": overrides,
            "perturb": perturb,
            "perturb_products": perturb_products,
            "solver": solver,
            "workers": workers,
            "seed": seed,
        }
        options = choose_options({k: v for k, v in given.items() if v is not None})
        self.scenario: Scenario = chosen_scenario(options)
        world = build_world(self.scenario, options.solver, Reporter())
        super().__init__(**negotiation_terms(options, world), protocol=chosen_protocol(options))
