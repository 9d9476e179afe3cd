"""Hourly weather, inflow and load of a scenario, synthesised from its statistics.

No hourly measurements enter: the series are drawn so that their means, seasons, daily cycles,
distributions, autocorrelations and correlations between neighbours are those of the tables and
of the constants below. A country's series do not depend on which other countries take part.

All times are UTC+2 (South African Standard Time) for every country, stamped at the hour's start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import pandas as pd
import pvlib
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.signal import lfilter
from scipy.stats import beta, norm

from scenarios.schema import Demand, Hydro, LoadShape, Resource, Scenario

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

HOURS = 8760
UTC_OFFSET_H = 2
# Last day of seasons a and b, first hours of day and evening: the calendar of the seasonal data.
SEASON_ENDS = (121, 248)
PART_STARTS_H = (7, 19)

# Metered South African fleet (facts README): hourly wind output and daily clearness of the sky.
WIND_MEAN, WIND_SD = 0.352, 0.178
# Roots of the AR(2) process behind wind. One hour's autocorrelation comes out as metered (0.971);
# hours (0.37 after 24) want more memory than daily means (0.41 from day to day) allow, so both are
# missed by some 0.05 to 0.08 in opposite directions.
WIND_AR_ROOTS = (0.948, 0.314)
WIND_LENGTH_KM = 500.0
CLEARNESS_LAG_1_DAY = 0.55
CLEARNESS_LENGTH_KM = 600.0
# Clearness at standard-normal quantiles: 5, 50 and 95 % as metered, the others chosen so that
# mean 0.829 and standard deviation 0.133 come out too.
CLEARNESS_Z = (-3.5, -1.645, -0.674, 0.0, 0.674, 1.645, 3.5)
CLEARNESS_K = (0.25, 0.535, 0.779, 0.867, 0.924, 0.972, 1.0)
LOAD_NOISE_SD, LOAD_NOISE_LAG_1H = 0.015, 0.97
CSP_STORAGE_H = 8
BURN_IN = 500
WAVES = 128
KM_PER_DEGREE = 111.2


@dataclass(frozen=True)
class Profiles:
    """Hourly series of all countries; every frame has the same index of 8760 hours.

    Attributes
    ----------
    load_mw : DataFrame, shape (8760, countries)
        Demand to be met, MW.
    availability : DataFrame, shape (8760, pairs)
        Share of the capacity that can run, 0 to 1; columns are pairs ``(country, carrier)`` for
        ``solar``, ``onwind``, ``CSP`` and ``ror``.
    inflow_mw : DataFrame, shape (8760, countries)
        Natural inflow of the reservoirs as electricity, MW; zero without a reservoir.
    """

    load_mw: pd.DataFrame
    availability: pd.DataFrame
    inflow_mw: pd.DataFrame


def synthesise(scenario: Scenario) -> Profiles:
    """Draw the hourly series of a scenario.

    Parameters
    ----------
    scenario : Scenario
        ``settings.seed`` fixes every draw; ``demand_factor`` scales load, ``inflow_factor``
        reservoir inflow and run-of-river.

    Returns
    -------
    Profiles
        Equal byte for byte for equal input, whatever the other countries are.
    """
    settings = scenario.settings
    calendar = Calendar.of_year(settings.year)
    codes = list(scenario.codes)
    shape = reference_load_pu(scenario.load_shape, calendar)
    load = {
        d.country: country_load_mw(d, shape, calendar, settings.seed) * settings.demand_factor
        for d in scenario.demand
    }
    wind = LatentField(settings.seed, "wind", HOURS + BURN_IN, WIND_LENGTH_KM)
    sky = LatentField(settings.seed, "clearness", HOURS // 24 + BURN_IN, CLEARNESS_LENGTH_KM)
    available: dict[tuple[str, str], Array] = {}
    for resource in scenario.resources:
        if resource.carrier == "onwind":
            series = wind_availability(resource, calendar, wind)
        else:
            series = sun_availability(resource, calendar, sky)
        available[resource.country, resource.carrier] = series
    inflow = {code: np.zeros(HOURS) for code in codes}
    for hydro in scenario.hydro:
        if hydro.kind == "PHS" or hydro.p_nom_mw == 0:
            continue
        power_mw = hydro_power_mw(hydro, calendar) * settings.inflow_factor
        if hydro.kind == "reservoir":
            inflow[hydro.country] = power_mw
        else:
            available[hydro.country, "ror"] = np.minimum(power_mw / hydro.p_nom_mw, 1.0)
    columns = pd.MultiIndex.from_tuples(list(available), names=["country", "carrier"])
    values = np.column_stack(list(available.values())) if available else np.empty((HOURS, 0))
    return Profiles(
        load_mw=pd.DataFrame(load, index=calendar.index)[[c for c in codes if c in load]],
        availability=pd.DataFrame(values, index=calendar.index, columns=columns),
        inflow_mw=pd.DataFrame(inflow, index=calendar.index),
    )


@dataclass(frozen=True)
class Calendar:
    """The first 8760 hours of a year with their seasons and parts of the day.

    Attributes
    ----------
    index : DatetimeIndex, shape (8760,)
        Naive, UTC+2.
    seasons, parts : tuple of three boolean arrays, shape (8760,)
        Seasons a, b, c; night, day, evening.
    """

    index: pd.DatetimeIndex
    seasons: tuple[Mask, ...]
    parts: tuple[Mask, ...]

    @classmethod
    def of_year(cls, year: int) -> Calendar:
        """Calendar of a year; real weekdays."""
        index = pd.date_range(f"{year}-01-01", periods=HOURS, freq="h")
        day = np.arange(HOURS) // 24 + 1
        hour = np.arange(HOURS) % 24
        return cls(index, _thirds(day, SEASON_ENDS, right=True), _thirds(hour, PART_STARTS_H))


def _thirds(
    values: NDArray[np.int_], edges: tuple[int, int], right: bool = False
) -> tuple[Mask, ...]:
    number = np.digitize(values, edges, right=right)
    return tuple(number == i for i in range(3))


class LatentField:
    """Gaussian noise that is white in time and correlated in space.

    A sum of ``WAVES`` plane waves with random amplitudes at each time; the wave vectors are drawn
    so that the correlation of two sites falls with their distance as exp(-distance / length).
    Any site can be asked for, alone or with others, and gets the same series.

    Parameters
    ----------
    seed : int
        Seed of the scenario.
    name : str
        Name of the field; fields of different names are independent.
    steps : int
        Number of time steps.
    length_km : float
        Correlation length.
    """

    def __init__(self, seed: int, name: str, steps: int, length_km: float) -> None:
        rng = random_stream(seed, name)
        # Exponential correlation in the plane has a bivariate Cauchy spectrum.
        radius = np.sqrt(rng.chisquare(1, WAVES)) * length_km
        self._waves_per_km = rng.standard_normal((2, WAVES)) / radius
        self._amplitudes = rng.standard_normal((steps, 2 * WAVES)) / np.sqrt(WAVES)

    def at(self, latitude: float, longitude: float) -> Array:
        """Series at a site, shape (steps,), standard normal at each time."""
        # One map scale for the whole pool (15 degrees south), so that no site depends on others.
        scale = np.array([np.cos(np.deg2rad(15.0)) * longitude, latitude]) * KM_PER_DEGREE
        phase = np.einsum("dk,d->k", self._waves_per_km, scale)
        # einsum, not @: a BLAS product may round differently with the number of threads.
        return np.einsum("tk,k->t", self._amplitudes, np.r_[np.cos(phase), np.sin(phase)])


def random_stream(seed: int, *names: str) -> np.random.Generator:
    """Independent generator for a name, the same whatever else is drawn."""
    return np.random.default_rng(
        np.random.SeedSequence([seed, *(crc32(n.encode()) for n in names)])
    )


def autoregressive(noise: Array, roots: Sequence[float]) -> Array:
    """Stationary standard-normal series with the given AR roots, without the burn-in.

    Parameters
    ----------
    noise : array, shape (steps + BURN_IN,)
        White standard-normal noise.
    roots : sequence of one or two floats
        Roots of the autoregressive polynomial, each in (0, 1).
    """
    response = lfilter([1.0], np.poly(roots), np.r_[1.0, np.zeros(5000)])
    series = lfilter([1.0], np.poly(roots), noise)[BURN_IN:]
    return series / np.sqrt(np.sum(response**2))


def wind_availability(resource: Resource, calendar: Calendar, field: LatentField) -> Array:
    """Hourly wind output, shape (8760,), 0 to 1.

    A Gaussian AR(2) series is mapped to a beta distribution with the mean of the resource and
    the concentration of the metered fleet. Season and part-of-day means are met exactly by
    shifts of the Gaussian series, so that the output needs no clipping.
    """
    noise = autoregressive(field.at(resource.site_latitude, resource.site_longitude), WIND_AR_ROOTS)
    mean = resource.cf_mean
    concentration = WIND_MEAN * (1 - WIND_MEAN) / WIND_SD**2 - 1
    z_grid = np.linspace(-6, 6, 1201)
    output = beta.ppf(norm.cdf(z_grid), mean * concentration, (1 - mean) * concentration)
    slope = np.sqrt(mean * (1 - mean) / (concentration + 1))
    targets = _mean_targets(resource, calendar)
    shifts = np.zeros(len(targets))
    smooth = [_smooth(mask, width_h) for mask, _, width_h in targets]
    series = np.empty(HOURS)
    for _ in range(60):
        cycle = sum((s * m for s, m in zip(shifts, smooth, strict=True)), np.zeros(HOURS))
        # Seasons and days explain part of the variance; the noise keeps the rest.
        rest = np.sqrt(max(1 - float(np.var(cycle)), 0.1))
        series = np.interp(noise * rest + cycle, z_grid, output)
        for i, (mask, target, _) in enumerate(targets):
            shifts[i] += 0.7 * (target - series[mask].mean()) / slope
    return series


def _mean_targets(resource: Resource, calendar: Calendar) -> list[tuple[Mask, float, int]]:
    """Hours, mean wanted in them and width of their soft edge in hours."""
    seasons = (resource.cf_season_a, resource.cf_season_b, resource.cf_season_c)
    parts = (resource.part_night, resource.part_day, resource.part_evening)
    wanted = []
    for masks, values, width_h in ((calendar.seasons, seasons, 480), (calendar.parts, parts, 6)):
        # Rounded table values need not average to the annual mean exactly.
        mean = sum(v * m.mean() for v, m in zip(values, masks, strict=True))
        scale = resource.cf_mean / mean
        wanted += [(m, v * scale, width_h) for m, v in zip(masks, values, strict=True)]
    return wanted


def _smooth(mask: Mask, width_h: int) -> Array:
    """Membership with soft edges: running mean over a window, closed around the year."""
    half = width_h // 2
    padded = np.r_[mask[-half:], mask, mask[:half]].astype(float)
    total = np.r_[0.0, np.cumsum(padded)]
    return (total[2 * half + 1 :] - total[: -2 * half - 1]) / (2 * half + 1)


def _scale_to_means(
    series: Array, targets: Sequence[tuple[Mask, float, int]], ceiling: float = np.inf
) -> Array:
    """Multiply a series by smooth factors until its means over the masks are as wanted."""
    smooth = [_smooth(mask, width_h) for mask, _, width_h in targets]
    scaled = series
    for _ in range(60):
        factor = np.ones(HOURS)
        for (mask, target, _), member in zip(targets, smooth, strict=True):
            factor *= 1 + member * (target / scaled[mask].mean() - 1)
        scaled = np.minimum(scaled * factor, ceiling)
    return scaled


def daily_clearness(latitude: float, longitude: float, field: LatentField) -> Array:
    """Share of the clear-sky energy that reaches the ground, per day, shape (365,)."""
    z = autoregressive(field.at(latitude, longitude), (CLEARNESS_LAG_1_DAY,))
    return PchipInterpolator(CLEARNESS_Z, CLEARNESS_K)(np.clip(z, CLEARNESS_Z[0], CLEARNESS_Z[-1]))


def clear_sky(latitude: float, longitude: float, index: pd.DatetimeIndex) -> tuple[Array, Array]:
    """Clear-sky irradiance on the ground and towards the sun, kW/m2, each of shape (8760,).

    The sun's path is pvlib's, at the middle of each hour.
    """
    middle = index + pd.Timedelta(minutes=30) - pd.Timedelta(hours=UTC_OFFSET_H)
    sun = pvlib.solarposition.get_solarposition(
        middle.tz_localize("UTC"), latitude, longitude, method="ephemeris"
    )
    elevation = sun["apparent_elevation"].to_numpy()
    sky = pvlib.clearsky.simplified_solis(np.maximum(elevation, 0.01))
    up = elevation > 0
    return np.where(up, sky["ghi"], 0.0) / 1e3, np.where(up, sky["dni"], 0.0) / 1e3


def sun_availability(resource: Resource, calendar: Calendar, field: LatentField) -> Array:
    """Hourly output of photovoltaics or of solar thermal power, shape (8760,), 0 to 1.

    Photovoltaics lie flat: with the metered clearness a horizontal plane gives South Africa's
    tabled seasons to 6 % before any scaling, a tilted one misses winter by a third. Cloudier
    countries are scaled down to their table. Solar thermal power follows the
    direct beam and spreads it over the hours of its storage.
    """
    site = resource.site_latitude, resource.site_longitude
    clearness = np.repeat(daily_clearness(*site, field), 24)
    horizontal, direct = clear_sky(*site, calendar.index)
    if resource.carrier == "solar":
        series = horizontal * clearness
    else:
        # Clouds take the direct beam more than the total: square the clearness.
        heat = direct * clearness**2
        window = np.ones(CSP_STORAGE_H) / CSP_STORAGE_H
        series = np.convolve(np.r_[heat[-CSP_STORAGE_H:], heat], window)[CSP_STORAGE_H:][:HOURS]
    seasons = [t for t in _mean_targets(resource, calendar) if t[2] > 24]
    return _scale_to_means(series, seasons, ceiling=1.0)


def reference_load_pu(shape: Sequence[LoadShape], calendar: Calendar) -> Array:
    """Reference load in every hour, shape (8760,), mean 1.

    Typical days are interpolated between the middles of the months, so that no step shows at the
    month's end.
    """
    table = np.ones((12, 3, 24))
    kinds = ("weekday", "saturday", "sunday")
    for row in shape:
        table[row.month - 1, kinds.index(row.day_type), row.hour] = row.load_pu
    weekday = calendar.index.day_of_week.to_numpy()
    kind = np.where(weekday == 5, 1, np.where(weekday == 6, 2, 0))
    hour = np.arange(HOURS) % 24
    before, after, weight = _month_neighbours(calendar.index)
    load = (1 - weight) * table[before, kind, hour] + weight * table[after, kind, hour]
    return load / load.mean()


def _month_neighbours(
    index: pd.DatetimeIndex,
) -> tuple[NDArray[np.int_], NDArray[np.int_], Array]:
    """Months whose middles lie before and after each hour, and the weight of the later one."""
    position = index.month.to_numpy() - 1.5 + (index.day.to_numpy() - 0.5) / index.days_in_month
    before = np.floor(position).astype(int)
    return before % 12, (before + 1) % 12, np.asarray(position - before, dtype=float)


def country_load_mw(demand: Demand, shape_pu: Array, calendar: Calendar, seed: int) -> Array:
    """Hourly load of a country, MW, shape (8760,), whose sum is the annual demand exactly."""
    noise = autoregressive(
        random_stream(seed, "load", demand.country).standard_normal(HOURS + BURN_IN),
        (LOAD_NOISE_LAG_1H,),
    )
    load = shape_pu * (1 + LOAD_NOISE_SD * noise)
    seasons = (demand.season_a, demand.season_b, demand.season_c)
    parts = (demand.part_night, demand.part_day, demand.part_evening)
    targets = [
        (mask, value, width_h)
        for masks, values, width_h in ((calendar.seasons, seasons, 240), (calendar.parts, parts, 3))
        for mask, value in zip(masks, values, strict=True)
        if value is not None
    ]
    load = _scale_to_means(load, targets)
    return load * (demand.demand_twh * 1e6 / load.sum())


def hydro_power_mw(hydro: Hydro, calendar: Calendar) -> Array:
    """Natural inflow or run-of-river power of a mean year, MW, shape (8760,).

    Runs smoothly through the months, whose energies are those of the table.
    """
    month = calendar.index.month.to_numpy() - 1
    hours = np.bincount(month, minlength=12)
    wanted_mw = np.array(hydro.monthly_shares) * hydro.annual_twh * 1e6 / hours
    before, after, weight = _month_neighbours(calendar.index)
    return _conserve_months(
        wanted_mw, lambda knots: (1 - weight) * knots[before] + weight * knots[after], month
    )


def _conserve_months(
    wanted: Array, interpolate: Callable[[Array], Array], month: NDArray[np.int_]
) -> Array:
    """Move the knots of an interpolation until its monthly means are the wanted ones."""
    knots = wanted.copy()
    hours = np.bincount(month, minlength=12)
    for _ in range(100):
        means = np.bincount(month, interpolate(knots), minlength=12) / hours
        # Multiplying keeps the knots from going negative in steep months.
        knots = knots * np.divide(wanted, means, out=np.ones(12), where=means > 0)
    series = interpolate(knots)
    means = np.bincount(month, series, minlength=12) / hours
    return series * np.divide(wanted, means, out=np.zeros(12), where=means > 0)[month]
