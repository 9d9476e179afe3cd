"""The command ``gains``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from model.options import RunOptions
from model.reporting import Reporter
from viz.commands.ending import carry_out
from viz.console import make_console, print_line

if TYPE_CHECKING:
    from model.gains import GainsReport


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

    raise typer.Exit(carry_out(work, show))
