"""What engine and model count, show and pass on, in markets small enough to know all numbers."""

from __future__ import annotations

import threading
from random import Random
from typing import Any

import numpy as np
import pytest

from agents.curve_problem import CurveProblem
from agents.mailbox import Mailbox
from agents.together import Together
from model.engine import Engine, MarketView
from model.ledger import Ledger
from model.negotiation import NegotiationModel
from model.world import World
from protocols.base import Conversation, Market, Outcome, Protocol
from protocols.messages import OPERATOR, Award, Interest, Message, Trade
from tests.small_worlds import teaching_world


@pytest.fixture
def world() -> World:
    return teaching_world("two_countries")


def deal(exporter: str, importer: str, mw: float, price: float = 40.0) -> Trade:
    return Trade(exporter, importer, (exporter, importer), (mw,), price)


class Talk(Protocol):
    """Sends batches and keeps what comes back; awards trades at the end."""

    name = "talk"
    promises_no_loss = False

    def __init__(self, *batches: list[Message], trades: tuple[Trade, ...] = ()) -> None:
        self.batches, self.trades = batches, trades
        self.replies: list[list[Message | None]] = []
        self.flows: list[np.ndarray] = []

    def run(self, market: Market) -> Conversation:
        for batch in self.batches:
            self.replies.append((yield batch))
        for trade in self.trades:
            yield [Message(trade.exporter, trade.importer, "award", Award(trade))]
            self.flows.append(market.flow_mw(trade.importer, trade.exporter))
        return Outcome(list(self.trades), settled=True)


class Someone(Mailbox):
    """A country that answers everybody and says in which thread."""

    def __init__(self, country: str, work: int) -> None:
        self.country, self.work = country, work
        self.solves = 5
        self.threads: list[threading.Thread] = []

    def answer(self, message: Message, ledger: Any) -> Message:
        self.threads.append(threading.current_thread())
        self.solves += self.work
        return Message(self.country, message.sender, "inform", Interest((self.work,)))

    def stop(self) -> None:
        raise AssertionError("nobody interrupts")


def to(receiver: str, sender: str) -> Message:
    return Message(sender, receiver, "call", Interest((0,)))


class TestEngine:
    def hold(self, world: World, talk: Talk, workers: int) -> tuple[dict[str, Someone], Any]:
        parties = {"A": Someone("A", 2), "B": Someone("B", 3)}
        ledger = Ledger(world.graph, world.products)
        market = MarketView(ledger, np.random.default_rng(0), {}, 0, 1000.0)
        everyone = Together(parties.values(), Random(0), workers)
        _, tally = Engine(parties, everyone).run(talk, market, ledger)
        return parties, tally

    @pytest.mark.parametrize("workers", [1, 2, 3])
    def test_everybody_answers_in_the_order_of_the_questions(
        self, world: World, workers: int
    ) -> None:
        batch = [to("B", "A"), to("A", "B"), to("B", "A")]
        talk = Talk(batch)
        parties, tally = self.hold(world, talk, workers)
        (replies,) = talk.replies
        assert [(r.sender, r.receiver) for r in replies if r is not None] == [
            ("B", "A"),
            ("A", "B"),
            ("B", "A"),
        ]
        here = {thread is threading.main_thread() for p in parties.values() for thread in p.threads}
        assert here == {workers == 1}
        assert tally.messages == 6

    def test_the_chain_of_solves_is_that_of_who_solves_most(self, world: World) -> None:
        """A solves 2 a question, B 3: 6 of B in the first batch, 2 of A in the second."""
        _, tally = self.hold(world, Talk([to("B", "A"), to("A", "B"), to("B", "A")]), 2)
        assert tally.dependent_solves == 6
        _, tally = self.hold(world, Talk([to("B", "A"), to("B", "A")], [to("A", "B")]), 1)
        assert tally.dependent_solves == 6 + 2

    def test_what_is_awarded_is_seen_at_once_from_both_sides(self, world: World) -> None:
        talk = Talk(trades=(deal("A", "B", 100.0), deal("A", "B", 50.0)))
        self.hold(world, talk, 1)
        assert [flow.tolist() for flow in talk.flows] == [[-100.0], [-150.0]]

    def test_what_is_shown_is_a_copy(self, world: World) -> None:
        ledger = Ledger(world.graph, world.products)
        ledger.book(deal("A", "B", 100.0))
        market = MarketView(ledger, np.random.default_rng(0), {}, 0, 1000.0)
        market.flow_mw("A", "B")[:] = 7.0
        assert market.flow_mw("A", "B").tolist() == [100.0]


