"""Iterated clearing: an implicit auction on step curves, again and again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from protocols.asking import Asking, ask, plain
from protocols.auction_messages import CostCall, CostChange, Curve, CurveCall, Worth, WorthCall
from protocols.base import Conversation, Market, Outcome, Protocol
from protocols.clearing import Network, StepCurves
from protocols.compensation import compensation_eur
from protocols.levelling import PriceSlope
from protocols.messages import Body
from protocols.parameters import Count, NonNegative, Positive, Relaxation, WholeNumber
from protocols.pool_settlement import FlowChange, awards
from protocols.price_ladder import BLOCK_ENDS, PriceLadder


@dataclass(frozen=True)
class Incumbent:
    """Flows, and what they cost each country against the step's beginning.

    Attributes
    ----------
    flow_mw : ndarray, shape (lines, products)
    cost_eur : dict of str to float
    """

    flow_mw: np.ndarray
    cost_eur: dict[str, float]

    @property
    def total_eur(self) -> float:
        """Cost of all countries against the step's beginning, EUR."""
        return sum(self.cost_eur.values())


@dataclass
class IteratedClearing(Protocol):
    """An operator clears step curves of all countries on the network, again and again.

    Rules:

    1. *Opening.* Countries say what a little import is worth to them. First zonal prices are means
       among neighbours, taken a few times.
    2. *Curves.* The operator posts to every country a ladder of prices for each product around
       its present position: the zonal price where it stands, higher for every further block of
       import, lower for every block of export. The country answers with the amounts that are
       best for it, all products together. Its step curve follows: several blocks of MW at
       EUR/MWh each way, by the ladder's slope. Slopes are in proportion to prices, so that scarce
       hours move faster. Inner blocks shrink where a country keeps near its position.
    3. *Clearing.* One linear programme maximises the reported welfare under net capacities,
       losses and a balance per country and product. Zonal prices and positions follow, and are
       where the next ladders lie.
    4. *Acceptance.* Every few rounds countries re-solve at the cleared position and tell what it
       costs. The operator keeps the best flows; if the cleared ones are worse it steps back half
       the way towards the best, which by convexity costs no more than the mean of the two.
    5. *Money.* When gains have ended, the change of each line's flow is paid at the middle of the
       last zonal prices of its ends, so that each has half of the congestion rent. If somebody
       would lose by re-solved cost, winners make it good in proportion to their gain.

    A country whose lines land at several ports is a bidding zone at each. It answers for all at
    once, as its own grid joins them; what enters at one port and leaves at another is its own plan.

    Curves of single products are no true picture of a country whose storage and fleet join
    them: cleared once, they can leave the pool worse off than without trade. The ladder keeps every
    answer near the position that it is valid for, and the acceptance test does the rest. Iterated
    so, clearing is a splitting method. Where the ladder rises to the price ``p + s d`` at the
    answer ``d``, that is the country's marginal value there, and the curve through that point with
    the slope ``s`` has the price ``p`` at twice the answer: Peaceman-Rachford splitting. A curve
    whose price is ``p`` a little earlier is more cautious, and is the alternating direction method
    of multipliers with over-relaxation. No power exchange does this: the coupling of Europe's
    day-ahead markets clears once, with block orders that may be rejected against the price. Nothing
    here says how well that would do.

    Trades are booked between neighbours. Energy that passes through a third country is two
    trades, bought and sold at zonal prices; the transit country earns its part of both rents and
    no wheeling charge, which is due only where one contract crosses a third country.

    Properties: nobody loses, by re-solved cost; budget balanced, rent included; welfare never
    falls; not truthful (who has market power gains by marking up). With fixed slopes and an exact
    quadratic the splitting converges for convex costs and a relaxation below two (Eckstein &
    Bertsekas 1992); here slopes follow prices and the ladder is piecewise linear, which no theorem
    covers.

    Discloses: marginal prices once; amounts at posted ladders and the EUR cost of cleared
    positions, every round.

    References: EUPHEMIA Public Description (NEMO Committee, 2019) on implicit auctions with losses;
    Schweppe et al. (1988) on zonal prices; Eckstein & Bertsekas (1992), Mathematical Programming
    55, on relaxed splitting.

    Parameters
    ----------
    max_rounds : int
        Clearings within one step.
    opening_turns : int
        Times that first zonal prices become the mean with those of neighbours.
    steepness : float
        Slope of a ladder: by how many times itself the price moves over a country's whole reach.
    least_price_share : float
        Prices below this share of the price cap count as that when slopes are chosen.
    relaxation : float
        Where a curve has the zonal price, in multiples of the answer, 1 to 2.
    pieces : int
        Blocks of the operator's curves per block of the ladder.
    look_every : int
        Rounds between acceptance tests.
    tolerance, patience : float, int
        Agreed after so many tests in a row that add less than this share of the gain.
    """

    max_rounds: Count = 60
    opening_turns: WholeNumber = 5
    steepness: Positive = 1.25
    least_price_share: Positive = 1 / 75
    relaxation: Relaxation = 1.6
    pieces: Count = 2
    look_every: Count = 3
    patience: Count = 2
    tolerance: NonNegative = 1e-3

    name = "iterated_clearing"
    family = "operator splitting"
    discloses = "marginal prices once, amounts at posted price ladders, EUR cost of positions"
    valuation = "duals"
    operator = True
    several_ports = True

    def run(self, market: Market) -> Conversation:
        """Clear until gains end, then settle."""
        return _Clearing(self, market).hold()


