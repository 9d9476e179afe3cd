"""Checks of a network: what forbids using it, and what its user should know.

Every finding says what, where and what to do. The page ``docs/pypsa-earth.md`` lists them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
import pypsa

from pypsa_earth.attributes import across, inside, unmet
from pypsa_earth.border_findings import border_errors, border_warnings
from pypsa_earth.branches import is_solved
from pypsa_earth.carriers import undefined_carriers
from pypsa_earth.countries import (
    BRANCHES,
    GRID,
    ONE_PORTS,
    country_of_bus,
    is_electric,
    load_mw,
    load_mwh,
    ports_of,
)
from pypsa_earth.findings import Finding, Report, some
from pypsa_earth.limits import limit_errors, limit_warnings
from pypsa_earth.numbers import bad_numbers
from pypsa_earth.options import FileOptions
from pypsa_earth.shedding import shedding_generators
from pypsa_earth.weights import NOMINAL, time_errors, time_warnings
from scenarios.errors import did_you_mean
from scenarios.schema import NetworkFile

# Attributes that --set network.integers=relax makes continuous.
_RELAXED = ("committable", "p_nom_mod", "s_nom_mod", "e_nom_mod")
# Capacity of a country's plants by its peak load that only a mistake in units explains.
_MOST_PEAKS = 100.0
_AS_IT_IS = NetworkFile(path="", sha256="")


def check(
    n: pypsa.Network,
    options: FileOptions | None = None,
    countries: Sequence[str] | None = None,
    national: Iterable[str] = (),
    source: NetworkFile = _AS_IT_IS,
) -> Report:
    """Check a network that was read from a file.

    Parameters
    ----------
    n : pypsa.Network
    options : FileOptions, optional
        Options the file was prepared with.
    countries : sequence of str, optional
        Countries asked for; all of the file by default.
    national : iterable of str
        Countries that national values are given for.
    source : NetworkFile
        How the file is read; as it is by default.
    """
    report = Report()
    code = country_of_bus(n)
    report.errors += _country_errors(n, code, countries)
    if report.errors:
        return report
    chosen = list(countries or sorted(set(code)))
    report.errors += _branch_errors(n, code)
    report.errors += _load_errors(n, code, chosen)
    if report.errors:
        return report
    report.errors += border_errors(n, source.contracts)
    report.errors += _electricity_errors(n, code, chosen, source)
    report.errors += time_errors(n, source.weights, source.years, source.window)
    report.errors += _capacity_errors(n)
    report.errors += limit_errors(n)
    report.errors += _option_errors(options or FileOptions(), chosen, set(national))
    own, crossing = _parts(n, code, chosen)
    shed = shedding_generators(n)
    boundless = [branch for names in crossing.values() for branch in names]
    relaxed = _RELAXED if source.integers == "relax" else ()
    for table, names, most, may in (
        (inside(), own, shed, relaxed),
        (across(), crossing, boundless, ()),
    ):
        report.errors += bad_numbers(n, table, names, most)
        errors, warnings = unmet(n, table, names, may)
        report.errors += errors
        report.warnings += warnings
    report.errors += _committed_modules(n)
    report.warnings += time_warnings(n, source.weights, source.years, source.window)
    report.warnings += limit_warnings(n)
    report.warnings += _data_warnings(n, options or FileOptions())
    report.warnings += _country_warnings(n, code, chosen)
    if not report.errors:
        report.warnings += border_warnings(n, chosen, source.contracts)
    return report


def _parts(
    n: pypsa.Network, code: pd.Series, chosen: Sequence[str]
) -> tuple[dict[str, pd.Index], dict[str, pd.Index]]:
    """What lies inside the countries, and the electric branches between two of them."""
    own = {c: n.c[c].static.index for c in ("Carrier", "GlobalConstraint")}
    own["Bus"] = code.index[code.isin(list(chosen))]
    for component in ONE_PORTS:
        static = n.c[component].static
        own[component] = static.index[static.bus.isin(own["Bus"])]
    crossing = {}
    electric = is_electric(n)
    for component in BRANCHES:
        ports = ports_of(n, component)
        homes = ports.apply(lambda column: column.map(code).fillna(""))
        known = homes.isin([*chosen, ""]).all(axis=1)
        first = homes.get("bus0", pd.Series(dtype=object))
        one = homes.eq(first, axis=0) | (homes == "")
        grid = ports[["bus0", "bus1"]].apply(lambda column: column.map(electric)).all(axis=1)
        own[component] = ports.index[known & one.all(axis=1)]
        crossing[component] = ports.index[known & ~one.all(axis=1) & grid.astype(bool)]
    return own, crossing


def _country_errors(
    n: pypsa.Network, code: pd.Series, countries: Sequence[str] | None
) -> Iterator[Finding]:
    if not len(n.buses):
        yield Finding("the network has no bus")
        return
    if "country" not in n.buses:
        yield Finding(
            "the buses have no column country",
            advice="set n.buses['country'] to ISO codes and export it again",
        )
        return
    lost = code.index[code == ""]
    if len(lost):
        yield Finding(
            f"{len(lost)} buses have no country",
            some(lost),
            "set n.buses.country; a CSV folder may have lost Namibia's NA",
        )
        return
    strange = sorted({c for c in code if not c.replace("_", "").isalnum() or not c[0].isalpha()})
    if strange:
        yield Finding("country codes must be letters and digits", some(strange))
    for country in countries or ():
        if country not in set(code):
            known = sorted(set(code))
            yield Finding(f"no country '{country}' in the file{did_you_mean(country, known)}")


def _load_errors(n: pypsa.Network, code: pd.Series, chosen: Sequence[str]) -> Iterator[Finding]:
    if not len(n.loads):
        yield Finding(
            "the network has no load",
            advice="take a later file of the workflow, such as networks/elec_s_10_ec_lcopt_Co2L.nc",
        )
        return
    outside = n.loads.index[~n.loads.bus.isin(n.buses.index)]
    if len(outside):
        yield Finding("loads on buses that do not exist", some(outside))
        return
    energy = load_mwh(n).groupby(code).sum().reindex(list(chosen)).fillna(0.0)
    for country, mwh in energy.items():
        if mwh < 0:
            yield Finding(
                f"{country} has negative demand", advice="make what it generates a generator"
            )
    if not energy.any():
        yield Finding("no country has any demand")


def _electricity_errors(
    n: pypsa.Network, code: pd.Series, chosen: Sequence[str], source: NetworkFile
) -> Iterator[Finding]:
    grid = set(code[is_electric(n)])
    known = sorted(set(n.buses.carrier.fillna("").astype(str)))
    for name in source.electric_carriers:
        if name not in known:
            yield Finding(
                f"network.electricity={name}: no bus has this carrier{did_you_mean(name, known)}"
            )
            return
    without = [country for country in chosen if country not in grid]
    if without:
        yield Finding(
            f"{len(without)} countries have no electric bus",
            some(without),
            f"name the carriers of the grid with --set network.electricity=, of {some(known)}",
        )


def _capacity_errors(n: pypsa.Network) -> Iterator[Finding]:
    for component, nominal in NOMINAL.items():
        static = n.c[component].static
        if not len(static):
            continue
        extendable = static[f"{nominal}_extendable"].astype(bool)
        bad = static.index[
            extendable & (static[f"{nominal}_min"] > static[f"{nominal}_max"] * (1 + 1e-9) + 1e-9)
        ]
        if len(bad):
            yield Finding(
                f"{nominal}_min exceeds {nominal}_max of {len(bad)} {component}s", some(bad)
            )


def _committed_modules(n: pypsa.Network) -> Iterator[Finding]:
    """Units that are built in modules and switched: PyPSA has no relaxation of both."""
    for component in ("Generator", "Link", "Process"):
        static = n.c[component].static
        both = static.index[static.committable.astype(bool) & (static.p_nom_mod > 0)]
        if len(both):
            yield Finding(
                f"{len(both)} {component}s have both committable and p_nom_mod",
                some(both),
                "keep one of the two",
            )


def _option_errors(
    options: FileOptions, chosen: Sequence[str], national: set[str]
) -> Iterator[Finding]:
    for option, on in (("BAU", options.bau), ("SAFE", options.safe), ("CCL", options.ccl)):
        missing = [c for c in chosen if c not in national]
        if on and missing and option != "CCL":
            yield Finding(
                f"option {option} is a sum over all countries and needs national values",
                some(missing),
                "give them with --set network.national=FILE.yaml",
            )


def _branch_errors(n: pypsa.Network, code: pd.Series) -> Iterator[Finding]:
    for component in BRANCHES:
        static = n.c[component].static
        ports = ports_of(n, component)
        for name, buses in zip(static.index, ports.itertuples(index=False), strict=True):
            used = [bus for bus in buses if bus]
            unknown = [bus for bus in used if bus not in code.index]
            if unknown:
                yield Finding(f"{component} {name} ends at a bus that does not exist", unknown[0])
                continue
            touched = sorted({code[bus] for bus in used})
            if len(touched) > 2:
                yield Finding(
                    f"{component} {name} has ports in {len(touched)} countries",
                    ", ".join(touched),
                    "split it into links between two countries",
                )
    for component in ONE_PORTS:
        static = n.c[component].static
        lost = static.index[~static.bus.isin(n.buses.index)]
        if len(lost):
            yield Finding(f"{component}s on buses that do not exist", some(lost))


def _data_warnings(n: pypsa.Network, options: FileOptions) -> Iterator[Finding]:
    if not [key for key in n.meta or {} if key != GRID]:
        yield Finding(
            "the file has no meta data",
            advice="its configuration (clipping, reserve, price of shed load) is taken as unset",
        )
    if is_solved(n):
        yield Finding(
            "the file is solved", advice="its noise on costs and its load shedding are kept as is"
        )
    undefined = undefined_carriers(n)
    if undefined:
        yield Finding(
            f"{len(undefined)} carriers are not defined",
            some(undefined),
            "the configuration's colours, else grey",
        )
    units = n.storage_units[n.storage_units.carrier == "hydro"].index
    dry = [u for u in units if u not in n.storage_units_t.inflow.columns]
    if dry:
        yield Finding(
            f"{len(dry)} hydro units have no inflow", some(dry), "netCDF drops series of zeros"
        )
    kilowatts = n.generators.index[~n.generators.sign.abs().isin([1.0, 0.0])]
    if len(kilowatts):
        yield Finding(f"{len(kilowatts)} generators are in kW", some(kilowatts), "turned into MW")
    for component, nominal in NOMINAL.items():
        c = n.c[component]
        if not len(c.static):
            continue
        free = c.static.index[
            c.static[f"{nominal}_extendable"].astype(bool)
            & (c.periodized_cost.to_series().reindex(c.static.index) == 0)
            & ~c.static.get("carrier", pd.Series("", c.static.index))
            .astype(str)
            .str.contains("discharger")
        ]
        if len(free):
            yield Finding(
                f"{len(free)} extendable {component}s cost nothing",
                some(free),
                "their optimal capacity has no meaning",
            )
    yield from _costless(n)
    if options.ccl:
        yield Finding(
            "option CCL needs capacity limits from a file of its own",
            advice="it binds only where --set network.national=FILE.yaml gives ccl_mw",
        )
    if len(shedding_generators(n)) == 0:
        yield Finding("no load shedding in the file", advice="it is added (network.load_shedding)")


def _costless(n: pypsa.Network) -> Iterator[Finding]:
    """Plants that cost nothing to run where others of their carrier do: NaN was written as 0."""
    cost = n.get_switchable_as_dense("Generator", "marginal_cost").max()
    dear = cost.groupby(n.generators.carrier).median()
    free = n.generators.index[(cost == 0) & (n.generators.carrier.map(dear) > 0)]
    if len(free):
        yield Finding(
            f"{len(free)} generators cost nothing to run, others of their carrier do",
            some(free),
            "PyPSA writes a missing marginal_cost as 0",
        )


def _country_warnings(
    n: pypsa.Network, code: pd.Series, chosen: Sequence[str]
) -> Iterator[Finding]:
    electric = is_electric(n)
    for country in chosen:
        own = set(code.index[(code == country) & electric])
        if len(_islands(n, own)) > 1:
            yield Finding(
                f"{country} has {len(_islands(n, own))} separate grids",
                advice="its mean price is that of no place",
            )
    yield from _oversized(n, code, chosen)
    prefixed = [b for b in n.buses.index if b[:2].isalpha() and b[:2].isupper()]
    odd = sorted({f"{b} in {code[b]}" for b in prefixed if b[:2] != code[b][:2]})
    if odd:
        yield Finding(f"{len(odd)} buses are named after another country", some(odd))


def _oversized(n: pypsa.Network, code: pd.Series, chosen: Sequence[str]) -> Iterator[Finding]:
    """Plants a hundred times as large as the load they may serve: kW taken for MW."""
    peak = float(load_mw(n).sum(axis=1).max())
    plants = n.generators.drop(shedding_generators(n))
    factor = plants.sign.abs().replace(0.0, 1.0)
    size = plants.p_nom.replace(np.inf, 0.0) * factor
    large = size.index[(size > _MOST_PEAKS * peak) & plants.bus.map(code).isin(list(chosen))]
    if len(large):
        yield Finding(
            f"{len(large)} generators have more than {_MOST_PEAKS:g} times the peak of all load",
            some(large),
            "is their p_nom in kW?",
        )


def _islands(n: pypsa.Network, buses: set[str]) -> list[set[str]]:
    """Parts of a country's grid that nothing joins."""
    import networkx as nx

    graph = nx.Graph()
    graph.add_nodes_from(buses)
    for component in BRANCHES:
        ports = n.c[component].static[["bus0", "bus1"]]
        graph.add_edges_from(e for e in ports.itertuples(index=False, name=None) if set(e) <= buses)
    return list(nx.connected_components(graph))
