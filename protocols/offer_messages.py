"""Messages of alternating offers: what is on the table, offers, and how a talk ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from protocols.evidence import Evidence, Saving
from protocols.messages import Body, Leg, Trade
from protocols.public import PublicLedger, net_change_mw, wheeling_eur


@dataclass(frozen=True)
class Agenda(Body):
    """What two countries may offer each other; opens the talk.

    Attributes
    ----------
    path : tuple of str
        From one of the two to the other; names the talk.
    bundles : tuple of tuple of Leg
        Quantities that may be agreed on. A bundle without legs is nothing.
    amounts_eur : tuple of tuple of float
        For each bundle what the path's last country may pay the first for it, EUR, increasing;
        negative is paid the other way. None are listed where any amount may be offered.
    least_gain_eur_per_mwh : float
        A bundle that gains a country less than this per MWh is not worth a deal.
    turns : int
        Deadline: the talk has failed if nobody accepted within so many turns.
    opens : bool
        Whether the receiver makes the first offer.
    """

    path: tuple[str, ...]
    bundles: tuple[tuple[Leg, ...], ...]
    amounts_eur: tuple[tuple[float, ...], ...]
    least_gain_eur_per_mwh: float
    turns: int
    opens: bool


@dataclass(frozen=True)
class Offer(Body):
    """Quantities and money: a bundle of the agenda and what the far end pays for it.

    ``legs`` repeats the bundle in full, so that the offer can be read without the agenda.
    """

    discloses: ClassVar[tuple[str, ...]] = ("bundle", "amount_eur")
    path: tuple[str, ...]
    bundle: int
    amount_eur: float
    legs: tuple[Leg, ...]

    def evidence(
        self, question: Body | None, sender: str, ledger: PublicLedger
    ) -> tuple[Evidence, ...]:
        """An offer is acceptable to who makes it."""
        del question
        received = self.amount_eur if sender == self.path[0] else -self.amount_eur
        return (_saving(self.legs, sender, ledger, -received, np.inf),)


@dataclass(frozen=True)
class Accept(Body):
    """Agrees to the last offer of the partner."""

    path: tuple[str, ...]


@dataclass(frozen=True)
class End(Body):
    """Leaves the talk without agreement."""

    path: tuple[str, ...]


@dataclass(frozen=True)
class Books(Body):
    """Least payment for every bundle of an agenda, EUR, and the discount factor of a turn.

    The least gain that the agenda asks for is part of the payment.

    Complete information, which subgame-perfect play of alternating offers supposes.
    """

    discloses: ClassVar[tuple[str, ...]] = ("limits_eur", "discount")
    path: tuple[str, ...]
    limits_eur: tuple[float, ...]
    discount: float

    def evidence(
        self, question: Body | None, sender: str, ledger: PublicLedger
    ) -> tuple[Evidence, ...]:
        """What each bundle saves; limits hold the least gain that makes it worth a deal."""
        if not isinstance(question, BooksCall):
            return ()
        agenda = question.agenda
        found = []
        for bundle, limit in zip(agenda.bundles, self.limits_eur, strict=True):
            mwh = sum(float(np.asarray(leg.mw) @ ledger.products.hours) for leg in bundle)
            saved = agenda.least_gain_eur_per_mwh * mwh - limit
            found.append(_saving(bundle, sender, ledger, saved, saved))
        return tuple(found)


@dataclass(frozen=True)
class BooksCall(Body):
    """Asks for the :class:`Books` of an agenda."""

    agenda: Agenda


@dataclass(frozen=True)
class ReservationCall(Body):
    """Asks whether trades leave a country no worse off, whatever its strategy said.

    The country's planning office answers from re-solved cost, not its negotiator.
    """

    trades: tuple[Trade, ...]


@dataclass(frozen=True)
class Reservation(Body):
    """Answer to :class:`ReservationCall`."""

    discloses: ClassVar[tuple[str, ...]] = ("holds",)
    holds: bool

    def evidence(
        self, question: Body | None, sender: str, ledger: PublicLedger
    ) -> tuple[Evidence, ...]:
        """Whether the trades save what they cost."""
        if not isinstance(question, ReservationCall):
            return ()
        legs, received = [], 0.0
        for trade in question.trades:
            legs.append(Leg(trade.path, trade.mw))
            money = trade.price_eur_per_mwh * float(np.asarray(trade.mw) @ ledger.products.hours)
            received += money if trade.exporter == sender else -money
        least, most = (-received, np.inf) if self.holds else (-np.inf, -received)
        return (_saving(tuple(legs), sender, ledger, least, most),)


def _saving(
    legs: tuple[Leg, ...], sender: str, ledger: PublicLedger, least_eur: float, most_eur: float
) -> Saving:
    """Bounds of what a bundle saves before wheeling charges, from bounds after them."""
    moved = [(leg.path, np.asarray(leg.mw)) for leg in legs]
    mw = net_change_mw(sender, moved, ledger)
    charges = wheeling_eur(sender, moved, ledger)
    return Saving(mw, least_eur + charges, most_eur + charges)
