"""A country's planning problem: its cost function against PyPSA solved from nothing, and convexity.

The cost C is a function of the country's net import. Everything a negotiation needs follows from
three facts that are tested here on real countries: a hot re-solve gives the cost that changing the
load and solving anew gives, C is convex and finite on the whole trading box, and prices and
responses are subgradients and minimisers of it.
"""

from __future__ import annotations

import importlib.util

import linopy
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from agents.network import country_network
from agents.planning import PypsaProblem
from agents.policy import PolicyInForce
from agents.problem import Terms
from agents.singletons import singleton_rows_to_bounds
from agents.valuation import Valuation
from model.joint import joint_network, plan_jointly
from model.world import World
from scenarios.profiles import synthesise
from scenarios.time_axis import build_time_axis
from tests.small_worlds import (
    FOUR,
    TWO,
    annual_cost_eur,
    box_mw,
    emissions_t,
    firm_mw,
    share_of_demand_met_at_home,
    small_world,
    solved_anew,
)

# Rounding of two solves of the same size, as a share of cost.
ROUNDING = 1e-9


@pytest.fixture(scope="module")
def world() -> World:
    return small_world(FOUR, "4w6h", "year", "tou")


@pytest.fixture(scope="module")
def coarse() -> World:
    return small_world(TWO, "4w12h", "year", "tou")


def random_exchange(world: World, country: str, rng: np.random.Generator) -> np.ndarray:
    low, high = box_mw(world, country)
    return rng.uniform(low, high, len(world.snapshots))


def traded_exchange(world: World, country: str, rng: np.random.Generator) -> np.ndarray:
    low, high = box_mw(world, country)
    return world.products.profile_mw(rng.uniform(low, high, len(world.products)))


def random_terms(world: World, country: str, value: np.ndarray, rng: np.random.Generator) -> Terms:
    low, high = box_mw(world, country)
    price = value * rng.uniform(0.5, 1.5, len(value)) + rng.normal(0.0, 3.0, len(value))
    return Terms(
        import_price=price + 0.1,
        export_price=price - 0.1,
        import_limit_mw=rng.uniform(0.0, high, len(value)),
        export_limit_mw=rng.uniform(0.0, -low, len(value)),
    )


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


BLOCKS = 3


def random_ladder(world: World, country: str, value: np.ndarray, rng: np.random.Generator) -> Terms:
    """Import blocks that grow dearer and export blocks that earn less, around a value."""
    low, high = box_mw(world, country)
    size = (BLOCKS, len(value))
    price = value + rng.normal(0.0, 15.0, len(value))
    rise = rng.uniform(0.1, 8.0, (2, *size)).cumsum(axis=1)
    return Terms(
        import_price=price + rise[0],
        export_price=price - rise[1],
        import_limit_mw=rng.uniform(0.0, high / BLOCKS, size),
        export_limit_mw=rng.uniform(0.0, -low / BLOCKS, size),
    )


class TestLadder:
    """A ladder of prices is a set of generators that PyPSA may add to the country's own."""

    @pytest.fixture(scope="class")
    def hourly(self) -> World:
        return small_world(TWO, "4w12h", "year", "hourly")

    @pytest.fixture(scope="class")
    def problems(self, hourly: World) -> dict[str, PypsaProblem]:
        shape = hourly.products.shape
        return {
            c: PypsaProblem(c, n.copy(), shape, blocks=BLOCKS) for c, n in hourly.networks.items()
        }

    @pytest.mark.parametrize("country", TWO)
    def test_response_is_what_pypsa_would_buy_and_sell(
        self, hourly: World, problems: dict[str, PypsaProblem], country: str
    ) -> None:
        rng = np.random.default_rng(50)
        problem = problems[country]
        for share in (0.0, 0.4):
            start = share * random_exchange(hourly, country, rng)
            terms = random_ladder(hourly, country, problem.solve(start).price_eur_per_mwh, rng)
            change = problem.respond(start, terms)
            assert (np.abs(change) > 1.0).any()
            paid = float(hourly.products.hours @ ladder_rate(terms, change))
            best = solved_anew(with_ladder(hourly.networks[country], terms), start).objective
            assert problem.cost(start + change) + paid == pytest.approx(best, rel=1e-7)

    def test_one_block_split_in_three_is_one_block(
        self, hourly: World, problems: dict[str, PypsaProblem]
    ) -> None:
        rng = np.random.default_rng(51)
        problem = problems["MZ"]
        start = np.zeros(len(hourly.snapshots))
        one = random_terms(hourly, "MZ", problem.solve(start).price_eur_per_mwh, rng)
        thirds = np.full((BLOCKS, 1), 1 / BLOCKS)
        split = Terms(
            np.tile(one.import_price, (BLOCKS, 1)),
            np.tile(one.export_price, (BLOCKS, 1)),
            thirds * one.import_limit_mw,
            thirds * one.export_limit_mw,
        )
        spent = []
        for terms in (one, split):
            change = problem.respond(start, terms)
            paid = float(hourly.products.hours @ ladder_rate(terms, change))
            spent.append(problem.cost(start + change) + paid)
        assert spent[1] == pytest.approx(spent[0], rel=ROUNDING)

    def test_longer_ladder_than_built_for_is_refused(
        self, hourly: World, problems: dict[str, PypsaProblem]
    ) -> None:
        zero = np.zeros((BLOCKS + 1, len(hourly.products)))
        with pytest.raises(ValueError, match=f"blocks={BLOCKS + 1}"):
            problems["MZ"].respond(np.zeros(len(hourly.snapshots)), Terms(*[zero] * 4))


