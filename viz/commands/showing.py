"""The commands ``app``, ``report`` and ``comparison``."""

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
    port: Annotated[
        int, typer.Option(help="Port to serve on; 0 for any that is free.", min=0, max=65535)
    ] = 8765,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
) -> None:
    """Serve the app: start runs, watch them live, replay and compare them."""
    from viz.serve import serve

    serve(results, host, port, not no_browser)


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


def comparison(
    folder: Annotated[Path, typer.Argument(help="Folder of a finished comparison.")],
    measure: Annotated[
        str, typer.Option(help="What treatments are compared by, a column of its runs.")
    ] = "of_ceiling",
    reference: Annotated[
        str | None,
        typer.Option(help="Treatment to compare the others with.", show_default="all pairs"),
    ] = None,
    least_difference: Annotated[
        float,
        typer.Option(
            help="Smaller differences count as none, intervals within it as equivalent: 0.1 for "
            "0.1 percentage points.",
            show_default="rounding",
        ),
    ] = 0.0,
    page: Annotated[
        Path | None,
        typer.Option(help="Page to write findings, tables and figures into, between its markers."),
    ] = None,
) -> None:
    """Tables, figures and statistics of a comparison, made again from its folder."""
    show_comparison(folder, measure, reference, least_difference, page)


def show_comparison(
    folder: Path,
    measure: str = "of_ceiling",
    reference: str | None = None,
    least_difference: float = 0.0,
    page: Path | None = None,
) -> None:
    """Print the report of a finished comparison and write it into the comparison's folder.

    Parameters
    ----------
    folder : Path
    measure : str
        Column of ``runs`` that treatments are compared by.
    reference : str, optional
        Treatment that the others are compared with.
    least_difference : float
        Smaller differences count as none, in the unit the measure is shown in.
    page : Path, optional
        Page of the documentation to write it into as well.

    Raises
    ------
    ScenarioError
        If the folder holds no finished comparison, or for a name that it does not know.
    """
    from model.records import RecordsError
    from viz.comparison.page import write_page
    from viz.comparison.report import FOLDER, make_report, read_comparison, write_report
    from viz.comparison.views import print_report

    try:
        tables = read_comparison(folder)
    except RecordsError as error:
        raise ScenarioError(f"comparison: {error}") from None
    made = make_report(tables, measure, reference, least_difference)
    console = make_console()
    print_report(made, console)
    write_report(made, folder / FOLDER)
    print_line(f"all tables and figures are in {folder / FOLDER}", console)
    if page is not None:
        write_page(made, page)
        print_line(f"wrote {page}", console)
