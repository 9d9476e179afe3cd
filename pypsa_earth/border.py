"""Borders: what two countries trade over, made of the branches between them.

A border that one number a snapshot describes exactly, because its branches lose alike and cost
nothing to use, is an interconnector with a loss. The branches of any other border lie in the model
of one of the two countries, its *host*: they end at a bus of its own beside every foreign bus, and
what is traded is the power there. PyPSA itself then sees to their costs, losses and further
outputs, for the host alone as for the planner, and the host's prices at the border contain them.

What a branch must carry is firm: both countries plan with it, whatever they trade, and so does
everyone they are compared with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pypsa

from pypsa_earth.branches import FIRM, Crossing, crossings
from pypsa_earth.shedding import add_disposal, add_shedding_at
from scenarios.schema import Branch, Interconnector

# Power from nowhere at a border costs so many times what shed load costs at home.
_DEARER = 2.0
# Two ways to share out flow are equally good if they leave capacities this close.
_SAME = 1 - 1e-9


@dataclass(frozen=True)
class Border:
    """What two countries trade over.

    Attributes
    ----------
    edge : Interconnector
        Its limits are the largest over time.
    limit_mw : dict of str to ndarray, shape (snapshots,)
        What each country may send.
    host : str
        Country in whose model the branches lie; empty where the interconnector says all.
    branches : dict of (str, str) to tuple of Crossing
        By the two buses that power passes between: one of each country. A bus of the host stands
        for the foreign bus beside it, where the branches of a group end.
    """

    edge: Interconnector
    limit_mw: dict[str, np.ndarray]
    host: str
    branches: dict[tuple[str, str], tuple[Crossing, ...]]

    @property
    def hosted(self) -> dict[str, tuple[Crossing, ...]]:
        """Branches in the host's model, by the bus of its own that they end at."""
        if not self.host:
            return {}
        end = 0 if self.host == self.edge.country_a else 1
        return {ends[end]: group for ends, group in self.branches.items()}

    def landing_buses(self, country: str) -> set[str]:
        """Buses of a country's own grid at which traded power enters or leaves it."""
        end = {self.edge.country_a: "bus_a", self.edge.country_b: "bus_b"}.get(country)
        if end is None:
            return set()
        if country == self.host:
            every = (c for branches in self.hosted.values() for c in branches)
            return {
                bus
                for c in every
                for bus, home in zip(c.buses[:2], c.countries[:2], strict=True)
                if home == country
            }
        return {str(getattr(branch, end)) for branch in self.edge.branches}


def borders(
    n: pypsa.Network,
    countries: Iterable[str],
    wheeling_eur_per_mwh: float = 0.0,
    contracts: str = "firm",
) -> list[Border]:
    """One border per pair of countries that electric branches join.

    What crosses a border goes over pairs of buses in fixed shares, so that it enters both countries
    at the very buses where the branches end. The shares follow the branches' capacities; where
    these differ by direction, they follow the direction, the mean or the smaller of both,
    whichever leaves the largest transfer capacity. No branch is ever asked for more than it has in
    that snapshot.

    Parameters
    ----------
    n : pypsa.Network
    countries : iterable of str
        Both ends must be among them.
    wheeling_eur_per_mwh : float
    contracts : {"firm", "free"}
        Whether a ``p_set`` is kept to.

    Returns
    -------
    list of Border
        Sorted by pair; pairs without any tradable capacity are left out.
    """
    chosen = set(countries)
    pairs: dict[tuple[str, str], list[Crossing]] = {}
    for crossing in crossings(n, contracts):
        if crossing.kind != "electric" or not set(crossing.countries) <= chosen:
            continue
        one, other = sorted(crossing.countries[:2])
        if one != other and (crossing.there_mw.any() or crossing.back_mw.any()):
            pairs.setdefault((one, other), []).append(crossing)
    taken = set(n.buses.index)
    return [_border(pair, pairs[pair], wheeling_eur_per_mwh, taken) for pair in sorted(pairs)]


def firm_crossings(
    n: pypsa.Network, countries: Iterable[str], contracts: str = "firm"
) -> list[Crossing]:
    """Electric branches between the countries that must carry something."""
    chosen = set(countries)
    return [
        c
        for c in crossings(n, contracts)
        if c.kind == "electric" and c.firm_mw.any() and set(c.countries) <= chosen
    ]


def is_simple(branches: Sequence[Crossing]) -> bool:
    """Whether an interconnector with one loss says all about what may be traded over branches."""
    efficiencies = np.concatenate([c.efficiency[0] for c in branches])
    return bool(
        all(len(c.buses) == 2 and not c.marginal_cost_eur_per_mwh.any() for c in branches)
        and np.ptp(efficiencies) == 0
        and 0 < efficiencies[0] <= 1
    )


