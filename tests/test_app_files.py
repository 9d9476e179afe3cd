"""What other people wrote: addresses, files of jobs, damaged runs, colours, names."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import psutil
import pytest
import solara
from hypothesis import given
from hypothesis import strategies as st

from model.columns import TABLES
from model.files import write_atomically
from model.options import RunOptions
from model.records import RecordsError
from model.runs import run as negotiate
from tests.test_app import shown, wait_for
from viz.app import Page
from viz.colours import as_hex
from viz.drawing import Box, Disc, Drawing, Lines, Text
from viz.inside import inside
from viz.jobs import Job, jobs, runs, start
from viz.page import watch
from viz.page.folders import (
    RESULTS_VARIABLE,
    opened,
)
from viz.page.new_run import Wish
from viz.page.start import start_html
from viz.page.state import PageState
from viz.printing import printed
from viz.run_view import stamp, view_run
from viz.shelf import COMPARED, comparisons, last_runs
from viz.solved_network import stored_carriers
from viz.svg import to_svg


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results")
    negotiate(RunOptions("two_countries", max_steps=1, out=out))
    return out


class TestAddresses:
    @given(words=st.one_of(st.text(max_size=40), st.from_regex(r"([./]|[a-z]|way-out){0,12}")))
    def test_whatever_an_address_says_stays_inside(self, tmp_path_factory, words):
        """Links on the way are followed and count; the last step may be the owner's link."""
        results = tmp_path_factory.getbasetemp() / "inside"
        if not results.exists():
            (results / "a" / "b").mkdir(parents=True)
            (results / "way-out").symlink_to(results.parent)
            (results / "a" / "way-out").symlink_to("/")
            (results / "circle").symlink_to(results / "circle")
        try:
            path = inside(results, words)
        except RecordsError:
            return
        assert path != results
        assert path.parent.resolve().is_relative_to(results.resolve())
        assert ".." not in path.parts

    @pytest.mark.parametrize(
        "words", ["way-out/x", "circle/x", "", ".", "a//b", "a/", "/a", "C:\\x"]
    )
    def test_words_that_lead_out_or_nowhere_are_refused(self, words, tmp_path):
        (tmp_path / "a" / "b").mkdir(parents=True)
        (tmp_path / "way-out").symlink_to(tmp_path.parent)
        (tmp_path / "circle").symlink_to(tmp_path / "circle")
        assert inside(tmp_path, "a/b") == tmp_path / "a" / "b"
        with pytest.raises(RecordsError):
            inside(tmp_path, words)

    def test_a_damaged_run_is_told_in_words(self, results, tmp_path, monkeypatch):
        monkeypatch.setenv(RESULTS_VARIABLE, str(tmp_path))
        whole = runs(results)[0]
        damages = {
            "manifest.json": [
                "",
                "[]",
                "{}",
                '{"format": 1}',
                '{"format": 1, "scenario_sha256": 1}',
            ],
            "scenario.json": ["", "[]", "{}"],
            "steps/step-0000.parquet": ["", "PAR1"],
            "trades/step-0000.parquet": ["nothing"],
            "summary.json": ["", "[1]"],
        }
        for file, contents in damages.items():
            for content in contents:
                shutil.rmtree(tmp_path / "run", ignore_errors=True)
                shutil.copytree(whole, tmp_path / "run")
                (tmp_path / "run" / file).write_text(content)
                view, error = opened("run")
                assert view is None, file
                assert error
                monkeypatch.setattr(
                    "viz.app.PageState.from_query", lambda _: PageState("outcome", "run")
                )
                shown(Page())
                monkeypatch.undo()
                monkeypatch.setenv(RESULTS_VARIABLE, str(tmp_path))


class TestShelf:
    @given(
        run=st.dictionaries(
            st.sampled_from(["options", "start_utc", "status", "efficiency", "gain_eur", "title"]),
            st.one_of(
                st.none(),
                st.floats(),
                st.text(max_size=9),
                st.just("2026-01-01T00:00:00+00:00"),
                st.dictionaries(st.sampled_from(["scenario", "protocol"]), st.text(max_size=9)),
            ),
        )
    )
    def test_any_run_is_listed_and_no_words_are_markup(self, tmp_path_factory, run):
        """Whatever its files say, a run is never left out of the list."""
        results = tmp_path_factory.getbasetemp() / "shelf"
        for folder, file in (("x", "manifest.json"), ("x", "summary.json"), ("c", COMPARED)):
            (results / folder).mkdir(parents=True, exist_ok=True)
            (results / folder / file).write_text(json.dumps(run))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(RESULTS_VARIABLE, str(results))
            (entry,), count = last_runs(results, 5)
            (compared,), _ = comparisons(results, 5)
            page = start_html(([entry], count), ([compared], 1), {"<i>": "<i>"}, ["<i>.nc"], "<i>")
        assert count == 1
        assert entry.path == results / "x"
        assert "<i>" not in page.replace("<i style=", "")
        reader = _Reader()
        reader.feed(page)
        assert reader.runs == ["x"]
        assert reader.tags <= set(["div", "h1", "h2", "p", "a", "b", "i", "small", "span"])

    def test_a_run_of_the_page_says_how_it_stands(self, results, tmp_path, monkeypatch):
        shutil.copytree(runs(results)[0], tmp_path / "run")
        (tmp_path / "run" / "summary.json").unlink()
        (entry,), _ = last_runs(tmp_path, 5)
        assert (entry.status, entry.efficiency) == ("unfinished", None)
        monkeypatch.setattr(
            "viz.shelf.jobs", lambda _: [SimpleNamespace(run=tmp_path / "run", state="paused")]
        )
        (entry,), _ = last_runs(tmp_path, 5)
        assert entry.status == "paused"
        assert entry.how == "bilateral bids, adaptive"


