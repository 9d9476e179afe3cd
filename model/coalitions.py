"""Value of every coalition of countries, or of interconnectors: the gain of the planner with it.

A coalition of countries has the interconnectors between its members, one of interconnectors has
those. It gains what the planner saves with these lines over no lines at all. Countries that the
lines do not join save nothing by each other, so a coalition that falls apart is the sum of its
parts, and only connected sets of lines are ever solved: for ``sapp2030`` 767 of the 4095 coalitions
of countries.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from agents.curve_problem import CurveProblem
from agents.solving import at_the_same_time
from model.cache import cache_folder, fingerprint, load_arrays, programs, store_arrays
from model.files import content_hash
from model.graph import interconnection_graph
from model.line_sets import LineSets, nearest_next
from model.planner import without_negotiation
from model.reporting import Reporter
from model.switched_planner import CurvePlanner, HotPlanner, SwitchedPlanner
from model.world import build_fleets, build_world
from scenarios.errors import ScenarioError
from scenarios.resolution import Resolution
from scenarios.schema import Scenario

# Sets solved one after the other, from autarky on: what an interruption may cost.
CHUNK = 64
# What is solved exactly: the nucleolus of more players takes too long, and so do more snapshots
# over all solves. The coarse resolution stands in for the scenario's own where that is dearer.
MOST_PLAYERS = 16
MOST_SOLVED_SNAPSHOTS = 100_000
COARSE_RESOLUTION = "2w6h"


class LineGains:
    """Gain of the planner for sets of lines, kept on disk as they are solved.

    Results depend neither on the number of workers nor on interruptions: sets are solved in chunks,
    and each chunk begins at autarky.

    Parameters
    ----------
    scenario : Scenario
        Its products, slices and strategies do not matter: the planner is free in every snapshot.
    workers : int
        Chunks solved at the same time.
    reporter : Reporter, optional
    """

    def __init__(
        self, scenario: Scenario, workers: int = 2, reporter: Reporter | None = None
    ) -> None:
        self.scenario = without_negotiation(scenario)
        self.sets = LineSets(interconnection_graph(scenario))
        self.solves = 0
        self._workers = workers
        self._reporter = reporter or Reporter()
        self._known: dict[int, float] = {0: 0.0}
        self._folder = cache_folder() / f"coalitions-{_key(self.scenario)}"

    def gains_eur(self, line_sets: Iterable[int]) -> np.ndarray:
        """Gain with each set of lines over no lines, EUR/a.

        Raises
        ------
        PlanningError
            If the solver does not reach optimality.
        """
        parts = [self.sets.parts(lines) for lines in line_sets]
        missing = sorted({part for own in parts for part in own} - self._known.keys())
        self._learn(nearest_next(missing))
        return np.array([sum(self._known[part] for part in own) for own in parts])

    def _learn(self, line_sets: Sequence[int]) -> None:
        """Get connected sets from disk or solve them."""
        chunks = [line_sets[i : i + CHUNK] for i in range(0, len(line_sets), CHUNK)]
        unsolved = []
        for chunk in chunks:
            cached = load_arrays(self._place(chunk))
            if cached is None:
                unsolved.append(chunk)
            else:
                self._known.update(zip(chunk, cached["gains_eur"].tolist(), strict=True))
        if unsolved:
            self._solve(unsolved)

    def _solve(self, chunks: Sequence[Sequence[int]]) -> None:
        make_planner = planner_factory(self.scenario, self._reporter)
        idle: queue.SimpleQueue[SwitchedPlanner] = queue.SimpleQueue()
        workers = min(self._workers, len(chunks))
        self._reporter.phase("values of coalitions", sum(map(len, chunks)))
        planners = [make_planner() for _ in range(workers)]
        for planner in planners:
            idle.put(planner)

        def solve(chunk: Sequence[int]) -> np.ndarray:
            planner = idle.get()
            try:
                planner.rewind()
                autarky = planner.cost_eur(0)
                gains = np.empty(len(chunk))
                for i, lines in enumerate(chunk):
                    gains[i] = autarky - planner.cost_eur(lines)
                    self._reporter.advance()
                return gains
            finally:
                idle.put(planner)

        with at_the_same_time(workers, planners) as pool:
            running = {pool.submit(solve, chunk): chunk for chunk in chunks}
            for done in as_completed(running):
                gains = done.result()
                store_arrays(self._place(running[done]), {"gains_eur": gains})
                self._known.update(zip(running[done], gains.tolist(), strict=True))
                self.solves += len(gains)

    def _place(self, chunk: Sequence[int]) -> Path:
        return self._folder / f"{content_hash(list(chunk))[:16]}.npz"


@dataclass(frozen=True)
class Coalitions:
    """A game: its players and what coalitions of them are worth.

    Attributes
    ----------
    players : tuple of str
        Country codes or interconnector names; bit ``i`` of a coalition is player ``i``.
    lines_of : callable
        Set of lines that a coalition has.
    gains : LineGains
    """

    players: tuple[str, ...]
    lines_of: Callable[[int], int]
    gains: LineGains

    def values_eur(self, coalitions: Iterable[int]) -> np.ndarray:
        """Value of each of the coalitions, EUR/a."""
        return self.gains.gains_eur([self.lines_of(c) for c in coalitions])

    def all_values_eur(self) -> np.ndarray:
        """Value of every coalition, shape (2**players,), as :mod:`model.division` takes it."""
        return self.values_eur(range(1 << len(self.players)))

    def solves_needed(self) -> int:
        """Sets of lines that all values take."""
        everything = range(1 << len(self.players))
        parts = self.gains.sets.parts
        return len({part for c in everything for part in parts(self.lines_of(c))})


def coalitions_of_countries(gains: LineGains) -> Coalitions:
    """Countries as players; a coalition has the lines between its members."""
    return Coalitions(gains.sets.countries, gains.sets.within, gains)


def coalitions_of_lines(gains: LineGains) -> Coalitions:
    """Interconnectors as players: what each adds to the planner's gain."""
    return Coalitions(gains.sets.lines, int, gains)


