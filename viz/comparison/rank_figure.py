"""Critical-difference diagram of mean ranks."""

from __future__ import annotations

import math

import numpy as np

from viz.chart import SIZE, Frame, new_drawing
from viz.comparison.blocks import Blocks
from viz.comparison.marks import draw_whisker
from viz.comparison.statistics import FEWEST_BLOCKS, cliques, critical_difference
from viz.comparison.tables import ranks_of
from viz.drawing import Drawing, Lines, Text, text_width, words
from viz.numbers import number

_PLOT, _ROW, _BAR = 420.0, 20.0, 9.0
_TITLE = "Critical differences"


def draw_critical_differences(blocks: Blocks) -> Drawing:
    """Mean ranks on a scale, best to the left; a bar joins those that cannot be told apart.

    As Demsar (2006) draws it, over the blocks that every treatment ended.
    """
    ranks = ranks_of(blocks)
    n, k = ranks.shape
    if k < 2:
        return words(_PLOT, 120, _TITLE, "One treatment: nothing to compare.")
    if n < FEWEST_BLOCKS:
        text = (
            f"{n} draws that every treatment ended: too few to rank; "
            f"the test begins at {FEWEST_BLOCKS}."
        )
        return words(_PLOT, 120, _TITLE, text)
    return _diagram([str(c) for c in blocks.matrix.columns], ranks.mean(axis=0), n)


def _diagram(names: list[str], means: np.ndarray, blocks: int) -> Drawing:
    k = len(names)
    difference = critical_difference(k, blocks)
    groups = cliques(means, difference)
    order = np.argsort(means, kind="stable")
    left_side, right_side = order[: math.ceil(k / 2)], order[math.ceil(k / 2) :][::-1]
    texts = {int(i): f"{names[i]}  {number(means[i], 2)}" for i in order}
    margins = [
        24 + max((text_width(texts[int(i)], SIZE) for i in side), default=0.0)
        for side in (left_side, right_side)
    ]
    axis_y = 84.0
    below = axis_y + 14 + _BAR * len(groups)
    height = below + 14 + _ROW * len(left_side) + 12
    drawing = new_drawing(
        margins[0] + _PLOT + margins[1], height, _TITLE, "mean rank over draws, 1 is best"
    )
    frame = Frame(margins[0], axis_y, margins[0] + _PLOT, height, 1, k, 0, 1)
    _draw_scale(drawing, frame, k)
    _draw_ruler(drawing, frame, difference)
    for place, group in enumerate(groups):
        y = axis_y + 10 + _BAR * place
        ends = frame.x(means[group[0]]) - 4, frame.x(means[group[-1]]) + 4
        data = {"group": "+".join(names[i] for i in group)}
        bar = np.array([(ends[0], y), (ends[1], y)])
        drawing.add(Lines((bar,), None, "ink", 4.0, closed=False, data=data))
    for side, anchor, edge in (
        (left_side, "end", frame.left - 10),
        (right_side, "start", frame.right + 10),
    ):
        for row, i in enumerate(side):
            x, y = frame.x(means[i]), below + 14 + _ROW * row
            corner = np.array([(x, axis_y), (x, y), (edge, y)])
            drawing.add(Lines((corner,), None, "muted", 1.0, closed=False))
            at = edge - 4 if anchor == "end" else edge + 4
            drawing.add(Text(at, y, texts[int(i)], SIZE, "end" if anchor == "end" else "start"))
    return drawing


def _draw_scale(drawing: Drawing, frame: Frame, k: int) -> None:
    draw_whisker(drawing, (frame.left, frame.top), (frame.right, frame.top), "ink", 1.2)
    for rank in range(1, k + 1):
        x = frame.x(rank)
        draw_whisker(drawing, (x, frame.top - 6), (x, frame.top), "ink", 1.2)
        drawing.add(Text(x, frame.top - 15, str(rank), SIZE, "middle"))


def _draw_ruler(drawing: Drawing, frame: Frame, difference: float) -> None:
    """Length of the critical difference above the scale, cut off at its end."""
    y, end = frame.top - 36, min(frame.x(1 + difference), frame.right)
    draw_whisker(drawing, (frame.left, y), (end, y), "limit", 1.6)
    for x in (frame.left, end):
        draw_whisker(drawing, (x, y - 4), (x, y + 4), "limit", 1.6)
    text = f"critical difference {number(difference, 2)} (Nemenyi, 5 %)"
    drawing.add(Text(end + 10, y, text, SIZE, fill="muted"))
