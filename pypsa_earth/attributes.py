"""What becomes of every input attribute of every PyPSA component, as data.

``inside.csv`` is about components of one country, ``across.csv`` about branches that cross
borders. Each attribute is *met* exactly as ``n.optimize()`` meets it (which may be: not read at
all), *shared* among the countries by a stated rule, *warned* about, or *refused*. A test holds both
tables to the attributes of the installed PyPSA, so that a new one cannot pass in silence.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, cast, get_args

import pandas as pd
import pypsa

from pypsa_earth.findings import Finding, some

Treatment = Literal["met", "shared", "warned", "refused"]
TREATMENTS: tuple[Treatment, ...] = get_args(Treatment)
# Attributes of the third and all further ports go by the names of the third.
_FURTHER = re.compile(r"(bus|efficiency|rate|delay|cyclic_delay)([2-9]|[1-9][0-9]+)")
_NOT_READ = "not read"


@dataclass(frozen=True)
class Attribute:
    """One row of a table.

    Attributes
    ----------
    component, name : str
        As PyPSA calls them.
    treatment : {"met", "shared", "warned", "refused"}
    rule : str
        How it is met or shared, what happens instead, or why it is refused and what to do.
    """

    component: str
    name: str
    treatment: Treatment
    rule: str

    @property
    def is_met(self) -> bool:
        """Whether an optimisation reads it, and it counts."""
        return self.treatment != "warned" and not self.rule.startswith(_NOT_READ)


Table = Mapping[tuple[str, str], Attribute]


@cache
def inside() -> Table:
    """Components of one country, by component and attribute."""
    return _read("inside")


@cache
def across() -> Table:
    """Branches that cross borders, by component and attribute."""
    return _read("across")


def _read(name: str) -> Table:
    place = Path(__file__).with_name(f"{name}.csv")
    with place.open(encoding="utf-8", newline="") as file:
        rows = [
            Attribute(
                row["component"],
                row["attribute"],
                cast(Treatment, row["treatment"]),
                row["rule"],
            )
            for row in csv.DictReader(file)
        ]
    return {(row.component, row.name): row for row in rows}


def base_name(attribute: str) -> str:
    """Name an attribute has in the tables: ``efficiency2`` for ``efficiency4``."""
    found = _FURTHER.fullmatch(attribute)
    return f"{found[1]}2" if found else attribute


def inputs(n: pypsa.Network, component: str) -> list[str]:
    """Input attributes of a component, those of further ports included where it has some."""
    status = n.c[component].defaults.status
    return [str(a) for a in status.index[status.str.lower().str.startswith("input")]]


def unmet(
    n: pypsa.Network,
    table: Table,
    names: Mapping[str, pd.Index],
    relaxed: Collection[str] = (),
) -> tuple[list[Finding], list[Finding]]:
    """What components use that is refused, and what is warned about.

    Parameters
    ----------
    n : pypsa.Network
    table : Table
    names : mapping of str to Index
        Components to look at.
    relaxed : collection of str
        Attributes that may be used although they are refused, by an option of the user.

    Returns
    -------
    errors, warnings : list of Finding
    """
    errors: list[Finding] = []
    warnings: list[Finding] = []
    for component, own in names.items():
        if not len(own):
            continue
        for attribute in inputs(n, component):
            row = table.get((component, base_name(attribute)))
            if row is None or row.treatment in ("met", "shared") or attribute in relaxed:
                continue
            used = differing(n, component, attribute, own)
            if len(used):
                finding = Finding(
                    f"{len(used)} {component}s have {attribute}", some(used), row.rule
                )
                (errors if row.treatment == "refused" else warnings).append(finding)
        errors += _piecewise(n, component, own)
    return errors, warnings


def differing(n: pypsa.Network, component: str, attribute: str, names: pd.Index) -> pd.Index:
    """Components whose attribute is not the default, in any snapshot."""
    c = n.c[component]
    default = c.defaults.default[attribute]
    series = c.dynamic.get(attribute)
    varying = names.intersection(series.columns) if series is not None else names[:0]
    used = set()
    if attribute in c.static:
        values = c.static.loc[names.difference(varying), attribute]
        used |= set(values.index[_differs(values, default)])
    if len(varying) and series is not None:
        used |= {name for name in varying if _differs(series[name], default).any()}
    return names[names.isin(list(used))]


def _differs(values: pd.Series, default: object) -> pd.Series:
    """Where values are given and are not the default; NaN where it is none counts as not given."""
    given = values.notna() & (values.astype(object) != "")
    return given if pd.isna(default) else given & (values.astype(object) != default)  # type: ignore[call-overload]


def _piecewise(n: pypsa.Network, component: str, names: pd.Index) -> Iterator[Finding]:
    """Attributes given as curves, which need integers unless they are convex."""
    for attribute, points in n.c[component].piecewise.items():
        own = names.intersection(points.columns.get_level_values(0)) if len(points) else names[:0]
        if len(own):
            yield Finding(
                f"{attribute} of {len(own)} {component}s is piecewise",
                some(own),
                "give one number, or a component for each step",
            )


def with_port(c: pypsa.Components, attribute: str, own: pd.Index) -> pd.Index:
    """Components that have the port an attribute is about, where it is about a further one."""
    further = _FURTHER.fullmatch(attribute)
    if further is None or f"bus{further[2]}" not in c.static:
        return own
    bus = c.static.loc[own, f"bus{further[2]}"]
    return own[bus.notna() & (bus != "")]


def as_markdown(table: Table) -> str:
    """The table for people: one row per treatment and rule, components and attributes in it."""
    groups: dict[tuple[int, str], dict[str, list[str]]] = {}
    for row in table.values():
        key = (TREATMENTS.index(row.treatment), row.rule)
        groups.setdefault(key, {}).setdefault(row.component, []).append(row.name)
    lines = ["| | attributes | rule |", "|---|---|---|"]
    for (position, rule), members in sorted(groups.items(), key=_by_treatment):
        said = "; ".join(f"{c}: {_listed(names)}" for c, names in members.items())
        lines.append(f"| {TREATMENTS[position]} | {said} | {rule or 'as n.optimize() does'} |")
    return "\n".join(lines)


def _by_treatment(group: tuple[tuple[int, str], object]) -> tuple[int, str]:
    (position, rule), _ = group
    return -position, rule


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def write_page(page: Path) -> None:
    """Write both tables into a page, between their markers."""
    text = page.read_text(encoding="utf-8")
    for name, table in (("inside", inside()), ("across", across())):
        begin, end = (f"<!-- attributes {name}: {word} -->" for word in ("begin", "end"))
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{as_markdown(table)}\n{end}{after}"
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    import sys

    write_page(Path(sys.argv[1]))
