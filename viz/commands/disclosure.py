"""The command ``disclosure``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from model.options import RunOptions
from model.reporting import Reporter
from viz.commands.ending import carry_out
from viz.commands.words import codes
from viz.console import make_console, print_line

if TYPE_CHECKING:
    from model.disclosure.attack import DisclosureReport


def disclosure(
    run: Annotated[str, typer.Argument(help="Folder of a finished run, or its name under --out.")],
    victims: Annotated[
        str | None,
        typer.Option(
            help="Only the cost of these countries.", metavar="ZA,ZW,...", show_default="all"
        ),
    ] = None,
    places: Annotated[
        int, typer.Option(help="Random exchanges at which guesses meet the truth.", min=2)
    ] = 40,
    no_bounds: Annotated[
        bool,
        typer.Option("--no-bounds", help="Skip what is certain, which takes most of the time."),
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder that holds the runs.")] = RunOptions.out,
) -> None:
    """How well others can predict each country's cost from what they heard in a finished run."""
    from model.choices import find_run

    folder = find_run(run, out)

    def work(reporter: Reporter) -> DisclosureReport:
        from model.disclosure.attack import what_was_disclosed
        from model.records import RunRecords

        return what_was_disclosed(
            RunRecords.open(folder),
            places=places,
            victims=codes(victims),
            bounds=not no_bounds,
            reporter=reporter,
        )

    def show(report: DisclosureReport) -> int:
        from viz.disclosure_tables import print_disclosure, write_disclosure

        print_disclosure(report, make_console())
        write_disclosure(report, folder / "disclosure")
        print_line(f"the table is in {folder / 'disclosure'}", make_console())
        return 0

    raise typer.Exit(carry_out(work, show))
