"""Pay-as-bid: every order trades at its own price."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.orders import NOTHING, Match, Orders, margin, mean_price
from protocols.sealed_auction import SealedAuction


def clear_pay_as_bid(buyers: Orders, sellers: Orders) -> Match:
    """Trade what the k-double auction trades; buyers pay their bids, sellers get their asks."""
    m = margin(buyers, sellers)
    if m is None:
        return NOTHING
    return Match(m.mw, mean_price(buyers, m.mw), mean_price(sellers, m.mw))


@dataclass
class PayAsBid(SealedAuction):
    """Neighbours send sealed orders for every product on their line and are held to their prices.

    Rules, for every interconnector that does not rest:

    1. Both ends say what a little more import is worth. For each product the end that values it
       less sells, and price levels are set between the two.
    2. Each end answers what it would sell or buy at each level, all products together.
    3. Per product, blocks trade while the bid is at least the ask. Buyers pay what they bid,
       sellers get what they asked.
    4. The spread is the auctioneer's in the textbook. Here nobody but countries may keep money, so
       that each end of the line gets half of it back.
    5. Both ends re-solve with the outcome and accept if they are better off; if not it is
       offered at half its size, and lastly the next auction of the line is smaller.

    Properties: nobody loses, by re-solved cost; budget balanced; truthful orders would gain
    nothing without the refund, so that shading them pays; same quantities as the k-double
    auction.

    Discloses: marginal prices, amounts at posted price levels, whether an outcome is acceptable.

    Reference: Kahn, Cramton, Porter & Tabors (2001), The Electricity Journal 14, on uniform and
    pay-as-bid pricing.
    """

    name = "pay_as_bid"
    discloses = "marginal prices, amounts at posted price levels, consent"

    def match(self, buyers: Orders, sellers: Orders) -> Match:
        """Clear at everyone's own prices."""
        return clear_pay_as_bid(buyers, sellers)
