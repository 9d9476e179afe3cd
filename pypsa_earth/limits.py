"""PyPSA's limits on a whole network, as limits of its countries.

A limit that names a bus is national and stays what it is. Of a limit on all countries together each
gets a share by a stated rule, and PyPSA's own code turns the share into a constraint on what the
country holds: in its own model and, the same, in one of all countries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import linopy
import pandas as pd
import pypsa
from pypsa.optimization import global_constraints as pypsa_limits

from agents.problem import PlanningError
from pypsa_earth.countries import BRANCHES, ONE_PORTS, country_of_bus, load_mwh
from pypsa_earth.findings import Finding, some
from pypsa_earth.national import NationalValues
from pypsa_earth.own import Own, row_name
from pypsa_earth.weights import NOMINAL
from scenarios.errors import ScenarioError

CO2 = "co2_emissions"
ENERGY_LIMITS = ("primary_energy", "operational_limit")
GRID_LIMITS = ("transmission_volume_expansion_limit", "transmission_expansion_cost_limit")
CAPACITY_LIMIT = "tech_capacity_expansion_limit"
LIMIT_TYPES = (*ENERGY_LIMITS, *GRID_LIMITS, CAPACITY_LIMIT)
# Relative size of what a limit without any component may ask for.
_NOTHING = 1e-9


@dataclass(frozen=True)
class Limit:
    """A global constraint of one country, with the attributes of PyPSA's."""

    name: str
    type: str
    carrier_attribute: str
    sense: str
    constant: float
    bus: str = ""

    @property
    def attributes(self) -> dict[str, object]:
        """As PyPSA takes them."""
        return {
            "type": self.type,
            "carrier_attribute": self.carrier_attribute,
            "sense": self.sense,
            "constant": self.constant,
            "bus": self.bus,
        }

    @property
    def carriers(self) -> list[str]:
        """Carriers of the components that a limit on capacity counts."""
        plain = self.carrier_attribute.translate(str.maketrans("", "", "[]()"))
        return [part.strip() for part in plain.split(",")]


def limit_errors(n: pypsa.Network) -> Iterator[Finding]:
    """Global constraints that cannot be met country by country."""
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
        elif row.type == "primary_energy" and n.carriers[row.carrier_attribute].isna().any():
            rates = n.carriers[row.carrier_attribute]
            yield Finding(
                f"{row.carrier_attribute} of {int(rates.isna().sum())} carriers is NaN",
                some(rates.index[rates.isna()]),
                f"repair n.carriers.{row.carrier_attribute}",
            )
        elif row.sense not in ("<=", ">=", "=="):
            yield Finding(f"global constraint {name} has the sense '{row.sense}'", advice="use <=")
        elif row.bus and row.bus not in n.buses.index:
            yield Finding(f"global constraint {name} is about a bus that does not exist", row.bus)
        elif row.bus and row.type != CAPACITY_LIMIT:
            yield Finding(
                f"global constraint {name} names a bus, and PyPSA would not read it",
                row.bus,
                "remove the bus",
            )


def limit_warnings(n: pypsa.Network) -> Iterator[Finding]:
    """Limits of which countries get shares."""
    shared = [str(name) for name, row in n.global_constraints.iterrows() if not row.bus]
    if shared and len(set(country_of_bus(n))) > 1:
        yield Finding(
            f"{len(shared)} limits on all countries together are shared out among them",
            some(shared),
            "see docs/pypsa-earth.md; --set network.co2=national, network.transmission_limit=drop",
        )


