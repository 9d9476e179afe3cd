"""What countries say to each other in the prototype's bilateral bids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from protocols.evidence import Evidence, MarginalValue
from protocols.messages import Body
from protocols.public import PublicLedger


@dataclass(frozen=True)
class QuotaCall(Body):
    """Asks a country to tell ``partner`` how many MWh of a product it may still trade.

    ``traded_mwh`` lists the country's awards in this product so far, in order.
    """

    partner: str
    product: int
    traded_mwh: tuple[float, ...] = ()


@dataclass(frozen=True)
class Quota(Body):
    """Answer to :class:`QuotaCall`: the energy budget left, a whole number of MWh."""

    discloses: ClassVar[tuple[str, ...]] = ("mwh",)
    product: int
    mwh: float

    def evidence(
        self, question: Body | None, sender: str, ledger: PublicLedger
    ) -> tuple[Evidence, ...]:
        """Nothing: a share of demand says nothing of cost."""
        del question, sender, ledger
        return ()


@dataclass(frozen=True)
class BidCall(Body):
    """Invites a country to bid for an import of ``mwh`` from ``partner``, under these terms."""

    partner: str
    product: int
    mwh: float
    margin: float
    fee_eur_per_mwh: float
    bid_sign: int


@dataclass(frozen=True)
class Bid(Body):
    """An importer's bid to the exporter: all of ``mwh`` or nothing, at a price in EUR/MWh."""

    discloses: ClassVar[tuple[str, ...]] = ("price_eur_per_mwh",)
    product: int
    mwh: float
    price_eur_per_mwh: float

    def evidence(
        self, question: Body | None, sender: str, ledger: PublicLedger
    ) -> tuple[Evidence, ...]:
        """The first MWh imported saves at least the marginal cost behind the price."""
        if not isinstance(question, BidCall):
            return ()
        cost = self.price_eur_per_mwh / (1 + question.bid_sign * question.margin)
        return (_bounds_at_start(ledger, self.product, low=cost),)


@dataclass(frozen=True)
class ExportCost(Body):
    """An exporter's marginal cost of exporting, EUR/MWh, told to whoever bids.

    The prototype wrote it onto the bid that both sides read. It is a leak; here it is a message
    that says so.
    """

    discloses: ClassVar[tuple[str, ...]] = ("cost_eur_per_mwh",)
    product: int
    cost_eur_per_mwh: float

    def evidence(
        self, question: Body | None, sender: str, ledger: PublicLedger
    ) -> tuple[Evidence, ...]:
        """The first MWh exported costs at most the marginal cost told."""
        return (_bounds_at_start(ledger, self.product, high=self.cost_eur_per_mwh),)


@dataclass(frozen=True)
class ChoiceCall(Body):
    """Asks a country which of the bids between it and ``partner`` it accepts."""

    partner: str
    product: int
    margin: float
    fee_eur_per_mwh: float


@dataclass(frozen=True)
class Choice(Body):
    """Answer to :class:`ChoiceCall`: whose bid is accepted, ``None`` for neither.

    A country to which no bid is worth anything stays silent, and is out for good.
    """

    product: int
    importer: str | None = None


def _bounds_at_start(
    ledger: PublicLedger, product: int, low: float = np.nan, high: float = np.nan
) -> MarginalValue:
    """Bounds of the marginal value of one product when the run began."""
    nothing = np.full(len(ledger.products), np.nan)
    lows, highs = nothing.copy(), nothing.copy()
    lows[product], highs[product] = low, high
    return MarginalValue(np.zeros(len(nothing)), lows, highs, from_start=True)
