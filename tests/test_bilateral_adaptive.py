"""The adaptive bilateral bids on cost curves: known answers, and invariants on random markets."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.engine import Tally
from model.negotiation import NegotiationModel
from model.options import RunOptions
from model.planner import planner
from model.reporting import Reporter
from model.world import World, build_world, chosen_scenario
from protocols.adaptive import AdaptiveBids
from protocols.messages import CLOCK
from tests.random_markets import random_scenario
from tests.rescaling import renamed, rescaled


def world(name: str, **overrides: object) -> World:
    options = RunOptions(name, overrides=dict(overrides))
    return build_world(chosen_scenario(options), "highs", Reporter())


def random_world(draw: st.DrawFn) -> World:
    return build_world(random_scenario(draw), "highs", Reporter())


def negotiate(w: World, workers: int = 1, steps: int = 80) -> tuple[NegotiationModel, list[Tally]]:
    cap = w.scenario.settings.value_of_lost_load_eur_per_mwh
    model = NegotiationModel(
        w.problems,
        w.graph,
        w.products,
        AdaptiveBids(),
        seed=1,
        workers=workers,
        price_cap_eur_per_mwh=cap,
    )
    model.plan_alone()
    tallies = []
    while model.running and model.steps < steps:
        before = model.gain_eur
        model.step()
        assert model.last is not None
        tallies.append(model.last.tally)
        assert model.gain_eur >= before - 1e-6 * (1 + abs(before))
    return model, tallies


@pytest.mark.parametrize(
    ("name", "least_efficiency"),
    [
        ("two_countries", 0.999),
        ("two_countries_limited", 0.999),
        ("merit_order", 0.999),
        ("wheeling", 0.98),
    ],
)
def test_known_answers(name: str, least_efficiency: float) -> None:
    w = world(name)
    model, _ = negotiate(w)
    best = sum(model.autarky_eur.values()) - planner(w).cost_eur
    assert model.status == "completed"
    assert least_efficiency * best <= model.gain_eur <= best * (1 + 1e-6)


def test_two_countries_split_the_surplus_equally() -> None:
    """Nash bargaining price 50.8333, half the gain each (README.md of two_countries)."""
    model, _ = negotiate(world("two_countries"))
    assert model.gains_eur["A"] == pytest.approx(10_416.67, rel=2e-3)
    assert model.gains_eur["B"] == pytest.approx(10_416.67, rel=2e-3)


def test_identical_countries_do_not_trade() -> None:
    model, _ = negotiate(world("identical"))
    assert model.ledger.trades == []
    assert model.status == "completed"


def test_no_capacity_is_autarky() -> None:
    w = world(
        "two_countries", **{"interconnectors.A-B.a_to_b_mw": 0, "interconnectors.A-B.b_to_a_mw": 0}
    )
    model, _ = negotiate(w)
    assert model.gain_eur == pytest.approx(0.0, abs=1e-9)
    assert model.status == "completed"


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_invariants_on_random_markets(data) -> None:
    w = random_world(data.draw)
    model, tallies = negotiate(w)
    ledger = model.ledger
    ledger.check_balance()
    ledger.check_budget()
    for a, b, edge in w.graph.edges(data=True):
        for sender, receiver in ((a, b), (b, a)):
            flow = ledger.flow_mw(sender, receiver)
            assert (flow <= edge["capacity_mw"][sender] + 1e-6).all()
    for country, gain in model.gains_eur.items():
        assert gain >= -1e-6 * (1 + model.autarky_eur[country])
    best = sum(model.autarky_eur.values()) - planner(w).cost_eur
    assert model.gain_eur <= best + 1e-6 * (1 + sum(model.autarky_eur.values()))
    for message in (m for t in tallies for m in t.log if m.sender != CLOCK):
        hops = (message.sender, *message.via, message.receiver)
        assert all(w.graph.has_edge(x, y) for x, y in pairwise(hops))


@given(st.data(), st.sampled_from([0.25, 8.0, 1024.0]), st.sampled_from([0.125, 1.0, 64.0]))
@settings(max_examples=15, deadline=None)
def test_units_of_money_and_power_do_not_matter(data, money: float, power: float) -> None:
    """Trades scale along. Powers of two, so that rounding does not tell the units apart."""
    scenario = random_scenario(data.draw)
    model, tallies = negotiate(build_world(scenario, "highs", Reporter()))
    other, again = negotiate(build_world(rescaled(scenario, money, power), "highs", Reporter()))
    assert model.status == other.status
    assert [t.messages for t in tallies] == [t.messages for t in again]
    for one, two in zip(model.ledger.trades, other.ledger.trades, strict=True):
        assert one.path == two.path
        np.testing.assert_allclose(np.array(two.mw), power * np.array(one.mw), rtol=1e-6)
        assert two.price_eur_per_mwh == pytest.approx(money * one.price_eur_per_mwh, rel=1e-6)
    for country, gain in model.gains_eur.items():
        scale = model.autarky_eur[country]
        assert other.gains_eur[country] / (money * power) == pytest.approx(gain, abs=1e-7 * scale)


@given(st.data(), st.permutations("PQXY"))
@settings(max_examples=15, deadline=None)
def test_names_of_countries_do_not_matter(data, letters: list[str]) -> None:
    """The same trades between countries that are only called otherwise, listed in one order."""
    scenario = random_scenario(data.draw)
    names = dict(zip("ABCD", letters, strict=True))
    model, _ = negotiate(build_world(scenario, "highs", Reporter()))
    other, _ = negotiate(build_world(renamed(scenario, names), "highs", Reporter()))
    assert model.status == other.status
    for one, two in zip(model.ledger.trades, other.ledger.trades, strict=True):
        assert tuple(names[c] for c in one.path) == two.path
        np.testing.assert_allclose(two.mw, one.mw, rtol=1e-6, atol=1e-9)
        assert two.price_eur_per_mwh == pytest.approx(one.price_eur_per_mwh, rel=1e-6)
    for country, gain in model.gains_eur.items():
        scale = model.autarky_eur[country]
        assert other.gains_eur[names[country]] == pytest.approx(gain, abs=1e-7 * scale)


@given(st.randoms(use_true_random=False))
@settings(max_examples=5, deadline=None)
def test_workers_do_not_change_the_transcript(random) -> None:
    w = world("triangle")
    one, said = negotiate(w, workers=1, steps=10)
    two, again = negotiate(world("triangle"), workers=2, steps=10)
    assert one.ledger.trades == two.ledger.trades
    assert [m for t in said for m in t.log] == [m for t in again for m in t.log]


def test_marginal_costs_never_travel() -> None:
    """No number in the transcript is a dual, a marginal cost or a cost of anybody."""
    w = world("triangle")
    model, tallies = negotiate(w)
    private: set[float] = set()
    for problem in w.problems.values():
        plan = problem.solve(np.zeros(len(w.snapshots)))
        private |= {round(float(p), 6) for p in plan.price_eur_per_mwh if p > 1e-6}
        private |= {round(plan.cost_eur, 6)}
    private |= {round(c, 6) for c in model.costs_eur.values()}
    # What the clock says is public: posted prices may meet a private number by chance.
    spoken = [m for t in tallies for m in t.log if m.sender != CLOCK and m.act == "propose"]
    assert spoken
    for message in spoken:
        said = json.loads(json.dumps(message.body.record()))
        assert not private & {round(x, 6) for x in _floats(said) if x != round(x)}


def _floats(value: object) -> list[float]:
    if isinstance(value, dict):
        return [x for v in value.values() for x in _floats(v)]
    if isinstance(value, list):
        return [x for v in value for x in _floats(v)]
    return [float(value)] if isinstance(value, int | float) else []


def test_a_silent_country_does_not_stop_the_others() -> None:
    w = world("triangle")
    model = NegotiationModel(w.problems, w.graph, w.products, AdaptiveBids(), seed=1)
    model.plan_alone()
    silent = w.countries[0]
    model.countries[silent].answer = lambda message, ledger: None  # type: ignore[method-assign]
    for _ in range(30):
        if model.running:
            model.step()
    assert all(silent not in (t.exporter, t.importer) for t in model.ledger.trades)
    model.ledger.check_balance()
    assert min(model.gains_eur.values()) >= -1e-6
