"""Rows with one variable become bounds and change no optimum."""

from __future__ import annotations

import linopy
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from agents.singletons import singleton_rows_to_bounds
from tests.small_worlds import small_fleet


class TestSingletons:
    @pytest.mark.parametrize("seed", range(12))
    def test_random_model_keeps_its_optimum(self, seed: int) -> None:
        values = []
        for strip in (False, True):
            model = random_model(np.random.default_rng(seed))
            rows = sum(c.labels.size for _, c in model.constraints.items())
            if strip:
                singleton_rows_to_bounds(model)
                left = sum(c.labels.size for _, c in model.constraints.items())
                assert left < rows
            model.solve("highs", io_api="direct", output_flag=False)
            values.append(float(model.objective.value))
        assert values[1] == pytest.approx(values[0], rel=1e-7, abs=1e-7)

    def test_country_keeps_its_optimum_with_less_than_half_of_the_rows(self) -> None:
        network = small_fleet("ZA")
        model = network.optimize.create_model(include_objective_constant=False)
        model.solve("highs", io_api="direct", output_flag=False)
        rows, cost = model.ncons, float(model.objective.value)
        singleton_rows_to_bounds(model)
        model.solve("highs", io_api="direct", output_flag=False)
        assert float(model.objective.value) == pytest.approx(cost, rel=1e-9)
        assert model.ncons < rows / 2

    def test_contradictions_are_left_to_the_solver(self) -> None:
        model = linopy.Model()
        x = model.add_variables(0.0, 10.0, name="x")
        model.add_constraints(2.0 * x <= 6.0, name="upper")
        model.add_constraints(1.0 * x >= 4.0, name="lower")
        model.add_objective(1.0 * x)
        assert singleton_rows_to_bounds(model) == []
        assert (float(x.lower), float(x.upper)) == (0.0, 10.0)
        _, condition = model.solve("highs", io_api="direct", output_flag=False)
        assert "infeasible" in condition

    def test_bounds_that_cross_by_rounding_are_equal(self) -> None:
        """A row of 0.1 * 3 and one of 0.3 differ in their last digit."""
        model = linopy.Model()
        x = model.add_variables(0.0, 10.0, name="x")
        model.add_constraints(1.0 * x >= 0.1 * 3, name="lower")
        model.add_constraints(1.0 * x <= 0.3, name="upper")
        model.add_objective(1.0 * x)
        assert singleton_rows_to_bounds(model) == ["lower", "upper"]
        assert float(x.lower) == float(x.upper) == 0.3


def random_model(rng: np.random.Generator) -> linopy.Model:
    """Linear programme with singleton rows of every sign, feasible at a known point."""
    model = linopy.Model()
    size = 6
    index = pd.RangeIndex(size, name="i")
    inside = rng.uniform(-5.0, 5.0, size)
    x = model.add_variables(lower=-20.0, upper=20.0, coords=[index], name="x")
    y = model.add_variables(lower=-20.0, upper=20.0, coords=[index], name="y")

    def along(values: np.ndarray) -> xr.DataArray:
        return xr.DataArray(values, coords={"i": index}, dims="i")

    factor = rng.choice([-2.0, -0.5, 1.0, 3.0], size)
    slack = rng.uniform(0.0, 3.0, size)
    model.add_constraints(along(factor) * x <= along(factor * inside + slack), name="upper")
    model.add_constraints(along(factor) * x >= along(factor * inside - slack), name="lower")
    model.add_constraints(2.0 * y.isel(i=0) == 2.0 * inside[0], name="fixed")
    model.add_constraints(x + y >= along(2 * inside - 1.0), name="both")
    model.add_constraints(x - y <= along(np.full(size, 4.0)), name="difference")
    model.add_objective((along(rng.normal(size=size)) * x + along(rng.normal(size=size)) * y).sum())
    return model
