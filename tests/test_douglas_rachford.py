"""The bundle method: bound <= planner <= incumbent, the gap closes, nobody loses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.negotiation import NegotiationModel
from model.options import RunOptions
from model.planner import planner
from model.reporting import Reporter
from model.runs import chosen_scenario
from model.world import World, build_world
from protocols.cut_bound import Cut, CutBound
from protocols.douglas_rachford import DouglasRachford
from protocols.flow_network import FlowNetwork
from protocols.messages import OPERATOR
from tests.random_markets import random_scenario
from tests.small_worlds import FOUR, small_world, untouched

TEACHING = ("two_countries", "two_countries_limited", "merit_order", "wheeling", "triangle")
# Accuracy of the planner's and the countries' solvers, as a share of the cost.
ACCURACY = 1e-7


def teaching(name: str, **overrides: object) -> World:
    chosen = RunOptions(name, overrides=dict(overrides))
    return build_world(chosen_scenario(chosen), "highs", Reporter())


def negotiation(world: World, workers: int = 1, **parameters: float) -> NegotiationModel:
    model = NegotiationModel(
        world.problems,
        world.graph,
        world.products,
        DouglasRachford(**parameters),
        seed=3,
        workers=workers,
        price_cap_eur_per_mwh=world.scenario.settings.value_of_lost_load_eur_per_mwh,
    )
    model.plan_alone()
    return model


def check_sandwich(model: NegotiationModel, planner_eur: float) -> None:
    """Bound <= planner <= incumbent, and nobody loses."""
    alone = sum(model.autarky_eur.values())
    assert model.lower_bound_eur is not None
    assert model.lower_bound_eur <= planner_eur + ACCURACY * alone
    assert planner_eur <= sum(model.costs_eur.values()) + ACCURACY * alone
    assert min(model.gains_eur.values()) >= -ACCURACY * alone


class TestBoundAndIncumbent:
    """Lower bound of cuts <= optimum <= incumbent."""

    @pytest.mark.parametrize("name", TEACHING)
    def test_gap_closes_on_cost_curves(self, name: str) -> None:
        world = teaching(name)
        model = negotiation(world, gap=1e-3)
        model.step()
        best = planner(world, world.products).cost_eur
        check_sandwich(model, best)
        assert model.status == "completed"
        gain = sum(model.autarky_eur.values()) - best
        assert model.gain_eur >= (1 - 2e-3) * gain
        assert sum(model.costs_eur.values()) - model.lower_bound_eur <= 1.001e-3 * gain

    @pytest.mark.parametrize("rounds", [1, 12])
    def test_holds_when_stopped_early(self, rounds: int) -> None:
        world = untouched(small_world(FOUR, "1w6h", "year", "hourly"))
        model = negotiation(world, rounds=rounds, gap=0)
        model.step()
        check_sandwich(model, planner(world).cost_eur)

    def test_gap_closes_on_power_systems(self) -> None:
        world = untouched(small_world(FOUR, "1w6h", "year", "hourly"))
        model = negotiation(world)
        model.step()
        best = planner(world).cost_eur
        check_sandwich(model, best)
        assert model.status == "completed"
        gain = sum(model.autarky_eur.values()) - best
        missing = sum(model.costs_eur.values()) - model.lower_bound_eur
        assert missing <= 0.005 * gain
        assert model.gain_eur >= 0.995 * gain

    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.data())
    def test_on_random_cost_curves(self, data: st.DataObject) -> None:
        scenario = random_scenario(data.draw)
        world = build_world(scenario, "highs", Reporter())
        model = negotiation(world)
        model.step()
        check_sandwich(model, planner(world, world.products).cost_eur)
        model.ledger.check_balance()
        model.ledger.check_budget()

    def test_a_second_negotiation_goes_on_from_the_first(self) -> None:
        world = untouched(small_world(FOUR, "1w6h", "year", "hourly"))
        model = negotiation(world, rounds=10, gap=1e-4)
        model.step()
        first = model.gain_eur
        assert model.status == "running"
        model.step()
        check_sandwich(model, planner(world).cost_eur)
        assert model.gain_eur > first > 0


class TestNothing:
    """Where nothing can be gained, nothing is traded and the bound says so."""

    def test_identical_countries(self) -> None:
        model = negotiation(teaching("identical"))
        model.step()
        assert model.status == "completed"
        assert model.ledger.trades == []
        assert model.lower_bound_eur == pytest.approx(sum(model.autarky_eur.values()))

    def test_no_capacity(self) -> None:
        changes = {"interconnectors.A-B.a_to_b_mw": 0, "interconnectors.A-B.b_to_a_mw": 0}
        model = negotiation(teaching("two_countries", **changes))
        model.step()
        assert model.status == "completed"
        assert model.ledger.trades == []


def test_only_the_operator_learns_of_costs() -> None:
    model = negotiation(teaching("triangle"))
    model.step()
    told = [m for m in model.last.tally.log if m.body.private_numbers()]
    assert told
    assert {m.receiver for m in told} == {OPERATOR}


def test_who_falls_silent_keeps_its_exchange_and_the_bound_is_not_claimed() -> None:
    world = teaching("triangle")
    model = negotiation(world)
    silent = world.countries[1]
    model.countries[silent].answer = lambda message, ledger: None  # type: ignore[method-assign]
    model.step()
    assert model.ledger.trades
    assert all(silent not in trade.path for trade in model.ledger.trades)
    assert model.lower_bound_eur is None
    assert "silent" in model.last.outcome.note


def test_one_worker_or_two_write_the_same() -> None:
    logs = []
    for workers in (1, 2):
        model = negotiation(untouched(small_world(FOUR, "1w6h", "year", "tou")), workers)
        model.step()
        logs.append(([repr(m) for m in model.last.tally.log], model.ledger.trades))
    assert logs[0] == logs[1]


class TestFlowNetwork:
    """The operator's public picture agrees with the ledger."""

    @pytest.fixture
    def network(self) -> FlowNetwork:
        model = negotiation(teaching("triangle"), rounds=3)
        model.step()
        return FlowNetwork.of(_MarketOf(model))  # type: ignore[arg-type]

    def test_exchange_is_the_ledgers(self, network: FlowNetwork) -> None:
        model = negotiation(teaching("triangle"), rounds=3)
        model.step()
        before = FlowNetwork.of(_MarketOf(negotiation(teaching("triangle"))))  # type: ignore
        assert np.abs(network.start_mw).max() > 0
        for country, mw in zip(
            network.countries, before.exchange_mw(network.start_mw), strict=True
        ):
            profile = model.products.profile_mw(mw)
            np.testing.assert_allclose(profile, model.ledger.exchange_mw(country), atol=1e-9)

    def test_nearest_flows_beat_others(self, network: FlowNetwork) -> None:
        rng = np.random.default_rng(5)
        shape = (len(network.countries), len(network.hours))
        target, stiffness = 300 * rng.standard_normal(shape), rng.uniform(0.5, 2, shape)

        def distance(flow: np.ndarray) -> float:
            return float((stiffness * (network.exchange_mw(flow) - target) ** 2).sum())

        found = network.start_mw
        for _ in range(20):
            found = network.nearest(target, stiffness, found)
        for _ in range(200):
            other = rng.uniform(network.least_mw, network.most_mw)
            for step in (1.0, 0.1, 0.001):
                assert distance(found) <= distance(found + step * (other - found)) * (1 + 1e-9)

    def test_rent_is_the_most_that_flows_earn(self, network: FlowNetwork) -> None:
        rng = np.random.default_rng(6)
        price = rng.uniform(-20, 100, (len(network.countries), len(network.hours)))
        rent = network.rent_eur(price)
        for _ in range(200):
            flow = rng.uniform(network.least_mw, network.most_mw)
            earned = (price * network.exchange_mw(flow)).sum(axis=0) @ network.hours
            assert earned <= rent * (1 + 1e-12)

    def test_bound_needs_no_exact_weights(self, network: FlowNetwork, monkeypatch) -> None:
        # Any weights give a bound; only the best ones give the best.
        rng = np.random.default_rng(7)
        shape = (len(network.countries), len(network.hours))
        bound = CutBound(most_cuts=10)
        for _ in range(4):
            for country in network.countries:
                own = (1, shape[1])
                mw, value = rng.normal(size=own), rng.uniform(10, 50, own)
                bound.add(country, Cut(mw, float(rng.normal()), value))
        best = bound.best_eur(network)
        monkeypatch.setattr(
            "protocols.cut_bound._solve", lambda network, cuts: rng.uniform(size=4 * len(cuts))
        )
        for _ in range(20):
            assert bound.best_eur(network) <= best + 1e-9 * abs(best)

    def test_prices_spread_to_neighbours(self, network: FlowNetwork) -> None:
        rng = np.random.default_rng(9)
        price = rng.uniform(10, 90, (len(network.countries), len(network.hours)))
        width = np.ptp(price, axis=0)
        for turns in (1, 3, 9):
            spread = network.spread(price, turns)
            assert np.all(spread.min(axis=0) >= price.min(axis=0) - 1e-9)
            assert np.all(spread.max(axis=0) <= price.max(axis=0) + 1e-9)
            assert np.all(np.ptp(spread, axis=0) < width)
            width = np.ptp(spread, axis=0)
        np.testing.assert_allclose(network.spread(np.full_like(price, 40.0), 5), 40.0)
        alone = network.without(network.countries[0])
        assert np.isfinite(alone.spread(price, 3)).all()


class _MarketOf:
    """Public view of a model's ledger as the operator reads it."""

    def __init__(self, model: NegotiationModel) -> None:
        self.graph, self.products = model.ledger.graph, model.products
        self.countries = tuple(self.graph.nodes)
        self.flow_mw = model.ledger.flow_mw
