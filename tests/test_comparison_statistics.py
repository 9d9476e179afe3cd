"""Statistics of comparisons against published examples and independent implementations."""

from __future__ import annotations

import math
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from statsmodels.stats.multitest import multipletests

from viz.comparison.statistics import (
    FEWEST_BLOCKS,
    MOST_EXACT,
    block_ranks,
    friedman,
    holm,
    least_p,
    mean_interval,
    paired_difference,
    signed_rank_p,
)

# Demsar, Statistical comparisons of classifiers over multiple data sets, JMLR 7 (2006), table 6:
# AUC of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets. The paper prints 0.975 twice for
# voting but ranks cf before m+cf; scipy's own test of this table takes 0.9751 for it.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)

samples = hnp.arrays(float, st.integers(1, 30), elements=st.floats(-1e3, 1e3, width=32))
tables = hnp.arrays(
    float,
    st.tuples(st.integers(FEWEST_BLOCKS, 15), st.integers(2, 6)),
    elements=st.integers(0, 8).map(float),
)


def test_ranks_of_demsars_example() -> None:
    ranks = block_ranks(DEMSAR)
    assert ranks.mean(axis=0) == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    # The paper's statistic has no correction for ties.
    n, k = ranks.shape
    plain = 12 * n / (k * (k + 1)) * ((ranks.mean(axis=0) ** 2).sum() - k * (k + 1) ** 2 / 4)
    assert plain == pytest.approx(9.28, abs=5e-3)


def test_friedman_of_demsars_example() -> None:
    found = friedman(block_ranks(DEMSAR))
    expected = stats.friedmanchisquare(*DEMSAR.T)
    assert found.chi2 == pytest.approx(expected.statistic)  # 10.23 with the correction for ties
    # The paper finds F = 3.69 without it, above the critical value 2.85 of F(3, 39).
    assert found.f > 3.69
    assert 0.005 < found.p < 0.05


def test_signed_ranks_of_demsars_table_2() -> None:
    # C4.5+m against C4.5: R+ = 93, R- = 12; the critical value of the smaller one at 5 % is 21.
    difference = DEMSAR[:, 1] - DEMSAR[:, 0]
    found = stats.wilcoxon(difference, zero_method="zsplit")
    assert found.statistic == pytest.approx(12)
    assert paired_difference(DEMSAR[:, 1], DEMSAR[:, 0]).p < 0.05


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-4, 4).filter(bool), min_size=5, max_size=6))
def test_signed_ranks_with_ties_are_those_of_all_permutations(values: list[int]) -> None:
    difference = np.array(values, dtype=float)
    every = stats.PermutationMethod(n_resamples=2**7)
    expected = stats.wilcoxon(difference, zero_method="zsplit", method=every).pvalue
    assert signed_rank_p(difference) == pytest.approx(expected)


@pytest.mark.parametrize("blocks", [5, 12, 30, 50])
def test_signed_ranks_without_ties_are_scipys(blocks: int) -> None:
    difference = np.random.default_rng(blocks).normal(0.3, 1.0, blocks)
    expected = stats.wilcoxon(difference, method="exact").pvalue
    assert signed_rank_p(difference) == pytest.approx(expected, rel=1e-9)


def test_signed_ranks_of_many_blocks_go_over_into_the_normal_distribution() -> None:
    difference = np.random.default_rng(3).normal(0.1, 1.0, MOST_EXACT + 1)
    exact = stats.wilcoxon(difference, method="exact").pvalue
    assert signed_rank_p(difference) == pytest.approx(exact, abs=1e-3)
    shorter = stats.wilcoxon(difference[:-1], method="exact").pvalue
    assert signed_rank_p(difference[:-1]) == pytest.approx(shorter, rel=1e-9)


def test_zeros_take_the_lowest_ranks_and_no_side() -> None:
    # Two zeros share ranks 1 and 2; of 3, 4, 5, 6, 7 all are positive: 2 of 32 signs are as far.
    assert signed_rank_p(np.array([0, 0, 1, 2, 3, 4, 5.0])) == pytest.approx(2 / 32)


def test_holm_of_demsars_example() -> None:
    # Section 3.2.2 compares p = 0.016, 0.019, 0.607 with 0.017, 0.025, 0.05: two are rejected.
    assert (holm([0.016, 0.019, 0.607]) < 0.05).tolist() == [True, True, False]


@pytest.mark.parametrize("seed", range(5))
def test_holm_is_statsmodels(seed: int) -> None:
    p = np.random.default_rng(seed).random(3 * seed + 1) ** 3
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_holm_leaves_out_what_was_not_tested() -> None:
    assert holm([0.01, math.nan, 0.04]) == pytest.approx([0.02, math.nan, 0.04], nan_ok=True)


@settings(deadline=None)
@given(tables)
def test_friedman_is_scipys(table: np.ndarray) -> None:
    found = friedman(block_ranks(table))
    if (table == table[:, :1]).all():
        assert (found.chi2, found.p) == (0.0, 1.0)
    elif table.shape[1] > 2:
        assert found.chi2 == pytest.approx(stats.friedmanchisquare(*table.T).statistic, abs=1e-9)


