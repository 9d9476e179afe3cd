"""Money and trades of a pool: what countries owe for a change of flows, booked between neighbours.

A pool pays in three steps. Every line's change of flow is paid at the middle of what it is worth
at its two ends, so that each end has half of the congestion rent. If that leaves somebody worse
off by re-solved cost, the winners make it good. Side payments then travel with the energy, along
lines that trade and in their prices (:mod:`protocols.compensation`).
"""

from __future__ import annotations

from collections.abc import Mapping

import networkx as nx
import numpy as np

from protocols.clearing import Network
from protocols.compensation import along_trades
from protocols.messages import OPERATOR, Award, Message, Trade


class FlowChange:
    """Change of the flows of a network, and what its lines carry more or less at either end.

    Parameters
    ----------
    network : Network
    before_mw, after_mw : ndarray, shape (lines, products)
        Net flows at the sending end.

    Attributes
    ----------
    given_mw, gotten_mw : ndarray, shape (lines, products)
        Further export of the first end of each line and further import of the second, MW.
    """

    def __init__(self, network: Network, before_mw: np.ndarray, after_mw: np.ndarray) -> None:
        taken, brought = network.ends_mw(before_mw)
        taken_then, brought_then = network.ends_mw(after_mw)
        self.network = network
        self.given_mw = taken_then - taken
        self.gotten_mw = brought_then - brought

    def middle_eur(self, price_eur_per_mwh: np.ndarray) -> np.ndarray:
        """Money from the second end of each line to the first at the middle of zonal prices, EUR.

        Parameters
        ----------
        price_eur_per_mwh : ndarray, shape (zones, products)

        Returns
        -------
        ndarray, shape (lines, products)
        """
        first, second = self.network.ends
        worth = price_eur_per_mwh[first] * self.given_mw
        worth = worth + price_eur_per_mwh[second] * self.gotten_mw
        return np.asarray(worth * self.network.hours / 2)

    def groups(self) -> list[set[str]]:
        """Countries that trade with each other, directly or over others."""
        graph = nx.Graph()
        graph.add_nodes_from(self.network.countries)
        graph.add_edges_from(self._energy_mwh())
        return [set(group) for group in nx.connected_components(graph)]

    def paid_eur(self, line_eur: np.ndarray) -> dict[str, float]:
        """Net payment of each country for money from second to first ends of lines, EUR."""
        paid = dict.fromkeys(self.network.countries, 0.0)
        for (a, b), money in zip(self.network.lines, line_eur, strict=True):
            paid[a] -= float(money)
            paid[b] += float(money)
        return paid

    def with_side_payments(self, line_eur: np.ndarray, pay_eur: Mapping[str, float]) -> np.ndarray:
        """Add side payments (EUR paid by country, zero in sum per group) to the lines' money."""
        moved = along_trades(pay_eur, self._energy_mwh())
        return line_eur + [moved.get(line, 0.0) for line in self.network.lines]

    def trades(self, middle_eur: np.ndarray, line_eur: np.ndarray, round_: int) -> list[Trade]:
        """Trades that make the change and carry the money: at most one a line and direction.

        Prices start from the middle and depart from it by the same amount per MWh both ways.

        Parameters
        ----------
        middle_eur : ndarray, shape (lines, products)
            From :meth:`middle_eur`.
        line_eur : ndarray, shape (lines,)
            Money each line must carry, from its second end to its first.
        round_ : int
        """
        trades: list[Trade] = []
        hours = self.network.hours
        for e, (a, b) in enumerate(self.network.lines):
            legs = []
            for way, sign, moved_mw in (
                ((a, b), 1.0, self.given_mw[e]),
                ((b, a), -1.0, -self.gotten_mw[e]),
            ):
                mw = np.maximum(moved_mw, 0.0)
                if mw.any():
                    legs.append((way, sign, mw, float(mw @ hours)))
            energy = sum(mwh for *_, mwh in legs)
            for way, sign, mw, mwh in legs:
                middle = sign * float(middle_eur[e][mw > 0].sum()) / mwh
                shift = (float(line_eur[e]) - float(middle_eur[e].sum())) / energy
                trades.append(Trade(*way, way, tuple(mw.tolist()), middle + sign * shift, round_))
        return trades

    def _energy_mwh(self) -> dict[tuple[str, str], float]:
        """What the lines that change carry more, both ways together."""
        both_mw = np.maximum(self.given_mw, 0.0) + np.maximum(-self.gotten_mw, 0.0)
        energy = both_mw @ self.network.hours
        return {
            line: float(mwh) for line, mwh in zip(self.network.lines, energy, strict=True) if mwh
        }


def awards(trades: list[Trade], round_: int) -> list[Message]:
    """The operator tells both parties of each trade."""
    return [
        Message(OPERATOR, party, "award", Award(trade), round_)
        for trade in trades
        for party in (trade.exporter, trade.importer)
    ]
