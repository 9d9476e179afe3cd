"""The folder of a comparison: what is compared, what each case left, tables at the end.

A case's result is written as it ends, whole or not at all, and is never touched again. Tables are
made from these files alone, in the order of the grid, so a comparison that was interrupted ends
with the same bytes as an unbroken one.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from model.columns import RecordsError
from model.experiments.grid import Case, Grid
from model.experiments.measure import Measured
from model.experiments.spec import EXPERIMENT_FILE, Experiment
from model.experiments.tables import BROKEN, TABLES, write_table
from model.files import new_folder, plain, write_atomically, write_json
from model.provenance import git_commit, package_versions
from scenarios.errors import did_you_mean

FORMAT = 1
_RESULT, _TIMINGS, _TRACE = "result.json", "timings.json", "traceback.txt"


class ComparisonFolder:
    """Folder of one comparison; :meth:`create` or :meth:`open` it.

    Attributes
    ----------
    path : Path
    experiment : Experiment
    """

    def __init__(self, path: Path, experiment: Experiment) -> None:
        self.path = path
        self.experiment = experiment

    @classmethod
    def create(
        cls, out: Path, grid: Grid, command: Sequence[str] | None = None
    ) -> ComparisonFolder:
        """Make the folder of a new comparison; an existing folder is never touched.

        Raises
        ------
        RecordsError
            If the folder cannot be made.
        """
        start = datetime.now(UTC)
        name = re.sub(r"[^A-Za-z0-9_.]+", "_", grid.base.settings.name)
        try:
            path = new_folder(out, f"compare-{name}-{start:%Y%m%dT%H%M%SZ}")
        except OSError as error:
            what = f"cannot make a folder in {out}: {error.strerror}; choose another --out"
            raise RecordsError(what) from None
        content = {
            "format": FORMAT,
            "comparison": path.name,
            "start_utc": start.isoformat(timespec="seconds"),
            "command": list(sys.argv if command is None else command),
            "cases": len(grid.cases),
            "scenario_sha256": grid.scenario_sha256,
            "versions": package_versions(),
            "git_commit": git_commit(),
            "experiment": grid.experiment,
        }
        # Last, because it makes the folder a comparison.
        write_json(path / EXPERIMENT_FILE, content)
        return cls(path, grid.experiment)

    @classmethod
    def open(cls, path: Path) -> ComparisonFolder:
        """Open the folder of a comparison, finished or not.

        Raises
        ------
        RecordsError
            If it is none, or this version cannot read it.
        """
        file = path / EXPERIMENT_FILE
        if not file.is_file():
            siblings = [p.parent.name for p in path.parent.glob(f"*/{EXPERIMENT_FILE}")]
            advice = did_you_mean(path.name, siblings) if siblings else ""
            raise RecordsError(f"{path} is no comparison: it holds no {EXPERIMENT_FILE}{advice}")
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise RecordsError(f"{path} was written in another format; compare again")
            return cls(path, Experiment.model_validate(content["experiment"]))
        except (OSError, ValueError, KeyError, ValidationError) as error:
            if isinstance(error, RecordsError):
                raise
            raise RecordsError(f"{file} cannot be read: {error}") from None

    @property
    def scenario_sha256(self) -> str:
        """Hash of the scenario it was begun with."""
        content = json.loads((self.path / EXPERIMENT_FILE).read_text(encoding="utf-8"))
        return str(content["scenario_sha256"])

    @property
    def finished(self) -> bool:
        """Whether all tables are there."""
        return (self.path / "runs.parquet").is_file()

    def ended(self, case: Case) -> bool:
        """Whether a case has a result."""
        return (self._place(case) / _RESULT).is_file()

    def write(self, case: Case, measured: Measured) -> None:
        """Keep what a case left."""
        place = self._place(case)
        content = dataclasses.asdict(measured)
        trace = content.pop("trace")
        write_json(place / _TIMINGS, {"timings": content.pop("timings")})
        if trace:
            write_atomically(place / _TRACE, trace.encode())
        # Last, because it makes the case ended.
        write_json(place / _RESULT, {"case": case.coordinates, **plain(content, finite=True)})

    def forget_broken(self, cases: Iterable[Case]) -> int:
        """Forget results of cases that broke off; how many there were."""
        count = 0
        for case in cases:
            if self.ended(case) and self.result(case)["run"]["status"] in BROKEN:
                (self._place(case) / _RESULT).unlink()
                count += 1
        return count

    def result(self, case: Case) -> dict[str, Any]:
        """What a case left."""
        return _read(self._place(case) / _RESULT)

    def seconds(self, case: Case) -> float | None:
        """Wall time of a case's negotiation, if it ended."""
        timings = _read(self._place(case) / _TIMINGS)["timings"]
        return float(timings[-1]["seconds"]) if timings else None

    def finish(self, grid: Grid, cases: Sequence[Case] | None = None) -> None:
        """Write all tables; ``runs`` comes last, because it makes the comparison finished.

        Parameters
        ----------
        grid : Grid
        cases : sequence of Case, optional
            Those of the grid by default.
        """
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
        for case in grid.cases if cases is None else cases:
            left, of_case = self.result(case), {"case": case.id}
            missing = {c.name: None for c in TABLES["runs"]}
            rows["runs"].append(missing | case.coordinates | left["run"])
            for name in ("countries", "steps"):
                rows[name] += [of_case | row for row in left[name]]
            if left["gains"] is not None:
                rows["gains"].append(of_case | left["gains"])
            rows["pivotal"] += [of_case | row for row in left.get("pivotal", ())]
            timings = _read(self._place(case) / _TIMINGS)["timings"]
            rows["timings"] += [of_case | row for row in timings]
        rows["draws"] = [
            {"variant": d.variant, "seed": d.seed, "key": key, "value": str(value)}
            for d in grid.draws()
            for key, value in d.overrides.items()
        ]
        asked = {"gains": self.experiment.gains, "pivotal": self.experiment.hunt is not None}
        tables = [name for name in TABLES if name != "runs" and asked.get(name, True)]
        for name in (*tables, "runs"):
            write_table(self.path, name, _frame(name, rows[name]))

    def _place(self, case: Case) -> Path:
        return self.path / "cases" / case.id


def _frame(name: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a frame; whole numbers that may be missing stay whole."""
    frame = pd.DataFrame(rows, columns=[c.name for c in TABLES[name]], dtype=object)
    return frame.where(frame.notna(), None)


def _read(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordsError(f"{file} cannot be read: {error}; delete it and resume") from None
    return content
