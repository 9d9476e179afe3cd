"""From the folder of a finished comparison to its tables, figures and findings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from model.columns import RecordsError
from model.experiments.incentives import (
    TRUTHFUL,
    best_deviations,
    choosing_draws,
    deviates,
    deviations,
    regrets,
)
from model.experiments.spec import Hunt, recorded_hunt
from model.experiments.tables import read_table
from scenarios.errors import ScenarioError, did_you_mean
from viz.comparison.blocks import (
    MEASURES,
    Blocks,
    Measure,
    as_blocks,
    label_runs,
    representatives,
)
from viz.comparison.country_figure import draw_country_gains
from viz.comparison.difference_figure import draw_differences
from viz.comparison.effort_figure import EFFORTS, draw_effort
from viz.comparison.incentive_figure import draw_incentives
from viz.comparison.spread_figure import draw_spread
from viz.comparison.tables import (
    country_table,
    fairness_table,
    friedman_table,
    missing_table,
    pair_table,
    pivotal_table,
    rank_table,
    treatment_table,
    variant_table,
)
from viz.comparison.words import (
    fairness_in_words,
    families_in_words,
    findings,
    incentives_in_words,
    pivotal_in_words,
    settlements_in_words,
    what_was_compared,
)
from viz.drawing import Drawing
from viz.printing import write
from viz.table_files import write_table

FOLDER = "report"
PICTURES = ("pdf", "png")


@dataclass(frozen=True)
class ComparisonReport:
    """What is made of a comparison.

    Attributes
    ----------
    measure : Measure
        What treatments are compared by.
    tables : dict of str to DataFrame
        In the table's units, every digit.
    figures : dict of str to Drawing
    said : list of str
        Findings in sentences.
    """

    measure: Measure
    tables: dict[str, pd.DataFrame]
    figures: dict[str, Drawing]
    said: list[str]


@dataclass(frozen=True)
class ComparisonTables:
    """Tables of a comparison that the report is made from, as :func:`read_comparison` gives them.

    Attributes
    ----------
    runs : DataFrame
        With ``treatment``, ``block`` and ``seconds``; runs in which one country deviates left out.
    countries : DataFrame
    steps : DataFrame
        With ``seconds``.
    every_run : DataFrame
        The runs that were left out too.
    gains : DataFrame, optional
        Where the comparison looked at coalitions.
    hunt : Hunt, optional
        Where it searched for lies that pay.
    pivotal : DataFrame, optional
        Who could not be done without, where it searched.
    about : dict
        What the experiment asked for, from ``experiment.json``.
    """

    runs: pd.DataFrame
    countries: pd.DataFrame
    steps: pd.DataFrame
    every_run: pd.DataFrame
    gains: pd.DataFrame | None = None
    hunt: Hunt | None = None
    pivotal: pd.DataFrame | None = None
    about: Mapping[str, Any] = field(default_factory=dict)


def read_comparison(folder: Path) -> ComparisonTables:
    """Read the tables of a comparison.

    Raises
    ------
    RecordsError
        If one is absent or from another version.
    """
    hunt = recorded_hunt(folder)
    names = ("runs", "countries", "steps", "timings")
    tables = join_tables(*(read_table(folder, name) for name in names), hunt=hunt)
    tables = replace(tables, about=_experiment(folder / "experiment.json"))
    if hunt is not None:
        tables = replace(tables, pivotal=read_table(folder, "pivotal"))
    if not (folder / "gains.parquet").is_file():
        return tables
    return replace(tables, gains=read_table(folder, "gains"))


def _experiment(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["experiment"]
    except (OSError, ValueError, KeyError) as error:
        raise RecordsError(f"{file} cannot be read: {error}") from None
    return content


def join_tables(
    runs: pd.DataFrame,
    countries: pd.DataFrame,
    steps: pd.DataFrame,
    timings: pd.DataFrame,
    *,
    hunt: Hunt | None = None,
) -> ComparisonTables:
    """Add wall times, and leave out runs that only show what a deviation from the truth brings."""
    whole = timings[timings["step"].isna()]
    runs = runs.merge(whole[["case", "seconds"]], "left", "case")
    by_step = timings.dropna(subset="step").astype({"step": "int64"})
    steps = steps.merge(by_step, "left", ["case", "step"])
    together = hunt is not None
    lied = [deviates(str(strategy), together) is not None for strategy in runs["strategy"]]
    told = TRUTHFUL in set(runs["strategy"])
    compared = runs[[not (told and deviating) for deviating in lied]]
    return ComparisonTables(label_runs(compared), countries, steps, runs, hunt=hunt)


def make_report(
    tables: ComparisonTables,
    measure: str = "of_ceiling",
    reference: str | None = None,
    least_difference: float = 0.0,
) -> ComparisonReport:
    """Compute all tables and figures.

    Parameters
    ----------
    tables : ComparisonTables
    measure : str
        Key of :data:`viz.comparison.blocks.MEASURES` to compare by.
    reference : str, optional
        Treatment that the others are compared with; all pairs by default.
    least_difference : float
        Smaller differences count as none, in the unit of the measure's label.

    Raises
    ------
    ScenarioError
        For an unknown measure or treatment.
    """
    if measure not in MEASURES:
        raise ScenarioError(f"--measure: no '{measure}'{did_you_mean(measure, MEASURES)}")
    runs = tables.runs
    known = sorted(set(runs["treatment"]))
    if reference is not None and reference not in known:
        raise ScenarioError(
            f"--reference: no treatment '{reference}'{did_you_mean(reference, known)}"
        )
    if not least_difference >= 0:
        raise ScenarioError(f"--least-difference {least_difference:g}: give zero or more")
    blocks = as_blocks(runs, measure, least_difference / MEASURES[measure].factor)
    stands_for = representatives(runs)
    ranked = blocks.only(set(stands_for.values()))
    made = {
        "treatments": treatment_table(runs, blocks),
        "pairs": pair_table(ranked if reference is None else blocks, reference),
        "ranks": rank_table(ranked),
        "variants": variant_table(blocks, stands_for),
        "friedman": friedman_table(ranked),
        "countries": country_table(runs, tables.countries, blocks.best_first),
        "missing": missing_table(runs, blocks),
    }
    if tables.gains is not None:
        made["fairness"] = fairness_table(runs, tables.gains, blocks.best_first)
    said = [what_was_compared(runs, blocks, tables.about), families_in_words(stands_for)]
    said += findings(blocks, made["treatments"], made["pairs"], made["friedman"], made["missing"])
    said += settlements_in_words(made["countries"], runs)
    if "fairness" in made:
        said += fairness_in_words(made["fairness"])
    figures = _figures(tables, blocks, made)
    lies = _lies(tables)
    if lies:
        made |= lies
        figures["incentives"] = draw_incentives(lies["best_deviations"])
        said += incentives_in_words(lies["deviations"], lies["incentives"], tables.hunt is not None)
    if tables.pivotal is not None:
        made["pivotal"] = pivotal_table(tables.runs, tables.pivotal)
        said += pivotal_in_words(made["pivotal"])
    return ComparisonReport(blocks.measure, made, figures, [line for line in said if line])


def _lies(tables: ComparisonTables) -> dict[str, pd.DataFrame]:
    """What deviations brought, chosen on some draws and estimated on others; empty without any."""
    runs, together = tables.every_run, tables.hunt is not None
    effects = deviations(runs, tables.countries, together)
    if effects.empty:
        return {}
    choosing = choosing_draws(runs, tables.hunt.estimate_on if tables.hunt else None)
    chosen, estimated = (
        deviations(runs[part], tables.countries, together) for part in (choosing, ~choosing)
    )
    best = best_deviations(chosen, estimated)
    return {"deviations": effects, "best_deviations": best, "incentives": regrets(best)}


def _figures(
    tables: ComparisonTables, blocks: Blocks, made: dict[str, pd.DataFrame]
) -> dict[str, Drawing]:
    """Figures by the names of their files."""
    of_case = tables.runs.set_index("case")["treatment"]
    steps = tables.steps[tables.steps["case"].isin(of_case.index)]
    efforts = {
        f"efficiency-{name}": draw_effort(tables.runs, steps, effort)
        for name, effort in EFFORTS.items()
    }
    return {
        "spread": draw_spread(blocks),
        **efforts,
        "gains-by-country": draw_country_gains(made["countries"], blocks.best_first),
        "differences": draw_differences(made["pairs"], blocks.measure),
    }


def write_report(report: ComparisonReport, folder: Path) -> list[Path]:
    """Write all tables as CSV, Markdown, LaTeX and Parquet, all figures as PDF and PNG, findings.

    Parameters
    ----------
    report : ComparisonReport
    folder : Path
        Made if absent; files of an earlier report are replaced.
    """
    written = []
    for name, table in report.tables.items():
        written += write_table(table, folder / name)
    for name, drawing in report.figures.items():
        for kind in PICTURES:
            path = folder / f"{name}.{kind}"
            write(drawing, path)
            written.append(path)
    path = folder / "findings.md"
    path.write_text("".join(f"- {line}\n" for line in report.said), encoding="utf-8")
    return [*written, path]
