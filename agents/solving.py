"""Long solves: signs of life, and an end when the user wants one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from typing import Protocol as Typing

# A solve that is over sooner says nothing.
QUIET_S = 2.0
# Between two signs of one solve.
EVERY_S = 1.0
_COLUMNS_OF_PROGRESS = 7  # iteration, both objectives, both infeasibilities, gap, time


class Stoppable(Typing):
    """What solves in a thread of its own."""

    def stop(self) -> None:
        """End the solve in progress; whatever solved is of no use afterwards."""


@contextmanager
def at_the_same_time(workers: int, solving: Iterable[Stoppable]) -> Iterator[ThreadPoolExecutor]:
    """Threads to solve in: an error cancels what waits, the user's interrupt ends what solves, too.

    Python interrupts the main thread only, which would wait for all solves begun or queued.
    """
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield pool
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            for solver in solving if isinstance(error, KeyboardInterrupt) else ():
                solver.stop()
            raise


class LifeSigns:
    """Tells how a HiGHS solver is getting on, from within the solver.

    Parameters
    ----------
    highs : highspy.Highs
        Asked for its iterations and its log by callbacks; changes nothing it computes.
    told : callable
        Gets a few words, at most once in :data:`EVERY_S` and not in the first :data:`QUIET_S` of
        a solve. Called on the solver's thread.
    what : str
        Leads the words: whose problem it is.
    clock : callable, optional
        Seconds that only grow.
    """

    def __init__(
        self,
        highs: Any,
        told: Callable[[str], None],
        what: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._told = told
        self._what = what
        self._clock = clock
        self.begin()
        highs.cbSimplexInterrupt.subscribe(self._simplex)
        highs.cbIpmInterrupt.subscribe(self._interior)
        highs.cbLogging.subscribe(lambda event: self.read(event.message))

    def begin(self) -> None:
        """A solve begins now."""
        self._begun_s = self._clock()
        self._next_s = self._begun_s + QUIET_S
        self._gap: float | None = None

    def read(self, message: str) -> None:
        """Take the gap from a line of the table of an interior-point solver, if it is one."""
        for line in message.splitlines():
            cells = line.replace("*", " ").split()
            if len(cells) == _COLUMNS_OF_PROGRESS:
                try:
                    numbers = [float(cell) for cell in cells]
                except ValueError:
                    continue
                self._gap = numbers[5]

    def _simplex(self, event: Any) -> None:
        self._say("simplex", event.data_out.simplex_iteration_count)

    def _interior(self, event: Any) -> None:
        self._say("interior point", event.data_out.ipm_iteration_count)

    def _say(self, method: str, iterations: int) -> None:
        now = self._clock()
        if now < self._next_s:
            return
        self._next_s = now + EVERY_S
        parts = [f"{method} {now - self._begun_s:.0f} s"]
        # Crossover calls, too, but counts nothing.
        parts += [f"{iterations:,} iterations"] if iterations >= 0 else ["to a vertex"]
        if method == "interior point" and iterations >= 0 and self._gap is not None:
            parts.append(f"gap {self._gap:.1e}")
        self._told(" ".join(filter(None, [self._what, ", ".join(parts)])))
