"""Residuals of the alternating direction method of multipliers, and when they are small.

Every country wishes a net import x and the lines give it one, z; prices make the two agree. The
primal residual is x - z, the dual one the slope times what z has moved in the round. Both are taken
in units in which they can be added up over countries: what a country's lines carry, and the least
price by which slopes are chosen.

Reference: Boyd et al. (2011), Distributed Optimization and Statistical Learning via the Alternating
Direction Method of Multipliers, section 3.3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from protocols.levelling import Line

End = tuple[str, str]


@dataclass(frozen=True)
class Residuals:
    """Norms of both residuals, each as a multiple of its tolerance.

    Attributes
    ----------
    primal, dual : float
        At most one where it is within its tolerance.
    """

    primal: float
    dual: float

    @property
    def small(self) -> bool:
        """Whether both are within their tolerances."""
        return self.primal <= 1 and self.dual <= 1


def residuals_of(
    wished: np.ndarray,
    before: np.ndarray,
    given: np.ndarray,
    slope: np.ndarray,
    price: np.ndarray,
    absolute: float,
    relative: float,
) -> Residuals:
    """Residuals of one round; arrays of any one shape, in units of their scales.

    Parameters
    ----------
    wished : ndarray
        What countries would import at the prices they revised, x.
    before, given : ndarray
        What the lines give before and after levelling, z.
    slope : ndarray
        Of prices, per unit of import.
    price : ndarray
        After levelling: the dual variable.
    absolute, relative : float
        Tolerances; the absolute one is for each number, the relative one for the whole.
    """
    least = absolute * np.sqrt(wished.size)
    primal = np.linalg.norm(wished - given)
    dual = np.linalg.norm(slope * (given - before))
    most = max(np.linalg.norm(wished), np.linalg.norm(given))
    return Residuals(
        float(primal / (least + relative * most)),
        float(dual / (least + relative * np.linalg.norm(price))),
    )


class QuoteWatch:
    """Follows one round of quotes, to tell the residuals that follow from them.

    By the public rule of prices, what a price has moved since the last levelling is what its
    country would rather trade. Nobody is asked. An end of a line is named by its country and the
    other one; a row is a country's port.

    Parameters
    ----------
    lines : mapping of (str, str) to Line
        Moved in place by the round.
    rows : mapping of (str, str) to int
        Row at which each end lands.
    price : mapping of int to ndarray, shape (products,)
        Where the last levelling left the price of each row, EUR/MWh; rows may be missing.
    relaxation : float
        Times which a wish moves the price.
    """

    def __init__(
        self,
        lines: Mapping[End, Line],
        rows: Mapping[End, int],
        price: Mapping[int, np.ndarray],
        relaxation: float,
    ) -> None:
        self._lines, self._rows = lines, rows
        self._price, self._relaxation = dict(price), relaxation
        self.before_mw = self._imports_mw()
        self.wished_mw: dict[int, np.ndarray] = {}
        self._slope: dict[int, np.ndarray] = {}

    def hear(
        self, end: End, price: np.ndarray, slope_at: Callable[[End, np.ndarray], np.ndarray]
    ) -> None:
        """Take in the price that is quoted at an end of a line; the first of a row tells."""
        row = self._rows[end]
        before = self._price.get(row)
        if row in self.wished_mw or before is None:
            return
        slope = slope_at(end, before)
        change = (price - before) / (self._relaxation * slope)
        self.wished_mw[row], self._slope[row] = self.before_mw[row] + change, slope

    def residuals(
        self,
        price: Mapping[int, np.ndarray],
        span_mw: Mapping[int, float],
        least_price: float,
        absolute: float,
        relative: float,
    ) -> Residuals | None:
        """Residuals of the round after levelling; None before prices have moved once.

        Parameters
        ----------
        price : mapping of int to ndarray
            Prices after levelling.
        span_mw : mapping of int to float
            What the lines of each row's country carry.
        least_price : float
            Unit of prices, EUR/MWh.
        absolute, relative : float
            Tolerances, see :func:`residuals_of`.
        """
        rows = sorted(self.wished_mw)
        if not rows:
            return None
        given = self._imports_mw()
        span = np.array([[span_mw[row]] for row in rows])

        def table(of: Mapping[int, np.ndarray]) -> np.ndarray:
            return np.array([of[row] for row in rows])

        return residuals_of(
            table(self.wished_mw) / span,
            table(self.before_mw) / span,
            table(given) / span,
            table(self._slope) * span / least_price,
            table(price) / least_price,
            absolute,
            relative,
        )

    def _imports_mw(self) -> dict[int, np.ndarray]:
        """Net import that the proposed flows give, by row."""
        total: dict[int, np.ndarray] = {}
        for edge, line in self._lines.items():
            for end, mw in ((edge, line.near_import_mw), (edge[::-1], line.far_import_mw)):
                row = self._rows[end]
                total[row] = total.get(row, np.zeros(len(mw))) + mw
        return total
