"""The market engine: delivers messages, logs them, books awards.

The engine stands between the public protocol and the private agents. It routes along the graph
only, counts what is said and disclosed, and lets a protocol see nothing but :class:`MarketView`.
Neither protocols nor countries hold the ledger itself: what they read is a copy that follows it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, get_args
from typing import Protocol as Typing

import numpy as np

from agents.together import Together
from model.ledger import Ledger, RuleBroken
from protocols.base import Market, Outcome, Protocol, Status
from protocols.messages import CLOCK, OPERATOR, Award, Message, Trade
from protocols.public import PublicLedger


class Party(Typing):
    """A country as the engine sees it: a letter box, see :class:`agents.mailbox.Mailbox`."""

    inbox: Sequence[Message]
    outbox: Sequence[Message | None]

    @property
    def solves(self) -> int:
        """Optimisations made so far."""

    def negotiate(self, ledger: PublicLedger) -> None:
        """Answer what lies in the inbox."""


@dataclass
class Tally:
    """Tally of one protocol run.

    ``dependent_solves`` is the longest chain of solves that had to wait for each other: countries
    think at the same time within a batch, batches follow one another. The model adds what countries
    solve before and after the conversation.
    """

    messages: int = 0
    numbers_disclosed: int = 0
    rounds: int = 0
    dependent_solves: int = 0
    log: list[Message] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set, repr=False)

    def add(self, message: Message) -> None:
        """Count and keep a message; one that is carried on is the same message, and not new."""
        if id(message) in self._seen:
            return
        self._seen.add(id(message))
        self.messages += message.hops
        self.numbers_disclosed += len(message.body.private_numbers())
        self.rounds = max(self.rounds, message.round + 1)
        self.log.append(message)


class MarketView(Market):
    """Public view of a ledger in the making, made from copies: writing to it changes no trade."""

    def __init__(
        self,
        ledger: Ledger,
        rng: np.random.Generator,
        memory: dict[str, Any],
        step: int,
        price_cap_eur_per_mwh: float,
    ) -> None:
        self._ledger = ledger.apart()
        self.graph = self._ledger.graph
        self.products = ledger.products
        self.rng = rng
        self.memory = memory
        self.step = step
        self.price_cap_eur_per_mwh = price_cap_eur_per_mwh

    def follow(self, ledger: Ledger) -> None:
        """Show what was booked."""
        self._ledger.follow(ledger)

    def room_mw(self, path: tuple[str, ...]) -> np.ndarray:
        """MW of each product that can still be sent along a path."""
        return self._ledger.room_mw(path)

    def flow_mw(self, sender: str, receiver: str) -> np.ndarray:
        """Net flow between neighbours, MW per snapshot."""
        return self._ledger.flow_mw(sender, receiver).copy()

    def wheeling_eur_per_mwh(self, path: tuple[str, ...]) -> float:
        """Charges of all transit countries per MWh sent by the exporter."""
        return sum(self._ledger.wheeling_eur_per_mwh(path).values())


class Engine:
    """Runs protocols between parties.

    Parameters
    ----------
    parties : mapping of str to Party
        Countries by code.
    everyone : Together
        The same countries as Mesa's set of agents, whose stage ``negotiate`` each batch is.
        Answers do not depend on how many act at the same time, because each country answers its
        own messages in order.
    on_batch : callable, optional
        Called after every batch with the tally, for progress bars.
    """

    def __init__(
        self,
        parties: Mapping[str, Party],
        everyone: Together,
        on_batch: Callable[[Tally], None] | None = None,
    ) -> None:
        self.parties = parties
        self.everyone = everyone
        self.on_batch = on_batch

    def run(self, protocol: Protocol, market: MarketView, ledger: Ledger) -> tuple[Outcome, Tally]:
        """Hold one negotiation; awarded trades are booked into ``ledger``.

        Raises
        ------
        RuleBroken
            If the protocol breaks a rule of the market. What goes wrong within a protocol or a
            country's strategy passes through as it is.
        """
        talk = _Talk(self, protocol.operator, market, ledger)
        with self.everyone.at_work():
            outcome = talk.hold(protocol)
        _check_outcome(outcome)
        if list(outcome.trades) != list(talk.booked.values()):
            raise RuleBroken("award: the outcome lists other trades than were awarded")
        _check_memory(market.memory)
        return outcome, talk.tally


class _Talk:
    """One negotiation: what was said, what was booked, and what the others may read of it.

    Parameters
    ----------
    engine : Engine
    operator : bool
        Whether the protocol declares a market operator.
    market : MarketView
        The protocol's view of the ledger.
    ledger : Ledger
    """

    def __init__(self, engine: Engine, operator: bool, market: MarketView, ledger: Ledger) -> None:
        self.tally = Tally()
        self.booked: dict[int, Trade] = {}
        self._engine = engine
        self._operator = operator
        self._market = market
        self._ledger = ledger
        self._shown = ledger.apart()

    def hold(self, protocol: Protocol) -> Outcome:
        conversation = protocol.run(self._market)
        try:
            batch = next(conversation)
            while True:
                replies = self._deliver(batch)
                if self._engine.on_batch is not None:
                    self._engine.on_batch(self.tally)
                batch = conversation.send(replies)
        except StopIteration as stop:
            outcome: Outcome = stop.value
        return outcome

    def _deliver(self, batch: list[Message]) -> list[Message | None]:
        parties = self._engine.parties
        for message in batch:
            self._check_channel(message)
            self.tally.add(message)
        self._book_awards(batch)
        before = {c: party.solves for c, party in parties.items()}
        replies = self._ask(batch)
        self.tally.dependent_solves += max(
            (party.solves - before[c] for c, party in parties.items()), default=0
        )
        for question, reply in zip(batch, replies, strict=True):
            if reply is not None:
                self._check_channel(reply)
                if reply.sender != question.receiver:
                    raise RuleBroken(
                        f"channel: {question.receiver} answered in the name of {reply.sender}"
                    )
                self.tally.add(reply)
        return replies

    def _book_awards(self, batch: list[Message]) -> None:
        """Book what is awarded, each trade once, however often and to whomever it is told."""
        for message in batch:
            if isinstance(message.body, Award):
                trade = message.body.trade
                if id(trade) not in self.booked:
                    self._ledger.book(trade)
                    self.booked[id(trade)] = trade
                    self._market.follow(self._ledger)
                    self._shown.follow(self._ledger)

    def _ask(self, batch: list[Message]) -> list[Message | None]:
        """Put a batch into the inboxes, let Mesa schedule the stage, collect the answers."""
        parties = self._engine.parties
        places: dict[str, list[int]] = {}
        for place, message in enumerate(batch):
            if message.receiver != OPERATOR:
                places.setdefault(message.receiver, []).append(place)
        for country, own in places.items():
            parties[country].inbox = [batch[place] for place in own]
        asked = self._engine.everyone.select(lambda party: bool(party.inbox))
        asked.do("negotiate", self._shown)
        replies: list[Message | None] = [None] * len(batch)
        for country, own in places.items():
            for place, reply in zip(own, parties[country].outbox, strict=True):
                replies[place] = reply
        return replies

    def _check_channel(self, message: Message) -> None:
        graph = self._ledger.graph
        if OPERATOR in (message.sender, message.receiver):
            if not self._operator:
                raise RuleBroken(
                    f"channel: {message.sender} wrote to {message.receiver}, but the protocol "
                    "declares no operator"
                )
        elif message.sender == CLOCK:
            if message.receiver not in graph:
                raise RuleBroken(f"channel: the clock called {message.receiver}, who is no country")
        else:
            for here, there in pairwise((message.sender, *message.via, message.receiver)):
                if not graph.has_edge(here, there):
                    raise RuleBroken(
                        f"channel: {message.sender} wrote to {message.receiver} over "
                        f"{here}-{there}, which are not neighbours"
                    )
        if message.sender == CLOCK and message.body.private_numbers():
            raise RuleBroken("channel: the clock has nothing private to say")


def _check_outcome(outcome: Outcome) -> None:
    """Refuse an end that is none of the typed ones, and a bound that is no number."""
    if not isinstance(outcome, Outcome):
        raise RuleBroken("outcome: the protocol ended without an Outcome")
    statuses = get_args(Status)
    if outcome.status is not None and outcome.status not in statuses:
        raise RuleBroken(
            f"outcome: '{outcome.status}' is no status; give None or one of {', '.join(statuses)}"
        )
    bound = outcome.lower_bound_eur
    if bound is not None and not math.isfinite(bound):
        raise RuleBroken(f"outcome: a lower bound of {bound} EUR is no bound")


def _check_memory(memory: dict[str, Any]) -> None:
    """Refuse notes that a resumed run would not find as they were left."""
    if not isinstance(memory, dict):
        raise RuleBroken("memory: the protocol's notes are a dictionary")
    try:
        same = json.loads(json.dumps(memory, allow_nan=False)) == memory
    except (TypeError, ValueError) as error:
        raise RuleBroken(f"memory: only plain JSON values outlive a step; {error}") from None
    if not same:
        raise RuleBroken(
            "memory: only plain JSON values outlive a step; tuples and keys that are no text do not"
        )
