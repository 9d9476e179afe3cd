"""The commands ``inspect`` and ``prepare``."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from viz.commands.words import codes

# A file or pipe has no width that tables must fit into.
_WIDEST = 10_000


def inspect(
    file: Annotated[Path, typer.Argument(help="PyPSA network, netCDF (.nc).")],
    countries: Annotated[
        str | None, typer.Option(help="Only these countries.", metavar="NG,BJ,...")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="network.<key>=<value>, as for a run.", metavar="KEY=VALUE"),
    ] = None,
) -> None:
    """Say what is in a network file: countries, components, interconnectors, warnings.

    Exit code: 0 usable, 2 not.
    """
    from pypsa_earth.describe import describe
    from scenarios.overrides import parse_set

    found = describe(file, parse_set(set_ or []), codes(countries))
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDEST
    console.print(Text(found.title, style="bold"), soft_wrap=True)
    for title, rows in found.tables.items():
        if rows:
            console.print(_table(title, rows))
    for style, word, lines in (
        ("yellow", "warning", found.warnings),
        ("bold red", "error", found.errors),
    ):
        for line in lines:
            console.print(Text(f"{word}: {line}", style=style), soft_wrap=True)
    if found.errors:
        raise typer.Exit(2)


def prepare(
    pypsa_earth: Annotated[
        Path, typer.Option("--pypsa-earth", help="Folder of a PyPSA-Earth v0.7.0 checkout.")
    ],
    config: Annotated[
        Path | None,
        typer.Option(help="PyPSA-Earth configuration.", show_default="the SAPP configuration"),
    ] = None,
    countries: Annotated[
        str | None, typer.Option(help="Instead of those configured.", metavar="NG,BJ,...")
    ] = None,
    cores: Annotated[int, typer.Option(help="Cores for snakemake.", min=1)] = 2,
    conda_environment: Annotated[
        str, typer.Option(help="Conda environment of PyPSA-Earth.", show_default="none")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print configuration and call; write nothing.")
    ] = False,
) -> None:
    """Make the prepared network of many countries with one call of PyPSA-Earth's workflow.

    Runs snakemake in PyPSA-Earth's own environment, as a process of its own. The workflow downloads
    its data bundle (some 40 GB for Africa) and takes hours.
    """
    import yaml

    from pypsa_earth.prepare import SAPP_CONFIG, run_snakemake, snakemake_call, write_config

    call, settings = snakemake_call(
        config or SAPP_CONFIG,
        pypsa_earth,
        countries=codes(countries),
        cores=cores,
        conda_environment=conda_environment,
    )
    console = Console()
    if dry_run:
        console.print(f"# {call.config}", highlight=False, soft_wrap=True)
        text = yaml.safe_dump(settings, sort_keys=False)
        console.print(Text(text), soft_wrap=True)
        console.print(Text(call.text), soft_wrap=True)
        return
    write_config(call, settings)
    console.print(Text(call.text), soft_wrap=True)
    made = run_snakemake(call)
    console.print(Text(f"made {made}; go on with --network {made}"), soft_wrap=True)


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold")
    for column, value in rows[0].items():
        if isinstance(value, int | float):
            # Names fold in a narrow terminal, numbers are never cut.
            longest = max(len(_cell(row[column])) for row in rows)
            table.add_column(column, justify="right", no_wrap=True, min_width=longest)
        else:
            table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    return table


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        # A zero has no sign, and what is not given, as the length of a transformer, is left empty.
        return "" if math.isnan(value) else f"{value + 0.0:,.6g}"
    return str(value)
