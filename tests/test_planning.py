"""A country's planning problem: its cost function against PyPSA solved from nothing, and convexity.

The cost C is a function of the country's net import. Everything a negotiation needs follows from
three facts that are tested here on real countries: a hot re-solve gives the cost that changing the
load and solving anew gives, C is convex and finite on the whole trading box, and prices and
responses are subgradients and minimisers of it.
"""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from agents.planning import PypsaProblem
from agents.problem import Terms
from agents.valuation import Valuation
from model.world import World
from tests.small_worlds import (
    FOUR,
    ROUNDING,
    TWO,
    annual_cost_eur,
    box_mw,
    random_exchange,
    random_terms,
    small_world,
    solved_anew,
    traded_exchange,
)


@pytest.fixture(scope="module")
def world() -> World:
    return small_world(FOUR, "4w6h", "year", "tou")


class TestCost:
    @pytest.mark.parametrize("country", FOUR)
    def test_hot_resolve_is_changed_load_solved_anew(self, world: World, country: str) -> None:
        rng = np.random.default_rng(1)
        problem, network = world.problems[country], world.networks[country]
        problem.cost(np.zeros(len(world.snapshots)))
        for draw in (traded_exchange, random_exchange):
            exchange = draw(world, country, rng)
            fresh = solved_anew(network, exchange)
            assert problem.cost(exchange) == pytest.approx(fresh.objective, rel=1e-6)

    @pytest.mark.parametrize("country", ["MZ", "NA"])
    def test_so_it_is_after_best_responses(self, world: World, country: str) -> None:
        rng = np.random.default_rng(2)
        problem, network = world.problems[country], world.networks[country]
        start = random_exchange(world, country, rng)
        value = world.products.average(problem.solve(start).price_eur_per_mwh)
        change = problem.respond(start, random_terms(world, country, value, rng))
        assert change.any()
        for exchange in (start + world.products.profile_mw(change), start):
            fresh = solved_anew(network, exchange)
            assert problem.cost(exchange) == pytest.approx(fresh.objective, rel=1e-6)

    def test_does_not_depend_on_what_was_asked_before(self, world: World) -> None:
        rng = np.random.default_rng(3)
        problem = world.problems["ZW"]
        exchanges = [random_exchange(world, "ZW", rng) for _ in range(4)]
        first = [problem.cost(x) for x in exchanges]
        again = [problem.cost(x) for x in exchanges[::-1]][::-1]
        assert again == pytest.approx(first, rel=ROUNDING)

    @pytest.mark.parametrize("country", FOUR)
    def test_finite_on_the_whole_trading_box(self, world: World, country: str) -> None:
        rng = np.random.default_rng(4)
        low, high = box_mw(world, country)
        snapshots = len(world.snapshots)
        corners = [np.full(snapshots, low), np.full(snapshots, high)]
        corners += [np.where(rng.random(snapshots) < 0.5, low, high) for _ in range(3)]
        for exchange in corners:
            plan = world.problems[country].solve(exchange)
            assert np.isfinite(plan.cost_eur)
            assert np.isfinite(plan.price_eur_per_mwh).all()

    def test_more_import_never_costs_more(self, world: World) -> None:
        # Free disposal: what is not wanted can be thrown away.
        rng = np.random.default_rng(5)
        for country in FOUR:
            problem, start = world.problems[country], random_exchange(world, country, rng)
            more = start + rng.uniform(0.0, 2000.0, len(start))
            assert problem.cost(more) <= problem.cost(start) * (1 + ROUNDING)

    @pytest.mark.parametrize("country", FOUR)
    def test_convex(self, world: World, country: str) -> None:
        rng = np.random.default_rng(6)
        problem = world.problems[country]
        for _ in range(3):
            one, other = (random_exchange(world, country, rng) for _ in range(2))
            mean = (problem.cost(one) + problem.cost(other)) / 2
            assert problem.cost((one + other) / 2) <= mean * (1 + ROUNDING)

    def test_solved_network_shows_the_plan(self, world: World) -> None:
        rng = np.random.default_rng(7)
        for country in ("MZ", "ZA"):
            problem, exchange = world.problems[country], traded_exchange(world, country, rng)
            solved = problem.solved_network(exchange)
            cost = problem.cost(exchange)
            assert solved.objective == pytest.approx(cost, rel=1e-9)
            assert annual_cost_eur(solved) == pytest.approx(cost, rel=1e-6)
            supply = (solved.generators_t.p * solved.generators.sign).sum(axis=1)
            supply += solved.storage_units_t.p.sum(axis=1)
            np.testing.assert_allclose(supply, problem.demand_mw - exchange, atol=1e-3)


