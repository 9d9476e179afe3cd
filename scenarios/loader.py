"""Loading a scenario: find it, read it, change it, check it, merge its lines.

>>> load_scenario("two_countries").codes
('A', 'B')
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from scenarios import schema
from scenarios.checks import check_file_names, check_policy, check_tables
from scenarios.curves import load_curves
from scenarios.errors import ScenarioError, did_you_mean, explain_unknown, first_complaint
from scenarios.interconnectors import change_interconnectors, merge_lines
from scenarios.overrides import Overrides, change_cells, parse_set, sort_overrides
from scenarios.resolution import Resolution
from scenarios.schema import Scenario, Settings
from scenarios.tables import Table, explain, read_raw_table, suggest, validate_table
from scenarios.yaml_file import KeyPath, YamlFile, read_yaml

__all__ = ["ScenarioError", "list_scenarios", "load_scenario", "parse_set", "scenario_folder"]

PACKAGE_FOLDER = Path(__file__).parent
YAML_NAME = "scenario.yaml"
_BLOCKS = ("curves", "interconnectors")  # parts of scenario.yaml that are not settings


@dataclass(frozen=True)
class TableSpec:
    """How one table is stored: its file, its row class and what names a row."""

    file: str
    row_class: type[BaseModel]
    key: tuple[str, ...]
    required: bool = False


TABLES: dict[str, TableSpec] = {
    "countries": TableSpec("countries.csv", schema.Country, ("country",), True),
    "demand": TableSpec("demand.csv", schema.Demand, ("country",), True),
    "technologies": TableSpec("technologies.csv", schema.Technology, ("carrier",), True),
    "fuels": TableSpec("fuels.csv", schema.Fuel, ("country", "carrier")),
    "fleet": TableSpec("fleet.csv", schema.Plant, ("country", "carrier")),
    "candidates": TableSpec("candidates.csv", schema.Candidate, ("country", "carrier")),
    "hydro": TableSpec("hydro.csv", schema.Hydro, ("country", "kind")),
    "resources": TableSpec("resources.csv", schema.Resource, ("country", "carrier")),
    "policy": TableSpec("policy.csv", schema.Policy, ("country",)),
    "load_shape": TableSpec(
        "load_shape.csv", schema.LoadShape, ("month", "day_type", "hour"), True
    ),
    "lines": TableSpec("interconnectors.csv", schema.Line, ("name",)),
}


def list_scenarios() -> dict[str, str]:
    """Return the built-in scenarios, name -> title, in alphabetical order."""
    titles = {}
    for path in sorted(PACKAGE_FOLDER.glob(f"*/{YAML_NAME}")):
        titles[path.parent.name] = str(read_yaml(path).data.get("title", ""))
    return titles


def scenario_folder(name_or_path: str | Path) -> Path:
    """Find a scenario by built-in name, by its folder or by its ``scenario.yaml``.

    Parameters
    ----------
    name_or_path
        A built-in name has precedence over a folder of the same name.
    """
    built_in = {p.parent.name: p.parent for p in PACKAGE_FOLDER.glob(f"*/{YAML_NAME}")}
    if str(name_or_path) in built_in:
        return built_in[str(name_or_path)]
    path = Path(name_or_path)
    if path.is_file() and path.suffix in {".yaml", ".yml"}:
        if path.name != YAML_NAME:
            raise ScenarioError(f"a scenario file must be called {YAML_NAME}", file=path)
        return path.parent
    if path.is_dir():
        if not (path / YAML_NAME).is_file():
            raise ScenarioError(f"the folder {path} holds no {YAML_NAME}; a scenario needs one")
        return path
    raise ScenarioError(
        f"no scenario or folder '{name_or_path}'{did_you_mean(str(name_or_path), built_in)}"
    )


def load_scenario(
    name_or_path: str | Path,
    overrides: Mapping[str, object] | None = None,
    countries: Sequence[str] | None = None,
) -> Scenario:
    """Load, change, check and return a scenario.

    Parameters
    ----------
    name_or_path
        Built-in name, folder or path of a ``scenario.yaml``.
    overrides
        Dotted key -> value, as ``--set`` gives them (see :mod:`scenarios.overrides`). Applied to
        the whole scenario, before the choice of countries.
    countries
        Codes to keep, in any order; only the lines between them stay. None keeps all.

    Returns
    -------
    Scenario
        Frozen; countries in the order of their table, interconnectors in alphabetical order.

    Raises
    ------
    ScenarioError
        For every mistake in the files or the arguments, with file, row and column.
    """
    folder = scenario_folder(name_or_path)
    document = read_yaml(folder / YAML_NAME)
    teaching = document.data.get("kind") == "cost_curves"
    tables = ("curves", "interconnectors") if teaching else (*TABLES, "interconnectors")
    changes = sort_overrides(overrides, tables)
    settings = _load_settings(document, changes)
    loaded = (
        load_curves(document, settings, changes)
        if settings.kind == "cost_curves"
        else _load_tables(folder, settings, changes)
    )
    scenario = Scenario(settings=settings, **loaded)
    for code in settings.strategies:
        if code not in scenario.codes:
            advice = suggest(code, scenario.codes)
            raise document.error(f"no country '{code}'{advice}", ("strategies", code))
    return scenario if countries is None else _subset(scenario, countries)


def _load_settings(document: YamlFile, changes: Overrides) -> Settings:
    """Validate the top-level keys of ``scenario.yaml`` with the changes put in."""
    given = {k: v for k, v in document.data.items() if k not in _BLOCKS}
    for key in given:
        if key not in Settings.model_fields:
            advice = explain_unknown(key, [*Settings.model_fields, *_BLOCKS])
            raise document.error(f"unknown key{advice}", (key,))
    if changes.settings.get("kind", given.get("kind")) != given.get("kind"):
        raise ScenarioError("--set kind: the kind of a scenario cannot be changed")
    given.setdefault("name", document.path.parent.name)
    given.update(changes.settings)
    if changes.policy:
        switches = given.get("policy") or {}
        given["policy"] = {**switches, **changes.policy} if isinstance(switches, dict) else switches
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        raise _setting_error(document, changes, error) from None
    _check_resolution(document, settings, changes)
    return settings


def _setting_error(document: YamlFile, changes: Overrides, error: ValidationError) -> ScenarioError:
    """Translate pydantic's first complaint about the settings."""
    first = first_complaint(error)
    key: KeyPath = tuple(first["loc"])
    name = str(key[0]) if key else ""
    leaf = next((str(part) for part in reversed(key) if isinstance(part, str)), "")
    if first["type"] == "extra_forbidden":
        what = f"unknown key{did_you_mean(leaf, schema.PolicySwitches.model_fields)}"
    else:
        what = explain(first, leaf)
    if name in changes.settings or (name == "policy" and leaf in changes.policy):
        return ScenarioError(f"--set {'.'.join(k for k in key if isinstance(k, str))}: {what}")
    return document.error(what, key)


