"""Runs that the app started: each a process of its own, known by the files it leaves.

A job is a folder ``<results>/app/<job>`` with ``job.json`` (process and command), ``output.txt``,
``ended.json`` (exit code) and the run's own folder. All is on disk, so that a page that is loaded
again, another reader and a restarted server see the same.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from model.files import write_json
from viz.inside import inside

CODES = {
    0: "it ended by its own rule",
    1: "it ended otherwise than by its own rule",
    2: "it could not start: something given is wrong",
    130: "it was stopped; what was done is kept, and it can go on",
    143: "it was stopped from outside; what was done is kept, and it can go on",
}
CAN_PAUSE = hasattr(signal, "SIGSTOP")
# The system's clock may be set while a run works, and with it the moment at which it began.
SAME_START_S = 5.0
# The very program that the page belongs to, whatever lies in the folder it was started in.
_MODULE = ["-P", "-m", "viz.started"]
_PROGRAM = Path(__file__).parents[1]
_BEGUN = re.compile(r"(.+)-(\d{8}T\d{6}Z)(?:-(\d+))?")


@dataclass(frozen=True)
class Standing:
    """How a job stands at one moment.

    Attributes
    ----------
    state : str
        ``running``, ``paused``, ``ended`` or ``lost`` (gone without a word).
    code : int or None
        Exit code; None before the end.
    error : str
        What went wrong, in words; empty if nothing did.
    words : str
        End of what the process printed.
    """

    state: str
    code: int | None
    error: str
    words: str


@dataclass(frozen=True)
class Job:
    """One started run.

    Attributes
    ----------
    folder : Path
    process : int
    started_s : float
        When the process began, in seconds since 1970: its number may be another's later.
    command : tuple of str
        Arguments of ``run.py``.
    """

    folder: Path
    process: int
    started_s: float
    command: tuple[str, ...]

    @property
    def run(self) -> Path | None:
        """Folder of the run; None as long as it has none among the results."""
        resumed = _option(self.command, "--resume")
        if resumed is not None:
            return _run_below(self.folder.parents[1], Path(resumed))
        found = sorted(self.folder.glob("*/manifest.json"))
        return found[0].parent if found else None

    @property
    def state(self) -> str:
        """``running``, ``paused``, ``ended`` or ``lost`` (gone without a word)."""
        alive = self._alive()  # asked first: whoever is gone by now has left its last file before
        if (self.folder / "ended.json").is_file():
            return "ended"
        if not alive:
            return "lost"
        return "paused" if (self.folder / "paused").is_file() else "running"

    @property
    def code(self) -> int | None:
        """Exit code; None before the end, -1 if it cannot be read."""
        try:
            return int(json.loads((self.folder / "ended.json").read_text())["code"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            return -1

    @property
    def last_words(self) -> str:
        """End of what the process printed."""
        file = self.folder / "output.txt"
        if not file.is_file():
            return ""
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - 3000))
            lines = stream.read().decode("utf-8", "replace").splitlines()
        return "\n".join(line for line in lines if line.strip()).strip()

    @property
    def error(self) -> str:
        """What went wrong, in words; empty if nothing did."""
        return self._error(self.state)

    def standing(self) -> Standing:
        """All of it at once."""
        state = self.state
        return Standing(state, self.code, self._error(state), self.last_words)

    def _error(self, state: str) -> str:
        if state == "lost":
            return "The process of this run is gone without a word. What was done is kept."
        if self.code in (None, 0, 130, 143) or (self.code == 1 and self._has_summary()):
            return ""
        lines = [x for x in self.last_words.splitlines() if x.lower().startswith("error:")]
        return lines[-1].partition(":")[2].strip() if lines else self.last_words[-600:]

    def pause(self) -> None:
        """Freeze the process; it keeps its memory and uses no processor."""
        (self.folder / "paused").touch()
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let a frozen process go on."""
        (self.folder / "paused").unlink(missing_ok=True)
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """Interrupt the run, as Ctrl-C does; finished steps are kept."""
        process = self._own_process()
        if process is None:
            return
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGINT)
        if CAN_PAUSE:
            self.go_on()

    def _signal(self, number: int) -> None:
        """Signal the process and all that it has started."""
        process = self._own_process()
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)

    def _alive(self) -> bool:
        return self._own_process() is not None

    def _own_process(self) -> psutil.Process | None:
        """The process that works on this job; None if the number is nobody's or another's.

        A number alone names whoever has it by now, and a file may name any: the process must have
        begun when the job says and have been told to work on this very job.
        """
        if self.process <= 1:
            return None
        try:
            process = psutil.Process(self.process)
            began, words = process.create_time(), process.cmdline()
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
        except (psutil.Error, OverflowError):
            return None
        same = abs(began - self.started_s) <= SAME_START_S
        told = words[1:4] == _MODULE and Path(*words[4:5]).name == self.folder.name
        return process if same and told else None

    def _has_summary(self) -> bool:
        return self.run is not None and (self.run / "summary.json").is_file()


