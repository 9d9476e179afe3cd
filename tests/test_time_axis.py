"""The time axis: weights, restored means, labels, and agreement with PyPSA's own resampling."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
import pypsa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.errors import ScenarioError
from scenarios.resolution import STEPS_H, WEEKS
from scenarios.time_axis import Resolution, TimeAxis, build_time_axis
from scenarios.typical_weeks import candidate_weeks, periods_of_year, scale_to_mean

RESOLUTIONS = [
    *(f"{h}h" for h in STEPS_H),
    *(f"12w{h}h" for h in STEPS_H),
    *(f"{w}w6h" for w in WEEKS),
]
WEEK_RESOLUTIONS = [r for r in RESOLUTIONS if "w" in r]


@dataclass(frozen=True)
class FakeProfiles:
    """Two countries with a day, a season and noise; no solver, no scenario."""

    load_mw: pd.DataFrame
    availability: pd.DataFrame
    inflow_mw: pd.DataFrame


@cache
def profiles() -> FakeProfiles:
    hours = pd.date_range("2030-01-01", periods=8760, freq="h")
    random = np.random.default_rng(7)
    day = np.sin((hours.hour - 6) / 24 * 2 * np.pi)
    season = np.cos((hours.day_of_year - 200) / 365 * 2 * np.pi)
    load = pd.DataFrame(
        {
            "NA": 400 + 60 * day + 40 * season + 20 * random.random(8760),
            "ZA": 26000 + 3000 * day + 2500 * season + 900 * random.random(8760),
        },
        index=hours,
    )
    sun = np.clip(day, 0, None) * (0.8 + 0.2 * random.random(8760))
    columns = pd.MultiIndex.from_product([["NA", "ZA"], ["solar", "onwind"]])
    values = np.column_stack([sun, random.random(8760), 0.9 * sun, random.random(8760) ** 2])
    availability = pd.DataFrame(values, index=hours, columns=columns)
    inflow = pd.DataFrame({"NA": 100 * (1 + season), "ZA": 0.0}, index=hours)
    return FakeProfiles(load, availability, inflow)


@cache
def axis_of(resolution: str) -> TimeAxis:
    return build_time_axis(resolution, profiles())


# --- grammar --------------------------------------------------------------------------------


@given(st.sampled_from(STEPS_H), st.one_of(st.none(), st.sampled_from(WEEKS)))
def test_resolution_round_trip(hours: int, weeks: int | None) -> None:
    resolution = Resolution(hours, weeks)
    assert Resolution.parse(str(resolution)) == resolution
    assert Resolution.parse(f" {str(resolution).upper()} ") == resolution


@given(st.text(max_size=12))
def test_any_text_parses_or_explains_itself(text: str) -> None:
    try:
        assert Resolution.parse(text).hours in STEPS_H
    except ScenarioError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "12w3h"),
        ("3", "12w3h"),
        ("weekly", "12w3h"),
        ("5h", "do not divide a day"),
        ("0h", "do not divide a day"),
        ("12w5h", "do not divide a day"),
        ("10w3h", "do not divide the year"),
        ("0w3h", "do not divide the year"),
    ],
)
def test_bad_resolutions_say_what_is_possible(text: str, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        Resolution.parse(text)


# --- snapshots and weights ------------------------------------------------------------------


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_axis_is_consistent(resolution: str) -> None:
    axis = axis_of(resolution)
    assert axis.weights_h.sum() == pytest.approx(8760, rel=1e-12)
    assert axis.snapshots.is_monotonic_increasing
    assert axis.snapshots.is_unique
    assert len(axis.chosen_hours) == len(axis.snapshots) * axis.resolution.hours
    assert (axis.chosen_hours[:: axis.resolution.hours] == axis.snapshots).all()
    for labels in (axis.tou_labels(), axis.slice_labels("month")):
        assert labels.index.equals(axis.snapshots)


def test_default_resolution_is_a_monday_to_sunday_week_of_every_month() -> None:
    axis = axis_of("12w3h")
    assert len(axis.snapshots) == 672
    assert axis.repetition == pytest.approx(365 / 84)
    for month in range(1, 13):
        week = axis.snapshots[axis.snapshots.month == month]
        assert len(week) == 56
        assert week[0].day_of_week == 0
        assert week[0].hour == 0
        assert week[-1] - week[0] == pd.Timedelta(hours=165)
        hours = 24 * week[0].days_in_month
        assert axis.weights_h[week].sum() == pytest.approx(hours, rel=1e-12)


def test_full_year_repeats_once() -> None:
    assert axis_of("3h").repetition == 1
    assert (axis_of("3h").weights_h == 3).all()


def test_chosen_week_is_the_closest_one() -> None:
    """A month with one week like the month and others far off: the one is chosen."""
    base = profiles()
    load = base.load_mw.copy()
    hours = pd.DatetimeIndex(load.index)
    starts = candidate_weeks(hours, periods_of_year(hours, 12), 4, 12)
    may = hours.month == 5
    load.loc[may] = 1000.0
    for other in starts[:2] + starts[3:]:
        load.iloc[other : other + 168] = 3000.0
    level = float(load[may].mean().iloc[0])
    load.iloc[starts[2] : starts[2] + 168] = level
    changed = FakeProfiles(load, base.availability * 0 + 0.5, base.inflow_mw)
    axis = build_time_axis("12w3h", changed)
    assert axis.snapshots[axis.snapshots.month == 5][0] == hours[starts[2]]


def test_countries_weigh_by_their_load_in_the_choice_of_a_week() -> None:
    """One week is right for the small country's sun, a later one for the large country's."""
    base = profiles()
    sun = base.availability * 0 + 0.5
    hours = pd.DatetimeIndex(sun.index)
    starts = candidate_weeks(hours, periods_of_year(hours, 12), 4, 12)
    may = hours.month == 5
    for country, right in (("NA", starts[1]), ("ZA", starts[2])):
        values = np.where(may, 0.2, 0.5)
        for other in starts:
            values[other : other + 168] = 0.6
        values[right : right + 168] = values[may].mean()
        sun[country, "solar"] = values
    changed = FakeProfiles(base.load_mw * 0 + base.load_mw.mean(), sun, base.inflow_mw)
    axis = build_time_axis("12w3h", changed)
    assert axis.snapshots[axis.snapshots.month == 5][0] == hours[starts[2]]


def test_same_profiles_same_axis() -> None:
    again = build_time_axis("12w3h", profiles())
    assert again.snapshots.equals(axis_of("12w3h").snapshots)


def test_gaps_and_short_data_are_refused() -> None:
    base = profiles()
    gap = FakeProfiles(base.load_mw.drop(base.load_mw.index[100]), *_rest(base))
    with pytest.raises(ScenarioError, match=r"miss 1 hours, the first is 2030-01-05 04:00"):
        build_time_axis("3h", gap)
    short = FakeProfiles(base.load_mw.iloc[:240], *_rest(base))
    with pytest.raises(ScenarioError, match="full year of 8760 hours"):
        build_time_axis("12w3h", short)
    assert len(build_time_axis("24h", short).snapshots) == 10


def _rest(base: FakeProfiles) -> tuple[pd.DataFrame, pd.DataFrame]:
    return base.availability, base.inflow_mw


# --- aggregation ----------------------------------------------------------------------------


@pytest.mark.parametrize("resolution", WEEK_RESOLUTIONS)
def test_means_of_every_period_are_restored(resolution: str) -> None:
    axis, hourly = axis_of(resolution), profiles()
    blocks = axis.aggregate(hourly)
    assert axis.resolution.weeks is not None
    period_of_hour = periods_of_year(axis.hours, axis.resolution.weeks)
    for name in ("load_mw", "availability", "inflow_mw"):
        wanted = getattr(hourly, name).groupby(period_of_hour).mean().to_numpy()
        got = getattr(blocks, name).groupby(axis.period.to_numpy()).mean().to_numpy()
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)
        energy = getattr(blocks, name).mul(axis.weights_h, axis=0).sum()
        np.testing.assert_allclose(energy, getattr(hourly, name).sum(), rtol=1e-9)
    assert blocks.availability.to_numpy().min() >= 0
    assert blocks.availability.to_numpy().max() <= 1


@pytest.mark.parametrize("step_h", [1, 3, 6, 24])
def test_full_year_equals_pypsa_resample(step_h: int) -> None:
    hourly = profiles()
    n = pypsa.Network()
    n.set_snapshots(hourly.load_mw.index)
    n.add("Bus", "NA")
    n.add("Load", "load", bus="NA", p_set=hourly.load_mw["NA"])
    n.add("Generator", "sun", bus="NA", p_max_pu=hourly.availability[("NA", "solar")])
    n.add("StorageUnit", "dam", bus="NA", inflow=hourly.inflow_mw["NA"])
    m = n.cluster.temporal.resample(f"{step_h}h")
    axis = axis_of(f"{step_h}h")
    blocks = axis.aggregate(hourly)
    assert m.snapshots.equals(axis.snapshots)
    for column in m.snapshot_weightings:
        np.testing.assert_allclose(m.snapshot_weightings[column], axis.weights_h)
    np.testing.assert_allclose(m.loads_t.p_set["load"], blocks.load_mw["NA"])
    np.testing.assert_allclose(m.generators_t.p_max_pu["sun"], blocks.availability["NA", "solar"])
    np.testing.assert_allclose(m.storage_units_t.inflow["dam"], blocks.inflow_mw["NA"])


@settings(max_examples=200)
@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=40).map(np.array),
    st.floats(0, 1),
)
def test_scaling_meets_the_mean_within_the_limit(values: np.ndarray, mean: float) -> None:
    scaled = scale_to_mean(values, mean, upper=1.0)
    assert scaled.mean() == pytest.approx(mean, rel=1e-9, abs=1e-12)
    assert scaled.min() >= 0
    assert scaled.max() <= 1 + 1e-9
    order = np.argsort(values, kind="stable")
    assert (np.diff(scaled[order]) >= -1e-9).all()


# --- labels ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resolution", "slices", "count", "first", "last"),
    [
        ("12w3h", "year", 1, "2030", "2030"),
        ("12w3h", "month", 12, "2030-01", "2030-12"),
        ("12w3h", "week", 12, "2030-W01", "2030-W12"),
        ("3h", "month", 12, "2030-01", "2030-12"),
        ("3h", "week", 52, "2030-W01", "2030-W52"),
        ("52w6h", "week", 52, "2030-W01", "2030-W52"),
        ("52w6h", "month", 12, "2030-01", "2030-12"),
    ],
)
def test_slice_labels(resolution: str, slices: str, count: int, first: str, last: str) -> None:
    labels = axis_of(resolution).slice_labels(slices)  # type: ignore[arg-type]
    assert labels.nunique() == count
    assert (labels.iloc[0], labels.iloc[-1]) == (first, last)
    assert labels.is_monotonic_increasing


def test_last_week_of_a_full_year_has_eight_days() -> None:
    labels = axis_of("3h").slice_labels("week")
    sizes = labels.value_counts()
    assert sizes["2030-W52"] == 64
    assert (sizes.drop("2030-W52") == 56).all()


def test_unknown_slices_are_refused() -> None:
    with pytest.raises(ScenarioError, match="year, month or week"):
        axis_of("24h").slice_labels("day")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("moment", "band"),
    [
        ("2030-01-14 06:00", "peak"),  # a Monday
        ("2030-01-14 09:00", "standard"),
        ("2030-01-14 18:00", "peak"),
        ("2030-01-14 21:00", "off_peak"),
        ("2030-01-14 03:00", "off_peak"),
        ("2030-01-19 06:00", "standard"),  # Saturday
        ("2030-01-20 12:00", "off_peak"),  # Sunday
    ],
)
def test_tou_bands_of_three_hour_blocks(moment: str, band: str) -> None:
    assert axis_of("3h").tou_labels()[moment] == band


def test_tou_bands_of_hours() -> None:
    monday = axis_of("1h").tou_labels()["2030-01-14"]
    assert list(monday) == (
        ["off_peak"] * 6 + ["peak"] * 3 + ["standard"] * 8 + ["peak"] * 3 + ["standard"] * 2
        + ["off_peak"] * 2
    )  # fmt: skip


@pytest.mark.parametrize("resolution", ["24h", "12h", "12w24h"])
def test_long_blocks_are_all_standard(resolution: str) -> None:
    assert set(axis_of(resolution).tou_labels()) == {"standard"}
