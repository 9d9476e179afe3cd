"""What the figures of a run show, taken out of its records."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.graph import interconnection_graph
from model.records import RunRecords

IDLE_SHARE = 1e-3
BUSY_SHARE = 0.25


@dataclass(frozen=True)
class CountryMark:
    """One country of the map.

    Attributes
    ----------
    code : str
    longitude, latitude : float
    price_eur_per_mwh : float or None
        Mean marginal price with its trades.
    net_import_twh : float
        Negative exports.
    gain_eur : float
    """

    code: str
    longitude: float
    latitude: float
    price_eur_per_mwh: float | None
    net_import_twh: float
    gain_eur: float


@dataclass(frozen=True)
class Arrow:
    """Net flow over one interconnector.

    Attributes
    ----------
    exporter, importer : str
    net_twh : float
        Net energy sent, not negative.
    gross_twh : float
        Energy sent in both directions together.
    limit_share : float
        Share of the time at the limit of either direction.
    """

    exporter: str
    importer: str
    net_twh: float
    gross_twh: float
    limit_share: float

    @property
    def busy(self) -> bool:
        """Whether it is at its limit often enough to be drawn in red."""
        return self.limit_share >= BUSY_SHARE


@dataclass(frozen=True)
class RunPicture:
    """All that the figures of one run show.

    Attributes
    ----------
    title, subtitle : str
    countries : tuple of CountryMark
    arrows : tuple of Arrow
    gain_by_step_eur : ndarray, shape (steps,)
        Gain of all countries after each step.
    planner_gain_eur, efficiency : float or None
    """

    title: str
    subtitle: str
    countries: tuple[CountryMark, ...]
    arrows: tuple[Arrow, ...]
    gain_by_step_eur: np.ndarray
    planner_gain_eur: float | None
    efficiency: float | None

    def idle(self, arrow: Arrow) -> bool:
        """Whether an interconnector carries next to nothing beside the busiest one."""
        largest = max((a.gross_twh for a in self.arrows), default=0.0)
        return arrow.gross_twh <= IDLE_SHARE * largest


def picture_of(run: RunRecords) -> RunPicture:
    """Take the picture of a finished run."""
    graph = interconnection_graph(run.scenario)
    places = {c: (d["longitude"], d["latitude"]) for c, d in graph.nodes(data=True)}
    ends = {d["name"]: tuple(sorted((a, b))) for a, b, d in graph.edges(data=True)}
    flows = run.table("flows")
    hours = float(flows.groupby(["case", "interconnector"])["weight_h"].sum().max())
    gains = run.table("steps")["gain_eur"].to_numpy()
    return picture_from(run.summary(), places, ends, gains, hours)


def picture_from(
    summary: Mapping[str, Any],
    places: Mapping[str, tuple[float, float]],
    ends: Mapping[str, tuple[str, ...]],
    gain_by_step_eur: np.ndarray,
    hours: float,
) -> RunPicture:
    """Make a picture from plain data.

    Parameters
    ----------
    summary : mapping
        Contents of ``summary.json``.
    places : mapping of str to (longitude, latitude)
    ends : mapping of str to (str, str)
        Countries at the ends of each interconnector, in alphabetical order.
    gain_by_step_eur : ndarray
    hours : float
        Length of the run's year.
    """
    placed = _spread(places)
    return RunPicture(
        title=summary.get("title") or summary["scenario"],
        subtitle=_subtitle(summary),
        countries=tuple(
            CountryMark(
                code,
                *placed[code],
                row["negotiated_price_eur_per_mwh"],
                row["net_import_twh"],
                row["gain_eur"],
            )
            for code, row in summary["countries"].items()
        ),
        arrows=tuple(
            _arrow(ends[name], row, hours) for name, row in summary["interconnectors"].items()
        ),
        gain_by_step_eur=np.asarray(gain_by_step_eur, dtype=float),
        planner_gain_eur=summary.get("planner_gain_eur"),
        efficiency=summary.get("efficiency"),
    )


def _arrow(ends: tuple[str, ...], row: Mapping[str, Any], hours: float) -> Arrow:
    net = row["a_to_b_twh"] - row["b_to_a_twh"]
    exporter, importer = ends if net >= 0 else ends[::-1]
    share = row["hours_at_limit"] / hours if hours > 0 else 0.0
    return Arrow(exporter, importer, abs(net), row["a_to_b_twh"] + row["b_to_a_twh"], share)


def _subtitle(summary: Mapping[str, Any]) -> str:
    """How the run was made and how it ended."""
    keys = ("protocol", "mode", "products", "resolution")
    parts = [str(summary[key]).replace("_", " ") for key in keys if summary.get(key)]
    return f"{', '.join(parts)}: {summary.get('status', 'unknown status')}"


def _spread(places: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Coordinates as given, or on a circle where a scenario left them out."""
    if len(set(places.values())) == len(places):
        return dict(places)
    angles = np.linspace(math.pi, -math.pi, len(places), endpoint=False)
    return {
        code: (5.0 * math.cos(angle), 5.0 * math.sin(angle))
        for code, angle in zip(places, angles, strict=True)
    }
