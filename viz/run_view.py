"""A recorded run as the figures see it, finished or not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from model.columns import FINAL_TABLES, PENDING, TABLES
from model.graph import interconnection_graph
from model.records import RunRecords
from viz.outlines import outline_of

HOURS_PER_YEAR = 8760.0
# Views kept in memory, shared by all who look; a view is never changed.
KEPT_VIEWS = 6


@dataclass(frozen=True)
class Line:
    """One interconnector; ``a`` comes first in the alphabet, limits in MW at the sending end."""

    name: str
    a: str
    b: str
    a_to_b_mw: float
    b_to_a_mw: float
    loss: float


class RunView:
    """Tables of a run, read when they are asked for and then kept.

    Parameters
    ----------
    records : RunRecords

    Attributes
    ----------
    summary : dict
        Empty while the run has not come to its end.
    """

    def __init__(self, records: RunRecords) -> None:
        self.records = records
        self.summary: dict[str, Any] = records.summary() if records.finished else {}

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        return self.records.name

    @property
    def title(self) -> str:
        """Title of the scenario."""
        settings = self.records.scenario.settings
        return settings.title or settings.name

    @property
    def how(self) -> str:
        """Protocol, mode, products and resolution in one line."""
        options, settings = self.records.options, self.records.scenario.settings
        kind = "cost curves" if settings.kind == "cost_curves" else settings.resolution
        words = [options.protocol.replace("_", " "), options.mode, settings.products, kind]
        return ", ".join(str(word) for word in words if word)

    @property
    def status(self) -> str:
        """Final status, or ``unfinished``."""
        return str(self.summary.get("status", "unfinished"))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What whoever uses the run's network file should know of it."""
        return self.records.scenario.warnings

    @property
    def awaits_planner(self) -> bool:
        """Whether the outcome is whole and only the planner is missing, who was asked."""
        return self.summary.get("planner") == PENDING

    @cached_property
    def names(self) -> dict[str, str]:
        """Names of the countries by code, in the scenario's order.

        Network files give none; theirs are those of the world's countries.
        """
        given = {c: d["name"] or c for c, d in self._graph.nodes(data=True)}
        if self.records.scenario.settings.kind == "network":
            outlines = {c: outline_of(c) for c in given}
            return {c: given[c] if o is None else o.name for c, o in outlines.items()}
        return given

    @property
    def codes(self) -> list[str]:
        """Codes of the countries in the scenario's order."""
        return list(self.names)

    @cached_property
    def places(self) -> dict[str, tuple[float, float]]:
        """Longitude and latitude; on a circle where a scenario leaves them out."""
        given = {c: (d["longitude"], d["latitude"]) for c, d in self._graph.nodes(data=True)}
        return spread(given)

    @cached_property
    def lines(self) -> list[Line]:
        """Interconnectors in the scenario's order."""
        found = []
        for u, v, d in self._graph.edges(data=True):
            a, b = sorted((u, v))
            limits = d["capacity_mw"]
            found.append(Line(d["name"], a, b, limits[a], limits[b], d["loss"]))
        return found

    @cached_property
    def _graph(self) -> Any:
        return interconnection_graph(self.records.scenario)

    @cached_property
    def steps(self) -> pd.DataFrame:
        """Table ``steps``."""
        return self.records.table("steps")

    @cached_property
    def trades(self) -> pd.DataFrame:
        """Table ``trades``."""
        return self.records.table("trades")

    @cached_property
    def valuations(self) -> pd.DataFrame:
        """Table ``valuations``."""
        return self.records.table("valuations")

    @cached_property
    def flows(self) -> pd.DataFrame:
        """Table ``flows``; without rows before the end of the run."""
        return self.records.table("flows")

    @cached_property
    def prices(self) -> pd.DataFrame:
        """Table ``prices``; without rows before the end of the run."""
        return self.records.table("prices")

    @cached_property
    def capacities(self) -> pd.DataFrame:
        """Table ``capacities``; without rows for cost curves and before the end of the run."""
        return self.records.table("capacities")

    @cached_property
    def shares(self) -> pd.DataFrame:
        """Table ``shares``; without rows unless slices were reconciled."""
        return self.records.table("shares")

    @cached_property
    def disclosure(self) -> pd.DataFrame:
        """Who heard how much from whom: observer, victim, messages, numbers.

        Whoever passes a message on has heard it. Counts, not knowledge.
        """
        said = self.records.table("messages")
        said = said[said["sender"].isin(self.codes)]
        ears = (said["via"] + ">" + said["receiver"]).str.lstrip(">").str.split(">")
        heard = said.assign(observer=ears).explode("observer")
        counted = heard.groupby(["observer", "sender"])["numbers_disclosed"].agg(["size", "sum"])
        counted = counted.reset_index()
        counted.columns = pd.Index(["observer", "victim", "messages", "numbers"])
        return counted

    def messages(self, step: int) -> pd.DataFrame:
        """Messages of one step, in order."""
        file = self.records.path / "messages" / f"step-{step:04d}.parquet"
        try:
            written = file.stat().st_mtime_ns
        except FileNotFoundError:
            # Not kept: the step may be written any moment, while this view is looked at.
            return pd.DataFrame(columns=[column.name for column in TABLES["messages"]])
        return _messages(file, written)

    @cached_property
    def products(self) -> list[str]:
        """Names of the products, in the order of the horizon."""
        named = self.valuations["product"]
        return list(dict.fromkeys(named)) or list(dict.fromkeys(self.trades["product"]))

    @cached_property
    def cases(self) -> list[str]:
        """Recorded outcomes of trade: negotiated and planner."""
        return [case for case in dict.fromkeys(self.prices["case"]) if case != "autarky"]

    @cached_property
    def hours(self) -> float:
        """Length of the run's year."""
        settings = self.records.scenario.settings
        if settings.kind == "cost_curves":
            return float(settings.snapshots * settings.hours_per_snapshot)
        return HOURS_PER_YEAR

    @cached_property
    def snapshots(self) -> pd.DatetimeIndex:
        """Snapshots of the outcome; none before the end of the run."""
        return pd.DatetimeIndex(self.prices["snapshot"].unique())

    def prices_of(self, country: str, case: str) -> pd.DataFrame:
        """Rows of ``prices`` of one country and case, in the order of time."""
        rows = self.prices
        return rows[(rows["country"] == country) & (rows["case"] == case)]

    def flows_of(self, line: str, case: str) -> pd.DataFrame:
        """Rows of ``flows`` of one interconnector and case, in the order of time."""
        rows = self.flows
        return rows[(rows["interconnector"] == line) & (rows["case"] == case)]