@settings(deadline=None)
@given(tables, st.randoms(use_true_random=False))
def test_the_order_of_blocks_and_treatments_does_not_matter(table: np.ndarray, rng) -> None:
    rows, columns = list(range(len(table))), list(range(table.shape[1]))
    rng.shuffle(rows)
    rng.shuffle(columns)
    first, second = block_ranks(table), block_ranks(table[rows][:, columns])
    assert second == pytest.approx(first[rows][:, columns])
    assert friedman(second).chi2 == pytest.approx(friedman(first).chi2)


@settings(deadline=None)
@given(tables, st.booleans())
def test_ranks_keep_their_sum_and_ignore_the_scale(table: np.ndarray, higher: bool) -> None:
    ranks = block_ranks(table, higher_is_better=higher)
    k = table.shape[1]
    assert ranks.sum(axis=1) == pytest.approx(np.full(len(table), k * (k + 1) / 2))
    assert block_ranks(3 * table + 5, higher_is_better=higher) == pytest.approx(ranks)
    assert block_ranks(-table, higher_is_better=not higher) == pytest.approx(ranks)


def test_rounding_makes_no_winner() -> None:
    table = np.array([[0.5, 0.5 + 1e-12, 0.7], [0.5 + 1e-12, 0.5, 0.7]])
    assert block_ranks(table, tie=1e-6).tolist() == [[2.5, 2.5, 1], [2.5, 2.5, 1]]
    found = paired_difference(table[:, 0], table[:, 1], tie=1e-6)
    assert (found.more, found.ties, found.less) == (0, 2, 0)


@settings(max_examples=30, deadline=None)
@given(samples, st.randoms(use_true_random=False))
def test_an_interval_holds_the_mean_and_ignores_the_order(values: np.ndarray, rng) -> None:
    found = mean_interval(values)
    assert found.mean == pytest.approx(values.mean())
    shuffled = list(values)
    rng.shuffle(shuffled)
    again = mean_interval(np.array(shuffled))
    assert (again.low, again.high) == pytest.approx((found.low, found.high), nan_ok=True)
    if len(values) < FEWEST_BLOCKS:
        assert math.isnan(found.low) and math.isnan(found.high)
    else:
        assert values.min() - 1e-9 <= found.low <= found.high <= values.max() + 1e-9


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(100):
        found = mean_interval(rng.normal(3.0, 1.0, 20))
        inside += found.low <= 3.0 <= found.high
    # Bootstrap intervals of 20 values are known to be a little narrow.
    assert 0.88 <= inside / 100 <= 0.99


@settings(max_examples=20, deadline=None)
@given(samples)
def test_differences_turn_with_the_pair(values: np.ndarray) -> None:
    other = values[::-1].copy()
    one, two = paired_difference(values, other), paired_difference(other, values)
    assert one.interval.mean == pytest.approx(-two.interval.mean)
    assert (one.more, one.ties, one.less) == (two.less, two.ties, two.more)
    assert one.p == pytest.approx(two.p, nan_ok=True)
    assert (one.least, one.most) == pytest.approx((-two.most, -two.least))


def test_a_failed_run_leaves_its_block_out() -> None:
    first, second = np.array([1.0, np.nan, 3.0]), np.array([0.5, 2.0, np.nan])
    found = paired_difference(first, second)
    assert (found.blocks, found.more, found.interval.mean) == (1, 1, 0.5)
    nothing = paired_difference(first[1:2], second[1:2])
    assert nothing.blocks == 0 and math.isnan(nothing.p)


@pytest.mark.parametrize("blocks", [1, 2, 3, 4])
def test_few_blocks_give_no_p(blocks: int) -> None:
    assert math.isnan(signed_rank_p(np.arange(1.0, blocks + 1)))
    ranks = block_ranks(np.tile([1.0, 2.0, 3.0], (blocks, 1)))
    assert math.isnan(friedman(ranks).p)


@pytest.mark.parametrize("blocks", [5, 6, 10])
def test_least_p_is_what_a_clean_sweep_gives(blocks: int) -> None:
    assert signed_rank_p(np.arange(1.0, blocks + 1)) == pytest.approx(least_p(blocks))


def test_nothing_differs_where_nothing_differs() -> None:
    assert signed_rank_p(np.zeros(8)) == 1.0
    assert friedman(block_ranks(np.ones((8, 3)))).p == 1.0


@pytest.mark.parametrize("treatments", [2, 3])
def test_the_same_order_everywhere_is_as_unlikely_as_counting_says(treatments: int) -> None:
    # Of all orders in the other blocks one in (k!)^(n-1) is like the first block's.
    orders = list(permutations(range(treatments)))
    alike = [len(set(drawn)) == 1 for drawn in product(orders, repeat=FEWEST_BLOCKS)]
    table = np.tile(np.arange(float(treatments)), (FEWEST_BLOCKS, 1))
    assert friedman(block_ranks(table)).p == pytest.approx(sum(alike) / len(alike))
