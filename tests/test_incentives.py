"""What a country gains by deviating from the truth, from tables with known gains."""

from __future__ import annotations

import pandas as pd
import pytest

from model.experiments.incentives import (
    best_deviations,
    deviations,
    regrets,
    strategy_grid,
    unilateral,
)
from tests.comparison_frames import runs_and_countries
from viz.comparison.incentive_figure import draw_incentives
from viz.comparison.report import join_tables, make_report
from viz.drawing import Box

OUTCOMES = {
    ("vcg", 1): {"MZ": 50.0, "ZA": 40.0},
    ("vcg|MZ=markup:0.1", 1): {"MZ": 49.0, "ZA": 39.0},
    ("vcg|ZA=markup:0.1", 1): {"MZ": 48.0, "ZA": 40.0},
    ("auction", 1): {"MZ": 50.0, "ZA": 40.0},
    ("auction", 2): {"MZ": 40.0, "ZA": 30.0},
    ("auction|MZ=markup:0.1", 1): {"MZ": 56.0, "ZA": 30.0},
    ("auction|MZ=markup:0.1", 2): {"MZ": 38.0, "ZA": 20.0},
    ("auction|MZ=markup:0.2", 1): {"MZ": 51.0, "ZA": 20.0},
    ("auction|MZ=markup:0.2", 2): {"MZ": 41.0, "ZA": 10.0},
    ("auction|ZA=markup:0.1", 1): {"MZ": 50.0, "ZA": 30.0},
    ("auction|ZA=markup:0.1", 2): None,
}


def test_a_profile_of_one_country_is_a_deviation() -> None:
    assert unilateral("ZA=markup:0.1") == ("ZA", "markup:0.1")
    assert unilateral("truthful") is None
    assert unilateral("MZ=markup:0.1+ZA=markup:0.1") is None
    assert strategy_grid(["MZ"], ["a", "b:1"]) == ["truthful", "MZ=a", "MZ=b:1"]


def test_effects_are_differences_from_the_truth_on_the_same_draw() -> None:
    table = deviations(*runs_and_countries(OUTCOMES)).set_index(
        ["protocol", "country", "deviation"]
    )
    row = table.loc[("auction", "MZ", "markup:0.1")]
    assert (row["draws"], row["own_gain_meur"], row["pool_loss_meur"]) == (2, 2.0, 8.0)
    assert (row["least_own_gain_meur"], row["most_own_gain_meur"]) == (-2.0, 6.0)
    assert row["own_gain_share"] == pytest.approx(0.02)
    row = table.loc[("auction", "ZA", "markup:0.1")]
    assert (row["draws"], row["draws_missing"], row["own_gain_meur"]) == (1, 1, -10.0)


def test_the_best_answer_is_chosen_by_the_mean_over_draws() -> None:
    best = best_deviations(deviations(*runs_and_countries(OUTCOMES)))
    chosen = best.set_index(["protocol", "country"])["deviation"]
    assert chosen[("auction", "MZ")] == "markup:0.1"
    assert chosen[("auction", "ZA")] == "truthful"
    assert chosen[("vcg", "MZ")] == chosen[("vcg", "ZA")] == "truthful"


def test_regret_is_what_the_pool_loses_by_a_best_answer() -> None:
    table = regrets(best_deviations(deviations(*runs_and_countries(OUTCOMES))))
    auction, vcg = table.to_dict("records")
    assert (auction["deviate"], auction["by"], auction["how"]) == (1, "MZ", "markup:0.1")
    assert (auction["largest_own_gain_meur"], auction["regret_meur"]) == (2.0, 8.0)
    assert auction["mean_regret_meur"] == 4.0
    # A loss that nobody has a reason to cause is no regret.
    assert (vcg["deviate"], vcg["largest_own_gain_meur"], vcg["regret_meur"]) == (0, 0.0, 0.0)


def test_rounding_is_no_reason_to_deviate() -> None:
    outcomes = {
        ("vcg", 1): {"MZ": 50.0, "ZA": 40.0},
        ("vcg|MZ=markup:0.1", 1): {"MZ": 50.0 + 1e-6, "ZA": 40.0},
    }
    best = best_deviations(deviations(*runs_and_countries(outcomes)))
    assert list(best["deviation"]) == ["truthful"]


def test_a_country_whose_deviations_all_failed_is_not_judged() -> None:
    outcomes = {("vcg", 1): {"MZ": 5.0, "ZA": 4.0}, ("vcg|MZ=markup:0.1", 1): None}
    best = best_deviations(deviations(*runs_and_countries(outcomes)))
    assert best["deviation"].tolist() == [""] and best["own_gain_meur"].isna().all()
    assert regrets(best)["countries"].tolist() == [0]


def test_the_order_of_rows_does_not_matter() -> None:
    runs, countries = runs_and_countries(OUTCOMES)
    first = deviations(runs, countries)
    shuffled = deviations(
        runs.sample(frac=1, random_state=1), countries.sample(frac=1, random_state=2)
    )
    pd.testing.assert_frame_equal(first, shuffled)


def test_the_report_compares_the_truthful_and_tells_the_rest() -> None:
    runs, countries = runs_and_countries(OUTCOMES)
    steps = pd.DataFrame(columns=["case", "step", "efficiency", "rounds", "numbers_disclosed"])
    timings = pd.DataFrame({"case": runs["case"], "step": None, "seconds": 1.0}).astype(
        {"step": "Int64"}
    )
    report = make_report(join_tables(runs, countries, steps, timings))
    assert set(report.tables["treatments"]["treatment"]) == {"vcg", "auction"}
    said = "\n".join(report.said)
    assert "nobody gains by any of them under vcg" in said
    assert "auction: 1 of 2 countries would deviate; MZ gains most, 2.00 M EUR/a" in said
    assert "1 of 8 runs with a deviation cannot be compared" in said
    bars = {
        (box.data["rules"], box.data["country"]): box.width
        for box in report.figures["incentives"].items
        if isinstance(box, Box) and box.data.get("bar") == "pool_loss_share"
    }
    assert bars[("auction", "MZ")] > 10 * bars[("vcg", "MZ")]


def test_a_figure_without_any_comparison_says_so() -> None:
    outcomes = {("vcg", 1): None, ("vcg|MZ=markup:0.1", 1): {"MZ": 1.0, "ZA": 1.0}}
    best = best_deviations(deviations(*runs_and_countries(outcomes)))
    assert any("No deviation" in getattr(i, "text", "") for i in draw_incentives(best).items)
