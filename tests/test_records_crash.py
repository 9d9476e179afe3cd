"""Records after a crash: what was written whole is kept, and a run goes on from there."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from model import files
from model.columns import (
    STEP_TABLES,
    RecordsError,
    to_arrow,
)
from model.options import RunOptions
from model.records import RunRecords
from scenarios.loader import load_scenario
from tests.sample_records import sample, samples


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("triangle")


@pytest.fixture
def run(tmp_path, scenario):
    return RunRecords.create(RunOptions("triangle", out=tmp_path / "results"), scenario)


class TestCrash:
    @pytest.mark.parametrize("parts_written", range(len(STEP_TABLES)))
    def test_crash_inside_a_step_keeps_the_steps_before(self, run, monkeypatch, parts_written):
        run.write_step(0, samples(0))
        before = {name: run.table(name) for name in STEP_TABLES}
        real, calls = files.write_atomically, []

        def crash(path: Path, content: bytes) -> None:
            if len(calls) == parts_written:
                raise KeyboardInterrupt
            calls.append(path)
            real(path, content)

        monkeypatch.setattr("model.records.write_atomically", crash)
        with pytest.raises(KeyboardInterrupt):
            run.write_step(1, samples(1))
        monkeypatch.undo()
        again = RunRecords.open(run.path, unfinished=True)
        assert again.steps == [0]
        for name in STEP_TABLES:
            pd.testing.assert_frame_equal(again.table(name), before[name])
        again.truncate_after(0)
        assert [f.name for f in run.path.rglob("*.parquet")] == ["step-0000.parquet"] * len(
            STEP_TABLES
        )
        # Without the rows of the step that broke off, also where it has no rows now.
        again.write_step(1, {"steps": sample("steps", 1)})
        assert len(again.table("messages")) == len(before["messages"])

    def test_crash_inside_a_file_keeps_the_old_one(self, tmp_path, monkeypatch):
        file = tmp_path / "a.json"
        files.write_atomically(file, b"old")

        def crash(_: int) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("os.fsync", crash)
        with pytest.raises(KeyboardInterrupt):
            files.write_atomically(file, b"new and longer")
        assert file.read_bytes() == b"old"
        monkeypatch.undo()
        files.write_atomically(file, b"new")
        assert [f.name for f in tmp_path.iterdir()] == ["a.json"]
        assert file.read_bytes() == b"new"

    def test_a_wrong_table_leaves_the_step_unwritten(self, run):
        run.write_step(0, samples(0))
        wrong = {**samples(1), "trades": sample("trades", 1).drop(columns="mw")}
        with pytest.raises(RecordsError):
            run.write_step(1, wrong)
        assert not list(run.path.rglob("step-0001.parquet"))

    def test_damaged_part(self, run):
        run.write_step(0, samples(0))
        (run.path / "trades" / "step-0000.parquet").write_bytes(b"PAR1 no")
        with pytest.raises(RecordsError, match=r"step-0000\.parquet cannot be read"):
            run.table("trades")

    def test_part_with_other_columns(self, run):
        run.write_step(0, samples(0))
        pq.write_table(to_arrow("steps", sample("steps")), run.path / "trades/step-0000.parquet")
        with pytest.raises(RecordsError, match="other columns"):
            run.table("trades")


class TestTruncate:
    def test_later_steps_and_the_end_go(self, run):
        for step in range(4):
            run.write_step(step, samples(step))
        run.write_final({"flows": sample("flows")})
        run.write_summary({"status": "capped"})
        run.network_path.write_bytes(b"")
        run.checkpoint(1, {}, {})
        run.truncate_after(1)
        assert run.steps == [0, 1]
        assert run.table("messages").step.max() == 1
        assert run.table("flows").empty
        assert not run.finished
        assert not run.network_path.exists()
        assert run.last_checkpoint() == (1, {}, {})
        run.truncate_after(-1)
        assert run.steps == []
        assert run.last_checkpoint() is None


class TestCheckpoint:
    def test_round_trip(self, run):
        assert run.last_checkpoint() is None
        arrays = {
            "flow/AO-NA": np.array([0.1 + 0.2, -np.inf, np.nan]),
            "file": np.array(["NA", "ZA"]),
            "allow_pickle": np.zeros((2, 0), dtype=np.int8),
            "state": np.array(3),
        }
        state = {"costs": {"NA": 0.1 + 0.2}, "path": ("NA", "ZA"), "limit": float("inf")}
        run.checkpoint(0, {}, {})
        run.checkpoint(5, arrays, state)
        step, back, plain = RunRecords.open(run.path, unfinished=True).last_checkpoint()
        assert step == 5
        assert list(back) == list(arrays)
        for name, array in arrays.items():
            assert back[name].dtype == array.dtype
            np.testing.assert_array_equal(back[name], array)
        assert plain == {**state, "path": ["NA", "ZA"]}

    def test_same_content_same_bytes(self, run):
        contents = []
        for _ in range(2):
            run.checkpoint(1, {"a": np.arange(5.0)}, {"b": 1})
            contents.append((run.path / "checkpoint.npz").read_bytes())
        assert contents[0] == contents[1]

    @pytest.mark.parametrize(
        ("arrays", "state"),
        [({"a": np.array([object()])}, {}), ({}, {"a": object()}), ({}, {"a": {("x", "y"): 1}})],
    )
    def test_nothing_is_pickled(self, run, arrays, state):
        run.checkpoint(0, {}, {"kept": True})
        with pytest.raises(RecordsError, match="checkpoint of step 1"):
            run.checkpoint(1, arrays, state)
        assert run.last_checkpoint() == (0, {}, {"kept": True})

    def test_damaged(self, run):
        (run.path / "checkpoint.npz").write_bytes(b"PK\x03\x04 broken")
        with pytest.raises(RecordsError, match=r"checkpoint\.npz cannot be read"):
            run.last_checkpoint()
