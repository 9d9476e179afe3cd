"""Long solves: the right solver, signs of life, the same answer."""

from __future__ import annotations

import _thread
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import linopy
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import agents.hot_model as hot_model
from agents.curve_problem import CurveProblem
from agents.planning import PypsaProblem
from agents.problem import PlanningError
from agents.solving import QUIET_S, LifeSigns, at_the_same_time
from model.negotiation import NegotiationModel
from model.options import RunOptions
from model.reporting import Reporter
from model.world import World, build_world, chosen_scenario
from protocols.registry import make_protocol
from tests.small_worlds import teaching_world


@pytest.fixture(scope="module")
def world() -> World:
    options = RunOptions("sapp2030", countries=("ZA", "MZ"), resolution="1w6h", products="hourly")
    return build_world(chosen_scenario(options), "highs", Reporter())


@pytest.fixture
def problem(world: World) -> PypsaProblem:
    """A problem of its own solver."""
    known = world.problems["ZA"]
    assert isinstance(known, PypsaProblem)
    return known.renewed()


def options_of(problem: PypsaProblem) -> dict[str, Any]:
    highs = problem._hot._solver.solver_model
    return {name: highs.getOptionValue(name)[1] for name in hot_model.HIGHS_OPTIONS}


class TestColdSolve:
    def test_a_large_problem_is_solved_by_interior_point_and_then_hot(
        self, world: World, problem: PypsaProblem, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rng = np.random.default_rng(1)
        exchanges = [rng.uniform(-500, 500, len(problem.weights_h)) for _ in range(3)]
        usual = [problem.cost(x) for x in exchanges]
        monkeypatch.setattr(hot_model, "LARGE", 0)
        large = problem.renewed()
        info = large._hot._solver.solver_model.getInfo
        assert large.cost(exchanges[0]) == pytest.approx(usual[0], rel=1e-8)
        assert info().ipm_iteration_count > 0
        assert large._hot._solver.solver_model.getBasis().valid
        assert options_of(large) == options_of(problem)
        for exchange, cost in zip(exchanges[1:], usual[1:], strict=True):
            assert large.cost(exchange) == pytest.approx(cost, rel=1e-8)
            assert info().ipm_iteration_count <= 0, "solved anew instead of from the basis"

    def test_a_small_problem_stays_with_simplex(self, problem: PypsaProblem) -> None:
        problem.cost(np.zeros(len(problem.weights_h)))
        info = problem._hot._solver.solver_model.getInfo()
        assert info.ipm_iteration_count <= 0 and info.simplex_iteration_count > 0

    def test_simplex_takes_over_where_the_interior_point_does_not_end(
        self, problem: PypsaProblem, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cost = problem.cost(np.zeros(len(problem.weights_h)))
        monkeypatch.setattr(hot_model, "LARGE", 0)
        monkeypatch.setitem(hot_model.COLD_OPTIONS, "ipm_iteration_limit", 1)
        large = problem.renewed()
        assert large.cost(np.zeros(len(problem.weights_h))) == pytest.approx(cost, rel=1e-8)


class Signal:
    """Stands for what HiGHS lets one subscribe to."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def subscribe(self, listener: Any) -> None:
        self.heard.append(listener)

    def emit(self, **data: Any) -> None:
        for listener in self.heard:
            listener(SimpleNamespace(data_out=SimpleNamespace(**data), message=data.get("message")))


class TestLifeSigns:
    def made(self) -> tuple[Any, list[str], list[float]]:
        highs = SimpleNamespace(
            cbSimplexInterrupt=Signal(), cbIpmInterrupt=Signal(), cbLogging=Signal()
        )
        said: list[str] = []
        now = [0.0]
        LifeSigns(highs, said.append, "ZA", lambda: now[0])
        return highs, said, now

    def test_short_solves_say_nothing_and_long_ones_not_too_much(self) -> None:
        highs, said, now = self.made()
        for tick in range(1, 101):
            now[0] = tick / 20  # 5 s
            highs.cbSimplexInterrupt.emit(simplex_iteration_count=100 * tick)
            assert bool(said) == (now[0] >= QUIET_S)
        assert said[0] == "ZA simplex 2 s, 4,000 iterations"
        assert len(said) == 4

    def test_the_gap_is_that_of_the_log(self) -> None:
        highs, said, now = self.made()
        table = " Iter     primal obj       dual obj     pinf     dinf      gap    time\n"
        line = "  19*   1.13e+01   1.13e+01   1.61e-16   1.59e-16   9.71e-10       3.6\n"
        highs.cbLogging.emit(message=table)
        highs.cbLogging.emit(message=line)
        highs.cbLogging.emit(message="LP has 400 rows; 800 cols; 15928 nonzeros\n")
        now[0] = 3.0
        highs.cbIpmInterrupt.emit(ipm_iteration_count=19)
        now[0] = 5.0
        highs.cbIpmInterrupt.emit(ipm_iteration_count=-1)
        assert said == [
            "ZA interior point 3 s, 19 iterations, gap 9.7e-10",
            "ZA interior point 5 s, to a vertex",
        ]

    def test_a_solver_gives_them(
        self, problem: PypsaProblem, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """HiGHS itself calls, by simplex and by interior point, with numbers that make sense."""
        monkeypatch.setattr("agents.solving.QUIET_S", 0.0)
        monkeypatch.setattr("agents.solving.EVERY_S", 0.0)
        said: list[str] = []
        problem._told = said.append
        problem.renewed().cost(np.zeros(len(problem.weights_h)))
        assert any(re.fullmatch(r"ZA simplex \d+ s, [\d,]+ iterations", line) for line in said)
        said.clear()
        monkeypatch.setattr(hot_model, "LARGE", 0)
        problem.renewed().cost(np.zeros(len(problem.weights_h)))
        assert any(line.startswith("ZA interior point") and "iterations" in line for line in said)


def slow_problem(on_call: Callable[[], None]) -> hot_model.HotModel:
    """A dense linear programme whose solver makes a pause at every life sign."""
    rng = np.random.default_rng(1)
    size = 200
    model = linopy.Model()
    column, row = pd.RangeIndex(size, name="column"), pd.RangeIndex(size, name="row")
    x = model.add_variables(0.0, coords=[column], name="x")
    factor = xr.DataArray(rng.uniform(0.5, 1.0, (size, size)), coords=[row, column])
    right = xr.DataArray(rng.uniform(500.0, 1000.0, size), coords=[row])
    model.add_constraints((factor * x).sum("column") >= right, name="rows")
    model.add_objective((xr.DataArray(rng.uniform(1.0, 2.0, size), coords=[column]) * x).sum())
    hot = hot_model.HotModel(model, "highs")

    def pause(event: Any) -> None:
        on_call()
        time.sleep(0.05)

    hot._solver.solver_model.cbSimplexInterrupt.subscribe(pause)
    hot._solver.solver_model.cbIpmInterrupt.subscribe(pause)
    return hot


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """Ctrl-C is heard, also in a process that was started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class TestInterrupt:
    @pytest.fixture(autouse=True, params=["simplex", "interior point"])
    def method(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        if request.param != "simplex":
            monkeypatch.setattr(hot_model, "LARGE", 0)

    def test_ends_solves_in_other_threads_and_those_that_wait(self) -> None:
        """Python tells the main thread only."""
        begun = threading.Event()
        hot = slow_problem(begun.set)
        with pytest.raises(KeyboardInterrupt), at_the_same_time(1, [hot]) as pool:
            running, waiting = pool.submit(hot.solve), pool.submit(hot.solve)
            assert begun.wait(60)
            raise KeyboardInterrupt
        assert waiting.cancelled()
        assert not running.result().status.is_ok
        assert hot._solver.solver_model.getModelStatus().name == "kInterrupt"

    def test_an_error_lets_solves_end_and_cancels_those_that_wait(self) -> None:
        """What they found is kept, and their problems stay of use."""
        begun = threading.Event()
        hot = slow_problem(begun.set)
        with pytest.raises(PlanningError), at_the_same_time(1, [hot]) as pool:
            running, waiting = pool.submit(hot.solve), pool.submit(hot.solve)
            assert begun.wait(60)
            raise PlanningError("of another country")
        assert waiting.cancelled()
        assert running.result().status.is_ok

    def test_ends_a_solve_in_the_main_thread(self) -> None:
        asked = iter([_thread.interrupt_main])
        hot = slow_problem(lambda: next(asked, lambda: None)())
        with pytest.raises(KeyboardInterrupt):
            hot.solve()
        assert hot._solver.solver_model.getModelStatus().name == "kInterrupt"


class TestNegotiation:
    def test_ends_a_negotiation(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whose countries stand in for ones that would solve for ever."""
        world = teaching_world("triangle")
        never = threading.Event()
        asked, stopped = iter([True]), []

        def solve(self: Any, exchange_mw: np.ndarray) -> Any:
            if next(asked, False):
                _thread.interrupt_main()
            assert never.wait(60), "nobody stopped it"
            raise PlanningError("stopped")

        def stop(self: Any) -> None:
            stopped.append(self.country)
            never.set()

        monkeypatch.setattr(CurveProblem, "solve", solve)
        monkeypatch.setattr(CurveProblem, "stop", stop)
        protocol = make_protocol("consensus_admm")
        model = NegotiationModel(world.problems, world.graph, world.products, protocol, workers=2)
        with pytest.raises(KeyboardInterrupt):
            model.plan_alone()
        assert stopped == list(world.problems)
