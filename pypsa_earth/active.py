"""Components that a file switches off are taken out, so that nothing counts them."""

from __future__ import annotations

import pypsa

from pypsa_earth.findings import Finding, some


def drop_inactive(n: pypsa.Network) -> list[Finding]:
    """Remove all components whose ``active`` is false; says which, one finding a component."""
    findings = []
    for c in n.components.values():
        if "active" not in c.static or not len(c.static):
            continue
        off = c.static.index[~c.static.active.astype(bool)]
        if len(off):
            findings.append(Finding(f"{len(off)} {c.name}s are inactive", some(off), "left out"))
            n.remove(c.name, off)
    return findings
