"""Teaching scenarios: countries as cost curves and their lines, all inside ``scenario.yaml``."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from scenarios.errors import ScenarioError, did_you_mean, explain_unknown
from scenarios.interconnectors import change_interconnectors
from scenarios.overrides import Overrides, change_mapping
from scenarios.schema import CostCurve, Interconnector, Settings
from scenarios.tables import explain, suggest
from scenarios.yaml_file import KeyPath, YamlFile

M = TypeVar("M", bound=BaseModel)


def load_curves(document: YamlFile, settings: Settings, changes: Overrides) -> dict[str, Any]:
    """Read the ``curves`` and ``interconnectors`` blocks of a teaching scenario.

    Parameters
    ----------
    document
        The scenario file.
    settings
        Its validated settings (snapshots, wheeling charge).
    changes
        Changes from ``--set``.

    Returns
    -------
    dict
        ``curves`` and ``interconnectors`` as :class:`scenarios.schema.Scenario` wants them.
    """
    items = _items(document, "curves")
    if not items:
        raise document.error("a scenario of kind cost_curves needs a 'curves' list of countries")
    _change_curves(items, changes)
    curves = tuple(
        _validated(document, ("curves", i), item, CostCurve, _changed_fields(item, changes))
        for i, item in enumerate(items)
    )
    _check_curves(document, curves, settings)
    edges = _load_edges(document, settings, {c.country: c.name for c in curves})
    return {
        "curves": curves,
        "interconnectors": change_interconnectors(edges, changes.of_table("interconnectors")),
    }


def _items(document: YamlFile, block: str) -> list[dict[str, Any]]:
    """Read the mappings of one block."""
    block_data = document.data.get(block) or []
    if not isinstance(block_data, list):
        raise document.error("must be a list; begin each entry with '- '", (block,))
    for position, item in enumerate(block_data):
        if not isinstance(item, dict):
            raise document.error("must hold 'key: value' pairs", (block, position))
    return [dict(item) for item in block_data]


def _change_curves(items: list[dict[str, Any]], changes: Overrides) -> None:
    """Apply ``--set curves.<country>.<field>=value`` in place."""
    by_code = {str(item.get("country")): item for item in items}
    for change in changes.of_table("curves"):
        if change.key not in by_code:
            raise ScenarioError(
                f"--set {change.text}: unknown country '{change.key}'"
                f"{did_you_mean(change.key, by_code)}"
            )
        if change.column == "country":
            raise ScenarioError(f"--set {change.text}: the code of a country cannot be changed")
        change_mapping(by_code[change.key], change, CostCurve.model_fields)


def _changed_fields(item: dict[str, Any], changes: Overrides) -> set[str]:
    """Fields of a country that ``--set`` has changed."""
    code = str(item.get("country"))
    return {change.column for change in changes.of_table("curves") if change.key == code}


def _validated(
    document: YamlFile,
    place: KeyPath,
    item: dict[str, Any],
    model: type[M],
    changed: Collection[str] = (),
) -> M:
    """Validate one entry of a block; report the line of the first mistake."""
    for key in item:
        if key not in model.model_fields:
            free = [k for k in model.model_fields if k not in item]
            advice = explain_unknown(str(key), free)
            raise document.error(f"unknown key{advice}", (*place, str(key)))
    try:
        return model.model_validate(item)
    except ValidationError as error:
        first = error.errors()[0]
        inner = tuple(p for p in first["loc"] if p in item or isinstance(p, int))
        name = str(inner[0]) if inner else str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "missing":
            raise document.error(f"'{name}' is missing; add it", place) from None
        note = " (given with --set)" if name in changed else ""
        raise document.error(explain(first, name) + note, (*place, *inner)) from None


def _check_curves(document: YamlFile, curves: tuple[CostCurve, ...], settings: Settings) -> None:
    """Countries are unique and their demand fits the number of snapshots."""
    seen: set[str] = set()
    for position, curve in enumerate(curves):
        place: KeyPath = ("curves", position)
        if curve.country in seen:
            raise document.error(f"'{curve.country}' stands twice", (*place, "country"))
        seen.add(curve.country)
        demand = curve.demand_mw
        if isinstance(demand, tuple) and len(demand) != settings.snapshots:
            raise document.error(
                f"{len(demand)} values but the scenario has {settings.snapshots} snapshots; give "
                "one value for all or one per snapshot",
                (*place, "demand_mw"),
            )


def _load_edges(
    document: YamlFile, settings: Settings, names: dict[str, str]
) -> tuple[Interconnector, ...]:
    """Read the interconnectors, pairs put in alphabetical order."""
    edges: dict[str, Interconnector] = {}
    for position, item in enumerate(_items(document, "interconnectors")):
        place: KeyPath = ("interconnectors", position)
        item.setdefault("wheeling_eur_per_mwh", settings.wheeling_eur_per_mwh)
        edge = _validated(document, place, item, Interconnector)
        for end in ("country_a", "country_b"):
            code = getattr(edge, end)
            if code not in names:
                what = f"unknown country '{code}'{suggest(code, names)}"
                raise document.error(what, (*place, end))
        if edge.country_a == edge.country_b:
            raise document.error("begins and ends in the same country", (*place, "country_b"))
        if edge.country_a > edge.country_b:
            edge = _mirrored(edge)
        if edge.name in edges:
            raise document.error(f"'{edge.name}' stands twice; add up its lines", place)
        edges[edge.name] = edge
    return tuple(edges[name] for name in sorted(edges))


def _mirrored(edge: Interconnector) -> Interconnector:
    """Return the same interconnector seen from its other end."""
    return edge.model_copy(
        update={
            "country_a": edge.country_b,
            "country_b": edge.country_a,
            "a_to_b_mw": edge.b_to_a_mw,
            "b_to_a_mw": edge.a_to_b_mw,
        }
    )
