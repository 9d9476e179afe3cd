"""Choosing typical weeks and giving them back the means of the period they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HOURS_PER_WEEK = 168
_NEGLIGIBLE = 1e-12  # smaller values count as zero, or the factors of scaling would overflow
_QUANTILES = np.linspace(0.02, 0.98, 25)


class HourlyProfiles(Protocol):
    """What the time axis needs of :class:`scenarios.profiles.Profiles`."""

    @property
    def load_mw(self) -> pd.DataFrame:
        """Load, hours x countries, MW."""

    @property
    def availability(self) -> pd.DataFrame:
        """Availability, hours x (country, carrier), per unit of capacity."""

    @property
    def inflow_mw(self) -> pd.DataFrame:
        """Natural inflow, hours x countries, MW."""


def periods_of_year(hours: pd.DatetimeIndex, weeks: int) -> Ints:
    """Number of the period, from 0, that each hour of the year belongs to.

    Parameters
    ----------
    hours
        All hours of the year.
    weeks
        Number of typical weeks: 12 means calendar months, any other number equal runs of
        ``52 / weeks`` weeks counted from the first hour; the last takes the days that remain.

    Returns
    -------
    numpy.ndarray of int
        One number per hour.
    """
    if weeks == 12:
        return np.asarray(hours.month, dtype=np.int64) - 1
    week = np.minimum(np.arange(len(hours)) // HOURS_PER_WEEK, 51)
    return np.asarray(week // (52 // weeks), dtype=np.int64)


def candidate_weeks(hours: pd.DatetimeIndex, period: Ints, number: int, weeks: int) -> list[int]:
    """Positions of the first hour of every week that may stand for a period.

    With 12 weeks these are the Monday-Sunday weeks that lie fully inside the month; otherwise the
    weeks that make up the period.
    """
    inside = np.flatnonzero(period == number)
    first, last = int(inside[0]), int(inside[-1])
    if weeks == 12:
        midnight = (hours.day_of_week == 0) & (hours.hour == 0)
        starts = inside[np.asarray(midnight)[inside]]
    else:
        starts = np.arange(first, last + 1, HOURS_PER_WEEK)
    return [int(s) for s in starts if s + HOURS_PER_WEEK - 1 <= last]


def choose_weeks(profiles: HourlyProfiles, period: Ints, weeks: int) -> list[int]:
    """Choose the week of each period whose pooled conditions are closest to the period's.

    The distance is the area between the duration curves of week and period (the Wasserstein-1
    distance of their distributions), divided by the feature's annual mean and summed over the
    features: pooled load with weight 1, and one pooled availability per weather-driven carrier,
    countries weighted by their load, with the weights of all carriers together summing to 1.
    The earliest week wins a tie, so the choice is deterministic.

    Parameters
    ----------
    profiles
        Hourly series of all countries.
    period
        Period of each hour.
    weeks
        Number of periods.

    Returns
    -------
    list of int
        Position of the first hour of each chosen week.
    """
    features = _features(profiles)
    hours = pd.DatetimeIndex(profiles.load_mw.index)
    chosen = []
    for number in range(weeks):
        inside = features[period == number]
        candidates = candidate_weeks(hours, period, number, weeks)
        distances = [
            _distance(features[start : start + HOURS_PER_WEEK], inside) for start in candidates
        ]
        chosen.append(candidates[int(np.argmin(np.round(distances, 12)))])
    return chosen


def _features(profiles: HourlyProfiles) -> Floats:
    """Pooled load and availabilities, hours x features, each divided by its mean and weighted."""
    load = profiles.load_mw
    pooled = [load.sum(axis=1).to_numpy(dtype=float)]
    weight_of = load.mean()
    by_carrier: dict[str, list[tuple[float, Floats]]] = {}
    for column in profiles.availability.columns:
        country, carrier = tuple(column)
        series = profiles.availability[column].to_numpy(dtype=float)
        by_carrier.setdefault(carrier, []).append((float(weight_of.get(country, 0.0)), series))
    for _, members in sorted(by_carrier.items()):
        pooled.append(np.sum([w * s for w, s in members], axis=0))
    importance = [1.0] + [1.0 / max(len(by_carrier), 1)] * len(by_carrier)
    columns = []
    for weight, series in zip(importance, pooled, strict=True):
        mean = series.mean()
        columns.append(weight * series / mean if mean > 0 else 0.0 * series)
    return np.column_stack(columns)


def _distance(week: Floats, period: Floats) -> float:
    """Area between the duration curves of two samples, summed over features."""
    gap = np.quantile(week, _QUANTILES, axis=0) - np.quantile(period, _QUANTILES, axis=0)
    return float(np.abs(gap).mean(axis=0).sum())


def restore_means(
    blocks: pd.DataFrame, target: Mapping[int, Floats], period: Ints, upper: float | None = None
) -> pd.DataFrame:
    """Scale every series so that its mean over a typical week is the mean of the period.

    Parameters
    ----------
    blocks
        Snapshots x series.
    target
        Period -> mean of each series over all hours of the period.
    period
        Period of each snapshot.
    upper
        Largest value allowed (1 for availabilities); what is cut off is spread over the rest.

    Returns
    -------
    pandas.DataFrame
        Same shape as ``blocks``.
    """
    values = blocks.to_numpy(dtype=float, copy=True)
    for number, means in target.items():
        rows = np.flatnonzero(period == number)
        for column, mean in enumerate(means):
            values[rows, column] = scale_to_mean(values[rows, column], float(mean), upper)
    return pd.DataFrame(values, index=blocks.index, columns=blocks.columns)


def scale_to_mean(values: Floats, mean: float, upper: float | None = None) -> Floats:
    """Multiply a series so that it has a given mean, without exceeding ``upper``.

    A series of zeros becomes constant if its mean must be above zero. Where clipping at ``upper``
    takes energy away, the factor of the others is raised until the mean is met; only when all
    non-zero values stand at ``upper`` are the zeros raised, all alike.

    Parameters
    ----------
    values
        Non-negative series.
    mean
        Wanted mean, between 0 and ``upper``.
    upper
        Upper limit of each value; None is no limit.

    Examples
    --------
    >>> scale_to_mean(np.array([1.0, 3.0]), 4.0)
    array([2., 6.])
    >>> scale_to_mean(np.array([0.2, 0.9]), 0.7, upper=1.0)
    array([0.4, 1. ])
    """
    if mean <= 0:
        return np.zeros_like(values)
    values = np.where(values > _NEGLIGIBLE, values, 0.0)
    if values.sum() <= 0:
        return np.full_like(values, mean)
    if upper is None:
        return values * (mean / values.mean())
    total = min(mean, upper) * len(values)
    capped = np.zeros(len(values), dtype=bool)
    while True:
        rest = ~capped & (values > 0)
        left = total - upper * capped.sum()
        if not rest.any():
            return _fill_zeros(capped, upper, left)
        factor = left / values[rest].sum()
        over = rest & (values * factor > upper)
        if not over.any():
            return np.where(capped, upper, np.minimum(values * factor, upper))
        capped |= over


def _fill_zeros(capped: NDArray[np.bool_], upper: float, left: float) -> Floats:
    """Spread what is left over the values that were zero, all others standing at the limit."""
    free = int((~capped).sum())
    return np.where(capped, upper, left / free if free else 0.0)
