"""Outlines of countries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import numpy as np

Ring = np.ndarray


@cache
def country_shapes() -> Mapping[str, tuple[Ring, ...]]:
    """Outer rings of countries by code, each of shape (points, 2) in degrees, longitude first."""
    text = files("viz").joinpath("shapes", "sapp12_110m.geojson").read_text(encoding="utf-8")
    return {
        feature["properties"]["country"]: _rings(feature["geometry"])
        for feature in json.loads(text)["features"]
    }


def _rings(geometry: Mapping[str, list]) -> tuple[Ring, ...]:
    """Outer rings of a polygon or of several; holes are left out."""
    parts = geometry["coordinates"]
    polygons = parts if geometry["type"] == "MultiPolygon" else [parts]
    return tuple(np.asarray(polygon[0], dtype=float) for polygon in polygons)


def area_deg2(rings: tuple[Ring, ...]) -> float:
    """Area of rings in square degrees.

    Examples
    --------
    >>> area_deg2((np.array([[0, 0], [2, 0], [2, 1], [0, 1], [0, 0]]),))
    2.0
    """
    return float(sum(abs(_signed_area(ring)) for ring in rings))


def _signed_area(ring: Ring) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return 0.5 * float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))