class _Clearing:
    """State of one run, all of it known to the operator."""

    def __init__(self, rules: IteratedClearing, market: Market) -> None:
        self.rules = rules
        self.market = market
        self.network = Network(market)
        self.countries = market.countries
        self.round = 0
        self.start_mw = self.network.flows_of(market)
        self.start_exchange_mw = self.network.exchange_mw(self.start_mw)
        self.reach_mw = self.network.reach_mw()
        # Countries without lines, and those that fell silent: their lines stay as they are.
        self.absent = {c for c in self.countries if not self._at(self.reach_mw, c).any()}
        zero = np.zeros_like(self.start_exchange_mw)
        self.best = Incumbent(self.start_mw, dict.fromkeys(self.countries, 0.0))
        self.flow_mw, self.price = self.start_mw, zero
        least_price = rules.least_price_share * market.price_cap_eur_per_mwh
        # A zone without lines is never asked; its slope may be anything.
        self.slopes = [
            PriceSlope(rules.steepness / (float(mw.max(initial=0.0)) or 1.0), least_price)
            for mw in self.reach_mw
        ]
        self.ladders = [PriceLadder(mw, len(mw)) for mw in self.reach_mw]
        self.quiet = 0

    def hold(self) -> Conversation:
        yield from self._open()
        for number in range(self.rules.max_rounds):
            if len(self.absent) >= len(self.countries) - 1 or self.quiet >= self.rules.patience:
                break
            self.round = number
            yield from self._clear_once()
            if (number + 1) % self.rules.look_every == 0:
                yield from self._look()
        outcome = Outcome()
        yield from self._settle(outcome)
        return outcome

    def _open(self) -> Asking[None]:
        """Zonal prices of the last step, or what countries say that a little import is worth."""
        known = self.market.memory.get("zonal_price")
        if known is not None:
            self.price = np.array(known)
        else:
            replies = yield from self._ask({c: WorthCall() for c in self._present()})
            for country, body in replies.items():
                if isinstance(body, Worth):
                    self._write(self.price, country, body.price_eur_per_mwh)
            for _ in range(self.rules.opening_turns):
                self.price = self.network.mean_with_neighbours(self.price)

    def _clear_once(self) -> Asking[None]:
        """Curves, clearing, new positions and zonal prices."""
        centre = self.network.exchange_mw(self.flow_mw)
        slope = np.array([s.at(p) for s, p in zip(self.slopes, self.price, strict=True)])
        change = yield from self._ask_amounts(centre, *self._blocks(slope))
        # The present position must lie on every curve, so that there is something to clear.
        furthest = BLOCK_ENDS[-1] * self.reach_mw
        taken = centre + np.clip(self.rules.relaxation * change, -furthest, furthest)
        width, rise = self._blocks(slope, self.rules.pieces)
        here = self.price[:, None]
        curves = StepCurves(taken, here - rise, width, here + rise, width)
        self._keep_absent_lines()
        self.flow_mw = self.network.clear(curves, self.flow_mw, self.absent).flow_mw
        # The zonal price is where the cleared position lies on each curve.
        self.price = self.price + slope * (taken - self.network.exchange_mw(self.flow_mw))
        for ladder, moved in zip(self.ladders, change, strict=True):
            ladder.refine(moved)

    def _blocks(self, slope: np.ndarray, pieces: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Width of blocks and rise of their prices (shape: zones, blocks, products)."""
        blocks = [ladder.blocks(s, pieces) for ladder, s in zip(self.ladders, slope, strict=True)]
        return np.array([width for width, _ in blocks]), np.array([rise for _, rise in blocks])

    def _ask_amounts(
        self, centre_mw: np.ndarray, width_mw: np.ndarray, rise: np.ndarray
    ) -> Asking[np.ndarray]:
        """Change of net import that each country prefers on its ladders, at all its ports."""
        moved_mw = centre_mw - self.start_exchange_mw
        calls: dict[str, Body] = {}
        for country in self._present():
            # Blocks of all ports together, as the call has them.
            width, further = (self._at(x, country).swapaxes(0, 1) for x in (width_mw, rise))
            calls[country] = CurveCall(
                plain(self._at(moved_mw, country)),
                plain(self._at(self.price, country)),
                plain(width),
                plain(width),
                plain(further),
            )
        replies = yield from self._ask(calls)
        change = np.zeros_like(centre_mw)
        for country, body in replies.items():
            if isinstance(body, Curve):
                self._write(change, country, body.mw)
        return change

    def _look(self) -> Asking[None]:
        """Re-solve at the cleared positions; keep the better flows, or step back half the way."""
        before = self.best.total_eur
        flow = self.flow_mw
        for _ in range(2):
            if np.array_equal(flow, self.best.flow_mw):
                break
            tried = yield from self._evaluate(flow)
            if tried is None:
                break
            if tried.total_eur < self.best.total_eur:
                self.best = tried
                break
            flow = (flow + self.best.flow_mw) / 2
        added = before - self.best.total_eur
        known = float(self.market.memory.get("gained_eur", 0.0)) - self.best.total_eur
        self.quiet = self.quiet + 1 if added <= self.rules.tolerance * known else 0

    def _evaluate(self, flow_mw: np.ndarray) -> Asking[Incumbent | None]:
        """Cost of flows by the countries' own word; None if one of them keeps silent."""
        change = self.network.exchange_mw(flow_mw) - self.start_exchange_mw
        calls: dict[str, Body] = {c: CostCall(plain(self._at(change, c))) for c in self._present()}
        replies = yield from self._ask(calls)
        if len(replies) < len(calls):
            return None
        told = {c: b.amount_eur for c, b in replies.items() if isinstance(b, CostChange)}
        return Incumbent(flow_mw, {**self.best.cost_eur, **told})

    def _settle(self, outcome: Outcome) -> Asking[None]:
        """Book the best flows; a group of countries that does not gain keeps what it had."""
        final = self.best.flow_mw.copy()
        for group in FlowChange(self.network, self.start_mw, final).groups():
            if sum(self.best.cost_eur[c] for c in group) >= 0:
                kept = [e for e, line in enumerate(self.network.lines) if line[0] in group]
                final[kept] = self.start_mw[kept]
                self.best.cost_eur.update(dict.fromkeys(group, 0.0))
        change = FlowChange(self.network, self.start_mw, final)
        middle = change.middle_eur(self.price)
        paid = change.paid_eur(middle.sum(axis=1))
        gain = {c: -self.best.cost_eur[c] - paid[c] for c in self.countries}
        side = compensation_eur(gain, change.groups())
        money = change.with_side_payments(middle.sum(axis=1), side)
        outcome.trades = change.trades(middle, money, self.round)
        memory = self.market.memory
        gained = max(-self.best.total_eur, 0.0)
        total = float(memory.get("gained_eur", 0.0)) + gained
        memory["gained_eur"] = total
        memory["zonal_price"] = self.price.tolist()
        outcome.settled = self.quiet >= self.rules.patience or (
            gained <= self.rules.tolerance * total
        )
        if outcome.trades:
            yield awards(outcome.trades, self.round)

    def _present(self) -> list[str]:
        return [c for c in self.countries if c not in self.absent]

    def _at(self, table: np.ndarray, country: str) -> np.ndarray:
        """Rows of a country's zones."""
        rows: np.ndarray = table[self.network.zones.of(country)]
        return rows

    def _write(self, table: np.ndarray, country: str, told: tuple[float, ...]) -> None:
        """Take in what a country says of its zones."""
        here = self._at(table, country)
        here[:] = np.reshape(told, here.shape)

    def _ask(self, calls: dict[str, Body]) -> Asking[dict[str, Body]]:
        """Ask countries; who keeps silent takes no further part in this step."""
        told = yield from ask(calls, self.round)
        self.absent |= set(calls) - set(told)
        self._keep_absent_lines()
        return told

    def _keep_absent_lines(self) -> None:
        """Lines of absent countries carry what the best flows say."""
        lines = [e for e, line in enumerate(self.network.lines) if set(line) & self.absent]
        if lines:
            self.flow_mw = self.flow_mw.copy()
            self.flow_mw[lines] = self.best.flow_mw[lines]
