"""Tables of a finished run: countries, interconnectors, pool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from viz.numbers import energy_unit, money_unit, number

Row = Mapping[str, Any]
# Row of who pays what a settlement that does not balance leaves open.
OPERATORS_ACCOUNT = "operator's account"


@dataclass(frozen=True)
class Figures:
    """One column of numbers.

    Attributes
    ----------
    header : str
        Lines above the unit.
    unit : str
    texts : list of str
        One per row, the total last.
    optional : bool
        May be left out where the terminal is narrow.
    """

    header: str
    unit: str
    texts: list[str]
    optional: bool = False


def country_table(summary: Mapping[str, Any], console: Console) -> Table:
    """One row per country: cost alone and with trade, payments, gain, prices, net import."""
    countries: Mapping[str, Row] = summary["countries"]
    rows = list(countries.values())
    total = _total(
        rows, "demand_twh", "autarky_cost_eur", "negotiated_cost_eur", "payment_eur", "gain_eur"
    )
    account_eur = summary.get("operator_payment_eur") or 0.0
    total["payment_eur"] += account_eur
    total["gain_eur"] -= account_eur
    costs = money_unit(r["autarky_cost_eur"] for r in rows)
    gains = money_unit([v for r in rows for v in (r["gain_eur"], r["payment_eur"])])
    energy = energy_unit(r["demand_twh"] for r in rows)
    listed = [*rows, total]

    def price(key: str) -> list[str]:
        return [number(r[key], 1) for r in rows] + [""]

    columns = [
        Figures("demand", energy.label, [energy.text(r["demand_twh"]) for r in listed], True),
        Figures("autarky\ncost", costs.label, [costs.text(r["autarky_cost_eur"]) for r in listed]),
        Figures(
            "cost with\ntrade", costs.label, [costs.text(r["negotiated_cost_eur"]) for r in listed]
        ),
        Figures("payments", gains.label, [gains.text(r["payment_eur"]) for r in listed]),
        Figures("gain", gains.label, [gains.text(r["gain_eur"]) for r in listed]),
        Figures("autarky\nprice", "EUR/MWh", price("autarky_price_eur_per_mwh"), True),
        Figures("price w.\ntrade", "EUR/MWh", price("negotiated_price_eur_per_mwh"), True),
        Figures(
            "net\nimport", energy.label, [energy.text(r["net_import_twh"]) for r in rows] + [""]
        ),
    ]
    names = [f"{code}  {row.get('name') or ''}".rstrip() for code, row in countries.items()]
    if account_eur:
        names.append(OPERATORS_ACCOUNT)
        for column in columns:
            own = {"payments": account_eur, "gain": -account_eur}.get(column.header)
            column.texts.insert(-1, "" if own is None else gains.text(own))
    table = _fit("Countries", "country", [*names, "all"], columns, console)
    table.caption = "payments: net paid for trade, received where negative"
    return table


def interconnector_table(summary: Mapping[str, Any], console: Console) -> Table:
    """One row per interconnector: energy and capacity each way, hours at the limit, price."""
    edges: Mapping[str, Row] = summary["interconnectors"]
    rows = list(edges.values())
    total = _total(rows, "a_to_b_twh", "b_to_a_twh", "losses_twh")
    energy = energy_unit([v for r in rows for v in (r["a_to_b_twh"], r["b_to_a_twh"])])
    lost = energy_unit(r["losses_twh"] for r in rows)
    listed = [*rows, total]

    def plain(key: str, decimals: int = 0) -> list[str]:
        return [number(r[key], decimals) for r in rows] + [""]

    columns = [
        Figures("A to B", energy.label, [energy.text(r["a_to_b_twh"]) for r in listed]),
        Figures("B to A", energy.label, [energy.text(r["b_to_a_twh"]) for r in listed]),
        Figures("limit\nA to B", "MW", plain("a_to_b_mw"), True),
        Figures("limit\nB to A", "MW", plain("b_to_a_mw"), True),
        Figures("time at\nlimit", "hours", plain("hours_at_limit")),
        Figures("mean\nprice", "EUR/MWh", plain("mean_price_eur_per_mwh", 1)),
        Figures("losses", lost.label, [lost.text(r["losses_twh"]) for r in listed], True),
    ]
    return _fit("Interconnectors", "A-B", [*edges, "all"], columns, console)


def pool_table(summary: Mapping[str, Any]) -> Table:
    """The pool: what was reached, and what it took."""
    table = _frame(f"Pool: {summary.get('title') or summary.get('scenario', '')}")
    table.show_header = True
    table.add_column("quantity", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("unit")
    for row in (*_reached(summary), *_residuals(summary)):
        table.add_row(*row)
    table.add_section()
    for row in (*_effort(summary), *_seconds(summary)):
        table.add_row(*row)
    table.caption = _settings(summary)
    return table


def plain_table(title: str, rows: Iterable[tuple[str, ...]]) -> Table:
    """Names with their descriptions."""
    table = _frame(title)
    for row in rows:
        while len(table.columns) < len(row):
            last = len(table.columns) == len(row) - 1
            table.add_column(no_wrap=not last, style="" if last else "cyan")
        table.add_row(*row)
    table.show_header = False
    return table


def _reached(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Costs, gains and efficiency."""
    keys = {
        "autarky cost": "autarky_cost_eur",
        "negotiated cost": "negotiated_cost_eur",
        "planner cost": "planner_cost_eur",
        "certified lower bound": "lower_bound_eur",
        "negotiated gain": "gain_eur",
        "most in these products": "ceiling_gain_eur",
        "planner gain": "planner_gain_eur",
    }
    costs = money_unit([summary.get("autarky_cost_eur")])
    gains = money_unit([summary.get("gain_eur"), summary.get("planner_gain_eur")])
    rows = []
    for label, key in keys.items():
        unit = gains if key.endswith("gain_eur") else costs
        value = summary.get(key)
        if value is not None:
            rows.append((label, unit.text(value), unit.label))
    of_ceiling = summary.get("of_ceiling")
    if of_ceiling is not None:
        share = f"{100 * of_ceiling:.2f}"
        rows.append(("of the ceiling", share, "% of the most in these products"))
    efficiency, unit_text = _efficiency(summary)
    rows.append(("efficiency", efficiency, unit_text))
    return rows


