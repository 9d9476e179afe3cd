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
    """Cost saved by a change of net import in several products together.

    Attributes
    ----------
    mw : ndarray, shape (products,)
    eur : float
        Cost before less cost after, EUR.
    """

    mw: np.ndarray
    eur: float


Evidence = MarginalValue | Saving


def slopes_of_response(
    change_mw: np.ndarray,
    import_price: np.ndarray,
    export_price: np.ndarray,
    import_limit_mw: np.ndarray,
    export_limit_mw: np.ndarray,
) -> MarginalValue:
    """What the best trade at given prices proves, by its optimality conditions.

    Who imports less than it may values one more MWh at no more than the import price, who imports
    at all values the last one at no less; and so for exports.
    """
    low, high = np.full(len(change_mw), np.nan), np.full(len(change_mw), np.nan)
    # A millionth of the limit is rounding.
    little = 1e-6 * np.maximum(np.maximum(import_limit_mw, export_limit_mw), 1e-300)
    imports, exports = change_mw > little, change_mw < -little
    low = np.where(imports, import_price, low)
    high = np.where(imports & (change_mw < import_limit_mw - little), import_price, high)
    high = np.where(exports, export_price, high)
    low = np.where(exports & (change_mw > -export_limit_mw + little), export_price, low)
    idle = ~imports & ~exports
    high = np.where(idle & (import_limit_mw > little), import_price, high)
    low = np.where(idle & (export_limit_mw > little), export_price, low)
    return MarginalValue(np.asarray(change_mw, dtype=float), low, high)
