"""Bilateral bids as the research prototype made them: fixed steps, all or nothing, no netting.

This is the mode ``prototype`` of the bilateral bids. It repeats the rules of the research
prototype DMAN-CEP exactly, weaknesses included, and is tested against its recorded negotiations.

Bids and export costs are replies to a call; the protocol then carries the very same message to
its receiver, so that whoever keeps count can see that nothing was said twice.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeVar

import numpy as np

from protocols.base import Conversation, Market, Outcome, Protocol, Valuation
from protocols.messages import CLOCK, Award, Body, Message, Trade
from protocols.parameters import InnerPart, NonNegative, Remainder
from protocols.prototype_messages import (
    Bid,
    BidCall,
    Choice,
    ChoiceCall,
    ExportCost,
    Quota,
    QuotaCall,
)

B = TypeVar("B", bound=Body)
T = TypeVar("T")
Talk = Generator[list[Message], list[Message | None], T]


@dataclass(frozen=True)
class Terms:
    """Public terms of the bids.

    Attributes
    ----------
    margin : float
        Share of the marginal cost added by exporters, and added to or taken off by importers.
    fee_eur_per_mwh : float
        Transmission fee. As in the prototype it raises the utility of a bid.
    bid_sign : int
        +1: importers bid above their marginal cost, -1: below it.
    """

    margin: float = 0.05
    fee_eur_per_mwh: float = 0.0
    bid_sign: Literal[-1, 1] = -1

    def __post_init__(self) -> None:
        if not 0 <= self.margin < 1:
            raise ValueError(f"margin {self.margin} of bilateral bids: give a share in [0, 1)")
        if not 0 <= self.fee_eur_per_mwh < math.inf:
            raise ValueError(f"fee {self.fee_eur_per_mwh} EUR/MWh: give zero or more")
        if self.bid_sign not in (-1, 1):
            raise ValueError(f"bid_sign {self.bid_sign}: give 1 (bid above cost) or -1 (below)")


@dataclass
class ProductOutcome:
    """What the negotiation of one product ends in.

    Attributes
    ----------
    trades : list of Trade
    status : {"completed", "cycling"}
        Cycling: in the last round nobody traded and nobody left, so that every further round
        would repeat it. The prototype never came back from this.
    rounds : int
    """

    trades: list[Trade] = field(default_factory=list)
    status: Literal["completed", "cycling"] = "completed"
    rounds: int = 0


def negotiate_product(
    countries: Iterable[str],
    links_mwh: Mapping[tuple[str, str], float],
    terms: Terms,
    *,
    product: int = 0,
    hours: np.ndarray | None = None,
    first_round: int = 0,
) -> Talk[ProductOutcome]:
    """Negotiate one product until at most one country is left.

    Parameters
    ----------
    countries : iterable of str
        All countries, in their fixed order.
    links_mwh : mapping of (exporter, importer) to float
        Energy of the product that can still be sent, MWh, one entry per direction.
    terms : Terms
    product : int
        Which of the market's products this is.
    hours : ndarray, shape (products,), optional
        MWh of one MW of each product. Without it there is one product of one hour.
    first_round : int
        Number of the first round.

    Returns
    -------
    ProductOutcome
        By way of ``yield from``; what is yielded are batches of messages.
    """
    hours = np.ones(1) if hours is None else hours
    talk = _ProductTalk(list(countries), dict(links_mwh), terms, product, hours, first_round)
    return talk.hold()


class _ProductTalk:
    """State of the negotiation of one product; knows public and declared numbers only."""

    def __init__(
        self,
        countries: list[str],
        room_mwh: dict[tuple[str, str], float],
        terms: Terms,
        product: int,
        hours: np.ndarray,
        first_round: int,
    ) -> None:
        self.active = countries
        self.room_mwh = room_mwh
        self.terms = terms
        self.product = product
        self.hours = hours
        self.first_round = first_round
        self.outcome = ProductOutcome()
        self.quota_mwh = dict.fromkeys(countries, 0.0)
        self.traded_mwh: dict[str, tuple[float, ...]] = {c: () for c in countries}
        self.neighbours: dict[str, list[str]] = {c: [] for c in countries}
        for a, b in sorted({pair for way in room_mwh for pair in (way, way[::-1])}):
            self.neighbours[a].append(b)

    @property
    def round(self) -> int:
        return self.first_round + self.outcome.rounds

    def hold(self) -> Talk[ProductOutcome]:
        yield from self._declare_quotas(self.active)
        while len(self.active) > 1:
            bids = yield from self._collect_bids()
            yield from self._disclose_export_costs(bids)
            accepted = yield from self._collect_choices(bids)
            deals = [b for b in bids if all(_pair(b) in accepted.get(c, ()) for c in _pair(b))]
            yield from self._award(deals)
            traders = {country for deal in deals for country in _pair(deal)}
            yield from self._declare_quotas([c for c in self.active if c in traders])
            staying = [c for c in self.active if self.quota_mwh[c] > 0 and c in accepted]
            self.outcome.rounds += 1
            if not deals and len(staying) == len(self.active):
                self.outcome.status = "cycling"
                break
            self.active = staying
        return self.outcome

    def _declare_quotas(self, countries: list[str]) -> Talk[None]:
        """Let countries tell their neighbours what they may still trade; cut the room to it."""
        calls = []
        for country in countries:
            # Where no line has room left nothing needs to be told: the country is as good as out.
            self.quota_mwh[country] = 0.0
            for partner in self._partners(country):
                body = QuotaCall(partner, self.product, self.traded_mwh[country])
                calls.append(self._call(country, body))
        for call, reply in zip(calls, (yield from _ask(calls)), strict=True):
            quota = _content(reply, Quota)
            if quota is not None:
                self.quota_mwh[call.receiver] = quota.mwh
        for way, room in self.room_mwh.items():
            exporter, importer = way
            self.room_mwh[way] = min(self.quota_mwh[exporter], self.quota_mwh[importer], room)

    def _partners(self, country: str) -> list[str]:
        """Active neighbours on lines with room either way, in alphabetical order."""
        room = self.room_mwh
        return [
            n
            for n in self.neighbours[country]
            if n in self.active and (room.get((n, country), 0) > 0 or room.get((country, n), 0) > 0)
        ]

    def _collect_bids(self) -> Talk[list[Message]]:
        """Bids of all importers, in the order of countries and of their neighbours' names."""
        terms = self.terms
        calls = []
        for importer in self.active:
            for exporter in self._partners(importer):
                mwh = self.room_mwh.get((exporter, importer), 0)
                if mwh > 0:
                    body = BidCall(
                        exporter,
                        self.product,
                        mwh,
                        terms.margin,
                        terms.fee_eur_per_mwh,
                        terms.bid_sign,
                    )
                    calls.append(self._call(importer, body))
        bids = []
        for call, reply in zip(calls, (yield from _ask(calls)), strict=True):
            bid, offer = _content(reply, Bid), call.body
            if reply is None or bid is None or not isinstance(offer, BidCall):
                continue
            # All or nothing: a bid for anything else than what was offered is no bid.
            if (reply.receiver, bid.mwh) == (offer.partner, offer.mwh):
                bids.append(reply)
        return bids

    def _disclose_export_costs(self, bids: list[Message]) -> Talk[None]:
        """Carry the bids to the exporters, and the costs they answer with to the importers."""
        costs = yield from _ask(bids)
        yield from _ask([c for c in costs if c is not None and isinstance(c.body, ExportCost)])

    def _collect_choices(self, bids: list[Message]) -> Talk[dict[str, set[tuple[str, str]]]]:
        """Bids that each country accepts, as (importer, exporter); no entry for who is out."""
        calls = []
        for country in self.active:
            partners = [b.sender for b in bids if b.receiver == country]
            partners += [b.receiver for b in bids if b.sender == country]
            for partner in dict.fromkeys(partners):
                body = ChoiceCall(
                    partner, self.product, self.terms.margin, self.terms.fee_eur_per_mwh
                )
                calls.append(self._call(country, body))
        accepted: dict[str, set[tuple[str, str]]] = {}
        for call, reply in zip(calls, (yield from _ask(calls)), strict=True):
            choice, question = _content(reply, Choice), call.body
            if choice is None or not isinstance(question, ChoiceCall):
                continue
            country, partner = call.receiver, question.partner
            pairs = accepted.setdefault(country, set())
            if choice.importer == country:
                pairs.add((country, partner))
            elif choice.importer == partner:
                pairs.add((partner, country))
        return accepted

    def _award(self, deals: list[Message]) -> Talk[None]:
        awards = []
        for deal in deals:
            importer, exporter = _pair(deal)
            bid = _content(deal, Bid)
            if bid is None:
                continue
            mw = [0.0] * len(self.hours)
            mw[self.product] = float(bid.mwh / self.hours[self.product])
            path = (exporter, importer)
            trade = Trade(exporter, importer, path, tuple(mw), bid.price_eur_per_mwh, self.round)
            self.outcome.trades.append(trade)
            for country, partner in (path, path[::-1]):
                awards.append(Message(partner, country, "award", Award(trade), self.round))
                self.traded_mwh[country] += (bid.mwh,)
            # The prototype does not net: a delivery takes room in both directions.
            for way in (path, path[::-1]):
                if way in self.room_mwh:
                    self.room_mwh[way] -= bid.mwh
        yield from _ask(awards)

    def _call(self, country: str, body: Body) -> Message:
        return Message(CLOCK, country, "call", body, self.round)


