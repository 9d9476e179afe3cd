"""The command without a name: negotiate, go on with an earlier run, or list what can be chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from model.options import DEFAULT_PERTURB, RunOptions
from model.reporting import Reporter
from scenarios.errors import ScenarioError
from scenarios.overrides import parse_set
from viz.commands.ending import EXIT_NOT_COMPLETED, carry_out
from viz.commands.words import codes, protocol_changes, scenario_changes, strategies_of
from viz.console import make_console, print_choices, print_line, print_summary

_WHAT, _HOW, _WHERE = "What is negotiated", "How it is computed", "Where it is kept"


def negotiate(
    ctx: typer.Context,
    scenario: Annotated[
        str | None,
        typer.Option(help="Built-in scenario or path of a folder.", rich_help_panel=_WHAT),
    ] = None,
    network: Annotated[
        Path | None,
        typer.Option(
            help="PyPSA network (.nc) with a country per bus, instead of a scenario.",
            metavar="FILE.nc",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="Rules of the negotiation.",
            show_default=RunOptions.protocol,
            rich_help_panel=_WHAT,
        ),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(
            help="Mode of the protocol.", show_default=RunOptions.mode, rich_help_panel=_WHAT
        ),
    ] = None,
    products: Annotated[
        str | None,
        typer.Option(
            help="What one contract delivers.",
            metavar="flat|tou|hourly",
            show_default="the scenario's",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    slices: Annotated[
        str | None,
        typer.Option(
            help="Delivery periods.",
            metavar="year|month|week",
            show_default="the scenario's",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    countries: Annotated[
        str | None,
        typer.Option(
            help="Only these countries and the lines between them.",
            metavar="ZA,ZW,...",
            show_default="all",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change one value of the scenario, for example demand.ZA.demand_twh=250, or "
            "of the protocol, protocol.max_hops=2; may be repeated.",
            metavar="KEY=VALUE",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            help="How a country answers, for example ZA=markup:0.1; may be repeated.",
            metavar="COUNTRY=NAME",
            show_default="the scenario's, else truthful",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    privacy: Annotated[
        str | None,
        typer.Option(
            help="Countries without a strategy round what they say of their cost, or add noise.",
            metavar="round:EUR|noise:EUR",
            show_default="exact",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    settlement: Annotated[
        str | None,
        typer.Option(
            help="Who pays whom in the end.",
            show_default=RunOptions.settlement,
            rich_help_panel=_WHAT,
        ),
    ] = None,
    no_transit_charges: Annotated[
        bool,
        typer.Option(
            "--no-transit-charges",
            help="Passing on energy is free, as it is for the planner.",
            rich_help_panel=_WHAT,
        ),
    ] = False,
    perturb: Annotated[
        str | None,
        typer.Option(
            help="How much more and less import every country tries in every step: a share of "
            "its demand, the largest deal there is room for, or nothing.",
            metavar="1%|deal|off",
            show_default=f"{DEFAULT_PERTURB}, or the protocol's own rule",
            rich_help_panel=_HOW,
        ),
    ] = None,
    perturb_products: Annotated[
        int | None,
        typer.Option(
            help="Products that are tried in one step; the others follow in the next ones.",
            show_default=str(RunOptions.perturb_products),
            rich_help_panel=_HOW,
        ),
    ] = None,
    decomposition: Annotated[
        str | None,
        typer.Option(
            help="One fleet for the year, or each slice planned alone and then reconciled.",
            metavar="coupled|independent",
            show_default=RunOptions.decomposition,
            rich_help_panel=_HOW,
        ),
    ] = None,
    resolution: Annotated[
        str | None,
        typer.Option(
            help="Time aggregation, such as 12w3h (typical weeks) or 3h (full year).",
            show_default="the scenario's",
            rich_help_panel=_HOW,
        ),
    ] = None,
    solver: Annotated[
        str | None,
        typer.Option(
            help="Who solves the planning problems.",
            metavar="highs|gurobi",
            show_default=RunOptions.solver,
            rich_help_panel=_HOW,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Root of all random numbers.", show_default="the scenario's", rich_help_panel=_HOW
        ),
    ] = None,
    luck: Annotated[
        int | None,
        typer.Option(
            help="Number of the negotiation's own random stream; scenario and weather stay.",
            min=0,
            show_default="0",
            rich_help_panel=_HOW,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Countries that plan at the same time; does not change results.",
            show_default=str(RunOptions.workers),
            rich_help_panel=_HOW,
        ),
    ] = None,
    max_steps: Annotated[
        int | None,
        typer.Option(
            help="Steps after which the run ends as 'capped'.",
            show_default=str(RunOptions.max_steps),
            rich_help_panel=_HOW,
        ),
    ] = None,
    no_planner: Annotated[
        bool,
        typer.Option("--no-planner", help="Skip the joint optimum.", rich_help_panel=_HOW),
    ] = False,
    core: Annotated[
        bool,
        typer.Option(
            "--core",
            help="Value the groups of countries that may complain most exactly, a planner's solve "
            "each; bounds by default.",
            rich_help_panel=_HOW,
        ),
    ] = False,
    planner_time_limit: Annotated[
        float | None,
        typer.Option(
            help="Seconds the solver may take for the joint optimum.",
            metavar="SECONDS",
            show_default="none",
            rich_help_panel=_HOW,
        ),
    ] = None,
    require_efficiency: Annotated[
        float | None,
        typer.Option(
            help="Exit with 1 below this share of the planner's gain, for scripts.",
            metavar="0..1",
            show_default="none",
            rich_help_panel=_HOW,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder the run's own folder is made in.",
            show_default=str(RunOptions.out),
            rich_help_panel=_WHERE,
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            help="Go on with an interrupted run: its folder, or its name under --out.",
            metavar="RUN",
            rich_help_panel=_WHERE,
        ),
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="List scenarios, protocols and other choices.")
    ] = False,
) -> None:
    """Countries that plan their power systems alone negotiate trade with each other.

    Exit code: 0 the protocol ended by its own rule and every check passed, 1 ended otherwise or
    below --require-efficiency, 2 mistake in what was given, 130 interrupted, 143 terminated.
    """
    if ctx.invoked_subcommand is not None:
        return
    changes = parse_set(set_ or [])
    given: dict[str, Any] = {
        "scenario": _what(scenario, network),
        "protocol": protocol,
        "mode": mode,
        "products": products,
        "slices": slices,
        "countries": codes(countries),
        "strategies": strategies_of(strategy),
        "privacy": privacy,
        "settlement": settlement,
        "protocol_settings": protocol_changes(changes) or None,
        "overrides": scenario_changes(changes) or None,
        "perturb": perturb,
        "perturb_products": perturb_products,
        "decomposition": decomposition,
        "resolution": resolution,
        "solver": solver,
        "seed": seed,
        "luck": luck,
        "transit_charges": False if no_transit_charges else None,
        "workers": workers,
        "max_steps": max_steps,
        "planner": False if no_planner else None,
        "planner_time_limit_s": planner_time_limit,
        "core": core or None,
        "out": out,
    }
    given = {key: value for key, value in given.items() if value is not None}
    show = partial(_show_summary, least=_checked_share(require_efficiency, given))
    if list_:
        from model.choices import describe_choices

        print_choices(describe_choices(), make_console())
    elif resume is not None:
        raise typer.Exit(_resume(resume, given, show))
    elif given:
        raise typer.Exit(_negotiate(given, show))
    else:
        typer.echo(ctx.get_help())


def _what(scenario: str | None, network: Path | None) -> str | None:
    """Scenario or network file, not both."""
    if network is None:
        return scenario
    if scenario is not None:
        raise ScenarioError("give --scenario or --network, not both")
    from pypsa_earth.names import as_network_file

    return as_network_file(network)


def _checked_share(least: float | None, given: Mapping[str, Any]) -> float | None:
    """A share that can be reached, and that somebody will have computed."""
    if least is None:
        return None
    if not 0 <= least <= 1:
        raise ScenarioError(f"--require-efficiency is a share from 0 to 1, not {least:g}")
    if given.get("planner") is False:
        raise ScenarioError("--require-efficiency needs the planner; leave out --no-planner")
    return least


def _negotiate(given: dict[str, Any], show: Callable[[dict[str, Any]], int]) -> int:
    """Check the options, then negotiate."""
    from model.choices import choose_options

    options = choose_options(given)

    def work(reporter: Reporter) -> dict[str, Any]:
        from model.runs import run

        return run(options, reporter)

    return carry_out(work, show)


def _resume(name: str, given: dict[str, Any], show: Callable[[dict[str, Any]], int]) -> int:
    """Go on with an earlier run, under the options it was started with."""
    from model.choices import check_time_limit, find_run

    chosen = {key: given[key] for key in ("planner", "planner_time_limit_s") if key in given}
    superfluous = [key for key in given if key not in {"out", *chosen}]
    if superfluous:
        raise ScenarioError(
            "--resume goes on with the options of the run itself; leave out "
            + ", ".join(_OPTION_NAMES.get(k, f"--{k.replace('_', '-')}") for k in superfluous)
        )
    check_time_limit(chosen.get("planner_time_limit_s"))
    folder = find_run(name, given.get("out", RunOptions.out))

    def work(reporter: Reporter) -> dict[str, Any]:
        from model.runs import resume

        return resume(folder, reporter, **chosen)

    return carry_out(work, show, folder)


_OPTION_NAMES = {
    "overrides": "--set",
    "protocol_settings": "--set",
    "strategies": "--strategy",
}


def _show_summary(summary: dict[str, Any], least: float | None = None) -> int:
    """Print a summary; the exit code of a run of which ``least`` is the efficiency required."""
    console = make_console()
    print_summary(summary, console)
    reached = summary.get("efficiency")
    nothing_to_gain = reached is None and summary.get("planner_cost_eur") is not None
    if least is not None and not nothing_to_gain and (reached is None or reached < least):
        was = "is not known" if reached is None else f"is {reached:.4f}"
        print_line(f"efficiency {was}, required was {least:g}", console, "bold red")
        return EXIT_NOT_COMPLETED
    return 0 if summary["status"] == "completed" else EXIT_NOT_COMPLETED
