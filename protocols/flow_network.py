"""Interconnectors as the market operator sees them: flows, what they deliver, and their rent."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from protocols.base import Market
from protocols.landing import Zones

# Rounds over all interconnectors, one at a time, to find the nearest flows.
SWEEPS = 10


@dataclass(frozen=True)
class FlowNetwork:
    """Flows of each product, on top of those in the ledger.

    A flow is a net flow, counted where it is sent, positive from an interconnector's first
    country. Flows in the ledger are made of products, hence constant while a product delivers.

    Attributes
    ----------
    zones : Zones
        Every port of a country has a row of its own.
    edges : tuple of (str, str)
    ends : ndarray of int, shape (edges, 2)
        Rows of the zones at which they land.
    loss : ndarray, shape (edges,)
    least_mw, most_mw : ndarray, shape (edges, products)
        Limits of net flow, the ledger's included.
    start_mw : ndarray, shape (edges, products)
        Net flow in the ledger.
    hours : ndarray, shape (products,)
        Energy of one MW of each product, MWh.
    """

    zones: Zones
    edges: tuple[tuple[str, str], ...]
    ends: np.ndarray
    loss: np.ndarray
    least_mw: np.ndarray
    most_mw: np.ndarray
    start_mw: np.ndarray
    hours: np.ndarray

    @classmethod
    def of(cls, market: Market) -> FlowNetwork:
        """Network of a market with the flows that are in its ledger now."""
        edges = tuple(market.graph.edges)
        data = [market.graph.edges[edge] for edge in edges]
        zones = Zones(market.graph)
        average, snapshots = market.products.average, len(market.products.weights_h)
        start = np.array([average(market.flow_mw(a, b)) for a, b in edges])
        start = start.reshape(len(edges), len(market.products))
        most, back = (
            np.array(
                [
                    market.products.largest_within(np.full(snapshots, d["capacity_mw"][edge[way]]))
                    for edge, d in zip(edges, data, strict=True)
                ]
            ).reshape(start.shape)
            for way in (0, 1)
        )
        return cls(
            zones,
            edges,
            zones.ends(edges),
            np.array([d["loss"] for d in data]),
            np.minimum(-back, start),
            np.maximum(most, start),
            start,
            market.products.hours,
        )

    def without(self, country: str) -> FlowNetwork:
        """The network with the flows of a country's interconnectors fixed as they are."""
        own = np.array([country in edge for edge in self.edges])[:, None]
        return replace(
            self,
            least_mw=np.where(own, self.start_mw, self.least_mw),
            most_mw=np.where(own, self.start_mw, self.most_mw),
        )

    @property
    def countries(self) -> tuple[str, ...]:
        """Country codes in the market's order."""
        return self.zones.countries

    @property
    def connected(self) -> list[str]:
        """Countries whose exchange can change."""
        free = np.any(self.most_mw > self.least_mw, axis=1).tolist()
        able = {c for edge, moves in zip(self.edges, free, strict=True) if moves for c in edge}
        return [c for c in self.countries if c in able]

    @property
    def largest_mw(self) -> float:
        """Largest flow that any interconnector allows."""
        return float(np.abs([self.least_mw, self.most_mw]).max(initial=0.0))

    def delivered_mw(self, flow_mw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Net import of the first and of the second end of each edge."""
        return _delivered(flow_mw, self.loss[:, None])

    def exchange_mw(self, flow_mw: np.ndarray) -> np.ndarray:
        """Net import beyond the ledger's of flows (shape: zones, products)."""
        return self._exchange(flow_mw) - self._exchange(self.start_mw)

    def limits_mw(self) -> tuple[np.ndarray, np.ndarray]:
        """Least and most net import beyond the ledger's (shape: zones, products)."""
        low, high = self.delivered_mw(self.least_mw), self.delivered_mw(self.most_mw)
        least, most = np.zeros((2, len(self.zones), len(self.hours)))
        for end in (0, 1):
            np.add.at(least, self.ends[:, end], np.minimum(low[end], high[end]))
            np.add.at(most, self.ends[:, end], np.maximum(low[end], high[end]))
        now = self._exchange(self.start_mw)
        return least - now, most - now

    def span_mw(self) -> np.ndarray:
        """Most that a zone can import or export in all (shape: zones, products)."""
        least, most = self.limits_mw()
        now = self.exchange_now_mw()
        return np.maximum(-(least + now), most + now)

    def spread(self, price: np.ndarray, turns: int) -> np.ndarray:
        """Prices averaged with those of the neighbours, time and again.

        Parameters
        ----------
        price : ndarray, shape (zones, products)
        turns : int
            In each, the own price has the weight of all that the zone can trade, a neighbour's
            that of the interconnector between them.
        """
        own, (first, second) = self.span_mw(), self.ends.T
        carried = np.maximum(np.abs(self.least_mw), np.abs(self.most_mw))
        # A zone that nothing can reach has no weight, and keeps its price.
        total = np.where(own > 0, own, 1.0)
        np.add.at(total, first, carried)
        np.add.at(total, second, carried)
        for _ in range(turns):
            told = np.where(own > 0, own, 1.0) * price
            np.add.at(told, first, carried * price[second])
            np.add.at(told, second, carried * price[first])
            price = told / total
        return price

    def nearest(
        self, target_mw: np.ndarray, stiffness: np.ndarray, flow_mw: np.ndarray
    ) -> np.ndarray:
        """Flows whose exchange is nearest to a target, each zone weighed by its stiffness.

        Parameters
        ----------
        target_mw : ndarray, shape (zones, products)
            Net import beyond the ledger's.
        stiffness : ndarray, shape (zones, products)
        flow_mw : ndarray, shape (edges, products)
            Flows to start from; interconnectors move one at a time.
        """
        flow = flow_mw.copy()
        miss = target_mw - self.exchange_mw(flow)
        for _ in range(SWEEPS):
            for e, (a, b) in enumerate(self.ends):
                here, there = _delivered(flow[e], self.loss[e])
                miss[a] += here
                miss[b] += there
                flow[e] = self._best_flow(e, miss[a], miss[b], stiffness[a], stiffness[b])
                here, there = _delivered(flow[e], self.loss[e])
                miss[a] -= here
                miss[b] -= there
        return flow

    def rent_eur(self, price: np.ndarray) -> float:
        """Most that flows can earn by buying and selling at prices, beyond the ledger's flows.

        Parameters
        ----------
        price : ndarray, shape (zones, products)
            EUR/MWh.
        """
        idle = np.clip(0.0, self.least_mw, self.most_mw)
        earned = [self._earnings(f, price) for f in (self.least_mw, idle, self.most_mw)]
        best = np.max(earned, axis=0) - self._earnings(self.start_mw, price)
        return float(best.sum(axis=0) @ self.hours)

    def _earnings(self, flow_mw: np.ndarray, price: np.ndarray) -> np.ndarray:
        here, there = self.delivered_mw(flow_mw)
        return here * price[self.ends[:, 0]] + there * price[self.ends[:, 1]]

    def exchange_now_mw(self) -> np.ndarray:
        """Net import in the ledger (shape: zones, products)."""
        return self._exchange(self.start_mw)

    def _exchange(self, flow_mw: np.ndarray) -> np.ndarray:
        total = np.zeros((len(self.zones), len(self.hours)))
        for end, delivered in enumerate(self.delivered_mw(flow_mw)):
            np.add.at(total, self.ends[:, end], delivered)
        return total

    def _best_flow(
        self,
        e: int,
        miss_a: np.ndarray,
        miss_b: np.ndarray,
        rho_a: np.ndarray,
        rho_b: np.ndarray,
    ) -> np.ndarray:
        # Least squares in one flow; what is sent at one end is not what arrives at the other.
        arrives = 1 - self.loss[e]
        forth = arrives * rho_b * miss_b - rho_a * miss_a
        back = arrives * rho_a * miss_a - rho_b * miss_b
        ahead = np.maximum(forth, 0.0) / (rho_a + rho_b * arrives**2)
        behind = np.maximum(back, 0.0) / (rho_b + rho_a * arrives**2)
        best = np.where(forth >= back, ahead, -behind)
        return np.clip(best, self.least_mw[e], self.most_mw[e])


def _delivered(flow_mw: np.ndarray, loss: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Net import at either end of a net flow that is counted where it is sent."""
    ahead, behind = np.maximum(flow_mw, 0.0), np.maximum(-flow_mw, 0.0)
    return (1 - loss) * behind - ahead, (1 - loss) * ahead - behind
