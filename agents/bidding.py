"""The private half of bilateral bids: wishes at posted prices and limit prices of bundles."""

from __future__ import annotations

import math
from typing import Protocol as Typing

import numpy as np

from agents.problem import Plan
from agents.valuation import Valuation
from protocols.messages import Award, Limit, LimitCall, Message, Wish, WishCall

# Limit prices are quoted in whole cents, rounded against the counterparty.
TICK_EUR_PER_MWH = 0.01
# Smaller gaps between marginal value and posted price are not worth a wish, EUR/MWh.
LEAST_GAP_EUR_PER_MWH = 0.02


class PublicLedger(Typing):
    """What a country can read of the market's ledger."""

    def exchange_mw(self, country: str) -> np.ndarray:
        """Net import of a country, MW per snapshot."""

    def effect(self, path: tuple[str, ...], mw: np.ndarray) -> object:
        """Changes that a delivery along a path makes."""

    def wheeling_eur_per_mwh(self, path: tuple[str, ...]) -> dict[str, float]:
        """Charge of each transit country."""


class Bidder:
    """Answers the questions of ``bilateral_bids`` for one country, truthfully.

    Parameters
    ----------
    country : str
    valuation : Valuation
    """

    def __init__(self, country: str, valuation: Valuation) -> None:
        self.country = country
        self.valuation = valuation
        self._tried: list[Plan] = []

    def forget(self) -> None:
        """Drop the points tried since the last trade."""
        self._tried.clear()

    def answer(self, message: Message, ledger: PublicLedger) -> Message | None:
        """Reply to a wish call, a limit call or an award."""
        body = message.body
        if isinstance(body, WishCall):
            return self._reply(message, body.path[-1], body.path[1:-1], self._wish(body, ledger))
        if isinstance(body, LimitCall):
            exporting = body.path[0] == self.country
            path = body.path if exporting else body.path[::-1]
            return self._reply(message, path[-1], path[1:-1], self._limit(body, ledger, exporting))
        if isinstance(body, Award):
            self._tried.clear()
        return None

    def _reply(
        self, message: Message, receiver: str, via: tuple[str, ...], body: Wish | Limit
    ) -> Message:
        return Message(self.country, receiver, "propose", body, message.round, via)

    def _marginal_price(self, ledger: PublicLedger) -> np.ndarray:
        # At a kink one dual is one of many. Averaging those of the points tried since the last
        # trade finds the direction in which all of them agree.
        here = self.valuation.plan(ledger.exchange_mw(self.country))
        return np.mean([p.price_eur_per_mwh for p in (here, *self._tried)], axis=0)

    def _wish(self, call: WishCall, ledger: PublicLedger) -> Wish:
        products = self.valuation.products
        price = self._marginal_price(ledger)
        posted = np.asarray(call.price_eur_per_mwh)
        cost = products.average(price)
        small_mw = 1e-3
        inward = call.path[::-1]
        effect = ledger.effect(inward, np.full(len(products), small_mw))
        arriving = effect.exchange_mw[self.country] / small_mw
        value = products.average(price * arriving) - sum(
            ledger.wheeling_eur_per_mwh(inward).values()
        )
        side = np.where(value > posted + LEAST_GAP_EUR_PER_MWH, 1, 0)
        side = np.where(cost < posted - LEAST_GAP_EUR_PER_MWH, -1, side)
        return Wish(tuple(int(s) for s in side))

    def _limit(self, call: LimitCall, ledger: PublicLedger, exporting: bool) -> Limit:
        mw = np.asarray(call.mw)
        energy = float(mw @ self.valuation.products.hours)
        here = ledger.exchange_mw(self.country)
        before = self.valuation.plan(here)
        after = self.valuation.plan(here + ledger.effect(call.path, mw).exchange_mw[self.country])
        self._tried.append(after)
        per_mwh = (after.cost_eur - before.cost_eur) / energy
        if exporting:
            return Limit(math.ceil(per_mwh / TICK_EUR_PER_MWH) * TICK_EUR_PER_MWH)
        charges = sum(ledger.wheeling_eur_per_mwh(call.path).values())
        return Limit(math.floor((-per_mwh - charges) / TICK_EUR_PER_MWH) * TICK_EUR_PER_MWH)
