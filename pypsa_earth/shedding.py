"""Load shedding in PyPSA-Earth's three conventions, made one; and the disposal that goes with it.

Up to about v0.6 shedding is a generator in kW (``sign`` 0.001, costs in EUR/kWh), in v0.7 one in MW
on every bus with a capacity of 1e12 MW, later one named ``load shedding`` of 1.2 times the peak.
The carrier keeps its name; only units and absurd capacities change.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pypsa

from agents.network import DISPOSAL
from pypsa_earth.countries import is_electric, load_mw

SHEDDING_CARRIERS = frozenset({"load", "Load", "load shedding", "load_shedding"})
# What PyPSA-Earth's ``load_shedding: true`` means in its own units (1 EUR/kWh).
DEFAULT_PRICE_EUR_PER_MWH = 1000.0


def shedding_generators(n: pypsa.Network) -> pd.Index:
    """Generators that stand for load shedding, whatever the convention."""
    carrier = n.generators.carrier.fillna("")
    ends = [str(name).endswith((" load", " load shedding")) for name in n.generators.index]
    unnamed = (carrier == "") & np.array(ends, dtype=bool)
    return n.generators.index[carrier.isin(SHEDDING_CARRIERS) | unnamed]


def normalise(n: pypsa.Network) -> dict[str, float]:
    """Turn generators in other units than MW into MW, in place.

    Returns
    -------
    dict of str to float
        Factor of each generator that was changed: MW per unit of the file.
    """
    factors = n.generators.sign.abs()
    changed = factors.index[(factors != 1) & (factors > 0)]
    for attribute in ("p_nom", "p_nom_min", "p_nom_max", "p_nom_opt"):
        if attribute in n.generators:
            n.generators.loc[changed, attribute] *= factors[changed]
    for attribute in ("marginal_cost", "capital_cost"):
        n.generators.loc[changed, attribute] /= factors[changed]
    for attribute, scale in (("p", 1.0), ("p_set", 1.0), ("marginal_cost", -1.0)):
        series = n.generators_t.get(attribute)
        if series is not None:
            own = series.columns.intersection(changed)
            series[own] = series[own] * factors[own] ** scale
    n.generators.loc[changed, "sign"] = np.sign(n.generators.sign[changed])
    return {str(name): float(factors[name]) for name in changed}


def limit(n: pypsa.Network, bound_mw: float) -> None:
    """Cut capacities of shedding to what may ever be needed; 1e12 MW upset a solver."""
    own = shedding_generators(n)
    n.generators.loc[own, "p_nom"] = n.generators.p_nom[own].clip(upper=bound_mw)


def bound_mw(n: pypsa.Network, exchange_mw: float) -> float:
    """Twice all load at its peak and all that interconnectors could take, MW."""
    return 2 * (float(load_mw(n).sum(axis=1).max()) + exchange_mw)


def add_shedding(n: pypsa.Network, price_eur_per_mwh: float, bound: float) -> list[str]:
    """Add load shedding to every bus of the grid that has none; returns the buses."""
    served = set(n.generators.bus[shedding_generators(n)])
    buses = [bus for bus in n.buses.index[is_electric(n)] if bus not in served]
    add_shedding_at(n, buses, price_eur_per_mwh, bound)
    return buses


def add_shedding_at(
    n: pypsa.Network, buses: list[str], price_eur_per_mwh: float, bound: float
) -> None:
    """Add load shedding to some buses, under the carrier that the network has for it."""
    if not buses:
        return
    carrier = _carrier(n)
    if carrier not in n.carriers.index:
        n.add("Carrier", carrier, nice_name="Load shedding", color="#dd2e23")
    n.add(
        "Generator",
        [f"{bus} {carrier}" for bus in buses],
        bus=buses,
        carrier=carrier,
        p_nom=bound,
        marginal_cost=price_eur_per_mwh,
    )


def _carrier(n: pypsa.Network) -> str:
    present = n.generators.carrier[shedding_generators(n)]
    known = present[present.isin(SHEDDING_CARRIERS)]
    return str(known.iloc[0]) if len(known) else "load shedding"


def add_disposal(
    n: pypsa.Network, buses: list[str], price_eur_per_mwh: float, bound: float
) -> None:
    """Let energy be thrown away where interconnectors land, at the price of shed load.

    Only so is the cost finite whatever is imported. The price keeps it from being used for
    anything else: without exchange it would pay only against prices below the negative of it.
    """
    if not buses:
        return
    if DISPOSAL not in n.carriers.index:
        n.add("Carrier", DISPOSAL, nice_name="Disposal", color="#c9c9c9")
    n.add(
        "Generator",
        [f"{bus} {DISPOSAL}" for bus in buses],
        bus=buses,
        carrier=DISPOSAL,
        sign=-1.0,
        p_nom=bound + float(n.generators.p_nom.sum() + n.storage_units.p_nom.sum()),
        marginal_cost=price_eur_per_mwh,
    )


def price_eur_per_mwh(n: pypsa.Network) -> float | None:
    """Dearest price of shedding in the file, which no marginal cost exceeds."""
    own = shedding_generators(n)
    return float(n.generators.marginal_cost[own].max()) if len(own) else None
