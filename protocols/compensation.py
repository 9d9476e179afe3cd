"""Money so that nobody loses by trades: who pays how much, and along which trades it moves.

Energy is paid at agreed prices first. Countries that this leaves worse off by re-solved cost are
compensated by those that gain, in proportion to their gains. The money moves between partners of
trades, in their prices, as evenly per MWh as the sums allow, and so may pass through a country.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import networkx as nx
import numpy as np

Pair = tuple[str, str]


def without_losers(
    paid_eur: Mapping[Pair, float],
    energy_mwh: Mapping[Pair, float],
    amounts_eur: Mapping[str, float],
    floor_share: float = 0.0,
) -> dict[Pair, float]:
    """Change payments so that nobody loses, within each group of countries that trade.

    Parameters
    ----------
    paid_eur : mapping of (exporter, importer) to float
        What the importer pays for each trade.
    energy_mwh : mapping of (exporter, importer) to float
        Size of each trade.
    amounts_eur : mapping of str to float
        What the trades cost each country before payments.
    floor_share : float
        As in :func:`compensation_eur`.

    Returns
    -------
    dict of (exporter, importer) to float
        Payments of the importers; the sum over a country's trades changes, the total does not.
    """
    gains = {country: -amount for country, amount in amounts_eur.items()}
    for (exporter, importer), money in paid_eur.items():
        gains[exporter] += money
        gains[importer] -= money
    groups = nx.connected_components(nx.Graph(list(paid_eur)))
    more = along_trades(compensation_eur(gains, groups, floor_share), energy_mwh)
    return {pair: paid + more[pair] for pair, paid in paid_eur.items()}


def compensation_eur(
    gain_eur: Mapping[str, float], groups: Iterable[set[str]], floor_share: float = 0.0
) -> dict[str, float]:
    """Side payments that leave nobody worse off, winners paying in proportion to their gains.

    Parameters
    ----------
    gain_eur : mapping of str to float
        Gain of each country before the side payments.
    groups : iterable of set of str
        Payments balance within each.
    floor_share : float
        What each is left with at least, as a share of the mean gain of its group.

    Returns
    -------
    dict of str to float
        EUR paid by each country, negative for who is compensated. A group that loses as a whole
        pays nothing.
    """
    pay = dict.fromkeys(gain_eur, 0.0)
    for group in groups:
        members = [c for c in gain_eur if c in group]
        floor = floor_share * sum(gain_eur[c] for c in members) / len(members)
        spare = sum(max(gain_eur[c] - floor, 0.0) for c in members)
        short = sum(max(floor - gain_eur[c], 0.0) for c in members)
        if short <= 0 or short > spare:
            continue
        for c in members:
            above = gain_eur[c] - floor
            pay[c] = above * short / spare if above > 0 else above
    return pay


def along_trades(
    pay_eur: Mapping[str, float], energy_mwh: Mapping[Pair, float]
) -> dict[Pair, float]:
    """Move side payments along trades, as evenly per MWh as the sums allow.

    Least squares of the changes of price, weighed by energy: they are differences of potential in
    an electric network whose conductances are the energies.

    Parameters
    ----------
    pay_eur : mapping of str to float
        EUR paid by each country; zero in sum over countries that trades join.
    energy_mwh : mapping of (str, str) to float
        Energy between two countries, positive.

    Returns
    -------
    dict of (str, str) to float
        EUR from the second country of each pair to the first.
    """
    position = {country: i for i, country in enumerate(pay_eur)}
    conductance = np.zeros((len(position), len(position)))
    for (first, second), energy in energy_mwh.items():
        a, b = position[first], position[second]
        conductance[[a, b], [a, b]] += energy
        conductance[[a, b], [b, a]] -= energy
    owed = np.array([-eur for eur in pay_eur.values()])
    potential = np.linalg.lstsq(conductance, owed, rcond=None)[0]
    return {
        (first, second): energy * float(potential[position[first]] - potential[position[second]])
        for (first, second), energy in energy_mwh.items()
    }
