"""How a negotiation went from step to step: marginal costs, gain."""

from __future__ import annotations

import numpy as np
import pandas as pd

from viz.chart import (
    Frame,
    draw_end_labels,
    draw_x_axis,
    draw_y_axis,
    line_style,
    new_drawing,
)
from viz.drawing import Disc, Drawing, Lines, Text, words
from viz.moment import interval_by_step, price_by_step
from viz.numbers import money_unit, number
from viz.run_view import RunView

WIDTH, HEIGHT = 560.0, 320.0


def marginal_costs(view: RunView, product: str | None = None) -> pd.DataFrame:
    """Marginal value of every country before every step, and the interval it lies in, EUR/MWh.

    The mean over the year has an interval where all products were tried.
    """
    columns = ("marginal_value_eur_per_mwh", "mc_import_eur_per_mwh", "mc_export_eur_per_mwh")
    value = price_by_step(view, product)
    if value.empty:
        return pd.DataFrame(columns=["step", "country", *columns])
    below, above = interval_by_step(view, product)
    long = [
        table.rename_axis(index="step", columns="country").melt(ignore_index=False)
        for table in (value, value - below, value + above)
    ]
    found = long[0][["country"]].assign(
        **{name: part["value"] for name, part in zip(columns, long, strict=True)}
    )
    return found.reset_index()


def draw_marginal_costs(
    view: RunView, product: str | None = None, step: int | None = None, width: float = WIDTH
) -> Drawing:
    """Lines of all countries, which come together as the interconnectors allow.

    A thin bar at a step reaches from what a little more import saves to what a little less costs.
    """
    title = "Marginal cost by country"
    table = price_by_step(view, product)
    if table.empty:
        return words(width, HEIGHT, title, "No step is done yet.")
    steps = table.index.to_numpy() + 1.0
    values = table.to_numpy()
    below, above = interval_by_step(view, product)
    # The first steps may hold scarcity prices that would flatten all the rest.
    low, high = np.nanpercentile(values, [0, 97]).tolist()
    room = 0.06 * (high - low or abs(high) or 1.0)
    frame = Frame(56, 54, width - 62, HEIGHT - 48, 1, max(steps[-1], 2), low - room, high + room)
    drawing = new_drawing(width, HEIGHT, title, f"EUR/MWh, {product or 'mean over the year'}")
    draw_y_axis(drawing, frame)
    draw_x_axis(drawing, frame, "step", whole=True)
    labels = []
    for place, code in enumerate(table.columns):
        colour, dash = line_style(place)
        line = np.clip(table[code].to_numpy(), frame.y_low, frame.y_high)
        points = frame.points(steps, line)
        tip = f"{view.names[code]}: {number(table[code].iloc[-1], 1)} EUR/MWh after the last step"
        data = {"country": code}
        drawing.add(Lines((points,), None, colour, 2.0, dash, False, tip=tip, data=data))
        if len(points) == 1:
            drawing.add(Disc(float(points[0, 0]), float(points[0, 1]), 3.5, colour))
        _draw_intervals(drawing, frame, code, colour, table[code], below[code], above[code])
        labels.append((float(line[-1]), code, colour))
    draw_end_labels(drawing, frame, labels)
    draw_step_mark(drawing, frame, step)
    return drawing


def _draw_intervals(
    drawing: Drawing,
    frame: Frame,
    code: str,
    colour: str,
    value: pd.Series,
    below: pd.Series,
    above: pd.Series,
) -> None:
    """A bar at each step at which something was tried."""
    known = below.notna()
    if not known.any():
        return
    steps = value.index[known].to_numpy() + 1.0
    ends = (
        np.clip((value - below)[known].to_numpy(), frame.y_low, frame.y_high),
        np.clip((value + above)[known].to_numpy(), frame.y_low, frame.y_high),
    )
    low, high = (frame.points(steps, end) for end in ends)
    bars = tuple(np.array(bar) for bar in zip(low, high, strict=True))
    width = f"{number(float((below + above)[known].iloc[-1]), 1)} EUR/MWh"
    tip = f"{code}: from a little more to a little less import {width} in the last step tried"
    data = {"interval": code}
    drawing.add(Lines(bars, None, colour, 1.2, (), False, opacity=0.6, tip=tip, data=data))


