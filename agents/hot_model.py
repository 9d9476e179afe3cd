"""A linopy model kept in the solver and changed in place.

linopy's persistent solver finds out what changed by comparing the whole model. A planning problem
knows what it changes, right-hand sides, bounds and costs of a few blocks, and so hands linopy the
finished difference; that saves most of the time between two solves.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import linopy
import numpy as np
from linopy.persistent import ModelDiff
from linopy.persistent.snapshot import ModelSnapshot, StructuralKey
from linopy.solvers import Solver

from agents.solving import LifeSigns

# Presolve loses the basis; devex weights are cheap to set up after it is handed over. Without
# them the first warm solve costs as much as a cold one.
HIGHS_OPTIONS: dict[str, Any] = {
    "output_flag": False,
    "solver": "simplex",
    "presolve": "off",
    "threads": 1,
    "simplex_strategy": 1,
    "simplex_dual_edge_weight_strategy": 1,
}
# Non-zeros from which a cold solve is by interior point and crossover. With 194 000 (South Africa,
# a year of 3 h) simplex took 27 s and the interior point 46; with about 500 000 (all of `sapp2030`,
# typical weeks) simplex is not done when HiPO has been for minutes.
LARGE = 250_000
COLD_OPTIONS: dict[str, Any] = {
    "solver": "hipo",
    "run_crossover": "on",
    "output_flag": True,  # its log is read for the gap, not shown
    "log_to_console": False,
}
GUROBI_OPTIONS: dict[str, Any] = {"OutputFlag": 0, "Method": 1, "Threads": 1}
SOLVER_OPTIONS = {"highs": HIGHS_OPTIONS, "gurobi": GUROBI_OPTIONS}


@contextmanager
def muted() -> Iterator[None]:
    """Keep HiGHS from printing its banner, which it does before it can be told not to."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # no standard output, nothing to keep clean
        yield
        return
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


