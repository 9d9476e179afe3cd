"""A country as a Mesa agent: private problem, valuation, and its side of a protocol."""

from __future__ import annotations

from typing import Any
from typing import Protocol as Typing

import numpy as np

from agents.bidding import Bidder, PublicLedger
from agents.mesa_import import mesa
from agents.problem import Plan, PlanningProblem
from agents.prototype_side import PrototypeSide
from agents.valuation import MarginalCosts, Valuation
from protocols.base import Protocol
from protocols.messages import Message
from protocols.products import Products
from protocols.prototype import PrototypeBids


class Side(Typing):
    """A country's private half of a protocol."""

    def answer(self, message: Message, ledger: PublicLedger) -> Message | None:
        """Reply to a message, or keep silent."""


class CountryAgent(mesa.discrete_space.FixedAgent):
    """Plans alone, values a little more or less import, and answers what a protocol asks.

    Parameters
    ----------
    model : mesa.Model
    cell : mesa.discrete_space.Cell
        Node of the interconnection graph.
    problem : PlanningProblem
        Private; nobody else may hold a reference to it.
    products : Products
    """

    def __init__(
        self,
        model: mesa.Model,
        cell: mesa.discrete_space.Cell,
        problem: PlanningProblem,
        products: Products,
    ) -> None:
        super().__init__(model)
        self.cell = cell
        self.country = problem.country
        self.valuation = Valuation(problem, products)
        self.marginal_costs: MarginalCosts | None = None
        self._problem = problem
        self._products = products
        self._side: Side | None = None

    def optimise(self, ledger: PublicLedger) -> Plan:
        """Plan at the exchange of a ledger."""
        return self.valuation.plan(ledger.exchange_mw(self.country))

    def rest(self, ledger: PublicLedger) -> None:
        """Keep only what a resumed run can know: the exchange and the solver's basis."""
        self.valuation.rewind(ledger.exchange_mw(self.country))

    def restore(self, ledger: PublicLedger, state: dict[str, np.ndarray]) -> None:
        """Stand where a recorded run stood when it began its next step."""
        self.valuation.restore(ledger.exchange_mw(self.country), state)

    def state(self) -> dict[str, np.ndarray]:
        """What :meth:`restore` needs."""
        return self._problem.state()

    def value(self, protocol: Protocol, ledger: PublicLedger) -> None:
        """Find out what the protocol requires an agent to know, and take its side."""
        self.marginal_costs = None
        if isinstance(protocol, PrototypeBids):
            self._side = self._prototype_side(protocol, ledger)
        else:
            self._side = Bidder(self.country, self.valuation)

    def answer(self, message: Message, ledger: PublicLedger) -> Message | None:
        """Reply to a message, or keep silent."""
        return None if self._side is None else self._side.answer(message, ledger)

    @property
    def solves(self) -> int:
        """Optimisations made so far."""
        return self._problem.solves

    def _prototype_side(self, protocol: PrototypeBids, ledger: PublicLedger) -> Side:
        # The prototype perturbs demand by a share of itself; the same share is the quota.
        step_mw = protocol.step_share * self._products.average(self._problem.demand_mw)
        exchange = ledger.exchange_mw(self.country)
        self.marginal_costs = self.valuation.marginal_costs(exchange, step_mw)
        quota_mwh = step_mw * self._products.hours
        # Clipped at zero as the prototype does: must-run exports do not show.
        return _Deaf(
            PrototypeSide(
                np.maximum(self.marginal_costs.mc_import, 0.0),
                np.maximum(self.marginal_costs.mc_export, 0.0),
                quota_mwh,
            )
        )


class _Deaf:
    """A side that needs no ledger."""

    def __init__(self, side: Any) -> None:
        self._side = side

    def answer(self, message: Message, ledger: PublicLedger) -> Message | None:
        del ledger
        reply: Message | None = self._side.answer(message)
        return reply
