"""Whether a group could do better by itself: bounds that hold, and Owen's theorem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.coalitions import LineGains, coalitions_of_countries
from model.core_check import _Groups, check_core
from model.division import in_core, strongest_complaint
from model.ledger import Ledger
from model.options import RunOptions
from model.planner import planner
from model.reporting import Reporter
from model.runs import run
from model.settlement import NodalPrice, Settled
from model.world import World, build_world
from tests.random_markets import random_scenario
from tests.small_worlds import small_world, teaching_world
from viz.groups import groups_in_words
from viz.numbers import money


def asked(world: World, gains: Mapping[str, float], exact: bool = False) -> dict[str, Any]:
    best, autarky, planned = plans(world)
    return check_core(world, gains, autarky, best, planned, exact)


def plans(world: World) -> Any:
    best = planner(world)
    at = {c: best.exchange_mw(world, c) for c in world.countries}
    problems = world.problems
    autarky = {c: problems[c].solve(np.zeros_like(mw)) for c, mw in at.items()}
    return best, autarky, {c: problems[c].solve(mw) for c, mw in at.items()}


def values(world: World) -> np.ndarray:
    return coalitions_of_countries(LineGains(world.scenario, 1)).all_values_eur()


def test_a_group_that_is_known_to_complain_is_found_with_its_amount() -> None:
    """`second_price`: A sells 3000, B or C buy; with B alone A could share 2000 or 3000."""
    world = teaching_world("second_price")
    worth = values(world)
    assert list(worth[[3, 5, 7]]) == pytest.approx([3000.0, 2000.0, 3000.0])
    found = asked(world, {"A": 1500.0, "B": 900.0, "C": 600.0})
    assert (found["status"], found["group"]) == ("some", "A+B")
    assert found["at_least_eur"] == pytest.approx(600.0)
    assert found["at_most_eur"] == pytest.approx(600.0)
    assert found["full_gain_status"] is None
    content = asked(world, {"A": 2500.0, "B": 500.0, "C": 0.0})
    assert content["status"] == "none"
    assert content["at_most_eur"] == pytest.approx(0.0, abs=1e-2)


def test_a_gain_that_was_missed_is_told_apart() -> None:
    found = asked(teaching_world("second_price"), {"A": 1250.0, "B": 250.0, "C": 0.0})
    assert (found["status"], found["group"]) == ("some", "A+B")
    assert found["at_least_eur"] == pytest.approx(1500.0)
    assert found["full_gain_status"] == "none"  # scaled up: 2500, 500 and 0, as above


@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_bounds_hold_and_nodal_prices_of_the_optimum_are_in_the_core(data: st.DataObject) -> None:
    """Owen (1975), on markets of any shape."""
    world = build_world(random_scenario(data.draw), "highs", Reporter())
    best, autarky, planned = plans(world)
    groups, worth = _Groups(world, autarky, best, planned), values(world)
    slack = 1e-6 * sum(plan.cost_eur for plan in autarky.values()) + 1e-6
    assert (groups.upper_eur >= worth - slack).all()
    for number in range(1, len(worth) - 1):
        lower, upper = groups.resolved_eur(number)
        assert lower <= worth[number] + slack and upper >= worth[number] - slack
        assert groups.exact_eur(number)[0] == pytest.approx(worth[number], abs=slack)

    ledger = Ledger(world.graph, world.products)
    ledger.flows_mw = dict(best.flows_mw)
    paid = NodalPrice().payments_eur(Settled(world, ledger, autarky, planned))
    owen = {c: autarky[c].cost_eur - planned[c].cost_eur - paid[c] for c in world.countries}
    found = check_core(world, owen, autarky, best, planned)
    told = np.array([owen[c] for c in groups.countries])
    assert found["status"] == "none"
    assert found["at_most_eur"] <= slack
    assert in_core(worth, told) or strongest_complaint(worth, told).excess <= slack


@given(data=st.data(), seed=st.integers(0, 99))
@settings(max_examples=12, deadline=None)
def test_the_verdict_is_that_of_all_exact_values(data: st.DataObject, seed: int) -> None:
    world = build_world(random_scenario(data.draw), "highs", Reporter())
    worth = values(world)
    shares = np.random.default_rng(seed).dirichlet(np.full(len(world.countries), 0.7))
    gains = {c: float(s * worth[-1]) for c, s in zip(world.countries, shares, strict=True)}
    found = asked(world, gains)
    complaint = strongest_complaint(worth, np.array(list(gains.values())))
    slack = 1e-5 * max(worth[-1], 1.0)
    if complaint.excess > slack:
        assert found["status"] == "some"
        assert found["at_least_eur"] == pytest.approx(complaint.excess, abs=slack)
    else:
        assert found["status"] == "none" or found["at_most_eur"] <= slack


def test_power_systems_are_bounded_both_ways_and_valued_if_asked() -> None:
    """ZA gives everything away: with MZ alone it could keep the gain of their line."""
    world = small_world(("MZ", "ZA", "ZW"), "1w12h", "year", "flat")
    best, autarky, planned = plans(world)
    full = sum(p.cost_eur for p in autarky.values()) - best.cost_eur
    # Strong duality: the planner's prices leave nothing between the bound of all and what it is.
    groups = _Groups(world, autarky, best, planned)
    assert groups._from_prices(best.price_eur_per_mwh)[-1] == pytest.approx(full, rel=1e-5)
    again = planner(world)  # from the cache
    assert again.price_eur_per_mwh.keys() == best.price_eur_per_mwh.keys() == set(world.countries)
    assert again.flows_mw.keys() == best.flows_mw.keys()
    unfair = {"MZ": 0.0, "ZA": 0.0, "ZW": full}
    bounds = check_core(world, unfair, autarky, best, planned)
    valued = check_core(world, unfair, autarky, best, planned, exact=True)
    assert bounds["status"] in ("some", "not known") and valued["status"] == "some"
    assert bounds["at_least_eur"] <= valued["at_least_eur"] + 1.0
    assert valued["at_most_eur"] <= bounds["at_most_eur"] + 1.0
    assert valued["at_least_eur"] == pytest.approx(valued["at_most_eur"], rel=1e-5)


def test_every_run_says_it_in_its_summary(tmp_path: Any) -> None:
    whole = run(RunOptions("second_price", out=tmp_path))
    core = whole["core"]
    assert (core["status"], core["group"]) == ("some", "A+B")
    left = 3000.0 - whole["gains_eur"]["A"] - whole["gains_eur"]["B"]
    assert core["at_least_eur"] == pytest.approx(left, abs=1e-3)
    assert f"A and B could do better by themselves, by {money(left)}" in groups_in_words(whole)
    short = run(RunOptions("second_price", out=tmp_path, planner=False))
    assert short["core"]["status"] == "not asked"
    assert f"run.py gains {short['run']} says it" in groups_in_words(short)
    nodal = RunOptions("two_countries", out=tmp_path, products="hourly", settlement="nodal_price")
    assert "Owen (1975)" in groups_in_words(run(nodal))
