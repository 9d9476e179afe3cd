"""What crosses the borders: every cut branch as power per snapshot, and a table of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pypsa

from pypsa_earth.countries import BRANCHES, country_of_bus, is_electric, ports_of

COLUMNS = [
    "component",
    "name",
    "carrier",
    "bus0",
    "bus1",
    "country0",
    "country1",
    "ntc_fwd_mw",
    "ntc_bwd_mw",
    "firm_mw",
    "length_km",
    "efficiency",
    "marginal_cost_eur_per_mwh",
    "extendable",
    "capital_cost_eur_per_mw",
    "kind",
]
# Carrier of what branches must carry, in the countries' own networks.
FIRM = "firm exchange"
# A branch without a limit carries at most what all loads, storage and links could take in at once;
# so many times more where they may grow.
_GROWTH = 10.0
_TAKERS = (("StorageUnit", "p_nom"), ("Link", "p_nom"), ("Process", "p_nom"), ("Store", "e_nom"))


@dataclass(frozen=True)
class Crossing:
    """A branch with ports in more than one country.

    Power is counted at ``bus0``, positive where it leaves there. What a branch must carry
    (``p_set``, ``p_min_pu`` above or ``p_max_pu`` below zero) is *firm*; it is the part of its
    power nearest to zero that its bounds allow. What it may carry on top is tradable.

    Attributes
    ----------
    component, name, carrier, kind : str
        ``kind`` is electric, h2 or other.
    buses, countries : tuple of str
        Of every port in use.
    capacity_mw : float
        ``p_nom`` or ``s_nom``. Of an extendable branch the optimum of a solved file, else the
        larger of ``nom`` and ``nom_min``: countries negotiate over the lines there are.
    least_mw, most_mw : ndarray, shape (snapshots,)
        Bounds of the power.
    efficiency : tuple of ndarray, shape (snapshots,)
        Of the second and all further ports.
    marginal_cost_eur_per_mwh : ndarray, shape (snapshots,)
    length_km, capital_cost_eur_per_mw : float
    extendable : bool
    """

    component: str
    name: str
    carrier: str
    kind: str
    buses: tuple[str, ...]
    countries: tuple[str, ...]
    capacity_mw: float
    least_mw: np.ndarray
    most_mw: np.ndarray
    efficiency: tuple[np.ndarray, ...]
    marginal_cost_eur_per_mwh: np.ndarray
    length_km: float
    capital_cost_eur_per_mw: float
    extendable: bool

    @cached_property
    def firm_mw(self) -> np.ndarray:
        """Power that it must carry, MW per snapshot."""
        firm: np.ndarray = np.clip(0.0, self.least_mw, self.most_mw)
        return firm

    @cached_property
    def there_mw(self) -> np.ndarray:
        """What may be sent from ``bus0`` on top of what is firm, MW per snapshot."""
        return np.maximum(self.most_mw - self.firm_mw, 0.0)

    @cached_property
    def back_mw(self) -> np.ndarray:
        """What may be sent from ``bus1`` on top of what is firm, MW per snapshot.

        Measured where it is sent, too, as a loss is one both ways.
        """
        return np.maximum(self.firm_mw - self.least_mw, 0.0)

    @property
    def loses_on_the_way_back(self) -> bool:
        """Whether energy can flow back over a branch with an efficiency other than one.

        PyPSA's own model then gains what is lost on the way there.
        """
        return bool(((self.least_mw < 0) & (self.efficiency[0] != 1)).any())

    def row(self) -> dict[str, Any]:
        """The branch in the table of :func:`cross_border`."""
        return {
            "component": self.component,
            "name": self.name,
            "carrier": self.carrier,
            "bus0": self.buses[0],
            "bus1": self.buses[1],
            "country0": self.countries[0],
            "country1": self.countries[1],
            "ntc_fwd_mw": float(self.there_mw.max()),
            "ntc_bwd_mw": float(self.back_mw.max()),
            "firm_mw": float(self.firm_mw.mean()),
            "length_km": self.length_km,
            "efficiency": float(self.efficiency[0].mean()),
            "marginal_cost_eur_per_mwh": float(self.marginal_cost_eur_per_mwh.mean()),
            "extendable": self.extendable,
            "capital_cost_eur_per_mw": self.capital_cost_eur_per_mw,
            "kind": self.kind,
        }


def is_solved(n: pypsa.Network) -> bool:
    """Whether the file carries the solution of an earlier optimisation."""
    return bool(getattr(n, "_objective", None)) or len(n.buses_t.marginal_price.columns) > 0


def crossings(n: pypsa.Network, contracts: str = "firm") -> list[Crossing]:
    """All branches with ports in two countries, electric or not, in the file's order.

    Parameters
    ----------
    n : pypsa.Network
    contracts : {"firm", "free"}
        Whether a ``p_set`` is kept to.
    """
    reader = _Reader(n, contracts == "firm")
    return list(reader.found())


def cross_border(n: pypsa.Network, contracts: str = "firm") -> pd.DataFrame:
    """Table of :func:`crossings`.

    Returns
    -------
    DataFrame
        Columns :data:`COLUMNS`. Transfer capacities are the largest over time of what may be sent
        from ``bus0`` (forward) or from ``bus1`` on top of what is firm; efficiency, cost and firm
        power are plain means over time.
    """
    return pd.DataFrame([c.row() for c in crossings(n, contracts)], columns=COLUMNS)


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as dicts."""
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