def host_of(pair: tuple[str, str], branches: Sequence[Crossing]) -> str:
    """Country that can hold all branches: where their further outputs are, else the first."""
    outputs = {country for c in branches for country in c.countries[2:]}
    return next((country for country in pair if country in outputs), pair[0])


def add_branches(part: pypsa.Network, country: str, border: Border, price: float | None) -> None:
    """Put the branches of a border into its host's network.

    Parameters
    ----------
    part : pypsa.Network
        The host's; changed.
    country : str
    border : Border
    price : float, optional
        Of shed load, EUR/MWh. So that the host has an answer to any exchange, power comes from
        nowhere and goes there at its border, too, but so dear that neither its own plan nor a
        trade within the limits ever uses it.
    """
    if border.host != country:
        return
    for own, branches in border.hosted.items():
        part.add("Bus", own, country=country, carrier="AC")
        for link in (link for c in branches for link in _links(c, country, own)):
            part.add("Link", link.pop("name"), **_over_time(link, part.snapshots))
    if price is not None:
        most = 2 * sum(float(mw.max(initial=0.0)) for mw in border.limit_mw.values())
        dear = _beyond_use(border, price)
        add_shedding_at(part, list(border.hosted), dear, most)
        add_disposal(part, list(border.hosted), dear, most)


def add_firm(part: pypsa.Network, country: str, branches: Iterable[Crossing]) -> None:
    """Let a country plan with what branches must carry, as fixed withdrawals and injections."""
    for c in branches:
        arriving = [c.firm_mw * efficiency for efficiency in c.efficiency]
        for k, (bus, home, mw) in enumerate(
            zip(c.buses, c.countries, [c.firm_mw, *arriving], strict=True)
        ):
            if home != country:
                continue
            if FIRM not in part.carriers.index:
                part.add("Carrier", FIRM, nice_name="Firm exchange", color="#8a1caf")
            size = float(np.abs(mw).max()) or 1.0
            fixed = pd.Series(mw / size, part.snapshots)
            part.add(
                "Generator",
                f"{c.component} {c.name} firm {bus}",
                bus=bus,
                carrier=FIRM,
                sign=-1.0 if k == 0 else 1.0,
                p_nom=size,
                p_min_pu=fixed,
                p_max_pu=fixed,
                marginal_cost=pd.Series(c.marginal_cost_eur_per_mwh, part.snapshots)
                if k == 0
                else 0.0,
            )


def _beyond_use(border: Border, price_eur_per_mwh: float) -> float:
    """Price at a border above all that power is worth at home once it has passed a branch."""
    branches = [c for group in border.branches.values() for c in group]
    cost = max(float(np.abs(c.marginal_cost_eur_per_mwh).max()) for c in branches)
    gain = max(1.0, *(float(sum(np.abs(e) for e in c.efficiency).max()) for c in branches))
    return _DEARER * gain * (price_eur_per_mwh + cost)


def limits_of(made: Iterable[Border], country: str) -> dict[str, np.ndarray]:
    """What a country may send to each neighbour, MW per snapshot."""
    found = {}
    for border in made:
        ends = (border.edge.country_a, border.edge.country_b)
        if country in ends:
            found[ends[1 - ends.index(country)]] = border.limit_mw[country]
    return found


def firm_import_mw(branches: Iterable[Crossing], country: str) -> np.ndarray | float:
    """What a country imports net by all that is firm, MW per snapshot."""
    total: np.ndarray | float = 0.0
    for c in branches:
        received = [-c.firm_mw, *(c.firm_mw * efficiency for efficiency in c.efficiency)]
        for home, mw in zip(c.countries, received, strict=True):
            total = total + mw if home == country else total
    return total


def link_names(c: Crossing) -> tuple[str, str]:
    """Names of the links that a branch is in its host's network: there, and back over a loss."""
    name = c.name if c.component == "Link" else f"{c.component} {c.name}"
    return name, f"{name} back"


