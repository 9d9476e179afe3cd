"""From the tables of a comparison to tables, figures and sentences."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from model.experiments.tables import write_table
from run import app
from scenarios.errors import ScenarioError
from tests.comparison_frames import runs_and_countries
from viz.comparison.blocks import as_blocks, label_runs
from viz.comparison.page import BEGIN, END, write_page
from viz.comparison.report import (
    ComparisonReport,
    ComparisonTables,
    join_tables,
    make_report,
    write_report,
)
from viz.comparison.views import views
from viz.drawing import Disc, Drawing, Lines, Text
from viz.table_files import write_table as write_formats

PROTOCOLS = {"bundle.standard": 0.95, "bilateral_bids.adaptive": 0.78, "vcg.standard": 0.5}
SEEDS = 8


def outcomes(seeds: int = SEEDS) -> dict[tuple[str, int], dict[str, float] | None]:
    """Gains in which the protocols keep their order, vcg makes ZA lose once, and one run fails."""
    rng = np.random.default_rng(1)
    luck = rng.normal(0, 0.02, seeds)
    made: dict[tuple[str, int], dict[str, float] | None] = {}
    for protocol, share in PROTOCOLS.items():
        for seed in range(seeds):
            gain = 100 * (share + luck[seed] + rng.normal(0, 0.001))
            made[protocol, seed] = {"MZ": 0.6 * gain, "NA": 0.1 * gain, "ZA": 0.3 * gain}
    made["vcg.standard", 1] = {"MZ": 50.0, "NA": 6.0, "ZA": -7.0}
    made["vcg.standard", 2] = None
    return made


def steps_and_timings(runs: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Three steps of every run that ended, each with a third of rounds, numbers and seconds."""
    steps, timings = [], []
    for row in runs[runs["status"] == "completed"].to_dict("records"):
        for step in range(3):
            part = (step + 1) / 3
            counts = ("rounds", "messages", "numbers_disclosed", "solves", "dependent_solves")
            steps.append(
                {
                    "case": row["case"],
                    "step": step,
                    "gain_meur": part * row["gain_meur"],
                    "efficiency": part * row["efficiency"],
                    **{name: int(part * row[name]) for name in counts},
                }
            )
            timings.append({"case": row["case"], "step": step, "seconds": part * 6.0})
        timings.append({"case": row["case"], "step": None, "seconds": 6.0})
    return pd.DataFrame(steps), pd.DataFrame(timings).astype({"step": "Int64"})


def tables_of(
    made: dict[tuple[str, int], dict[str, float] | None], order: int | None = None
) -> ComparisonTables:
    runs, countries = runs_and_countries(made)
    steps, timings = steps_and_timings(runs)
    frames = [runs, countries, steps, timings]
    if order is not None:
        frames = [f.sample(frac=1, random_state=order).reset_index(drop=True) for f in frames]
    return join_tables(*frames)


@pytest.fixture(scope="module")
def report() -> ComparisonReport:
    return make_report(tables_of(outcomes()))


def texts(drawing: Drawing) -> list[str]:
    return [item.text for item in drawing.items if isinstance(item, Text)]


def test_treatments_stand_in_order_of_their_mean(report: ComparisonReport) -> None:
    table = report.tables["treatments"]
    assert list(table["treatment"]) == ["bundle", "bilateral_bids.adaptive", "vcg"]
    assert list(table["ended"]) == [SEEDS, SEEDS, SEEDS - 1]
    assert list(table["blocks_with_losers"]) == [0, 0, 1]
    vcg = table.iloc[2]
    assert vcg["worst_country_gain_meur"] == -7.0
    assert vcg["mean_failures_as_autarky"] == pytest.approx(vcg["mean"] * (SEEDS - 1) / SEEDS)
    assert (table["worst"] <= table["mean"]).all()
    assert (table["median_seconds"] == 6.0).all()


