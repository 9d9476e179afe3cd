"""Money between the partners of trades so that nobody loses."""

from __future__ import annotations

from collections.abc import Mapping

import networkx as nx

Pair = tuple[str, str]


def without_losers(
    paid_eur: Mapping[Pair, float],
    energy_mwh: Mapping[Pair, float],
    amounts_eur: Mapping[str, float],
) -> dict[Pair, float]:
    """Change payments so that those who would lose come out even, at the winners' expense.

    Winners give in proportion to what they gain. Money moves between partners of trades only, on
    the tree of the largest trades, and so may pass through a country on its way.

    Parameters
    ----------
    paid_eur : mapping of (exporter, importer) to float
        What the importer pays for each trade; trades must join all countries.
    energy_mwh : mapping of (exporter, importer) to float
        Size of each trade.
    amounts_eur : mapping of str to float
        What the trades cost each country before payments; their sum must not be positive.

    Returns
    -------
    dict of (exporter, importer) to float
        Payments of the importers; the sum over a country's trades changes, the total does not.
    """
    paid = dict(paid_eur)
    gains = {country: -amount for country, amount in amounts_eur.items()}
    for (exporter, importer), money in paid.items():
        gains[exporter] += money
        gains[importer] -= money
    lost = sum(max(-gain, 0.0) for gain in gains.values())
    if lost == 0:
        return paid
    won = sum(max(gain, 0.0) for gain in gains.values())
    due = {c: -gain if gain < 0 else -gain * min(lost / won, 1.0) for c, gain in gains.items()}
    ways = nx.Graph()
    for pair in sorted(paid, key=lambda p: energy_mwh[p]):
        ways.add_edge(*pair, trade=pair, weight=energy_mwh[pair])  # the larger of two ways stays
    tree = nx.maximum_spanning_tree(ways)
    root = next(iter(amounts_eur))
    for parent, child in reversed(list(nx.bfs_edges(tree, root))):
        exporter, _ = trade = tree.edges[parent, child]["trade"]
        paid[trade] += due[child] if child == exporter else -due[child]
        due[parent] += due[child]
    return paid
