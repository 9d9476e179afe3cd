"""The private half of consensus ADMM: a price for the proposed exchange, corrected by planning."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from agents.problem import Terms
from agents.side import Side
from agents.strategy import Strategy
from agents.valuation import Valuation
from protocols.coordination_messages import (
    OpenCall,
    Opening,
    OpeningCall,
    Quote,
    QuoteCall,
    ReviseCall,
)
from protocols.levelling import Line, PriceSlope
from protocols.messages import Body, Message
from protocols.public import PublicLedger

# Ends of the blocks that stand for the quadratic penalty, as shares of what a country can trade;
# the last one reaches over the whole of it.
BLOCK_ENDS = (0.005, 0.02, 0.1, 0.4, 2.0)
# The inner blocks of a product shrink while its deviations stay within the first one, down to
# this share, and grow again when a deviation passes the third.
SHRINK, GROW, LEAST_REACH = 0.5, 3.0, 2.0**-10


class ConsensusSide(Side):
    """Keeps price and proposed flows of one country during one negotiation."""

    answers: ClassVar[tuple[type[Body], ...]] = (
        OpenCall,
        OpeningCall,
        Opening,
        QuoteCall,
        Quote,
        ReviseCall,
    )

    def __init__(self, country: str, valuation: Valuation, strategy: Strategy) -> None:
        super().__init__(country, valuation, strategy)
        self._lines: dict[str, Line] = {}
        self._slopes: dict[str, PriceSlope] = {}
        self._span_mw = 0.0
        self._price, self._reach = np.zeros(0), np.ones(0)
        self._quoted: dict[str, np.ndarray] = {}
        self._heard: dict[str, np.ndarray] = {}

    def answer(self, message: Message, ledger: PublicLedger) -> Message | None:
        """Quote when called to; keep silent on everything else, but take it in."""
        body = message.body
        if isinstance(body, OpenCall):
            self._take_up(body)
        elif isinstance(body, OpeningCall):
            self._think_again(body, ledger)
            opening = Opening(tuple(self._price.tolist()))
            return Message(self.country, body.partner, "inform", opening, message.round)
        elif isinstance(body, Opening):
            self._heard[message.sender] = np.asarray(body.price_eur_per_mwh)
        elif isinstance(body, QuoteCall):
            self._quoted[body.partner] = self._price
            quote = Quote(tuple(self._price.tolist()))
            return Message(self.country, body.partner, "propose", quote, message.round)
        elif isinstance(body, Quote):
            self._level(message.sender, body)
        elif isinstance(body, ReviseCall):
            self._revise(body)
        return None

    def _take_up(self, call: OpenCall) -> None:
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
            self._reach = np.ones_like(self._price)
        elif not call.first:
            self._take_mean()

    def _take_mean(self) -> None:
        """Mean of the own price and those heard, weighted by what all lines and each carry."""
        weight, total = self._span_mw, self._span_mw * self._price
        for partner, price in self._heard.items():
            line = self._lines[partner]
            carried = float(np.maximum(line.send_limit_mw, line.receive_limit_mw).max())
            weight, total = weight + carried, total + carried * price
        self._price = total / weight
        self._heard = {}

    def _level(self, partner: str, quote: Quote) -> None:
        line, mine = self._lines[partner], self._quoted[partner]
        theirs = np.asarray(quote.price_eur_per_mwh)
        my_slope = self._slopes[self.country].at(mine)
        before = line.near_import_mw
        line.level(mine, my_slope, theirs, self._slopes[partner].at(theirs))
        self._price = mine - my_slope * (line.near_import_mw - before)

    def _revise(self, call: ReviseCall) -> None:
        self._take_mean()
        here = np.sum([line.near_import_mw for line in self._lines.values()], axis=0)
        profile = self.valuation.products.profile_mw(here)
        slope, ends = self._slopes[self.country].at(self._price), self._block_ends()
        rise, width = slope * (ends[1:] + ends[:-1]) / 2, np.diff(ends, axis=0)
        terms = Terms(self._price + rise, self._price - rise, width, width)
        change = self.valuation.problem.respond(profile, terms)
        self._price = self._price + call.relaxation * slope * change
        self._refine(np.abs(change), ends)

    def _block_ends(self) -> np.ndarray:
        """Ends of the blocks either side of the proposed exchange, zero first, MW."""
        share = np.outer((0.0, *BLOCK_ENDS), np.ones_like(self._reach))
        share[1:-1] *= self._reach
        return share * self._span_mw

    def _refine(self, deviation_mw: np.ndarray, ends: np.ndarray) -> None:
        near, far = deviation_mw <= ends[1], deviation_mw > ends[3]
        factor = np.where(near, SHRINK, np.where(far, GROW, 1.0))
        self._reach = np.clip(self._reach * factor, LEAST_REACH, 1.0)
