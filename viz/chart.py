"""Axes, ticks, legends and colours that all charts share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from viz.drawing import Box, Drawing, Lines, Text, text_width
from viz.numbers import number

SIZE = 12.0
# Okabe and Ito (2008) without yellow, then told apart by dashes: safe for the colour-blind.
_HUES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f7f7f")
_DASHES: tuple[tuple[float, ...], ...] = ((), (7, 3), (2, 3), (9, 3, 2, 3))
# From cividis and viridis by eye: even in lightness, safe for the colour-blind.
_SCALE = ("#fffbe0", "#d3edc4", "#8fd0c0", "#57a9cf", "#4a7fc0", "#3d4f96")


@dataclass(frozen=True)
class Frame:
    """Plotting area in px and the values at its edges.

    Attributes
    ----------
    left, top, right, bottom : float
    x_low, x_high, y_low, y_high : float
    """

    left: float
    top: float
    right: float
    bottom: float
    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        """Px of a value on the horizontal axis."""
        return float(self.points([value], [0.0])[0, 0])

    def y(self, value: float) -> float:
        """Px of a value on the vertical axis."""
        return float(self.points([0.0], [value])[0, 1])

    def points(
        self, x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray
    ) -> np.ndarray:
        """Px of a line, shape (points, 2)."""
        wide = (np.asarray(x, dtype=float) - self.x_low) / ((self.x_high - self.x_low) or 1.0)
        high = (np.asarray(y, dtype=float) - self.y_low) / ((self.y_high - self.y_low) or 1.0)
        return np.column_stack(
            [
                self.left + wide * (self.right - self.left),
                self.bottom - high * (self.bottom - self.top),
            ]
        )


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values within a range.

    Examples
    --------
    >>> ticks(0, 10), ticks(3, 8.2, 3)
    ([0.0, 2.0, 4.0, 6.0, 8.0, 10.0], [4.0, 6.0, 8.0])
    """
    if not high > low:
        return [low]
    rough = (high - low) / max(about, 1)
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(n * step, 12) for n in range(first, last + 1)]


def tick_text(value: float, all_values: Sequence[float]) -> str:
    """Tick with as many decimals as its neighbours need."""
    gaps = np.diff(all_values)
    gap = float(gaps.min()) if len(gaps) else abs(value) or 1.0
    decimals = max(0, -math.floor(math.log10(gap) + 1e-9))
    return number(value, decimals)


def new_drawing(width: float, height: float, title: str, unit: str = "") -> Drawing:
    """Drawing with its title and the unit of its values."""
    drawing = Drawing(width, height, f"{title}, {unit}" if unit else title)
    drawing.add(Text(14, 18, title, 14, bold=True))
    if unit:
        at = 14 + text_width(title, 14) * 1.16 + 8
        if at + text_width(unit, SIZE) < width:
            drawing.add(Text(at, 18.5, unit, SIZE, fill="muted"))
        else:
            drawing.add(Text(14, 36, unit, SIZE, fill="muted"))
    return drawing


def below_title(drawing: Drawing) -> float:
    """Px at which a legend begins below title and unit, in a drawing that holds nothing else."""
    return max(item.y for item in drawing.items if isinstance(item, Text)) + 24


def draw_y_axis(drawing: Drawing, frame: Frame, about: int = 5) -> None:
    """Horizontal grid lines with their values; zero is stronger."""
    values = ticks(frame.y_low, frame.y_high, about)
    for value in values:
        y = frame.y(value)
        zero = value == 0 and frame.y_low < 0
        line = np.array([(frame.left, y), (frame.right, y)])
        stroke = "muted" if zero else "grid"
        drawing.add(Lines((line,), stroke=stroke, width=1.0, closed=False))
        drawing.add(Text(frame.left - 6, y, tick_text(value, values), SIZE, "end", "muted"))


