"""The private half of the bundle method: the best answer to a proposal, and its cost."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from agents.problem import Plan, Terms
from agents.side import Side
from protocols.messages import OPERATOR, Body, Message
from protocols.proposal_messages import STEPS, Preference, ProposalCall, Trial, TrialCall
from protocols.public import PublicLedger


class ProposalSide(Side):
    """Answers the market operator's proposals by re-solving.

    A proposal is one solve with a ladder of prices around the plan. A second one, fixed at the
    choice, starts from its optimal basis and gives cost and marginal values.
    """

    answers: ClassVar[tuple[type[Body], ...]] = (ProposalCall, TrialCall)

    def answer(self, message: Message, ledger: PublicLedger) -> Message | None:
        """Reply to a proposal or to the question what a net import is worth."""
        here = ledger.exchange_mw(self.country)
        body = message.body
        if isinstance(body, ProposalCall):
            plan_mw = np.asarray(body.plan_mw)
            change = self.valuation.respond(self._at(here, plan_mw), _terms(body))
            mw = plan_mw + change
            cost, value = self._worth(here, mw)
            reply: Body = Preference(tuple(mw.tolist()), cost, value)
        elif isinstance(body, TrialCall):
            reply = Trial(*self._worth(here, np.asarray(body.mw)))
        else:
            return None
        return Message(self.country, OPERATOR, "inform", reply, message.round)

    def _worth(self, here: np.ndarray, mw: np.ndarray) -> tuple[float, tuple[float, ...]]:
        before = self._plan_before(here)
        there = self._at(here, mw)
        cost_eur = self.valuation.plan(there).cost_eur
        value = self.valuation.marginal_value(there)
        return cost_eur - before.cost_eur, tuple(value.tolist())

    def _at(self, here: np.ndarray, mw: np.ndarray) -> np.ndarray:
        return here + self.valuation.profile_mw(mw)

    def _plan_before(self, here: np.ndarray) -> Plan:
        # Asked for with every answer, and soon forgotten by the valuation.
        if self._before is None or not np.array_equal(self._before.exchange_mw, here):
            self._before = self.valuation.plan(here)
        return self._before

    _before: Plan | None = None


def _terms(call: ProposalCall) -> Terms:
    """Ladder of prices around the plan: steps in the middle of what they stand for."""
    plan, price = np.asarray(call.plan_mw), np.asarray(call.price_eur_per_mwh)
    more = np.maximum(np.asarray(call.most_mw) - plan, 0.0)
    less = np.maximum(plan - np.asarray(call.least_mw), 0.0)
    inner = np.outer((0.0, *STEPS), call.reach_mw)
    edges = np.vstack([inner, np.maximum(inner[-1], np.maximum(more, less))])
    rise = np.asarray(call.stiffness_eur_per_mwh_per_mw) * (edges[1:] + edges[:-1]) / 2
    return Terms(
        import_price=price + rise,
        export_price=price - rise,
        import_limit_mw=np.diff(np.minimum(edges, more), axis=0),
        export_limit_mw=np.diff(np.minimum(edges, less), axis=0),
    )
