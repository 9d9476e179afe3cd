"""The commands ``app`` and ``report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scenarios.errors import ScenarioError
from viz.console import make_console, print_line


def serve_app(
    results: Annotated[
        Path, typer.Option(help="Folder of the runs that are shown and started.")
    ] = Path("results"),
    host: Annotated[
        str, typer.Option(help="Address to serve; 127.0.0.1 is this machine only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to serve on.")] = 8765,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
) -> None:
    """Serve the app: start runs, watch them live, replay and compare them."""
    from viz.serve import serve

    raise typer.Exit(serve(results, host, port, not no_browser))


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    other: Annotated[Path | None, typer.Argument(help="Run to put beside it.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="HTML file to write.", show_default="report.html in the run's folder"),
    ] = None,
    figures: Annotated[
        str | None,
        typer.Option(help="Write the figures as files too.", metavar="png|pdf|svg"),
    ] = None,
) -> None:
    """Write one self-contained HTML file on a run, or on two beside each other."""
    # Wrong words are answered before any of this is loaded.
    from model.records import RecordsError
    from viz.printing import KINDS
    from viz.report import write_report

    if figures is not None and figures not in KINDS:
        raise ScenarioError(
            f"--figures: no pictures of kind '{figures}'; one of {', '.join(KINDS)}"
        )
    try:
        files = write_report(run, other, out, figures)
    except (RecordsError, OSError) as error:
        raise ScenarioError(f"report: {error}") from None
    more = f" and {len(files) - 1} figures beside it" if len(files) > 1 else ""
    print_line(f"wrote {files[0]}{more}", make_console())
