"""The private half of alternating offers."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from agents.haggling import Haggling
from agents.limits import least_payment_eur
from agents.rational import Rational
from agents.side import Side
from agents.strategy import Strategy
from agents.valuation import Valuation
from protocols.messages import Act, Body, Message
from protocols.offer_messages import Accept, Agenda, Books, BooksCall, End, Offer
from protocols.public import PublicLedger


class OfferSide(Side):
    """Sits at every table of one country, one table for each path."""

    answers: ClassVar[tuple[type[Body], ...]] = (Agenda, BooksCall, Books, Offer)

    def __init__(self, country: str, valuation: Valuation, strategy: Strategy) -> None:
        super().__init__(country, valuation, strategy)
        self._tables: dict[tuple[str, ...], Haggling | Rational] = {}
        self._agendas: dict[tuple[str, ...], Agenda] = {}
        self._began: dict[tuple[str, ...], int] = {}

    def answer(self, message: Message, ledger: PublicLedger) -> Message | None:
        """Open a talk, open the books, or reply to an offer."""
        body = message.body
        if isinstance(body, Agenda):
            self._tables[body.path] = self._haggling(body, ledger)
            self._agendas[body.path], self._began[body.path] = body, message.round
            return self._speak(message, body.path) if body.opens else None
        if isinstance(body, BooksCall):
            agenda = body.agenda
            table = Rational(
                self.country, agenda, self._limits_eur(agenda, ledger), self.strategy.discount
            )
            self._tables[agenda.path] = table
            self._agendas[agenda.path], self._began[agenda.path] = agenda, message.round
            return self._say("inform", table.books(), message, agenda.path)
        if isinstance(body, Books):
            return self._read(message, body)
        if isinstance(body, Offer) and body.path in self._tables:
            return self._speak(message, body.path)
        return None

    def _haggling(self, agenda: Agenda, ledger: PublicLedger) -> Haggling:
        return Haggling(
            self.country,
            agenda,
            self.valuation.products.hours,
            lambda: self._limits_eur(agenda, ledger),
            self.strategy.tactic,
        )

    def _limits_eur(self, agenda: Agenda, ledger: PublicLedger) -> list[float]:
        """Least payment for each bundle, with the least gain that makes it worth a deal."""
        hours, gain = self.valuation.products.hours, agenda.least_gain_eur_per_mwh
        return [
            least_payment_eur(self.country, self.valuation, bundle, ledger)
            + gain * sum(float(np.asarray(leg.mw) @ hours) for leg in bundle)
            for bundle in agenda.bundles
        ]

    def _read(self, message: Message, books: Books) -> Message | None:
        table = self._tables.get(books.path)
        if not isinstance(table, Rational):
            return None
        table.learn(books)
        return self._speak(message, books.path) if self._agendas[books.path].opens else None

    def _speak(self, message: Message, path: tuple[str, ...]) -> Message:
        offer = message.body if isinstance(message.body, Offer) else None
        said = self._tables[path].reply(offer, message.round - self._began[path])
        act: Act = "propose" if offer is None else "counter"
        if isinstance(said, Accept):
            act = "accept"
        elif isinstance(said, End):
            act = "reject"
        return self._say(act, said, message, path)

    def _say(self, act: Act, body: Body, message: Message, path: tuple[str, ...]) -> Message:
        route = path if path[0] == self.country else path[::-1]
        return Message(self.country, route[-1], act, body, message.round + 1, route[1:-1])
