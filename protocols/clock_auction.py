"""The ascending clock: a price rises until no more is wanted than offered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from protocols.asking import Asking
from protocols.line_auction import LineAuction, Lot, curves_of
from protocols.orders import Match
from protocols.parameters import Count


@dataclass
class ClockAuction(LineAuction):
    """On every line a clock for each product rises from the seller's price until demand is met.

    Rules, for every interconnector that does not rest:

    1. Both ends say what a little more import is worth. For each product the end that values it
       less sells, and its clock starts at the seller's side of the interval between them.
    2. At every tick both ends answer what they would sell and buy at the clocks' prices, all
       products together. Clocks with excess demand go on by one tick; the others stand still.
    3. A product trades, at the price where its clock stopped, what is both sold and bought there;
       the side that wants more is rationed.
    4. Both ends re-solve with the outcome and accept if they are better off; if not it is
       offered at half its size, and lastly the next auction of the line is smaller.

    Properties: nobody loses, by re-solved cost; budget balanced; within one tick of the
    competitive price of the line; answers of complements may turn back, and clocks do not; not
    truthful for countries that know they move the price.

    Discloses: marginal prices, amounts at each tick's prices, whether an outcome is acceptable.

    References: Ausubel (2006), American Economic Review 96, on clock auctions; Gul & Stacchetti
    (2000), Journal of Economic Theory 92, on why substitutes matter.

    Parameters
    ----------
    ticks : int
        Prices from the seller's to the buyer's marginal worth.
    """

    ticks: Count = 8

    name = "clock_auction"
    discloses = "marginal prices, amounts at the clock's prices, consent"

    def auction(self, lots: list[Lot], round_: int) -> Asking[list[list[Match]]]:
        """Run the clocks of all lots side by side until every one stands still."""
        tick = [np.zeros(len(lot.limit_mw), dtype=int) for lot in lots]
        sent = [np.zeros(len(lot.limit_mw)) for lot in lots]
        running = [lot.limit_mw > 0 for lot in lots]
        for _ in range(self.ticks):
            going = [n for n, clocks in enumerate(running) if clocks.any()]
            if not going:
                break
            posted = [lots[n].price((tick[n] + 0.5) / self.ticks)[None] for n in going]
            amounts = yield from curves_of([lots[n] for n in going], posted, round_)
            for n, (sold, bought) in zip(going, amounts, strict=True):
                sent[n] = np.where(running[n], np.minimum(sold[0], bought[0]), sent[n])
                running[n] = running[n] & (bought[0] > sold[0])
                tick[n] = np.where(running[n], np.minimum(tick[n] + 1, self.ticks - 1), tick[n])
        return [
            [Match(float(mw), float(p), float(p)) for mw, p in zip(amount, prices, strict=True)]
            for amount, prices in (
                (sent[n], lot.price((tick[n] + 0.5) / self.ticks)) for n, lot in enumerate(lots)
            )
        ]
