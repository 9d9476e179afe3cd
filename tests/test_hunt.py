"""The search for lies that pay: it finds what is known to be best, and repeats itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

from agents.strategy import Choices, Numbers
from model.experiments.folder import ComparisonFolder
from model.experiments.grid import Case, Grid
from model.experiments.incentives import best_deviations, deviations
from model.experiments.lies import carry_out, split_draws
from model.experiments.measure import Measured
from model.experiments.pivotal import pivotal_rows, residual_supply_index
from model.experiments.search import Tried, best_lie, best_pair, lie_names
from model.experiments.spec import Experiment, Hunt
from model.experiments.tables import read_table
from model.ledger import Ledger
from tests.comparing import TeamOfOne, compared, tables
from tests.small_worlds import TWO, small_world
from viz.comparison.report import make_report, read_comparison

WORLD = """
name: blocks
title: Blocks
kind: cost_curves
slices: year
products: flat
snapshots: 1
hours_per_snapshot: 1
wheeling_eur_per_mwh: 0
curves:
  - {country: A, demand_mw: 500, blocks: [[2000, 20]]}
  - {country: B, demand_mw: 500, blocks: [[2000, 80]]}
interconnectors:
  - {country_a: A, country_b: B, a_to_b_mw: 100, b_to_a_mw: 100}
