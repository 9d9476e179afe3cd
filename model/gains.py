"""Who gains: the division of a run's gain beside the divisions of cooperative game theory.

The run's own gains are compared with the Shapley value, the nucleolus and the equal split of what
coalitions are worth to the planner. Where coalitions are valued at a coarser resolution than the
run's, their values are multiplied by one factor, the planner's gain at the run's resolution over
that at the coarser one, so that all together are worth the same on both sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from model.coalitions import (
    MOST_PLAYERS,
    Coalitions,
    LineGains,
    affordable,
    coalition_scenario,
    coalitions_of_countries,
    coalitions_of_lines,
)
from model.division import (
    distance,
    excesses,
    gini,
    in_core,
    membership,
    shapley,
    strongest_complaint,
)
from model.nucleolus import least_core_excess, nucleolus
from model.records import RunRecords
from model.reporting import Reporter
from model.sampled_shapley import Estimate, sampled_shapley
from scenarios.errors import ScenarioError
from scenarios.schema import Scenario

RUN, RUN_IN_FULL = "this run", "this run at full gain"
PAIRS = 20
# Relative to the gain of all: what counts as loss, and as better alone.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Basis:
    """What the values of coalitions rest on.

    Attributes
    ----------
    run_resolution, resolution : str
        At which the run was planned, and at which coalitions were valued.
    full_eur, valued_eur : float
        Planner's gain at the run's resolution, and at that of the values, EUR/a. Equal if the
        resolution is the same.
    country_pairs, line_pairs : int
        Pairs of orders sampled for the Shapley values; 0 if exact.
    least_core_excess_eur : float, optional
        Smallest excess that the coalition with the strongest complaint can have; None if the values
        of all coalitions are not known.
    """

    run_resolution: str
    resolution: str
    full_eur: float
    valued_eur: float
    country_pairs: int
    line_pairs: int
    least_core_excess_eur: float | None


@dataclass(frozen=True)
class GainsReport:
    """Tables on who gains; amounts in EUR/a.

    Attributes
    ----------
    countries : DataFrame
        A row per country: its gain in the run and under each division, what the pool loses
        without it.
    divisions : DataFrame
        A row per division: core, strongest complaint, inequality, distances.
    interconnectors : DataFrame
        A row per interconnector: Shapley value with the half width of its confidence interval, and
        what the pool loses without it.
    coalitions : DataFrame
        A row per coalition: value and what its members got; without rows if sampled.
    basis : Basis
    """

    countries: pd.DataFrame
    divisions: pd.DataFrame
    interconnectors: pd.DataFrame
    coalitions: pd.DataFrame
    basis: Basis

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name."""
        names = ("countries", "divisions", "interconnectors", "coalitions")
        return {name: getattr(self, name) for name in names}


def who_gains(
    records: RunRecords,
    resolution: str | None = None,
    *,
    workers: int = 2,
    pairs: int = PAIRS,
    reporter: Reporter | None = None,
) -> GainsReport:
    """Compare a finished run's division of the gain with others.

    Parameters
    ----------
    records : RunRecords
    resolution : str, optional
        At which coalitions are valued; the run's own if that is affordable, else a coarse one.
    workers : int
        Does not change results.
    pairs : int
        Pairs of orders sampled for the Shapley value where it is not computed exactly.
    reporter : Reporter, optional

    Raises
    ------
    ScenarioError
        If the resolution cannot be read, or differs from the run's and the run has no planner's
        gain to scale by.
    """
    scenario = coalition_scenario(records.scenario, resolution)
    line_gains = LineGains(scenario, workers, reporter)
    reference_eur = _reference_eur(records.summary(), scenario)
    game = coalitions_of_countries(line_gains)
    valued_eur = float(game.values_eur([(1 << len(game.players)) - 1])[0])
    factor = 1.0
    if reference_eur is not None and min(reference_eur, valued_eur) > 0:
        factor = reference_eur / valued_eur
    first, second = np.random.SeedSequence(scenario.settings.seed).spawn(2)
    study = _Study(records, game, factor, pairs, np.random.default_rng(first))
    lines = coalitions_of_lines(line_gains)
    worth = _worth(lines, affordable(lines), factor, pairs, np.random.default_rng(second))
    basis = Basis(
        records.summary()["resolution"],
        scenario.settings.resolution if scenario.settings.kind == "pypsa" else "cost curves",
        factor * valued_eur,
        valued_eur,
        study.estimate.pairs,
        worth.pairs,
        None if study.worth_eur is None else least_core_excess(study.worth_eur),
    )
    return GainsReport(
        study.country_table(),
        study.division_table(),
        _line_table(lines, factor, worth),
        study.coalition_table(),
        basis,
    )


