"""A linear programme that is solved again and again with other numbers in the same structure."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp


class HotProgramme:
    """Minimise a cost over bounded columns and equations, each time from the last basis.

    Parameters
    ----------
    equations : scipy.sparse.spmatrix, shape (rows, columns)
    """

    def __init__(self, equations: sp.spmatrix) -> None:
        import highspy  # when it is needed: listing protocols must not load a solver

        matrix = sp.csc_matrix(equations)
        rows, columns = matrix.shape
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = columns, rows
        lp.col_cost_ = lp.col_lower_ = lp.col_upper_ = np.zeros(columns)
        lp.row_lower_ = lp.row_upper_ = np.zeros(rows)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_ = matrix.indptr, matrix.indices
        lp.a_matrix_.value_ = matrix.data
        self._highs = highspy.Highs()
        for option, chosen in (("output_flag", False), ("threads", 1), ("solver", "simplex")):
            self._highs.setOptionValue(option, chosen)
        self._highs.passModel(lp)
        self._optimal = highspy.HighsModelStatus.kOptimal
        self._columns = np.arange(columns, dtype=np.int32)
        self._rows = np.arange(rows, dtype=np.int32)

    def solve(
        self, cost: np.ndarray, lower: np.ndarray, upper: np.ndarray, equals: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Solve with these numbers.

        Parameters
        ----------
        cost, lower, upper : ndarray, shape (columns,)
        equals : ndarray, shape (rows,)

        Returns
        -------
        columns : ndarray, shape (columns,)
        duals : ndarray, shape (rows,)
            By how much the least cost rises per unit of the right-hand sides.

        Raises
        ------
        RuntimeError
            If the solver does not come to an end.
        """
        highs = self._highs
        highs.changeColsCost(len(self._columns), self._columns, cost)
        highs.changeColsBounds(len(self._columns), self._columns, lower, upper)
        highs.changeRowsBounds(len(self._rows), self._rows, equals, equals)
        highs.run()
        if highs.getModelStatus() != self._optimal:
            # An unlucky basis: once more from nothing.
            highs.clearSolver()
            highs.run()
        if highs.getModelStatus() != self._optimal:
            raise RuntimeError(highs.modelStatusToString(highs.getModelStatus()))
        solution = highs.getSolution()
        return np.array(solution.col_value), np.array(solution.row_dual)
