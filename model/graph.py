"""The interconnection graph and the physics of its edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import networkx as nx
import numpy as np

from scenarios.schema import Interconnector, Scenario


@dataclass(frozen=True)
class Strand:
    """One direction of one branch of an interconnector.

    Attributes
    ----------
    name : str
        Name of its Link in a joint network.
    bus0, bus1 : str
        Where it leaves the sending and lands in the receiving country.
    share : float
        Its part of the interconnector's flow.
    """

    name: str
    bus0: str
    bus1: str
    share: float


def interconnection_graph(scenario: Scenario) -> nx.Graph:
    """Countries and interconnectors as a networkx graph.

    Nodes carry ``name``, ``latitude``, ``longitude``. Edges carry ``name``, ``loss``,
    ``wheeling_eur_per_mwh`` and ``capacity_mw``, a dict from the sending country to MW: a number,
    or an array where it varies over the snapshots (see :func:`limit_over_time`).
    Nodes and edges stand in the scenario's order. Where interconnectors consist of branches,
    edges also carry ``branches`` and ``port``, a dict from country to the number of the port they
    land at; nodes carry ``ports``, the share of every bus by port.
    """
    graph = nx.Graph()
    for c in scenario.curves or scenario.countries:
        graph.add_node(c.country, name=c.name, latitude=c.latitude, longitude=c.longitude)
    for line in scenario.interconnectors:
        graph.add_edge(
            line.country_a,
            line.country_b,
            name=line.name,
            loss=line.loss,
            wheeling_eur_per_mwh=line.wheeling_eur_per_mwh,
            capacity_mw={line.country_a: line.a_to_b_mw, line.country_b: line.b_to_a_mw},
        )
        if line.branches:
            _land(graph, line)
    return graph


def limit_over_time(graph: nx.Graph, sender: str, receiver: str, limit_mw: np.ndarray) -> None:
    """Let the limit of an interconnector follow its branches' over time, in one direction.

    Parameters
    ----------
    graph : networkx.Graph
        Changed: ``capacity_mw`` of the sender becomes an array where the limit varies.
    sender, receiver : str
    limit_mw : ndarray, shape (snapshots,)
        Its largest counts as the limit that the graph has, so that one that was changed by the
        user varies alike.
    """
    largest = float(limit_mw.max(initial=0.0))
    if largest > 0 and float(limit_mw.min()) < largest:
        capacity = graph.edges[sender, receiver]["capacity_mw"]
        capacity[sender] = capacity[sender] * (limit_mw / largest)


def largest_mw(capacity_mw: Mapping[str, float | np.ndarray]) -> float:
    """Largest limit of an interconnector, either way and at any time, MW."""
    return max(float(np.max(mw)) for mw in capacity_mw.values())


def _land(graph: nx.Graph, line: Interconnector) -> None:
    """Number the ports of an interconnector; equal places are one port."""
    edge = graph.edges[line.country_a, line.country_b]
    edge["branches"], edge["port"] = line.branches, {}
    for country, end in ((line.country_a, "bus_a"), (line.country_b, "bus_b")):
        shares: dict[str, float] = {}
        for branch in line.branches:
            bus = getattr(branch, end)
            shares[bus] = shares.get(bus, 0.0) + branch.share
        landing = {bus: round(share, 12) for bus, share in sorted(shares.items())}
        ports = graph.nodes[country].setdefault("ports", [])
        if landing not in ports:
            ports.append(landing)
        edge["port"][country] = ports.index(landing)


def read_only(graph: nx.Graph) -> nx.Graph:
    """A copy of a graph that nobody can change, down to the values in its attributes.

    Nodes, edges and attributes refuse to be written; dictionaries, lists and arrays in them are
    read-only copies, so that nothing leads back to the graph that was copied.
    """
    copied = graph.copy()
    for node, data in copied.nodes(data=True):
        copied._node[node] = _unchangeable(data)
    for a, b, data in list(copied.edges(data=True)):
        copied._adj[a][b] = copied._adj[b][a] = _unchangeable(data)
    return nx.freeze(copied)


def _unchangeable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return MappingProxyType({key: _unchangeable(inner) for key, inner in value.items()})
    if isinstance(value, list | tuple):
        return tuple(_unchangeable(inner) for inner in value)
    if isinstance(value, np.ndarray):
        value = value.copy()
        value.setflags(write=False)
    return value


def strands(graph: nx.Graph, sender: str, receiver: str) -> Iterator[Strand]:
    """What carries the flow from one country to its neighbour."""
    name = f"{sender}>{receiver}"
    branches = graph.edges[sender, receiver].get("branches", ())
    if not branches:
        yield Strand(name, sender, receiver, 1.0)
    for branch in branches:
        ends = (branch.bus_a, branch.bus_b) if sender < receiver else (branch.bus_b, branch.bus_a)
        yield Strand(f"{name} {'>'.join(ends)}", *ends, branch.share)


def sent_mw(flow_mw: np.ndarray, loss: float) -> np.ndarray:
    """Net export at the end where ``flow_mw`` counts as outgoing.

    Flow is measured at the sending end: positive, it leaves in full; negative, ``(1 - loss)`` of
    what the other end sends arrives.
    """
    return np.where(flow_mw >= 0, flow_mw, (1 - loss) * flow_mw)


def received_mw(flow_mw: np.ndarray, loss: float) -> np.ndarray:
    """Net import at the far end of a flow that leaves here, the counterpart of :func:`sent_mw`."""
    return np.where(flow_mw >= 0, (1 - loss) * flow_mw, flow_mw)


def flow_sending(net_export_mw: np.ndarray, loss: float) -> np.ndarray:
    """Flow whose :func:`sent_mw` is the given net export."""
    return np.where(net_export_mw >= 0, net_export_mw, net_export_mw / (1 - loss))


def flow_delivering(net_import_mw: np.ndarray, loss: float) -> np.ndarray:
    """Flow whose :func:`received_mw` is the given net import."""
    return np.where(net_import_mw >= 0, net_import_mw / (1 - loss), net_import_mw)


def path_edges(path: tuple[str, ...]) -> list[tuple[str, str]]:
    """Edges of a path as (sender, receiver) pairs in order."""
    return list(pairwise(path))