def national_limits(
    n: pypsa.Network,
    country: str,
    *,
    co2: Literal["load", "none", "national"] = "load",
    transmission_limit: Literal["scale", "drop"] = "scale",
    values: NationalValues | None = None,
) -> tuple[Limit, ...]:
    """Limits of one country.

    Parameters
    ----------
    n : pypsa.Network
        Of all countries.
    country : str
    co2 : {"load", "none", "national"}
        Limits on amounts a year (``primary_energy``, ``operational_limit``) are shared out by load,
        left out, or those on emissions are national values.
    transmission_limit : {"scale", "drop"}
        Limits on the grid are shared out by existing capacity times length or cost of what may be
        extended (by load if nothing exists); what lies across borders keeps its part.
    values : NationalValues, optional
        Its ``co2_limit_t`` replaces the country's share of limits on emissions.

    Raises
    ------
    ScenarioError
        If national values are asked for and one is missing.
    """
    own = values or NationalValues()
    code = country_of_bus(n)
    energy = load_mwh(n).groupby(code).sum()
    by_load = float(energy.get(country, 0.0) / energy.sum())
    made = []
    if own.co2_limit_t is not None:
        names = [str(k) for k, row in n.global_constraints.iterrows() if _on_emissions(row)]
        name = names[0] if names else "CO2Limit"
        made.append(Limit(name, "primary_energy", CO2, "<=", own.co2_limit_t))
    for name, row in n.global_constraints.iterrows():
        share = by_load
        if row.type in ENERGY_LIMITS:
            if co2 == "none" or (_on_emissions(row) and own.co2_limit_t is not None):
                continue
            if co2 == "national" and _on_emissions(row):
                raise ScenarioError(
                    f"network.co2=national: no co2_limit_t of {country}; name it in "
                    "network.national"
                )
        elif row.type in GRID_LIMITS:
            if transmission_limit == "drop":
                continue
            part = _share_of_grid(n, code, country, row, by_load)
            if part is None:  # nothing that could grow
                continue
            share = part
        elif row.bus:
            if code[row.bus] != country:
                continue
            share = 1.0
        made.append(
            Limit(
                str(name),
                str(row.type),
                str(row.carrier_attribute),
                str(row.sense),
                (float(row.constant) - _kept(n, code, row)) * share,
                str(row.bus or ""),
            )
        )
    return tuple(made)


def _on_emissions(row: pd.Series) -> bool:
    return bool(row.type == "primary_energy" and row.carrier_attribute == CO2)


def _share_of_grid(
    n: pypsa.Network, code: pd.Series, country: str, row: pd.Series, by_load: float
) -> float | None:
    limit = Limit("", row.type, row.carrier_attribute, row.sense, 0.0)
    own = total = 0.0
    grow_inside = False
    for component, nominal in (("Line", "s_nom"), ("Link", "p_nom")):
        c = n.c[component]
        counted = c.static[f"{nominal}_extendable"] & c.static.carrier.isin(limit.carriers)
        grows = c.static[counted.astype(bool)]
        each = grows.length if row.type == GRID_LIMITS[0] else c.capital_cost[grows.index]
        weights = grows[[nominal, f"{nominal}_min"]].max(axis=1) * each
        inside = (grows.bus0.map(code) == country) & (grows.bus1.map(code) == country)
        grow_inside |= bool(inside.any())
        own += float(weights[inside].sum())
        total += float(weights.sum())
    if not grow_inside:
        return None
    return own / total if total > 0 else by_load


def _kept(n: pypsa.Network, code: pd.Series, row: pd.Series) -> float:
    """Capacity that a limit counts and that stays as it is, because it lies across borders."""
    if row.type != CAPACITY_LIMIT:
        return 0.0
    total = 0.0
    for component in BRANCHES:
        static, nominal = n.c[component].static, NOMINAL[component]
        if "carrier" not in static:
            continue
        counted = static[
            static[f"{nominal}_extendable"] & (static.carrier == row.carrier_attribute)
        ]
        if row.bus:
            counted = counted[counted.bus0 == row.bus]
        abroad = counted.bus0.map(code) != counted.bus1.map(code)
        total += float(counted.loc[abroad, [nominal, f"{nominal}_min"]].max(axis=1).sum())
    return total


