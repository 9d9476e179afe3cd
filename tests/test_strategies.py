"""Strategies: reported problems stay convex, and mean what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.problem import PlanningProblem, Terms
from agents.strategy import MarkUp, Strategy, Truthful, Withholding, make_strategy
from model.negotiation import NegotiationModel
from model.options import RunOptions
from model.players import chosen_strategies
from protocols.plugins import PluginError
from protocols.registry import make_protocol
from scenarios.errors import ScenarioError
from scenarios.loader import load_scenario
from tests.small_worlds import TWO, small_world, teaching_world, untouched

REPORTING: list[Strategy] = [Truthful(), MarkUp(0.2), Withholding(0.3)]
by_name = pytest.mark.parametrize("strategy", REPORTING, ids=lambda s: s.name)


def true_problem() -> PlanningProblem:
    return teaching_world("triangle").problems["E"]


exchange = st.lists(st.floats(-400, 400), min_size=24, max_size=24).map(np.array)


@by_name
@given(one=exchange, other=exchange)
@settings(max_examples=25, deadline=None)
def test_reported_cost_is_convex(strategy: Strategy, one: np.ndarray, other: np.ndarray) -> None:
    problem = strategy.report(true_problem())
    middle = problem.cost((one + other) / 2)
    assert middle <= (problem.cost(one) + problem.cost(other)) / 2 + 1e-6 * abs(middle)


@by_name
@given(one=exchange, other=exchange)
@settings(max_examples=25, deadline=None)
def test_reported_price_is_a_subgradient(
    strategy: Strategy, one: np.ndarray, other: np.ndarray
) -> None:
    problem = strategy.report(true_problem())
    here = problem.solve(one)
    bound = here.cost_eur - float(problem.weights_h @ (here.price_eur_per_mwh * (other - one)))
    assert problem.cost(other) >= bound - 1e-6 * abs(here.cost_eur)


@by_name
@given(start=exchange, price=st.floats(5, 90), wide=st.floats(10, 300))
@settings(max_examples=20, deadline=None)
def test_response_is_never_worse_than_staying(
    strategy: Strategy, start: np.ndarray, price: float, wide: float
) -> None:
    problem = strategy.report(true_problem())
    n = problem.shape.shape[0]
    terms = Terms(np.full(n, price), np.full(n, price), np.full(n, wide), np.full(n, wide))
    change = problem.respond(start, terms)
    assert (np.abs(change) <= wide + 1e-6).all()
    stay, move = problem.cost(start), problem.cost(start + change @ problem.shape)
    pays = price * float((problem.shape @ problem.weights_h) @ change)
    assert move + pays <= stay + 1e-6 * abs(stay)


def test_a_mark_up_asks_more_and_values_less() -> None:
    true = true_problem()
    reported = MarkUp(0.1).report(true)
    alone = true.solve(np.zeros(24)).price_eur_per_mwh
    for mw, sign in ((50.0, -1), (-50.0, 1)):  # import values less, export asks more
        said = reported.solve(np.full(24, mw)).price_eur_per_mwh
        truth = true.solve(np.full(24, mw)).price_eur_per_mwh
        np.testing.assert_allclose(said, truth + sign * 0.1 * alone)


def test_withholding_offers_a_share_at_every_price() -> None:
    true = true_problem()
    n = true.shape.shape[0]
    terms = Terms(*(np.full(n, x) for x in (45.0, 45.0)), *(np.full(n, x) for x in (1e4, 1e4)))
    truth = true.respond(np.zeros(24), terms)
    said = Withholding(0.25).report(true).respond(np.zeros(24), terms)
    np.testing.assert_allclose(said, 0.75 * truth, atol=1e-6)


def test_zero_is_the_truth() -> None:
    true = true_problem()
    there = np.linspace(-200, 200, 24)
    for strategy in (MarkUp(0.0), Withholding(0.0)):
        assert strategy.report(true).cost(there) == pytest.approx(true.cost(there))


def negotiated(problems, world, **strategies: Strategy) -> NegotiationModel:
    model = NegotiationModel(
        problems,
        world.graph,
        world.products,
        make_protocol("bilateral_bids", "adaptive"),
        seed=1,
        strategies=strategies,
    )
    model.plan_alone()
    while model.running and model.steps < 40:
        model.step()
    return model


def test_the_exporter_gains_by_a_mark_up_and_the_pool_loses() -> None:
    """Two linear countries: splitting a smaller reported surplus pays who reports less of it."""
    world = teaching_world("two_countries")
    honest = negotiated(world.problems, world)
    again = teaching_world("two_countries")
    sly = negotiated(again.problems, again, A=MarkUp(0.1))
    assert sly.gains_eur["A"] > honest.gains_eur["A"]
    assert sly.gain_eur < honest.gain_eur
    assert min(sly.gains_eur.values()) >= -1e-6


def test_true_cost_is_settled_whatever_was_said() -> None:
    world = untouched(small_world(TWO, "1w12h", "year", "flat"))
    model = negotiated(world.problems, world, ZA=Withholding(0.2))
    fresh = untouched(small_world(TWO, "1w12h", "year", "flat"))
    for country, problem in fresh.problems.items():
        cost = problem.cost(model.ledger.exchange_mw(country))
        assert model.costs_eur[country] == pytest.approx(cost, rel=1e-8)
        assert model.gains_eur[country] >= -1e-6 * cost


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("markpu:0.1", "did you mean 'markup'"),
        ("markup:a", "'a' is no number"),
        ("markup:0.1,0.2", "does not take 2 parameters"),
        ("markup:-1", "give zero or more"),
        ("withholding:1", "give a share in [0, 1)"),
    ],
)
def test_mistakes_are_told(text: str, words: str) -> None:
    with pytest.raises(PluginError) as error:
        make_strategy(text)
    assert words in str(error.value)


def test_options_win_over_the_scenario_and_know_the_countries() -> None:
    scenario = load_scenario("triangle", {})
    named = scenario.settings.model_copy(update={"strategies": {"E": "markup:0.5"}})
    scenario = scenario.model_copy(update={"settings": named})
    assert set(chosen_strategies(RunOptions("triangle"), scenario)) == {"E"}
    chosen = chosen_strategies(RunOptions("triangle", strategies={"E": "truthful"}), scenario)
    assert isinstance(chosen["E"], Truthful)
    with pytest.raises(ScenarioError, match="no country 'X'"):
        chosen_strategies(RunOptions("triangle", strategies={"X": "truthful"}), scenario)
