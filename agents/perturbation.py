"""A little more and a little less import: how much it is, and for which products it is tried."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from protocols.public import PublicLedger

# One stream of the run's seed is for this alone.
_STREAM = 14


@dataclass(frozen=True)
class Perturbation:
    """How a country tries what a little more and a little less import is worth.

    Parameters
    ----------
    share : float, optional
        Of its own mean demand in the product; of its interconnectors' limits where it has none.
        By default "by the deal": as much as the largest deal that one of its interconnectors has
        room for, either way.
    most_products : int
        Tried in one step; 0 tries none, which leaves the duals. All countries try the same, so
        that both sides of a border can be compared, and with every step come the next ones of an
        order that the seed has drawn.
    """

    share: float | None = 0.01
    most_products: int = 4

    @classmethod
    def from_text(cls, text: str, most_products: int) -> Perturbation:
        """Read ``1%`` (of demand), ``deal`` or ``off``.

        Raises
        ------
        ValueError
            If it is none of them.
        """
        if text == "off":
            return cls(most_products=0)
        if text == "deal":
            return cls(None, most_products)
        number = text.removesuffix("%")
        try:
            percent = float(number)
        except ValueError:
            percent = math.nan
        if number == text or not 0 < percent <= 100:
            raise ValueError(f"'{text}': give a share of demand such as 1%, or deal, or off")
        return cls(percent / 100, most_products)

    def turn(self, step: int, seed: int, products: int) -> np.ndarray:
        """Whose turn it is in a step (shape: products, bool)."""
        size = min(self.most_products, products)
        stream = np.random.SeedSequence(seed, spawn_key=(_STREAM,))
        order = np.random.default_rng(stream).permutation(products)
        chosen = np.zeros(products, dtype=bool)
        chosen[order[(step * size + np.arange(size)) % max(products, 1)]] = True
        return chosen

    def step_mw(
        self,
        country: str,
        neighbours: Iterable[str],
        demand_mw: np.ndarray,
        turn: np.ndarray,
        ledger: PublicLedger,
    ) -> np.ndarray:
        """How much more and less import is tried, MW of each product; NaN where nothing is.

        A product is tried if it is its turn and its border is live: some interconnector has room
        for it, one way or the other. One that is full one way has room the other way.

        Parameters
        ----------
        country : str
        neighbours : iterable of str
        demand_mw : ndarray, shape (products,)
            The country's own mean demand in each product.
        turn : ndarray of bool, shape (products,)
            From :meth:`turn`.
        ledger : PublicLedger
        """
        ways = [way for n in neighbours for way in ((country, n), (n, country))]
        if not ways or not turn.any():
            return np.full(len(turn), np.nan)
        room_mw = np.max([ledger.room_mw(way) for way in ways], axis=0)
        if self.share is None:
            step = room_mw
        else:
            limit_mw = sum(ledger.capacity_mw(way) for way in ways[::2])
            step = self.share * np.where(demand_mw > 0, demand_mw, limit_mw)
        tried = turn & (room_mw > 0) & (step > 0)
        return np.where(tried, step, np.nan)
