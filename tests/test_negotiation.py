"""The Mesa model: rules that no step of a negotiation may break, whatever the countries are.

Balance, losses, payments and costs are computed here from flows, trades and fresh problems, not
by the ledger that is tested.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

from agents.planning import PypsaProblem
from agents.strategy import MarkUp
from model.ledger import Ledger, RuleBroken
from model.negotiation import NegotiationModel, StepRecord
from model.options import RunOptions
from model.planner import planner
from model.reporting import Reporter
from model.world import World, build_world, chosen_scenario
from protocols.base import Conversation, Market, Outcome, Protocol
from protocols.messages import Award, Interest, Message, Trade
from protocols.products import make_products
from protocols.registry import make_protocol
from tests.small_worlds import FOUR, small_world, teaching_world, untouched

THREE = ("MZ", "ZA", "NA")
MOST_STEPS = 40
# What a country may seem to lose by the solver's accuracy, as a share of its cost.
ACCURACY = 1e-7


@dataclass
class Story:
    """A negotiation and what it looked like before the first and after every step."""

    world: World
    model: NegotiationModel
    flows: list[dict[str, np.ndarray]]
    payments: list[dict[str, float]]
    costs: list[dict[str, float]]
    records: list[StepRecord]

    @property
    def trades(self) -> list[Trade]:
        return [trade for record in self.records for trade in record.outcome.trades]

    @property
    def transcript(self) -> list[str]:
        return [repr(m) for record in self.records for m in record.tally.log]


def negotiate(
    world: World,
    protocol: Protocol | None = None,
    graph: nx.Graph | None = None,
    most_steps: int = MOST_STEPS,
    **settings: Any,
) -> Story:
    protocol = protocol or make_protocol("bilateral_bids", "adaptive")
    model = NegotiationModel(
        world.problems, graph or world.graph, world.products, protocol, **settings
    )
    model.plan_alone()
    story = Story(world, model, [], [], [], [])
    remember(story)
    while model.running and model.steps < most_steps:
        model.step()
        assert model.last is not None
        story.records.append(model.last)
        remember(story)
    return story


def remember(story: Story) -> None:
    ledger = story.model.ledger
    story.flows.append({name: flow.copy() for name, flow in ledger.flows_mw.items()})
    story.payments.append(dict(ledger.payments_eur))
    story.costs.append(dict(story.model.costs_eur))


def net_imports_mw(graph: nx.Graph, flows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Net import by country; positive flow leaves the alphabetically first country in full."""
    imports: dict[str, np.ndarray] = {country: np.zeros(1) for country in graph}
    for a, b, data in graph.edges(data=True):
        first, second = sorted((a, b))
        out, back = (np.maximum(s * flows[data["name"]], 0.0) for s in (1, -1))
        imports[first] = imports[first] - out + (1 - data["loss"]) * back
        imports[second] = imports[second] - back + (1 - data["loss"]) * out
    return imports


def paid_eur(world: World, trades: Iterable[Trade]) -> dict[str, float]:
    """What each country pays: the price to the exporter, the charge to each transit country."""
    paid = dict.fromkeys(world.graph, 0.0)
    for trade in trades:
        energy = float(np.array(trade.mw) @ world.products.hours)
        paid[trade.importer] += trade.price_eur_per_mwh * energy
        paid[trade.exporter] -= trade.price_eur_per_mwh * energy
        for here, transit in list(pairwise(trade.path))[:-1]:
            charge = world.graph.edges[here, transit]["wheeling_eur_per_mwh"] * energy
            paid[trade.importer] += charge
            paid[transit] -= charge
    return paid


@pytest.fixture(scope="module")
def story() -> Story:
    return negotiate(small_world(FOUR, "4w6h", "year", "tou"))


