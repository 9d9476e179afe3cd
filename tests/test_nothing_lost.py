"""Nothing is lost: planners that fail, processes that are stopped or killed, two at one run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pypsa
import pytest

import model.runs
from agents.problem import OutOfTime, PlanningError
from model.options import RunOptions
from model.records import RecordsError, RunRecords
from model.reporting import Reporter
from model.run_lock import Owner, RunInUse, owner_of, working_on
from model.runs import resume, run
from tests.small_worlds import small_world, untouched

ROOT = Path(__file__).parents[1]
CURVES = RunOptions("triangle", workers=1)
TWO = ("MZ", "ZA")
FLEETS = RunOptions(
    "sapp2030", countries=TWO, resolution="1w6h", slices="year", products="tou", workers=1
)


def contents(path: Path) -> dict[str, bytes]:
    """Bytes of all Parquet files of a run."""
    return {str(f.relative_to(path)): f.read_bytes() for f in sorted(path.rglob("*.parquet"))}


def outcome(path: Path) -> dict[str, Any]:
    """Summary without what differs between equal runs."""
    summary = json.loads((path / "summary.json").read_text(encoding="utf-8"))
    return {k: v for k, v in summary.items() if k not in ("run", "wall_s")}


def folder_of(summary: dict[str, Any]) -> Path:
    return Path(summary["folder"])


def only_run(out: Path) -> Path:
    (path,) = out.iterdir()
    return path


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def whole(out: Path) -> Path:
    """An unbroken run on cost curves."""
    return folder_of(run(replace(CURVES, out=out)))


class Listener(Reporter):
    """Remembers what it was warned of."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warn(self, text: str) -> None:
        self.said.append(text)


class Killed(BaseException):
    """The process ends here, and nothing of the program has a word in it."""


def failing(error: BaseException) -> Callable[..., Any]:
    def planner(*_: Any, **__: Any) -> Any:
        raise error

    return planner


