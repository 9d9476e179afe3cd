"""Sealed orders for one product: blocks of quantity at a price, and how they match.

What k-double auction, pay-as-bid and McAfee's auction share. A block is one trader of unit demand
in the textbooks; quantities may be any here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Orders:
    """Blocks of one side of a market, best first.

    Attributes
    ----------
    price : ndarray, shape (n,)
        EUR/MWh.
    mw : ndarray, shape (n,)
    """

    price: np.ndarray
    mw: np.ndarray


@dataclass(frozen=True)
class Match:
    """What an auction decides for one product.

    Attributes
    ----------
    mw : float
        Quantity traded.
    paid, earned : float
        Mean price that buyers pay and that sellers are paid, EUR/MWh; the difference is the
        auctioneer's surplus per MWh.
    """

    mw: float
    paid: float
    earned: float


NOTHING = Match(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Margin:
    """Where supply and demand cross.

    Attributes
    ----------
    mw : float
        Largest quantity whose last unit is worth at least what it costs.
    bid, ask : float
        Price of the last bid and the last ask that trade.
    next_bid, next_ask : float
        Prices just beyond that quantity; minus and plus infinity where there is none.
    bid_start_mw, ask_start_mw : float
        Quantity at which the last bid and the last ask begin.
    """

    mw: float
    bid: float
    ask: float
    next_bid: float
    next_ask: float
    bid_start_mw: float
    ask_start_mw: float


def bids(price: np.ndarray, mw: np.ndarray | None = None) -> Orders:
    """Orders of buyers, dearest first; one unit each unless told otherwise."""
    return _sorted(price, mw, -1)


def asks(price: np.ndarray, mw: np.ndarray | None = None) -> Orders:
    """Orders of sellers, cheapest first; one unit each unless told otherwise."""
    return _sorted(price, mw, 1)


def margin(buyers: Orders, sellers: Orders) -> Margin | None:
    """Find where demand and supply cross; None if nothing can be traded."""
    demand, supply = np.cumsum(buyers.mw), np.cumsum(sellers.mw)
    i = j = 0
    quantity, last = 0.0, None
    while i < len(demand) and j < len(supply) and buyers.price[i] >= sellers.price[j]:
        last = (i, j)
        quantity = min(demand[i], supply[j])
        ended_buyer, ended_seller = demand[i] <= quantity, supply[j] <= quantity
        i, j = i + int(ended_buyer), j + int(ended_seller)
    if last is None:
        return None
    b, s = last
    return Margin(
        float(quantity),
        float(buyers.price[b]),
        float(sellers.price[s]),
        float(buyers.price[i]) if i < len(demand) else -np.inf,
        float(sellers.price[j]) if j < len(supply) else np.inf,
        float(demand[b] - buyers.mw[b]),
        float(supply[s] - sellers.mw[s]),
    )


def split(orders: Orders, unit_mw: float) -> Orders:
    """The same orders in blocks of at most a unit."""
    pieces = np.maximum(np.ceil(orders.mw / unit_mw - 1e-9), 1.0).astype(int)
    return Orders(np.repeat(orders.price, pieces), np.repeat(orders.mw / pieces, pieces))


def mean_price(orders: Orders, mw: float) -> float:
    """Mean price of the first MW of orders, EUR/MWh."""
    before = np.cumsum(orders.mw) - orders.mw
    filled = np.clip(mw - before, 0.0, orders.mw)
    return float(filled @ orders.price / filled.sum())


def _sorted(price: np.ndarray, mw: np.ndarray | None, sign: int) -> Orders:
    prices = np.asarray(price, dtype=float)
    amounts = np.ones_like(prices) if mw is None else np.asarray(mw, dtype=float)
    real = amounts > 0
    order = np.argsort(sign * prices[real], kind="stable")
    return Orders(prices[real][order], amounts[real][order])
