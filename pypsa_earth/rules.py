"""National rules: the constraints PyPSA-Earth adds when it solves, and limits shared out.

The same rules serve a country's own model and a joint one: they only touch components whose buses
all lie in the country.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pypsa
import xarray as xr

from agents.network import DISPOSAL
from pypsa_earth.branches import FIRM
from pypsa_earth.countries import load_mwh
from pypsa_earth.limits import CAPACITY_LIMIT, Limit, add_limits
from pypsa_earth.national import NationalValues
from pypsa_earth.own import Own

REVERSED = "-reversed"
# What counts in the renewable share where the configuration does not say, and the links that fill
# and empty stores.
RENEWABLE = (
    "solar",
    "onwind",
    "offwind-ac",
    "offwind-dc",
    "hydro",
    "ror",
    "PHS",
    "csp",
    "geothermal",
)
# Generators that make nothing of their own.
NO_PLANTS = (DISPOSAL, FIRM)
CHARGERS = ("H2 electrolysis", "battery charger")
DISCHARGERS = ("H2 fuel cell", "battery discharger")


@dataclass(frozen=True)
class NationalRules:
    """Rules of one country.

    Attributes
    ----------
    limits : tuple of Limit
        National ones and its shares of limits on all countries.
    eq_share, eq_by_country, res_share, renewable, reserve
        See :class:`pypsa_earth.options.FileOptions`.
    values : NationalValues
        BAU, SAFE and CCL.
    """

    limits: tuple[Limit, ...] = ()
    eq_share: float | None = None
    eq_by_country: bool = True
    res_share: float | None = None
    renewable: tuple[str, ...] = RENEWABLE
    reserve: tuple[float, float, float] | None = None
    values: NationalValues = field(default_factory=NationalValues)

    def add_to(self, n: pypsa.Network, country: str) -> None:
        """Add all rules to ``n.model``."""
        own = Own(n, country)
        charger_ratio(own)
        lossy_link_sync(own)
        add_limits(own, self.limits)
        if self.eq_share is not None:
            equity(own, self.eq_share, self.eq_by_country)
        if self.res_share is not None:
            renewable_share(own, self.res_share, self.renewable)
        if self.reserve is not None:
            operational_reserve(own, *self.reserve)
        capacity_limits(own, self.values)

    def as_global_constraints(self) -> dict[str, dict[str, object]]:
        """The rules that PyPSA has a type of global constraint for, by name."""
        limits = list(self.limits)
        for carrier, least in self.values.bau_mw.items():
            limits.append(Limit(f"BAU {carrier}", CAPACITY_LIMIT, carrier, ">=", least))
        for carrier, (fewest, most) in self.values.ccl_mw.items():
            for side, sense, mw in (("min", ">=", fewest), ("max", "<=", most)):
                if mw is not None:
                    name = f"CCL {carrier} {side}"
                    limits.append(Limit(name, CAPACITY_LIMIT, carrier, sense, mw))
        return {limit.name: limit.attributes for limit in limits}


def charger_ratio(own: Own) -> None:
    """A battery's charger delivers to it what its discharger draws from it: one inverter.

    Imposed on every battery whose charger and discharger are both extendable.
    """
    links = own.static("Link")
    extendable = links.index[links.p_nom_extendable]
    chargers = [
        c
        for c in extendable
        if "battery charger" in f"{links.carrier[c]}"
        and c.replace("charger", "discharger") in extendable
    ]
    if not chargers:
        return
    dischargers = [c.replace("charger", "discharger") for c in chargers]
    p_nom = own.n.model.variables["Link-p_nom"]
    efficiency = xr.DataArray(
        links.efficiency[dischargers].to_numpy(dtype=float), dims="name", coords={"name": chargers}
    )
    drawn = p_nom.sel(name=dischargers).assign_coords(name=chargers)
    own.add(p_nom.sel(name=chargers) - drawn * efficiency == 0, "charger_ratio")


def lossy_link_sync(own: Own) -> None:
    """A lossy pipe or cable that is written as two links grows in both directions alike."""
    links = own.static("Link")
    if "reversed" not in links:
        return
    extendable = links.index[links.p_nom_extendable]
    back = [
        name
        for name in extendable
        if bool(links.reversed.fillna(0)[name])
        and name.removesuffix(REVERSED) in extendable
        and name.endswith(REVERSED)
    ]
    if not back:
        return
    p_nom = own.n.model.variables["Link-p_nom"]
    there = p_nom.sel(name=[name.removesuffix(REVERSED) for name in back])
    own.add(p_nom.sel(name=back) - there.assign_coords(name=back) == 0, "bidirectional_sync")


def equity(own: Own, share: float, by_country: bool) -> None:
    """EQ: own generation covers a share of load, less inflow, in the country or on every bus.

    Shed load counts as generation, as in PyPSA-Earth, where shedding is a generator.
    """
    n = own.n
    groups = [(own.country, own.buses)] if by_country else [(b, {b}) for b in sorted(own.buses)]
    energy = load_mwh(n)
    static, units = own.static("Generator"), own.static("StorageUnit")
    for name, buses in groups:
        need = share * float(energy[energy.index.isin(buses)].sum())
        if need <= 0:
            continue
        makes = static.index[static.bus.isin(buses) & ~static.carrier.isin(NO_PLANTS)]
        supply = own.energy("Generator-p", static.sign[makes])
        fed = [
            u for u in units.index[units.bus.isin(buses)] if u in n.storage_units_t.inflow.columns
        ]
        if fed:
            hours = n.snapshot_weightings.stores
            need -= float(n.storage_units_t.inflow[fed].mul(hours, axis=0).sum().sum())
            spill = n.model.variables["StorageUnit-spill"]
            known = [u for u in fed if u in set(spill.coords["name"].to_index())]
            if known:
                supply = supply - own.energy("StorageUnit-spill", pd.Series(1.0, known), "stores")
        own.add(supply >= need, f"equity {name}")


def renewable_share(own: Own, share: float, carriers: tuple[str, ...]) -> None:
    """RES: renewable generation, net of what storage keeps, is a share of load, as an equation."""
    static, units, links = own.static("Generator"), own.static("StorageUnit"), own.static("Link")
    energy = load_mwh(own.n)
    need = share * float(energy[energy.index.isin(own.buses)].sum())
    terms = []
    makes = static.index[static.carrier.isin(carriers)]
    if len(makes):
        terms.append(own.energy("Generator-p", static.sign[makes]))
    stores = units.index[units.carrier.isin(carriers)]
    if len(stores):
        one = pd.Series(1.0, stores)
        terms.append(own.energy("StorageUnit-p_dispatch", one, "stores"))
        terms.append(own.energy("StorageUnit-p_store", -one, "stores"))
    for way, sign in ((CHARGERS, -1.0), (DISCHARGERS, 1.0)):
        names = links.index[links.carrier.isin(way)]
        if len(names):
            terms.append(own.energy("Link-p", sign * links.efficiency[names], "stores"))
    if terms:
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        own.add(total == need, "renewable_share")


def operational_reserve(own: Own, load_share: float, vres_share: float, fixed_mw: float) -> None:
    """Spare capacity of generators in every snapshot: for load, renewables and an outage.

    As GenX and PyPSA-Earth formulate it; generators that shed load can stand by too.
    """
    n, model = own.n, own.n.model
    static = own.static("Generator")
    static = static[~static.carrier.isin(NO_PLANTS)]
    names = list(static.index)
    reserve = model.add_variables(
        lower=0.0,
        coords=[n.snapshots, pd.Index(names, name="name")],
        name=f"{own.country} reserve",
    )
    available = n.get_switchable_as_dense("Generator", "p_max_pu")[names]
    weather = [g for g in names if g in n.generators_t.p_max_pu.columns]
    grows = static.p_nom_extendable
    need = load_share * n.get_switchable_as_dense("Load", "p_set")[own.names("Load")].sum(axis=1)
    fixed = [g for g in weather if not grows[g]]
    need = need + vres_share * (available[fixed] * static.p_nom[fixed]).sum(axis=1) + fixed_mw
    held = reserve.sum("name")
    moving = [g for g in weather if grows[g]]
    if moving:
        p_nom = model.variables["Generator-p_nom"].sel(name=moving)
        held = held - (p_nom * _per_snapshot(n, vres_share * available[moving])).sum("name")
    own.add(held >= _per_snapshot(n, need), "reserve_margin")
    power = model.variables["Generator-p"].sel(name=names) + reserve
    for group, extendable in ((static.index[~grows], False), (static.index[grows], True)):
        own_names = list(group)
        if not own_names:
            continue
        here = power.sel(name=own_names)
        if extendable:
            p_nom = model.variables["Generator-p_nom"].sel(name=own_names)
            own.add(here - p_nom * _per_snapshot(n, available[own_names]) <= 0, "reserve_ext")
        else:
            most = available[own_names] * static.p_nom[own_names]
            own.add(here <= _per_snapshot(n, most), "reserve_fix")


def capacity_limits(own: Own, values: NationalValues) -> None:
    """BAU, SAFE and CCL with national values.

    As in PyPSA-Earth, BAU and CCL are sums over extendable generators, whose capacity includes
    what is there already; only SAFE counts the others too.
    """
    static = own.static("Generator")
    grows, stands = static[static.p_nom_extendable], static[~static.p_nom_extendable]
    one = pd.Series(1.0, grows.index)
    for carrier, least in values.bau_mw.items():
        names = grows.index[grows.carrier == carrier]
        if len(names):
            own.add(own.capacity("Generator-p_nom", one[names]) >= least, f"BAU {carrier}")
    if values.safe_margin is not None:
        peak = own.n.get_switchable_as_dense("Load", "p_set")[own.names("Load")].sum(axis=1).max()
        have = float(stands.p_nom[stands.carrier.isin(values.safe_carriers)].sum())
        names = grows.index[grows.carrier.isin(values.safe_carriers)]
        if len(names):
            need = (1 + values.safe_margin) * float(peak) - have
            own.add(own.capacity("Generator-p_nom", one[names]) >= need, "SAFE")
    for carrier, (fewest, most) in values.ccl_mw.items():
        names = grows.index[grows.carrier == carrier]
        if len(names):
            total = own.capacity("Generator-p_nom", one[names])
            if fewest is not None:
                own.add(total >= fewest, f"CCL {carrier} min")
            if most is not None:
                own.add(total <= most, f"CCL {carrier} max")


def _per_snapshot(n: pypsa.Network, frame: pd.DataFrame | pd.Series) -> xr.DataArray:
    values = frame.to_numpy(dtype=float)
    coords: dict[str, object] = {"snapshot": n.snapshots}
    dims = ["snapshot"]
    if isinstance(frame, pd.DataFrame):
        coords["name"] = list(frame.columns)
        dims.append("name")
    return xr.DataArray(np.asarray(values), dims=dims, coords=coords)
