"""What is certain: bounds over all convex costs that agree with the facts.

A convex cost with marginal values between zero and the price cap takes given values and
subgradients at finitely many places if and only if no tangent lies above a value there (Boyd &
Vandenberghe 2004, 6.5.5). The least and the largest cost at a place, over all such functions that
keep the facts, are therefore two linear programmes. Every fact is a constraint, none is ever
dropped: whoever hears more never knows less.

What is said is rounded, and who lies or blurs may contradict itself. Every fact holds up to a slack
in EUR/MWh, the same for all listeners to a country, so that it takes nothing from this.
"""

from __future__ import annotations

from collections.abc import Iterable

import highspy
import numpy as np

from model.disclosure.facts import Difference, Fact, Slope, places_of
from model.disclosure.regression import Frame

# Slack that rounding takes, as a share of the price cap; a violation that is none, EUR/MWh.
ROUNDING = 1e-6
_ACCURACY = 1e-7
# Energy, as a share of the box, that the slack of a value is counted on at least.
_SMALL = 2e-3
_ROUNDS, _ROOM = 200, 1.01


# Columns of the largest programme that is solved: values and marginal values of all places.
_MOST_COLUMNS = 2000


def too_large(facts: Iterable[Fact], frame: Frame) -> bool:
    """Whether the programme of some facts would take too long."""
    strongest = _strongest(facts)
    slopes = sum(isinstance(fact, Slope) for fact in strongest)
    places = {(np.round(mw, 6) + 0.0).tobytes() for fact in strongest for mw in places_of(fact)}
    count = len(places) + (slopes + len(places)) * len(frame.hours)
    return count > _MOST_COLUMNS


class Envelope:
    """Costs of one country that agree with some facts.

    Parameters
    ----------
    facts : iterable of Fact
        Guesses among them are passed over.
    frame : Frame
    slack_eur_per_mwh : float
        From :func:`least_slack`.
    """

    def __init__(self, facts: Iterable[Fact], frame: Frame, slack_eur_per_mwh: float) -> None:
        self._programme = _Programme(facts, frame, slack_eur_per_mwh)

    def bounds_eur(self, at_mw: np.ndarray) -> tuple[float, float]:
        """Least and largest cost at a place less that in autarky, EUR; shape (products,)."""
        place = self._programme.place(at_mw)
        return self._programme.extreme(place, 1), self._programme.extreme(place, -1)


def least_slack(facts: Iterable[Fact], frame: Frame) -> float:
    """Smallest slack with which some convex cost agrees with all facts, EUR/MWh.

    Not less than what rounding takes.
    """
    return _Programme(facts, frame, None).least_slack()


