"""Which country every bus belongs to."""

from __future__ import annotations

import pandas as pd
import pypsa

BRANCHES = ("Line", "Link", "Transformer", "Process")
ONE_PORTS = ("Generator", "Load", "StorageUnit", "Store", "ShuntImpedance")
# What a missing country looks like after a file has been written and read; "NA" is Namibia.
_MISSING = {"", "nan", "none", "<na>"}
ELECTRIC = {"AC", "DC", "low voltage", ""}


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
    return n.buses.carrier.fillna("").isin(ELECTRIC)


def load_mw(n: pypsa.Network) -> pd.DataFrame:
    """Load of every bus, MW per snapshot."""
    loads = n.get_switchable_as_dense("Load", "p_set")
    return loads.T.groupby(n.loads.bus).sum().T


def load_mwh(n: pypsa.Network) -> pd.Series:
    """Load of every bus over the horizon, MWh."""
    return load_mw(n).mul(n.snapshot_weightings.generators, axis=0).sum()
