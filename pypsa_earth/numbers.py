"""Numbers that are none: NaN and infinities in what an optimisation reads."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pypsa

from pypsa_earth.attributes import Table, base_name, inputs, inside, with_port
from pypsa_earth.findings import Finding, Report, some

_CAPACITIES = ("p_nom", "s_nom", "e_nom")
_IMPEDANCES = ("x", "r")


def bad_numbers(
    n: pypsa.Network,
    table: Table,
    names: Mapping[str, pd.Index],
    boundless: Collection[str] = (),
) -> Iterator[Finding]:
    """NaN and infinities in numbers that an optimisation reads.

    Parameters
    ----------
    n : pypsa.Network
    table : Table
        What is not met, or only warned of, is not looked at.
    names : mapping of str to Index
        Components to look at.
    boundless : collection of str
        Those whose capacity may be infinite, because it is given what may ever be needed. Of all
        others only what is infinite by default, such as ``p_nom_max``, may be, and the impedance
        of a line without capacity.
    """
    for component, own in names.items():
        if not len(own):
            continue
        c = n.c[component]
        for attribute in inputs(n, component):
            row = table.get((component, base_name(attribute)))
            kind = str(c.defaults.type[attribute])
            if row is None or not row.is_met or kind in ("string", "boolean", "geometry"):
                continue
            read = with_port(c, attribute, own)
            infinite: set[str] = set()
            if attribute in _CAPACITIES:
                infinite = set(boundless)
            elif attribute in _IMPEDANCES:
                infinite = _absent(c)
            yield from _bad(c, attribute, read, infinite)


def _absent(c: pypsa.Components) -> set[str]:
    """Lines that carry nothing: PyPSA-Eur writes them with an infinite impedance."""
    if "s_nom" not in c.static:
        return set()
    gone = (c.static.s_nom == 0) & ~c.static.s_nom_extendable.astype(bool)
    return set(c.static.index[gone])


def _bad(
    c: pypsa.Components, attribute: str, own: pd.Index, boundless: set[str]
) -> Iterator[Finding]:
    default = float(c.defaults.default[attribute])
    series = c.dynamic.get(attribute)
    varying = own.intersection(series.columns) if series is not None else own[:0]
    found: dict[str, list[str]] = {"NaN": [], "infinite": []}

    def look(name: object, values: np.ndarray) -> None:
        if np.isnan(values).any() and not np.isnan(default):
            found["NaN"].append(str(name))
        elif (np.isinf(values) & (values != default)).any() and name not in boundless:
            found["infinite"].append(str(name))

    if attribute in c.static:
        plain = own.difference(varying, sort=False)
        values = pd.to_numeric(c.static.loc[plain, attribute], errors="coerce")
        strange = ~np.isfinite(values.to_numpy(dtype=float))
        for name, value in values[strange].items():
            look(name, np.array([value], dtype=float))
    if len(varying) and series is not None:
        values = series[varying].to_numpy(dtype=float)
        for name, column in zip(varying, values.T, strict=True):
            look(name, column)
    where = f"n.{c.list_name}"
    for what, some_names in found.items():
        if some_names:
            place = f"{where}_t" if set(some_names) <= set(varying) else where
            yield Finding(
                f"{attribute} of {len(some_names)} {c.name}s is {what}",
                some(some_names),
                f"repair {place}.{attribute}" + _large(what, attribute),
            )


def _large(what: str, attribute: str) -> str:
    return ", say with a large number" if what == "infinite" and attribute in _CAPACITIES else ""


def holes_in_file(path: Path, n: pypsa.Network) -> Report:
    """NaN that the file holds and PyPSA reads as a default, in silence.

    Where the default is that there is no limit, this is a warning; a cost or an availability that
    is not known is an error.

    Parameters
    ----------
    path : Path
        NetCDF file.
    n : pypsa.Network
        What PyPSA read from it.
    """
    report = Report()
    with netCDF4.Dataset(path) as file:
        for component in n.all_components:
            c = n.c[component]
            for attribute in inputs(n, component):
                row = inside().get((component, base_name(attribute)))
                stored = file.variables.get(f"{c.list_name}_{attribute}")
                if row is None or not row.is_met or stored is None or stored.dtype == str:
                    continue
                default = c.defaults.default[attribute]
                if stored.dtype.kind != "f" or pd.isna(default):
                    continue
                empty = np.isnan(np.ma.filled(stored[:], np.nan))
                if not empty.any():
                    continue
                names = np.asarray(file.variables[f"{c.list_name}_i"][:])[empty]
                names = names[[len(with_port(c, attribute, pd.Index([x]))) > 0 for x in names]]
                if not len(names):
                    continue
                what = f"{attribute} of {len(names)} {component}s is NaN in the file"
                if np.isinf(default):
                    advice = "PyPSA takes it for no limit"
                    report.warnings.append(Finding(what, some(names), advice))
                else:
                    advice = f"PyPSA takes it for {default:g}; repair n.{c.list_name}.{attribute}"
                    report.errors.append(Finding(what, some(names), advice))
    return report
