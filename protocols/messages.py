"""Messages: everything that countries say to each other.

A message carries a typed body. The body's class names the fields that are private numbers of the
sender, so that disclosure is counted and not claimed. A body without ``discloses`` says nothing
that the public could not know.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import ClassVar, Literal

import numpy as np

from protocols.evidence import Evidence, MarginalValue, Saving, slopes_of_response
from protocols.public import (
    BorderPrices,
    PublicLedger,
    border_prices,
    net_change_mw,
    wheeling_eur,
)

Act = Literal["call", "propose", "counter", "accept", "reject", "inform", "award"]
# Gives the turn to a country. It is the market's clock, knows nothing and carries nothing private.
CLOCK = "clock"
# The market operator of protocols that declare one. It belongs to nobody and owns no cost.
OPERATOR = "operator"


@dataclass(frozen=True)
class Body:
    """Content of a message; subclasses add fields and name the private ones."""

    discloses: ClassVar[tuple[str, ...]] = ()

    def private_numbers(self) -> list[float]:
        """All private numbers of the sender that this body gives away."""
        numbers: list[float] = []
        for name in self.discloses:
            numbers.extend(np.atleast_1d(np.asarray(getattr(self, name), dtype=float)).tolist())
        return numbers

    def evidence(
        self, question: Body | None, sender: str, ledger: PublicLedger
    ) -> tuple[Evidence, ...]:
        """What follows for the sender's cost; bodies with private numbers must say.

        Parameters
        ----------
        question : Body, optional
            What the body answers.
        sender : str
        ledger : PublicLedger
        """
        del question, sender, ledger
        return ()

    def record(self) -> dict[str, object]:
        """Fields as plain JSON values."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}


@dataclass(frozen=True)
class Message:
    """One typed, logged utterance.

    Attributes
    ----------
    sender, receiver : str
        Country codes, :data:`OPERATOR`, or :data:`CLOCK` as the sender of a call.
    act : str
        Speech act: call, propose, counter, accept, reject, inform, award.
    body : Body
    round : int
        Round of the protocol, counted from 0 within a step.
    via : tuple of str
        Transit countries that pass the message on, in order; empty between neighbours.
    """

    sender: str
    receiver: str
    act: Act
    body: Body
    round: int = 0
    via: tuple[str, ...] = ()

    @property
    def hops(self) -> int:
        """Interconnectors the message travels over; none when it comes from the clock."""
        return 0 if self.sender == CLOCK else len(self.via) + 1


@dataclass(frozen=True)
class Trade:
    """An agreed delivery.

    Attributes
    ----------
    exporter, importer : str
    path : tuple of str
        Countries passed, exporter first, importer last.
    mw : tuple of float
        MW of each product of the market, as sent by the exporter.
    price_eur_per_mwh : float
        Paid by the importer per MWh sent by the exporter, wheeling charges not included.
    round : int
    """

    exporter: str
    importer: str
    path: tuple[str, ...]
    mw: tuple[float, ...]
    price_eur_per_mwh: float
    round: int = 0

    @property
    def name(self) -> str:
        """The path in words, ``"ZM>ZW>ZA"``."""
        return ">".join(self.path)


@dataclass(frozen=True)
class InterestCall(Body):
    """Asks a country which way it would trade each product with a partner at posted prices.

    ``path`` leads from the country asked to the partner. Prices are per MWh that crosses the
    border of ``border``, one of the two, whichever way it goes: with losses, a price per MWh sent
    would change its meaning with the direction and pay for going back and forth. A trade that
    gains less than ``least_gain_eur_per_mwh`` is not wanted, so that who is indifferent keeps
    silent.
    """

    path: tuple[str, ...]
    price_eur_per_mwh: tuple[float, ...]
    border: str
    least_gain_eur_per_mwh: float = 0.0


@dataclass(frozen=True)
class Interest(Body):
    """Answer to :class:`InterestCall`: +1 would import, -1 would export, 0 neither."""

    discloses: ClassVar[tuple[str, ...]] = ("side",)
    side: tuple[int, ...]

    def evidence(
        self, question: Body | None, sender: str, ledger: PublicLedger
    ) -> tuple[Evidence, ...]:
        """Which side of the posted prices the present marginal value lies on."""
        if not isinstance(question, InterestCall):
            return ()
        here = prices_asked(question, sender, ledger)
        side = np.asarray(self.side)
        low = np.where(side > 0, here.import_price, np.where(side < 0, np.nan, here.export_price))
        high = np.where(side < 0, here.export_price, np.where(side > 0, np.nan, here.import_price))
        return (MarginalValue(np.zeros(len(side)), low, high),)


@dataclass(frozen=True)
class WishCall(Body):
    """Asks a country what it would trade with a partner at posted prices, within limits.

    ``path``, prices, ``border`` and least gain are those of :class:`InterestCall`. Per product:
    the most it may send and may be sent, MW at the sending end.
    """

    path: tuple[str, ...]
    price_eur_per_mwh: tuple[float, ...]
    border: str
    send_limit_mw: tuple[float, ...]
    receive_limit_mw: tuple[float, ...]
    least_gain_eur_per_mwh: float = 0.0


@dataclass(frozen=True)
class Wish(Body):
    """Answer to :class:`WishCall`: MW per product at the sending end, negative to send."""

    discloses: ClassVar[tuple[str, ...]] = ("mw",)
    mw: tuple[float, ...]

    def evidence(
        self, question: Body | None, sender: str, ledger: PublicLedger
    ) -> tuple[Evidence, ...]:
        """Marginal values at the wished amounts, by the conditions of a best response."""
        if not isinstance(question, WishCall):
            return ()
        here = prices_asked(question, sender, ledger)
        sent = np.asarray(self.mw)
        change = np.where(sent > 0, sent * here.arriving, sent)
        most_in = np.asarray(question.receive_limit_mw) * here.arriving
        most_out = np.asarray(question.send_limit_mw)
        return (
            slopes_of_response(change, here.import_price, here.export_price, most_in, most_out),
        )


@dataclass(frozen=True)
class Leg:
    """Part of a bundle: MW of each product sent along ``path`` by its first country."""

    path: tuple[str, ...]
    mw: tuple[float, ...]


@dataclass(frozen=True)
class LimitCall(Body):
    """Asks for the limit of a bundle with one leg, or of a swap with a leg each way."""

    legs: tuple[Leg, ...]


@dataclass(frozen=True)
class Limit(Body):
    """Answer to :class:`LimitCall`: the least a country must be paid for the bundle, EUR.

    Negative is the most it would pay. Wheeling charges are the importer's and included.
    """

    discloses: ClassVar[tuple[str, ...]] = ("amount_eur",)
    amount_eur: float

    def evidence(
        self, question: Body | None, sender: str, ledger: PublicLedger
    ) -> tuple[Evidence, ...]:
        """Cost change of the bundle, wheeling charges taken off."""
        if not isinstance(question, LimitCall):
            return ()
        legs = tuple((leg.path, np.asarray(leg.mw)) for leg in question.legs)
        saved = wheeling_eur(sender, legs, ledger) - self.amount_eur
        return (Saving(net_change_mw(sender, legs, ledger), saved, saved),)


@dataclass(frozen=True)
class Award(Body):
    """Tells the parties of a trade that it is agreed."""

    trade: Trade


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def prices_asked(
    question: InterestCall | WishCall, sender: str, ledger: PublicLedger
) -> BorderPrices:
    """Prices of a question at the border of who answers."""
    return border_prices(
        sender,
        question.path,
        question.price_eur_per_mwh,
        question.border,
        ledger,
        question.least_gain_eur_per_mwh,
    )
