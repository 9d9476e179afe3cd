"""Rubinstein's alternating offers with discounting."""

from __future__ import annotations

from dataclasses import dataclass, replace

from protocols.base import Market
from protocols.messages import CLOCK, Message
from protocols.offer_messages import Books, BooksCall
from protocols.offers import Exchange, Offers, Talk, hear
from protocols.pairwise import Deal


@dataclass
class Rubinstein(Offers):
    """Two countries that know each other's value of every quantity make offers; time is money.

    Rules, for pairs, paths and bundles as in bilateral bids (interest, wish, terms):

    1. *Books.* Both say the least they must be paid for each quantity of the agenda, and the
       factor by which they discount a gain that comes a turn later: complete information.
    2. *Offers.* A drawn country opens with any quantity and amount of money; offers alternate
       until one accepts. Play is subgame perfect: with money to transfer the quantity is the one
       of the largest joint gain, and who proposes asks for the share
       ``(1 - d_other) / (1 - d_own * d_other)`` of it. The first offer is accepted.
    3. *Reservation.* What is agreed is checked by each country's re-solved cost.
    4. A pair without a joint gain tries smaller; longer paths open when a step trades little; the
       negotiation is over when steps trade next to nothing.

    Properties: nobody loses, by re-solved cost; budget balanced; ends; efficient for the pair in
    each talk; not truthful (the books are believed). The first mover and the patient get more; as
    turns become short the split nears the weighted Nash solution.

    Discloses: the sign of interest and wished MW at posted prices, one limit in EUR for every
    quantity of a talk and the discount factor, to the partner; then one offer.

    References: Rubinstein (1982), Perfect equilibrium in a bargaining model, Econometrica 50;
    Binmore, Rubinstein & Wolinsky (1986) for the limit.

    Parameters are those of :class:`protocols.offers.Offers`.
    """

    name = "rubinstein"
    family = "pair bundles"
    discloses = "which way, wished MW at posted prices, EUR limit of each quantity, discount"

    def _first_offers(self, talks: list[Talk]) -> Exchange:
        replies = yield [
            Message(
                CLOCK, country, "call", BooksCall(replace(talk.agenda, opens=opens)), self._round
            )
            for talk in talks
            for country, opens in ((talk.listener, False), (talk.opener, True))
        ]
        ready: list[tuple[Talk, Message, Message]] = []
        for talk, listeners, openers in zip(talks, replies[::2], replies[1::2], strict=True):
            if _has_books(talk, listeners) and _has_books(talk, openers):
                assert listeners is not None and openers is not None
                ready.append((talk, openers, listeners))
        if not ready:
            return
        self._round += 1
        # Each reads the other's books; who opens then has read them all.
        replies = yield [
            books for _, to_listener, to_opener in ready for books in (to_listener, to_opener)
        ]
        for (talk, _, _), reply in zip(ready, replies[1::2], strict=True):
            hear(talk, reply)

    def _amounts_eur(self, market: Market, bundle: Deal) -> tuple[float, ...]:
        del market, bundle
        return ()


def _has_books(talk: Talk, reply: Message | None) -> bool:
    return (
        reply is not None
        and isinstance(reply.body, Books)
        and len(reply.body.limits_eur) == len(talk.bundles)
    )
