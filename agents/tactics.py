"""Tactics of alternating offers: what to offer next, and when to accept.

A tactic sees the outcomes on the agenda with its own country's utility of each, and the offers
made so far. What it does follows from these alone, so that one object serves any number of talks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Protocol as Typing

import numpy as np


@dataclass
class Standpoint:
    """A talk as one of its parties sees it.

    Attributes
    ----------
    utility_eur : ndarray, shape (outcomes,)
        Gain of the country from each outcome over no deal, EUR; its reservation value is zero.
    place : ndarray, shape (outcomes, issues)
        Where the outcomes lie, public: each product's energy as a share of the largest bundle's,
        and the money as a share of the agenda's span.
    turns : int
        Length of the talk.
    turn : int
        Turn in which the next offer would be made, from 0.
    made, received : list of int
        Outcomes offered by the country and by its partner, in order.
    """

    utility_eur: np.ndarray
    place: np.ndarray
    turns: int
    turn: int = 0
    made: list[int] = field(default_factory=list)
    received: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        order = np.argsort(-self.utility_eur, kind="stable")
        self.ranking = order[self.utility_eur[order] >= 0]

    @property
    def time(self) -> float:
        """Share of the talk that has passed, 1 in its last turn."""
        return min(self.turn / (self.turns - 1), 1.0)

    @property
    def best_eur(self) -> float:
        """Utility of the best outcome on the agenda; at least one must be acceptable."""
        return float(self.utility_eur[self.ranking[0]])

    def at_least(self, target_eur: float) -> np.ndarray:
        """Outcomes of at least a utility and not below the reservation value, best first."""
        return self.ranking[self.utility_eur[self.ranking] >= target_eur]

    def least_above(self, target_eur: float) -> int:
        """Outcome of the lowest utility that is not below a target; the best one if none is."""
        enough = self.at_least(target_eur)
        return int(enough[-1]) if len(enough) else int(self.ranking[0])


class TacticSource(Typing):
    """What gives every talk its tactic."""

    def for_talk(self) -> Tactic:
        """Who plays a new talk."""


class Tactic(ABC):
    """How a country concedes."""

    def for_talk(self) -> Tactic:
        """Who plays a new talk: the tactic itself, unless it must remember the talk."""
        return self

    @abstractmethod
    def next_offer(self, talk: Standpoint) -> int | None:
        """Outcome to offer in this turn, or None to leave the talk."""

    def accepts(self, talk: Standpoint, own_next: int) -> bool:
        """Whether the last offer received is at least as good as the own next one."""
        utility = talk.utility_eur
        return bool(utility[talk.received[-1]] >= utility[own_next])


@dataclass(frozen=True)
class TimeDependent(Tactic):
    """Concedes with time: aims at the share ``1 - t**(1/e)`` of its best outcome.

    Offers the outcome of the lowest utility that reaches the aim. ``e < 1`` is Boulware, which
    holds out, ``e = 1`` linear, ``e > 1`` the conceder.

    References: Faratin, Sierra & Jennings (1998), Negotiation decision functions for autonomous
    agents, Robotics and Autonomous Systems 24, polynomial family with k = 0.
    """

    e: float = 1.0

    def target_share(self, time: float) -> float:
        """Aim as a share of the best utility at a time in [0, 1]."""
        return float(1.0 - time ** (1.0 / self.e))

    def next_offer(self, talk: Standpoint) -> int:
        """Outcome just good enough for now."""
        return talk.least_above(self.target_share(talk.time) * talk.best_eur)


@dataclass(frozen=True)
class TitForTat(Tactic):
    """Gives what it was given: concedes as much as the partner's offers have improved for it.

    The absolute variant over the whole talk, in own utility. Since two of the kind would wait for
    each other for ever, it adds a little goodwill every turn, where the source adds a random
    amount.

    References: Faratin, Sierra & Jennings (1998), imitative tactics.

    Parameters
    ----------
    goodwill : float
        Conceded unasked over the whole talk, as a share of the best utility.
    """

    goodwill: float = 0.5

    def next_offer(self, talk: Standpoint) -> int:
        """Outcome that gives back the partner's concessions."""
        given = talk.utility_eur[talk.received]
        reciprocated = max(float(given.max() - given[0]), 0.0) if len(given) else 0.0
        asked = talk.best_eur * (1 - self.goodwill * talk.time)
        return talk.least_above(max(asked - reciprocated, 0.0))


@dataclass(frozen=True)
class TradeOff(TimeDependent):
    """Of all outcomes as good for itself, offers the one most like the partner's last offer.

    On each quantity of the agenda the iso-utility offer is the one with the least money that
    reaches the aim; the nearest to the last offer received is chosen, by the sum of the distances
    in all issues. The aim falls with time.

    References: Faratin, Sierra & Jennings (2002), Using similarity criteria to make issue
    trade-offs in automated negotiations, Artificial Intelligence 142.
    """

    def next_offer(self, talk: Standpoint) -> int:
        """Iso-utility offer nearest to the last one received."""
        target = self.target_share(talk.time) * talk.best_eur
        enough = talk.at_least(target)
        if not len(enough) or not talk.received:
            return talk.least_above(target)
        # Ranked best first, so that the last of each bundle is the one on the iso-utility curve.
        bundles = talk.place[enough, :-1]
        _, last = np.unique(bundles[::-1], axis=0, return_index=True)
        curve = enough[::-1][np.sort(last)]
        distance = np.abs(talk.place[curve] - talk.place[talk.received[-1]]).sum(axis=1)
        return int(curve[distance.argmin()])


class MiCRO(Tactic):
    """Offers its outcomes from best to worst, a new one only if the partner did as much.

    It concedes the next outcome if it has not made more different offers than it has received,
    and repeats its best one otherwise. It accepts what is as good as the next outcome it would
    concede, or as the worst it has offered while it waits. It looks neither at the clock nor at
    the size of utilities, and is a best reply to itself among consistent tactics.

    References: de Jonge (2024), Theoretical properties of the MiCRO negotiation strategy,
    Autonomous Agents and Multi-Agent Systems 38, doi 10.1007/s10458-024-09678-1.
    """

    def next_offer(self, talk: Standpoint) -> int:
        """Next outcome in the own ranking, or the best one again."""
        position = self._position(talk)
        return int(talk.ranking[0 if position is None else position])

    def accepts(self, talk: Standpoint, own_next: int) -> bool:
        """Whether the last offer is as good as what it has offered or is about to."""
        position = self._position(talk)
        lowest = own_next if position is not None else talk.ranking[len(set(talk.made)) - 1]
        return bool(talk.utility_eur[talk.received[-1]] >= talk.utility_eur[lowest])

    def _position(self, talk: Standpoint) -> int | None:
        """Rank of the new outcome to concede, None to wait."""
        made = len(set(talk.made))
        ready = made <= len(set(talk.received)) and made < len(talk.ranking)
        return made if ready else None
