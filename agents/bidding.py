"""The private half of bilateral bids: wishes at posted prices and limits of bundles."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from agents.problem import Terms
from agents.side import PublicLedger, Side
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

# Amounts are said with so many binary digits, so that the solver's noise is not taken for gain,
# whatever the units of money and power.
COST_DIGITS = 30
WISH_DIGITS = 20
# Small against any line: how much of a little more arrives at the end of a path, share of a line.
LITTLE = 2.0**-20


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
        port = ledger.port_of(self.country, call.path[1])
        value = self.valuation.marginal_value(ledger.exchange_mw(self.country), port)
        import_price, export_price, _ = self._border_prices(call, ledger)
        side = np.where(value > import_price, 1, np.where(value < export_price, -1, 0))
        return Interest(tuple(int(s) for s in side))

    def _wish(self, call: WishCall, ledger: PublicLedger) -> Wish:
        import_price, export_price, arriving = self._border_prices(call, ledger)
        terms = Terms(
            import_price=import_price,
            export_price=export_price,
            import_limit_mw=np.asarray(call.receive_limit_mw) * arriving,
            export_limit_mw=np.asarray(call.send_limit_mw),
        )
        port = ledger.port_of(self.country, call.path[1])
        change = self.valuation.respond(ledger.exchange_mw(self.country), terms, port)
        mw = np.where(change > 0, change / arriving, change)
        largest = max(*call.send_limit_mw, *call.receive_limit_mw)
        quantum = _quantum(largest, WISH_DIGITS)
        return Wish(tuple((np.round(mw / quantum) * quantum).tolist()))

    def _border_prices(
        self, call: InterestCall | WishCall, ledger: PublicLedger
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Import and export price at the own border, EUR/MWh, and the share that arrives here."""
        posted = np.asarray(call.price_eur_per_mwh)
        inward = call.path[::-1]
        arriving = self._arriving_share(inward, ledger)
        charges = sum(ledger.wheeling_eur_per_mwh(inward).values())
        if call.border == self.country:
            import_price, export_price = posted + charges / arriving, posted
        else:
            import_price = (posted + charges) / arriving
            export_price = posted * self._arriving_share(call.path, ledger)
        gain = call.least_gain_eur_per_mwh
        return import_price + gain / arriving, export_price - gain, arriving

    def _arriving_share(self, path: tuple[str, ...], ledger: PublicLedger) -> np.ndarray:
        """MW that arrive at the end of a path per MW sent, at present flows (shape: products)."""
        products = self.valuation.products
        little_mw = LITTLE * (ledger.capacity_mw(path) or 1.0)
        effect = ledger.effect(path, np.full(len(products), little_mw))
        return products.average(effect.delivered_mw) / little_mw

    def _limit(self, call: LimitCall, ledger: PublicLedger) -> Limit:
        here = ledger.exchange_mw(self.country)
        there, charges = here, 0.0
        for leg in call.legs:
            mw = np.asarray(leg.mw)
            there = there + ledger.effect(leg.path, mw).exchange_mw[self.country]
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