def ladder_rate(terms: Terms, change: np.ndarray) -> np.ndarray:
    """What a trade costs per hour on a ladder, EUR/h per product, the blocks filled in order."""
    rate = np.zeros(len(change))
    for amount, (price, width), sign in (
        (np.maximum(change, 0.0), terms.import_ladder, 1.0),
        (np.maximum(-change, 0.0), terms.export_ladder, -1.0),
    ):
        start = np.cumsum(width, axis=0) - width
        rate += sign * (price * np.clip(amount - start, 0.0, width)).sum(axis=0)
    return rate


def with_ladder(network, terms: Terms):
    """Copy of a country's network that has a generator for every block of an hourly ladder."""
    n = network.copy()
    bus = n.buses.index[0]
    for name, (price, width), least, most in (
        ("import", terms.import_ladder, 0.0, 1.0),
        ("export", terms.export_ladder, -1.0, 0.0),
    ):
        for k in range(len(price)):
            share = pd.Series(width[k] / width[k].max(), n.snapshots)
            n.add(
                "Generator",
                f"{name} {k}",
                bus=bus,
                p_nom=width[k].max(),
                p_min_pu=least * share,
                p_max_pu=most * share,
                marginal_cost=pd.Series(price[k], n.snapshots),
            )
    return n


CO2_CAP, RESERVE, SELF_SUFFICIENCY = "co2", "reserve", "self-sufficiency"


@pytest.fixture(scope="module")
def firm_share(coarse: World) -> dict[str, float]:
    return {t.carrier: t.firm_share for t in coarse.scenario.technologies}