def _check_resolution(document: YamlFile, settings: Settings, changes: Overrides) -> None:
    """Refuse a resolution that cannot be parsed before any work is done."""
    try:
        Resolution.parse(settings.resolution)
    except ScenarioError as error:
        if "resolution" in changes.settings:
            raise ScenarioError(f"--set resolution: {error.what}") from None
        raise document.error(error.what, ("resolution",)) from None


def _load_tables(folder: Path, settings: Settings, changes: Overrides) -> dict[str, Any]:
    """Read and check all tables of a PyPSA scenario; merge its lines."""
    check_file_names(folder, {spec.file for spec in TABLES.values()})
    tables = {name: _load_table(folder, name, changes) for name in TABLES}
    check_tables(folder, tables)
    check_policy(tables["policy"], settings.policy)
    merged = merge_lines(
        tables["lines"].rows, settings.line_statuses, settings.wheeling_eur_per_mwh
    )
    edges = change_interconnectors(merged, changes.of_table("interconnectors"))
    return {name: table.rows for name, table in tables.items()} | {"interconnectors": edges}


def _load_table(folder: Path, name: str, changes: Overrides) -> Table[Any]:
    """Read one table with its changes; an optional table may be absent."""
    spec = TABLES[name]
    path = folder / spec.file
    cells = changes.of_table(name)
    if not path.exists() and not spec.required:
        if cells:
            raise ScenarioError(f"--set {cells[0].text}: the scenario has no {spec.file}")
        return Table(path, (), ())
    raw = read_raw_table(path, spec.row_class)
    change_cells(raw, cells, spec.row_class, spec.key)
    return validate_table(
        raw, spec.row_class, lambda row: tuple(getattr(row, column) for column in spec.key)
    )


def _subset(scenario: Scenario, wanted: Sequence[str]) -> Scenario:
    """Keep some countries and what lies in or between them."""
    names = {c.country: c.name for c in (scenario.curves or scenario.countries)}
    for code in wanted:
        if code not in names:
            raise ScenarioError(f"unknown country '{code}'{suggest(code, names)}")
    if not wanted:
        raise ScenarioError("no country chosen; name at least one")
    keep = set(wanted)
    settings = scenario.settings
    strategies = {c: s for c, s in settings.strategies.items() if c in keep}
    update: dict[str, Any] = {"settings": settings.model_copy(update={"strategies": strategies})}
    for name in Scenario.model_fields:
        rows = getattr(scenario, name)
        if name == "settings" or not rows:
            continue
        if hasattr(rows[0], "country"):
            update[name] = tuple(r for r in rows if r.country in keep)
        elif hasattr(rows[0], "country_a"):
            update[name] = tuple(r for r in rows if {r.country_a, r.country_b} <= keep)
    return scenario.model_copy(update=update)
