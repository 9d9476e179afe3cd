"""Bilateral bids, adaptive mode."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from protocols.base import Conversation, Market, Outcome, Protocol
from protocols.messages import (
    CLOCK,
    Award,
    Limit,
    LimitCall,
    Message,
    Trade,
    Wish,
    WishCall,
)
from protocols.paths import Path, simultaneous_groups, trading_paths


@dataclass
class PairNotes:
    """What a pair remembers from step to step, all of it public to the two.

    Attributes
    ----------
    price, stride : ndarray, shape (products,)
        Posted price and how far it moves next, EUR/MWh.
    heading : ndarray
        Sign of the last price move.
    mw : ndarray
        Size of the next attempt per product.
    failures, rest : int
        Unsuccessful steps in a row, and steps the pair still pauses.
    """

    price: np.ndarray
    stride: np.ndarray
    heading: np.ndarray
    mw: np.ndarray
    failures: int = 0
    rest: int = 0

    def record(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in vars(self).items()
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> PairNotes:
        """Inverse of :meth:`record`."""
        return cls(**{k: np.array(v) if isinstance(v, list) else v for k, v in record.items()})


@dataclass
class Deal:
    """A bundle two countries are about to price: MW of each product, sent along ``path``."""

    path: Path
    mw: np.ndarray
    notes: PairNotes


@dataclass
class AdaptiveBids(Protocol):
    """Pairs trade bundles at the middle of their limit prices; what fails is tried smaller."""

    max_hops: int = 2
    attempts: int = 3
    price_moves: int = 4
    first_share: float = 0.25
    shrink: float = 0.35
    grow: float = 1.6
    tick_eur_per_mwh: float = 0.01
    opening_price_eur_per_mwh: float = 50.0
    tolerance: float = 2e-4
    patience: int = 3
    _pairs: dict[Path, PairNotes] = field(default_factory=dict, repr=False)

    name = "bilateral_bids"
    valuation = "duals"

    def run(self, market: Market) -> Conversation:
        """One step: every pair that does not rest bargains once."""
        self._recall(market)
        outcome = Outcome()
        awake = []
        for path in trading_paths(market.graph, self.max_hops):
            notes = self._pairs[path]
            if notes.rest > 0:
                notes.rest -= 1
            else:
                awake.append(path)
        order = market.rng.permutation(len(awake))
        surplus = 0.0
        for number, group in enumerate(simultaneous_groups([awake[i] for i in order])):
            trades, gained = yield from self._bargain(market, group, number)
            outcome.trades.extend(trades)
            surplus += gained
        outcome.settled = self._close(market, surplus)
        return outcome

    def _bargain(self, market: Market, group: list[Path], number: int) -> Any:
        trades: list[Trade] = []
        surplus = 0.0
        open_paths = list(group)
        for attempt in range(self.attempts):
            round_ = number * self.attempts + attempt
            deals = yield from self._find_deals(market, open_paths, round_)
            if not deals:
                break
            limits = yield from self._ask_limits(deals, round_)
            awards: list[Message] = []
            for deal, (ask, bid) in zip(deals, limits, strict=True):
                used = deal.mw > 0
                if ask is None or bid is None or bid - ask < 2 * self.tick_eur_per_mwh:
                    deal.notes.mw[used] = deal.mw[used] * self.shrink
                    continue
                trade = Trade(
                    deal.path[0],
                    deal.path[-1],
                    deal.path,
                    tuple(deal.mw.tolist()),
                    round((ask + bid) / 2, 4),
                    round_,
                )
                trades.append(trade)
                surplus += (bid - ask) * float(deal.mw @ market.products.hours)
                grow = self.grow if attempt == 0 else 1.0
                deal.notes.mw[used] = deal.mw[used] * grow
                deal.notes.failures = 0
                open_paths.remove(self._key(deal.path))
                awards += self._award(trade, round_)
            if awards:
                yield awards
        for path in open_paths:
            notes = self._pairs[path]
            notes.failures += 1
            notes.rest = min(2 ** (notes.failures - 1) - 1, 7)
        return trades, surplus

    def _find_deals(self, market: Market, paths: list[Path], round_: int) -> Any:
        deals: dict[Path, Deal] = {}
        asked = list(paths)
        for _ in range(self.price_moves):
            if not asked:
                break
            calls = []
            for path in asked:
                price = tuple(self._pairs[path].price.tolist())
                for end in (path, path[::-1]):
                    calls.append(Message(CLOCK, end[0], "call", WishCall(end, price), round_))
            replies = yield calls
            still = []
            for i, path in enumerate(asked):
                here, there = (_sides(r, len(market.products)) for r in replies[2 * i : 2 * i + 2])
                deal = self._match(market, path, here, there)
                if deal is not None:
                    deals[path] = deal
                elif self._move_price(self._pairs[path], here, there):
                    still.append(path)
            asked = still
        return [deals[p] for p in paths if p in deals]

    def _match(
        self, market: Market, path: Path, here: np.ndarray, there: np.ndarray
    ) -> Deal | None:
        notes = self._pairs[path]
        best: Deal | None = None
        for route, exporter, importer in ((path, here, there), (path[::-1], there, here)):
            wanted = (exporter < 0) & (importer > 0)
            if not wanted.any():
                continue
            room = market.room_mw(route)
            floor = 1e-3 * np.maximum(room.max(), 1e-9)
            size = np.maximum(notes.mw, floor)
            mw = np.where(wanted & (room > 1e-4), np.minimum(size, room), 0.0)
            energy = float(mw @ market.products.hours)
            if energy > 0 and (
                best is None or energy > float(best.mw @ market.products.hours)
            ):
                best = Deal(route, mw, notes)
        if best is not None:
            self._move_price(notes, here, there)
        return best

    def _move_price(self, notes: PairNotes, here: np.ndarray, there: np.ndarray) -> bool:
        # Both want to import (or one does and the other does not care): the price is too low.
        heading = np.sign(here + there)
        moving = heading != 0
        turned = moving & (heading == -notes.heading)
        notes.stride = np.where(turned, notes.stride / 2, notes.stride)
        kept = moving & (heading == notes.heading)
        notes.stride = np.clip(np.where(kept, notes.stride * 1.3, notes.stride), 0.05, 100.0)
        notes.price = np.maximum(notes.price + heading * notes.stride, 0.0)
        notes.heading = np.where(moving, heading, notes.heading)
        return bool(moving.any())

    def _ask_limits(self, deals: list[Deal], round_: int) -> Any:
        calls = []
        for deal in deals:
            body = LimitCall(deal.path, tuple(deal.mw.tolist()))
            calls += [Message(CLOCK, end, "call", body, round_) for end in (deal.path[0], deal.path[-1])]
        replies = yield calls
        prices = [r.body.price_eur_per_mwh if isinstance(r and r.body, Limit) else None for r in replies]
        return list(zip(prices[::2], prices[1::2], strict=True))

    def _award(self, trade: Trade, round_: int) -> list[Message]:
        forward, back = trade.path[1:-1], trade.path[-2:0:-1]
        return [
            Message(trade.exporter, trade.importer, "award", Award(trade), round_, forward),
            Message(trade.importer, trade.exporter, "award", Award(trade), round_, back),
        ]

    def _key(self, path: Path) -> Path:
        return path if path in self._pairs else path[::-1]

    def _recall(self, market: Market) -> None:
        notes = market.memory.get("pairs", {})
        self._pairs = {}
        for path in trading_paths(market.graph, self.max_hops):
            name = ">".join(path)
            if name in notes:
                self._pairs[path] = PairNotes.from_record(notes[name])
                continue
            n = len(market.products)
            room = np.maximum(market.room_mw(path), market.room_mw(path[::-1]))
            self._pairs[path] = PairNotes(
                price=np.full(n, self.opening_price_eur_per_mwh),
                stride=np.full(n, 16.0),
                heading=np.zeros(n),
                mw=self.first_share * room,
            )

    def _close(self, market: Market, surplus: float) -> bool:
        memory = market.memory
        memory["pairs"] = {">".join(p): n.record() for p, n in self._pairs.items()}
        total = float(memory.get("surplus_eur", 0.0)) + surplus
        quiet = int(memory.get("quiet_steps", 0)) + 1 if surplus <= self.tolerance * total else 0
        memory["surplus_eur"], memory["quiet_steps"] = total, quiet
        return quiet >= self.patience


def _sides(reply: Message | None, products: int) -> np.ndarray:
    if reply is None or not isinstance(reply.body, Wish):
        return np.zeros(products)
    return np.asarray(reply.body.side, dtype=float)
