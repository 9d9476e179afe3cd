"""A country's capacity-expansion problem: a PyPSA network kept hot in the solver.

The linopy model is built once. Exchange enters as the right-hand side of the nodal balance; a
best response frees the bounds of one extra variable per snapshot. linopy's persistent solver
passes just the changes on, and simplex goes on from the last basis.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pypsa
import xarray as xr
from linopy.solvers import Solver

from agents.policy import PolicyInForce, add_policy_constraints
from agents.problem import Plan, PlanningError, PlanningProblem
from agents.singletons import singleton_rows_to_bounds

logger = logging.getLogger(__name__)

# Presolve loses the basis; devex weights are cheap to set up after it is handed over. Without
# them the first warm solve costs as much as a cold one (COORDINATION, "HiGHS").
HIGHS_OPTIONS: dict[str, Any] = {
    "output_flag": False,
    "solver": "simplex",
    "presolve": "off",
    "threads": 1,
    "simplex_strategy": 1,
    "simplex_dual_edge_weight_strategy": 1,
}
GUROBI_OPTIONS: dict[str, Any] = {"OutputFlag": 0, "Method": 1, "Threads": 1}
SOLVER_OPTIONS = {"highs": HIGHS_OPTIONS, "gurobi": GUROBI_OPTIONS}

BALANCE = "Bus-nodal_balance"
NET_IMPORT = "net_import"


class PypsaProblem(PlanningProblem):
    """Cost of one country from its PyPSA network.

    Parameters
    ----------
    country : str
        Country code, the name of the bus that receives the exchange.
    network : pypsa.Network
        Unsolved network of the country; it stays private to this object.
    policy : PolicyInForce, optional
    solver : {"highs", "gurobi"}
    """

    def __init__(
        self,
        country: str,
        network: pypsa.Network,
        policy: PolicyInForce | None = None,
        solver: str = "highs",
    ) -> None:
        self.country = country
        self.network = network
        self.policy = policy or PolicyInForce()
        self.solver_name = solver
        self.weights_h = network.snapshot_weightings.objective.to_numpy(dtype=float)
        self.solves = 0
        self._build()

    @property
    def demand_mw(self) -> np.ndarray:
        """Own demand, MW per snapshot."""
        loads = self.network.get_switchable_as_dense("Load", "p_set")
        return loads.sum(axis=1).to_numpy(dtype=float)

    def solve(self, exchange_mw: np.ndarray) -> Plan:
        """Plan for a given net import; see :class:`PlanningProblem`."""
        self._set_exchange(exchange_mw)
        result = self._run()
        return Plan(
            cost_eur=float(result.solution.objective),
            price_eur_per_mwh=self._balance_dual(result) / self.weights_h,
            exchange_mw=np.array(exchange_mw, dtype=float),
        )

    def respond(
        self, price_eur_per_mwh: np.ndarray, lower_mw: np.ndarray, upper_mw: np.ndarray
    ) -> np.ndarray:
        """Cheapest net import at given prices; see :class:`PlanningProblem`."""
        self._set_exchange(np.zeros_like(self.weights_h))
        self._set_response(price_eur_per_mwh, lower_mw, upper_mw)
        try:
            result = self._run()
            start, end = self._net_import.range
            return np.array(result.solution.primal[start:end], dtype=float)
        finally:
            zero = np.zeros_like(self.weights_h)
            self._set_response(zero, zero, zero)

    def solved_network(self, exchange_mw: np.ndarray) -> pypsa.Network:
        """Copy of the network with the plan for ``exchange_mw`` written into it.

        The exchange itself is not a component of it, so that dispatch and load differ by it.
        """
        self._set_exchange(exchange_mw)
        model = self.network.model
        model.assign_result(self._run())
        self.network.optimize.assign_solution()
        self.network.optimize.assign_duals()
        self.network.optimize.post_processing()
        solved = self.network.copy()
        solved._objective = float(model.objective.value)
        return solved

    def rewind(self) -> None:
        """Drop everything the solver remembers except its basis."""
        if self.solver_name == "highs":
            highs = self._solver.solver_model
            basis = highs.getBasis()
            highs.clearSolver()
            highs.setBasis(basis)

    def state(self) -> dict[str, np.ndarray]:
        """Basis of the solver: status of every column and row."""
        if self.solver_name != "highs":
            return {}
        basis = self._solver.solver_model.getBasis()
        return {
            "columns": np.array([int(s) for s in basis.col_status], dtype=np.int8),
            "rows": np.array([int(s) for s in basis.row_status], dtype=np.int8),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Start the next solve from a recorded basis."""
        if not state:
            return
        import highspy

        basis = highspy.HighsBasis()
        basis.col_status = [highspy.HighsBasisStatus(int(s)) for s in state["columns"]]
        basis.row_status = [highspy.HighsBasisStatus(int(s)) for s in state["rows"]]
        basis.valid = True
        highs = self._solver.solver_model
        highs.clearSolver()
        highs.setBasis(basis)

    def _build(self) -> None:
        model = self.network.optimize.create_model(include_objective_constant=False)
        add_policy_constraints(self.network, self.country, self.policy)
        balance = model.constraints[BALANCE]
        snapshot = balance.coords["snapshot"]
        zero = xr.DataArray(np.zeros(snapshot.size), coords={"snapshot": snapshot})
        self._net_import = model.add_variables(lower=zero, upper=zero, name=NET_IMPORT)
        own_bus = xr.DataArray(
            (balance.coords["name"].values == self.country).astype(float),
            coords={"name": balance.coords["name"]},
        )
        balance.lhs = balance.lhs + self._net_import * own_bus
        self._cost = model.objective.expression
        model.objective = self._cost + (self._net_import * 0.0).sum()
        singleton_rows_to_bounds(model)
        self._balance = model.constraints[BALANCE]
        self._own_demand = self._balance.rhs.values.copy()
        self._own_column = int(np.flatnonzero(own_bus.values)[0])
        self._solver = Solver.from_name(
            self.solver_name,
            model,
            io_api="direct",
            options=SOLVER_OPTIONS[self.solver_name],
            track_updates=True,
        )

    def _set_exchange(self, exchange_mw: np.ndarray) -> None:
        rhs = self._own_demand.copy()
        rhs[:, self._own_column] -= exchange_mw
        self._balance.update(rhs=xr.DataArray(rhs, self._balance.rhs.coords, self._balance.rhs.dims))

    def _set_response(
        self, price_eur_per_mwh: np.ndarray, lower_mw: np.ndarray, upper_mw: np.ndarray
    ) -> None:
        model = self.network.model
        coords, dims = self._net_import.coords, self._net_import.dims
        self._net_import.update(
            lower=xr.DataArray(lower_mw, coords, dims), upper=xr.DataArray(upper_mw, coords, dims)
        )
        price = xr.DataArray(price_eur_per_mwh * self.weights_h, coords, dims)
        model.objective = self._cost + (self._net_import * price).sum()

    def _run(self) -> Any:
        rebuilds = self._solver._rebuilds
        self._solver.update(self.network.model)
        result = self._solver.solve()
        self.solves += 1
        if self._solver._rebuilds > rebuilds:
            logger.warning("%s: solver model rebuilt: %s", self.country, self._solver._last_rebuild_reason)
        if not result.status.is_ok:
            raise PlanningError(
                f"{self.country}: the planning problem ended {result.status.legacy_status!r}; "
                "check its fleet, policy and load-shedding price"
            )
        return result

    def _balance_dual(self, result: Any) -> np.ndarray:
        start, end = self._balance.range
        dual = np.asarray(result.solution.dual[start:end])
        return dual.reshape(self._balance.shape)[:, self._own_column]
