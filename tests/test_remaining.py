"""What is left to gain is bounded from above, whatever was traded, and said with a proof only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.ledger import Ledger
from model.options import RunOptions
from model.planner import planner
from model.remaining import NOTHING, Remaining, left_at_most_eur, remaining
from model.reporting import Reporter
from model.world import World, build_world
from protocols.messages import Trade
from tests.random_markets import random_scenario
from tests.small_worlds import teaching_world
from tests.stories import MEMBERS, PORTS, PYPSA, Story, story
from viz.how_it_ended import left, reached

# Of the planner's cost for curves, which it refines, and of interior points, as a share of cost.
ACCURACY = 2e-6


def plans_at(world: World, ledger: Ledger) -> dict:
    return {c: world.problems[c].solve(ledger.exchange_mw(c)) for c in world.countries}


def cost_eur(plans: dict) -> float:
    return sum(plan.cost_eur for plan in plans.values())


@st.composite
def traded(draw: st.DrawFn) -> tuple[World, Ledger]:
    """A random market in which some trades between neighbours were booked, good ones or bad."""
    world = build_world(random_scenario(draw), "highs", Reporter())
    ledger = Ledger(world.graph, world.products)
    for a, b in world.graph.edges:
        path = (a, b) if draw(st.booleans()) else (b, a)
        share = draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
        mw = tuple((share * ledger.room_mw(path)).tolist())
        if any(mw):
            ledger.book(Trade(*path, path, mw, 30.0, 0))
    return world, ledger


@settings(max_examples=60)
@given(traded())
def test_no_flows_bring_more_than_the_bound(found: tuple[World, Ledger]) -> None:
    world, ledger = found
    plans = plans_at(world, ledger)
    best_eur = planner(world, world.products).cost_eur
    exactly = cost_eur(plans) - best_eur
    assert left_at_most_eur(ledger, plans) >= exactly - ACCURACY * best_eur


@settings(max_examples=20)
@given(traded())
def test_at_the_optimum_next_to_nothing_is_left(found: tuple[World, Ledger]) -> None:
    """Cost curves have no kinks where they are not at a limit, so that the bound is tight there."""
    world, ledger = found
    ledger.flows_mw = planner(world, world.products).flows_mw
    plans = plans_at(world, ledger)
    alone = sum(
        p.solve(np.zeros(world.products.snapshots)).cost_eur for p in world.problems.values()
    )
    left_eur = left_at_most_eur(ledger, plans)
    # A flow that is off by a share of the optimum misses its prices by that share.
    assert left_eur <= 2e-2 * max(alone - cost_eur(plans), 1e-4 * alone)


def test_autarky_by_hand() -> None:
    """In autarky: what each line carries at the difference of the two prices, less losses."""
    world = teaching_world("merit_order")
    ledger = Ledger(world.graph, world.products)
    plans = plans_at(world, ledger)
    by_hand = 0.0
    for a, b, line in world.graph.edges(data=True):
        for k, hours in enumerate(world.products.weights_h):
            ends = [float(plans[c].price_eur_per_mwh[k]) for c in (a, b)]
            there = (1 - line["loss"]) * ends[1] - ends[0]
            back = (1 - line["loss"]) * ends[0] - ends[1]
            by_hand += hours * line["capacity_mw"][a] * max(there, 0)
            by_hand += hours * line["capacity_mw"][b] * max(back, 0)
    assert by_hand > 0
    assert left_at_most_eur(ledger, plans) == pytest.approx(by_hand)


@pytest.mark.parametrize("place", [PYPSA, PORTS])
@pytest.mark.parametrize("name", ["bilateral_bids", "consensus_admm"])
def test_power_systems(name: str, place: str) -> None:
    """The bound holds for optimisations with kinks, and for countries with several ports."""
    told = story(name, next(m for n, m in MEMBERS if n == name), place)
    world, ledger = told.world, told.model.ledger
    plans = plans_at(world, ledger)
    best_eur = planner(world, world.products).cost_eur
    exactly = cost_eur(plans) - best_eur
    assert left_at_most_eur(ledger, plans) >= exactly - ACCURACY * best_eur


@settings(max_examples=25)
@given(st.data())
def test_nothing_is_left_where_it_is_said(data: st.DataObject) -> None:
    """No protocol in any market ends with a proof that an independent optimum contradicts."""
    world = build_world(random_scenario(data.draw), "highs", Reporter())
    name, mode = data.draw(st.sampled_from(MEMBERS))
    model = Story(world, name, mode).hold(6).model
    plans = plans_at(world, model.ledger)
    alone, cost = sum(model.autarky_eur.values()), cost_eur(plans)
    bound_eur = left_at_most_eur(model.ledger, plans)
    said = remaining(bound_eur, cost, alone, model.lower_bound_eur)
    best_eur = planner(world, world.products).cost_eur
    rounding = ACCURACY * best_eur
    assert cost - best_eur <= said.at_most_eur + rounding
    assert said.nothing in (True, None)
    if said.nothing:
        assert cost - best_eur <= NOTHING * (alone - cost) + rounding
    exact = remaining(bound_eur, cost, alone, model.lower_bound_eur, best_eur)
    assert exact.nothing is not None
    assert exact.at_most_eur <= said.at_most_eur + rounding


@pytest.mark.parametrize(
    ("given_eur", "found"),
    [
        # by marginal values, cost, autarky, certified bound, ceiling
        ((50.0, 9e5, 1e6, None, None), Remaining(50.0, "marginal values", True)),
        ((101.0, 9e5, 1e6, None, None), Remaining(101.0, "marginal values", None)),
        ((101.0, 9e5, 1e6, 9e5 - 90, None), Remaining(90.0, "bound of the protocol", True)),
        (
            (9e4, 9e5, 1e6, 8.9e5, 8.95e5),
            Remaining(5e3, "planner with the same products", False),
        ),
        (
            (9e4, 9e5, 1e6, None, 9e5 - 99),
            Remaining(99.0, "planner with the same products", True),
        ),
        # the planner's own accuracy: it found less than the countries did
        ((9e4, 9e5, 1e6, None, 9e5 + 1), Remaining(0.0, "planner with the same products", True)),
        # nothing was gained: the accuracy of the solver is the tolerance
        ((0.009, 1e6, 1e6, None, None), Remaining(0.009, "marginal values", True)),
        ((0.02, 1e6, 1e6, None, None), Remaining(0.02, "marginal values", None)),
    ],
)
def test_the_best_proof_counts(given_eur: tuple, found: Remaining) -> None:
    assert vars(remaining(*given_eur)) == pytest.approx(vars(found), abs=1e-6)


def test_words_follow_the_proof() -> None:
    summary = {"left_at_most_eur": 2e6, "left_proof": "marginal values", "products": "tou"}
    for nothing, says in (
        (True, "no gain is left"),
        (False, "left: 2.00 M EUR"),
        (None, "not known"),
    ):
        text = left({**summary, "nothing_left": nothing})
        assert says in text
        assert ("no gain is left" in text) == (nothing is True)
    assert left({}) == reached({}) == ""  # records that do not tell
    assert "tou" not in reached({"of_ceiling": 0.9, "efficiency": 0.9, "products": "hourly"})


def test_a_run_tells_all_three(tmp_path) -> None:
    from model.runs import run

    options = RunOptions("triangle", protocol="mcafee", mode="standard", out=tmp_path)
    summary = run(options)
    assert summary["status"] == "completed"
    assert summary["ceiling"] == "found"
    assert summary["of_ceiling"] == pytest.approx(summary["gain_eur"] / summary["ceiling_gain_eur"])
    assert summary["efficiency"] <= summary["of_ceiling"] <= 1 + 1e-6
    left_eur = summary["ceiling_gain_eur"] - summary["gain_eur"]
    assert summary["nothing_left"] == (left_eur <= NOTHING * summary["gain_eur"])