class _Reader(HTMLParser):
    """Tags of a page, and which runs it lists."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.runs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.runs += [value or "" for name, value in attrs if name == "data-run"]
        assert {name for name, _ in attrs} <= {
            "class", "href", "style", "data-run", "data-scenario", "data-comparison",
        }  # fmt: skip


class TestWhoIsSignalled:
    """A file may name any process; only the job's own is ever touched."""

    @pytest.fixture
    def sleeper(self):
        process = subprocess.Popen(["sleep", "60"], start_new_session=True)
        yield process
        process.kill()
        process.wait()

    @staticmethod
    def touched(job, sleeper):
        assert job.state == "lost"
        job.pause()
        job.go_on()
        job.stop()
        time.sleep(0.1)
        assert sleeper.poll() is None
        return psutil.Process(sleeper.pid).status() == psutil.STATUS_STOPPED

    def test_another_process_of_the_same_number_and_beginning(self, tmp_path, sleeper):
        began = psutil.Process(sleeper.pid).create_time()
        folder = tmp_path / "app" / "forged"
        folder.mkdir(parents=True)
        assert not self.touched(Job(folder, sleeper.pid, began, ()), sleeper)

    @pytest.mark.parametrize("number", [0, 1, -1, -(2**31), 2**31 - 1, 2**70])
    def test_numbers_that_mean_more_than_one_process(self, tmp_path, sleeper, number, monkeypatch):
        sent = []
        monkeypatch.setattr(os, "kill", lambda *given: sent.append(given))
        monkeypatch.setattr(os, "killpg", lambda *given: sent.append(given))
        for began in (0.0, float("nan"), float("inf")):
            assert not self.touched(Job(tmp_path, number, began, ()), sleeper)
        assert sent == []

    def test_a_job_of_another_folder_and_of_another_time(self, tmp_path):
        job = start(tmp_path, Wish("wheeling", planner=False).arguments())
        assert job.state == "running"
        other = tmp_path / "app" / "other"
        other.mkdir()
        for copied in (
            Job(other, job.process, job.started_s, job.command),
            Job(job.folder, job.process, float("nan"), job.command),
            Job(job.folder, job.process, job.started_s - 60, job.command),
        ):
            assert copied.state == "lost"
            copied.stop()
        assert job.state == "running"
        job.stop()
        wait_for(lambda: job.state != "running")

    @given(
        content=st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(
                    st.sampled_from(["process", "started_s", "command", "code"]), inner, max_size=4
                ),
            ),
            max_leaves=8,
        )
    )
    def test_any_content_of_the_files_is_survived(self, tmp_path_factory, content):
        results = tmp_path_factory.getbasetemp() / "damaged"
        folder = results / "app" / "job"
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("job.json", "ended.json"):
            (folder / name).write_text(json.dumps(content))
        for job in jobs(results):
            standing = job.standing()
            assert standing.state == "ended"
            assert isinstance(standing.code, int)
            assert job.run is None
        (folder / "job.json").write_text(json.dumps(content)[:-1])
        jobs(results)

    def test_a_run_beside_the_results_is_no_run_of_a_job(self, results, tmp_path):
        run = runs(results)[0]
        folder = tmp_path / "app" / "job"
        folder.mkdir(parents=True)
        assert Job(folder, 2, 0.0, ("--resume", str(run))).run is None
        (tmp_path / "linked").symlink_to(run)
        own = Job(folder, 2, 0.0, ("--resume", str(tmp_path / "linked")))
        assert own.run == tmp_path / "linked"


