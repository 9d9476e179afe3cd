"""A comparison from experiment to tables: who measures what, and when."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from model.columns import RecordsError
from model.experiments.folder import ComparisonFolder
from model.experiments.grid import Case, Grid
from model.experiments.measure import Measured
from model.experiments.spec import TRUTHFUL
from model.experiments.tables import BROKEN
from model.experiments.team import Team
from model.reporting import Reporter


@dataclass(frozen=True)
class Comparison:
    """A comparison that is done.

    Attributes
    ----------
    folder : ComparisonFolder
    grid : Grid
    cases : int
        That were looked at.
    failures : dict of str to str
        Reason by case id.
    """

    folder: ComparisonFolder
    grid: Grid
    cases: int
    failures: dict[str, str]


def compare(
    folder: ComparisonFolder, grid: Grid, team: Team, reporter: Reporter | None = None
) -> Comparison:
    """Measure the cases that have no result yet, then write all tables.

    Parameters
    ----------
    folder : ComparisonFolder
    grid : Grid
    team : Team
        Closed when this returns or is interrupted.
    reporter : Reporter, optional

    Raises
    ------
    RecordsError
        If the scenario is not what the comparison was begun with.
    KeyboardInterrupt
        With the folder's path; results of ended cases are kept there.
    """
    reporter = reporter or Reporter()
    with session(folder, grid, team, reporter):
        measure_cases(folder, grid.cases, team, reporter)
    return finished(folder, grid, grid.cases)


@contextmanager
def session(folder: ComparisonFolder, grid: Grid, team: Team, reporter: Reporter) -> Iterator[None]:
    """Open a folder for measuring; the team is closed at the end, an interruption told its path."""
    try:
        if folder.scenario_sha256 != grid.scenario_sha256:
            raise RecordsError(
                f"the scenario was changed since {folder.path} was begun; compare again"
            )
        for text in grid.base.warnings:
            reporter.warn(text)
        if len(grid.experiment.seeds) > 1 and not grid.draws_differ:
            reporter.warn(
                "the scenario does not say what is uncertain: draws differ in weather only"
            )
        yield
    except KeyboardInterrupt as interrupt:
        interrupt.args = (str(folder.path),)
        raise
    finally:
        team.close()


def finished(folder: ComparisonFolder, grid: Grid, cases: Sequence[Case]) -> Comparison:
    """Write all tables, from the results of cases in their order."""
    folder.finish(grid, cases)
    results = {case.id: folder.result(case)["run"] for case in cases}
    failures = {i: r["reason"] for i, r in results.items() if r["status"] in BROKEN}
    return Comparison(folder, grid, len(cases), failures)


def measure_cases(
    folder: ComparisonFolder,
    cases: Sequence[Case],
    team: Team,
    reporter: Reporter,
    what: str = "comparing",
) -> None:
    """Measure the cases that have no result yet, within a :func:`session`.

    Parameters
    ----------
    folder : ComparisonFolder
    cases : sequence of Case
    team : Team
    reporter : Reporter
    what : str
        What is being done, for people.
    """
    pace = Pace(team.size)
    todo = []
    for case in cases:
        if folder.ended(case):
            pace.known(case, folder.seconds(case))
        else:
            todo.append(case)
            pace.add(case)
    schedule = Schedule(todo)
    if not todo:
        return
    reporter.phase(what, len(todo))
    at_work: dict[int, Case] = {}

    def give(worker: int) -> None:
        case = schedule.next(worker)
        if case is not None:
            at_work[worker] = case
            team.give(worker, case)

    for worker in range(team.size):
        give(worker)
    while at_work:
        worker, measured = team.wait()
        case = at_work.pop(worker)
        folder.write(case, measured)
        pace.ended(case, _seconds(measured))
        if measured.run["status"] in BROKEN:
            reporter.warn(f"{_name(case)}: {measured.run['status']}, {measured.run['reason']}")
        reporter.advance(f"{_name(case)}; {pace.left}")
        give(worker)


class Schedule:
    """Cases by world: a worker finishes its world before it begins another.

    A worker that finds no world untouched helps with the one that has most left.

    Parameters
    ----------
    cases : iterable of Case
    """

    def __init__(self, cases: Iterable[Case]) -> None:
        self._waiting: dict[str, list[Case]] = defaultdict(list)
        for case in cases:
            self._waiting[case.world].append(case)
        self._begun: dict[int, str] = {}

    def next(self, worker: int) -> Case | None:
        """Next case of a worker, None if nothing is left."""
        world = self._begun.get(worker)
        if world not in self._waiting:
            world = self._choose()
            if world is None:
                return None
            self._begun[worker] = world
        assert world is not None
        cases = self._waiting[world]
        case = cases.pop(0)
        if not cases:
            del self._waiting[world]
        return case

    def _choose(self) -> str | None:
        begun = set(self._begun.values())
        untouched = [world for world in self._waiting if world not in begun]
        if untouched:
            return untouched[0]
        return max(self._waiting, key=lambda w: len(self._waiting[w]), default=None)


class Pace:
    """Guess of the time left: what ended tells how long cases of its kind take.

    Parameters
    ----------
    workers : int
    clock : callable, optional
        Seconds that only grow.
    """

    def __init__(self, workers: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._workers = workers
        self._clock = clock
        self._begun_s = clock()
        self._measured_s = 0.0
        self._seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._waiting: dict[tuple[str, str], int] = defaultdict(int)

    def add(self, case: Case) -> None:
        """A case is to be measured."""
        self._waiting[_kind(case)] += 1

    def known(self, case: Case, seconds: float | None) -> None:
        """A case took so long, now or in an earlier session."""
        if seconds is not None:
            self._seconds[_kind(case)].append(seconds)

    def ended(self, case: Case, seconds: float | None) -> None:
        """A case that was to be measured ended."""
        self._waiting[_kind(case)] -= 1
        self._measured_s += seconds or 0.0
        self.known(case, seconds)

    @property
    def left(self) -> str:
        """Time left in words."""
        everything = [s for known in self._seconds.values() for s in known]
        if not everything:
            return "time left unknown"
        mean = sum(everything) / len(everything)
        total = 0.0
        for kind, count in self._waiting.items():
            known = self._seconds.get(kind)
            total += count * (sum(known) / len(known) if known else mean)
        # Building worlds and planning alone and jointly take time too.
        spent_s = (self._clock() - self._begun_s) * self._workers
        overhead = max(1.0, spent_s / self._measured_s) if self._measured_s > 0 else 1.0
        minutes = total * overhead / self._workers / 60
        return f"about {minutes:.0f} min left" if minutes >= 1 else "less than a minute left"


def _kind(case: Case) -> tuple[str, str]:
    return case.protocol, case.products


def _name(case: Case) -> str:
    drawn = f" seed {case.seed}" if case.seed else ""
    drawn += f" luck {case.luck}" if case.luck else ""
    lie = case.strategy if case.strategy != TRUTHFUL else ""
    changed = "".join(f" {text}" for text in (case.changes, case.settlement, lie) if text)
    return f"{case.protocol} {case.products} {case.variant}{drawn}{changed}"


def _seconds(measured: Measured) -> float | None:
    return float(measured.timings[-1]["seconds"]) if measured.timings else None
