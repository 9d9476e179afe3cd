"""What a check finds at the borders: branches that cannot be traded over, and what is assumed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pypsa

from pypsa_earth.border import borders
from pypsa_earth.branches import Crossing, crossings
from pypsa_earth.findings import Finding, some

# Firm exchange may exceed the bounds of its branch by so much of its size, as files round.
_ROUNDING = 1e-6


def border_errors(n: pypsa.Network, contracts: str) -> Iterator[Finding]:
    """Branches that have no meaning as something two countries trade over."""
    free = {(c.component, c.name): c for c in crossings(n, "free")}
    outputs: dict[tuple[str, ...], set[str]] = {}
    for c in crossings(n, contracts):
        if c.kind != "electric" or not (c.least_mw.any() or c.most_mw.any()):
            continue
        named = f"{c.component} {c.name} crosses a border"
        if c.component == "Process":
            yield Finding(named, advice="write it as a Link")
            continue
        bounds = free[c.component, c.name]
        slack = _ROUNDING * max(c.capacity_mw, 1.0)
        if (bounds.least_mw > bounds.most_mw + slack).any():
            yield Finding(f"{named} and must carry more than it may", advice="see its p_min_pu")
        elif (c.firm_mw > bounds.most_mw + slack).any() or (
            c.firm_mw < bounds.least_mw - slack
        ).any():
            yield Finding(
                f"{named} with a p_set that its p_nom, p_min_pu or p_max_pu do not allow",
                advice="change it, or trade it freely with --set network.contracts=free",
            )
        if any((efficiency <= 0).any() for efficiency in c.efficiency[:1]):
            yield Finding(f"{named} with an efficiency that is not above zero")
        if c.loses_on_the_way_back:
            yield from _back_errors(c, named)
        pair = tuple(sorted(c.countries[:2]))
        outputs.setdefault(pair, set()).update(c.countries[2:])
    for pair, homes in outputs.items():
        if len(homes) > 1:
            yield Finding(
                f"branches between {' and '.join(pair)} have further outputs in both countries",
                advice="let all of them be in one: move the others to links inside the country",
            )


def _back_errors(c: Crossing, named: str) -> Iterator[Finding]:
    what = f"{named} both ways with an efficiency"
    advice = "write it as two Links, one for each direction"
    if (c.efficiency[0] > 1).any():
        yield Finding(f"{what} above one", advice=advice)
    elif c.marginal_cost_eur_per_mwh.any():
        yield Finding(f"{what} below one and a marginal_cost", advice=advice)
    elif len(c.buses) > 2:
        yield Finding(f"{what} below one and further outputs", advice=advice)
    elif (c.firm_mw < 0).any():
        yield Finding(f"{what} below one and must carry power back", advice=advice)


def border_warnings(
    n: pypsa.Network, countries: Sequence[str], contracts: str
) -> Iterator[Finding]:
    """What is assumed of the branches that cross borders.

    Parameters
    ----------
    n : pypsa.Network
        Without :func:`border_errors`.
    countries : sequence of str
        That take part.
    contracts : {"firm", "free"}
    """
    found = crossings(n, contracts)
    electric = [c for c in found if c.kind == "electric"]
    inside = [c for c in electric if set(c.countries) <= set(countries)]
    empty = [c for c in electric if not (c.least_mw.any() or c.most_mw.any())]
    yield from _said(empty, "have no capacity", "they are left out")
    other = [c for c in found if c.kind != "electric"]
    if other:
        kinds = sorted({c.kind for c in other})
        count = ", ".join(f"{kind} {sum(c.kind == kind for c in other)}" for kind in kinds)
        yield Finding(
            f"{len(other)} branches of other carriers cross borders", count, "cut, not traded"
        )
    yield from _said(
        [c for c in inside if c.loses_on_the_way_back],
        "lose energy both ways",
        "PyPSA's own model would gain it on the way back",
    )
    yield from _said(
        [
            c
            for c in inside
            if c.back_mw.any() and not c.loses_on_the_way_back and c.marginal_cost_eur_per_mwh.any()
        ],
        "have a marginal_cost and run both ways",
        "as in PyPSA, the way back earns what the way there costs; in a loop with another branch "
        "of the border the country whose model they lie in earns it alone, too",
    )
    yield from _said(
        [c for c in inside if c.firm_mw.any()],
        "must carry something (p_set or p_min_pu)",
        "both countries plan with it, alone too; what is paid for it is not part of any gain",
    )
    yield from _said(
        [c for c in electric if c not in inside and c.firm_mw.any()],
        "have a firm exchange with countries that do not take part",
        "it is left out",
    )
    if contracts == "free":
        kept = {(c.component, c.name) for c in crossings(n, "firm") if c.firm_mw.any()}
        loose = [c for c in inside if (c.component, c.name) in kept and not np.any(c.firm_mw)]
        yield from _said(loose, "have a p_set that is not kept to", "network.contracts=free")
    for border in borders(n, countries, contracts=contracts):
        if border.host:
            names = [c.name for branches in border.hosted.values() for c in branches]
            yield Finding(
                f"{border.edge.name}: branches with costs, outputs or unequal losses",
                some(names),
                f"they lie in the model of {border.host}, whose prices at the border contain them",
            )


def _said(branches: list[Crossing], what: str, consequence: str) -> Iterator[Finding]:
    if branches:
        yield Finding(
            f"{len(branches)} cross-border branches {what}",
            some(f"{c.component} {c.name}" for c in branches),
            consequence,
        )
