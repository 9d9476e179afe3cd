"""The app without a browser: its state, its processes, what it imports, the report."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import solara
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import run as command_line
from model.options import RunOptions
from model.records import RecordsError, RunRecords
from model.runs import run as negotiate
from viz.app import Page
from viz.drawing import Box, Drawing
from viz.figures import FIGURES
from viz.jobs import Job, job_of, jobs, resume, runs, start
from viz.page.folders import (
    RESULTS_VARIABLE,
    job_with,
    key_of,
    opened,
    results_folder,
    run_label,
    run_of,
)
from viz.page.new_run import ANY_FILE, Wish, network_files, protocols
from viz.page.panels import Downloads
from viz.page.state import TABS, PageState
from viz.page.tabs import Compare, Hours, Negotiation, Outcome
from viz.report import write_report
from viz.run_view import RunView, view_run

numbers = st.one_of(st.none(), st.integers(0, 10_000))
words = st.text(max_size=30)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results")
    negotiate(RunOptions("two_countries", out=out))
    negotiate(RunOptions("two_countries", max_steps=1, out=out))
    return out


def wait_for(what: Callable[[], object], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


@given(
    state=st.builds(
        PageState,
        tab=st.sampled_from(list(TABS)),
        run=words,
        other=words,
        product=words,
        step=numbers,
        round=numbers,
        hour=numbers,
        week=st.integers(0, 60),
    )
)
def test_address_keeps_the_whole_state(state: PageState) -> None:
    assert PageState.from_query(state.query()) == state


@given(query=st.text(max_size=80))
def test_any_address_is_understood(query: str) -> None:
    assert PageState.from_query(query).tab in TABS


def test_page_never_imports_a_solver() -> None:
    code = (
        "import sys, viz.app, viz.report, viz.figures, viz.page.tabs, viz.raster\n"
        "heavy = {'highspy', 'linopy', 'pypsa', 'gurobipy', 'mesa'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, f"imported: {done.stderr}"


def shown(element: Any) -> list[str]:
    """HTML in an element of a page once it is drawn; its mistakes are raised."""
    _, page = solara.render(element, handle_error=False)
    try:
        found = page.find(solara.widgets.HTML).widgets
        return [str(widget.unsafe_innerHTML) for widget in found]
    finally:
        page.close()


class TestFolders:
    def test_a_run_is_found_by_its_key(self, results, monkeypatch):
        monkeypatch.setenv(RESULTS_VARIABLE, str(results))
        for run in runs(results_folder()):
            assert run_of(key_of(run)) == run
            view, error = opened(key_of(run))
            assert error == ""
            assert view is view_run(run)

    def test_the_newest_comes_first_and_all_have_labels_of_their_own(self, tmp_path):
        names = ["b-20261124T170539Z", *(f"a-20261124T170540Z{n}" for n in ("", "-2", "-10"))]
        for name in ("noted", *names):
            (tmp_path / name).mkdir()
            (tmp_path / name / "manifest.json").touch()
        listed = [run.name for run in runs(tmp_path)]
        assert listed == [*reversed(names), "noted"]
        labels = [run_label(name) for name in listed]
        assert labels[:3] == [f"a, 2026-11-24 17:05:40{n}" for n in (" (10)", " (2)", "")]
        assert labels[-1] == "noted"

    def test_a_link_is_listed_and_opened_in_its_own_place(self, results, tmp_path, monkeypatch):
        shelf = tmp_path / "shelf"
        shelf.mkdir()
        (shelf / "linked").symlink_to(runs(results)[0].resolve())
        monkeypatch.setenv(RESULTS_VARIABLE, str(shelf))
        assert [key_of(run) for run in runs(results_folder())] == ["linked"]
        assert opened("linked")[0].name == "linked"
        shown(Page())

    def test_nothing_outside_the_results_is_opened(self, results, monkeypatch):
        monkeypatch.setenv(RESULTS_VARIABLE, str(results))
        with pytest.raises(RecordsError, match="outside"):
            run_of("../../etc")
        assert job_with("../..") is None
        view, error = opened("nothing-here")
        assert view is None
        assert "is not a run" in error


class TestPages:
    """Pages of a run, made without a browser."""

    @pytest.mark.parametrize("tab", [Negotiation, Outcome, Hours, Downloads])
    def test_a_run_without_interconnectors_has_every_tab(self, tab, tmp_path):
        done = negotiate(RunOptions("two_countries", countries=("B",), max_steps=1, out=tmp_path))
        shown(tab(view_run(done["folder"]), PageState(table="duration"), lambda _: None))

    def test_words_of_others_are_no_markup(self, results, monkeypatch):
        """Titles, mistakes and colours come from files, whose authors may write anything."""
        view, other = (view_run(run) for run in runs(results))
        monkeypatch.setattr(RunView, "title", "<i>Two</i>")
        shaded = Drawing(10, 10, "", [Box(0, 0, 1, 1, '"><i>red</i>')])
        draw = {"map": lambda *_: shaded, "gain": lambda *_: int("<i>1</i>")}
        for name, one in draw.items():
            monkeypatch.setitem(FIGURES, name, replace(FIGURES[name], draw=one))
        pages = shown(Compare(view, other, PageState(), lambda _: None))
        text = " ".join(pages)
        assert "&lt;i&gt;Two&lt;/i&gt;" in text
        assert "could not be drawn: ValueError" in text
        assert "<i>" not in text


class TestJobs:
    def test_form_knows_the_installed_protocols(self):
        assert "adaptive" in protocols()["bilateral_bids"]

    def test_form_offers_the_network_files_at_hand(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert network_files() == []
        (tmp_path / "networks").mkdir()
        for name in ("b.nc", "networks/a.nc", "notes.txt", "networks/deeper.csv"):
            (tmp_path / name).touch()
        assert network_files() == ["b.nc", "networks/a.nc"]

    def test_a_file_may_be_chosen_or_named(self):
        chosen, named = Wish("networks/a.nc"), Wish(ANY_FILE, network=" networks/a.nc ")
        assert chosen.arguments() == named.arguments()
        assert chosen.arguments()[:2] == ["--network", "networks/a.nc"]
        assert not Wish(ANY_FILE).complete
        left_over = Wish("triangle", network="networks/a.nc", window="8")
        assert left_over.arguments() == Wish("triangle").arguments()

    def test_semicolons_set_wishes_apart_and_commas_do_not(self):
        """Commas are part of values, as in the documented line_statuses=existing,planned."""
        changes = "line_statuses=existing,planned; demand_factor=1.1;"
        words = Wish(strategies="A=markup:0.1;B=markup:0.2", changes=changes).arguments()
        given = [(words[i], words[i + 1]) for i in range(len(words) - 1) if words[i][:3] == "--s"]
        assert [pair for pair in given if pair[0] in ("--set", "--strategy")] == [
            ("--strategy", "A=markup:0.1"),
            ("--strategy", "B=markup:0.2"),
            ("--set", "line_statuses=existing,planned"),
            ("--set", "demand_factor=1.1"),
        ]

    def test_pause_stop_resume(self, tmp_path):
        """A run is frozen, stopped and taken up again, and ends as if nothing had happened."""
        wish = Wish("wheeling", planner=False)
        for _ in range(5):
            job = start(tmp_path, wish.arguments())
            wait_for(
                lambda job=job: job.run is not None and len(list(job.run.glob("steps/step-*"))) >= 1
            )
            job.pause()
            time.sleep(0.3)
            steps = len(list(job.run.glob("steps/step-*")))
            assert job.state == "paused"
            time.sleep(1.0)
            assert len(list(job.run.glob("steps/step-*"))) == steps
            job.stop()
            wait_for(lambda job=job: job.state == "ended")
            if job.code != 0:
                break  # else it was through before it was stopped: once more
        assert job.code == 130
        assert job.error == ""
        run = job.run
        assert view_run(run).status == "unfinished"
        again = resume(tmp_path, run)
        wait_for(lambda: again.state == "ended")
        assert again.code == 0
        assert again.run == run
        assert view_run(run).status == "completed"
        assert job_of(tmp_path, run).folder == again.folder
        assert {one.folder for one in jobs(tmp_path)} >= {job.folder, again.folder}
        unbroken = negotiate(RunOptions("wheeling", planner=False, out=tmp_path / "whole"))
        assert view_run(run).summary["gain_eur"] == unbroken["gain_eur"]

    def test_a_job_is_seen_whole_or_not_at_all(self, tmp_path, monkeypatch):
        """Whoever looks just before the file has its name finds no job, not a part of one."""
        seen = []
        put_in_place = Path.replace

        def looked_at(file, target):
            seen.append(jobs(tmp_path))
            return put_in_place(file, target)

        monkeypatch.setattr(Path, "replace", looked_at)
        job = start(tmp_path, ["--scenario", "triangel"])
        monkeypatch.undo()
        assert seen == [[]]
        assert jobs(tmp_path) == [job]
        wait_for(lambda: job.state == "ended")

    def test_mistakes_are_told_in_words(self, tmp_path):
        job = start(tmp_path, ["--scenario", "triangel"])
        wait_for(lambda: job.state == "ended")
        assert job.code == 2
        assert "did you mean 'triangle'" in job.error

    def test_a_process_that_is_gone_is_lost(self, tmp_path):
        folder = tmp_path / "app" / "one"
        folder.mkdir(parents=True)
        # The number is this process's by now, which began at another time.
        job = Job(folder, os.getpid(), 0.0, ())
        assert job.state == "lost"
        assert "gone" in job.error

    def test_a_killed_process_is_lost(self, tmp_path):
        job = start(tmp_path, Wish("wheeling", planner=False).arguments())
        assert job.state == "running"
        os.kill(job.process, signal.SIGKILL)
        wait_for(lambda: job.state == "lost")

    def test_an_end_is_never_taken_for_a_loss(self, tmp_path, monkeypatch):
        """Neither while a process is being loaded, nor when it ends while it is looked at."""
        job = start(tmp_path, ["--scenario", "triangel"])
        seen = {job.state}
        alive = Job._alive

        def ends_meanwhile(self):
            answer = alive(self)
            wait_for(lambda: (job.folder / "ended.json").is_file() and not alive(self))
            return answer

        monkeypatch.setattr(Job, "_alive", ends_meanwhile)
        seen.add(job.standing().state)
        assert seen == {"running", "ended"}


class _Page(HTMLParser):
    """Addresses that a page would load, and how its elements are nested."""

    void = frozenset(("meta", "link", "br", "img", "hr"))

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.void:
            self.open.append(tag)
        self.loads += [
            value or "" for name, value in attrs if name in ("src", "href", "action", "srcset")
        ]
        assert tag != "script"

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.void:
            assert self.open.pop() == tag


class TestReport:
    def test_one_file_without_network(self, results, tmp_path):
        agreed, capped = sorted(runs(results), key=lambda r: view_run(r).status)
        files = write_report(agreed, capped, tmp_path / "page.html", "svg")
        text = files[0].read_text(encoding="utf-8")
        page = _Page()
        page.feed(text)
        assert page.open == []
        assert page.loads == ["data:,"]
        assert not re.search(r"url\(|@import|http://(?!www\.w3\.org)|https://", text)
        assert 'data-status="completed"' in text
        assert 'data-status="capped"' in text
        for view in (view_run(agreed), view_run(capped)):
            assert view.records.manifest["scenario_sha256"] in text
            assert view.name in text
        assert "--max-steps" in text or "python" in text
        assert all(file.read_bytes().startswith(b"<svg") for file in files[1:])

    def test_unfinished_run_looks_like_one(self, results, tmp_path):
        run = tmp_path / "broken"
        shutil.copytree(runs(results)[0], run)
        (run / "summary.json").unlink()
        text = write_report(run)[0].read_text(encoding="utf-8")
        assert 'data-status="unfinished"' in text
        assert "Known when the run has ended" in text

    def test_command(self, results, tmp_path):
        run = str(runs(results)[0])
        out = tmp_path / "report.html"
        options = ["--out", str(out), "--figures", "png"]
        done = CliRunner().invoke(command_line.app, ["report", run, *options])
        assert done.exit_code == 0, done.output
        assert out.is_file()
        assert (tmp_path / "figures" / Path(run).name / "map.png").is_file()
        for words_of in ([str(tmp_path)], [run, "--figures", "gif"]):
            done = CliRunner().invoke(command_line.app, ["report", *words_of])
            assert done.exit_code == 2
            assert done.stderr.startswith("error: ") and done.stdout == ""


def test_views_of_unchanged_runs_are_shared(results: Path) -> None:
    run = RunRecords.open(runs(results)[0])
    assert view_run(run.path) is view_run(run.path)
