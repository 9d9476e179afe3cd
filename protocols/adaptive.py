"""Bilateral bids, adaptive mode."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.base import Market
from protocols.messages import CLOCK, Limit, LimitCall, Message
from protocols.pairwise import Agreement, Agreements, Deal, PairwiseBundles
from protocols.parameters import NonNegative


@dataclass
class AdaptiveBids(PairwiseBundles):
    """Pairs trade bundles and split the surplus; what fails is tried smaller, paths grow longer.

    Rules, for every pair of countries that a path of the allowed length joins; pairs that share
    neither a country nor a line bargain at the same time, in random order:

    1. *Interest.* Both say which way they would trade each product at the pair's posted prices.
       Each knows from its own duals; by convexity whoever sees no gain there has none to find.
       Where both want the same, the price moves, by less after every turn.
    2. *Wish.* If their interests cross, both solve for the trade they would like best at the
       posted prices, up to the pair's present step, imports and exports alike. The deal is the
       smaller of the two wishes, product by product: a block, a bundle, or a swap.
    3. *Limit.* Both re-solve with the deal and say the least they must be paid for it. If the sum
       is negative, they trade and share the surplus equally; else the step shrinks and they try
       once more. A pair that fails rests for a while.
    4. *Redirecting.* Where sending around a loop of interconnectors cancels flows that lose more
       than it does, two neighbours on it swap: one sends directly, the other by the rest of the
       loop. Limits and the division of the surplus are those of any other bundle.
    5. Only neighbours trade at first. When a step brings little, paths over one more third
       country are allowed; transit countries pass the energy on and earn the wheeling charge.
       When steps bring next to nothing even so, the negotiation is over.

    Flows are netted: a trade against the flow frees room and undoes earlier trades.

    Properties: nobody loses, by re-solved cost; budget balanced; welfare rises with every trade;
    ends; not truthful (whoever overstates its limit gets a larger share); near the best that its
    products allow, without a guarantee of reaching it.

    Discloses: the sign of interest and the wished MW per product at posted prices, and one limit
    in EUR per bundle tried. A limit is a difference of costs, and signs at moving prices close in
    on a marginal value: docs/disclosure.md measures what follows.

    References: Hatfield et al. (2013) on trading networks and chains of trades; Tseng (2001) on
    why one product at a time gets stuck, which bundles and best responses avoid.

    Parameters are those of :class:`protocols.pairwise.PairwiseBundles`, and:

    Parameters
    ----------
    least_surplus_share : float
        Smallest surplus worth a trade, as a share of the surplus of all trades so far.
    """

    least_surplus_share: NonNegative = 2e-7

    name = "bilateral_bids"
    family = "pair bundles"
    mode = "adaptive"
    discloses = "which way, wished MW at posted prices, one EUR limit a bundle"
    progress_in = "surplus_eur"

    def _settle_terms(self, market: Market, deals: list[Deal]) -> Agreements:
        """Share the surplus of each bundle equally, if there is one."""
        least = self.least_surplus_share * float(market.memory.get(self.progress_in, 0.0))
        calls = [
            Message(CLOCK, end, "call", LimitCall(deal.legs), self._round)
            for deal in deals
            for end in (deal.path[0], deal.path[-1])
        ]
        replies = yield calls
        limits = [r.body.amount_eur if r and isinstance(r.body, Limit) else None for r in replies]
        made: list[Agreement | None] = []
        for deal, here, there in zip(deals, limits[::2], limits[1::2], strict=True):
            if here is None or there is None or here + there >= -least:
                made.append(None)
            else:
                made.append(
                    Agreement(self._trades(market, deal, (here - there) / 2), -(here + there))
                )
        return made