def test_pairs_are_compared_on_the_draws_that_both_ended(report: ComparisonReport) -> None:
    pairs = report.tables["pairs"].set_index(["first", "second"])
    assert pairs.loc[("bundle", "bilateral_bids.adaptive"), "blocks"] == SEEDS
    assert pairs.loc[("bundle", "vcg"), "blocks"] == SEEDS - 1
    assert (pairs["first_better"] == pairs["blocks"]).all()
    # Luck is common to both, so that the difference is known far better than either mean.
    row = pairs.loc[("bundle", "bilateral_bids.adaptive")]
    assert row["low"] < 0.17 < row["high"] and row["high"] - row["low"] < 0.003
    assert (pairs["holm_p"] >= pairs["wilcoxon_p"]).all()


def test_a_reference_takes_its_own_pairs_only() -> None:
    made = make_report(tables_of(outcomes()), reference="vcg").tables["pairs"]
    assert set(made["second"]) == {"vcg"} and len(made) == 2


def test_less_is_better_for_what_negotiating_takes() -> None:
    made = make_report(tables_of(outcomes()), "rounds").tables
    runs = tables_of(outcomes()).runs
    fewest = runs.groupby("treatment")["rounds"].mean().astype(float).idxmin()
    assert made["treatments"]["treatment"].iloc[0] == fewest
    assert made["ranks"]["treatment"].iloc[0] == fewest
    assert (made["pairs"]["mean_difference"] <= 0).all()
    assert (made["treatments"]["worst"] >= made["treatments"]["mean"]).all()


def test_differences_too_small_to_matter_count_as_none() -> None:
    made = make_report(tables_of(outcomes()), least_difference=25.0)
    pairs = made.tables["pairs"].set_index(["first", "second"])
    near, far = pairs.loc[("bundle", "bilateral_bids.adaptive")], pairs.loc[("bundle", "vcg")]
    assert near["ties"] == SEEDS and near["wilcoxon_p"] == 1.0
    assert far["first_better"] == SEEDS - 1
    assert "differences up to 25 percentage points count as none" in made.said[0]
    with pytest.raises(ScenarioError, match="--least-difference"):
        make_report(tables_of(outcomes(2)), least_difference=-1.0)


def test_many_pairs_are_shown_for_the_best_treatment_alone() -> None:
    made = {
        (f"p{i:02d}.standard", seed): {"A": 50.0 - i + 0.1 * seed}
        for i in range(11)
        for seed in range(5)
    }
    report = make_report(tables_of(made))
    assert len(report.tables["pairs"]) == 55
    shown = next(view for view in views(report) if view.title.startswith("Pairs"))
    assert len(shown.rows) == 10 and {row[0] for row in shown.rows} == {"p00"}
    assert "the first 10 of 55" in shown.title
    assert sum(" - " in text for text in texts(report.figures["differences"])) == 10


@pytest.mark.parametrize("order", [1, 2])
def test_the_order_of_rows_does_not_matter(report: ComparisonReport, order: int) -> None:
    shuffled = make_report(tables_of(outcomes(), order))
    for name, table in report.tables.items():
        pd.testing.assert_frame_equal(shuffled.tables[name], table, obj=name)
    assert shuffled.said == report.said


def test_findings_say_who_wins_who_loses_and_what_failed(report: ComparisonReport) -> None:
    said = "\n".join(report.said)
    assert "best on average: bundle" in said
    assert "1 run of 24 ended without a value (vcg 1)" in said
    assert "countries lose under vcg in 1 of 7" in said and "7.00 M EUR/a" in said
    missing = report.tables["missing"].to_dict("records")
    assert missing == [
        {"treatment": "vcg", "block": "seed 2", "status": "failed", "reason": "no solution"}
    ]


def test_few_draws_are_said_in_words_and_have_no_p() -> None:
    made = make_report(tables_of(outcomes(3)))
    assert made.tables["pairs"][["wilcoxon_p", "holm_p", "low", "high"]].isna().all(axis=None)
    assert any("too few for tests" in line for line in made.said)
    assert not any("differ by more than luck" in line for line in made.said)


