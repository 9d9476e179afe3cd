"""Random networks of two to four countries, several to a file, and what plain PyPSA makes of them.

The reference is independent of the program: the file's own network, in which lines and transformers
that cross a border are steered as links are, and links that lose energy run it both ways as two.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pypsa
from hypothesis import strategies as st

CODES = ("AA", "BB", "NA", "ZZ")
SHEDDING_EUR_PER_MWH = 3000.0
YEAR_H = 8760.0


def number(low: float, high: float) -> st.SearchStrategy[float]:
    """Round numbers, so that examples read well."""
    return st.integers(0, 20).map(lambda k: round(low + (high - low) * k / 20, 6))


@dataclass
class Drawn:
    """A network as plain data, from which PyPSA's is made in one go.

    Attributes
    ----------
    hours : dict of str to list of float
        Snapshot weightings by kind.
    parts : dict of str to dict of str to dict
        Component -> name -> attributes; lists are series.
    """

    hours: dict[str, list[float]]
    parts: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    def add(self, component: str, name: str, **attributes: Any) -> None:
        """Add one component."""
        self.parts.setdefault(component, {})[name] = attributes

    @property
    def length(self) -> int:
        """Number of snapshots."""
        return len(self.hours["objective"])

    def country(self, bus: str) -> str:
        """Country of a bus."""
        code: str = self.parts["Bus"][bus]["country"]
        return code

    @property
    def codes(self) -> list[str]:
        """Countries in alphabetical order."""
        return sorted({bus["country"] for bus in self.parts["Bus"].values()})

    def network(self) -> pypsa.Network:
        """PyPSA's network."""
        n = pypsa.Network()
        n.set_snapshots(pd.date_range("2030-01-01", periods=self.length, freq="h"))
        for kind, hours in self.hours.items():
            n.snapshot_weightings[kind] = hours
        for component, named in self.parts.items():
            static: dict[str, list[Any]] = {}
            varying: dict[str, pd.DataFrame] = {}
            default = {**n.c[component].defaults.default, "bus2": "", "efficiency2": 1.0}
            for attribute in dict.fromkeys(a for part in named.values() for a in part):
                values = [part.get(attribute, default.get(attribute)) for part in named.values()]
                series = {
                    name: v for name, v in zip(named, values, strict=True) if isinstance(v, list)
                }
                static[attribute] = [
                    default[attribute] if isinstance(v, list) else v for v in values
                ]
                if series:
                    varying[attribute] = pd.DataFrame(series, index=n.snapshots)
            n.add(component, list(named), **static)
            for attribute, table in varying.items():
                n.c[component].dynamic[attribute] = table
        return n


@st.composite
def networks(draw: st.DrawFn, systems: int) -> Drawn:
    """Networks whose every attribute is on the list of what is met.

    One file holds several that nothing joins, since PyPSA takes as long to formulate one problem
    as ten. The countries of each end in its number.
    """
    length = draw(st.integers(1, 6))
    hours = np.array(draw(st.lists(number(1, 5), min_size=length, max_size=length)))
    year = (hours * YEAR_H / hours.sum()).tolist()
    n = Drawn(
        {
            "objective": year,
            "generators": year,
            "stores": [draw(st.sampled_from([1.0, 3.0]))] * length,
        }
    )
    for carrier, emissions in (("AC", 0.0), ("coal", 0.34), ("gas", 0.2), ("wind", 0.0)):
        n.add("Carrier", carrier, co2_emissions=emissions)
    for carrier in ("load", "battery", "hydro", "H2", "heat", "DC"):
        n.add("Carrier", carrier)
    for k in range(systems):
        codes = [f"{code}{k}" for code in CODES[: draw(st.integers(2, 4))]]
        for code in codes:
            _country(draw, n, code)
        _borders(draw, n, codes)
    return n


def series(draw: st.DrawFn, n: Drawn, low: float, high: float) -> float | list[float]:
    """A number, or a series."""
    if draw(st.booleans()):
        return draw(number(low, high))
    return draw(st.lists(number(low, high), min_size=n.length, max_size=n.length))


