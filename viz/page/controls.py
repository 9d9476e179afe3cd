"""Controls: of the run, which compute, and of the picture, which only look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import solara

from viz.html_tables import headline, status_line
from viz.jobs import CAN_PAUSE, CODES, Job, resume
from viz.page.folders import results_folder
from viz.page.state import PageState
from viz.page.watch import use_ticks
from viz.run_view import RunView

SECONDS_PER_STEP = 0.8


@solara.component
def RunStatus(view: RunView | None, job: Job | None, on_start: Callable[[Job], None]) -> None:
    """How the run stands, and the buttons that pause, stop and resume its process."""
    state = job.state if job is not None else ""
    if view is not None:
        solara.HTML("div", _standing(view, job, state))
    if job is not None and job.error:
        solara.Error(job.error, classes=["run-error"])
    if job is not None and state in ("running", "paused"):
        with solara.Div(classes=["buttons"]):
            if CAN_PAUSE and state == "running":
                solara.Button("Pause the run", on_click=job.pause, outlined=True)
            if state == "paused":
                solara.Button("Let the run go on", on_click=job.go_on, outlined=True)
            solara.Button("Stop the run", on_click=job.stop, outlined=True)
            last = job.last_words.splitlines()[-1:] or ["starting"]
            solara.Text(last[0].strip(), classes=["note", "last-words"])
    elif view is not None and not view.summary:
        run = view.records.path

        with solara.Div(classes=["buttons"]):
            solara.Button(
                "Resume the run",
                on_click=lambda: on_start(resume(results_folder(), run)),
                outlined=True,
            )
            text = "It goes on from its last finished step. "
            text += "" if job else "Do so only if it is not going on in a terminal."
            solara.Text(text, classes=["note"])
    if view is None and job is not None and state in ("running", "paused"):
        solara.Preformatted(job.last_words or "starting", classes=["output"])


def _standing(view: RunView, job: Job | None, state: str) -> str:
    note = str(view.summary.get("note") or "")
    if not view.summary:
        note = {
            "running": "The run is going on; what you see is what it has done so far.",
            "paused": "The run is paused: its process is frozen and uses no processor.",
            "ended": CODES.get(job.code if job and job.code is not None else 0, "it broke off")
            + ".",
            "lost": "Its process is gone.",
        }.get(state, "It is going on elsewhere, or it broke off.")
    return status_line(view.status, note[:1].upper() + note[1:]) + headline(view)


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
        with solara.Div(classes=["round-slider"]):
            now = rounds if state.round is None else min(state.round + 1, rounds)
            label = f"all {rounds} rounds" if state.round is None else f"round {now} of {rounds}"
            solara.SliderInt(
                label,
                value=now,
                min=1,
                max=max(rounds, 2),
                on_value=lambda v: set_state(
                    replace(state, step=shown, round=None if v >= rounds else v - 1)
                ),
                thumb_label=False,
            )
        solara.Button(
            "Pause the picture" if playing else "Play the steps",
            on_click=lambda: set_playing(not playing),
            text=True,
        )
        if state.step is not None:
            label = "Show the outcome" if view.summary else "Follow the run"
            solara.Button(label, on_click=lambda: go(None), text=True)