def add_limits(own: Own, limits: Sequence[Limit]) -> None:
    """Let PyPSA's own code add limits on what one country holds to the model.

    Parameters
    ----------
    own : Own
        Parts of a network with a model, which may hold other countries, too.
    limits : sequence of Limit

    Raises
    ------
    PlanningError
        If a limit asks for something, and the country has nothing that counts.
    """
    if not limits:
        return
    view = _view(own)
    for limit in limits:
        if not _counts(view, limit):
            _refuse_nothing(own.country, limit)
            continue
        name = row_name(own.country, limit.name)
        view.add("GlobalConstraint", name, **limit.attributes)
        _add(view, limit.type)
        if name not in view.model.added:
            _refuse_nothing(own.country, limit)
        view.remove("GlobalConstraint", name)


def _add(view: pypsa.Network, kind: str) -> None:
    sns = view.optimize._window.model_index
    if kind == "primary_energy":
        pypsa_limits.define_primary_energy_limit(view, sns, [])
    elif kind == "operational_limit":
        pypsa_limits.define_operational_limit(view, sns)
    elif kind == CAPACITY_LIMIT:
        pypsa_limits.define_tech_capacity_expansion_limit(view, sns)
    elif kind == GRID_LIMITS[0]:
        pypsa_limits.define_transmission_volume_expansion_limit(view, sns)
    else:
        pypsa_limits.define_transmission_expansion_cost_limit(view, sns)


def _counts(view: pypsa.Network, limit: Limit) -> bool:
    """Whether the country has anything that a limit on capacity at a bus counts.

    PyPSA stops with an error where a limit names a bus without any.
    """
    if limit.type != CAPACITY_LIMIT:
        return True
    for component, nominal in NOMINAL.items():
        static = view.c[component].static
        if not len(static) or "carrier" not in static:
            continue
        counted = static[
            static[f"{nominal}_extendable"] & (static.carrier == limit.carrier_attribute)
        ]
        bus = counted["bus0" if component in BRANCHES else "bus"]
        if (bus == limit.bus).any() if limit.bus else len(counted):
            return True
    return False


def _refuse_nothing(country: str, limit: Limit) -> None:
    """Nothing is zero, which most limits allow."""
    wrong = {
        "<=": limit.constant < -_NOTHING,
        ">=": limit.constant > _NOTHING,
        "==": abs(limit.constant) > _NOTHING,
    }
    if wrong[limit.sense]:
        raise PlanningError(
            f"{country}: limit {limit.name} asks for {limit.sense} {limit.constant:g}, and the "
            "country has nothing that counts; remove the limit"
        )


class _Renaming:
    """A model that takes constraints under the names of limits, without PyPSA's prefix.

    PyPSA would look for their rows in the network when it assigns duals.
    """

    def __init__(self, model: linopy.Model) -> None:
        self._model = model
        self.added: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __getitem__(self, name: str) -> linopy.Variable:
        return self._model.variables[name]

    def add_constraints(self, *arguments: Any, name: str, **options: Any) -> Any:
        plain = name.removeprefix("GlobalConstraint-")
        self.added.append(plain)
        return self._model.add_constraints(*arguments, name=plain, **options)


def _view(own: Own) -> pypsa.Network:
    """What PyPSA needs to know of a country to limit it: its components and the common model."""
    n = own.n
    view = pypsa.Network()
    view.set_snapshots(n.snapshots)
    view.snapshot_weightings = n.snapshot_weightings
    view.c["Carrier"].static = n.carriers
    view.c["Bus"].static = n.buses[n.buses.index.isin(own.buses)]
    for component in (*BRANCHES, *ONE_PORTS):
        names = own.names(component)
        view.c[component].static = n.c[component].static.loc[names]
        for attribute, series in n.c[component].dynamic.items():
            view.c[component].dynamic[attribute] = series[series.columns.intersection(names)]
    view._optimize_window = n._optimize_window
    view._model = _Renaming(n.model)
    return view