def _efficiency(summary: Mapping[str, Any]) -> tuple[str, str]:
    """Efficiency and its unit, or why there is none."""
    efficiency = summary.get("efficiency")
    if efficiency is not None:
        return f"{100 * efficiency:.2f}", "% of the planner's gain"
    if summary.get("planner_cost_eur") is None:
        return "not computed", "(--no-planner)"
    return "not defined", "(nothing to gain)"


def _effort(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What the negotiation took."""
    keys = (
        "steps",
        "rounds",
        "messages",
        "numbers_disclosed",
        "trades",
        "local_solves",
        "dependent_solves",
    )
    return [
        (key.replace("_", " "), number(summary[key]), "")
        for key in keys
        if summary.get(key) is not None
    ]


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:.0f}"


def _seconds(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Wall time, and the phases it went into."""
    rows = [("wall time", number(summary.get("wall_s"), 1), "s")]
    timings: Mapping[str, float] = summary.get("timings_s") or {}
    return rows + [
        (f"  {phase.replace('_', ' ')}", number(seconds, 1), "s")
        for phase, seconds in timings.items()
    ]


def _residuals(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """How exactly the rules hold."""
    labels = {
        "balance_mw": ("largest imbalance", "MW"),
        "budget_eur": ("sum of payments", "EUR"),
        "worst_gain_eur": ("gain of the worst-off country", "EUR"),
    }
    residuals: Mapping[str, float | None] = summary.get("residuals") or {}
    rows = []
    for key, (label, unit) in labels.items():
        value = residuals.get(key)
        if value is None:
            continue
        text = number(value, 2) if key == "worst_gain_eur" else f"{value + 0.0:.1e}"
        rows.append((label, text, unit))
    return rows


def _settings(summary: Mapping[str, Any]) -> str:
    """One line on how the run was made."""
    keys = ("protocol", "mode", "products", "slices", "decomposition", "resolution", "solver")
    parts = [str(summary[key]) for key in keys if summary.get(key)]
    if summary.get("settlement") not in (None, "pay_as_agreed"):
        parts.append(f"settled by {summary['settlement']}")
    if summary.get("privacy"):
        parts.append(f"privacy {summary['privacy']}")
    strategies: Mapping[str, str] = summary.get("strategies") or {}
    parts += [f"{country} {strategy}" for country, strategy in strategies.items()]
    if summary.get("transit_charges") is False:
        parts.append("no transit charges")
    if summary.get("seed") is not None:
        parts.append(f"seed {summary['seed']}")
    if summary.get("luck"):
        parts.append(f"luck {summary['luck']}")
    return ", ".join(parts)


def _total(rows: Sequence[Row], *keys: str) -> dict[str, float]:
    return {key: sum(row[key] or 0.0 for row in rows) for key in keys}


def _frame(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )


def _fit(
    title: str, first: str, names: list[str], columns: list[Figures], console: Console
) -> Table:
    """Make a table; leave out optional columns, last first, until it fits the console."""
    kept = list(columns)
    table = _numbers(title, first, names, kept)
    unbounded = console.options.update(width=10_000)
    while Measurement.get(console, unbounded, table).maximum > console.width:
        optional = [column for column in kept if column.optional]
        if not optional:
            break
        kept.remove(optional[-1])
        table = _numbers(title, first, names, kept)
    return table


def _numbers(title: str, first: str, names: list[str], columns: list[Figures]) -> Table:
    """Make a table of numbers whose last row is the total; units stand on one line."""
    table = _frame(title)
    height = max(column.header.count("\n") for column in columns) + 1
    table.add_column("\n" * height + first, no_wrap=True)
    for column in columns:
        blank = "\n" * (height - 1 - column.header.count("\n"))
        table.add_column(f"{blank}{column.header}\n{column.unit}", justify="right", no_wrap=True)
    texts = [column.texts for column in columns]
    for position, name in enumerate(names):
        last = position == len(names) - 1
        if last:
            table.add_section()
        table.add_row(name, *(text[position] for text in texts), style="bold" if last else "")
    return table
