"""Planning problem of a teaching country: a cost curve instead of a power system.

The cost of a snapshot depends on its generation alone, so snapshots do not couple and everything
has a closed form or a one-dimensional search. Nothing here calls a solver.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from agents.problem import Plan, PlanningProblem, Terms
from scenarios.schema import CostCurve

# Best responses are searched down to this width, MW.
_RESPONSE_WIDTH_MW = 1e-10


class CurveProblem(PlanningProblem):
    """Cost of one country from its cost curve.

    Generation is demand less net import. Its marginal cost is ``intercept + slope * generation``
    or that of the block reached in the merit order; energy above demand is disposed of freely
    (marginal cost 0 below zero generation). Load may be shed at the value of lost load, which
    therefore caps the marginal cost of both forms: a block or part of the formula that is dearer
    is never used, and beyond the last block all is shed. Cost is finite for every exchange.

    Parameters
    ----------
    curve : CostCurve
    weights_h : ndarray, shape (snapshots,)
    shape : scipy.sparse.csr_array, shape (products, snapshots)
        Products the country can respond with; each snapshot may belong to one product only.
    value_of_lost_load_eur_per_mwh : float

    Raises
    ------
    ValueError
        If demand does not fit the snapshots, or products overlap or are negative.
    """

    def __init__(
        self,
        curve: CostCurve,
        weights_h: np.ndarray,
        shape: sp.csr_array,
        value_of_lost_load_eur_per_mwh: float,
    ) -> None:
        self.country = curve.country
        self.weights_h = np.asarray(weights_h, dtype=float)
        self.shape = sp.csr_array(shape, dtype=float)
        self.solves = 0
        self._demand_mw = np.array(
            np.broadcast_to(np.asarray(curve.demand_mw, dtype=float), self.weights_h.shape)
        )
        self._check_shape()
        place = self.shape.tocoo()
        self._product_of = np.zeros(len(self.weights_h), dtype=int)  # of none: nothing delivered
        self._product_of[place.col] = place.row
        self._delivery = np.zeros(len(self.weights_h))
        self._delivery[place.col] = place.data
        self._hours = self.shape @ self.weights_h
        self._lay_out_segments(curve, value_of_lost_load_eur_per_mwh)

    @property
    def demand_mw(self) -> np.ndarray:
        """Own demand, MW per snapshot."""
        return self._demand_mw.copy()

    @property
    def kinks_mw(self) -> np.ndarray:
        """Generation at which the form of the curve changes, zero first, MW."""
        return self._start_mw.copy()

    def cost_rate_eur_per_h(self, generation_mw: np.ndarray) -> np.ndarray:
        """Cost of generating (or shedding) a given power, EUR/h."""
        generation = np.maximum(generation_mw, 0.0)
        i = np.searchsorted(self._start_mw, generation, side="right") - 1
        beyond = generation - self._start_mw[i]
        return self._start_eur_per_h[i] + beyond * (self._price[i] + self._slope[i] * beyond / 2)

    def marginal_cost(self, generation_mw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives of cost from below and from above, EUR/MWh; they differ at kinks only."""
        return (
            self._derivative(generation_mw, "left"),
            self._derivative(generation_mw, "right"),
        )

    def solve(self, exchange_mw: np.ndarray) -> Plan:
        """Plan for a given net import; at a kink the price is the middle of its interval."""
        self.solves += 1
        exchange = np.array(exchange_mw, dtype=float)
        generation = self._demand_mw - exchange
        below, above = self.marginal_cost(generation)
        return Plan(
            cost_eur=float(self.weights_h @ self.cost_rate_eur_per_h(generation)),
            price_eur_per_mwh=(below + above) / 2,
            exchange_mw=exchange,
        )

    def respond(self, exchange_mw: np.ndarray, terms: Terms) -> np.ndarray:
        """Best trade at given prices, the smallest if several are equally good.

        Products do not couple, so each is a convex function of one quantity on either side of
        zero, and the blocks of its ladder fill one after the other. Should the first export price
        exceed the first import price the better side is taken.
        """
        self.solves += 1
        generation = self._demand_mw - np.asarray(exchange_mw, dtype=float)
        bought, buying = self._fill(generation, -1, *terms.import_ladder)
        price, limit_mw = terms.export_ladder
        sold, selling = self._fill(generation, +1, -price, limit_mw)
        both = (bought > 0) & (sold > 0)
        bought = np.where(both & (buying >= selling), 0.0, bought)
        sold = np.where(both & (buying < selling), 0.0, sold)
        return bought - sold

    def _check_shape(self) -> None:
        if self.shape.ndim != 2 or self.shape.shape[1] != len(self.weights_h):
            raise ValueError(f"{self.country}: the products do not fit the snapshots")
        often = np.bincount(self.shape.indices, minlength=len(self.weights_h))
        if (self.shape.data < 0).any() or (often > 1).any():
            raise ValueError(
                f"{self.country}: a cost curve can respond only with products that do not overlap"
            )

    def _lay_out_segments(self, curve: CostCurve, lost_load: float) -> None:
        """Segments of constant slope, the last one being load shedding."""
        segments: list[tuple[float, float, float]] = []  # MW, EUR/MWh at its start, slope
        if curve.blocks is not None:
            segments = [(mw, price, 0.0) for mw, price in curve.blocks if mw > 0]
        else:
            a, b = curve.intercept_eur_per_mwh, curve.slope_eur_per_mwh_per_mw
            assert a is not None and b is not None
            segments = [(max(lost_load - a, 0.0) / b, a, b)]
        segments = [s for s in segments if s[0] > 0 and s[1] < lost_load]
        mw, price, slope = (
            (np.array(column) for column in zip(*segments, strict=True))
            if (segments)
            else (np.zeros(0), np.zeros(0), np.zeros(0))
        )
        self._start_mw = np.concatenate([[0.0], np.cumsum(mw)])
        self._price = np.append(price, lost_load)
        self._slope = np.append(slope, 0.0)
        self._start_eur_per_h = np.concatenate([[0.0], np.cumsum(mw * (price + slope * mw / 2))])

    def _derivative(self, generation_mw: np.ndarray, side: str) -> np.ndarray:
        generation = np.asarray(generation_mw, dtype=float)
        i = np.searchsorted(self._start_mw, generation, side=side) - 1  # type: ignore[call-overload]
        inside = np.maximum(i, 0)
        rate = self._price[inside] + self._slope[inside] * (generation - self._start_mw[inside])
        return np.where(i >= 0, rate, 0.0)

    def _fill(
        self, generation_mw: np.ndarray, sign: int, price: np.ndarray, limit_mw: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Best amount of each product on one side of a ladder, and its cost and payment, EUR."""
        amount, paid = np.zeros(len(self._hours)), np.zeros(len(self._hours))
        for block_price, width in zip(price, limit_mw, strict=True):
            there = generation_mw + sign * amount[self._product_of] * self._delivery
            more = self._best_amount(there, sign, block_price, width)
            amount, paid = amount + more, paid + self._hours * block_price * more
        change = sign * amount[self._product_of] * self._delivery
        cost = self.weights_h * self.cost_rate_eur_per_h(generation_mw + change)
        return amount, self._per_product(cost) + paid

    def _best_amount(
        self, generation_mw: np.ndarray, sign: int, price: np.ndarray, limit_mw: np.ndarray
    ) -> np.ndarray:
        """Smallest best amount that changes generation by ``sign`` times the delivery."""
        low = np.zeros(len(self._hours))
        high = np.maximum(np.asarray(limit_mw, dtype=float), 0.0)
        gains = self._gains_at(generation_mw, sign, price, low)
        high = np.where(gains, high, 0.0)
        low = np.where(self._gains_at(generation_mw, sign, price, high), high, low)
        while (high - low > _RESPONSE_WIDTH_MW).any():
            middle = (low + high) / 2
            if ((middle <= low) | (middle >= high)).all():
                break
            gains = self._gains_at(generation_mw, sign, price, middle)
            low, high = np.where(gains, middle, low), np.where(gains, high, middle)
        return high

    def _gains_at(
        self, generation_mw: np.ndarray, sign: int, price: np.ndarray, amount_mw: np.ndarray
    ) -> np.ndarray:
        """Whether a little more than an amount is better still; rounding is no gain."""
        change = sign * amount_mw[self._product_of] * self._delivery
        rate = self._derivative(generation_mw + change, "right" if sign > 0 else "left")
        own = self._per_product(sign * self.weights_h * self._delivery * rate)
        paid = self._hours * price
        rounding = 16 * np.finfo(float).eps * (np.abs(own) + np.abs(paid))
        return own + paid < -rounding

    def _per_product(self, per_snapshot: np.ndarray) -> np.ndarray:
        return np.bincount(self._product_of, weights=per_snapshot, minlength=len(self._hours))
