"""Saying less exactly what one knows: rounded, or with noise.

A country plans on its true problem. What it says energy is worth, and what it must be paid, are
blurred by up to an amount in EUR/MWh. It never accepts what its true cost would refuse: what it
must be paid is blurred upwards only. That costs trades whose gain is smaller, and is no guarantee:
what the blur leaves is measured by ``run.py disclosure``.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from agents.lies import Quoting, energy_mwh
from agents.problem import Terms, TrialCost
from agents.strategy import Answer, Strategy
from agents.valuation import MarginalCosts, Valuation
from protocols.auction_messages import CostCall, CostChange
from protocols.messages import Body, Limit, LimitCall, Message
from protocols.offer_messages import Books, BooksCall
from protocols.plugins import PluginError
from protocols.proposal_messages import Preference, ProposalCall, Trial, TrialCall
from protocols.public import PublicLedger
from scenarios.errors import did_you_mean

# A step that is less than this share of an amount does not show in it.
_NOTHING = 2.0**-40


class Discreet(Strategy):
    """Blurs what it says by up to an amount.

    Parameters
    ----------
    eur_per_mwh : float
        Positive.
    entropy : sequence of int
        Root of its random numbers.
    """

    def __init__(self, eur_per_mwh: float, entropy: Sequence[int] = (0,)) -> None:
        self.eur_per_mwh = eur_per_mwh
        self._entropy = tuple(entropy)
        self._rng = np.random.default_rng(np.random.SeedSequence(self._entropy))

    def in_step(self, step: int) -> Discreet:
        """The same with the random numbers of a step, which do not depend on earlier ones."""
        return type(self)(self.eur_per_mwh, (*self._entropy, step + 1))

    def quotes(self, valuation: Valuation) -> Valuation:
        """Valuation of which prices, wishes and curves are blurred."""
        return _Blurred(valuation, self)

    @abstractmethod
    def shift(self, value_eur_per_mwh: np.ndarray) -> np.ndarray:
        """What is added to marginal values that are said, EUR/MWh."""

    @abstractmethod
    def raised(self, amount_eur: float, mwh: float) -> float:
        """What is said to be the least payment for some energy, no less than it is."""

    def answer(self, message: Message, ledger: PublicLedger, usual: Answer) -> Message | None:
        """Answer with the amounts blurred; consent and what is accepted are true."""
        reply = usual(message)
        if reply is None:
            return None
        body = self._said(message.body, reply.body, ledger)
        return reply if body is reply.body else replace(reply, body=body)

    def _said(self, question: Body, reply: Body, ledger: PublicLedger) -> Body:
        if isinstance(question, LimitCall) and isinstance(reply, Limit):
            mwh = sum(energy_mwh(leg.mw, ledger) for leg in question.legs)
            return Limit(self.raised(reply.amount_eur, mwh))
        if isinstance(question, CostCall) and isinstance(reply, CostChange):
            mwh = energy_mwh(question.change_mw, ledger)
            return CostChange(self.raised(reply.amount_eur, mwh))
        if isinstance(question, ProposalCall) and isinstance(reply, Preference):
            cost = self.raised(reply.cost_change_eur, energy_mwh(reply.mw, ledger))
            return replace(reply, cost_change_eur=cost)
        if isinstance(question, TrialCall) and isinstance(reply, Trial):
            cost = self.raised(reply.cost_change_eur, energy_mwh(question.mw, ledger))
            return replace(reply, cost_change_eur=cost)
        if isinstance(question, BooksCall) and isinstance(reply, Books):
            limits = tuple(
                self.raised(limit, sum(energy_mwh(leg.mw, ledger) for leg in bundle))
                for bundle, limit in zip(question.agenda.bundles, reply.limits_eur, strict=True)
            )
            return replace(reply, limits_eur=limits)
        return reply


class Rounding(Discreet):
    """Says values in multiples of an amount, and what it must be paid rounded up."""

    name = "round"

    def shift(self, value_eur_per_mwh: np.ndarray) -> np.ndarray:
        """To the nearest multiple."""
        step = self.eur_per_mwh
        found: np.ndarray = np.round(value_eur_per_mwh / step) * step - value_eur_per_mwh
        return found

    def raised(self, amount_eur: float, mwh: float) -> float:
        """To the next multiple for every MWh."""
        step = self.eur_per_mwh * mwh
        if step <= _NOTHING * abs(amount_eur):
            return amount_eur  # multiples of next to nothing
        return math.ceil(amount_eur / step) * step if step > 0 else amount_eur


class Noise(Discreet):
    """Says values off by a secret amount for each product, and payments too high.

    The noise of values is drawn once, so that nobody averages it away, that of payments for every
    answer.
    """

    name = "noise"

    def shift(self, value_eur_per_mwh: np.ndarray) -> np.ndarray:
        """Between minus and plus the amount."""
        rng = np.random.default_rng(np.random.SeedSequence(self._entropy))
        found: np.ndarray = rng.uniform(-1, 1, len(value_eur_per_mwh)) * self.eur_per_mwh
        return found

    def raised(self, amount_eur: float, mwh: float) -> float:
        """By up to the amount for every MWh."""
        return amount_eur + float(self._rng.uniform(0, self.eur_per_mwh)) * mwh


class _Blurred(Quoting):
    """Quotes another valuation's values blurred, and responds as if they were so."""

    def __init__(self, true: Valuation, how: Discreet) -> None:
        super().__init__(true)
        self._how = how

    def marginal_value(self, exchange_mw: np.ndarray, port: int | None = None) -> np.ndarray:
        value = self._true.marginal_value(exchange_mw, port)
        return value + self._how.shift(value)

    def respond(self, exchange_mw: np.ndarray, terms: Terms, port: int | None = None) -> np.ndarray:
        shift = self._how.shift(self._true.marginal_value(exchange_mw, port))
        shifted = replace(
            terms,
            import_price=np.asarray(terms.import_price) - shift,
            export_price=np.asarray(terms.export_price) - shift,
        )
        return self._true.respond(exchange_mw, shifted, port)

    def marginal_costs(
        self, exchange_mw: np.ndarray, step_mw: np.ndarray, trial: TrialCost | None = None
    ) -> MarginalCosts:
        true = self._true.marginal_costs(exchange_mw, step_mw, trial)
        lower, upper = (x + self._how.shift(x) for x in (true.mc_import, true.mc_export))
        return replace(true, mc_import=lower, mc_export=upper)


KINDS: dict[str, type[Discreet]] = {kind.name: kind for kind in (Rounding, Noise)}


def read_privacy(text: str) -> tuple[str, float]:
    """Kind and amount of ``--privacy``: ``"round:0.5"`` or ``"noise:0.5"``, EUR/MWh.

    Raises
    ------
    PluginError
        If there is no such kind, or the amount is no positive number.
    """
    kind, _, given = text.partition(":")
    if kind not in KINDS:
        raise PluginError(f"--privacy: no '{kind}'{did_you_mean(kind, KINDS)}")
    try:
        amount = float(given)
    except ValueError:
        amount = math.nan
    if not 0 < amount < math.inf:
        raise PluginError(f"--privacy {text}: give EUR/MWh above 0, such as {kind}:0.5")
    return kind, amount
