"""What the figures take out of ``network.nc``, the outcome as one solved network.

netCDF is read as plain arrays, because the app does without PyPSA.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from viz.colours import as_hex
from viz.run_view import KEPT_VIEWS, RunView

# Carriers of the buses that are part of the electricity grid.
ELECTRIC = ("AC", "DC", "low voltage", "")


@lru_cache(maxsize=KEPT_VIEWS)
def stored_power(view: RunView) -> dict[str, pd.DataFrame]:
    """Power that enters the grid of every country, MW by snapshot; nothing without a network.

    Returns
    -------
    dict of str to DataFrame
        A column per technology; what charges is negative. Stores behind links go by the carrier of
        their bus. ``demand`` is positive; trade and flows within a country are left out.
    """
    file = view.records.network_path
    if not file.is_file():
        return {}
    import xarray as xr

    with xr.open_dataset(file) as stored:
        buses = _texts(stored, "buses_i")
        countries = dict(zip(buses, _texts(stored, "buses_country") or buses, strict=True))
        kinds = dict(zip(buses, _texts(stored, "buses_carrier") or [""] * len(buses), strict=True))
        columns: dict[str, dict[str, np.ndarray]] = {code: {} for code in view.codes}

        def add(bus: str, label: str, mw: np.ndarray) -> None:
            if kinds[bus] in ELECTRIC:
                of_country = columns[countries[bus]]
                of_country[label] = of_country.get(label, 0.0) + mw

        for kind in ("generators", "storage_units", "loads"):
            series = f"{kind}_t_p"
            if series not in stored:
                continue
            names = _texts(stored, f"{kind}_i")
            bus = dict(zip(names, _texts(stored, f"{kind}_bus"), strict=True))
            label = dict.fromkeys(names, "demand")
            if kind != "loads":
                label = dict(zip(names, _texts(stored, f"{kind}_carrier"), strict=True))
            sign = _signs(stored, kind, names)
            for name, mw in zip(
                _texts(stored, f"{series}_i"), stored[series].to_numpy().T, strict=True
            ):
                add(bus[name], label[name], sign[name] * mw)
        for bus_name, label_name, mw in _conversions(stored, kinds):
            add(bus_name, label_name, mw)
    return {code: pd.DataFrame(found, index=view.snapshots) for code, found in columns.items()}


def _conversions(stored: Any, kinds: Mapping[str, str]) -> list[tuple[str, str, np.ndarray]]:
    """Power out of links at each bus, by the carrier that they convert from or to."""
    names = _texts(stored, "links_i")
    numbers = [n for n in range(10) if f"links_bus{n}" in stored and f"links_t_p{n}" in stored]
    ends = {n: dict(zip(names, _texts(stored, f"links_bus{n}"), strict=True)) for n in numbers}
    found = []
    for n in numbers:
        power = dict(
            zip(
                _texts(stored, f"links_t_p{n}_i"), stored[f"links_t_p{n}"].to_numpy().T, strict=True
            )
        )
        for name, mw in power.items():
            other = [kinds[ends[m][name]] for m in numbers if m != n and ends[m][name] in kinds]
            other = [kind for kind in other if kind not in ELECTRIC]
            if other and ends[n][name] in kinds:
                found.append((ends[n][name], other[0], -mw))
    return found


@lru_cache(maxsize=KEPT_VIEWS)
def stored_carriers(view: RunView) -> tuple[dict[str, str], dict[str, str]]:
    """Colours and names for people of the carriers of the network; none without one.

    A colour that cannot be read is left out; its carrier is drawn grey, as one without colour is.
    """
    file = view.records.network_path
    if not file.is_file():
        return {}, {}
    import xarray as xr

    with xr.open_dataset(file) as stored:
        carriers = _texts(stored, "carriers_i")
        colours, nice = (_texts(stored, f"carriers_{what}") for what in ("color", "nice_name"))
    return (
        {c: colour for c, text in zip(carriers, colours, strict=False) if (colour := as_hex(text))},
        {c: name for c, name in zip(carriers, nice, strict=False) if name},
    )


def _texts(stored: Any, name: str) -> list[str]:
    return [str(value) for value in np.asarray(stored[name])] if name in stored else []


def _signs(stored: Any, kind: str, names: list[str]) -> dict[str, float]:
    if f"{kind}_sign" not in stored or kind == "loads":
        return dict.fromkeys(names, 1.0)
    return dict(zip(names, stored[f"{kind}_sign"].to_numpy().astype(float), strict=True))
