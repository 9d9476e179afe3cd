"""Consensus ADMM: its fixed point is the planner's LP dual, nobody loses, levelling is exact."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.engine import Tally
from model.joint import joint_network, plan_jointly
from model.negotiation import NegotiationModel
from model.planner import planner
from model.reporting import Reporter
from model.world import World, build_world
from protocols.consensus_admm import ConsensusAdmm
from protocols.levelling import Line, matchings, mirrored
from protocols.messages import CLOCK
from tests.random_markets import random_scenario
from tests.small_worlds import FOUR, small_world, teaching_world, untouched


def negotiation(w: World, workers: int = 1, **changes: float) -> NegotiationModel:
    """A negotiation from autarky on; one that is to be exact goes on until checks bring nothing."""
    exact = {"absolute": 1e-12, "relative": 1e-12} if "tolerance" in changes else {}
    model = NegotiationModel(
        w.problems,
        w.graph,
        w.products,
        ConsensusAdmm(**{**exact, **changes}),
        workers=workers,
        price_cap_eur_per_mwh=w.scenario.settings.value_of_lost_load_eur_per_mwh,
    )
    model.plan_alone()
    return model


def held(model: NegotiationModel, most_steps: int = 10) -> list[Tally]:
    tallies = []
    while model.running and model.steps < most_steps:
        model.step()
        assert model.last is not None
        tallies.append(model.last.tally)
    return tallies


def quoted(model: NegotiationModel) -> dict[str, np.ndarray]:
    """Price of every country in the last round, both ends of its lines alike."""
    assert isinstance(model.protocol, ConsensusAdmm)
    prices: dict[str, np.ndarray] = {}
    for edge, ends in model.protocol._price.items():
        prices.update(zip(edge, ends, strict=True))
    return prices


class TestFixedPoint:
    """Where nothing moves any more, flows are the planner's and prices its duals."""

    @pytest.mark.parametrize(
        ("name", "flow_mw", "price"),
        [
            ("two_countries", 2500 / 3, {"A": 140 / 3, "B": 140 / 3}),
            ("two_countries_limited", 500.0, {"A": 40.0, "B": 60.0}),
        ],
    )
    def test_closed_form(self, name: str, flow_mw: float, price: dict[str, float]) -> None:
        model = negotiation(teaching_world(name), tolerance=1e-9)
        held(model)
        assert model.status == "completed"
        assert model.ledger.flows_mw["A-B"] == pytest.approx(flow_mw, rel=1e-4)
        found = {c: p[0] for c, p in quoted(model).items()}
        assert found == pytest.approx(price, rel=1e-4)

    def test_competitive_price_of_two_merit_orders(self) -> None:
        """400 MW at 60 EUR/MWh: 7 000 for the buyer, 12 000 for the seller (oracle 11)."""
        model = negotiation(teaching_world("merit_order"), tolerance=1e-7)
        held(model)
        assert model.gains_eur == pytest.approx({"B": 7000.0, "S": 12_000.0}, rel=1e-3)

    @pytest.mark.parametrize("name", ["wheeling", "triangle"])
    def test_reaches_the_planner(self, name: str) -> None:
        w = teaching_world(name)
        model = negotiation(w, tolerance=1e-7)
        held(model)
        best = sum(model.autarky_eur.values()) - planner(w).cost_eur
        assert model.gain_eur == pytest.approx(best, rel=1e-5)

    def test_duals_of_the_joint_problem(self) -> None:
        w = untouched(small_world(("MZ", "ZA"), "1w12h", "year", "hourly"))
        model = negotiation(w, tolerance=1e-6, rounds=150)
        held(model, 1)
        joint = joint_network({c: n.copy() for c, n in w.networks.items()}, w.graph)
        best = sum(model.autarky_eur.values()) - plan_jointly(joint, w.policies)
        assert model.gain_eur == pytest.approx(best, rel=1e-3)
        duals = joint.buses_t.marginal_price
        hours = w.products.hours
        for country, price in quoted(model).items():
            error = np.abs(price - duals[country].to_numpy())
            assert hours @ error <= 0.03 * (hours @ duals[country].to_numpy())

    @pytest.mark.parametrize("name", ["two_countries", "triangle"])
    def test_over_relaxation_saves_rounds(self, name: str) -> None:
        """The same flows either way (Eckstein & Bertsekas 1992), but sooner."""
        rounds, gains = [], []
        for relaxation in (1.0, 1.6):
            model = negotiation(teaching_world(name), tolerance=1e-7, relaxation=relaxation)
            rounds.append(sum(tally.rounds for tally in held(model)))
            gains.append(model.gain_eur)
        assert rounds[1] < 0.9 * rounds[0]
        assert gains[1] == pytest.approx(gains[0], rel=1e-5)

    def test_stays_where_nothing_is_to_be_gained(self) -> None:
        model = negotiation(teaching_world("triangle"), tolerance=1e-7)
        held(model)
        gain, flows = model.gain_eur, dict(model.ledger.flows_mw)
        model.step()
        assert model.status == "completed"
        assert model.gain_eur == pytest.approx(gain, rel=1e-6)
        for line, flow in flows.items():
            np.testing.assert_allclose(model.ledger.flows_mw[line], flow, rtol=1e-2, atol=0.5)

    def test_second_step_goes_on_from_the_flows_of_the_first(self) -> None:
        w = untouched(small_world(FOUR, "1w6h", "year", "hourly"))
        model = negotiation(w, rounds=10)
        held(model, 1)
        first = model.gain_eur
        assert model.status == "running"
        assert first > 0
        held(model)
        assert model.status == "completed"
        best = sum(model.autarky_eur.values()) - planner(w).cost_eur
        assert first < model.gain_eur <= best * (1 + 1e-9)
        assert model.gain_eur > 0.98 * best


