"""Clearing of step curves on a network: the linear programme of iterated clearing.

One sparse linear programme clears all products at once. It maximises the welfare that the curves
report over the flows of the graph, with losses, net capacities and a balance for every zone and
product; products share nothing, so that it falls apart into one small problem for each. Of one
clearing to the next only numbers change, and the programme goes on from where it ended.

A zone is a port of a country (:class:`protocols.landing.Zones`); most countries are one zone.

Reference: Schweppe, Caramanis, Tabors & Bohn (1988), Spot Pricing of Electricity; the European day-
ahead algorithm EUPHEMIA does the same with losses and available transfer capacities (NEMO
Committee, EUPHEMIA Public Description, 2019).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from protocols.base import Market
from protocols.hot_programme import HotProgramme
from protocols.landing import Zones

# What a flow must be worth, as a share of the highest price: keeps idle energy from circulating.
_IDLE_SHARE = 1e-9


@dataclass(frozen=True)
class StepCurves:
    """Curves of all zones: what they would import beyond an amount, or give up of it.

    Blocks fill in order, so that prices of import blocks must not rise and those of give-up blocks
    must not fall from block to block.

    Attributes
    ----------
    centre_mw : ndarray, shape (zones, products)
        Net import around which the blocks lie.
    more_price, less_price : ndarray, shape (zones, blocks, products)
        Worth of a block of further import, and of one of import given up, EUR/MWh.
    more_mw, less_mw : ndarray, shape (zones, blocks, products)
        Width of each block.
    """

    centre_mw: np.ndarray
    more_price: np.ndarray
    more_mw: np.ndarray
    less_price: np.ndarray
    less_mw: np.ndarray

    def without(self, rows: slice, exchange_mw: np.ndarray) -> StepCurves:
        """The same without one country's zones, which keep a net import (MW per product)."""
        centre, more, less = self.centre_mw.copy(), self.more_mw.copy(), self.less_mw.copy()
        centre[rows], more[rows], less[rows] = exchange_mw, 0.0, 0.0
        return replace(self, centre_mw=centre, more_mw=more, less_mw=less)

    def worth_eur(self, exchange_mw: np.ndarray, hours: np.ndarray) -> np.ndarray:
        """Reported worth of each zone's net import against the centre, EUR.

        Parameters
        ----------
        exchange_mw : ndarray, shape (zones, products)
        hours : ndarray, shape (products,)

        Returns
        -------
        ndarray, shape (zones,)
        """
        change = exchange_mw - self.centre_mw
        gained = _filled(np.maximum(change, 0.0), self.more_mw) * self.more_price
        lost = _filled(np.maximum(-change, 0.0), self.less_mw) * self.less_price
        return np.asarray((gained.sum(axis=1) - lost.sum(axis=1)) @ hours)


@dataclass(frozen=True)
class Cleared:
    """Result of a clearing.

    Attributes
    ----------
    flow_mw : ndarray, shape (lines, products)
        Net flow of each line in the direction of :attr:`Network.lines`, at the sending end.
    price_eur_per_mwh : ndarray, shape (zones, products)
        Zonal price: dual of the balance.
    """

    flow_mw: np.ndarray
    price_eur_per_mwh: np.ndarray


