"""Clarke payments of unit orders, by the definition: a reference for the auction on the network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from protocols.orders import Orders, margin


@dataclass(frozen=True)
class ClarkeMarket:
    """Outcome of a VCG double auction of unit orders.

    Attributes
    ----------
    mw : float
        Quantity traded.
    welfare : float
        Worth to buyers less cost of sellers.
    paid, earned : ndarray
        Clarke payment of each buyer that trades, and of each seller, best first.
    """

    mw: float
    welfare: float
    paid: np.ndarray
    earned: np.ndarray

    @property
    def deficit(self) -> float:
        """What the auctioneer pays on top."""
        return float(self.earned.sum() - self.paid.sum())


def clear_vcg(buyers: Orders, sellers: Orders) -> ClarkeMarket:
    """Maximise welfare; every order pays the loss of welfare that its presence means to others.

    Parameters
    ----------
    buyers, sellers : Orders
        Every block is one trader.
    """
    quantity, welfare = _welfare(buyers, sellers)
    paid = [
        price * mw - (welfare - _welfare(_without(buyers, i), sellers)[1])
        for i, (price, mw) in enumerate(_traded(buyers, quantity))
    ]
    earned = [
        price * mw + (welfare - _welfare(buyers, _without(sellers, j))[1])
        for j, (price, mw) in enumerate(_traded(sellers, quantity))
    ]
    return ClarkeMarket(quantity, welfare, np.array(paid), np.array(earned))


def _welfare(buyers: Orders, sellers: Orders) -> tuple[float, float]:
    """Quantity of the largest welfare that one product's orders allow, and that welfare."""
    m = margin(buyers, sellers)
    if m is None:
        return 0.0, 0.0
    worth = sum(price * mw for price, mw in _traded(buyers, m.mw))
    return m.mw, worth - sum(price * mw for price, mw in _traded(sellers, m.mw))


def _traded(orders: Orders, mw: float) -> list[tuple[float, float]]:
    """Price and quantity of each order that trades something."""
    before = np.cumsum(orders.mw) - orders.mw
    filled = np.clip(mw - before, 0.0, orders.mw)
    return [(float(p), float(q)) for p, q in zip(orders.price, filled, strict=True) if q > 0]


def _without(orders: Orders, position: int) -> Orders:
    return Orders(np.delete(orders.price, position), np.delete(orders.mw, position))
