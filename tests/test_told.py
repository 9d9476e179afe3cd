"""What a run tells: warnings about its network file everywhere, other programs' words nowhere."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from model.experiments.compare import compare
from model.overheard import overheard
from model.records import RunRecords
from pypsa_earth.describe import describe
from pypsa_earth.scenario import network_scenario
from scenarios.errors import ScenarioError
from tests.small_networks import COUNTRIES, sapp_like
from viz.html_tables import warning_list
from viz.page.controls import _standing
from viz.report import report
from viz.run_view import RunView, view_run

ROOT = Path(__file__).parents[1]
# How lines of PyPSA, linopy, HiGHS and Python itself look.
FOREIGN = re.compile(
    r"^(INFO|WARNING|ERROR|DEBUG)[: ]|\w+Warning: |Running HiGHS|Termination condition|linopy|"
    r"Optimization successful|Index\(\[",
    re.MULTILINE,
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose user should know something; Lesotho has no load."""
    path = tmp_path_factory.mktemp("networks") / "elec_s_4_ec_lcopt_Co2L-3h.nc"
    sapp_like().export_to_netcdf(str(path))
    return path


@pytest.fixture(scope="module")
def ended(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("results")
    words = ["--network", str(file), "--countries", ",".join(COUNTRIES), "--max-steps", "1"]
    words += ["--protocol", "consensus_admm", "--products", "flat", "--slices", "year"]
    return out, subprocess.run(
        [sys.executable, "run.py", *words, "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def told(file: Path) -> list[str]:
    """What ``inspect`` warns of."""
    found = describe(file, None, COUNTRIES).warnings
    assert found
    return found


class TestWarnings:
    def test_are_said_as_the_run_starts(self, ended: Any, told: list[str]) -> None:
        _, done = ended
        assert done.returncode in (0, 1), done.stderr
        lines = [x for x in done.stderr.splitlines() if x.startswith("warning: ")]
        assert [x.removeprefix("warning: ") for x in lines][: len(told)] == told
        first = done.stderr.index("warning: ")
        assert first < done.stderr.index("planning alone")

    def test_are_in_the_summary(self, ended: Any, told: list[str]) -> None:
        (path,) = ended[0].iterdir()
        assert RunRecords.open(path).summary()["warnings"] == told

    def test_are_in_the_report_and_on_the_page(self, ended: Any, told: list[str]) -> None:
        (path,) = ended[0].iterdir()
        view = view_run(path)
        assert view.warnings == tuple(told)
        listed = warning_list(told)
        assert listed.count("<li>") == len(told)
        assert listed in report([view])
        assert listed in _standing(view, None)

    def test_are_known_before_the_run_has_ended(self, ended: Any, told: list[str]) -> None:
        (path,) = ended[0].iterdir()
        records = RunRecords.open(path)
        view = RunView(RunRecords(path / "..", records.manifest))
        view.records = records
        assert view.summary == {} and warning_list(told) in report([view])

    def test_nobody_sets_them(self, file: Path) -> None:
        with pytest.raises(ScenarioError, match="not an option"):
            network_scenario(file, {"network.warnings": "none"})

    def test_markup_in_them_is_text(self) -> None:
        assert "<script>" not in warning_list(["<script>alert(1)</script>"])
        assert warning_list([]) == ""

    def test_comparisons_tell_them(self, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        said: list[str] = []

        class Stop(Exception):
            pass

        def measure(*_: Any) -> None:
            raise Stop

        class Anything:
            def __getattr__(self, name: str) -> Any:
                return Anything()

            def __call__(self, *_: Any) -> None: ...

        grid, folder = Anything(), Anything()
        grid.base = type("Base", (), {"warnings": tuple(told)})
        grid.scenario_sha256 = folder.scenario_sha256 = "same"
        grid.experiment = type("Experiment", (), {"seeds": (1,)})
        reporter = Anything()
        reporter.warn = said.append
        monkeypatch.setattr("model.experiments.compare.measure_cases", measure)
        with pytest.raises(Stop):
            compare(folder, grid, Anything(), reporter)  # type: ignore[arg-type]
        assert said == told


class TestOtherProgramsWords:
    def test_do_not_reach_the_terminal(self, ended: Any) -> None:
        _, done = ended
        for text in (done.stderr, done.stdout):
            assert not FOREIGN.search(text), FOREIGN.search(text)

    def test_are_kept_with_the_run(self, ended: Any) -> None:
        (path,) = ended[0].iterdir()
        lines = RunRecords.open(path).log_path.read_text(encoding="utf-8").splitlines()
        assert any(FOREIGN.search(line) for line in lines)

    def test_nor_does_the_planner_fail(self, ended: Any) -> None:
        (path,) = ended[0].iterdir()
        assert RunRecords.open(path).summary()["planner"] == "found"

    def test_of_all_kinds_are_heard_once_and_in_order(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        with overheard() as said:
            logging.getLogger("linopy.model").warning("first")
            said.keep_in(tmp_path / "log.txt")
            logging.getLogger("pypsa.network.io").error("second")
            logging.getLogger("pypsa.network.io").error("second")
            logging.getLogger("pypsa").info("not worth keeping")
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                warnings.warn("third", UserWarning, stacklevel=1)
        lines = (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()
        assert lines[:2] == ["WARNING linopy.model: first", "ERROR pypsa.network.io: second"]
        assert lines[2].startswith("WARNING py.warnings: ") and "UserWarning: third" in lines[2]
        assert "second" not in "".join(capfd.readouterr())

    def test_within_itself_and_then_as_before(self, tmp_path: Path) -> None:
        show, logger = warnings.showwarning, logging.getLogger("pypsa")
        before = list(logger.handlers), logger.propagate
        with overheard() as outer, overheard() as inner:
            for place, said in (("outer", outer), ("inner", inner)):
                said.keep_in(tmp_path / place)
            logging.getLogger("pypsa").warning("heard")
        assert (tmp_path / "outer").read_text() == (tmp_path / "inner").read_text()
        assert warnings.showwarning is show
        assert (list(logger.handlers), logger.propagate) == before

    def test_warnings_that_are_errors_stay_errors(self) -> None:
        with overheard(), warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)
            with pytest.raises(DeprecationWarning):
                warnings.warn("outdated", DeprecationWarning, stacklevel=1)

    def test_without_any_there_is_no_file(self, tmp_path: Path) -> None:
        with overheard() as said:
            said.keep_in(tmp_path / "log.txt")
        assert list(tmp_path.iterdir()) == []

    def test_a_command_that_writes_nothing_is_as_quiet(self, file: Path) -> None:
        done = subprocess.run(
            [sys.executable, "run.py", "inspect", str(file), "--countries", ",".join(COUNTRIES)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0 and done.stderr == ""
        assert not FOREIGN.search(done.stdout)
