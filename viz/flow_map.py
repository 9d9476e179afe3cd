"""Map of a run at one moment: countries coloured by price, arrows of net flows.

``python -m viz.flow_map RUN --out FILE.png`` writes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from model.records import RecordsError
from viz.chart import new_drawing, scale_colour
from viz.drawing import Box, Disc, Drawing, Lines, Text, text_width
from viz.moment import Flow, Moment, State, flow_scale_mw, price_range, state_at
from viz.numbers import number
from viz.outlines import Outline, country_outlines, outline_of
from viz.run_view import KEPT_VIEWS, RunView, view_run

WIDEST_PX = 14.0
NARROWEST_PX = 1.6
# Width of a map over its height, at least.
TALLEST = 0.9
# Flows longer than this carry their MW.
LABELLED_PX = 105.0
# Countries without an outline.
DOT_PX = 30.0
# Countries narrower than this carry their label beside them.
SMALL_PX = 56.0
TOP = 52.0


class Projection:
    """Degrees to px: as long northward as eastward in the middle of the map.

    Parameters
    ----------
    bounds : tuple of float
        West, south, east, north.
    width : float
        Of the map, px.
    """

    def __init__(self, bounds: tuple[float, float, float, float], width: float) -> None:
        west, south, east, north = bounds
        self._stretch = max(math.cos(math.radians(0.5 * (south + north))), 0.2)
        self._west, self._north = west, north
        self.px_per_deg = width / max(east - west, 1e-9)
        self.height = (north - south) / self._stretch * self.px_per_deg

    def points(self, degrees: np.ndarray) -> np.ndarray:
        """Px of points of shape (points, 2), longitude first."""
        x = (degrees[:, 0] - self._west) * self.px_per_deg
        y = TOP + (self._north - degrees[:, 1]) / self._stretch * self.px_per_deg
        return np.column_stack([x, y])

    def place(self, longitude: float, latitude: float) -> tuple[float, float]:
        """Px of one point."""
        x, y = self.points(np.array([[longitude, latitude]]))[0]
        return float(x), float(y)


def draw_map(
    view: RunView, moment: Moment, width: float = 640.0, beside: RunView | None = None
) -> Drawing:
    """Draw the countries with their prices and the flows between them.

    Arrow widths are linear in MW above a small floor. The scales of widths and colours are those
    of the whole run, so that moments can be compared; hours have a scale of colours of their own.

    Parameters
    ----------
    view : RunView
    moment : Moment
    width : float
        px.
    beside : RunView, optional
        Run that the map stands beside; both then share their scales.
    """
    state = state_at(view, moment)
    base = _base_map(view, width)
    drawing = new_drawing(width, base.bottom + 74, "Prices and flows")
    drawing.add(Text(14, 37, state.label, 12.5, fill="muted", data={"moment": state.label}))
    drawing.add(Box(0, TOP, width, base.bottom - TOP, "sea"))
    if base.neighbours:
        drawing.add(Lines(base.neighbours, fill="land", stroke="border", width=0.7))
    shared = [view] if beside is None else [view, beside]
    lows, highs = zip(*(price_range(one, moment) for one in shared), strict=True)
    scale = min(lows), max(highs)
    for code in view.codes:
        _draw_country(drawing, view, code, base, state, scale)
    widest = max(flow_scale_mw(one) for one in shared)
    for flow in sorted(state.flows, key=lambda f: abs(f.mw)):
        _draw_flow(drawing, flow, base, widest)
    _draw_labels(drawing, view, state, base)
    _draw_keys(drawing, state, scale, widest, base.bottom)
    return drawing


@dataclass(frozen=True)
class BaseMap:
    """What stays the same from moment to moment, in px.

    Attributes
    ----------
    bottom : float
        Lower edge of the map.
    ends : dict of str to (x, y)
        Where flows begin and end, by country.
    shapes : dict of str to tuple of ndarray
        Rings of the countries that have an outline.
    small : frozenset of str
        Countries that carry their label beside them.
    neighbours : tuple of ndarray
        Rings of countries that take no part.
    """

    bottom: float
    ends: dict[str, tuple[float, float]]
    shapes: dict[str, tuple[np.ndarray, ...]]
    small: frozenset[str]
    neighbours: tuple[np.ndarray, ...]


@lru_cache(maxsize=2 * KEPT_VIEWS)
def _base_map(view: RunView, width: float) -> BaseMap:
    outlines = {code: outline_of(code) for code in view.codes}
    projection = Projection(_bounds(view, outlines), width)
    bottom = TOP + projection.height
    shapes, small = {}, set()
    for code, outline in outlines.items():
        if outline is not None:
            rings = (projection.points(ring) for ring in outline.rings)
            shapes[code] = _clipped(rings, width, bottom)
            west, south, east, north = outline.bounds
            if min(east - west, north - south) * projection.px_per_deg < SMALL_PX:
                small.add(code)
    part = [id(outline) for outline in outlines.values()]
    others = [o for o in country_outlines().values() if id(o) not in part] if shapes else []
    rings = (projection.points(ring) for outline in others for ring in outline.rings)
    ends = {code: projection.place(*view.places[code]) for code in view.codes}
    return BaseMap(bottom, ends, shapes, frozenset(small), _clipped(rings, width, bottom))


def _bounds(view: RunView, shapes: dict[str, Outline | None]) -> tuple[float, float, float, float]:
    boxes = [
        shape.bounds if shape is not None else (*view.places[code], *view.places[code])
        for code, shape in shapes.items()
    ]
    west, south = min(b[0] for b in boxes), min(b[1] for b in boxes)
    east, north = max(b[2] for b in boxes), max(b[3] for b in boxes)
    extent = max(east - west, north - south) or 1.0
    margin = extent * (0.3 if None in shapes.values() else 0.035)
    west, east = west - margin, east + margin
    # Neither taller than wide nor much wider than tall.
    stretch = max(math.cos(math.radians(0.5 * (south + north))), 0.2)
    tall = (north - south + 2 * margin) / stretch
    grow = max(0.0, 0.6 * (east - west) - tall) * stretch / 2
    wider = max(0.0, TALLEST * tall - (east - west)) / 2
    return west - wider, south - margin - grow, east + wider, north + margin + grow


def _clipped(rings: Iterable[np.ndarray], right: float, bottom: float) -> tuple[np.ndarray, ...]:
    """Cut rings at the edges of the map (Sutherland and Hodgman, 1974)."""
    kept = []
    for ring in rings:
        for axis, bound, sign in ((0, 0.0, 1), (0, right, -1), (1, TOP, 1), (1, bottom, -1)):
            ring = _cut(ring, axis, bound, sign)
        if len(ring) > 2:
            kept.append(ring)
    return tuple(kept)


def _cut(ring: np.ndarray, axis: int, bound: float, sign: int) -> np.ndarray:
    if not len(ring):
        return ring
    inside = sign * (ring[:, axis] - bound) >= 0
    if inside.all():
        return ring
    kept = []
    for i in range(len(ring)):
        a, b = ring[i - 1], ring[i]
        if inside[i] != inside[i - 1]:
            share = (bound - a[axis]) / (b[axis] - a[axis])
            kept.append(a + share * (b - a))
        if inside[i]:
            kept.append(b)
    return np.array(kept).reshape(-1, 2)


def _draw_country(
    drawing: Drawing,
    view: RunView,
    code: str,
    base: BaseMap,
    state: State,
    scale: tuple[float, float],
) -> None:
    price = state.prices_eur_per_mwh.get(code)
    colour = "unpriced" if price is None else scale_colour(_share(price, scale))
    tip = f"{view.names[code]}: {number(price, 1)} EUR/MWh"
    tip += f", net import {number(state.net_import_mw.get(code), 0)} MW"
    data = {"iso": code, "price": "" if price is None else f"{price:.2f}"}
    if code in base.shapes:
        shape = base.shapes[code]
        drawing.add(Lines(shape, fill=colour, stroke="paper", width=1.1, tip=tip, data=data))
    else:
        drawing.add(Disc(*base.ends[code], DOT_PX, colour, "muted", 1.0, tip, data))


def _share(value: float, scale: tuple[float, float]) -> float:
    return (value - scale[0]) / (scale[1] - scale[0])


def _draw_flow(drawing: Drawing, flow: Flow, base: BaseMap, widest: float) -> None:
    tail, head = np.array(base.ends[flow.sender]), np.array(base.ends[flow.receiver])
    line = flow.line
    full = f", at the limit {100 * flow.limit_share:.0f} % of the time" if flow.at_limit else ""
    tip = f"{flow.sender} to {flow.receiver}: {number(abs(flow.mw), 1)} MW"
    tip += f" of {number(flow.limit_mw)} MW{full}"
    data = {"line": line.name, "mw": f"{flow.mw:.1f}", "limit": str(flow.at_limit).lower()}
    if flow.idle:
        middle = _bow(tail, head, 0.0)
        drawing.add(
            Lines((middle,), None, "idle", 1.4, (5, 4), False, tip=f"{line.name}: idle", data=data)
        )
        return
    curve = _bow(tail, head, 0.10)
    start, end = (_clearance(code, base) for code in (flow.sender, flow.receiver))
    body = _arrow(curve, start, end, _width(abs(flow.mw), widest))
    if body is not None:
        colour = "limit" if flow.at_limit else "flow"
        drawing.add(Lines((body,), colour, "paper", 0.8, tip=tip, data=data))
        if float(np.hypot(*(head - tail))) > LABELLED_PX:
            x, y = _beside_line(curve, _width(abs(flow.mw), widest))
            text = number(abs(flow.mw), 1 if abs(flow.mw) < 9.95 else 0)
            drawing.add(Text(x, y, text, 11.5, "middle", colour, bold=True, halo="paper"))


def _beside_line(curve: np.ndarray, width: float) -> tuple[float, float]:
    """Place of the label of a flow: on a thin arrow, beside a thick one."""
    middle = len(curve) // 2
    along = curve[middle + 1] - curve[middle - 1]
    normal = np.array([-along[1], along[0]]) / np.hypot(*along)
    shift = 0.0 if width < 4 else 0.5 * width + 11
    x, y = curve[middle] + shift * normal
    return float(x), float(y)


def _clearance(code: str, base: BaseMap) -> float:
    """Distance that arrows keep from a country's point."""
    if code not in base.shapes:
        return DOT_PX + 3
    return 11.0 if code in base.small else 21.0


