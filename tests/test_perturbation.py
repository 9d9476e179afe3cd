"""What a little more and a little less import is worth, in every step of every protocol."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from agents.perturbation import Perturbation
from agents.problem import PlanningError
from agents.valuation import Valuation
from model.options import RunOptions
from model.records import RunRecords
from model.runs import run
from model.scenario_model import ScenarioModel
from scenarios.errors import ScenarioError
from tests.small_worlds import FOUR, small_world, teaching_world, untouched
from tests.stories import (
    ALL_PRODUCTS,
    EVERYONE,
    PORTS,
    PYPSA,
    TEACHING,
    Story,
    story,
    world_named,
)

# A share of the largest price of a country.
ORDER = 1e-6
PROTOTYPE = ("bilateral_bids", "prototype")


@EVERYONE
@pytest.mark.parametrize("place", [*TEACHING, PYPSA, PORTS])
def test_a_dual_lies_between_both_marginal_costs(name: str, mode: str, place: str) -> None:
    told = story(name, mode, place)
    for record in told.records:
        assert set(record.marginal_costs) == set(told.world.countries)
        for country, found in record.marginal_costs.items():
            dual = record.marginal_values[country]
            slack = ORDER * max(1.0, float(np.abs(dual).max()))
            tried = found.tried
            assert tried.all(), "every border is live and every product has its turn"
            assert (found.mc_import[tried] <= dual[tried] + slack).all()
            assert (dual[tried] <= found.mc_export[tried] + slack).all()


@pytest.mark.parametrize(
    ("name", "mode"), [("bilateral_bids", "adaptive"), ("consensus_admm", "standard")]
)
def test_nothing_can_tell_that_it_was_tried(name: str, mode: str) -> None:
    """Messages, flows and the solvers' memory are those of a negotiation without it."""
    told = story(name, mode, PYPSA)
    silent = Story(world_named(PYPSA), name, mode, perturbation=None).hold()
    assert [repr(m) for m in silent.messages] == [repr(m) for m in told.messages]
    assert silent.model.local_solves == told.model.local_solves
    assert (silent.model.valuation_solves, told.model.valuation_solves > 0) == (0, True)
    for key, array in silent.model.state()[0].items():
        np.testing.assert_array_equal(told.model.state()[0][key], array)
    for one, other in zip(silent.records, told.records, strict=True):
        assert one.tally.dependent_solves == other.tally.dependent_solves
        assert one.marginal_costs == {} and one.costs_eur == other.costs_eur


