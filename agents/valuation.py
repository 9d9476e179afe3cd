"""What an agent knows privately of its own cost around its present exchange."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from agents.problem import Plan, PlanningError, PlanningProblem, Terms, TrialCost
from protocols.products import Products

_REMEMBERED_PLANS = 6


@dataclass(frozen=True)
class MarginalCosts:
    """Marginal cost of importing and exporting each product, EUR/MWh.

    ``mc_import`` is what one MWh less of own supply saves over the step, ``mc_export`` what one
    MWh more costs; convexity makes ``mc_import <= mc_export``, with every dual between them.
    ``delta_mw`` is the step, MW. All have shape (products,) and NaN where nothing was tried.
    """

    mc_import: np.ndarray
    mc_export: np.ndarray
    delta_mw: np.ndarray

    @property
    def tried(self) -> np.ndarray:
        """Which products were tried."""
        return np.isfinite(self.delta_mw)


class Valuation:
    """Private valuation of a country, by re-solving or from duals.

    Parameters
    ----------
    problem : PlanningProblem
    products : Products
    """

    def __init__(self, problem: PlanningProblem, products: Products) -> None:
        self.problem = problem
        self.products = products
        self._plans: dict[bytes, Plan] = {}
        self._costs_eur: dict[bytes, float] = {}

    def plan(self, exchange_mw: np.ndarray) -> Plan:
        """Plan at an exchange; the last few are remembered."""
        key = np.round(exchange_mw, 6).tobytes()
        plan = self._plans.pop(key, None)
        if plan is None:
            plan = self.problem.solve(exchange_mw)
        self._plans[key] = plan
        self._costs_eur[key] = plan.cost_eur
        if len(self._plans) > _REMEMBERED_PLANS:
            del self._plans[next(iter(self._plans))]
        return plan

    def cost_eur(self, exchange_mw: np.ndarray) -> float:
        """Cost at an exchange, EUR/a; all are remembered until :meth:`forget`."""
        known = self._costs_eur.get(np.round(exchange_mw, 6).tobytes())
        return self.plan(exchange_mw).cost_eur if known is None else known

    def forget(self) -> None:
        """Drop remembered plans and costs."""
        self._plans.clear()
        self._costs_eur.clear()

    def rewind(self, exchange_mw: np.ndarray) -> None:
        """Stand at an exchange; drop remembered plans and the solver's way to it."""
        self.forget()
        self.problem.rewind(exchange_mw)

    def restore(self, exchange_mw: np.ndarray, state: dict[str, np.ndarray]) -> None:
        """Stand where :meth:`rewind` left a problem with the given state."""
        self.forget()
        self.problem.restore(exchange_mw, state)

    def marginal_value(self, exchange_mw: np.ndarray, port: int | None = None) -> np.ndarray:
        """Free estimate from duals: marginal value of each product, EUR/MWh.

        At one port, or one block of products per port.
        """
        plan = self.plan(exchange_mw)
        ports = range(self.problem.ports) if port is None else (port,)
        return np.concatenate([self.products.average(plan.price_at(p)) for p in ports])

    def profile_mw(self, mw: np.ndarray, port: int | None = None) -> np.ndarray:
        """MW per snapshot of every port, from MW per product at one port or at every port."""
        blocks = np.zeros((self.problem.ports, len(self.products)))
        blocks[slice(None) if port is None else port] = np.reshape(mw, (-1, len(self.products)))
        return np.concatenate([self.products.profile_mw(block) for block in blocks])

    def respond(self, exchange_mw: np.ndarray, terms: Terms, port: int | None = None) -> np.ndarray:
        """Best trade at given prices: at one port, nothing changing at the others, or at all."""
        ports, count = self.problem.ports, len(self.products)
        if port is None or ports == 1:
            return self.problem.respond(exchange_mw, terms)
        here = Terms(*(_only_at(port, ports, values) for values in vars(terms).values()))
        change = self.problem.respond(exchange_mw, here)
        return change[port * count : (port + 1) * count]

    def marginal_costs(
        self, exchange_mw: np.ndarray, step_mw: np.ndarray, trial: TrialCost | None = None
    ) -> MarginalCosts:
        """Perturb demand by a step of each product, up and down, and re-solve.

        The step is spread evenly over the ports.

        Parameters
        ----------
        exchange_mw : ndarray, shape (snapshots,)
        step_mw : ndarray, shape (products,)
            Positive steps, MW; products with NaN are left out.
        trial : callable, optional
            Cost with a change of the exchange, EUR/a; that of a whole plan by default.
        """
        cost = trial or (lambda change_mw: self.problem.cost(exchange_mw + change_mw))
        tried = np.flatnonzero(np.isfinite(step_mw))
        lower, upper = np.full((2, len(step_mw)), np.nan)
        base = self.plan(exchange_mw).cost_eur if len(tried) else 0.0
        for k in map(int, tried):
            step, ports = step_mw[k], self.problem.ports
            delta = np.tile(step * self.products.delivery_mw(k) / ports, ports)
            energy = step * self.products.hours[k]
            less, more = cost(delta), cost(-delta)
            if not (math.isfinite(less) and math.isfinite(more)):
                raise PlanningError(
                    f"{self.problem.country}: a little more or less import costs {less} and "
                    f"{more} EUR/a"
                )
            lower[k], upper[k] = (base - less) / energy, (more - base) / energy
        return MarginalCosts(lower, upper, np.array(step_mw, dtype=float))

    def try_and_rewind(self, exchange_mw: np.ndarray, step_mw: np.ndarray) -> MarginalCosts:
        """:meth:`marginal_costs` where the problem has just planned, on its way to :meth:`rewind`.

        Nothing that is asked later can tell that something was tried.
        """
        with self.problem.trying(exchange_mw) as trial:
            found = self.marginal_costs(exchange_mw, step_mw, trial)
        self.forget()
        return found

    def curve(self, exchange_mw: np.ndarray, product: int, steps_mw: np.ndarray) -> np.ndarray:
        """Average value of each block between consecutive quantities, EUR/MWh.

        Quantities are spread evenly over the ports.

        Parameters
        ----------
        exchange_mw : ndarray, shape (snapshots,)
        product : int
        steps_mw : ndarray, shape (n,)
            Increasing changes of net import, negative for export; 0 need not be among them.

        Returns
        -------
        ndarray, shape (n - 1,)
            Not increasing, because cost is convex.
        """
        ports, hours = self.problem.ports, self.products.hours[product]
        shape = np.tile(self.products.delivery_mw(product) / ports, ports)
        costs = np.array([self.problem.cost(exchange_mw + q * shape) for q in steps_mw])
        return -np.diff(costs) / (np.diff(steps_mw) * hours)


def _only_at(port: int, ports: int, values: np.ndarray) -> np.ndarray:
    """Terms of one port among those of all; zero elsewhere, and so is what may be traded there."""
    values = np.asarray(values)
    everywhere = np.zeros((*values.shape[:-1], ports, values.shape[-1]))
    everywhere[..., port, :] = values
    return everywhere.reshape(*values.shape[:-1], -1)
