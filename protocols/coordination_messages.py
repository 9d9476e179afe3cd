"""Messages of the coordination protocols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from protocols.evidence import Evidence, MarginalValue
from protocols.levelling import PriceSlope
from protocols.messages import Body
from protocols.public import PublicLedger


@dataclass(frozen=True)
class OpenCall(Body):
    """Names one of a country's interconnectors and how prices move; one for each line.

    A price moves with net import by ``steepness`` times itself, or times the least price if that
    is more, over the span of the country's lines.

    Attributes
    ----------
    partner : str
    flow_mw : tuple of float
        Present flow, MW per product, positive when the country sends.
    send_limit_mw, receive_limit_mw : tuple of float
        Limits of the line, MW per product where it is sent.
    loss : float
    span_mw, partner_span_mw : float
        Most that all lines of the country, and of the partner, carry one way.
    steepness, least_price_eur_per_mwh : float
    """

    partner: str
    flow_mw: tuple[float, ...]
    send_limit_mw: tuple[float, ...]
    receive_limit_mw: tuple[float, ...]
    loss: float
    span_mw: float
    partner_span_mw: float
    steepness: float
    least_price_eur_per_mwh: float

    @property
    def slopes(self) -> tuple[PriceSlope, PriceSlope]:
        """How the country's price moves, and the partner's."""
        mine, theirs = (
            PriceSlope(self.steepness / span, self.least_price_eur_per_mwh)
            for span in (self.span_mw, self.partner_span_mw)
        )
        return mine, theirs


@dataclass(frozen=True)
class OpeningCall(Body):
    """Asks a country what it thinks energy is worth; ``first`` before it has heard others."""

    partner: str
    first: bool


@dataclass(frozen=True)
class Opening(Body):
    """Answer to :class:`OpeningCall`: the own marginal value, later the mean it has become."""

    discloses: ClassVar[tuple[str, ...]] = ("price_eur_per_mwh",)
    price_eur_per_mwh: tuple[float, ...]

    def evidence(
        self, question: Body | None, sender: str, ledger: PublicLedger
    ) -> tuple[Evidence, ...]:
        """The first one is the marginal value at the present exchange; means prove nothing more."""
        del sender, ledger
        if not (isinstance(question, OpeningCall) and question.first):
            return ()
        price = np.asarray(self.price_eur_per_mwh)
        return (MarginalValue(np.zeros(len(price)), price, price),)


@dataclass(frozen=True)
class BasisCall(Body):
    """Asks a country to name the prices at which its slope will stay from now on to a partner."""

    partner: str


@dataclass(frozen=True)
class Basis(Body):
    """Answer to :class:`BasisCall`: the country's price at the proposed exchange."""

    discloses: ClassVar[tuple[str, ...]] = ("price_eur_per_mwh",)
    price_eur_per_mwh: tuple[float, ...]

    def evidence(
        self, question: Body | None, sender: str, ledger: PublicLedger
    ) -> tuple[Evidence, ...]:
        """Nothing more than the quote of the same price that follows."""
        del question, sender, ledger
        return ()


@dataclass(frozen=True)
class QuoteCall(Body):
    """Asks a country to quote to a partner."""

    partner: str


@dataclass(frozen=True)
class Quote(Body):
    """Answer to :class:`QuoteCall`: the country's price at the proposed exchange."""

    discloses: ClassVar[tuple[str, ...]] = ("price_eur_per_mwh",)
    price_eur_per_mwh: tuple[float, ...]

    def evidence(
        self, question: Body | None, sender: str, ledger: PublicLedger
    ) -> tuple[Evidence, ...]:
        """Nothing to a listener alone: a quote holds at an exchange that it does not know.

        That depends on what the sender and its other neighbours have proposed to each other.
        """
        del question, sender, ledger
        return ()


@dataclass(frozen=True)
class ReviseCall(Body):
    """Asks a country to plan around the proposed exchange and to correct its price.

    ``relaxation`` times what it would rather trade moves the price.
    """

    relaxation: float
