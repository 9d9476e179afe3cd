"""Whole runs: complete records, equal bytes for equal runs, resume, and the network they leave."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pypsa
import pytest

import model.runs
from model.audit.referee import audit
from model.columns import SUMMARY, TABLES
from model.ledger import Ledger
from model.options import RunOptions
from model.records import RecordsError, RunRecords
from model.reporting import Reporter
from model.runs import resume, run
from model.world import World
from protocols.messages import Trade
from protocols.plugins import PluginError
from scenarios.errors import ScenarioError
from tests.small_worlds import annual_cost_eur, small_world, untouched

THREE = ("MZ", "NA", "ZA")
PYPSA = RunOptions(
    "sapp2030", countries=THREE, resolution="4w6h", slices="year", products="tou", workers=2
)
CURVES = RunOptions("triangle", workers=1)


@dataclass
class Done:
    """A finished run."""

    summary: dict[str, Any]

    @property
    def path(self) -> Path:
        return Path(self.summary["folder"])

    @property
    def records(self) -> RunRecords:
        return RunRecords.open(self.path)

    @property
    def tables(self) -> dict[str, bytes]:
        """Bytes of all Parquet files."""
        files = sorted(self.path.rglob("*.parquet"))
        return {str(f.relative_to(self.path)): f.read_bytes() for f in files}

    @property
    def outcome(self) -> dict[str, Any]:
        """Summary on disk without what differs from run to run."""
        on_disk = json.loads((self.path / "summary.json").read_text(encoding="utf-8"))
        return {k: v for k, v in on_disk.items() if k not in ("run", "wall_s")}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def done(out: Path) -> Done:
    return Done(run(replace(PYPSA, out=out)))


@pytest.fixture(scope="module")
def triangle(out: Path) -> Done:
    return Done(run(replace(CURVES, out=out)))


@pytest.fixture(scope="module")
def world() -> World:
    return small_world(THREE, "4w6h", "year", "tou")


@pytest.fixture
def ready_models(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """Runs begin with models that were built before, by another hand than that of ``done``."""
    monkeypatch.setattr(model.runs, "build_world", lambda *_: untouched(world))


@pytest.fixture(scope="module")
def network(done: Done) -> pypsa.Network:
    return pypsa.Network(str(done.path / "network.nc"))


class TestRecords:
    def test_agreed_with_gain_for_all(self, done: Done) -> None:
        summary = done.summary
        assert summary["status"] == "completed"
        assert summary["gain_eur"] > 0
        assert 0.2 < summary["efficiency"] <= 1 + 1e-6
        assert min(summary["gains_eur"].values()) >= -1e-7 * summary["autarky_cost_eur"]
        assert set(summary["gains_eur"]) == set(THREE)

    def test_summary_has_every_key_of_the_declaration(self, done: Done) -> None:
        assert set(done.outcome) | {"run", "wall_s"} == {k for k in SUMMARY if "." not in k}
        country = done.summary["countries"]["NA"]
        assert {f"countries.*.{k}" for k in country} <= set(SUMMARY)
        assert None not in country.values()

    def test_summary_adds_up(self, done: Done) -> None:
        summary = done.summary
        parts = summary["countries"].values()
        for key in ("autarky_cost_eur", "negotiated_cost_eur"):
            assert sum(p[key] for p in parts) == pytest.approx(summary[key], rel=1e-12)
        for part in parts:
            gain = part["autarky_cost_eur"] - part["negotiated_cost_eur"] - part["payment_eur"]
            assert part["gain_eur"] == pytest.approx(gain, abs=1e-3)
        paid = [p["payment_eur"] for p in parts]
        assert sum(paid) == pytest.approx(0.0, abs=1e-9 * max(map(abs, paid)))
        lost = sum(line["losses_twh"] for line in summary["interconnectors"].values())
        imported = sum(p["net_import_twh"] for p in parts)
        assert imported == pytest.approx(-lost, rel=1e-9)
        assert summary["gain_eur"] == pytest.approx(
            summary["autarky_cost_eur"] - summary["negotiated_cost_eur"], rel=1e-9
        )
        best = summary["autarky_cost_eur"] - summary["planner_cost_eur"]
        assert summary["efficiency"] == pytest.approx(summary["gain_eur"] / best, rel=1e-9)

    def test_every_table_is_there(self, done: Done) -> None:
        for name in TABLES:
            needed = name not in ("transfers", "shares")  # what was agreed is paid and carried out
            assert bool(len(done.records.table(name))) == needed, name
        for name in ("manifest.json", "scenario.json", "summary.json", "network.nc"):
            assert (done.path / name).is_file(), name
        steps = done.records.table("steps")
        assert steps["step"].tolist() == list(range(done.summary["steps"]))
        assert set(steps["status"][:-1]) == {"running"}
        assert steps["status"].iloc[-1] == "completed"
        assert steps["gain_eur"].iloc[-1] == pytest.approx(done.summary["gain_eur"], rel=1e-6)
        assert steps["messages"].sum() == done.summary["messages"]
        messages = done.records.table("messages")
        assert messages["hops"].sum() == done.summary["messages"]
        cases = done.records.table("prices").groupby("case")["country"].unique()
        assert {case for case, names in cases.items() if set(names) == set(THREE)} == {
            "autarky",
            "negotiated",
            "planner",
        }

    def test_the_referee_finds_nothing(self, done: Done, triangle: Done) -> None:
        for one in (done, triangle):
            assert [str(finding) for finding in audit(one.path).findings] == []

    def test_namibia_is_a_country_and_not_missing(self, done: Done) -> None:
        for name, column in (("prices", "country"), ("valuations", "country")):
            values = done.records.table(name)[column]
            assert "NA" in set(values)
            assert not values.isna().any()

    def test_flows_follow_from_the_trades(self, done: Done, world: World) -> None:
        ledger = Ledger(world.graph, world.products)
        position = {name: k for k, name in enumerate(world.products.names)}
        trades = done.records.table("trades")
        for _, rows in trades.groupby(["step", "trade"]):
            mw = np.zeros(len(world.products))
            mw[rows["product"].map(position)] = rows["mw"]
            path = tuple(rows["path"].iloc[0].split(">"))
            price = float(rows["price_eur_per_mwh"].iloc[0])
            ledger.book(Trade(path[0], path[-1], path, tuple(mw.tolist()), price))
        flows = flow_table(done, "negotiated")
        for name, flow in ledger.flows_mw.items():
            np.testing.assert_allclose(flows[name], flow, atol=1e-9)
        for country, payment in ledger.payments_eur.items():
            recorded = done.summary["countries"][country]["payment_eur"]
            assert recorded == pytest.approx(payment, rel=1e-9, abs=1e-3)

    def test_exchange_of_every_case_balances_with_its_flows(self, done: Done, world: World) -> None:
        prices = done.records.table("prices")
        for case in ("negotiated", "planner"):
            flows = flow_table(done, case)
            exchange = prices[prices["case"] == case].pivot_table(
                index="snapshot", columns="country", values="exchange_mw"
            )
            lost = sum(
                data["loss"] * flows[data["name"]].abs()
                for _, _, data in world.graph.edges(data=True)
            )
            np.testing.assert_allclose(exchange.sum(axis=1) + lost, 0.0, atol=1e-6)
            for a, b, data in world.graph.edges(data=True):
                first, second = sorted((a, b))
                flow = flows[data["name"]]
                assert flow.max() <= data["capacity_mw"][first] + 1e-3
                assert -flow.min() <= data["capacity_mw"][second] + 1e-3

    def test_planner_is_no_dearer_and_alone_is_no_cheaper(self, done: Done) -> None:
        summary = done.summary
        assert summary["planner_cost_eur"] <= summary["negotiated_cost_eur"] * (1 + 1e-7)
        assert summary["negotiated_cost_eur"] < summary["autarky_cost_eur"]


def flow_table(done: Done, case: str) -> pd.DataFrame:
    flows = done.records.table("flows")
    flows = flows[flows["case"] == case]
    return flows.pivot_table(index="snapshot", columns="interconnector", values="flow_mw")


class TestNetwork:
    """The outcome as one solved PyPSA network."""

    def test_trades_are_the_flows_of_the_records(self, done: Done, network: pypsa.Network) -> None:
        for name, flow in flow_table(done, "negotiated").items():
            first, second = str(name).split("-")
            sent = network.links_t.p0
            net = sent[f"{first}>{second}"] - sent[f"{second}>{first}"]
            np.testing.assert_allclose(net, flow, atol=1e-6)

    def test_every_bus_balances(self, network: pypsa.Network) -> None:
        for bus in network.buses.index:
            generators = network.generators.index[network.generators.bus == bus]
            units = network.storage_units.index[network.storage_units.bus == bus]
            loads = network.loads.index[network.loads.bus == bus]
            links = network.links
            total = (network.generators_t.p * network.generators.sign)[generators].sum(axis=1)
            total += network.storage_units_t.p[units].sum(axis=1)
            total -= network.get_switchable_as_dense("Load", "p_set")[loads].sum(axis=1)
            total -= network.links_t.p0[links.index[links.bus0 == bus]].sum(axis=1)
            total -= network.links_t.p1[links.index[links.bus1 == bus]].sum(axis=1)
            np.testing.assert_allclose(total, 0.0, atol=1e-3)

    def test_statistics_work(self, done: Done, network: pypsa.Network) -> None:
        table = network.statistics()
        assert len(table) > 10
        solar = table.loc[("Generator", "Solar"), "Optimal Capacity"]
        assert solar > 0
        balance = network.statistics.energy_balance().groupby("bus_carrier").sum()
        supplied = network.statistics.supply().sum()
        assert np.abs(balance).max() <= 1e-6 * supplied

    def test_records_the_cost_of_each_country(self, done: Done, network: pypsa.Network) -> None:
        assert network.objective == pytest.approx(done.summary["negotiated_cost_eur"], rel=1e-9)
        for country, part in done.summary["countries"].items():
            cost = annual_cost_eur(network, country)
            assert cost == pytest.approx(part["negotiated_cost_eur"], rel=1e-6)

    def test_solved_again_with_its_flows_costs_what_was_recorded(
        self, done: Done, network: pypsa.Network
    ) -> None:
        again = network.copy()
        again.optimize(solver_name="highs", include_objective_constant=False, output_flag=False)
        assert again.objective == pytest.approx(done.summary["negotiated_cost_eur"], rel=1e-6)
        np.testing.assert_allclose(again.links_t.p0, network.links_t.p0, atol=1e-3)
        for country, part in done.summary["countries"].items():
            cost = annual_cost_eur(again, country)
            assert cost == pytest.approx(part["negotiated_cost_eur"], rel=1e-6)

    def test_free_flows_would_cost_what_the_planner_costs(
        self, done: Done, network: pypsa.Network
    ) -> None:
        free = network.copy()
        free.links_t.p_set = free.links_t.p_set[[]]
        free.optimize(solver_name="highs", include_objective_constant=False, output_flag=False)
        assert free.objective == pytest.approx(done.summary["planner_cost_eur"], rel=1e-5)


class Interrupter(Reporter):
    """Presses Ctrl-C when a condition holds."""

    def __init__(self, when: Callable[[str, int, int], bool]) -> None:
        self.when = when
        self.phase_name, self.steps, self.advances = "", 0, 0

    def _look(self) -> None:
        if self.when(self.phase_name, self.steps, self.advances):
            raise KeyboardInterrupt

    def phase(self, name: str, total: int | None = None) -> None:
        self.phase_name, self.advances = name, 0
        self._look()

    def advance(self, text: str = "") -> None:
        self.advances += 1
        self._look()

    def step(self, summary: dict[str, Any]) -> None:
        self.steps += 1
        self.advances = 0
        self._look()


def interrupted(options: RunOptions, when: Callable[[str, int, int], bool]) -> Path:
    with pytest.raises(KeyboardInterrupt) as interrupt:
        run(options, Interrupter(when))
    path = Path(str(interrupt.value.args[0]))
    records = RunRecords.open(path, unfinished=True)
    assert not records.finished or records.summary()["planner"] == "pending"
    return path


class TestSameBytes:
    @pytest.mark.usefixtures("ready_models")
    def test_one_worker_or_two(self, done: Done, out: Path) -> None:
        again = Done(run(replace(PYPSA, out=out, workers=1)))
        assert again.path != done.path
        assert again.tables == done.tables
        assert again.outcome == done.outcome

    @pytest.mark.parametrize("workers", [1, 2])
    def test_curves_too(self, triangle: Done, out: Path, workers: int) -> None:
        again = Done(run(replace(CURVES, out=out, workers=workers)))
        assert again.tables == triangle.tables
        assert again.outcome == triangle.outcome


class TestResume:
    @pytest.mark.usefixtures("ready_models")
    def test_in_the_middle_of_a_step(self, done: Done, out: Path) -> None:
        assert done.summary["steps"] > 3
        path = interrupted(
            replace(PYPSA, out=out), lambda phase, steps, advances: steps == 2 and advances == 2
        )
        assert RunRecords.open(path, unfinished=True).steps == [0, 1]
        again = Done(resume(path))
        assert again.path == path
        assert again.tables == done.tables
        assert again.outcome == done.outcome

    @pytest.mark.parametrize(
        "when",
        [
            lambda phase, steps, advances: phase.startswith("planning alone"),
            lambda phase, steps, advances: phase.startswith("negotiating"),
            lambda phase, steps, advances: steps == 1,
            lambda phase, steps, advances: steps == 3,
            lambda phase, steps, advances: phase.startswith("planner"),
            lambda phase, steps, advances: phase == "writing results" and advances == 2,
            lambda phase, steps, advances: "planner's" in phase and advances == 2,
        ],
        ids=["alone", "negotiating", "step 1", "step 3", "planner", "writing", "its results"],
    )
    def test_at_any_moment(
        self, triangle: Done, out: Path, when: Callable[[str, int, int], bool]
    ) -> None:
        assert triangle.summary["steps"] >= 3
        again = Done(resume(interrupted(replace(CURVES, out=out), when)))
        assert again.tables == triangle.tables
        assert again.outcome == triangle.outcome

    def test_twice(self, triangle: Done, out: Path) -> None:
        path = interrupted(replace(CURVES, out=out), lambda p, steps, a: steps == 1)
        with pytest.raises(KeyboardInterrupt):
            resume(path, Interrupter(lambda p, steps, a: steps == 1))
        assert RunRecords.open(path, unfinished=True).steps == [0, 1]
        again = Done(resume(path))
        assert again.tables == triangle.tables
        assert again.outcome == triangle.outcome

    def test_finished_run_stays_what_it_is(self, out: Path) -> None:
        done = Done(run(replace(CURVES, out=out)))
        files = {f: (f.read_bytes(), f.stat().st_mtime_ns) for f in done.path.rglob("*.*")}
        said: list[str] = []

        class Listener(Reporter):
            def phase(self, name: str, total: int | None = None) -> None:
                pytest.fail(f"a finished run was computed again: {name}")

            def warn(self, text: str) -> None:
                said.append(text)

        told = resume(done.path, Listener())
        assert told["folder"] == str(done.path)
        assert {k: v for k, v in told.items() if k in done.outcome} == done.outcome
        assert told["timings_s"] == done.summary["timings_s"]
        assert "is finished" in said[0]
        assert {f: (f.read_bytes(), f.stat().st_mtime_ns) for f in files} == files

    def test_no_run_to_go_on_with(self, tmp_path: Path) -> None:
        with pytest.raises(RecordsError, match="not a run"):
            resume(tmp_path / "nothing")


class TestEndings:
    def test_capped(self, out: Path) -> None:
        short = Done(run(replace(CURVES, out=out, max_steps=1)))
        assert short.summary["status"] == "capped"
        assert short.summary["steps"] == 1
        assert "max-steps" in short.summary["note"]
        assert short.summary["residuals"]["worst_gain_eur"] >= -1e-6

    def test_without_planner(self, triangle: Done, out: Path) -> None:
        short = Done(run(replace(CURVES, out=out, planner=False)))
        for key in ("planner_cost_eur", "planner_gain_eur", "efficiency"):
            assert short.outcome[key] is None
        assert short.summary["gain_eur"] == triangle.summary["gain_eur"]
        assert set(short.records.table("flows")["case"]) == {"negotiated"}

    def test_closed_capacity_is_autarky(self, triangle: Done, out: Path) -> None:
        closed = {
            f"interconnectors.{line.name}.{way}": 0
            for line in triangle.records.scenario.interconnectors
            for way in ("a_to_b_mw", "b_to_a_mw")
        }
        summary = run(replace(CURVES, out=out, overrides=closed))
        assert summary["status"] == "completed"
        assert summary["trades"] == 0
        assert summary["gain_eur"] == pytest.approx(0.0, abs=1e-6)
        assert summary["efficiency"] is None

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"protocol": "bilateral_bid"}, PluginError),
            ({"overrides": {"discount_rte": 0.1}}, ScenarioError),
            ({"countries": ("XX",)}, ScenarioError),
        ],
    )
    def test_wrong_input_writes_nothing(
        self, tmp_path: Path, change: dict[str, Any], error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            run(replace(PYPSA, out=tmp_path / "results", **change))
        assert not (tmp_path / "results").exists()