class TestRules:
    def test_agreed_with_trades_and_gain(self, story: Story) -> None:
        assert story.model.status == "completed"
        assert [r.status for r in story.records[:-1]] == ["running"] * (len(story.records) - 1)
        assert len(story.trades) > 3
        assert story.model.gain_eur > 1e6

    def test_energy_balances_in_every_snapshot(self, story: Story) -> None:
        graph = story.world.graph
        for flows in story.flows:
            imports = net_imports_mw(graph, flows)
            lost = sum(
                data["loss"] * np.abs(flows[data["name"]]) for _, _, data in graph.edges(data=True)
            )
            largest = max(np.abs(flow).max() for flow in flows.values())
            np.testing.assert_allclose(
                sum(imports.values()) + lost, 0.0, atol=1e-6 + 1e-9 * largest
            )
            for country, imported in imports.items():
                ledger = Ledger(graph, story.world.products)
                ledger.flows_mw = flows
                np.testing.assert_allclose(ledger.exchange_mw(country), imported, atol=1e-9)

    def test_net_flows_stay_within_capacity(self, story: Story) -> None:
        for flows in story.flows:
            for a, b, data in story.world.graph.edges(data=True):
                first, second = sorted((a, b))
                assert flows[data["name"]].max() <= data["capacity_mw"][first] + 1e-6
                assert -flows[data["name"]].min() <= data["capacity_mw"][second] + 1e-6

    def test_flows_have_the_shape_of_the_products(self, story: Story) -> None:
        """Net flows are bundles of what was sold, so that no hour is balanced by another."""
        products = story.world.products
        for flow in story.model.ledger.flows_mw.values():
            np.testing.assert_allclose(products.profile_mw(products.average(flow)), flow, atol=1e-6)

    def test_payments_follow_from_the_trades_and_sum_to_zero(self, story: Story) -> None:
        paid = paid_eur(story.world, story.trades)
        scale = max(abs(p) for p in paid.values())
        for country, payment in story.model.ledger.payments_eur.items():
            assert payment == pytest.approx(paid[country], rel=1e-9, abs=1e-9 * scale)
        for payments in story.payments:
            assert sum(payments.values()) == pytest.approx(0.0, abs=1e-9 * scale)

    def test_nobody_loses_in_any_step(self, story: Story) -> None:
        for k in range(len(story.records)):
            for country in FOUR:
                before = story.costs[k][country] + story.payments[k][country]
                after = story.costs[k + 1][country] + story.payments[k + 1][country]
                assert after <= before + ACCURACY * abs(story.costs[k][country])

    def test_gain_never_falls(self, story: Story) -> None:
        totals = [sum(costs.values()) for costs in story.costs]
        assert (np.diff(totals) <= ACCURACY * totals[0]).all()
        assert totals[-1] < totals[0]

    def test_settled_on_costs_that_others_find_too(self, story: Story) -> None:
        imports = net_imports_mw(story.world.graph, story.model.ledger.flows_mw)
        world = story.world
        for country in ("NA", "ZA"):
            other = PypsaProblem(country, world.networks[country].copy(), world.products.shape)
            cost = other.cost(imports[country])
            assert story.model.costs_eur[country] == pytest.approx(cost, rel=1e-8)
            alone = other.cost(np.zeros_like(imports[country]))
            assert story.model.autarky_eur[country] == pytest.approx(alone, rel=1e-8)
            gain = alone - cost - story.model.ledger.payments_eur[country]
            assert story.model.gains_eur[country] == pytest.approx(gain, abs=1e-7 * alone)
            assert gain >= -ACCURACY * alone

    def test_trades_booked_anew_make_the_same_ledger(self, story: Story) -> None:
        ledger = Ledger(story.world.graph, story.world.products)
        for trade in story.trades:
            ledger.book(trade)
        for name, flow in story.model.ledger.flows_mw.items():
            np.testing.assert_array_equal(ledger.flows_mw[name], flow)

    def test_messages_travel_on_interconnectors_only(self, story: Story) -> None:
        for record in story.records:
            for message in record.tally.log:
                if message.sender != "clock":
                    for hop in pairwise((message.sender, *message.via, message.receiver)):
                        assert story.world.graph.has_edge(*hop)

    def test_no_message_holds_a_cost_or_a_marginal_value(self, story: Story) -> None:
        private = {cost for costs in story.costs for cost in costs.values()}
        for record in story.records:
            private |= {float(v) for values in record.marginal_values.values() for v in values}
        private -= {0.0}
        for record in story.records:
            for message in record.tally.log:
                assert not private & set(numbers(message.body.record()))

    def test_data_collector_tells_the_story(self, story: Story) -> None:
        steps = story.model.datacollector.get_model_vars_dataframe()
        assert steps["status"].tolist() == [r.status for r in story.records]
        totals = [sum(costs.values()) for costs in story.costs]
        np.testing.assert_allclose(steps["total_cost_eur"], totals[1:])
        gains = totals[0] - np.array(totals[1:])
        np.testing.assert_allclose(steps["total_gain_eur"], gains, atol=1.0)
        agents = story.model.datacollector.get_agent_vars_dataframe()
        assert len(agents) == len(FOUR) * len(story.records)
        last = agents.xs(story.model.steps - 1, level="Step").set_index("country")
        assert set(last.index) == set(FOUR)
        for country, gain in story.model.gains_eur.items():
            assert last.gain_eur[country] == pytest.approx(gain)
            assert last.payment_eur[country] == pytest.approx(story.payments[-1][country])

    def test_stays_within_the_ceiling_of_its_products(self, story: Story) -> None:
        """Flat <= tou <= hourly, and at most 100 % of what the products allow is reached."""
        world = story.world
        hours = world.products.weights_h
        year = np.full(len(hours), "2030")
        alone = sum(story.model.autarky_eur.values())
        flat = make_products("flat", year, year, hours)
        ceilings = [alone - planner(world, p).cost_eur for p in (flat, world.products, None)]
        accuracy = 1e-6 * alone
        assert -accuracy <= ceilings[0] <= ceilings[1] + accuracy
        assert ceilings[1] <= ceilings[2] + accuracy
        assert story.model.gain_eur <= ceilings[1] * (1 + 1e-6) + 1e-7 * alone
        assert story.model.gain_eur >= 0.9 * ceilings[1]