class TestPrices:
    @pytest.mark.parametrize("country", FOUR)
    def test_subgradient(self, world: World, country: str) -> None:
        """C(y) >= C(x) - price . (y - x)."""
        rng = np.random.default_rng(8)
        problem, hours = world.problems[country], world.products.weights_h
        for _ in range(2):
            here, there = (random_exchange(world, country, rng) for _ in range(2))
            plan = problem.solve(here)
            line = plan.cost_eur - float((hours * plan.price_eur_per_mwh) @ (there - here))
            assert problem.cost(there) >= line - ROUNDING * plan.cost_eur

    @pytest.mark.parametrize("country", FOUR)
    def test_per_mwh_whatever_a_snapshot_weighs(self, world: World, country: str) -> None:
        """One MW more in a snapshot that stands for 78 hours is 78 MWh."""
        rng = np.random.default_rng(9)
        problem, hours = world.problems[country], world.products.weights_h
        assert hours.min() > 70
        plan = problem.solve(np.zeros(len(hours)))
        lost_load = world.scenario.settings.value_of_lost_load_eur_per_mwh
        assert plan.price_eur_per_mwh.min() >= -1e-6
        assert plan.price_eur_per_mwh.max() <= lost_load * (1 + 1e-6)
        for t in rng.choice(len(hours), 4, replace=False):
            step = np.zeros(len(hours))
            step[t] = 5.0
            energy = 5.0 * hours[t]
            saved = (plan.cost_eur - problem.cost(step)) / energy
            added = (problem.cost(-step) - plan.cost_eur) / energy
            slack = ROUNDING * plan.cost_eur / energy
            assert saved - slack <= plan.price_eur_per_mwh[t] <= added + slack

    def test_do_not_depend_on_resolution_much(self) -> None:
        """Weights that were not divided out would show as a factor of 13."""
        for_resolution = {}
        for resolution in ("4w12h", "52w12h"):
            world = small_world(("ZA",), resolution, "year", "flat")
            plan = world.problems["ZA"].solve(np.zeros(len(world.snapshots)))
            for_resolution[resolution] = world.products.average(plan.price_eur_per_mwh)[0]
        assert for_resolution["4w12h"] == pytest.approx(for_resolution["52w12h"], rel=0.35)


class TestValuation:
    @pytest.mark.parametrize("country", FOUR)
    def test_duals_lie_between_the_chords(self, world: World, country: str) -> None:
        rng = np.random.default_rng(10)
        valuation = Valuation(world.problems[country], world.products)
        for exchange in (np.zeros(len(world.snapshots)), random_exchange(world, country, rng)):
            for share in (0.01, 0.2):
                step = share * world.products.average(world.problems[country].demand_mw)
                value = valuation.marginal_value(exchange)
                chords = valuation.marginal_costs(exchange, step)
                slack = ROUNDING * valuation.plan(exchange).cost_eur
                slack = slack / (step * world.products.hours)
                assert (chords.mc_import <= value + slack).all()
                assert (value <= chords.mc_export + slack).all()

    def test_small_steps_close_in_on_the_duals(self, world: World) -> None:
        rng = np.random.default_rng(11)
        valuation = Valuation(world.problems["ZA"], world.products)
        exchange = random_exchange(world, "ZA", rng)
        one = np.ones(len(world.products))
        wide, narrow = (valuation.marginal_costs(exchange, s * one) for s in (2000.0, 20.0))
        assert (wide.mc_import <= narrow.mc_import + 1e-3).all()
        assert (narrow.mc_export <= wide.mc_export + 1e-3).all()

    @pytest.mark.parametrize("country", FOUR)
    def test_curve_falls_and_is_the_perturbation(self, world: World, country: str) -> None:
        rng = np.random.default_rng(12)
        valuation = Valuation(world.problems[country], world.products)
        exchange = 0.3 * random_exchange(world, country, rng)
        step = 0.1 * world.products.average(world.problems[country].demand_mw)
        product = int(rng.integers(len(world.products)))
        quantities = np.array([-3.0, -1.0, 0.0, 1.0, 2.5]) * step[product]
        curve = valuation.curve(exchange, product, quantities)
        chords = valuation.marginal_costs(exchange, step)
        assert (np.diff(curve) <= 1e-6 * np.abs(curve).max()).all()
        assert curve[1] == pytest.approx(chords.mc_export[product], rel=1e-6, abs=1e-6)
        assert curve[2] == pytest.approx(chords.mc_import[product], rel=1e-6, abs=1e-6)