def _ask(batch: list[Message]) -> Talk[list[Message | None]]:
    if not batch:
        return []
    replies = yield batch
    return replies


def _content(message: Message | None, kind: type[B]) -> B | None:
    """Body of a message if it is of the kind asked for; anything else counts as silence."""
    return message.body if message is not None and isinstance(message.body, kind) else None


def _pair(bid: Message) -> tuple[str, str]:
    """Importer and exporter of a bid."""
    return bid.sender, bid.receiver


class PrototypeBids(Protocol):
    """Neighbours bid for whole steps of energy at marginal cost, as in DMAN-CEP.

    Rules, for each product, repeated while more than one country is active:

    1. every importer bids for the whole room of each of its lines, at its marginal cost of
       importing times ``1 + bid_sign * margin``;
    2. both sides rank all bids they sent and received by
       ``(price + fee - export cost * (1 + margin)) * MWh``;
    3. each accepts greedily within its quota, one bid per neighbour;
    4. bids accepted by both are trades; quotas and the line, both ways, fall by the energy;
    5. countries without quota, or without a bid worth having, leave for good.

    Properties: budget balanced; ends, but a tie can end it as ``cycling``; not truthful; not
    efficient. No promise against losses: line losses are ignored, products are valued one by
    one, and with ``bid_sign=1`` importers pay more than their own cost. All surplus but the
    importer's margin goes to the exporter.

    Discloses: quotas to all neighbours, marginal cost of importing to those bid to, and, as
    the prototype did, the marginal cost of exporting to everyone who bids.

    Reference: ``translation/transmissionModel.py`` of the research prototype DMAN-CEP.

    Parameters
    ----------
    margin : float
        Share of marginal cost, see :class:`Terms`.
    step_share : float
        Share of its demand by which a country perturbs its own problem to find marginal costs,
        and which is its quota in one run. Used by the private side.
    fee : float
        Transmission fee, EUR/MWh.
    bid_sign : int
        -1 bids below the marginal cost of importing, +1 above it.
    """

    name: ClassVar[str] = "bilateral_bids"
    mode: ClassVar[str] = "prototype"
    discloses: ClassVar[str] = "energy budgets, both marginal costs"
    promises_no_loss: ClassVar[bool] = False
    valuation: ClassVar[Valuation] = "perturbation"
    several_ports: ClassVar[bool] = True

    def __init__(
        self,
        margin: Remainder = 0.05,
        step_share: InnerPart = 0.2,
        fee: NonNegative = 0.0,
        bid_sign: Literal[-1, 1] = -1,
    ) -> None:
        if not 0 < step_share < 1:
            raise ValueError(f"step_share {step_share} of bilateral bids: give a share in (0, 1)")
        self.terms = Terms(margin, fee, bid_sign)
        self.step_share = step_share

    def run(self, market: Market) -> Conversation:
        """Negotiate the products one after the other; rounds are counted through.

        The run is settled when no product was traded. Products that ended in a cycle are named
        in the note; the status is ``"cycling"`` if no other product moved.
        """
        outcome = Outcome()
        cycling: list[str] = []
        rounds = 0
        hours = market.products.hours
        for product, name in enumerate(market.products.names):
            result = yield from negotiate_product(
                market.countries,
                self._links_mwh(market, product, float(hours[product])),
                self.terms,
                product=product,
                hours=hours,
                first_round=rounds,
            )
            outcome.trades += result.trades
            rounds += result.rounds
            if result.status == "cycling":
                cycling.append(name)
        if cycling:
            outcome.note = "equal bids kept each other waiting in " + ", ".join(cycling)
        if not outcome.trades:
            outcome.status = "cycling" if cycling else None
            outcome.settled = not cycling
        return outcome

    @staticmethod
    def _links_mwh(market: Market, product: int, hours: float) -> dict[tuple[str, str], float]:
        """Whole MWh of a product that each line can still carry, per direction."""
        ways = [way for a, b in market.graph.edges for way in ((a, b), (b, a))]
        # Rounded first, so that 99.99999999 does not become 99.
        return {
            way: math.floor(round(float(market.room_mw(way)[product]) * hours, 6)) for way in ways
        }
