"""Which country every bus belongs to."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pypsa

BRANCHES = ("Line", "Link", "Transformer", "Process")
ONE_PORTS = ("Generator", "Load", "StorageUnit", "Store", "ShuntImpedance")
# What a missing country looks like after a file has been written and read; "NA" is Namibia.
_MISSING = {"", "nan", "none", "<na>"}
# Carriers that are usually those of an electricity grid.
ELECTRIC = ("AC", "DC", "low voltage", "")
# Where the carriers of the grid are kept with a network once they are known.
GRID = "dman_cep_electricity"


def country_of_bus(n: pypsa.Network) -> pd.Series:
    """Country code of every bus; empty where there is none.

    A bus without one (a hydrogen or battery bus, say) takes that of the bus it is named after, as
    ``NG1 0 H2`` is after ``NG1 0``; else that of the buses it is connected to, if they all lie in
    the same country.
    """
    if "country" not in n.buses:
        return pd.Series("", index=n.buses.index)
    code = n.buses.country.astype(object).where(n.buses.country.notna(), "").astype(str).str.strip()
    code = code.where(~code.str.lower().isin(_MISSING), "")
    named = {bus: str(bus).rpartition(" ")[0] for bus in code.index[code == ""]}
    children = {bus: parent for bus, parent in named.items() if parent in code.index}
    for bus, parent in children.items():
        code.loc[bus] = code[parent]
    while (code == "").any():
        found = _from_neighbours(n, code).drop(list(children), errors="ignore")
        if not len(found):
            break
        code.loc[found.index] = found
    return code


def _from_neighbours(n: pypsa.Network, code: pd.Series) -> pd.Series:
    near: dict[str, set[str]] = {bus: set() for bus in code.index[code == ""]}
    for component in BRANCHES:
        for ports in ports_of(n, component).itertuples(index=False):
            buses = [bus for bus in ports if bus]
            known = {code[bus] for bus in buses if bus in code.index and code[bus]}
            for bus in buses:
                if bus in near:
                    near[bus] |= known
    return pd.Series({bus: next(iter(c)) for bus, c in near.items() if len(c) == 1}, dtype=object)


def ports_of(n: pypsa.Network, component: str) -> pd.DataFrame:
    """Buses of every branch of a component, one column per port; empty where unused."""
    static = n.c[component].static
    columns = [c for c in static.columns if c.startswith("bus") and c[3:].isdigit()]
    return static[columns].astype(object).where(static[columns].notna(), "").astype(str)


def is_electric(n: pypsa.Network) -> pd.Series:
    """Whether a bus is part of the electricity grid."""
    known = (n.meta or {}).get(GRID)
    return n.buses.carrier.fillna("").isin(grid_carriers(n) if known is None else known)


def remember_grid(n: pypsa.Network, carriers: Sequence[str] = ()) -> None:
    """Keep the carriers of the grid with a network and all that is made of it.

    Parameters
    ----------
    n : pypsa.Network
    carriers : sequence of str
        As the user names them; found by :func:`grid_carriers` if there are none.
    """
    n.meta = {**(n.meta or {}), GRID: list(carriers) or grid_carriers(n)}


def grid_carriers(n: pypsa.Network) -> list[str]:
    """Carriers of the buses that make the electricity grid.

    The grid is what loads, generators and cross-border branches are attached to. Usual names
    (:data:`ELECTRIC`) count where anything is attached to such a bus; lines and transformers are
    electric whatever their buses are called; else it is the carrier with loads whose buses are
    joined across a border, or, without any border, the one with the largest load.
    """
    carrier = n.buses.carrier.fillna("").astype(str)
    attached = {
        bus
        for component in (*ONE_PORTS, "Line", "Transformer")
        for column in ("bus", "bus0", "bus1")
        if column in n.c[component].static
        for bus in n.c[component].static[column]
    }
    code = country_of_bus(n)
    joined: dict[str, float] = {}
    for ports in ports_of(n, "Link")[["bus0", "bus1"]].itertuples(index=False):
        one, other = ports
        known = one in carrier.index and other in carrier.index
        if known and carrier[one] == carrier[other] and code[one] != code[other]:
            joined[carrier[one]] = 0.0
            attached |= {one, other}
    used = carrier[carrier.index.isin(attached)]
    named = set(used[used.isin(ELECTRIC)])
    wired = {
        carrier[bus]
        for component in ("Line", "Transformer")
        for bus in (*n.c[component].static.bus0, *n.c[component].static.bus1)
        if bus in carrier.index
    }
    if named | wired:
        return sorted(named | wired)
    if not len(n.loads):
        return sorted(joined)
    need = load_mw(n).abs().sum().groupby(carrier).sum()
    need = need[need > 0]
    across = need[need.index.isin(list(joined))]
    candidates = across if len(across) else need
    return [str(candidates.idxmax())] if len(candidates) else sorted(joined)


def load_mw(n: pypsa.Network) -> pd.DataFrame:
    """Load of every bus, MW per snapshot."""
    loads = n.get_switchable_as_dense("Load", "p_set") * -n.loads.sign
    return loads.T.groupby(n.loads.bus).sum().T


def load_mwh(n: pypsa.Network) -> pd.Series:
    """Load of every bus over the horizon, MWh."""
    return load_mw(n).mul(n.snapshot_weightings.generators, axis=0).sum()