def _country(draw: st.DrawFn, n: Drawn, code: str) -> None:
    buses = [f"{code} {k}" for k in range(draw(st.integers(1, 3)))]
    for bus in buses:
        n.add("Bus", bus, country=code, carrier="AC", v_nom=380.0, x=10.0, y=50.0)
        n.add(
            "Generator",
            f"{bus} load",
            bus=bus,
            carrier="load",
            p_nom=5000.0,
            marginal_cost=SHEDDING_EUR_PER_MWH,
        )
        # So that every draw can be solved, whatever must be carried.
        n.add("Generator", f"{bus} dump", bus=bus, carrier="AC", sign=-1.0, p_nom=5000.0)
        if bus == buses[0] or draw(st.integers(0, 3)):
            n.add("Load", f"{bus} town", bus=bus, p_set=series(draw, n, 20, 400))
        _plants(draw, n, bus)
        if draw(st.integers(0, 2)) == 0:
            _storage(draw, n, bus)
    for one, other in pairwise(buses):
        _inner_branch(draw, n, one, other)


def _plants(draw: st.DrawFn, n: Drawn, bus: str) -> None:
    for k in range(draw(st.integers(1, 2))):
        plant: dict[str, Any] = {
            "bus": bus,
            "carrier": draw(st.sampled_from(["coal", "gas", "wind"])),
            "p_nom": draw(number(0, 500)),
            "marginal_cost": series(draw, n, 1, 120),
            "p_max_pu": series(draw, n, 0, 1),
            "efficiency": draw(number(0.3, 1)),
        }
        extra = draw(st.integers(0, 5))
        if extra == 0:
            plant |= {
                "p_nom_extendable": True,
                "p_nom_min": draw(number(0, 100)),
                "p_nom_max": draw(number(200, 600)),
                "capital_cost": draw(number(1e4, 3e5)),
            }
        elif extra == 1:
            plant |= {"ramp_limit_up": draw(number(0.2, 1)), "ramp_limit_down": 1.0}
        elif extra == 2:
            plant |= {"e_sum_max": plant["p_nom"] * draw(number(0.1, 1)) * YEAR_H}
        n.add("Generator", f"{bus} plant {k}", **plant)


def _storage(draw: st.DrawFn, n: Drawn, bus: str) -> None:
    kind = draw(st.sampled_from(["unit", "store", "hydrogen"]))
    if kind == "unit":
        n.add(
            "StorageUnit",
            f"{bus} unit",
            bus=bus,
            carrier="hydro",
            p_nom=draw(number(10, 200)),
            max_hours=draw(number(1, 8)),
            inflow=series(draw, n, 0, 60),
            efficiency_store=draw(number(0.7, 1)),
            efficiency_dispatch=draw(number(0.7, 1)),
            standing_loss=draw(number(0, 0.05)),
            marginal_cost=draw(number(0, 5)),
            cyclic_state_of_charge=draw(st.booleans()),
        )
        return
    held = f"{bus} {kind}"
    n.add("Bus", held, country=n.country(bus), carrier="battery" if kind == "store" else "H2")
    n.add(
        "Store",
        held,
        bus=held,
        carrier="battery",
        e_nom_extendable=draw(st.booleans()),
        e_nom=draw(number(0, 300)),
        e_nom_max=900.0,
        e_cyclic=draw(st.booleans()),
        capital_cost=draw(number(1e3, 2e4)),
        standing_loss=draw(number(0, 0.02)),
    )
    ends = {"p_nom": draw(number(10, 200)), "carrier": "battery"}
    efficiency = draw(number(0.6, 1))
    if kind == "hydrogen" and draw(st.booleans()):
        # Its waste heat is of no use, but takes its place: a branch with a third port at home.
        n.add("Bus", f"{held} heat", country=n.country(bus), carrier="heat")
        n.add("Store", f"{held} heat", bus=f"{held} heat", e_nom=1e6, e_min_pu=-1.0)
        ends |= {"bus2": f"{held} heat", "efficiency2": 0.2}
    n.add("Link", f"{held} in", bus0=bus, bus1=held, efficiency=efficiency, **ends)
    n.add("Link", f"{held} out", bus0=held, bus1=bus, efficiency=efficiency, p_nom=ends["p_nom"])


