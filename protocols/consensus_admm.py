"""Consensus ADMM between neighbours."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import Any

import networkx as nx
import numpy as np

from protocols.base import Conversation, Market, Outcome, Protocol
from protocols.compensation import without_losers
from protocols.coordination_messages import (
    Basis,
    BasisCall,
    OpenCall,
    Opening,
    OpeningCall,
    Quote,
    QuoteCall,
    ReviseCall,
)
from protocols.landing import Zones, port_of
from protocols.levelling import Line, PriceSlope, matchings, mirrored
from protocols.messages import CLOCK, Award, Leg, Limit, LimitCall, Message, Trade
from protocols.parameters import Count, NonNegative, Positive, Relaxation
from protocols.residuals import QuoteWatch, Residuals

Talk = Generator[list[Message], list[Message | None], Any]
Edge = tuple[str, str]
Flows = dict[Edge, np.ndarray]
# Flows that change by less than this share of what a line carries do not change.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Proposal:
    """Flows that all countries involved have put a cost to.

    Attributes
    ----------
    mw : dict of (exporter, importer) to ndarray
        What is sent on top of present flows, MW per product.
    price : dict of (exporter, importer) to ndarray
        Mean price of both ends per MWh sent, EUR/MWh per product.
    amounts_eur : dict of str to float
        Change of each involved country's cost.
    """

    mw: dict[Edge, np.ndarray]
    price: dict[Edge, np.ndarray]
    amounts_eur: dict[str, float]

    @property
    def gain_eur(self) -> float:
        """What all countries save together."""
        return -sum(self.amounts_eur.values())


@dataclass
class ConsensusAdmm(Protocol):
    """Neighbours level their prices, countries plan around the flows that follow, and so on.

    Rules:

    1. *Open.* Every country takes its marginal value of each product as its price. Neighbours tell
       each other and take the mean, a few times. From then on prices fall with net import, by a
       slope in proportion to the price.
    2. *Level.* Neighbours quote their prices to each other, and the flow between them moves to
       where these meet, up to losses and limits. Lines that share no country level at once, all
       lines one after the other.
    3. *Revise.* Every country plans around the net import that the flows give it: deviations cost
       or earn its price, and the more the larger they are. What it would rather trade moves
       its price. Then neighbours level again.
    4. *Check.* Every few rounds the countries re-solve at the mean of the flows since the last
       check, which always keeps within the lines, and say how their cost would change. The best
       flows so far are kept. Once the residuals have been within their tolerances for as many
       rounds in a row, the last flows are checked at once: in a single round a country may keep
       still because the first block of its ladder is too wide, and blocks shrink from then on.
    5. When the primal and the dual residual keep within their tolerances, or checks bring next to
       nothing more, the best flows are traded at the mean of the prices at both ends of each line.
       Should somebody lose, those who gain make it good in proportion. The note says which of the
       two it was, and how large the residuals were.

    Slopes are the penalty of the method. They follow prices for some rounds, so that scarce hours
    move faster; then neighbours tell each other the prices at which they stay. Residuals follow
    from the quotes by the rule of prices, which is public: nobody is asked.

    Properties: the flows of every round can be delivered; nobody loses, by re-solved cost; budget
    balanced; not truthful. With slopes that stay, an exact quadratic and an exact projection the
    method converges to the planner's optimum for convex costs (Boyd et al. 2011, 3.2 and 3.4.1).
    Here a few sweeps stand for the projection and the quadratic is a ladder of prices, flat beyond
    its last block, which no theorem covers: what a run has reached, its residuals and the planner
    tell. Works for every kind of product; hourly ones pay best. Takes many steps where prices
    differ by little of what they are: flows move in proportion to that.

    Discloses: the price of every product to each neighbour in every round, and one amount in EUR
    for each check. The neighbours on all lines of a country can infer from its prices what it would
    rather trade: docs/disclosure.md measures what follows.

    References: Boyd et al. (2011), Distributed Optimization and Statistical Learning via the
    Alternating Direction Method of Multipliers; Sorin, Bobo & Pinson (2019), Consensus-based
    approach to peer-to-peer electricity markets with product differentiation.

    Parameters
    ----------
    rounds : int
        Most rounds of revising in one step.
    opening_turns : int
        Times neighbours tell each other their price before the first round.
    sweeps : int
        Times all lines level in each round.
    steepness : float
        Slope of a country's price: by how many times itself it moves over all its lines carry.
    least_price_share : float
        Prices below this share of the price cap count as that when slopes are chosen.
    relaxation : float
        Over-relaxation, between 1 and 2.
    first_check, check_every : int
        Rounds between checks, and for which residuals must be small.
    tolerance : float
        Ends when a check adds less than this share of the gain.
    moving_rounds : int
        Rounds after which slopes stay.
    absolute, relative : float
        Tolerances of the residuals: for each product of each country as a share of what its lines
        carry, and of the price below which slopes do not follow; and as a share of all net imports,
        and of all prices.
    """

    rounds: Count = 60
    opening_turns: Count = 6
    sweeps: Count = 3
    steepness: Positive = 1.25
    least_price_share: Positive = 1 / 75
    relaxation: Relaxation = 1.6
    first_check: Count = 10
    check_every: Count = 5
    tolerance: NonNegative = 1e-3
    moving_rounds: Count = 30
    absolute: Positive = 1e-4
    relative: NonNegative = 1e-3
    _lines: dict[Edge, Line] = field(default_factory=dict, repr=False)
    _slopes: dict[str, PriceSlope] = field(default_factory=dict, repr=False)
    _price: dict[Edge, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)
    _held: dict[Edge, np.ndarray] = field(default_factory=dict, repr=False)
    _rows: dict[Edge, int] = field(default_factory=dict, repr=False)
    _last_price: dict[int, np.ndarray] = field(default_factory=dict, repr=False)
    _cap: float = field(default=0.0, repr=False)

    name = "consensus_admm"
    family = "operator splitting"
    valuation = "duals"
    several_ports = True
    discloses = "price of every product, to neighbours; one cost change for each check"

    def run(self, market: Market) -> Conversation:
        """One negotiation from the present flows to its end."""
        self._take_up(market)
        present = self._flows_mw()
        yield self._open_calls(market)
        heard = yield from self._open()
        best: Proposal | None = None
        recent: deque[Flows] = deque(maxlen=self.check_every)
        last_gain, settled, note = np.inf, False, f"{self.rounds} rounds ran out"
        residuals: Residuals | None = None
        calm = 0
        for round_ in range(1, self.rounds + 1):
            yield heard + [self._revise_call(country, round_) for country in self._countries()]
            heard = []
            if round_ == self.moving_rounds:
                heard = yield from self._settle_slopes(round_)
            residuals = yield from self._level(heard, round_)
            heard = []
            recent.append(self._flows_mw())
            calm = calm + 1 if residuals is not None and residuals.small else 0
            done = calm >= self.check_every
            due = round_ >= self.first_check and (round_ - self.first_check) % self.check_every == 0
            if not (due or done):
                continue
            flows = recent[-1] if done else _mean(recent)
            found = yield from self._check(present, flows, round_)
            if found is None:
                note = "somebody did not answer"
                break
            if found.gain_eur > (best.gain_eur if best else 0.0):
                best = found
            most = best.gain_eur if best else 0.0
            if done:
                settled, note = True, f"residuals kept within their tolerances until round {round_}"
                break
            if not found.mw or (best and abs(found.gain_eur - last_gain) <= self.tolerance * most):
                settled, note = True, f"checks brought next to nothing more after {round_} rounds"
                break
            last_gain = found.gain_eur
        else:
            settled = best is None  # all rounds brought nothing better than what there is
        if residuals is not None:
            # What is no number, where a tolerance is next to nothing, cannot outlive a step.
            told = {"primal_residual": residuals.primal, "dual_residual": residuals.dual}
            market.memory.update({k: v for k, v in told.items() if math.isfinite(v)})
            if not residuals.small:
                note += f"; residuals are {residuals.primal:.2g} (primal) and {residuals.dual:.2g}"
                note += " (dual) times their tolerances"
        trades = self._trades(market, best, round_) if best else []
        if trades:
            yield [award for trade in trades for award in _awards(trade)]
        return Outcome(trades, settled, note=note)

    def _take_up(self, market: Market) -> None:
        products, snapshots = market.products, len(market.products.weights_h)
        self._lines, self._price, self._held, self._last_price = {}, {}, {}, {}
        self._cap = market.price_cap_eur_per_mwh
        zones = Zones(market.graph)
        self._rows = {
            (c, other): zones.of(c).start + port_of(market.graph, c, other)
            for edge in market.graph.edges
            for c, other in (edge, edge[::-1])
        }
        for a, b, data in market.graph.edges(data=True):
            there, back = (
                products.largest_within(np.full(snapshots, data["capacity_mw"][c])) for c in (a, b)
            )
            if there.any() or back.any():
                flow = products.average(market.flow_mw(a, b))
                self._lines[a, b] = Line(flow, there, back, data["loss"])

    def _flows_mw(self) -> Flows:
        """Proposed flows of all lines as they stand."""
        return {edge: line.flow_mw for edge, line in self._lines.items()}

    def _spans_mw(self) -> dict[str, float]:
        """Most that all lines of a country carry one way; countries with lines only."""
        sent: dict[str, float] = defaultdict(float)
        received: dict[str, float] = defaultdict(float)
        for (a, b), line in self._lines.items():
            there, back = float(line.send_limit_mw.max()), float(line.receive_limit_mw.max())
            sent[a] += there
            sent[b] += back
            received[a] += back
            received[b] += there
        return {c: max(sent[c], received[c]) for c in sent}

    def _countries(self) -> list[str]:
        """Countries with lines, those with the largest first: they tend to think longest."""
        spans = self._spans_mw()
        return sorted(spans, key=lambda c: -spans[c])

    def _open_calls(self, market: Market) -> list[Message]:
        spans, calls = self._spans_mw(), []
        least_price = self.least_price_share * self._cap
        self._slopes = {c: PriceSlope(self.steepness / spans[c], least_price) for c in spans}
        for (a, b), line in self._lines.items():
            for near, far, seen in ((a, b, line), (b, a, mirrored(line))):
                body = OpenCall(
                    far,
                    tuple(seen.flow_mw.tolist()),
                    tuple(seen.send_limit_mw.tolist()),
                    tuple(seen.receive_limit_mw.tolist()),
                    line.loss,
                    spans[near],
                    spans[far],
                    self.steepness,
                    least_price,
                )
                calls.append(Message(CLOCK, near, "call", body))
        return calls

    def _open(self) -> Talk:
        """Openings of all countries to all neighbours, time and again; the last are returned."""
        heard: list[Message] = []
        for turn in range(self.opening_turns):
            calls = [
                Message(CLOCK, near, "call", OpeningCall(far, first=turn == 0))
                for a, b in self._lines
                for near, far in ((a, b), (b, a))
            ]
            replies = (yield heard + calls)[len(heard) :]
            heard = [r for r in replies if r is not None and isinstance(r.body, Opening)]
        return heard

    def _revise_call(self, country: str, round_: int) -> Message:
        return Message(CLOCK, country, "call", ReviseCall(self.relaxation), round_)

    def _settle_slopes(self, round_: int) -> Talk:
        """Neighbours tell each other the prices at which their slopes stay; they are returned."""
        ends = [end for line in self._lines for end in (line, line[::-1])]
        calls = [Message(CLOCK, near, "call", BasisCall(far), round_) for near, far in ends]
        replies = yield calls
        heard = []
        for end, reply in zip(ends, replies, strict=True):
            if reply is not None and isinstance(reply.body, Basis):
                price = np.asarray(reply.body.price_eur_per_mwh)
                self._held[end] = self._slopes[end[0]].at(price)
                heard.append(reply)
        return heard

    def _level(self, heard: list[Message], round_: int) -> Talk:
        """All lines level, those that share no country at once; quotes travel to the other end."""
        watch = QuoteWatch(self._lines, self._rows, self._last_price, self.relaxation)
        for group in matchings(list(self._lines)) * self.sweeps:
            calls = [
                Message(CLOCK, near, "call", QuoteCall(far), round_)
                for a, b in group
                for near, far in ((a, b), (b, a))
            ]
            replies = (yield heard + calls)[len(heard) :]
            heard = []
            for edge, near, far in zip(group, replies[::2], replies[1::2], strict=True):
                if near is None or far is None:
                    continue
                if isinstance(near.body, Quote) and isinstance(far.body, Quote):
                    for end, quote in ((edge, near.body), (edge[::-1], far.body)):
                        watch.hear(end, np.asarray(quote.price_eur_per_mwh), self._slope)
                    self._move(edge, near.body, far.body)
                    heard += [near, far]
        if heard:
            yield heard
        spans, least = self._spans_mw(), self.least_price_share * self._cap
        span_mw = {row: spans[c] for (c, _), row in self._rows.items() if c in spans}
        now = self._last_price
        return watch.residuals(now, span_mw, least, self.absolute, self.relative)

    def _slope(self, end: Edge, price: np.ndarray) -> np.ndarray:
        """Slope of the first country of a line: that of its price, or where it stays."""
        held = self._held.get(end)
        return self._slopes[end[0]].at(price) if held is None else held

    def _move(self, edge: Edge, near: Quote, far: Quote) -> None:
        """Follow what both ends do, and note the prices they end at."""
        line = self._lines[edge]
        prices = [np.asarray(quote.price_eur_per_mwh) for quote in (near, far)]
        slopes = [self._slope(end, p) for end, p in zip((edge, edge[::-1]), prices, strict=True)]
        before = line.near_import_mw, line.far_import_mw
        line.level(prices[0], slopes[0], prices[1], slopes[1])
        after = line.near_import_mw, line.far_import_mw
        self._price[edge] = (
            prices[0] - slopes[0] * (after[0] - before[0]),
            prices[1] - slopes[1] * (after[1] - before[1]),
        )
        for end, price in zip((edge, edge[::-1]), self._price[edge], strict=True):
            self._last_price[self._rows[end]] = price

    def _check(self, present: Flows, flows: Flows, round_: int) -> Talk:
        """Ask everybody whose flows change what that costs; None if somebody keeps silent."""
        mw, price = self._increments(present, flows)
        legs = [Leg(pair, tuple(amount.tolist())) for pair, amount in mw.items()]
        involved = [c for c in self._countries() if any(c in leg.path for leg in legs)]
        replies = yield [
            Message(
                CLOCK,
                country,
                "call",
                LimitCall(tuple(leg for leg in legs if country in leg.path)),
                round_,
            )
            for country in involved
        ]
        amounts = {
            country: reply.body.amount_eur
            for country, reply in zip(involved, replies, strict=True)
            if reply is not None and isinstance(reply.body, Limit)
        }
        return Proposal(mw, price, amounts) if len(amounts) == len(involved) else None

    def _increments(self, present: Flows, flows: Flows) -> tuple[Flows, Flows]:
        """What is sent on top of present flows, by direction, and its price."""
        sent_mw: Flows = {}
        price: Flows = {}
        for (a, b), line in self._lines.items():
            before, after = (replace(line, flow_mw=mw[a, b]) for mw in (present, flows))
            at_a, at_b = self._price.get((a, b), (0.0, 0.0))
            least = ROUNDING * np.maximum(line.send_limit_mw, line.receive_limit_mw)
            near_mw = before.near_import_mw - after.near_import_mw
            far_mw = before.far_import_mw - after.far_import_mw
            arriving = 1 - line.loss
            for pair, more, middle in (
                ((a, b), near_mw, (at_a + arriving * at_b) / 2),
                ((b, a), far_mw, (at_b + arriving * at_a) / 2),
            ):
                sent = np.where(more > least, more, 0.0)
                if sent.any():
                    sent_mw[pair], price[pair] = sent, np.asarray(middle)
        return sent_mw, price

    def _trades(self, market: Market, proposal: Proposal, round_: int) -> list[Trade]:
        """Trades of a proposal, group by group of countries that trade with each other."""
        hours = market.products.hours
        ways = nx.Graph(list(proposal.mw))
        trades = []
        for group in nx.connected_components(ways):
            pairs = [pair for pair in proposal.mw if pair[0] in group]
            amounts = {c: a for c, a in proposal.amounts_eur.items() if c in group}
            if sum(amounts.values()) >= 0:
                continue
            energy = {p: float(proposal.mw[p] @ hours) for p in pairs}
            paid = {p: float((proposal.mw[p] * proposal.price[p]) @ hours) for p in pairs}
            paid = without_losers(paid, energy, amounts)
            trades += [
                Trade(*p, p, tuple(proposal.mw[p].tolist()), paid[p] / energy[p], round_)
                for p in pairs
            ]
        return trades


def _mean(path: deque[Flows]) -> Flows:
    """Mean of flows: within the lines' limits as they are, and less restless than the last."""
    return {edge: np.mean([flows[edge] for flows in path], axis=0) for edge in path[-1]}


def _awards(trade: Trade) -> list[Message]:
    return [
        Message(trade.exporter, trade.importer, "award", Award(trade), trade.round),
        Message(trade.importer, trade.exporter, "award", Award(trade), trade.round),
    ]