class _Study:
    """One run's gains beside the divisions of the game of countries."""

    def __init__(
        self,
        records: RunRecords,
        game: Coalitions,
        factor: float,
        pairs: int,
        rng: np.random.Generator,
    ) -> None:
        self.summary = records.summary()
        self.players = game.players
        n = len(game.players)
        everyone = (1 << n) - 1
        exact = n <= MOST_PLAYERS
        self.worth_eur = factor * game.all_values_eur() if exact else None
        self.estimate = _worth(game, exact, factor, pairs, rng)
        some = game.values_eur([everyone, *(everyone ^ 1 << i for i in range(n))])
        self.lost_without = factor * (some[0] - some[1:])
        self.full_eur = factor * float(some[0])
        gains = np.array([self.summary["gains_eur"][c] for c in game.players])
        self.divisions = {RUN: gains}
        if gains.sum() > 0:
            self.divisions[RUN_IN_FULL] = gains * (self.full_eur / gains.sum())
        self.divisions["shapley"] = self.estimate.division
        if self.worth_eur is not None:
            self.divisions["nucleolus"] = nucleolus(self.worth_eur)
        self.divisions["equal_split"] = np.full(n, self.full_eur / n)

    def country_table(self) -> pd.DataFrame:
        """Gain of each country under each division."""
        names = [self.summary["countries"][c]["name"] for c in self.players]
        columns: dict[str, Any] = {"country": self.players, "name": names}
        columns |= {_column(name): d for name, d in self.divisions.items() if name != RUN_IN_FULL}
        columns["shapley_half_width_eur"] = self.estimate.half_width
        columns["lost_without_eur"] = self.lost_without
        return pd.DataFrame(columns)

    def division_table(self) -> pd.DataFrame:
        """Stability and inequality of each division, and how far it is from the others."""
        return pd.DataFrame([self._division_row(*item) for item in self.divisions.items()])

    def coalition_table(self) -> pd.DataFrame:
        """Value of every coalition beside what its members got in the run."""
        if self.worth_eur is None:
            return pd.DataFrame(columns=["members", "size", "value_eur", "got_eur", "excess_eur"])
        member = membership(len(self.players))
        excess = excesses(self.worth_eur, self.divisions[RUN])
        return pd.DataFrame(
            {
                "members": [self._names(np.flatnonzero(row)) for row in member],
                "size": member.sum(axis=1),
                "value_eur": self.worth_eur,
                "got_eur": self.worth_eur - excess,
                "excess_eur": excess,
            }
        ).iloc[1:]

    def _division_row(self, name: str, division: np.ndarray) -> dict[str, Any]:
        slack = _TOLERANCE * self.full_eur
        row: dict[str, Any] = {
            "division": name,
            "share_of_full_gain": division.sum() / self.full_eur if self.full_eur > 0 else np.nan,
            "in_core": None,
            "complaining": None,
            "complaint_eur": np.nan,
        }
        if self.worth_eur is not None and len(self.players) > 1:
            complaint = strongest_complaint(self.worth_eur, division)
            row["in_core"] = in_core(self.worth_eur, division)
            row["complaining"] = self._names(complaint.members)
            row["complaint_eur"] = complaint.excess
        row |= {
            "gini": gini(division),
            "smallest_gain_eur": division.min(),
            "smallest_gain_of": self.players[int(division.argmin())],
            "losers": self._names(np.flatnonzero(division < -slack)),
        }
        for other in ("shapley", "nucleolus", "equal_split"):
            if other in self.divisions:
                row[f"distance_to_{other}"] = distance(division, self.divisions[other])
        return row

    def _names(self, players: Iterable[int]) -> str:
        return "+".join(self.players[i] for i in players)


def _reference_eur(summary: Mapping[str, Any], scenario: Scenario) -> float | None:
    """Planner's gain at the run's resolution; None where values are at that resolution anyway."""
    own, here = summary["resolution"], scenario.settings.resolution
    if scenario.settings.kind == "cost_curves" or own == here:
        return None
    if summary["planner_gain_eur"] is None:
        raise ScenarioError(
            f"the run knows no planner's gain to scale values at {here} by; run it without "
            f"--no-planner, or value coalitions at the run's own --resolution {own}"
        )
    return float(summary["planner_gain_eur"])


def _worth(
    game: Coalitions, exact: bool, factor: float, pairs: int, rng: np.random.Generator
) -> Estimate:
    """Shapley value, exact or sampled, times a factor."""
    if not game.players:
        return Estimate(np.zeros(0), np.zeros(0), 0)
    if exact:
        division = shapley(factor * game.all_values_eur())
        return Estimate(division, np.zeros_like(division), 0)
    found = sampled_shapley(game.values_eur, len(game.players), pairs, rng)
    return Estimate(factor * found.division, factor * found.half_width, pairs)


def _line_table(lines: Coalitions, factor: float, worth: Estimate) -> pd.DataFrame:
    everything = (1 << len(lines.players)) - 1
    some = lines.values_eur([everything, *(everything ^ 1 << k for k in range(len(lines.players)))])
    return pd.DataFrame(
        {
            "interconnector": lines.players,
            "shapley_eur": worth.division,
            "shapley_half_width_eur": worth.half_width,
            "lost_without_eur": factor * (some[0] - some[1:]),
        }
    )


def _column(division: str) -> str:
    return "gain_eur" if division == RUN else f"{division}_eur"