class TestPlannerFails:
    @pytest.mark.parametrize(
        ("error", "state", "reason"),
        [
            (RuntimeError("the solver ended with unknown"), "failed", "RuntimeError: the solver"),
            (MemoryError(), "failed", "MemoryError"),
            (KeyError("flow"), "failed", "KeyError: 'flow'"),
            (OutOfTime("no optimum within 3 s"), "out of time", "no optimum within 3 s"),
        ],
    )
    def test_outcome_is_whole_and_says_why_there_is_no_efficiency(
        self,
        whole: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        error: Exception,
        state: str,
        reason: str,
    ) -> None:
        monkeypatch.setattr(model.runs, "planner", failing(error))
        listener = Listener()
        summary = run(replace(CURVES, out=tmp_path), listener)
        assert summary["status"] == "completed"
        assert summary["planner"] == state
        for key in ("planner_cost_eur", "planner_gain_eur", "efficiency"):
            assert summary[key] is None
        assert reason in summary["note"]
        assert any(reason in text for text in listener.said)
        assert summary["gain_eur"] == outcome(whole)["gain_eur"]
        path = folder_of(summary)
        tables = contents(path)
        unbroken = contents(whole)
        assert tables == {k: v for k, v in unbroken.items() if not k.endswith("planner.parquet")}
        # Resumed with a planner that works, it ends as if it had never failed.
        monkeypatch.undo()
        assert resume(path)["planner"] == "found"
        assert contents(path) == unbroken
        assert outcome(path) == outcome(whole)

    def test_countries_that_cannot_carry_out_the_planners_plan(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        usual = model.runs._Run._solve_case

        def solve_case(self: Any, case: str, *arguments: Any) -> Any:
            if case == "planner":
                raise PlanningError("E: the planning problem ended 'infeasible'")
            return usual(self, case, *arguments)

        monkeypatch.setattr(model.runs._Run, "_solve_case", solve_case)
        summary = run(replace(CURVES, out=tmp_path))
        assert summary["planner"] == "failed" and summary["planner_cost_eur"] is None
        assert "infeasible" in summary["note"]

    def test_time_limit_reaches_the_solver_of_cost_curves(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DMAN_CEP_CACHE", str(tmp_path / "cache"))
        summary = run(replace(CURVES, out=tmp_path / "results", planner_time_limit_s=1e-9))
        assert (summary["planner"], summary["status"]) == ("out of time", "completed")
        # A limit that suffices changes nothing.
        summary = run(replace(CURVES, out=tmp_path / "results", planner_time_limit_s=60.0))
        assert summary["planner"] == "found"

    def test_time_limit_reaches_the_solver_of_networks(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DMAN_CEP_CACHE", str(tmp_path / "cache"))
        summary = run(replace(FLEETS, out=tmp_path / "results", planner_time_limit_s=1e-6))
        assert summary["planner"] == "out of time" and summary["efficiency"] is None
        assert "1e-06 s" in summary["note"]
        again = resume(folder_of(summary), planner_time_limit_s=60.0)
        assert again["planner"] == "found"
        assert again["planner_cost_eur"] <= again["negotiated_cost_eur"] * (1 + 1e-7)


class TestKilled:
    """The process is gone while the planner works: the outcome is there, and stays."""

    @pytest.fixture
    def killed(self, tmp_path: Path) -> Path:
        path = str(tmp_path)
        assert stopped("planner", "SIGKILL", "--scenario", "triangle", "--out", path).code == -9
        return only_run(tmp_path)

    def test_outcome_is_whole_and_resume_adds_the_planner(self, whole: Path, killed: Path) -> None:
        records = RunRecords.open(killed)
        summary = records.summary()
        assert (summary["planner"], summary["status"]) == ("pending", "completed")
        assert "--resume" in summary["note"]
        assert summary["gain_eur"] == outcome(whole)["gain_eur"]
        assert set(records.table("flows")["case"]) == {"negotiated"}
        assert set(records.table("prices")["case"]) == {"autarky", "negotiated"}
        assert owner_of(killed) is None
        assert resume(killed)["planner"] == "found"
        assert contents(killed) == contents(whole)
        assert outcome(killed) == outcome(whole)
        assert not list(killed.glob("*.lock"))

    def test_resume_without_the_planner(self, killed: Path) -> None:
        told = resume(killed, planner=False)
        assert (told["planner"], told["note"]) == ("not asked", "")
        before = (killed / "summary.json").read_bytes()
        resume(killed, planner=False)
        assert (killed / "summary.json").read_bytes() == before

    def test_network_is_readable_before_and_while_it_goes_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = small_world(TWO, "1w6h", "year", "tou")
        monkeypatch.setattr(model.runs, "build_world", lambda *_: untouched(world))
        unbroken = folder_of(run(replace(FLEETS, out=tmp_path)))
        cost_eur = outcome(unbroken)["negotiated_cost_eur"]
        monkeypatch.setattr(model.runs, "planner", failing(Killed()))
        with pytest.raises(Killed):
            run(replace(FLEETS, out=tmp_path))
        (path,) = (p for p in tmp_path.iterdir() if p != unbroken)
        for _ in range(2):
            assert outcome(path)["planner"] == "pending"
            network = pypsa.Network(str(path / "network.nc"))
            assert network.objective == pytest.approx(cost_eur, rel=1e-9)
            with pytest.raises(Killed):
                resume(path)
        monkeypatch.setattr(pypsa.Network, "export_to_netcdf", failing(Killed()))
        with pytest.raises(Killed):  # while the network is written again
            resume(path)
        assert outcome(path)["planner"] == "pending"
        assert pypsa.Network(str(path / "network.nc")).objective == network.objective
        monkeypatch.undo()
        monkeypatch.setattr(model.runs, "build_world", lambda *_: untouched(world))
        resume(path)
        assert contents(path) == contents(unbroken)
        assert outcome(path) == outcome(unbroken)
        assert not [f.name for f in path.iterdir() if f.name.startswith(".")]


class TestEmptyFolders:
    @pytest.mark.parametrize("error", [RuntimeError("x"), MemoryError(), ValueError("x")])
    def test_what_fails_before_the_first_step_leaves_none(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        monkeypatch.setattr(model.runs, "build_world", failing(error))
        with pytest.raises(type(error)):
            run(replace(CURVES, out=tmp_path / "results"))
        assert list((tmp_path / "results").iterdir()) == []

    def test_what_was_interrupted_stays_even_if_it_fails_when_resumed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(model.runs, "build_world", failing(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            run(replace(CURVES, out=tmp_path))
        monkeypatch.setattr(model.runs, "build_world", failing(RuntimeError("x")))
        with pytest.raises(RuntimeError):
            resume(only_run(tmp_path))
        monkeypatch.undo()
        assert resume(only_run(tmp_path))["status"] == "completed"


class Ended:
    """How a command of a process of its own ended."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code = done.returncode
        self.words = done.stderr
        self.last = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""


def stopped(moment: str, signals: str, *arguments: str) -> Ended:
    """A command that is sent signals at a moment."""
    words = [sys.executable, "-m", "tests.stopped_run", moment, signals, "--", *arguments]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)
    return Ended(done)


class TestSignals:
    @pytest.mark.parametrize(
        ("moment", "signals", "code"),
        [
            ("loading", "SIGTERM", 143),
            ("planning alone", "SIGTERM", 143),
            ("writing results", "SIGTERM", 143),
            ("planner", "SIGINT,SIGINT", 130),
            ("planning alone", "SIGINT,SIGTERM", 143),
            ("writing the planner's", "SIGINT", 130),
        ],
    )
    def test_one_line_says_how_to_go_on(
        self, whole: Path, tmp_path: Path, moment: str, signals: str, code: int
    ) -> None:
        """Of two signals the second one decides on the code; nothing is lost by it."""
        out = tmp_path / "results"
        arguments = ("--scenario", "triangle", "--workers", "1", "--out", str(out))
        ended = stopped(moment, signals, *arguments)
        assert ended.code == code
        assert "Traceback" not in ended.words
        assert ended.last.startswith("interrupted; ")
        if moment == "loading":
            assert "nothing was recorded" in ended.last
            assert not out.exists()
            return
        path = only_run(out)
        assert ended.last.endswith(f"kept in {path}, go on with --resume {path}")
        assert not list(path.glob("*.lock"))
        resume(path)
        assert contents(path) == contents(whole)
        assert outcome(path) == outcome(whole)


RACER = """
import sys, time
from pathlib import Path
from model.run_lock import RunInUse, working_on
path, begin_s = Path(sys.argv[1]), float(sys.argv[2])
while time.time() < begin_s:
    pass
try:
    with working_on(path):
        print("won", flush=True)
        sys.stdin.read()
except RunInUse as error:
    print(error, flush=True)
"""


def race(path: Path, racers: int) -> list[str]:
    """What processes say that begin to work on a run at the same moment; nobody stops early."""
    begin_s = str(time.time() + 3.0)
    started = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(path), begin_s],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(racers)
    ]
    lines = [process.stdout.readline().strip() for process in started if process.stdout]
    for process in started:
        process.communicate(timeout=60)
    return lines


def leave_claim(path: Path, number: int, owner: Owner) -> Path:
    file = path / f"running-{number}.lock"
    file.write_text(json.dumps(owner.__dict__), encoding="utf-8")
    return file


def dead_owners() -> list[Owner]:
    """Owners of whom nobody is there: gone, or the number is another process' now."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    here = Owner.this_process()
    return [
        replace(here, process=gone.pid),
        replace(here, started_s=here.started_s - 3600.0),
    ]


class TestLock:
    @pytest.mark.parametrize("left", [0, 1, 2])
    def test_of_processes_that_race_one_wins(self, tmp_path: Path, left: int) -> None:
        """Whether the run is free, or was left behind by those who were killed."""
        for number, owner in enumerate(dead_owners()[:left], 1):
            leave_claim(tmp_path, number, owner)
        lines = race(tmp_path, 4)
        assert sorted(lines)[-1] == "won" and lines.count("won") == 1
        for line in lines:
            if line != "won":
                assert re.match(r"process \d+ works on .* since \d{4}-\d\d-\d\dT\S+; ", line)
        assert not list(tmp_path.glob("*.lock"))

    def test_second_is_told_who_and_since_when(self, whole: Path) -> None:
        with working_on(whole):
            owner = owner_of(whole)
            assert owner is not None and owner.process == os.getpid()
            told = re.escape(f"process {os.getpid()} works on {whole} since {owner.since_utc};")
            with pytest.raises(RunInUse, match=told), working_on(whole):
                pytest.fail("two at one run")
            assert owner_of(whole) == owner
        assert owner_of(whole) is None

    def test_locks_of_the_dead_are_taken_over(self, tmp_path: Path) -> None:
        for number, owner in enumerate(dead_owners(), 7):
            leave_claim(tmp_path, number, owner)
        with working_on(tmp_path):
            assert [f.name for f in tmp_path.glob("*.lock")] == ["running-9.lock"]
        assert not list(tmp_path.glob("*.lock"))

    def test_lock_of_a_crash_that_was_never_filled(self, tmp_path: Path) -> None:
        (tmp_path / "running-1.lock").touch()
        old_s = time.time() - 60.0
        os.utime(tmp_path / "running-1.lock", (old_s, old_s))
        with working_on(tmp_path):
            assert [f.name for f in tmp_path.glob("*.lock")] == ["running-2.lock"]

    def test_late_one_sees_who_came_meanwhile(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It looked when the run was free, and makes its file when another one owns the run."""
        looked = model.run_lock._claims
        came: list[Path] = []

        def claims(folder: Path) -> dict[int, Path]:
            found = looked(folder)
            if not came:  # the late one sleeps after its first look
                came.append(leave_claim(tmp_path, 2, Owner.this_process()))
            return found

        monkeypatch.setattr(model.run_lock, "owner_of", lambda folder: None)
        monkeypatch.setattr(model.run_lock, "_claims", claims)
        with pytest.raises(RunInUse), working_on(tmp_path):
            pytest.fail("two at one run")
        assert [f.name for f in tmp_path.glob("*.lock")] == ["running-2.lock"]

    def test_zombie_is_dead(self) -> None:
        process = subprocess.Popen([sys.executable, "-c", ""])
        started_s = psutil.Process(process.pid).create_time()
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        assert not Owner(process.pid, started_s, "").alive
        process.wait()

    def test_of_two_resumes_on_the_command_line_one_is_refused(
        self, whole: Path, tmp_path: Path
    ) -> None:
        arguments = ("--scenario", "triangle", "--out", str(tmp_path))
        stopped("negotiating", "SIGTERM", *arguments)
        path = only_run(tmp_path)
        words = [sys.executable, "-m", "tests.stopped_run", "planner", "SIGSTOP", "--"]
        first = subprocess.Popen(
            [*words, "--resume", str(path)], cwd=ROOT, stderr=subprocess.DEVNULL
        )
        try:
            frozen = psutil.Process(first.pid)
            for _ in range(6000):
                if frozen.status() == psutil.STATUS_STOPPED:
                    break
                time.sleep(0.01)
            second = subprocess.run(
                [sys.executable, "run.py", "--resume", str(path)],
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert second.returncode == 2
            errors = [x for x in second.stderr.splitlines() if x.startswith("error:")]
            assert len(errors) == 1 and f"process {first.pid} works on {path} since" in errors[0]
            assert "Traceback" not in second.stderr
        finally:
            first.send_signal(signal.SIGCONT)
            assert first.wait(timeout=120) == 0
        assert contents(path) == contents(whole)
        assert outcome(path) == outcome(whole)

    def test_finished_run_in_a_folder_that_nobody_may_write(
        self, whole: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(model.runs, "working_on", failing(RecordsError("cannot write")))
        assert resume(whole)["planner"] == "found"