def start(results: Path, arguments: Sequence[str]) -> Job:
    """Start ``run.py`` with these arguments; its run goes into the job's folder.

    Paths among them are those of the folder that this process was started in.

    Parameters
    ----------
    results : Path
        Folder of all runs.
    arguments : sequence of str
        Without ``--out``.
    """
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    folder = results.resolve() / "app" / name
    folder.mkdir(parents=True)
    out = [] if _option(arguments, "--resume") else ["--out", str(folder)]
    command = [*arguments, *out]
    places = [str(_PROGRAM), *filter(None, [os.environ.get("PYTHONPATH")])]
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *_MODULE, str(folder), "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "COLUMNS": "160", "PYTHONPATH": os.pathsep.join(places)},
        )
    begun_now = psutil.Process(process.pid)
    started_s = begun_now.create_time()
    with suppress(psutil.Error):
        while not begun_now.cmdline():  # the system fills it in a moment after the start
            time.sleep(0.001)
    content = {"process": process.pid, "started_s": started_s, "command": command}
    # Whole or absent, because other readers' pages look at all jobs meanwhile.
    write_json(folder / "job.json", content)
    return Job(folder, process.pid, started_s, tuple(command))


def resume(results: Path, run: Path) -> Job:
    """Let an unfinished run go on from its last finished step."""
    return start(results, ["--resume", str(run.absolute())])


def find_job(folder: Path) -> Job | None:
    """Job of a folder; None if it is none or its file is damaged.

    A run that such a job began is still among the runs; only its process is not known.
    """
    try:
        content = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        command = tuple(str(word) for word in content["command"])
        return Job(folder, int(content["process"]), float(content["started_s"]), command)
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None


def _run_below(results: Path, run: Path) -> Path | None:
    """A run that a job says it resumes, as long as it is one of the results."""
    try:
        place = (run.parent.resolve() / run.name).relative_to(results.resolve())
        return inside(results, place.as_posix())
    except (ValueError, OSError, RuntimeError):
        return None


def jobs(results: Path) -> list[Job]:
    """All jobs, the newest first."""
    found = (find_job(folder) for folder in _job_folders(results.resolve()))
    return [job for job in found if job is not None]


def _job_folders(results: Path) -> list[Path]:
    """Folders of jobs, the newest first; links are none, see :func:`viz.inside.inside`."""
    try:
        with os.scandir(results / "app") as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [results / "app" / name for name in sorted(names, reverse=True)]


def job_of(results: Path, run: Path) -> Job | None:
    """The newest job that works on a run."""
    wanted = run.resolve()
    with_runs = ((job, job.run) for job in jobs(results))
    return next((job for job, at in with_runs if at is not None and at.resolve() == wanted), None)


def runs(results: Path) -> list[Path]:
    """All recorded runs, the newest first."""
    of_jobs = (file for job in _job_folders(results) for file in job.glob("*/manifest.json"))
    files = [*results.glob("*/manifest.json"), *of_jobs]
    return sorted((f.parent for f in files), key=lambda run: begun(run.name)[1:], reverse=True)


def begun(name: str) -> tuple[str, str, int]:
    """What stands before the UTC time in a run's name, the time, and which run of that second.

    Examples
    --------
    >>> begun("triangle-bilateral_bids-adaptive-tou-20261124T170540Z-2")
    ('triangle-bilateral_bids-adaptive-tou', '20261124T170540Z', 2)
    >>> begun("my-run")
    ('my-run', '', 0)
    """
    found = _BEGUN.fullmatch(name)
    return (name, "", 0) if found is None else (found[1], found[2], int(found[3] or 1))


def _option(arguments: Sequence[str], name: str) -> str | None:
    words = list(arguments)
    return words[words.index(name) + 1] if name in words[:-1] else None
