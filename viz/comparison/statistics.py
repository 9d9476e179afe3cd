"""Paired statistics over draws: which treatment is better, beyond luck.

Rows are blocks (draws that every treatment met), columns are treatments. The tests are those that
Demsar recommends for several methods on several data sets (Statistical comparisons of classifiers
over multiple data sets, Journal of Machine Learning Research 7, 2006).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

ALPHA = 0.05
# With fewer blocks neither a test nor an interval says anything; they are left out.
FEWEST_BLOCKS = 5
# Values closer than this share of the largest one are equal: costs are re-solved to about 1e-9.
TIE = 1e-6
RESAMPLES = 9999
# Blocks up to which the signed-rank test is exact; beyond, the normal distribution is good.
MOST_EXACT = 200


@dataclass(frozen=True)
class Interval:
    """A mean and its bootstrap confidence interval, NaN where there are too few blocks."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """What one treatment has more than another on the same blocks.

    Attributes
    ----------
    blocks : int
        Blocks in which both ended.
    interval : Interval
        Mean difference.
    median, least, most : float
    more, ties, less : int
        Blocks in which the first has more, as much, and less.
    p : float
        Two-sided, Wilcoxon's signed ranks; NaN with fewer than :data:`FEWEST_BLOCKS` blocks.
    """

    blocks: int
    interval: Interval
    median: float
    least: float
    most: float
    more: int
    ties: int
    less: int
    p: float


@dataclass(frozen=True)
class Friedman:
    """Whether all treatments could be the same.

    Attributes
    ----------
    blocks, treatments : int
    chi2 : float
        Friedman's statistic, corrected for ties.
    f : float
        Iman and Davenport's, less conservative.
    p : float
        Of ``f``, with k - 1 and (k - 1)(n - 1) degrees of freedom, but never below the chance
        (1 / k!)^(n - 1) that luck brings the same order everywhere; NaN with too few blocks.
    """

    blocks: int
    treatments: int
    chi2: float
    f: float
    p: float


def mean_interval(values: np.ndarray, seed: int = 0) -> Interval:
    """Mean of some values and its bias-corrected and accelerated bootstrap interval, 95 %.

    The order of the values does not matter, and the same values give the same interval.

    Parameters
    ----------
    values : ndarray, shape (blocks,)
    seed : int
    """
    values = np.sort(np.asarray(values, dtype=float))
    if not len(values):
        return Interval(math.nan, math.nan, math.nan)
    mean = float(values.mean())
    if len(values) < FEWEST_BLOCKS:
        return Interval(mean, math.nan, math.nan)
    if np.ptp(values) <= 1e-12 * np.abs(values).max():
        return Interval(mean, mean, mean)
    found = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=1 - ALPHA,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high))


def paired_difference(
    first: np.ndarray, second: np.ndarray, tie: float = 0.0, seed: int = 0
) -> Difference:
    """Compare two treatments on the blocks in which both have a value.

    Differences of zero keep their ranks, half of them on either side, as Demsar does it.

    Parameters
    ----------
    first, second : ndarray, shape (blocks,)
        NaN where a run did not end.
    tie : float
        Differences up to here count as none.
    seed : int
        Of the bootstrap.
    """
    both = np.isfinite(first) & np.isfinite(second)
    difference = np.asarray(first, dtype=float)[both] - np.asarray(second, dtype=float)[both]
    difference[np.abs(difference) <= tie] = 0.0
    if not len(difference):
        nothing = Interval(math.nan, math.nan, math.nan)
        return Difference(0, nothing, math.nan, math.nan, math.nan, 0, 0, 0, math.nan)
    return Difference(
        blocks=len(difference),
        interval=mean_interval(difference, seed),
        median=float(np.median(difference)),
        least=float(difference.min()),
        most=float(difference.max()),
        more=int((difference > 0).sum()),
        ties=int((difference == 0).sum()),
        less=int((difference < 0).sum()),
        p=signed_rank_p(difference),
    )


def signed_rank_p(difference: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test, 1 where nothing differs, NaN with few blocks.

    Exact up to :data:`MOST_EXACT` blocks, ties and zeros included: the chance of each sum of ranks
    when every sign is tossed, counted rank by rank. scipy would try all the signs.
    """
    if len(difference) < FEWEST_BLOCKS:
        return math.nan
    if not np.any(difference):
        return 1.0
    if len(difference) > MOST_EXACT:
        found = stats.wilcoxon(
            difference, zero_method="zsplit", method="asymptotic", correction=True
        )
        return float(found.pvalue)
    # Mean ranks of ties are whole or half numbers.
    twice = np.rint(2 * stats.rankdata(np.abs(difference))).astype(int)[difference != 0]
    chance = np.ones(1)
    for rank in twice:
        without, with_it = np.pad(chance, (0, rank)), np.pad(chance, (rank, 0))
        chance = 0.5 * (without + with_it)
    positive = twice[difference[difference != 0] > 0].sum()
    far = np.abs(2 * np.arange(len(chance)) - twice.sum()) >= abs(2 * positive - twice.sum())
    return float(min(1.0, chance[far].sum()))


