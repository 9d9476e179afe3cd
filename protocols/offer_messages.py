"""Messages of alternating offers: what is on the table, offers, and how a talk ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from protocols.messages import Body, Leg, Trade


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
        negative is paid the other way. Empty where any amount may be offered.
    turns : int
        Deadline: the talk has failed if nobody accepted within so many turns.
    opens : bool
        Whether the receiver makes the first offer.
    """

    path: tuple[str, ...]
    bundles: tuple[tuple[Leg, ...], ...]
    amounts_eur: tuple[tuple[float, ...], ...]
    turns: int
    opens: bool


@dataclass(frozen=True)
class Offer(Body):
    """Quantities and money: a bundle of the agenda and what the far end pays for it.

    Any offer is acceptable to who makes it, and so bounds its cost.
    """

    discloses: ClassVar[tuple[str, ...]] = ("bundle", "amount_eur")
    path: tuple[str, ...]
    bundle: int
    amount_eur: float


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

    Complete information, which subgame-perfect play of alternating offers supposes.
    """

    discloses: ClassVar[tuple[str, ...]] = ("limits_eur", "discount")
    path: tuple[str, ...]
    limits_eur: tuple[float, ...]
    discount: float


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
