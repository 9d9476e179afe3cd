"""The command ``incentives``: a comparison whose grid is one country's deviations at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from model.experiments.order import (
    Wish,
    prepare_comparison,
    split_names,
    split_numbers,
)
from model.options import RunOptions
from model.reporting import Reporter
from scenarios.errors import ScenarioError, did_you_mean
from viz.commands.compare import show_ending
from viz.commands.ending import carry_out

if TYPE_CHECKING:
    from model.experiments.compare import Comparison

_GRID = "markup:0.05,markup:0.1,markup:0.2,withholding:0.1,withholding:0.2"


def incentives(
    scenario: Annotated[str, typer.Option(help="Built-in scenario or path.")],
    protocols: Annotated[str, typer.Option(help="Names or name.mode, or all.", metavar="NAME,...")],
    strategies: Annotated[
        str, typer.Option(help="Deviations from the truth to try.", metavar="NAME:SHARE,...")
    ] = _GRID,
    deviating: Annotated[
        str | None,
        typer.Option(
            help="Countries that deviate, each alone.",
            metavar="ZA,ZW,...",
            show_default="every country",
        ),
    ] = None,
    products: Annotated[
        str | None,
        typer.Option(
            help="Product families.",
            metavar="flat,tou,hourly",
            show_default="the scenario's",
        ),
    ] = None,
    settlement: Annotated[
        str | None,
        typer.Option(
            help="Rules that divide the gain.",
            metavar="NAME,...",
            show_default=RunOptions.settlement,
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="How many draws, or their numbers: 3,7.",
            metavar="N",
            show_default="draw 0, the scenario as it is",
        ),
    ] = None,
    countries: Annotated[
        str | None,
        typer.Option(
            help="Only these countries take part.", metavar="ZA,ZW,...", show_default="all"
        ),
    ] = None,
    resolution: Annotated[
        str | None, typer.Option(help="Time aggregation.", show_default="the scenario's")
    ] = None,
    workers: Annotated[
        int,
        typer.Option(help="Cases measured at the same time; does not change results.", min=1),
    ] = 2,
    out: Annotated[
        Path, typer.Option(help="Folder the comparison's own is made in.")
    ] = RunOptions.out,
) -> None:
    """What each country would gain by not telling the truth alone, and what the pool loses.

    An interrupted one goes on with compare --resume FOLDER. Exit codes are those of compare.
    """
    given: dict[str, Any] = {
        "scenario": scenario,
        "protocols": split_names(protocols),
        "products": split_names(products),
        "settlements": split_names(settlement),
        "seeds": split_numbers(seeds),
        "countries": split_names(countries),
        "resolution": resolution,
    }
    given = {key: value for key, value in given.items() if value is not None}

    def work(reporter: Reporter) -> Comparison:
        from model.experiments.compare import compare
        from model.experiments.incentives import strategy_grid

        who = _deviating(scenario, given.get("countries"), split_names(deviating))
        profiles = strategy_grid(who, split_names(strategies) or ())
        wish = Wish(
            file=None,
            given={**given, "strategies": profiles},
            resume=None,
            retry_failed=False,
            out=out,
            workers=workers,
            engine="local",
            address=None,
        )
        folder, grid, team = prepare_comparison(wish)
        return compare(folder, grid, team, reporter)

    raise typer.Exit(carry_out(work, show=show_ending, again="compare --resume"))


def _deviating(
    scenario: str, countries: tuple[str, ...] | None, wanted: tuple[str, ...] | None
) -> tuple[str, ...]:
    """Countries that were named, all that take part by default."""
    from model.world import chosen_scenario

    codes = chosen_scenario(RunOptions(scenario, countries=countries)).codes
    for code in wanted or ():
        if code not in codes:
            raise ScenarioError(f"--deviating: no country '{code}'{did_you_mean(code, codes)}")
    return wanted or tuple(codes)
