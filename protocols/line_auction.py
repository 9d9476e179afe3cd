"""Auctions held on one interconnector, for all products at once.

A textbook auction has one good in one place. Between countries that is one product on one line:
whoever values it less sells, the neighbour buys. The line's limit and loss are then all the
network there is; energy for a third country is bought on one line and sold on the next, in a later
auction. Lines that share no country hold theirs at the same time, in random order.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from protocols.asking import Asking, ask, plain
from protocols.auction_messages import Allotment, Consent, Curve, CurveCall, Worth, WorthCall
from protocols.base import Conversation, Market, Outcome, Protocol
from protocols.messages import Body, Trade
from protocols.orders import Match
from protocols.parameters import Count, Growing, NonNegative, Part, Shrinking, WholeNumber
from protocols.paths import simultaneous_groups
from protocols.pool_settlement import awards

Line = tuple[str, str]
# First or second country of a line.
End = tuple[Line, int]


@dataclass
class Lot:
    """Auction of one line: who may sell what to whom, at which prices.

    Amounts are MW at the sending end, prices are per MWh sent.

    Attributes
    ----------
    line : (str, str)
    forward : ndarray of bool, shape (products,)
        Whether the line's first country sells.
    floor, cap : ndarray, shape (products,)
        What a little more costs the seller, and what it is worth to the buyer.
    limit_mw : ndarray, shape (products,)
        Largest amount; zero where there is nothing to gain.
    arriving : ndarray, shape (products,)
        Share of what is sent that the buyer gets.
    """

    line: Line
    forward: np.ndarray
    floor: np.ndarray
    cap: np.ndarray
    limit_mw: np.ndarray
    arriving: np.ndarray

    def price(self, share: np.ndarray | float) -> np.ndarray:
        """Price a share of the way from floor to cap."""
        return self.floor + share * (self.cap - self.floor)

    def call(self, end: int, levels: np.ndarray) -> CurveCall:
        """Ask one end of the line what it sells and buys at price levels (levels x products)."""
        sells = self.forward if end == 0 else ~self.forward
        border_price = np.where(sells, levels, levels / self.arriving)
        none = np.zeros(len(self.limit_mw))
        return CurveCall(
            plain(none),
            plain(border_price),
            plain(np.where(sells, 0.0, self.limit_mw * self.arriving)),
            plain(np.where(sells, self.limit_mw, 0.0)),
            plain(none),
            self.line[1 - end],
        )

    def amounts_mw(self, here: Curve, there: Curve) -> tuple[np.ndarray, np.ndarray]:
        """Amounts sold and bought at each level (levels x products), from both ends' answers."""
        first, second = (np.reshape(c.mw, (-1, len(self.limit_mw))) for c in (here, there))
        sold = np.where(self.forward, -first, -second)
        bought = np.where(self.forward, second, first) / self.arriving
        return np.clip(sold, 0.0, self.limit_mw), np.clip(bought, 0.0, self.limit_mw)

    def change_mw(self, end: int, mw: np.ndarray) -> np.ndarray:
        """Change of net import of one end when ``mw`` are sent."""
        sells = self.forward if end == 0 else ~self.forward
        return np.where(sells, -mw, mw * self.arriving)


