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
from agents.network import DISPOSAL
from pypsa_earth.branches import crossings
from pypsa_earth.countries import country_of_bus, is_electric
from pypsa_earth.shedding import shedding_generators
from scenarios.errors import ScenarioError

# One MWh of fictitious power weighs as much as so many MWh of net positions that are missed.
_LAST_RESORT = 1e3
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
    fictitious_mwh : float
        Load shed and energy thrown away beyond the outcome's own, without which the network could
        not be dispatched at all.
    """

    share: float
    snapshots_share: float
    shortfall_mwh: float
    fictitious_mwh: float


def deliverable(n: pypsa.Network, net_import_mw: Mapping[str, np.ndarray]) -> Deliverable:
    """Test negotiated exchange against linear power flow.

    Power from nowhere must not steer flows: load is shed and energy thrown away as in the outcome,
    and more of it only where the network could not be dispatched otherwise.

    Parameters
    ----------
    n : pypsa.Network
        Solved outcome with its cross-border lines, load shedding included; capacities are those
        of the outcome, dispatch is free. Links that lose energy across a border lose it both ways.
    net_import_mw : mapping of str to ndarray
        Negotiated net import of every country, MW per snapshot; it sums to the losses.

    Raises
    ------
    ScenarioError
        If the solver fails.
    """
    whole = n.copy()
    _lose_both_ways(whole)
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
        return Deliverable(1.0, 1.0, 0.0, 0.0)
    extra = _beyond_the_outcome(whole, n)
    fictitious = None if extra is None else (extra * weights).sum()
    objective = missed if fictitious is None else missed + _LAST_RESORT * fictitious
    model.add_objective(objective, overwrite=True)
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
        fictitious_mwh=0.0
        if extra is None
        else float(hours @ extra.solution.sum("name").to_numpy()),
    )


def _beyond_the_outcome(whole: pypsa.Network, outcome: pypsa.Network) -> linopy.Variable | None:
    """Load shed and energy thrown away beyond the outcome's, MW; None without such generators."""
    carrier = whole.generators.carrier
    own = whole.generators.index[carrier == DISPOSAL].union(shedding_generators(whole), sort=False)
    if not len(own):
        return None
    extra = whole.model.add_variables(
        lower=0.0, coords=[whole.snapshots, pd.Index(own, name="name")], name="fictitious power"
    )
    used = outcome.generators_t.p.reindex(columns=own, fill_value=0.0)
    power = whole.model.variables["Generator-p"].sel(name=list(own))
    known = xr.DataArray(
        used.to_numpy(dtype=float),
        dims=("snapshot", "name"),
        coords={"snapshot": whole.snapshots, "name": list(own)},
    )
    whole.model.add_constraints(power - extra <= known, name="fictitious power as in the outcome")
    return extra


def _lose_both_ways(n: pypsa.Network) -> None:
    """Make two links of every lossy one that crosses a border both ways, as when trading."""
    efficiency = n.get_switchable_as_dense("Link", "efficiency")
    least = n.get_switchable_as_dense("Link", "p_min_pu")
    for c in crossings(n):
        if c.component != "Link" or c.kind != "electric" or not c.loses_on_the_way_back:
            continue
        back = (-least[c.name]).clip(lower=0.0)
        n.add(
            "Link",
            f"{c.name} back",
            bus0=c.buses[1],
            bus1=c.buses[0],
            carrier=c.carrier,
            p_nom=n.links.p_nom[c.name],
            p_nom_opt=n.links.p_nom_opt[c.name],
            p_nom_extendable=bool(n.links.p_nom_extendable[c.name]),
            p_max_pu=back,
            efficiency=efficiency[c.name],
        )
        n.links_t.p_min_pu[c.name] = least[c.name].clip(lower=0.0)


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
        grid = static.bus0.map(electric).astype(bool) & static.bus1.map(electric).astype(bool)
        names = static.index[(starts != ends) & grid]
        if not len(names):
            continue
        factor = -starts[names].astype(float).to_numpy() * np.ones((len(n.snapshots), 1))
        if component == "Link":
            efficiency = n.get_switchable_as_dense("Link", "efficiency")[names].to_numpy()
        else:
            efficiency = np.ones_like(factor)
        factor = factor + ends[names].to_numpy() * efficiency
        scale = xr.DataArray(
            factor,
            dims=("snapshot", "name"),
            coords={"snapshot": n.snapshots, "name": list(names)},
        )
        flow = n.model.variables[variable].sel(name=list(names))
        part = (flow * scale).sum("name")
        total = part if total is None else total + part
    return total
