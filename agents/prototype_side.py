"""A country's private side of the prototype's bilateral bids.

It knows two marginal costs and a quota per product, and what it is told in messages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from protocols.messages import Act, Body, Message
from protocols.prototype_messages import (
    Bid,
    BidCall,
    Choice,
    ChoiceCall,
    ExportCost,
    Quota,
    QuotaCall,
)
from protocols.public import PublicLedger


@dataclass
class _Book:
    """Bids of one round, as one country knows them, by (importer, exporter).

    Bids are kept in the order in which they came; export costs in EUR/MWh.
    """

    received: dict[tuple[str, str], Bid] = field(default_factory=dict)
    sent: dict[tuple[str, str], Bid] = field(default_factory=dict)
    export_cost: dict[str, float] = field(default_factory=dict)
    choice: dict[str, str] | None = None


class PrototypeSide:
    """Answers the prototype's messages truthfully.

    Parameters
    ----------
    mc_import_eur_per_mwh : ndarray, shape (products,)
        Saving per MWh of demand taken off, the marginal cost an import avoids.
    mc_export_eur_per_mwh : ndarray, shape (products,)
        Cost per MWh of demand added.
    quota_mwh : ndarray, shape (products,)
        Energy that may be traded in one run, imports and exports together; need not be whole.
    """

    answers: ClassVar[tuple[type[Body], ...]] = (QuotaCall, BidCall, Bid, ExportCost, ChoiceCall)

    def __init__(
        self,
        mc_import_eur_per_mwh: np.ndarray,
        mc_export_eur_per_mwh: np.ndarray,
        quota_mwh: np.ndarray,
    ) -> None:
        # Plain floats: the built-in round is exact to the cent, numpy's is not.
        self._mc_import = np.asarray(mc_import_eur_per_mwh, dtype=float).tolist()
        self._mc_export = np.asarray(mc_export_eur_per_mwh, dtype=float).tolist()
        self._quota = np.asarray(quota_mwh, dtype=float).tolist()
        self._budget_mwh: dict[int, int] = {}
        self._page: tuple[int, int] | None = None
        self._book = _Book()

    def answer(self, message: Message, ledger: PublicLedger | None = None) -> Message | None:
        """Answer one message, or stay silent; the ledger is not needed.

        The same bid or cost may arrive twice; the second changes nothing.
        """
        del ledger
        me, body = message.receiver, message.body
        if isinstance(body, QuotaCall):
            quota = Quota(body.product, self._declare(body))
            return _reply(message, body.partner, "inform", quota)
        if isinstance(body, BidCall):
            bid = self._bid(body)
            if bid is None:
                return None
            self._open(message, body.product).sent[me, body.partner] = bid
            return _reply(message, body.partner, "propose", bid)
        if isinstance(body, Bid):
            book = self._open(message, body.product)
            book.received[message.sender, me] = body
            cost = book.export_cost[me] = self._mc_export[body.product]
            return _reply(message, message.sender, "inform", ExportCost(body.product, cost))
        if isinstance(body, ExportCost):
            book = self._open(message, body.product)
            book.export_cost[message.sender] = body.cost_eur_per_mwh
            return None
        if isinstance(body, ChoiceCall):
            return self._answer_choice(message, body)
        return None

    def _declare(self, call: QuotaCall) -> int:
        """Whole MWh left of the quota after the trades named, remembered as the budget."""
        if not call.traded_mwh:
            self._page = None  # a new run: what is left of the last one has lapsed
        left_mwh = self._quota[call.product]
        for mwh in call.traded_mwh:
            left_mwh -= mwh
        self._budget_mwh[call.product] = round(left_mwh)
        return self._budget_mwh[call.product]

    def _bid(self, call: BidCall) -> Bid | None:
        """Bid for all that is offered, unless the fee eats up what the import is worth."""
        mc_import = self._mc_import[call.product]
        if mc_import <= call.fee_eur_per_mwh:
            return None
        price = round(mc_import * (1 + call.bid_sign * call.margin), 2)
        return Bid(call.product, call.mwh, price)

    def _open(self, message: Message, product: int) -> _Book:
        """The book of the message's round; bids of earlier rounds lapse."""
        if self._page != (product, message.round):
            self._page, self._book = (product, message.round), _Book()
        return self._book

    def _answer_choice(self, message: Message, call: ChoiceCall) -> Message | None:
        book = self._open(message, call.product)
        if book.choice is None:
            book.choice = self._choose(book, message.receiver, call)
        if not book.choice:
            return None
        importer = book.choice.get(call.partner)
        act: Act = "reject" if importer is None else "accept"
        return _reply(message, call.partner, act, Choice(call.product, importer))

    def _choose(self, book: _Book, me: str, call: ChoiceCall) -> dict[str, str]:
        """Importer of the bid accepted, by partner; empty where no bid is worth anything.

        Importer and exporter rank by the same number, which is the exporter's profit: that is
        how the prototype did it. Equal bids keep the order received before sent.
        """
        ranked: list[tuple[float, str, str, float]] = []
        for pair, bid in [*book.received.items(), *book.sent.items()]:
            importer, exporter = pair
            if exporter not in book.export_cost:
                continue
            cost = book.export_cost[exporter] * (1 + call.margin)
            utility_eur = (bid.price_eur_per_mwh + call.fee_eur_per_mwh - cost) * bid.mwh
            partner = importer if exporter == me else exporter
            ranked.append((utility_eur, partner, importer, bid.mwh))
        ranked.sort(key=lambda entry: entry[0], reverse=True)
        budget_mwh = self._budget_mwh.get(call.product, 0)
        accepted: dict[str, str] = {}
        used_mwh = 0.0
        for utility_eur, partner, importer, mwh in ranked:
            if utility_eur > 0 and used_mwh + mwh <= budget_mwh and partner not in accepted:
                accepted[partner] = importer
                used_mwh += mwh
        return accepted


def _reply(message: Message, to: str, act: Act, body: Body) -> Message:
    return Message(message.receiver, to, act, body, message.round)