class TestResponse:
    def money(self, world: World, terms: Terms, change: np.ndarray) -> float:
        """What a trade costs at the given terms, EUR."""
        bought, sold = np.maximum(change, 0.0), np.maximum(-change, 0.0)
        paid = terms.import_price * bought - terms.export_price * sold
        return float(paid @ world.products.hours)

    @pytest.mark.parametrize("country", FOUR)
    @pytest.mark.parametrize("seed", [20, 21])
    def test_nothing_allowed_is_better(self, world: World, country: str, seed: int) -> None:
        rng = np.random.default_rng(seed)
        problem, products = world.problems[country], world.products
        start = traded_exchange(world, country, rng) * 0.4
        value = products.average(problem.solve(start).price_eur_per_mwh)
        terms = random_terms(world, country, value, rng)
        change = problem.respond(start, terms)
        assert (change <= terms.import_limit_mw + 1e-6).all()
        assert (change >= -terms.export_limit_mw - 1e-6).all()

        def total(mw: np.ndarray) -> float:
            return problem.cost(start + products.profile_mw(mw)) + self.money(world, terms, mw)

        best = total(change)
        others = [np.zeros_like(change), terms.import_limit_mw, -terms.export_limit_mw, change / 2]
        others += [rng.uniform(-terms.export_limit_mw, terms.import_limit_mw) for _ in range(3)]
        for other in others:
            assert best <= total(other) + ROUNDING * abs(best)

    def test_buys_for_nothing_sells_for_a_fortune_within_its_limits(self, world: World) -> None:
        problem, products = world.problems["NA"], world.products
        start, one = np.zeros(len(world.snapshots)), np.ones(len(products))
        dear, cheap = (
            Terms(price, price - 0.1 * one, 50 * one, 40 * one)
            for price in (1e4 * one, -100.0 * one)
        )
        np.testing.assert_allclose(problem.respond(start, dear), -40.0, atol=1e-6)
        np.testing.assert_allclose(problem.respond(start, cheap), 50.0, atol=1e-6)

    def test_no_room_no_trade(self, world: World) -> None:
        zero = np.zeros(len(world.products))
        for exchange in (np.zeros(len(world.snapshots)), np.full(len(world.snapshots), 100.0)):
            terms = Terms(zero, zero, zero, zero)
            assert not world.problems["NA"].respond(exchange, terms).any()


@pytest.mark.skipif(
    importlib.util.find_spec("gurobipy") is None, reason="gurobipy is not installed"
)
@pytest.mark.parametrize("country", TWO)
def test_gurobi_agrees_with_highs(country: str) -> None:
    """Small enough for the licence in the package: 2000 variables and rows."""
    world = small_world(TWO, "4w24h", "year", "flat")
    network = world.networks[country]
    highs = world.problems[country]
    gurobi = PypsaProblem(country, network.copy(), world.products.shape, solver="gurobi")
    rng = np.random.default_rng(40)
    exchange = np.zeros(len(world.snapshots))
    for _ in range(3):
        one, other = highs.solve(exchange), gurobi.solve(exchange)
        assert other.cost_eur == pytest.approx(one.cost_eur, rel=1e-7)
        np.testing.assert_allclose(
            other.price_eur_per_mwh, one.price_eur_per_mwh, rtol=1e-4, atol=1e-3
        )
        terms = random_terms(world, country, world.products.average(one.price_eur_per_mwh), rng)
        answers = [p.respond(exchange, terms) for p in (highs, gurobi)]
        np.testing.assert_allclose(answers[1], answers[0], rtol=1e-4, atol=1e-2)
        exchange = random_exchange(world, country, rng)
    # Rewound, it stands where another one stands that is given its basis.
    gurobi.rewind(exchange)
    basis = gurobi.state()
    plan = gurobi.solve(exchange)
    other_one = PypsaProblem(country, network.copy(), world.products.shape, solver="gurobi")
    other_one.restore(exchange, basis)
    again = other_one.solve(exchange)
    assert again.cost_eur == plan.cost_eur
    assert np.array_equal(again.price_eur_per_mwh, plan.price_eur_per_mwh)
