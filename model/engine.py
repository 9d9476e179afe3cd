"""The market engine: delivers messages, logs them, books awards.

The engine stands between the public protocol and the private agents. It routes along the graph
only, counts what is said and disclosed, and lets a protocol see nothing but :class:`MarketView`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from typing import Protocol as Typing

import networkx as nx
import numpy as np

from model.disclosure import Watch
from model.ledger import Ledger, RuleBroken
from protocols.base import Market, Outcome, Protocol
from protocols.messages import CLOCK, OPERATOR, Award, Body, Message


class Party(Typing):
    """A country as the engine sees it."""

    @property
    def solves(self) -> int:
        """Optimisations made so far."""

    def answer(self, message: Message, ledger: Ledger) -> Message | None:
        """Reply to a message, or keep silent."""


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

    def add(self, message: Message) -> bool:
        """Count and keep a message; one that is carried on is the same message, and not new."""
        if id(message) in self._seen:
            return False
        self._seen.add(id(message))
        self.messages += message.hops
        self.numbers_disclosed += len(message.body.private_numbers())
        self.rounds = max(self.rounds, message.round + 1)
        self.log.append(message)
        return True


class MarketView(Market):
    """Public view of a ledger in the making."""

    def __init__(
        self,
        ledger: Ledger,
        rng: np.random.Generator,
        memory: dict[str, Any],
        step: int,
        price_cap_eur_per_mwh: float,
    ) -> None:
        self._ledger = ledger
        self.graph = nx.freeze(ledger.graph.copy())
        self.products = ledger.products
        self.rng = rng
        self.memory = memory
        self.step = step
        self.price_cap_eur_per_mwh = price_cap_eur_per_mwh

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
    workers : int
        Threads that let countries think at the same time; answers do not depend on it, because
        each country answers its own messages in order.
    on_batch : callable, optional
        Called after every batch with the tally, for progress bars.
    watch : Watch, optional
        Hears every message once.
    """

    def __init__(
        self,
        parties: Mapping[str, Party],
        workers: int = 1,
        on_batch: Callable[[Tally], None] | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.parties = parties
        self.workers = workers
        self.on_batch = on_batch
        self.watch = watch
        self._operator = False

    def run(self, protocol: Protocol, market: MarketView, ledger: Ledger) -> tuple[Outcome, Tally]:
        """Hold one negotiation; awarded trades are booked into ``ledger``.

        Raises
        ------
        RuleBroken
            If the protocol sends off the graph, or awards what the ledger refuses.
        """
        tally = Tally()
        self._operator = protocol.operator
        if self.watch is not None:
            self.watch.begin(ledger)
        awarded = len(ledger.trades)
        conversation = protocol.run(market)
        replies: list[Message | None] = []
        try:
            batch = next(conversation)
            while True:
                replies = self._deliver(batch, ledger, tally)
                if self.on_batch is not None:
                    self.on_batch(tally)
                batch = conversation.send(replies)
        except StopIteration as stop:
            outcome: Outcome = stop.value
        if list(outcome.trades) != ledger.trades[awarded:]:
            raise RuleBroken("award: the outcome lists other trades than were awarded")
        return outcome, tally

    def _deliver(self, batch: list[Message], ledger: Ledger, tally: Tally) -> list[Message | None]:
        for message in batch:
            self._check_channel(message, ledger.graph)
            self._take_in(message, None, ledger, tally)
        self._book_awards(batch, ledger)
        before = {c: party.solves for c, party in self.parties.items()}
        replies = self._ask(batch, ledger)
        tally.dependent_solves += max(
            (party.solves - before[c] for c, party in self.parties.items()), default=0
        )
        for question, reply in zip(batch, replies, strict=True):
            if reply is not None:
                self._check_channel(reply, ledger.graph)
                self._take_in(reply, question.body, ledger, tally)
        return replies

    def _take_in(
        self, message: Message, question: Body | None, ledger: Ledger, tally: Tally
    ) -> None:
        if tally.add(message) and self.watch is not None:
            self.watch.hear(message, question, ledger)

    def _book_awards(self, batch: list[Message], ledger: Ledger) -> None:
        booked: set[int] = set()
        for message in batch:
            if isinstance(message.body, Award) and id(message.body.trade) not in booked:
                booked.add(id(message.body.trade))
                ledger.book(message.body.trade)

    def _ask(self, batch: list[Message], ledger: Ledger) -> list[Message | None]:
        queues: dict[str, list[int]] = {}
        for position, message in enumerate(batch):
            if message.receiver == OPERATOR:
                continue
            queues.setdefault(message.receiver, []).append(position)
        replies: list[Message | None] = [None] * len(batch)

        def serve(country: str) -> None:
            for position in queues[country]:
                replies[position] = self.parties[country].answer(batch[position], ledger)

        if self.workers <= 1 or len(queues) <= 1:
            for country in queues:
                serve(country)
        else:
            with ThreadPoolExecutor(self.workers) as pool:
                list(pool.map(serve, queues))
        return replies

    def _check_channel(self, message: Message, graph: nx.Graph) -> None:
        if message.sender == CLOCK:
            if message.body.private_numbers():
                raise RuleBroken("channel: the clock has nothing private to say")
            return
        if OPERATOR in (message.sender, message.receiver):
            if not self._operator:
                raise RuleBroken(
                    f"channel: {message.sender} wrote to {message.receiver}, but the protocol "
                    "declares no operator"
                )
            return
        hops = (message.sender, *message.via, message.receiver)
        for here, there in pairwise(hops):
            if not graph.has_edge(here, there):
                raise RuleBroken(
                    f"channel: {message.sender} wrote to {message.receiver} over {here}-{there}, "
                    "which are not neighbours"
                )
