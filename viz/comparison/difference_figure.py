"""Differences of pairs of treatments with their confidence intervals."""

from __future__ import annotations

from math import isfinite

import pandas as pd

from viz.chart import SIZE, Frame, new_drawing
from viz.comparison.blocks import Measure
from viz.comparison.marks import draw_value_axis, draw_whisker
from viz.comparison.statistics import ALPHA
from viz.comparison.tables import leading_pairs
from viz.comparison.words import p_text
from viz.drawing import Disc, Drawing, Text, text_width, words

_PLOT, _ROW = 360.0, 22.0


def draw_differences(pairs: pd.DataFrame, measure: Measure) -> Drawing:
    """One row a pair: mean difference, its 95 % interval, p after Holm's adjustment for all pairs.

    A full dot differs from zero at 5 %, an empty one does not, or was not tested.
    """
    title = "Paired differences"
    known = leading_pairs(pairs).dropna(subset=["mean_difference"])
    if known.empty:
        return words(_PLOT, 120, title, "No two treatments ended on the same draw.")
    names = [f"{row['first']} - {row['second']}" for _, row in known.iterrows()]
    numbers = measure.factor * known[["mean_difference", "low", "high"]].astype(float)
    low, high = min(0.0, float(numbers.min().min())), max(0.0, float(numbers.max().max()))
    air = 0.04 * ((high - low) or 1.0)
    left = 30 + max(text_width(name, SIZE) for name in names)
    bottom = 50 + _ROW * len(names)
    drawing = new_drawing(left + _PLOT + 150, bottom + 48, title, "mean, 95 % interval")
    frame = Frame(left, 50, left + _PLOT, bottom, low - air, high + air, 0, 1)
    unit = f", {measure.difference_unit}" if measure.difference_unit else ""
    draw_value_axis(drawing, frame, f"difference of {measure.name}{unit}")
    drawing.add(Text(frame.right + 62, 40, "draws", SIZE, "end", "muted"))
    drawing.add(Text(frame.right + 138, 40, "p (Holm)", SIZE, "end", "muted"))
    for place, (name, (_, row)) in enumerate(zip(names, known.iterrows(), strict=True)):
        y = frame.top + _ROW * (place + 0.5)
        mean, start, end = (measure.factor * row[n] for n in ("mean_difference", "low", "high"))
        drawing.add(Text(frame.left - 10, y, name, SIZE, "end"))
        if isfinite(start):
            draw_whisker(drawing, (frame.x(start), y), (frame.x(end), y), "negotiated", 2.0)
        sure = row["holm_p"] < ALPHA
        fill = "negotiated" if sure else "paper"
        drawing.add(Disc(frame.x(mean), y, 4.5, fill, "negotiated", 1.6, name))
        drawing.add(Text(frame.right + 62, y, str(row["blocks"]), SIZE, "end"))
        drawing.add(Text(frame.right + 138, y, p_text(row["holm_p"]), SIZE, "end"))
    return drawing
