"""Where the runs are, and which of them a page may open."""

from __future__ import annotations

import os
from pathlib import Path

from model.records import RecordsError
from viz.inside import inside
from viz.jobs import Job, begun, find_job
from viz.run_view import RunView, view_run

# Set by ``python run.py app --results``.
RESULTS_VARIABLE = "DMAN_CEP_RESULTS"
# Parts of a run that every tab reads.
_NEEDED = ("title", "how", "names", "lines", "steps", "trades", "valuations", "prices", "products")


def results_folder() -> Path:
    """Folder of all runs."""
    return Path(os.environ.get(RESULTS_VARIABLE, "results")).resolve()


def key_of(run: Path) -> str:
    """Path of a run below the folder of results, as the address of the page has it.

    A link stands for itself, wherever the folder is that it leads to.
    """
    return run.absolute().relative_to(results_folder()).as_posix()


def run_of(key: str) -> Path:
    """Inverse of :func:`key_of`.

    Raises
    ------
    RecordsError
        If the path leads out of the folder of results.
    """
    return inside(results_folder(), key)


def found(key: str) -> Path | None:
    """The same without an error; None for what may not be looked at, and for no words."""
    try:
        return run_of(key) if key else None
    except RecordsError:
        return None


def job_with(name: str) -> Job | None:
    """Job that an address names; None if there is none, or none that may be named."""
    try:
        folder = inside(results_folder() / "app", name)
    except RecordsError:
        return None
    # What signals processes is never found by a link.
    return None if folder.is_symlink() else find_job(folder)


def opened(key: str) -> tuple[RunView | None, str]:
    """View of a run, or what is wrong with it in words."""
    if not key:
        return None, ""
    try:
        view = view_run(run_of(key))
        for part in _NEEDED:
            getattr(view, part)
    except RecordsError as error:
        return None, str(error)
    except Exception as error:
        # Whatever is damaged in one run must not take the page along.
        return None, f"the run '{key}' cannot be read: {type(error).__name__}: {error}"
    return view, ""


def run_label(key: str) -> str:
    """Name of a run for people; the time is UTC.

    Examples
    --------
    >>> run_label("app/x/triangle-bilateral_bids-adaptive-tou-20261124T170540Z")
    'triangle, bilateral bids, adaptive, tou, 2026-11-24 17:05:40'
    >>> run_label("triangle-bilateral_bids-adaptive-tou-20261124T170540Z-2")
    'triangle, bilateral bids, adaptive, tou, 2026-11-24 17:05:40 (2)'
    """
    words, time, number = begun(key.rpartition("/")[2])
    if not time:
        return words
    clock = f"{time[:4]}-{time[4:6]}-{time[6:8]} {time[9:11]}:{time[11:13]}:{time[13:15]}"
    clock += f" ({number})" if number > 1 else ""
    return ", ".join([*words.replace("_", " ").split("-"), clock])
