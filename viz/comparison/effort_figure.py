"""Efficiency against what it took: rounds, private numbers, seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from viz.chart import Frame, draw_y_axis, new_drawing
from viz.comparison.marks import (
    colour,
    dash,
    draw_key,
    draw_log_x_axis,
    draw_mark,
    draw_whisker,
    key_width,
    log_range,
    places,
)
from viz.drawing import Drawing, Lines, words
from viz.numbers import number

WIDTH, HEIGHT = 520.0, 340.0


@dataclass(frozen=True)
class Effort:
    """What a negotiation takes, as a column of runs and steps."""

    column: str
    label: str


EFFORTS = {
    "rounds": Effort("rounds", "rounds of messages"),
    "numbers": Effort("numbers_disclosed", "private numbers disclosed"),
    "seconds": Effort("seconds", "seconds of negotiation"),
}


def draw_effort(runs: pd.DataFrame, steps: pd.DataFrame, effort: Effort) -> Drawing:
    """Where each treatment ends, and how it came there.

    A mark is the median over draws, its cross reaches from the least to the most over draws. The
    line is the mean efficiency over draws after so much effort, step by step, from the effort at
    which every draw has ended its first step.

    Parameters
    ----------
    runs : DataFrame
        Labelled, with ``seconds``.
    steps : DataFrame
        With ``treatment``, ``seconds``.
    effort : Effort
    """
    title = f"Efficiency against {effort.label.split(' of ')[0]}"
    ended = runs.dropna(subset=["efficiency", effort.column])
    shown = ended[ended[effort.column] > 0]
    if shown.empty:
        return words(WIDTH, 120, title, "No run ended with an efficiency.")
    place_of = places(set(runs["treatment"]))
    names = list(
        shown.groupby("treatment")["efficiency"].median().sort_values(ascending=False).index
    )
    lines = {
        name: _course(steps[steps["case"].isin(part["case"])], effort.column)
        for name, part in shown.groupby("treatment")
    }
    percent = np.concatenate([100 * shown["efficiency"], *(100 * y for _, y in lines.values())])
    low, high = _percent_range(percent)
    across = np.concatenate([shown[effort.column].astype(float), *(x for x, _ in lines.values())])
    key = key_width(names)
    height = max(HEIGHT, 60 + 19 * len(names))
    drawing = new_drawing(WIDTH + key, height, title, "% of the planner's gain")
    frame = Frame(60, 40, WIDTH - 14, height - 48, *log_range(across), low, high)
    draw_y_axis(drawing, frame, 6)
    draw_log_x_axis(drawing, frame, effort.label)
    for name in names:
        x, y = lines[name]
        if len(x) > 1:
            line = frame.points(np.log10(x), 100 * y)
            stroke = colour(place_of[name])
            style = dash(place_of[name])
            drawing.add(Lines((line,), None, stroke, 1.6, style, closed=False, opacity=0.75))
    for name in names:
        _draw_ends(drawing, frame, shown[shown["treatment"] == name], effort, place_of[name])
    draw_key(drawing, names, place_of, WIDTH + 8, 56)
    return drawing


def _draw_ends(
    drawing: Drawing, frame: Frame, runs: pd.DataFrame, effort: Effort, place: int
) -> None:
    """Median over draws and the range both ways."""
    x = np.log10(runs[effort.column].to_numpy(dtype=float))
    y = 100 * runs["efficiency"].to_numpy(dtype=float)
    at = frame.x(float(np.median(x))), frame.y(float(np.median(y)))
    stroke = colour(place)
    draw_whisker(drawing, (frame.x(x.min()), at[1]), (frame.x(x.max()), at[1]), stroke)
    draw_whisker(drawing, (at[0], frame.y(y.min())), (at[0], frame.y(y.max())), stroke)
    name = str(runs["treatment"].iloc[0])
    tip = f"{name}: {number(float(np.median(y)), 1)} % after {number(10 ** float(np.median(x)))}"
    draw_mark(drawing, place, *at, 5.5, tip, {"treatment": name})


def _course(steps: pd.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean efficiency over draws after so much effort.

    Before its first step ends a draw has no gain; after its last it keeps what it has.

    Returns
    -------
    tuple of ndarray
        Effort, and share of the planner's gain.
    """
    courses = []
    for _, part in steps.dropna(subset=["efficiency", column]).groupby("case"):
        ordered = part.sort_values("step")
        courses.append((ordered[column].to_numpy(float), ordered["efficiency"].to_numpy(float)))
    if not courses:
        return np.zeros(0), np.zeros(0)
    begin = max(x[0] for x, _ in courses)
    grid = np.unique(np.concatenate([x for x, _ in courses]))
    grid = grid[(grid >= begin) & (grid > 0)]
    values = [y[np.searchsorted(x, grid, side="right") - 1] for x, y in courses]
    return grid, np.mean(values, axis=0)


def _percent_range(percent: np.ndarray) -> tuple[float, float]:
    """Axis that holds the values, from zero unless all lie far above it."""
    low, high = float(percent.min()), max(float(percent.max()), 0.0)
    if low < 45:
        return 1.05 * min(low, 0.0), max(high, 100.0 if high > 60 else 0.0) * 1.02 + 0.5
    return math.floor(low / 10) * 10 - 5.0, max(high, 100.0) * 1.02 + 0.5
