"""The private half of bilateral bids: wishes at posted prices and limits of bundles."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from agents.limits import least_payment_eur, quantum
from agents.problem import Terms
from agents.side import Side
from protocols.messages import (
    Body,
    Interest,
    InterestCall,
    Limit,
    LimitCall,
    Message,
    Wish,
    WishCall,
    prices_asked,
)
from protocols.public import PublicLedger

# Wishes are said with so many binary digits, so that the solver's noise is not taken for a wish,
# whatever the unit of power.
WISH_DIGITS = 20


class Bidder(Side):
    """Answers the questions of ``bilateral_bids`` for one country."""

    answers: ClassVar[tuple[type[Body], ...]] = (InterestCall, WishCall, LimitCall)

    def answer(self, message: Message, ledger: PublicLedger) -> Message | None:
        """Reply to a wish call or a limit call; keep silent otherwise."""
        body = message.body
        if isinstance(body, InterestCall):
            return self._reply(
                message, body.path[-1], body.path[1:-1], self._interest(body, ledger)
            )
        if isinstance(body, WishCall):
            return self._reply(message, body.path[-1], body.path[1:-1], self._wish(body, ledger))
        if isinstance(body, LimitCall):
            first = body.legs[0].path
            path = first if first[0] == self.country else first[::-1]
            limit = least_payment_eur(self.country, self.valuation, body.legs, ledger)
            return self._reply(message, path[-1], path[1:-1], Limit(limit))
        return None

    def _reply(self, message: Message, receiver: str, via: tuple[str, ...], body: Body) -> Message:
        return Message(self.country, receiver, "propose", body, message.round, via)

    def _interest(self, call: InterestCall, ledger: PublicLedger) -> Interest:
        # By convexity one subgradient that sees no gain proves that no amount gains, so that a
        # country without interest need not solve anything.
        port = ledger.port_of(self.country, call.path[1])
        value = self.valuation.marginal_value(ledger.exchange_mw(self.country), port)
        here = prices_asked(call, self.country, ledger)
        side = np.where(value > here.import_price, 1, np.where(value < here.export_price, -1, 0))
        return Interest(tuple(int(s) for s in side))

    def _wish(self, call: WishCall, ledger: PublicLedger) -> Wish:
        here = prices_asked(call, self.country, ledger)
        terms = Terms(
            import_price=here.import_price,
            export_price=here.export_price,
            import_limit_mw=np.asarray(call.receive_limit_mw) * here.arriving,
            export_limit_mw=np.asarray(call.send_limit_mw),
        )
        port = ledger.port_of(self.country, call.path[1])
        change = self.valuation.respond(ledger.exchange_mw(self.country), terms, port)
        mw = np.where(change > 0, change / here.arriving, change)
        largest = max(*call.send_limit_mw, *call.receive_limit_mw)
        step = quantum(largest, WISH_DIGITS)
        return Wish(tuple((np.round(mw / step) * step).tolist()))
