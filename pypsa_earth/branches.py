"""What crosses the borders: the table of cut branches, and the interconnectors they make."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pypsa

from pypsa_earth.countries import BRANCHES, country_of_bus, is_electric, ports_of
from scenarios.schema import Branch, Interconnector

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
    "length_km",
    "efficiency",
    "extendable",
    "capital_cost_eur_per_mw",
    "kind",
]
# Two ways to share out flow are equally good if they leave capacities this close.
_SAME = 1 - 1e-9


def is_solved(n: pypsa.Network) -> bool:
    """Whether the file carries the solution of an earlier optimisation."""
    return bool(getattr(n, "_objective", None)) or len(n.buses_t.marginal_price.columns) > 0


def cross_border(n: pypsa.Network) -> pd.DataFrame:
    """All branches with ports in two countries, electric or not.

    Returns
    -------
    DataFrame
        Columns :data:`COLUMNS`. Transfer capacity is what may be sent from ``bus0`` (forward) or
        from ``bus1``: of lines and transformers ``s_nom * s_max_pu``, of links ``p_nom * p_max_pu``
        and ``p_nom * -p_min_pu``, the smallest over time. The capacity of an extendable branch is
        the optimum of a solved file, else the larger of ``nom`` and ``nom_min``: countries
        negotiate over the lines there are. ``kind`` is electric, h2 or other.
    """
    country, electric = country_of_bus(n), is_electric(n)
    rows = []
    for component in BRANCHES:
        static = n.c[component].static
        ports = ports_of(n, component)
        for name, buses in zip(static.index, ports.itertuples(index=False), strict=True):
            touched = {country.get(bus, "") for bus in buses if bus} - {""}
            if len(touched) < 2:
                continue
            rows.append(_row(n, component, name, country, electric))
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(
    n: pypsa.Network, component: str, name: str, country: pd.Series, electric: pd.Series
) -> dict[str, object]:
    branch = n.c[component].static.loc[name]
    nominal = "p_nom" if component == "Link" else "s_nom"
    extendable = bool(branch.get(f"{nominal}_extendable", False))
    capacity = float(branch[nominal])
    if extendable:
        optimum = float(branch.get(f"{nominal}_opt", 0.0))
        least = float(branch.get(f"{nominal}_min", 0.0))
        capacity = optimum if is_solved(n) and optimum > 0 else max(capacity, least)
    if component == "Link":
        there = capacity * max(_least(n, component, name, "p_max_pu"), 0.0)
        back = capacity * max(-_most(n, component, name, "p_min_pu"), 0.0)
    else:
        there = back = capacity * _least(n, component, name, "s_max_pu")
    return {
        "component": component,
        "name": name,
        "carrier": str(branch.get("carrier", "") or ""),
        "bus0": branch.bus0,
        "bus1": branch.bus1,
        "country0": country.get(branch.bus0, ""),
        "country1": country.get(branch.bus1, ""),
        "ntc_fwd_mw": there,
        "ntc_bwd_mw": back,
        "length_km": float(branch.get("length", np.nan)),
        "efficiency": _least(n, component, name, "efficiency") if component == "Link" else 1.0,
        "extendable": extendable,
        "capital_cost_eur_per_mw": float(branch.get("capital_cost", 0.0)),
        "kind": _kind(n, branch, electric),
    }


def _kind(n: pypsa.Network, branch: pd.Series, electric: pd.Series) -> str:
    ends = [branch.bus0, branch.bus1]
    if all(bool(electric.get(bus, False)) for bus in ends):
        return "electric"
    carriers = {str(n.buses.carrier.get(bus, "")) for bus in ends}
    return "h2" if carriers == {"H2"} else "other"


def _least(n: pypsa.Network, component: str, name: str, attribute: str) -> float:
    series = n.c[component].dynamic.get(attribute)
    if series is not None and name in series:
        return float(series[name].min())
    return float(n.c[component].static.loc[name, attribute])


def _most(n: pypsa.Network, component: str, name: str, attribute: str) -> float:
    series = n.c[component].dynamic.get(attribute)
    if series is not None and name in series:
        return float(series[name].max())
    return float(n.c[component].static.loc[name, attribute])


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as dicts."""
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def interconnectors(
    table: pd.DataFrame, countries: Iterable[str], wheeling_eur_per_mwh: float
) -> tuple[Interconnector, ...]:
    """One interconnector per pair of countries that electric branches join.

    What crosses a border goes over its branches in fixed shares, so that it enters both countries
    at the very buses where the branches end. The shares follow the branches' capacities; where
    these differ by direction, they follow the direction, the mean or the smaller of both,
    whichever leaves the largest transfer capacity. No branch is ever asked for more than it has.
    The loss is the mean of the branches', weighted by their shares.

    Parameters
    ----------
    table : DataFrame
        From :func:`cross_border`.
    countries : iterable of str
        Both ends must be among them.
    wheeling_eur_per_mwh : float

    Returns
    -------
    tuple of Interconnector
        Sorted by pair; pairs without any capacity are left out.
    """
    chosen = set(countries)
    electric = table[(table.kind == "electric")]
    pairs: dict[tuple[str, str], dict[tuple[str, str], list[float]]] = {}
    for row in rows_of(electric):
        if not {row["country0"], row["country1"]} <= chosen:
            continue
        there, back, ends = row["ntc_fwd_mw"], row["ntc_bwd_mw"], (row["bus0"], row["bus1"])
        one, other = row["country0"], row["country1"]
        if one > other:
            there, back, ends, (one, other) = back, there, ends[::-1], (other, one)
        groups = pairs.setdefault((one, other), {})
        sums = groups.setdefault(ends, [0.0, 0.0, 0.0])
        sums[0] += there
        sums[1] += back
        sums[2] += (there + back) * (1 - row["efficiency"])
    made = (_interconnector(pair, groups, wheeling_eur_per_mwh) for pair, groups in pairs.items())
    return tuple(sorted((m for m in made if m is not None), key=lambda m: m.name))


def _interconnector(
    pair: tuple[str, str], groups: dict[tuple[str, str], list[float]], wheeling: float
) -> Interconnector | None:
    sums = np.array(list(groups.values()))
    there, back = sums[:, 0], sums[:, 1]
    if there.sum() + back.sum() <= 0:
        return None
    shares = _shares(there, back)
    used = shares > 0
    both = (there + back)[used]
    losses = np.divide(sums[used, 2], both, out=np.zeros_like(both), where=both > 0)
    return Interconnector(
        country_a=pair[0],
        country_b=pair[1],
        a_to_b_mw=_capacity(there, shares),
        b_to_a_mw=_capacity(back, shares),
        loss=round(float(np.clip(shares[used] @ losses, 0.0, 0.99)), 12),
        wheeling_eur_per_mwh=wheeling,
        branches=tuple(
            Branch(bus_a=a, bus_b=b, share=float(share))
            for (a, b), share in zip(groups, shares, strict=True)
            if share > 0
        ),
    )


def _shares(there: np.ndarray, back: np.ndarray) -> np.ndarray:
    best, most = there + back, -1.0
    for weights in (there + back, there, back, np.minimum(there, back)):
        if weights.sum() <= 0:
            continue
        shares = weights / weights.sum()
        left = _capacity(there, shares) + _capacity(back, shares)
        if left * _SAME > most:
            best, most = shares, left
    return best


def _capacity(branch_mw: np.ndarray, shares: np.ndarray) -> float:
    used = shares > 0
    return float((branch_mw[used] / shares[used]).min())
