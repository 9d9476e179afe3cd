"""Talks in which offers alternate: agenda, turns, and the check of what was agreed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from protocols.base import Market
from protocols.messages import CLOCK, Message, Trade
from protocols.offer_messages import Accept, Agenda, Offer, Reservation, ReservationCall
from protocols.pairwise import Agreement, Agreements, Deal, PairwiseBundles
from protocols.parameters import Count, NonNegative
from protocols.plugins import PluginError

Exchange = Generator[list[Message], list[Message | None], None]

# More bundles than this are no agenda: every one may cost both countries an optimisation.
MOST_BUNDLES = 100


@dataclass
class Talk:
    """A negotiation of two countries, as it stands.

    Attributes
    ----------
    deal : Deal
        Largest bundle of the agenda.
    bundles : list of Deal
    agenda : Agenda
        As the country that opens receives it.
    opener, listener : str
    standing : Message, optional
        The offer on the table.
    agreed : Offer, optional
    """

    deal: Deal
    bundles: list[Deal]
    agenda: Agenda
    opener: str
    listener: str
    standing: Message | None = None
    agreed: Offer | None = None


@dataclass
class Offers(PairwiseBundles):
    """Two countries make offers in turn until one accepts, leaves, or the deadline passes.

    Parameters are those of :class:`protocols.pairwise.PairwiseBundles`, and:

    Parameters
    ----------
    turns : int
        Offers and answers until a talk has failed.
    quantities : int
        Shares of a bundle on the agenda.
    issues : {"bundle", "parts"}
        Whether parts of the day are negotiated together or each with a quantity of its own.
    least_share : float
        Smallest bundle worth a talk, as a share of what the path carries in each product.
    """

    turns: Annotated[Count, Field(ge=2)] = 80
    quantities: Count = 3
    issues: Literal["bundle", "parts"] = "bundle"
    least_share: NonNegative = 1e-3

    progress_in = "traded_mwh"

    @abstractmethod
    def _first_offers(self, talks: list[Talk]) -> Exchange:
        """Hand out the agendas and note the first offer of every talk."""

    @abstractmethod
    def _amounts_eur(self, market: Market, bundle: Deal) -> tuple[float, ...]:
        """What may be paid for a bundle, EUR; empty where any amount may."""

    def _settle_terms(self, market: Market, deals: list[Deal]) -> Agreements:
        worth_it = [self._is_worth_a_talk(deal) for deal in deals]
        talks = [
            self._open(market, deal) for deal, worth in zip(deals, worth_it, strict=True) if worth
        ]
        yield from self._first_offers(talks)
        for _ in range(self.turns - 1):
            live = [t for t in talks if t.standing is not None and t.agreed is None]
            if not live:
                break
            self._round += 1
            replies = yield [t.standing for t in live if t.standing is not None]
            for talk, reply in zip(live, replies, strict=True):
                hear(talk, reply)
        made = iter((yield from self._confirm(market, talks)))
        return [next(made) if worth else None for worth in worth_it]

    def _is_worth_a_talk(self, deal: Deal) -> bool:
        amount, most = deal.there_mw + deal.back_mw, self._pairs[deal.path].most_mw
        return bool((amount > self.least_share * most).any())

    def _open(self, market: Market, deal: Deal) -> Talk:
        bundles = self._bundles(market, deal)
        opener, listener = deal.path[0], deal.path[-1]
        if market.rng.integers(2):
            opener, listener = listener, opener
        agenda = Agenda(
            deal.path,
            tuple(bundle.legs for bundle in bundles),
            tuple(self._amounts_eur(market, bundle) for bundle in bundles),
            self._least_gain(market),
            self.turns,
            True,
        )
        return Talk(deal, bundles, agenda, opener, listener)

    def _confirm(self, market: Market, talks: list[Talk]) -> Agreements:
        """Agreements of talks that stand the check by re-solved cost; the others end in None."""
        trades = {
            number: self._trades(market, talk.bundles[talk.agreed.bundle], talk.agreed.amount_eur)
            for number, talk in enumerate(talks)
            if talk.agreed is not None
        }
        made: list[Agreement | None] = [None] * len(talks)
        if not trades:
            return made
        self._round += 1
        held = yield from reservations_hold(list(trades.values()), self._round)
        for (number, agreed), holds in zip(trades.items(), held, strict=True):
            if holds:
                energy = sum(float(np.asarray(t.mw) @ market.products.hours) for t in agreed)
                made[number] = Agreement(agreed, energy)
        return made

    def _bundles(self, market: Market, deal: Deal) -> list[Deal]:
        shares = np.arange(1, self.quantities + 1) / self.quantities
        if self.issues == "bundle":
            return [deal.scaled(s) for s in shares]
        traded = (deal.there_mw + deal.back_mw) > 0
        parts = [name.rpartition("/")[2] if "/" in name else "" for name in market.products.names]
        used = list(dict.fromkeys(p for p, t in zip(parts, traded, strict=True) if t))
        count = (self.quantities + 1) ** len(used) - 1
        if count > MOST_BUNDLES:
            raise PluginError(
                f"{self.name}: {len(used)} parts with {self.quantities} quantities each make "
                f"{count} bundles, more than {MOST_BUNDLES}; set quantities lower or issues=bundle"
            )
        bundles = []
        for chosen in product(np.append(0.0, shares), repeat=len(used)):
            share_of = dict(zip(used, chosen, strict=True))
            share = np.array([share_of.get(part, 0.0) for part in parts])
            if any(chosen):
                bundles.append(deal.scaled(share))
        return bundles


def hear(talk: Talk, reply: Message | None) -> None:
    """Take note of what a country said; silence and what is not on the agenda end the talk."""
    body = None if reply is None else reply.body
    standing = talk.standing
    talk.standing = None
    if isinstance(body, Accept) and standing is not None and isinstance(standing.body, Offer):
        talk.agreed = standing.body
    elif isinstance(body, Offer) and is_on(talk.agenda, body):
        talk.standing = reply


def is_on(agenda: Agenda, offer: Offer) -> bool:
    """Whether an offer is on the agenda."""
    if offer.path != agenda.path or not 0 <= offer.bundle < len(agenda.bundles):
        return False
    if offer.legs != agenda.bundles[offer.bundle]:
        return False
    amounts = agenda.amounts_eur[offer.bundle]
    return offer.amount_eur in amounts if amounts else bool(np.isfinite(offer.amount_eur))


def reservations_hold(
    deals: list[list[Trade]], round_: int
) -> Generator[list[Message], list[Message | None], list[bool]]:
    """Ask both ends of every deal for their reservation; silence is no consent."""
    replies = yield [
        Message(CLOCK, end, "call", ReservationCall(tuple(trades)), round_)
        for trades in deals
        for end in (trades[0].exporter, trades[0].importer)
    ]
    holds = [r is not None and isinstance(r.body, Reservation) and r.body.holds for r in replies]
    return [a and b for a, b in zip(holds[::2], holds[1::2], strict=True)]