class TestColours:
    """Colours and names of other people's files reach no style and no picture unread."""

    evil = (
        "red;background:url(http://x.org)",
        "url(#a)",
        '"/><script>1</script>',
        "expression(1)",
        "var(--ink)",
        "#12345",
        "#1234567",
        "#ffffff;cursor:url(//x.org)",
        "#ffffff\n",
        "nan",
        "none",
        "#00000000",
        "",
    )

    @given(text=st.one_of(st.text(max_size=30), st.from_regex(r"#[0-9a-fA-F]{3,8}\n?")))
    def test_a_colour_is_six_digits_or_none(self, text):
        found = as_hex(text)
        assert found is None or re.fullmatch("#[0-9a-f]{6}", found)

    def test_what_pypsa_draws_with_is_known(self):
        known = {
            "teal": "#008080",
            "#ABC": "#aabbcc",
            "tab:blue": "#1f77b4",
            "#11223344": "#112233",
        }
        assert {text: as_hex(text) for text in known} == known

    @pytest.mark.parametrize("text", evil)
    def test_what_is_no_colour_is_never_printed(self, text):
        assert as_hex(text) is None
        for item in (
            Box(0, 0, 1, 1, text),
            Box(0, 0, 1, 1, "ink", text),
            Disc(0, 0, 1, text),
            Lines((np.zeros((2, 2)),), stroke=text),
            Text(0, 0, "x", fill=text),
            Text(0, 0, "x", halo=text),
        ):
            for kind in ("svg", "png"):
                with pytest.raises(ValueError, match="is no colour"):
                    printed(Drawing(10, 10, "", [item]), kind)
            with pytest.raises(ValueError, match="is no colour"):
                to_svg(Drawing(10, 10, "", [item]))

    def test_carriers_of_a_file(self, tmp_path):
        """Names are kept as they are, colours that are none are left out."""
        import xarray as xr

        names = [f"<i>{place}</i>" for place in range(len(self.evil))]
        xr.Dataset(
            {
                "carriers_i": ("carriers_i", [*names, "wind"]),
                "carriers_color": ("carriers_i", [*self.evil, "teal"]),
                "carriers_nice_name": ("carriers_i", [*self.evil, "Wind & sun"]),
            }
        ).to_netcdf(tmp_path / "network.nc")
        view = SimpleNamespace(records=SimpleNamespace(network_path=tmp_path / "network.nc"))
        colours, nice = stored_carriers.__wrapped__(view)
        assert colours == {"wind": "#008080"}
        assert nice["wind"] == "Wind & sun"

    @pytest.mark.parametrize(
        "text", ["</text><script>1</script>", "a\x00b\x0b\ud800", "$x^$", "\uffff"]
    )
    def test_any_text_makes_a_whole_picture(self, text):
        drawing = Drawing(
            60, 30, text, [Text(1, 9, text), Box(0, 0, 9, 9, "ink", tip=text, data={"x": text})]
        )
        for svg in (to_svg(drawing), printed(drawing, "svg").decode()):
            assert "<script" not in svg
            root = ElementTree.fromstring(svg)
            assert {child.tag.rpartition("}")[2] for child in root.iter()} <= {
                "svg", "rect", "text", "title",
            }  # fmt: skip
        assert printed(drawing, "png").startswith(b"\x89PNG")
        assert printed(drawing, "pdf").startswith(b"%PDF")


class TestNews:
    def test_messages_that_come_later_are_shown(self, results, tmp_path):
        """A page may look at a step before its messages are there."""
        shutil.copytree(runs(results)[0], tmp_path / "run")
        part = tmp_path / "run" / "messages" / "step-0000.parquet"
        content = part.read_bytes()
        part.unlink()
        view = view_run(tmp_path / "run")
        assert len(view.messages(0)) == 0
        assert list(view.messages(0).columns) == [column.name for column in TABLES["messages"]]
        part.write_bytes(content)
        assert len(view.messages(0)) > 0

    def test_every_file_that_a_page_reads_is_news(self, results, tmp_path):
        run = tmp_path / "run"
        shutil.copytree(runs(results)[0], run)
        stamps = [stamp(run)]
        for file in (
            "steps/step-0009.parquet",
            "prices/final.parquet",
            "network.nc",
            "summary.json",
        ):
            write_atomically(run / file, b"x")
            stamps.append(stamp(run))
        assert len(set(stamps)) == len(stamps)

    def test_a_watcher_that_fails_says_so_and_goes_on(self, monkeypatch):
        monkeypatch.setattr(watch, "EVERY_S", 0.01)
        monkeypatch.setattr(watch, "PATIENCE_S", 0.05)
        told, fails = [], threading.Event()

        def look():
            if fails.is_set():
                raise KeyError("process")
            return "news"

        @solara.component
        def Watching():
            told.append(watch.use_news(look, []))
            solara.Text("x")

        _, page = solara.render(Watching(), handle_error=False)
        fails.set()
        wait_for(lambda: "KeyError" in told[-1], 10)
        fails.clear()
        wait_for(lambda: told[-1] == "", 10)
        page.close()
