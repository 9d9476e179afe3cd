"""What national limits cost: a table of shadow prices, and PyPSA's own ``mu`` of each country."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import pypsa

from agents.planning import LimitPrice
from pypsa_earth.national import NationalValues
from pypsa_earth.rules import NationalRules, row_name

_GRID_TYPES = {
    "length": "transmission_volume_expansion_limit",
    "capital_cost": "transmission_expansion_cost_limit",
}
_CAPACITY = "tech_capacity_expansion_limit"


@dataclass(frozen=True)
class SolvedCountry:
    """A country at the negotiated exchange.

    Attributes
    ----------
    network : pypsa.Network
        Solved.
    rules : NationalRules
    prices : sequence of LimitPrice
        Of its rules.
    """

    network: pypsa.Network
    rules: NationalRules
    prices: Sequence[LimitPrice]

    def with_limits(self) -> pypsa.Network:
        """Copy of the network with the limits that PyPSA knows as global constraints.

        Their ``mu`` is the shadow price, as after ``n.optimize()``. Limits that PyPSA has no type
        for (EQ, RES, SAFE) are left out.
        """
        n = self.network.copy()
        price = {found.name: found.eur_per_unit for found in self.prices}
        for name, limit in _in_pypsas_terms(self.rules).items():
            row = row_name(n.buses.country.iloc[0], name)
            if row in price:  # no rule is imposed where nothing falls under it
                n.add("GlobalConstraint", name, **limit)
                n.global_constraints.loc[name, "mu"] = price[row]
        return n


def shadow_prices(countries: Mapping[str, SolvedCountry]) -> pd.DataFrame:
    """One row per country and limit: its sense, value and shadow price.

    The limits are those of the model: what existing plants or inflow contribute by themselves is
    taken off already.
    """
    rows = [
        {
            "country": country,
            "limit": found.name.removeprefix(f"{country} "),
            "sense": found.sense,
            "value": found.limit,
            "eur_per_unit": found.eur_per_unit,
        }
        for country, solved in countries.items()
        for found in solved.prices
    ]
    return pd.DataFrame(rows, columns=["country", "limit", "sense", "value", "eur_per_unit"])


def _in_pypsas_terms(rules: NationalRules) -> dict[str, dict[str, object]]:
    """Global constraints that say the same, by the name of the rule."""
    found: dict[str, dict[str, object]] = {}
    for emission in rules.emissions:
        found[emission.name] = _limit(
            "primary_energy", emission.attribute, emission.sense, emission.constant
        )
    for grid in rules.grid:
        kind = _GRID_TYPES[grid.weight]
        found[grid.name] = _limit(kind, ", ".join(grid.carriers), "<=", grid.constant)
    national: NationalValues = rules.values
    for carrier, least in national.bau_mw.items():
        found[f"BAU {carrier}"] = _limit(_CAPACITY, carrier, ">=", least)
    for carrier, (fewest, most) in national.ccl_mw.items():
        if fewest is not None:
            found[f"CCL {carrier} min"] = _limit(_CAPACITY, carrier, ">=", fewest)
        if most is not None:
            found[f"CCL {carrier} max"] = _limit(_CAPACITY, carrier, "<=", most)
    return found


def _limit(kind: str, attribute: str, sense: str, constant: float) -> dict[str, object]:
    return {"type": kind, "carrier_attribute": attribute, "sense": sense, "constant": constant}
