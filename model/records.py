"""What a run writes, and how it is read again.

A run is a folder. Tables are folders of Parquet part files, one per step, each written whole; the
part of ``steps`` comes last and marks the step as done. A crash therefore loses at most the step
in hand. Parquet files hold no wall times, so equal runs are equal byte for byte. The files and
their columns are described in ``docs/records.md``.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from model.checkpoint import read_checkpoint, write_checkpoint
from model.columns import (
    FINAL_TABLES,
    START_TABLES,
    STEP_TABLES,
    RecordsError,
    arrow_schema,
    columns,
    complete_summary,
    parquet_bytes,
    to_arrow,
)
from model.files import content_hash, new_folder, plain, write_atomically, write_json
from model.options import RunOptions
from model.provenance import git_commit, package_versions
from scenarios.errors import did_you_mean
from scenarios.schema import Scenario

__all__ = ["FORMAT", "RecordsError", "RunRecords", "content_hash"]

# Raise it whenever older programs or older runs would no longer be understood.
FORMAT = 1
_START = "start.parquet"
_FINAL = "final.parquet"
# Rows of the planner's case, which is written after all the rest.
_PLANNER = "planner.parquet"
_PART = re.compile(r"step-(\d+)\.parquet")
_CHECKPOINT = "checkpoint.npz"


class RunRecords:
    """The folder of one run.

    Use :meth:`create` for a new run and :meth:`open` for one that exists.

    Attributes
    ----------
    path : Path
    manifest : dict
        What ``manifest.json`` says.
    """

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    def create(
        cls, options: RunOptions, scenario: Scenario, command: Sequence[str] | None = None
    ) -> RunRecords:
        """Make the folder of a new run; an existing folder is never touched.

        Parameters
        ----------
        options : RunOptions
        scenario : Scenario
            Effective scenario, overrides and choice of countries put in.
        command : sequence of str, optional
            Command line; that of this process by default.

        Raises
        ------
        RecordsError
            If the folder cannot be made.
        """
        start = datetime.now(UTC)
        try:
            path = new_folder(options.out, _folder_name(options, scenario, start))
        except OSError as error:
            what = f"cannot make a folder in {options.out}: {error.strerror}; choose another --out"
            raise RecordsError(what) from None
        manifest = {
            "format": FORMAT,
            "run": path.name,
            "start_utc": start.isoformat(timespec="seconds"),
            "command": list(sys.argv if command is None else command),
            "seed": scenario.settings.seed if options.seed is None else options.seed,
            "scenario_sha256": content_hash(scenario),
            "versions": package_versions(),
            "git_commit": git_commit(),
            "options": options.record(),
        }
        write_json(path / "scenario.json", scenario)
        # Last, because it makes the folder a run.
        write_json(path / "manifest.json", manifest)
        return cls(path, plain(manifest))

    @classmethod
    def open(cls, path: str | Path, *, unfinished: bool = False) -> RunRecords:
        """Open the folder of a run.

        Parameters
        ----------
        path : str or Path
        unfinished : bool
            Whether a run without a summary will do: to resume it or to look on while it goes.

        Raises
        ------
        RecordsError
            If it is no run, was made by an incompatible version, was changed or is unfinished.
        """
        path = Path(path)
        file = path / "manifest.json"
        if not file.is_file():
            siblings = [p.parent.name for p in path.parent.glob("*/manifest.json")]
            advice = did_you_mean(path.name, siblings) if siblings else ""
            raise RecordsError(f"{path} is not a run: it holds no manifest.json{advice}")
        manifest = _read_json(file)
        made_by = manifest.get("format")
        if made_by != FORMAT:
            raise RecordsError(
                f"{path} was written in format {made_by}, this program reads format {FORMAT}; "
                "read it with the version named in its manifest.json, or run it again"
            )
        records = cls(path, manifest)
        if content_hash(_read_json(path / "scenario.json")) != manifest["scenario_sha256"]:
            raise RecordsError(f"{path}/scenario.json was changed since the run; run it again")
        if not (unfinished or records.finished):
            raise RecordsError(f"{path} is unfinished; finish it with --resume {path}")
        return records

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        return self.path.name

    @property
    def finished(self) -> bool:
        """Whether the run came to its summary, be it without the planner."""
        return (self.path / "summary.json").is_file()

    @cached_property
    def options(self) -> RunOptions:
        """Options the run was started with."""
        return RunOptions.from_record(self.manifest["options"])

    @cached_property
    def scenario(self) -> Scenario:
        """Effective scenario."""
        text = (self.path / "scenario.json").read_text(encoding="utf-8")
        try:
            return Scenario.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(p) for p in first["loc"])
            raise RecordsError(f"{self.path}/scenario.json: {place}: {first['msg']}") from None

    @property
    def network_path(self) -> Path:
        """Where the negotiated outcome lies as a solved PyPSA network."""
        return self.path / "network.nc"

    @property
    def log_path(self) -> Path:
        """What the modelling tools said for themselves."""
        return self.path / "log.txt"

    @property
    def steps(self) -> list[int]:
        """Steps that are done, in order."""
        return sorted(self._parts("steps"))

    def write_step(self, step: int, tables: Mapping[str, pd.DataFrame]) -> None:
        """Write the tables of one step; ``steps`` is needed and marks the step as done.

        All frames are checked before anything is written. A step written again is replaced.

        Parameters
        ----------
        step : int
        tables : mapping of str to DataFrame
            Tables of :data:`model.columns.STEP_TABLES`; one that is not given has no rows.

        Raises
        ------
        RecordsError
            If a table or its columns are not as declared.
        """
        _check_tables(tables, STEP_TABLES)
        if "steps" not in tables:
            raise RecordsError(f"step {step}: the table 'steps' is missing; it needs one row")
        contents = {name: to_arrow(name, frame) for name, frame in tables.items()}
        for name, content in contents.items():
            others = set(content["step"].unique().to_pylist()) - {step}
            if others:
                raise RecordsError(f"table {name}: row of step {min(others)} in step {step}")
        if contents["steps"].num_rows != 1:
            raise RecordsError(f"table steps: {contents['steps'].num_rows} rows for step {step}")
        part = f"step-{step:04d}.parquet"
        # Undone until rewritten, and no rows stay from a step that broke off.
        for name in STEP_TABLES:
            (self.path / name / part).unlink(missing_ok=True)
        for name in sorted(contents, key=lambda n: n == "steps"):
            write_atomically(self.path / name / part, parquet_bytes(contents[name]))

    def write_start(self, tables: Mapping[str, pd.DataFrame]) -> None:
        """Write tables of :data:`model.columns.START_TABLES`, which say what is negotiated about.

        Raises
        ------
        RecordsError
            If a table or its columns are not as declared.
        """
        self._write_whole(tables, START_TABLES, _START)

    def write_final(self, tables: Mapping[str, pd.DataFrame]) -> None:
        """Write tables of :data:`model.columns.FINAL_TABLES`, each whole; replaces what was there.

        Rows of the planner's case are those of an earlier outcome and go.

        Raises
        ------
        RecordsError
            If a table or its columns are not as declared.
        """
        self._write_whole(tables, FINAL_TABLES, _FINAL)
        for name in FINAL_TABLES:
            (self.path / name / _PLANNER).unlink(missing_ok=True)

    def write_planner(self, tables: Mapping[str, pd.DataFrame]) -> None:
        """Add rows of the planner's case to tables that :meth:`write_final` wrote.

        Raises
        ------
        RecordsError
            If a table or its columns are not as declared.
        """
        self._write_whole(tables, FINAL_TABLES, _PLANNER)

    def _write_whole(
        self, tables: Mapping[str, pd.DataFrame], known: Sequence[str], part: str
    ) -> None:
        """Write tables as part files; all are checked before the first is written."""
        _check_tables(tables, known)
        contents = {name: to_arrow(name, frame) for name, frame in tables.items()}
        for name, content in contents.items():
            write_atomically(self.path / name / part, parquet_bytes(content))

    def table(self, name: str) -> pd.DataFrame:
        """All rows of a table in the order of steps; without rows if nothing was written.

        Raises
        ------
        RecordsError
            If there is no such table or a file cannot be read.
        """
        names = [c.name for c in columns(name)]
        if name in START_TABLES + FINAL_TABLES:
            found = (self.path / name / part for part in (_START, _FINAL, _PLANNER))
            files = [file for file in found if file.is_file()]
        else:
            parts = self._parts(name)
            files = [parts[step] for step in self.steps if step in parts]
        schema = arrow_schema(columns(name))
        tables = [_read_parquet(file, schema) for file in files]
        merged = pa.concat_tables(tables) if tables else schema.empty_table()
        return merged.to_pandas()[names]

    def checkpoint(
        self, step: int, arrays: Mapping[str, np.ndarray], state: Mapping[str, Any]
    ) -> None:
        """Replace the checkpoint, arrays and state together in one file.

        Write it after :meth:`write_step` of the same step.

        Parameters
        ----------
        step : int
            Last step that is done; -1 before the first.
        arrays : mapping of str to ndarray
            Plain numbers or text, no objects.
        state : mapping of str to JSON value
            Tuples come back as lists; NaN and infinity survive.

        Raises
        ------
        RecordsError
            If something cannot be stored without pickle.
        """
        write_checkpoint(self.path / _CHECKPOINT, step, arrays, state)

    def last_checkpoint(self) -> tuple[int, dict[str, np.ndarray], dict[str, Any]] | None:
        """Step, arrays and state of the last checkpoint, None if there is none."""
        return read_checkpoint(self.path / _CHECKPOINT)

    def truncate_after(self, step: int) -> None:
        """Delete all that was written after a step, so that the run can go on from there.

        Summary, final tables and network go too, unless the outcome is whole and tells of this
        very step: then it waits for the planner. A checkpoint of a later step goes with its step.
        """
        if not (self.finished and max(self.steps, default=-1) <= step):
            (self.path / "summary.json").unlink(missing_ok=True)
            self.network_path.unlink(missing_ok=True)
            for name, part in itertools.product(FINAL_TABLES, (_FINAL, _PLANNER)):
                (self.path / name / part).unlink(missing_ok=True)
        last = self.last_checkpoint()
        if last is not None and last[0] > step:
            (self.path / _CHECKPOINT).unlink()
        for name in ("steps", *STEP_TABLES):
            for number, file in self._parts(name).items():
                if number > step:
                    file.unlink()

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write ``summary.json``, which finishes the run; replaces the one without the planner.

        Keys keep their order; keys of :data:`model.columns.SUMMARY` that are not given, NaN and
        infinity become null.

        Raises
        ------
        RecordsError
            For a key that is not declared or a value without a JSON form.
        """
        self._write_json("summary.json", complete_summary(summary))

    def summary(self) -> dict[str, Any]:
        """What ``summary.json`` says."""
        return _read_json(self.path / "summary.json")

    def write_timings(self, timings: Mapping[str, Any]) -> None:
        """Write wall times, free in form, to ``timings.json``; they differ from run to run."""
        self._write_json("timings.json", timings)

    def timings(self) -> dict[str, Any]:
        """What ``timings.json`` says; empty if there is none."""
        file = self.path / "timings.json"
        return _read_json(file) if file.is_file() else {}

    def _write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a JSON file of the run."""
        try:
            write_json(self.path / name, value)
        except (TypeError, ValueError) as error:
            raise RecordsError(f"{name}: {error}") from None

    def _parts(self, table: str) -> dict[int, Path]:
        """Part files of a table by step."""
        found = {}
        for file in (self.path / table).glob("step-*.parquet"):
            match = _PART.fullmatch(file.name)
            if match:
                found[int(match[1])] = file
        return found


def _folder_name(options: RunOptions, scenario: Scenario, start: datetime) -> str:
    """Name of a run's folder."""
    settings = scenario.settings
    words = (settings.name, options.protocol, options.mode, options.products or settings.products)
    plain_words = [re.sub(r"[^A-Za-z0-9_.]+", "_", word) for word in words if word]
    return "-".join([*plain_words, f"{start:%Y%m%dT%H%M%SZ}"])


def _check_tables(tables: Mapping[str, pd.DataFrame], known: Sequence[str]) -> None:
    """Refuse tables that are not written at this point of a run."""
    for name in tables:
        if name not in known:
            raise RecordsError(f"unknown table '{name}'{did_you_mean(name, known)}")


def _read_parquet(file: Path, schema: pa.Schema) -> pa.Table:
    """Read a part file and check its columns."""
    try:
        table = pq.read_table(file, partitioning=None)
    except (OSError, pa.ArrowInvalid) as error:
        raise RecordsError(f"{file} cannot be read: {error}") from None
    for field in schema:  # what was added since the file was written can be null
        if field.nullable and field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(len(table), field.type))
    if set(table.column_names) == set(schema.names):
        table = table.select(schema.names)
    if not table.schema.equals(schema):
        raise RecordsError(f"{file} has other columns than this version writes; run it again")
    return table


def _read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordsError(f"{file} is missing; the run is damaged or unfinished") from None
    except (OSError, ValueError) as error:
        raise RecordsError(f"{file} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise RecordsError(f"{file} holds no JSON object; the run is damaged")
    return content
