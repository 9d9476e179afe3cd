"""Sets of interconnectors and coalitions of countries, as bits of whole numbers.

Bit ``k`` of a set of lines is interconnector ``k`` of the graph, bit ``i`` of a coalition is
country ``i``.
"""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx
import numpy as np


class LineSets:
    """What sets of interconnectors have to do with coalitions and with each other.

    Parameters
    ----------
    graph : networkx.Graph
        Interconnection graph.

    Attributes
    ----------
    countries, lines : tuple of str
        Country codes and interconnector names in the graph's order, which is that of the bits.
    """

    def __init__(self, graph: nx.Graph) -> None:
        self.countries: tuple[str, ...] = tuple(graph.nodes)
        self.lines: tuple[str, ...] = tuple(data["name"] for *_, data in graph.edges(data=True))
        place = {country: i for i, country in enumerate(self.countries)}
        self._ends = [1 << place[a] | 1 << place[b] for a, b in graph.edges]
        self._touching = [
            sum(1 << j for j, other in enumerate(self._ends) if own & other) for own in self._ends
        ]

    def within(self, coalition: int) -> int:
        """Lines with both ends in a coalition."""
        return sum(1 << k for k, ends in enumerate(self._ends) if ends & coalition == ends)

    def reached(self, lines: int) -> int:
        """Coalition of the countries at the ends of lines."""
        coalition = 0
        for k in bits(lines):
            coalition |= self._ends[k]
        return coalition

    def parts(self, lines: int) -> list[int]:
        """Connected parts of a set of lines; countries of one do not meet those of another."""
        found = []
        while lines:
            part, grown = 0, lines & -lines
            while grown != part:
                fresh, part = grown & ~part, grown
                for k in bits(fresh):
                    grown |= self._touching[k] & lines
            found.append(part)
            lines &= ~part
        return found


def bits(number: int) -> list[int]:
    """Places of the ones of a number, ascending.

    Examples
    --------
    >>> bits(0b1101)
    [0, 2, 3]
    """
    return [k for k in range(number.bit_length()) if number >> k & 1]


def nearest_next(sets: Sequence[int]) -> list[int]:
    """Order sets so that each differs little from the one before; begins with the first.

    Whoever solves them in this order starts each time close to what was just solved. Greedy: the
    nearest that is left comes next.
    """
    if not sets:
        return []
    numbers = np.array(sets, dtype=np.uint64)
    left = np.ones(len(numbers), dtype=bool)
    order, here = [], 0
    for _ in numbers:
        order.append(int(numbers[here]))
        left[here] = False
        steps = np.where(left, np.bitwise_count(numbers ^ numbers[here]), np.iinfo(np.uint8).max)
        here = int(steps.argmin())
    return order
