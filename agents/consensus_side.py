"""The private half of consensus ADMM: a price for the proposed exchange, corrected by planning."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from agents.problem import Terms
from agents.side import Side
from agents.strategy import Strategy
from agents.valuation import Valuation
from protocols.coordination_messages import (
    Basis,
    BasisCall,
    OpenCall,
    Opening,
    OpeningCall,
    Quote,
    QuoteCall,
    ReviseCall,
)
from protocols.levelling import Line, PriceSlope
from protocols.messages import Body, Message
from protocols.price_ladder import PriceLadder
from protocols.public import PublicLedger


class ConsensusSide(Side):
    """Keeps price and proposed flows of one country during one negotiation.

    Prices are those of every product at every port, one block of products per port. The slope of a
    country's price is the same at all its ports.
    """

    answers: ClassVar[tuple[type[Body], ...]] = (
        OpenCall,
        OpeningCall,
        Opening,
        BasisCall,
        Basis,
        QuoteCall,
        Quote,
        ReviseCall,
    )

    def __init__(self, country: str, valuation: Valuation, strategy: Strategy) -> None:
        super().__init__(country, valuation, strategy)
        self._lines: dict[str, Line] = {}
        self._ports: dict[str, int] = {}
        self._slopes: dict[str, PriceSlope] = {}
        self._span_mw = 0.0
        self._price, self._ladder = np.zeros(0), PriceLadder(0.0, 0)
        # Slopes that no longer follow prices: its own at all ports, and those of partners.
        self._own_slope: np.ndarray | None = None
        self._partner_slope: dict[str, np.ndarray] = {}
        self._quoted: dict[str, np.ndarray] = {}
        self._heard: dict[str, np.ndarray] = {}

    def answer(self, message: Message, ledger: PublicLedger) -> Message | None:
        """Quote when called to; keep silent on everything else, but take it in."""
        body = message.body
        if isinstance(body, OpenCall):
            self._take_up(body, ledger)
        elif isinstance(body, OpeningCall):
            self._think_again(body, ledger)
            opening = Opening(tuple(self._price[self._at(body.partner)].tolist()))
            return Message(self.country, body.partner, "inform", opening, message.round)
        elif isinstance(body, Opening):
            self._heard[message.sender] = np.asarray(body.price_eur_per_mwh)
        elif isinstance(body, BasisCall):
            self._own_slope = self._slopes[self.country].at(self._price)
            basis = Basis(tuple(self._price[self._at(body.partner)].tolist()))
            return Message(self.country, body.partner, "inform", basis, message.round)
        elif isinstance(body, Basis):
            price = np.asarray(body.price_eur_per_mwh)
            self._partner_slope[message.sender] = self._slopes[message.sender].at(price)
        elif isinstance(body, QuoteCall):
            here = self._price[self._at(body.partner)]
            self._quoted[body.partner], quote = here, Quote(tuple(here.tolist()))
            return Message(self.country, body.partner, "propose", quote, message.round)
        elif isinstance(body, Quote):
            self._level(message.sender, body)
        elif isinstance(body, ReviseCall):
            self._revise(body)
        return None

    def _take_up(self, call: OpenCall, ledger: PublicLedger) -> None:
        self._ports[call.partner] = ledger.port_of(self.country, call.partner)
        self._lines[call.partner] = Line(
            np.asarray(call.flow_mw),
            np.asarray(call.send_limit_mw),
            np.asarray(call.receive_limit_mw),
            call.loss,
        )
        self._span_mw = call.span_mw
        self._slopes[self.country], self._slopes[call.partner] = call.slopes

    def _think_again(self, call: OpeningCall, ledger: PublicLedger) -> None:
        if not len(self._price):
            self._price = self.valuation.marginal_value(ledger.exchange_mw(self.country))
            self._ladder = PriceLadder(self._span_mw, len(self._price))
        elif not call.first:
            self._take_mean()

    def _at(self, partner: str) -> slice:
        """Products at the port where the line to a partner lands."""
        count = len(self.valuation.products)
        return slice(self._ports[partner] * count, (self._ports[partner] + 1) * count)

    def _take_mean(self) -> None:
        """Mean of the own price and those heard, weighted by what all lines and each carry."""
        weight, total = np.full_like(self._price, self._span_mw), self._span_mw * self._price
        for partner, price in self._heard.items():
            line = self._lines[partner]
            carried = float(np.maximum(line.send_limit_mw, line.receive_limit_mw).max())
            here = self._at(partner)
            weight[here] += carried
            total[here] += carried * price
        self._price = total / weight
        self._heard = {}

    def _level(self, partner: str, quote: Quote) -> None:
        line, mine = self._lines[partner], self._quoted[partner]
        theirs = np.asarray(quote.price_eur_per_mwh)
        my_slope = self._slope(mine, self._at(partner))
        their_slope = self._partner_slope.get(partner, self._slopes[partner].at(theirs))
        before = line.near_import_mw
        line.level(mine, my_slope, theirs, their_slope)
        self._price = self._price.copy()
        self._price[self._at(partner)] = mine - my_slope * (line.near_import_mw - before)

    def _revise(self, call: ReviseCall) -> None:
        self._take_mean()
        profile = self._proposed_mw()
        slope = self._slope(self._price, slice(None))
        width, rise = self._ladder.blocks(slope)
        terms = Terms(self._price + rise, self._price - rise, width, width)
        change = self.valuation.respond(profile, terms)
        self._price = self._price + call.relaxation * slope * change
        self._ladder.refine(change)

    def _slope(self, price: np.ndarray, at: slice) -> np.ndarray:
        """The country's own slope at some of its ports: that of a price, or where it stays."""
        if self._own_slope is None:
            return self._slopes[self.country].at(price)
        held: np.ndarray = self._own_slope[at]
        return held

    def _proposed_mw(self) -> np.ndarray:
        """Net import that the proposed flows give, MW per snapshot of every port."""
        total = np.zeros((self.valuation.problem.ports, len(self.valuation.products)))
        for port in range(len(total)):
            landing = [line for c, line in self._lines.items() if self._ports[c] == port]
            total[port] = np.sum([line.near_import_mw for line in landing], axis=0)
        return self.valuation.profile_mw(total)
