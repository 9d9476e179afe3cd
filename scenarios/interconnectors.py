"""From lines to edges of the interconnection graph: merging and changing interconnectors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from scenarios.errors import ScenarioError, did_you_mean
from scenarios.overrides import CellChange, change_mapping
from scenarios.schema import Interconnector, Line
from scenarios.tables import explain

_MIRROR = {"a_to_b_mw": "b_to_a_mw", "b_to_a_mw": "a_to_b_mw"}


def merge_lines(
    lines: Iterable[Line], statuses: Sequence[str], wheeling_eur_per_mwh: float
) -> tuple[Interconnector, ...]:
    """Merge the lines in service between the same two countries into one interconnector.

    Parameters
    ----------
    lines
        All lines, in either direction.
    statuses
        Statuses that count as in service.
    wheeling_eur_per_mwh
        Wheeling charge of every interconnector.

    Returns
    -------
    tuple of Interconnector
        Sorted by pair. Capacities are sums in MW; the loss is the mean weighted by the lines' MW
        in both directions (the plain mean if all are zero).
    """
    groups: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        if line.status in statuses:
            one, other = sorted((line.country_a, line.country_b))
            groups.setdefault((one, other), []).append(line)
    edges = []
    for (one, other), group in sorted(groups.items()):
        forward = sum(_limit(line, one) for line in group)
        backward = sum(_limit(line, other) for line in group)
        edges.append(
            Interconnector(
                country_a=one,
                country_b=other,
                a_to_b_mw=forward,
                b_to_a_mw=backward,
                loss=_mean_loss(group),
                wheeling_eur_per_mwh=wheeling_eur_per_mwh,
            )
        )
    return tuple(edges)


def _limit(line: Line, sender: str) -> float:
    """Limit of a line in MW when a given country sends."""
    return line.a_to_b_mw if line.country_a == sender else line.b_to_a_mw


def _mean_loss(group: Sequence[Line]) -> float:
    """Mean loss, weighted by capacity."""
    weights = [line.a_to_b_mw + line.b_to_a_mw for line in group]
    if sum(weights) == 0:
        return sum(line.loss for line in group) / len(group)
    mean = sum(w * line.loss for w, line in zip(weights, group, strict=True)) / sum(weights)
    return round(mean, 12)  # lines of equal loss keep exactly that loss


def change_interconnectors(
    edges: Sequence[Interconnector], changes: Iterable[CellChange]
) -> tuple[Interconnector, ...]:
    """Apply ``--set interconnectors.A-B.field=value``; ``a`` is the country named first.

    Parameters
    ----------
    edges
        Interconnectors in service.
    changes
        Changed fields; the pair may be named in either order.
    """
    by_name = {edge.name: edge for edge in edges}
    for change in changes:
        name, column = change.key, change.column
        mirrored = "-".join(reversed(name.split("-")))
        if name not in by_name and mirrored in by_name:
            name, column = mirrored, _MIRROR.get(column, column)
        if name not in by_name:
            raise ScenarioError(
                f"--set {change.text}: no interconnector '{change.key}' in service"
                f"{did_you_mean(change.key, by_name)}"
            )
        by_name[name] = _changed(by_name[name], change, column)
    return tuple(by_name.values())


def _changed(edge: Interconnector, change: CellChange, column: str) -> Interconnector:
    """Return an interconnector with one field changed and validated."""
    if column in {"country_a", "country_b"}:
        raise ScenarioError(f"--set {change.text}: the ends of a line cannot be changed")
    values = edge.model_dump()
    renamed = CellChange(change.table, change.key, column, change.value)
    change_mapping(values, renamed, Interconnector.model_fields)
    try:
        return Interconnector.model_validate(values)
    except ValidationError as error:
        raise ScenarioError(f"--set {change.text}: {explain(error.errors()[0], column)}") from None
