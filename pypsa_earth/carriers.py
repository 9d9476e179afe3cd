"""Carriers that a file uses but does not define get a colour, so that PyPSA can plot them."""

from __future__ import annotations

from typing import Any

import pypsa

from pypsa_earth.countries import BRANCHES, ONE_PORTS

GREY = "#9e9e9e"


def undefined_carriers(n: pypsa.Network) -> list[str]:
    """Carriers in use that are not in the carriers table; the empty name is none."""
    used: set[str] = set()
    for component in (*ONE_PORTS, *BRANCHES, "Bus"):
        static = n.c[component].static
        if "carrier" in static:
            used |= set(static.carrier.dropna().astype(str))
    return sorted(used - set(n.carriers.index) - {""})


def define_carriers(n: pypsa.Network) -> None:
    """Define them, with the colour and name of the file's own configuration where it has one.

    Carriers that the file defines stay as they are.
    """
    plotting: dict[str, Any] = (n.meta or {}).get("plotting") or {}
    colours, names = plotting.get("tech_colors") or {}, plotting.get("nice_names") or {}
    for carrier in undefined_carriers(n):
        n.add(
            "Carrier",
            carrier,
            color=colours.get(carrier, GREY),
            nice_name=names.get(carrier, carrier),
        )
