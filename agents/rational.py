"""One talk of Rubinstein's alternating offers: subgame-perfect play with open books."""

from __future__ import annotations

import numpy as np

from protocols.messages import Body
from protocols.offer_messages import Accept, Agenda, Books, End, Offer

# Who is indifferent accepts; its share is off by rounding, a share of the joint gain.
ROUNDING = 1e-9


def proposer_share(own: float, other: float) -> float:
    """Share of the pie that who proposes keeps in the unique subgame-perfect equilibrium.

    Parameters
    ----------
    own, other : float
        Discount factors of the proposer and of the other, in [0, 1).

    Examples
    --------
    >>> round(proposer_share(0.9, 0.9), 6)
    0.526316
    """
    return (1.0 - other) / (1.0 - own * other)


class Rational:
    """Knows both books and plays the equilibrium.

    Parameters
    ----------
    country : str
    agenda : Agenda
    limits_eur : list of float
        Own least payment for each bundle, EUR.
    discount : float
    """

    def __init__(
        self, country: str, agenda: Agenda, limits_eur: list[float], discount: float
    ) -> None:
        self._path, self._bundles = agenda.path, agenda.bundles
        self._sign = 1.0 if agenda.path[0] == country else -1.0
        self._limits_eur = np.array(limits_eur)
        self._discount = discount
        self._other: Books | None = None

    def books(self) -> Books:
        """Own books."""
        return Books(self._path, tuple(self._limits_eur.tolist()), self._discount)

    def learn(self, books: Books) -> None:
        """Read the partner's books."""
        self._other = books

    def reply(self, offer: Offer | None, turn: int) -> Body:
        """Offer of the equilibrium, or accept what is worth as much as one's own next turn."""
        del turn
        if self._other is None:
            return End(self._path)
        gain_eur = -(self._limits_eur + np.array(self._other.limits_eur))
        best = int(gain_eur.argmax())
        if gain_eur[best] <= 0:
            return End(self._path)
        own_eur = proposer_share(self._discount, self._other.discount) * float(gain_eur[best])
        if offer is not None:
            offered_eur = self._sign * offer.amount_eur - float(self._limits_eur[offer.bundle])
            if offered_eur >= self._discount * own_eur - ROUNDING * float(gain_eur[best]):
                return Accept(self._path)
        amount = self._sign * (float(self._limits_eur[best]) + own_eur)
        return Offer(self._path, best, amount, self._bundles[best])
