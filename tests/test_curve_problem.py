"""Cost curves: closed forms, convexity, three valuations, best responses, and their planner."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.curve_problem import CurveProblem
from agents.problem import Terms
from agents.valuation import Valuation
from model.planner import planner
from protocols.products import make_products
from scenarios.schema import CostCurve
from tests.small_worlds import teaching_world

HOURS = np.array([1.0, 2.0, 1.0, 3.0])
PRODUCTS = make_products(
    "tou",
    np.full(4, "2030"),
    np.array(["peak", "standard", "peak", "off_peak"]),
    HOURS,
)
VOLL = 500.0


@st.composite
def problems(draw: st.DrawFn) -> CurveProblem:
    demand = tuple(draw(st.lists(st.floats(50, 900), min_size=4, max_size=4)))
    if draw(st.booleans()):
        curve = CostCurve(
            country="A",
            demand_mw=demand,
            intercept_eur_per_mwh=draw(st.floats(0, 40)),
            slope_eur_per_mwh_per_mw=draw(st.floats(0.005, 0.2)),
        )
    else:
        prices = sorted(draw(st.lists(st.floats(1, 200), min_size=1, max_size=4, unique=True)))
        sizes = draw(st.lists(st.floats(50, 400), min_size=len(prices), max_size=len(prices)))
        curve = CostCurve(
            country="A", demand_mw=demand, blocks=tuple(zip(sizes, prices, strict=True))
        )
    return CurveProblem(curve, HOURS, PRODUCTS.shape, VOLL)


exchanges = st.lists(st.floats(-600, 1200), min_size=4, max_size=4).map(np.array)


@pytest.mark.parametrize(
    ("name", "gain_eur"),
    [
        ("two_countries", 20_833.333333),  # as the README.md of each says
        ("two_countries_limited", 17_500.0),
        ("merit_order", 19_000.0),
        ("identical", 0.0),
    ],
)
def test_planner_reaches_the_closed_form(name: str, gain_eur: float) -> None:
    w = teaching_world(name)
    autarky = sum(p.cost(np.zeros(len(w.snapshots))) for p in w.problems.values())
    assert autarky - planner(w).cost_eur == pytest.approx(gain_eur, rel=1e-6, abs=1e-3)


def test_prices_and_flow_of_two_countries() -> None:
    w = teaching_world("two_countries")
    autarky = {c: p.solve(np.zeros(1)).price_eur_per_mwh[0] for c, p in w.problems.items()}
    assert autarky == pytest.approx({"A": 30.0, "B": 80.0})
    best = planner(w)
    assert best.flows_mw["A-B"][0] == pytest.approx(2500 / 3, rel=1e-5)
    for c, p in w.problems.items():
        price = p.solve(best.exchange_mw(w, c)).price_eur_per_mwh[0]
        assert price == pytest.approx(140 / 3, rel=1e-5)


def test_planner_loses_and_keeps_limits_on_the_wheeling_line() -> None:
    w = teaching_world("wheeling")
    autarky = sum(p.cost(np.zeros(1)) for p in w.problems.values())
    assert autarky - planner(w).cost_eur == pytest.approx(4548, abs=1.0)  # README of the scenario


@given(problems(), exchanges, exchanges)
@settings(max_examples=60, deadline=None)
def test_cost_is_finite_convex_and_supported_by_its_prices(problem, one, other) -> None:
    here, there = problem.solve(one), problem.solve(other)
    middle = problem.cost((one + other) / 2)
    scale = 1 + abs(here.cost_eur) + abs(there.cost_eur)
    assert np.isfinite([here.cost_eur, there.cost_eur]).all()
    assert middle <= (here.cost_eur + there.cost_eur) / 2 + 1e-9 * scale
    line = here.cost_eur - (HOURS * here.price_eur_per_mwh) @ (other - one)
    assert there.cost_eur >= line - 1e-9 * scale


@given(problems(), exchanges, st.floats(1, 200))
@settings(max_examples=60, deadline=None)
def test_three_valuations_agree_within_convexity(problem, exchange, step) -> None:
    valuation = Valuation(problem, PRODUCTS)
    chords = valuation.marginal_costs(exchange, np.full(len(PRODUCTS), step))
    dual = valuation.marginal_value(exchange)
    assert (chords.mc_import <= dual + 1e-6).all()
    assert (dual <= chords.mc_export + 1e-6).all()
    curve = valuation.curve(exchange, 0, np.array([-2 * step, -step, 0.0, step, 2 * step]))
    assert (np.diff(curve) <= 1e-6).all()
    assert curve[2] == pytest.approx(chords.mc_import[0], abs=1e-6)
    assert curve[1] == pytest.approx(chords.mc_export[0], abs=1e-6)


@given(problems(), exchanges, st.data())
@settings(max_examples=40, deadline=None)
def test_response_is_the_cheapest_trade(problem, exchange, data) -> None:
    draw = st.lists(st.floats(0, 150), min_size=3, max_size=3).map(np.array)
    price = data.draw(draw)
    terms = Terms(price + 1, price, data.draw(draw), data.draw(draw))

    def expense(amount: np.ndarray) -> float:
        paid = np.where(amount > 0, terms.import_price, terms.export_price) * amount
        return problem.cost(exchange + amount @ PRODUCTS.shape) + paid @ PRODUCTS.hours

    best = problem.respond(exchange, terms)
    assert (best <= terms.import_limit_mw + 1e-9).all()
    assert (best >= -terms.export_limit_mw - 1e-9).all()
    for share in np.linspace(0, 1, 11):
        other = (1 - share) * -terms.export_limit_mw + share * terms.import_limit_mw
        assert expense(best) <= expense(other) + 1e-6 * (1 + abs(expense(other)))


@given(problems(), exchanges, st.data())
@settings(max_examples=40, deadline=None)
def test_ladder_fills_its_blocks_in_order_of_price(problem, exchange, data) -> None:
    blocks = st.lists(st.floats(0, 60), min_size=3, max_size=3).map(np.array)
    price, rise, fall = data.draw(blocks), data.draw(blocks), data.draw(blocks)
    width = np.array([data.draw(blocks), data.draw(blocks)])
    terms = Terms(
        np.array([price + 0.1, price + 0.1 + rise]),
        np.array([price, price - fall]),
        width,
        width[::-1],
    )

    def expense(amount: np.ndarray) -> float:
        bought, sold = np.maximum(amount, 0.0), np.maximum(-amount, 0.0)
        total = problem.cost(exchange + amount @ PRODUCTS.shape)
        for sign, part, price, limit in (
            (1.0, bought, terms.import_price, terms.import_limit_mw),
            (-1.0, sold, terms.export_price, terms.export_limit_mw),
        ):
            first = np.minimum(part, limit[0])
            total += sign * (price[0] * first + price[1] * (part - first)) @ PRODUCTS.hours
        return total

    best = problem.respond(exchange, terms)
    low, high = -terms.export_limit_mw.sum(axis=0), terms.import_limit_mw.sum(axis=0)
    assert (best <= high + 1e-9).all()
    assert (best >= low - 1e-9).all()
    # Products do not couple, so that trying each alone finds every better trade.
    for k in range(len(PRODUCTS)):
        for amount in np.linspace(low[k], high[k], 23):
            other = best.copy()
            other[k] = amount
            assert expense(best) <= expense(other) + 1e-6 * (1 + abs(expense(other)))
