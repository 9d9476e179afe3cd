"""Where the runs are, and which of them a page may open."""

from __future__ import annotations

import os
from pathlib import Path

from model.records import RecordsError
from viz.jobs import begun
from viz.run_view import RunView, view_run

# Set by ``python run.py app --results``.
RESULTS_VARIABLE = "DMAN_CEP_RESULTS"


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
    # Only the words of an address may not lead out; where a link leads is its owner's choice.
    path = Path(os.path.normpath(results_folder() / key))
    if not path.is_relative_to(results_folder()):
        raise RecordsError(f"'{key}' lies outside the folder of results")
    return path


def opened(key: str) -> tuple[RunView | None, str]:
    """View of a run, or what is wrong with it in words."""
    if not key:
        return None, ""
    try:
        return view_run(run_of(key)), ""
    except (RecordsError, OSError, KeyError, ValueError) as error:
        return None, str(error)


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
