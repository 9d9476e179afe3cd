"""What a network file holds, in a few tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pypsa

from pypsa_earth import shedding
from pypsa_earth.border import Border, borders
from pypsa_earth.branches import cross_border, is_solved, rows_of
from pypsa_earth.countries import BRANCHES, ONE_PORTS, country_of_bus, is_electric, load_mwh
from pypsa_earth.options import FileOptions, file_options
from pypsa_earth.scenario import inspected, source_of

_SHORT = {
    "Generator": "gen",
    "StorageUnit": "stor",
    "Store": "store",
    "Line": "line",
    "Link": "link",
    "Transformer": "trafo",
    "Process": "proc",
}


@dataclass
class Description:
    """Title, tables (name -> rows) and findings of a file."""

    title: str
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def describe(
    path: str | Path,
    overrides: Mapping[str, object] | None = None,
    countries: Sequence[str] | None = None,
) -> Description:
    """Describe a network file.

    Raises
    ------
    ScenarioError
        If it cannot be read at all; all other trouble is part of the description.
    """
    source = source_of(path, overrides or {})
    n, report = inspected(source, countries)
    options = file_options(n, source.path)
    found = Description(
        _title(n, Path(path)),
        warnings=[str(w) for w in report.warnings],
        errors=[str(e) for e in report.errors],
    )
    if len(n.buses) and "country" in n.buses:
        chosen = list(countries) if countries else sorted(set(country_of_bus(n)) - {""})
        found.tables["countries"] = [_country(n, code) for code in chosen]
        if not report.errors:
            made = borders(n, chosen, contracts=source.contracts)
            found.tables["interconnectors"] = [_interconnector(border) for border in made]
        found.tables["branches that cross borders"] = _branches(cross_border(n, source.contracts))
    found.tables["limits on all countries"] = [
        {"name": str(name), "type": row.type, "sense": row.sense, "constant": float(row.constant)}
        for name, row in n.global_constraints.iterrows()
    ]
    found.tables["options of the file"] = _options(n, options)
    return found


def _title(n: pypsa.Network, path: Path) -> str:
    hours = float(n.snapshot_weightings.objective.sum())
    state = "solved" if is_solved(n) else "not solved"
    return (
        f"{path.name}: {len(n.snapshots)} snapshots from {n.snapshots[0]} standing for "
        f"{hours:.6g} h, {state}"
    )


def _country(n: pypsa.Network, country: str) -> dict[str, Any]:
    code = country_of_bus(n)
    own = set(code.index[code == country])
    energy = load_mwh(n) if len(n.loads) else pd.Series(dtype=float)
    row: dict[str, Any] = {
        "country": country,
        "buses": len(own),
        "on grid": int((is_electric(n) & (code == country)).sum()),
        "GWh": float(energy[energy.index.isin(own)].sum()) / 1e3,
    }
    shed = set(shedding.shedding_generators(n))
    for component in ONE_PORTS[:1] + ONE_PORTS[2:4]:
        static = n.c[component].static
        inside = static.index[static.bus.isin(own)]
        row[_SHORT[component]] = len(set(inside) - shed)
    for component in BRANCHES:
        static = n.c[component].static
        row[_SHORT[component]] = int((static.bus0.isin(own) & static.bus1.isin(own)).sum())
    return row


def _interconnector(border: Border) -> dict[str, Any]:
    edge = border.edge
    return {
        "interconnector": edge.name,
        "there MW": edge.a_to_b_mw,
        "back MW": edge.b_to_a_mw,
        "loss %": edge.loss * 100,
        "branches in": border.host,
        "lands at": ", ".join(f"{b.bus_a} - {b.bus_b} ({b.share:.0%})" for b in edge.branches),
    }


def _branches(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            "component": row["component"],
            "name": row["name"],
            "carrier": row["carrier"],
            "kind": row["kind"],
            "from": row["bus0"],
            "to": row["bus1"],
            "there MW": float(row["ntc_fwd_mw"]),
            "back MW": float(row["ntc_bwd_mw"]),
            "firm MW": float(row["firm_mw"]),
            "EUR/MWh": float(row["marginal_cost_eur_per_mwh"]),
            "km": float(row["length_km"]),
            "efficiency": float(row["efficiency"]),
            "extendable": bool(row["extendable"]),
        }
        for row in rows_of(table)
    ]


def _options(n: pypsa.Network, options: FileOptions) -> list[dict[str, Any]]:
    rows: dict[str, object] = {
        "opts": "-".join(options.opts),
        "EQ": options.eq_share,
        "RES": options.res_share,
        "operational reserve": options.reserve,
        "clip": options.clip or None,
        "load shedding EUR/MWh": shedding.price_eur_per_mwh(n) or options.shedding_eur_per_mwh,
    }
    return [{"option": k, "value": str(v)} for k, v in rows.items() if v not in (None, "")]
