"""One talk of stacked alternating offers at one country's side of the table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from agents.tactics import Standpoint, TacticSource
from protocols.messages import Body
from protocols.offer_messages import Accept, Agenda, End, Offer


class Haggling:
    """Plays a tactic on the grid of an agenda, never below the reservation value.

    Parameters
    ----------
    country : str
    agenda : Agenda
    hours : ndarray, shape (products,)
        Energy of one MW of each product, MWh.
    limits_eur : callable
        Returns the least payment for each bundle, EUR; called once, when it is first needed.
    tactic : TacticSource
    """

    def __init__(
        self,
        country: str,
        agenda: Agenda,
        hours: np.ndarray,
        limits_eur: Callable[[], list[float]],
        tactic: TacticSource,
    ) -> None:
        self._agenda = agenda
        self._tactic = tactic.for_talk()
        self._hours = hours
        self._limits_eur = limits_eur
        # The far end of the path pays the near end.
        self._sign = 1.0 if agenda.path[0] == country else -1.0
        self._outcomes = [
            (bundle, amount)
            for bundle, amounts in enumerate(agenda.amounts_eur)
            for amount in amounts
        ]
        self._talk: Standpoint | None = None

    def reply(self, offer: Offer | None, turn: int) -> Body:
        """Answer to an offer, or the first offer."""
        talk = self._standpoint()
        talk.turn = turn
        if offer is not None:
            heard = (offer.bundle, offer.amount_eur)
            if heard not in self._outcomes:
                return End(offer.path)
            talk.received.append(self._outcomes.index(heard))
        if not len(talk.ranking):
            return End(self._agenda.path)
        chosen = self._tactic.next_offer(talk)
        if chosen is None:
            return End(self._agenda.path)
        if talk.received:
            last = talk.received[-1]
            if self._is_acceptable(last) and self._tactic.accepts(talk, chosen):
                return Accept(self._agenda.path)
        if not self._is_acceptable(chosen):
            return End(self._agenda.path)
        talk.made.append(chosen)
        bundle, amount = self._outcomes[chosen]
        return Offer(self._agenda.path, bundle, amount, self._agenda.bundles[bundle])

    def _is_acceptable(self, outcome: int) -> bool:
        """Whatever the tactic says, there is no deal below the reservation value."""
        return bool(self._standpoint().utility_eur[outcome] >= 0)

    def _standpoint(self) -> Standpoint:
        if self._talk is None:
            limits = self._limits_eur()
            utility = [self._sign * amount - limits[bundle] for bundle, amount in self._outcomes]
            self._talk = Standpoint(np.array(utility), self._places(), self._agenda.turns)
        return self._talk

    def _places(self) -> np.ndarray:
        """Where outcomes lie, shape (outcomes, products + 1); see :class:`Standpoint`."""
        energy = np.zeros((len(self._agenda.bundles), len(self._hours)))
        for bundle, legs in enumerate(self._agenda.bundles):
            for leg in legs:
                sign = 1.0 if leg.path == self._agenda.path else -1.0
                energy[bundle] += sign * np.asarray(leg.mw) * self._hours
        money = np.array([amount for _, amount in self._outcomes])
        shares = energy / (np.abs(energy).sum(axis=1).max() or 1.0)
        span = float(np.ptp(money)) or 1.0
        return np.column_stack([shares[[bundle for bundle, _ in self._outcomes]], money / span])
