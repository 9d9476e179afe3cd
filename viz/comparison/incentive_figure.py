"""What each country gains by its best deviation from the truth, and what the pool loses."""

from __future__ import annotations

import numpy as np
import pandas as pd

from viz.chart import SIZE, Frame, draw_legend, new_drawing
from viz.comparison.blocks import rule_names
from viz.comparison.marks import draw_value_axis
from viz.drawing import Box, Drawing, Text, text_width, words
from viz.numbers import number

_PLOT, _ROW, _AIR = 380.0, 18.0, 12.0


def draw_incentives(best: pd.DataFrame) -> Drawing:
    """A pair of bars a country, protocol by protocol, as % of the planner's gain.

    Parameters
    ----------
    best : DataFrame
        From :func:`model.experiments.incentives.best_deviations`.
    """
    title = "What deviating from the truth brings"
    known = best.assign(rules=rule_names(best)).dropna(subset=["own_gain_share"])
    if known.empty:
        return words(520, 120, title, "No deviation ended on a draw that the truth ended too.")
    percent = 100 * known[["own_gain_share", "pool_loss_share"]].to_numpy(dtype=float)
    low, high = min(0.0, float(percent.min())), max(0.0, float(percent.max()))
    air = 0.04 * ((high - low) or 1.0)
    groups = list(known.groupby("rules", sort=True))
    countries = 24 + max(text_width(str(c), SIZE) for c in known["country"])
    left = 20 + max(text_width(str(name), SIZE) for name in known["rules"]) + countries
    bottom = 74 + _ROW * len(known) + _AIR * len(groups)
    drawing = new_drawing(left + _PLOT + 150, bottom + 48, title, "mean over draws")
    entries = [("negotiated", "the country gains"), ("planner", "the pool loses")]
    draw_legend(drawing, entries, 14, 46, left + _PLOT)
    frame = Frame(left, 66, left + _PLOT, bottom, low - air, high + air, 0, 1)
    draw_value_axis(drawing, frame, "% of the planner's gain")
    drawing.add(Text(frame.right + 12, 54, "best deviation", SIZE, fill="muted"))
    y = frame.top + 0.5 * _AIR
    for name, part in groups:
        drawing.add(Text(14, y + 0.5 * _ROW, str(name), SIZE, bold=True))
        for _, row in part.sort_values("country").iterrows():
            drawing.add(Text(left - 10, y + 0.5 * _ROW, str(row["country"]), SIZE, "end"))
            drawing.add(Text(frame.right + 12, y + 0.5 * _ROW, str(row["deviation"]), SIZE))
            for column, colour, dy in (
                ("own_gain_share", "negotiated", 2.0),
                ("pool_loss_share", "planner", 9.0),
            ):
                value = 100 * float(row[column])
                ends = np.sort([frame.x(0.0), frame.x(value)])
                tip = f"{name}, {row['country']}: {number(value, 3)} %"
                data = {"rules": str(name), "country": str(row["country"]), "bar": column}
                wide = max(float(ends[1] - ends[0]), 0.8)
                drawing.add(Box(float(ends[0]), y + dy, wide, 6.0, colour, tip=tip, data=data))
            y += _ROW
        y += _AIR
    return drawing
