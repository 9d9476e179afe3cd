"""The k-double auction: one price between the last bid and the last ask, or everyone's own."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.orders import NOTHING, Match, Orders, margin, mean_price
from protocols.parameters import Weight
from protocols.sealed_auction import SealedAuction


def clear_k_double(buyers: Orders, sellers: Orders, k: float = 0.5) -> Match:
    """Trade all that is worth at least what it costs at ``k b + (1 - k) s``.

    Parameters
    ----------
    buyers, sellers : Orders
    k : float
        Weight of the last bid ``b`` against the last ask ``s``.
    """
    m = margin(buyers, sellers)
    if m is None:
        return NOTHING
    price = k * m.bid + (1 - k) * m.ask
    return Match(m.mw, price, price)


def clear_pay_as_bid(buyers: Orders, sellers: Orders) -> Match:
    """Trade what the k-double auction trades; buyers pay their bids, sellers get their asks."""
    m = margin(buyers, sellers)
    if m is None:
        return NOTHING
    return Match(m.mw, mean_price(buyers, m.mw), mean_price(sellers, m.mw))


@dataclass
class KDoubleAuction(SealedAuction):
    """Neighbours send sealed orders for every product on their line, which clear where they cross.

    Rules, for every interconnector that does not rest:

    1. Both ends say what a little more import is worth. For each product the end that values it
       less sells, and price levels are set between the two.
    2. Each end answers what it would sell or buy at each level, all products together.
    3. Per product, blocks trade while the bid is at least the ask, all at one price: ``k`` times
       the last bid plus ``1 - k`` times the last ask that trade. With ``own_prices`` the same
       blocks trade as bid: buyers pay what they bid, sellers get what they asked, and since nobody
       but countries may keep money, each end of the line gets half of the spread back.
    4. Both ends re-solve with the outcome and accept if they are better off; if not it is
       offered at half its size, and lastly the next auction of the line is smaller.

    Steps repeat until bids beat asks by next to nothing anywhere.

    Properties: nobody loses, by re-solved cost; budget balanced; not truthful, as no
    efficient, balanced and voluntary mechanism can be (Myerson & Satterthwaite); efficient for one
    line and truthful orders. It ends when auctions of single lines bring next to nothing.

    Discloses: marginal prices, amounts at posted price levels, whether an outcome is acceptable.

    With ``own_prices`` only the price changes, from the middle of the last bid and ask to that of
    all bids and asks that trade: quantities of an auction are the same, and so is the outcome
    unless a price makes one end refuse. The refund undoes what pay-as-bid is known for.

    References: Chatterjee & Samuelson (1983), Operations Research 31; Myerson & Satterthwaite
    (1983), Journal of Economic Theory 29; Kahn, Cramton, Porter & Tabors (2001), The Electricity
    Journal 14, on uniform and pay-as-bid pricing.

    Parameters
    ----------
    k : float
        Weight of the last bid in the price, 0 to 1.
    own_prices : bool
        Whether every block trades at its own price; ``k`` then does not matter.
    """

    k: Weight = 0.5
    own_prices: bool = False

    name = "k_double_auction"
    family = "line curves"
    discloses = "marginal prices, amounts at posted price levels, consent"

    def match(self, buyers: Orders, sellers: Orders) -> Match:
        """Clear at one price, or at everyone's own."""
        if self.own_prices:
            return clear_pay_as_bid(buyers, sellers)
        return clear_k_double(buyers, sellers, self.k)
