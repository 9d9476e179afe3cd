"""Rogues that trade honestly once and break a rule then, and the runs that they end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.curve_problem import CurveProblem
from agents.strategy import Strategy
from model.options import RunOptions
from model.records import RunRecords
from model.runs import run
from protocols.base import Outcome, Protocol
from protocols.messages import (
    CLOCK,
    Award,
    InterestCall,
    Message,
    Trade,
)
from protocols.plugins import Family
from protocols.registry import PROTOCOLS

HONEST_MW = 10.0


def deal(mw: object = HONEST_MW, price: float = 40.0, path: tuple[str, ...] = ("A", "T")) -> Trade:
    amounts = mw if isinstance(mw, tuple | list) else (mw,)
    return Trade(path[0], path[-1], path, amounts, price)  # type: ignore[arg-type]


def told(trade: Trade) -> list[Message]:
    return [Message(trade.exporter, trade.path[1], "award", Award(trade))]


class Rogue(Protocol):
    """Trades honestly in its first step and breaks a rule in the second."""

    name = "rogue"
    discloses = "nothing"
    promises_no_loss = False

    def run(self, market):  # type: ignore[no-untyped-def]
        outcome = Outcome()
        if market.step == 0:
            outcome.trades.append(deal())
            yield told(deal_of(outcome))
            return outcome
        return (yield from self.break_a_rule(market, outcome)) or outcome

    def break_a_rule(self, market: Any, outcome: Outcome) -> Iterator[Any]:
        raise NotImplementedError


def deal_of(outcome: Outcome) -> Trade:
    return outcome.trades[-1]


def ending(end: Callable[[Outcome], Any]) -> type[Rogue]:
    """A rogue that ends its second step in a way it must not."""

    class Ending(Rogue):
        def break_a_rule(self, market, outcome):  # type: ignore[no-untyped-def]
            yield []
            return end(outcome)

    return Ending


@dataclass
class Announced:
    """What an entry point looks like to a family."""

    member: type
    value: str = "tests"
    dist: None = None

    def load(self) -> type:
        return self.member


@pytest.fixture(name="announce")
def announcing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Announces a class under a name, as a distribution would."""
    known: dict[str, dict[str, Announced]] = {}
    usual = Family._points
    monkeypatch.setattr(Family, "_points", lambda f: {**usual(f), **known.get(f.group, {})})

    def add(family: Family, name: str, member: type) -> None:
        known.setdefault(family.group, {})[name] = Announced(member)

    return add


@dataclass
class Ended:
    """A run that ended, as anybody finds it on disk."""

    summary: dict[str, Any]

    @property
    def records(self) -> RunRecords:
        return RunRecords.open(Path(self.summary["folder"]))

    def check_that_step_one_is_kept(self) -> None:
        """Tables, flows and summary hold the honest step and nothing of what came after."""
        assert self.records.finished
        on_disk = self.records.summary()
        assert on_disk["status"] == self.summary["status"]
        assert on_disk["note"] == self.summary["note"]
        assert "\n" not in on_disk["note"]
        assert on_disk["trades"] == on_disk["steps"] == 1
        trades = self.records.table("trades")
        assert trades["mw"].tolist() == [HONEST_MW]
        flows = self.records.table("flows").set_index(["case", "interconnector"])["flow_mw"]
        assert flows["negotiated", "A-T"] == HONEST_MW
        assert flows["negotiated", "B-T"] == 0
        energy = float(trades["energy_mwh"].sum())
        assert on_disk["countries"]["T"]["payment_eur"] == pytest.approx(
            energy * trades["price_eur_per_mwh"][0]
        )
        assert np.isfinite(on_disk["negotiated_cost_eur"])


@pytest.fixture(name="hold")
def holding(announce: Callable[..., None], tmp_path: Path) -> Callable[..., Ended]:
    """Runs a protocol class on a teaching scenario to its end."""

    def held(kind: type[Protocol], **options: Any) -> Ended:
        announce(PROTOCOLS, "rogue", kind)
        defaults = {
            "protocol": "rogue",
            "mode": "standard",
            "out": tmp_path,
            "planner": False,
            "perturb": "off",
        }
        return Ended(run(RunOptions("wheeling", **{**defaults, **options})))

    return held


class Asking(Rogue):
    """Asks a country, as is its right, and does nothing with the answer."""

    def break_a_rule(self, market, outcome):  # type: ignore[no-untyped-def]
        yield [Message(CLOCK, "A", "call", InterestCall(("A", "T"), (40.0,), "A"))]


def answering(reply: Callable[[Message], Any]) -> type[Strategy]:
    class Answering(Strategy):
        name = "answering"

        def answer(self, message, ledger, usual):  # type: ignore[no-untyped-def]
            return reply(message)

    return Answering


def fail_after(monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Any], Any]) -> None:
    """Spoil the plans of the second step, and of that step only."""
    usual, begun = CurveProblem.solve, [False]

    def solve(self: CurveProblem, exchange_mw: np.ndarray) -> Any:
        plan = usual(self, exchange_mw)
        if np.abs(exchange_mw).max() > HONEST_MW and not begun[0]:
            begun[0] = True
            spoil(plan)
        return plan

    monkeypatch.setattr(CurveProblem, "solve", solve)


class Boom(Exception):
    """An error that nobody knows."""


def boom(*_: object) -> Any:
    raise Boom("it went\n  wrong")


class Trading(Rogue):
    def break_a_rule(self, market, outcome):  # type: ignore[no-untyped-def]
        outcome.trades.append(deal(20.0))
        yield told(deal_of(outcome))
