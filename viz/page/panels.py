"""Figures, tables and downloads on the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html import escape
from typing import Any

import pandas as pd
import solara

from model.columns import TABLES
from viz.figures import FIGURES, Look, step_of, table_file, table_of
from viz.html_tables import frame_table
from viz.moment import Moment
from viz.page.screen import NARROW_PX
from viz.page.state import PageState
from viz.printing import KINDS, printed
from viz.run_view import RunView
from viz.svg import to_svg
from viz.talk import said
from viz.time_charts import weeks

MOST_MESSAGES = 80
_MIME = {"csv": "text/csv", "svg": "image/svg+xml", "png": "image/png", "pdf": "application/pdf"}
MEAN = "mean over the year"


def look_of(view: RunView, state: PageState, *, outcome: bool = False) -> Look:
    """What a page state means for one run; what the run does not have is left out."""
    snapshots = view.snapshots
    hour = state.hour if state.hour is not None and state.hour < len(snapshots) else None
    last = int(view.steps["step"].max()) if len(view.steps) else None
    step = None if state.step is None or last is None else min(state.step, last)
    moment = Moment(
        step=None if outcome else step,
        round=None if outcome or step is None else state.round,
        product=state.product if state.product in view.products and not outcome else None,
        case=state.case,
        snapshot=snapshots[hour] if outcome and hour is not None else None,
    )
    if not outcome and moment.step is None and moment.product is not None:
        # The outcome is recorded by hours; a product is that of the last step.
        moment = replace(moment, step=last)
    starts = weeks(view)
    return Look(
        moment=moment,
        country=state.country if state.country in view.names else None,
        line=state.line if state.line in {line.name for line in view.lines} else None,
        week=starts[state.week] if state.week < len(starts) else None,
        pair=pairs(view).get(state.pair),
        width=NARROW_PX if state.narrow else None,
    )


def pairs(view: RunView) -> dict[str, tuple[str, str]]:
    """Countries that share an interconnector or have traded, by their codes: ``AO-NA``."""
    traded = view.trades[["exporter", "importer"]].drop_duplicates()
    found = {(line.a, line.b) for line in view.lines}
    found |= {(min(pair), max(pair)) for pair in traded.itertuples(index=False, name=None)}
    return {f"{a}-{b}": (a, b) for a, b in sorted(found)}


@solara.component
def FigurePanel(view: RunView, name: str, look: Look) -> None:
    """One figure as SVG; drawn again only when what it shows has changed."""

    def drawn() -> str:
        try:
            return to_svg(FIGURES[name].draw(view, look))
        except Exception as error:
            # One figure that fails must not take the page along; it says so in its place.
            why = escape(f"{type(error).__name__}: {error}")
            return f"<p class=note>This figure could not be drawn: {why}</p>"

    svg = solara.use_memo(drawn, [view, name, look])
    solara.HTML("div", svg, classes=["figure"], attributes={"data-figure": name})


@solara.component
def MessageTable(view: RunView, look: Look) -> None:
    """What was said in the step and round looked at."""

    def made() -> str:
        step = step_of(view, look)
        table = said(view, step, look.moment.round, MOST_MESSAGES)
        if len(table) < MOST_MESSAGES:
            return frame_table(table)
        note = f"the first {MOST_MESSAGES} messages; Tables and downloads has all of them"
        return frame_table(table, note=note)

    solara.HTML("div", solara.use_memo(made, [view, look]), classes=["messages"])


@solara.component
def Picker(
    label: str, choices: dict[Any, str], value: Any, on_value: Callable[[Any], None]
) -> None:
    """A list of choices, shown by their labels."""
    back = {text: key for key, text in choices.items()}
    solara.Select(label, list(back), choices.get(value), lambda text: on_value(back[text]))


@solara.component
def Downloads(view: RunView, state: PageState, set_state: Callable[[PageState], None]) -> None:
    """Every figure and table, to look at and to keep."""
    choices = {name: figure.label for name, figure in FIGURES.items()}
    choices |= {name: f"table {name}" for name in TABLES}
    name = state.table if state.table in choices else "payments"
    look = look_of(view, state)
    usual = replace(look, width=None)
    with solara.Div(classes=["form", "runs"]):
        Picker("What", choices, name, lambda v: set_state(replace(state, table=v)))
    table: pd.DataFrame = solara.use_memo(lambda: table_of(view, name, look), [view, name, look])
    with solara.Div(classes=["buttons"]):
        for kind in ("csv", "parquet"):
            solara.FileDownload(
                lambda kind=kind: table_file(table, kind),
                filename=f"{view.name}-{name}.{kind}",
                mime_type=_MIME.get(kind, "application/octet-stream"),
                label=kind.upper() if kind == "csv" else "Parquet",
            )
        for kind in KINDS if name in FIGURES else ():
            solara.FileDownload(
                lambda kind=kind: printed(FIGURES[name].draw(view, usual), kind),
                filename=f"{view.name}-{name}.{kind}",
                mime_type=_MIME[kind],
                label=kind.upper(),
            )
    if name in FIGURES:
        with solara.Div(classes=["alone"]):
            FigurePanel(view, name, look)
    solara.HTML("div", solara.use_memo(lambda: frame_table(table), [view, name, look]))
