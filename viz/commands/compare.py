"""The command ``compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from model.experiments.order import (
    Wish,
    prepare_comparison,
    split_levels,
    split_names,
    split_numbers,
)
from model.options import RunOptions
from model.reporting import Reporter
from viz.commands.ending import carry_out
from viz.commands.showing import show_comparison

if TYPE_CHECKING:
    from model.experiments.compare import Comparison

_GRID, _HOW, _WHERE = "What is compared", "How it is computed", "Where it is kept"
EXIT_BROKEN = 1


def compare(
    experiment: Annotated[
        Path | None, typer.Argument(help="Experiment in a file, instead of options.")
    ] = None,
    scenario: Annotated[
        str | None, typer.Option(help="Built-in scenario or path.", rich_help_panel=_GRID)
    ] = None,
    protocols: Annotated[
        str | None,
        typer.Option(help="Names or name.mode, or all.", metavar="NAME,...", rich_help_panel=_GRID),
    ] = None,
    products: Annotated[
        str | None,
        typer.Option(
            help="Product families.",
            metavar="flat,tou,hourly",
            show_default="the scenario's",
            rich_help_panel=_GRID,
        ),
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            help="One profile, truthful or ZA=markup:0.1+MZ=markup:0.2; may be repeated.",
            metavar="PROFILE",
            show_default="truthful",
            rich_help_panel=_GRID,
        ),
    ] = None,
    settlement: Annotated[
        str | None,
        typer.Option(
            help="Rules that divide the gain.",
            metavar="NAME,...",
            show_default=RunOptions.settlement,
            rich_help_panel=_GRID,
        ),
    ] = None,
    variants: Annotated[
        str | None,
        typer.Option(
            help="Variants of the scenario; base is none.",
            metavar="NAME,...",
            show_default="base",
            rich_help_panel=_GRID,
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="How many draws, or their numbers: 3,7. Draw 0 is the scenario as it is.",
            metavar="N",
            show_default="draw 0",
            rich_help_panel=_GRID,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Values to try of the scenario, demand_factor=0.9,1.1, or of protocols, "
            "protocol.max_hops=1,2; may be repeated.",
            metavar="KEY=VALUE,...",
            rich_help_panel=_GRID,
        ),
    ] = None,
    countries: Annotated[
        str | None,
        typer.Option(
            help="Only these countries.",
            metavar="ZA,ZW,...",
            show_default="all",
            rich_help_panel=_GRID,
        ),
    ] = None,
    resolution: Annotated[
        str | None,
        typer.Option(help="Time aggregation.", show_default="the scenario's", rich_help_panel=_HOW),
    ] = None,
    max_steps: Annotated[
        int | None,
        typer.Option(
            help="Steps after which a case ends as 'capped'.",
            show_default=str(RunOptions.max_steps),
            rich_help_panel=_HOW,
        ),
    ] = None,
    luck: Annotated[
        int | None,
        typer.Option(
            help="Negotiations of each case, by other dice in the same weather.",
            min=1,
            show_default="1",
            rich_help_panel=_GRID,
        ),
    ] = None,
    transit_charges: Annotated[
        bool,
        typer.Option(
            "--transit-charges",
            help="Let paths pay the scenario's wheeling charges, which the planner does not.",
            rich_help_panel=_GRID,
        ),
    ] = False,
    gains_: Annotated[
        bool,
        typer.Option(
            "--gains",
            help="Set every case beside Shapley value and nucleolus.",
            rich_help_panel=_HOW,
        ),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Cases measured at the same time; does not change results.",
            show_default="2, or all cores of the Ray cluster",
            min=1,
            rich_help_panel=_HOW,
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="Who measures.", metavar="local|ray", rich_help_panel=_HOW)
    ] = "local",
    address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster.", rich_help_panel=_HOW)
    ] = None,
    out: Annotated[
        Path,
        typer.Option(help="Folder the comparison's own is made in.", rich_help_panel=_WHERE),
    ] = RunOptions.out,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="Go on with an interrupted comparison.",
            metavar="FOLDER",
            rich_help_panel=_WHERE,
        ),
    ] = None,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            help="When resuming: try broken cases again.",
            rich_help_panel=_WHERE,
        ),
    ] = False,
) -> None:
    """Compare protocols: negotiate every case of a grid, every protocol under the same draws.

    Exit code: 0 all cases ended, 1 some broke off, 2 mistake in what was given, 130
    interrupted.
    """
    several = {
        "protocols": protocols,
        "products": products,
        "settlements": settlement,
        "variants": variants,
        "countries": countries,
    }
    given: dict[str, Any] = {
        "scenario": scenario,
        **{name: split_names(text) for name, text in several.items()},
        "strategies": strategy,
        "seeds": split_numbers(seeds),
        "set": split_levels(set_) or None,
        "resolution": resolution,
        "max_steps": max_steps,
        "luck": luck,
        "transit_charges": transit_charges or None,
        "gains": gains_ or None,
    }
    given = {key: value for key, value in given.items() if value is not None}
    wish = Wish(experiment, given, resume, retry_failed, out, workers, engine, address)

    def work(reporter: Reporter) -> Comparison:
        from model.experiments.lies import carry_out as measure

        folder, grid, team = prepare_comparison(wish)
        return measure(folder, grid, team, reporter)

    raise typer.Exit(carry_out(work, show=show_ending, again="compare --resume"))


def show_ending(done: Comparison) -> int:
    """Show what a comparison found, what broke off and where the tables are; the exit code."""
    show_comparison(done.folder.path)
    for case, reason in done.failures.items():
        typer.echo(f"case {case} broke off: {reason}")
    typer.echo(
        f"{done.cases} cases, {len(done.failures)} broke off; tables are in {done.folder.path}"
    )
    return EXIT_BROKEN if done.failures else 0
