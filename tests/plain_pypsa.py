"""What plain PyPSA makes of a random network: the reference that is independent of the program.

It is the file's own network, in which lines and transformers that cross a border are steered as
links, links that lose energy run it both ways as two, what crosses a border does not grow, and
limits on all countries together are limits of each: its carriers go by names of its own, so that
PyPSA itself counts what is the country's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pypsa

from tests.drawn import NAN, Attributes, Drawn

NOMINAL = {
    "Generator": "p_nom",
    "StorageUnit": "p_nom",
    "Store": "e_nom",
    "Link": "p_nom",
    "Process": "p_nom",
    "Line": "s_nom",
    "Transformer": "s_nom",
}
WIRES = ("Line", "Transformer")
BRANCHES = ("Line", "Transformer", "Link", "Process")
GRID = ("transmission_volume_expansion_limit", "transmission_expansion_cost_limit")
ANNUAL = ("primary_energy", "operational_limit")


def as_network(n: Drawn) -> pypsa.Network:
    """PyPSA's network."""
    made = pypsa.Network()
    made.set_snapshots(pd.date_range("2030-01-01", periods=n.length, freq="h"))
    for kind, hours in n.hours.items():
        made.snapshot_weightings[kind] = hours
    further = {"bus2": "", "efficiency2": 1.0, "delay2": 0, "cyclic_delay2": True}
    for component, named in n.parts.items():
        static: dict[str, list[Any]] = {}
        varying: dict[str, pd.DataFrame] = {}
        default = {**made.c[component].defaults.default, **further}
        default |= {key: "" for part in named.values() for key in part if key.startswith("bus")}
        for attribute in dict.fromkeys(a for part in named.values() for a in part):
            one = default.get(attribute, 1.0 if attribute.startswith("efficiency") else NAN)
            values = [part.get(attribute, one) for part in named.values()]
            series = {name: v for name, v in zip(named, values, strict=True) if isinstance(v, list)}
            static[attribute] = [one if isinstance(v, list) else v for v in values]
            if series:
                varying[attribute] = pd.DataFrame(series, index=made.snapshots)
        made.add(component, list(named), **static)
        for attribute, table in varying.items():
            made.c[component].dynamic[attribute] = table
    return made


def crosses(n: Drawn, branch: Attributes) -> bool:
    """Whether a branch joins two countries."""
    return n.country(branch["bus0"]) != n.country(branch["bus1"])


def bus_of(part: Attributes) -> str:
    """Bus of a component, the first of a branch."""
    return str(part["bus" if "bus" in part else "bus0"])


@dataclass(frozen=True)
class Bounds:
    """Capacity that a limit may count: of one component."""

    country: str
    bus: str
    carrier: str
    weight: float
    existing: float
    least: float
    most: float


def capacity_bounds(n: Drawn, component: str, kind: str = "") -> Iterator[Bounds]:
    """Components that may be extended; the country of those across borders is empty."""
    nominal = NOMINAL[component]
    for part in n.parts.get(component, {}).values():
        if not part.get(f"{nominal}_extendable") or not part.get("active", True):
            continue
        abroad = "bus0" in part and crosses(n, part)
        bus = bus_of(part)
        least, most = part.get(f"{nominal}_min", 0.0), part[f"{nominal}_max"]
        existing = max(part[nominal], least)
        size = part.get(f"{nominal}_set", NAN)
        if not np.isnan(size):
            least = most = size
        weight = annual_cost(part) if kind == GRID[1] else part.get("length", 0.0)
        country = "" if abroad else n.country(bus)
        yield Bounds(country, bus, part["carrier"], weight, existing, least, most)


def grid_used(bounds: Iterable[Bounds]) -> dict[str, tuple[float, float]]:
    """By country, its share of what exists, and the least that its grid comes to."""
    known = list(bounds)
    total = sum(b.existing * b.weight for b in known)
    used: dict[str, tuple[float, float]] = {}
    for b in known:
        if b.country:
            share, least = used.get(b.country, (0.0, 0.0))
            own = b.existing * b.weight / total if total > 0 else 0.0
            used[b.country] = share + own, least + b.least * b.weight
    return used


def annual_cost(part: Attributes) -> float:
    """Cost of capacity a year, by the annuity of what building it costs."""
    if "overnight_cost" not in part:
        return float(part.get("capital_cost", 0.0))
    rate, years = part["discount_rate"], part["lifetime"]
    annuity = rate / (1 - (1 + rate) ** -years)
    return float(part["overnight_cost"] * annuity + part["fom_cost"])


