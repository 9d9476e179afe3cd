"""Divisions of a joint gain: Shapley value, equal split, core, complaints and inequality.

A game is the value of every coalition: an array of length ``2**n`` in which bit ``i`` of the index
says whether player ``i`` belongs to the coalition; the empty coalition is worth nothing. A division
is an array of ``n`` amounts. Everything here is arithmetic on such arrays; what the players are
and what the values mean is the caller's matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import factorial

import numpy as np


def player_count(values: np.ndarray) -> int:
    """Number of players of a game.

    Raises
    ------
    ValueError
        If the array is not as long as a power of two, or the empty coalition has a value.
    """
    n = len(values).bit_length() - 1
    if n < 1 or len(values) != 1 << n:
        raise ValueError(f"a game has 2**n values, not {len(values)}")
    if values[0] != 0:
        raise ValueError(f"the empty coalition is worth 0, not {values[0]}")
    return n


@cache
def membership(n: int) -> np.ndarray:
    """Who belongs to which coalition, shape (2**n, n), booleans; not to be written to."""
    table = (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(bool)
    table.flags.writeable = False
    return table


def shapley(values: np.ndarray) -> np.ndarray:
    """Shapley value: what each player adds, averaged over all orders of joining.

    The only division that is efficient, symmetric, gives nothing to a player who adds nothing, and
    adds up when games do. It need not lie in the core.

    Parameters
    ----------
    values : ndarray, shape (2**n,)

    Returns
    -------
    ndarray, shape (n,)
        Sums to the value of all players together.

    References
    ----------
    Shapley (1953), A value for n-person games.
    """
    n = player_count(values)
    member = membership(n)
    size = member.sum(axis=1)
    weight = np.array([factorial(s) * factorial(n - s - 1) / factorial(n) for s in range(n)])
    joined = np.arange(1 << n)
    division = np.empty(n)
    for i in range(n):
        without = joined[~member[:, i]]
        added = values[without | 1 << i] - values[without]
        division[i] = weight[size[without]] @ added
    return division


def equal_split(values: np.ndarray) -> np.ndarray:
    """What each player is worth alone and an equal share of the rest.

    With money that passes freely it is the Nash bargaining solution, and those of Kalai and
    Smorodinsky and of the egalitarians, all with standing alone as the disagreement.

    References
    ----------
    Nash (1950), The bargaining problem.
    """
    n = player_count(values)
    alone = values[1 << np.arange(n)]
    return alone + (values[-1] - alone.sum()) / n


def excesses(values: np.ndarray, division: np.ndarray) -> np.ndarray:
    """What each coalition could have beyond what its members get, shape (2**n,)."""
    return values - membership(player_count(values)) @ division


@dataclass(frozen=True)
class Complaint:
    """A coalition and what it could have more of on its own.

    Attributes
    ----------
    members : tuple of int
        Players, ascending.
    excess : float
        Value of the coalition less what its members get; negative if it is content.
    """

    members: tuple[int, ...]
    excess: float


def strongest_complaint(values: np.ndarray, division: np.ndarray) -> Complaint:
    """Coalition of some, not all, with the largest excess; of equals the one with fewest members.

    A game of one player has no such coalition; then the player's own excess is returned.
    """
    n = player_count(values)
    excess = excesses(values, division)
    proper = np.arange(1, max(len(values) - 1, 2))
    largest = excess[proper].max()
    slack = 1e-12 * max(float(np.abs(values).max()), float(np.abs(division).max()))
    equals = proper[excess[proper] >= largest - slack]
    member = membership(n)
    chosen = min(equals, key=lambda s: (int(member[s].sum()), tuple(np.flatnonzero(member[s]))))
    members = tuple(int(i) for i in np.flatnonzero(member[chosen]))
    return Complaint(members, float(excess[chosen]))


def in_core(values: np.ndarray, division: np.ndarray, tolerance: float = 1e-9) -> bool:
    """Whether all is divided and no coalition could do better alone.

    Parameters
    ----------
    values : ndarray, shape (2**n,)
    division : ndarray, shape (n,)
    tolerance : float
        Relative to the largest value of a coalition.
    """
    slack = tolerance * float(np.abs(values).max())
    left_over = float(values[-1] - division.sum())
    return abs(left_over) <= slack and strongest_complaint(values, division).excess <= slack


def distance(division: np.ndarray, other: np.ndarray) -> float:
    """Share of the gain that would have to change hands between two divisions of it.

    Both are scaled to sum to one first, so that an outcome that reached less of the gain is
    compared by how it divided what it reached. NaN if either divides nothing.
    """
    totals = division.sum(), other.sum()
    if min(totals) <= 0:
        return float("nan")
    return 0.5 * float(np.abs(division / totals[0] - other / totals[1]).sum())


def gini(division: np.ndarray) -> float:
    """Gini coefficient: 0 if all get the same, ``(n - 1) / n`` if one gets all.

    Above that if somebody loses; NaN if nothing is divided.
    """
    total = float(division.sum())
    if total <= 0:
        return float("nan")
    between = np.abs(division[:, None] - division[None, :]).sum()
    return float(between) / (2 * len(division) * total)
