"""Market coupling: an implicit auction on step curves, iterated."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from protocols.auction_messages import CostCall, CostChange, Curve, CurveCall, Worth, WorthCall
from protocols.base import Conversation, Market, Outcome, Protocol
from protocols.clearing import Network, StepCurves
from protocols.compensation import compensation_eur
from protocols.messages import OPERATOR, Body, Message
from protocols.pool_settlement import FlowChange, awards

# Width of the blocks of a ladder at first, as shares of what the country's lines can carry. The
# last lets it go all the way; the others shrink from round to round.
BLOCKS = (0.02, 0.06, 0.17, 0.35, 1.4)
# Slopes are rebalanced every so many rounds.
REBALANCE_EVERY = 3


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
class MarketCoupling(Protocol):
    """An operator clears step curves of all countries on the network, again and again.

    Rules:

    1. *Curves.* The operator posts to every country a ladder of prices for each product around
       its present position: the zonal price where it stands, higher for every further block of
       import, lower for every block of export. The country answers with the amounts that are
       best for it, all products together. That point and the ladder's slope are its step curve:
       several blocks of MW at EUR/MWh each way.
    2. *Clearing.* One linear programme maximises the reported welfare under net capacities,
       losses and a balance per country and product. Zonal prices and positions follow, and are
       where the next ladders lie. Blocks grow finer from round to round; the slope of a country
       that keeps away from its position falls and that of one that is dragged along rises.
    3. *Acceptance.* Every few rounds countries re-solve at the cleared position and tell what it
       costs. The operator keeps the best flows; if the cleared ones are worse it steps back half
       the way towards the best, which by convexity costs no more than the mean of the two.
    4. *Money.* When gains have ended, the change of each line's flow is paid at the middle of the
       last zonal prices of its ends, so that each has half of the congestion rent. If somebody
       would lose by re-solved cost, winners make it good in proportion to their gain.

    Curves of single products are no true picture of a country whose storage and fleet join
    them: cleared once, they can leave the pool worse off than without trade. The ladder keeps every
    answer near the position that it is valid for, and the acceptance test does the rest. Iterated
    so, coupling is a relative of the alternating direction method of multipliers: the curve through
    the answer, with the ladder's slope, is its quadratic model.

    Trades are booked between neighbours. Energy that passes through a third country is two
    trades, bought and sold at zonal prices; the transit country earns its part of both rents and
    no wheeling charge, which is due only where one contract crosses a third country.

    Properties: nobody loses, by re-solved cost; budget balanced, rent included; welfare never
    falls; reaches the optimum of convex countries in the limit; not truthful (who has market power
    gains by marking up).

    Discloses: marginal prices once; amounts at posted ladders and the EUR cost of cleared
    positions, every round.

    References: EUPHEMIA Public Description (NEMO Committee, 2019) on implicit auctions with losses;
    Schweppe et al. (1988) on zonal prices; Eckstein & Bertsekas (1992), Mathematical Programming
    55, on relaxed splitting.

    Parameters
    ----------
    max_rounds : int
        Clearings within one step.
    steepness : float
        First slope: rise of the ladder over a country's whole reach, in mean prices.
    relaxation : float
        How far beyond its answer a country's curve is centred, 1 to 2.
    shrink, finest : float
        Factor on the blocks per round, and the smallest factor on their first width.
    pieces : int
        Blocks of the operator's curves per block of the ladder.
    rebalance : float
        Factor on slopes.
    look_every : int
        Rounds between acceptance tests.
    tolerance, patience : float, int
        Agreed after so many tests in a row that add less than this share of the gain.
    """

    max_rounds: int = 40
    steepness: float = 2.0
    relaxation: float = 1.6
    shrink: float = 0.9
    finest: float = 0.02
    pieces: int = 4
    rebalance: float = 1.6
    look_every: int = 2
    patience: int = 4
    tolerance: float = 1e-3

    name = "market_coupling"
    discloses = "marginal prices once, amounts at posted price ladders, EUR cost of positions"
    valuation = "duals"
    operator = True

    def run(self, market: Market) -> Conversation:
        """Clear until gains end, then settle."""
        return _Coupling(self, market).hold()


Talk = Generator[list[Message], list[Message | None], None]


class _Coupling:
    """State of one run, all of it known to the operator."""

    def __init__(self, rules: MarketCoupling, market: Market) -> None:
        self.rules = rules
        self.market = market
        self.network = Network(market)
        self.countries = market.countries
        self.round = 0
        self.start_mw = self.network.flows_of(market)
        self.start_exchange_mw = self.network.exchange_mw(self.start_mw)
        self.reach_mw = self.network.reach_mw()
        # Countries without lines, and those that fell silent: their lines stay as they are.
        self.absent = {
            c for c, mw in zip(self.countries, self.reach_mw, strict=True) if not mw.any()
        }
        zero = np.zeros_like(self.start_exchange_mw)
        self.best = Incumbent(self.start_mw, dict.fromkeys(self.countries, 0.0))
        self.flow_mw, self.price, self.slope = self.start_mw, zero, zero
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

    def _open(self) -> Talk:
        """Zonal prices of the last step, or what countries say that a little import is worth."""
        known = self.market.memory.get("zonal_price")
        if known is not None:
            self.price = np.array(known)
        else:
            replies = yield from self._ask({c: WorthCall() for c in self._present()})
            for i, country in enumerate(self.countries):
                body = replies.get(country)
                if isinstance(body, Worth):
                    self.price[i] = body.price_eur_per_mwh
        level = self._price_level()
        # A price of lost load says that little is worth much, not what much is worth.
        self.price = np.clip(self.price, -5 * level, 5 * level)
        reach = np.where(self.reach_mw > 0, self.reach_mw, np.inf)
        self.slope = self.rules.steepness * level / reach

    def _price_level(self) -> float:
        size = np.abs(self.price)
        return float(np.median(size)) or float(size.mean()) or self.market.price_cap_eur_per_mwh

    def _clear_once(self) -> Talk:
        """Curves, clearing, new positions and zonal prices."""
        centre = self.network.exchange_mw(self.flow_mw)
        width, rise = self._ladders(1)
        change = yield from self._ask_amounts(centre, width, rise)
        # The present position must lie on every curve, so that there is something to clear.
        furthest = BLOCKS[-1] * self.reach_mw
        taken = centre + np.clip(self.rules.relaxation * change, -furthest, furthest)
        width, rise = self._ladders(self.rules.pieces)
        here = self.price[:, None]
        curves = StepCurves(taken, here - rise, width, here + rise, width)
        self._keep_absent_lines()
        self.flow_mw = self.network.clear(curves, self.flow_mw, self.absent).flow_mw
        position = self.network.exchange_mw(self.flow_mw)
        # The zonal price is where the cleared position lies on each curve.
        self.price = self.price + self.slope * (taken - position)
        if self.round % REBALANCE_EVERY == REBALANCE_EVERY - 1:
            self._rebalance(change, position - centre)

    def _ladders(self, pieces: int) -> tuple[np.ndarray, np.ndarray]:
        """Width of blocks and rise of their prices (shape: countries, blocks, products)."""
        finer = max(self.rules.shrink**self.round, self.rules.finest)
        shares = np.array([*(finer * share for share in BLOCKS[:-1]), BLOCKS[-1]])
        shares = np.repeat(shares / pieces, pieces)
        width = shares[None, :, None] * self.reach_mw[:, None, :]
        middle = np.cumsum(width, axis=1) - width / 2
        return width, self.slope[:, None] * middle

    def _ask_amounts(
        self, centre_mw: np.ndarray, width_mw: np.ndarray, rise: np.ndarray
    ) -> Generator[list[Message], list[Message | None], np.ndarray]:
        """Change of net import that each country prefers on its ladder."""
        calls: dict[str, Body] = {}
        for i, country in enumerate(self.countries):
            if country in self.absent:
                continue
            calls[country] = CurveCall(
                _flat(centre_mw[i] - self.start_exchange_mw[i]),
                _flat(self.price[i]),
                _flat(width_mw[i]),
                _flat(width_mw[i]),
                _flat(rise[i]),
            )
        replies = yield from self._ask(calls)
        change = np.zeros_like(centre_mw)
        for i, country in enumerate(self.countries):
            body = replies.get(country)
            if isinstance(body, Curve):
                change[i] = body.mw
        return change

    def _rebalance(self, change_mw: np.ndarray, moved_mw: np.ndarray) -> None:
        wanted, moved = (np.linalg.norm(mw, axis=1) for mw in (change_mw, moved_mw))
        factor = self.rules.rebalance
        grow = np.where(wanted > factor * moved, factor, 1.0)
        grow = np.where(moved > factor * wanted, 1 / factor, grow)
        self.slope = self.slope * grow[:, None]

    def _look(self) -> Talk:
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

    def _evaluate(
        self, flow_mw: np.ndarray
    ) -> Generator[list[Message], list[Message | None], Incumbent | None]:
        """Cost of flows by the countries' own word; None if one of them keeps silent."""
        change = self.network.exchange_mw(flow_mw) - self.start_exchange_mw
        calls: dict[str, Body] = {
            c: CostCall(_flat(change[i]))
            for i, c in enumerate(self.countries)
            if c not in self.absent
        }
        replies = yield from self._ask(calls)
        if self.absent & set(calls):
            return None
        told = {c: b.amount_eur for c, b in replies.items() if isinstance(b, CostChange)}
        return Incumbent(flow_mw, {**self.best.cost_eur, **told})

    def _settle(self, outcome: Outcome) -> Talk:
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

    def _ask(
        self, calls: dict[str, Body]
    ) -> Generator[list[Message], list[Message | None], dict[str, Body]]:
        """Ask countries; who keeps silent takes no further part in this step."""
        replies = yield [
            Message(OPERATOR, c, "call", body, self.round) for c, body in calls.items()
        ]
        told = {c: reply.body for c, reply in zip(calls, replies, strict=True) if reply is not None}
        self.absent |= set(calls) - set(told)
        self._keep_absent_lines()
        return told

    def _keep_absent_lines(self) -> None:
        """Lines of absent countries carry what the best flows say."""
        lines = [e for e, line in enumerate(self.network.lines) if set(line) & self.absent]
        if lines:
            self.flow_mw = self.flow_mw.copy()
            self.flow_mw[lines] = self.best.flow_mw[lines]


def _flat(numbers: np.ndarray) -> tuple[float, ...]:
    return tuple(numbers.ravel().tolist())
