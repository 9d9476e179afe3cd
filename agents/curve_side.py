"""The private half of auctions: marginal worth, curves by best response, re-solved cost."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from agents.bidding import COST_DIGITS, WISH_DIGITS, smallest_step
from agents.problem import Terms
from agents.side import PublicLedger, Side
from protocols.auction_messages import CostCall, CostChange, Curve, CurveCall, Worth, WorthCall
from protocols.messages import Body, Message


class CurveSide(Side):
    """Answers an auctioneer for one country; a level of a curve is one best response."""

    answers: ClassVar[tuple[type[Body], ...]] = (WorthCall, CurveCall, CostCall)

    def answer(self, message: Message, ledger: PublicLedger) -> Message | None:
        """Reply to a call of the auctioneer, or keep silent."""
        body, here = message.body, ledger.exchange_mw(self.country)
        reply: Body
        if isinstance(body, WorthCall):
            reply = Worth(tuple(self.valuation.marginal_value(here).tolist()))
        elif isinstance(body, CurveCall):
            reply = Curve(tuple(self._amounts_mw(body, here).ravel().tolist()))
        elif isinstance(body, CostCall):
            reply = CostChange(self._cost_change_eur(body, here))
        else:
            return None
        return Message(self.country, message.sender, "propose", reply, message.round)

    def _amounts_mw(self, call: CurveCall, here_mw: np.ndarray) -> np.ndarray:
        """Best response to each ladder (shape: levels, products)."""
        problem, products = self.valuation.problem, self.valuation.products
        start = here_mw + products.profile_mw(np.asarray(call.centre_mw))
        shape = (-1, len(products))
        width = np.reshape(call.width_mw, shape)
        rise = np.reshape(call.rise_eur_per_mwh, shape)
        least = smallest_step(float(width.max(initial=0.0)), WISH_DIGITS)
        amounts = [
            problem.respond(start, Terms(price + rise, price - rise, width, width))
            for price in (np.asarray(call.price_eur_per_mwh) + l for l in call.level_eur_per_mwh)
        ]
        return np.round(np.array(amounts) / least) * least

    def _cost_change_eur(self, call: CostCall, here_mw: np.ndarray) -> float:
        there_mw = here_mw + self.valuation.products.profile_mw(np.asarray(call.change_mw))
        before, after = self.valuation.plan(here_mw), self.valuation.plan(there_mw)
        least = smallest_step(before.cost_eur, COST_DIGITS)
        return float(np.ceil((after.cost_eur - before.cost_eur) / least) * least)
