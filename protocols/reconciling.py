"""One fleet for slices that were negotiated apart: how much of each slice's trades is carried out.

No protocol that can be chosen: it follows where slices were planned and negotiated each on its own.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.optimize import linprog

from protocols.base import Conversation, Market, Outcome, Protocol, Valuation
from protocols.compensation import compensation_eur
from protocols.messages import OPERATOR, Body, Message

# Stop when what could still be saved is at most this share of what is saved already ...
GAP = 0.01
# ... or after so many plans of every country.
MOST_ROUNDS = 60
# Savings below this share of the cost of all countries are the solver's rounding.
ROUNDING = 1e-9


@dataclass(frozen=True)
class SharesCall(Body):
    """Asks what the year costs with one fleet if of each slice's trades a share is carried out."""

    share: tuple[float, ...]


@dataclass(frozen=True)
class SharesCost(Body):
    """Answer to :class:`SharesCall`: cost before payments, EUR/a, and its slope in each share."""

    discloses: ClassVar[tuple[str, ...]] = ("cost_eur", "slope_eur")
    cost_eur: float
    slope_eur: tuple[float, ...]


@dataclass(frozen=True)
class SharesSet(Body):
    """Tells the shares that are carried out, and what the country pays so that nobody loses."""

    share: tuple[float, ...]
    pays_eur: float


class Reconciling(Protocol):
    """Shares of the slices' trades that save most with one fleet for the year.

    Rules: the operator names a share of each slice's trades, beginning with nothing and all. Every
    country answers what the year would cost it and how that changes with each share. Flows and net
    imports are proportional to the shares, so that costs are convex in them: the answers are
    tangents from below, and the shares at which the tangents lie lowest are asked next, until they
    promise less than one hundredth more than is saved already. Winners then compensate losers.

    Properties: never dearer than no trade, because nothing is one of the shares; within
    :data:`GAP` of the shares that save most unless :data:`MOST_ROUNDS` end it. It is a planner's
    method with the shares as its variables, and it needs answers that are true.

    Discloses: cost and slopes at every point asked, to the operator.

    Reference: Kelley (1960), The cutting-plane method for solving convex programs.

    Parameters
    ----------
    paid_eur : mapping of str to ndarray, shape (slices,)
        What each country pays for each slice's trades as agreed, EUR/a.
    """

    name: ClassVar[str] = "reconciling"
    discloses: ClassVar[str] = "cost and its slopes at every share asked, to the operator"
    valuation: ClassVar[Valuation] = "none"
    operator: ClassVar[bool] = True
    several_ports: ClassVar[bool] = True

    def __init__(self, paid_eur: dict[str, np.ndarray]) -> None:
        self._paid_eur = paid_eur

    def run(self, market: Market) -> Conversation:
        """Ask, choose, and tell; ``market.memory`` keeps ``share`` and ``pays_eur``."""
        slices = len(next(iter(self._paid_eur.values())))
        nothing = yield from _ask(market.countries, np.zeros(slices), 0)
        answers = [nothing, (yield from _ask(market.countries, np.ones(slices), 1))]
        rounding_eur = ROUNDING * float(np.abs(nothing.cost_eur).sum())
        for round_ in range(2, MOST_ROUNDS + 2):
            best = min(answers, key=lambda answer: answer.total_eur)
            shares, bound_eur = _most_promising(answers)
            saved_eur = nothing.total_eur - best.total_eur
            if best.total_eur - bound_eur <= max(GAP * saved_eur, rounding_eur):
                break
            answers.append((yield from _ask(market.countries, shares, round_)))
        best = min(answers, key=lambda answer: answer.total_eur)
        if not nothing.total_eur - best.total_eur > rounding_eur:
            best = nothing
        pays = self._compensation_eur(market.countries, nothing, best)
        share = tuple(best.shares.tolist())
        told = len(answers)
        yield [
            Message(OPERATOR, c, "inform", SharesSet(share, pays[c]), told)
            for c in market.countries
        ]
        market.memory.update(
            share=list(share),
            pays_eur=pays,
            cost_eur=best.by_country(market.countries),
            autarky_eur=nothing.by_country(market.countries),
        )
        return Outcome(settled=True)

    def _compensation_eur(
        self, countries: Sequence[str], nothing: _Answer, best: _Answer
    ) -> dict[str, float]:
        saved = nothing.cost_eur - best.cost_eur
        gains = {
            c: float(saved[i] - best.shares @ self._paid_eur[c]) for i, c in enumerate(countries)
        }
        return compensation_eur(gains, [set(gains)])


@dataclass(frozen=True)
class _Answer:
    """Cost of each country at given shares, and how it changes with the share of each slice.

    ``cost_eur`` has shape (countries,), ``slope_eur`` (countries, slices).
    """

    shares: np.ndarray
    cost_eur: np.ndarray
    slope_eur: np.ndarray

    @property
    def total_eur(self) -> float:
        """Cost of all countries together."""
        return float(self.cost_eur.sum())

    def by_country(self, countries: Sequence[str]) -> dict[str, float]:
        return dict(zip(countries, self.cost_eur.tolist(), strict=True))


def _ask(
    countries: Sequence[str], shares: np.ndarray, round_: int
) -> Generator[list[Message], list[Message | None], _Answer]:
    """Ask every country at given shares."""
    call = SharesCall(tuple(shares.tolist()))
    replies = yield [Message(OPERATOR, c, "call", call, round_) for c in countries]
    costs, slopes = [], []
    for country, reply in zip(countries, replies, strict=True):
        if reply is None or not isinstance(reply.body, SharesCost):
            raise RuntimeError(f"{country} does not say what shares of the trades would cost it")
        costs.append(reply.body.cost_eur)
        slopes.append(reply.body.slope_eur)
    return _Answer(shares, np.array(costs), np.array(slopes))


def _most_promising(answers: Sequence[_Answer]) -> tuple[np.ndarray, float]:
    """Shares at which the tangents of all answers lie lowest, and how low, EUR/a.

    The linear programme has a variable for each slice's share and one for each country's cost,
    which lies above all tangents of that country.
    """
    base_eur = answers[0].cost_eur
    countries, slices = answers[0].slope_eur.shape
    unit_eur = max(float(np.abs(a.slope_eur).max(initial=0.0)) for a in answers) or 1.0
    rows, limits = [], []
    for answer in answers:
        slope = answer.slope_eur / unit_eur
        rows.append(np.hstack([slope, -np.eye(countries)]))
        limits.append(slope @ answer.shares - (answer.cost_eur - base_eur) / unit_eur)
    found = linprog(
        np.concatenate([np.zeros(slices), np.ones(countries)]),
        A_ub=np.vstack(rows),
        b_ub=np.concatenate(limits),
        bounds=[(0.0, 1.0)] * slices + [(None, None)] * countries,
        method="highs",
    )
    if not found.success:
        raise RuntimeError(f"shares of the slices: {found.message}")
    shares = np.clip(found.x[:slices], 0.0, 1.0)
    return shares, float(base_eur.sum() + found.fun * unit_eur)
