"""Changes to a scenario from the command line: ``--set key=value``.

Three kinds of key exist:

* a setting: ``discount_rate``, ``policy.co2_caps``;
* a cell of a table: ``<table>.<row>.<column>``, where ``<row>`` is the row's key with its parts
  joined by dots (``demand.ZA.demand_twh``, ``fleet.ZA.coal.p_nom_mw``, ``lines.<name>.loss``);
* an interconnector after merging: ``interconnectors.AO-NA.a_to_b_mw``, either country first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_origin

from pydantic import BaseModel

from scenarios.errors import ScenarioError, did_you_mean, explain_unknown
from scenarios.schema import PolicySwitches, Settings
from scenarios.tables import RawTable
from scenarios.yaml_file import parse_value

_FORM = "write --set key=value, for example --set discount_rate=0.08"


@dataclass(frozen=True)
class CellChange:
    """One changed cell: table, key of the row, column and new value."""

    table: str
    key: str
    column: str
    value: object

    @property
    def text(self) -> str:
        """The key as the user wrote it."""
        return f"{self.table}.{self.key}.{self.column}"


@dataclass(frozen=True)
class Overrides:
    """All changes, sorted by what they change."""

    settings: dict[str, object] = field(default_factory=dict)
    policy: dict[str, object] = field(default_factory=dict)
    cells: tuple[CellChange, ...] = ()

    def of_table(self, table: str) -> tuple[CellChange, ...]:
        """Changes of one table."""
        return tuple(c for c in self.cells if c.table == table)


def parse_set(items: Iterable[str]) -> dict[str, str]:
    """Split the ``key=value`` texts of ``--set``; the last of two equal keys wins.

    Examples
    --------
    >>> parse_set(["discount_rate=0.08", "policy.co2_caps=true"])
    {'discount_rate': '0.08', 'policy.co2_caps': 'true'}
    """
    found: dict[str, str] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key.strip():
            raise ScenarioError(f"--set {item}: {_FORM}")
        found[key.strip()] = value.strip()
    return found


def sort_overrides(changes: Mapping[str, object] | None, tables: Iterable[str]) -> Overrides:
    """Sort changes into settings, policy switches and table cells.

    Parameters
    ----------
    changes
        Dotted key -> new value; texts are read as YAML values.
    tables
        Names of the tables that this scenario has.
    """
    names = list(tables)
    settings: dict[str, object] = {}
    policy: dict[str, object] = {}
    cells: list[CellChange] = []
    for key, value in (changes or {}).items():
        parts = key.split(".")
        if len(parts) == 1:
            name = _known_setting(key, Settings, key)
            settings[name] = _typed(Settings, name, value)
        elif parts[0] == "policy" and len(parts) == 2:
            name = _known_setting(parts[1], PolicySwitches, key)
            policy[name] = _typed(PolicySwitches, name, value)
        elif parts[0] in names and len(parts) >= 3:
            cells.append(CellChange(parts[0], ".".join(parts[1:-1]), parts[-1], value))
        else:
            raise ScenarioError(f"--set {key}: {_bad_key(parts, names)}")
    return Overrides(settings, policy, tuple(cells))


def _bad_key(parts: list[str], tables: list[str]) -> str:
    """Explain a dotted key that fits neither a setting nor a table."""
    if parts[0] in tables:
        return f"write {parts[0]}.<row>.<column>, for example demand.ZA.demand_twh"
    return f"unknown table '{parts[0]}'{did_you_mean(parts[0], [*tables, 'policy'])}"


def _known_setting(name: str, model: type[BaseModel], key: str) -> str:
    """Return the name if it is a setting, raise otherwise."""
    if name == "policy" and model is Settings:
        raise ScenarioError(
            f"--set {key}: name one switch, such as policy.co2_caps=true"
            f" (known: {', '.join(PolicySwitches.model_fields)})"
        )
    if name not in model.model_fields:
        raise ScenarioError(
            f"--set {key}: unknown setting '{name}'{explain_unknown(name, model.model_fields)}"
        )
    return name


def _typed(model: type[BaseModel], name: str, value: object) -> object:
    """Read a text as the YAML value it stands for, unless the setting is itself a text."""
    if not isinstance(value, str):
        return value
    annotation = model.model_fields[name].annotation
    if annotation is str:
        return value
    parsed = parse_value(value)
    if get_origin(annotation) is tuple and isinstance(parsed, str):
        return [part.strip() for part in parsed.split(",") if part.strip()]
    return parsed


def change_cells(
    raw: RawTable,
    changes: Iterable[CellChange],
    row_class: type[BaseModel],
    key_columns: tuple[str, ...],
) -> None:
    """Put changes into the text of a table, in place.

    Parameters
    ----------
    raw
        Table before validation.
    changes
        Cells to change; an empty value empties the cell.
    row_class
        Class of the rows, which knows the columns.
    key_columns
        Columns whose values, joined by dots, name a row.
    """
    for change in changes:
        if change.column not in row_class.model_fields:
            raise ScenarioError(
                f"--set {change.text}: unknown column '{change.column}' of {raw.path.name}"
                f"{explain_unknown(change.column, row_class.model_fields)}"
            )
        if change.column in key_columns:
            raise ScenarioError(f"--set {change.text}: the key of a row cannot be changed")
        keys = {
            ".".join(str(row.cells.get(column, "")) for column in key_columns): row
            for row in raw.rows
        }
        if change.key not in keys:
            raise ScenarioError(
                f"--set {change.text}: {raw.path.name} has no row '{change.key}'"
                f"{did_you_mean(change.key, keys)}"
            )
        row = keys[change.key]
        row.overridden.add(change.column)
        if change.value is None or change.value == "":
            row.cells.pop(change.column, None)
        else:
            row.cells[change.column] = change.value


def change_mapping(target: dict[str, Any], change: CellChange, fields: Iterable[str]) -> None:
    """Put one change into a mapping of field values (teaching countries, interconnectors)."""
    names = list(fields)
    if change.column not in names:
        raise ScenarioError(
            f"--set {change.text}: unknown field '{change.column}'"
            f"{explain_unknown(change.column, names)}"
        )
    value = change.value
    target[change.column] = parse_value(value) if isinstance(value, str) else value