def share_by_load(n: Drawn, relative: bool = True) -> dict[str, float]:
    """Load of each country, as a share of all."""
    hours = np.array(n.hours["generators"])
    need = dict.fromkeys(n.codes, 0.0)
    for load in n.parts["Load"].values():
        if load.get("active", True):
            mw = -load.get("sign", -1.0) * np.broadcast_to(load["p_set"], n.length)
            need[n.country(load["bus"])] += float(hours @ mw)
    total = sum(need.values()) if relative else 1.0
    return {country: mwh / total for country, mwh in need.items()}


def transport_model(n: Drawn) -> Drawn:
    """The network as plain PyPSA solves it: every border steered, every limit national."""
    made = with_national_limits(n)
    _join_in_shares(made)
    for component in (*WIRES, "Link"):
        for name, branch in list(made.parts.get(component, {}).items()):
            if crosses(n, branch):
                _steer(made, component, name, branch)
    return made


def _steer(made: Drawn, component: str, name: str, branch: Attributes) -> None:
    nominal = NOMINAL[component]
    size = branch[nominal]
    if branch.pop(f"{nominal}_extendable", False):
        size = max(size, branch[f"{nominal}_min"])
        for key in ("capital_cost", "overnight_cost"):
            branch.pop(key, None)
    if component in WIRES:
        limit = branch["s_max_pu"]
        del made.parts[component][name]
        branch = {key: branch[key] for key in ("bus0", "bus1", "active") if key in branch}
        name = f"{component} {name}"
        branch |= {"p_min_pu": _negative(limit), "p_max_pu": limit, "carrier": "DC"}
    made.add("Link", name, **{**branch, "p_nom": size})
    back = branch.get("p_min_pu", 0.0)
    if not isinstance(back, list) and back < 0 and branch.get("efficiency", 1.0) < 1:
        made.parts["Link"][name]["p_min_pu"] = 0.0
        ends = {"bus0": branch["bus1"], "bus1": branch["bus0"], "p_max_pu": -back, "p_nom": size}
        made.add("Link", f"{name} reversed", **{**branch, **ends, "p_min_pu": 0.0})


def _negative(limit: float | list[float]) -> float | list[float]:
    return [-x for x in limit] if isinstance(limit, list) else -limit


def _join_in_shares(made: Drawn) -> None:
    """Lines of one border at several pairs of buses, as one link with a port at each end."""
    groups: dict[str, dict[str, Attributes]] = {}
    for name, wire in made.parts.get("Line", {}).items():
        if crosses(made, wire):
            groups.setdefault(name.rpartition(" ")[0], {})[name] = wire
    for border, wires in groups.items():
        if len({frozenset((wire["bus0"], wire["bus1"])) for wire in wires.values()}) < 2:
            continue
        first, *rest = wires.values()
        link: Attributes = {"bus0": first["bus0"], "bus1": first["bus1"], "carrier": "DC"}
        link |= {"p_nom": first["s_nom"], "p_max_pu": first["s_max_pu"]}
        link["p_min_pu"] = -first["s_max_pu"]
        for k, wire in enumerate(rest):
            share = wire["s_nom"] / first["s_nom"]
            link |= {f"bus{2 * k + 2}": wire["bus0"], f"efficiency{2 * k + 2}": -share}
            link |= {f"bus{2 * k + 3}": wire["bus1"], f"efficiency{2 * k + 3}": share}
        for name in wires:
            del made.parts["Line"][name]
        made.add("Link", f"{border} in shares", **link)


def with_national_limits(n: Drawn) -> Drawn:
    """Every country's share of every limit, on carriers of its own."""
    made = deepcopy(n)
    limits = made.parts.pop("GlobalConstraint", {})
    if not limits:
        return made
    carriers = n.parts["Carrier"]
    codes = n.codes
    for component in NOMINAL:
        for part in made.parts.get(component, {}).values():
            if "bus0" in part and crosses(n, part):
                part["carrier"] = "abroad"
            elif part.get("carrier") and _is_counted(component, part):
                part["carrier"] = f"{part['carrier']}_{n.country(bus_of(part))}"
    made.parts["Carrier"] = {**carriers, "abroad": {}}
    for carrier, data in carriers.items():
        for code in codes:
            rates = {f"co2_{code}": data.get("co2_emissions", 0.0)}
            made.add("Carrier", f"{carrier}_{code}", **rates)
    for data in made.parts["Carrier"].values():
        for code in codes:
            data.setdefault(f"co2_{code}", 0.0)
    for name, limit in limits.items():
        for code in codes:
            own = national(n, limit, code)
            if own is not None:
                made.add("GlobalConstraint", f"{name} {code}", **own)
    return made


def _is_counted(component: str, part: Attributes) -> bool:
    """Whether a limit may count it; PyPSA limits angles along lines of the carrier AC only."""
    return component != "Line" or bool(part.get("s_nom_extendable"))