"""


def searched(search: Any, gain: Callable[[Any], float]) -> Any:
    asked = next(search)
    while True:
        try:
            asked = search.send({lie: gain(lie) for lie in asked})
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("best", [0.4, 7.3, 44.0])
def test_a_value_is_found_wherever_it_is(best: float) -> None:
    def gain(lie: str) -> float:
        name, _, value = lie.partition(":")
        return 100 - (float(value) / best - 1) ** 2 if name == "overstate" else -1.0

    found = searched(best_lie(("overstate", "markup", "unwilling"), 12), lambda lie: (
        gain(lie) if ":" in lie and "port" not in lie else -2.0
    ))  # fmt: skip
    assert float(found.partition(":")[2]) == pytest.approx(best, rel=0.05)


def test_values_stay_where_a_strategy_allows_them() -> None:
    for name, lie in (("withholding", "withholding:0.999"), ("delay", "delay:40")):
        most = float(lie.partition(":")[2])
        found = searched(best_lie((name,), 9), lambda text: float(text.partition(":")[2]))
        value = float(found.partition(":")[2])
        assert value < 1 if name == "withholding" else value == int(value)
        assert value > 0.9 * min(most, 1)


def test_what_makes_no_difference_is_left() -> None:
    asked: list[str] = []

    def gain(lie: str) -> float:
        asked.append(lie)
        return 1.0 if lie == "shade:3" else 0.0

    assert searched(best_lie(("overstate", "shade"), 2), gain) == "shade:3"
    assert sum(lie.startswith("overstate") for lie in asked) == 3  # the first tries and no more


def test_choices_are_tried_and_not_refined() -> None:
    tried = Tried("unwilling", Choices(("export", "import")))
    tried.learn({"unwilling:export": 1.0, "unwilling:import": 2.0})
    assert tried.nearer() == [] and tried.best == (2.0, "unwilling:import")
    assert Tried("x", Numbers((1.0,))).first() == ["x:1"]


def test_two_search_together() -> None:
    def gain(pair: tuple[str, str]) -> float:
        one, other = (float(lie.partition(":")[2]) for lie in pair)
        return -abs(one - 12) - abs(other - 3)

    assert searched(best_pair("overstate:6", "overstate:6", 1), gain) in (
        ("overstate:12", "overstate:6"),
        ("overstate:6", "overstate:3"),
    )
    assert searched(best_pair("overstate:6", "overstate:6", 3), gain)[0] == "overstate:12"


def blocks(folder: Path) -> str:
    (folder / "blocks").mkdir()
    (folder / "blocks" / "scenario.yaml").write_text(WORLD, encoding="utf-8")
    return str(folder / "blocks")


def test_the_obvious_lie_is_found_and_pays_half_of_itself(tmp_path: Path) -> None:
    """60 EUR/MWh are split in two by what both say, on 100 MWh: x hidden brings 50 x, up to 60."""
    experiment = Experiment(
        scenario=blocks(tmp_path),
        protocols=("bilateral_bids.adaptive",),
        hunt=Hunt(lies=("overstate", "markup", "delay"), deviating=("A",), rounds=3),
    )
    done = compared(tmp_path, experiment)
    effects = deviations(
        *(read_table(done.folder.path, name) for name in ("runs", "countries")), together=True
    )
    overstated = effects[effects["deviation"].str.startswith("overstate")]
    for _, row in overstated.iterrows():
        hidden = float(row["deviation"].partition(":")[2])
        expected = 50.0 * hidden if hidden < 59.9 else -3000.0
        assert 1e6 * row["own_gain_meur"] == pytest.approx(expected, abs=1.0)
    (best,) = best_deviations(effects).to_dict("records")
    assert best["deviation"].startswith(("overstate", "markup")) and best["in_sample"]
    assert 1e6 * best["own_gain_meur"] > 2200.0  # of 3000 that there are to take
    assert lie_names() == ("delay", "markup", "overstate", "shade", "unwilling", "withholding")


def hunt(folder: Path) -> Experiment:
    """Two draws, of which the last is kept to estimate on."""
    return Experiment(
        scenario=blocks(folder),
        protocols=("bilateral_bids.adaptive",),
        seeds=(0, 1),
        hunt=Hunt(lies=("overstate",), rounds=1, pairs=1, estimate_on=(1,)),
    )


class Impatient(TeamOfOne):
    """Gives up after some cases."""

    def __init__(self, cases: int) -> None:
        super().__init__()
        self._left = cases

    def give(self, worker: int, case: Case) -> None:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        super().give(worker, case)


class Crowd(TeamOfOne):
    """Several workers; the last that was given something is done first."""

    size = 3

    def __init__(self) -> None:
        super().__init__()
        self._given: list[tuple[int, Case]] = []

    def give(self, worker: int, case: Case) -> None:
        self._given.append((worker, case))

    def wait(self) -> tuple[int, Measured]:
        worker, case = self._given.pop()
        return worker, self._bench.measure(case)


def test_interrupted_or_by_many_a_hunt_ends_with_the_same_tables(tmp_path: Path) -> None:
    experiment = hunt(tmp_path)
    whole = tables(compared(tmp_path, experiment).folder.path)
    grid = Grid(experiment)
    folder = ComparisonFolder.create(tmp_path, grid)
    with pytest.raises(KeyboardInterrupt):
        carry_out(folder, grid, Impatient(7))
    again = ComparisonFolder.open(folder.path)
    carry_out(again, Grid(again.experiment), TeamOfOne())
    assert tables(again.path) == whole
    assert tables(compared(tmp_path, experiment, Crowd()).folder.path) == whole

    report = make_report(read_comparison(again.path))
    best = report.tables["best_deviations"]
    assert set(best["country"]) == {"A", "B", "A+B"}
    # Chosen on draw 0, estimated on draw 1.
    known = best[best["deviation"] != "truthful"]
    assert (known["draws"] == 1).all() and not best["in_sample"].any()
    assert list(report.tables["treatments"]["treatment"]) == ["bilateral_bids.adaptive"]
    assert any("nobody is pivotal" in said for said in report.said)


def test_draws_are_split() -> None:
    assert split_draws("two_countries", None, None) == ((0,), ())
    assert split_draws("triangle", None, None) == ((0,), (1, 2))
    assert split_draws("triangle", 3, None) == ((1, 2, 3), (4, 5))
    assert split_draws("triangle", 2, 1) == ((1, 2), (3,))
    assert split_draws("triangle", [4], [7, 9]) == ((4,), (7, 9))


def test_the_residual_supply_index_by_hand() -> None:
    """B has 80 MW, 50 x 0.9 from A and 30 from C, and needs 100: without A 110, without C 125."""
    graph = nx.Graph()
    graph.add_edge("A", "B", capacity_mw={"A": np.array([50.0]), "B": np.array([9.0])}, loss=0.1)
    graph.add_edge("B", "C", capacity_mw={"B": np.array([9.0]), "C": np.array([30.0])}, loss=0.0)

    class Stub:
        pass

    world: Any = Stub()
    world.graph = graph
    supply, demand = {"B": np.array([80.0])}, {"B": np.array([100.0])}
    assert residual_supply_index(world, "B", "A", supply, demand) == pytest.approx(1.10)
    assert residual_supply_index(world, "B", "C", supply, demand) == pytest.approx(1.25)


def test_fleets_that_planned_alone_need_nobody() -> None:
    world = small_world(TWO, "1w12h", "year", "flat")
    rows = pivotal_rows(world, Ledger(world.graph, world.products))
    assert [row["country"] for row in rows] == list(TWO)
    for row in rows:
        assert row["least_rsi_others"] >= 1 - 1e-6 and row["least_rsi"] >= 1 - 1e-6
        assert (row["pivotal_h"], row["pivotal_for"]) == (0.0, "")
