"""Ladders of prices: what they cover, how they approximate a penalty, how they grow and shrink."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.price_ladder import BLOCK_ENDS, LEAST_REACH, PriceLadder

SPANS = st.lists(st.floats(0.1, 1e4), min_size=1, max_size=3).map(np.array)


@given(SPANS, st.integers(1, 5), st.floats(1e-4, 10), st.integers(0, 4))
def test_full_blocks_cost_the_quadratic_penalty(
    span: np.ndarray, pieces: int, slope: float, shrinks: int
) -> None:
    """Prices at the middle of blocks: filled to any end, they cost slope / 2 times its square."""
    ladder = PriceLadder(span, len(span))
    for _ in range(shrinks):
        ladder.refine(np.zeros(len(span)))
    width, rise = ladder.blocks(np.full(len(span), slope), pieces)
    ends = np.cumsum(width, axis=0)
    np.testing.assert_allclose(np.cumsum(width * rise, axis=0), slope / 2 * ends**2, rtol=1e-9)
    np.testing.assert_allclose(ends[-1], BLOCK_ENDS[-1] * span)
    assert len(width) == pieces * len(BLOCK_ENDS)
    assert (np.diff(rise, axis=0) > 0).all()


def test_blocks_grow_finer_product_by_product_and_wide_again() -> None:
    ladder = PriceLadder(100.0, 2)
    first = ladder.ends_mw
    ladder.refine(np.array([0.0, -50.0]))
    finer = ladder.ends_mw
    np.testing.assert_allclose(finer[1:-1, 0], first[1:-1, 0] / 2)
    np.testing.assert_array_equal(finer[:, 1], first[:, 1])  # no wider than at first
    np.testing.assert_array_equal(finer[-1], first[-1])
    ladder.refine(np.array([50.0, 0.0]))
    assert ladder.ends_mw[1, 0] > finer[1, 0]
    for _ in range(40):
        ladder.refine(np.zeros(2))
    assert ladder.ends_mw[1] == pytest.approx(first[1] * LEAST_REACH)