def draw_x_axis(
    drawing: Drawing, frame: Frame, label: str, about: int = 6, whole: bool = False
) -> None:
    """Values along the bottom with what they are."""
    values = ticks(frame.x_low, frame.x_high, about)
    if whole:
        values = [v for v in values if v == round(v)]
    for value in values:
        text = tick_text(value, values)
        drawing.add(Text(frame.x(value), frame.bottom + 13, text, SIZE, "middle", "muted"))
    middle = 0.5 * (frame.left + frame.right)
    drawing.add(Text(middle, frame.bottom + 31, label, SIZE, "middle", "muted"))


def draw_legend(
    drawing: Drawing, entries: Sequence[tuple[str, str]], left: float, top: float, right: float
) -> float:
    """Coloured squares with words, in as many rows as needed; gives the bottom, px."""
    x, y = left, top
    for colour, label in entries:
        wide = 22 + text_width(label, SIZE) + 10
        if x + wide > right and x > left:
            x, y = left, y + 19
        drawing.add(Box(x, y - 5.5, 11, 11, colour, radius=2), Text(x + 16, y, label, SIZE))
        x += wide
    return y + 14


def draw_end_labels(
    drawing: Drawing, frame: Frame, labels: Sequence[tuple[float, str, str]], size: float = 11.5
) -> None:
    """Words right of the lines they name, moved apart where they would touch.

    Parameters
    ----------
    labels : sequence of (value, text, colour)
    """
    ordered = sorted(labels, key=lambda label: -label[0])
    wanted = [min(max(frame.y(value), frame.top), frame.bottom) for value, _, _ in ordered]
    placed = apart(wanted, size + 2.5, frame.top - 6, frame.bottom + 6)
    for y, target, (_, text, colour) in zip(placed, wanted, ordered, strict=True):
        if abs(y - target) > 2:
            link = np.array([(frame.right + 1, target), (frame.right + 7, y)])
            drawing.add(Lines((link,), stroke=colour, width=0.8, closed=False, opacity=0.7))
        drawing.add(Text(frame.right + 9, y, text, size, fill="ink"))


def apart(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Increasing places at least a gap apart, near the wanted ones and within bounds if they fit.

    Examples
    --------
    >>> apart([1, 1, 9], 2, 0, 10)
    [1, 3, 9]
    """
    placed: list[float] = []
    for value in wanted:
        placed.append(max(value, placed[-1] + gap) if placed else max(value, low))
    limit = high
    for i in range(len(placed) - 1, -1, -1):
        placed[i] = min(placed[i], limit)
        limit = placed[i] - gap
    return placed


def line_style(position: int) -> tuple[str, tuple[float, ...]]:
    """Colour and dashes of the n-th line of a chart."""
    return _HUES[position % len(_HUES)], _DASHES[position // len(_HUES) % len(_DASHES)]


def scale_colour(share: float) -> str:
    """Colour of a value between 0 (light) and 1 (dark).

    Examples
    --------
    >>> scale_colour(0.0), scale_colour(2.0)
    ('#fffbe0', '#3d4f96')
    """
    place = min(max(share, 0.0), 1.0) * (len(_SCALE) - 1)
    first = min(int(place), len(_SCALE) - 2)
    part = place - first
    mixed = [
        round(
            (1 - part) * int(_SCALE[first][i : i + 2], 16)
            + part * int(_SCALE[first + 1][i : i + 2], 16)
        )
        for i in (1, 3, 5)
    ]
    return "#" + "".join(f"{value:02x}" for value in mixed)


def on_colour(share: float) -> str:
    """Text colour readable on :func:`scale_colour`."""
    return "#ffffff" if share > 0.72 else "#1f2933"


def left_margin(texts: Sequence[str], size: float = SIZE) -> float:
    """Px that the longest of some labels needs, with a little air."""
    return max((text_width(text, size) for text in texts), default=0.0) + 20


def merged(colours: Mapping[str, str], labels: Sequence[str]) -> dict[str, str]:
    """Colour of each label, grey for those that have none."""
    return {label: colours.get(label, "#9aa3ab") for label in labels}
