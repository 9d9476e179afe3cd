"""The tabs of the page: what stands beside what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html import escape

import solara

from viz.html_tables import country_rows, headline, interconnector_rows, status_line
from viz.page.controls import StepControls
from viz.page.panels import MEAN, FigurePanel, MessageTable, Picker, look_of, pairs
from viz.page.state import PageState
from viz.run_view import RunView
from viz.time_charts import weeks

Change = Callable[[PageState], None]


@solara.component
def Negotiation(view: RunView, state: PageState, set_state: Change) -> None:
    """Step by step: map, marginal costs, gain, bids and every message."""
    look = look_of(view, state)
    StepControls(view, state, set_state)
    with solara.Div(classes=["form"]):
        choices = {"": MEAN} | {name: name for name in view.products}
        value = state.product if state.product in choices else ""
        Picker("Product", choices, value, lambda v: set_state(replace(state, product=v)))
        known = pairs(view)
        between = {"": "all countries"} | {
            key: f"{view.names[a]} and {view.names[b]}" for key, (a, b) in known.items()
        }
        pair = state.pair if state.pair in known else ""
        Picker("Bids between", between, pair, lambda v: set_state(replace(state, pair=v)))
    with solara.Div(classes=["board"]):
        FigurePanel(view, "map", look)
        with solara.Div():
            FigurePanel(view, "marginal-costs", look)
            FigurePanel(view, "gain", look)
            FigurePanel(view, "bids", look)
    solara.HTML("h3", "Messages of the step")
    MessageTable(view, look)


@solara.component
def Outcome(view: RunView, state: PageState, set_state: Change) -> None:
    """Where the run ended: map at any hour, gains, payments, capacity, disclosure."""
    look = look_of(view, state, outcome=True)
    if not view.summary:
        solara.Info("The run has not ended; what stands here is what is known so far.")
    with solara.Div(classes=["form"]):
        if view.cases:
            cases = {case: case for case in view.cases}
            case = state.case if state.case in cases else view.cases[0]
            Picker("Outcome", cases, case, lambda v: set_state(replace(state, case=v)))
            _HourPicker(view, state, set_state)
        countries = {"": "all countries"} | view.names
        Picker(
            "Capacity of",
            countries,
            state.country if state.country in countries else "",
            lambda v: set_state(replace(state, country=v)),
        )
    with solara.Div(classes=["board"]):
        FigurePanel(view, "map", look)
        with solara.Div():
            FigurePanel(view, "payments", look)
            FigurePanel(view, "capacity", look)
            FigurePanel(view, "disclosure", look)
    if view.summary:
        solara.HTML("div", country_rows(view) + "<br>" + interconnector_rows(view))


@solara.component
def _HourPicker(view: RunView, state: PageState, set_state: Change) -> None:
    """Slider over all snapshots; the first place is the mean."""
    count = len(view.snapshots)
    place = 0 if state.hour is None or state.hour >= count else state.hour + 1
    label = MEAN if place == 0 else f"{view.snapshots[place - 1]:%d %b %H:%M}"
    with solara.Div(classes=["hour-slider"]):
        solara.SliderInt(
            label,
            value=place,
            min=0,
            max=count,
            on_value=lambda v: set_state(replace(state, hour=None if v == 0 else v - 1)),
            thumb_label=False,
        )


@solara.component
def Hours(view: RunView, state: PageState, set_state: Change) -> None:
    """Dispatch of a country over a week, duration curve of an interconnector."""
    look = look_of(view, state)
    starts = weeks(view)
    with solara.Div(classes=["form"]):
        country = state.country if state.country in view.names else view.codes[0]
        Picker("Country", dict(view.names), country, lambda v: set_state(replace(state, country=v)))
        if starts:
            labels = {i: f"{start:%d %b %Y}" for i, start in enumerate(starts)}
            week = state.week if state.week < len(starts) else 0
            Picker("Week from", labels, week, lambda v: set_state(replace(state, week=v)))
        lines = {line.name: line.name for line in view.lines}
        line = state.line if state.line in lines else next(iter(lines), "")
        Picker("Interconnector", lines, line, lambda v: set_state(replace(state, line=v)))
    with solara.Div(classes=["board even"]):
        FigurePanel(view, "dispatch", look)
        FigurePanel(view, "duration", look)


@solara.component
def Compare(view: RunView, other: RunView | None, state: PageState, set_state: Change) -> None:
    """Two runs side by side, at the same step."""
    if other is None:
        solara.Info("Choose a second run above to put it beside this one.")
        return
    StepControls(view if len(view.steps) >= len(other.steps) else other, state, set_state)
    with solara.Div(classes=["board even"]):
        for one, beside in ((view, other), (other, view)):
            with solara.Div(classes=["compared"]):
                look = replace(look_of(one, state), beside=beside)
                note = str(one.summary.get("note") or "")
                title, how, run = (escape(text) for text in (one.title, one.how, one.name))
                words = f"<h3>{title}</h3><p class=note>{how}<br>{run}</p>"
                solara.HTML("div", words + status_line(one, note) + headline(one))
                for name in ("map", "marginal-costs", "gain", "payments", "capacity", "disclosure"):
                    FigurePanel(one, name, look)
