"""Products: the sparse answers are those of the dense table, and memory is linear."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings

from protocols.products import Products, make_products


@st.composite
def tables(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    """Dense table of products that do not overlap, every one delivering, and hours."""
    count = draw(st.integers(1, 6))
    of = draw(st.lists(st.integers(-1, count - 1), min_size=0, max_size=20)) + list(range(count))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rng.shuffle(of)
    dense = np.zeros((count, len(of)))
    for t, k in enumerate(of):
        if k >= 0:
            dense[k, t] = draw(st.sampled_from([1.0, 1.0, 0.5, 2.0]))
    return dense, rng.uniform(0.5, 80.0, len(of)), rng


def as_products(dense: np.ndarray, hours: np.ndarray) -> Products:
    names = tuple(f"s/{k}" for k in range(len(dense)))
    return Products(names, ("s",) * len(dense), dense, hours)


@settings(deadline=None, max_examples=100)
@given(tables())
def test_the_answers_of_the_dense_table(
    given: tuple[np.ndarray, np.ndarray, np.random.Generator],
) -> None:
    dense, hours, rng = given
    products = as_products(dense, hours)
    mw, series = rng.uniform(-5, 5, len(dense)), rng.uniform(0, 9, len(hours))
    assert (products.shape.toarray() == dense).all()
    np.testing.assert_allclose(products.hours, dense @ hours)
    np.testing.assert_allclose(products.profile_mw(mw), mw @ dense)
    np.testing.assert_allclose(
        products.average(series), (dense @ (hours * series)) / products.hours
    )
    limits = np.full(dense.shape, np.inf)
    np.divide(series[None, :], dense, out=limits, where=dense > 0)
    assert (products.largest_within(series) == limits.min(axis=1)).all()
    for k in range(len(dense)):
        assert (products.delivery_mw(k) == dense[k]).all()
    covered = dense.any(axis=0)
    assert (products.of_snapshot[covered] == dense.argmax(axis=0)[covered]).all()
    assert (products.of_snapshot[~covered] == -1).all()


@settings(deadline=None, max_examples=50)
@given(tables(), st.data())
def test_a_part_is_a_part_of_the_table(
    given: tuple[np.ndarray, np.ndarray, np.random.Generator], data: st.DataObject
) -> None:
    dense, hours, _ = given
    products = as_products(dense, hours)
    rows = np.array(data.draw(st.lists(st.booleans(), min_size=len(dense), max_size=len(dense))))
    part, delivers = products.part(rows)
    assert (delivers == dense[rows].any(axis=0)).all()
    assert (part.shape.toarray() == dense[np.ix_(rows, delivers)]).all()
    assert part.names == tuple(n for n, kept in zip(products.names, rows, strict=True) if kept)
    assert (part.weights_h == hours[delivers]).all()


def test_nobody_changes_the_shape() -> None:
    """Neither an entry, nor a new one, nor the arrays behind them: others read the same ones."""
    products = make_products("hourly", np.array(["s"] * 3), np.array(["peak"] * 3), np.ones(3))
    with pytest.raises(ValueError, match="read-only"):
        products.shape.data[0] = 2.0
    with pytest.raises(ValueError, match="read-only"):
        products.shape[0, 0] = 2.0
    with pytest.raises(ValueError, match="read-only"), pytest.warns(sp.SparseEfficiencyWarning):
        products.shape[0, 1] = 2.0
    products.shape.data = np.zeros(3)
    with pytest.raises(AttributeError):
        products.shape = np.eye(3)  # type: ignore[misc,assignment]
    assert (products.shape.toarray() == np.eye(3)).all()
    assert (products.profile_mw(np.ones(3)) == 1.0).all()


def test_an_hour_per_product_takes_memory_in_proportion() -> None:
    """A year of hours would be 614 MB as a table."""
    hours = 8760
    labels = np.full(hours, "s")
    products = make_products("hourly", labels, labels, np.ones(hours))
    shape = products.shape
    assert shape.shape == (hours, hours)
    assert sum(part.nbytes for part in (shape.data, shape.indices, shape.indptr)) < 30 * hours
