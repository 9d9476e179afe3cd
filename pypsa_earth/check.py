"""Checks of a network: what forbids using it, and what its user should know.

Every finding says what, where and what to do. The page ``docs/pypsa-earth.md`` lists them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pandas as pd
import pypsa

from pypsa_earth.border_findings import border_errors, border_warnings
from pypsa_earth.branches import is_solved
from pypsa_earth.carriers import undefined_carriers
from pypsa_earth.countries import (
    BRANCHES,
    ONE_PORTS,
    country_of_bus,
    is_electric,
    load_mwh,
    ports_of,
)
from pypsa_earth.findings import Finding, Report, some
from pypsa_earth.options import FileOptions
from pypsa_earth.read import HOURS_PER_YEAR
from pypsa_earth.shedding import shedding_generators
from scenarios.errors import did_you_mean

# Types of PyPSA's global constraints that can be shared out between countries.
LIMIT_TYPES = (
    "primary_energy",
    "transmission_volume_expansion_limit",
    "transmission_expansion_cost_limit",
)
_NOMINAL = {
    "Generator": "p_nom",
    "StorageUnit": "p_nom",
    "Link": "p_nom",
    "Store": "e_nom",
    "Line": "s_nom",
    "Transformer": "s_nom",
}


def check(
    n: pypsa.Network,
    options: FileOptions | None = None,
    countries: Sequence[str] | None = None,
    national: Iterable[str] = (),
    contracts: str = "firm",
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
    contracts : {"firm", "free"}
        Whether a ``p_set`` on a branch that crosses a border is kept to.
    """
    report = Report()
    code = country_of_bus(n)
    report.errors += _country_errors(n, code, countries)
    if report.errors:
        return report
    chosen = list(countries or sorted(set(code)))
    report.errors += _load_errors(n, code, chosen)
    report.errors += _time_errors(n)
    report.errors += _capacity_errors(n)
    report.errors += _limit_errors(n, options or FileOptions(), chosen, set(national))
    report.errors += _branch_errors(n, code)
    if not report.errors:
        report.errors += border_errors(n, contracts)
    report.warnings += _data_warnings(n, options or FileOptions())
    report.warnings += _country_warnings(n, code, chosen)
    if not report.errors:
        report.warnings += border_warnings(n, chosen, contracts)
    return report


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
    series = n.get_switchable_as_dense("Load", "p_set")
    holes = series.columns[series.isna().any()]
    if len(holes):
        yield Finding(f"{len(holes)} loads are NaN", some(holes), "repair loads_t.p_set")
        return
    outside = n.loads.index[~n.loads.bus.isin(n.buses.index)]
    if len(outside):
        yield Finding("loads on buses that do not exist", some(outside))
        return
    energy = load_mwh(n).groupby(code).sum().reindex(list(chosen)).fillna(0.0)
    for country, mwh in energy.items():
        if mwh <= 0:
            yield Finding(
                f"{country} has {'no' if mwh == 0 else 'negative'} demand",
                advice="leave it out with --countries, or prepare the file with its demand",
            )


def _time_errors(n: pypsa.Network) -> Iterator[Finding]:
    weights = n.snapshot_weightings
    if weights.isna().any().any() or (weights <= 0).any().any():
        yield Finding("snapshot weightings are missing, zero or negative")
        return
    total = float(weights.objective.sum())
    if abs(total - HOURS_PER_YEAR) > 1.0 and _grows(n):
        yield Finding(
            f"the snapshot weightings sum to {total:.6g} h, but investment is paid per year",
            advice="--set network.weights=rescale makes them 8760, =keep leaves them alone",
        )


def _grows(n: pypsa.Network) -> bool:
    return any(
        bool(n.c[component].static.get(f"{nominal}_extendable", pd.Series(dtype=bool)).any())
        for component, nominal in _NOMINAL.items()
    )


def _capacity_errors(n: pypsa.Network) -> Iterator[Finding]:
    for component, nominal in _NOMINAL.items():
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
        holes = static.index[static[nominal].isna()]
        if len(holes):
            yield Finding(f"{nominal} of {len(holes)} {component}s is NaN", some(holes))


def _limit_errors(
    n: pypsa.Network, options: FileOptions, chosen: Sequence[str], national: set[str]
) -> Iterator[Finding]:
    for name, row in n.global_constraints.iterrows():
        if row.type not in LIMIT_TYPES:
            yield Finding(
                f"global constraint {name} of type '{row.type}' cannot be shared out",
                advice="remove it from the network",
            )
        elif row.type == "primary_energy" and row.carrier_attribute not in n.carriers:
            yield Finding(
                f"global constraint {name} limits '{row.carrier_attribute}', which no carrier has"
            )
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
    if not n.meta:
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
    for component, nominal in _NOMINAL.items():
        static = n.c[component].static
        free = static.index[
            static[f"{nominal}_extendable"].astype(bool)
            & (static.capital_cost == 0)
            & ~static.get("carrier", pd.Series("", static.index))
            .astype(str)
            .str.contains("discharger")
        ]
        if len(free):
            yield Finding(
                f"{len(free)} extendable {component}s cost nothing",
                some(free),
                "their optimal capacity has no meaning",
            )
    total = float(n.snapshot_weightings.objective.sum())
    if abs(total - HOURS_PER_YEAR) > 1.0:
        yield Finding(
            f"the snapshots stand for {total:.6g} h, not for a year",
            advice="all costs are those of these hours",
        )
    if options.ccl:
        yield Finding(
            "option CCL needs capacity limits from a file of its own",
            advice="it binds only where --set network.national=FILE.yaml gives ccl_mw",
        )
    if len(shedding_generators(n)) == 0:
        yield Finding("no load shedding in the file", advice="it is added (network.load_shedding)")


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
    prefixed = [b for b in n.buses.index if b[:2].isalpha() and b[:2].isupper()]
    odd = sorted({f"{b} in {code[b]}" for b in prefixed if b[:2] != code[b][:2]})
    if odd:
        yield Finding(f"{len(odd)} buses are named after another country", some(odd))


def _islands(n: pypsa.Network, buses: set[str]) -> list[set[str]]:
    """Parts of a country's grid that nothing joins."""
    import networkx as nx

    graph = nx.Graph()
    graph.add_nodes_from(buses)
    for component in BRANCHES:
        ports = n.c[component].static[["bus0", "bus1"]]
        graph.add_edges_from(e for e in ports.itertuples(index=False, name=None) if set(e) <= buses)
    return list(nx.connected_components(graph))
