"""The parts of a network that belong to one country."""

from __future__ import annotations

import linopy
import pandas as pd
import pypsa
import xarray as xr

from pypsa_earth.countries import country_of_bus, ports_of


class Own:
    """The parts of a network that belong to one country."""

    def __init__(self, n: pypsa.Network, country: str) -> None:
        self.n, self.country = n, country
        code = country_of_bus(n)
        self.buses = set(code.index[code == country])

    def names(self, component: str) -> pd.Index:
        """Components with all ports in the country."""
        static = self.n.c[component].static
        if "bus" in static:
            return static.index[static.bus.isin(self.buses)]
        ports = ports_of(self.n, component)
        inside = ports.isin(self.buses) | (ports == "")
        return static.index[inside.all(axis=1)]

    def static(self, component: str) -> pd.DataFrame:
        """Their static data."""
        frame: pd.DataFrame = self.n.c[component].static.loc[self.names(component)]
        return frame

    def hours(self, kind: str) -> xr.DataArray:
        """Weights of the snapshots."""
        weights = self.n.snapshot_weightings[kind].to_numpy(dtype=float)
        return xr.DataArray(weights, dims="snapshot", coords={"snapshot": self.n.snapshots})

    def energy(
        self, variable: str, factor: pd.Series, kind: str = "generators"
    ) -> linopy.LinearExpression:
        """Sum over snapshots and components of hours x factor x variable."""
        scale = xr.DataArray(
            factor.to_numpy(dtype=float), dims="name", coords={"name": list(factor.index)}
        )
        power = self.n.model.variables[variable].sel(name=list(factor.index))
        return (power * (self.hours(kind) * scale)).sum()

    def capacity(self, variable: str, factor: pd.Series) -> linopy.LinearExpression:
        """Sum over components of factor x variable."""
        scale = xr.DataArray(
            factor.to_numpy(dtype=float), dims="name", coords={"name": list(factor.index)}
        )
        return (self.n.model.variables[variable].sel(name=list(factor.index)) * scale).sum()

    def add(self, constraint: object, name: str) -> None:
        """Add a constraint to the model under the country's name."""
        self.n.model.add_constraints(constraint, name=row_name(self.country, name))


def row_name(country: str, rule: str) -> str:
    """Name of a rule's constraint in the model of a country or of all of them."""
    # PyPSA reads a hyphen as the end of a component's name.
    return f"{country} {rule}".replace("-", "_")
