"""What a country gains by deviating from the truth, from tables with known gains."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from model.experiments.folder import ComparisonFolder
from model.experiments.grid import Grid
from model.experiments.incentives import (
    best_deviations,
    choosing_draws,
    deviations,
    liars,
    regrets,
    unilateral,
)
from model.experiments.measure import Bench
from model.experiments.spec import Experiment
from model.experiments.tables import read_table
from run import app
from tests.comparison_frames import runs_and_countries
from viz.comparison.incentive_figure import draw_incentives
from viz.comparison.report import join_tables, make_report
from viz.comparison.words import incentives_in_words
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
    assert liars("MZ=markup:0.1+ZA=markup:0.1") == ("MZ+ZA", "MZ=markup:0.1+ZA=markup:0.1")


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


def test_what_is_chosen_on_some_draws_is_told_on_others() -> None:
    """The best of many is partly lucky where it was chosen: on draw 1, not on draw 2."""
    runs, countries = runs_and_countries(OUTCOMES)
    choosing = choosing_draws(runs)
    assert set(runs[choosing]["seed"]) == {1}
    chosen, others = (deviations(runs[part], countries) for part in (choosing, ~choosing))
    best = best_deviations(chosen, others).set_index(["protocol", "country"])
    row = best.loc[("auction", "MZ")]
    assert (row["deviation"], row["in_sample"]) == ("markup:0.1", False)
    assert (row["chosen_gain_meur"], row["own_gain_meur"]) == (6.0, -2.0)
    alone = best_deviations(chosen).set_index(["protocol", "country"]).loc[("auction", "MZ")]
    assert (alone["in_sample"], alone["own_gain_meur"]) == (True, 6.0)
    assert list(choosing_draws(runs, estimate_on=(1,))) == [seed != 1 for seed in runs["seed"]]


def test_a_pair_s_gains_add_up_and_stand_beside_what_the_two_gain_alone() -> None:
    outcomes = {
        ("auction", 1): {"MZ": 50.0, "ZA": 40.0, "ZW": 9.0},
        ("auction|MZ=markup:0.1", 1): {"MZ": 52.0, "ZA": 38.0, "ZW": 9.0},
        ("auction|ZA=markup:0.1", 1): {"MZ": 47.0, "ZA": 43.0, "ZW": 9.0},
        ("auction|MZ=markup:0.1+ZA=markup:0.1", 1): {"MZ": 54.0, "ZA": 44.0, "ZW": 0.0},
    }
    tables = runs_and_countries(outcomes)
    best = best_deviations(deviations(*tables, together=True))
    (row,) = regrets(best).to_dict("records")
    assert (row["pair"], row["pair_gain_meur"], row["pair_alone_meur"]) == ("MZ+ZA", 8.0, 5.0)
    assert (row["countries"], row["by"]) == (2, "ZA")
    assert len(deviations(*tables)) == 2


def test_a_lie_that_changes_nothing_is_said_to_have_no_meaning() -> None:
    outcomes = {
        ("vcg", 1): {"MZ": 50.0, "ZA": 40.0},
        ("vcg|MZ=delay:1", 1): {"MZ": 50.0, "ZA": 40.0},
        ("vcg|MZ=markup:0.1", 1): {"MZ": 49.0, "ZA": 40.0},
    }
    effects = deviations(*runs_and_countries(outcomes))
    assert effects.set_index("deviation")["changes_nothing"].to_dict() == {
        "delay:1": True,
        "markup:0.1": False,
    }
    said = incentives_in_words(effects, regrets(best_deviations(effects)), searched=True)
    assert "vcg: delay had no meaning, it changed neither money nor messages" in said


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
    # By draw 1 a mark-up pays MZ 6 M EUR/a; on draw 2 it costs it 2.
    assert "auction: 1 of 2 countries would deviate, but no lie that was chosen pays" in said
    assert "1 of 8 runs with a deviation cannot be compared" in said
    assert "each is chosen on some draws and what it pays is told on others" in said
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


@pytest.fixture(scope="module")
def two_countries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each country marks up alone, under two auctions in which both could trade all they want."""
    lies = ({}, *({c: f"markup:{share}"} for c in "AB" for share in (0.1, 0.2)))
    grid = Grid(
        Experiment(
            scenario="two_countries",
            protocols=("fractional_vcg", "k_double_auction"),
            strategies=lies,
        )
    )
    folder = ComparisonFolder.create(tmp_path_factory.mktemp("incentives"), grid)
    bench = Bench()
    for case in grid.cases:
        folder.write(case, bench.measure(case))
    folder.finish(grid)
    return folder.path


def test_what_the_pool_loses_is_the_triangle_of_the_closed_form(two_countries: Path) -> None:
    effects = deviations(
        read_table(two_countries, "runs"), read_table(two_countries, "countries")
    ).set_index(["protocol", "country", "deviation"])
    # Marginal costs alone are 30 and 80 EUR/MWh and come together by 0.06 EUR/MWh a MW. A mark-up
    # of w EUR/MWh stops trade where w is left between them: w^2 / 0.12 EUR of 20 833 are lost.
    for (_, country, deviation), row in effects.iterrows():
        wedge = float(deviation.partition(":")[2]) * {"A": 30.0, "B": 80.0}[country]
        # The auctions themselves end when less than a thousandth of the gain is left.
        assert 1e6 * row["pool_loss_meur"] == pytest.approx(wedge**2 / 0.12, abs=21)


def test_shading_pays_in_auctions_that_balance_their_budget(two_countries: Path) -> None:
    # Myerson and Satterthwaite (1983): no efficient trade without loss and deficit is truthful.
    # In the k-double auction a country moves the price; the fractional rule
    # leaves each a share of what it is seen to add, so both gain by being seen to add less.
    table = regrets(
        best_deviations(
            deviations(read_table(two_countries, "runs"), read_table(two_countries, "countries"))
        )
    )
    assert set(table["protocol"]) == {"fractional_vcg.standard", "k_double_auction.standard"}
    assert (table["deviate"] == 2).all()
    assert (table["largest_own_gain_meur"] > 0).all()
    assert (table["regret_meur"] > 0).all()


def test_the_command_tells_an_unknown_country_or_strategy(tmp_path: Path) -> None:
    order = ["incentives", "--scenario", "two_countries", "--protocols", "fractional_vcg"]
    order += ["--out", str(tmp_path)]
    for more, word in (
        (["--deviating", "ZZ"], "--deviating: no country 'ZZ'"),
        (["--lies", "oversate"], "did you mean 'overstate'"),
        (["--lies", "overstate:6"], "the search finds it: overstate"),
        (["--lies", "conceder"], "has nothing to search"),
        (["--seeds", "1,2", "--estimate-on", "2,3"], "lies are chosen on draw 2"),
    ):
        done = CliRunner().invoke(app, order + more)
        assert done.exit_code == 2 and word in done.output, done.output
    assert list(tmp_path.iterdir()) == []
