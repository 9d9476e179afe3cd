"""The k-double auction: one price between the last bid and the last ask that trade."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.orders import NOTHING, Match, Orders, margin
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


@dataclass
class KDoubleAuction(SealedAuction):
    """Neighbours send sealed orders for every product on their line; one price clears each.

    Rules, for every interconnector that does not rest:

    1. Both ends say what a little more import is worth. For each product the end that values it
       less sells, and price levels are set between the two.
    2. Each end answers what it would sell or buy at each level, all products together.
    3. Per product, blocks trade while the bid is at least the ask, all at one price: ``k`` times
       the last bid plus ``1 - k`` times the last ask that trade.
    4. Both ends re-solve with the outcome and accept if they are better off; if not it is
       offered at half its size, and lastly the next auction of the line is smaller.

    Steps repeat until bids beat asks by next to nothing anywhere.

    Properties: nobody loses, by re-solved cost; budget balanced; not truthful, as no balanced and
    voluntary mechanism can be (Myerson & Satterthwaite); efficient for one line and truthful
    orders; between many countries it ends where no two neighbours gain.

    Discloses: marginal prices, amounts at posted price levels, whether an outcome is acceptable.

    References: Chatterjee & Samuelson (1983), Operations Research 31; Myerson & Satterthwaite
    (1983), Journal of Economic Theory 29.

    Parameters
    ----------
    k : float
        Weight of the last bid in the price, 0 to 1.
    """

    k: Weight = 0.5

    name = "k_double_auction"
    discloses = "marginal prices, amounts at posted price levels, consent"

    def match(self, buyers: Orders, sellers: Orders) -> Match:
        """Clear at one price."""
        return clear_k_double(buyers, sellers, self.k)
