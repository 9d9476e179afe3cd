"""Results in PyPSA's own terms: trades on the original lines, networks and tables by country."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pypsa

from agents.network import DISPOSAL
from pypsa_earth.branches import cross_border, rows_of
from scenarios.schema import Interconnector


def on_original_branches(
    n: pypsa.Network,
    original: pypsa.Network,
    edges: tuple[Interconnector, ...],
    flows_mw: Mapping[str, np.ndarray],
    trade_carrier: str,
) -> pypsa.Network:
    """Put negotiated flows on the lines and links that crossed the borders in the file.

    Parameters
    ----------
    n : pypsa.Network
        Negotiated outcome, joined by Links of ``trade_carrier``.
    original : pypsa.Network
        The network that was split.
    edges : tuple of Interconnector
    flows_mw : mapping of str to ndarray
        Net flow of each interconnector at the sending end, positive from the alphabetically first
        country.
    trade_carrier : str

    Returns
    -------
    pypsa.Network
        Solved: statistics and plots of PyPSA work on it. Branches between the same two buses
        share their flow by capacity. Flows are negotiated, not those of Kirchhoff's laws, so
        ``n.optimize()`` would change them.
    """
    joined = n.copy()
    joined.name = original.name or n.name
    joined.remove("Link", joined.links.index[joined.links.carrier == trade_carrier])
    table = cross_border(original)
    # Lines to countries that did not take part stay out.
    inside = table.bus0.isin(joined.buses.index) & table.bus1.isin(joined.buses.index)
    table = table[(table.kind == "electric") & inside]
    flows = _branch_flows(table, edges, flows_mw, len(n.snapshots))
    for component, rows in table.groupby("component"):
        _add_branches(joined, original, str(component), list(rows.name), flows)
    joined.meta = dict(original.meta or {})
    joined._objective = n._objective
    return joined


def _branch_flows(
    table: pd.DataFrame,
    edges: tuple[Interconnector, ...],
    flows_mw: Mapping[str, np.ndarray],
    snapshots: int,
) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """Power into either end of every branch, by component and name."""
    rows = rows_of(table)
    flows = {(r["component"], r["name"]): (np.zeros(snapshots), np.zeros(snapshots)) for r in rows}
    for edge in edges:
        net = flows_mw[edge.name]
        for strand in edge.branches:
            same = [r for r in rows if {r["bus0"], r["bus1"]} == {strand.bus_a, strand.bus_b}]
            for first, mw in ((strand.bus_a, net), (strand.bus_b, -net)):
                sent = np.maximum(mw, 0.0) * strand.share
                room = [r["ntc_fwd_mw" if r["bus0"] == first else "ntc_bwd_mw"] for r in same]
                for row, capacity in zip(same, room, strict=True):
                    if capacity <= 0:
                        continue
                    out = sent * (capacity / sum(room))
                    p0, p1 = flows[row["component"], row["name"]]
                    near, far = (p0, p1) if row["bus0"] == first else (p1, p0)
                    near += out
                    far -= (1 - edge.loss) * out
    return flows


def _add_branches(
    n: pypsa.Network,
    original: pypsa.Network,
    component: str,
    names: list[str],
    flows: Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray]],
) -> None:
    static = original.c[component].static.loc[names]
    static = static.drop(columns=[c for c in static if c in ("sub_network",)])
    n.add(component, names, **{column: static[column] for column in static})
    nominal = "p_nom" if component == "Link" else "s_nom"
    frame = n.c[component].static
    for column in frame.columns.difference(n.c[component].defaults.index):
        # Columns of the file's own; netCDF has no truth values, and mixed ones turn into objects.
        if set(frame[column].map(type)) <= {bool, np.bool_}:
            frame[column] = frame[column].astype(int)
    grown = frame.loc[names, f"{nominal}_extendable"].astype(bool)
    kept = frame.loc[names, [nominal, f"{nominal}_min"]].max(axis=1)
    frame.loc[names, f"{nominal}_opt"] = kept.where(grown, frame.loc[names, nominal])
    for end, attribute in enumerate(("p0", "p1")):
        series = pd.DataFrame({name: flows[component, name][end] for name in names}, n.snapshots)
        dynamic = n.c[component].dynamic
        dynamic[attribute] = pd.concat(
            [dynamic[attribute].drop(columns=names, errors="ignore"), series], axis=1
        )


def statistics_by_country(n: pypsa.Network) -> pd.DataFrame:
    """``n.statistics`` by component, country and carrier, disposal left out."""
    table: pd.DataFrame = n.statistics(groupby=["country", "carrier"])
    table.index.names = ["component", "country", "carrier"]  # PyPSA may leave them unnamed
    own = table.index.get_level_values(-1)
    return table[~own.isin([DISPOSAL, "Disposal"])]


def write_countries(folder: Path, networks: Mapping[str, pypsa.Network]) -> list[Path]:
    """Write one netCDF file and one table of statistics per country.

    The folder is made; files in it are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for country, n in networks.items():
        place = folder / f"{country}.nc"
        n.export_to_netcdf(str(place))
        statistics_by_country(n).to_csv(folder / f"{country}-statistics.csv")
        written.append(place)
    return written
