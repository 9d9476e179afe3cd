"""Comparisons are on equal terms: nobody pays charges, and a protocol's own luck is told apart."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from model.experiments.grid import Grid
from model.experiments.measure import Bench
from model.experiments.spec import Experiment
from model.options import RunOptions
from model.players import negotiation_seed
from model.runs import run
from model.world import chosen_scenario

TRANSIT = "B"


def rows(**wishes: object) -> pd.DataFrame:
    experiment = Experiment.model_validate({"protocols": ["bilateral_bids"], **wishes})
    bench = Bench()
    cases = Grid(experiment).cases
    return pd.DataFrame([case.coordinates | bench.measure(case).run for case in cases])


def test_passing_on_is_free_without_charges(tmp_path: Path) -> None:
    """With the charge the transit country earns it; without, it neither earns nor pays."""
    paid = {}
    for charges in (True, False):
        options = RunOptions("wheeling", transit_charges=charges, out=tmp_path)
        summary = run(options)
        paid[charges] = summary["countries"][TRANSIT]["payment_eur"]
        assert summary["planner_cost_eur"] == pytest.approx(first(paid, summary))
    assert paid[True] < 0
    assert paid[False] == pytest.approx(0.0, abs=1e-6)


def first(paid: dict, summary: dict) -> float:
    """The planner's cost does not know of charges."""
    paid.setdefault("planner", summary["planner_cost_eur"])
    return paid["planner"]


def test_comparisons_leave_charges_out_unless_asked() -> None:
    without, with_charges = (
        rows(scenario="wheeling", transit_charges=charges) for charges in (False, True)
    )
    assert rows(scenario="wheeling")["case"].tolist() == without["case"].tolist()
    assert without["case"].tolist() != with_charges["case"].tolist()
    assert without["planner_meur"].iloc[0] == pytest.approx(with_charges["planner_meur"].iloc[0])
    assert without["gain_meur"].iloc[0] >= with_charges["gain_meur"].iloc[0] - 1e-9


def test_luck_changes_the_dice_and_nothing_else() -> None:
    found = rows(scenario="triangle", protocols=["rubinstein"], luck=3)
    assert found["luck"].tolist() == [0, 1, 2]
    assert found["case"].nunique() == 3
    for column in ("autarky_meur", "planner_meur", "ceiling_meur", "snapshots", "contracts"):
        assert found[column].nunique() == 1
    assert found["rounds"].nunique() + found["least_gain_meur"].nunique() > 2
    scenario = chosen_scenario(RunOptions("triangle"))
    seeds = [negotiation_seed(RunOptions("triangle", luck=k), scenario) for k in range(3)]
    assert seeds[0] == scenario.settings.seed
    assert len(set(seeds)) == 3


def test_what_was_compared_is_in_the_table() -> None:
    row = rows(scenario="triangle", products=["tou"]).iloc[0]
    assert row["family"] == "pair bundles"
    assert row["contracts"] == len(row["parts_of_day"].split("+"))
