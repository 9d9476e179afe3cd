"""Plug-ins that break one rule each on purpose: the run ends failed, names it and loses nothing.

Every rogue first does an honest step, so that there is something to lose. All of them go the way
that any plug-in goes: announced by name, run by :func:`model.runs.run`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from agents.strategy import STRATEGIES, Strategy
from model.ledger import Ledger
from model.runs import resume
from protocols.base import Outcome
from protocols.messages import (
    CLOCK,
    OPERATOR,
    Award,
    Body,
    Interest,
    InterestCall,
    Message,
    Trade,
)
from tests.rogues import (  # noqa: F401 (fixtures)
    HONEST_MW,
    Asking,
    Rogue,
    Trading,
    announcing,
    answering,
    deal,
    deal_of,
    ending,
    fail_after,
    holding,
    told,
)

ROOT = Path(__file__).resolve().parent.parent
NO_NUMBERS = (float("nan"), float("inf"), float("-inf"))


def awarding(trade: Callable[[], Trade]) -> type[Rogue]:
    """A rogue that awards something it must not."""

    class Awarding(Rogue):
        def break_a_rule(self, market, outcome):  # type: ignore[no-untyped-def]
            outcome.trades.append(trade())
            yield [Message(CLOCK, "A", "award", Award(deal_of(outcome)))]

    return Awarding


def saying(message: Message, with_operator: bool = False) -> type[Rogue]:
    """A rogue that sends a message it must not."""

    class Saying(Rogue):
        operator: ClassVar[bool] = with_operator

        def break_a_rule(self, market, outcome):  # type: ignore[no-untyped-def]
            yield [message]

    return Saying


def noting(note: Callable[[Any], Any]) -> type[Rogue]:
    """A rogue that leaves notes it must not."""

    class Noting(Rogue):
        def break_a_rule(self, market, outcome):  # type: ignore[no-untyped-def]
            yield []
            note(market)

    return Noting


class ToldTwo(Rogue):
    """Lists a trade that it has awarded to nobody."""

    def break_a_rule(self, market, outcome):  # type: ignore[no-untyped-def]
        yield []
        outcome.trades.append(deal())


class Promising(Rogue):
    """Promises that nobody loses, and lets the importer pay far more than it saves."""

    promises_no_loss = True

    def run(self, market):  # type: ignore[no-untyped-def]
        outcome = Outcome([deal(price=31.0 if market.step == 0 else 1e6)])
        yield told(deal_of(outcome))
        return outcome


SECRET = Interest((1,))
BREAKS: dict[str, tuple[type[Rogue], str]] = {
    "over capacity": (
        awarding(lambda: deal(5000.0)),
        r"capacity: trade A>T exceeds A>T by 3010 MW",
    ),
    "negative": (awarding(lambda: deal(-1.0)), r"quantity: trade A>T has a negative amount, -1 MW"),
    "too many amounts": (awarding(lambda: deal((1.0, 1.0))), "quantity: .* needs a tuple of 1"),
    "no amounts": (awarding(lambda: deal(())), "quantity: .* needs a tuple of 1"),
    "a list of amounts": (awarding(lambda: deal([1.0])), "quantity: .* needs a tuple of 1"),
    "amounts of amounts": (awarding(lambda: deal(((1.0,),))), "quantity: .* no number of MW"),
    **{
        f"{bad} MW": (awarding(lambda bad=bad: deal(bad)), "quantity: .* no number of MW")
        for bad in NO_NUMBERS
    },
    **{
        f"{bad} EUR/MWh": (awarding(lambda bad=bad: deal(price=bad)), "price: .* has a price of")
        for bad in NO_NUMBERS
    },
    "a price beyond numbers": (
        awarding(lambda: deal(price=1.7e308)),
        "price: .* would make A pay -inf EUR",
    ),
    "wrong ends": (
        awarding(lambda: Trade("A", "B", ("A", "T"), (1.0,), 40.0)),
        "path: A>T does not lead from exporter to importer",
    ),
    "in a circle": (
        awarding(lambda: deal(1.0, path=("A", "T", "A"))),
        "path: .* does not lead from exporter to importer",
    ),
    "nowhere": (
        awarding(lambda: Trade("A", "A", ("A",), (1.0,), 40.0)),
        "path: .* does not lead from exporter to importer",
    ),
    "off the graph": (
        awarding(lambda: deal(1.0, path=("A", "B"))),
        "path: A>B: no interconnector A-B",
    ),
    "not awarded": (ToldTwo, "award: the outcome lists other trades"),
    "no neighbour": (
        saying(Message("A", "B", "inform", SECRET)),
        "channel: A wrote to B over A-B, which are not neighbours",
    ),
    "no neighbour on the way": (
        saying(Message("A", "T", "inform", SECRET, via=("B",))),
        "channel: A wrote to T over A-B, which are not neighbours",
    ),
    "to itself": (saying(Message("A", "A", "inform", SECRET)), "channel: .*not neighbours"),
    "to the clock": (saying(Message("A", CLOCK, "inform", SECRET)), "channel: .*not neighbours"),
    "to nobody": (
        saying(Message(CLOCK, "Atlantis", "call", Body())),
        "channel: the clock called Atlantis, who is no country",
    ),
    "a clock that knows": (
        saying(Message(CLOCK, "A", "call", SECRET)),
        "channel: the clock has nothing private to say",
    ),
    "a clock that tells the operator": (
        saying(Message(CLOCK, OPERATOR, "call", SECRET), with_operator=True),
        "channel: the clock has nothing private to say",
    ),
    "to an operator": (
        saying(Message("A", OPERATOR, "inform", SECRET)),
        "channel: A wrote to operator, but the protocol declares no operator",
    ),
    "from an operator": (
        saying(Message(OPERATOR, "A", "inform", SECRET)),
        "channel: operator wrote to A, but the protocol declares no operator",
    ),
    "the clock to an operator": (
        saying(Message(CLOCK, OPERATOR, "call", Body())),
        "channel: clock wrote to operator, but the protocol declares no operator",
    ),
    "no outcome": (ending(lambda outcome: 7), "outcome: the protocol ended without an Outcome"),
    "a status of its own": (
        ending(lambda outcome: Outcome(status="great")),  # type: ignore[arg-type]
        "outcome: 'great' is no status",
    ),
    "a bound that is none": (
        ending(lambda outcome: Outcome(lower_bound_eur=float("nan"))),
        "outcome: a lower bound of nan EUR",
    ),
    "objects as notes": (
        noting(lambda market: market.memory.update(me=object())),
        "memory: only plain JSON values outlive a step",
    ),
    "nan as a note": (
        noting(lambda market: market.memory.update(x=float("nan"))),
        "memory: only plain JSON values outlive a step",
    ),
    "a tuple as a note": (
        noting(lambda market: market.memory.update(x=(1, 2))),
        "memory: only plain JSON values outlive a step",
    ),
    "notes that are no dictionary": (
        noting(lambda market: setattr(market, "memory", [1])),
        "memory: the protocol's notes are a dictionary",
    ),
    "a promise": (Promising, "no loss: T is .* EUR worse off after step 1"),
}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("broken", BREAKS)
def test_a_broken_rule_ends_the_run_and_is_named(hold, broken: str, workers: int) -> None:
    kind, rule = BREAKS[broken]
    ended = hold(kind, workers=workers)
    assert ended.summary["status"] == "failed"
    assert re.match(rule, ended.summary["note"]), ended.summary["note"]
    ended.check_that_step_one_is_kept()


def test_the_run_is_over_and_says_so_again(hold) -> None:
    ended = hold(BREAKS["over capacity"][0])
    again = resume(Path(ended.summary["folder"]))
    assert (again["status"], again["note"]) == ("failed", ended.summary["note"])


REPLIES = {
    "no neighbour": (Message("A", "B", "inform", SECRET), "channel: A wrote to B over A-B"),
    "to an operator": (Message("A", OPERATOR, "inform", SECRET), "channel: .* no operator"),
    "for another": (
        Message("T", "A", "inform", SECRET),
        "channel: A answered in the name of T",
    ),
    "as the clock": (Message(CLOCK, "A", "inform", Body()), "channel: A answered in the name of"),
}


@pytest.mark.parametrize("broken", REPLIES)
def test_replies_go_along_the_lines_too(hold, announce, broken: str) -> None:
    reply, rule = REPLIES[broken]
    announce(STRATEGIES, "answering", answering(lambda message: reply))
    ended = hold(Asking, strategies={"A": "answering"})
    assert ended.summary["status"] == "failed"
    assert re.match(rule, ended.summary["note"])
    ended.check_that_step_one_is_kept()


class TestSafetyNets:
    """Rules that only another fault of the program can reach; a part that lies provokes them."""

    def test_payments_that_do_not_sum_to_zero(self, hold, monkeypatch) -> None:
        usual = Ledger.transfers_eur
        monkeypatch.setattr(
            Ledger,
            "transfers_eur",
            lambda self, trade: {
                c: eur + (trade.mw[0] > HONEST_MW) for c, eur in usual(self, trade).items()
            },
        )
        ended = hold(Trading)
        assert ended.summary["status"] == "failed"
        assert ended.summary["note"] == "budget: payments sum to 2 EUR"
        ended.check_that_step_one_is_kept()

    def test_energy_from_nowhere(self, hold, monkeypatch) -> None:
        usual = Ledger.net_import_mw

        def lying(self: Ledger, country: str) -> np.ndarray:
            honest = usual(self, country)
            return honest + 3.0 if country == "T" and honest.max() > HONEST_MW else honest

        monkeypatch.setattr(Ledger, "net_import_mw", lying)
        ended = hold(Trading)
        assert ended.summary["status"] == "failed"
        assert ended.summary["note"] == "balance: 3 MW appear from nowhere"
        monkeypatch.undo()
        ended.check_that_step_one_is_kept()

    def test_the_grid_of_a_transit_country(self, hold, monkeypatch) -> None:
        monkeypatch.setattr("model.ledger.is_neutral", lambda graph, path: len(path) < 3)
        ended = hold(awarding(lambda: deal(1.0, path=("A", "T", "B"))))
        assert ended.summary["status"] == "failed"
        assert ended.summary["note"] == "path: A>T>B would use the grid of a transit country"
        ended.check_that_step_one_is_kept()

    @pytest.mark.parametrize("bad", NO_NUMBERS)
    def test_a_plan_whose_cost_is_no_number(self, hold, monkeypatch, bad: float) -> None:
        fail_after(monkeypatch, lambda plan: object.__setattr__(plan, "cost_eur", bad))
        ended = hold(Trading)
        assert ended.summary["status"] == "infeasible"
        assert re.match(r"\w: the plan costs (nan|inf|-inf) EUR/a", ended.summary["note"])


def test_every_rule_has_its_rogue() -> None:
    """A rule that is added to the market must be broken here as well."""
    broken = {rule.split(":")[0] for _, rule in (*BREAKS.values(), *REPLIES.values())}
    broken |= {"budget", "balance"}
    source = "".join(p.read_text() for p in (ROOT / "model").glob("*.py"))
    rules = set(re.findall(r'RuleBroken\(\s*f?"(\w[\w ]*):', source))
    assert {"capacity", "no loss", "channel"} <= rules
    assert rules <= broken


def write_flow(market: Any) -> None:
    market.flow_mw("A", "T")[:] = -1e6


def write_room(market: Any) -> None:
    market.room_mw(("A", "T"))[:] = 1e6


def write_own_flow(market: Any) -> None:
    for flow in market._ledger.flows_mw.values():
        flow[:] = -1e6


TAMPERING: dict[str, Callable[[Any], Any]] = {
    "capacity": lambda m: m.graph.edges["A", "T"]["capacity_mw"].update(A=1e9),
    "capacity, item": lambda m: m.graph.edges["A", "T"]["capacity_mw"].__setitem__("A", 1e9),
    "edge": lambda m: m.graph.edges["A", "T"].update(capacity_mw={"A": 1e9, "T": 1e9}),
    "edge by adjacency": lambda m: m.graph["A"]["T"].update(capacity_mw={"A": 1e9, "T": 1e9}),
    "inner dictionary": lambda m: m.graph._adj["A"].update(T={"name": "A-T", "loss": 0.0}),
    "loss": lambda m: m.graph.edges["A", "T"].__setitem__("loss", 0.0),
    "node": lambda m: m.graph.nodes["A"].update(name="Elsewhere"),
    "new edge": lambda m: m.graph.add_edge("A", "B", name="A-B"),
    "fewer nodes": lambda m: m.graph.remove_node("B"),
    "another graph": lambda m: setattr(m, "graph", None),
    "shape": lambda m: m.products.shape.__imul__(0.0),
    "shape, item": lambda m: m.products.shape.__setitem__((0, 0), 1e-9),
    "hours": lambda m: m.products.weights_h.__imul__(0.0),
    "hours of products": lambda m: m.products.hours.__imul__(0.0),
    "names": lambda m: setattr(m.products, "names", ("x",)),
    "flow": write_flow,
    "room": write_room,
    "own flow": write_own_flow,
    "own payments": lambda m: m._ledger.payments_eur.update(A=-1e9),
    "own booking": lambda m: m._ledger.book(deal(1500.0, path=("T", "A"))),
    "own transfer": lambda m: m._ledger.transfer({"A": -1e6, "T": 1e6}, "none"),
    "own flows, all": lambda m: m._ledger.flows_mw.clear(),
    "own graph": lambda m: m._ledger.graph.edges["A", "T"]["capacity_mw"].update(A=1e9),
}


@pytest.mark.parametrize("attempt", TAMPERING)
@pytest.mark.parametrize("who", ["protocol", "strategy"])
def test_nobody_can_bend_the_market(hold, announce, attempt: str, who: str) -> None:
    """Whatever is written to the market, 3 010 MW too much are 3 010 MW too much."""
    tamper = TAMPERING[attempt]

    class Tampering(Rogue):
        def break_a_rule(self, market, outcome):  # type: ignore[no-untyped-def]
            if who == "protocol":
                with suppress(Exception):
                    tamper(market)
            yield [Message(CLOCK, "A", "call", InterestCall(("A", "T"), (40.0,), "A"))]
            outcome.trades.append(deal(5000.0))
            yield told(deal_of(outcome))

    class Seen:
        """A country's view of the market under the names of a protocol's."""

        def __init__(self, ledger: Any) -> None:
            self._ledger = ledger
            self.graph, self.products = ledger.graph, ledger.products
            self.flow_mw, self.room_mw = ledger.flow_mw, ledger.room_mw

    def reply(self, message, ledger, usual):  # type: ignore[no-untyped-def]
        with suppress(Exception):
            tamper(Seen(ledger))

    announce(STRATEGIES, "sly", type("Sly", (Strategy,), {"name": "sly", "answer": reply}))
    ended = hold(Tampering, strategies={"A": "sly"} if who == "strategy" else {})
    assert ended.summary["status"] == "failed"
    assert ended.summary["note"] == "capacity: trade A>T exceeds A>T by 3010 MW"
    ended.check_that_step_one_is_kept()
    assert ended.summary["interconnectors"]["A-T"]["a_to_b_mw"] == 2000.0


def test_a_message_and_an_award_count_once(hold) -> None:
    class Repeating(Rogue):
        def break_a_rule(self, market, outcome):  # type: ignore[no-untyped-def]
            trade = deal(20.0)
            outcome.trades.append(trade)
            outcome.settled = True
            there, back = (Message(a, b, "award", Award(trade)) for a, b in ("AT", "TA"))
            yield [there, there]
            yield [there, back]
            yield [Message("A", "T", "award", Award(trade))]

    ended = hold(Repeating)
    assert ended.summary["status"] == "completed"
    trades = ended.records.table("trades")
    assert trades["mw"].tolist() == [HONEST_MW, 20.0]
    flows = ended.records.table("flows").set_index(["case", "interconnector"])["flow_mw"]
    assert flows["negotiated", "A-T"] == HONEST_MW + 20.0
    # One of the first step; there, back, and the one that only looks like the first.
    assert ended.summary["messages"] == 1 + 3
    json.dumps(ended.summary)
