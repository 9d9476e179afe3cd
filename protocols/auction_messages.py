"""Messages of auctions that a market operator holds, and of those between two neighbours.

Amounts are net imports in MW per product at the country's own border, told as changes against the
exchange booked so far. Tuples over several levels or blocks are flat, level by level. What is not
about one neighbour's line is about all ports of a country: read "products" as ports times products,
one block of products per port.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from protocols.evidence import Evidence, MarginalValue, at_the_border, savings, slopes_of_ladder
from protocols.messages import Body
from protocols.public import PublicLedger


@dataclass(frozen=True)
class WorthCall(Body):
    """Asks what a little more import of each product is worth at present.

    ``partner`` names the neighbour whose line it would come over, if one is meant.
    """

    partner: str = ""


@dataclass(frozen=True)
class Worth(Body):
    """Answer to :class:`WorthCall`: marginal value of import, EUR/MWh per product."""

    discloses: ClassVar[tuple[str, ...]] = ("price_eur_per_mwh",)
    price_eur_per_mwh: tuple[float, ...]

    def evidence(
        self, question: Body | None, sender: str, ledger: PublicLedger
    ) -> tuple[Evidence, ...]:
        """The present marginal values."""
        del question, sender
        price = np.asarray(self.price_eur_per_mwh)
        found = MarginalValue(np.zeros(len(price)), price, price)
        return (at_the_border(found, len(ledger.products)),)


@dataclass(frozen=True)
class CurveCall(Body):
    """Asks for the amounts a country prefers at several price levels.

    At each level the country is offered a ladder: import prices start at the level's price and
    rise from block to block by what ``rise`` says, export prices fall likewise. A ladder of one
    block without rise is a plain price with a limit each way.

    Attributes
    ----------
    centre_mw : tuple of float
        Change of net import from which amounts are counted (products).
    price_eur_per_mwh : tuple of float
        Price at the own border (levels x products); one answer for each level.
    import_mw, export_mw, rise_eur_per_mwh : tuple of float
        Ladder: width of each block, and how far its price lies from the first
        (blocks x products).
    partner : str
        Neighbour whose line all this is about, if it is about one.
    """

    centre_mw: tuple[float, ...]
    price_eur_per_mwh: tuple[float, ...]
    import_mw: tuple[float, ...]
    export_mw: tuple[float, ...]
    rise_eur_per_mwh: tuple[float, ...]
    partner: str = ""


@dataclass(frozen=True)
class Curve(Body):
    """Answer to :class:`CurveCall`: net import at each level, MW counted from the centre
    (levels x products).
    """

    discloses: ClassVar[tuple[str, ...]] = ("mw",)
    mw: tuple[float, ...]

    def evidence(
        self, question: Body | None, sender: str, ledger: PublicLedger
    ) -> tuple[Evidence, ...]:
        """Marginal values at the amounts of every level, by the conditions of a best response."""
        del sender
        if not isinstance(question, CurveCall):
            return ()
        products = len(ledger.products)
        rows = (-1, len(question.centre_mw))
        levels, rise, most_in, most_out, amounts = (
            np.reshape(numbers, rows)
            for numbers in (
                question.price_eur_per_mwh,
                question.rise_eur_per_mwh,
                question.import_mw,
                question.export_mw,
                self.mw,
            )
        )
        start = np.asarray(question.centre_mw)
        found = (
            slopes_of_ladder(change, price + rise, price - rise, most_in, most_out, start)
            for price, change in zip(levels, amounts, strict=True)
        )
        return tuple(at_the_border(slopes, products) for slopes in found)


@dataclass(frozen=True)
class CostCall(Body):
    """Asks what a change of net import costs, MW per product."""

    change_mw: tuple[float, ...]


@dataclass(frozen=True)
class CostChange(Body):
    """Answer to :class:`CostCall`: re-solved cost with the change less cost without it, EUR."""

    discloses: ClassVar[tuple[str, ...]] = ("amount_eur",)
    amount_eur: float

    def evidence(
        self, question: Body | None, sender: str, ledger: PublicLedger
    ) -> tuple[Evidence, ...]:
        """Cost saved by the change that was asked about."""
        del sender
        if not isinstance(question, CostCall):
            return ()
        mw = np.asarray(question.change_mw)
        return savings(mw, -self.amount_eur, -self.amount_eur, len(ledger.products))


@dataclass(frozen=True)
class Allotment(Body):
    """What the auction gives to a country: change of net import, and the money due for it.

    Attributes
    ----------
    change_mw : tuple of float
        MW per product.
    pay_eur : float
        The country pays it; negative is paid to it.
    partner : str
        Neighbour whose line it goes over, if it goes over one.
    """

    change_mw: tuple[float, ...]
    pay_eur: float
    partner: str = ""


@dataclass(frozen=True)
class Consent(Body):
    """Answer to :class:`Allotment`: 1 if it leaves the country no worse off by re-solved cost."""

    discloses: ClassVar[tuple[str, ...]] = ("willing",)
    willing: int

    def evidence(
        self, question: Body | None, sender: str, ledger: PublicLedger
    ) -> tuple[Evidence, ...]:
        """Whether the change saves what is asked for it."""
        del sender
        if not isinstance(question, Allotment):
            return ()
        least, most = (question.pay_eur, np.inf) if self.willing else (-np.inf, question.pay_eur)
        return savings(np.asarray(question.change_mw), least, most, len(ledger.products))
