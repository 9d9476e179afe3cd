"""One run, or two beside each other, as a single HTML file that opens from disk without network."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from html import escape
from pathlib import Path

from viz.figures import FIGURES, Look
from viz.groups import OVER, groups_in_words
from viz.html_tables import (
    PAGE_CSS,
    country_rows,
    headline,
    html_table,
    interconnector_rows,
    status_line,
    warning_list,
)
from viz.moment import Moment
from viz.printing import write
from viz.run_view import RunView, view_run
from viz.svg import theme_css, to_svg

_CSS = """
body{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;
background:var(--paper);color:var(--ink);max-width:1280px;margin:0 auto;padding:14px;
line-height:1.45}
h1{font-size:24px;margin:8px 0}h2{font-size:18px;margin:26px 0 8px}
h3{font-size:15px;margin:14px 0 6px}
.runs{display:grid;gap:22px;
grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr))}
.runs>*{min-width:0}
code,pre{font-size:13px;background:var(--label);border:1px solid var(--grid);border-radius:4px}
code{padding:1px 5px}pre{padding:9px;overflow:auto}
@media print{.scroll{max-height:none;overflow:visible}}
"""


def report(views: Sequence[RunView]) -> str:
    """Page on one or two runs.

    Parameters
    ----------
    views : sequence of RunView
        Finished or not; the page says which.
    """
    names = " and ".join(view.title for view in views)
    if len({view.title for view in views}) == 1:
        names = views[0].title
    sections = [
        _section("", [_head(view) for view in views]),
        *(
            _section(figure.label, [_figure(v, name, _beside(v, views)) for v in views])
            for name, figure in FIGURES.items()
            if name not in ("dispatch", "duration")
        ),
        _section("Dispatch of every country, first week", [_dispatch(view) for view in views]),
        _section("Duration curve of every interconnector", [_durations(view) for view in views]),
        _section("Countries", [_when_ended(view, country_rows) for view in views]),
        _section("Interconnectors", [_when_ended(view, interconnector_rows) for view in views]),
        _section("Where it comes from, and how to make it again", [_origin(v) for v in views]),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(names)}</title>'
        f"<style>{theme_css()}{PAGE_CSS}{_CSS}</style></head>"
        f"<body><h1>{escape(names)}</h1>{''.join(sections)}</body></html>\n"
    )


def _section(title: str, parts: Sequence[str]) -> str:
    head = f"<h2>{escape(title)}</h2>" if title else ""
    inner = "".join(f"<div>{part}</div>" for part in parts)
    return f"<section>{head}<div class=runs>{inner}</div></section>"


def _head(view: RunView) -> str:
    note = str(view.summary.get("note") or "")
    return (
        f"<h3>{escape(view.name)}</h3><p>{escape(view.how)}</p>"
        f"{status_line(view, note)}{warning_list(view.warnings)}{headline(view)}"
        f"{_groups(view)}"
    )


def _groups(view: RunView) -> str:
    """Against what gains are counted, and whether a group could do better by itself."""
    if not view.summary:
        return ""
    said = (OVER, groups_in_words(view.summary))
    return "".join(f"<p>{escape(line)}.</p>" for line in said)


def _figure(view: RunView, name: str, look: Look | None = None) -> str:
    drawing = FIGURES[name].draw(view, look or Look())
    return f'<div class=figure data-figure="{name}">{to_svg(drawing)}</div>'


def _beside(view: RunView, views: Sequence[RunView]) -> Look:
    return Look(beside=next((other for other in views if other is not view), None))


def _dispatch(view: RunView) -> str:
    if not view.records.network_path.is_file():
        return _figure(view, "dispatch")
    return "".join(_figure(view, "dispatch", Look(country=code)) for code in view.codes)


def _durations(view: RunView) -> str:
    if view.flows.empty:
        return _figure(view, "duration")
    return "".join(_figure(view, "duration", Look(line=line.name)) for line in view.lines)


def _when_ended(view: RunView, table: object) -> str:
    if not view.summary:
        return "<p class=note>Known when the run has ended.</p>"
    return str(table(view))  # type: ignore[operator]


def _origin(view: RunView) -> str:
    manifest = view.records.manifest
    words = [Path(manifest["command"][0]).name, *manifest["command"][1:]]
    commit = manifest.get("git_commit") or "outside a checkout"
    rows = [
        ["run", view.name],
        ["started, UTC", str(manifest["start_utc"])],
        ["seed", str(manifest["seed"])],
        ["program's commit", str(commit)],
        ["hash of the scenario", str(manifest["scenario_sha256"])],
        *([f"version of {name}", str(version)] for name, version in manifest["versions"].items()),
    ]
    return (
        f"<pre>python {escape(shlex.join(words))}</pre>"
        "<p class=note>The same command at the same commit with the same versions gives the same "
        "tables, byte for byte.</p>" + html_table(["what", "value"], rows)
    )


def write_report(
    run: Path, other: Path | None = None, out: Path | None = None, pictures: str | None = None
) -> list[Path]:
    """Write the report of one or two runs, and its figures as files on request.

    Parameters
    ----------
    run : Path
    other : Path, optional
        Run to put beside it.
    out : Path, optional
        HTML file; ``report.html`` in the folder of the first run by default.
    pictures : {"png", "pdf", "svg"}, optional
        Kind of files to write the figures in too, into the folder ``figures`` beside the page.

    Returns
    -------
    list of Path
        All files written, the page first.

    Raises
    ------
    RecordsError
        If a folder is no run that can be read.
    ValueError
        For an unknown kind of pictures.
    """
    views = [view_run(path) for path in (run, other) if path is not None]
    page = out or run / "report.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(report(views), encoding="utf-8")
    files = [page]
    if pictures is not None:
        for view in views:
            for name, figure in FIGURES.items():
                file = page.parent / "figures" / view.name / f"{name}.{pictures}"
                write(figure.draw(view, Look(Moment())), file)
                files.append(file)
    return files
