"""Hour by hour: dispatch of a country over a week, duration curves of interconnectors."""

from __future__ import annotations

import numpy as np
import pandas as pd

from viz.chart import Frame, below_title, draw_legend, draw_x_axis, draw_y_axis, merged, new_drawing
from viz.country_charts import CASES, SHEDDING, carrier_colours, carrier_names
from viz.drawing import Drawing, Lines, Text, words
from viz.numbers import number
from viz.run_view import RunView
from viz.solved_network import stored_power

WIDTH, HEIGHT = 560.0, 340.0
DISPOSAL = "disposal"
NO_LINES = "No interconnector lies between the countries of this run."
# Above it power is written in GW.
LARGE_MW = 2500.0
_WEEK = pd.Timedelta(days=7)
_SHORT = pd.Timedelta(days=2)


def weeks(view: RunView) -> list[pd.Timestamp]:
    """Beginnings of the weeks that the outcome is recorded for."""
    if not len(view.snapshots):
        return []
    starts = [view.snapshots[0]]
    for snapshot in view.snapshots:
        if snapshot - starts[-1] >= _WEEK:
            starts.append(snapshot)
    return starts


def dispatch(view: RunView, country: str) -> pd.DataFrame:
    """Power of a country in the negotiated outcome, MW, by snapshot.

    Returns
    -------
    DataFrame
        A column per technology (storage negative while it charges), ``disposal`` (negative, power
        that nobody could use), ``imports`` (negative exports) and ``demand``, which is the sum of
        all others. Only ``imports`` for scenarios of cost curves.
    """
    prices = view.prices_of(country, "negotiated")
    imports = pd.Series(prices["exchange_mw"].to_numpy(), view.snapshots, name="imports")
    own = stored_power(view).get(country)
    return imports.to_frame() if own is None else own.assign(imports=imports)


def draw_dispatch(
    view: RunView, country: str, week: pd.Timestamp | None = None, width: float = WIDTH
) -> Drawing:
    """Generation and imports of a week, exports and charging below zero, demand as a line."""
    title = f"Dispatch, {view.names[country]}"
    if view.prices.empty:
        return words(width, 120, title, "Known when the run has ended.")
    starts = weeks(view)
    start = week if week in starts else starts[0]
    table = dispatch(view, country)
    table = table[(table.index >= start) & (table.index < start + _WEEK)]
    table = table.loc[:, (table.abs() > 0.05).any(axis=0) | (table.columns == "demand")]
    parts = [c for c in table.columns if c != "demand"]
    # What runs steadily lies at the bottom.
    parts.sort(key=lambda c: (c == "imports", float(table[c].std() / (table[c].abs().mean() or 1))))
    large = float(table.abs().to_numpy().max(initial=0.0)) > LARGE_MW
    power, unit = (table / 1e3, "GW") if large else (table, "MW")
    colours = merged(dict(carrier_colours(view)), parts)
    colours |= {"imports": "#8e44ad", SHEDDING: "#e31a1c", DISPOSAL: "#b9bfc5"}
    nice = {**carrier_names(view), "imports": "net import", SHEDDING: "load shedding"}
    nice[DISPOSAL] = "thrown away"
    drawing = new_drawing(width, HEIGHT, title, f"{unit}, negotiated, week from {start:%d %b %Y}")
    top = draw_legend(
        drawing, [(colours[c], nice.get(c, c)) for c in parts], 14, below_title(drawing), width - 8
    )
    drawing.height = HEIGHT + top - 56
    positive, negative = power[parts].clip(lower=0), power[parts].clip(upper=0)
    high = (
        max(positive.sum(axis=1).max(), power["demand"].max() if "demand" in power else 0.0) or 1.0
    )
    low = float(negative.sum(axis=1).min())
    short = power.index[-1] - start < _SHORT
    since = pd.DatetimeIndex(power.index) - start
    times = (since / pd.Timedelta(hours=1 if short else 24)).to_numpy()
    times = np.append(times, times[-1] + (times[-1] - times[-2] if len(times) > 1 else 1.0))
    frame = Frame(
        56, top + 6, width - 14, drawing.height - 48, 0, times[-1], 1.05 * low, 1.04 * float(high)
    )
    draw_y_axis(drawing, frame)
    draw_x_axis(drawing, frame, "hours" if short else "days", 7)
    for sign in (positive, negative):
        base = np.zeros(len(sign))
        for part in parts:
            upper = base + sign[part].to_numpy()
            if np.abs(upper - base).max() > 0:
                area = _stairs(frame, times, base, upper)
                tip, data = nice.get(part, part), {"carrier": part}
                drawing.add(Lines((area,), fill=colours[part], tip=tip, data=data))
            base = upper
    if "demand" in power:
        line = _step_line(frame, times, power["demand"].to_numpy())
        drawing.add(Lines((line,), None, "ink", 1.8, closed=False, tip="demand"))
        drawing.add(Text(frame.left + 8, frame.top + 4, "line: demand", 12, halo="paper"))
    return drawing


