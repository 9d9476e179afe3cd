"""A command that is stopped at a moment: ``python -m tests.stopped_run MOMENT SIGNALS -- ...``.

It does what ``python run.py ...`` does, in a process of its own, which sends itself the signals,
names between commas, when its reporter comes to a phase that begins with the moment: the first one
then, all others while the run is being wound up after it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import model.runs
import run
from viz.commands.ending import main
from viz.console import ConsoleReporter


def stop_at(moment: str, signals: list[str]) -> None:
    """Let every run of this process be stopped."""
    usual_phase, usual_lock = ConsoleReporter.phase, model.runs.working_on

    def phase(self: ConsoleReporter, name: str, total: int | None = None) -> None:
        usual_phase(self, name, total)
        if name.startswith(moment):
            os.kill(os.getpid(), signal.Signals[signals.pop(0)])

    @contextmanager
    def lock(*arguments: Any) -> Iterator[None]:
        with usual_lock(*arguments):
            try:
                yield
            finally:
                while signals:
                    os.kill(os.getpid(), signal.Signals[signals.pop(0)])

    ConsoleReporter.phase = phase  # type: ignore[method-assign]
    model.runs.working_on = lock  # type: ignore[assignment]


if __name__ == "__main__":
    stop_at(sys.argv[1], sys.argv[2].split(","))
    del sys.argv[1:4]
    main(run.app)
