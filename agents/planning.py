"""A country's capacity-expansion problem: a PyPSA network kept hot in the solver.

The linopy model is built once. Exchange enters as the right-hand side of the nodal balances where
its interconnectors land. Extra
variables per product, import and export in blocks, serve best responses and trials around the
present exchange: fixed at an amount they are the same as a change of the right-hand side, but leave
the basis of the last response nearly optimal. The first block holds the amount.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

import linopy
import numpy as np
import pypsa
import scipy.sparse as sp
import xarray as xr

from agents.hot_model import HotModel
from agents.linear import linear_model
from agents.policy import Policy, PolicyInForce
from agents.problem import Plan, PlanningError, PlanningProblem, Terms, TrialCost, at_ports
from agents.singletons import singleton_rows_to_bounds

BALANCE = "nodal_balance"
IMPORT, EXPORT = "trade_import", "trade_export"
# Longest ladder of prices a problem answers unless told otherwise. Blocks that are not asked for
# have no width and cost next to nothing: 5 instead of 1 do not show in the time of a re-solve.
LADDER_BLOCKS = 5
# Exchange is matched by the trade variables if nothing larger is left over, MW.
MATCH_MW = 1e-9


@dataclass(frozen=True)
class LimitPrice:
    """A limit that the policy sets on the country as a whole, and what it costs.

    Attributes
    ----------
    name : str
        Of the constraint.
    sense : str
        ``"<="``, ``">="`` or ``"="``.
    limit : float
        Right-hand side, in the limit's own unit.
    eur_per_unit : float
        By how much annual cost rises per unit of the limit; negative where more is allowed.
    """

    name: str
    sense: str
    limit: float
    eur_per_unit: float


class PypsaProblem(PlanningProblem):
    """Cost of one country from its PyPSA network.

    Parameters
    ----------
    country : str
        Country code.
    network : pypsa.Network
        Unsolved network of the country; it stays private to this object.
    shape : scipy.sparse.csr_array, shape (products, snapshots)
        Products the country can respond with.
    policy : Policy, optional
    solver : {"highs", "gurobi"}
    blocks : int
        Longest ladder of prices it can respond to.
    ports : sequence of mapping of str to float, optional
        Where exchange enters: share of every bus by port. One port at the bus that bears the
        country's code by default.
    told : callable, optional
        Gets a few words on every solve that takes long.
    """

    def __init__(
        self,
        country: str,
        network: pypsa.Network,
        shape: sp.csr_array,
        policy: Policy | None = None,
        solver: str = "highs",
        blocks: int = LADDER_BLOCKS,
        ports: Sequence[Mapping[str, float]] | None = None,
        told: Callable[[str], None] | None = None,
    ) -> None:
        self.country = country
        self.network = network
        self.policy: Policy = policy or PolicyInForce()
        landing = ports or ({country: 1.0},)
        self.ports = len(landing)
        self.shape = at_ports(shape, self.ports)
        self.blocks = blocks
        hours = network.snapshot_weightings.objective.to_numpy(dtype=float)
        self.weights_h = np.tile(hours, self.ports)
        self.solves = 0
        self._told = told
        self._hours = self.shape @ self.weights_h
        self._buses = list(dict.fromkeys(bus for shares in landing for bus in shares))
        self._landing = np.array([[s.get(bus, 0.0) for bus in self._buses] for s in landing])
        self._build()
        self._start(solver)

    def renewed(self) -> PypsaProblem:
        """The same problem, asked nothing yet, without building its model again.

        It has a solver of its own and shares the network and its model, which nobody changes.
        """
        other = copy(self)
        other.solves = 0
        other._start(self._hot.solver_name)
        return other

    @property
    def coefficients(self) -> int:
        """Non-zeros of the constraints, which tell how much memory the problem takes."""
        return self._hot.coefficients

    @property
    def demand_mw(self) -> np.ndarray:
        """Own demand, MW per snapshot."""
        loads = self.network.get_switchable_as_dense("Load", "p_set")
        return loads.sum(axis=1).to_numpy(dtype=float)

    def solve(self, exchange_mw: np.ndarray) -> Plan:
        """Plan for a given net import; see :class:`PlanningProblem`."""
        result = self._solve_at(exchange_mw)
        dual = np.asarray(result.solution.dual)[self._balance_labels]
        return Plan(
            cost_eur=self._cost_eur(result),
            price_eur_per_mwh=(self._landing @ dual).ravel() / self.weights_h,
            exchange_mw=np.array(exchange_mw, dtype=float),
            ports=self.ports,
        )

    def respond(self, exchange_mw: np.ndarray, terms: Terms) -> np.ndarray:
        """Best trade at given prices; see :class:`PlanningProblem`."""
        self._place(exchange_mw)
        bought, sold = self._parts(self._fixed_mw)
        import_price, import_mw = self._padded(*terms.import_ladder)
        export_price, export_mw = self._padded(*terms.export_ladder)
        self._set_trade(bought, bought + import_mw, sold, sold + export_mw)
        self._set_prices(import_price * self._hours, -export_price * self._hours)
        primal = np.asarray(self._run().solution.primal)
        change = (primal[self._import_labels] - bought) - (primal[self._export_labels] - sold)
        change = change.sum(axis=0)
        self._fix(self._fixed_mw + change)
        return change

    def solved_network(self, exchange_mw: np.ndarray) -> pypsa.Network:
        """Copy of the network with the plan for ``exchange_mw`` written into it.

        The exchange itself is not a component of it, so that dispatch and load differ by it.
        """
        result = self._solve_at(exchange_mw)
        network = self.network
        network.model.assign_result(result)
        network.optimize.assign_solution()
        network.optimize.assign_duals()
        network.optimize.post_processing()
        solved = network.copy()
        solved._objective = self._cost_eur(result)
        return solved

    def limit_prices(self, exchange_mw: np.ndarray) -> list[LimitPrice]:
        """Shadow prices of the policy's limits at an exchange, in the order they were added."""
        dual = np.asarray(self._solve_at(exchange_mw).solution.dual)
        found = []
        for name in self._limits:
            row = self.network.model.constraints[name]
            limit, price = (  # a zero has no sign
                float(x) + 0.0 for x in (row.rhs.item(), dual[row.labels.item()])
            )
            found.append(LimitPrice(name, row.sign.item(), limit, price))
        return found

    def stop(self) -> None:
        """End the solve in progress; see :class:`PlanningProblem`."""
        self._hot.stop()

    def rewind(self, exchange_mw: np.ndarray) -> None:
        """Stand at an exchange with nothing remembered but the basis."""
        with self.trying(exchange_mw):
            pass

    @contextmanager
    def trying(self, exchange_mw: np.ndarray) -> Iterator[TrialCost]:
        """Try changes of the few balances they touch, then go back to the basis before them."""
        self._stand(exchange_mw)
        state = self._hot.state()
        yield self._trial_cost
        self._hot.restore(state)

    def _trial_cost(self, change_mw: np.ndarray) -> float:
        injected = (self._landing.T @ np.reshape(change_mw, (self.ports, -1))).ravel()
        changed = np.flatnonzero(injected)
        rows, here = self._balance_rows[changed], self._own_demand_mw - self._injected_mw
        self._hot.change(rhs=(rows, (here - injected)[changed]))
        cost = self._hot.objective()
        self.solves += 1
        self._hot.change(rhs=(rows, here[changed]))
        if not math.isfinite(cost):
            raise PlanningError(f"{self.country}: no plan for a little more or less import")
        return cost

    def state(self) -> dict[str, np.ndarray]:
        """Basis of the solver."""
        return self._hot.state()

    def restore(self, exchange_mw: np.ndarray, state: dict[str, np.ndarray]) -> None:
        """Stand at an exchange with a recorded basis."""
        self._stand(exchange_mw)
        self._hot.restore(state)

    def _stand(self, exchange_mw: np.ndarray) -> None:
        self._fix(np.zeros_like(self._fixed_mw))
        self._set_prices(np.zeros_like(self._prices[0]), np.zeros_like(self._prices[1]))
        self._shift_to_balance(exchange_mw)

    def _build(self) -> None:
        model = linear_model(self.network)
        usual = set(model.constraints)
        self.policy.add_to(self.network, self.country)
        added = [name for name in model.constraints if name not in usual]
        self._limits = [name for name in added if model.constraints[name].ndim == 0]
        bought, sold = self._add_trade_variables(model)
        singleton_rows_to_bounds(model, keep=self._limits)
        landed = [(bus, _balance(model, bus)) for bus in self._buses]
        self._balance_labels = np.array([b.labels.sel(name=bus).values for bus, b in landed])
        demand = [b.rhs.sel(name=bus).values for bus, b in landed]
        self._own_demand_mw: np.ndarray = np.concatenate(demand)
        labels = [v.labels.transpose("block", "product").values for v in (bought, sold)]
        self._import_labels, self._export_labels = labels

    def _start(self, solver: str) -> None:
        """Hand the model to a solver, without exchange."""
        self._hot = HotModel(self.network.model, solver, self._told, self.country)
        self._balance_rows = self._hot.row_positions(self._balance_labels)
        trade = np.stack([self._import_labels, self._export_labels])
        self._trade_columns = self._hot.column_positions(trade)
        self._prices = np.zeros((2, self.blocks, len(self._hours)))
        self._fixed_mw = np.zeros(len(self._hours))
        self._balance_mw = np.zeros(len(self.weights_h))
        self._injected_mw = np.zeros_like(self._own_demand_mw)

    def _add_trade_variables(self, model: linopy.Model) -> tuple[linopy.Variable, linopy.Variable]:
        product = xr.DataArray(np.arange(len(self._hours)), dims="product")
        product = product.assign_coords(product=product)
        block = xr.DataArray(np.arange(self.blocks), dims="block")
        zero = xr.zeros_like(block * product, dtype=float).assign_coords(block=block)
        bought, sold = (
            model.add_variables(lower=zero, upper=zero, name=name) for name in (IMPORT, EXPORT)
        )
        for balance in {b.name: b for b in (_balance(model, bus) for bus in self._buses)}.values():
            balance.update(lhs=balance.lhs + self._landed(balance, bought, sold))
        model.objective += (0.0 * bought).sum() + (0.0 * sold).sum()
        return bought, sold

    def _landed(
        self, balance: linopy.Constraint, bought: linopy.Variable, sold: linopy.Variable
    ) -> linopy.LinearExpression:
        """What trade brings to each bus of a block of balances in each snapshot.

        A row has the terms of the products that deliver there and then, and no others, so that
        memory stays in proportion to the snapshots where every hour is a product.
        """
        names, snapshots = balance.coords["name"], balance.coords["snapshot"]
        at = {bus: share for bus, share in zip(self._buses, self._landing.T, strict=True)}
        share = np.array([at.get(bus, np.zeros(self.ports)) for bus in names.values])
        each = sp.eye_array(len(snapshots))
        delivers = sp.csr_array(sp.kron(sp.csr_array(share), each) @ self.shape.T)
        rows, nth = delivers.tocoo().row, _position_in_row(delivers)
        width = int(nth.max(initial=-1)) + 1
        labels = np.full((delivers.shape[0], width, 2 * self.blocks), -1)
        factor = np.zeros(labels.shape)
        ways = [v.labels.transpose("product", "block").values for v in (bought, sold)]
        labels[rows, nth] = np.hstack(ways)[delivers.indices]
        factor[rows, nth] = delivers.data[:, None] * np.repeat([1.0, -1.0], self.blocks)
        dims = ("name", "snapshot", "_term")
        terms = (len(names), len(snapshots), width * 2 * self.blocks)
        made = xr.Dataset(
            {
                "coeffs": (dims, factor.reshape(terms)),
                "vars": (dims, labels.reshape(terms)),
            },
            {"name": names, "snapshot": snapshots},
        )
        return linopy.LinearExpression(made, balance.model)

    def _solve_at(self, exchange_mw: np.ndarray) -> Any:
        self._place(exchange_mw)
        return self._run()

    def _place(self, exchange_mw: np.ndarray) -> None:
        """Make the model stand at an exchange, by the trade variables if they can express it."""
        change = exchange_mw - self._balance_mw
        amount = (self.shape @ (self.weights_h * change)) / self._hours
        if np.abs(change - amount @ self.shape).max(initial=0.0) <= MATCH_MW:
            if not np.array_equal(amount, self._fixed_mw):
                self._fix(amount)
        else:
            self._shift_to_balance(exchange_mw)

    def _shift_to_balance(self, exchange_mw: np.ndarray) -> None:
        if self._fixed_mw.any():
            self._fix(np.zeros_like(self._fixed_mw))
        injected = (self._landing.T @ np.reshape(exchange_mw, (self.ports, -1))).ravel()
        changed = np.flatnonzero(injected != self._injected_mw)
        if len(changed):
            rhs = self._own_demand_mw - injected
            self._hot.change(rhs=(self._balance_rows[changed], rhs[changed]))
        self._injected_mw = injected
        self._balance_mw = np.array(exchange_mw, dtype=float)

    def _padded(self, price: np.ndarray, limit_mw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ladder of as many blocks as there are variables; the ones added have no width."""
        missing = self.blocks - len(price)
        if missing < 0:
            raise ValueError(
                f"{self.country}: asked with {len(price)} blocks of prices, built for "
                f"{self.blocks}; build the problem with blocks={len(price)}"
            )
        rows = ((0, missing), (0, 0))
        return np.pad(price, rows, mode="edge"), np.pad(limit_mw, rows)

    def _parts(self, amount_mw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Import and export part of a net amount, held by the first block."""
        parts = np.zeros((2, self.blocks, len(amount_mw)))
        parts[0, 0], parts[1, 0] = np.maximum(amount_mw, 0.0), np.maximum(-amount_mw, 0.0)
        return parts[0], parts[1]

    def _fix(self, amount_mw: np.ndarray) -> None:
        bought, sold = self._parts(amount_mw)
        self._set_trade(bought, bought, sold, sold)
        self._fixed_mw = np.array(amount_mw, dtype=float)

    def _set_trade(
        self,
        least_import: np.ndarray,
        most_import: np.ndarray,
        least_export: np.ndarray,
        most_export: np.ndarray,
    ) -> None:
        lower = np.concatenate([least_import, least_export]).ravel()
        upper = np.concatenate([most_import, most_export]).ravel()
        self._hot.change(bounds=(self._trade_columns, lower, upper))

    def _set_prices(self, import_eur_per_mw: np.ndarray, export_eur_per_mw: np.ndarray) -> None:
        self._prices = np.stack([import_eur_per_mw, export_eur_per_mw])
        self._hot.change(costs=(self._trade_columns, self._prices.ravel()))

    def _cost_eur(self, result: Any) -> float:
        payment = float((self._prices * np.stack(self._parts(self._fixed_mw))).sum())
        return float(result.solution.objective) - payment

    def _run(self) -> Any:
        result = self._hot.solve()
        self.solves += 1
        if not result.status.is_ok:
            raise PlanningError(
                f"{self.country}: the planning problem ended {result.status.legacy_status!r}; "
                "check its fleet, its policy and that load may be shed"
            )
        return result


def _position_in_row(matrix: sp.csr_array) -> np.ndarray:
    """Which entry of its row each entry of a sparse matrix is, from zero."""
    return np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], np.diff(matrix.indptr))


def _balance(model: linopy.Model, bus: str) -> linopy.Constraint:
    """Block of nodal balances that holds a bus; PyPSA makes one for each size of bus."""
    for name in model.constraints:
        if name.startswith("Bus") and name.endswith(BALANCE):
            block = model.constraints[name]
            if bus in block.coords["name"].values:
                return block
    raise PlanningError(f"bus {bus}: exchange lands where nothing is connected")