class TestPolicy:
    """South Africa, importing as much as its lines to Mozambique carry."""

    def importing(self, coarse: World) -> np.ndarray:
        return np.full(len(coarse.snapshots), box_mw(coarse, "ZA")[1])

    @pytest.fixture(scope="class")
    def free(self, coarse: World):
        return coarse.problems["ZA"].solved_network(self.importing(coarse))

    @pytest.fixture(scope="class")
    def policies(self, free, firm_share: dict[str, float]) -> dict[str, PolicyInForce]:
        home = share_of_demand_met_at_home(free, "ZA")
        assert home < 0.95
        return {
            CO2_CAP: PolicyInForce(co2_cap_t=0.8 * emissions_t(free, "ZA")),
            RESERVE: PolicyInForce(
                reserve_mw=1.1 * firm_mw(free, "ZA", firm_share), firm_share=firm_share
            ),
            SELF_SUFFICIENCY: PolicyInForce(self_sufficiency=home + 0.03),
        }

    @pytest.mark.parametrize("kind", [CO2_CAP, RESERVE, SELF_SUFFICIENCY])
    def test_binds_costs_holds_and_keeps_cost_convex(
        self,
        coarse: World,
        free,
        policies: dict[str, PolicyInForce],
        firm_share: dict[str, float],
        kind: str,
    ) -> None:
        policy, importing = policies[kind], self.importing(coarse)
        network = coarse.networks["ZA"].copy()
        problem = PypsaProblem("ZA", network, coarse.products.shape, policy)
        bound = problem.solved_network(importing)
        assert bound.objective > free.objective * (1 + 1e-5)
        assert annual_cost_eur(bound) == pytest.approx(bound.objective, rel=1e-6)
        if kind == CO2_CAP:
            assert emissions_t(bound, "ZA") <= policy.co2_cap_t * (1 + 1e-6)
        elif kind == RESERVE:
            assert firm_mw(bound, "ZA", firm_share) >= policy.reserve_mw * (1 - 1e-6)
        else:
            met = share_of_demand_met_at_home(bound, "ZA")
            assert met >= policy.self_sufficiency * (1 - 1e-6)
        fresh = solved_anew(network, importing, policy)
        assert problem.cost(importing) == pytest.approx(fresh.objective, rel=1e-6)

        rng = np.random.default_rng(30)
        one, other = (random_exchange(coarse, "ZA", rng) for _ in range(2))
        mean = (problem.cost(one) + problem.cost(other)) / 2
        assert problem.cost((one + other) / 2) <= mean * (1 + ROUNDING)
        for end in box_mw(coarse, "ZA"):
            assert np.isfinite(problem.cost(np.full(len(coarse.snapshots), end)))

    def test_co2_cap_is_pypsas_own(self, coarse: World, policies: dict[str, PolicyInForce]) -> None:
        policy = policies[CO2_CAP]
        network = coarse.networks["ZA"].copy()
        problem = PypsaProblem("ZA", network.copy(), coarse.products.shape, policy)
        network.add(
            "GlobalConstraint",
            "cap",
            type="primary_energy",
            carrier_attribute="co2_emissions",
            sense="<=",
            constant=policy.co2_cap_t,
        )
        here = self.importing(coarse)
        assert problem.cost(here) == pytest.approx(solved_anew(network, here).objective, rel=1e-6)

    def test_policies_that_do_not_bind_change_nothing(
        self, coarse: World, firm_share: dict[str, float]
    ) -> None:
        lax = PolicyInForce(1e12, 1.0, 0.0, firm_share)
        network = coarse.networks["ZA"].copy()
        problem = PypsaProblem("ZA", network, coarse.products.shape, lax)
        here = self.importing(coarse)
        assert problem.cost(here) == pytest.approx(coarse.problems["ZA"].cost(here), rel=1e-9)

    @pytest.mark.parametrize("country", TWO)
    def test_impossible_reserve_is_dear_not_infeasible(self, coarse: World, country: str) -> None:
        policy = PolicyInForce(reserve_mw=1e5, firm_share={})
        problem = PypsaProblem(
            country, coarse.networks[country].copy(), coarse.products.shape, policy
        )
        here = np.zeros(len(coarse.snapshots))
        assert np.isfinite(problem.cost(here))
        assert problem.cost(here) > coarse.problems[country].cost(here) + 1e9

    def test_planner_obeys_each_countrys_policy(
        self, coarse: World, policies: dict[str, PolicyInForce], firm_share: dict[str, float]
    ) -> None:
        chosen = {
            "ZA": policies[CO2_CAP],
            "MZ": PolicyInForce(self_sufficiency=1.1, reserve_mw=3500.0, firm_share=firm_share),
        }
        free = joint_network(coarse.networks, coarse.graph)
        free_cost = plan_jointly(free, {})
        assert emissions_t(free, "ZA") > chosen["ZA"].co2_cap_t * 1.05
        assert firm_mw(free, "MZ", firm_share) < 3500.0

        bound = joint_network(coarse.networks, coarse.graph)
        cost = plan_jointly(bound, chosen)
        assert cost > free_cost * (1 + 1e-5)
        assert emissions_t(bound, "ZA") <= chosen["ZA"].co2_cap_t * (1 + 1e-5)
        assert firm_mw(bound, "MZ", firm_share) >= 3500.0 * (1 - 1e-5)
        assert share_of_demand_met_at_home(bound, "MZ") >= 1.1 * (1 - 1e-5)
        # The agents' own problems, asked at the planner's exchange, add up to its cost.
        own = sum(
            PypsaProblem(c, coarse.networks[c].copy(), coarse.products.shape, chosen[c]).cost(
                net_import_mw(bound, c)
            )
            for c in TWO
        )
        assert own == pytest.approx(cost, rel=1e-5)