def gains(view: RunView) -> pd.DataFrame:
    """Gain of all countries after every step, EUR/a, and what is left to the planner's."""
    table = view.steps[["step", "cost_eur", "gain_eur", "trades", "messages"]].copy()
    best = view.summary.get("planner_gain_eur")
    table["gap_to_planner_eur"] = np.nan if best is None else best - table["gain_eur"]
    return table


def draw_gains(view: RunView, step: int | None = None, width: float = WIDTH) -> Drawing:
    """Gain over autarky by step, beside the planner's and what is proven to be out of reach."""
    title = "Gain over autarky"
    if view.steps.empty:
        return words(width, HEIGHT, title, "No step is done yet.")
    values = np.concatenate([[0.0], view.steps["gain_eur"].to_numpy()])
    steps = np.concatenate([[0.0], view.steps["step"].to_numpy() + 1.0])
    bounds = _yardsticks(view)
    unit = money_unit([*values, *(v for _, v, _ in bounds)])
    top = max(*values, *(v for _, v, _ in bounds), 0.0) / unit.size or 1.0
    low = min(*values, *(v for _, v, _ in bounds)) / unit.size
    frame = Frame(66, 54, width - 86, HEIGHT - 48, 0, max(steps[-1], 1), low, 1.08 * top)
    drawing = new_drawing(width, HEIGHT, title, f"{unit.label} a year; autarky is zero")
    draw_y_axis(drawing, frame)
    draw_x_axis(drawing, frame, "step", whole=True)
    labels = []
    for name, value, colour in bounds:
        y = frame.y(value / unit.size)
        line = np.array([(frame.left, y), (frame.right, y)])
        tip = f"{name}: {unit.text(value)} {unit.label}"
        drawing.add(Lines((line,), None, colour, 1.8, (7, 4), False, tip=tip))
        labels.append((value / unit.size, name, colour))
    points = frame.points(steps, values / unit.size)
    drawing.polyline(points, "negotiated", 2.2)
    for (x, y), value, at in zip(points, values, steps, strict=True):
        tip = f"after step {at:.0f}: {unit.text(value)} {unit.label}"
        drawing.add(Disc(float(x), float(y), 3.0, "negotiated", tip=tip))
    labels.append((float(values[-1]) / unit.size, "negotiated", "negotiated"))
    draw_end_labels(drawing, frame, labels)
    best = view.summary.get("planner_gain_eur")
    # Without an efficiency there is nothing to gain but rounding, of which no share means anything.
    if best and view.summary.get("efficiency") is not None:
        share = f"gap to the planner: {100 * (1 - float(values[-1]) / best):.1f} %"
        drawing.add(Text(frame.right, frame.bottom - 14, share, 12, "end", halo="paper"))
    draw_step_mark(drawing, frame, step)
    return drawing


def _yardsticks(view: RunView) -> list[tuple[str, float, str]]:
    found = []
    best = view.summary.get("planner_gain_eur")
    if best is not None:
        found.append(("planner", float(best), "planner"))
    bound, autarky = view.summary.get("lower_bound_eur"), view.summary.get("autarky_cost_eur")
    if bound is not None and autarky is not None:
        found.append(("bound", float(autarky - bound), "muted"))
    return found


def draw_step_mark(drawing: Drawing, frame: Frame, step: int | None) -> None:
    """A thin line at the step that the page shows."""
    if step is not None and frame.x_low <= step + 1 <= frame.x_high:
        x = frame.x(step + 1)
        line = np.array([(x, frame.top), (x, frame.bottom)])
        drawing.add(Lines((line,), None, "limit", 1.2, (3, 3), False, data={"step": str(step)}))
