"""Trades that carry out new flows at prices in between, and leave nobody worse off."""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np

from protocols.compensation import without_losers
from protocols.flow_network import FlowNetwork
from protocols.messages import Trade

# Who would lose is lifted to this share of the mean gain, so that the solver's last digits do not
# turn nothing into a loss.
FLOOR_SHARE = 0.01


@dataclass(frozen=True)
class Deliveries:
    """What the two countries of an edge send each other beyond the ledger's flows.

    Attributes
    ----------
    edge : tuple of str
    sent_mw : ndarray, shape (2, products)
        By the first country and by the second, at their own borders; never both at once.
    energy_mwh : ndarray, shape (2,)
    paid_eur : ndarray, shape (2,)
        For them by the other, at the middle of what they are worth at either end. Each end has
        half of the congestion rent.
    """

    edge: tuple[str, str]
    sent_mw: np.ndarray
    energy_mwh: np.ndarray
    paid_eur: np.ndarray


def groups_of(network: FlowNetwork, flow_mw: np.ndarray) -> list[set[str]]:
    """Countries that changed flows join, one set for each group that does not touch the others."""
    graph = nx.Graph()
    changed = (flow_mw != network.start_mw).any(axis=1)
    graph.add_edges_from(edge for edge, moves in zip(network.edges, changed, strict=True) if moves)
    return [set(group) for group in nx.connected_components(graph)]


def fair_trades(
    network: FlowNetwork,
    flow_mw: np.ndarray,
    cost_change_eur: dict[str, float],
    value: np.ndarray,
    round_: int,
) -> list[Trade]:
    """Trades between neighbours that bring the ledger's flows to new ones.

    Energy is paid at the middle of the marginal values at the two ends, and winners compensate
    losers.

    Parameters
    ----------
    network : FlowNetwork
    flow_mw : ndarray, shape (edges, products)
    cost_change_eur : dict of str to float
        Of every country whose flows change; each group must save in total.
    value : ndarray, shape (countries, products)
        Marginal values at the new flows, EUR/MWh.
    round_ : int
    """
    deliveries = _deliveries(network, flow_mw, value)
    middle = {d.edge: float(d.paid_eur[0] - d.paid_eur[1]) for d in deliveries}
    energy = {d.edge: float(d.energy_mwh.sum()) for d in deliveries}
    fair = without_losers(middle, energy, cost_change_eur, FLOOR_SHARE)
    return [
        trade
        for d in deliveries
        for trade in _trades(d, (fair[d.edge] - middle[d.edge]) / energy[d.edge], round_)
    ]


def _deliveries(network: FlowNetwork, flow_mw: np.ndarray, value: np.ndarray) -> list[Deliveries]:
    change = [
        new - old
        for new, old in zip(
            network.delivered_mw(flow_mw), network.delivered_mw(network.start_mw), strict=True
        )
    ]
    found = []
    for e, edge in enumerate(network.edges):
        sent = np.maximum([-change[0][e], -change[1][e]], 0.0)
        if not sent.any():
            continue
        worth = [change[k][e] * value[network.ends[e, k]] for k in (0, 1)]
        # The sender's own change is negative, the receiver's positive.
        middle = network.hours * (worth[1] - worth[0]) / 2
        paid = np.array([middle[sent[0] > 0].sum(), -middle[sent[1] > 0].sum()])
        found.append(Deliveries(edge, sent, sent @ network.hours, paid))
    return found


def _trades(d: Deliveries, shift_eur_per_mwh: float, round_: int) -> list[Trade]:
    """Up to two trades; the first country earns the shift on all energy that either sends."""
    trades = []
    for k, sign in ((0, 1.0), (1, -1.0)):
        if d.energy_mwh[k] > 0:
            path = (d.edge[k], d.edge[1 - k])
            price = float(d.paid_eur[k] / d.energy_mwh[k]) + sign * shift_eur_per_mwh
            trades.append(Trade(*path, path, tuple(d.sent_mw[k].tolist()), price, round_))
    return trades