def net_import_mw(n, country: str) -> np.ndarray:
    links = n.links
    at_0 = n.links_t.p0[links.index[links.bus0 == country]].sum(axis=1)
    at_1 = n.links_t.p1[links.index[links.bus1 == country]].sum(axis=1)
    return -(at_0 + at_1).to_numpy()


class TestSingletons:
    @pytest.mark.parametrize("seed", range(12))
    def test_random_model_keeps_its_optimum(self, seed: int) -> None:
        values = []
        for strip in (False, True):
            model = random_model(np.random.default_rng(seed))
            rows = sum(c.labels.size for _, c in model.constraints.items())
            if strip:
                singleton_rows_to_bounds(model)
                left = sum(c.labels.size for _, c in model.constraints.items())
                assert left < rows
            model.solve("highs", io_api="direct", output_flag=False)
            values.append(float(model.objective.value))
        assert values[1] == pytest.approx(values[0], rel=1e-7, abs=1e-7)

    def test_country_keeps_its_optimum_with_less_than_half_of_the_rows(self, coarse: World) -> None:
        network = coarse.networks["ZA"].copy()
        model = network.optimize.create_model(include_objective_constant=False)
        model.solve("highs", io_api="direct", output_flag=False)
        rows, cost = model.ncons, float(model.objective.value)
        singleton_rows_to_bounds(model)
        model.solve("highs", io_api="direct", output_flag=False)
        assert float(model.objective.value) == pytest.approx(cost, rel=1e-9)
        assert model.ncons < rows / 2


def random_model(rng: np.random.Generator) -> linopy.Model:
    """Linear programme with singleton rows of every sign, feasible at a known point."""
    model = linopy.Model()
    size = 6
    index = pd.RangeIndex(size, name="i")
    inside = rng.uniform(-5.0, 5.0, size)
    x = model.add_variables(lower=-20.0, upper=20.0, coords=[index], name="x")
    y = model.add_variables(lower=-20.0, upper=20.0, coords=[index], name="y")

    def along(values: np.ndarray) -> xr.DataArray:
        return xr.DataArray(values, coords={"i": index}, dims="i")

    factor = rng.choice([-2.0, -0.5, 1.0, 3.0], size)
    slack = rng.uniform(0.0, 3.0, size)
    model.add_constraints(along(factor) * x <= along(factor * inside + slack), name="upper")
    model.add_constraints(along(factor) * x >= along(factor * inside - slack), name="lower")
    model.add_constraints(2.0 * y.isel(i=0) == 2.0 * inside[0], name="fixed")
    model.add_constraints(x + y >= along(2 * inside - 1.0), name="both")
    model.add_constraints(x - y <= along(np.full(size, 4.0)), name="difference")
    model.add_objective((along(rng.normal(size=size)) * x + along(rng.normal(size=size)) * y).sum())
    return model


def test_short_storage_holds_more_in_typical_weeks_and_reservoirs_do_not() -> None:
    world = small_world(TWO, "4w12h", "year", "tou")
    profiles = synthesise(world.scenario)
    year, weeks = (
        pd.concat(
            country_network(
                world.scenario, country, profiles, build_time_axis(resolution, profiles)
            ).storage_units
            for country in TWO
        )
        for resolution in ("24h", "4w24h")
    )
    factor = weeks.max_hours / year.max_hours
    reservoir = year.carrier == "hydro_reservoir"
    assert set(year.carrier) == {"battery", "PHS", "hydro_reservoir"}
    np.testing.assert_allclose(factor[reservoir], 1.0)
    # Each of four weeks stands for a quarter of a year.
    np.testing.assert_allclose(factor[~reservoir], 8760 / 168 / 4)


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


def test_availability_limits_what_is_built_and_what_stands() -> None:
    changes = {"coal": 0.5, "battery": 0.6}
    overrides = ((f"candidates.ZA.{c}.availability", share) for c, share in changes.items())
    n = small_world(TWO, "2w12h", "month", "flat", *overrides).networks["ZA"]
    assert n.generators.p_max_pu["ZA coal new"] == 0.5
    assert n.generators.p_max_pu["ZA OCGT new"] == n.generators.p_max_pu["ZA OCGT"] == 0.85
    battery = n.storage_units.loc["ZA battery new"]
    assert (battery.p_max_pu, battery.p_min_pu) == (0.6, -0.6)
    wind = n.generators_t.p_max_pu
    np.testing.assert_allclose(wind["ZA onwind"], 0.855 * wind["ZA onwind new"], atol=1e-4)