class _Reader:
    """Reads branches of a network one by one."""

    def __init__(self, n: pypsa.Network, keeps_contracts: bool) -> None:
        self.n = n
        self.country, self.electric = country_of_bus(n), is_electric(n)
        self.keeps_contracts = keeps_contracts
        self.solved = is_solved(n)

    def found(self) -> Iterator[Crossing]:
        for component in BRANCHES:
            ports = ports_of(self.n, component)
            for name, buses in zip(ports.index, ports.itertuples(index=False), strict=True):
                touched = {self.country.get(bus, "") for bus in buses if bus} - {""}
                if len(touched) > 1:
                    yield self._crossing(component, str(name), list(ports.columns), buses)

    def _crossing(
        self, component: str, name: str, columns: list[str], buses: tuple[str, ...]
    ) -> Crossing:
        branch = self.n.c[component].static.loc[name]
        capacity = self._capacity_mw(component, branch)
        used = [(c[3:], bus) for c, bus in zip(columns, buses, strict=True) if bus]
        used.sort(key=lambda port: int(port[0]))
        least, most = self._bounds_mw(component, name, capacity)
        return Crossing(
            component=component,
            name=name,
            carrier=str(branch.get("carrier", "") or ""),
            kind=self._kind(branch),
            buses=tuple(bus for _, bus in used),
            countries=tuple(self.country.get(bus, "") for _, bus in used),
            capacity_mw=capacity,
            least_mw=least,
            most_mw=most,
            efficiency=tuple(
                self._values(component, name, "efficiency" if k == "1" else f"efficiency{k}", 1.0)
                for k, _ in used[1:]
            ),
            marginal_cost_eur_per_mwh=self._values(component, name, "marginal_cost", 0.0),
            length_km=float(branch.get("length", np.nan)),
            capital_cost_eur_per_mw=float(branch.get("capital_cost", 0.0)),
            extendable=bool(branch.get(f"{_nominal(component)}_extendable", False)),
        )

    def _capacity_mw(self, component: str, branch: pd.Series) -> float:
        nominal = _nominal(component)
        capacity = float(branch[nominal])
        if bool(branch.get(f"{nominal}_extendable", False)):
            optimum = float(branch.get(f"{nominal}_opt", 0.0))
            least = float(branch.get(f"{nominal}_min", 0.0))
            capacity = optimum if self.solved and optimum > 0 else max(capacity, least)
        return capacity if np.isfinite(capacity) else self._boundless_mw

    @cached_property
    def _boundless_mw(self) -> float:
        loads = self.n.get_switchable_as_dense("Load", "p_set").abs().sum(axis=1).max()
        total, grows = float(loads), False
        for component, nominal in _TAKERS:
            static = self.n.c[component].static
            sizes = static[nominal].to_numpy(dtype=float)
            total += float(sizes[np.isfinite(sizes)].sum())
            grows |= bool(static[f"{nominal}_extendable"].any())
        return total * (_GROWTH if grows else 1.0)

    def _bounds_mw(
        self, component: str, name: str, capacity_mw: float
    ) -> tuple[np.ndarray, np.ndarray]:
        if component in ("Line", "Transformer"):
            most = capacity_mw * self._values(component, name, "s_max_pu", 1.0)
            return -most, most
        least = capacity_mw * self._values(component, name, "p_min_pu", 0.0)
        most = capacity_mw * self._values(component, name, "p_max_pu", 1.0)
        if self.keeps_contracts:
            fixed = self._values(component, name, "p_set", np.nan)
            given = ~np.isnan(fixed)
            least, most = np.where(given, fixed, least), np.where(given, fixed, most)
        return least, most

    def _values(self, component: str, name: str, attribute: str, default: float) -> np.ndarray:
        """An attribute of a branch per snapshot, whether it is given as a series or as a number."""
        series = self.n.c[component].dynamic.get(attribute)
        if series is not None and name in series:
            return series[name].to_numpy(dtype=float)
        static = self.n.c[component].static
        value = float(static.loc[name, attribute]) if attribute in static else default
        return np.full(len(self.n.snapshots), value)

    def _kind(self, branch: pd.Series) -> str:
        ends = [branch.bus0, branch.bus1]
        if all(bool(self.electric.get(bus, False)) for bus in ends):
            return "electric"
        carriers = {str(self.n.buses.carrier.get(bus, "")) for bus in ends}
        return "h2" if carriers == {"H2"} else "other"


def _nominal(component: str) -> str:
    return "s_nom" if component in ("Line", "Transformer") else "p_nom"
