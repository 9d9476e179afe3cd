"""Results in PyPSA's own terms: trades on the original lines, networks and tables by country."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pypsa

from agents.network import DISPOSAL
from pypsa_earth.border import Border, link_names
from pypsa_earth.branches import FIRM, Crossing, crossings


def on_original_branches(
    n: pypsa.Network,
    original: pypsa.Network,
    made: Sequence[Border],
    firm: Sequence[Crossing],
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
    made : sequence of Border
    firm : sequence of Crossing
        Branches that must carry something.
    flows_mw : mapping of str to ndarray
        Net flow of each interconnector at the sending end, positive from the alphabetically first
        country.
    trade_carrier : str

    Returns
    -------
    pypsa.Network
        Solved: statistics and plots of PyPSA work on it. Branches between the same two buses
        share their flow by capacity, unless a country had them in its model. Flows are
        negotiated, not those of Kirchhoff's laws, so ``n.optimize()`` would change them.
    """
    joined = n.copy()
    joined.name = original.name or n.name
    _remove_borders(joined, made, trade_carrier)
    powers: dict[tuple[str, str], list[np.ndarray]] = {}
    for border in made:
        if border.host:
            own = (c for branches in border.hosted.values() for c in branches)
            powers.update({(c.component, c.name): _hosted_power(n, c) for c in own})
        else:
            powers.update(_shared_power(border, flows_mw[border.edge.name]))
    for c in firm:
        given = [c.firm_mw, *(-c.firm_mw * efficiency for efficiency in c.efficiency)]
        traded = powers.get((c.component, c.name), [np.zeros(len(c.firm_mw))] * len(given))
        powers[c.component, c.name] = [x + y for x, y in zip(traded, given, strict=True)]
    # Lines to countries that did not take part stay out; those without capacity carry nothing.
    inside = set(joined.buses.index)
    for c in crossings(original):
        if c.kind == "electric" and set(c.buses) <= inside:
            powers.setdefault((c.component, c.name), [np.zeros(len(c.firm_mw)) for _ in c.buses])
    for component in dict.fromkeys(component for component, _ in powers):
        _add_branches(joined, original, component, powers)
    joined.meta = dict(original.meta or {})
    joined._objective = n._objective
    return joined


def _remove_borders(n: pypsa.Network, made: Sequence[Border], trade_carrier: str) -> None:
    """Take out what stood for the branches."""
    own = {bus for border in made for bus in border.hosted}
    links, plants = n.links, n.generators
    for component, names in (
        (
            "Link",
            links.index[
                (links.carrier == trade_carrier) | links.bus0.isin(own) | links.bus1.isin(own)
            ],
        ),
        ("Generator", plants.index[(plants.carrier == FIRM) | plants.bus.isin(own)]),
        ("Bus", n.buses.index[n.buses.index.isin(own)]),
    ):
        if len(names):
            n.remove(component, names)


def _hosted_power(n: pypsa.Network, c: Crossing) -> list[np.ndarray]:
    """Power into every port of a branch that a country had in its model."""
    there, back = link_names(c)
    ports = [n.links_t[f"p{k}"][there].to_numpy(dtype=float) for k in range(len(c.buses))]
    if back in n.links.index:
        ports[0] = ports[0] + n.links_t.p1[back].to_numpy(dtype=float)
        ports[1] = ports[1] + n.links_t.p0[back].to_numpy(dtype=float)
    return ports


def _shared_power(border: Border, net_mw: np.ndarray) -> dict[tuple[str, str], list[np.ndarray]]:
    """Power into both ends of the branches that share an interconnector's flow."""
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    for ends, branches in border.branches.items():
        share = next(b.share for b in border.edge.branches if (b.bus_a, b.bus_b) == ends)
        for first, mw in zip(ends, (net_mw, -net_mw), strict=True):
            sent = np.maximum(mw, 0.0) * share
            rooms = [c.there_mw if c.buses[0] == first else c.back_mw for c in branches]
            total = np.sum(rooms, axis=0)
            for c, room in zip(branches, rooms, strict=True):
                part = np.divide(room, total, out=np.zeros_like(total), where=total > 0)
                ports = found.setdefault(
                    (c.component, c.name), [np.zeros_like(net_mw), np.zeros_like(net_mw)]
                )
                near = 0 if c.buses[0] == first else 1
                ports[near] = ports[near] + sent * part
                ports[1 - near] = ports[1 - near] - (1 - border.edge.loss) * sent * part
    return found


def _add_branches(
    n: pypsa.Network,
    original: pypsa.Network,
    component: str,
    powers: Mapping[tuple[str, str], Sequence[np.ndarray]],
) -> None:
    names = [name for name in original.c[component].static.index if (component, name) in powers]
    static = original.c[component].static.loc[names]
    static = static.drop(columns=[c for c in static if c in ("sub_network",)])
    n.add(component, names, **{column: static[column] for column in static})
    nominal = "p_nom" if component == "Link" else "s_nom"
    frame, dynamic = n.c[component].static, n.c[component].dynamic
    for column in frame.columns.difference(n.c[component].defaults.index):
        # Columns of the file's own; netCDF has no truth values, and mixed ones turn into objects.
        if set(frame[column].map(type)) <= {bool, np.bool_}:
            frame[column] = frame[column].astype(int)
    grown = frame.loc[names, f"{nominal}_extendable"].astype(bool)
    kept = frame.loc[names, [nominal, f"{nominal}_min"]].max(axis=1)
    frame.loc[names, f"{nominal}_opt"] = kept.where(grown, frame.loc[names, nominal])
    series = {
        attribute: table[table.columns.intersection(names)]
        for attribute, table in original.c[component].dynamic.items()
        if str(n.c[component].defaults.status.get(attribute, "")).startswith("Input")
    }
    ports = max(len(powers[component, name]) for name in names)
    for k in range(ports):
        series[f"p{k}"] = pd.DataFrame(
            {
                name: powers[component, name][k]
                for name in names
                if k < len(powers[component, name])
            },
            n.snapshots,
        )
    for attribute, table in series.items():
        if len(table.columns):
            others = dynamic[attribute].drop(columns=names, errors="ignore")
            dynamic[attribute] = pd.concat([others, table], axis=1)


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
