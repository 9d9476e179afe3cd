"""Sealed orders on one line: both ends tell their curves at once, a rule matches them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from protocols.asking import Asking
from protocols.line_auction import LineAuction, Lot, curves_of
from protocols.orders import Match, Orders, asks, bids
from protocols.parameters import Count


@dataclass
class SealedAuction(LineAuction):
    """Line auction in which orders are blocks at price levels between the ends' marginal worths.

    Parameters
    ----------
    levels : int
        Price levels, and so the most blocks of an order.
    """

    levels: Count = 4

    @abstractmethod
    def match(self, buyers: Orders, sellers: Orders) -> Match:
        """Decide about one product."""

    def auction(self, lots: list[Lot], round_: int) -> Asking[list[list[Match]]]:
        """Collect curves, match every product."""
        if not lots:
            return []
        shares = (np.arange(self.levels) + 0.5) / self.levels
        levels = [lot.price(shares[:, None]) for lot in lots]
        amounts = yield from curves_of(lots, levels, round_)
        return [
            [
                self.match(*_orders(prices[:, t], sold[:, t], bought[:, t]))
                for t in range(len(lot.limit_mw))
            ]
            for lot, prices, (sold, bought) in zip(lots, levels, amounts, strict=True)
        ]


def _orders(price: np.ndarray, sold_mw: np.ndarray, bought_mw: np.ndarray) -> tuple[Orders, Orders]:
    """Blocks of a curve given by amounts at rising prices.

    What is sold from a level on is asked at that level, and what is bought up to a level is bid at
    it: the true worth of each block is at least as good. Where joint responses make a curve turn
    back, the earlier amount counts.
    """
    supply = np.maximum.accumulate(sold_mw)
    demand = np.maximum.accumulate(bought_mw[::-1])
    return (
        bids(price[::-1], np.diff(demand, prepend=0.0)),
        asks(price, np.diff(supply, prepend=0.0)),
    )