@dataclass
class LineAuction(Protocol):
    """Rules that all auctions on lines share; subclasses hold the auction itself.

    Parameters
    ----------
    first_share : float
        Largest amount of the first auction, as a share of what the line can carry.
    shrink, grow : float
        Factor on it after failure and after success.
    retries : int
        Times a rejected outcome is offered again at half its size.
    least_spread : float
        Smallest difference of marginal worth that is auctioned, as a share of the price cap.
    tolerance, patience : float, int
        Agreed after so many steps in a row in which bids beat asks by less than this share of what
        they did so far.
    """

    first_share: Part = 0.25
    shrink: Shrinking = 0.35
    grow: Growing = 1.6
    retries: WholeNumber = 2
    least_spread: NonNegative = 1 / 150_000
    tolerance: NonNegative = 5e-4
    patience: Count = 3

    valuation = "duals"
    operator = True
    several_ports = True

    @abstractmethod
    def auction(self, lots: list[Lot], round_: int) -> Asking[list[list[Match]]]:
        """Hold the auctions of lines that share no country; a match for each lot and product."""

    def run(self, market: Market) -> Conversation:
        """One step: every line that does not rest is auctioned once."""
        notes = self._notes(market)
        skipped = min((n["rest"] for n in notes.values()), default=0)
        awake = [line for line in market.graph.edges if notes[_name(line)]["rest"] == skipped]
        for note in notes.values():
            note["rest"] = max(note["rest"] - skipped - 1, 0)
        order = market.rng.permutation(len(awake))
        outcome, surplus = Outcome(), 0.0
        for number, group in enumerate(simultaneous_groups([awake[i] for i in order])):
            lines = [(path[0], path[-1]) for path in group]
            trades, won = yield from self._hold(market, lines, number)
            outcome.trades.extend(trades)
            surplus += won
        outcome.settled = self._close(market, surplus)
        return outcome

    def _hold(
        self, market: Market, group: list[Line], round_: int
    ) -> Asking[tuple[list[Trade], float]]:
        lots = yield from self._open(market, group, round_)
        matches = yield from self.auction(lots, round_)
        hours, trades, surplus = market.products.hours, [], 0.0
        least = self.tolerance / 100 * float(market.memory.get("surplus_eur", 0.0))
        unsold = set(group)
        offers: dict[Line, tuple[Lot, np.ndarray, np.ndarray]] = {}
        for lot, per_product in zip(lots, matches, strict=True):
            mw = np.array([m.mw for m in per_product])
            # Half of the auctioneer's surplus goes to each end: nobody else may keep money.
            price = np.array([(m.paid + m.earned) / 2 for m in per_product])
            if float((lot.cap - lot.floor) * mw @ hours) > least:
                offers[lot.line] = (lot, mw, price)
        for retry in range(self.retries + 1):
            willing = yield from self._offer(offers, hours, round_)
            sold = []
            for line in willing:
                lot, mw, price = offers.pop(line)
                sold += _trades(lot, mw, price, hours, round_)
                surplus += float((lot.cap - lot.floor) * mw @ hours)
                unsold.discard(line)
                self._succeed(market, line, retry)
            if sold:
                trades += sold
                yield awards(sold, round_)
            offers = {line: (lot, mw / 2, price) for line, (lot, mw, price) in offers.items()}
        for line in unsold:
            self._fail(market, line)
        return trades, surplus

    def _open(self, market: Market, group: list[Line], round_: int) -> Asking[list[Lot]]:
        """Lots of lines on which both ends say what a little more import is worth to them."""
        calls = {(line, end): WorthCall(line[1 - end]) for line in group for end in (0, 1)}
        told = yield from ask(calls, round_, _country)
        lots = []
        for line in group:
            here, there = told.get((line, 0)), told.get((line, 1))
            if isinstance(here, Worth) and isinstance(there, Worth):
                worth = np.array(here.price_eur_per_mwh), np.array(there.price_eur_per_mwh)
                lots.append(self._lot(market, line, *worth))
        return [lot for lot in lots if lot.limit_mw.any()]

    def _lot(self, market: Market, line: Line, first: np.ndarray, second: np.ndarray) -> Lot:
        out, out_mw = self._one_way(market, line)
        back, back_mw = self._one_way(market, line[::-1])
        forward = second * out - first >= first * back - second
        floor = np.where(forward, first, second)
        arriving = np.where(forward, out, back)
        cap = np.where(forward, second, first) * arriving
        size = self._notes(market)[_name(line)]["share"]
        limit = np.where(forward, out_mw, back_mw)
        limit = np.minimum(limit, size * np.maximum(out_mw, back_mw))
        gains = cap - floor > self.least_spread * market.price_cap_eur_per_mwh
        return Lot(line, forward, floor, cap, np.where(gains, limit, 0.0), arriving)

    def _one_way(self, market: Market, way: Line) -> tuple[np.ndarray, np.ndarray]:
        """Share that arrives of a little sent, and how much may be sent before it changes, MW."""
        keep = 1 - market.graph.edges[way]["loss"]
        flow = market.products.average(market.flow_mw(*way))
        room = market.room_mw(way)
        # Against the flow, sending less of it back saves the loss, until the flow is zero.
        return np.where(flow < 0, 1 / keep, keep), np.where(flow < 0, -flow * keep, room)

    def _offer(
        self, offers: dict[Line, tuple[Lot, np.ndarray, np.ndarray]], hours: np.ndarray, round_: int
    ) -> Asking[list[Line]]:
        """Lines on which both ends are better off with the outcome, by re-solved cost."""
        calls: dict[End, Body] = {}
        for line, (lot, mw, price) in offers.items():
            flows = (np.where(lot.forward, 1.0, -1.0) * mw * price) @ hours
            for end, pay in ((0, -flows), (1, flows)):
                change = plain(lot.change_mw(end, mw))
                calls[line, end] = Allotment(change, float(pay), line[1 - end])
        told = yield from ask(calls, round_, _country)
        consents = {key for key, b in told.items() if isinstance(b, Consent) and b.willing}
        return [line for line in offers if {(line, 0), (line, 1)} <= consents]

    def _notes(self, market: Market) -> dict[str, dict[str, Any]]:
        notes: dict[str, dict[str, Any]] = market.memory.setdefault("lines", {})
        for line in market.graph.edges:
            notes.setdefault(_name(line), {"share": self.first_share, "failures": 0, "rest": 0})
        return notes

    def _succeed(self, market: Market, line: Line, retries: int) -> None:
        note = self._notes(market)[_name(line)]
        note["failures"] = 0
        factor = self.grow if retries == 0 else 0.5**retries
        note["share"] = min(note["share"] * factor, 1.0)

    def _fail(self, market: Market, line: Line) -> None:
        note = self._notes(market)[_name(line)]
        note["failures"] += 1
        note["share"] *= self.shrink
        note["rest"] = min(2 ** note["failures"] - 1, 7)

    def _close(self, market: Market, surplus: float) -> bool:
        memory = market.memory
        total = float(memory.get("surplus_eur", 0.0)) + surplus
        memory["surplus_eur"] = total
        quiet = int(memory.get("quiet_steps", 0)) + 1 if surplus <= self.tolerance * total else 0
        memory["quiet_steps"] = quiet
        return quiet >= self.patience


