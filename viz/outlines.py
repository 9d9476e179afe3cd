"""Outlines of the world's countries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

Ring = np.ndarray
# Longer rings go round the world or over the date line, and would be drawn across the map.
WIDEST_DEG = 60.0
# Islands below this share of a country do not decide what the map shows.
SMALL_ISLAND = 0.02
# Nor do parts that lie farther off than this, as French Guiana.
FAR_DEG = 15.0


@dataclass(frozen=True, eq=False)
class Outline:
    """One country.

    Attributes
    ----------
    alpha3, name : str
    rings : tuple of ndarray, each of shape (points, 2)
        Outer rings in degrees, longitude first; holes are left out.
    """

    alpha3: str
    name: str
    rings: tuple[Ring, ...]

    @property
    def area_deg2(self) -> float:
        """Area in square degrees."""
        return area_deg2(self.rings)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees, without small islands and parts overseas."""
        large = [r for r in self.rings if abs(_signed_area(r)) >= SMALL_ISLAND * self.area_deg2]
        home = max(large, key=lambda ring: abs(_signed_area(ring)))
        points = np.vstack([ring for ring in large if _gap_deg(ring, home) <= FAR_DEG])
        (west, south), (east, north) = points.min(axis=0), points.max(axis=0)
        return float(west), float(south), float(east), float(north)


@cache
def country_outlines() -> Mapping[str, Outline]:
    """All countries by ISO 3166-1 alpha-2 code; ``NA`` is Namibia."""
    text = files("viz").joinpath("shapes", "world.json").read_text(encoding="utf-8")
    world = json.loads(text)
    arcs = [
        np.cumsum(np.reshape(arc, (-1, 2)), axis=0) * world["step_deg"] for arc in world["arcs"]
    ]
    outlines = {}
    for code, country in world["countries"].items():
        rings = [_ring(numbers, arcs) for numbers in country["rings"]]
        kept = tuple(r for r in rings if float(np.ptp(r[:, 0])) <= WIDEST_DEG)
        if kept:
            outlines[code] = Outline(country["alpha3"], country["name"], kept)
    return outlines


def outline_of(code: str) -> Outline | None:
    """Outline of a country by alpha-2 or alpha-3 code; None if there is none.

    Examples
    --------
    >>> outline_of("NA").name, outline_of("NAM").name, outline_of("A")
    ('Namibia', 'Namibia', None)
    """
    return country_outlines().get(code) or country_outlines().get(_alpha2().get(code, ""))


@cache
def _alpha2() -> Mapping[str, str]:
    return {outline.alpha3: code for code, outline in country_outlines().items()}


def _ring(numbers: list[int], arcs: list[np.ndarray]) -> Ring:
    """Join arcs; ``~n`` is arc ``n`` backwards, and each begins where the last one ended."""
    parts = [arcs[n] if n >= 0 else arcs[~n][::-1] for n in numbers]
    return np.concatenate([parts[0], *(part[1:] for part in parts[1:])])


def area_deg2(rings: tuple[Ring, ...]) -> float:
    """Area of rings in square degrees.

    Examples
    --------
    >>> area_deg2((np.array([[0, 0], [2, 0], [2, 1], [0, 1], [0, 0]]),))
    2.0
    """
    return float(sum(abs(_signed_area(ring)) for ring in rings))


def _gap_deg(a: Ring, b: Ring) -> float:
    """Degrees between the boxes around two rings; 0 where they overlap."""
    gaps = [b.min(axis=0) - a.max(axis=0), a.min(axis=0) - b.max(axis=0)]
    return max(0.0, float(np.max(gaps)))


def _signed_area(ring: Ring) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return 0.5 * float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))
