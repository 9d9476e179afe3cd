"""National rules against PyPSA-Earth's formulas, written out and computed from the solutions.

Every rule is tight in its optimum: what the formula gives is what it asks for, neither less, which
would break the rule, nor more, which would mean that another rule than the formula binds.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pypsa
import pytest

from pypsa_earth.limits import CAPACITY_LIMIT, Limit
from pypsa_earth.national import NationalValues
from pypsa_earth.options import file_options
from pypsa_earth.references import solve_whole
from pypsa_earth.rules import CHARGERS, DISCHARGERS, NationalRules
from pypsa_earth.split import national_rules, split
from tests.small_networks import sapp_like

TIGHT = 1e-6


@cache
def parts() -> dict[str, pypsa.Network]:
    """Countries of the small network; South Africa has an old plant of a carrier that can grow."""
    networks = split(sapp_like())
    networks["ZA"].add(
        "Generator", "ZA1 0 old", bus="ZA1 0", carrier="OCGT", p_nom=400.0, marginal_cost=120.0
    )
    return networks


@cache
def free_eur(country: str) -> float:
    """Cost of a country without rules."""
    return solve_whole(parts()[country], {country: NationalRules()}).cost_eur


def solved(country: str, rules: NationalRules) -> pypsa.Network:
    """A country with a rule, which costs it something."""
    bound = solve_whole(parts()[country], {country: rules})
    assert bound.cost_eur > free_eur(country) * (1 + 1e-7)
    return bound.network


def mwh(power: pd.DataFrame, hours: pd.Series) -> pd.Series:
    """Energy of every component over the horizon."""
    return power.mul(hours, axis=0).sum()


@pytest.mark.parametrize("by_country", [True, False])
@pytest.mark.parametrize("country", ["NA", "ZA"])
def test_equity(country: str, by_country: bool) -> None:
    """Sum of w p - sum of w spill >= share x load - sum of w inflow, by country (c) or by bus."""
    share = 1.05
    n = solved(country, NationalRules(eq_share=share, eq_by_country=by_country))
    hours, store_hours = n.snapshot_weightings.generators, n.snapshot_weightings.stores
    made = mwh(n.generators_t.p, hours).groupby(n.generators.bus).sum()
    load = mwh(n.loads_t.p_set, hours).groupby(n.loads.bus).sum()
    units = n.storage_units.bus
    spill = mwh(n.storage_units_t.spill, store_hours).groupby(units).sum()
    inflow = mwh(n.storage_units_t.inflow, store_hours).groupby(units).sum()
    table = pd.DataFrame({"made": made, "load": load, "spill": spill, "inflow": inflow}).fillna(0.0)
    if by_country:
        table = table.sum().to_frame().T
    slack = table.made - table.spill - (share * table.load - table.inflow)
    assert (slack >= -TIGHT * table.load.sum()).all()
    assert slack.min() <= TIGHT * table.load.sum()
    if country == "NA":
        assert table.inflow.sum() > 0.3 * table.load.sum()


@pytest.mark.parametrize(("country", "share"), [("NA", 0.75), ("ZA", 0.35)])
@pytest.mark.parametrize("carriers", [None, ["solar", "onwind"]])
def test_renewable_share(country: str, share: float, carriers: list[str] | None) -> None:
    """Generation + dispatch - storing - delivered to stores + delivered by stores = share x load.

    Over ``renewable_carriers`` of the configuration, where it names them.
    """
    whole = sapp_like()
    whole.meta = {"wildcards": {"opts": f"RES{share}"}}
    if carriers:
        whole.meta["electricity"] = {"renewable_carriers": carriers}
    rules = national_rules(whole, file_options(whole), co2="none", transmission_limit="drop")
    n = solved(country, rules[country])
    counted = carriers or ["solar", "onwind", "hydro"]
    hours, store_hours = n.snapshot_weightings.generators, n.snapshot_weightings.stores
    units = n.storage_units.index[n.storage_units.carrier.isin(counted)]
    links = n.links
    total = mwh(n.generators_t.p, hours)[n.generators.carrier.isin(counted)].sum()
    total += mwh(n.storage_units_t.p_dispatch[units], store_hours).sum()
    total -= mwh(n.storage_units_t.p_store[units], store_hours).sum()
    delivered = mwh(n.links_t.p0, store_hours) * links.efficiency
    total += delivered[links.carrier.isin(DISCHARGERS)].sum()
    total -= delivered[links.carrier.isin(CHARGERS)].sum()
    assert total == pytest.approx(share * mwh(n.loads_t.p_set, hours).sum(), rel=TIGHT)


def test_operational_reserve() -> None:
    """Sum of r >= e_load d + e_vres (potential of renewables) + contingency, p + r <= available.

    The largest r that a solution leaves room for is available capacity less generation.
    """
    e_load, e_vres, contingency = 0.3, 0.5, 500.0
    n = solved("ZA", NationalRules(reserve=(e_load, e_vres, contingency)))
    available = n.get_switchable_as_dense("Generator", "p_max_pu") * n.generators.p_nom_opt
    weather = n.generators_t.p_max_pu.columns
    need = e_load * n.loads_t.p_set.sum(axis=1) + contingency
    need = need + e_vres * available[weather].sum(axis=1)
    slack = (available - n.generators_t.p).sum(axis=1) - need
    assert slack.min() == pytest.approx(0.0, abs=TIGHT * need.max())


def test_least_capacities() -> None:
    """BAU: extendable capacity of a carrier sums to at least so much; the rest is not counted."""
    n = solved("ZA", NationalRules(values=NationalValues(bau_mw={"OCGT": 3000.0})))
    grows = n.generators[n.generators.p_nom_extendable & (n.generators.carrier == "OCGT")]
    assert grows.p_nom_opt.sum() == pytest.approx(3000.0, rel=TIGHT)


def test_capacity_margin() -> None:
    """SAFE: conventional capacity, existing included, is (1 + margin) x peak load."""
    values = NationalValues(safe_margin=0.4)
    n = solved("ZA", NationalRules(values=values))
    firm = n.generators[n.generators.carrier.isin(values.safe_carriers)]
    assert {"coal", "OCGT"} == set(firm.carrier)
    capacity = firm.p_nom_opt.where(firm.p_nom_extendable, firm.p_nom).sum()
    assert capacity == pytest.approx(1.4 * n.loads_t.p_set.sum(axis=1).max(), rel=TIGHT)


def test_capacities_by_country_and_carrier() -> None:
    """CCL: least <= extendable capacity of a carrier <= most."""
    limits = {"solar": (11_900.0, None), "onwind": (None, 50.0)}
    n = solved("ZA", NationalRules(values=NationalValues(ccl_mw=limits)))
    grows = n.generators[n.generators.p_nom_extendable]
    built = grows.p_nom_opt.groupby(grows.carrier).sum()
    assert built["solar"] == pytest.approx(11_900.0, rel=TIGHT)
    assert built["onwind"] == pytest.approx(50.0, rel=TIGHT)
    assert np.isfinite(built["OCGT"])


def test_rules_that_pypsa_knows_are_global_constraints() -> None:
    """What PyPSA has a type for is written as it takes it; the rest is not among them."""
    values = NationalValues(
        bau_mw={"OCGT": 3000.0}, ccl_mw={"solar": (10.0, None), "onwind": (1.0, 50.0)}
    )
    emissions = Limit("CO2", "primary_energy", "co2_emissions", "<=", 7.0)
    rules = NationalRules(limits=(emissions,), eq_share=0.5, res_share=0.5, values=values)
    found = rules.as_global_constraints()
    told = {name: (c["carrier_attribute"], c["sense"], c["constant"]) for name, c in found.items()}
    assert told == {
        "CO2": ("co2_emissions", "<=", 7.0),
        "BAU OCGT": ("OCGT", ">=", 3000.0),
        "CCL solar min": ("solar", ">=", 10.0),
        "CCL onwind min": ("onwind", ">=", 1.0),
        "CCL onwind max": ("onwind", "<=", 50.0),
    }
    n = pypsa.Network()
    for name, attributes in found.items():
        n.add("GlobalConstraint", name, **attributes)
    assert set(n.global_constraints.type) == {"primary_energy", CAPACITY_LIMIT}
