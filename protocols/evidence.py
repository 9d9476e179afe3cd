"""What a message proves about the cost of whoever said it.

Every body that carries private numbers says, from what the listener knows besides (the question it
answers, the public ledger), what follows for the sender's cost function. Net import is counted from
the sender's present exchange, product by product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class MarginalValue:
    """Bounds of the marginal value of net import at one amount of each product.

    Attributes
    ----------
    mw : ndarray, shape (products,)
        Change of net import from the present at which the bounds hold.
    low, high : ndarray, shape (products,)
        EUR/MWh; NaN where nothing follows.
    from_start : bool
        Whether amounts count from where the protocol run began instead of the present: for
        countries that value their position once a run.
    """

    mw: np.ndarray
    low: np.ndarray
    high: np.ndarray
    from_start: bool = False


@dataclass(frozen=True)
class Saving:
    """Bounds of the cost saved by a change of net import in several products together.

    Attributes
    ----------
    mw : ndarray, shape (products,)
    least_eur, most_eur : float
        Cost before less cost after lies between them, EUR; infinite where nothing follows.
    """

    mw: np.ndarray
    least_eur: float
    most_eur: float


Evidence = MarginalValue | Saving


def at_the_border(found: MarginalValue, products: int) -> MarginalValue:
    """What bounds at every port of a country say about its net import as a whole.

    A MWh more is worth no less than where it is worth least, and no more than where it is worth
    most.

    Parameters
    ----------
    found : MarginalValue
        One block of products per port.
    products : int
    """
    mw, low, high = (np.reshape(x, (-1, products)) for x in (found.mw, found.low, found.high))
    return MarginalValue(mw.sum(axis=0), low.min(axis=0), high.max(axis=0), found.from_start)


def savings(mw: np.ndarray, least_eur: float, most_eur: float, products: int) -> tuple[Saving, ...]:
    """What the saving of a change says: nothing where the country has several ports.

    There part of it may have come from what passes from port to port, which changes cost and no net
    import.

    Parameters
    ----------
    mw : ndarray
        One block of products per port.
    least_eur, most_eur : float
    products : int
    """
    return (Saving(mw, least_eur, most_eur),) if len(mw) == products else ()


def slopes_of_ladder(
    change_mw: np.ndarray,
    import_price: np.ndarray,
    export_price: np.ndarray,
    import_limit_mw: np.ndarray,
    export_limit_mw: np.ndarray,
    start_mw: np.ndarray | float = 0.0,
) -> MarginalValue:
    """What the best trade on ladders of prices proves, by its optimality conditions.

    One more MWh than chosen is worth no more than the block it would lie in costs, and the last
    one no less than its block costs, for imports and exports alike.

    Parameters
    ----------
    change_mw : ndarray, shape (products,)
        Best change of net import.
    import_price, export_price : ndarray, shape (blocks, products)
        EUR/MWh; import prices rise from block to block, export prices fall.
    import_limit_mw, export_limit_mw : ndarray, shape (blocks, products)
        Widths of the blocks.
    start_mw : ndarray or float
        Where the ladders begin, against the present exchange.
    """
    columns = np.arange(len(change_mw))
    # Amounts are said with twenty binary digits of the largest.
    widest = max(import_limit_mw.sum(axis=0).max(), export_limit_mw.sum(axis=0).max())
    little = 2.0**-19 * max(float(widest), 1e-300)

    def price_of(prices: np.ndarray, widths: np.ndarray, mw: np.ndarray) -> np.ndarray:
        """Price of the block in which an amount lies; NaN beyond the last."""
        ends = np.cumsum(widths, axis=0)
        block = (mw[None, :] >= ends).sum(axis=0)
        found = prices[np.minimum(block, len(prices) - 1), columns]
        return np.where(block < len(prices), found, np.nan)

    bought, sold = np.maximum(change_mw, 0.0), np.maximum(-change_mw, 0.0)
    imports, exports = change_mw > little, change_mw < -little
    next_in = price_of(import_price, import_limit_mw, bought + little)
    last_in = price_of(import_price, import_limit_mw, np.maximum(bought - little, 0.0))
    next_out = price_of(export_price, export_limit_mw, sold + little)
    last_out = price_of(export_price, export_limit_mw, np.maximum(sold - little, 0.0))
    high = np.where(exports, last_out, next_in)
    low = np.where(imports, last_in, next_out)
    return MarginalValue(np.asarray(change_mw + start_mw, dtype=float), low, high)


def slopes_of_response(
    change_mw: np.ndarray,
    import_price: np.ndarray,
    export_price: np.ndarray,
    import_limit_mw: np.ndarray,
    export_limit_mw: np.ndarray,
) -> MarginalValue:
    """What the best trade at one price each way proves; all shapes (products,)."""
    return slopes_of_ladder(
        change_mw,
        import_price[None, :],
        export_price[None, :],
        import_limit_mw[None, :],
        export_limit_mw[None, :],
    )
