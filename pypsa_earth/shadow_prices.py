"""What national limits cost: a table of shadow prices, and PyPSA's own ``mu`` of each country."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import pypsa

from agents.planning import LimitPrice
from pypsa_earth.own import row_name
from pypsa_earth.rules import NationalRules


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
        known = self.rules.as_global_constraints()
        for name, found in self.by_name().items():
            if name in known:
                n.add("GlobalConstraint", name, **known[name])
                n.global_constraints.loc[name, "mu"] = found.eur_per_unit
        return n

    def by_name(self) -> dict[str, LimitPrice]:
        """Shadow prices by the names of the rules, which those of constraints abridge."""
        country = str(self.network.buses.country.iloc[0])
        spelt = {row_name(country, name): name for name in self.rules.as_global_constraints()}
        plain = f"{country} "
        return {spelt.get(p.name, p.name.removeprefix(plain)): p for p in self.prices}


def shadow_prices(countries: Mapping[str, SolvedCountry]) -> pd.DataFrame:
    """One row per country and limit: its sense, value and shadow price.

    The limits are those of the model: what existing plants or inflow contribute by themselves is
    taken off already.
    """
    rows = [
        {
            "country": country,
            "limit": name,
            "sense": found.sense,
            "value": found.limit,
            "eur_per_unit": found.eur_per_unit,
        }
        for country, solved in countries.items()
        for name, found in solved.by_name().items()
    ]
    return pd.DataFrame(rows, columns=["country", "limit", "sense", "value", "eur_per_unit"])
