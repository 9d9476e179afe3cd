"""Flows in a loop: the same energy delivered by ways that lose less."""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol as Typing

import networkx as nx
import numpy as np

from protocols.landing import is_neutral
from protocols.paths import Path
from protocols.products import Products

# What a loop must save to be worth a talk, as a share of what its first line can carry: a smaller
# saving is worth no more than the rounding of the costs that are told.
LEAST_SAVING = 1e-4
# Flows smaller than this share of their line are none.
LEAST_FLOW = 1e-9


class Flows(Typing):
    """What is public about the flows of a market."""

    graph: nx.Graph
    products: Products

    def flow_mw(self, sender: str, receiver: str) -> np.ndarray:
        """Net flow between neighbours, MW per snapshot."""


def loops(graph: nx.Graph, most_edges: int) -> list[Path]:
    """Closed ways of at most so many interconnectors, both ways round, first country repeated.

    Ways that would use a transit country's own grid are left out.
    """
    order = {country: i for i, country in enumerate(graph.nodes)}
    found: list[Path] = []
    for cycle in nx.simple_cycles(graph, length_bound=most_edges):
        start = min(range(len(cycle)), key=lambda i: order[cycle[i]])
        first, *rest = cycle[start:] + cycle[:start]
        for way in (rest, rest[::-1]):
            loop = (first, *way, first)
            if is_neutral(graph, loop):
                found.append(loop)
    return sorted(found, key=lambda loop: (len(loop), [order[c] for c in loop]))


def worthwhile_mw(
    market: Flows, loop: Path, least_saving: float = LEAST_SAVING
) -> tuple[np.ndarray, np.ndarray]:
    """How much to send around a loop so that more comes back.

    Energy sent against a flow cancels it, and with it its losses: who should have sent it sends
    less by more than is delivered in its stead. More comes back as long as that outweighs the
    losses of the other lines; the answer is the amount up to which the first line on the way turns
    around or fills up, zero where nothing is saved. Flows must be constant over a product's
    delivery, else what the least of its snapshots allows is taken.

    Returns
    -------
    sent, passed_on : ndarray, shape (products,)
        MW sent by the first country, and what of it arrives at the second.
    """
    snapshots = market.products.shape.shape[1]
    share, most_mw = np.ones(snapshots), np.full(snapshots, np.inf)
    first_share = share
    for sender, receiver in pairwise(loop):
        edge = market.graph.edges[sender, receiver]
        flow, kept = market.flow_mw(sender, receiver), 1 - edge["loss"]
        against = flow < -LEAST_FLOW * max(edge["capacity_mw"].values())
        # The flow is measured where it starts; what of it arrives here can be cancelled here.
        room = np.where(against, -flow * kept, edge["capacity_mw"][sender] - flow)
        most_mw = np.minimum(most_mw, np.maximum(room, 0.0) / share)
        share = np.where(against, share / kept, share * kept)
        if receiver == loop[1]:
            first_share = share
    least_mw = least_saving * max(market.graph.edges[loop[:2]]["capacity_mw"].values())
    worthwhile = np.where(most_mw * (share - 1) > least_mw, most_mw, 0.0)
    sent = market.products.largest_within(worthwhile)
    return sent, sent * market.products.average(first_share)