def numbers(value: object) -> list[float]:
    if isinstance(value, dict):
        return [n for v in value.values() for n in numbers(v)]
    if isinstance(value, list):
        return [n for v in value for n in numbers(v)]
    return [float(value)] if isinstance(value, int | float) else []


class TestSameAgain:
    @pytest.fixture(scope="class")
    def world(self) -> World:
        return small_world(THREE, "4w6h", "year", "tou")

    @pytest.fixture(scope="class")
    def alone(self, world: World) -> Story:
        return negotiate(untouched(world), seed=7, workers=1)

    @pytest.mark.parametrize("workers", [1, 2])
    def test_same_seed_same_result_for_any_workers(
        self, world: World, alone: Story, workers: int
    ) -> None:
        again = negotiate(untouched(world), seed=7, workers=workers)
        assert len(alone.trades) > 0
        assert again.transcript == alone.transcript
        assert again.model.ledger.trades == alone.model.ledger.trades
        assert again.costs == alone.costs
        assert again.payments == alone.payments
        assert again.model.local_solves == alone.model.local_solves
        for name, flow in alone.model.ledger.flows_mw.items():
            np.testing.assert_array_equal(again.model.ledger.flows_mw[name], flow)

    def test_other_random_streams_are_left_alone(self, world: World) -> None:
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        expected = random.random(), np.random.random()  # noqa: NPY002
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        negotiate(world, most_steps=1, seed=3)
        assert (random.random(), np.random.random()) == expected  # noqa: NPY002