class Network:
    """Lines and zones of a market in matrix form.

    Parameters
    ----------
    market : Market

    Attributes
    ----------
    countries : tuple of str
    zones : Zones
    lines : list of (str, str)
        Each line once.
    loss : ndarray, shape (lines,)
    limit_mw : ndarray, shape (2, lines, products)
        Largest flow along and against the direction of each line.
    hours : ndarray, shape (products,)
    ends : tuple of ndarray, shape (lines,)
        Zones at which the two ends of each line land.
    """

    def __init__(self, market: Market) -> None:
        self.countries = market.countries
        self.zones = Zones(market.graph)
        self.lines: list[tuple[str, str]] = list(market.graph.edges)
        data = [market.graph.edges[line] for line in self.lines]
        self.loss = np.array([d["loss"] for d in data])
        self.hours = market.products.hours
        snapshots = market.products.snapshots
        self.limit_mw = np.array(
            [
                [
                    market.products.largest_within(np.full(snapshots, d["capacity_mw"][end[way]]))
                    for end, d in zip(self.lines, data, strict=True)
                ]
                for way in (0, 1)
            ]
        ).reshape(2, len(self.lines), len(market.products))
        first, second = self.zones.ends(self.lines).T
        self._from, self._to = self.ends = (first, second)
        self._programmes: dict[tuple[tuple[int, ...], int], HotProgramme] = {}

    def flows_of(self, market: Market) -> np.ndarray:
        """Present net flow of each line, MW per product (shape: lines, products)."""
        average = market.products.average
        flows = [average(market.flow_mw(a, b)) for a, b in self.lines]
        return np.array(flows).reshape(len(self.lines), len(self.hours))

    def ends_mw(self, flow_mw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What net flows take from the first end of each line and bring to the second, MW."""
        keep = 1 - self.loss[:, None]
        along = flow_mw >= 0
        return np.where(along, flow_mw, keep * flow_mw), np.where(along, keep * flow_mw, flow_mw)

    def exchange_mw(self, flow_mw: np.ndarray) -> np.ndarray:
        """Net import of each zone (shape: zones, products)."""
        taken, brought = self.ends_mw(flow_mw)
        exchange = np.zeros((len(self.zones), len(self.hours)))
        np.subtract.at(exchange, self._from, taken)
        np.add.at(exchange, self._to, brought)
        return exchange

    def reach_mw(self) -> np.ndarray:
        """Largest net import or export that the lines of each zone allow, MW per product."""
        keep = 1 - self.loss[:, None]
        out = np.zeros((len(self.zones), len(self.hours)))
        into = np.zeros_like(out)
        for sender, receiver, limit in (
            (self._from, self._to, self.limit_mw[0]),
            (self._to, self._from, self.limit_mw[1]),
        ):
            np.add.at(out, sender, limit)
            np.add.at(into, receiver, keep * limit)
        return np.maximum(out, into)

    def mean_with_neighbours(self, price: np.ndarray) -> np.ndarray:
        """Mean of each zone's price with its neighbours', weighted by what lines carry.

        Parameters
        ----------
        price : ndarray, shape (zones, products)
            EUR/MWh. A zone's own counts as much as all its lines.
        """
        own = self.reach_mw().max(axis=1, initial=0.0)[:, None]
        carried = self.limit_mw.max(axis=(0, 2), initial=0.0)[:, None]
        weight, total = own.copy(), own * price
        for here, there in ((self._from, self._to), (self._to, self._from)):
            np.add.at(weight, here, carried)
            np.add.at(total, here, carried * price[there])
        return np.divide(total, weight, out=price.copy(), where=weight > 0)

    def clear(
        self, curves: StepCurves, flow_mw: np.ndarray, absent: Collection[str] = ()
    ) -> Cleared:
        """Maximise the welfare that curves report.

        Parameters
        ----------
        curves : StepCurves
        flow_mw : ndarray, shape (lines, products)
            Flows that the lines of absent countries keep.
        absent : collection of str
            Countries that do not take part; the prices found for them mean nothing.

        Raises
        ------
        RuntimeError
            If the solver does not come to an end.
        """
        every = range(len(self.zones))
        rows = [i for c in self.countries if c not in absent for i in every[self.zones.of(c)]]
        products, lines, blocks = len(self.hours), len(self.lines), curves.more_mw.shape[1]
        if not lines or not products:
            return Cleared(flow_mw, np.zeros((len(self.zones), products)))
        low, high = self._flow_bounds(flow_mw, absent)
        power = max(float(self.limit_mw.max()), 1e-9)
        price = max(float(np.abs(curves.more_price).max()), float(np.abs(curves.less_price).max()))
        price = max(price, 1e-9)
        hours = self.hours / self.hours.max()
        wide = (len(rows), blocks, products)
        taken = -curves.more_price[rows] / price, curves.less_price[rows] / price
        cost = np.concatenate(
            [
                np.broadcast_to(_IDLE_SHARE * hours, (2, lines, products)).ravel(),
                *((part * hours).reshape(wide).ravel() for part in taken),
            ]
        )
        widths = (curves.more_mw[rows].ravel(), curves.less_mw[rows].ravel())
        upper = np.concatenate([high.ravel(), *widths]) / power
        lower = np.concatenate([low.ravel(), np.zeros(2 * np.prod(wide))]) / power
        wanted = curves.centre_mw[rows].ravel() / power
        programme = self._programme(tuple(rows), blocks)
        found, duals = programme.solve(cost, lower, upper, wanted)
        arcs = found[: 2 * lines * products].reshape(2, lines, products) * power
        arcs = np.clip(arcs, low, high)
        zonal = np.zeros((len(self.zones), products))
        zonal[rows] = duals.reshape(len(rows), products) * price / hours
        return Cleared(arcs[0] - arcs[1], zonal)

    def _programme(self, rows: tuple[int, ...], blocks: int) -> HotProgramme:
        """Balances of some zones over flows, blocks of import and blocks given up."""
        if (rows, blocks) not in self._programmes:
            each = sp.identity(len(self.hours), format="csr")
            stacked = sp.kron(sp.identity(len(rows)), sp.csr_matrix(np.ones((1, blocks))))
            parts = [
                sp.kron(sp.csr_matrix(self._incidence()[list(rows)]), each),
                -sp.kron(stacked, each),
                sp.kron(stacked, each),
            ]
            self._programmes[rows, blocks] = HotProgramme(sp.hstack(parts))
        return self._programmes[rows, blocks]

    def _flow_bounds(
        self, flow_mw: np.ndarray, absent: Collection[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        low, high = np.zeros_like(self.limit_mw), self.limit_mw.copy()
        for e, line in enumerate(self.lines):
            if any(end in absent for end in line):
                low[:, e] = high[:, e] = np.maximum(flow_mw[e], 0.0), np.maximum(-flow_mw[e], 0.0)
        return low, high

    def _incidence(self) -> np.ndarray:
        """Net import of each zone per MW along and against each line."""
        lines = len(self.lines)
        matrix = np.zeros((len(self.zones), 2 * lines))
        at, keep = np.arange(lines), 1 - self.loss
        matrix[self._from, at], matrix[self._to, at] = -1.0, keep
        matrix[self._to, lines + at], matrix[self._from, lines + at] = -1.0, keep
        return matrix


def _filled(amount_mw: np.ndarray, width_mw: np.ndarray) -> np.ndarray:
    """How much of each block an amount fills (shape: zones, blocks, products)."""
    before = np.cumsum(width_mw, axis=1) - width_mw
    return np.clip(amount_mw[:, None] - before, 0.0, width_mw)
