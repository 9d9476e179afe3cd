"""What the neighbours of a country infer from its quotes in consensus ADMM.

Rules of prices are public: how they fall with net import, how neighbours level, how a best response
moves a price. Neighbours of all its lines together so know the exchange that was proposed to a
country in every round, and from two prices around its revision the trade that it would have liked
best: a marginal value at a known exchange. Each of them alone knows the price it was left with at
its own line when the negotiation ended, and the exchange from the public ledger.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from protocols.coordination_messages import Basis, OpenCall, Opening, Quote, ReviseCall
from protocols.evidence import slopes_of_ladder
from protocols.levelling import Line, PriceSlope
from protocols.messages import CLOCK, Message
from protocols.price_ladder import PriceLadder

# Amounts that differ by less than this share of what a country can trade are the same.
_SAME = 1e-9
Found = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class _Asked:
    """A country was called to revise: price and exchange then, its ladder, and the relaxation."""

    price: np.ndarray
    at_mw: np.ndarray
    slope: np.ndarray
    width_mw: np.ndarray
    rise: np.ndarray
    relaxation: float


class Listener:
    """Follows one country through one negotiation, as all its neighbours together can.

    Parameters
    ----------
    country : str
    """

    def __init__(self, country: str) -> None:
        self.country = country
        self._lines: dict[str, Line] = {}
        self._slopes: dict[str, PriceSlope] = {}
        self._span_mw = 0.0
        self._price = np.zeros(0)
        self._ladder = PriceLadder(0.0, 0)
        self._openings: dict[str, np.ndarray] = {}
        self._quotes: dict[str, np.ndarray] = {}
        self._last: dict[str, np.ndarray] = {}
        self._asked: _Asked | None = None
        # Slopes that no longer follow prices, once they have been told.
        self._held: dict[str, np.ndarray] = {}

    @property
    def partners(self) -> tuple[str, ...]:
        """Neighbours that the country quotes to."""
        return tuple(self._lines)

    def understands(self, message: Message) -> bool:
        """Whether a message of the country is followed here, though it proves nothing by itself."""
        return message.sender == self.country and isinstance(message.body, Opening | Basis | Quote)

    def last_prices(self) -> dict[str, np.ndarray]:
        """Price that each neighbour was left with, EUR/MWh, shape (products,)."""
        return dict(self._last)

    def hear(self, message: Message) -> list[Found]:
        """Take in a message from or to the country.

        Returns
        -------
        list of (ndarray, ndarray, ndarray)
            Places, and least and largest marginal values there, each of shape (products,).
        """
        body, own = message.body, message.sender == self.country
        if isinstance(body, OpenCall) and not own:
            self._take_up(body)
        elif isinstance(body, Opening) and own:
            if len(self._price) == 0:
                self._ladder = PriceLadder(self._span_mw, len(body.price_eur_per_mwh))
            self._price = np.asarray(body.price_eur_per_mwh)
        elif isinstance(body, Opening):
            self._openings[message.sender] = np.asarray(body.price_eur_per_mwh)
        elif isinstance(body, Basis):
            return self._hold(message.sender, np.asarray(body.price_eur_per_mwh))
        elif isinstance(body, ReviseCall) and message.sender == CLOCK:
            self._ask(body)
        elif isinstance(body, Quote):
            return self._quote(message, body, own)
        return []

    def _take_up(self, call: OpenCall) -> None:
        self._lines[call.partner] = Line(
            np.asarray(call.flow_mw),
            np.asarray(call.send_limit_mw),
            np.asarray(call.receive_limit_mw),
            call.loss,
        )
        self._span_mw = call.span_mw
        self._slopes[self.country], self._slopes[call.partner] = call.slopes

    def _ask(self, call: ReviseCall) -> None:
        # The last openings are taken into the mean before the first revision.
        weight, total = np.full_like(self._price, self._span_mw), self._span_mw * self._price
        for partner, price in self._openings.items():
            line = self._lines[partner]
            carried = float(np.maximum(line.send_limit_mw, line.receive_limit_mw).max())
            weight, total = weight + carried, total + carried * price
        self._price, self._openings = total / weight, {}
        slope = self._slope(self.country, self._price)
        width, rise = self._ladder.blocks(slope)
        at_mw = np.sum([line.near_import_mw for line in self._lines.values()], axis=0)
        self._asked = _Asked(self._price, at_mw, slope, width, rise, call.relaxation)

    def _quote(self, message: Message, quote: Quote, own: bool) -> list[Found]:
        price = np.asarray(quote.price_eur_per_mwh)
        partner = message.receiver if own else message.sender
        found = self._answered(price) if own else []
        if own:
            self._price = price
        other = self._quotes.pop(partner, None)
        if other is None:
            self._quotes[partner] = price
            return found
        mine, theirs = (price, other) if own else (other, price)
        line, slope = self._lines[partner], self._slope(self.country, mine)
        before = line.near_import_mw
        line.level(mine, slope, theirs, self._slope(partner, theirs))
        self._price = mine - slope * (line.near_import_mw - before)
        self._last[partner] = self._price
        return found

    def _hold(self, who: str, price: np.ndarray) -> list[Found]:
        """From now on the slope of a country stays at what it is for a price."""
        self._held[who] = self._slopes[who].at(price)
        if who != self.country:
            return []
        found, self._price = self._answered(price), price
        return found

    def _slope(self, who: str, price: np.ndarray) -> np.ndarray:
        return self._held.get(who, self._slopes[who].at(price))

    def _answered(self, price: np.ndarray) -> list[Found]:
        """What the first price after a revision says of the trade that moved it."""
        asked, self._asked = self._asked, None
        if asked is None:
            return []
        change = (price - asked.price) / (asked.relaxation * asked.slope)
        # Best responses often end where a block does, and the ladder asks on which side.
        for end in self._ladder.ends_mw:
            at_end = np.abs(np.abs(change) - end) <= _SAME * self._span_mw
            change = np.where(at_end, np.sign(change) * end, change)
        self._ladder.refine(change)
        ladder = (asked.price + asked.rise, asked.price - asked.rise)
        bounds = slopes_of_ladder(change, *ladder, asked.width_mw, asked.width_mw)
        low, high = (
            np.where(np.isnan(bound), edge, bound)
            for bound, edge in ((bounds.low, -np.inf), (bounds.high, np.inf))
        )
        return [(asked.at_mw + change, low, high)]