@pytest.mark.parametrize("module", ["model.negotiation", "agents.country", "model.runs"])
def test_importing_mesa_leaves_multiprocessing_alone(module: str) -> None:
    program = (
        "import multiprocessing as m; m.set_start_method('forkserver');"
        f"import {module}, mesa; print(m.get_start_method())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-1] == "forkserver"


class TestLimits:
    def test_lines_without_capacity_mean_autarky(self) -> None:
        world = small_world(THREE, "4w6h", "year", "tou")
        graph = world.graph.copy()
        for _, _, data in graph.edges(data=True):
            data["capacity_mw"] = dict.fromkeys(data["capacity_mw"], 0.0)
        story = negotiate(world, graph=graph)
        assert story.model.status == "completed"
        assert story.trades == []
        assert story.model.costs_eur == pytest.approx(story.model.autarky_eur, rel=1e-9)
        assert not any(story.model.ledger.payments_eur.values())

    def test_capped_if_there_is_no_time(self) -> None:
        story = negotiate(small_world(THREE, "4w6h", "year", "tou"), most_steps=1)
        assert story.model.status == "running"
        assert story.model.running

    def test_prototype_trades_and_ends_in_a_typed_status(self) -> None:
        world = small_world(THREE, "4w6h", "year", "tou")
        story = negotiate(world, make_protocol("bilateral_bids", "prototype"))
        assert story.model.status in ("completed", "cycling")
        assert story.trades
        assert story.model.gain_eur > 0
        paid = paid_eur(world, story.trades)
        assert story.model.ledger.payments_eur == pytest.approx(paid, abs=1.0)
        for record in story.records:
            assert set(record.marginal_costs) == set(THREE)
            for costs in record.marginal_costs.values():
                slack = 1e-6 * np.abs(costs.mc_export) + 1e-6
                assert (costs.mc_import <= costs.mc_export + slack).all()

    def test_tie_ends_cycling(self) -> None:
        """A fee makes equal countries all want to sell; each waits for the other for ever."""
        world = teaching_world("identical")
        story = negotiate(world, make_protocol("bilateral_bids", "prototype", fee=20.0))
        assert story.model.status == "cycling"
        assert story.trades == []
        assert "wait" in story.model.note

    def test_restored_model_knows_how_it_ended(self) -> None:
        world = teaching_world("identical")
        protocol = make_protocol("bilateral_bids", "prototype", fee=20.0)
        model = negotiate(world, protocol).model
        again = NegotiationModel(world.problems, world.graph, world.products, protocol)
        again.restore(*model.state())
        assert (again.status, again.note) == (model.status, model.note)
        assert again.steps == model.steps
        assert again.gains_eur == model.gains_eur


class Script(Protocol):
    """Awards what it is told to, one list of trades a step, with no promise."""

    name = "script"
    promises_no_loss = False

    def __init__(self, *steps: list[Trade], no_loss: bool = False) -> None:
        self.steps = steps
        self.promises_no_loss = no_loss  # type: ignore[misc]

    def run(self, market: Market) -> Conversation:
        outcome = Outcome()
        for trade in self.steps[market.step % len(self.steps)]:
            outcome.trades.append(trade)
            yield [Message(trade.exporter, trade.importer, "award", Award(trade))]
        return outcome


class OffTheGraph(Protocol):
    name = "off_the_graph"

    def run(self, market: Market) -> Conversation:
        one, other = next(iter(nx.non_edges(market.graph)))
        yield [Message(one, other, "inform", Interest((1,)))]
        return Outcome(settled=True)


class Unsaid(Protocol):
    name = "unsaid"

    def run(self, market: Market) -> Conversation:
        yield []
        return Outcome([deal("A", "B", 10.0)])


def deal(exporter: str, importer: str, mw: float, price: float = 40.0) -> Trade:
    return Trade(exporter, importer, (exporter, importer), (mw,), price)


class TestEngine:
    """A protocol that breaks a rule is stopped with an error naming rule, trade and amount."""

    @pytest.fixture
    def world(self) -> World:
        return teaching_world("two_countries")

    def test_going_back_and_forth_is_cycling(self, world: World) -> None:
        there, back = deal("A", "B", 100.0), deal("B", "A", 100.0)
        story = negotiate(world, Script([there], [back]))
        assert story.model.status == "cycling"
        assert story.model.steps <= 4
        assert not np.any(story.flows[2]["A-B"])

    def test_steps_too_small_to_see_are_no_cycle_while_they_save_cost(self, world: World) -> None:
        little = deal("A", "B", 4e-4)
        story = negotiate(world, Script([little]), most_steps=6)
        assert story.model.status == "running"
        assert story.model.steps == 6
        assert story.model.gain_eur > 0

    def test_trades_that_undo_each_other_are_cycling(self, world: World) -> None:
        story = negotiate(world, Script([deal("A", "B", 4e-4), deal("B", "A", 4e-4)]))
        assert story.model.status == "cycling"
        assert story.model.steps == 2

    def test_a_resumed_run_knows_where_it_has_been(self, world: World) -> None:
        protocol = Script([deal("A", "B", 100.0)], [deal("B", "A", 100.0)])
        model = negotiate(world, protocol, most_steps=2).model
        assert model.status == "running"
        again = NegotiationModel(world.problems, world.graph, world.products, protocol)
        again.restore(*model.state())
        again.step()
        assert again.status == "cycling"

    def test_over_capacity(self, world: World) -> None:
        with pytest.raises(RuleBroken, match=r"capacity: .*A>B.* by \d+ MW"):
            negotiate(world, Script([deal("A", "B", 1e6)]))

    def test_counter_trade_frees_room(self, world: World) -> None:
        capacity = world.graph.edges["A", "B"]["capacity_mw"]
        story = negotiate(
            world,
            Script(
                [
                    deal("A", "B", capacity["A"]),
                    deal("B", "A", capacity["A"] + capacity["B"]),
                    deal("A", "B", capacity["B"]),
                ]
            ),
            most_steps=1,
        )
        assert not np.any(story.model.ledger.flows_mw["A-B"])

    def test_negative_amount(self, world: World) -> None:
        with pytest.raises(RuleBroken, match="quantity"):
            negotiate(world, Script([deal("A", "B", -10.0)]))

    def test_promise_of_no_loss_is_checked_on_costs(self, world: World) -> None:
        # Far above what the importer saves.
        dear = deal("A", "B", 100.0, price=1e4)
        with pytest.raises(RuleBroken, match=r"no loss: B is .* EUR worse off"):
            negotiate(world, Script([dear], no_loss=True))
        assert negotiate(world, Script([dear]), most_steps=1).model.gains_eur["B"] < 0

    def test_promise_of_no_loss_is_to_those_who_tell_the_truth(self, world: World) -> None:
        dear = Script([deal("A", "B", 100.0, price=1e4)], no_loss=True)
        with pytest.raises(RuleBroken, match="no loss: B"):
            negotiate(world, dear, strategies={"A": MarkUp(0.1)})
        lying = negotiate(world, dear, most_steps=1, strategies={"B": MarkUp(0.1)})
        assert lying.model.gains_eur["B"] < 0

    def test_messages_off_the_graph(self) -> None:
        options = RunOptions("wheeling")
        world = build_world(chosen_scenario(options), "highs", Reporter())
        with pytest.raises(RuleBroken, match="not neighbours"):
            negotiate(world, OffTheGraph())

    def test_trades_that_were_not_awarded(self, world: World) -> None:
        with pytest.raises(RuleBroken, match="award"):
            negotiate(world, Unsaid())