def _border(
    pair: tuple[str, str], branches: list[Crossing], wheeling: float, taken: set[str]
) -> Border:
    simple = is_simple(branches)
    host = "" if simple else host_of(pair, branches)
    groups: dict[tuple[str, str], list[Crossing]] = {}
    for c in branches:
        ends = dict(zip(c.countries[1::-1], c.buses[1::-1], strict=True))
        if host:
            foreign = ends[pair[0] if host == pair[1] else pair[1]]
            ends[host] = _own_bus(pair, foreign, taken)
        groups.setdefault((ends[pair[0]], ends[pair[1]]), []).append(c)
    limits = [
        np.array([sum(_sent_mw(c, sender, host) for c in group) for group in groups.values()])
        for sender in pair
    ]
    shares = shares_of(*limits)
    limit_mw = {sender: capacity_mw(mw, shares) for sender, mw in zip(pair, limits, strict=True)}
    return Border(
        edge=Interconnector(
            country_a=pair[0],
            country_b=pair[1],
            a_to_b_mw=float(limit_mw[pair[0]].max()),
            b_to_a_mw=float(limit_mw[pair[1]].max()),
            loss=round(1 - float(branches[0].efficiency[0][0]), 12) if simple else 0.0,
            wheeling_eur_per_mwh=wheeling,
            branches=tuple(
                Branch(bus_a=a, bus_b=b, share=float(share))
                for (a, b), share in zip(groups, shares, strict=True)
                if share > 0
            ),
        ),
        limit_mw=limit_mw,
        host=host,
        branches={
            ends: tuple(group)
            for (ends, group), share in zip(groups.items(), shares, strict=True)
            if share > 0
        },
    )


def _own_bus(pair: tuple[str, str], foreign: str, taken: set[str]) -> str:
    """Name of the host's bus that stands for a foreign one; no bus of the file has it."""
    name = f"{'-'.join(pair)} {foreign}"
    while name in taken:
        name += "'"
    return name


def _sent_mw(c: Crossing, sender: str, host: str) -> np.ndarray:
    """What a country may send over a branch, MW per snapshot.

    Measured where it leaves, or at the foreign end where the branch lies in the host's model.
    """
    mw = c.there_mw if c.countries[0] == sender else c.back_mw
    return mw * c.efficiency[0] if sender == host else mw


def _links(c: Crossing, host: str, own: str) -> Iterator[dict[str, Any]]:
    """A branch as links of its host, which end at the bus that stands for the foreign one.

    Where it loses on the way back too, it is two links, as PyPSA's own would gain energy.
    """
    ends = [own if home != host else bus for bus, home in zip(c.buses, c.countries, strict=True)]
    size = max(float(c.there_mw.max()), float(c.back_mw.max()))
    common = {"carrier": c.carrier, "length": c.length_km, "p_nom": size}
    there, back = link_names(c)
    link: dict[str, Any] = {
        "name": there,
        **common,
        "p_max_pu": c.there_mw / size,
        "marginal_cost": c.marginal_cost_eur_per_mwh,
    }
    for k, (bus, efficiency) in enumerate(zip(ends, (None, *c.efficiency), strict=True)):
        link[f"bus{k}"] = bus
        if k:
            link["efficiency" if k == 1 else f"efficiency{k}"] = efficiency
    if not c.loses_on_the_way_back:
        yield {**link, "p_min_pu": -c.back_mw / size}
        return
    yield link
    yield {
        "name": back,
        **common,
        "bus0": ends[1],
        "bus1": ends[0],
        "p_max_pu": c.back_mw / size,
        "efficiency": c.efficiency[0],
    }


def _over_time(attributes: dict[str, Any], snapshots: pd.Index) -> dict[str, Any]:
    """Attributes with arrays as series, or as one number where they never change."""
    made = {}
    for name, value in attributes.items():
        if isinstance(value, np.ndarray):
            constant = np.ptp(value) == 0
            made[name] = float(value[0]) if constant else pd.Series(value, snapshots)
        elif not (isinstance(value, float) and np.isnan(value)):
            made[name] = value
    return made


def shares_of(there_mw: np.ndarray, back_mw: np.ndarray) -> np.ndarray:
    """Shares of flow that leave the largest transfer capacity, see :func:`borders`.

    Parameters
    ----------
    there_mw, back_mw : ndarray, shape (pairs of buses, snapshots)

    Returns
    -------
    ndarray, shape (pairs of buses,)
    """
    there, back = there_mw.sum(axis=1), back_mw.sum(axis=1)
    best, most = there + back, -1.0
    for weights in (there + back, there, back, np.minimum(there, back)):
        if weights.sum() <= 0:
            continue
        shares = weights / weights.sum()
        left = float(capacity_mw(there_mw, shares).sum() + capacity_mw(back_mw, shares).sum())
        if left * _SAME > most:
            best, most = shares, left
    return best


def capacity_mw(branch_mw: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Most that all pairs of buses carry in their shares, MW per snapshot."""
    used = shares > 0
    least: np.ndarray = (branch_mw[used] / shares[used, None]).min(axis=0)
    return least
