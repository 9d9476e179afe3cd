"""The private half of auctions: marginal worth, curves by best response, re-solved cost."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from agents.bidding import WISH_DIGITS
from agents.limits import quantum, rounded_up_eur
from agents.problem import Terms
from agents.side import Side
from protocols.auction_messages import (
    Allotment,
    Consent,
    CostCall,
    CostChange,
    Curve,
    CurveCall,
    Worth,
    WorthCall,
)
from protocols.messages import Act, Body, Message
from protocols.public import PublicLedger


class CurveSide(Side):
    """Answers an auctioneer for one country; a level of a curve is one best response.

    What concerns one line is answered for the port where it lands, everything else for all ports.
    """

    answers: ClassVar[tuple[type[Body], ...]] = (WorthCall, CurveCall, CostCall, Allotment)

    def answer(self, message: Message, ledger: PublicLedger) -> Message | None:
        """Reply to a call of the auctioneer, or keep silent."""
        body, here = message.body, ledger.exchange_mw(self.country)
        reply: Body
        act: Act = "propose"
        if isinstance(body, WorthCall):
            port = self._port(body.partner, ledger)
            reply = Worth(tuple(self.valuation.marginal_value(here, port).tolist()))
        elif isinstance(body, CurveCall):
            port = self._port(body.partner, ledger)
            reply = Curve(tuple(self._amounts_mw(body, here, port).ravel().tolist()))
        elif isinstance(body, CostCall):
            reply = CostChange(self._cost_change_eur(body.change_mw, here))
        elif isinstance(body, Allotment):
            port = self._port(body.partner, ledger)
            willing = self._cost_change_eur(body.change_mw, here, port) + body.pay_eur <= 0
            reply, act = Consent(int(willing)), "accept" if willing else "reject"
        else:
            return None
        return Message(self.country, message.sender, act, reply, message.round)

    def _port(self, partner: str, ledger: PublicLedger) -> int | None:
        return ledger.port_of(self.country, partner) if partner else None

    def _there_mw(
        self, change_mw: tuple[float, ...], here_mw: np.ndarray, port: int | None
    ) -> np.ndarray:
        return here_mw + self.valuation.profile_mw(np.asarray(change_mw), port)

    def _amounts_mw(self, call: CurveCall, here_mw: np.ndarray, port: int | None) -> np.ndarray:
        """Best response to the ladder of each level (shape: levels, products)."""
        start = self._there_mw(call.centre_mw, here_mw, port)
        rows = (-1, len(call.centre_mw))
        rise, levels = (
            np.reshape(x, rows) for x in (call.rise_eur_per_mwh, call.price_eur_per_mwh)
        )
        most_in, most_out = (np.reshape(x, rows) for x in (call.import_mw, call.export_mw))
        largest = float(max(most_in.max(initial=0.0), most_out.max(initial=0.0)))
        least = quantum(largest, WISH_DIGITS)
        amounts = [
            self.valuation.respond(
                start, Terms(price + rise, price - rise, most_in, most_out), port
            )
            for price in levels
        ]
        return np.asarray(np.round(np.array(amounts) / least) * least)

    def _cost_change_eur(
        self, change_mw: tuple[float, ...], here_mw: np.ndarray, port: int | None = None
    ) -> float:
        there_mw = self._there_mw(change_mw, here_mw, port)
        before, after = (self.valuation.plan(mw).cost_eur for mw in (here_mw, there_mw))
        return rounded_up_eur(after - before, before, after)
