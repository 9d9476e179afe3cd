"""The command ``audit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from scenarios.errors import ScenarioError
from viz.console import make_console, print_line


def audit(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
) -> None:
    """Work out again from its records what a run says; every deviation is a finding.

    Reads Parquet, JSON and network.nc, nothing else; solves nothing. Exit code: 0 without
    findings, 1 with any, 2 if the folder cannot be audited.
    """
    # Wrong words are answered before any of this is loaded.
    from model.audit.notes import AuditError
    from model.audit.referee import audit as audited

    try:
        notes = audited(run)
    except AuditError as error:
        raise ScenarioError(f"audit: {error}") from None
    console = make_console()
    table = Table(title="Largest deviations", title_justify="left", header_style="bold")
    for name, right in (("check", False), ("compared", True), ("deviation", True), ("limit", True)):
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for what, seen in notes.measured.items():
        numbers = (f"{seen.worst:.3g} {seen.unit}", f"{seen.limit:.3g} {seen.unit}")
        table.add_row(what, str(seen.times), *(text.strip() for text in numbers))
    console.print(table)
    for finding in notes.findings:
        print_line(f"finding: {finding}", console, "bold red")
    count = len(notes.findings)
    print_line(f"{count} finding{'' if count == 1 else 's'} in {run}", console)
    if count:
        raise typer.Exit(1)
