"""Command line: parse, call, print. Nothing else.

$ python run.py --scenario sapp2030
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from model.experiments.commands import add_compare
from model.experiments.incentive_command import add_incentives
from model.options import RunOptions
from model.reporting import Reporter
from pypsa_earth.commands import inspect, prepare
from scenarios.errors import ScenarioError
from viz.commands import add_commands, show_comparison
from viz.console import ConsoleReporter, make_console, print_choices, print_line, print_summary

if TYPE_CHECKING:
    from model.gains import GainsReport

EXIT_NOT_AGREED = 1
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
# Whatever typer was built on, wrong usage is the parent of its BadParameter.
_USAGE_ERROR: Any = typer.BadParameter.__base__


class OneLineErrors(TyperGroup):
    """A group whose commands end a user's mistake in one line and exit code 2."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line; takes what ``TyperGroup.main`` takes."""
        standalone = extra.pop("standalone_mode", True)
        extra["standalone_mode"] = False
        try:
            code = super().main(*args, **extra)
        except _USAGE_ERROR as error:
            code = _fail(error.format_message())
        except ScenarioError as error:
            code = _fail(str(error))
        if standalone:
            sys.exit(code if isinstance(code, int) else 0)
        return code

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that was named."""
        try:
            return super().resolve_command(ctx, args)
        except _USAGE_ERROR as error:
            hint = f"(a scenario is given with --scenario {args[0]})"
            raise ScenarioError(f"{error.format_message()} {hint}") from None


app = typer.Typer(
    cls=OneLineErrors,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

add_commands(app)

_WHAT, _HOW, _WHERE = "What is negotiated", "How it is computed", "Where it is kept"


@app.callback(invoke_without_command=True)
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
    settlement: Annotated[
        str | None,
        typer.Option(
            help="Who pays whom in the end.",
            show_default=RunOptions.settlement,
            rich_help_panel=_WHAT,
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

    Exit code: 0 agreed, 1 ended otherwise, 2 mistake in what was given, 130 interrupted.
    """
    if ctx.invoked_subcommand is not None:
        return
    changes = _parse_set(set_) or {}
    given: dict[str, Any] = {
        "scenario": _what(scenario, network),
        "protocol": protocol,
        "mode": mode,
        "products": products,
        "slices": slices,
        "countries": _split(countries),
        "strategies": _parse_strategies(strategy),
        "settlement": settlement,
        "protocol_settings": _of_protocol(changes, True) or None,
        "overrides": _of_protocol(changes, False) or None,
        "decomposition": decomposition,
        "resolution": resolution,
        "solver": solver,
        "seed": seed,
        "workers": workers,
        "max_steps": max_steps,
        "planner": False if no_planner else None,
        "out": out,
    }
    given = {key: value for key, value in given.items() if value is not None}
    if list_:
        from model.choices import describe_choices

        print_choices(describe_choices(), make_console())
    elif resume is not None:
        raise typer.Exit(_resume(resume, given))
    elif given:
        raise typer.Exit(_negotiate(given))
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


@app.command()
def gains(
    run: Annotated[str, typer.Argument(help="Folder of a finished run, or its name under --out.")],
    resolution: Annotated[
        str | None,
        typer.Option(
            help="At which coalitions are valued, such as 12w6h.",
            show_default="the run's if that is affordable, else 2w6h",
        ),
    ] = None,
    pairs: Annotated[
        int, typer.Option(help="Pairs of orders where the Shapley value is sampled.", min=2)
    ] = 20,
    workers: Annotated[
        int, typer.Option(help="Solves at the same time; does not change results.", min=1)
    ] = RunOptions.workers,
    out: Annotated[Path, typer.Option(help="Folder that holds the runs.")] = RunOptions.out,
) -> None:
    """Who gains in a finished run, and which countries could do better without the others."""
    from model.choices import find_run

    folder = find_run(run, out)

    def work(reporter: Reporter) -> GainsReport:
        from model.gains import who_gains
        from model.records import RunRecords

        return who_gains(
            RunRecords.open(folder), resolution, workers=workers, pairs=pairs, reporter=reporter
        )

    def show(report: GainsReport) -> int:
        from viz.gains_tables import print_gains, write_gains

        print_gains(report, make_console())
        write_gains(report, folder / "gains")
        print_line(f"all tables are in {folder / 'gains'}", make_console())
        return 0

    raise typer.Exit(_run(work, show=show))


