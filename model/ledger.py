"""The ledger: all trades so far, the flows they make, the room they leave, who pays whom."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import networkx as nx
import numpy as np

from model.graph import (
    flow_delivering,
    flow_sending,
    largest_mw,
    path_edges,
    read_only,
    received_mw,
    sent_mw,
)
from protocols.landing import is_neutral, port_count, port_of
from protocols.messages import OPERATOR, Trade
from protocols.products import Products

# Flows may exceed a limit by rounding only, MW.
FLOW_TOLERANCE_MW = 1e-6


class RuleBroken(RuntimeError):
    """A protocol's outcome breaks a rule of the market; names rule, trade and amount.

    Rules are written so that what is no number breaks them: ``if not x <= limit``.
    """


@dataclass(frozen=True)
class Effect:
    """What a delivery along a path changes.

    Attributes
    ----------
    flow_mw : dict of (sender, receiver) to ndarray
        New flow of each edge in the direction of the path.
    exchange_mw : dict of str to ndarray
        Change of net import of exporter and importer, at their ports; transit countries pass on
        what they get.
    delivered_mw : ndarray, shape (snapshots,)
        What arrives at the end of the path.
    """

    flow_mw: dict[tuple[str, str], np.ndarray]
    exchange_mw: dict[str, np.ndarray]
    delivered_mw: np.ndarray


@dataclass(frozen=True)
class Transfer:
    """A payment that is no trade's; it passes through the operator's account.

    Attributes
    ----------
    reason : str
    payer, payee : str
        One of the two is :data:`~protocols.messages.OPERATOR`.
    eur : float
        Above zero, EUR/a.
    """

    reason: str
    payer: str
    payee: str
    eur: float


class Ledger:
    """Flows, trades and payments.

    Flows are net flows per interconnector and snapshot, measured at the sending end, positive
    from the alphabetically first country; counter-trade therefore frees room and saves losses.

    Parameters
    ----------
    graph : networkx.Graph
        From :func:`model.graph.interconnection_graph`.
    products : Products
    """

    def __init__(self, graph: nx.Graph, products: Products) -> None:
        self.graph = graph
        self.products = products
        snapshots = products.snapshots
        self.flows_mw: dict[str, np.ndarray] = {
            data["name"]: _kept(np.zeros(snapshots)) for _, _, data in graph.edges(data=True)
        }
        self.trades: list[Trade] = []
        self.transfers: list[Transfer] = []
        self.payments_eur: dict[str, float] = dict.fromkeys(graph.nodes, 0.0)
        # What the market operator's account has paid; no country stands behind it.
        self.operator_eur = 0.0
        # Exchange of each country and the flows it was added up from; booked flows are new arrays.
        self._exchange_mw: dict[str, tuple[list[np.ndarray], np.ndarray]] = {}

    def copy(self) -> Ledger:
        """Independent copy that shares graph and products."""
        other = copy.copy(self)
        other.flows_mw = dict(self.flows_mw)
        other.trades = list(self.trades)
        other.transfers = list(self.transfers)
        other.payments_eur = dict(self.payments_eur)
        other._exchange_mw = dict(self._exchange_mw)
        return other

    def apart(self) -> Ledger:
        """A copy to read from; what its readers do to it or to its graph changes nothing here."""
        other = self.copy()
        other.graph = read_only(self.graph)
        return other

    def follow(self, other: Ledger) -> None:
        """Show the flows of another ledger of the same market."""
        self.flows_mw = dict(other.flows_mw)

    def take_up(self, flows_mw: Mapping[str, np.ndarray], payments_eur: dict[str, float]) -> None:
        """Stand where a recorded ledger stood; its trades stay in the records."""
        self.flows_mw = {name: _kept(flows_mw[name].copy()) for name in self.flows_mw}
        self.payments_eur = dict(payments_eur)

    def flow_mw(self, sender: str, receiver: str) -> np.ndarray:
        """Net flow from sender to receiver, MW per snapshot."""
        flow = self.flows_mw[self.graph.edges[sender, receiver]["name"]]
        return flow if sender < receiver else -flow

    def exchange_mw(self, country: str) -> np.ndarray:
        """Net import of a country over all its interconnectors, MW per snapshot.

        A country whose interconnectors land at several ports has one block per port. It is added
        up once, until flows are booked: far more is asked than agreed.
        """
        flows = [self.flows_mw[line["name"]] for line in self.graph[country].values()]
        of, exchange = self._exchange_mw.get(country, ([], None))
        if exchange is None or any(new is not old for new, old in zip(flows, of, strict=True)):
            exchange = _kept(self._add_up_mw(country))
            self._exchange_mw[country] = flows, exchange
        return exchange

    def _add_up_mw(self, country: str) -> np.ndarray:
        total = np.zeros((port_count(self.graph, country), self.products.snapshots))
        for neighbour in self.graph.neighbors(country):
            loss = self.graph.edges[country, neighbour]["loss"]
            port = port_of(self.graph, country, neighbour)
            total[port] -= sent_mw(self.flow_mw(country, neighbour), loss)
        flat: np.ndarray = total.ravel()
        return flat

    def net_import_mw(self, country: str) -> np.ndarray:
        """Net import of a country, its ports added up, MW per snapshot."""
        ports = port_count(self.graph, country)
        total: np.ndarray = self.exchange_mw(country).reshape(ports, -1).sum(axis=0)
        return total

    def port_of(self, country: str, neighbour: str) -> int:
        """Port of a country at which the interconnector to a neighbour lands."""
        return port_of(self.graph, country, neighbour)

    def room_mw(self, path: tuple[str, ...]) -> np.ndarray:
        """MW of each product the first country of a path can still send to the last.

        Nothing, if that would use a transit country's own grid.
        """
        if not is_neutral(self.graph, path):
            return np.zeros(len(self.products))
        limit = np.full(self.products.snapshots, np.inf)
        for sender, receiver in reversed(path_edges(path)):
            edge = self.graph.edges[sender, receiver]
            flow, loss = self.flow_mw(sender, receiver), edge["loss"]
            arriving = flow_delivering(received_mw(flow, loss) + limit, loss)
            largest = np.minimum(edge["capacity_mw"][sender], arriving)
            limit = np.maximum(sent_mw(largest, loss) - sent_mw(flow, loss), 0.0)
        return self.products.largest_within(limit)

    def capacity_mw(self, path: tuple[str, ...]) -> float:
        """Largest limit of the path's interconnectors, either way, MW."""
        edges = (self.graph.edges[edge] for edge in path_edges(path))
        return max(largest_mw(edge["capacity_mw"]) for edge in edges)

    def effect(self, path: tuple[str, ...], mw: np.ndarray) -> Effect:
        """What sending ``mw`` (per product, at the exporter's border) along a path changes."""
        flows: dict[tuple[str, str], np.ndarray] = {}
        sent = self.products.profile_mw(np.asarray(mw, dtype=float))
        exchange = {path[0]: self._at_port(path[0], path[1], -sent)}
        for sender, receiver in path_edges(path):
            loss = self.graph.edges[sender, receiver]["loss"]
            before = self.flow_mw(sender, receiver)
            after = flow_sending(sent_mw(before, loss) + sent, loss)
            flows[sender, receiver] = after
            sent = received_mw(after, loss) - received_mw(before, loss)
        exchange[path[-1]] = self._at_port(path[-1], path[-2], sent)
        return Effect(flows, exchange, sent)

    def _at_port(self, country: str, neighbour: str, mw: np.ndarray) -> np.ndarray:
        """Exchange of a country that trades over one interconnector only."""
        exchange = np.zeros((port_count(self.graph, country), len(mw)))
        exchange[self.port_of(country, neighbour)] = mw
        return exchange.ravel()

    def energy_mwh(self, trade: Trade) -> float:
        """Energy sent by the exporter over the horizon, MWh."""
        return float(np.asarray(trade.mw) @ self.products.hours)

    def wheeling_eur_per_mwh(self, path: tuple[str, ...]) -> dict[str, float]:
        """Charge of each transit country per MWh sent by the exporter."""
        return {
            receiver: self.graph.edges[sender, receiver]["wheeling_eur_per_mwh"]
            for sender, receiver in path_edges(path)[:-1]
        }

    def transfers_eur(self, trade: Trade) -> dict[str, float]:
        """Who pays (positive) and who is paid (negative) for a trade, EUR; sums to zero."""
        energy = self.energy_mwh(trade)
        transfers = {trade.exporter: -trade.price_eur_per_mwh * energy}
        transfers[trade.importer] = trade.price_eur_per_mwh * energy
        for country, charge in self.wheeling_eur_per_mwh(trade.path).items():
            transfers[country] = transfers.get(country, 0.0) - charge * energy
            transfers[trade.importer] += charge * energy
        return transfers

    def book(self, trade: Trade) -> None:
        """Enter a trade.

        Raises
        ------
        RuleBroken
            If the path does not exist, a quantity or the price is no number, a quantity is
            negative or a limit would be exceeded; the ledger is then unchanged.
        """
        self._check_path(trade)
        self._check_amounts(trade)
        effect = self.effect(trade.path, np.asarray(trade.mw))
        for (sender, receiver), flow in effect.flow_mw.items():
            excess = float((flow - self.graph.edges[sender, receiver]["capacity_mw"][sender]).max())
            if not excess <= FLOW_TOLERANCE_MW:
                raise RuleBroken(
                    f"capacity: trade {trade.name} exceeds {sender}>{receiver} by {excess:.6g} MW"
                )
        transfers = self.transfers_eur(trade)
        _check_finite(transfers, f"price: trade {trade.name}")
        for (sender, receiver), flow in effect.flow_mw.items():
            name = self.graph.edges[sender, receiver]["name"]
            self.flows_mw[name] = _kept(flow if sender < receiver else -flow)
        for country, amount in transfers.items():
            self.payments_eur[country] += amount
        self.trades.append(trade)

    def transfer(self, amounts_eur: Mapping[str, float], reason: str) -> None:
        """Enter side payments, EUR paid by each country; they must sum to zero.

        Parameters
        ----------
        amounts_eur : mapping of str to float
            By country, negative is paid to it; what the market operator's account pays under
            :data:`protocols.messages.OPERATOR`.
        reason : str
            What they are for, as the records say it.

        Raises
        ------
        RuleBroken
            If they do not, or an amount is no number; the ledger is then unchanged.
        """
        _check_finite(amounts_eur, "budget: a transfer")
        total = sum(amounts_eur.values())
        if not abs(total) <= 1e-6 * _scale(amounts_eur.values()):
            raise RuleBroken(f"budget: transfers sum to {total:.6g} EUR")
        for party, amount in amounts_eur.items():
            if party == OPERATOR:
                self.operator_eur += amount
                continue
            self.payments_eur[party] += amount
            ways = (party, OPERATOR) if amount > 0 else (OPERATOR, party)
            if amount:
                self.transfers.append(Transfer(reason, *ways, abs(amount)))

    def check_budget(self) -> None:
        """Payments sum to zero, the operator's account included."""
        _check_finite({**self.payments_eur, OPERATOR: self.operator_eur}, "budget: the payments")
        total = sum(self.payments_eur.values()) + self.operator_eur
        if not abs(total) <= 1e-9 * _scale(self.payments_eur.values()):
            raise RuleBroken(f"budget: payments sum to {total:.6g} EUR")

    def check_balance(self) -> None:
        """In every snapshot net imports and losses of all countries sum to zero."""
        total = sum(self.net_import_mw(c) for c in self.graph.nodes)
        for a, b, data in self.graph.edges(data=True):
            total = total + data["loss"] * np.abs(self.flow_mw(a, b))
        scale = _scale(float(np.abs(f).max()) for f in self.flows_mw.values())
        worst = float(np.abs(total).max())
        if not worst <= 1e-9 * scale < math.inf:
            raise RuleBroken(f"balance: {worst:.6g} MW appear from nowhere")

    def _check_path(self, trade: Trade) -> None:
        path = trade.path
        ends = (trade.exporter, trade.importer)
        if len(path) < 2 or (path[0], path[-1]) != ends or len(set(path)) < len(path):
            raise RuleBroken(f"path: {trade.name} does not lead from exporter to importer")
        for sender, receiver in path_edges(path):
            if not self.graph.has_edge(sender, receiver):
                raise RuleBroken(f"path: {trade.name}: no interconnector {sender}-{receiver}")
        if not is_neutral(self.graph, path):
            raise RuleBroken(f"path: {trade.name} would use the grid of a transit country")

    def _check_amounts(self, trade: Trade) -> None:
        # A tuple, because whoever made a list could change it when the trade is booked.
        if not isinstance(trade.mw, tuple) or len(trade.mw) != len(self.products):
            raise RuleBroken(
                f"quantity: trade {trade.name} needs a tuple of {len(self.products)} amounts, one "
                "a product"
            )
        amounts = np.asarray(trade.mw, dtype=float)
        if amounts.ndim != 1 or not np.isfinite(amounts).all():
            raise RuleBroken(f"quantity: trade {trade.name} has an amount that is no number of MW")
        least = float(amounts.min(initial=0.0))
        if not least >= 0:
            raise RuleBroken(f"quantity: trade {trade.name} has a negative amount, {least:.6g} MW")
        if not math.isfinite(trade.price_eur_per_mwh):
            raise RuleBroken(
                f"price: trade {trade.name} has a price of {trade.price_eur_per_mwh} EUR/MWh"
            )


def _kept(array: np.ndarray) -> np.ndarray:
    """An array that stays as it is."""
    array.setflags(write=False)
    return array


def _check_finite(amounts_eur: Mapping[str, float], what: str) -> None:
    for country, amount in amounts_eur.items():
        if not math.isfinite(amount):
            raise RuleBroken(f"{what} would make {country} pay {amount} EUR")


def _scale(values: Iterable[float]) -> float:
    """Size of the largest value, at least one: rounding is a share of it."""
    return max(1.0, *(abs(value) for value in values), 1.0)
