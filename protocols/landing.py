"""Where interconnectors land: public facts of the interconnection graph.

The interconnectors of a country usually end at one place, so that its exchange is one number per
snapshot. In a country with several buses they may end at different ones. Every such place is a
*port*; the country's exchange then holds one block of snapshots per port.
"""

from __future__ import annotations

from itertools import pairwise

import networkx as nx


def port_count(graph: nx.Graph, country: str) -> int:
    """Number of ports of a country, at least one."""
    return max(len(graph.nodes[country].get("ports", ())), 1)


def port_of(graph: nx.Graph, country: str, neighbour: str) -> int:
    """Port of a country at which the interconnector to a neighbour lands."""
    port: int = graph.edges[country, neighbour].get("port", {}).get(country, 0)
    return port


def is_neutral(graph: nx.Graph, path: tuple[str, ...]) -> bool:
    """Whether a path leaves the transit countries' own plans untouched.

    It does if it enters and leaves each of them at the same port. Otherwise the transit country
    would have to carry the energy through its own grid, which it must be asked for.
    """
    hops = list(pairwise(path))
    return all(
        port_of(graph, here, before) == port_of(graph, here, after)
        for (before, here), (_, after) in pairwise(hops)
    )
