"""Talks between pairs: who trades which bundle with whom, before anybody speaks of money."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from protocols.base import Conversation, Market, Outcome, Protocol
from protocols.loops import loops, worthwhile_mw
from protocols.messages import (
    CLOCK,
    Award,
    Interest,
    InterestCall,
    Leg,
    Message,
    Trade,
    Wish,
    WishCall,
)
from protocols.parameters import Count, Growing, NonNegative, Part, Positive, Shrinking, WholeNumber
from protocols.paths import Path, simultaneous_groups, trading_paths


@dataclass
class PairNotes:
    """What a pair remembers from step to step, all of it public to the two.

    Attributes
    ----------
    price, stride : ndarray, shape (products,)
        Posted price and how far it moves next, EUR per MWh at the border of the path's first
        country.
    heading : ndarray
        Sign of the last price move.
    mw, most_mw : ndarray
        Largest amount of the next attempt per product, and of any.
    failures, rest : int
        Unsuccessful steps in a row, and steps the pair still pauses.
    """

    price: np.ndarray
    stride: np.ndarray
    heading: np.ndarray
    mw: np.ndarray
    most_mw: np.ndarray
    failures: int = 0
    rest: int = 0

    def record(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in vars(self).items()}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> PairNotes:
        """Inverse of :meth:`record`."""
        values: dict[str, Any] = {
            k: np.array(v) if isinstance(v, list) else v for k, v in record.items()
        }
        return cls(**values)


@dataclass
class Deal:
    """A bundle two countries are about to price.

    Attributes
    ----------
    path : tuple of str
        From one country to the other.
    there_mw, back_mw : ndarray, shape (products,)
        MW sent along the path, and MW sent the other way in exchange.
    path_back : tuple of str
        Way back, the path's reverse unless another is given.
    """

    path: Path
    there_mw: np.ndarray
    back_mw: np.ndarray
    path_back: Path = ()

    def __post_init__(self) -> None:
        self.path_back = self.path_back or self.path[::-1]

    @property
    def legs(self) -> tuple[Leg, ...]:
        """The non-empty directions."""
        both = ((self.path, self.there_mw), (self.path_back, self.back_mw))
        return tuple(Leg(p, tuple(mw.tolist())) for p, mw in both if mw.any())

    def scaled(self, share: float | np.ndarray) -> Deal:
        """A share of the bundle, the same for all products or one for each."""
        return Deal(self.path, self.there_mw * share, self.back_mw * share, self.path_back)


@dataclass
class Agreement:
    """What a pair agreed on.

    Attributes
    ----------
    trades : list of Trade
    worth : float
        How much it counts as progress, in the unit of the protocol.
    """

    trades: list[Trade]
    worth: float


Agreements = Generator[list[Message], list[Message | None], list["Agreement | None"]]


@dataclass
class PairwiseBundles(Protocol):
    """Pairs find a bundle worth talking about; subclasses say how they settle on its terms.

    For every pair of countries that a path of the allowed length joins; pairs that share neither
    a country nor a line talk at the same time, in random order:

    1. *Interest.* Both say which way they would trade each product at the pair's posted prices.
       Each knows from its own duals; by convexity whoever sees no gain there has none to find.
       Where both want the same, the price moves, by less after every turn.
    2. *Wish.* If their interests cross, both solve for the trade they would like best at the
       posted prices, up to the pair's present step, imports and exports alike. The bundle is the
       smaller of the two wishes, product by product: a block, a bundle, or a swap.
    3. *Terms.* The subclass lets them settle on terms, or fail. What fails is tried smaller; a
       pair that fails rests for a while.
    4. *Redirecting.* Where sending around a loop of interconnectors cancels flows that lose more
       than it does, two neighbours on it swap: one sends directly, the other by the rest of the
       loop, and what is saved is shared on the same terms.
    5. Only neighbours trade at first. When a step brings little, paths over one more third
       country are allowed; transit countries pass the energy on and earn the wheeling charge.
       When steps bring next to nothing even so, the negotiation is over.

    Flows are netted: a trade against the flow frees room and undoes earlier trades. All scales are
    relative, so that another unit of money or power changes nothing.

    Parameters
    ----------
    max_hops : int
        Longest path, in interconnectors.
    attempts : int
        Bundles a pair may try in one step.
    price_moves : int
        Times the posted prices may move before the pair gives up for this step.
    first_share : float
        First step as a share of what the path can carry.
    shrink, grow : float
        Factor on the step after failure and after success.
    opening_price, first_stride, least_gain : float
        Posted price every pair starts from, its first move, and the least gain a wish must bring
        per MWh, as shares of the price cap.
    widen_below : float
        Longer paths open when a step adds less than this share of the progress so far.
    tolerance, patience : float, int
        Agreed after so many steps in a row that add less than this share.

    Attributes
    ----------
    progress_in : str
        What progress is counted in, and its name among the public notes.
    """

    max_hops: Count = 3
    attempts: Count = 2
    price_moves: WholeNumber = 5
    first_share: Part = 0.25
    shrink: Shrinking = 0.35
    grow: Growing = 1.6
    opening_price: Positive = 1 / 60
    first_stride: Positive = 1 / 180
    least_gain: NonNegative = 1 / 150_000
    widen_below: NonNegative = 0.03
    tolerance: NonNegative = 2e-4
    patience: Count = 3
    _pairs: dict[Path, PairNotes] = field(default_factory=dict, repr=False)
    _round: int = field(default=0, repr=False)

    progress_in: ClassVar[str]
    valuation = "duals"
    several_ports = True

    def run(self, market: Market) -> Conversation:
        """One step: every pair that does not rest talks once."""
        self._recall(market)
        self._round = 0
        outcome = Outcome()
        awake = self._wake(int(market.memory.setdefault("hops", 1)))
        order = market.rng.permutation(len(awake))
        progress = 0.0
        for group in simultaneous_groups([awake[i] for i in order]):
            for agreement in (yield from self._talk(market, group)):
                outcome.trades.extend(agreement.trades)
                progress += agreement.worth
        for agreement in (yield from self._redirect(market)):
            outcome.trades.extend(agreement.trades)
            progress += agreement.worth
        outcome.settled = self._close(market, progress)
        return outcome

    @abstractmethod
    def _settle_terms(self, market: Market, deals: list[Deal]) -> Agreements:
        """Terms of every bundle, or None where the pair finds none; uses up rounds."""

    def _wake(self, hops: int) -> list[Path]:
        """Pairs that bargain in this step; when all rest, time passes until the first wakes."""
        near = {path: notes for path, notes in self._pairs.items() if len(path) - 1 <= hops}
        skipped = min((notes.rest for notes in near.values()), default=0)
        awake = [path for path, notes in near.items() if notes.rest == skipped]
        for notes in near.values():
            notes.rest = max(notes.rest - skipped - 1, 0)
        return awake

    def _talk(self, market: Market, group: list[Path]) -> Any:
        made: list[Agreement] = []
        open_paths = list(group)
        for attempt in range(self.attempts):
            deals = yield from self._find_deals(market, open_paths, self._round)
            if not deals:
                break
            agreements = yield from self._settle_terms(market, deals)
            self._round += 1
            awards: list[Message] = []
            for deal, agreement in zip(deals, agreements, strict=True):
                notes = self._pairs[deal.path]
                if agreement is None:
                    notes.mw = notes.mw * self.shrink
                    continue
                made.append(agreement)
                for trade in agreement.trades:
                    awards += self._award(trade)
                if attempt == 0:
                    notes.mw = np.minimum(notes.mw * self.grow, notes.most_mw)
                notes.failures = 0
                open_paths.remove(deal.path)
            if awards:
                yield awards
        for path in open_paths:
            notes = self._pairs[path]
            notes.failures += 1
            notes.rest = min(2**notes.failures - 1, 7)
        return made

    def _redirect(self, market: Market) -> Any:
        """Send around loops what comes back as more, as swaps of two neighbours."""
        made: list[Agreement] = []
        for loop in loops(market.graph, int(market.memory["hops"]) + 1):
            sent, passed_on = worthwhile_mw(market, loop)
            if not sent.any():
                continue
            # The second country passes on all it gets, so that the first has what the loop saves.
            swap = Deal(loop[:2], sent, passed_on, loop[1:])
            (agreement,) = yield from self._settle_terms(market, [swap])
            self._round += 1
            if agreement is not None:
                made.append(agreement)
                yield [message for trade in agreement.trades for message in self._award(trade)]
        return made

    def _find_deals(self, market: Market, paths: list[Path], round_: int) -> Any:
        hopeful = yield from self._find_interest(market, paths, round_)
        limits = {path: self._limits(market, path) for path in hopeful}
        if not hopeful:
            return []
        replies = yield [
            self._wish_call(market, path, limits[path], end, round_)
            for path in hopeful
            for end in (0, 1)
        ]
        deals = []
        for path, here, there in _pairwise_answers(hopeful, replies, len(market.products)):
            sent = np.minimum(-here, there).clip(0.0, limits[path][0])
            received = np.minimum(here, -there).clip(0.0, limits[path][1])
            least = 0.02 * np.maximum(*limits[path])
            excess = here + there
            significant = np.where(np.abs(excess) > least, excess, 0.0)
            self._move_price(market, self._pairs[path], significant)
            if sent.any() or received.any():
                deals.append(Deal(path, sent, received))
        return deals

    def _find_interest(self, market: Market, paths: list[Path], round_: int) -> Any:
        """Pairs of which one would export and the other import something at the posted price."""
        hopeful: set[Path] = set()
        asked = list(paths)
        for _ in range(self.price_moves):
            if not asked:
                break
            replies = yield [
                self._interest_call(market, path, end, round_) for path in asked for end in (0, 1)
            ]
            searching = []
            for path, here, there in _pairwise_answers(asked, replies, len(market.products)):
                out, back = self._limits(market, path)
                crossing = ((here < 0) & (there > 0) & (out > 0)) | (
                    (here > 0) & (there < 0) & (back > 0)
                )
                if crossing.any():
                    hopeful.add(path)
                if self._move_price(market, self._pairs[path], here + there):
                    searching.append(path)
            asked = searching
        return [path for path in paths if path in hopeful]

    def _interest_call(self, market: Market, path: Path, end: int, round_: int) -> Message:
        route = path if end == 0 else path[::-1]
        body = InterestCall(
            route, tuple(self._pairs[path].price.tolist()), path[0], self._least_gain(market)
        )
        return Message(CLOCK, route[0], "call", body, round_)

    def _limits(self, market: Market, path: Path) -> tuple[np.ndarray, np.ndarray]:
        size = self._pairs[path].mw
        return (
            np.minimum(size, market.room_mw(path)),
            np.minimum(size, market.room_mw(path[::-1])),
        )

    def _wish_call(
        self,
        market: Market,
        path: Path,
        limits: tuple[np.ndarray, np.ndarray],
        end: int,
        round_: int,
    ) -> Message:
        route = path if end == 0 else path[::-1]
        body = WishCall(
            route,
            tuple(self._pairs[path].price.tolist()),
            path[0],
            tuple(limits[end].tolist()),
            tuple(limits[1 - end].tolist()),
            self._least_gain(market),
        )
        return Message(CLOCK, route[0], "call", body, round_)

    def _least_gain(self, market: Market) -> float:
        return self.least_gain * market.price_cap_eur_per_mwh

    def _move_price(self, market: Market, notes: PairNotes, excess: np.ndarray) -> bool:
        # More import wished than export: the price is too low. Whether anything moved.
        heading = np.sign(excess)
        moving = heading != 0
        turned = moving & (heading == -notes.heading)
        kept = moving & (heading == notes.heading)
        stride = np.where(
            turned, notes.stride / 2, np.where(kept, notes.stride * 1.6, notes.stride)
        )
        # From 0.05 to 1000 EUR/MWh at a cap of 3000.
        notes.stride = market.price_cap_eur_per_mwh * np.clip(
            stride / market.price_cap_eur_per_mwh, 1 / 60_000, 1 / 3
        )
        notes.price = np.maximum(notes.price + heading * notes.stride, 0.0)
        notes.heading = np.where(moving, heading, notes.heading)
        return bool(moving.any())

    def _trades(self, market: Market, deal: Deal, paid_eur: float) -> list[Trade]:
        """Trades of a deal in which the far end pays the near end ``paid_eur`` in all.

        A swap has two prices and one sum of money: both legs start from the posted prices and
        depart from them by the same amount per MWh. Wheeling comes on top, paid by importers.
        """
        hours, notes = market.products.hours, self._pairs[deal.path]
        legs = []
        for leg in deal.legs:
            mwh = np.asarray(leg.mw) * hours
            sign = 1.0 if leg.path == deal.path else -1.0
            legs.append((leg, sign, float(mwh.sum()), float(mwh @ notes.price)))
        posted = sum(sign * money for _, sign, _, money in legs)
        shift = (paid_eur - posted) / sum(energy for _, _, energy, _ in legs)
        return [
            Trade(
                leg.path[0],
                leg.path[-1],
                leg.path,
                leg.mw,
                money / energy + sign * shift,
                self._round,
            )
            for leg, sign, energy, money in legs
        ]

    def _award(self, trade: Trade) -> list[Message]:
        forward, back = trade.path[1:-1], trade.path[-2:0:-1]
        body, round_ = Award(trade), trade.round
        return [
            Message(trade.exporter, trade.importer, "award", body, round_, forward),
            Message(trade.importer, trade.exporter, "award", body, round_, back),
        ]

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
                price=np.full(n, self.opening_price * market.price_cap_eur_per_mwh),
                stride=np.full(n, self.first_stride * market.price_cap_eur_per_mwh),
                heading=np.zeros(n),
                mw=self.first_share * room,
                most_mw=room,
            )

    def _close(self, market: Market, progress: float) -> bool:
        memory = market.memory
        memory["pairs"] = {">".join(p): n.record() for p, n in self._pairs.items()}
        total = float(memory.get(self.progress_in, 0.0)) + progress
        memory[self.progress_in] = total
        if int(memory["hops"]) < self.max_hops:
            if progress <= self.widen_below * total:
                memory["hops"] = int(memory["hops"]) + 1
            return False
        quiet = int(memory.get("quiet_steps", 0)) + 1 if progress <= self.tolerance * total else 0
        memory["quiet_steps"] = quiet
        return quiet >= self.patience


def _pairwise_answers(
    paths: list[Path], replies: list[Message | None], products: int
) -> Iterator[tuple[Path, np.ndarray, np.ndarray]]:
    """Answers of both ends of each path as arrays; silence is no wish."""
    for i, path in enumerate(paths):
        here, there = (_amounts(r, products) for r in replies[2 * i : 2 * i + 2])
        yield path, here, there


def _amounts(reply: Message | None, products: int) -> np.ndarray:
    if reply is not None and isinstance(reply.body, Interest):
        return np.asarray(reply.body.side, dtype=float)
    if reply is not None and isinstance(reply.body, Wish):
        return np.asarray(reply.body.mw, dtype=float)
    return np.zeros(products)
