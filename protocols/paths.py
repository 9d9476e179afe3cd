"""Paths and who can bargain at the same time."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import networkx as nx

from protocols.landing import is_neutral

Path = tuple[str, ...]


def trading_paths(graph: nx.Graph, max_hops: int) -> list[Path]:
    """All simple paths of at most ``max_hops`` interconnectors, each once, shortest first.

    A path starts at whichever end comes first in the graph; the other direction is its reverse.
    Paths that would use a transit country's own grid are left out.
    """
    order = {country: i for i, country in enumerate(graph.nodes)}
    paths: list[Path] = []
    for a in graph.nodes:
        for b in graph.nodes:
            if order[a] < order[b]:
                simple = (tuple(p) for p in nx.all_simple_paths(graph, a, b, cutoff=max_hops))
                paths.extend(path for path in simple if is_neutral(graph, path))
    return sorted(paths, key=lambda p: (len(p), [order[c] for c in p]))


def simultaneous_groups(paths: Iterable[Path]) -> list[list[Path]]:
    """Greedy grouping: within a group no country bargains twice and no edge is used twice."""
    groups: list[list[Path]] = []
    busy: list[set[object]] = []
    for path in paths:
        needs: set[object] = {path[0], path[-1], *(frozenset(e) for e in pairwise(path))}
        for group, taken in zip(groups, busy, strict=True):
            if not needs & taken:
                group.append(path)
                taken |= needs
                break
        else:
            groups.append([path])
            busy.append(set(needs))
    return groups
