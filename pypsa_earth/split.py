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
    is_electric,
    load_mwh,
    ports_of,
)
from pypsa_earth.limits import national_limits
from pypsa_earth.national import NationalValues
from pypsa_earth.options import FileOptions
from pypsa_earth.rules import RENEWABLE, NationalRules


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
        """Share of every bus in the country's demand; of every electric bus if it has none."""
        energy = load_mwh(self.network)
        energy = energy[energy > 0]
        if not len(energy):
            grid = is_electric(self.network)
            energy = grid[grid].astype(float)
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
    """Rules of every country of a network; see :func:`pypsa_earth.limits.national_limits`.

    Raises
    ------
    ScenarioError
        If national values are asked for and one is missing.
    """
    given = dict(values or {})
    rules = {}
    for country in sorted(set(country_of_bus(n))):
        own = given.get(country, NationalValues())
        rules[country] = NationalRules(
            limits=national_limits(
                n, country, co2=co2, transmission_limit=transmission_limit, values=own
            ),
            eq_share=options.eq_share,
            eq_by_country=options.eq_by_country,
            res_share=options.res_share,
            renewable=options.renewable or RENEWABLE,
            reserve=own.operational_reserve or options.reserve,
            values=own,
        )
    return rules
