"""A country as a Mesa agent: private problem, valuation, strategy, and its side of a protocol."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from agents.desk import Desk
from agents.limits import least_payment_eur
from agents.mailbox import Mailbox
from agents.mesa_import import mesa
from agents.perturbation import Perturbation
from agents.problem import Plan, PlanningError, PlanningProblem
from agents.prototype_side import PrototypeSide
from agents.side import Answerer
from agents.strategy import Strategy, Truthful
from agents.valuation import MarginalCosts, Valuation
from protocols.base import Protocol
from protocols.messages import Leg, Message
from protocols.offer_messages import Reservation, ReservationCall
from protocols.plugins import PluginError
from protocols.products import Products
from protocols.public import PublicLedger

T = TypeVar("T")
# Money that went through a price and back is off by rounding, a share of itself.
ROUNDING = 1e-12


class CountryAgent(Mailbox, mesa.discrete_space.FixedAgent):
    """Plans alone, values a little more or less import, and answers what a protocol asks.

    A step of a country has four stages, which Mesa schedules for all countries, one stage after
    the other: :meth:`sit_down`, :meth:`negotiate` (as often as the protocol sends messages),
    :meth:`replan` and :meth:`value`, which finds what the next step begins with.

    Parameters
    ----------
    model : mesa.Model
    cell : mesa.discrete_space.Cell
        Node of the interconnection graph.
    problem : PlanningProblem
        Private; no other country and no protocol may hold a reference to it. Whoever runs the
        negotiation does, see :class:`model.world.World`.
    products : Products
    strategy : Strategy, optional
        What the country makes of the truth when it answers; the truth by default.

    Attributes
    ----------
    country : str
    plan : Plan
        The last one it made, see :meth:`optimise`.
    marginal_costs : MarginalCosts, optional
        What it found by perturbation, by itself or because the protocol requires it.
    valuation_solves : int
        Optimisations made for :meth:`value`, which are not among :attr:`solves`.

    Raises
    ------
    PluginError
        If the strategy cannot report a problem.
    """

    def __init__(
        self,
        model: mesa.Model,
        cell: mesa.discrete_space.Cell,
        problem: PlanningProblem,
        products: Products,
        strategy: Strategy | None = None,
    ) -> None:
        super().__init__(model)
        self.cell = cell
        self.country = problem.country
        self.plan: Plan
        self.valuation_solves = 0
        self.marginal_costs: MarginalCosts | None = None
        self._problem = problem
        self._products = products
        self._strategy = strategy or Truthful()
        self._valuation = Valuation(problem, products)
        reported = self._asked(self._strategy.report, problem)
        # Truth told is truth known: one valuation, so that plans are remembered once.
        self._told = self._valuation if reported is problem else Valuation(reported, products)
        self._quoted = self._asked(self._strategy.quotes, self._told)
        # A resumed run makes its strategies again; what that takes is not counted twice.
        self._solves_before = problem.solves
        self._desk: Desk | None = None

    def _asked(self, what: Callable[[T], T], true: T) -> T:
        """What the strategy makes of the truth."""
        try:
            return what(true)
        except PlanningError:
            raise
        except Exception as error:
            raise PluginError(
                f"strategy {type(self._strategy).__name__} of {self.country}: "
                f"{type(error).__name__}: {error}"
            ) from error

    def optimise(self, ledger: PublicLedger) -> Plan:
        """Plan at the exchange of a ledger, on the true problem.

        Raises
        ------
        PlanningError
            If there is no plan, or its cost is no number.
        """
        plan = self._valuation.plan(ledger.exchange_mw(self.country))
        if not math.isfinite(plan.cost_eur):
            raise PlanningError(f"{self.country}: the plan costs {plan.cost_eur} EUR/a")
        self.plan = plan
        return plan

    def rest(self, ledger: PublicLedger) -> None:
        """Keep only what a resumed run can know: the exchange and the solver's basis."""
        self._told.forget()
        self._valuation.rewind(ledger.exchange_mw(self.country))

    def restore(self, ledger: PublicLedger, state: dict[str, np.ndarray]) -> None:
        """Stand where a recorded run stood when it began its next step."""
        self._told.forget()
        self._valuation.restore(ledger.exchange_mw(self.country), state)

    def state(self) -> dict[str, np.ndarray]:
        """What :meth:`restore` needs."""
        return self._problem.state()

    @property
    def neighbours(self) -> list[str]:
        """Countries at the other ends of its interconnectors, as the model's space has them."""
        return [str(code) for code in self.cell.connections]

    def sit_down(self, protocol: Protocol, ledger: PublicLedger) -> None:
        """Plan, find out what the protocol requires one to know, and sit down at the desk."""
        self.optimise(ledger)
        more: tuple[Answerer, ...] = ()
        if protocol.valuation == "perturbation":
            more = (self._perturb(protocol.step_share, ledger),)
        strategy = self._strategy.in_step(self.model.steps - 1)
        self._desk = Desk(self.country, self._quoted, strategy, more)

    def replan(self, ledger: PublicLedger) -> None:
        """Plan at what was agreed."""
        self.rest(ledger)
        self.optimise(ledger)

    def value(self, perturbation: Perturbation, turn: np.ndarray, ledger: PublicLedger) -> None:
        """Try a little more and a little less import of the products whose turn it is; then rest.

        The country has just planned at the ledger's exchange. It rests as if it had not tried.
        """
        demand_mw = self._products.average(self._problem.demand_mw)
        step_mw = perturbation.step_mw(self.country, self.neighbours, demand_mw, turn, ledger)
        before = self._problem.solves
        exchange_mw = ledger.exchange_mw(self.country)
        self.marginal_costs = self._valuation.try_and_rewind(exchange_mw, step_mw)
        self._told.forget()
        self.valuation_solves += self._problem.solves - before

    def answer(self, message: Message, ledger: PublicLedger) -> Message | None:
        """Reply to a message, or keep silent."""
        if isinstance(message.body, ReservationCall):
            return self._reservation(message, message.body, ledger)
        return None if self._desk is None else self._desk.answer(message, ledger)

    def stop(self) -> None:
        """End the solve in progress, from another thread."""
        self._problem.stop()

    @property
    def tells_the_truth(self) -> bool:
        """Whether its answers come from its true cost, unaltered."""
        return self._quoted is self._valuation and not self._strategy.answers_itself

    @property
    def solves(self) -> int:
        """Optimisations made so far, those for :meth:`value` not counted."""
        return self._problem.solves - self._solves_before - self.valuation_solves

    def _reservation(
        self, message: Message, call: ReservationCall, ledger: PublicLedger
    ) -> Message:
        """Check trades against the true cost, which no strategy can talk over."""
        legs = [Leg(trade.path, trade.mw) for trade in call.trades]
        received = 0.0
        for trade in call.trades:
            money = trade.price_eur_per_mwh * float(np.asarray(trade.mw) @ self._products.hours)
            received += money if trade.exporter == self.country else -money
        least = least_payment_eur(self.country, self._valuation, legs, ledger)
        path = call.trades[0].path
        route = path if path[0] == self.country else path[::-1]
        tolerance = ROUNDING * sum(abs(x) for x in (received, least))
        body = Reservation(received >= least - tolerance)
        return Message(self.country, route[-1], "inform", body, message.round, route[1:-1])

    def _perturb(self, step_share: float, ledger: PublicLedger) -> PrototypeSide:
        # The prototype perturbs demand by a share of itself; the same share is the quota.
        step_mw = step_share * self._products.average(self._problem.demand_mw)
        exchange = ledger.exchange_mw(self.country)
        self.marginal_costs = self._quoted.marginal_costs(exchange, step_mw)
        quota_mwh = step_mw * self._products.hours
        # Clipped at zero as the prototype does: must-run exports do not show.
        return PrototypeSide(
            np.maximum(self.marginal_costs.mc_import, 0.0),
            np.maximum(self.marginal_costs.mc_export, 0.0),
            quota_mwh,
        )
