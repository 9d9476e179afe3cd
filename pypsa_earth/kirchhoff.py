"""How much of the negotiated exchange the lines of the joint network can carry.

Countries trade over transfer capacities as if every border could be steered. In an alternating
current grid it cannot: Kirchhoff's laws spread the flows. Here the joint network, all lines in
place, is dispatched so that the countries' net positions come as close as possible to the
negotiated ones; what is left over could not have been delivered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import linopy
import numpy as np
import pandas as pd
import pypsa
import xarray as xr

from agents.hot_model import muted
from agents.linear import linear_model
from pypsa_earth.countries import country_of_bus, is_electric
from scenarios.errors import ScenarioError

# Net positions count as met within this share of the largest.
_MET = 1e-6


@dataclass(frozen=True)
class Deliverable:
    """Result of the test.

    Attributes
    ----------
    share : float
        Part of the negotiated net positions, as energy, that linear power flow can deliver.
    snapshots_share : float
        Part of the hours in which all of them can be met.
    shortfall_mwh : float
        Energy by which net positions are missed; what one country misses another one does too,
        and it is counted once.
    """

    share: float
    snapshots_share: float
    shortfall_mwh: float


def deliverable(n: pypsa.Network, net_import_mw: Mapping[str, np.ndarray]) -> Deliverable:
    """Test negotiated exchange against linear power flow.

    Parameters
    ----------
    n : pypsa.Network
        Solved outcome with its cross-border lines, load shedding included; capacities are those
        of the outcome, dispatch is free.
    net_import_mw : mapping of str to ndarray
        Negotiated net import of every country, MW per snapshot; it sums to the losses.

    Raises
    ------
    ScenarioError
        If the solver fails.
    """
    whole = n.copy()
    whole.optimize.fix_optimal_capacities()
    if len(whole.global_constraints):
        whole.remove("GlobalConstraint", whole.global_constraints.index)
    model = linear_model(whole)
    hours = whole.snapshot_weightings.objective.to_numpy(dtype=float)
    weights = xr.DataArray(hours, dims="snapshot", coords={"snapshot": whole.snapshots})
    missed: linopy.LinearExpression | None = None
    gaps = {}
    for country, wanted in net_import_mw.items():
        inflow = _inflow(whole, country)
        if inflow is None:
            continue
        over, under = (
            model.add_variables(lower=0.0, coords=[whole.snapshots], name=f"{country} {side}")
            for side in ("over", "under")
        )
        target = xr.DataArray(wanted, dims="snapshot", coords={"snapshot": whole.snapshots})
        model.add_constraints(inflow - over + under == target, name=f"{country} net position")
        gap = ((over + under) * weights).sum()
        missed = gap if missed is None else missed + gap
        gaps[country] = (over, under)
    if missed is None:
        return Deliverable(1.0, 1.0, 0.0)
    model.add_objective(missed, overwrite=True)
    with muted():
        _, condition = model.solve("highs", io_api="direct", output_flag=False)
    if condition != "optimal":
        raise ScenarioError(f"test against linear power flow: the solver ended with {condition}")
    off = sum(over.solution.to_numpy() + under.solution.to_numpy() for over, under in gaps.values())
    traded = sum(np.abs(net_import_mw[c]) for c in gaps)
    largest = max(float(np.max(traded)), 1.0)
    total, gap_mwh = float(hours @ traded), float(hours @ off)
    met = np.asarray(off) <= _MET * largest
    return Deliverable(
        share=1.0 if total == 0 else 1 - gap_mwh / total,
        snapshots_share=float(hours @ met) / float(hours.sum()),
        shortfall_mwh=gap_mwh / 2,
    )


def _inflow(n: pypsa.Network, country: str) -> linopy.LinearExpression | None:
    """Net import of a country over all electric branches that cross its border, as received."""
    code, electric = country_of_bus(n), is_electric(n)
    total = None
    for component, variable in (
        ("Line", "Line-s"),
        ("Link", "Link-p"),
        ("Transformer", "Transformer-s"),
    ):
        static = n.c[component].static
        if not len(static):
            continue
        starts, ends = static.bus0.map(code) == country, static.bus1.map(code) == country
        efficiency = static.efficiency if component == "Link" else pd.Series(1.0, static.index)
        factor = efficiency.where(ends & ~starts, 0.0) - (starts & ~ends).astype(float)
        grid = static.bus0.map(electric).astype(bool) & static.bus1.map(electric).astype(bool)
        factor = factor[(factor != 0) & grid]
        if not len(factor):
            continue
        scale = xr.DataArray(
            factor.to_numpy(dtype=float), dims="name", coords={"name": list(factor.index)}
        )
        flow = n.model.variables[variable].sel(name=list(factor.index))
        part = (flow * scale).sum("name")
        total = part if total is None else total + part
    return total
