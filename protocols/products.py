"""Products: what one contract delivers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse as sp


@dataclass(frozen=True, init=False)
class Products:
    """All products of a market.

    Parameters
    ----------
    names : tuple of str
        One per product, for example ``"2030-01/peak"``.
    slices : tuple of str
        Slice (delivery period) of each product.
    shape : ndarray or sparse array, shape (products, snapshots)
        MW delivered in each snapshot per MW of contract.
    weights_h : ndarray, shape (snapshots,)
        Hours each snapshot stands for.

    The arrays become read-only.
    """

    names: tuple[str, ...]
    slices: tuple[str, ...]
    weights_h: np.ndarray
    _table: sp.csr_array = field(repr=False)

    def __init__(
        self,
        names: tuple[str, ...],
        slices: tuple[str, ...],
        shape: np.ndarray | sp.sparray,
        weights_h: np.ndarray,
    ) -> None:
        table = sp.csr_array(shape, dtype=float, copy=True)  # another's may be read-only
        table.sum_duplicates()
        table.eliminate_zeros()
        # Everyone reads the same arrays, protocols too.
        for part in (table.data, table.indices, table.indptr, weights_h):
            part.setflags(write=False)
        own = {"names": names, "slices": slices, "weights_h": weights_h, "_table": table}
        for name, value in own.items():
            object.__setattr__(self, name, value)

    @property
    def shape(self) -> sp.csr_array:
        """MW delivered in each snapshot per MW of contract (shape: products, snapshots).

        Sparse, because with hourly products there are as many products as snapshots and each
        touches one. Every caller gets a matrix of its own, over arrays that cannot be written to.
        """
        table = self._table
        return sp.csr_array((table.data, table.indices, table.indptr), shape=table.shape)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def snapshots(self) -> int:
        """Number of snapshots."""
        return len(self.weights_h)

    @cached_property
    def hours(self) -> np.ndarray:
        """Energy of one MW of each product, MWh (shape: products)."""
        hours: np.ndarray = self._table @ self.weights_h
        hours.setflags(write=False)
        return hours

    @cached_property
    def of_snapshot(self) -> np.ndarray:
        """Product that delivers in each snapshot, -1 where none does (shape: snapshots).

        Products of a market do not overlap; of several the last is named.
        """
        place = self._table.tocoo()
        product = np.full(self.snapshots, -1)
        product[place.col] = place.row
        product.setflags(write=False)
        return product

    def delivery_mw(self, product: int) -> np.ndarray:
        """MW per snapshot of one MW of a product."""
        part = slice(*self._table.indptr[product : product + 2])
        delivery = np.zeros(self.snapshots)
        delivery[self._table.indices[part]] = self._table.data[part]
        return delivery

    def profile_mw(self, mw: np.ndarray) -> np.ndarray:
        """MW per snapshot of a bundle given as MW per product."""
        profile: np.ndarray = mw @ self._table
        return profile

    def average(self, per_snapshot: np.ndarray) -> np.ndarray:
        """Hours-weighted mean over each product's delivery (shape: products)."""
        mean: np.ndarray = (self._table @ (self.weights_h * per_snapshot)) / self.hours
        return mean

    def largest_within(self, per_snapshot: np.ndarray) -> np.ndarray:
        """Largest MW of each product whose delivery stays below a limit in MW per snapshot."""
        place = self._table.tocoo()
        largest = np.full(len(self), np.inf)
        np.minimum.at(largest, place.row, np.asarray(per_snapshot)[place.col] / place.data)
        return largest

    def part(self, products: Sequence[int] | np.ndarray) -> tuple[Products, np.ndarray]:
        """Some of the products, and the snapshots they deliver in.

        Parameters
        ----------
        products : sequence of int, or ndarray of bool
            Which; their order stays.

        Returns
        -------
        Products
            With the snapshots in which they deliver, and no others.
        ndarray of bool, shape (snapshots,)
            Which snapshots those are.
        """
        chosen = np.arange(len(self))[products]
        shape = self._table[chosen]
        delivers = np.zeros(self.snapshots, dtype=bool)
        delivers[shape.indices] = True
        names, slices = (
            tuple(np.array(labels)[chosen].tolist()) for labels in (self.names, self.slices)
        )
        return Products(names, slices, shape[:, delivers], self.weights_h[delivers]), delivers


def make_products(
    kind: str, slice_of: np.ndarray, part_of: np.ndarray, weights_h: np.ndarray
) -> Products:
    """Make the products of a kind.

    Parameters
    ----------
    kind : {"flat", "tou", "hourly"}
        One block per slice; peak, standard and off-peak per slice; one per snapshot.
    slice_of : ndarray of str, shape (snapshots,)
        Slice each snapshot belongs to.
    part_of : ndarray of str, shape (snapshots,)
        Part of the day (peak, standard, off_peak) of each snapshot.
    weights_h : ndarray, shape (snapshots,)

    Raises
    ------
    ValueError
        If the kind is unknown.
    """
    if kind == "flat":
        labels = [str(s) for s in slice_of]
    elif kind == "tou":
        labels = [f"{s}/{p}" for s, p in zip(slice_of, part_of, strict=True)]
    elif kind == "hourly":
        width = len(str(len(weights_h)))
        labels = [f"{s}/{t:0{width}d}" for t, s in enumerate(slice_of)]
    else:
        raise ValueError(f"unknown product kind {kind!r}; choose flat, tou or hourly")
    names = tuple(dict.fromkeys(labels))
    position = {name: k for k, name in enumerate(names)}
    product_of = [position[label] for label in labels]
    shape = sp.csr_array(
        (np.ones(len(labels)), (product_of, np.arange(len(labels)))),
        shape=(len(names), len(labels)),
    )
    slices = tuple(name.split("/", 1)[0] for name in names)
    return Products(names, slices, shape, np.array(weights_h, dtype=float))
