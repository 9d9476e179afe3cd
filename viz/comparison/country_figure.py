"""Gains by country under every treatment."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from viz.chart import SIZE, new_drawing, on_colour, scale_colour
from viz.drawing import Box, Drawing, Lines, Text, text_width, words
from viz.numbers import Unit, money_unit

_CELL, _ROW = 62.0, 40.0


def draw_country_gains(countries: pd.DataFrame, order: list[str]) -> Drawing:
    """A cell a treatment and country: mean gain over draws, and below it the worst draw's.

    Colour is the country's share of the treatment's gain. A red frame means that the country loses
    in some draw.

    Parameters
    ----------
    countries : DataFrame
        From :func:`viz.comparison.tables.country_table`.
    order : list of str
        Treatments from top to bottom.
    """
    title = "Gains by country"
    if countries.empty:
        return words(520, 120, title, "No run ended with gains.")
    rows = [name for name in order if name in set(countries["treatment"])]
    means = countries.pivot_table("mean_gain_meur", "treatment", "country").loc[rows]
    worst = countries.pivot_table("worst_gain_meur", "treatment", "country").loc[rows]
    losing = countries[countries["blocks_losing"] > 0]
    loses = set(zip(losing["treatment"], losing["country"], strict=True))
    codes = list(means.mean().sort_values(ascending=False).index)
    left = 26 + max(text_width(name, SIZE) for name in rows)
    top = 66.0
    height = top + _ROW * len(rows) + 34
    unit = money_unit(1e6 * means.to_numpy(dtype=float).ravel())
    told = f"{unit.label} a year; mean over draws, below it the worst draw"
    width = max(left + _CELL * len(codes) + 14, 190 + text_width(told, SIZE))
    drawing = new_drawing(width, height, title, told)
    for column, code in enumerate(codes):
        x = left + _CELL * (column + 0.5)
        drawing.add(Text(x, top - 14, str(code), SIZE, "middle", bold=True))
    widest = float(means.abs().to_numpy().max()) * 1e6 / unit.size
    unit = replace(unit, decimals=1 if widest >= 10 else 2)
    for row, name in enumerate(rows):
        y = top + _ROW * row
        drawing.add(Text(left - 10, y + 0.5 * _ROW, name, SIZE, "end"))
        mean_of = means.loc[name, codes].to_numpy(dtype=float)
        worst_of = worst.loc[name, codes].to_numpy(dtype=float)
        total = float(mean_of.clip(0).sum()) or 1.0
        for column, code in enumerate(codes):
            value, least = float(mean_of[column]), float(worst_of[column])
            place = left + _CELL * column, y
            cell = _Cell(f"{name}, {code}", value, least, value / total, (name, code) in loses)
            _draw_cell(drawing, place, cell, unit)
    text = "colour: share of the gain of all; red frame: loses in some draw"
    drawing.add(Text(left, height - 16, text, SIZE, fill="muted"))
    return drawing


@dataclass(frozen=True)
class _Cell:
    """A country under a treatment, M EUR/a, and its share of the treatment's gain."""

    what: str
    mean: float
    worst: float
    share: float
    loses: bool


def _draw_cell(drawing: Drawing, place: tuple[float, float], cell: _Cell, unit: Unit) -> None:
    x, y = place
    # Few countries take more than half; the root spreads the small shares.
    depth = max(cell.share, 0.0) ** 0.5
    mean, worst = unit.text(1e6 * cell.mean), unit.text(1e6 * cell.worst)
    tip = f"{cell.what}: {mean} {unit.label}/a, at worst {worst}"
    fill, ink, data = scale_colour(depth), on_colour(depth), {"cell": cell.what}
    drawing.add(Box(x + 1, y + 1, _CELL - 2, _ROW - 2, fill, tip=tip, data=data))
    middle = x + 0.5 * _CELL
    drawing.add(Text(middle, y + 14, mean, SIZE, "middle", ink))
    drawing.add(Text(middle, y + 28, worst, 10, "middle", ink))
    if cell.loses:
        a, b, c, d = x + 2, y + 2, x + _CELL - 2, y + _ROW - 2
        frame = np.array([(a, b), (c, b), (c, d), (a, d)])
        drawing.add(Lines((frame,), None, "limit", 2.0, data={"loses": cell.what}))
