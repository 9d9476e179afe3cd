"""Splitting a network by country: what stays, what is cut, and how common limits are shared out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import pypsa

from pypsa_earth.countries import (
    BRANCHES,
    ONE_PORTS,
    country_of_bus,
    load_mwh,
    ports_of,
)
from pypsa_earth.national import NationalValues
from pypsa_earth.options import FileOptions
from pypsa_earth.rules import GRID_LIMITS, RENEWABLE, EmissionLimit, GridLimit, NationalRules
from scenarios.errors import ScenarioError

_GRID_WEIGHT = {kind: weight for weight, kind in GRID_LIMITS.items()}


@dataclass
class CountryPart:
    """One country of a network.

    Attributes
    ----------
    country : str
    network : pypsa.Network
        Its own buses and everything that lies in the country.
    rules : NationalRules
    limit_mw : mapping of str to ndarray, shape (snapshots,)
        What it may send to each neighbour.
    """

    country: str
    network: pypsa.Network
    rules: NationalRules
    limit_mw: Mapping[str, np.ndarray]

    @property
    def time(self) -> tuple[pd.Index, np.ndarray]:
        """Snapshots and the hours they stand for."""
        weights = self.network.snapshot_weightings.objective
        return self.network.snapshots, weights.to_numpy(dtype=float)

    def load_shares(self) -> dict[str, float]:
        """Share of every bus in the country's demand."""
        energy = load_mwh(self.network)
        energy = energy[energy > 0]
        return {str(bus): float(share) for bus, share in (energy / energy.sum()).items()}


def split(n: pypsa.Network, countries: Sequence[str] | None = None) -> dict[str, pypsa.Network]:
    """Cut a network at its borders.

    Every component is removed by name, because selecting buses leaves links behind whose third
    port lies abroad, keeps limits on all countries as if they were national ones, and drops the
    meta data.

    Parameters
    ----------
    n : pypsa.Network
        Not changed.
    countries : sequence of str, optional
        All countries of the file by default, in alphabetical order.

    Returns
    -------
    dict of str to pypsa.Network
        Without global constraints, which are rules of the countries now.
    """
    code = country_of_bus(n)
    names = list(countries) if countries is not None else sorted(set(code))
    return {country: _only(n, code, country) for country in names}


def _only(n: pypsa.Network, code: pd.Series, country: str) -> pypsa.Network:
    part = n.copy()
    own = set(code.index[code == country])
    for component in BRANCHES:
        ports = ports_of(part, component)
        inside = (ports.isin(own) | (ports == "")).all(axis=1)
        _remove(part, component, ports.index[~inside])
    for component in ONE_PORTS:
        static = part.c[component].static
        _remove(part, component, static.index[~static.bus.isin(own)])
    _remove(part, "Bus", part.buses.index.difference(list(own)))
    # These describe the network as a whole and are stale now.
    for component in ("SubNetwork", "GlobalConstraint"):
        _remove(part, component, part.c[component].static.index)
    part.buses["country"] = country
    part.buses["control"], part.buses["generator"] = "PQ", ""
    part.meta = dict(n.meta or {})
    part.name = f"{n.name} {country}".strip()
    return part


def _remove(n: pypsa.Network, component: str, names: pd.Index) -> None:
    if len(names):
        n.remove(component, names)


def national_rules(
    n: pypsa.Network,
    options: FileOptions,
    *,
    co2: Literal["load", "none", "national"] = "load",
    transmission_limit: Literal["scale", "drop"] = "scale",
    values: Mapping[str, NationalValues] | None = None,
) -> dict[str, NationalRules]:
    """Rules of every country of a network.

    Limits on primary energy (CO2, gas) are shared out in proportion to load, left out, or taken
    from national values. Limits on grid expansion are shared out in proportion to what the
    country's extendable lines and DC links weigh in them, existing capacity times length or cost;
    what lies across borders keeps its part. A country without such lines gets none.

    Raises
    ------
    ScenarioError
        If national values are asked for and one is missing.
    """
    code = country_of_bus(n)
    energy = load_mwh(n).groupby(code).sum()
    share = energy / energy.sum()
    given = dict(values or {})
    rules = {}
    for country in sorted(set(code)):
        own = given.get(country, NationalValues())
        rules[country] = NationalRules(
            emissions=_emission_limits(n, co2, country, float(share.get(country, 0.0)), own),
            grid=_grid_limits(n, code, country) if transmission_limit == "scale" else (),
            eq_share=options.eq_share,
            eq_by_country=options.eq_by_country,
            res_share=options.res_share,
            renewable=options.renewable or RENEWABLE,
            reserve=own.operational_reserve or options.reserve,
            values=own,
        )
    return rules


def _emission_limits(
    n: pypsa.Network, co2: str, country: str, share: float, own: NationalValues
) -> tuple[EmissionLimit, ...]:
    if own.co2_limit_t is not None:
        return (EmissionLimit("CO2Limit", "co2_emissions", "<=", own.co2_limit_t),)
    limits = n.global_constraints[n.global_constraints.type == "primary_energy"]
    if co2 == "national" and len(limits):
        raise ScenarioError(
            f"network.co2=national: no co2_limit_t of {country}; name it in network.national"
        )
    if co2 != "load":
        return ()
    return tuple(
        EmissionLimit(str(name), row.carrier_attribute, row.sense, float(row.constant) * share)
        for name, row in limits.iterrows()
    )


def _grid_limits(n: pypsa.Network, code: pd.Series, country: str) -> tuple[GridLimit, ...]:
    made = []
    for name, row in n.global_constraints.iterrows():
        weight = _GRID_WEIGHT.get(row.type)
        if weight is None:
            continue
        carriers = tuple(part.strip() for part in str(row.carrier_attribute).split(","))
        own = total = 0.0
        for component, nominal in (("Line", "s_nom"), ("Link", "p_nom")):
            static = n.c[component].static
            grows = static[static[f"{nominal}_extendable"] & static.carrier.isin(carriers)]
            weights = grows[[nominal, f"{nominal}_min"]].max(axis=1) * grows[weight]
            inside = (grows.bus0.map(code) == country) & (grows.bus1.map(code) == country)
            own += float(weights[inside].sum())
            total += float(weights.sum())
        if own > 0:
            made.append(GridLimit(str(name), weight, carriers, float(row.constant) * own / total))
    return tuple(made)
