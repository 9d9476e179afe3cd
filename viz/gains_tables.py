"""Tables on who gains, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from viz.console import print_line
from viz.numbers import money, money_unit, number
from viz.table_files import write_table

if TYPE_CHECKING:
    from model.gains import GainsReport


def print_gains(report: GainsReport, console: Console) -> None:
    """Print who gains what, how stable that is, and what interconnectors are worth."""
    countries = _rows(report.countries)
    amounts = [str(n) for n in report.countries if str(n).endswith("_eur") and "half" not in str(n)]
    unit = money_unit([row[name] for row in countries for name in amounts])
    labels = [name.removesuffix("_eur").replace("_", "\n") for name in amounts]
    labels[0] = "this\nrun"
    rows = [
        [f"{row['country']}  {row['name']}", *(unit.text(row[name]) for name in amounts)]
        for row in countries
    ]
    sums = {name: sum(row[name] for row in countries) for name in amounts}
    # What the pool loses without one and without another does not add up.
    total = [unit.text(sums[n]) if n != "lost_without_eur" else "" for n in amounts]
    header = ["country", *labels]
    title = f"Who gains, {unit.label}/a"
    console.print(_table(title, header, [*rows, ["all", *total]], total=True))
    console.print(_division_table(report.divisions))
    if len(report.interconnectors):
        console.print(_line_table(report.interconnectors))
    for line in in_words(report):
        print_line(f"- {line}", console)


def in_words(report: GainsReport) -> list[str]:
    """The findings that no column holds: who has a reason to leave, and what the values rest on."""
    basis = report.basis
    said = [_complaint_in_words(row) for row in _rows(report.divisions) if row["complaining"]]
    least = basis.least_core_excess_eur
    if least is not None and least > 0:
        said.append(f"the core is empty: some group always lacks {money(least)}/a or more")
    elif least is not None and isfinite(least):
        said.append(
            "the core is not empty: every group can be given "
            f"{money(-least)}/a more than it could have alone"
        )
    if basis.resolution == basis.run_resolution:
        said.append(f"coalitions are valued as the run was planned, at {basis.resolution}")
    elif basis.full_eur == basis.valued_eur:
        # Values are left as they are only if nothing can be gained at one of the two.
        said.append(
            f"coalitions are valued at {basis.resolution}, unscaled; the run was planned at "
            f"{basis.run_resolution}"
        )
    else:
        said.append(
            f"coalitions are valued at {basis.resolution}, where all together gain "
            f"{money(basis.valued_eur)}/a; the run was planned at {basis.run_resolution}, where the"
            f" planner gains {money(basis.full_eur)}/a: values are multiplied by the ratio, "
            f"{basis.full_eur / basis.valued_eur:.4f}"
        )
    for who, pairs in (("countries", basis.country_pairs), ("lines", basis.line_pairs)):
        if pairs:
            said.append(f"Shapley value of {who}: sampled, {pairs} pairs of orders, +- is 95 %")
    return said


def _complaint_in_words(row: dict[str, Any]) -> str:
    names = str(row["complaining"]).split("+")
    who = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    name, excess = row["division"].replace("_", " "), row["complaint_eur"]
    if excess > 0:
        return f"{name}: {who} could do better alone by {money(excess)}/a"
    verb = "come" if len(names) > 1 else "comes"
    return (
        f"{name}: no group could do better alone; {who} {verb} nearest, "
        f"with {money(-excess)}/a more than alone"
    )


def write_gains(report: GainsReport, folder: Path) -> list[Path]:
    """Write every table of the report into a folder; see :func:`viz.table_files.write_table`."""
    written = []
    for name, table in report.tables.items():
        written += write_table(table, folder / name)
    return written


def _division_table(divisions: pd.DataFrame) -> Table:
    unit = money_unit([*divisions.complaint_eur, *divisions.smallest_gain_eur])
    distances = [str(name) for name in divisions if str(name).startswith("distance_to_")]
    nouns = [name.removeprefix("distance_to_").replace("_", "\n") for name in distances]
    header = [
        "division",
        "% of\nfull gain",
        "in\ncore",
        f"strongest\ncomplaint\n{unit.label}/a",
        "Gini",
        f"smallest\ngain\n{unit.label}/a",
        "losers",
        *(f"% from\n{noun}" for noun in nouns),
    ]
    rows = [
        [
            row["division"].replace("_", " "),
            number(100 * row["share_of_full_gain"], 1),
            {None: "-", True: "yes", False: "no"}[row["in_core"]],
            unit.text(row["complaint_eur"]),
            number(row["gini"], 2),
            f"{row['smallest_gain_of']} {unit.text(row['smallest_gain_eur'])}",
            row["losers"] or "none",
            *(number(100 * row[name], 1) for name in distances),
        ]
        for row in _rows(divisions)
    ]
    return _table("Divisions", header, rows)


def _line_table(lines: pd.DataFrame) -> Table:
    unit = money_unit([*lines.shapley_eur, *lines.lost_without_eur])
    sampled = bool((lines.shapley_half_width_eur > 0).any())
    header = ["A-B", "Shapley\nvalue", *(["+-"] if sampled else []), "lost\nwithout"]
    rows = [
        [
            row["interconnector"],
            unit.text(row["shapley_eur"]),
            *([unit.text(row["shapley_half_width_eur"])] if sampled else []),
            unit.text(row["lost_without_eur"]),
        ]
        for row in _rows(lines)
    ]
    return _table(f"Interconnectors, {unit.label}/a", header, rows)


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], total: bool = False
) -> Table:
    """Make a table whose first column is a name; numbers to the right."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    height = max(text.count("\n") for text in header)
    for place, text in enumerate(header):
        blank = "\n" * (height - text.count("\n"))
        table.add_column(blank + text, justify="right" if place else "left", no_wrap=True)
    for place, row in enumerate(rows):
        last = total and place == len(rows) - 1
        if last:
            table.add_section()
        table.add_row(*row, style="bold" if last else "")
    return table