def _negotiate(given: dict[str, Any]) -> int:
    """Check the options, then negotiate."""
    from model.choices import choose_options

    options = choose_options(given)

    def work(reporter: Reporter) -> dict[str, Any]:
        from model.runs import run

        return run(options, reporter)

    return _run(work)


def _resume(name: str, given: dict[str, Any]) -> int:
    """Go on with an earlier run, under the options it was started with."""
    from model.choices import find_run

    superfluous = [key for key in given if key != "out"]
    if superfluous:
        raise ScenarioError(
            "--resume goes on with the options of the run itself; leave out "
            + ", ".join(_OPTION_NAMES.get(k, f"--{k.replace('_', '-')}") for k in superfluous)
        )
    folder = find_run(name, given.get("out", RunOptions.out))

    def work(reporter: Reporter) -> dict[str, Any]:
        from model.runs import resume

        return resume(folder, reporter)

    return _run(work, folder)


_OPTION_NAMES = {
    "overrides": "--set",
    "protocol_settings": "--set",
    "strategies": "--strategy",
    "planner": "--no-planner",
}


def _show_summary(summary: dict[str, Any]) -> int:
    print_summary(summary, make_console())
    return 0 if summary["status"] == "agreed" else EXIT_NOT_AGREED


def _run(
    work: Callable[[Reporter], Any],
    folder: Path | None = None,
    show: Callable[[Any], int] = _show_summary,
    again: str = "--resume",
) -> int:
    """Do the work under progress bars, show what came out and return the exit code."""
    # PyPSA 1.4 announces changes of its next version at every import of a network.
    warnings.filterwarnings("ignore", category=FutureWarning, module="pypsa")
    for chatty in ("linopy", "pypsa", "MESA"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # Network files hold columns of their own, which PyPSA remarks on at every copy.
    logging.getLogger("pypsa.network.transform").setLevel(logging.ERROR)
    try:
        with ConsoleReporter() as reporter:
            reporter.phase("loading the modelling tools")
            result = work(reporter)
    except KeyboardInterrupt as interrupt:
        return _say_interrupted(interrupt.args[0] if interrupt.args else folder, again)
    except Exception as error:
        if isinstance(error, _user_errors()):
            return _fail(str(error))
        raise
    return show(result)


def _user_errors() -> tuple[type[Exception], ...]:
    """Errors that tell the user something; all others are faults of the program."""
    from agents.problem import PlanningError
    from model.ledger import RuleBroken
    from model.records import RecordsError
    from protocols.plugins import PluginError

    return ScenarioError, PlanningError, RecordsError, RuleBroken, PluginError


def _say_interrupted(folder: Path | str | None, again: str) -> int:
    text = (
        f"interrupted; what was done is kept in {folder}, go on with {again} {folder}"
        if folder is not None
        else "interrupted; nothing was recorded yet"
    )
    print_line(text, Console(stderr=True), "bold yellow")
    return EXIT_INTERRUPTED


def _fail(text: str) -> int:
    print_line(f"error: {' '.join(text.split())}", Console(stderr=True), "bold red")
    return EXIT_USER_ERROR


def _split(countries: str | None) -> tuple[str, ...] | None:
    if countries is None:
        return None
    return tuple(code.strip() for code in countries.split(",") if code.strip())


def _parse_set(items: list[str] | None) -> dict[str, str] | None:
    if not items:
        return None
    from scenarios.overrides import parse_set

    return parse_set(items)


def _of_protocol(changes: dict[str, str], chosen: bool) -> dict[str, str]:
    """Changes of the protocol's own parameters, their prefix taken off, or all the others."""
    prefix = "protocol."
    return {
        key.removeprefix(prefix) if chosen else key: value
        for key, value in changes.items()
        if key.startswith(prefix) == chosen
    }


def _parse_strategies(items: list[str] | None) -> dict[str, str] | None:
    found = {}
    for item in items or ():
        country, equals, name = item.partition("=")
        if not equals or not name:
            raise ScenarioError(f"--strategy {item}: write COUNTRY=NAME, such as ZA=markup:0.1")
        found[country.strip()] = name.strip()
    return found or None


add_compare(app, _run, show_comparison)
add_incentives(app, _run, show_comparison)
app.command()(inspect)
app.command()(prepare)

if __name__ == "__main__":
    app(prog_name="python run.py")
