"""Flows in a loop: the same energy delivered by ways that lose less."""

from __future__ import annotations

from dataclasses import dataclass
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
    less by more than is delivered in its stead. Once the flow is gone the line loses like any
    other. The answer is the amount up to which more comes back than is sent, past the turns of
    lines, and as far as there is room; zero where too little is saved. Flows must be constant over
    a product's delivery, else what the least of its snapshots allows is taken.

    Returns
    -------
    sent, passed_on : ndarray, shape (products,)
        MW sent by the first country, and what of it arrives at the second.
    """
    lines = [_Line.of(market, *ends) for ends in pairwise(loop)]
    snapshots = market.products.snapshots
    flow_mw = [line.flow_mw for line in lines]
    sent, saved = np.zeros(snapshots), np.zeros(snapshots)
    for _ in range(len(lines) + 1):  # every stretch but the last ends where a line turns around
        share, most_mw, rates = np.ones(snapshots), np.full(snapshots, np.inf), []
        for line, flow in zip(lines, flow_mw, strict=True):
            against = line.is_against(flow)
            room = np.where(against, -flow * line.kept, line.capacity_mw - flow)
            most_mw = np.minimum(most_mw, np.maximum(room, 0.0) / share)
            rates.append(np.where(against, share / line.kept, share))
            share = np.where(against, share / line.kept, share * line.kept)
        stretch = np.where(share > 1, most_mw, 0.0)
        flow_mw = [flow + stretch * rate for flow, rate in zip(flow_mw, rates, strict=True)]
        sent, saved = sent + stretch, saved + stretch * (share - 1)
    worthwhile = np.where(saved > least_saving * lines[0].largest_mw, sent, 0.0)
    amount = market.products.largest_within(worthwhile)
    arriving = lines[0].arriving_mw(market.products.profile_mw(amount))
    return amount, market.products.average(arriving)


@dataclass(frozen=True)
class _Line:
    """An interconnector on a way.

    The flow is measured where it starts; what of it arrives here can be cancelled here.
    """

    flow_mw: np.ndarray
    kept: float
    capacity_mw: float | np.ndarray
    largest_mw: float

    @classmethod
    def of(cls, market: Flows, sender: str, receiver: str) -> _Line:
        edge = market.graph.edges[sender, receiver]
        limits = edge["capacity_mw"]
        flow = market.flow_mw(sender, receiver)
        largest = max(float(np.max(mw)) for mw in limits.values())
        return cls(flow, 1 - edge["loss"], limits[sender], largest)

    def is_against(self, flow_mw: np.ndarray) -> np.ndarray:
        """Whether a flow comes the other way."""
        against: np.ndarray = flow_mw < -LEAST_FLOW * self.largest_mw
        return against

    def arriving_mw(self, sent_mw: np.ndarray) -> np.ndarray:
        """What arrives at the far end when so much more is sent."""
        cancels = np.minimum(sent_mw, np.maximum(-self.flow_mw, 0.0) * self.kept)
        return cancels / self.kept + (sent_mw - cancels) * self.kept