def _stairs(frame: Frame, days: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    upper, lower = _step_line(frame, days, high), _step_line(frame, days, low)
    return np.vstack([upper, lower[::-1]])


def _step_line(frame: Frame, days: np.ndarray, values: np.ndarray) -> np.ndarray:
    return frame.points(np.repeat(days, 2)[1:-1], np.repeat(values, 2))


def duration(view: RunView, line: str | None) -> pd.DataFrame:
    """Flow on an interconnector from largest to smallest: case, hours from the start, MW.

    No rows without an interconnector and before the end of the run.
    """
    if line is None:
        return pd.DataFrame()
    parts = []
    for case in view.cases:
        rows = view.flows_of(line, case).sort_values("flow_mw", ascending=False)
        hours = rows["weight_h"].cumsum() - rows["weight_h"]
        parts.append(
            pd.DataFrame(
                {
                    "case": case,
                    "from_h": hours,
                    "to_h": hours + rows["weight_h"],
                    "flow_mw": rows["flow_mw"],
                }
            )
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def draw_duration(view: RunView, line: str | None, width: float = WIDTH) -> Drawing:
    """Duration curves of the negotiated and the planner's flow between the limits."""
    if line is None:
        return words(width, 120, "Duration curve", NO_LINES)
    found = next(i for i in view.lines if i.name == line)
    title = f"Duration curve, {line}"
    table = duration(view, line)
    if table.empty:
        return words(width, 120, title, "Known when the run has ended.")
    drawing = new_drawing(width, HEIGHT - 20, title, f"MW, positive from {found.a} to {found.b}")
    cases = [case for case in CASES if case in view.cases]
    top = draw_legend(
        drawing, [(case, case) for case in cases], 14, below_title(drawing), width - 8
    )
    high, low = found.a_to_b_mw, -found.b_to_a_mw
    room = 0.07 * (high - low or 1.0)
    hours = float(table["to_h"].max())
    bottom = drawing.height - 48
    frame = Frame(62, top + 4, width - 24, bottom, 0, hours, low - room, high + room)
    draw_y_axis(drawing, frame)
    draw_x_axis(drawing, frame, "hours of the year" if hours > 200 else "hours", 6)
    for limit in (high, low):
        y = frame.y(limit)
        edge = np.array([(frame.left, y), (frame.right, y)])
        tip = f"limit {number(abs(limit))} MW"
        drawing.add(Lines((edge,), None, "limit", 1.2, (5, 4), False, tip=tip))
    drawing.add(Text(frame.right, frame.y(high) - 9, "limit", 11.5, "end", "limit", halo="paper"))
    for case in cases:
        rows = table[table["case"] == case]
        edges = np.append(rows["from_h"].to_numpy(), hours)
        curve = _step_line(frame, edges, rows["flow_mw"].to_numpy())
        drawing.add(Lines((curve,), None, case, 2.2, closed=False, tip=case, data={"case": case}))
    return drawing