class HotModel:
    """One linopy model with its solver.

    Parameters
    ----------
    model : linopy.Model
        Complete; its structure must not change afterwards.
    solver : {"highs", "gurobi"}
    told : callable, optional
        Gets a few words on every solve that takes long.
    what : str
        Whose problem it is, leads those words.

    Notes
    -----
    The first solve of a model with more than :data:`LARGE` non-zeros is by interior point and
    crossover; all others are by simplex from the last basis.
    """

    def __init__(
        self,
        model: linopy.Model,
        solver: str,
        told: Callable[[str], None] | None = None,
        what: str = "",
    ) -> None:
        self.solver_name = solver
        with muted():
            self._solver = Solver.from_name(
                solver, model, io_api="direct", options=SOLVER_OPTIONS[solver]
            )
        self._columns = model.variables.label_index
        self._rows = model.constraints.label_index
        self._signs: LifeSigns | None = None
        self._cold = False
        if solver == "highs":
            self._cold = self.coefficients > LARGE
            if told is not None:
                self._signs = LifeSigns(self._solver.solver_model, told, what)

    @property
    def coefficients(self) -> int:
        """Non-zeros of the rows the solver holds."""
        solver = self._solver.solver_model
        return int(solver.NumNZs if self.solver_name == "gurobi" else solver.getNumNz())

    def column_positions(self, labels: np.ndarray) -> np.ndarray:
        """Positions of variables' columns in the solver."""
        return np.asarray(self._columns.label_to_pos[labels.ravel()])

    def row_positions(self, labels: np.ndarray) -> np.ndarray:
        """Positions of constraint rows in the solver."""
        return np.asarray(self._rows.label_to_pos[labels.ravel()])

    def change(
        self,
        *,
        rhs: tuple[np.ndarray, np.ndarray] | None = None,
        bounds: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
        costs: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> None:
        """Change right-hand sides of equations, bounds and costs, each led by positions."""
        changes: dict[str, Any] = {}
        if rhs is not None:
            rows, values = rhs
            changes.update(
                con_rhs_indices=rows.astype(np.int32),
                con_rhs_values=values,
                con_rhs_signs=np.full(len(rows), "="),
            )
        if bounds is not None:
            columns, lower, upper = bounds
            changes.update(
                var_bounds_indices=columns.astype(np.int32),
                var_bounds_lower=lower,
                var_bounds_upper=upper,
            )
        if costs is not None:
            columns, values = costs
            changes.update(obj_c_indices=columns.astype(np.int32), obj_c_values=values)
        diff = _no_difference()
        for name, value in changes.items():
            setattr(diff, name, value)
        self._solver.apply_update(diff, self._columns, self._rows)

    def solve(self) -> Any:
        """Solve from where the solver stands; a linopy ``Result``."""
        if self._signs is not None:
            self._signs.begin()
        return self._solve_cold() if self._cold else self._solver.solve()

    def objective(self) -> float:
        """Solve from where the solver stands for the objective alone; NaN without an optimum.

        A trial that needs no solution is over before linopy has read one.
        """
        solver = self._solver.solver_model
        if self.solver_name == "gurobi":
            import gurobipy

            solver.optimize()
            optimal = solver.Status == gurobipy.GRB.OPTIMAL
            return float(solver.ObjVal) if optimal else math.nan
        import highspy

        solver.run()
        optimal = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return float(solver.getObjectiveValue()) if optimal else math.nan

    def _solve_cold(self) -> Any:
        """Solve by interior point; by simplex, if that does not come to an optimum."""
        highs = self._solver.solver_model
        self._cold = False
        for option, value in COLD_OPTIONS.items():
            highs.setOptionValue(option, value)
        try:
            result = self._solver.solve()
        finally:
            for option, value in HIGHS_OPTIONS.items():
                highs.setOptionValue(option, value)
        if result.status.is_ok and highs.getBasis().valid:
            return result
        highs.clearSolver()
        return self._solver.solve()

    def stop(self) -> None:
        """End the solve in progress, from another thread; no solve reaches an optimum after it."""
        solver = self._solver.solver_model
        if self.solver_name == "gurobi":
            solver.terminate()
        else:
            solver.cancelSolve()

    def state(self) -> dict[str, np.ndarray]:
        """Basis: status of every column and row; empty where the solver has none."""
        solver = self._solver.solver_model
        if self.solver_name == "gurobi":
            return _gurobi_basis(solver)
        basis = solver.getBasis()
        return {
            "columns": np.array([int(s) for s in basis.col_status], dtype=np.int8),
            "rows": np.array([int(s) for s in basis.row_status], dtype=np.int8),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Start the next solve from a recorded basis, everything else forgotten."""
        self._cold = False
        if self.solver_name == "gurobi":
            _start_gurobi_from(self._solver.solver_model, state)
            return
        import highspy

        statuses = highspy.HighsBasisStatus.__members__.values()
        known = {int(status): status for status in statuses}  # making each anew takes far longer
        basis = highspy.HighsBasis()
        basis.col_status = [known[s] for s in state["columns"].tolist()]
        basis.row_status = [known[s] for s in state["rows"].tolist()]
        basis.valid = True
        highs = self._solver.solver_model
        highs.clearSolver()
        highs.setBasis(basis)


def _no_difference() -> ModelDiff:
    """A difference that changes nothing.

    linopy makes one by comparing two copies of the whole model; keeping those would take more
    memory than the solver.
    """
    none, text = np.empty(0), np.empty(0, dtype="U1")
    place = np.empty(0, dtype=np.int32)
    return ModelDiff(
        var_bounds_indices=place,
        var_bounds_lower=none,
        var_bounds_upper=none,
        var_type_positions=place,
        var_type_kinds=np.empty(0, dtype=object),
        coef_deltas=[],
        n_coef_updates=0,
        con_rhs_indices=place,
        con_rhs_values=none,
        con_rhs_signs=text,
        con_sign_indices=place,
        con_sign_values=text,
        obj_c_indices=None,
        obj_c_values=None,
        obj_sense=None,
        var_slices={},
        con_slices={},
        snapshot=ModelSnapshot(StructuralKey((), (), place, place)),
    )


def _gurobi_basis(solver: Any) -> dict[str, np.ndarray]:
    import gurobipy

    try:
        found = (
            solver.getAttr("VBasis", solver.getVars()),
            solver.getAttr("CBasis", solver.getConstrs()),
        )
    except gurobipy.GurobiError:  # not solved yet
        return {}
    columns, rows = (np.array(status, dtype=np.int8) for status in found)
    return {"columns": columns, "rows": rows}


def _start_gurobi_from(solver: Any, state: dict[str, np.ndarray]) -> None:
    solver.reset()
    if state:
        solver.setAttr("VBasis", solver.getVars(), state["columns"].tolist())
        solver.setAttr("CBasis", solver.getConstrs(), state["rows"].tolist())
