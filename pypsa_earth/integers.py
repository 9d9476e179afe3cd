"""Unit commitment and modules as their linear relaxation, if the user asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pypsa

from agents.linear import RELAXED
from pypsa_earth.findings import Finding, some
from pypsa_earth.weights import NOMINAL


def relax(n: pypsa.Network) -> Iterator[Finding]:
    """Make modules continuous and mark unit commitment for PyPSA's own relaxation, in place.

    Yields
    ------
    Finding
        What was relaxed.
    """
    for component, nominal in NOMINAL.items():
        static = n.c[component].static
        modules = static.index[static[f"{nominal}_mod"] > 0]
        if len(modules):
            static.loc[modules, f"{nominal}_mod"] = 0.0
            yield Finding(
                f"{len(modules)} {component}s are built in parts of modules",
                some(modules),
                "network.integers=relax",
            )
    for component in ("Generator", "Link", "Process"):
        static = n.c[component].static
        committed = static.index[static.committable.astype(bool)]
        if len(committed):
            n.meta = {**(n.meta or {}), RELAXED: True}
            yield Finding(
                f"{len(committed)} {component}s may be partly on",
                some(committed),
                "network.integers=relax: PyPSA's linearised unit commitment",
            )
