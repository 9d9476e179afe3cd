"""Shapley value by sampling orders, where the values of all coalitions would take too long."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student


@dataclass(frozen=True)
class Estimate:
    """Sampled Shapley value.

    Attributes
    ----------
    division : ndarray, shape (n,)
        Sums to the value of all players together, whatever was sampled.
    half_width : ndarray, shape (n,)
        Of the confidence interval of each entry; infinite after one pair.
    pairs : int
        Pairs of orders sampled.
    """

    division: np.ndarray
    half_width: np.ndarray
    pairs: int


def sampled_shapley(
    values: Callable[[Iterable[int]], np.ndarray],
    n: int,
    pairs: int,
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> Estimate:
    """Average what players add over random orders of joining, each with its reverse.

    Who comes late in an order comes early in its reverse, which evens out much of the chance:
    the mean of such a pair varies less than that of two independent orders whenever coming later
    pays, or costs, throughout. In games of pairs, where a coalition is worth the sum of what its
    pairs are worth, it does not vary at all.

    Parameters
    ----------
    values : callable
        Value of each of some coalitions, given as bits; the empty one is worth nothing.
    n : int
        Number of players.
    pairs : int
        At least one; all their coalitions are asked for at once.
    rng : numpy.random.Generator
    confidence : float
        Of the intervals, each on its own, by Student's t over the pairs.

    References
    ----------
    Castro, Gómez & Tejada (2009), Polynomial calculation of the Shapley value based on sampling.
    Mitchell, Cooper, Frank & Holmes (2022), Sampling permutations for Shapley value estimation, for
    antithetic orders.
    """
    orders = np.array([rng.permutation(n) for _ in range(pairs)])
    both = _added(values, np.concatenate([orders, orders[:, ::-1]]), n)
    added = (both[:pairs] + both[pairs:]) / 2
    if pairs == 1:
        return Estimate(added[0], np.full(n, np.inf), 1)
    error = added.std(axis=0, ddof=1) / np.sqrt(pairs)
    width = float(student.ppf((1 + confidence) / 2, pairs - 1)) * error
    return Estimate(added.mean(axis=0), width, pairs)


def _added(values: Callable[[Iterable[int]], np.ndarray], orders: np.ndarray, n: int) -> np.ndarray:
    """What each player adds on joining in each order, shape (orders, n)."""
    joined = np.cumsum(1 << orders, axis=1)
    distinct, place = np.unique(joined, return_inverse=True)
    worth = values(distinct.tolist())[place.reshape(joined.shape)]
    steps = np.diff(worth, axis=1, prepend=0.0)
    added = np.empty_like(steps)
    np.put_along_axis(added, orders, steps, axis=1)
    return added
