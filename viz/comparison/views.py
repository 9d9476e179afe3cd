"""The tables of a comparison as people read them: the same rows on the terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from viz.comparison.blocks import MEASURES, Measure, rule_names
from viz.comparison.report import ComparisonReport
from viz.comparison.tables import leading_pairs
from viz.comparison.words import p_text
from viz.console import print_line
from viz.markdown import markdown
from viz.numbers import Unit, money_unit, number

_EUR = 1e6  # per M EUR
Cells = list[list[str]]


@dataclass(frozen=True)
class View:
    """A table in words.

    Attributes
    ----------
    title : str
    header : tuple of str
        A line break stands where a narrow column may break it.
    rows : list of list of str
    names : int
        How many first columns are names, to the left; numbers stand to the right.
    """

    title: str
    header: tuple[str, ...]
    rows: Cells
    names: int = 1

    def markdown(self) -> str:
        """As a Markdown table without its title."""
        header = [text.replace("\n", " ") for text in self.header]
        return markdown(header, self.rows)

    def rich(self) -> Table:
        """For the terminal."""
        table = Table(
            title=self.title,
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            collapse_padding=True,
        )
        height = max(text.count("\n") for text in self.header)
        for place, text in enumerate(self.header):
            blank = "\n" * (height - text.count("\n"))
            side = "left" if place < self.names else "right"
            # Where it is too narrow, names go over several lines and numbers stay whole.
            number_here = place >= self.names
            table.add_column(blank + text, justify=side, no_wrap=number_here, overflow="fold")  # type: ignore[arg-type]
        for row in self.rows:
            table.add_row(*row)
        return table


def views(report: ComparisonReport) -> list[View]:
    """All tables that hold something, in the order of reading."""
    made = [
        build(report.tables[name], report.measure)
        for name, build in _VIEWS
        if name in report.tables
    ]
    return [view for view in made if view.rows]


def print_report(report: ComparisonReport, console: Console) -> None:
    """Print tables and findings."""
    for view in views(report):
        console.print(view.rich())
    for line in report.said:
        print_line(f"- {line}", console)


def _treatments(table: pd.DataFrame, measure: Measure) -> View:
    unit = _money(table, "worst_country_gain_meur")
    failed = bool((table["ended"] < table["blocks"]).any()) and measure.in_autarky is not None
    lucky = bool(table["own_luck"].notna().any())
    # A share of what the same products can bring, and of what any flows could: neither alone.
    beside = MEASURES["efficiency" if measure.column == "of_ceiling" else "of_ceiling"]
    header = (
        "treatment",
        "draws",
        "mean",
        "95 %\ninterval",
        "worst",
        *(["failures\nas autarky"] if failed else []),
        *(["own\nluck"] if lucky else []),
        "% of\nplanner" if beside.column == "efficiency" else "% of\nceiling",
        "cost /\nplanner",
        f"least gain\n{unit.label}/a",
        "draws with\nlosers",
    )
    rows = [
        [
            row["treatment"],
            _of(row["ended"], row["blocks"]),
            _value(row["mean"], measure),
            _interval(row, measure),
            _value(row["worst"], measure),
            *([_value(row["mean_failures_as_autarky"], measure)] if failed else []),
            *([_value(row["own_luck"], measure)] if lucky else []),
            _value(row[f"mean_{beside.column}"], beside),
            number(row["mean_cost_over_planner"], 4),
            unit.text(_EUR * row["worst_country_gain_meur"]),
            str(row["blocks_with_losers"]),
        ]
        for row in _rows(table)
    ]
    title = f"Treatments: {measure.label}; least gain is the worst draw's"
    return View(title, header, rows)


def _effort(table: pd.DataFrame, measure: Measure) -> View:
    del measure
    header = ("treatment", "rounds", "numbers told", "solves in a row", "seconds")
    counts = ("rounds", "numbers_disclosed", "dependent_solves")
    rows = [
        [
            row["treatment"],
            *(number(row[f"median_{name}"]) for name in counts),
            number(row["median_seconds"], 0 if row["median_seconds"] >= 10 else 1),
        ]
        for row in _rows(table)
    ]
    return View("Effort: medians over draws", header, rows)


def _pairs(table: pd.DataFrame, measure: Measure) -> View:
    shown = leading_pairs(table)
    header = (
        "first",
        "second",
        "draws",
        "mean\ndifference",
        "95 %\ninterval",
        "worst",
        "first better\n/ equal / worse",
        "p",
        "p (Holm)",
        "conclusion",
    )
    rows = [
        [
            row["first"],
            row["second"],
            str(row["blocks"]),
            _value(row["mean_difference"], measure),
            _interval(row, measure),
            _value(row["worst_difference"], measure),
            f"{row['first_better']} / {row['ties']} / {row['second_better']}",
            p_text(row["wilcoxon_p"]),
            p_text(row["holm_p"]),
            row["conclusion"],
        ]
        for row in _rows(shown)
    ]
    unit = f", {measure.difference_unit}" if measure.difference_unit else ""
    left = f"; the first {len(shown)} of {len(table)}" if len(shown) < len(table) else ""
    return View(f"Pairs: first minus second, {measure.name}{unit}{left}", header, rows, 2)


def _variants(table: pd.DataFrame, measure: Measure) -> View:
    if table.empty:
        return View("", (), [])
    view = _pairs(table, measure)
    return replace(
        view, title=f"Inside families: member minus the one that is ranked, {measure.name}"
    )


def _ranks(table: pd.DataFrame, measure: Measure) -> View:
    rows = [[row["treatment"], number(row["mean_rank"], 2)] for row in _rows(table)]
    return View(f"Mean ranks by {measure.name}", ("treatment", "mean rank"), rows)


def _countries(table: pd.DataFrame, measure: Measure) -> View:
    del measure
    codes = sorted(set(table["country"]))
    gains = table.set_index(["treatment", "country"])["mean_gain_meur"].to_dict()
    unit = _money(table, "mean_gain_meur")
    rows = [
        [name, *(unit.text(_EUR * gains.get((name, code), nan)) for code in codes)]
        for name in dict.fromkeys(table["treatment"])
    ]
    return View(f"Mean gain by country, {unit.label}/a", ("treatment", *codes), rows)


def _fairness(table: pd.DataFrame, measure: Measure) -> View:
    del measure
    unit = _money(table, "mean_complaint_meur", "worst_complaint_meur")
    header = (
        "treatment",
        "in core",
        f"mean\ncomplaint {unit.label}/a",
        "worst",
        "of",
        "Gini",
        "% from\nShapley",
        "% from\nnucleolus",
        "% from\nequal split",
    )
    distances = ("mean_distance_to_shapley", "mean_distance_to_nucleolus")
    rows = [
        [
            row["treatment"],
            f"{row['in_core']} of {row['blocks']}",
            unit.text(_EUR * row["mean_complaint_meur"]),
            unit.text(_EUR * row["worst_complaint_meur"]),
            row["complaining"],
            number(row["mean_gini"], 2),
            *(number(100 * row[d], 1) for d in (*distances, "mean_distance_to_equal_split")),
        ]
        for row in _rows(table)
    ]
    return View("Divisions: the strongest complaint of a group of countries", header, rows)


def _missing(table: pd.DataFrame, measure: Measure) -> View:
    del measure
    header = ("treatment", "draw", "status", "reason")
    return View("Runs without a value", header, [list(row.values()) for row in _rows(table)], 4)


def _incentives(table: pd.DataFrame, measure: Measure) -> View:
    del measure
    unit = _money(table, "largest_own_gain_meur", "regret_meur")
    header = (
        "protocol",
        "deviate",
        f"largest own\ngain {unit.label}/a",
        "% of planner's\ngain",
        "by",
        f"pool loses\n{unit.label}/a",
        "% of planner's\ngain",
        "if deviates",
    )
    rows = [
        [
            name,
            _of(row["deviate"], row["countries"]),
            unit.text(_EUR * row["largest_own_gain_meur"]),
            number(100 * row["largest_own_gain_share"], 2),
            f"{row['by']} {row['how']}" if row["by"] else "-",
            unit.text(_EUR * row["regret_meur"]),
            number(100 * row["regret_share"], 2),
            row["regret_by"] or "-",
        ]
        for name, row in zip(rule_names(table), _rows(table), strict=True)
    ]
    where = "in sample" if bool(table["in_sample"].all()) else "on other draws than chosen on"
    return View(f"Incentives to deviate alone from the truth, {where}", header, rows)


def _best_deviations(table: pd.DataFrame, measure: Measure) -> View:
    del measure
    unit = _money(table, "own_gain_meur", "chosen_gain_meur", "pool_loss_meur")
    chosen, own = f"where chosen\n{unit.label}/a", f"own gain\n{unit.label}/a"
    lost = f"pool loses\n{unit.label}/a"
    header = ("protocol", "country", "best answer", chosen, "draws", own, lost)
    rows = [
        [
            name,
            row["country"],
            row["deviation"] or "-",
            unit.text(_EUR * row["chosen_gain_meur"]),
            str(row["draws"]) + (" in sample" if row["in_sample"] else ""),
            unit.text(_EUR * row["own_gain_meur"]),
            unit.text(_EUR * row["pool_loss_meur"]),
        ]
        for name, row in zip(rule_names(table), _rows(table), strict=True)
    ]
    return View("Best answer of each country to the others' truth", header, rows, 3)


def _pivotal(table: pd.DataFrame, measure: Measure) -> View:
    del measure
    header = (
        "protocol",
        "country",
        "least RSI of\na neighbour",
        "of",
        "pivotal\nh/a",
        "for",
        "least RSI of\nall others",
    )
    rows = [
        [
            row["treatment"],
            row["country"],
            number(row["least_rsi"], 2),
            row["least_rsi_of"] or "-",
            number(row["pivotal_h"], 0),
            row["pivotal_for"] or "-",
            number(row["least_rsi_others"], 2),
        ]
        for row in _rows(table)
    ]
    return View("Who is pivotal when all tell the truth, mean over draws", header, rows)


_VIEWS: tuple[tuple[str, Callable[[pd.DataFrame, Measure], View]], ...] = (
    ("treatments", _treatments),
    ("treatments", _effort),
    ("ranks", _ranks),
    ("pairs", _pairs),
    ("variants", _variants),
    ("countries", _countries),
    ("fairness", _fairness),
    ("missing", _missing),
    ("incentives", _incentives),
    ("best_deviations", _best_deviations),
    ("pivotal", _pivotal),
)


def _money(table: pd.DataFrame, *columns: str) -> Unit:
    """Unit in which all amounts of some columns, M EUR/a, can be read."""
    return money_unit(_EUR * table[list(columns)].to_numpy(dtype=float).ravel())


def _value(value: float, measure: Measure) -> str:
    return number(measure.factor * value, 1)


def _interval(row: dict[str, Any], measure: Measure) -> str:
    if not isfinite(row["low"]):
        return "-"
    return f"{_value(row['low'], measure)} to {_value(row['high'], measure)}"


def _of(part: int, whole: int) -> str:
    return str(whole) if part == whole else f"{part} of {whole}"


def _rows(table: pd.DataFrame) -> Sequence[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]
