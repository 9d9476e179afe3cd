"""Products: what one contract delivers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Products:
    """All products of a market.

    Attributes
    ----------
    names : tuple of str
        One per product, for example ``"2030-01/peak"``.
    slices : tuple of str
        Slice (delivery period) of each product.
    shape : ndarray, shape (products, snapshots)
        MW delivered in each snapshot per MW of contract.
    weights_h : ndarray, shape (snapshots,)
        Hours each snapshot stands for.

    Both arrays become read-only.
    """

    names: tuple[str, ...]
    slices: tuple[str, ...]
    shape: np.ndarray
    weights_h: np.ndarray

    def __post_init__(self) -> None:
        # Everyone reads the same arrays, protocols too.
        self.shape.setflags(write=False)
        self.weights_h.setflags(write=False)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def hours(self) -> np.ndarray:
        """Energy of one MW of each product, MWh (shape: products)."""
        hours: np.ndarray = self.shape @ self.weights_h
        hours.setflags(write=False)
        return hours

    def profile_mw(self, mw: np.ndarray) -> np.ndarray:
        """MW per snapshot of a bundle given as MW per product."""
        return mw @ self.shape

    def average(self, per_snapshot: np.ndarray) -> np.ndarray:
        """Hours-weighted mean over each product's delivery (shape: products)."""
        return (self.shape @ (self.weights_h * per_snapshot)) / self.hours

    def largest_within(self, per_snapshot: np.ndarray) -> np.ndarray:
        """Largest MW of each product whose delivery stays below a limit in MW per snapshot."""
        limits = np.full(self.shape.shape, np.inf)
        np.divide(per_snapshot[None, :], self.shape, out=limits, where=self.shape > 0)
        return limits.min(axis=1)


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
    shape = np.zeros((len(names), len(weights_h)))
    shape[[position[label] for label in labels], np.arange(len(weights_h))] = 1.0
    slices = tuple(name.split("/", 1)[0] for name in names)
    return Products(names, slices, shape, np.array(weights_h, dtype=float))
