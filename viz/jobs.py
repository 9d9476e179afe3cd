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
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from model.files import write_json

CODES = {
    0: "it ended: the countries agreed",
    1: "it ended without agreement",
    2: "it could not start: something given is wrong",
    130: "it was stopped; what was done is kept, and it can go on",
}
CAN_PAUSE = hasattr(signal, "SIGSTOP")
# The system's clock may be set while a run works, and with it the moment at which it began.
SAME_START_S = 5.0
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
        """Folder of the run; None as long as it has none."""
        resumed = _option(self.command, "--resume")
        if resumed is not None:
            return Path(resumed)
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
        """Exit code; None before the end."""
        file = self.folder / "ended.json"
        return int(json.loads(file.read_text())["code"]) if file.is_file() else None

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
        if self.code in (None, 0, 130) or (self.code == 1 and self._has_summary()):
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
        if self._alive():
            os.kill(self.process, signal.SIGINT)
            if CAN_PAUSE:
                self.go_on()

    def _signal(self, number: int) -> None:
        if self._alive():
            os.killpg(self.process, number)

    def _alive(self) -> bool:
        try:
            process = psutil.Process(self.process)
            if abs(process.create_time() - self.started_s) > SAME_START_S:
                return False
            return process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

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
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "viz.started", str(folder), "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "COLUMNS": "160"},
        )
    started_s = psutil.Process(process.pid).create_time()
    content = {"process": process.pid, "started_s": started_s, "command": command}
    # Whole or absent, because other readers' pages look at all jobs meanwhile.
    write_json(folder / "job.json", content)
    return Job(folder, process.pid, started_s, tuple(command))


def resume(results: Path, run: Path) -> Job:
    """Let an unfinished run go on from its last finished step."""
    return start(results, ["--resume", str(run.absolute())])


def find_job(folder: Path) -> Job | None:
    """Job of a folder, None if it is none."""
    file = folder / "job.json"
    if not file.is_file():
        return None
    content = json.loads(file.read_text(encoding="utf-8"))
    return Job(folder, content["process"], content.get("started_s", 0.0), tuple(content["command"]))


def jobs(results: Path) -> list[Job]:
    """All jobs, the newest first."""
    folders = sorted((results.resolve() / "app").glob("*/job.json"), reverse=True)
    return [job for file in folders if (job := find_job(file.parent)) is not None]


def job_of(results: Path, run: Path) -> Job | None:
    """The newest job that works on a run."""
    wanted = run.resolve()
    with_runs = ((job, job.run) for job in jobs(results))
    return next((job for job, at in with_runs if at is not None and at.resolve() == wanted), None)


def runs(results: Path) -> list[Path]:
    """All recorded runs, the newest first."""
    files = [*results.glob("*/manifest.json"), *results.glob("app/*/*/manifest.json")]
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
