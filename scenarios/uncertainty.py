"""What is uncertain in a scenario, and draws of it: ``uncertainty.csv`` and ``hydro_years.csv``.

A draw has a number. Draw 0 is the scenario as it is; every other draw has weather of its own, the
hydro year of some year of the past, the same one in all countries, and values of what
``uncertainty.csv`` lists, from a triangular distribution between their lowest and highest with its
mode at the likely value. Rows of one group move together: they share one random number. A draw
depends on its number and the scenario's seed alone, not on how many other draws there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import model_validator

from scenarios.errors import ScenarioError
from scenarios.schema import Code, NonNegative, Scenario, Sourced
from scenarios.tables import read_raw_table, validate_table

RANGES, HYDRO_YEARS = "uncertainty.csv", "hydro_years.csv"
# More digits say nothing, and fewer make changes that a person can type again.
_DIGITS = 6


class Range(Sourced):
    """A value that is not known and its bounds (``uncertainty.csv``); key as in ``--set``."""

    group: str
    key: str
    low: NonNegative
    likely: NonNegative
    high: NonNegative

    @model_validator(mode="after")
    def _in_order(self) -> Range:
        if not self.low <= self.likely <= self.high:
            raise ValueError("low, likely and high must be in this order")
        return self

    def quantile(self, share: float) -> float:
        """Value of the triangular distribution below which a share of it lies."""
        width = self.high - self.low
        if width == 0:
            return self.likely
        left = self.likely - self.low
        if share * width <= left:
            return self.low + float(np.sqrt(share * width * left))
        return self.high - float(np.sqrt((1 - share) * width * (self.high - self.likely)))


class HydroYear(Sourced):
    """Hydro energy of a country in a year of the past over that of a mean year."""

    country: Code
    year: int
    factor: NonNegative


@dataclass(frozen=True)
class Uncertainty:
    """What draws of a scenario vary beside the weather.

    Attributes
    ----------
    ranges : tuple of Range
    hydro_years : dict of int to dict of str to float
        Factor of each country by year.
    """

    ranges: tuple[Range, ...] = ()
    hydro_years: Mapping[int, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Uncertainty:
        """Read what a scenario's folder says; nothing is uncertain where it says nothing.

        Raises
        ------
        ScenarioError
            For a mistake in one of the tables, with file, row and column.
        """
        ranges: tuple[Range, ...] = ()
        years: dict[int, dict[str, float]] = {}
        if (folder / RANGES).is_file():
            raw = read_raw_table(folder / RANGES, Range)
            ranges = validate_table(raw, Range, lambda row: (row.key,)).rows
        if (folder / HYDRO_YEARS).is_file():
            raw = read_raw_table(folder / HYDRO_YEARS, HydroYear)
            for row in validate_table(raw, HydroYear, lambda row: (row.country, row.year)).rows:
                years.setdefault(row.year, {})[row.country] = row.factor
        return cls(ranges, years)

    def draw(self, scenario: Scenario, number: int) -> dict[str, object]:
        """Changes of a draw, as ``--set`` takes them.

        Parameters
        ----------
        scenario : Scenario
            With all its countries; its seed is the root of all draws.
        number : int
            0 changes nothing.
        """
        if number == 0:
            return {}
        root = np.random.SeedSequence([scenario.settings.seed, number])
        weather, years, values = root.spawn(3)
        changes: dict[str, object] = {"seed": int(weather.generate_state(1)[0])}
        if self.hydro_years:
            known = sorted(self.hydro_years)
            year = known[int(np.random.default_rng(years).integers(len(known)))]
            changes |= self.hydro_year(scenario, year)
        groups = list(dict.fromkeys(row.group for row in self.ranges))
        shares = dict(zip(groups, np.random.default_rng(values).random(len(groups)), strict=True))
        for row in self.ranges:
            changes[row.key] = round(row.quantile(float(shares[row.group])), _DIGITS)
        return changes

    def hydro_year(self, scenario: Scenario, year: int) -> dict[str, object]:
        """Changes that give all countries the hydro energy of a year of the past.

        Raises
        ------
        ScenarioError
            If the year is not known.
        """
        if year not in self.hydro_years:
            known = ", ".join(str(y) for y in sorted(self.hydro_years))
            raise ScenarioError(f"no hydro year {year}; known: {known or 'none'}")
        factors = self.hydro_years[year]
        return {
            f"hydro.{plant.country}.{plant.kind}.annual_twh": round(
                plant.annual_twh * factors[plant.country], _DIGITS
            )
            for plant in scenario.hydro
            if plant.annual_twh > 0 and plant.country in factors
        }
