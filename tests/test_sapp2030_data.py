"""The tables of ``sapp2030``: complete, sourced, and true to the facts they come from."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from scenarios.loader import load_scenario
from scenarios.schema import Scenario

FACTS = Path(__file__).resolve().parents[2] / "shared" / "facts"
CODES = ("AO", "BW", "CD", "LS", "MW", "MZ", "NA", "SZ", "TZ", "ZA", "ZM", "ZW")
SOURCED = (
    "countries",
    "demand",
    "technologies",
    "fuels",
    "fleet",
    "candidates",
    "hydro",
    "resources",
    "policy",
    "lines",
)
# Additions that no year of generation statistics has seen yet, TWh/a (docs/scenario-sapp2030.md).
NEW_HYDRO_TWH = {"AO": 7.8, "TZ": 6.15, "CD": 0.2}

needs_facts = pytest.mark.skipif(
    not FACTS.is_dir(), reason="the facts the tables were written from are not beside this checkout"
)


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario("sapp2030")


def facts(name: str) -> pd.DataFrame:
    return pd.read_csv(FACTS / f"{name}.csv", keep_default_na=False)


def test_twelve_countries_with_namibia(scenario):
    assert scenario.codes == CODES
    assert next(c for c in scenario.countries if c.country == "NA").name == "Namibia"


@pytest.mark.parametrize("table", SOURCED)
def test_every_row_has_a_source(scenario, table):
    rows = getattr(scenario, table)
    assert rows
    for row in rows:
        assert len(row.source) >= 10, row
        assert not row.source.lower().startswith(("tbd", "todo", "unknown")), row


def test_every_country_has_demand_policy_sun_wind_a_peaker_and_batteries(scenario):
    for code in CODES:
        assert [d.country for d in scenario.demand].count(code) == 1
        assert [p.country for p in scenario.policy].count(code) == 1
        assert {"solar", "onwind"} <= {r.carrier for r in scenario.resources if r.country == code}
        can_build = {c.carrier for c in scenario.candidates if c.country == code}
        assert {"solar", "onwind", "battery"} <= can_build
        assert can_build & {"OCGT", "oil"}


def test_every_carrier_has_a_technology_and_every_weather_driven_one_a_resource(scenario):
    known = {t.carrier for t in scenario.technologies}
    used = {(p.country, p.carrier) for p in (*scenario.fleet, *scenario.candidates)}
    assert {carrier for _, carrier in used} <= known
    assert {"hydro_reservoir", "ror", "PHS"} <= known
    driven = {(r.country, r.carrier) for r in scenario.resources}
    assert {pair for pair in used if pair[1] in ("solar", "onwind", "CSP")} <= driven


def test_load_shape_is_complete_and_averages_to_one(scenario):
    assert len(scenario.load_shape) == 12 * 3 * 24
    shape = {(s.month, s.day_type, s.hour): s.load_pu for s in scenario.load_shape}
    assert len(shape) == 12 * 3 * 24
    mean = 0.0
    for hour in pd.date_range("2030-01-01", periods=8760, freq="h"):
        kind = {5: "saturday", 6: "sunday"}.get(hour.day_of_week, "weekday")
        mean += shape[hour.month, kind, hour.hour] / 8760
    assert mean == pytest.approx(1, abs=2e-3)


def test_default_lines_hold_the_committed_ones_and_a_variant_drops_them(scenario):
    limits = {i.name: (i.a_to_b_mw, i.b_to_a_mw) for i in scenario.interconnectors}
    assert limits["ZA-ZW"] == (15, 15)
    assert limits["ZM-ZW"] == (645, 645)
    assert {"AO-NA", "TZ-ZM", "MW-MZ"} <= set(limits)
    existing = load_scenario("sapp2030", {"line_statuses": "existing"})
    kept = {i.name for i in existing.interconnectors}
    assert not kept & {"TZ-ZM", "MW-MZ"}
    # Kariba's and Motraco's losses are those of use, not of a table that books 14 %.
    motraco = next(line for line in scenario.lines if "Maputo-Arnot" in line.name)
    assert 0.02 <= motraco.loss <= 0.03


def test_line_to_cabinda_is_out_of_service_until_it_is_switched_on(scenario):
    name = "Inga-Cabinda-Pointe Noire 400 kV"
    line = next(line for line in scenario.lines if line.name == name)
    assert "AO-CD" not in {i.name for i in scenario.interconnectors}
    switched_on = load_scenario("sapp2030", {f"lines.{name}.status": "committed"})
    limits = {i.name: (i.a_to_b_mw, i.b_to_a_mw) for i in switched_on.interconnectors}
    assert limits["AO-CD"] == (line.a_to_b_mw, line.b_to_a_mw) == (600, 600)


def test_old_wind_in_south_africa_runs_as_metered(scenario):
    wind = [p for p in scenario.fleet if p.carrier == "onwind"]
    factor = {r.country: r.cf_mean for r in scenario.resources if r.carrier == "onwind"}
    factors = {p.country: p.availability * factor[p.country] for p in wind}
    assert factors["ZA"] == pytest.approx(0.355, abs=5e-4)
    # Nobody else has a metered figure.
    assert {p.country for p in wind if p.availability == 1} == {"NA", "TZ"}


def test_new_thermal_plants_fail_as_often_as_old_ones(scenario):
    # Fleets with a history of their own (coal in ZA, ZW, BW) say nothing about a new unit.
    usual = {"OCGT": 0.85, "CCGT": 0.85, "oil": 0.75, "coal": 0.75}
    for carrier, share in usual.items():
        assert share in {p.availability for p in scenario.fleet if p.carrier == carrier}
    for candidate in scenario.candidates:
        assert candidate.availability == usual.get(candidate.carrier, 1.0), candidate


def test_hydro_capacity_factors_and_storage_are_physical(scenario):
    for row in scenario.hydro:
        factor = row.annual_twh * 1e6 / 8760 / row.p_nom_mw
        assert factor < 0.85, row.country
        if row.kind == "reservoir":
            # The largest lake of the pool holds a year and a half of what flows through it.
            assert row.energy_gwh <= 1.6e3 * row.annual_twh, row.country
    kariba = {h.country: h.energy_gwh for h in scenario.hydro if h.kind == "reservoir"}
    assert kariba["ZW"] == pytest.approx(7000, rel=0.05)


def test_every_country_can_meet_its_peak_with_what_it_has_and_may_build(scenario):
    unlimited = {c.country for c in scenario.candidates if c.carrier in ("OCGT", "oil")}
    assert unlimited == set(CODES)


@needs_facts
def test_demand_is_the_recommended_one(scenario):
    wanted = facts("demand").set_index("country").demand_2030_TWh_recommended
    for row in scenario.demand:
        assert row.demand_twh == pytest.approx(wanted[row.country])


@needs_facts
def test_fleet_and_hydro_are_the_capacity_in_service_in_2030(scenario):
    table = facts("capacity").set_index(["country", "carrier"]).in_service_2030_MW.astype(float)
    # South African solar, battery and hybrids are merged; see the notes of those rows.
    merged = ["solar", "solar_rooftop", "rmippp_hybrid", "battery_4h"]
    wanted = table.drop([("ZA", c) for c in merged]).rename({"hydro_reservoir": "reservoir"})
    have = {(p.country, p.carrier): p.p_nom_mw for p in scenario.fleet}
    have |= {(h.country, h.kind): h.p_nom_mw for h in scenario.hydro}
    solar, battery = have.pop(("ZA", "solar")), have.pop(("ZA", "battery"))
    assert have == pytest.approx(wanted.to_dict())
    hybrids = 578.0
    assert solar == pytest.approx(table["ZA", "solar"] + table["ZA", "solar_rooftop"] + hybrids)
    assert battery == pytest.approx(table["ZA", "battery_4h"] + hybrids)
    assert have["ZA", "coal"] == pytest.approx(35_520)


@needs_facts
def test_hydro_energy_is_that_of_a_mean_year(scenario):
    table = facts("hydro_annual_eia").astype({"year": int})
    table = table[(table.hydro_TWh != "") & (table.year >= 2012)].astype({"hydro_TWh": float})
    for code in CODES:
        years = table[table.country == code].hydro_TWh
        have = sum(h.annual_twh for h in scenario.hydro if h.country == code)
        have -= NEW_HYDRO_TWH.get(code, 0)
        if code == "ZM":
            have -= 2.5  # Kafue Gorge Lower runs only since 2021
        if years.empty or years.max() == 0:
            assert have == 0
        else:
            assert years.min() <= have <= years.max(), code
            if code not in ("AO", "CD"):  # their fleets grew: the last years count, not the mean
                assert have == pytest.approx(years.mean(), rel=0.1, abs=0.05), code


@needs_facts
def test_resources_are_the_recommended_ones(scenario):
    table = facts("resources").set_index(["country", "technology"])
    for row in scenario.resources:
        if row.carrier == "CSP":
            continue  # the generic value of the existing plants, not the best zones
        wanted = table.loc[(row.country, row.carrier)]
        assert row.cf_mean == pytest.approx(float(wanted.cf_recommended))
        limit = next(
            c.p_nom_max_mw
            for c in scenario.candidates
            if (c.country, c.carrier) == (row.country, row.carrier)
        )
        assert limit == pytest.approx(float(wanted.potential_MW), abs=1)


@needs_facts
def test_no_table_of_the_facts_is_copied_whole():
    # Licences allow single figures and aggregates of SPLAT and Eskom data, not their tables.
    folder = Path(__file__).resolve().parents[1] / "scenarios" / "sapp2030"
    rows = {p.name: len(p.read_text().splitlines()) for p in folder.glob("*.csv")}
    # Factors worked out from EIA's figures, which are in the public domain.
    derived = {"load_shape.csv": 865, "hydro_years.csv": 111}
    assert max(n for name, n in rows.items() if name not in derived) < 100
    assert {name: rows[name] for name in derived} == derived
