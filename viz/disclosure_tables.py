"""Tables on what a run gave away, for the terminal and for files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from viz.console import print_line
from viz.markdown import markdown
from viz.numbers import money_unit, number
from viz.table_files import write_table

if TYPE_CHECKING:
    from model.disclosure.attack import DisclosureReport

_HEADS = (
    "country",
    "listeners",
    "cost\nbox %",
    "value\nbox",
    "cost\nnear %",
    "value\nnear",
    "value\nend",
)


def print_disclosure(report: DisclosureReport, console: Console) -> None:
    """Print the errors of the attackers: nobody, the best neighbour, the best two, everybody."""
    heads, rows = _in_words(shown(report.errors))
    table = Table(
        title="Errors of who predicts a country's cost from what it heard",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for place, head in enumerate(heads):
        table.add_column(head, justify="left" if place < 2 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for line in (
        "cost: root mean square error of the cost change, as a share of that of the true one; "
        "value: mean error of the marginal value, EUR/MWh",
        "box: anywhere the interconnectors allow; near: between autarky and the exchanges agreed "
        "on; end: at the last of them",
        "guess, certain, true: cost change of the country's trades as the attacker guesses it, "
        "within what bounds it is certain, and the truth",
        "all: everybody else together; nobody hears nothing and guesses no change: its value "
        "errors are the mean values",
        "no privacy guarantee: who knows or infers more than this attacker may do better",
        *report.left_out,
    ):
        print_line(f"- {line}", console)


def write_disclosure(report: DisclosureReport, folder: Path) -> list[Path]:
    """Write all rows, and in Markdown what is printed, into a folder."""
    written = write_table(report.errors, folder / "errors")
    heads, rows = _in_words(shown(report.errors))
    short = (folder / "shown").with_suffix(".md")
    short.write_text(markdown([h.replace("\n", " ") for h in heads], rows) + "\n", encoding="utf-8")
    return [*written, short]


def shown(errors: pd.DataFrame) -> pd.DataFrame:
    """Of every country nobody, the neighbour and the two who predict best, and everybody."""
    rows = []
    for _, own in errors.groupby("country", sort=False):
        size = own["listeners"].str.count(r"\+") + 1
        size[own["listeners"].isin(["nobody", "everybody"])] = 0
        for kind in (own["listeners"] == "nobody", size == 1, size == 2):
            if kind.any():
                rows.append(own[kind].sort_values("near_cost_error", kind="stable").head(1))
        rows.append(own[own["listeners"] == "everybody"])
    return pd.concat(rows, ignore_index=True) if rows else errors


def _in_words(errors: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Header and cells."""
    amounts = ("trades_guess_eur", "trades_least_eur", "trades_most_eur", "trades_true_eur")
    listed: list[dict[str, Any]] = [
        {str(k): v for k, v in row.items()} for row in errors.to_dict("records")
    ]
    unit = money_unit([row["trades_true_eur"] for row in listed])
    rows = []
    for row in listed:
        guess, least, most, true = (unit.text(row[name]) for name in amounts)
        rows.append(
            [
                row["country"],
                row["listeners"].replace("everybody", "all"),
                number(100 * row["cost_error"], 2),
                number(row["value_error_eur_per_mwh"], 1),
                number(100 * row["near_cost_error"], 2),
                number(row["near_value_error_eur_per_mwh"], 2),
                number(row["final_value_error_eur_per_mwh"], 2),
                guess,
                "-" if least == most == "-" else f"{least} to {most}",
                true,
            ]
        )
    label = unit.label
    return [*_HEADS, f"guess\n{label}", f"certain\n{label}", f"true\n{label}"], rows
