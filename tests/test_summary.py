"""The summary of a run, worked out again from its tables, its scenario and its network alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pypsa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from model.ledger import Ledger
from model.options import RunOptions
from model.records import RunRecords
from model.runs import run
from model.summary import Result, efficiency, summarise
from protocols.messages import Trade
from scenarios.schema import Scenario
from tests.random_markets import random_scenario
from tests.small_worlds import teaching_world

# Sums in another order; the money and energy of most runs lie far above it.
SAME: dict[str, Any] = {"rel": 1e-9, "abs": 1e-6}
NARROW = {
    f"interconnectors.{line}.{way}_mw": 40.0
    for line in ("E-N", "E-S", "N-S")
    for way in ("a_to_b", "b_to_a")
}
RUNS = {
    "limited": RunOptions("two_countries_limited", workers=1),
    "wheeling": RunOptions("wheeling", workers=1),
    "triangle": RunOptions("triangle", workers=1, max_steps=4),
    "narrow": RunOptions("triangle", workers=1, overrides=NARROW, max_steps=4, planner=False),
    "sapp2030": RunOptions(
        "sapp2030",
        countries=("MZ", "ZA", "ZW"),
        resolution="1w6h",
        slices="year",
        workers=1,
        max_steps=2,
    ),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], RunRecords]:
    """Records of a run by its name here; each is made when it is first asked for."""
    out = tmp_path_factory.mktemp("results")

    @cache
    def records_of(name: str) -> RunRecords:
        return RunRecords.open(Path(run(replace(RUNS[name], out=out))["folder"]))

    return records_of


@pytest.fixture(params=RUNS)
def records(request: pytest.FixtureRequest, finished: Callable[[str], RunRecords]) -> RunRecords:
    return finished(request.param)


def test_countries(records: RunRecords) -> None:
    countries_from_tables(records)


def test_interconnectors(records: RunRecords) -> None:
    interconnectors_from_tables(records)


def test_payments_follow_from_the_trades(records: RunRecords) -> None:
    payments_from_tables(records)


def test_totals(records: RunRecords) -> None:
    totals_from_tables(records)


def test_what_was_run(records: RunRecords) -> None:
    told, options, chosen = records.summary(), records.options, records.scenario.settings
    for key in ("protocol", "mode", "decomposition", "settlement", "solver"):
        assert told[key] == getattr(options, key)
    for key in ("title", "products", "slices", "seed"):
        assert told[key] == getattr(chosen, key)
    assert told["scenario"] == chosen.name
    assert told["resolution"] == ("cost curves" if records.scenario.curves else "1w6h")


@settings(max_examples=6, deadline=None, derandomize=True)
@given(st.data())
def test_of_any_market(data: st.DataObject) -> None:
    scenario = random_scenario(data.draw)
    with TemporaryDirectory() as folder:
        options = RunOptions(written(scenario, Path(folder)), workers=1, out=Path(folder) / "out")
        records = RunRecords.open(Path(run(options)["folder"]))
        for check in (
            countries_from_tables,
            interconnectors_from_tables,
            payments_from_tables,
            totals_from_tables,
        ):
            check(records)


def test_these_runs_tell_wrong_sums_apart(finished: Callable[[str], RunRecords]) -> None:
    """Prices of one line differ by trade, and lines are full one way, and both ways."""
    trades = finished("triangle").table("trades")
    over = trades[[uses(path, "E", "N") for path in trades["path"]]]
    plain = over["price_eur_per_mwh"].mean()
    told = finished("triangle").summary()["interconnectors"]["E-N"]["mean_price_eur_per_mwh"]
    assert abs(plain - told) > 1e-3 * told
    full = [ways for name in ("limited", "narrow") for ways in hours_full(finished(name)).values()]
    assert any(out > 0 == back for out, back in full)
    assert any(out > 0 < back for out, back in full)


def test_efficiency_is_a_share_of_something() -> None:
    assert efficiency(30.0, 40.0, 1e6) == 0.75
    assert efficiency(30.0, None, 1e6) is None
    # A gain of less than a billionth of the cost is rounding.
    assert efficiency(0.0, 0.9e-3, 1e6) is None
    assert efficiency(1e-3, 2e-3, -1e6) == 0.5


def test_valuation_is_the_mean_distance_of_what_was_tried_from_the_dual() -> None:
    """Of three rows two were tried: 1 and 1 EUR/MWh below the dual, 3 and 0 above."""
    told = by_hand("coupled")["valuation"]
    assert told == {
        "perturb": "1%",
        "solves": 12,
        "coverage": pytest.approx(2 / 3),
        "below_dual_eur_per_mwh": 1.0,
        "above_dual_eur_per_mwh": 1.5,
        "widest_eur_per_mwh": 4.0,
    }


def written(scenario: Scenario, folder: Path) -> str:
    """Folder of a scenario of cost curves."""
    text = scenario.settings.model_dump(mode="json", exclude_defaults=True)
    text["curves"] = [c.model_dump(mode="json", exclude_defaults=True) for c in scenario.curves]
    text["interconnectors"] = [
        line.model_dump(mode="json", exclude={"branches"}) for line in scenario.interconnectors
    ]
    (folder / "scenario.yaml").write_text(yaml.safe_dump(text), encoding="utf-8")
    return str(folder)


def uses(path: str, a: str, b: str) -> bool:
    return (a, b) in pairwise(path.split(">")) or (b, a) in pairwise(path.split(">"))


def flows(records: RunRecords, case: str = "negotiated") -> pd.DataFrame:
    """Flows with energy in TWh that either end sends."""
    table = records.table("flows")
    table = table[table["case"] == case]
    energy = table["flow_mw"] * table["weight_h"] / 1e6
    return table.assign(out=energy.clip(lower=0), back=-energy.clip(upper=0))


def hours_full(records: RunRecords) -> dict[str, tuple[float, float]]:
    """Hours in which a line carries all it can, forward and backward."""
    table, found = flows(records), {}
    for line in records.scenario.interconnectors:
        own = table[table["interconnector"] == line.name]
        out = (own["flow_mw"] > 0) & (own["flow_mw"] >= line.a_to_b_mw - 1e-3)
        back = (own["flow_mw"] < 0) & (-own["flow_mw"] >= line.b_to_a_mw - 1e-3)
        found[line.name] = (own["weight_h"][out].sum(), own["weight_h"][back].sum())
    return found


def demand(records: RunRecords) -> pd.DataFrame:
    """Demand of every country, MW, snapshots x countries."""
    if records.scenario.curves:
        snapshots = records.table("flows")["snapshot"].unique()
        return pd.DataFrame({c.country: c.demand_mw for c in records.scenario.curves}, snapshots)
    n = pypsa.Network(str(records.network_path))
    load = n.get_switchable_as_dense("Load", "p_set")
    return load.T.groupby(n.loads.bus).sum().T


def countries_from_tables(records: RunRecords) -> None:
    prices, load = records.table("prices"), demand(records)
    for code, told in records.summary()["countries"].items():
        for case in ("autarky", "negotiated"):
            own = prices[(prices["case"] == case) & (prices["country"] == code)]
            own = own.set_index("snapshot")
            energy = own["weight_h"] * load[code]
            mean = (own["price_eur_per_mwh"] * energy).sum() / energy.sum()
            assert told[f"{case}_price_eur_per_mwh"] == pytest.approx(mean, **SAME)
            assert told["demand_twh"] == pytest.approx(energy.sum() / 1e6, **SAME)
        arrived = (own["exchange_mw"] * own["weight_h"]).sum() / 1e6
        assert told["net_import_twh"] == pytest.approx(arrived, **SAME)
        saved = told["autarky_cost_eur"] - told["negotiated_cost_eur"]
        assert told["gain_eur"] == pytest.approx(saved - told["payment_eur"], **SAME)
        assert records.summary()["gains_eur"][code] == told["gain_eur"]


def interconnectors_from_tables(records: RunRecords) -> None:
    table, trades = flows(records), records.table("trades")
    told = records.summary()["interconnectors"]
    assert list(told) == [line.name for line in records.scenario.interconnectors]
    full = hours_full(records)
    for line in records.scenario.interconnectors:
        of, own = told[line.name], table[table["interconnector"] == line.name]
        assert of["a_to_b_twh"] == pytest.approx(own["out"].sum(), **SAME)
        assert of["b_to_a_twh"] == pytest.approx(own["back"].sum(), **SAME)
        lost = line.loss * (own["out"].sum() + own["back"].sum())
        assert of["losses_twh"] == pytest.approx(lost, **SAME)
        assert (of["a_to_b_mw"], of["b_to_a_mw"]) == (line.a_to_b_mw, line.b_to_a_mw)
        assert of["hours_at_limit"] == pytest.approx(sum(full[line.name]), **SAME)
        over = trades[[uses(path, line.country_a, line.country_b) for path in trades["path"]]]
        if over.empty:
            assert of["mean_price_eur_per_mwh"] is None
        else:
            money = (over["energy_mwh"] * over["price_eur_per_mwh"]).sum()
            mean = money / over["energy_mwh"].sum()
            assert of["mean_price_eur_per_mwh"] == pytest.approx(mean, **SAME)


def payments_from_tables(records: RunRecords) -> None:
    """Importer pays exporter, and every country on the way its charge for what was sent."""
    charge = {
        frozenset((line.country_a, line.country_b)): line.wheeling_eur_per_mwh
        for line in records.scenario.interconnectors
    }
    paid = dict.fromkeys(records.scenario.codes, 0.0)
    for row in records.table("trades").itertuples():
        path = row.path.split(">")
        assert (path[0], path[-1]) == (row.exporter, row.importer)
        paid[row.importer] += row.energy_mwh * row.price_eur_per_mwh
        paid[row.exporter] -= row.energy_mwh * row.price_eur_per_mwh
        for sender, transit in pairwise(path[:-1]):
            paid[row.importer] += row.energy_mwh * charge[frozenset((sender, transit))]
            paid[transit] -= row.energy_mwh * charge[frozenset((sender, transit))]
    scale = max(map(abs, paid.values()))
    for code, told in records.summary()["countries"].items():
        assert told["payment_eur"] == pytest.approx(paid[code], abs=1e-9 * scale + 1e-6)


def totals_from_tables(records: RunRecords) -> None:
    told, steps = records.summary(), records.table("steps")
    countries = pd.DataFrame(told["countries"]).T
    for case in ("autarky", "negotiated"):
        cost = countries[f"{case}_cost_eur"].sum()
        assert told[f"{case}_cost_eur"] == pytest.approx(cost, **SAME)
    gain = told["autarky_cost_eur"] - told["negotiated_cost_eur"]
    assert told["gain_eur"] == pytest.approx(gain, **SAME)
    best = told["planner_gain_eur"]
    if told["planner_cost_eur"] is None:
        assert best is None and told["efficiency"] is None
    else:
        saved = told["autarky_cost_eur"] - told["planner_cost_eur"]
        assert best == pytest.approx(saved, **SAME)
        if told["efficiency"] is not None:
            assert told["efficiency"] == pytest.approx(gain / saved, **SAME)
    assert told["steps"] == len(steps)
    for column in ("rounds", "messages", "numbers_disclosed", "trades", "dependent_solves"):
        assert told[column] == steps[column].sum()
    trades = records.table("trades")
    assert told["trades"] == len(trades.groupby(["step", "trade"]))
    assert told["local_solves"] == steps["local_solves"].max()
    assert told["messages"] == records.table("messages")["hops"].sum()
    numbers = records.table("messages")["numbers_disclosed"].sum()
    assert told["numbers_disclosed"] == numbers
    left = told["residuals"]
    assert left["budget_eur"] == pytest.approx(countries["payment_eur"].sum(), abs=1e-3)
    assert left["worst_gain_eur"] == countries["gain_eur"].min()
    table = flows(records)
    energy = countries["net_import_twh"].sum()
    lines = {line.name: line.loss for line in records.scenario.interconnectors}
    lost = ((table["out"] + table["back"]) * table["interconnector"].map(lines)).sum()
    assert energy == pytest.approx(-lost, **SAME)
    assert abs(left["balance_mw"]) <= 1e-6


def by_hand(decomposition: str, *deals: Trade, planner_eur: float | None = None) -> dict[str, Any]:
    """Summary of two countries, A with 30 + 0.02 q at home and B with 80 - 0.04 q."""
    world = teaching_world("two_countries")
    ledger = Ledger(world.graph, world.products)
    for trade in deals:
        ledger.book(trade)
    (hours,) = world.products.hours
    trades = pd.DataFrame(
        [
            {
                "path": t.name,
                "slice": world.products.slices[0],
                "energy_mwh": 2 * t.mw[0] * hours,  # twice what is left of them
                "price_eur_per_mwh": t.price_eur_per_mwh,
            }
            for t in deals
        ],
        columns=["path", "slice", "energy_mwh", "price_eur_per_mwh"],
    )
    steps = pd.DataFrame(
        {name: [3, 4] for name in ("rounds", "messages", "numbers_disclosed", "trades")}
        | {"local_solves": [9, 20], "dependent_solves": [5, 6], "valuation_solves": [0, 12]}
    )
    plans = [
        {c: p.solve(share * ledger.exchange_mw(c)) for c, p in world.problems.items()}
        for share in (0.0, 1.0)
    ]
    options = RunOptions("two_countries", decomposition=decomposition)  # type: ignore[arg-type]
    shares = {world.products.slices[0]: 0.5} if deals else {}
    result = Result(ledger, *plans, "completed", "", planner_eur)
    if decomposition == "independent":
        result = replace(result, shares=shares)
    valued = {
        "marginal_value_eur_per_mwh": [50.0, 52.0, 55.0],
        "mc_import_eur_per_mwh": [49.0, np.nan, 54.0],
        "mc_export_eur_per_mwh": [53.0, np.nan, 55.0],
        "delta_mw": [5.0, np.nan, 5.0],
    }
    return summarise(options, world, result, steps, trades, pd.DataFrame(valued))


class TestByHand:
    DEALS = (
        Trade("A", "B", ("A", "B"), (300.0,), 40.0),
        Trade("A", "B", ("A", "B"), (100.0,), 60.0),
    )

    def test_counts(self) -> None:
        told = by_hand("coupled", *self.DEALS)
        assert (told["steps"], told["rounds"], told["messages"]) == (2, 7, 7)
        assert (told["numbers_disclosed"], told["trades"]) == (7, 7)
        assert (told["local_solves"], told["dependent_solves"]) == (20, 11)
        assert told["carried_out_share"] is None

    def test_gain_and_the_planners(self) -> None:
        """400 MW save 50 x 400 - 0.03 x 400^2 = 15 200 EUR/h."""
        alone = by_hand("coupled")["autarky_cost_eur"]
        (hours,) = teaching_world("two_countries").products.hours
        gain = 15_200 * hours
        told = by_hand("coupled", *self.DEALS, planner_eur=alone - 2 * gain)
        assert told["gain_eur"] == pytest.approx(gain)
        assert told["planner_gain_eur"] == pytest.approx(2 * gain)
        assert told["efficiency"] == pytest.approx(0.5)
        assert told["planner_cost_eur"] == alone - 2 * gain
        assert told["lower_bound_eur"] is None
        without = by_hand("coupled", *self.DEALS)
        assert (without["planner_gain_eur"], without["efficiency"]) == (None, None)

    def test_countries_and_lines(self) -> None:
        """300 MW at 40 and 100 at 60 EUR/MWh are 18 000 EUR/h."""
        told = by_hand("coupled", *self.DEALS)
        (hours,) = teaching_world("two_countries").products.hours
        line, a, b = told["interconnectors"]["A-B"], told["countries"]["A"], told["countries"]["B"]
        assert line["mean_price_eur_per_mwh"] == pytest.approx(45.0)
        assert line["a_to_b_twh"] == pytest.approx(400 * hours / 1e6)
        assert (line["b_to_a_twh"], line["losses_twh"]) == (0.0, 0.0)
        assert a["payment_eur"] == pytest.approx(-18_000 * hours)
        assert b["payment_eur"] == pytest.approx(18_000 * hours)
        assert b["net_import_twh"] == pytest.approx(400 * hours / 1e6)
        assert a["net_import_twh"] == pytest.approx(-400 * hours / 1e6)
        assert a["negotiated_price_eur_per_mwh"] == pytest.approx(30 + 0.02 * 400)
        assert b["autarky_price_eur_per_mwh"] == pytest.approx(80)
        assert told["residuals"]["worst_gain_eur"] == pytest.approx(min(told["gains_eur"].values()))
        assert told["residuals"]["balance_mw"] == pytest.approx(0.0, abs=1e-9)
        assert told["residuals"]["budget_eur"] == pytest.approx(0.0, abs=1e-6)

    def test_nothing_traded(self) -> None:
        told = by_hand("coupled")
        line = told["interconnectors"]["A-B"]
        assert line["mean_price_eur_per_mwh"] is None
        assert (line["a_to_b_twh"], line["hours_at_limit"]) == (0.0, 0.0)

    def test_reconciled(self) -> None:
        """Half of what was agreed is carried out, and that is counted and priced."""
        told = by_hand("independent", *self.DEALS)
        assert told["trades"] == 2
        assert list(told["carried_out_share"].values()) == [pytest.approx(0.5)]
        assert told["interconnectors"]["A-B"]["mean_price_eur_per_mwh"] == pytest.approx(45.0)
        assert by_hand("independent")["carried_out_share"] == {}
