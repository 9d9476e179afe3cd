"""Checks across tables: every name that one table uses must be defined in another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scenarios.errors import ScenarioError, did_you_mean
from scenarios.schema import Line, PolicySwitches
from scenarios.tables import Table, check_known

WEATHER_CARRIERS = ("solar", "onwind", "CSP")
HYDRO_CARRIERS = {"reservoir": "hydro_reservoir", "ror": "ror", "PHS": "PHS"}
_POLICY_COLUMNS = {
    "co2_caps": "co2_cap_mt",
    "reserve_margins": "reserve_margin",
    "self_sufficiency": "self_sufficiency",
}
_DAY_TYPES = ("weekday", "saturday", "sunday")


def check_tables(folder: Path, tables: dict[str, Table[Any]]) -> None:
    """Check all cross-references of a PyPSA scenario.

    Parameters
    ----------
    folder
        Folder of the scenario, for messages about missing rows.
    tables
        Validated tables by attribute name of :class:`scenarios.schema.Scenario`.
    """
    countries = {c.country: c.name for c in tables["countries"].rows}
    carriers = {t.carrier: t.nice_name for t in tables["technologies"].rows}
    if not countries:
        raise ScenarioError("no country; add a row each", file=tables["countries"].path)
    for name in ("demand", "fuels", "fleet", "candidates", "hydro", "resources", "policy"):
        check_known(tables[name], "country", countries, "country")
    for name in ("fuels", "fleet", "candidates"):
        check_known(tables[name], "carrier", carriers, "carrier")
    _check_demand(countries, tables)
    _check_hydro(carriers, tables)
    _check_weather(folder, tables)
    check_line_ends(tables["lines"], countries)
    _check_load_shape(tables)


def _check_demand(countries: dict[str, str], tables: dict[str, Table[Any]]) -> None:
    """Every country needs a demand row."""
    given = {d.country for d in tables["demand"].rows}
    for number, row in tables["countries"].numbered():
        if row.country not in given:
            raise ScenarioError(
                f"{row.country} ({countries[row.country]}, row {number} of countries.csv) has no "
                "demand; add a row for it",
                file=tables["demand"].path,
                column="country",
            )


def _check_hydro(carriers: dict[str, str], tables: dict[str, Table[Any]]) -> None:
    """Hydro power has a table of its own, and its carriers must be technologies."""
    for number, row in tables["hydro"].numbered():
        if HYDRO_CARRIERS[row.kind] not in carriers:
            raise ScenarioError(
                f"technologies.csv has no row '{HYDRO_CARRIERS[row.kind]}'; add it",
                file=tables["hydro"].path,
                row=number,
                column="kind",
            )
    for name in ("fleet", "candidates"):
        for number, row in tables[name].numbered():
            if row.carrier in HYDRO_CARRIERS.values():
                raise ScenarioError(
                    f"'{row.carrier}' is hydro power; move the row to hydro.csv",
                    file=tables[name].path,
                    row=number,
                    column="carrier",
                )


def check_policy(table: Table[Any], switches: PolicySwitches) -> None:
    """A policy that is switched on must bind at least one country."""
    for switch, column in _POLICY_COLUMNS.items():
        if getattr(switches, switch) and all(getattr(r, column) is None for r in table.rows):
            raise ScenarioError(
                f"policy.{switch} is on but no country has a value; fill it in or switch it off",
                file=table.path,
                column=column,
            )


def _check_weather(folder: Path, tables: dict[str, Table[Any]]) -> None:
    """Wind and solar plants, existing or to be built, need a resource to live on."""
    known = {(r.country, r.carrier) for r in tables["resources"].rows}
    for name in ("fleet", "candidates"):
        for number, row in tables[name].numbered():
            if row.carrier in WEATHER_CARRIERS and (row.country, row.carrier) not in known:
                raise ScenarioError(
                    f"{row.country} has {row.carrier} here but no row for it in resources.csv; "
                    "add one with its capacity factors",
                    file=folder / tables[name].path.name,
                    row=number,
                    column="carrier",
                )


def check_line_ends(lines: Table[Line], countries: dict[str, str]) -> None:
    """A line joins two different, known countries."""
    for column in ("country_a", "country_b"):
        check_known(lines, column, countries, "country")
    for number, line in lines.numbered():
        if line.country_a == line.country_b:
            raise ScenarioError(
                f"the line '{line.name}' begins and ends in {line.country_a}; "
                "name two different countries",
                file=lines.path,
                row=number,
                column="country_b",
            )


def _check_load_shape(tables: dict[str, Table[Any]]) -> None:
    """The reference load shape needs every hour of each month and kind of day."""
    table = tables["load_shape"]
    given = {(s.month, s.day_type, s.hour) for s in table.rows}
    for month in range(1, 13):
        for day_type in _DAY_TYPES:
            missing = [h for h in range(24) if (month, day_type, h) not in given]
            if missing:
                hours = ", ".join(str(h) for h in missing[:6]) + ("..." if missing[6:] else "")
                raise ScenarioError(
                    f"missing hours: month {month}, {day_type}, hour {hours}; "
                    "the shape needs 12 x 3 x 24 rows",
                    file=table.path,
                    column="hour",
                )


def check_file_names(folder: Path, expected: set[str]) -> None:
    """Refuse a CSV file whose name is nearly that of a table which is missing.

    An optional table in a misspelt file would otherwise be passed over in silence.
    """
    present = {p.name for p in folder.glob("*.csv")}
    absent = sorted(expected - present)
    for name in sorted(present - expected):
        advice = did_you_mean(name, absent)
        if "did you mean" in advice:
            raise ScenarioError(f"unknown table file{advice}", file=folder / name)
