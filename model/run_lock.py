"""One process at a time works on a run.

Who begins to work on a run leaves a file ``running-1.lock`` in its folder that says which process
it is, and takes it away when it ends. A process that was killed leaves the file behind; the next
one sees that nobody is there, by the process' number and by when that process began, and takes over
with the next number. Of several that do so at once the file system lets one make that file.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from model.columns import RecordsError

_CLAIM = re.compile(r"running-(\d+)\.lock")
# The system's clock may be set while a run works, and with it the moment at which it began.
_SAME_START_S = 5.0
# A file is made first and filled then; older ones that hold nothing are those of a crash.
_FILLED_S = 2.0


class RunInUse(RecordsError):
    """Another process works on the run."""


@dataclass(frozen=True)
class Owner:
    """A process that works on a run.

    Attributes
    ----------
    process : int
        Number of the process.
    started_s : float
        When the process began, in seconds since 1970: its number may be another's later.
    since_utc : str
        When it began to work on the run.
    """

    process: int
    started_s: float
    since_utc: str

    @classmethod
    def this_process(cls) -> Owner:
        """The process that asks."""
        started_s = psutil.Process().create_time()
        return cls(os.getpid(), started_s, datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def alive(self) -> bool:
        """Whether that process is still there."""
        try:
            process = psutil.Process(self.process)
            same = abs(process.create_time() - self.started_s) <= _SAME_START_S
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


@contextmanager
def working_on(folder: Path) -> Iterator[None]:
    """Keep all other processes from working on a run.

    Parameters
    ----------
    folder : Path
        The run's.

    Raises
    ------
    RunInUse
        If another process works on it; the message says which, and since when.
    """
    claim = _claim(folder)
    try:
        yield
    finally:
        claim.unlink(missing_ok=True)


def owner_of(folder: Path) -> Owner | None:
    """Who works on a run, None if nobody does."""
    owners = (_owner(file) for file in _claims(folder).values())
    return next((owner for owner in owners if owner is not None and owner.alive), None)


def _claim(folder: Path) -> Path:
    """Make the file that says that this process works on the run."""
    text = json.dumps(asdict(Owner.this_process()))
    while True:
        before = _claims(folder)
        _refuse(folder, owner_of(folder))
        mine = folder / f"running-{max(before, default=0) + 1}.lock"
        try:
            with mine.open("x", encoding="utf-8") as opened:
                opened.write(text)
        except FileExistsError:  # another one was faster
            continue
        except OSError as error:
            raise RecordsError(f"cannot write in {folder}: {error.strerror}") from None
        break
    # Whoever looked before the one who owns the run had come, and made its file after it had gone
    # again, sees here who came meanwhile: of two files one is seen by the other's process at least.
    for number, file in _claims(folder).items():
        owner = _owner(file) if file != mine else None
        if owner is not None and owner.alive:
            mine.unlink()
            _refuse(folder, owner)
        if number in before:
            file.unlink(missing_ok=True)
    return mine


def _refuse(folder: Path, owner: Owner | None) -> None:
    if owner is not None:
        raise RunInUse(
            f"process {owner.process} works on {folder} since {owner.since_utc}; wait until it "
            "has ended, or stop it"
        )


def _claims(folder: Path) -> dict[int, Path]:
    """Files that say who works on the run, by number."""
    found = {}
    for file in folder.glob("running-*.lock"):
        match = _CLAIM.fullmatch(file.name)
        if match:
            found[int(match[1])] = file
    return dict(sorted(found.items()))


def _owner(file: Path) -> Owner | None:
    """What a file says; None if it is gone, or was never filled."""
    while True:
        try:
            return Owner(**json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            try:
                age_s = time.time() - file.stat().st_mtime
            except FileNotFoundError:
                return None
            if age_s > _FILLED_S:
                return None
        time.sleep(0.01)
