"""Every draw of every treatment: mean with its interval beside the worst case."""

from __future__ import annotations

from viz.chart import SIZE, Frame, new_drawing
from viz.comparison.blocks import Blocks
from viz.comparison.marks import (
    colour,
    draw_mark,
    draw_value_axis,
    draw_whisker,
    key_width,
    places,
)
from viz.comparison.statistics import mean_interval
from viz.drawing import Disc, Drawing, Text, words
from viz.numbers import number

_PLOT, _ROW = 400.0, 26.0


def draw_spread(blocks: Blocks) -> Drawing:
    """One row a treatment, best mean on top: a dot a draw, the mean with its 95 % interval."""
    measure = blocks.measure
    title = "Mean and every draw"
    names = [name for name in blocks.best_first if blocks.matrix[name].notna().any()]
    if not names:
        return words(_PLOT, 120, title, "No run ended with a value.")
    values = measure.factor * blocks.matrix[names]
    low, high = float(values.min().min()), float(values.max().max())
    air = 0.04 * ((high - low) or abs(high) or 1.0)
    left = key_width(names)
    bottom = 50 + _ROW * len(names)
    drawing = new_drawing(left + _PLOT + 130, bottom + 48, title)
    frame = Frame(left, 50, left + _PLOT, bottom, low - air, high + air, 0, 1)
    draw_value_axis(drawing, frame, measure.label)
    drawing.add(Text(frame.right + 62, 40, "mean", SIZE, "end", "muted"))
    drawing.add(Text(frame.right + 122, 40, "worst", SIZE, "end", "muted"))
    place_of = places(blocks.matrix.columns)
    for row, name in enumerate(names):
        y = frame.top + _ROW * (row + 0.5)
        known = values[name].dropna()
        drawing.add(Text(frame.left - 10, y, name, SIZE, "end"))
        for block, value in known.items():
            tip = f"{name}, {block}: {number(float(value), 2)}"
            drawing.add(Disc(frame.x(float(value)), y, 3.2, "grid", "muted", 0.8, tip))
        interval = mean_interval(known.to_numpy())
        stroke = colour(place_of[name])
        if interval.low < interval.high:
            ends = frame.x(interval.low), frame.x(interval.high)
            draw_whisker(drawing, (ends[0], y), (ends[1], y), stroke, 3.0)
        draw_mark(drawing, place_of[name], frame.x(interval.mean), y, 5.5, name)
        worst = known.min() if measure.higher_is_better else known.max()
        drawing.add(Text(frame.right + 62, y, number(interval.mean, 1), SIZE, "end"))
        drawing.add(Text(frame.right + 122, y, number(float(worst), 1), SIZE, "end"))
    return drawing
