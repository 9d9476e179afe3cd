"""The private half of consensus ADMM: a price for the proposed exchange, corrected by planning."""

from __future__ import annotations

from collections.abc import Callable
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
        self._ports: dict[str, int] = {}
        self._steepness = 0.0
        self._least_price = 0.0
        self._price = self._slope = np.zeros(0)
        self._reach = np.ones(0)
        self._quoted: dict[str, Quote] = {}

    def answer(self, message: Message, ledger: PublicLedger) -> Message | None:
        """Quote when called to; keep silent on everything else, but take it in."""
        body = message.body
        if isinstance(body, OpenCall):
            self._take_up(body, ledger)
        elif isinstance(body, QuoteCall):
            quote = self._quote(body.partner, ledger)
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
        self._steepness, self._least_price = call.steepness, call.least_price_eur_per_mwh

    def _quote(self, partner: str, ledger: PublicLedger) -> Quote:
        if not len(self._price):
            self._price = self.valuation.marginal_values(ledger.exchange_mw(self.country))
            self._choose_slope()
            self._reach = np.ones_like(self._price)
        here = self._at(partner)
        self._quoted[partner] = Quote(
            tuple(self._price[here].tolist()), tuple(self._slope[here].tolist())
        )
        return self._quoted[partner]

    def _at(self, partner: str) -> slice:
        """Products at the port where the line to a partner lands."""
        count = len(self.valuation.products)
        return slice(self._ports[partner] * count, (self._ports[partner] + 1) * count)

    def _choose_slope(self) -> None:
        scale = np.maximum(np.abs(self._price), self._least_price)
        self._slope = self._steepness * scale / self._span_mw

    def _level(self, partner: str, theirs: Quote) -> None:
        line, mine = self._lines[partner], self._quoted[partner]
        before = line.near_import_mw
        line.level(*mine.arrays(), *theirs.arrays())
        here = self._at(partner)
        moved = self._slope[here] * (line.near_import_mw - before)
        self._price = self._price.copy()
        self._price[here] -= moved

    def _revise(self, call: ReviseCall) -> None:
        self._choose_slope()
        blocks = self._sums(lambda line: line.near_import_mw)
        profile = np.concatenate([self.valuation.products.profile_mw(mw) for mw in blocks])
        ends = self._block_ends()
        change = self.valuation.problem.respond(profile, self._ladder(ends))
        self._refine(np.abs(change), ends)
        self._price = self._price + call.relaxation * self._slope * change

    @property
    def _span_mw(self) -> np.ndarray:
        """Most that all lines of a port together carry one way, MW per product."""
        sent = self._sums(lambda line: line.send_limit_mw)
        received = self._sums(lambda line: line.receive_limit_mw)
        return np.maximum(sent, received).ravel()

    def _sums(self, mw_of: Callable[[Line], np.ndarray]) -> np.ndarray:
        """Sum over the lines of each port, shape (ports, products)."""
        total = np.zeros((self.valuation.problem.ports, len(self.valuation.products)))
        for partner, line in self._lines.items():
            total[self._ports[partner]] += mw_of(line)
        return total

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
