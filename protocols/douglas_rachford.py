"""Douglas-Rachford splitting through a market operator, with a certified lower bound."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from protocols.asking import Asking, ask, plain
from protocols.base import Conversation, Market, Outcome, Protocol
from protocols.cut_bound import Cut, CutBound
from protocols.fair_trades import fair_trades, groups_of
from protocols.flow_network import FlowNetwork
from protocols.messages import Award, Message, Trade
from protocols.parameters import Count, NonNegative, Part, Positive, Relaxation, WholeNumber
from protocols.proposal_messages import STEPS, Preference, ProposalCall, Trial, TrialCall

# Flows that move by less than this share of the largest interconnector stay as they are.
STILL = 1e-9
# Factors on the first step of prices after answers near to the plan and far from it.
SHRINK, GROW = 0.5, 3.0


@dataclass
class Incumbent:
    """Flows that every country concerned has priced, and what they change.

    Attributes
    ----------
    flow_mw : ndarray, shape (edges, products)
    cost_change_eur : dict of str to float
        Of the countries concerned.
    value : ndarray, shape (zones, products)
        Marginal values at these flows, EUR/MWh.
    complete : bool
        Whether all countries concerned have answered.
    """

    flow_mw: np.ndarray
    cost_change_eur: dict[str, float] = field(default_factory=dict)
    value: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    complete: bool = True

    @property
    def cost_eur(self) -> float:
        """Change of all countries' cost, EUR."""
        return sum(self.cost_change_eur.values()) if self.complete else np.inf


@dataclass(frozen=True)
class Proposal:
    """Where the operator stands; arrays of shape (zones, products) but for the flows.

    Attributes
    ----------
    flow_mw : ndarray, shape (edges, products)
    plan_mw, price : ndarray
        Net import of the flows, and prices, EUR/MWh.
    stiffness : ndarray
        How prices move with the distance from the plan, EUR/MWh per MW.
    reach_mw : ndarray
        How far from the plan prices first step.
    """

    flow_mw: np.ndarray
    plan_mw: np.ndarray
    price: np.ndarray
    stiffness: np.ndarray
    reach_mw: np.ndarray


