"""Strategies that lie in what they say: what they would accept, at which price, which way, when.

The country plans on its true problem and knows its true cost; what leaves its desk is something
else. Lies about the problem itself are in :mod:`agents.strategy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from agents.problem import Plan, Terms, TrialCost
from agents.strategy import Answer, Choices, Numbers, Strategy, first_blocks
from agents.valuation import MarginalCosts, Valuation
from protocols.auction_messages import Allotment, Consent, CostCall, CostChange
from protocols.messages import Body, Interest, InterestCall, Limit, LimitCall, Message
from protocols.offer_messages import Agenda, BooksCall, Offer
from protocols.parameters import NonNegative, WholeNumber, read_parameters
from protocols.plugins import PluginError
from protocols.proposal_messages import Preference, ProposalCall, Trial, TrialCall
from protocols.prototype_messages import Bid, BidCall, ChoiceCall, ExportCost
from protocols.public import PublicLedger

Price = Annotated[float, Field(allow_inf_nan=False)]
Direction = Literal["export", "import"]


def _fitting(strategy: Strategy, **given: Any) -> Any:
    """The one parameter of a strategy, if it fits what it is annotated with."""
    try:
        (value,) = read_parameters(f"strategy {strategy.name}", type(strategy), given).values()
    except PluginError as error:
        raise PluginError(f"strategy {strategy.name}: {error}") from None
    return value


class Overstate(Strategy):
    """Says that every MWh it trades must bring it more than it must.

    Limits, costs of a change, books and consent are overstated in proportion to the energy of what
    is asked about, whichever way it goes; quotes, wishes and curves are true. Whoever splits a
    surplus by what both say then splits less of it, and the liar keeps what it has hidden. Of the
    prototype's bids, which know no limit, the importer's price and the exporter's cost are meant.

    It accepts nothing that its true cost would refuse, so it never loses by this lie; it may miss
    what it would have gained.

    Parameters
    ----------
    eur_per_mwh : float
        Added to the least it must be paid, and taken off the most it would pay.
    """

    name = "overstate"
    tries = Numbers((2.0, 6.0, 15.0))

    def __init__(self, eur_per_mwh: NonNegative = 5.0) -> None:
        self.eur_per_mwh: float = _fitting(self, eur_per_mwh=eur_per_mwh)

    def answer(self, message: Message, ledger: PublicLedger, usual: Answer) -> Message | None:
        """Answer as if energy had to bring more."""
        reply = usual(_with(message, self._heard(message.body, ledger)))
        if reply is None:
            return None
        return _with(reply, self._said(message.body, reply.body, ledger))

    def _heard(self, question: Body, ledger: PublicLedger) -> Body:
        """The question, where the lie is told by answering another one."""
        more = self.eur_per_mwh
        if isinstance(question, Allotment):
            dearer = question.pay_eur + more * energy_mwh(question.change_mw, ledger)
            return replace(question, pay_eur=dearer)
        if isinstance(question, Agenda):
            return _asking_more(question, more)
        if isinstance(question, BooksCall):
            return BooksCall(_asking_more(question.agenda, more))
        return question

    def _said(self, question: Body, reply: Body, ledger: PublicLedger) -> Body:
        """The reply, where the lie is told by changing it."""
        more = self.eur_per_mwh
        if isinstance(question, LimitCall) and isinstance(reply, Limit):
            mwh = sum(energy_mwh(leg.mw, ledger) for leg in question.legs)
            return Limit(reply.amount_eur + more * mwh)
        if isinstance(question, CostCall) and isinstance(reply, CostChange):
            return CostChange(reply.amount_eur + more * energy_mwh(question.change_mw, ledger))
        if isinstance(question, ProposalCall) and isinstance(reply, Preference):
            cost, value = self._tilted(reply.mw, reply, ledger)
            return replace(reply, cost_change_eur=cost, marginal_value_eur_per_mwh=value)
        if isinstance(question, TrialCall) and isinstance(reply, Trial):
            return Trial(*self._tilted(question.mw, reply, ledger))
        if isinstance(reply, Bid):
            return replace(reply, price_eur_per_mwh=round(reply.price_eur_per_mwh - more, 2))
        if isinstance(reply, ExportCost):
            return replace(reply, cost_eur_per_mwh=reply.cost_eur_per_mwh + more)
        return reply

    def _tilted(
        self, mw: Sequence[float], reply: Preference | Trial, ledger: PublicLedger
    ) -> tuple[float, tuple[float, ...]]:
        """Cost change and marginal values of the overstated cost, which is convex as well."""
        cost = reply.cost_change_eur + self.eur_per_mwh * energy_mwh(mw, ledger)
        value = np.asarray(reply.marginal_value_eur_per_mwh) - self.eur_per_mwh * np.sign(mw)
        return cost, tuple(value.tolist())


class Shade(Strategy):
    """Quotes as if energy were worth more to it than it is, or less.

    Prices, bids, curves, orders, interest and wishes are those of a country to which every MWh is
    worth so much more; an exporter that shades upwards asks more, an importer that shades downwards
    bids less. Limits, costs of a change and consent are true, so it never loses by this lie where
    these are asked for.

    Parameters
    ----------
    eur_per_mwh : float
        Added to what a MWh is worth in everything that it quotes; negative to bid less.
    """

    name = "shade"
    tries = Numbers((-10.0, -3.0, 3.0, 10.0))

    def __init__(self, eur_per_mwh: Price = 5.0) -> None:
        self.eur_per_mwh: float = _fitting(self, eur_per_mwh=eur_per_mwh)

    def quotes(self, valuation: Valuation) -> Valuation:
        """Valuation on a shifted scale of prices."""
        return _Shifted(valuation, self.eur_per_mwh) if self.eur_per_mwh else valuation


class Unwilling(Strategy):
    """Claims that it has no interest in one direction of trade.

    It wishes, offers and orders nothing by which it would become a net exporter (or a net
    importer) in a product; what it must be paid is true. A quoted price has no direction, so the
    claim does not show in prices.

    Parameters
    ----------
    direction : {"export", "import"}
        What it says it would not do.
    """

    name = "unwilling"
    tries = Choices(("export", "import"))

    def __init__(self, direction: Direction = "export") -> None:
        self.direction: Direction = _fitting(self, direction=direction)

    @classmethod
    def from_text(cls, given: str) -> Strategy:
        """Make the strategy from the direction that it declines."""
        return cls(given.strip()) if given.strip() else cls()  # type: ignore[arg-type]

    def quotes(self, valuation: Valuation) -> Valuation:
        """Valuation that responds in the other direction alone."""
        return _OneWay(valuation, self.direction)

    def answer(self, message: Message, ledger: PublicLedger, usual: Answer) -> Message | None:
        """Answer without the interest that it denies."""
        asked = message.body
        # The prototype knows bids and costs in place of wishes.
        if isinstance(asked, BidCall if self.direction == "import" else Bid):
            return None
        reply = usual(message)
        if reply is None or not (
            isinstance(asked, InterestCall) and isinstance(reply.body, Interest)
        ):
            return reply
        here = ledger.products.average(ledger.net_import_mw(message.receiver))
        side = np.array(reply.body.side)
        way = -1 if self.direction == "export" else 1
        denied = (side * way > 0) & (here * way >= 0)
        return _with(reply, Interest(tuple(int(s) for s in np.where(denied, 0, side))))


class Delay(Strategy):
    """Agrees to nothing for some steps, and tells the truth from then on.

    Whoever waits lets the others commit themselves. Until then it says no limit, consents to
    nothing and accepts no offer; its quotes are true.

    Parameters
    ----------
    steps : int
        Steps of the negotiation that pass first.
    """

    name = "delay"
    tries = Numbers((1, 3), whole=True)

    def __init__(self, steps: WholeNumber = 2) -> None:
        self.steps: int = _fitting(self, steps=steps)

    def in_step(self, step: int) -> Strategy:
        """Refusal at first, the truth later."""
        return _Refusal() if step < self.steps else self


class _Refusal(Strategy):
    """Keeps silent where it would commit itself."""

    name = "refusal"
    _committing: ClassVar[tuple[type[Body], ...]] = (
        LimitCall,
        CostCall,
        TrialCall,
        ProposalCall,
        Agenda,
        BooksCall,
        Offer,
        ChoiceCall,
    )

    def answer(self, message: Message, ledger: PublicLedger, usual: Answer) -> Message | None:
        """Keep silent, or reject what asks for consent."""
        del ledger
        if isinstance(message.body, Allotment):
            return Message(message.receiver, message.sender, "reject", Consent(0), message.round)
        return None if isinstance(message.body, self._committing) else usual(message)


class Quoting(Valuation):
    """A valuation whose costs are another one's, and whose quotes are its own."""

    def __init__(self, true: Valuation) -> None:
        super().__init__(true.problem, true.products)
        self._true = true

    def plan(self, exchange_mw: np.ndarray) -> Plan:
        """Plan of the other one."""
        return self._true.plan(exchange_mw)

    def cost_eur(self, exchange_mw: np.ndarray) -> float:
        """Cost of the other one, EUR/a."""
        return self._true.cost_eur(exchange_mw)