def least_p(blocks: int) -> float:
    """Smallest p that a two-sided signed-rank test can give with so many blocks.

    Examples
    --------
    >>> least_p(5), least_p(6)
    (0.0625, 0.03125)
    """
    return float(min(1.0, 2.0 ** (1 - blocks)))


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """Adjust p-values for being many, by Holm's step-down method; NaN stays and does not count.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p, dtype=float)
    adjusted = np.full(len(given), math.nan)
    known = np.flatnonzero(np.isfinite(given))
    order = known[np.argsort(given[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * given[order]))
    return adjusted


def block_ranks(values: np.ndarray, tie: float = 0.0, higher_is_better: bool = True) -> np.ndarray:
    """Rank of each treatment in each block, 1 is best; equals share their mean rank.

    Parameters
    ----------
    values : ndarray, shape (blocks, treatments)
        Without NaN.
    tie : float
        Neighbours in order that are no further apart than this are equal.
    higher_is_better : bool
    """
    signed = -np.asarray(values, dtype=float) if higher_is_better else np.asarray(values, float)
    ranks = np.empty_like(signed)
    for row, numbers in enumerate(signed):
        order = np.argsort(numbers, kind="stable")
        levels = np.concatenate([[0], np.cumsum(np.diff(numbers[order]) > tie)])
        ranks[row, order] = stats.rankdata(levels)
    return ranks


def friedman(ranks: np.ndarray) -> Friedman:
    """Test whether the mean ranks differ by more than luck.

    Parameters
    ----------
    ranks : ndarray, shape (blocks, treatments)
        From :func:`block_ranks`.

    Notes
    -----
    Friedman's statistic with the correction for ties, and Iman and Davenport's F made from it
    (Communications in Statistics A9, 1980).
    """
    n, k = ranks.shape
    if k < 2 or n < 2:
        return Friedman(n, k, math.nan, math.nan, math.nan)
    spread = ((ranks - (k + 1) / 2) ** 2).sum() / (k - 1)
    if spread == 0:  # everything is tied
        return Friedman(n, k, 0.0, 0.0, 1.0 if n >= FEWEST_BLOCKS else math.nan)
    chi2 = float(((ranks.sum(axis=0) - n * (k + 1) / 2) ** 2).sum() / spread)
    left = n * (k - 1) - chi2
    # The same order in every block leaves nothing to chance.
    f = math.inf if left <= 1e-9 * n * k else (n - 1) * chi2 / left
    if n < FEWEST_BLOCKS:
        return Friedman(n, k, chi2, f, math.nan)
    same_order = math.exp(-(n - 1) * math.lgamma(k + 1))
    p = max(float(stats.f.sf(f, k - 1, (k - 1) * (n - 1))), same_order)
    return Friedman(n, k, chi2, f, p)