class _Programme:
    """Columns: the slack, then a value for each place and marginal values for each tangent.

    Values are divided by the energy of the trading box, so that all columns are EUR/MWh.
    """

    def __init__(self, facts: Iterable[Fact], frame: Frame, slack: float | None) -> None:
        self._frame = frame
        self._energy = frame.energy_mwh
        self._floor = ROUNDING * frame.cap_eur_per_mwh
        self._places: list[np.ndarray] = []
        self._value: list[int] = []
        self._index: dict[bytes, int] = {}
        self._tangents: list[tuple[int, int]] = []  # place, first column of its marginal values
        self._made: set[tuple[int, int]] = set()
        self._highs = highspy.Highs()
        for option, chosen in (("output_flag", False), ("threads", 1), ("solver", "simplex")):
            self._highs.setOptionValue(option, chosen)
        self._columns = 0
        low, high = (self._floor, frame.cap_eur_per_mwh) if slack is None else (slack, slack)
        self._column(low, high)
        self.place(np.zeros_like(frame.hours))
        for fact in _strongest(facts):
            if isinstance(fact, Slope):
                self._slope(fact)
            else:
                self._difference(fact)

    def place(self, at_mw: np.ndarray) -> int:
        """Number of a place, which has a value and at least one tangent."""
        key = (np.round(at_mw, 6) + 0.0).tobytes()
        if key not in self._index:
            self._index[key] = len(self._places)
            self._places.append(np.asarray(at_mw, dtype=float))
            most = self._frame.cap_eur_per_mwh * 4
            first = len(self._places) == 1
            self._value.append(self._column(*((0.0, 0.0) if first else (-most, most))))
            self._tangent(self._index[key])
        return self._index[key]

    def extreme(self, place: int, sign: int) -> float:
        """Least value of a place for ``sign`` 1, largest for -1, EUR."""
        self._highs.changeColsCost(
            self._columns, np.arange(self._columns, dtype=np.int32), np.zeros(self._columns)
        )
        self._highs.changeColCost(self._value[place], float(sign))
        return float(self._solve()[self._value[place]]) * self._energy

    def least_slack(self) -> float:
        self._highs.changeColCost(0, 1.0)
        least = float(self._solve()[0])
        # With exactly the least there is one cost only, and rounding decides whether there is one.
        return least if least <= self._floor else _ROOM * least

    def _solve(self) -> np.ndarray:
        """Solve with the convexity rows that matter, found by their violation."""
        for _ in range(_ROUNDS):
            self._optimise()
            solution = np.asarray(self._highs.getSolution().col_value)
            if not self._add_violated(solution):
                return solution
        raise RuntimeError("the bounds of a cost were not found")

    def _optimise(self) -> None:
        # A hot start may lead the simplex method astray; a fresh start, or interior points, do not.
        for solver in ("simplex", "simplex", "ipm"):
            self._highs.setOptionValue("solver", solver)
            self._highs.run()
            status = self._highs.getModelStatus()
            if status == highspy.HighsModelStatus.kOptimal:
                return
            self._highs.clearSolver()
        raise RuntimeError(f"no convex cost agrees with what was said: {status}")

    def _add_violated(self, solution: np.ndarray) -> bool:
        """Rows that a solution breaks: the worst of every tangent and of every place."""
        frame, places = self._frame, np.array(self._places)
        values = solution[self._value]
        of = np.array([place for place, _ in self._tangents])
        slopes = np.array([solution[c : c + len(frame.hours)] for _, c in self._tangents])
        # How far each tangent (rows) passes above the value at each place (columns).
        weighed = slopes * frame.hours / self._energy
        above = values[of, None] - values[None, :]
        above -= _SMALL * solution[0]
        above += (weighed * places[of]).sum(axis=1)[:, None] - weighed @ places.T
        worst = {(t, int(j)) for t, j in enumerate(above.argmax(axis=1))}
        worst |= {(int(t), j) for j, t in enumerate(above.argmax(axis=0))}
        new = sorted(pair for pair in worst - self._made if above[pair] > _ACCURACY)
        for t, j in new:
            self._made.add((t, j))
            place, column = self._tangents[t]
            moved = (places[j] - places[place]) * frame.hours / self._energy
            columns = [self._value[j], self._value[place], 0]
            # Places are rounded too, and a tangent at a kink then is one beside it.
            self._row(
                0.0,
                np.inf,
                [*columns, *range(column, column + len(moved))],
                [1.0, -1.0, _SMALL, *moved],
            )
        return bool(new)

    def _slope(self, fact: Slope) -> None:
        column = self._tangent(self.place(fact.at_mw))
        for k, (low, high) in enumerate(zip(fact.low, fact.high, strict=True)):
            if low > 0:
                self._row(float(low), np.inf, [column + k, 0], [1.0, 1.0])
            if high < self._frame.cap_eur_per_mwh:
                self._row(-np.inf, float(high), [column + k, 0], [1.0, -1.0])

    def _difference(self, fact: Difference) -> None:
        moved = float(np.abs(fact.to_mw - fact.from_mw) @ self._frame.hours)
        ends = [self._value[self.place(mw)] for mw in (fact.to_mw, fact.from_mw)]
        if moved == 0 or ends[0] == ends[1]:
            return
        # Rounding is a share of the amounts that were taken from each other, not of the deal.
        moved += _SMALL * self._energy
        rate = self._energy / moved  # EUR/MWh of what was moved
        least, most = fact.least_eur / moved, fact.most_eur / moved
        if np.isfinite(least):
            self._row(least, np.inf, [*ends, 0], [rate, -rate, 1.0])
        if np.isfinite(most):
            self._row(-np.inf, most, [*ends, 0], [rate, -rate, -1.0])

    def _tangent(self, place: int) -> int:
        """First column of new marginal values at a place."""
        first = self._columns
        for _ in self._frame.hours:
            self._column(0.0, self._frame.cap_eur_per_mwh)
        self._tangents.append((place, first))
        return first

    def _column(self, low: float, high: float) -> int:
        self._highs.addVar(low, high)
        self._columns += 1
        return self._columns - 1

    def _row(self, low: float, high: float, columns: list[int], values: list[float]) -> None:
        index, value = np.array(columns, dtype=np.int32), np.array(values, dtype=float)
        self._highs.addRow(low, high, len(index), index, value)


def _strongest(facts: Iterable[Fact]) -> list[Fact]:
    """Proven facts without those that another one at the same place implies."""
    kept: list[Fact] = []
    slopes: dict[bytes, list[Slope]] = {}
    for fact in facts:
        if isinstance(fact, Difference):
            kept.append(fact)
        elif fact.proven:
            slopes.setdefault((np.round(fact.at_mw, 6) + 0.0).tobytes(), []).append(fact)
    for same in slopes.values():
        strong: list[Slope] = []
        for fact in same:
            if any((s.low >= fact.low).all() and (s.high <= fact.high).all() for s in strong):
                continue
            strong = [
                s for s in strong if not ((fact.low >= s.low).all() and (fact.high <= s.high).all())
            ]
            strong.append(fact)
        kept += strong
    return kept
