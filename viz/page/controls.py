"""Controls: of the run, which compute, and of the picture, which only look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import solara

from viz.html_tables import headline, status_line, warning_list
from viz.jobs import CAN_PAUSE, CODES, Job, Standing, resume
from viz.page.folders import results_folder
from viz.page.state import PageState
from viz.page.watch import use_ticks
from viz.run_view import RunView

SECONDS_PER_STEP = 0.8


@solara.component
def RunStatus(
    view: RunView | None,
    job: Job | None,
    standing: Standing | None,
    on_start: Callable[[Job], None],
) -> None:
    """How the run stands, and the buttons that pause, stop and resume its process.

    ``standing`` is that of the job when the page was drawn: a part of a page is drawn again only if
    something it was given has changed.
    """
    if view is not None:
        solara.HTML("div", _standing(view, standing))
    if standing is not None and standing.error:
        solara.Error(standing.error, classes=["run-error"])
    going = standing is not None and standing.state in ("running", "paused")
    if job is not None and standing is not None and going:
        with solara.Div(classes=["buttons"]):
            if CAN_PAUSE and standing.state == "running":
                solara.Button("Pause the run", on_click=job.pause, outlined=True)
            if standing.state == "paused":
                solara.Button("Let the run go on", on_click=job.go_on, outlined=True)
            solara.Button("Stop the run", on_click=job.stop, outlined=True)
            last = standing.words.splitlines()[-1:] or ["starting"]
            solara.Text(last[0].strip(), classes=["note", "last-words"])
        if view is None:
            solara.Preformatted(standing.words or "starting", classes=["output"])
    elif view is not None and (not view.summary or view.awaits_planner):
        run = view.records.path
        with solara.Div(classes=["buttons"]):
            solara.Button(
                "Resume the run",
                on_click=lambda: on_start(resume(results_folder(), run)),
                outlined=True,
            )
            text = (
                "It asks the planner again. " if view.summary else "It goes on from its last step. "
            )
            text += "" if job else "Do so only if it is not going on in a terminal."
            solara.Text(text, classes=["note"])


def _standing(view: RunView, standing: Standing | None) -> str:
    note = str(view.summary.get("note") or "")
    if not view.summary:
        state = "" if standing is None else standing.state
        code = 0 if standing is None or standing.code is None else standing.code
        note = {
            "running": "The run is going on; what you see is what it has done so far.",
            "paused": "The run is paused: its process is frozen and uses no processor.",
            "ended": CODES.get(code, "it broke off") + ".",
            "lost": "Its process is gone.",
        }.get(state, "It is going on elsewhere, or it broke off.")
    return status_line(view, note) + warning_list(view.warnings) + headline(view)


@solara.component
def StepControls(view: RunView, state: PageState, set_state: Callable[[PageState], None]) -> None:
    """Sliders to any step and round, and playing; the run itself is not touched."""
    playing, set_playing = solara.use_state(False)
    last = int(view.steps["step"].max()) if len(view.steps) else -1
    shown = last if state.step is None else min(state.step, last)

    def go(step: int | None) -> None:
        set_state(replace(state, step=step, round=None))

    def tick() -> None:
        go(shown + 1 if shown < last else 0)

    use_ticks(playing and last > 0, SECONDS_PER_STEP, tick)
    if last < 0:
        solara.Text("No step is done yet.", classes=["note"])
        return
    rounds = int(view.steps.loc[view.steps["step"] == shown, "rounds"].max())
    with solara.Div(classes=["sliders"]):
        with solara.Div(classes=["step-slider"]):
            solara.SliderInt(
                f"Step {shown + 1} of {last + 1}",
                value=shown + 1,
                min=1,
                max=max(last + 1, 2),
                on_value=lambda v: go(min(v - 1, last)),
                thumb_label=False,
            )
        if rounds > 1:
            _RoundSlider(rounds, state, shown, set_state)
        solara.Button(
            "Pause the picture" if playing else "Play the steps",
            on_click=lambda: set_playing(not playing),
            text=True,
        )
        if state.step is not None:
            label = "Show the outcome" if view.summary else "Follow the run"
            solara.Button(label, on_click=lambda: go(None), text=True)


@solara.component
def _RoundSlider(
    rounds: int, state: PageState, step: int, set_state: Callable[[PageState], None]
) -> None:
    """Rounds of a step; the last place is the whole step."""
    now = rounds if state.round is None else min(state.round + 1, rounds)
    with solara.Div(classes=["round-slider"]):
        solara.SliderInt(
            f"all {rounds} rounds" if state.round is None else f"round {now} of {rounds}",
            value=now,
            min=1,
            max=rounds,
            on_value=lambda v: set_state(
                replace(state, step=step, round=None if v >= rounds else v - 1)
            ),
            thumb_label=False,
        )
