"""Tables and status lines as HTML, for the app and the report."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import pandas as pd

from viz.how_it_ended import ending, left, reached
from viz.numbers import energy_unit, money_unit, number
from viz.run_view import RunView
from viz.summary_tables import OPERATORS_ACCOUNT


def html_table(header: Sequence[str], rows: Sequence[Sequence[Any]], *, total: bool = False) -> str:
    """A table; columns of numbers stand to the right, the last row is bold if it is a total."""
    right = [
        bool(rows) and all(not isinstance(row[i], str) or _is_number(row[i]) for row in rows)
        for i in range(len(header))
    ]

    def cells(row: Sequence[Any], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=number' if flag else ''}>{escape(_text(value))}</{tag}>"
            for value, flag in zip(row, right, strict=True)
        )

    body = [f"<tr>{cells(row, 'td')}</tr>" for row in rows]
    if total and body:
        body[-1] = body[-1].replace("<tr>", "<tr class=total>")
    return (
        f"<div class=scroll><table><thead><tr>{cells(header, 'th')}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _is_number(text: str) -> bool:
    return text.lstrip("+-").replace(",", "").replace(".", "").isdigit() or text in ("", "-")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or value is pd.NaT:
        return "-"
    if isinstance(value, float):
        return number(value, 0 if abs(value) >= 1000 else 3)
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)


def frame_table(frame: pd.DataFrame, most_rows: int = 200, note: str = "") -> str:
    """The first rows of a frame, and how many there are or another note."""
    head = frame.head(most_rows)
    rows = [[_plain(v) for v in row] for row in head.itertuples(index=False)]
    if not note:
        note = f"{len(frame):,} rows"
    if len(frame) > most_rows:
        note += f", the first {most_rows} shown; the download has all"
    return html_table([str(c) for c in head.columns], rows) + f"<p class=note>{note}</p>"


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def country_rows(view: RunView) -> str:
    """Cost, payment, gain, price and net import of every country."""
    countries = view.summary["countries"]
    rows = list(countries.values())
    cost = money_unit(r["autarky_cost_eur"] for r in rows)
    gain = money_unit(v for r in rows for v in (r["gain_eur"], r["payment_eur"]))
    energy = energy_unit(r["demand_twh"] for r in rows)
    header = [
        "country",
        f"demand, {energy.label}",
        f"autarky cost, {cost.label}",
        f"cost with trade, {cost.label}",
        f"net payment, {gain.label}",
        f"gain, {gain.label}",
        "autarky price, EUR/MWh",
        "price with trade, EUR/MWh",
        f"net import, {energy.label}",
    ]
    listed = [
        [
            f"{code} {view.names[code]}",
            energy.text(row["demand_twh"]),
            cost.text(row["autarky_cost_eur"]),
            cost.text(row["negotiated_cost_eur"]),
            gain.text(row["payment_eur"]),
            gain.text(row["gain_eur"]),
            number(row["autarky_price_eur_per_mwh"], 1),
            number(row["negotiated_price_eur_per_mwh"], 1),
            energy.text(row["net_import_twh"]),
        ]
        for code, row in countries.items()
    ]
    sums = {key: sum(r[key] or 0.0 for r in rows) for key in ("autarky_cost_eur", "gain_eur")}
    sums |= {key: sum(r[key] or 0.0 for r in rows) for key in ("negotiated_cost_eur", "demand_twh")}
    sums["payment_eur"] = sum(r["payment_eur"] or 0.0 for r in rows)
    account_eur = view.summary.get("operator_payment_eur") or 0.0
    if account_eur:
        sums["payment_eur"] += account_eur
        sums["gain_eur"] -= account_eur
        own = [gain.text(account_eur), gain.text(-account_eur)]
        listed.append([OPERATORS_ACCOUNT, "", "", "", *own, "", "", ""])
    total = [
        "all",
        energy.text(sums["demand_twh"]),
        cost.text(sums["autarky_cost_eur"]),
        cost.text(sums["negotiated_cost_eur"]),
        gain.text(sums["payment_eur"]),
        gain.text(sums["gain_eur"]),
        "",
        "",
        "",
    ]
    return html_table(header, [*listed, total], total=True)


def interconnector_rows(view: RunView) -> str:
    """Energy each way, limits, hours at the limit, mean price and losses."""
    lines = view.summary["interconnectors"]
    rows = list(lines.values())
    energy = energy_unit(v for r in rows for v in (r["a_to_b_twh"], r["b_to_a_twh"]))
    header = [
        "A-B",
        f"A to B, {energy.label}",
        f"B to A, {energy.label}",
        "limit A to B, MW",
        "limit B to A, MW",
        "at limit, h",
        "mean price, EUR/MWh",
        f"losses, {energy.label}",
    ]
    listed = [
        [
            name,
            energy.text(row["a_to_b_twh"]),
            energy.text(row["b_to_a_twh"]),
            number(row["a_to_b_mw"]),
            number(row["b_to_a_mw"]),
            number(row["hours_at_limit"]),
            number(row["mean_price_eur_per_mwh"], 1),
            energy.text(row["losses_twh"]),
        ]
        for name, row in lines.items()
    ]
    return html_table(header, listed)


def headline(view: RunView) -> str:
    """The run in a few figures."""
    summary = view.summary
    facts = []
    if len(view.steps):
        last = view.steps.iloc[-1]
        gain = float(summary.get("gain_eur", last["gain_eur"]))
        unit = money_unit([gain])
        facts.append((f"{unit.text(gain)} {unit.label}", "gain a year"))
    efficiency = summary.get("efficiency")
    if efficiency is not None:
        facts.append((f"{100 * efficiency:.1f} %", "of the planner's gain"))
    elif summary:
        facts.append(
            (
                "-",
                "planner not computed"
                if not summary.get("planner_cost_eur")
                else "nothing to gain",
            )
        )
    facts.append((f"{len(view.steps):,}", "steps"))
    for key, label in (("trades", "trades"), ("messages", "messages")):
        facts.append((f"{int(view.steps[key].sum()):,}", label))
    disclosed = int(view.steps["numbers_disclosed"].sum())
    facts.append((f"{disclosed:,}", "private numbers said"))
    cells = "".join(f"<div><b>{escape(v)}</b><span>{escape(k)}</span></div>" for v, k in facts)
    return f"<div class=headline>{cells}</div>"


def status_line(view: RunView, note: str = "") -> str:
    """How a run ended, in words and with a colour that is not the only sign; what is left."""
    status = view.status
    kind = "good" if status == "completed" else "wait" if status == "unfinished" else "bad"
    more = f" {escape(note[:1].upper() + note[1:])}" if note else ""
    facts = "".join(
        f"<br>{escape(text[:1].upper() + text[1:])}."
        for text in (reached(view.summary), left(view.summary))
        if text
    )
    return (
        f'<div class="status {kind}" data-status="{escape(status)}"><b>{escape(status)}</b>: '
        f"{escape(ending(status, 'it has no summary yet'))}.{more}{facts}</div>"
    )


def warning_list(warnings: Sequence[str]) -> str:
    """What a reader should know of the network file; empty if there is nothing."""
    items = "".join(f"<li>{escape(text)}</li>" for text in warnings)
    return f"<ul class=warnings>{items}</ul>" if items else ""


PAGE_CSS = """
.figure svg{display:block;background:var(--paper);border-radius:6px}
.scroll{overflow:auto;max-height:420px;border:1px solid var(--grid);border-radius:6px}
.scroll table{border-collapse:collapse;font-size:13px;width:100%}
.scroll th,.scroll td{padding:3px 9px;text-align:left;white-space:nowrap;color:var(--ink);
border-bottom:1px solid var(--grid)}
.scroll th{position:sticky;top:0;background:var(--label);font-weight:600}
.scroll .number{text-align:right;font-variant-numeric:tabular-nums}
.scroll .total td{font-weight:700}
.note{color:var(--muted);font-size:13px;margin:4px 0 10px}
.headline{display:flex;flex-wrap:wrap;gap:8px 30px;margin:6px 0}
.headline div{display:flex;flex-direction:column}
.headline b{font-size:20px;color:var(--ink)}
.headline span{font-size:13px;color:var(--muted)}
.status{padding:7px 12px;border-left:5px solid;border-radius:4px;background:var(--label);
color:var(--ink);font-size:14px;margin:6px 0}
.warnings{color:var(--ink);font-size:13px;margin:6px 0 10px;padding-left:20px}
.warnings li::marker{content:"\\26A0  "}
.status.good{border-color:#009e73}.status.wait{border-color:#56b4e9}.status.bad{border-color:#d55e00}
"""
