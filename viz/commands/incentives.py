"""The command ``incentives``: a comparison that searches for the lies that pay."""

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
from viz.commands.compare import show_ending
from viz.commands.ending import carry_out

if TYPE_CHECKING:
    from model.experiments.compare import Comparison


def incentives(
    scenario: Annotated[str, typer.Option(help="Built-in scenario or path.")],
    protocols: Annotated[str, typer.Option(help="Names or name.mode, or all.", metavar="NAME,...")],
    lies: Annotated[
        str | None,
        typer.Option(
            help="Strategies to search.",
            metavar="NAME,...",
            show_default="all that can be searched",
        ),
    ] = None,
    deviating: Annotated[
        str | None,
        typer.Option(
            help="Countries that lie, each alone.",
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
    rounds: Annotated[
        int, typer.Option(help="Refinements of the best lies; more find better ones.", min=0)
    ] = 3,
    pairs: Annotated[
        int, typer.Option(help="Pairs of countries that lie together, the keenest first.", min=0)
    ] = 0,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="Draws to choose lies on: how many, or their numbers: 3,7.",
            metavar="N",
            show_default="draw 0, the scenario as it is",
        ),
    ] = None,
    estimate_on: Annotated[
        str | None,
        typer.Option(
            help="Draws to estimate on what the chosen lies pay; none: in sample.",
            metavar="N,...",
            show_default="two more, where the scenario says what is uncertain",
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
    """What each country would gain by lying alone, and what the pool loses.

    Lies are searched: of prices and amounts, of what would be accepted, which way and when, and of
    the cost behind it all. An interrupted search goes on with compare --resume FOLDER. Exit codes
    are those of compare.
    """
    given: dict[str, Any] = {
        "transit_charges": True,  # a country's lies are set beside its truth in a run as it is
        "scenario": scenario,
        "protocols": split_names(protocols),
        "products": split_names(products),
        "settlements": split_names(settlement),
        "countries": split_names(countries),
        "resolution": resolution,
    }
    given = {key: value for key, value in given.items() if value is not None}
    hunt = {
        "lies": split_names(lies) or (),
        "deviating": split_names(deviating) or (),
        "rounds": rounds,
        "pairs": pairs,
    }

    def work(reporter: Reporter) -> Comparison:
        from model.experiments.lies import carry_out as search
        from model.experiments.lies import split_draws

        chosen, others = split_draws(scenario, split_numbers(seeds), split_numbers(estimate_on))
        wish = Wish(
            file=None,
            given={**given, "seeds": [*chosen, *others], "hunt": {**hunt, "estimate_on": others}},
            resume=None,
            retry_failed=False,
            out=out,
            workers=workers,
            engine="local",
            address=None,
        )
        folder, grid, team = prepare_comparison(wish)
        return search(folder, grid, team, reporter)

    raise typer.Exit(carry_out(work, show=show_ending, again="compare --resume"))
