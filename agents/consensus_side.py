"""The private half of consensus ADMM: a price for the proposed exchange, corrected by planning."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from agents.problem import Terms
from agents.side import Side
from agents.strategy import Strategy
from agents.valuation import Valuation
from protocols.coordination_messages import OpenCall, Quote, QuoteCall, ReviseCall
from protocols.levelling import Line
from protocols.messages import Body, Message
from protocols.public import PublicLedger

# Ends of the blocks that stand for the quadratic penalty, as shares of what a country can trade;
# the last one reaches over the whole of it.
BLOCK_ENDS = (0.005, 0.02, 0.1, 0.4, 2.0)
# The inner blocks of a product shrink while its deviations stay within the first one, down to
# this share, and grow again when a deviation passes the third.
SHRINK, GROW, LEAST_REACH = 0.5, 3.0, 2.0**-10


class ConsensusSide(Side):
    """Keeps price, slope and proposed flows of one country during one negotiation."""

    answers: ClassVar[tuple[type[Body], ...]] = (OpenCall, QuoteCall, Quote, ReviseCall)

    def __init__(self, country: str, valuation: Valuation, strategy: Strategy) -> None:
        super().__init__(country, valuation, strategy)
        self._lines: dict[str, Line] = {}
        self._steepness = 0.0
        self._least_price = 0.0
        self._price = self._slope = np.zeros(0)
        self._reach = np.ones(0)
        self._quoted: dict[str, Quote] = {}

    def answer(self, message: Message, ledger: PublicLedger) -> Message | None:
        """Quote when called to; keep silent on everything else, but take it in."""
        body = message.body
        if isinstance(body, OpenCall):
            self._take_up(body)
        elif isinstance(body, QuoteCall):
            quote = self._quote(body.partner, ledger)
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
        self._steepness, self._least_price = call.steepness, call.least_price_eur_per_mwh

    def _quote(self, partner: str, ledger: PublicLedger) -> Quote:
        if not len(self._price):
            self._price = self.valuation.marginal_value(ledger.exchange_mw(self.country))
            self._choose_slope()
            self._reach = np.ones_like(self._price)
        self._quoted[partner] = Quote(tuple(self._price.tolist()), tuple(self._slope.tolist()))
        return self._quoted[partner]

    def _choose_slope(self) -> None:
        scale = np.maximum(np.abs(self._price), self._least_price)
        self._slope = self._steepness * scale / self._span_mw

    def _level(self, partner: str, theirs: Quote) -> None:
        line, mine = self._lines[partner], self._quoted[partner]
        before = line.near_import_mw
        line.level(*mine.arrays(), *theirs.arrays())
        self._price = self._price - self._slope * (line.near_import_mw - before)

    def _revise(self, call: ReviseCall) -> None:
        self._choose_slope()
        here = np.sum([line.near_import_mw for line in self._lines.values()], axis=0)
        profile = self.valuation.products.profile_mw(here)
        ends = self._block_ends()
        change = self.valuation.problem.respond(profile, self._ladder(ends))
        self._refine(np.abs(change), ends)
        self._price = self._price + call.relaxation * self._slope * change

    @property
    def _span_mw(self) -> np.ndarray:
        """Most that all lines together carry one way, MW per product."""
        sent = np.sum([line.send_limit_mw for line in self._lines.values()], axis=0)
        received = np.sum([line.receive_limit_mw for line in self._lines.values()], axis=0)
        return np.maximum(sent, received)

    def _block_ends(self) -> np.ndarray:
        """Ends of the blocks either side of the proposed exchange, zero first, MW."""
        share = np.outer((0.0, *BLOCK_ENDS), np.ones_like(self._reach))
        share[1:-1] *= self._reach
        return share * self._span_mw

    def _refine(self, deviation_mw: np.ndarray, ends: np.ndarray) -> None:
        near, far = deviation_mw <= ends[1], deviation_mw > ends[3]
        factor = np.where(near, SHRINK, np.where(far, GROW, 1.0))
        self._reach = np.clip(self._reach * factor, LEAST_REACH, 1.0)

    def _ladder(self, ends: np.ndarray) -> Terms:
        """Prices that rise with the deviation from the proposed exchange."""
        rise, width = self._slope * (ends[1:] + ends[:-1]) / 2, np.diff(ends, axis=0)
        return Terms(self._price + rise, self._price - rise, width, width)