class TestModel:
    def model(self, world: World, talk: Talk, **options: Any) -> NegotiationModel:
        return NegotiationModel(world.problems, world.graph, world.products, talk, **options)

    def test_before_anything(self, world: World) -> None:
        model = self.model(world, Talk())
        assert (model.autarky_eur, model.costs_eur, model.local_solves) == ({}, {}, 0)
        assert (model.status, model.note, model.lower_bound_eur, model.last) == (
            "running", "", None, None,
        )  # fmt: skip
        assert [len(cell.agents) for cell in model.space.all_cells] == [1, 1]
        assert [cell.is_full for cell in model.space.all_cells] == [True, True]

    def test_planning_alone(self, world: World) -> None:
        told: list[str] = []
        model = self.model(world, Talk(), on_plan=told.append)
        model.plan_alone()
        assert told == ["A", "B"]
        assert model.costs_eur == model.autarky_eur
        assert model.costs_eur is not model.autarky_eur
        known = {c: p.cost(np.zeros(len(p.weights_h))) for c, p in world.problems.items()}
        assert model.autarky_eur == pytest.approx(known)

    def test_solves_are_counted_from_the_beginning(self, world: World) -> None:
        model = self.model(world, Talk())
        before = sum(p.solves for p in world.problems.values())
        model.plan_alone()
        model.step()
        solves = sum(p.solves for p in world.problems.values()) - before
        assert model.local_solves == solves > 0
        again = self.model(world, Talk())
        again.restore(*model.state())
        again.step()
        assert again.local_solves > solves
        assert again.local_solves == solves + sum(a.solves for a in again.countries.values())

    @pytest.mark.parametrize("workers", [1, 2])
    def test_countries_think_at_the_same_time_if_asked(
        self, world: World, workers: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        threads = set()
        usual = CurveProblem.solve

        def solve(problem: CurveProblem, exchange_mw: np.ndarray) -> Any:
            threads.add(threading.current_thread() is threading.main_thread())
            return usual(problem, exchange_mw)

        monkeypatch.setattr(CurveProblem, "solve", solve)
        self.model(world, Talk(), workers=workers).plan_alone()
        assert threads == {workers == 1}

    def test_tables_of_a_step(self, world: World) -> None:
        """400 MW at 40 EUR/MWh for 8760 h."""
        model = self.model(world, Talk(trades=(deal("A", "B", 400.0),)))
        model.plan_alone()
        model.step()
        agents = model.datacollector.get_agent_vars_dataframe()
        paid = 400.0 * 40.0 * float(world.products.hours[0])
        assert agents.set_index("country").payment_eur.to_dict() == pytest.approx(
            {"A": -paid, "B": paid}
        )
        assert agents.set_index("country").cost_eur.to_dict() == model.costs_eur
        assert agents.set_index("country").gain_eur.to_dict() == model.gains_eur
        whole = model.datacollector.get_model_vars_dataframe().iloc[-1]
        assert whole.status == "completed"
        assert whole.total_cost_eur == pytest.approx(sum(model.costs_eur.values()))
        assert whole.total_gain_eur == pytest.approx(model.gain_eur)
        assert model.gain_eur == pytest.approx(sum(model.gains_eur.values()))

    def test_flows_seen_before_are_a_cycle_unless_they_save_cost(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The share of cost by which they must save is that of the solver's accuracy."""
        model = self.model(world, Talk())
        model.plan_alone()
        total = sum(model.autarky_eur.values())
        outcome = Outcome([deal("A", "B", 1.0)])
        assert model._verdict(outcome) == "running"
        for saved, verdict in ((1e-9, "cycling"), (1e-3, "running")):
            model.costs_eur = {"A": total * (1 - saved), "B": 0.0}
            assert model._verdict(Outcome([deal("A", "B", 1.0)])) == verdict

    def test_rounds_and_whether_it_goes_on(self, world: World) -> None:
        later = Message("A", "B", "call", Interest((0,)), round=3)
        model = self.model(world, Talk([later]))
        model.plan_alone()
        model.step()
        assert model.last is not None and model.last.tally.rounds == 4
        assert (model.status, model.running) == ("completed", False)

    def test_the_highest_bound_is_kept(self, world: World) -> None:
        model = self.model(world, Talk())
        for bound, kept in ((-50.0, 950.0), (-80.0, 950.0), (-10.0, 990.0)):
            model._note_bound(Outcome(lower_bound_eur=bound), 1000.0)
            assert model.lower_bound_eur == kept
        model._note_bound(Outcome(), 2000.0)
        assert model.lower_bound_eur == 990.0

    def test_a_resumed_model_knows_what_was_heard(self, world: World) -> None:
        talk = Talk([to("B", "A")], trades=(deal("A", "B", 100.0),))
        model = self.model(world, talk)
        model.plan_alone()
        model.step()
        again = self.model(world, talk)
        again.restore(*model.state())
        assert again.state()[0].keys() == model.state()[0].keys()

    def test_flows_count_as_equal_to_a_millionth_of_the_line(self, world: World) -> None:
        """A line of 500 MW."""
        prints = []
        for mw in (100.0, 100.0001, 100.01):
            model = self.model(world, Talk())
            model.ledger.book(deal("A", "B", mw))
            prints.append(model._fingerprint())
        assert prints[0] == prints[1] != prints[2]


class Asked(Talk):
    operator = True


def test_messages_to_the_operator_keep_nobody_from_answering(world: World) -> None:
    batch = [Message("A", OPERATOR, "propose", Interest((0,))), to("B", "A")]
    talk = Asked(batch)
    TestEngine().hold(world, talk, 2)
    ((silent, reply),) = talk.replies
    assert silent is None and reply is not None and reply.sender == "B"
