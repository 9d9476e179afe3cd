"""A comparison on the page: findings, tables and figures, made from its folder."""

from __future__ import annotations

from html import escape
from pathlib import Path

import solara

from model.records import RecordsError
from viz.html_tables import html_table
from viz.inside import inside
from viz.page.folders import results_folder
from viz.shelf import COMPARED
from viz.svg import to_svg


@solara.component
def Comparison(name: str) -> None:
    """Report of a comparison, or why there is none yet."""

    def made() -> tuple[str, str]:
        try:
            return comparison_html(inside(results_folder(), name)), ""
        except Exception as error:
            # Whatever is damaged in a comparison must not take the page along.
            known = isinstance(error, RecordsError)
            return "", str(error) if known else f"{type(error).__name__}: {error}"

    text, error = solara.use_memo(made, [name])
    if error:
        solara.Error(error, classes=["page-error"])
    solara.HTML("div", text, classes=["comparison"])


def comparison_html(folder: Path) -> str:
    """Findings, tables and figures of a finished comparison.

    Raises
    ------
    RecordsError
        If the folder holds no finished comparison.
    """
    # It takes a second to load, and only this page needs it.
    from viz.comparison.report import make_report, read_comparison
    from viz.comparison.views import views

    if not (folder / COMPARED).is_file():
        raise RecordsError(f"{folder.name} is no comparison: it holds no {COMPARED}")
    if not (folder / "runs.parquet").is_file():
        raise RecordsError(
            f"{folder.name} is not finished; go on with python run.py compare --resume {folder}"
        )
    report = make_report(read_comparison(folder))
    said = "".join(f"<li>{escape(line)}</li>" for line in report.said)
    tables = "".join(
        f"<h3>{escape(view.title)}</h3>"
        + html_table([text.replace("\n", " ") for text in view.header], view.rows)
        for view in views(report)
    )
    figures = "".join(
        f'<div class=figure data-figure="{escape(name)}">{to_svg(drawing)}</div>'
        for name, drawing in report.figures.items()
    )
    return (
        f"<h3>{escape(folder.name)}</h3><ul>{said}</ul>{tables}"
        f'<div class="board even">{figures}</div>'
    )
