"""Who measures cases: processes of this machine, or actors of a Ray cluster.

A team has workers by number. A worker is given one case at a time and keeps the models of its last
world; a worker that dies is replaced, and what it was given has failed.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from model.experiments.grid import Case
from model.experiments.measure import Bench, Measured, broken

# Every worker computes on one core: results must not depend on how many there are.
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


class Team(ABC):
    """Workers that measure cases."""

    size: int

    @abstractmethod
    def give(self, worker: int, case: Case) -> None:
        """Give a case to a worker that has none."""

    @abstractmethod
    def wait(self) -> tuple[int, Measured]:
        """Wait until some worker is done: its number and what it measured."""

    @abstractmethod
    def close(self) -> None:
        """End all workers, whatever they are doing."""


class LocalTeam(Team):
    """Processes of this machine.

    Parameters
    ----------
    size : int
    gains : bool
        As for :class:`Bench`.
    """

    def __init__(self, size: int, gains: bool) -> None:
        self.size = size
        self._gains = gains
        self._context = multiprocessing.get_context("spawn")
        self._workers: dict[int, tuple[SpawnProcess, Connection]] = {}

    def give(self, worker: int, case: Case) -> None:
        """Give a case; see :class:`Team`."""
        if worker in self._workers and not self._workers[worker][0].is_alive():
            self._workers.pop(worker)[1].close()
        if worker in self._workers:
            try:
                self._workers[worker][1].send(case)
                return
            except ConnectionError:  # it has died since; nobody has begun the case
                process, pipe = self._workers.pop(worker)
                pipe.close()
                process.join()
        self._workers[worker] = self._hire()
        self._workers[worker][1].send(case)

    def wait(self) -> tuple[int, Measured]:
        """Wait for a worker; see :class:`Team`."""
        numbers = {pipe: number for number, (_, pipe) in self._workers.items()}
        pipe = wait(list(numbers))[0]
        assert isinstance(pipe, Connection)
        number = numbers[pipe]
        try:
            return number, pipe.recv()
        except (EOFError, ConnectionResetError):
            process, _ = self._workers.pop(number)
            process.join()
            pipe.close()
            return number, broken("failed", f"its process ended, {_why(process.exitcode)}")

    def close(self) -> None:
        """End all workers; see :class:`Team`."""
        for process, pipe in self._workers.values():
            process.terminate()
            pipe.close()
        for process, _ in self._workers.values():
            process.join()
        self._workers.clear()

    def _hire(self) -> tuple[SpawnProcess, Connection]:
        here, there = self._context.Pipe()
        process = self._context.Process(target=work, args=(there, self._gains), daemon=True)
        with _environment(ONE_THREAD), _no_interruption():
            process.start()
        there.close()
        return process, here


def work(pipe: Connection, gains: bool) -> None:
    """Measure what comes through a pipe until it closes."""
    # An interruption is the boss's to deal with; without a boss there is nothing to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_boss, daemon=True).start()
    quieten()
    bench = Bench(gains)
    try:
        while True:
            pipe.send(bench.measure(pipe.recv()))
    except (EOFError, ConnectionError):
        return


def quieten() -> None:
    """Keep the modelling tools from talking: many cases would say the same many times."""
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)


def _end_with_boss() -> None:
    boss = multiprocessing.parent_process()
    if boss is not None:
        boss.join()
        os._exit(1)


def _why(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return f"exit code {code}"


@contextmanager
def _no_interruption() -> Iterator[None]:
    """Put off Ctrl-C; processes that start meanwhile never see it, not even while they load.

    Where signals cannot be put off, as on Windows, a worker may say that it was interrupted.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables for processes that start meanwhile."""
    before: dict[str, Any] = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