def view_run(path: str | Path) -> RunView:
    """View of a run as its folder is now; the same object while nothing was written.

    Raises
    ------
    RecordsError
        If the folder is no run that can be read.
    """
    path = Path(path)
    return _view(str(path), stamp(path))


def stamp(path: Path) -> tuple[int, ...]:
    """Changes whenever a step, an outcome or the summary of a run was written."""
    # Files are put in place whole, which changes the time of their folder.
    watched = ("summary.json", "network.nc", "steps", *FINAL_TABLES)
    steps = sum(1 for _ in (path / "steps").glob("step-*.parquet"))
    return (*(_written_ns(path / name) for name in watched), steps)


def _written_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=KEPT_VIEWS)
def _view(path: str, _: tuple[int, ...]) -> RunView:
    return RunView(RunRecords.open(path, unfinished=True))


@lru_cache(maxsize=16)
def _messages(file: Path, _: int) -> pd.DataFrame:
    return pd.read_parquet(file)


def spread(places: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Coordinates as given, or on a circle where a scenario left them out."""
    if len(set(places.values())) == len(places):
        return dict(places)
    angles = np.linspace(math.pi, -math.pi, len(places), endpoint=False)
    return {
        code: (5.0 * math.cos(angle), 5.0 * math.sin(angle))
        for code, angle in zip(places, angles, strict=True)
    }