class TestRealCountries:
    @pytest.fixture(scope="class")
    def told(self) -> tuple[NegotiationModel, list[Tally], World]:
        w = untouched(small_world(FOUR, "1w6h", "year", "hourly"))
        model = negotiation(w, workers=2)
        return model, held(model), w

    def test_nearly_all_of_the_gain_and_nobody_loses(self, told) -> None:
        model, _, w = told
        assert model.status == "completed"
        best = sum(model.autarky_eur.values()) - planner(w).cost_eur
        assert 0.99 * best <= model.gain_eur <= best * (1 + 1e-9)
        assert min(model.gains_eur.values()) > 0

    def test_only_neighbours_talk_and_say_prices_and_amounts(self, told) -> None:
        _, tallies, w = told
        said = [m for t in tallies for m in t.log if m.sender != CLOCK]
        assert all(m.via == () and w.graph.has_edge(m.sender, m.receiver) for m in said)
        assert {type(m.body).__name__ for m in said} == {
            "Opening",
            "Quote",
            "Limit",
            "Award",
        }

    def test_block_products_reach_their_ceiling(self) -> None:
        w = untouched(small_world(FOUR, "1w6h", "year", "tou"))
        model = negotiation(w)
        held(model)
        best = sum(model.autarky_eur.values()) - planner(w, w.products).cost_eur
        assert 0.98 * best <= model.gain_eur <= best * (1 + 1e-9)


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_random_markets(data) -> None:
    w = build_world(random_scenario(data.draw), "highs", Reporter())
    model = negotiation(w, tolerance=1e-4)
    tallies = held(model)
    ledger = model.ledger
    ledger.check_balance()
    ledger.check_budget()
    for country, gain in model.gains_eur.items():
        assert gain >= -1e-6 * (1 + model.autarky_eur[country])
    scale = sum(model.autarky_eur.values())
    best = scale - planner(w, w.products).cost_eur
    assert model.gain_eur <= best + 1e-6 * (1 + scale)
    # Next to nothing to gain takes many steps: flows move in proportion to differences of prices.
    if best > 1e-3 * scale:
        assert model.status == "completed"
        assert model.gain_eur >= 0.99 * best - 1e-6 * (1 + scale)
    for message in (m for t in tallies for m in t.log if m.sender != CLOCK):
        hops = (message.sender, *message.via, message.receiver)
        assert all(w.graph.has_edge(x, y) for x, y in pairwise(hops))


positive = st.floats(0.01, 5.0)
prices = st.floats(-20.0, 120.0)


class TestLevelling:
    @given(prices, prices, positive, positive, st.floats(0, 0.2), st.data())
    @settings(max_examples=150, deadline=None)
    def test_minimises_what_both_ends_would_pay(
        self, near: float, far: float, near_slope: float, far_slope: float, loss: float, data
    ) -> None:
        limits = [np.array([data.draw(st.floats(0, 50))]) for _ in range(2)]
        before = np.array([data.draw(st.floats(-float(limits[1][0]), float(limits[0][0])))])
        line = Line(before, *limits, loss)
        start = (line.near_import_mw, line.far_import_mw)

        def penalty(flow: float) -> float:
            tried = Line(np.array([flow]), *limits, loss)
            total = 0.0
            for price, slope, now, then in (
                (near, near_slope, start[0], tried.near_import_mw),
                (far, far_slope, start[1], tried.far_import_mw),
            ):
                moved = float((then - now)[0])
                total += -price * moved + slope * moved**2 / 2
            return total

        line.level(*(np.array([v]) for v in (near, near_slope, far, far_slope)))
        assert -limits[1][0] <= line.flow_mw[0] <= limits[0][0]
        found = penalty(float(line.flow_mw[0]))
        for flow in np.linspace(-float(limits[1][0]), float(limits[0][0]), 101):
            assert found <= penalty(float(flow)) + 1e-6 * (1 + abs(found))

    def test_where_power_is_a_nuisance_the_way_with_room_loses_some(self) -> None:
        """Both ways gain at negative prices; the one that is shut must not hide the other."""
        line = Line(np.zeros(1), np.zeros(1), np.ones(1), 0.125)
        line.level(*(np.array([v]) for v in (-1.0, 1.0, -1.0, 1.0)))
        assert line.flow_mw[0] == pytest.approx(-0.125 / (1 + 0.875**2))

    def test_both_ends_do_the_same(self) -> None:
        rng = np.random.default_rng(1)
        line = Line(rng.normal(0, 30, 50), np.full(50, 60.0), np.full(50, 40.0), 0.05)
        near, far = ((rng.uniform(10, 90, 50), rng.uniform(0.1, 2.0, 50)) for _ in range(2))
        seen = mirrored(line)
        line.level(*near, *far)
        seen.level(*far, *near)
        np.testing.assert_allclose(mirrored(seen).flow_mw, line.flow_mw, atol=1e-12)
        np.testing.assert_allclose(seen.near_import_mw, line.far_import_mw, atol=1e-12)

    def test_groups_share_no_country(self) -> None:
        edges = [("A", "B"), ("B", "C"), ("C", "D"), ("A", "C"), ("B", "D")]
        groups = matchings(edges)
        assert sorted(edge for group in groups for edge in group) == sorted(edges)
        for group in groups:
            ends = [country for edge in group for country in edge]
            assert len(ends) == len(set(ends))