def _inner_branch(draw: st.DrawFn, n: Drawn, one: str, other: str) -> None:
    if draw(st.booleans()):
        n.add("Line", f"{one}-{other}", bus0=one, bus1=other, s_nom=draw(number(50, 400)), x=0.1)
    else:
        n.add(
            "Link",
            f"{one}-{other}",
            bus0=one,
            bus1=other,
            p_nom=draw(number(50, 400)),
            p_min_pu=-draw(st.integers(0, 1)),
            carrier="DC",
            marginal_cost=draw(number(0, 3)) if draw(st.booleans()) else 0.0,
        )


def _borders(draw: st.DrawFn, n: Drawn, codes: list[str]) -> None:
    """One or two branches between the same two buses of neighbouring countries.

    Between several pairs of buses of two countries flow is shared by a rule of the program's own,
    which other tests check.
    """
    grid = [bus for bus, data in n.parts["Bus"].items() if data["carrier"] == "AC"]
    for one, other in dict.fromkeys([*pairwise(codes), (codes[0], codes[-1])]):
        ends = [
            draw(st.sampled_from([bus for bus in grid if n.country(bus) == code]))
            for code in (one, other)
        ]
        for k in range(draw(st.integers(1, 2))):
            _crossing(draw, n, f"{one}>{other} {k}", *(ends if draw(st.booleans()) else ends[::-1]))


def _crossing(draw: st.DrawFn, n: Drawn, name: str, one: str, other: str) -> None:
    kind = draw(st.sampled_from(["line", "there", "both", "lossy both", "firm", "must", "outputs"]))
    capacity = draw(number(20, 300))
    if kind == "line":
        n.add(
            draw(st.sampled_from(["Line", "Transformer"])),
            name,
            bus0=one,
            bus1=other,
            s_nom=capacity,
            x=0.1,
            s_max_pu=series(draw, n, 0.2, 1),
        )
        return
    link: dict[str, Any] = {
        "bus0": one,
        "bus1": other,
        "p_nom": capacity,
        "carrier": "DC",
        "p_max_pu": series(draw, n, 0, 1),
    }
    if kind in ("there", "outputs", "must"):
        link |= {"efficiency": series(draw, n, 0.8, 1), "marginal_cost": series(draw, n, 0, 20)}
    if kind == "both":
        link |= {"p_min_pu": -draw(number(0, 1)), "marginal_cost": draw(number(0, 2))}
    if kind == "lossy both":
        link |= {"p_min_pu": -1.0, "efficiency": draw(number(0.9, 0.99))}
    if kind == "must":
        link |= {"p_max_pu": 1.0, "p_min_pu": series(draw, n, 0, 0.3)}
    if kind == "firm":
        link |= {"p_max_pu": 1.0, "p_min_pu": -1.0}
        link |= {"p_set": series(draw, n, -capacity / 4, capacity / 4), "marginal_cost": 2.0}
    if kind == "outputs":
        heat = f"{one} heat"
        if heat not in n.parts["Bus"]:
            n.add("Bus", heat, country=n.country(one), carrier="heat")
            n.add("Store", heat, bus=heat, e_nom=1e7, e_min_pu=-1.0)
        link |= {"bus2": heat, "efficiency2": 0.1}
    if draw(st.integers(0, 9)) == 0:
        link["active"] = False
    n.add("Link", name, **link)


