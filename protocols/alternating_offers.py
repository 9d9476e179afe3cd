"""Stacked alternating offers with a deadline."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from protocols.base import Market
from protocols.messages import CLOCK, Message
from protocols.offers import Exchange, Offers, Talk, hear
from protocols.pairwise import Deal
from protocols.parameters import Count, Positive


@dataclass
class AlternatingOffers(Offers):
    """Two countries make offers in turn until one accepts, leaves, or the deadline passes.

    Rules, for pairs, paths and bundles as in bilateral bids (interest, wish, terms):

    1. *Agenda.* The bundle that both wish is the largest quantity; the others are its shares
       ``1/quantities, 2/quantities ... 1``. With ``issues = "parts"`` every part of the day
       (peak, standard, off-peak) has its own share, none included. Money is the bundle at the
       posted prices, plus or minus 0 or ``price_range / 2**k`` per MWh: fine near the posted
       price, coarse far from it.
    2. *Offers.* A drawn country opens. Each turn the other accepts, counters from the agenda, or
       ends the talk; so does silence, and the deadline. What to say is the country's tactic.
    3. *Reservation.* No side offers or accepts what does not bring it the least gain per MWh. What
       two have agreed is checked once more by each country's re-solved cost before it is awarded,
       whatever its strategy has said: there is no deal below the reservation value zero.
    4. A talk that fails is tried smaller; longer paths open when a step trades little; the
       negotiation is over when steps trade next to nothing.

    Properties: nobody loses, by re-solved cost; budget balanced; ends; not truthful; no promise of
    efficiency. A talk costs each country at most one optimisation for every quantity on the
    agenda, however many offers are made.

    Discloses: the sign of interest and wished MW at posted prices; with each offer a point that
    is acceptable to who makes it. Tactics differ in how many points they give away.

    References: Rubinstein (1982) and Aydogan, Festen, Hindriks & Jonker (2017) for the protocol;
    Faratin, Sierra & Jennings (1998, 2002) and de Jonge (2024) for the tactics.

    Parameters are those of :class:`protocols.offers.Offers`, and:

    Parameters
    ----------
    price_range : float
        Farthest price from the posted one, as a share of the price cap.
    price_levels : int
        Halvings of that distance on the agenda.
    """

    price_range: Positive = 1 / 60
    price_levels: Count = 10

    name = "alternating_offers"
    discloses = "which way, wished MW at posted prices, one acceptable offer a turn"

    def _first_offers(self, talks: list[Talk]) -> Exchange:
        replies = yield [
            Message(CLOCK, country, "call", replace(talk.agenda, opens=opens), self._round)
            for talk in talks
            for country, opens in ((talk.listener, False), (talk.opener, True))
        ]
        for talk, reply in zip(talks, replies[1::2], strict=True):
            hear(talk, reply)

    def _amounts_eur(self, market: Market, bundle: Deal) -> tuple[float, ...]:
        hours = market.products.hours
        posted = float(
            ((bundle.there_mw - bundle.back_mw) * hours) @ self._pairs[bundle.path].price
        )
        gross = float((bundle.there_mw + bundle.back_mw) @ hours)
        farthest = self.price_range * market.price_cap_eur_per_mwh * gross
        steps = farthest * 0.5 ** np.arange(self.price_levels)
        return tuple((posted + np.concatenate([-steps, [0.0], steps[::-1]])).tolist())