def test_what_is_tried_is_a_solve_of_its_own() -> None:
    """The short way to a trial's cost finds what a whole plan of another problem finds."""
    world = untouched(small_world(FOUR, "1w6h", "year", "tou"))
    judges = untouched(world).problems
    products = world.products
    for country, problem in world.problems.items():
        here = np.zeros(len(problem.weights_h))
        valuation = Valuation(problem, products)
        step = 0.05 * products.average(problem.demand_mw)
        valuation.plan(here)
        found = valuation.try_and_rewind(here, step)
        whole = Valuation(judges[country], products).marginal_costs(here, step)
        np.testing.assert_allclose(found.mc_import, whole.mc_import, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(found.mc_export, whole.mc_export, rtol=1e-6, atol=1e-6)


def test_every_product_has_its_turn() -> None:
    some = Perturbation(most_products=4)
    turns = np.array([some.turn(step, 1, 10) for step in range(5)])
    assert (turns.sum(axis=1) == 4).all()
    assert turns[:3].any(axis=0).all() and (turns.sum(axis=0) == 2).all()
    assert not np.array_equal(turns[0], some.turn(0, 2, 10))
    assert some.turn(7, 1, 3).all()


def test_steps_are_a_share_of_demand_or_the_largest_deal() -> None:
    """A: 500 MW of demand; the line carries 400 MW from A and 300 MW to A, 100 MW are booked."""
    changes = {
        "interconnectors.A-B.a_to_b_mw": 400.0,
        "interconnectors.A-B.b_to_a_mw": 300.0,
        "interconnectors.A-B.loss": 0.0,
    }
    world = teaching_world("two_countries", **changes)
    model = ScenarioModel("two_countries", overrides=changes)
    ledger, turn = model.ledger, np.array([True])

    def step_mw(share: float | None, demand_mw: float, neighbours: tuple[str, ...] = ("B",)):
        demand = np.array([demand_mw])
        return Perturbation(share).step_mw("A", neighbours, demand, turn, ledger)[0]

    assert step_mw(0.05, 500.0) == pytest.approx(25.0)
    assert step_mw(0.05, 0.0) == pytest.approx(20.0)  # of the line's limit
    assert step_mw(None, 500.0) == pytest.approx(400.0)
    assert np.isnan(step_mw(0.05, 500.0, ()))
    assert world.countries == ("A", "B")
    ledger.flows_mw["A-B"] = np.full_like(ledger.flows_mw["A-B"], 100.0)
    assert step_mw(None, 500.0) == pytest.approx(400.0)  # 300 onwards, 400 back


def test_a_border_without_capacity_is_not_live() -> None:
    shut = {"interconnectors.A-B.a_to_b_mw": 0, "interconnectors.A-B.b_to_a_mw": 0}
    model = ScenarioModel("two_countries", overrides=shut)
    model.step()
    assert model.last is not None and model.valuation_solves == 0
    for found in model.last.marginal_costs.values():
        assert np.isnan([found.mc_import, found.mc_export, found.delta_mw]).all()


@pytest.mark.parametrize("text", ["1", "0%", "101%", "nan%", "-5%", "", "some", "%"])
def test_words_that_mean_nothing(text: str) -> None:
    with pytest.raises(ScenarioError, match=r"--perturb: .*such as 1%, or deal, or off"):
        ScenarioModel("two_countries", perturb=text)


def test_the_prototype_tries_by_its_own_rule() -> None:
    with pytest.raises(ScenarioError, match=r"--set protocol\.step_share"):
        ScenarioModel("two_countries", protocol=PROTOTYPE[0], mode=PROTOTYPE[1], perturb="5%")
    told = story(*PROTOTYPE, "triangle")
    for record in told.records:
        for country, found in record.marginal_costs.items():
            demand_mw = told.world.problems[country].demand_mw
            np.testing.assert_allclose(found.delta_mw, 0.2 * told.world.products.average(demand_mw))
    assert told.model.valuation_solves == 0


def test_a_larger_step_finds_a_wider_interval() -> None:
    widths = []
    for perturb in ("1%", "5%", "20%"):
        model = ScenarioModel("two_countries", perturb=perturb)
        model.step()
        assert model.last is not None
        found = model.last.marginal_costs["A"]
        widths.append(float((found.mc_export - found.mc_import).sum()))
    assert all(0 < narrow < wide for narrow, wide in pairwise(widths))


def test_records_hold_what_was_tried(tmp_path: Path) -> None:
    told = run(RunOptions("wheeling", out=tmp_path, perturb="5%"))
    records = RunRecords.open(told["folder"])
    rows = records.table("valuations")
    assert (rows["mc_import_eur_per_mwh"] <= rows["marginal_value_eur_per_mwh"] + 1e-6).all()
    assert (rows["marginal_value_eur_per_mwh"] <= rows["mc_export_eur_per_mwh"] + 1e-6).all()
    assert (rows["delta_mw"] > 0).all()
    tried = told["valuation"]
    assert tried["perturb"] == "5%" and tried["coverage"] == 1.0
    width = rows["mc_export_eur_per_mwh"] - rows["mc_import_eur_per_mwh"]
    between = tried["below_dual_eur_per_mwh"] + tried["above_dual_eur_per_mwh"]
    assert between == pytest.approx(float(width.mean()))
    assert tried["solves"] == 2 * len(rows)
    assert records.table("steps")["valuation_solves"].max() == tried["solves"]
    assert told["timings_s"]["valuation"] > 0

    off = run(RunOptions("wheeling", out=tmp_path, perturb="off"))
    assert off["valuation"]["perturb"] == "off" and off["valuation"]["coverage"] == 0.0
    assert RunRecords.open(off["folder"]).table("valuations")["delta_mw"].isna().all()
    assert off["gains_eur"] == told["gains_eur"]


def test_one_worker_or_many_find_the_same() -> None:
    one, many = (
        Story(world_named(PYPSA), "consensus_admm", "standard", workers, ALL_PRODUCTS).hold()
        for workers in (1, 3)
    )
    for a, b in zip(one.records, many.records, strict=True):
        for country, found in a.marginal_costs.items():
            for name, array in vars(found).items():
                np.testing.assert_array_equal(getattr(b.marginal_costs[country], name), array)


def test_a_resumed_model_knows_what_was_tried() -> None:
    """What the next step begins with was found at the end of the one before."""
    told, again = (ScenarioModel("triangle", perturb="5%") for _ in range(2))
    told.step()
    arrays, plain = told.state()
    told.step()
    again.restore(arrays, plain)
    again.step()
    assert told.last is not None and again.last is not None
    assert again.valuation_solves == told.valuation_solves
    assert set(again.last.marginal_costs) == set(told.last.marginal_costs)
    for country, found in told.last.marginal_costs.items():
        for name, array in vars(found).items():
            np.testing.assert_array_equal(getattr(again.last.marginal_costs[country], name), array)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_value_that_is_no_number_is_refused(bad: float) -> None:
    world = teaching_world("two_countries")
    valuation = Valuation(world.problems["A"], world.products)
    exchange_mw = np.zeros(world.products.snapshots)
    step_mw = np.full(len(world.products), 1.0)
    with pytest.raises(PlanningError, match=r"A: a little more or less import costs"):
        valuation.marginal_costs(exchange_mw, step_mw, lambda change_mw: bad)