def _width(mw: float, widest: float) -> float:
    return min(max(NARROWEST_PX, WIDEST_PX * mw / widest), 1.8 * WIDEST_PX)


def _bow(tail: np.ndarray, head: np.ndarray, bend: float) -> np.ndarray:
    """Points of a slightly bent curve, so that arrows there and back do not lie on labels."""
    side = np.array([tail[1] - head[1], head[0] - tail[0]])
    control = 0.5 * (tail + head) + bend * side
    t = np.linspace(0, 1, 25)[:, None]
    points: np.ndarray = (1 - t) ** 2 * tail + 2 * t * (1 - t) * control + t**2 * head
    return points


def _arrow(curve: np.ndarray, start: float, end: float, width: float) -> np.ndarray | None:
    """Outline of an arrow along a curve that keeps clear of both ends; None if it is too short."""
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(curve, axis=0).T))])
    total = lengths[-1]
    if total < 8:
        return None
    start, end = min(start, 0.25 * total), min(end, 0.25 * total)
    head_long = min(7.0 + 1.1 * width, 0.5 * (total - start - end))
    stations = np.linspace(start, total - end - head_long, 14)

    def at(length: float | np.ndarray) -> np.ndarray:
        return np.column_stack([np.interp(length, lengths, curve[:, i]) for i in (0, 1)])

    spine, tip = at(stations), at(np.array([total - end]))[0]
    along = np.gradient(spine, axis=0)
    normal = np.column_stack([-along[:, 1], along[:, 0]])
    normal /= np.hypot(*normal.T)[:, None]
    half = 0.5 * width
    wing = half + 3.2 + 0.25 * width
    base, across = spine[-1], normal[-1]
    return np.vstack(
        [
            spine + half * normal,
            base + wing * across,
            tip,
            base - wing * across,
            (spine - half * normal)[::-1],
        ]
    )


