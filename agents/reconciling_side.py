"""A country's side of reconciling slices: what its year costs under shares of their trades."""

from __future__ import annotations

import numpy as np

from agents.mailbox import Mailbox
from agents.problem import PlanningProblem
from protocols.messages import OPERATOR, Message
from protocols.public import PublicLedger
from protocols.reconciling import SharesCall, SharesCost


class ReconcilingSide(Mailbox):
    """Answers :class:`~protocols.reconciling.SharesCall` from the problem of the whole year.

    It tells the truth, whatever the country's strategy was in the slices.

    Parameters
    ----------
    problem : PlanningProblem
    exchange_mw : ndarray, shape (slices, snapshots)
        Net import by all agreed trades of each slice; the country's own, and public.
    """

    def __init__(self, problem: PlanningProblem, exchange_mw: np.ndarray) -> None:
        self._problem = problem
        self._exchange_mw = exchange_mw
        self._before = problem.solves

    @property
    def solves(self) -> int:
        """Optimisations made so far."""
        return self._problem.solves - self._before

    def answer(self, message: Message, ledger: PublicLedger) -> Message | None:
        """Reply to a message, or keep silent."""
        del ledger
        if not isinstance(message.body, SharesCall):
            return None
        plan = self._problem.solve(np.array(message.body.share) @ self._exchange_mw)
        slope = -self._exchange_mw @ (plan.price_eur_per_mwh * self._problem.weights_h)
        body = SharesCost(plan.cost_eur, tuple(slope.tolist()))
        return Message(self._problem.country, OPERATOR, "inform", body, message.round)

    def stop(self) -> None:
        """End the solve in progress, from another thread."""
        self._problem.stop()
