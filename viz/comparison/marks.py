"""Marks and axes that the figures of a comparison share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from viz.chart import SIZE, Frame, line_style, tick_text, ticks
from viz.drawing import Disc, Drawing, Lines, Text, text_width

# Corners of a mark around the origin, in radii, y downwards; the disc has none.
_SHAPES: tuple[tuple[tuple[float, float], ...], ...] = (
    (),
    ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    ((0, -1.2), (1.1, 0.8), (-1.1, 0.8)),
    ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
    ((0, 1.2), (1.1, -0.8), (-1.1, -0.8)),
)


def places(treatments: Iterable[str]) -> dict[str, int]:
    """Colour and shape of each treatment by name, the same in every figure.

    Examples
    --------
    >>> places(["fractional_vcg", "douglas_rachford"])
    {'douglas_rachford': 0, 'fractional_vcg': 1}
    """
    return {name: place for place, name in enumerate(sorted(treatments))}


def colour(place: int) -> str:
    """Colour of the n-th treatment."""
    return line_style(place)[0]


def dash(place: int) -> tuple[float, ...]:
    """Dashes of the n-th treatment's lines; solid as long as colours differ."""
    return line_style(place)[1]


def draw_mark(
    drawing: Drawing,
    place: int,
    x: float,
    y: float,
    radius: float = 5.0,
    tip: str = "",
    data: Mapping[str, str] | None = None,
) -> None:
    """Mark of the n-th treatment; 7 colours and 5 shapes make 35 before one comes again."""
    corners = _SHAPES[place % len(_SHAPES)]
    fill = colour(place)
    if not corners:
        drawing.add(Disc(x, y, radius, fill, "paper", 1.0, tip, data or {}))
        return
    shape = np.array([(x, y)]) + radius * np.array(corners)
    drawing.add(Lines((shape,), fill, "paper", 1.0, tip=tip, data=data or {}))


def draw_key(
    drawing: Drawing, names: Sequence[str], place_of: Mapping[str, int], left: float, top: float
) -> None:
    """Column of marks with their names."""
    for row, name in enumerate(names):
        y = top + 19 * row
        draw_mark(drawing, place_of[name], left, y)
        drawing.add(Text(left + 12, y, name, SIZE))


def key_width(names: Sequence[str]) -> float:
    """Px that :func:`draw_key` needs."""
    return max((text_width(name, SIZE) for name in names), default=0.0) + 30


def log_ticks(low: float, high: float) -> list[float]:
    """Round values between two positive ones: decades, with 2 and 5 where decades are few.

    Examples
    --------
    >>> log_ticks(3, 800), log_ticks(1, 1e5)
    ([5, 10, 20, 50, 100, 200, 500], [1, 10, 100, 1000, 10000, 100000])
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 5) if last - first <= 3 else (1,)
    found = [m * 10**d if d >= 0 else m / 10**-d for d in range(first, last + 1) for m in steps]
    return [v for v in found if low * 0.999 <= v <= high * 1.001]


def log_range(values: Iterable[float], air: float = 0.06) -> tuple[float, float]:
    """Decimal logarithms of the ends of an axis that holds some positive values."""
    logs = np.log10([v for v in values if v > 0 and math.isfinite(v)] or [1.0])
    wide = max(float(np.ptp(logs)), 0.3)
    middle = 0.5 * float(logs.min() + logs.max())
    half = (0.5 + air) * wide
    return middle - half, middle + half


def draw_log_x_axis(drawing: Drawing, frame: Frame, label: str) -> None:
    """Vertical grid lines at round values of a frame whose x are decimal logarithms."""
    for value in log_ticks(10**frame.x_low, 10**frame.x_high):
        text = f"{value:,.0f}" if value >= 1 else f"{value:g}"
        _draw_x_tick(drawing, frame, math.log10(value), text, "grid")
    _draw_x_label(drawing, frame, label)


def draw_value_axis(drawing: Drawing, frame: Frame, label: str, about: int = 5) -> None:
    """Vertical grid lines at round values; zero is stronger."""
    values = ticks(frame.x_low, frame.x_high, about)
    for value in values:
        stroke = "muted" if value == 0 and frame.x_low < 0 else "grid"
        _draw_x_tick(drawing, frame, value, tick_text(value, values), stroke)
    _draw_x_label(drawing, frame, label)


def _draw_x_tick(drawing: Drawing, frame: Frame, x: float, text: str, stroke: str) -> None:
    line = np.array([(frame.x(x), frame.top), (frame.x(x), frame.bottom)])
    drawing.add(Lines((line,), None, stroke, 1.0, closed=False))
    drawing.add(Text(frame.x(x), frame.bottom + 13, text, SIZE, "middle", "muted"))


def _draw_x_label(drawing: Drawing, frame: Frame, label: str) -> None:
    middle = 0.5 * (frame.left + frame.right)
    drawing.add(Text(middle, frame.bottom + 31, label, SIZE, "middle", "muted"))


def draw_whisker(
    drawing: Drawing,
    start: tuple[float, float],
    end: tuple[float, float],
    stroke: str,
    width: float = 1.4,
) -> None:
    """A line between two points, px."""
    drawing.add(Lines((np.array([start, end]),), None, stroke, width, closed=False))
