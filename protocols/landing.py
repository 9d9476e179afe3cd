"""Where interconnectors land: public facts of the interconnection graph.

The interconnectors of a country usually end at one place, so that its exchange is one number per
snapshot. In a country with several buses they may end at different ones. Every such place is a
*port*; the country's exchange then holds one block of snapshots per port. To an operator every port
is a *zone* with an energy balance of its own; only the country knows how its ports hang together.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import networkx as nx
import numpy as np


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


class Zones:
    """Rows of an operator's tables: every port of every country, countries and ports in order.

    Parameters
    ----------
    graph : networkx.Graph

    Attributes
    ----------
    countries : tuple of str
    """

    def __init__(self, graph: nx.Graph) -> None:
        self.countries: tuple[str, ...] = tuple(graph.nodes)
        counts = [port_count(graph, c) for c in self.countries]
        self._rows = {
            c: slice(end - count, end)
            for c, count, end in zip(self.countries, counts, accumulate(counts), strict=True)
        }
        self._graph = graph

    def __len__(self) -> int:
        return sum(rows.stop - rows.start for rows in self._rows.values())

    def of(self, country: str) -> slice:
        """Rows of a country's ports."""
        return self._rows[country]

    def ends(self, lines: Sequence[tuple[str, str]]) -> np.ndarray:
        """Rows at which the two ends of each line land (shape: lines, 2)."""
        rows = [
            [self._rows[a].start + port_of(self._graph, a, b) for a, b in (line, line[::-1])]
            for line in lines
        ]
        return np.array(rows, dtype=int).reshape(-1, 2)
