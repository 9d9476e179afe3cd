"""What lies in the folder of results: the last runs and comparisons, as small files tell.

Nothing large is read, so that a list is there at once; what is damaged is listed as such.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from viz.jobs import Job, jobs, runs

COMPARED = "experiment.json"
DAMAGED = "cannot be read"


@dataclass(frozen=True)
class RunEntry:
    """A run in a list.

    Attributes
    ----------
    path : Path
    title, how : str
        Of its scenario; protocol, mode and products.
    begun : str
        Date and time, UTC; empty if nobody knows.
    status : str
        As its summary says, else ``running``, ``paused``, ``unfinished`` or :data:`DAMAGED`.
    efficiency : float or None
        Share of the planner's gain.
    gain_eur : float or None
        A year.
    warnings : int
        How many the run's summary has.
    """

    path: Path
    title: str
    how: str
    begun: str
    status: str
    efficiency: float | None = None
    gain_eur: float | None = None
    warnings: int = 0


@dataclass(frozen=True)
class ComparisonEntry:
    """A comparison in a list; ``ended`` of its ``cases`` have ended."""

    path: Path
    title: str
    begun: str
    cases: int
    ended: int
    finished: bool


def last_runs(results: Path, most: int) -> tuple[list[RunEntry], int]:
    """The newest runs, the newest first, and how many there are in all."""
    known = runs(results)
    working: dict[Path, Job] = {}
    for job in jobs(results):
        if job.run is not None:
            working.setdefault(job.run.resolve(), job)
    return [_run(path, working.get(path.resolve())) for path in known[:most]], len(known)


def _run(path: Path, job: Job | None) -> RunEntry:
    try:
        manifest = _json(path / "manifest.json")
        options, begun = manifest["options"], _time(manifest["start_utc"])
        scenario = str(options["scenario"])
        words = [str(options[key] or "").replace("_", " ") for key in ("protocol", "mode")]
        summary = _json(path / "summary.json") if (path / "summary.json").is_file() else {}
        products = str(summary.get("products") or options.get("products") or "")
        status = str(summary.get("status") or _unfinished(job))
        return RunEntry(
            path,
            str(summary.get("title") or Path(scenario).name),
            ", ".join(word for word in (*words, products) if word),
            begun,
            status,
            _number(summary.get("efficiency")),
            _number(summary.get("gain_eur")),
            len(summary.get("warnings") or ()),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return RunEntry(path, path.name, "", "", DAMAGED)


def _unfinished(job: Job | None) -> str:
    state = "" if job is None else job.state
    return state if state in ("running", "paused") else "unfinished"


def comparisons(results: Path, most: int) -> tuple[list[ComparisonEntry], int]:
    """The newest comparisons, the newest first, and how many there are in all."""
    known = sorted(
        (file.parent for file in results.glob(f"*/{COMPARED}")),
        key=lambda path: (path.name.rpartition("-")[2], path.name),
        reverse=True,
    )
    return [_comparison(path) for path in known[:most]], len(known)


def _comparison(path: Path) -> ComparisonEntry:
    try:
        content = _json(path / COMPARED)
        title = " ".join(path.name.split("-")[1:-1]).replace("_", " ") or path.name
        cases, begun = int(content["cases"]), _time(content["start_utc"])
    except (OSError, ValueError, KeyError, TypeError):
        return ComparisonEntry(path, path.name, "", 0, 0, False)
    finished = (path / "runs.parquet").is_file()
    ended = cases if finished else sum(1 for _ in path.glob("cases/*/result.json"))
    return ComparisonEntry(path, title, begun, cases, ended, finished)


def _json(file: Path) -> Mapping[str, Any]:
    content = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise TypeError(f"{file} holds no JSON object")
    return content


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _time(text: Any) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"