def test_draws_that_cannot_reach_significance_are_told() -> None:
    # A clean sweep of 6 draws has p = 1/32; with three pairs Holm asks for less than 1/60.
    good = {key: gains for key, gains in outcomes(6).items() if gains is not None}
    good["vcg.standard", 2] = {"MZ": 30.0, "NA": 5.0, "ZA": 15.0}
    said = "\n".join(make_report(tables_of(good)).said)
    assert "no single one of 3 pairs can reach 5 %" in said and "7 draws could" in said


def test_a_comparison_of_one_run_is_reported() -> None:
    made = make_report(tables_of({("vcg.standard", 0): {"MZ": 3.0, "ZA": 2.0}}))
    assert made.tables["pairs"].empty and made.tables["ranks"].empty
    assert any("vcg: mean 5.0 %" in line for line in made.said)


def test_a_comparison_in_which_everything_failed_is_reported(tmp_path: Path) -> None:
    runs, countries = runs_and_countries({("vcg.standard", 0): None, ("mcafee.standard", 0): None})
    steps = pd.DataFrame(columns=["case", "step", "efficiency", "rounds", "numbers_disclosed"])
    timings = pd.DataFrame({"case": [], "step": [], "seconds": []}).astype(
        {"case": str, "step": "Int64", "seconds": float}
    )
    made = make_report(join_tables(runs, countries, steps, timings))
    assert "no run ended with a value" in made.said
    assert len(made.tables["missing"]) == 2
    write_report(made, tmp_path)


def test_a_treatment_is_named_by_what_differs() -> None:
    runs, _ = runs_and_countries({("vcg.standard", 0): {"A": 1.0}})
    both = pd.concat(
        [
            runs,
            runs.assign(products="hourly"),
            runs.assign(changes="protocol.max_hops=2"),
            runs.assign(changes="policy.co2_caps=true; protocol.max_hops=2", variant="dry"),
        ]
    )
    labelled = label_runs(both)
    assert list(labelled["treatment"]) == ["vcg tou", "vcg hourly", *["vcg tou max_hops=2"] * 2]
    assert list(labelled["block"]) == [
        *["base, as it is, seed 0"] * 3,
        "dry, policy.co2_caps=true, seed 0",
    ]
    with pytest.raises(ValueError, match="more than once"):
        as_blocks(label_runs(pd.concat([runs, runs])))


def test_seeds_stand_in_the_order_of_numbers() -> None:
    blocks = as_blocks(label_runs(runs_and_countries(outcomes(12))[0]))
    assert list(blocks.matrix.index) == [f"seed {n}" for n in range(12)]


def test_who_would_go_alone_is_told_where_coalitions_were_looked_at() -> None:
    tables = tables_of(outcomes())
    ended = tables.runs[tables.runs["status"] == "completed"]
    stable = ended["treatment"] != "vcg"
    gains = pd.DataFrame(
        {
            "case": ended["case"],
            "in_core": np.where(stable, "yes", "no"),
            "complaining": np.where(stable, "MZ", "MZ+ZA"),
            "complaint_meur": np.where(stable, -1.0, ended["seed"]),
            "gini": 0.3,
            "distance_to_shapley": 0.1,
            "distance_to_nucleolus": 0.2,
            "distance_to_equal_split": 0.3,
        }
    )
    report = make_report(replace(tables, gains=gains))
    vcg = report.tables["fairness"].set_index("treatment").loc["vcg"]
    assert (vcg["blocks"], vcg["in_core"], vcg["worst_complaint_meur"]) == (SEEDS - 1, 0, 7.0)
    said = "\n".join(report.said)
    assert "no group of countries could do better alone on any draw under bundle" in said
    assert "at worst MZ and ZA could do better alone by 7.00 M EUR/a" in said
    assert any(view.title.startswith("Divisions") for view in views(report))


def test_unknown_measures_and_treatments_are_told() -> None:
    tables = tables_of(outcomes(2))
    with pytest.raises(ScenarioError, match=r"--measure: no 'eficiency'.*efficiency"):
        make_report(tables, "eficiency")
    with pytest.raises(ScenarioError, match=r"--reference: no treatment 'vgc'.*vcg"):
        make_report(tables, reference="vgc")


