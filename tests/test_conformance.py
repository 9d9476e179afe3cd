"""What every protocol must hold, built-in or from a plug-in; whoever is registered is tested.

Rules are checked from flows, trades and problems of their own, not by the ledger that enforces
them.
"""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from agents.problem import PlanningProblem
from model.audit.referee import audit
from model.options import RunOptions
from model.reporting import Reporter
from model.runs import run
from model.world import World, build_world, chosen_scenario
from protocols.messages import CLOCK, OPERATOR
from protocols.registry import protocol_class
from scenarios.schema import CostCurve, Interconnector, Scenario, Settings
from tests.rescaling import rescaled
from tests.small_worlds import teaching_world
from tests.stories import EVERYONE, MOST_STEPS, PORTS, PYPSA, TEACHING, Story, story, world_named

# What a country may seem to lose by the solver's accuracy, as a share of its cost.
ACCURACY = 1e-7

pytestmark = EVERYONE


@cache
def judges(place: str) -> dict[str, PlanningProblem]:
    """Problems of countries that no protocol asks, to judge what it left them with."""
    return world_named(place).problems


everywhere = pytest.mark.parametrize("place", [*TEACHING, PYPSA, PORTS])


@everywhere
def test_terminates_with_a_typed_status(name: str, mode: str, place: str) -> None:
    told = story(name, mode, place)
    assert told.model.steps < MOST_STEPS
    assert told.model.status in ("completed", "cycling")
    if told.protocol.promises_no_loss:
        assert told.model.status == "completed"


@everywhere
def test_flows_keep_within_net_capacity(name: str, mode: str, place: str) -> None:
    told = story(name, mode, place)
    for a, b, data in told.world.graph.edges(data=True):
        for sender, receiver in ((a, b), (b, a)):
            excess = told.model.ledger.flow_mw(sender, receiver) - data["capacity_mw"][sender]
            assert excess.max() <= 1e-6


@everywhere
def test_energy_balances_in_every_snapshot(name: str, mode: str, place: str) -> None:
    told = story(name, mode, place)
    graph, ledger = told.world.graph, told.model.ledger
    total = np.zeros(len(told.world.snapshots))
    largest = 1.0
    for a, b, data in graph.edges(data=True):
        out, back = np.maximum(ledger.flow_mw(a, b), 0), np.maximum(ledger.flow_mw(b, a), 0)
        total += -(out + back) + (1 - data["loss"]) * (out + back) + data["loss"] * (out + back)
        largest = max(largest, float((out + back).max()))
    imports = sum(np.reshape(ledger.exchange_mw(c), (-1, len(total))).sum(axis=0) for c in graph)
    lost = sum(data["loss"] * np.abs(ledger.flow_mw(a, b)) for a, b, data in graph.edges(data=True))
    np.testing.assert_allclose(imports + lost + total, 0.0, atol=1e-9 * largest)


@everywhere
def test_payments_sum_to_zero(name: str, mode: str, place: str) -> None:
    paid = story(name, mode, place).model.ledger.payments_eur
    assert abs(sum(paid.values())) <= 1e-9 * max(1.0, *(abs(p) for p in paid.values()))


@everywhere
def test_nobody_loses_where_it_is_promised(name: str, mode: str, place: str) -> None:
    told = story(name, mode, place)
    if not told.protocol.promises_no_loss:
        pytest.skip("the protocol does not promise it")
    for country, problem in judges(place).items():
        alone = problem.cost(np.zeros(len(problem.weights_h)))
        traded = problem.cost(told.model.ledger.exchange_mw(country))
        gain = alone - traded - told.model.ledger.payments_eur[country]
        assert gain >= -ACCURACY * abs(alone)


@everywhere
def test_only_declared_channels(name: str, mode: str, place: str) -> None:
    told = story(name, mode, place)
    for message in told.messages:
        if message.sender == CLOCK:
            assert message.body.private_numbers() == []
        elif OPERATOR in (message.sender, message.receiver):
            assert told.protocol.operator
        else:
            hops = (message.sender, *message.via, message.receiver)
            assert all(told.world.graph.has_edge(a, b) for a, b in pairwise(hops))


@pytest.mark.parametrize("place", ["triangle", PYPSA])
def test_same_seed_same_transcript_whoever_works(name: str, mode: str, place: str) -> None:
    told = story(name, mode, place)
    again = Story(world_named(place), name, mode, workers=2).hold()
    assert [repr(m) for m in again.messages] == [repr(m) for m in told.messages]
    assert again.model.ledger.trades == told.model.ledger.trades
    for line, flow in told.model.ledger.flows_mw.items():
        np.testing.assert_array_equal(again.model.ledger.flows_mw[line], flow)


