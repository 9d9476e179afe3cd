"""The fixed attacker: convex regression on the facts it heard.

It fits the cost of a country by

    f(x) = - sum_k h_k v_k x_k + sum_m c_m psi_m(a_m . u),    v, c >= 0,

with ``h`` the hours and ``u`` the net import ``x`` as a share of the trading box. The ``psi`` are
splines of second order whose curvature is one on one interval of one direction ``a`` and zero
elsewhere, so that every fit is convex. Weights ``c`` are as small as the facts allow: where nothing
was heard, the attacker supposes that marginal values stay as they are. Misses are squared; facts
that are bounds cost nothing as long as they are kept. This is a ridge regression under signs, one
non-negative least squares.

References: Boyd & Vandenberghe (2004), Convex Optimization, 6.5.5, on fitting convex functions;
Lawson & Hanson (1974), Solving Least Squares Problems, chapter 23.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy.optimize import nnls

from model.disclosure.facts import Difference, Fact, Slope, places_of

# Weights of the misfit, as shares of the price cap: what a marginal value told is taken to be off
# by, and one that was inferred from the end of a negotiation.
_TOLD, _INFERRED = 1 / 30_000, 1 / 30_000
# By how much marginal values fall over the box, and differ from product to product, as a share of
# the price cap: how dear curvature is.
_FALL = 1 / 100
# Share of the trading box of which a deal is so small that rounding is half of its misfit.
_SMALL = 3e-3
# Bounds no wider than this share of the price cap count as a value in their middle.
_NARROW = 1 / 300
_FUNCTIONS, _FEWEST, _MOST = 200, 6, 16
_APART = 1e-6
# Pairs of products that get directions of their own; beyond, only neighbours in time.
_PAIRED = 4


@dataclass(frozen=True)
class Frame:
    """Where a country may trade, and the units of the regression.

    Attributes
    ----------
    least_mw, most_mw : ndarray, shape (products,)
        Trading box.
    hours : ndarray, shape (products,)
        MWh of one MW of each product.
    cap_eur_per_mwh : float
        Price cap, public.
    """

    least_mw: np.ndarray
    most_mw: np.ndarray
    hours: np.ndarray
    cap_eur_per_mwh: float

    @property
    def reach_mw(self) -> np.ndarray:
        """Largest trade either way."""
        return np.maximum(np.maximum(-self.least_mw, self.most_mw), 1e-9)

    @property
    def energy_mwh(self) -> float:
        """Energy of the largest trade in all products."""
        return float(self.hours @ self.reach_mw)


class Fit:
    """Cost of a country as an attacker sees it after some facts.

    Parameters
    ----------
    facts : iterable of Fact
    frame : Frame
    """

    def __init__(self, facts: Iterable[Fact], frame: Frame) -> None:
        self._frame = frame
        self._directions = _directions(len(frame.hours))
        heard = list(facts)
        self._lay_knots(heard)
        weights = _Rows(self, heard).solve()
        self._level, self._curvature = np.split(weights, [len(frame.hours)])

    def cost_eur(self, at_mw: np.ndarray) -> np.ndarray:
        """Cost less that in autarky, EUR; ``at_mw`` has the shape (places, products)."""
        change = self._values(at_mw) - self._values(np.zeros_like(at_mw))
        found: np.ndarray = change @ np.concatenate([self._level, self._curvature])
        return found

    def value_eur_per_mwh(self, at_mw: np.ndarray) -> np.ndarray:
        """Marginal value of net import, shape (places, products)."""
        found: np.ndarray = self._slopes(at_mw) @ np.concatenate([self._level, self._curvature])
        return found

    def _lay_knots(self, facts: Sequence[Fact]) -> None:
        """Ends of the intervals of each direction: evenly over the box, and denser at the facts."""
        count = int(np.clip(_FUNCTIONS // len(self._directions), _FEWEST, _MOST))
        heard = [place for fact in facts for place in places_of(fact)]
        places = np.reshape(
            [np.zeros_like(self._frame.hours), *heard], (-1, len(self._frame.hours))
        )
        along = (places / self._frame.reach_mw) @ self._directions.T
        self.reach = np.abs(self._directions).sum(axis=1)
        ends = []
        for line, reach in zip(along.T, self.reach, strict=True):
            even = np.linspace(-reach, reach, count + 1)
            dense = np.quantile(np.clip(line, -reach, reach), np.linspace(0, 1, count + 2))[1:-1]
            # Neighbouring ends must lie apart.
            both = np.sort(
                np.concatenate([even, dense + _APART * reach * np.linspace(0, 1, count)])
            )
            ends.append(both)
        knots = np.array(ends)
        self._start, self._width = knots[:, :-1], np.maximum(np.diff(knots), _APART * 1e-3)
        self.count = self._start.shape[1]

    def _values(self, at_mw: np.ndarray) -> np.ndarray:
        """Value of every function at places, EUR per unit of weight (places, weights)."""
        frame = self._frame
        over = self._over(at_mw)
        width = self._width
        inside = np.clip(over, 0, width)
        psi = inside**2 / (2 * width) + np.maximum(over - width, 0)
        linear = -at_mw * frame.hours
        return np.hstack([linear, self._energy * psi.reshape(len(at_mw), -1)])

    def _slopes(self, at_mw: np.ndarray) -> np.ndarray:
        """Marginal value of every function (places, products, weights)."""
        frame, products = self._frame, len(self._frame.hours)
        rise = np.clip(self._over(at_mw) / self._width, 0, 1)
        share = self._directions * self._energy / (frame.hours * frame.reach_mw)
        bent = -share.T[None, :, :, None] * rise[:, None]
        level = np.broadcast_to(np.eye(products), (len(at_mw), products, products))
        return np.concatenate([level, bent.reshape(len(at_mw), products, -1)], axis=2)

    @property
    def _energy(self) -> float:
        frame = self._frame
        return float(np.mean(frame.hours * frame.reach_mw))

    def _over(self, at_mw: np.ndarray) -> np.ndarray:
        """How far places lie beyond the knots (places, directions, knots)."""
        along = (at_mw / self._frame.reach_mw) @ self._directions.T
        over: np.ndarray = along[:, :, None] - self._start
        return over


class _Rows:
    """Rows of the least squares, and slacks of bounds."""

    def __init__(self, fit: Fit, facts: Sequence[Fact]) -> None:
        self._fit = fit
        self._frame = frame = fit._frame
        self._exact: list[np.ndarray] = []
        self._target: list[float] = []
        # Rows with ``row @ weights >= bound`` as good as met.
        self._bounds: list[np.ndarray] = []
        self._least: list[float] = []
        for fact in _tightest(facts):
            if isinstance(fact, Slope):
                self._slope(fact)
            else:
                self._difference(fact)
        cap = frame.cap_eur_per_mwh
        # Nobody pays to be rid of a MWh, not even of the last one.
        for row in fit._slopes(frame.most_mw[None])[0]:
            self._at_least(row, 0.0, _TOLD * cap)
        self._prior(cap)

    def solve(self) -> np.ndarray:
        exact, bounds = np.array(self._exact), np.array(self._bounds)
        system = np.block(
            [
                [exact, np.zeros((len(exact), len(bounds)))],
                [bounds, -np.diag(np.linalg.norm(bounds, axis=1))],
            ]
        )
        target = np.array([*self._target, *self._least])
        # Scales of columns differ by what a price and a slack are; the solver does not like that.
        scale = np.maximum(np.linalg.norm(system, axis=0), 1e-300)
        weights, _ = nnls(system / scale, target, maxiter=50 * system.shape[1])
        return np.asarray(weights / scale)[: exact.shape[1]]

    def _slope(self, fact: Slope) -> None:
        cap = self._frame.cap_eur_per_mwh
        rows = self._fit._slopes(fact.at_mw[None])[0]
        off = (_TOLD if fact.proven else _INFERRED) * cap
        for row, low, high in zip(rows, fact.low, fact.high, strict=True):
            self._between(row, max(low, 0.0), min(high, cap), off, (low <= 0, high >= cap))

    def _difference(self, fact: Difference) -> None:
        ends = self._fit._values(np.array([fact.from_mw, fact.to_mw]))
        moved = float(np.abs(fact.to_mw - fact.from_mw) @ self._frame.hours)
        if moved <= 0:
            return
        low, high = fact.least_eur / moved, fact.most_eur / moved
        open_ = (not np.isfinite(low), not np.isfinite(high))
        # What is said is rounded, which is much of what a small deal is worth.
        off = _TOLD * self._frame.cap_eur_per_mwh * (1 + _SMALL * self._frame.energy_mwh / moved)
        self._between((ends[1] - ends[0]) / moved, low, high, off, open_)

    def _between(
        self, row: np.ndarray, low: float, high: float, off: float, open_: tuple[bool, bool]
    ) -> None:
        """Keep ``row @ weights`` between bounds, EUR/MWh; ``open_`` where there is none."""
        if not any(open_) and high - low <= _NARROW * self._frame.cap_eur_per_mwh:
            spread = np.hypot(off, (high - low) / np.sqrt(12))
            self._exact.append(row / spread)
            self._target.append((low + high) / 2 / spread)
            return
        if not open_[0]:
            self._at_least(row, low, off)
        if not open_[1]:
            self._at_least(-row, -high, off)

    def _at_least(self, row: np.ndarray, bound: float, off: float) -> None:
        self._bounds.append(row / off)
        self._least.append(bound / off)

    def _prior(self, cap: float) -> None:
        fit, products = self._fit, len(self._frame.hours)
        directions, count = len(fit._directions), fit.count
        # The square of curvature, integrated over the box.
        share = fit._width / (2 * fit.reach[:, None])
        flat = np.diag(1 / np.sqrt(share.ravel())) / (_FALL * cap)
        self._exact += list(np.hstack([np.zeros((len(flat), products)), flat]))
        level = np.zeros((products, products + directions * count))
        level[:, :products] = np.eye(products)
        unlike = np.diff(level, axis=0) / (_FALL * cap)
        self._exact += [*unlike, *(level / cap)]
        self._target += [0.0] * (len(self._exact) - len(self._target))


def _tightest(facts: Iterable[Fact]) -> list[Fact]:
    """Facts without repetitions; bounds that agree at the same place as one."""
    found: dict[tuple[object, ...], Fact] = {}
    for fact in facts:
        places = tuple((np.round(mw, 6) + 0.0).tobytes() for mw in places_of(fact))
        if isinstance(fact, Difference):
            found[(*places, fact.least_eur, fact.most_eur)] = fact
            continue
        key = (*places, fact.proven)
        other = found.get(key)
        if isinstance(other, Slope):
            low, high = np.maximum(other.low, fact.low), np.minimum(other.high, fact.high)
            if (low <= high).all():
                fact = replace(fact, low=low, high=high)
            else:
                key = (*key, len(found))
        found[key] = fact
    return list(found.values())


def _directions(products: int) -> np.ndarray:
    """Directions along which cost may bend (directions, products): products, pairs, all."""
    unit = np.eye(products)
    found = list(unit)
    pairs = list(combinations(range(products), 2))
    if products > _PAIRED:
        pairs = [(k, k + 1) for k in range(products - 1)]
    ratios = [(1, 1), (1, -1)]
    if products == 2:
        ratios += [(2, 1), (2, -1), (1, 2), (1, -2)]
    for i, j in pairs:
        for a, b in ratios:
            found.append((a * unit[i] + b * unit[j]) / np.hypot(a, b))
    if products > 2:
        found.append(np.full(products, 1 / np.sqrt(products)))
    return np.array(found)