@dataclass
class DouglasRachford(Protocol):
    """An operator proposes a plan and prices; the answers improve both and prove how good they are.

    Rules:

    1. *Opening.* Every country says what a little more import is worth to it now. First prices are
       the mean of that with the neighbours', taken a few times.
    2. *Proposal.* The operator sends each country a plan, prices, and how fast prices move with the
       distance from the plan. The country answers the net import it likes best, what that costs
       and what a little more is worth there.
    3. *Projection.* The operator finds the flows nearest to the answers and moves prices by what
       the answers miss them by.
    4. *Trial.* Every few rounds countries price the present flows and the mean of recent ones. The
       cheapest flows so far are the incumbent. Every answer is a cut below a country's cost; a
       linear programme mixes the cuts into the best lower bound on the planner's cost.
    5. *Award.* When incumbent and bound are close enough, or rounds run out, neighbours are awarded
       the trades that lead to the incumbent. Energy is paid at the middle of the marginal values at
       both ends; who would lose is lifted by those who gain.

    A country has a net import, a price and marginal values at every port, all told in one message.
    Who does not answer keeps its present exchange, and the others go on without it.

    Rules 2 and 3 are one step of Douglas-Rachford splitting, over-relaxed: countries minimise
    their costs plus a penalty, the operator projects on what the lines can carry. The cuts serve
    the bound alone. No model of costs is in a master problem and there are no serious and null
    steps, so that this is no bundle method.

    Properties: nobody loses, by re-solved cost; budget balanced; bound <= planner <= incumbent at
    any time if answers are true, by convexity alone; not truthful. With a fixed stiffness and an
    exact penalty the method converges for convex costs (Eckstein & Bertsekas 1992). Here the
    stiffness follows prices in every round and the ladder is flat beyond its last block, which no
    theorem covers: how good an outcome is, its bound says.

    Discloses: net import, cost change and marginal values in every round, to the operator alone.

    References: Kiwiel, Rosa & Ruszczynski (1999), Proximal decomposition via alternating
    linearization, for the same steps with models in place of costs; Eckstein & Bertsekas (1992),
    Mathematical Programming 55, for over-relaxed splitting; Lemarechal, Nemirovskii & Nesterov
    (1995) and Frangioni (2020) for bounds from cuts; Schweppe et al. (1988) for the prices paid.

    Parameters
    ----------
    gap : float
        Close enough: largest share of the provable gain that may be missing.
    rounds : int
        Most proposals in one step.
    trial_every : int
        Rounds between trials.
    bound_every : int
        Rounds between bounds, a multiple of it. The linear programme takes as long as several
        rounds of twelve countries.
    opening_turns : int
        Times that the first prices are averaged with those of neighbours.
    steepness : float
        How often its own size a price moves over all that a country's interconnectors carry.
    least_price_share : float
        Prices below this share of the price cap move as if they were that.
    first_reach, least_reach : float
        Where prices first step, as a share of what a country's interconnectors carry: to begin
        with, and at least. Product by product it is halved while the country stays within it, and
        grows when the answer goes far.
    relaxation : float
        Above one, plans overshoot the answers.
    averaged : float
        Share of the rounds so far whose mean flow is tried.
    cuts : int
        Cuts of a country that the linear programme holds.
    least_gain : float
        Gains below this share of the price cap on all that interconnectors can carry are none.

    Attributes
    ----------
    progress : list of (int, float, float)
        Of the last run: round, change of cost of the incumbent and its bound at each trial, EUR.
    """

    gap: NonNegative = 0.0015
    rounds: Count = 200
    trial_every: Count = 10
    bound_every: Count = 20
    opening_turns: WholeNumber = 5
    steepness: Positive = 1.25
    least_price_share: Positive = 1 / 75
    first_reach: Part = 0.005
    least_reach: Part = 5e-6
    relaxation: Relaxation = 1.6
    averaged: Part = 0.25
    cuts: Count = 60
    least_gain: NonNegative = 1e-9
    progress: list[tuple[int, float, float]] = field(default_factory=list, init=False, repr=False)

    name = "douglas_rachford"
    family = "operator splitting"
    discloses = "net import, cost change and marginal values a round, to the operator"
    valuation = "duals"
    operator = True
    several_ports = True

    def run(self, market: Market) -> Conversation:
        """One negotiation from the flows in the ledger."""
        self.progress = []
        whole = network = FlowNetwork.of(market)
        bound = CutBound(self.cuts)
        best = Incumbent(network.start_mw)
        network, opening = yield from self._price(network, network.start_mw, bound, 0)
        lower = bound.best_eur(network)
        least = self._least_gain_eur(market, network)
        if lower >= -least:
            return self._outcome([], best, lower, least, network is whole, 0)
        at = self._first_proposal(market, network, opening)
        path: list[np.ndarray] = []
        round_ = 0
        for round_ in range(1, self.rounds + 1):
            network, at = yield from self._advance(market, network, at, bound, round_)
            path.append(at.flow_mw)
            if round_ % self.trial_every and round_ < self.rounds:
                continue
            recent = path[-max(self.trial_every // 2, round(self.averaged * len(path))) :]
            for flow in (at.flow_mw, np.mean(recent, axis=0)):
                network, tried = yield from self._price(network, flow, bound, round_)
                if tried.cost_eur < best.cost_eur:
                    best = tried
            if round_ % self.bound_every == 0 or round_ == self.rounds:
                lower = max(lower, bound.best_eur(network))
            self.progress.append((round_, best.cost_eur, lower))
            if best.cost_eur - lower <= max(self.gap * -best.cost_eur, least):
                break
        trades = self._trades(whole, best, round_) if best.cost_eur < -least else []
        yield [
            Message(sender, receiver, "award", Award(trade), round_)
            for trade in trades
            for sender, receiver in (trade.path, trade.path[::-1])
        ]
        return self._outcome(trades, best, lower, least, network is whole, round_)

    def _least_gain_eur(self, market: Market, network: FlowNetwork) -> float:
        width = (network.most_mw - network.least_mw).sum(axis=0)
        return self.least_gain * market.price_cap_eur_per_mwh * float(width @ network.hours)

    def _first_proposal(self, market: Market, network: FlowNetwork, opening: Incumbent) -> Proposal:
        price = network.spread(opening.value, self.opening_turns)
        stiffness = self._stiffness(market, network, price)
        reach = self.first_reach * network.span_mw()
        return Proposal(network.start_mw, np.zeros_like(price), price, stiffness, reach)

    def _stiffness(self, market: Market, network: FlowNetwork, price: np.ndarray) -> np.ndarray:
        least = self.least_price_share * market.price_cap_eur_per_mwh
        # A country that nothing can reach has no span, and is never asked.
        span = np.maximum(network.span_mw(), STILL * network.largest_mw)
        return self.steepness * np.maximum(np.abs(price), least) / span

    def _advance(
        self, market: Market, network: FlowNetwork, at: Proposal, bound: CutBound, round_: int
    ) -> Asking[tuple[FlowNetwork, Proposal]]:
        """Ask for answers to a proposal, and make the next one."""
        limits = network.limits_mw()
        calls = {c: _call(at, *limits, network.zones.of(c)) for c in network.connected}
        told = yield from ask(calls, round_)
        choice = at.plan_mw.copy()
        for country in calls:
            body = told.get(country)
            if not isinstance(body, Preference):
                network = network.without(country)
                continue
            mw, value = _by_port(network, body.mw, body.marginal_value_eur_per_mwh)
            choice[network.zones.of(country)] = mw
            bound.add(country, Cut(mw, body.cost_change_eur, value))
        return network, self._projected(market, network, at, choice)

    def _projected(
        self, market: Market, network: FlowNetwork, at: Proposal, choice_mw: np.ndarray
    ) -> Proposal:
        """Nearest flows to the answers at the prices, and prices moved by what is missed."""
        wished = self.relaxation * choice_mw + (1 - self.relaxation) * at.plan_mw
        flow = network.nearest(wished + at.price / at.stiffness, at.stiffness, at.flow_mw)
        plan = network.exchange_mw(flow)
        price = at.price + at.stiffness * (wished - plan)
        stiffness = self._stiffness(market, network, price)
        return Proposal(flow, plan, price, stiffness, self._reach(network, at, choice_mw))

    def _reach(self, network: FlowNetwork, at: Proposal, choice_mw: np.ndarray) -> np.ndarray:
        distance = np.abs(choice_mw - at.plan_mw)
        near, far = distance <= at.reach_mw, distance > STEPS[2] * at.reach_mw
        reach = at.reach_mw * np.where(near, SHRINK, np.where(far, GROW, 1.0))
        span = network.span_mw()
        return np.clip(reach, self.least_reach * span, self.first_reach * span)

    def _price(
        self, network: FlowNetwork, flow_mw: np.ndarray, bound: CutBound, round_: int
    ) -> Asking[tuple[FlowNetwork, Incumbent]]:
        """Let the connected countries price flows."""
        moves = np.abs(flow_mw - network.start_mw)
        largest = network.largest_mw
        flow = np.where(moves > STILL * largest, flow_mw, network.start_mw)
        exchange = network.exchange_mw(flow)
        tried = Incumbent(flow, {}, np.zeros_like(exchange))
        zones = network.zones
        calls = {c: TrialCall(plain(exchange[zones.of(c)])) for c in network.connected}
        told = yield from ask(calls, round_)
        for country in calls:
            body = told.get(country)
            if not isinstance(body, Trial):
                network, tried.complete = network.without(country), False
                continue
            rows = zones.of(country)
            (value,) = _by_port(network, body.marginal_value_eur_per_mwh)
            bound.add(country, Cut(exchange[rows], body.cost_change_eur, value))
            tried.cost_change_eur[country] = body.cost_change_eur
            tried.value[rows] = value
        return network, tried

    def _outcome(
        self,
        trades: list[Trade],
        best: Incumbent,
        lower: float,
        least: float,
        everyone: bool,
        rounds: int,
    ) -> Outcome:
        missing = best.cost_eur - lower
        if not trades and missing <= least:
            note = "no flows bring a gain"
        else:
            note = f"{rounds} rounds, at most {100 * missing / -min(lower, best.cost_eur):.2g} % of"
            note += " the gain is missing"
        if not everyone:
            note += "; a country kept silent, and the bound holds without its interconnectors"
        return Outcome(
            trades,
            settled=not trades or missing <= max(self.gap * -best.cost_eur, least),
            note=note,
            lower_bound_eur=min(lower, best.cost_eur) if everyone else None,
        )

    def _trades(self, network: FlowNetwork, best: Incumbent, round_: int) -> list[Trade]:
        """Trades to the best flows; groups of countries that do not save stay as they are."""
        flow = best.flow_mw
        for group in groups_of(network, flow):
            if sum(best.cost_change_eur[c] for c in group) >= 0:
                inside = np.array([a in group for a, _ in network.edges])[:, None]
                flow = np.where(inside, network.start_mw, flow)
        return fair_trades(network, flow, best.cost_change_eur, best.value, round_)


def _call(at: Proposal, least_mw: np.ndarray, most_mw: np.ndarray, rows: slice) -> ProposalCall:
    return ProposalCall(
        plan_mw=plain(at.plan_mw[rows]),
        price_eur_per_mwh=plain(at.price[rows]),
        stiffness_eur_per_mwh_per_mw=plain(at.stiffness[rows]),
        reach_mw=plain(at.reach_mw[rows]),
        least_mw=plain(least_mw[rows]),
        most_mw=plain(most_mw[rows]),
    )


def _by_port(network: FlowNetwork, *told: tuple[float, ...]) -> list[np.ndarray]:
    """Answers of one country with a row for each of its ports."""
    return [np.reshape(numbers, (-1, len(network.hours))) for numbers in told]