class _Shifted(Quoting):
    """Quotes every MWh at so much more."""

    def __init__(self, true: Valuation, more_eur_per_mwh: float) -> None:
        super().__init__(true)
        self._more = more_eur_per_mwh

    def marginal_value(self, exchange_mw: np.ndarray, port: int | None = None) -> np.ndarray:
        return self._true.marginal_value(exchange_mw, port) + self._more

    def respond(self, exchange_mw: np.ndarray, terms: Terms, port: int | None = None) -> np.ndarray:
        shifted = replace(
            terms,
            import_price=np.asarray(terms.import_price) - self._more,
            export_price=np.asarray(terms.export_price) - self._more,
        )
        return self._true.respond(exchange_mw, shifted, port)

    def marginal_costs(
        self, exchange_mw: np.ndarray, step_mw: np.ndarray, trial: TrialCost | None = None
    ) -> MarginalCosts:
        true = self._true.marginal_costs(exchange_mw, step_mw, trial)
        more = self._more
        return replace(true, mc_import=true.mc_import + more, mc_export=true.mc_export + more)


class _OneWay(Quoting):
    """Responds with nothing that makes it a net exporter, or a net importer."""

    def __init__(self, true: Valuation, denied: Direction) -> None:
        super().__init__(true)
        self._denied = denied

    def respond(self, exchange_mw: np.ndarray, terms: Terms, port: int | None = None) -> np.ndarray:
        ports = range(self.problem.ports) if port is None else (port,)
        blocks = np.reshape(exchange_mw, (self.problem.ports, -1))
        here = np.concatenate([self.products.average(blocks[p]) for p in ports])
        # What is booked the other way may be undone, no more.
        if self._denied == "export":
            less = first_blocks(terms.export_limit_mw, np.maximum(here, 0.0))
            return self._true.respond(exchange_mw, replace(terms, export_limit_mw=less), port)
        less = first_blocks(terms.import_limit_mw, np.maximum(-here, 0.0))
        return self._true.respond(exchange_mw, replace(terms, import_limit_mw=less), port)


def _with(message: Message, body: Body) -> Message:
    return message if body is message.body else replace(message, body=body)


def _asking_more(agenda: Agenda, more_eur_per_mwh: float) -> Agenda:
    """The agenda as who wants more of every MWh reads it."""
    return replace(agenda, least_gain_eur_per_mwh=agenda.least_gain_eur_per_mwh + more_eur_per_mwh)


def energy_mwh(mw: Sequence[float], ledger: PublicLedger) -> float:
    """Energy of MW per product, whichever way, at one port or at several, MWh."""
    hours = ledger.products.hours
    return float((np.abs(np.reshape(mw, (-1, len(hours)))) @ hours).sum())
