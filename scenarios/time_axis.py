"""The time axis: which snapshots stand for the 8760 hours, what each weighs, what it is called.

Data are hourly. A resolution such as ``3h`` keeps the full year in blocks; ``12w3h`` (the default)
keeps one Monday-Sunday week of every month, chained in order, in blocks of three hours. Typical
weeks get the means of their month back, so that annual energy, capacity factors and inflow are
those of the hourly data; every snapshot weighs the hours it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from scenarios.errors import ScenarioError
from scenarios.resolution import Resolution
from scenarios.typical_weeks import (
    HOURS_PER_WEEK,
    HourlyProfiles,
    choose_weeks,
    periods_of_year,
    restore_means,
)

__all__ = ["Resolution", "TimeAxis", "aggregate", "build_time_axis"]

Slices = Literal["year", "month", "week"]
PEAK_HOURS = ((6, 9), (17, 20))  # Monday to Friday
NIGHT_HOURS = (22, 6)
_LONGEST_TOU_BLOCK_H = 8  # a longer block mixes peak and night, so it has no band of its own


@dataclass(frozen=True)
class TimeAxis:
    """Snapshots of a resolution and how they represent the hours of the year.

    Attributes
    ----------
    resolution
        What was asked for.
    hours
        All hours of the data, usually 8760.
    chosen_hours
        Hours whose data enter the snapshots; all of them for a full year.
    snapshots
        Beginning of each block, increasing; real timestamps of the chosen weeks.
    weights_h
        Hours that each snapshot represents; their sum is the number of hours.
    period
        Number of the typical week of each snapshot, from 0; all 0 for a full year.
    repetition
        How often the chosen weeks fit into the year: 365/84 for twelve weeks, 1 for a full year.
        Storage that works within days needs its energy capacity multiplied by it, because a
        weighted snapshot charges as many times.
    """

    resolution: Resolution
    hours: pd.DatetimeIndex
    chosen_hours: pd.DatetimeIndex
    snapshots: pd.DatetimeIndex
    weights_h: pd.Series
    period: pd.Series
    repetition: float

    def aggregate(self, profiles: Any) -> Any:
        """Aggregate hourly profiles to the snapshots; see :func:`aggregate`."""
        return aggregate(profiles, self)

    def slice_labels(self, slices: Slices) -> pd.Series:
        """Name the slice of each snapshot.

        Parameters
        ----------
        slices
            ``"year"`` -> ``2030``; ``"month"`` -> ``2030-01``; ``"week"`` -> ``2030-W01``. Weeks
            of a full year are counted from its first hour, the last one takes the days that
            remain. A typical week is one slice under ``"week"``, and under ``"month"`` belongs
            as a whole to the month of its Thursday or fourth day.

        Returns
        -------
        pandas.Series of str
            Snapshot -> label.
        """
        year = f"{self.hours[0].year}"
        if slices == "year":
            labels = [year] * len(self.snapshots)
        elif slices == "month":
            labels = [f"{year}-{month:02d}" for month in self._months()]
        elif slices == "week":
            labels = [f"{year}-W{week + 1:02d}" for week in self._weeks()]
        else:
            raise ScenarioError(f"unknown slices '{slices}'; choose year, month or week")
        return pd.Series(labels, index=self.snapshots, name="slice")

    def _months(self) -> list[int]:
        """Month of each snapshot; typical weeks are not torn apart."""
        if self.resolution.is_full_year:
            return list(self.snapshots.month)
        middle = {
            number: (group.index[0] + pd.Timedelta(days=3)).month
            for number, group in self.period.groupby(self.period)
        }
        return [middle[number] for number in self.period]

    def _weeks(self) -> list[int]:
        """Week of each snapshot, from 0."""
        if not self.resolution.is_full_year:
            return list(self.period)
        days = (self.snapshots - self.hours[0]).days
        whole_weeks = max(len(self.hours) // HOURS_PER_WEEK, 1)
        return [min(day // 7, whole_weeks - 1) for day in days]

    def tou_labels(self) -> pd.Series:
        """Name the time-of-use band of each snapshot: ``peak``, ``standard`` or ``off_peak``.

        A block belongs to the band of its midpoint, in the clock time of the data. Peak is 06-09
        and 17-20 h from Monday to Friday; off-peak 22-06 h and the whole Sunday; all else is
        standard. Blocks of twelve hours and more are all standard. The bands imitate Southern
        African tariffs with a morning and an evening peak; the hours are a judgement, set so that
        blocks of three hours separate them.

        Returns
        -------
        pandas.Series of str
            Snapshot -> band.
        """
        step_h = self.resolution.hours
        if step_h > _LONGEST_TOU_BLOCK_H:
            return pd.Series("standard", index=self.snapshots, name="tou")
        hour = np.asarray(self.snapshots.hour + step_h / 2)
        weekday = np.asarray(self.snapshots.day_of_week)
        peak = np.any([(hour >= start) & (hour < end) for start, end in PEAK_HOURS], axis=0)
        night = (hour >= NIGHT_HOURS[0]) | (hour < NIGHT_HOURS[1])
        labels = np.where(
            night | (weekday == 6), "off_peak", np.where(peak & (weekday < 5), "peak", "standard")
        )
        return pd.Series(labels, index=self.snapshots, name="tou")


def build_time_axis(resolution: str | Resolution, profiles: HourlyProfiles) -> TimeAxis:
    """Compute the time axis of a resolution from the hourly profiles of all countries.

    Parameters
    ----------
    resolution
        Text such as ``"3h"`` or ``"12w3h"``, or a parsed :class:`Resolution`.
    profiles
        Hourly series; typical weeks are chosen from them, so every country must be in them.

    Returns
    -------
    TimeAxis
        Deterministic: same profiles, same axis.
    """
    parsed = resolution if isinstance(resolution, Resolution) else Resolution.parse(resolution)
    hours = _checked_hours(profiles.load_mw.index)
    return _full_year(parsed, hours) if parsed.is_full_year else _weeks(parsed, hours, profiles)


def _checked_hours(index: pd.Index) -> pd.DatetimeIndex:
    """Refuse data that are not hourly, have gaps or do not begin at midnight."""
    hours = pd.DatetimeIndex(index)
    expected = pd.date_range(hours[0], hours[-1], freq="h")
    if len(expected) != len(hours) or not (hours == expected).all():
        missing = expected.difference(hours)
        first = f", the first is {missing[0]}" if len(missing) else ""
        raise ScenarioError(f"the hourly profiles miss {len(missing)} hours{first}; add them")
    if hours[0].hour != 0 or len(hours) % 24:
        raise ScenarioError("the hourly profiles must begin at midnight and hold whole days")
    return hours


def _full_year(resolution: Resolution, hours: pd.DatetimeIndex) -> TimeAxis:
    """Blocks of the full year, as ``n.cluster.temporal.resample`` makes them."""
    snapshots = pd.DatetimeIndex(hours[:: resolution.hours], name="snapshot")
    return TimeAxis(
        resolution=resolution,
        hours=hours,
        chosen_hours=hours,
        snapshots=snapshots,
        weights_h=pd.Series(float(resolution.hours), index=snapshots, name="weight_h"),
        period=pd.Series(0, index=snapshots, name="period"),
        repetition=1.0,
    )


def _weeks(resolution: Resolution, hours: pd.DatetimeIndex, profiles: HourlyProfiles) -> TimeAxis:
    """Chained typical weeks."""
    weeks = resolution.weeks or 0
    if len(hours) < 8760:
        raise ScenarioError(
            f"typical weeks need a full year of 8760 hours, the profiles hold {len(hours)}; "
            "use a resolution such as 3h"
        )
    period_of_hour = periods_of_year(hours, weeks)
    starts = choose_weeks(profiles, period_of_hour, weeks)
    positions = np.concatenate([np.arange(s, s + HOURS_PER_WEEK) for s in starts])
    chosen = hours[positions]
    snapshots = pd.DatetimeIndex(chosen[:: resolution.hours], name="snapshot")
    period = period_of_hour[positions][:: resolution.hours]
    per_week = HOURS_PER_WEEK // resolution.hours
    weights = np.bincount(period_of_hour, minlength=weeks)[period] / per_week
    return TimeAxis(
        resolution=resolution,
        hours=hours,
        chosen_hours=chosen,
        snapshots=snapshots,
        weights_h=pd.Series(weights, index=snapshots, name="weight_h"),
        period=pd.Series(period, index=snapshots, name="period"),
        repetition=len(hours) / (HOURS_PER_WEEK * weeks),
    )


def aggregate(profiles: Any, axis: TimeAxis) -> Any:
    """Aggregate hourly profiles to the snapshots of an axis.

    A block is the mean of its hours. In typical weeks every series is then scaled so that its
    mean over the week equals its mean over the period that the week stands for; availabilities
    stay at or below one, the excess is spread over the other snapshots.

    Parameters
    ----------
    profiles
        A dataclass with hourly frames ``load_mw``, ``availability`` and ``inflow_mw``.
    axis
        Built from the same hours.

    Returns
    -------
    Profiles
        Same class, one row per snapshot.
    """
    if len(profiles.load_mw.index) != len(axis.hours):
        raise ScenarioError("the profiles and the time axis do not cover the same hours")
    return replace(
        profiles,
        load_mw=_aggregate_frame(profiles.load_mw, axis, None),
        availability=_aggregate_frame(profiles.availability, axis, 1.0),
        inflow_mw=_aggregate_frame(profiles.inflow_mw, axis, None),
    )


def _aggregate_frame(frame: pd.DataFrame, axis: TimeAxis, upper: float | None) -> pd.DataFrame:
    """Block means of one frame, with the means of the periods restored."""
    values = frame.to_numpy(dtype=float)
    positions = axis.hours.get_indexer(axis.chosen_hours)
    shape = (len(axis.snapshots), axis.resolution.hours, frame.shape[1])
    means = values[positions].reshape(shape).mean(axis=1)
    blocks = pd.DataFrame(means, index=axis.snapshots, columns=frame.columns)
    if axis.resolution.weeks is None:
        return blocks
    period_of_hour = periods_of_year(axis.hours, axis.resolution.weeks)
    target = {
        number: values[period_of_hour == number].mean(axis=0)
        for number in range(axis.resolution.weeks)
    }
    return restore_means(blocks, target, axis.period.to_numpy(), upper)
