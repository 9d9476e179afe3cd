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
from model.records import RunRecords
from model.runs import run
from model.world import chosen_scenario

TRANSIT = "T"
# Low enough that paths still pay beside trade from neighbour to neighbour.
KEY = "wheeling_eur_per_mwh"
CHARGE = {KEY: 0.1}


def rows(**wishes: object) -> pd.DataFrame:
    experiment = Experiment.model_validate({"protocols": ["bilateral_bids"], **wishes})
    bench = Bench()
    cases = Grid(experiment).cases
    return pd.DataFrame([case.coordinates | bench.measure(case).run for case in cases])


@pytest.mark.parametrize("charges", [True, False])
def test_passing_on_is_free_without_charges(charges: bool, tmp_path: Path) -> None:
    """The transit country earns a charge for every MWh it passes on, or nothing."""
    options = RunOptions("wheeling", transit_charges=charges, overrides=CHARGE, out=tmp_path)
    summary = run(options)
    trades = RunRecords.open(Path(summary["folder"])).table("trades")
    value = trades["energy_mwh"] * trades["price_eur_per_mwh"]
    own = value[trades["importer"] == TRANSIT].sum() - value[trades["exporter"] == TRANSIT].sum()
    passed_mwh = trades["energy_mwh"][trades["path"].str.contains(f">{TRANSIT}>")].sum()
    assert passed_mwh > 0
    earned = own - summary["countries"][TRANSIT]["payment_eur"]
    assert earned == pytest.approx(CHARGE[KEY] * passed_mwh if charges else 0.0, abs=1e-6)


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
        assert len(set(found[column])) == 1
    assert found["rounds"].nunique() + found["least_gain_meur"].nunique() > 2
    scenario = chosen_scenario(RunOptions("triangle"))
    seeds = [negotiation_seed(RunOptions("triangle", luck=k), scenario) for k in range(3)]
    assert seeds[0] == scenario.settings.seed
    assert len(set(seeds)) == 3


def test_what_was_compared_is_in_the_table() -> None:
    row = rows(scenario="triangle", products=["tou"]).iloc[0]
    assert row["family"] == "pair bundles"
    assert row["contracts"] == len(row["parts_of_day"].split("+"))
