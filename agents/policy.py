"""Policy of a country as extra constraints of its planning problem.

The same function serves the country's own model and the planner's joint model: it only touches
components on the country's bus.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import linopy
import pypsa
import xarray as xr

from agents.network import DISPOSAL, SHEDDING
from scenarios.schema import Scenario

# Missing firm capacity is priced rather than forbidden, so that cost stays finite on the whole
# trading box: ten times the annuity of the dearest peaking plant, EUR/MW/a.
RESERVE_SHORTFALL_EUR_PER_MW_A = 1e6


class Policy(Protocol):
    """Extra constraints of one country."""

    def add_to(self, n: pypsa.Network, country: str) -> None:
        """Add them to ``n.model``, which may hold other countries too."""


@dataclass(frozen=True)
class PolicyInForce:
    """The policies of one country that bind.

    Attributes
    ----------
    co2_cap_t : float, optional
        Annual emissions cap, t.
    reserve_mw : float, optional
        Firm capacity required, MW: (1 + margin) times the annual peak at hourly resolution.
    self_sufficiency : float, optional
        Domestic generation as a share of annual demand.
    firm_share : dict of str to float
        Share of a carrier's capacity that counts as firm.
    """

    co2_cap_t: float | None = None
    reserve_mw: float | None = None
    self_sufficiency: float | None = None
    firm_share: dict[str, float] = field(default_factory=dict)

    def add_to(self, n: pypsa.Network, country: str) -> None:
        """Add the policies in force to ``n.model``."""
        add_policy_constraints(n, country, self)


def policy_in_force(scenario: Scenario, country: str, peak_mw: float) -> PolicyInForce:
    """Policies of a country that the scenario's switches turn on.

    Parameters
    ----------
    scenario : Scenario
    country : str
    peak_mw : float
        Annual peak load at hourly resolution, MW.
    """
    row = next((p for p in scenario.policy if p.country == country), None)
    if row is None:
        return PolicyInForce()
    on = scenario.settings.policy
    capped = on.co2_caps and row.co2_cap_mt is not None
    reserved = on.reserve_margins and row.reserve_margin is not None
    return PolicyInForce(
        co2_cap_t=row.co2_cap_mt * 1e6 if capped and row.co2_cap_mt is not None else None,
        reserve_mw=(1 + row.reserve_margin) * peak_mw
        if reserved and row.reserve_margin is not None
        else None,
        self_sufficiency=row.self_sufficiency if on.self_sufficiency else None,
        firm_share={t.carrier: t.firm_share for t in scenario.technologies},
    )


def add_policy_constraints(n: pypsa.Network, country: str, policy: PolicyInForce) -> None:
    """Add a country's CO2 cap, reserve margin and self-sufficiency floor to ``n.model``.

    Parameters
    ----------
    n : pypsa.Network
        Network with a linopy model, the country's bus bearing its code.
    country : str
    policy : PolicyInForce
    """
    if policy.co2_cap_t is not None:
        _add_co2_cap(n, country, policy.co2_cap_t)
    if policy.self_sufficiency is not None:
        _add_self_sufficiency(n, country, policy.self_sufficiency)
    if policy.reserve_mw is not None:
        _add_reserve(n, country, policy.firm_share, policy.reserve_mw)


def _own(n: pypsa.Network, component: str, country: str) -> list[str]:
    static = n.c[component].static
    return list(static.index[static.bus == country])


def _weights(n: pypsa.Network) -> xr.DataArray:
    hours = n.snapshot_weightings.generators
    return xr.DataArray(
        hours.to_numpy(dtype=float), dims="snapshot", coords={"snapshot": n.snapshots}
    )


def _energy_mwh(n: pypsa.Network, names: list[str], factor: list[float]) -> linopy.LinearExpression:
    """Sum over snapshots and generators of hours x factor x dispatch."""
    dispatch = n.model.variables["Generator-p"].sel(name=names)
    scale = xr.DataArray(factor, dims="name", coords={"name": names})
    return (dispatch * (_weights(n) * scale)).sum()


def _add_co2_cap(n: pypsa.Network, country: str, cap_t: float) -> None:
    own = _own(n, "Generator", country)
    static = n.generators.loc[own]
    rate = static.carrier.map(n.carriers.co2_emissions).fillna(0.0) / static.efficiency
    emitting = [name for name in own if rate[name] > 0]
    if emitting:
        emissions = _energy_mwh(n, emitting, [float(rate[name]) for name in emitting])
        n.model.add_constraints(emissions <= cap_t, name=f"{country}_co2_cap")


def _add_self_sufficiency(n: pypsa.Network, country: str, share: float) -> None:
    static = n.generators
    own = [
        name
        for name in _own(n, "Generator", country)
        if static.carrier[name] not in (SHEDDING, DISPOSAL)
    ]
    supply = _energy_mwh(n, own, [1.0] * len(own))
    units = [u for u in _own(n, "StorageUnit", country) if u in n.storage_units_t.inflow]
    if units:
        release = n.model.variables["StorageUnit-p_dispatch"].sel(name=units)
        supply = supply + (release * _weights(n)).sum()
    loads = _own(n, "Load", country)
    demand = n.get_switchable_as_dense("Load", "p_set")[loads].sum(axis=1)
    need_mwh = share * float((demand * n.snapshot_weightings.generators).sum())
    n.model.add_constraints(supply >= need_mwh, name=f"{country}_self_sufficiency")


def _add_reserve(
    n: pypsa.Network, country: str, firm_share: dict[str, float], need_mw: float
) -> None:
    model = n.model
    shortfall = model.add_variables(lower=0.0, name=f"{country}_reserve_shortfall")
    firm = 1.0 * shortfall
    for component in ("Generator", "StorageUnit"):
        static = n.c[component].static
        for name in _own(n, component, country):
            share = firm_share.get(static.carrier[name], 0.0)
            if share == 0:
                continue
            if static.p_nom_extendable[name]:
                capacity = model.variables[f"{component}-p_nom"].sel(name=name, drop=True)
                firm = firm + share * capacity
            else:
                need_mw -= share * static.p_nom[name]
    model.add_constraints(firm >= need_mw, name=f"{country}_reserve_margin")
    model.objective += RESERVE_SHORTFALL_EUR_PER_MW_A * shortfall
