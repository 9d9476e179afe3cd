"""Synthesised profiles against the statistics they must have."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scenarios import profiles as pr
from scenarios.loader import load_scenario
from scenarios.profiles import Calendar, Profiles, synthesise
from scenarios.schema import Hydro, Resource, Scenario

CALENDAR = Calendar.of_year(2030)
SEEDS = range(2030, 2040)


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario("sapp2030")


@pytest.fixture(scope="module")
def profiles(scenario: Scenario) -> Profiles:
    return synthesise(scenario)


def resource(scenario: Scenario, country: str, carrier: str) -> Resource:
    return next(r for r in scenario.resources if (r.country, r.carrier) == (country, carrier))


def lagged(values: np.ndarray, lag: int) -> float:
    return float(np.corrcoef(values[lag:], values[:-lag])[0, 1])


def distance_km(a: Resource, b: Resource) -> float:
    mean = np.deg2rad((a.site_latitude + b.site_latitude) / 2)
    return 111.2 * float(
        np.hypot(
            a.site_latitude - b.site_latitude,
            np.cos(mean) * (a.site_longitude - b.site_longitude),
        )
    )


def test_frames_share_one_hourly_index_and_hold_no_gaps(profiles, scenario):
    assert len(profiles.load_mw) == 8760
    assert (profiles.load_mw.index[1:] - profiles.load_mw.index[:-1] == pd.Timedelta("1h")).all()
    for frame in (profiles.load_mw, profiles.availability, profiles.inflow_mw):
        assert frame.index.equals(profiles.load_mw.index)
        assert np.isfinite(frame.to_numpy()).all()
        assert (frame.to_numpy() >= 0).all()
    assert list(profiles.load_mw) == list(profiles.inflow_mw) == list(scenario.codes)
    assert profiles.availability.to_numpy().max() <= 1
    assert {carrier for _, carrier in profiles.availability} == {"solar", "onwind", "CSP", "ror"}


def test_namibia_is_there(profiles):
    assert "NA" in profiles.load_mw
    assert ("NA", "solar") in profiles.availability


def test_a_leap_year_keeps_8760_contiguous_hours():
    index = Calendar.of_year(2028).index
    assert len(index) == 8760
    assert (np.diff(index) == np.timedelta64(1, "h")).all()


# --- reproducibility ---------------------------------------------------------------------------


def test_same_seed_same_bytes_another_seed_other_weather(profiles, scenario):
    again = synthesise(scenario)
    for name in ("load_mw", "availability", "inflow_mw"):
        assert (
            getattr(again, name).to_numpy().tobytes()
            == getattr(profiles, name).to_numpy().tobytes()
        )
    other = synthesise(load_scenario("sapp2030", {"seed": 1}))
    assert not np.allclose(
        other.availability["ZA", "onwind"], profiles.availability["ZA", "onwind"]
    )


def test_a_country_does_not_depend_on_who_else_takes_part(profiles):
    few = synthesise(load_scenario("sapp2030", countries=["ZW", "NA"]))
    assert set(few.load_mw) == {"NA", "ZW"}
    for column in few.load_mw:
        assert few.load_mw[column].to_numpy().tobytes() == (
            profiles.load_mw[column].to_numpy().tobytes()
        )
    for column in few.availability:
        assert few.availability[column].to_numpy().tobytes() == (
            profiles.availability[column].to_numpy().tobytes()
        )


def test_global_random_state_is_left_alone(scenario):
    np.random.seed(7)  # noqa: NPY002 - the global state is what is tested
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    synthesise(scenario)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


# --- load --------------------------------------------------------------------------------------


def test_annual_demand_is_exact(profiles, scenario):
    for row in scenario.demand:
        assert profiles.load_mw[row.country].sum() == pytest.approx(row.demand_twh * 1e6, rel=1e-9)


def test_demand_factor_scales_load_only(profiles):
    more = synthesise(load_scenario("sapp2030", {"demand_factor": 1.1}))
    pd.testing.assert_frame_equal(more.load_mw, profiles.load_mw * 1.1)
    pd.testing.assert_frame_equal(more.availability, profiles.availability)


def test_load_meets_its_season_and_part_of_day_factors(profiles, scenario):
    for row in scenario.demand:
        pu = profiles.load_mw[row.country].to_numpy() / profiles.load_mw[row.country].mean()
        for name in ("a", "b", "c"):
            wanted = getattr(row, f"season_{name}")
            mask = CALENDAR.seasons["abc".index(name)]
            # Factors are rounded to four digits and need not average to one exactly.
            assert wanted is None or pu[mask].mean() == pytest.approx(wanted, abs=2e-3)
        for i, name in enumerate(("night", "day", "evening")):
            wanted = getattr(row, f"part_{name}")
            assert wanted is None or pu[CALENDAR.parts[i]].mean() == pytest.approx(wanted, abs=2e-3)


def test_reference_load_has_a_working_week_and_a_winter_peak(profiles):
    load = profiles.load_mw["ZA"]
    assert pd.Timestamp("2030-01-05").day_name() == "Saturday"
    by_day = load.groupby(load.index.day_of_week).mean()
    assert by_day[6] < by_day[5] < by_day[:5].min()
    assert load[load.index.month.isin([6, 7])].mean() > load[load.index.month.isin([12, 1])].mean()
    # The shape of 2023 in the facts has a load factor of 0.784.
    assert load.mean() / load.max() == pytest.approx(0.784, abs=0.03)


# --- sun ---------------------------------------------------------------------------------------


def test_no_sun_at_night_and_noon_where_the_sun_is_highest(profiles, scenario):
    for row in scenario.resources:
        if row.carrier != "solar":
            continue
        series = profiles.availability[row.country, "solar"]
        day = series.groupby(series.index.hour).mean()
        assert day[[21, 22, 23, 0, 1, 2, 3]].max() == 0
        # Solar noon in UTC+2 is at 14 h less four minutes a degree of eastern longitude.
        noon = 14 - row.site_longitude / 15
        centre = (day * (day.index + 0.5)).sum() / day.sum()
        assert centre == pytest.approx(noon, abs=0.25)


def test_sun_and_wind_meet_their_annual_and_seasonal_means(profiles, scenario):
    for row in scenario.resources:
        series = profiles.availability[row.country, row.carrier].to_numpy()
        assert series.mean() == pytest.approx(row.cf_mean, rel=2e-3)
        for mask, name in zip(CALENDAR.seasons, "abc", strict=True):
            wanted = getattr(row, f"cf_season_{name}")
            assert series[mask].mean() == pytest.approx(wanted, rel=5e-3)


def test_clearness_has_the_metered_distribution():
    # Facts: mean 0.829, sd 0.133, 5/50/95 % 0.535/0.867/0.972, lag of one day 0.52. Ten years of
    # 365 days with that persistence leave a standard error of 0.004 on the mean.
    years = []
    for seed in SEEDS:
        field = pr.LatentField(seed, "clearness", 365 + pr.BURN_IN, pr.CLEARNESS_LENGTH_KM)
        years.append(pr.daily_clearness(-29.4, 18.4, field))
    pool = np.concatenate(years)
    assert pool.mean() == pytest.approx(0.829, abs=0.012)
    assert pool.std() == pytest.approx(0.133, abs=0.012)
    assert np.quantile(pool, [0.05, 0.5, 0.95]) == pytest.approx([0.535, 0.867, 0.972], abs=0.03)
    assert np.mean([lagged(y, 1) for y in years]) == pytest.approx(0.52, abs=0.05)


def test_a_horizontal_plane_gives_the_tabled_seasons_of_south_africa(scenario):
    # Why photovoltaics lie flat here: at a tilt of 30 degrees winter would be 38 % above the table.
    row = resource(scenario, "ZA", "solar")
    horizontal, _ = pr.clear_sky(row.site_latitude, row.site_longitude, CALENDAR.index)
    unscaled = [0.829 * horizontal[m].mean() for m in CALENDAR.seasons]
    assert unscaled == pytest.approx([row.cf_season_a, row.cf_season_b, row.cf_season_c], rel=0.06)


def test_solar_thermal_power_lasts_into_the_evening(profiles):
    day = profiles.availability["ZA"].groupby(profiles.availability.index.hour).mean()
    assert day["CSP"][20] > 0.3
    assert day["solar"][20] < 0.02


# --- wind --------------------------------------------------------------------------------------


def test_wind_has_the_statistics_of_the_metered_fleet(scenario):
    # Facts: mean 0.352, sd 0.178, 5/50/95 % 0.096/0.334/0.681, autocorrelation 0.971 after one
    # hour and 0.37 after a day, daily sd 0.137 with 0.41 from day to day. Ten years; a year has
    # some 150 independent days, so one year's sd is known to 6 %, ten years' to 2 %. An AR(2)
    # process cannot have both the hourly and the daily memory: the last two get more room.
    row = resource(scenario, "ZA", "onwind")
    scale = 0.352 / row.cf_mean
    fleet = row.model_copy(
        update={
            name: getattr(row, name) * scale
            for name in ("cf_mean", "cf_season_a", "cf_season_b", "cf_season_c")
        }
    )
    years = []
    for seed in SEEDS:
        field = pr.LatentField(seed, "wind", pr.HOURS + pr.BURN_IN, pr.WIND_LENGTH_KM)
        years.append(pr.wind_availability(fleet, CALENDAR, field))
    pool = np.concatenate(years)
    daily = [y.reshape(365, 24).mean(axis=1) for y in years]
    assert pool.mean() == pytest.approx(0.352, abs=0.001)
    assert pool.std() == pytest.approx(0.178, abs=0.01)
    assert np.quantile(pool, [0.05, 0.5, 0.95]) == pytest.approx([0.096, 0.334, 0.681], abs=0.025)
    assert np.mean([lagged(y, 1) for y in years]) == pytest.approx(0.971, abs=0.004)
    assert np.mean([lagged(y, 24) for y in years]) == pytest.approx(0.37, abs=0.1)
    assert np.mean([d.std() for d in daily]) == pytest.approx(0.137, abs=0.015)
    assert np.mean([lagged(d, 1) for d in daily]) == pytest.approx(0.41, abs=0.08)


def test_wind_meets_its_part_of_day_factors(profiles, scenario):
    for row in scenario.resources:
        if row.carrier != "onwind":
            continue
        series = profiles.availability[row.country, "onwind"].to_numpy()
        for mask, name in zip(CALENDAR.parts, ("night", "day", "evening"), strict=True):
            ratio = series[mask].mean() / series.mean()
            assert ratio == pytest.approx(getattr(row, f"part_{name}"), rel=5e-3)


@pytest.mark.parametrize("carrier", ["onwind", "solar"])
def test_neighbours_share_more_weather_than_distant_countries(profiles, scenario, carrier):
    rows = [r for r in scenario.resources if r.carrier == carrier]
    series = profiles.availability.xs(carrier, axis=1, level="carrier")
    daily = series.resample("D").mean()
    # Take out the seasons, which all countries share.
    weather = (daily - daily.rolling(31, center=True, min_periods=1).mean()).corr()
    near, far = [], []
    for i, a in enumerate(rows):
        for b in rows[:i]:
            km = distance_km(a, b)
            if km < 400:
                near.append(weather.loc[a.country, b.country])
            elif km > 1500:
                far.append(weather.loc[a.country, b.country])
    assert len(near) >= 3
    assert np.mean(near) > 0.4
    assert abs(np.mean(far)) < 0.1


def test_the_latent_field_has_the_wanted_correlation():
    # Mean over fields, because one field's 128 waves leave an error of some 0.06.
    pairs = []
    for seed in range(40):
        field = pr.LatentField(seed, "wind", 400, 500.0)
        pairs.append(np.corrcoef(field.at(-15.0, 25.0), field.at(-15.0 - 500 / 111.2, 25.0))[0, 1])
    assert np.mean(pairs) == pytest.approx(np.exp(-1), abs=0.04)
    assert field.at(-15.0, 25.0).std() == pytest.approx(1, abs=0.15)


def test_wind_and_sun_are_independent_day_by_day(profiles):
    # Facts: daily wind-PV correlation -0.06.
    daily = profiles.availability["ZA"].resample("D").mean()
    weather = daily - daily.rolling(31, center=True, min_periods=1).mean()
    assert abs(weather["onwind"].corr(weather["solar"])) < 0.2


# --- hydro -------------------------------------------------------------------------------------


def test_reservoir_inflow_has_the_tabled_months(profiles, scenario):
    for row in scenario.hydro:
        if row.kind != "reservoir":
            continue
        monthly = profiles.inflow_mw[row.country].groupby(CALENDAR.index.month).sum() / 1e6
        wanted = row.annual_twh * np.array(row.monthly_shares)
        assert monthly.to_numpy() == pytest.approx(wanted, rel=1e-6, abs=1e-9)


def test_run_of_river_has_the_tabled_energy_unless_the_turbines_are_too_small(profiles, scenario):
    for row in scenario.hydro:
        if row.kind != "ror":
            continue
        series = profiles.availability[row.country, "ror"]
        energy_twh = series.sum() * row.p_nom_mw / 1e6
        if series.max() < 1:
            assert energy_twh == pytest.approx(row.annual_twh, rel=1e-6)
        else:
            assert row.annual_twh * 0.97 < energy_twh < row.annual_twh


def test_inflow_factor_scales_both_kinds(profiles):
    dry = synthesise(load_scenario("sapp2030", {"inflow_factor": 0.7}))
    pd.testing.assert_frame_equal(dry.inflow_mw, profiles.inflow_mw * 0.7)
    assert dry.availability["MW", "ror"].sum() == pytest.approx(
        0.7 * profiles.availability["MW", "ror"].sum()
    )


def test_inflow_runs_smoothly_across_month_ends(profiles):
    series = profiles.inflow_mw["ZM"]
    assert (series.diff().abs() / series.mean()).max() < 0.05


def test_a_month_without_inflow_stays_dry():
    shares = {f"share_{m:02d}": 0.0 for m in range(1, 13)} | {"share_02": 0.5, "share_03": 0.5}
    hydro = Hydro(
        country="XX", kind="reservoir", p_nom_mw=100, annual_twh=0.5, source="a test", **shares
    )
    series = pr.hydro_power_mw(hydro, CALENDAR)
    month = CALENDAR.index.month
    assert series[(month != 2) & (month != 3)].max() == 0
    assert series.sum() == pytest.approx(0.5e6)
