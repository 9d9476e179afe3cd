"""Bids and offers of a step, and who learned what from whom."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from viz.chart import (
    Frame,
    below_title,
    draw_legend,
    left_margin,
    line_style,
    new_drawing,
    on_colour,
    scale_colour,
    tick_text,
    ticks,
)
from viz.drawing import Box, Disc, Drawing, Lines, Text, text_width, words
from viz.numbers import number
from viz.run_view import RunView
from viz.talk import deals, prices_said

WIDTH, ROW = 560.0, 22.0
MOST_ROWS = 24
AGREED, MISSED = "#009e73", "#e69f00"


def draw_bids(
    view: RunView,
    step: int,
    last_round: int | None = None,
    pair: tuple[str, str] | None = None,
    width: float = WIDTH,
) -> Drawing:
    """Zones of agreement of the deals of a step, else the prices that were named.

    Parameters
    ----------
    view : RunView
    step : int
    last_round : int, optional
        Rounds of the step up to this one; all by default.
    pair : tuple of two str, optional
        Only what these two countries said to each other, or named to the operator.
    width : float
        px.
    """
    among = "" if pair is None else f", {pair[0]} and {pair[1]}"
    priced = deals(view, step)
    if len(priced):
        if last_round is not None:
            priced = priced[priced["round"] <= last_round]
        if pair is not None:
            priced = priced[priced["exporter"].isin(pair) & priced["importer"].isin(pair)]
        return _draw_deals(priced, f"Deals priced in step {step + 1}{among}", width)
    named = prices_said(view, step)
    if last_round is not None:
        named = named[named["round"] <= last_round]
    if pair is not None:
        others = [code for code in view.codes if code not in pair]
        named = named[named["sender"].isin(pair) & ~named["receiver"].isin(others)]
    return _draw_prices(view, named, f"Prices named in step {step + 1}{among}", width)


def _draw_deals(table: pd.DataFrame, title: str, width: float) -> Drawing:
    if table.empty:
        return words(width, 120, title, "No deal was priced up to this round.")
    shown = table.tail(MOST_ROWS)
    low, high = _deal_range(shown)
    room = 0.05 * (high - low or abs(high) or 1.0)
    names = [path for path in shown["path"]]
    drawing = new_drawing(width, 0, title, "EUR/MWh exchanged")
    entries = [(AGREED, "zone of agreement"), (MISSED, "no zone"), ("ink", "agreed price")]
    top = draw_legend(drawing, entries, 14, below_title(drawing), width - 8)
    left = min(left_margin(names, 11.5) + 14, 0.42 * width)
    drawing.height = top + ROW * len(shown) + 50
    frame = Frame(left, top, width - 16, drawing.height - 48, low - room, high + room, 0, 1)
    _draw_price_axis(drawing, frame)
    for place, row in enumerate(shown.to_dict("records")):
        _draw_deal(drawing, frame, row, top + ROW * (place + 0.5))
    left_out = len(table) - len(shown)
    if left_out:
        text = f"{left_out} earlier ones in the table"
        drawing.add(Text(14, drawing.height - 16, text, 11.5, fill="muted"))
    return drawing


def _deal_range(table: pd.DataFrame) -> tuple[float, float]:
    """Prices worth showing, EUR/MWh: most limits and what was agreed.

    A country that badly lacks power would pay thousands; its bar leaves the picture.
    """
    limits = table[["least_eur_per_mwh", "most_eur_per_mwh"]].to_numpy()
    agreed = table["price_eur_per_mwh"].dropna().to_numpy()
    values = np.percentile(limits, [10, 90])
    if len(agreed):
        values = np.append(values, np.percentile(agreed, [5, 95]))
    return float(values.min()), float(values.max())


def _draw_deal(drawing: Drawing, frame: Frame, row: Mapping[Hashable, Any], y: float) -> None:
    least, most = row["least_eur_per_mwh"], row["most_eur_per_mwh"]
    price, path = row["price_eur_per_mwh"], row["path"]
    tip = (
        f"{path}: exporter needs {number(least, 2)}, importer pays up to {number(most, 2)} EUR/MWh "
        f"for {number(row['energy_mwh'])} MWh; "
    )
    tip += "no trade" if np.isnan(price) else f"agreed {number(price, 2)}"
    label = path
    while text_width(label, 11.5) > frame.left - 18 and len(label) > 4:
        label = label[:-2] + "…"
    drawing.add(Text(14, y, label, 11.5))
    a, b = (frame.x(min(max(v, frame.x_low), frame.x_high)) for v in sorted((least, most)))
    data = {"deal": path, "agreed": str(not np.isnan(price)).lower()}
    colour = AGREED if most >= least else MISSED
    drawing.add(Box(a, y - 5, max(b - a, 2), 10, colour, radius=2, tip=tip, data=data))
    if not np.isnan(price):
        x = frame.x(min(max(price, frame.x_low), frame.x_high))
        drawing.add(Disc(x, y, 4.5, "ink", "paper", 1.2, tip))


def _draw_price_axis(drawing: Drawing, frame: Frame) -> None:
    values = ticks(frame.x_low, frame.x_high, 5)
    for value in values:
        line = np.array([(frame.x(value), frame.top), (frame.x(value), frame.bottom)])
        drawing.add(Lines((line,), None, "grid", 1.0, closed=False))
        text = tick_text(value, values)
        drawing.add(Text(frame.x(value), frame.bottom + 14, text, 12, "middle", "muted"))
    middle = 0.5 * (frame.left + frame.right)
    drawing.add(Text(middle, frame.bottom + 32, "EUR/MWh", 12, "middle", "muted"))


def _draw_prices(view: RunView, table: pd.DataFrame, title: str, width: float) -> Drawing:
    if table.empty:
        return words(width, 120, title, "No price was named up to this round.")
    values = table["eur_per_mwh"].to_numpy()
    low, high = np.percentile(values, [2, 98]).tolist()
    room = 0.06 * (high - low or abs(high) or 1.0)
    kinds = list(dict.fromkeys(zip(table["kind"], table["field"], strict=True)))
    styles = {kind: line_style(i)[0] for i, kind in enumerate(kinds)}
    drawing = new_drawing(width, 0, title, "EUR/MWh, one dot a message")
    entries = [(colour, f"{kind}: {field}") for (kind, field), colour in styles.items()]
    top = draw_legend(drawing, entries, 14, below_title(drawing), width - 8)
    senders = [code for code in view.codes if code in set(table["sender"])]
    drawing.height = top + 26 * len(senders) + 50
    left = left_margin([view.names[code] for code in senders])
    frame = Frame(left, top, width - 16, drawing.height - 48, low - room, high + room, 0, 1)
    _draw_price_axis(drawing, frame)
    for place, code in enumerate(senders):
        y = top + 26 * (place + 0.5)
        drawing.add(Text(14, y, view.names[code], 12))
        for row in table[table["sender"] == code].to_dict("records"):
            shift = 8.0 * (kinds.index((row["kind"], row["field"])) / max(len(kinds) - 1, 1) - 0.5)
            x = frame.x(min(max(row["eur_per_mwh"], frame.x_low), frame.x_high))
            said = f"{row['kind']}, {row['field']} {number(row['eur_per_mwh'], 2)} EUR/MWh"
            tip = f"round {row['round'] + 1}: {code} to {row['receiver']}, {said}"
            drawing.add(Disc(x, y + shift, 3.4, styles[row["kind"], row["field"]], tip=tip))
    return drawing


def draw_disclosure(view: RunView, width: float = WIDTH) -> Drawing:
    """Matrix of who heard how many private numbers of whom."""
    title, unit = "Who heard how much from whom", "private numbers heard"
    table = view.disclosure
    if table.empty:
        return words(width, 120, title, "Nobody has said anything yet.")
    observers = [c for c in [*view.codes, "operator"] if c in set(table["observer"])]
    victims = [c for c in view.codes if c in set(table["victim"])]
    cells = table.set_index(["observer", "victim"])["numbers"].to_dict()
    largest = max(float(table["numbers"].max()), 1.0)
    left = max(left_margin(observers), 58.0)
    size = min(44.0, (width - left - 14) / max(len(victims), 1))
    drawing = new_drawing(width, 96 + size * len(observers), title, unit)
    drawing.add(Text(left, 46, "about", 12, fill="muted"))
    drawing.add(Text(14, 66, "by", 12, fill="muted"))
    for column, victim in enumerate(victims):
        drawing.add(Text(left + size * (column + 0.5), 66, victim, 12, "middle", bold=True))
    for line, observer in enumerate(observers):
        y = 78 + size * line
        drawing.add(Text(14, y + size / 2, observer, 12, bold=True))
        for column, victim in enumerate(victims):
            value = cells.get((observer, victim))
            x = left + size * column
            if value is None:
                drawing.add(Box(x, y, size - 2, size - 2, "grid", opacity=0.45))
                continue
            share = value / largest
            tip = f"{observer} about {victim}: {value:,} private numbers"
            data = {"observer": observer, "victim": victim, "value": f"{value}"}
            drawing.add(Box(x, y, size - 2, size - 2, scale_colour(share), tip=tip, data=data))
            text = f"{value}" if value < 9999.5 else f"{value / 1e3:.0f}k"
            at = (x + size / 2 - 1, y + size / 2 - 1)
            drawing.add(Text(*at, text, min(12.0, size / 2.6), "middle", on_colour(share)))
    return drawing