def test_effort_figures_show_every_treatment_and_its_course(report: ComparisonReport) -> None:
    for name, label in (
        ("efficiency-rounds", "rounds of messages"),
        ("efficiency-numbers", "private numbers disclosed"),
        ("efficiency-seconds", "seconds of negotiation"),
    ):
        drawing = report.figures[name]
        assert {label, "bundle", "bilateral_bids.adaptive", "vcg"} <= set(texts(drawing))
        marks = [
            item.data["treatment"]
            for item in drawing.items
            if isinstance(item, Lines | Disc) and "treatment" in item.data
        ]
        assert sorted(marks) == ["bilateral_bids.adaptive", "bundle", "vcg"]


def test_country_figure_frames_who_loses(report: ComparisonReport) -> None:
    drawing = report.figures["gains-by-country"]
    lines = [item for item in drawing.items if isinstance(item, Lines)]
    assert [item.data["loses"] for item in lines if "loses" in item.data] == ["vcg, ZA"]
    assert {"MZ", "NA", "ZA", "-7.0"} <= set(texts(drawing))


def test_ranks_that_luck_explains_are_no_ranking() -> None:
    rng = np.random.default_rng(4)
    made = {
        (f"{name}.standard", seed): {"A": 50 + rng.normal()}
        for name in ("vcg", "mcafee", "bundle")
        for seed in range(6)
    }
    report = make_report(tables_of(made))
    assert report.tables["friedman"]["p"].iloc[0] >= 0.05
    assert any("do not read the pairs as a ranking" in line for line in report.said)


def test_not_rejected_is_not_equal_and_equivalent_is_shown() -> None:
    """A and B differ by 0.02 points at most, C by one that the draws hide in noise."""
    rng = np.random.default_rng(1)
    made = {}
    for seed in range(8):
        level = 50 + 5 * rng.normal()
        made["a.standard", seed] = {"X": level}
        made["b.standard", seed] = {"X": level + 0.02 * rng.random()}
        made["c.standard", seed] = {"X": level + 1 + 4 * rng.normal()}
    frames = tables_of(made)
    pairs = make_report(frames, least_difference=0.1).tables["pairs"]
    found = {frozenset((r["first"], r["second"])): r["conclusion"] for _, r in pairs.iterrows()}
    assert found[frozenset("ab")] == "equivalent"
    assert found[frozenset("bc")] == "not decided"
    said = "\n".join(make_report(frames, least_difference=0.1).said)
    assert "equivalent, the 95 % interval within 0.1 percentage points: b and a" in said
    assert "not decided, which is not equality" in said
    # Without a difference that matters nothing can be called equivalent.
    assert "equivalent" not in set(make_report(frames).tables["pairs"]["conclusion"])


def test_families_are_ranked_once_and_their_members_set_beside() -> None:
    made = {
        (f"{name}.standard", seed): {"X": level + seed}
        for name, level in (("a", 60), ("b", 61), ("c", 40), ("d", 41), ("e", 20))
        for seed in range(6)
    }
    frames = tables_of(made)
    families = {"a": "pairs", "b": "pairs", "c": "lines", "d": "lines"}
    runs = frames.runs.assign(
        family=[families.get(p.partition(".")[0]) for p in frames.runs["protocol"]]
    )
    report = make_report(replace(frames, runs=runs))
    assert list(report.tables["ranks"]["treatment"]) == ["a", "c", "e"]
    assert len(report.tables["pairs"]) == 3
    variants = report.tables["variants"]
    assert [tuple(r) for r in variants[["first", "second"]].to_numpy()] == [("b", "a"), ("d", "c")]
    assert variants["mean_difference"].tolist() == pytest.approx([0.01, 0.01])
    assert any("a for b; c for d" in line for line in report.said)
    assert len(report.tables["treatments"]) == 5
    alone = runs[runs["protocol"].isin(["a.standard", "b.standard"])]
    assert list(make_report(replace(frames, runs=alone)).tables["ranks"]["treatment"]) == ["b", "a"]