def transport_model(n: Drawn) -> Drawn:
    """The network as plain PyPSA solves it, every border steered."""
    made = deepcopy(n)
    for component in ("Line", "Transformer"):
        for name, branch in n.parts.get(component, {}).items():
            if n.country(branch["bus0"]) != n.country(branch["bus1"]):
                limit = branch["s_max_pu"]
                del made.parts[component][name]
                made.add(
                    "Link",
                    f"{component} {name}",
                    bus0=branch["bus0"],
                    bus1=branch["bus1"],
                    p_nom=branch["s_nom"],
                    p_min_pu=[-x for x in limit] if isinstance(limit, list) else -limit,
                    p_max_pu=limit,
                )
    for name, link in n.parts.get("Link", {}).items():
        crosses = n.country(link["bus0"]) != n.country(link["bus1"])
        back = link.get("p_min_pu", 0.0)
        if crosses and not isinstance(back, list) and back < 0 and link.get("efficiency", 1.0) < 1:
            made.parts["Link"][name]["p_min_pu"] = 0.0
            ends = {"bus0": link["bus1"], "bus1": link["bus0"], "p_max_pu": -back}
            made.add("Link", f"{name} reversed", **{**link, **ends, "p_min_pu": 0.0})
    return made


def alone(n: Drawn, code: str) -> Drawn:
    """One country, with what it must send and receive as loads."""
    made = deepcopy(n)
    for component, named in n.parts.items():
        for name, part in named.items():
            ends = [bus for key, bus in part.items() if key.startswith("bus")]
            if component == "Bus":
                ends = [name]
            if any(n.country(bus) != code for bus in ends):
                del made.parts[component][name]
                if component == "Link":
                    _firm(made, n, name, code)
    made.parts = {component: named for component, named in made.parts.items() if named}
    return made


def firm_mw(n: Drawn, link: dict[str, Any]) -> np.ndarray:
    """What a link must carry, MW per snapshot."""
    if not link.get("active", True):
        return np.zeros(n.length)
    if "p_set" in link:
        return np.broadcast_to(link["p_set"], n.length)
    return link["p_nom"] * np.maximum(np.broadcast_to(link.get("p_min_pu", 0.0), n.length), 0.0)


def _firm(made: Drawn, n: Drawn, name: str, code: str) -> None:
    link = n.parts["Link"][name]
    power = firm_mw(n, link)
    ends = [(link["bus0"], power), (link["bus1"], -power * link.get("efficiency", 1.0))]
    if "bus2" in link:
        ends.append((link["bus2"], -power * link["efficiency2"]))
    for k, (bus, mw) in enumerate(ends):
        if n.country(bus) == code and mw.any():
            made.add("Load", f"{name} firm {k}", bus=bus, p_set=mw.tolist())


def cost_of_firm_eur(n: Drawn, code: str) -> float:
    """What a country pays for the use of branches that it must send power over."""
    hours = np.array(n.hours["objective"])
    return sum(
        float((hours * link.get("marginal_cost", 0.0) * firm_mw(n, link)).sum())
        for link in n.parts.get("Link", {}).values()
        if n.country(link["bus0"]) == code != n.country(link["bus1"])
    )


def solve(n: pypsa.Network) -> pypsa.Network:
    """Let plain PyPSA solve a network."""
    n.optimize.create_model(include_objective_constant=False)
    status, condition = n.optimize.solve_model(solver_name="highs", output_flag=False)
    assert status == "ok", condition
    return n


def costs_eur(n: pypsa.Network) -> dict[str, float]:
    """What a solved network costs, by the number that its countries end in."""
    total: dict[str, float] = {}
    hours = n.snapshot_weightings.objective
    for component, power, nominal in (
        ("Generator", "p", "p_nom"),
        ("Link", "p0", "p_nom"),
        ("StorageUnit", "p_dispatch", "p_nom"),
        ("Store", "p", "e_nom"),
    ):
        static = n.c[component].static
        if not len(static):
            continue
        price = n.get_switchable_as_dense(component, "marginal_cost")
        used = n.c[component].dynamic[power].reindex(columns=static.index, fill_value=0.0)
        paid = (price * used).mul(hours, axis=0).sum()
        grows = static[f"{nominal}_extendable"].astype(bool)
        paid += (static.capital_cost * static[f"{nominal}_opt"]).where(grows, 0.0)
        bus = static.bus0 if component == "Link" else static.bus
        for name, eur in paid.items():
            system = str(n.buses.country[bus[name]])[2:]
            total[system] = total.get(system, 0.0) + float(eur)
    return total