def _draw_labels(drawing: Drawing, view: RunView, state: State, base: BaseMap) -> None:
    ends = base.ends
    centre = np.mean([ends[code] for code in view.codes], axis=0)
    for code in view.codes:
        x, y = ends[code]
        price = number(state.prices_eur_per_mwh.get(code), 1)
        if code in base.small:
            outward = np.array([x, y]) - centre
            outward = outward / (np.hypot(*outward) or 1.0)
            drawing.add(Disc(x, y, 3.2, "flow", "paper", 1.0))
            lx = min(max(x + 52 * outward[0], 26), drawing.width - 26)
            ly = y + 40 * outward[1]
            drawing.polyline([(x, y), (lx, ly)], "muted", 1.0)
            x, y = lx, ly
        half = 0.5 * max(text_width(price, 12.5), text_width(code, 11)) + 5
        drawing.add(
            Box(x - half, y - 16, 2 * half, 32, "label", radius=4, opacity=0.86),
            Text(x, y - 7.5, code, 11, "middle", fill="muted", data={"label": code}),
            Text(x, y + 7, price, 12.5, "middle", bold=True),
        )


def _draw_keys(
    drawing: Drawing, state: State, scale: tuple[float, float], widest: float, top: float
) -> None:
    """What colours, widths and dashes mean."""
    drawing.add(Text(14, top + 16, "price, EUR/MWh", 12, fill="muted"))
    cells, wide = 40, min(190.0, 0.36 * drawing.width)
    for i in range(cells):
        x = 14 + i * wide / cells
        colour = scale_colour((i + 0.5) / cells)
        drawing.add(Box(x, top + 27, wide / cells + 0.6, 11, colour))
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        value = number(scale[0] + share * (scale[1] - scale[0]), 1)
        drawing.add(Text(14 + share * wide, top + 51, value, 12, anchor, "muted"))  # type: ignore[arg-type]
    if not state.flows:
        return
    left = 14 + wide + 34
    drawing.add(Text(left, top + 16, "net flow, MW", 12, fill="muted"))
    x = left
    for share in (0.15, 0.5):
        mw = float(f"{share * widest:.1g}")
        _sample(drawing, x, top + 33, "flow", _width(mw, widest))
        drawing.add(Text(x + 32, top + 33, number(mw), 12))
        x += 40 + text_width(number(mw), 12) + 8
    x = left
    if any(flow.at_limit for flow in state.flows):
        _sample(drawing, x, top + 54, "limit", 4)
        drawing.add(Text(x + 32, top + 54, "at limit", 12))
        x += 92
    if any(flow.idle for flow in state.flows):
        line = np.array([(x, top + 54), (x + 26, top + 54)])
        drawing.add(Lines((line,), None, "idle", 1.4, (5, 4), False))
        drawing.add(Text(x + 32, top + 54, "idle", 12))


def _sample(drawing: Drawing, x: float, y: float, colour: str, width: float) -> None:
    drawing.add(Box(x, y - width / 2, 26, width, colour))


def main(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    out: Annotated[Path, typer.Option(help="Picture to write: .png, .pdf or .svg.")],
) -> None:
    """Draw prices and flows of a run."""
    from viz.printing import write

    try:
        write(draw_map(view_run(run), Moment()), out)
    except (RecordsError, ValueError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(f"wrote {out}")


if __name__ == "__main__":
    typer.run(main)
