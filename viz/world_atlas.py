"""Make ``viz/shapes/world.json`` out of the npm package world-atlas.

``python -m viz.world_atlas ATLAS.json CODES.json``: the package's ``countries-50m.json`` and a list
of ``[alpha-2, alpha-3, numeric]`` codes, such as ``codes.json`` of i18n-iso-countries. Borders are
simplified once for both neighbours, so that no gaps open between them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

# Degrees per unit of the file, and how far a simplified border may lie from the true one.
STEP_DEG = 0.01
TOLERANCE_DEG = 0.03
# Smaller islands are left out, unless a country has nothing larger.
LEAST_AREA_DEG2 = 0.02


def world(topology: dict[str, Any], codes: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Compact form of a TopoJSON of countries.

    Returns
    -------
    dict
        ``step_deg``; ``arcs``: borders as differences of whole steps, longitude and latitude in
        turn; ``countries``: alpha-2 code -> alpha-3 code, name, rings of arc numbers, where
        ``~n`` is arc ``n`` backwards, as in TopoJSON.
    """
    by_number = {numeric: (two, three) for two, three, numeric, *_ in codes}
    arcs = [_arc(points, topology["transform"]) for points in topology["arcs"]]
    countries: dict[str, Any] = {}
    for geometry in topology["objects"]["countries"]["geometries"]:
        if geometry.get("id") not in by_number:
            continue
        two, three = by_number[geometry["id"]]
        polygons = geometry["arcs"]
        if geometry["type"] == "Polygon":
            polygons = [polygons]
        rings = _large_enough([polygon[0] for polygon in polygons], arcs)
        name = geometry["properties"]["name"]
        countries[two] = {"alpha3": three, "name": name, "rings": rings}
    used = sorted({_index(n) for c in countries.values() for ring in c["rings"] for n in ring})
    place = {old: new for new, old in enumerate(used)}
    for country in countries.values():
        country["rings"] = [
            [place[n] if n >= 0 else ~place[~n] for n in ring] for ring in country["rings"]
        ]
    kept = [_simplified(arcs[n]) for n in used]
    return {
        "step_deg": STEP_DEG,
        "arcs": [_steps(arc) for arc in kept],
        "countries": dict(sorted(countries.items())),
    }


def _arc(points: Sequence[Sequence[int]], transform: dict[str, Any]) -> np.ndarray:
    whole = np.cumsum(np.asarray(points), axis=0)
    return whole * np.asarray(transform["scale"]) + np.asarray(transform["translate"])


def _index(number: int) -> int:
    return number if number >= 0 else ~number


def _large_enough(rings: list[list[int]], arcs: list[np.ndarray]) -> list[list[int]]:
    def area(ring: list[int]) -> float:
        points = np.concatenate([arcs[n] if n >= 0 else arcs[~n][::-1] for n in ring])
        x, y = points[:, 0], points[:, 1]
        return 0.5 * abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1)))

    largest = max(rings, key=area)
    return [ring for ring in rings if ring is largest or area(ring) >= LEAST_AREA_DEG2]


def _simplified(points: np.ndarray) -> np.ndarray:
    """Douglas and Peucker (1973); a closed arc keeps its farthest point."""
    keep = np.zeros(len(points), dtype=bool)
    keep[[0, -1]] = True
    stack = [(0, len(points) - 1)]
    while stack:
        first, last = stack.pop()
        if last - first < 2:
            continue
        between = points[first + 1 : last]
        distance = _distance(between, points[first], points[last])
        farthest = int(distance.argmax())
        if distance[farthest] > TOLERANCE_DEG:
            middle = first + 1 + farthest
            keep[middle] = True
            stack += [(first, middle), (middle, last)]
    return points[keep]


def _distance(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    along = end - start
    length = float(np.hypot(*along))
    if length == 0:
        return np.hypot(*(points - start).T)
    offset = points - start
    return np.abs(along[0] * offset[:, 1] - along[1] * offset[:, 0]) / length


def _steps(points: np.ndarray) -> list[int]:
    whole = np.rint(points / STEP_DEG).astype(int)
    return np.diff(whole, axis=0, prepend=0).ravel().tolist()


def main(
    atlas: Annotated[Path, typer.Argument(help="countries-50m.json of world-atlas.")],
    codes: Annotated[Path, typer.Argument(help="List of alpha-2, alpha-3 and numeric codes.")],
) -> None:
    """Write the outlines of all countries."""
    made = world(
        json.loads(atlas.read_text(encoding="utf-8")), json.loads(codes.read_text(encoding="utf-8"))
    )
    file = Path(__file__).with_name("shapes") / "world.json"
    text = json.dumps(made, ensure_ascii=False, separators=(",", ":"))
    file.write_text(text + "\n", encoding="utf-8")
    typer.echo(f"wrote {file}: {len(made['countries'])} countries, {len(text) / 1e3:.0f} kB")


if __name__ == "__main__":
    typer.run(main)
