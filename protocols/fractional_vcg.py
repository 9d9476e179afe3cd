"""The fractional rule: everyone keeps the same share of what it adds to the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from protocols.asking import Asking, ask, plain
from protocols.auction_messages import Allotment, Consent, Curve, CurveCall, Worth, WorthCall
from protocols.base import Conversation, Market, Outcome, Protocol
from protocols.clearing import Cleared, Network, StepCurves
from protocols.messages import Body
from protocols.parameters import Count, Growing, NonNegative, Part, Shrinking, WholeNumber
from protocols.pool_settlement import FlowChange, awards


@dataclass
class FractionalVcg(Protocol):
    """An operator clears curves of all countries; each keeps the same share of what it adds.

    Rules:

    1. Countries say what a little more import is worth. For each product the operator sets price
       levels between the lowest and the highest answer.
    2. Each country answers what it would import or export at every level, all products together.
    3. The operator finds the flows of highest reported welfare on the network, with losses and net
       capacities; then once more for each country without it, its lines still serving others.
       The difference is what the country adds. A Clarke payment would leave it exactly that.
    4. Clarke payments would add up to a deficit. By the fractional rule of Parkes, Kalagnanam and
       Eso, welfare is divided in proportion to what each adds instead, among those who trade
       together.
    5. Countries re-solve with the outcome and accept if they are better off; if one does not, the
       outcome is offered at half its size, and lastly the next auction is smaller.

    A country whose lines land at several ports bids at each of them, the same price levels at all;
    what it adds is counted over all its ports.

    Properties: nobody loses, by re-solved cost; budget balanced. Neither truthful nor efficient.
    Shading pays at first order: of two countries each adds the whole welfare W and keeps half of
    it. One that shades its curve by m EUR/MWh on the q MWh it trades has (W - m q) / 2 + m q,
    which is m q / 2 more, as where bids are paid and half of the spread comes back
    (``k_double_auction`` with ``own_prices``); what is not traded any more is of second order.
    Welfare is lost because curves have few levels and hold one product at a time, because the
    first auctions are small, and because any country may refuse for all. The truthful and efficient
    rule, at a deficit, is the settlement ``clarke``. The network is the operator's: transit earns
    nothing.

    Discloses: marginal prices, amounts at posted price levels, whether an outcome is acceptable.

    References: Parkes, Kalagnanam & Eso (2001), Achieving budget-balance with Vickrey-based
    payment schemes in exchanges, IJCAI 17; Clarke (1971), Public Choice 11, on what each adds.

    Parameters
    ----------
    levels : int
        Price levels between the lowest and the highest marginal worth.
    first_share : float
        Largest amount of the first auction, as a share of what a country's lines can carry.
    shrink, grow : float
        Factor on it after failure and after success.
    retries : int
        Times a rejected outcome is offered again at half its size.
    tolerance, patience : float, int
        Agreed after so many steps in a row with reported welfare below this share of that so far.
    """

    levels: Count = 4
    first_share: Part = 0.25
    shrink: Shrinking = 0.35
    grow: Growing = 1.3
    retries: WholeNumber = 2
    tolerance: NonNegative = 1e-3
    patience: Count = 3

    name = "fractional_vcg"
    discloses = "marginal prices, amounts at posted price levels, consent"
    valuation = "duals"
    operator = True
    several_ports = True

    def run(self, market: Market) -> Conversation:
        """Hold one auction."""
        return _Auction(self, market).hold()


class _Auction:
    """One auction of all products among all countries."""

    def __init__(self, rules: FractionalVcg, market: Market) -> None:
        self.rules = rules
        self.market = market
        self.network = Network(market)
        self.flow_mw = self.network.flows_of(market)
        self.exchange_mw = self.network.exchange_mw(self.flow_mw)
        self.share = float(market.memory.get("share", rules.first_share))
        reach = self.network.reach_mw()
        self.limit_mw = self.share * reach
        zones = self.network.zones
        self.present = [c for c in market.countries if reach[zones.of(c)].any()]

    def hold(self) -> Conversation:
        outcome, welfare = Outcome(), 0.0
        curves = yield from self._collect()
        if len(self.present) > 1:
            flow = self._clear(curves).flow_mw
            worth = self._worth(curves, flow)
            won = float(worth.sum())
            if won > 1e-9 * float(np.abs(worth).sum()):
                adds = {c: max(won - self._alone(curves, c), 0.0) for c in self.present}
                pay = self._payments_eur(flow, worth, adds)
                booked = yield from self._offer(outcome, flow, pay)
                welfare = booked * won
                deficit = booked * (sum(adds.values()) - won)
                if booked:
                    outcome.note = f"Clarke payments would have left a deficit of {deficit:.6g} EUR"
        outcome.settled = self._close(welfare)
        return outcome

    def _payments_eur(
        self, flow_mw: np.ndarray, worth_eur: np.ndarray, adds_eur: dict[str, float]
    ) -> dict[str, float]:
        """Fractional rule: who trades together shares its welfare as its members add."""
        zones = self.network.zones
        told = {c: float(worth_eur[zones.of(c)].sum()) for c in self.market.countries}
        pay = dict.fromkeys(self.market.countries, 0.0)
        for group in FlowChange(self.network, self.flow_mw, flow_mw).groups():
            members = [c for c in self.present if c in group]
            due = sum(adds_eur[c] for c in members)
            for c in members:
                share = adds_eur[c] / due if due > 0 else 1 / len(members)
                pay[c] = told[c] - share * sum(told[m] for m in members)
        return pay

    def _collect(self) -> Asking[StepCurves]:
        told = yield from self._ask({c: WorthCall() for c in self.present})
        products = len(self.market.products)
        heard = [b.price_eur_per_mwh for b in told.values() if isinstance(b, Worth)]
        worth = np.reshape([price for prices in heard for price in prices], (-1, products))
        if not len(worth):
            worth = np.zeros((1, products))
        low, high = worth.min(axis=0), worth.max(axis=0)
        shares = (np.arange(self.rules.levels) + 0.5) / self.rules.levels
        prices = low + shares[:, None] * (high - low)
        zones = self.network.zones
        calls: dict[str, Body] = {}
        for country in self.present:
            most = np.where(high > low, self.limit_mw[zones.of(country)], 0.0)
            limit, none = plain(most), (0.0,) * most.size
            everywhere = np.tile(prices, len(most))
            calls[country] = CurveCall(none, plain(everywhere), limit, limit, none)
        told = yield from self._ask(calls)
        amounts = np.zeros((len(zones), *prices.shape))
        for country, body in told.items():
            if isinstance(body, Curve):
                by_level = np.reshape(body.mw, (len(prices), -1, products))
                amounts[zones.of(country)] = by_level.swapaxes(0, 1)
        return _step_curves(self.exchange_mw, prices, amounts)

    def _clear(self, curves: StepCurves) -> Cleared:
        absent = set(self.market.countries) - set(self.present)
        return self.network.clear(curves, self.flow_mw, absent)

    def _worth(self, curves: StepCurves, flow_mw: np.ndarray) -> np.ndarray:
        return curves.worth_eur(self.network.exchange_mw(flow_mw), self.network.hours)

    def _alone(self, curves: StepCurves, country: str) -> float:
        """Welfare that the others reach if a country keeps its present exchange, EUR."""
        rows = self.network.zones.of(country)
        rest = curves.without(rows, self.exchange_mw[rows])
        return float(self._worth(rest, self._clear(rest).flow_mw).sum())

    def _offer(
        self, outcome: Outcome, flow_mw: np.ndarray, pay_eur: dict[str, float]
    ) -> Asking[float]:
        """Share of the outcome that everyone accepts and that is booked."""
        share = 1.0
        for _ in range(self.rules.retries + 1):
            there = self.flow_mw + share * (flow_mw - self.flow_mw)
            change = self.network.exchange_mw(there) - self.exchange_mw
            calls: dict[str, Body] = {}
            for c in self.market.countries:
                own = change[self.network.zones.of(c)]
                if own.any() or pay_eur[c]:
                    calls[c] = Allotment(plain(own), share * pay_eur[c])
            told = yield from self._ask(calls)
            willing = {c for c, b in told.items() if isinstance(b, Consent) and b.willing}
            if willing == set(calls):
                moved = FlowChange(self.network, self.flow_mw, there)
                nothing = np.zeros_like(there)
                due = {c: share * pay for c, pay in pay_eur.items()}
                money = moved.with_side_payments(nothing.sum(axis=1), due)
                outcome.trades = moved.trades(nothing, money, 0)
                if outcome.trades:
                    yield awards(outcome.trades, 0)
                return share
            share /= 2
        return 0.0

    def _close(self, welfare: float) -> bool:
        memory, rules = self.market.memory, self.rules
        memory["share"] = min(self.share * (rules.grow if welfare > 0 else rules.shrink), 1.0)
        total = float(memory.get("welfare_eur", 0.0)) + welfare
        memory["welfare_eur"] = total
        quiet = int(memory.get("quiet_steps", 0)) + 1 if welfare <= rules.tolerance * total else 0
        memory["quiet_steps"] = quiet
        return quiet >= rules.patience

    def _ask(self, calls: dict[str, Body]) -> Asking[dict[str, Body]]:
        """Ask countries; who keeps silent takes no further part in this step."""
        told = yield from ask(calls)
        self.present = [c for c in self.present if c not in calls or c in told]
        return told


def _step_curves(exchange_mw: np.ndarray, price: np.ndarray, amounts_mw: np.ndarray) -> StepCurves:
    """Curves around the present exchange from amounts at rising prices.

    Parameters
    ----------
    exchange_mw : ndarray, shape (zones, products)
    price : ndarray, shape (levels, products)
    amounts_mw : ndarray, shape (zones, levels, products)
        Change of net import at each level. What is imported up to a level is bid at it, what is
        exported from a level on is asked at it; where a curve turns back the earlier amount counts.
    """
    export = np.maximum.accumulate(np.maximum(-amounts_mw, 0.0), axis=1)
    imports = np.maximum.accumulate(np.maximum(amounts_mw[:, ::-1], 0.0), axis=1)
    wide = (len(exchange_mw), *price.shape)
    return StepCurves(
        exchange_mw,
        np.broadcast_to(price[::-1], wide),
        np.diff(imports, axis=1, prepend=0.0),
        np.broadcast_to(price, wide),
        np.diff(export, axis=1, prepend=0.0),
    )
