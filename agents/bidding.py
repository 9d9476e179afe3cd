"""The private half of bilateral bids: wishes at posted prices and limits of bundles."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

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
)
from protocols.public import BorderPrices, PublicLedger, border_prices, change_mw

# Amounts are said with so many binary digits, so that the solver's noise is not taken for gain,
# whatever the units of money and power.
COST_DIGITS = 30
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
            return self._reply(message, path[-1], path[1:-1], self._limit(body, ledger))
        return None

    def _reply(self, message: Message, receiver: str, via: tuple[str, ...], body: Body) -> Message:
        return Message(self.country, receiver, "propose", body, message.round, via)

    def _interest(self, call: InterestCall, ledger: PublicLedger) -> Interest:
        # By convexity one subgradient that sees no gain proves that no amount gains, so that a
        # country without interest need not solve anything.
        value = self.valuation.marginal_value(ledger.exchange_mw(self.country))
        here = self._border_prices(call, ledger)
        side = np.where(value > here.import_price, 1, np.where(value < here.export_price, -1, 0))
        return Interest(tuple(int(s) for s in side))

    def _wish(self, call: WishCall, ledger: PublicLedger) -> Wish:
        here = self._border_prices(call, ledger)
        terms = Terms(
            import_price=here.import_price,
            export_price=here.export_price,
            import_limit_mw=np.asarray(call.receive_limit_mw) * here.arriving,
            export_limit_mw=np.asarray(call.send_limit_mw),
        )
        change = self.valuation.problem.respond(ledger.exchange_mw(self.country), terms)
        mw = np.where(change > 0, change / here.arriving, change)
        largest = max(*call.send_limit_mw, *call.receive_limit_mw)
        quantum = _quantum(largest, WISH_DIGITS)
        return Wish(tuple((np.round(mw / quantum) * quantum).tolist()))

    def _border_prices(self, call: InterestCall | WishCall, ledger: PublicLedger) -> BorderPrices:
        """Prices at the own border, moved apart by the least gain."""
        here = border_prices(self.country, call.path, call.price_eur_per_mwh, call.border, ledger)
        gain = call.least_gain_eur_per_mwh
        return replace(
            here,
            import_price=here.import_price + gain / here.arriving,
            export_price=here.export_price - gain,
        )

    def _limit(self, call: LimitCall, ledger: PublicLedger) -> Limit:
        here = ledger.exchange_mw(self.country)
        there = here + change_mw(
            self.country, tuple((leg.path, np.asarray(leg.mw)) for leg in call.legs), ledger
        )
        charges = 0.0
        for leg in call.legs:
            mw = np.asarray(leg.mw)
            if leg.path[-1] == self.country:
                energy = float(mw @ self.valuation.products.hours)
                charges += energy * sum(ledger.wheeling_eur_per_mwh(leg.path).values())
        before = self.valuation.plan(here)
        after = self.valuation.plan(there)
        quantum = _quantum(before.cost_eur, COST_DIGITS)
        amount = after.cost_eur - before.cost_eur + charges
        return Limit(float(np.ceil(amount / quantum) * quantum))


def _quantum(scale: float, digits: int) -> float:
    """Smallest step of numbers of a scale that are said with so many binary digits."""
    return float(2.0 ** (np.floor(np.log2(max(abs(scale), 1e-300))) - digits))
