"""Consensus ADMM between neighbours."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import Any

import networkx as nx
import numpy as np

from protocols.base import Conversation, Market, Outcome, Protocol
from protocols.compensation import without_losers
from protocols.coordination_messages import (
    OpenCall,
    Opening,
    OpeningCall,
    Quote,
    QuoteCall,
    ReviseCall,
)
from protocols.levelling import Line, PriceSlope, matchings, mirrored
from protocols.messages import CLOCK, Award, Leg, Limit, LimitCall, Message, Trade
from protocols.parameters import Count, NonNegative, Positive, Relaxation

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
       flows so far are kept.
    5. When checks bring next to nothing more, the best flows are traded at the mean of the prices
       at both ends of each line. Should somebody lose, those who gain make it good in proportion.

    Properties: reaches the planner's optimum in the limit for convex costs, whatever the slopes;
    the flows of every round can be delivered; nobody loses, by re-solved cost; budget balanced;
    not truthful. Works for every kind of product; hourly ones pay best. Takes many steps where
    prices differ by little of what they are: flows move in proportion to that.

    Discloses: the price of every product to each neighbour in every round, and one amount in EUR
    for each check. Costs, plans and what it would rather trade stay at home.

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
        Rounds between checks.
    tolerance : float
        Ends when a check adds less than this share of the gain.
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
    _lines: dict[Edge, Line] = field(default_factory=dict, repr=False)
    _slopes: dict[str, PriceSlope] = field(default_factory=dict, repr=False)
    _price: dict[Edge, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)

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
        last_gain, settled, note = np.inf, False, ""
        for round_ in range(1, self.rounds + 1):
            yield heard + [self._revise_call(country, round_) for country in self._countries()]
            heard = []
            yield from self._level(self.sweeps, round_)
            recent.append(self._flows_mw())
            if round_ < self.first_check or (round_ - self.first_check) % self.check_every:
                continue
            found = yield from self._check(present, _mean(recent), round_)
            if found is None:
                note = "somebody did not answer"
                break
            if found.gain_eur > (best.gain_eur if best else 0.0):
                best = found
            most = best.gain_eur if best else 0.0
            if not found.mw or (best and abs(found.gain_eur - last_gain) <= self.tolerance * most):
                settled = True
                break
            last_gain = found.gain_eur
        else:
            settled = best is None  # all rounds brought nothing better than what there is
        trades = self._trades(market, best, round_) if best else []
        if trades:
            yield [award for trade in trades for award in _awards(trade)]
        return Outcome(trades, settled, note=note)

    def _take_up(self, market: Market) -> None:
        products, snapshots = market.products, len(market.products.weights_h)
        self._lines, self._price = {}, {}
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
        least_price = self.least_price_share * market.price_cap_eur_per_mwh
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

    def _level(self, sweeps: int, round_: int) -> Talk:
        """All lines level, those that share no country at once; quotes travel to the other end."""
        heard: list[Message] = []
        for group in matchings(list(self._lines)) * sweeps:
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
                    self._move(edge, near.body, far.body)
                    heard += [near, far]
        if heard:
            yield heard

    def _move(self, edge: Edge, near: Quote, far: Quote) -> None:
        """Follow what both ends do, and note the prices they end at."""
        line = self._lines[edge]
        prices = [np.asarray(quote.price_eur_per_mwh) for quote in (near, far)]
        slopes = [self._slopes[c].at(p) for c, p in zip(edge, prices, strict=True)]
        before = line.near_import_mw, line.far_import_mw
        line.level(prices[0], slopes[0], prices[1], slopes[1])
        after = line.near_import_mw, line.far_import_mw
        self._price[edge] = (
            prices[0] - slopes[0] * (after[0] - before[0]),
            prices[1] - slopes[1] * (after[1] - before[1]),
        )

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
