"""Random networks of two to four countries, several to a file."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.drawn import Attributes, Dice, Drawn
from tests.plain_pypsa import capacity_bounds, grid_used, share_by_load
from tests.random_parts import (
    YEAR_H,
    growing,
    line,
    link,
    plant,
    process,
    store,
    transformer,
    unit,
)

CODES = ("AA", "BB", "NA", "ZZ")
# Of wires that cross borders, which are steered.
UNREAD_ABROAD: Attributes = {"x": 0.1, "r": 0.01, "g": 1e-6, "b": 1e-6}
SHEDDING_EUR_PER_MWH = 3000.0


def networks(systems: int, part: int) -> st.SearchStrategy[Drawn]:
    """Networks whose every attribute is on the list of what is met; others for each part."""
    return st.integers(0, 2**32).map(lambda k: drawn(Random(f"{part} {k}"), systems))


def drawn(random: Random, systems: int, may_relax: bool = True) -> Drawn:
    """One file of several networks that nothing joins.

    PyPSA takes as long to formulate one problem as ten. The countries of each end in its number.
    """
    length = random.randint(1, 6)
    dice = Dice(random, Drawn({"objective": [1.0] * length}))
    counted = [_year([dice.number(1, 5) for _ in range(length)]) for _ in range(2)]
    n = dice.n = Drawn(
        {
            "objective": counted[0],
            "generators": counted[dice.choice([0, 1])],
            "stores": [dice.choice([1.0, 3.0])] * length,
        },
        relaxed=may_relax and dice.yes(4),
    )
    for carrier, emissions in (("AC", 0.0), ("coal", 0.34), ("gas", 0.2), ("wind", 0.0)):
        n.add("Carrier", carrier, co2_emissions=emissions)
    for carrier in ("load", "battery", "hydro", "H2", "heat", "DC"):
        n.add("Carrier", carrier)
    per_km = {"r_per_length": 0.06, "x_per_length": 0.3, "c_per_length": 10.0, "i_nom": 0.6}
    n.add("LineType", "wire", f_nom=50.0, mounting="ol", cross_section=240.0, **per_km)
    volts = {"v_nom_0": 380.0, "v_nom_1": 380.0, "vsc": 12.0, "vscr": 0.3, "pfe": 60.0, "i0": 0.06}
    taps = {"tap_side": 0, "tap_neutral": 0, "tap_min": -9, "tap_max": 9, "tap_step": 1.5}
    n.add("TransformerType", "box", f_nom=50.0, s_nom=200.0, phase_shift=0.5, **volts, **taps)
    for k in range(systems):
        codes = [f"{code}{k}" for code in CODES[: dice.choice([2, 3, 4])]]
        for code in codes:
            _country(dice, code, code == codes[0] or not dice.yes(6))
        _borders(dice, codes)
    if dice.yes():
        _limits(dice)
    return n


def _year(hours: list[float]) -> list[float]:
    year: list[float] = (np.array(hours) * YEAR_H / sum(hours)).tolist()
    return year


def _country(dice: Dice, code: str, has_load: bool) -> None:
    n = dice.n
    buses = [f"{code} {k}" for k in range(dice.choice([1, 2, 3]))]
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
        if has_load and (bus == buses[0] or not dice.yes(4)):
            n.add("Load", f"{bus} town", bus=bus, p_set=dice.series(20, 400))
            if dice.yes(4):
                n.add("ShuntImpedance", f"{bus} coil", bus=bus, b=0.1)
                roofs = {"sign": 1.0, "carrier": "AC", "p_set": dice.series(0, 10)}
                n.add("Load", f"{bus} roofs", bus=bus, **roofs)
                n.add("Load", f"{bus} mine", bus=bus, active=False, p_set=1000.0)
        for k in range(dice.choice([1, 2])):
            n.add("Generator", f"{bus} plant {k}", **plant(dice, bus))
        if dice.yes(3):
            _storage(dice, bus)
    for one, other in pairwise(buses):
        _inner_branch(dice, one, other, "")
    if len(buses) > 1 and dice.yes():  # a cycle
        _inner_branch(dice, buses[-1], buses[0], " back")


def _inner_branch(dice: Dice, one: str, other: str, suffix: str) -> None:
    component = dice.choice(["Line", "Transformer", "Link", "Process"])
    made = {"Line": line, "Transformer": transformer, "Link": link, "Process": process}
    branch = made[component](dice, one, other)
    if component == "Process" and dice.yes(3):
        branch |= {"bus2": _heat(dice.n, one), "rate2": dice.number(0.1, 0.3)}
        branch |= {"delay2": dice.choice([0, 1]), "cyclic_delay2": dice.yes()}
    dice.n.add(component, f"{one}-{other}{suffix}", **branch)


def _heat(n: Drawn, bus: str) -> str:
    """A bus beside another that takes all heat."""
    name = f"{bus} heat"
    if name not in n.parts["Bus"]:
        n.add("Bus", name, country=n.country(bus), carrier="heat")
        n.add("Store", name, bus=name, carrier="heat", e_nom=1e7, e_min_pu=-1.0)
    return name


def _storage(dice: Dice, bus: str) -> None:
    n = dice.n
    kind = dice.choice(["unit", "store", "hydrogen", "tank"])
    if kind == "unit":
        n.add("StorageUnit", f"{bus} unit", **unit(dice, bus))
        return
    if kind == "tank":
        tank = {"e_nom": 1e5, "e_min_pu": -1.0, "p_set": dice.now_and_then(-20, 20)}
        n.add("Store", f"{bus} tank", bus=bus, carrier="battery", **tank)
        return
    held = f"{bus} {kind}"
    n.add("Bus", held, country=n.country(bus), carrier="battery" if kind == "store" else "H2")
    n.add("Store", held, **store(dice, held))
    ends: Attributes = {"p_nom": dice.number(10, 200), "carrier": "battery"}
    efficiency = dice.number(0.6, 1)
    if kind == "hydrogen" and dice.yes():
        # Its waste heat is of no use, but takes its place: a branch with a third port at home.
        third = {"bus2": _heat(n, held), "efficiency2": dice.series(0.1, 0.3)}
        ends |= {**third, "delay2": dice.choice([0, 1]), "cyclic_delay2": dice.yes()}
    n.add("Link", f"{held} in", bus0=bus, bus1=held, efficiency=efficiency, **ends)
    n.add("Link", f"{held} out", bus0=held, bus1=bus, efficiency=efficiency, p_nom=ends["p_nom"])


def _borders(dice: Dice, codes: list[str]) -> None:
    """Branches between neighbouring countries: all at the same two buses, or lines at several.

    Over several pairs of buses the flow goes in fixed shares, which follow the capacities.
    """
    n = dice.n
    grid = [bus for bus, data in n.parts["Bus"].items() if data["carrier"] == "AC"]
    for one, other in dict.fromkeys([*pairwise(codes), (codes[0], codes[-1])]):
        sides = [[bus for bus in grid if n.country(bus) == code] for code in (one, other)]
        if max(map(len, sides)) > 1 and dice.yes(3):
            limit = dice.number(0.3, 1)
            pairs = [(a, b) for a in sides[0] for b in sides[1]]
            for k, (a, b) in enumerate(pairs[: dice.choice([2, 3])]):
                wire = {"s_nom": dice.number(20, 300), "x": 0.1, "s_max_pu": limit}
                n.add("Line", f"{one}>{other} {k}", bus0=a, bus1=b, **wire)
            continue
        ends = [dice.choice(side) for side in sides]
        number = dice.choice([1, 2])
        for k in range(number):
            way = ends if dice.yes() else ends[::-1]
            _crossing(dice, f"{one}>{other} {k}", way[0], way[1], is_alone=number == 1)


def _crossing(dice: Dice, name: str, one: str, other: str, is_alone: bool) -> None:
    n = dice.n
    kinds = ["line", "there", "both", "lossy both", "firm", "must", "growing", "outputs"]
    # Further outputs in both countries of a border are refused.
    kind = dice.choice(kinds if name.endswith(" 0") else kinds[:-1])
    capacity = dice.number(20, 300)
    if kind == "line" or (kind == "growing" and dice.yes()):
        wire: dict[str, Any] = {"s_nom": capacity, "s_max_pu": dice.series(0.2, 1), **UNREAD_ABROAD}
        wire["active"] = not dice.yes(10)
        component = dice.choice(["Line", "Transformer"])
        wire["num_parallel"] = 2.0
        if kind == "growing":
            wire |= growing(dice, "s_nom", 1e4)
        if component == "Line":
            wire |= {"carrier": "AC", "length": 100.0}
        else:
            wire |= {"tap_ratio": 0.9, "tap_side": 1, "tap_position": 1}
        n.add(component, name, bus0=one, bus1=other, **wire)
        return
    made: dict[str, Any] = {"p_nom": capacity, "carrier": "DC", "p_max_pu": dice.series(0, 1)}
    made["active"] = not dice.yes(10)
    if kind == "growing":
        made |= {**growing(dice, "p_nom", 1e4), "length": 100.0}
    if kind in ("there", "outputs", "must"):
        made |= {"efficiency": dice.series(0.8, 1), "marginal_cost": dice.series(0, 20)}
    if kind == "both":
        # PyPSA pays the cost for what flows back, which in a loop a country earns alone, too.
        made |= {"p_min_pu": -dice.number(0, 1)}
        made |= {"marginal_cost": dice.number(0, 2)} if is_alone else {}
    if kind == "lossy both":
        made |= {"p_min_pu": -1.0, "efficiency": dice.number(0.9, 0.99)}
    if kind == "must":
        made |= {"p_max_pu": 1.0, "p_min_pu": dice.series(0, 0.3)}
    if kind == "firm":
        made |= {"p_max_pu": 1.0, "p_min_pu": -1.0}
        made |= {"p_set": dice.series(-capacity / 4, capacity / 4), "marginal_cost": 2.0}
    if kind == "outputs":
        made |= {"bus2": _heat(n, one), "efficiency2": 0.1}
    n.add("Link", name, bus0=one, bus1=other, **made)


def _limits(dice: Dice) -> None:
    """Limits of all kinds that leave something feasible."""
    n = dice.n
    need_mwh = sum(share_by_load(n, relative=False).values())
    if dice.yes():
        attributes = {"carrier_attribute": "co2_emissions", "sense": "<="}
        tonnes = dice.number(0.05, 1) * 0.4 * need_mwh
        n.add("GlobalConstraint", "CO2", type="primary_energy", constant=tonnes, **attributes)
    if dice.yes():
        attributes = {"carrier_attribute": dice.choice(["coal", "gas"]), "sense": "<="}
        mwh = dice.number(0.02, 0.4) * need_mwh
        n.add("GlobalConstraint", "fuel", type="operational_limit", constant=mwh, **attributes)
    for name, kind in (
        ("grid", "transmission_volume_expansion_limit"),
        ("money", "transmission_expansion_cost_limit"),
    ):
        bounds = [b for c in ("Line", "Link") for b in capacity_bounds(n, c, kind)]
        used = grid_used(bounds)
        if used and all(share > 0 for share, _ in used.values()) and dice.yes():
            attributes = {"type": kind, "carrier_attribute": dice.choice(["AC, DC", "[AC,DC]"])}
            constant = max(least / share for share, least in used.values()) * dice.number(1, 2)
            n.add("GlobalConstraint", name, sense="<=", constant=constant, **attributes)
    _capacity_limits(dice)


def _capacity_limits(dice: Dice) -> None:
    n = dice.n
    shares = share_by_load(n)
    for carrier in ("coal", "gas", "wind"):
        bounds = [b for b in capacity_bounds(n, "Generator") if b.carrier == carrier]
        least, most = dict.fromkeys(shares, 0.0), dict.fromkeys(shares, 0.0)
        for b in bounds:
            least[b.country] += b.least
            most[b.country] += b.most
        sense = dice.choice(["<=", ">=", "none", "bus"])
        limit: Attributes = {
            "type": "tech_capacity_expansion_limit",
            "carrier_attribute": carrier,
        }
        name = f"{carrier} fleet"
        if sense == "bus" and bounds:
            bus = dice.choice(sorted({b.bus for b in bounds}))
            floor = sum(b.least for b in bounds if b.bus == bus)
            limit |= {"bus": bus, "sense": "<=", "constant": floor + dice.number(0, 200)}
            n.add("GlobalConstraint", name, **limit)
        elif sense == "<=" and not any(least[c] > 0 and shares[c] <= 0 for c in shares):
            floor = max(least[c] / shares[c] for c in shares if shares[c] > 0)
            limit |= {"sense": "<=", "constant": floor * dice.number(1, 2) + 100.0}
            n.add("GlobalConstraint", name, **limit)
        elif sense == ">=":
            ceiling = min(most[c] / shares[c] for c in shares if shares[c] > 0)
            limit |= {"sense": ">=", "constant": ceiling * dice.number(0, 0.9)}
            n.add("GlobalConstraint", name, **limit)