def national(n: Drawn, limit: Attributes, code: str) -> Attributes | None:
    """One country's part of a limit; nothing where it has nothing that counts."""
    kind, attribute = limit["type"], limit["carrier_attribute"]
    share = share_by_load(n)[code]
    if kind in ANNUAL:
        burnt = ("coal", "gas") if kind == ANNUAL[0] else (attribute,)
        own = attribute.replace("co2_emissions", "co2") + f"_{code}"
        if not any(
            n.country(part["bus"]) == code and part.get("carrier") in burnt
            for component in ("Generator", "StorageUnit", "Store")
            for part in n.parts.get(component, {}).values()
            if part.get("active", True)
        ):
            return None
    elif kind in GRID:
        bounds = [b for c in ("Line", "Link") for b in capacity_bounds(n, c, kind)]
        used = grid_used(bounds)
        if code not in used:
            return None
        share, _ = used[code]
        own = f"AC_{code},DC_{code}"
    else:
        own = f"{attribute}_{code}"
        bounds = [b for b in capacity_bounds(n, "Generator") if b.carrier == attribute]
        bounds = [b for b in bounds if limit.get("bus", b.bus) == b.bus]
        if not any(b.country == code for b in bounds):
            return None
        share = 1.0 if "bus" in limit else share
    return {**limit, "carrier_attribute": own, "constant": share * limit["constant"]}


def apart(n: Drawn) -> Drawn:
    """All countries without each other, with what each must send and receive as loads."""
    made = with_national_limits(n)
    for component in BRANCHES:
        for name, branch in n.parts.get(component, {}).items():
            if crosses(n, branch):
                del made.parts[component][name]
                if component == "Link":
                    _firm(made, name, branch)
    made.parts = {component: named for component, named in made.parts.items() if named}
    return made


def firm_mw(n: Drawn, link: Attributes) -> np.ndarray:
    """What a link must carry, MW per snapshot."""
    if not link.get("active", True):
        return np.zeros(n.length)
    if "p_set" in link:
        return np.broadcast_to(link["p_set"], n.length)
    return link["p_nom"] * np.maximum(np.broadcast_to(link.get("p_min_pu", 0.0), n.length), 0.0)


def _firm(made: Drawn, name: str, link: Attributes) -> None:
    power = firm_mw(made, link)
    ends = [(link["bus0"], power), (link["bus1"], -power * link.get("efficiency", 1.0))]
    if "bus2" in link:
        ends.append((link["bus2"], -power * link["efficiency2"]))
    for k, (bus, mw) in enumerate(ends):
        if mw.any():
            made.add("Load", f"{name} firm {k}", bus=bus, p_set=mw.tolist())


def cost_of_firm_eur(n: Drawn, code: str) -> float:
    """What a country pays for the use of branches that it must send power over."""
    hours = np.array(n.hours["objective"])
    return sum(
        float((hours * link.get("marginal_cost", 0.0) * firm_mw(n, link)).sum())
        for link in n.parts.get("Link", {}).values()
        if n.country(link["bus0"]) == code and crosses(n, link)
    )


def solved(n: Drawn) -> pypsa.Network:
    """Let plain PyPSA solve a network, its integers relaxed."""
    made = as_network(n)
    if n.relaxed:
        for component, nominal in NOMINAL.items():
            made.c[component].static[f"{nominal}_mod"] = 0.0
    return solve(made, n.relaxed)


def solve(n: pypsa.Network, relaxed: bool = False) -> pypsa.Network:
    """Let plain PyPSA solve a network."""
    n.optimize.create_model(include_objective_constant=False, linearized_unit_commitment=relaxed)
    status, condition = n.optimize.solve_model(solver_name="highs", output_flag=False)
    assert status == "ok", condition
    return n


def costs_eur(n: pypsa.Network) -> pd.Series:
    """What a solved network costs, by country: each variable's part of the objective."""
    terms = n.model.objective.expression.flat
    coefficient = terms.groupby("vars").coeffs.sum()
    total: dict[str, float] = {}
    for key, variable in n.model.variables.items():
        labels, values = variable.labels.to_series(), variable.solution.to_series()
        paid = labels.map(coefficient).fillna(0.0) * values.fillna(0.0)
        paid = paid[labels >= 0]
        if not (paid != 0).any():
            continue
        static = n.c[key.partition("-")[0]].static
        bus = static["bus0" if "bus0" in static else "bus"]
        for name, eur in paid.groupby("name").sum().items():
            country = str(n.buses.country[bus[name]])
            total[country] = total.get(country, 0.0) + float(eur)
    return pd.Series(total).reindex(sorted(n.buses.country.unique()), fill_value=0.0)
