"""What the outcome means for the countries: gains, payments, capacity built."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from viz.chart import (
    Frame,
    below_title,
    draw_legend,
    left_margin,
    merged,
    new_drawing,
    tick_text,
    ticks,
)
from viz.drawing import Box, Drawing, Lines, Text, text_width, words
from viz.numbers import money_unit, number
from viz.run_view import RunView
from viz.solved_network import stored_carriers

WIDTH, ROW = 560.0, 30.0
CASES = ("autarky", "negotiated", "planner")
SHEDDING = "load_shedding"


def gains_and_payments(view: RunView) -> pd.DataFrame:
    """Outcome of each country, as in ``summary.json``; without rows before the end."""
    rows = [{"country": code, **row} for code, row in view.summary.get("countries", {}).items()]
    return pd.DataFrame(rows)


def draw_gains_and_payments(view: RunView, width: float = WIDTH) -> Drawing:
    """Gain of each country and what it pays or is paid, largest gain on top."""
    title = "Gains and payments"
    table = gains_and_payments(view)
    if table.empty:
        return words(width, 120, title, "Known when the run has ended and all costs are re-solved.")
    table = table.sort_values("gain_eur", ascending=False)
    unit = money_unit([*table["gain_eur"], *table["payment_eur"]])
    both = np.concatenate([table["gain_eur"], table["payment_eur"]]) / unit.size
    low, high = min(0.0, float(both.min())), max(0.0, float(both.max())) or 1.0
    height = 74 + ROW * len(table) + 34
    names = [view.names[code] for code in table["country"]]
    drawing = new_drawing(width, height, title, f"{unit.label} a year")
    entries = [("negotiated", "gain"), ("paid", "net payment, negative is paid to the country")]
    top = draw_legend(drawing, entries, 14, below_title(drawing), width - 10)
    # Room for the numbers at the ends of the bars, on both sides if both are used.
    widest = max(text_width(unit.text(v * unit.size), 11) for v in both) + 8
    left = left_margin(names) + (widest if low < 0 else 0)
    frame = Frame(left, top, width - widest - 8, height - 34, low, high, 0, 1)
    _draw_value_axis(drawing, frame)
    for place, (code, gain, payment) in enumerate(
        zip(table["country"], table["gain_eur"], table["payment_eur"], strict=True)
    ):
        y = top + ROW * place + 3
        drawing.add(Text(14, y + 12, view.names[code], 12))
        for value, colour, dy in ((gain, "negotiated", 0.0), (payment, "paid", 12.5)):
            tip = f"{view.names[code]}: {unit.text(value)} {unit.label}"
            _draw_bar(drawing, frame, value / unit.size, y + dy, 11, colour, tip, code)
            _draw_bar_number(drawing, frame, value / unit.size, y + dy + 6, unit.text(value))
    return drawing


def _draw_value_axis(drawing: Drawing, frame: Frame) -> None:
    values = ticks(frame.x_low, frame.x_high, 4)
    for value in values:
        line = np.array([(frame.x(value), frame.top), (frame.x(value), frame.bottom)])
        stroke = "muted" if value == 0 else "grid"
        drawing.add(Lines((line,), None, stroke, 1.0, closed=False))
        text = tick_text(value, values)
        drawing.add(Text(frame.x(value), frame.bottom + 13, text, 12, "middle", "muted"))


def _draw_bar(
    drawing: Drawing,
    frame: Frame,
    value: float,
    y: float,
    height: float,
    colour: str,
    tip: str,
    code: str,
) -> None:
    a, b = sorted((frame.x(0.0), frame.x(value)))
    data = {"country": code, "value": f"{value:.3f}"}
    drawing.add(Box(a, y, b - a, height, colour, tip=tip, data=data))


def _draw_bar_number(drawing: Drawing, frame: Frame, value: float, y: float, text: str) -> None:
    if value < 0:
        drawing.add(Text(frame.x(value) - 4, y, text, 10.5, "end"))
    else:
        drawing.add(Text(frame.x(value) + 4, y, text, 10.5))


def capacity(view: RunView, country: str | None = None) -> pd.DataFrame:
    """Table ``capacities`` of one country or of all together, MW and TWh."""
    rows = view.capacities[view.capacities["carrier"] != SHEDDING]
    if country is not None:
        rows = rows[rows["country"] == country]
    columns = ["p_nom_mw", "built_mw", "generation_twh"]
    return rows.groupby(["case", "carrier"], sort=False)[columns].sum().reset_index()


def draw_capacity(view: RunView, country: str | None = None, width: float = WIDTH) -> Drawing:
    """Capacity built by technology in autarky, negotiated and planned; one row each."""
    title = f"Capacity built, {view.names[country] if country else 'all countries'}"
    if view.records.scenario.settings.kind == "cost_curves":
        text = "This scenario describes countries by cost curves; nothing is built in it."
        return words(width, 120, title, text)
    table = capacity(view, country)
    if table.empty:
        return words(width, 120, title, "Known when the run has ended.")
    cases = [case for case in CASES if case in set(table["case"])]
    built = table[table["built_mw"] > 0.5].copy()
    if built.empty:
        return words(width, 120, title, "Nothing is built in any of the cases.")
    built["built_gw"] = built["built_mw"] / 1e3
    carriers = list(built.groupby("carrier")["built_gw"].max().sort_values(ascending=False).index)
    colours, nice = carrier_colours(view), carrier_names(view)
    colours = merged(colours, carriers)
    drawing = new_drawing(width, 0, title, "GW")
    entries = [(colours[c], nice.get(c, c)) for c in carriers]
    top = draw_legend(drawing, entries, 14, below_title(drawing), width - 10)
    drawing.height = top + 40 * len(cases) + 36
    totals = built.groupby("case")["built_gw"].sum()
    high = float(totals.max())
    frame = Frame(left_margin(cases), top, width - 62, drawing.height - 34, 0, high, 0, 1)
    _draw_value_axis(drawing, frame)
    for place, case in enumerate(cases):
        y, at = top + 40 * place + 6, 0.0
        drawing.add(Text(14, y + 14, case, 12))
        rows = built[built["case"] == case].set_index("carrier")["built_gw"]
        for carrier in carriers:
            size = float(rows.get(carrier, 0.0))
            if size > 0:
                x, end = frame.x(at), frame.x(at + size)
                tip = f"{case}, {nice.get(carrier, carrier)}: {number(1e3 * size)} MW"
                data = {"case": case, "carrier": carrier}
                drawing.add(Box(x, y, end - x, 28, colours[carrier], "paper", tip=tip, data=data))
                at += size
        drawing.add(Text(frame.x(at) + 6, y + 14, f"{at:.3g} GW", 12))
    return drawing


def carrier_colours(view: RunView) -> Mapping[str, str]:
    """Colour of each technology, as the scenario or the network file gives it."""
    given = {t.carrier: t.color for t in view.records.scenario.technologies}
    return given or stored_carriers(view)[0]


def carrier_names(view: RunView) -> Mapping[str, str]:
    """Name of each technology for people."""
    given = {t.carrier: t.nice_name for t in view.records.scenario.technologies}
    return given or stored_carriers(view)[1]
