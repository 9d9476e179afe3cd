"""A small network such as PyPSA-Earth prepares, made here, so that no licence is attached to it.

Namibia is ``NA``. Two extendable lines join it to South Africa, at different buses, and a pair of
hydrogen pipes whose compressor takes electricity from a third port. Lesotho has a bus and no load.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pypsa

COUNTRIES = ("BW", "NA", "ZA")
SNAPSHOTS = 16
BUSES = {
    "BW1 0": ("BW", 24.0, -22.0),
    "NA1 0": ("NA", 17.0, -22.5),
    "ZA1 0": ("ZA", 28.0, -26.0),
    "ZA1 1": ("ZA", 20.0, -31.0),
    "LS1 0": ("LS", 28.2, -29.6),
}
COLOURS = {"AC": "#70af1d", "coal": "#707070", "OCGT": "#d35050", "solar": "#f9d002"}
CONVENTIONS = ("kW", "MW", "peak")


def sapp_like(shedding: str | None = None) -> pypsa.Network:
    """Prepared network; with load shedding in one of PyPSA-Earth's conventions if asked for.

    It is assembled once and then copied, which takes a hundredth of the time.
    """
    return _assembled(shedding).copy()


@cache
def _assembled(shedding: str | None) -> pypsa.Network:
    n = pypsa.Network(name="sapp-like")
    n.set_snapshots(pd.date_range("2013-06-01", periods=SNAPSHOTS, freq="3h"))
    for column in n.snapshot_weightings:
        n.snapshot_weightings[column] = 8760.0 / SNAPSHOTS
    n.meta = {
        "wildcards": {"opts": "Co2L-3h"},
        "solving": {"options": {"load_shedding": True, "clip_p_max_pu": 0.01}},
    }
    _carriers(n)
    rng = np.random.default_rng(5)
    for bus, (country, x, y) in BUSES.items():
        n.add("Bus", bus, country=country, x=x, y=y, carrier="AC", v_nom=380.0)
        if country != "LS":
            _plants(n, bus, rng)
            _storage(n, bus)
    n.add("Load", [b for b in BUSES if b != "LS1 0"], bus=[b for b in BUSES if b != "LS1 0"])
    hours = np.arange(SNAPSHOTS) * 3 % 24
    for bus, mean in {"BW1 0": 500.0, "NA1 0": 450.0, "ZA1 0": 9000.0, "ZA1 1": 4000.0}.items():
        n.loads_t.p_set[bus] = mean * (1 + 0.25 * np.sin((hours - 9) / 24 * 2 * np.pi))
    n.add(
        "StorageUnit",
        "NA1 0 hydro",
        bus="NA1 0",
        carrier="hydro",
        p_nom=350.0,
        max_hours=6.0,
        cyclic_state_of_charge=True,
        inflow=pd.Series(180.0 + 40 * np.cos(hours), n.snapshots),
    )
    _lines(n)
    _limits(n)
    if shedding is not None:
        add_shedding(n, shedding)
    return n


def add_shedding(n: pypsa.Network, convention: str) -> None:
    """Load shedding at 1000 EUR/MWh: in kW (<= v0.6), on all buses (v0.7), or by peak (later)."""
    grid = list(n.buses.index[n.buses.carrier == "AC"])
    if convention == "kW":
        n.add(
            "Generator",
            [f"{b} load" for b in grid],
            bus=grid,
            carrier="load",
            sign=1e-3,
            p_nom=1e9,
            marginal_cost=1.0,
        )
    elif convention == "MW":
        every = list(n.buses.index)
        n.add(
            "Generator",
            [f"{b} load" for b in every],
            bus=every,
            carrier="load",
            p_nom=1e12,
            marginal_cost=1000.0,
        )
    else:
        peak = n.loads_t.p_set.max().max()
        n.add(
            "Generator",
            [f"{b} load shedding" for b in grid],
            bus=grid,
            carrier="load shedding",
            p_nom=1.2 * peak,
            marginal_cost=1000.0,
        )


def written(
    folder: Path, change: Callable[[pypsa.Network], None] | None = None, **options: str
) -> Path:
    """Write the network, changed, as a netCDF file."""
    n = sapp_like(options.get("shedding"))
    if change is not None:
        change(n)
    place = folder / "elec_s_4_ec_lcopt_Co2L-3h.nc"
    n.export_to_netcdf(str(place))
    return place


def _carriers(n: pypsa.Network) -> None:
    emissions = {"coal": 0.34, "OCGT": 0.2}
    names = ["AC", "H2", "battery", "coal", "OCGT", "solar", "onwind", "hydro", "H2 pipeline"]
    for name in names:
        n.add(
            "Carrier",
            name,
            color=COLOURS.get(name, "#235ebc"),
            nice_name=name.title(),
            co2_emissions=emissions.get(name, 0.0),
        )


def _plants(n: pypsa.Network, bus: str, rng: np.random.Generator) -> None:
    hours = np.arange(SNAPSHOTS) * 3 % 24
    sun = np.clip(np.sin((hours - 6) / 12 * np.pi), 0, None) * (0.9 if bus == "NA1 0" else 0.6)
    wind = rng.uniform(0.1, 0.6, SNAPSHOTS)
    coal = {"ZA1 0": 9500.0, "ZA1 1": 2000.0, "BW1 0": 300.0}.get(bus, 0.0)
    if coal:
        n.add(
            "Generator",
            f"{bus} coal",
            bus=bus,
            carrier="coal",
            p_nom=coal,
            efficiency=0.36,
            marginal_cost=28.0,
        )
    for carrier, cost, series in (("solar", 48_000.0, sun), ("onwind", 95_000.0, wind)):
        n.add(
            "Generator",
            f"{bus} {carrier}",
            bus=bus,
            carrier=carrier,
            p_nom_extendable=True,
            p_nom_max=6000.0,
            capital_cost=cost,
            marginal_cost=0.01,
            p_max_pu=pd.Series(series, n.snapshots),
        )
    n.add(
        "Generator",
        f"{bus} OCGT",
        bus=bus,
        carrier="OCGT",
        p_nom_extendable=True,
        capital_cost=42_000.0,
        marginal_cost=95.0,
        efficiency=0.4,
    )


def _storage(n: pypsa.Network, bus: str) -> None:
    at = dict(zip(("country", "x", "y"), BUSES[bus], strict=True))
    for carrier, into, out, losses, cost in (
        ("battery", "battery charger", "battery discharger", 0.95, (11_000.0, 9_000.0)),
        ("H2", "H2 electrolysis", "H2 fuel cell", 0.7, (40_000.0, 900.0)),
    ):
        store = f"{bus} {carrier}"
        # As in real files, sub-buses may lack a country; they have that of their links.
        n.add("Bus", store, carrier=carrier, x=at["x"], y=at["y"], country="")
        n.add(
            "Link",
            f"{bus} {into}",
            bus0=bus,
            bus1=store,
            carrier=into,
            efficiency=losses,
            p_nom_extendable=True,
            capital_cost=cost[0],
        )
        n.add(
            "Link",
            f"{bus} {out}",
            bus0=store,
            bus1=bus,
            carrier=out,
            efficiency=losses,
            p_nom_extendable=True,
            capital_cost=0.0,
        )
        n.add(
            "Store",
            store,
            bus=store,
            carrier=carrier,
            e_cyclic=True,
            e_nom_extendable=True,
            capital_cost=cost[1],
        )


def _lines(n: pypsa.Network) -> None:
    for name, bus0, bus1, s_nom, extendable in (
        ("0", "ZA1 0", "ZA1 1", 3000.0, False),
        ("1", "NA1 0", "ZA1 0", 300.0, True),
        ("2", "ZA1 1", "NA1 0", 500.0, True),
        ("3", "BW1 0", "ZA1 0", 600.0, False),
        ("4", "LS1 0", "ZA1 0", 200.0, False),
    ):
        n.add(
            "Line",
            name,
            bus0=bus0,
            bus1=bus1,
            s_nom=s_nom,
            s_nom_min=s_nom if extendable else 0.0,
            s_nom_extendable=extendable,
            s_max_pu=0.7,
            x=40.0,
            length=900.0,
            capital_cost=30_000.0,
            carrier="AC",
        )
    n.add(
        "Link",
        "NA-BW",
        bus0="NA1 0",
        bus1="BW1 0",
        carrier="DC",
        p_nom=200.0,
        p_min_pu=-1.0,
        efficiency=0.97,
        length=600.0,
    )
    for name, bus0, bus1, back in (
        ("H2 pipeline NA1 0-ZA1 0", "NA1 0 H2", "ZA1 0 H2", False),
        ("H2 pipeline NA1 0-ZA1 0-reversed", "ZA1 0 H2", "NA1 0 H2", True),
    ):
        n.add(
            "Link",
            name,
            bus0=bus0,
            bus1=bus1,
            bus2="NA1 0",
            efficiency=0.98,
            efficiency2=-0.02,
            carrier="H2 pipeline",
            p_nom_extendable=True,
            capital_cost=0.0 if back else 20_000.0,
            length=0.0 if back else 1000.0,
            reversed=back,
        )


def _limits(n: pypsa.Network) -> None:
    n.add(
        "GlobalConstraint",
        "CO2Limit",
        type="primary_energy",
        carrier_attribute="co2_emissions",
        sense="<=",
        constant=9.5e7,
    )
    n.add(
        "GlobalConstraint",
        "lv_limit",
        type="transmission_volume_expansion_limit",
        carrier_attribute="AC, DC",
        sense="<=",
        constant=1.25 * 800.0 * 900.0,
    )
