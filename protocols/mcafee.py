"""McAfee's double auction: gives up the last trade rather than truthfulness."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.orders import NOTHING, Match, Orders, margin, split
from protocols.parameters import Count
from protocols.sealed_auction import SealedAuction


def clear_mcafee(buyers: Orders, sellers: Orders) -> Match:
    """McAfee's rule, a block counting as one trader.

    With ``b`` and ``s`` the last bid and ask that would trade, and ``p`` the mean of the next ones:
    if ``s <= p <= b`` all trade at ``p``. Else the last bid and the last ask go without; the
    others pay ``b`` and are paid ``s``.
    """
    m = margin(buyers, sellers)
    if m is None:
        return NOTHING
    middle = (m.next_bid + m.next_ask) / 2
    if m.ask <= middle <= m.bid:
        return Match(m.mw, middle, middle)
    kept = min(m.bid_start_mw, m.ask_start_mw)
    return Match(kept, m.bid, m.ask) if kept > 0 else NOTHING


@dataclass
class McAfee(SealedAuction):
    """Neighbours send sealed orders for every product on their line; the last pair may not trade.

    Rules, for every interconnector that does not rest:

    1. Both ends say what a little more import is worth. For each product the end that values it
       less sells, and price levels are set between the two.
    2. Each end answers what it would sell or buy at each level, all products together.
    3. Per product McAfee's rule decides: if the mean of the first bid and the first ask that do
       not trade lies between the last ones that do, it is everyone's price. Otherwise the last
       pair does not trade; buyers pay the last bid, sellers get the last ask. The rule needs
       several traders on each side, so that each order is divided into equal units.
    4. The surplus is the auctioneer's in the textbook. Here nobody but countries may keep money,
       so that each end of the line gets half of it back.
    5. Both ends re-solve with the outcome and accept if they are better off; if not it is
       offered at half its size, and lastly the next auction of the line is smaller.

    Properties: nobody loses, by re-solved cost; budget balanced with the refund, in surplus
    without; loses at most the least valuable trade of every auction. Not truthful. In the textbook
    every trader wants one unit, so that the first bid and ask that do not trade, which make the
    price, are other people's. On a line one country makes all bids and one all asks: each moves
    its own price, and McAfee's lemma is void. The refund takes away what is left of it.

    Discloses: marginal prices, amounts at posted price levels, whether an outcome is acceptable.

    References: McAfee (1992), Journal of Economic Theory 56; Segal-Halevi, Hassidim & Aumann
    (2016), arXiv:1607.05139, on returning the surplus.

    Parameters
    ----------
    units : int
        Units into which what both sides would trade at best is divided.
    """

    units: Count = 8

    name = "mcafee"
    family = "line curves"
    discloses = "marginal prices, amounts at posted price levels, consent"

    def match(self, buyers: Orders, sellers: Orders) -> Match:
        """Clear by McAfee's rule, unit by unit."""
        unit = min(buyers.mw.sum(), sellers.mw.sum()) / self.units
        if unit <= 0:
            return NOTHING
        return clear_mcafee(split(buyers, unit), split(sellers, unit))