def affordable(coalitions: Coalitions) -> bool:
    """Whether the values of all coalitions take minutes rather than hours."""
    if len(coalitions.players) > MOST_PLAYERS:
        return False
    settings = coalitions.gains.scenario.settings
    if settings.kind == "cost_curves":
        return True
    snapshots = Resolution.parse(settings.resolution).snapshots
    return coalitions.solves_needed() * snapshots <= MOST_SOLVED_SNAPSHOTS


def coalition_scenario(scenario: Scenario, resolution: str | None = None) -> Scenario:
    """The scenario at a resolution; by default its own, or a coarse one if that is dear.

    Raises
    ------
    ScenarioError
        If the resolution cannot be read, or the scenario is a network file.
    """
    if scenario.settings.kind == "network":
        raise ScenarioError("coalitions of the countries of a network file are not valued")
    if scenario.settings.kind == "cost_curves":
        return scenario
    if resolution is not None:
        return _at(scenario, str(Resolution.parse(resolution)))
    own = coalitions_of_countries(LineGains(scenario))
    return scenario if affordable(own) else _at(scenario, COARSE_RESOLUTION)


def planner_factory(scenario: Scenario, reporter: Reporter) -> Callable[[], SwitchedPlanner]:
    """Maker of switched planners that share nothing they change.

    Parameters
    ----------
    scenario : Scenario
    reporter : Reporter
    """
    graph = interconnection_graph(scenario)
    if scenario.settings.kind == "cost_curves":
        problems = build_world(scenario, "highs", reporter).problems
        return lambda: CurvePlanner(cast(dict[str, CurveProblem], problems), graph)
    fleets, _ = build_fleets(scenario, reporter)
    return lambda: HotPlanner(fleets.networks, graph, fleets.policies)


def _at(scenario: Scenario, resolution: str) -> Scenario:
    settings = scenario.settings.model_copy(update={"resolution": resolution})
    return scenario.model_copy(update={"settings": settings})


def _key(scenario: Scenario) -> str:
    """Hash of everything that values depend on."""
    return fingerprint(programs(), scenario.model_dump_json())[:24]
