"""Least core and nucleolus by linear programs, and the proof that a division is the nucleolus.

Games and divisions are arrays as in :mod:`model.division`.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from model.division import equal_split, excesses, membership, player_count

# Of a game whose values are of order one.
_ACTIVE_DUAL = 1e-7
_SAME_EXCESS = 1e-7
_INDEPENDENT = 1e-9
_SOLVER = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


def least_core_excess(values: np.ndarray) -> float:
    """Smallest possible excess of the coalition that complains most; the core is empty above 0.

    Only coalitions of some, not all, count. Minus infinity with a single player, who has nobody to
    complain about.

    References
    ----------
    Maschler, Peleg & Shapley (1979), Geometric properties of the kernel, nucleolus, and related
    solution concepts.
    """
    n = player_count(values)
    if n == 1:
        return float("-inf")
    scale = _scale(values)
    program = _Program(values / scale)
    program.imputations_only = False
    return program.solve() * scale


def nucleolus(values: np.ndarray) -> np.ndarray:
    """Nucleolus: makes the largest complaint as small as possible, then the next, and so on.

    Complaints are excesses; nobody gets less than alone. It is unique and lies in the core if there
    is one. A sequence of linear programs: each lowers the largest excess that is not yet settled
    and settles the coalitions whose duals say that they hold it there, and with them all that
    depend on them linearly; there are at most ``n`` programs.

    Parameters
    ----------
    values : ndarray, shape (2**n,)

    Returns
    -------
    ndarray, shape (n,)
        Sums to the value of all players together.

    Raises
    ------
    ValueError
        If the players are worth more alone than all together: no division satisfies each of them.

    References
    ----------
    Schmeidler (1969), The nucleolus of a characteristic function game. Kopelowitz (1967) for the
    sequence of programs; Derks & Kuipers (1997) for settling by linear dependence.
    """
    n = player_count(values)
    scale = _scale(values)
    scaled = values / scale
    spare = float(scaled[-1] - scaled[1 << np.arange(n)].sum())
    if spare < -_SAME_EXCESS:
        raise ValueError("the players are worth more alone than together: no nucleolus")
    if n == 1 or spare <= 0:
        return equal_split(values)
    program = _Program(scaled)
    while not program.settled:
        program.solve()
    return program.division() * scale


def is_nucleolus(values: np.ndarray, division: np.ndarray) -> bool:
    """Whether a division is the nucleolus, by Kohlberg's criterion.

    For every level, the coalitions with at least that excess must be balanced: positive weights
    on them add up to the same for every player. Players who get no more than alone may help with
    weights of zero or more. Independent of how the division was found.

    References
    ----------
    Kohlberg (1971), On the nucleolus of a characteristic function game. Coalitions in the span of
    balanced ones change nothing: Nguyen & Thomas (2016), Finding the nucleoli of large cooperative
    games.
    """
    n = player_count(values)
    scale = _scale(values)
    scaled, part = values / scale, division / scale
    alone = scaled[1 << np.arange(n)]
    if abs(part.sum() - scaled[-1]) > _SAME_EXCESS or (part < alone - _SAME_EXCESS).any():
        return False
    at_least = np.flatnonzero(part <= alone + _SAME_EXCESS)
    span = _Span(n)
    span.add(np.ones(n))
    balanced: list[int] = []
    for level in _levels(excesses(scaled, part)):
        new = [s for s in level if not span.contains(membership(n)[s])]
        if not new:
            continue
        balanced += level
        if not _is_balanced(membership(n)[balanced], np.eye(n)[at_least]):
            return False
        for s in new:
            span.add(membership(n)[s].astype(float))
        if span.full:
            return True
    return True


class _Program:
    """The linear program of one stage: division and largest unsettled excess.

    Coalitions are settled once what they get is the same in all that is still possible.
    """

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.n = player_count(values)
        self.imputations_only = True
        self.member = membership(self.n).astype(float)
        self.open = np.arange(1, len(values) - 1)
        self.span = _Span(self.n)
        self.rows: list[np.ndarray] = []
        self.amounts: list[float] = []
        self._settle(np.ones(self.n), float(values[-1]))

    @property
    def settled(self) -> bool:
        """Whether only one division is left."""
        return self.span.full

    def solve(self) -> float:
        """Lower the largest open excess as far as it goes; return it and settle who holds it."""
        n = self.n
        alone = self.values[1 << np.arange(n)] if self.imputations_only else np.full(n, -np.inf)
        result = linprog(
            np.append(np.zeros(n), 1.0),
            A_ub=np.column_stack([-self.member[self.open], -np.ones(len(self.open))]),
            b_ub=-self.values[self.open],
            A_eq=np.column_stack([np.array(self.rows), np.zeros(len(self.rows))]),
            b_eq=self.amounts,
            bounds=[*((a, None) for a in alone), (None, None)],
            method="highs-ds",
            options=_SOLVER,
        )
        if result.status != 0:
            raise RuntimeError(f"nucleolus: the solver says {result.message}")
        held = self.open[result.ineqlin.marginals < -_ACTIVE_DUAL]
        at_least = np.flatnonzero(result.lower.marginals[:n] > _ACTIVE_DUAL)
        for i in at_least:
            self._settle(np.eye(n)[i], float(alone[i]))
        for s in held:
            self._settle(self.member[s], float(self.values[s] - result.fun))
        self.open = np.array([s for s in self.open if not self.span.contains(self.member[s])], int)
        return float(result.fun)

    def division(self) -> np.ndarray:
        """The only division that gives the settled coalitions their amounts."""
        return np.linalg.solve(np.array(self.rows), np.array(self.amounts))

    def _settle(self, row: np.ndarray, amount: float) -> None:
        if not self.span.contains(row):
            self.span.add(row)
            self.rows.append(row)
            self.amounts.append(amount)


class _Span:
    """Linear span of vectors, by an orthonormal basis."""

    def __init__(self, n: int) -> None:
        self.basis = np.zeros((0, n))

    @property
    def full(self) -> bool:
        """Whether it is the whole space."""
        return len(self.basis) == self.basis.shape[1]

    def contains(self, vector: np.ndarray) -> bool:
        return float(np.linalg.norm(self._rest(vector))) <= _INDEPENDENT * len(vector)

    def add(self, vector: np.ndarray) -> None:
        """Add a vector; one that lies in the span changes nothing."""
        if not self.contains(vector):
            rest = self._rest(self._rest(vector))  # twice, against rounding
            self.basis = np.vstack([self.basis, rest / np.linalg.norm(rest)])

    def _rest(self, vector: np.ndarray) -> np.ndarray:
        return vector - (self.basis @ vector) @ self.basis


def _scale(values: np.ndarray) -> float:
    largest = float(np.abs(values).max())
    return largest if largest > 0 else 1.0


def _levels(excess: np.ndarray) -> list[list[int]]:
    """Coalitions of some, not all, by excess, largest first; equal ones together."""
    order = np.argsort(-excess[1:-1], kind="stable") + 1
    levels: list[list[int]] = []
    last = np.inf
    for s in order:
        if last - excess[s] > _SAME_EXCESS:
            levels.append([])
        levels[-1].append(int(s))
        last = excess[s]
    return levels


def _is_balanced(coalitions: np.ndarray, helpers: np.ndarray) -> bool:
    """Whether positive weights on all coalitions, and any on helpers, weigh every player equally.

    Scaled so that the smallest weight is one; the sum that every player gets is free.
    """
    rows = np.vstack([coalitions.astype(float), helpers, -np.ones(coalitions.shape[1])]).T
    lower = np.concatenate([np.ones(len(coalitions)), np.zeros(len(helpers)), [0.0]])
    result = linprog(
        np.zeros(rows.shape[1]),
        A_eq=rows,
        b_eq=np.zeros(len(rows)),
        bounds=[(low, None) for low in lower],
        method="highs-ds",
        options=_SOLVER,
    )
    if result.status not in (0, 2):
        raise RuntimeError(f"nucleolus: the solver says {result.message}")
    return bool(result.status == 0)