@pytest.mark.parametrize("answers", [0, 1, 5, 23])
def test_a_country_that_falls_silent_stops_nobody(name: str, mode: str, answers: int) -> None:
    told = Story(teaching_world("triangle"), name, mode)
    silent = told.world.countries[1]
    agent = told.model.countries[silent]
    usual, left = agent.answer, [answers]

    def answer(message, ledger):
        left[0] -= 1
        return usual(message, ledger) if left[0] >= 0 else None

    agent.answer = answer  # type: ignore[method-assign]
    told.hold(20)
    ledger = told.model.ledger
    ledger.check_balance()
    ledger.check_budget()
    if told.protocol.promises_no_loss:
        scale = sum(told.model.autarky_eur.values())
        assert min(told.model.gains_eur.values()) >= -ACCURACY * scale


def test_identical_countries_add_nothing(name: str, mode: str) -> None:
    told = Story(teaching_world("identical"), name, mode).hold()
    assert told.model.gain_eur == pytest.approx(
        0.0, abs=1e-9 * sum(told.model.autarky_eur.values())
    )
    assert told.model.ledger.trades == []
    assert told.model.status == "completed"


def test_without_capacity_it_is_autarky(name: str, mode: str) -> None:
    changes = {"interconnectors.A-B.a_to_b_mw": 0, "interconnectors.A-B.b_to_a_mw": 0}
    told = Story(teaching_world("two_countries", **changes), name, mode).hold()
    assert told.model.gain_eur == pytest.approx(0.0, abs=1e-9)
    assert told.model.ledger.trades == []
    assert told.model.status == "completed"


def test_units_of_money_and_power_do_not_matter(name: str, mode: str) -> None:
    if (name, mode) == ("bilateral_bids", "prototype"):
        pytest.skip("the prototype rounds to whole MWh and cents")
    told = story(name, mode, "triangle")
    scenario = rescaled(chosen_scenario(RunOptions("triangle")), money=8.0, power=4.0)
    other = Story(build_world(scenario, "highs", Reporter()), name, mode).hold()
    assert other.model.status == told.model.status
    assert other.model.gain_eur / 32 == pytest.approx(told.model.gain_eur, rel=2e-3)


def test_docstring_and_promises_are_complete(name: str, mode: str) -> None:
    kind = protocol_class(name, mode)
    assert (kind.name, kind.mode) == (name, mode)
    assert kind.discloses
    doc = kind.__doc__ or ""
    for word in ("Rules", "Properties", "Discloses"):
        assert word in doc, f"the docstring of {name}.{mode} has no '{word}'"
    assert "Reference" in doc


def test_every_message_can_be_recorded(name: str, mode: str) -> None:
    for message in story(name, mode, "triangle").messages:
        assert json.loads(json.dumps(message.body.record())) is not None


def test_the_referee_finds_nothing(name: str, mode: str, tmp_path: Path) -> None:
    """Records alone say what everybody can work out again from them."""
    chosen = RunOptions("wheeling", protocol=name, mode=mode, workers=1, out=tmp_path)
    assert [str(finding) for finding in audit(run(chosen)["folder"]).findings] == []


def rivers(price_eur_per_mwh: float) -> World:
    """A country with water enough at some price, and one that burns coal."""
    water = CostCurve(
        country="R", demand_mw=100.0, blocks=((120.0, price_eur_per_mwh), (300.0, 10.0))
    )
    coal = CostCurve(
        country="C", demand_mw=300.0, intercept_eur_per_mwh=20.0, slope_eur_per_mwh_per_mw=0.1
    )
    line = Interconnector(country_a="C", country_b="R", a_to_b_mw=150.0, b_to_a_mw=150.0)
    chosen = Settings(name="rivers", title="rivers", kind="cost_curves", slices="year")
    scenario = Scenario(settings=chosen, curves=(water, coal), interconnectors=(line,))
    return build_world(scenario, "highs", Reporter())


def test_a_country_without_cost_trades_as_one_with_little(name: str, mode: str) -> None:
    """Its cost is zero until it has sold enough, so that no scale can be taken from it."""
    free, cheap = (Story(rivers(price), name, mode).hold().model for price in (0.0, 0.01))
    assert free.autarky_eur["R"] == 0.0
    assert free.gain_eur == pytest.approx(cheap.gain_eur, rel=0.05)
