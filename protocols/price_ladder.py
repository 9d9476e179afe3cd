"""Ladders of prices around a position: blocks that grow finer where little is moved.

A ladder is the piecewise linear form of the quadratic penalty of coordination methods: prices rise
with every block of import and fall with every block of export, by a slope in EUR/MWh per MW. It
keeps the answer of a country near the position it is valid for, by linear programmes only.
"""

from __future__ import annotations

import numpy as np

# Ends of the blocks, as shares of what a country can trade; the last one reaches over the whole
# of it.
BLOCK_ENDS = (0.005, 0.02, 0.1, 0.4, 2.0)
# The inner blocks of a product shrink while its changes stay within the first one, down to
# this share, and grow again when a change passes the third.
SHRINK, GROW, LEAST_REACH = 0.5, 3.0, 2.0**-10


class PriceLadder:
    """Blocks of one country's ladder, the same for import and export.

    Parameters
    ----------
    span_mw : float or ndarray, shape (products,)
        Most that the country can trade.
    products : int
    """

    def __init__(self, span_mw: float | np.ndarray, products: int) -> None:
        self._span_mw = span_mw
        self._reach = np.ones(products)

    @property
    def ends_mw(self) -> np.ndarray:
        """Ends of the blocks, zero first (shape: blocks + 1, products)."""
        share = np.outer((0.0, *BLOCK_ENDS), np.ones_like(self._reach))
        share[1:-1] *= self._reach
        return np.asarray(share * self._span_mw)

    def blocks(self, slope: np.ndarray, pieces: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Width of every block, and how far its price lies from that of the position.

        Parameters
        ----------
        slope : ndarray, shape (products,)
            EUR/MWh per MW.
        pieces : int
            Into how many equal pieces each block is cut, each with a price of its own.

        Returns
        -------
        width_mw, rise_eur_per_mwh : ndarray, shape (blocks * pieces, products)
        """
        ends = self.ends_mw
        cuts = np.arange(pieces)[None, :, None] / pieces
        fine = ends[:-1, None] + np.diff(ends, axis=0)[:, None] * cuts
        ends = np.concatenate([fine.reshape(-1, ends.shape[1]), ends[-1:]])
        return np.diff(ends, axis=0), slope * (ends[1:] + ends[:-1]) / 2

    def refine(self, change_mw: np.ndarray) -> None:
        """Shrink or grow the inner blocks of each product by what the country wanted to move."""
        ends, moved = self.ends_mw, np.abs(change_mw)
        factor = np.where(moved <= ends[1], SHRINK, np.where(moved > ends[3], GROW, 1.0))
        self._reach = np.clip(self._reach * factor, LEAST_REACH, 1.0)
