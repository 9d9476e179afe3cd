"""A page of the documentation whose numbers come from a comparison."""

from __future__ import annotations

from pathlib import Path

from scenarios.errors import ScenarioError
from viz.comparison.report import ComparisonReport
from viz.comparison.views import views
from viz.printing import write

BEGIN, END = (f"<!-- python run.py comparison FOLDER --page: {w} -->" for w in ("begin", "end"))
_FIGURES = {
    "spread": "Mean with its 95 % interval, and every draw",
    "efficiency-rounds": "Efficiency against rounds",
    "efficiency-numbers": "Efficiency against private numbers disclosed",
    "efficiency-seconds": "Efficiency against seconds",
    "gains-by-country": "Gains by country",
    "differences": "Paired differences",
    "incentives": "What deviating from the truth brings",
}


def write_page(report: ComparisonReport, page: Path) -> None:
    """Put findings, tables and figures between the markers of a page; figures lie beside it.

    Raises
    ------
    ScenarioError
        If there is no such page, or no place for them in it.
    """
    if not page.is_file():
        raise ScenarioError(f"--page: there is no {page}")
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ScenarioError(f"--page: {page} has no lines '{BEGIN}' and '{END}'")
    parts = ["\n".join(f"- {line}" for line in report.said)]
    parts += [f"**{view.title}**\n\n{view.markdown()}" for view in views(report)]
    for name, words in _FIGURES.items():
        if name in report.figures:
            picture = Path("images") / f"{page.stem}-{name}.svg"
            write(report.figures[name], page.parent / picture)
            parts.append(f"![{words}]({picture.as_posix()})")
    made = "\n\n".join(parts)
    page.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{after}", encoding="utf-8")
