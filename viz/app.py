"""The app: watch a negotiation live, go back to any round, compare runs.

``python run.py app``. The page reads records and nothing else; a run
that it starts is a process of its own. Each reader has a page state of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import solara
import solara.server.settings

from viz.html_tables import PAGE_CSS
from viz.jobs import Job, job_of, runs
from viz.page.address import AddressBar
from viz.page.comparison import Comparison
from viz.page.controls import RunStatus
from viz.page.folders import found, job_with, key_of, opened, results_folder, run_label
from viz.page.new_run import NewRun
from viz.page.panels import Downloads, Picker
from viz.page.screen import Screen
from viz.page.start import START_CSS, Start, shelves
from viz.page.state import TABS, WITHOUT_RUN, PageState
from viz.page.tabs import Compare, Hours, Negotiation, Outcome
from viz.page.theme import ThemeButton
from viz.page.watch import use_news
from viz.run_view import stamp
from viz.svg import app_theme_css

# No request leaves the machine: neither the server's count of its users nor the development mode's
# look at solara.dev.
solara.server.settings.telemetry.mixpanel_enable = False
solara.server.settings.main.mode = "production"

_CSS = """
.page{width:100%;max-width:1500px;margin:0 auto;padding:8px 14px 40px;font-size:15px}
.brand{font-weight:800;letter-spacing:.4px;color:var(--ink)!important;text-decoration:none;
margin-right:10px}
.page h3{font-size:15px;margin:14px 0 6px;font-weight:700}
.board{display:grid;grid-template-columns:minmax(0,1.12fr) minmax(0,1fr);gap:14px;margin-top:8px}
.board.even{grid-template-columns:minmax(0,1fr) minmax(0,1fr)}
.board>*{min-width:0}.figure svg{width:100%!important}
.form{display:grid;grid-template-columns:repeat(auto-fill,minmax(235px,1fr));gap:4px 16px}
.buttons,.tabs{display:flex;flex-wrap:wrap;gap:8px;align-items:center;margin:6px 0}
.sliders{display:flex;flex-wrap:wrap;gap:4px 22px;align-items:center}
.step-slider{flex:2 1 260px}.round-slider{flex:1 1 200px}.hour-slider{grid-column:span 2}
.runs{grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr));max-width:1000px}
.start-run{justify-self:start}
.last-words{font-family:monospace;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;
max-width:100%}
.output{max-height:240px;overflow:auto}
.alone{max-width:760px}
@media(max-width:900px){.board,.board.even{grid-template-columns:minmax(0,1fr)}
.hour-slider{grid-column:span 1}}
"""


@solara.component
def Page() -> None:
    """The whole page of one reader."""
    router = solara.use_router()
    state, set_state = solara.use_state(PageState.from_query(router.search))

    def begin(job: Job) -> None:
        run = "" if job.run is None else key_of(job.run)
        set_state(replace(state, tab="negotiation", job=job.folder.name, run=run, step=None))

    job = job_with(state.job) if state.job else None
    run = state.run
    if not run and job is not None and job.run is not None:
        run = key_of(job.run)
    trouble = use_news(
        lambda: _news(state), [state.tab == "start", state.run, state.job, state.other]
    )
    view, error = opened(run)
    other, other_error = opened(state.other)
    if job is None and view is not None:
        job = job_of(results_folder(), view.records.path)
    solara.Title("DMAN-CEP")
    solara.Style(app_theme_css() + PAGE_CSS + START_CSS + _CSS)
    AddressBar(query=state.query())
    Screen(event_told=lambda narrow: set_state(replace(state, narrow=narrow)))
    with solara.Div(classes=["page"]):
        _Head(state, set_state, run)
        if trouble:
            text = f"This page gets no news at present and shows what it knew last. {trouble}"
            solara.Warning(text, classes=["no-news"])
        if state.tab in WITHOUT_RUN:
            _without_run(state, begin)
            return
        for text in (error, other_error):
            if text:
                solara.Error(text, classes=["page-error"])
        if state.tab != "compare":
            RunStatus(view, job, None if job is None else job.standing(), begin)
        if view is None:
            if not error and job is None:
                solara.Info("Open a recorded run above, or start a new one.")
            return
        _tab(state, view, other, set_state)


def _without_run(state: PageState, begin: Callable[[Job], None]) -> None:
    if state.tab == "new":
        NewRun(begin, state.scenario)
    elif state.tab == "comparison":
        Comparison(state.compare)
    else:
        Start(shelves())


def _tab(state, view, other, set_state) -> None:  # type: ignore[no-untyped-def]
    if state.tab == "negotiation":
        Negotiation(view, state, set_state)
    elif state.tab == "outcome":
        Outcome(view, state, set_state)
    elif state.tab == "hours":
        Hours(view, state, set_state)
    elif state.tab == "tables":
        Downloads(view, state, set_state)
    else:
        Compare(view, other, state, set_state)


@solara.component
def _Head(state: PageState, set_state, run: str) -> None:  # type: ignore[no-untyped-def]
    """Tabs, and which runs are looked at."""
    of_a_run = bool(run or state.job or state.tab not in WITHOUT_RUN)
    with solara.Div(classes=["tabs"]):
        solara.HTML("div", '<a class=brand href="/">DMAN-CEP</a>')
        for key, label in TABS.items():
            if not of_a_run and key not in ("start", "new", state.tab):
                continue
            if key == "comparison" and state.tab != key:
                continue
            solara.Button(
                label,
                on_click=lambda key=key: set_state(replace(state, tab=key)),
                text=key != state.tab,
                color="primary" if key == state.tab else None,
                attributes={"data-tab": key},
            )
        solara.v.Spacer()
        ThemeButton()
    if state.tab in WITHOUT_RUN:
        return
    known = [key_of(path) for path in runs(results_folder())]
    choices = {"": "none"} | {key: run_label(key) for key in known}
    if run:
        choices.setdefault(run, run_label(run))
    with solara.Div(classes=["form", "runs"]):
        Picker(
            "Run",
            choices,
            run,
            lambda key: set_state(replace(state, run=key, job="", step=None, round=None)),
        )
        if state.tab == "compare":
            Picker("Beside", choices, state.other, lambda k: set_state(replace(state, other=k)))


def _news(state: PageState) -> tuple[object, ...]:
    """Everything on disk that changes what the page shows; cheap to look up."""
    folder = results_folder()
    job = job_with(state.job) if state.job else None
    run = found(state.run)
    paths = [path for path in (run, found(state.other)) if path is not None]
    if job is None and run is not None:
        job = job_of(folder, run)
    elif job is not None and job.run is not None:
        paths.append(job.run)
    standing = None if job is None else (job.standing(), job.run)
    if state.tab == "start":
        return (shelves(),)
    return (tuple(stamp(p) for p in paths), standing, len(runs(folder)))