def test_own_luck_is_told_apart_from_the_draw() -> None:
    made = {("a.standard", seed): {"X": 40.0 + seed, "Y": 2.0} for seed in range(6)}
    frames = tables_of(made)
    again = frames.runs.assign(
        luck=1, case=frames.runs["case"] + "'", of_ceiling=frames.runs["of_ceiling"] + 0.02
    )
    runs = pd.concat([frames.runs, again], ignore_index=True)
    row = make_report(replace(frames, runs=runs)).tables["treatments"].iloc[0]
    assert row["own_luck"] == pytest.approx(0.02)
    assert row["mean"] == pytest.approx(frames.runs["of_ceiling"].mean() + 0.01)
    assert row["blocks"] == 6
    runs.loc[runs.index[-1], ["of_ceiling", "status"]] = [None, "failed"]
    report = make_report(replace(frames, runs=runs))
    assert report.tables["treatments"].iloc[0]["ended"] == 5
    assert report.tables["missing"]["status"].tolist() == ["failed"]


def test_all_files_are_written(report: ComparisonReport, tmp_path: Path) -> None:
    written = {path.name for path in write_report(report, tmp_path)}
    for name in ("treatments", "pairs", "ranks", "friedman", "countries", "missing"):
        assert {f"{name}.{kind}" for kind in ("csv", "md", "tex", "parquet")} <= written
    for name in report.figures:
        assert (tmp_path / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    again = pd.read_csv(tmp_path / "countries.csv", keep_default_na=False)
    assert set(again["country"]) == {"MZ", "NA", "ZA"}
    assert "best on average" in (tmp_path / "findings.md").read_text()


def test_a_page_gets_what_stands_between_its_markers(
    report: ComparisonReport, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nearlier numbers\n{END}\nafter\n")
    write_page(report, page)
    once = page.read_text()
    write_page(report, page)
    assert page.read_text() == once
    assert once.startswith("before\n") and once.endswith("after\n") and "earlier" not in once
    pictures = re.findall(r"\]\((images/[^)]+)\)", once)
    assert len(pictures) >= 5 and all((tmp_path / name).exists() for name in pictures)
    page.write_text("no markers")
    with pytest.raises(ScenarioError, match="has no lines"):
        write_page(report, page)


def test_views_hold_the_numbers_of_the_tables(report: ComparisonReport) -> None:
    shown = {view.title.split(":")[0].split(",")[0]: view for view in views(report)}
    best = shown["Treatments"].rows[0]
    mean = report.tables["treatments"]["mean"].iloc[0]
    assert best[0] == "bundle" and best[2] == f"{100 * mean:.1f}"
    assert "| treatment |" in shown["Mean gain by country"].markdown()


def test_the_command_makes_the_report_of_a_folder(tmp_path: Path) -> None:
    runs, countries = runs_and_countries(outcomes(5))
    steps, timings = steps_and_timings(runs)
    for name, frame in (
        ("runs", runs),
        ("countries", countries),
        ("steps", steps),
        ("timings", timings),
    ):
        write_table(tmp_path, name, frame)
    experiment = {"scenario": "triangle", "resolution": None, "transit_charges": False}
    (tmp_path / "experiment.json").write_text(json.dumps({"experiment": experiment}))
    done = CliRunner().invoke(app, ["comparison", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "bilateral_bids.adaptive" in done.output
    assert (tmp_path / "report" / "treatments.tex").exists()
    absent = CliRunner().invoke(app, ["comparison", str(tmp_path / "nothing")])
    assert absent.exit_code == 2


def test_latex_and_markdown_hold_the_same_cells(tmp_path: Path) -> None:
    table = pd.DataFrame({"treatment": ["bilateral_bids"], "mean": [0.78]})
    write_formats(table, tmp_path / "t")
    assert r"bilateral\_bids & 0.7800" in (tmp_path / "t.tex").read_text()
    assert "| bilateral_bids | 0.7800 |" in (tmp_path / "t.md").read_text()