def curves_of(
    lots: list[Lot], levels: list[np.ndarray], round_: int
) -> Asking[list[tuple[np.ndarray, np.ndarray]]]:
    """Amounts sold and bought at price levels for every lot; silence sells and buys nothing."""
    calls: dict[End, Body] = {
        (lot.line, end): lot.call(end, prices)
        for lot, prices in zip(lots, levels, strict=True)
        for end in (0, 1)
    }
    told = yield from ask(calls, round_, _country)
    amounts = []
    for lot, prices in zip(lots, levels, strict=True):
        here, there = told.get((lot.line, 0)), told.get((lot.line, 1))
        if isinstance(here, Curve) and isinstance(there, Curve):
            amounts.append(lot.amounts_mw(here, there))
        else:
            amounts.append((np.zeros_like(prices), np.zeros_like(prices)))
    return amounts


def _trades(
    lot: Lot, mw: np.ndarray, price: np.ndarray, hours: np.ndarray, round_: int
) -> list[Trade]:
    trades = []
    for way, part in ((lot.line, lot.forward), (lot.line[::-1], ~lot.forward)):
        sent = np.where(part, mw, 0.0)
        if sent.any():
            mean = float((sent * price) @ hours) / float(sent @ hours)
            trades.append(Trade(*way, way, tuple(sent.tolist()), mean, round_))
    return trades


def _country(end: End) -> str:
    line, which = end
    return line[which]


def _name(line: Line) -> str:
    return ">".join(line)
