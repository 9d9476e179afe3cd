"""Slices planned and negotiated each on its own, and their reconciliation with one fleet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pypsa
import pytest

import model.independent
from agents.policy import Policy
from agents.problem import PlanningError, PlanningProblem
from model.columns import columns
from model.independent import agreed_trades, negotiate_slices
from model.ledger import Ledger
from model.negotiation import NegotiationModel
from model.options import RunOptions
from model.reconciliation import Reconciled, reconcile
from model.records import RunRecords
from model.reporting import Reporter
from model.summary import Result, summarise
from model.world import World, build_world, chosen_scenario, pypsa_problems
from protocols.messages import Trade
from protocols.products import Products
from protocols.reconciling import GAP
from scenarios.errors import ScenarioError
from tests.small_worlds import TWO, renewed, small_world, untouched

# What a country may seem to lose by the solver's accuracy, as a share of its cost.
ACCURACY = 1e-7
# Trade between the two countries of the teaching scenario that makes their prices equal, from
# 30 + 0.02 q = 80 - 0.04 q.
BEST_MW = 50 / 0.06


def gains_eur(world: World, ledger: Ledger) -> dict[str, float]:
    return {
        c: p.cost(np.zeros_like(ledger.exchange_mw(c)))
        - p.cost(ledger.exchange_mw(c))
        - ledger.payments_eur[c]
        for c, p in world.problems.items()
    }


def reconciled(*given: Any) -> tuple[Ledger, str, str]:
    done = reconcile(*given)
    return done.ledger, done.status, done.note


class TestReconciliation:
    """Three hours that each have the closed form of ``two_countries``, as if they were slices."""

    NAMES = ("morning", "noon", "evening")

    @pytest.fixture
    def world(self) -> World:
        hours = {"snapshots": 3, "products": "hourly"}
        options = RunOptions("two_countries", overrides=hours)
        return build_world(chosen_scenario(options), "highs", Reporter())

    def trades(self, *signed_mw: float, price: float = 50.0) -> dict[str, list[Trade]]:
        """One trade an hour from A to B, from B to A where negative, none where zero."""
        found: dict[str, list[Trade]] = {}
        for hour, (name, mw) in enumerate(zip(self.NAMES, signed_mw, strict=True)):
            path = ("A", "B") if mw > 0 else ("B", "A")
            amounts = tuple(abs(mw) if k == hour else 0.0 for k in range(3))
            found[name] = [Trade(*path, path, amounts, price)] if mw else []
        return found

    def test_trades_that_pay_are_left_alone(self, world: World) -> None:
        ledger, status, note = reconciled(world, self.trades(400, 500, 0), "completed", "")
        assert (status, note) == ("completed", "")
        assert ledger.flows_mw["A-B"].tolist() == [400, 500, 0]
        assert ledger.payments_eur["B"] == pytest.approx(50 * 900)

    def test_only_the_hour_that_hurts_is_void(self, world: World) -> None:
        ledger, status, note = reconciled(world, self.trades(400, -400, 500), "completed", "")
        assert status == "completed"
        assert "void noon" in note
        assert "morning" not in note
        assert ledger.flows_mw["A-B"].tolist() == [400, 0, 500]

    def test_too_much_is_cut_back_to_what_saves_most(self, world: World) -> None:
        ledger, _, note = reconciled(world, self.trades(400, 1900, 0), "completed", "")
        noon = ledger.flows_mw["A-B"][1]
        # The gain falls short of the best by the gap at most, so the flow by its square root.
        assert noon == pytest.approx(BEST_MW, rel=2 * GAP**0.5)
        best_eur = 50 * BEST_MW - 0.03 * BEST_MW**2 + 50 * 400 - 0.03 * 400**2
        assert sum(gains_eur(world, ledger).values()) >= (1 - GAP) * best_eur
        assert f"cut noon to {noon / 1900:.0%}" in note

    def test_nothing_that_pays_is_failed(self, world: World) -> None:
        ledger, status, note = reconciled(world, self.trades(-400, 0, -1), "completed", "")
        assert status == "failed"
        assert "all are void" in note
        assert not ledger.flows_mw["A-B"].any()
        assert not any(ledger.payments_eur.values())

    def test_without_trades_nothing_is_said(self, world: World) -> None:
        ledger, status, note = reconciled(world, self.trades(0, 0, 0), "capped", "noon: capped")
        assert (status, note) == ("capped", "noon: capped")
        assert not any(ledger.payments_eur.values())

    @pytest.mark.parametrize("price", [5.0, 90.0])
    def test_winners_compensate_losers(self, world: World, price: float) -> None:
        # Below A's cost of 30 EUR/MWh and more, or above what B saves, 80 and less.
        trades = self.trades(400, 400, -400, price=price)
        ledger, status, note = reconciled(world, trades, "completed", "")
        assert status == "completed"
        assert "transfers" in note
        loser, winner = ("A", "B") if price < 30 else ("B", "A")
        gains = gains_eur(world, ledger)
        assert gains[loser] == pytest.approx(0.0, abs=1e-6)
        assert gains[winner] == pytest.approx(2 * (50 * 400 - 0.03 * 400**2))
        assert sum(ledger.payments_eur.values()) == pytest.approx(0.0, abs=1e-6)

    def test_summary_counts_and_prices_what_is_carried_out(self, world: World) -> None:
        year = world.products
        products = Products(year.names, self.NAMES, year.shape, year.weights_h)
        world = replace(world, products=products)
        agreed = self.trades(400, -400, 1900)
        agreed["evening"] += self.trades(0, 0, 100, price=70.0)["evening"]
        done = reconcile(world, agreed, "completed", "")
        ledger, status, note = done.ledger, done.status, done.note
        rows = [
            {
                "path": trade.name,
                "slice": name,
                "energy_mwh": ledger.energy_mwh(trade),
                "price_eur_per_mwh": trade.price_eur_per_mwh,
            }
            for name, of_slice in agreed.items()
            for trade in of_slice
        ]
        steps = pd.DataFrame(
            {c: [4] for c in ("rounds", "messages", "numbers_disclosed", "trades")}
            | {"local_solves": [9], "dependent_solves": [9], "valuation_solves": [0]}
        )
        plans = [
            {c: p.solve(mw * ledger.exchange_mw(c)) for c, p in world.problems.items()}
            for mw in (0.0, 1.0)
        ]
        told = summarise(
            RunOptions("two_countries", decomposition="independent"),
            world,
            Result(ledger, *plans, status, note, shares=done.shares),
            steps,
            pd.DataFrame(rows),
            pd.DataFrame(columns=[c.name for c in columns("valuations")]),
        )
        shares = told["carried_out_share"]
        assert shares["morning"] == 1 and shares["noon"] == 0 and 0 < shares["evening"] < 1
        assert told["trades"] == 3
        signed = {"morning": 400.0, "noon": -400.0, "evening": 2000.0}
        flows = [shares[name] * mw for name, mw in signed.items()]
        np.testing.assert_allclose(ledger.flows_mw["A-B"], flows, rtol=1e-9)
        paid = 400 * 50 + shares["evening"] * (1900 * 50 + 100 * 70)
        sent = 400 + shares["evening"] * 2000
        line = told["interconnectors"]["A-B"]
        assert line["mean_price_eur_per_mwh"] == pytest.approx(paid / sent)
        assert line["a_to_b_twh"] * 1e6 == pytest.approx(sent)
        assert line["b_to_a_twh"] == 0

    @pytest.mark.parametrize("price", [5.0, 50.0])
    def test_never_worse_than_all_or_nothing(self, world: World, price: float) -> None:
        rng = np.random.default_rng(3)
        for signed_mw in rng.uniform(-2000, 2000, size=(10, 3)):
            trades = self.trades(*signed_mw, price=price)
            ledger, _, _ = reconciled(world, trades, "completed", "")
            as_agreed = Ledger(world.graph, world.products)
            for of_slice in trades.values():
                for trade in of_slice:
                    as_agreed.book(trade)
            gains = gains_eur(world, ledger)
            assert min(gains.values()) >= -1e-6
            every = sum(gains_eur(world, as_agreed).values())
            assert sum(gains.values()) >= max(0.0, every) - 1e-6


class TestSlices:
    """Two months of two countries, planned and traded apart; then one fleet for the year."""

    OPTIONS = RunOptions(
        "sapp2030",
        countries=TWO,
        resolution="2w12h",
        products="flat",
        slices="month",
        decomposition="independent",
        max_steps=3,
        workers=1,
    )

    @pytest.fixture(scope="class")
    def world(self) -> World:
        return small_world(TWO, "2w12h", "month", "flat")

    @pytest.fixture(scope="class")
    def built_once(self) -> Iterator[None]:
        """The problems of a slice are built once; every negotiation gets them as if new."""
        built: dict[str, dict[str, PlanningProblem]] = {}

        def problems(
            networks: dict[str, pypsa.Network],
            policies: dict[str, Policy],
            products: Products,
            solver: str,
        ) -> dict[str, PlanningProblem]:
            name = products.slices[0]
            if name not in built:
                built[name] = pypsa_problems(networks, policies, products, solver)
            return renewed(built[name])

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(model.independent, "pypsa_problems", problems)
            yield

    @pytest.fixture(scope="class")
    def ended(
        self, world: World, built_once: None, tmp_path_factory: pytest.TempPathFactory
    ) -> tuple[RunRecords, Reconciled]:
        options = replace(self.OPTIONS, out=tmp_path_factory.mktemp("out"))
        records = RunRecords.create(options, world.scenario)
        return records, negotiate_slices(untouched(world), options, records, Reporter())

    def test_every_slice_is_negotiated(
        self, world: World, ended: tuple[RunRecords, Reconciled]
    ) -> None:
        records, done = ended
        status, note = done.status, done.note
        trades = agreed_trades(records, world.products)
        assert len(trades) == 2
        assert all(trades.values())
        steps = records.table("steps")
        assert steps["step"].tolist() == list(range(7))  # the last reconciles
        assert steps["local_solves"].is_monotonic_increasing
        # Three steps are too few for either month, and that is what the run says.
        assert status in ("capped", "failed")
        assert all(f"{name}: capped" in note for name in trades)

    def test_reconciling_is_recorded_as_what_was_said(
        self, ended: tuple[RunRecords, Reconciled]
    ) -> None:
        """Two countries answer with a cost and a slope in each of two shares, and are told."""
        records, done = ended
        said = records.table("messages").query("step == 6")
        asked = said[said["kind"] == "SharesCall"]
        told = said[said["kind"] == "SharesCost"]
        assert asked["receiver"].tolist() == told["sender"].tolist()
        assert set(told["sender"]) == set(TWO) and set(told["receiver"]) == {"operator"}
        assert set(told["numbers_disclosed"]) == {3}
        assert len(said) == 2 * len(asked) + len(TWO)
        last, before = (records.table("steps").iloc[k] for k in (-1, -2))
        assert last["messages"] == said["hops"].sum() == len(said)
        assert last["numbers_disclosed"] == 3 * len(told)
        assert last["local_solves"] - before["local_solves"] == len(told)
        assert last["dependent_solves"] == len(told) / len(TWO)
        body = json.loads(told["body"].iloc[0])
        assert body["cost_eur"] > 0 and len(body["slope_eur"]) == 2
        assert json.loads(said["body"].iloc[-1])["share"] == list(done.shares.values())

    def test_trades_are_read_back_as_they_were_agreed(
        self, world: World, ended: tuple[RunRecords, Reconciled]
    ) -> None:
        table = ended[0].table("trades")
        trades = agreed_trades(ended[0], world.products)
        for name, of_slice in trades.items():
            rows = table[table["slice"] == name]
            mwh = sum(np.asarray(t.mw) @ world.products.hours for t in of_slice)
            assert mwh == pytest.approx(rows["energy_mwh"].sum(), rel=1e-12)
            assert {t.path for t in of_slice} == {tuple(p.split(">")) for p in rows["path"]}

    def test_nobody_loses_with_one_fleet(
        self, world: World, ended: tuple[RunRecords, Reconciled]
    ) -> None:
        ledger, status, note = ended[1].ledger, ended[1].status, ended[1].note
        if status == "failed":
            assert "void" in note
            assert not any(flow.any() for flow in ledger.flows_mw.values())
        ledger.check_balance()
        ledger.check_budget()
        for country, gain in gains_eur(world, ledger).items():
            alone = world.problems[country].cost(np.zeros(len(world.snapshots)))
            assert gain >= -ACCURACY * alone

    @pytest.mark.parametrize("steps", [3, 4])
    def test_resumed_run_writes_the_same_bytes(
        self,
        world: World,
        ended: tuple[RunRecords, Reconciled],
        tmp_path: Path,
        steps: int,
    ) -> None:
        options = replace(self.OPTIONS, out=tmp_path)
        records = RunRecords.create(options, world.scenario)
        with pytest.raises(KeyboardInterrupt):
            negotiate_slices(untouched(world), options, records, Stopper(steps))
        assert records.steps == list(range(steps))
        counter = Stopper(100)
        again = negotiate_slices(untouched(world), options, records, counter)
        assert counter.steps == 7 - steps
        assert tables(records) == tables(ended[0])
        done = ended[1]
        for name, flow in done.ledger.flows_mw.items():
            assert again.ledger.flows_mw[name].tobytes() == flow.tobytes()
        assert again.ledger.payments_eur == done.ledger.payments_eur
        assert again.ledger.transfers == done.ledger.transfers
        assert (again.status, again.note) == (done.status, done.note)
        assert again.shares == done.shares

    def test_slices_draw_random_numbers_of_their_own(self, world: World) -> None:
        names = list(dict.fromkeys(world.products.slices))
        seeds = [model.independent._slice_seed(world, name, self.OPTIONS) for name in names]
        assert len(set(seeds)) == len(names) == 2
        assert seeds == [model.independent._slice_seed(world, name, self.OPTIONS) for name in names]
        settings = world.scenario.settings.model_copy(update={"seed": 7})
        other = replace(world, scenario=world.scenario.model_copy(update={"settings": settings}))
        assert model.independent._slice_seed(other, names[0], self.OPTIONS) not in seeds

    def test_a_slice_is_negotiated_with_its_seed(self, world: World, built_once: None) -> None:
        for name in dict.fromkeys(world.products.slices):
            made = model.independent._slice_model(untouched(world), name, self.OPTIONS)
            assert made._root_seed == model.independent._slice_seed(world, name, self.OPTIONS)

    def test_a_slice_that_nobody_can_plan_ends_alone(
        self,
        world: World,
        ended: tuple[RunRecords, Reconciled],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        usual, first = NegotiationModel.plan_alone, world.products.slices[0]

        def plan_alone(self: NegotiationModel) -> None:
            if self.products.slices[0] == first:
                raise PlanningError("MZ: infeasible")
            usual(self)

        monkeypatch.setattr(NegotiationModel, "plan_alone", plan_alone)
        options = replace(self.OPTIONS, out=tmp_path)
        records = RunRecords.create(options, world.scenario)
        done = negotiate_slices(untouched(world), options, records, Reporter())
        ledger, status, note = done.ledger, done.status, done.note
        assert f"{first}: infeasible MZ: infeasible" in note
        assert status in ("infeasible", "failed")
        assert records.table("steps")["step"].tolist() == list(range(4))
        ledger.check_balance()

    def test_what_cannot_be_reconciled_ends_in_a_status(
        self,
        world: World,
        ended: tuple[RunRecords, Reconciled],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("shares of the slices: no")

        monkeypatch.setattr(model.independent, "reconcile", fail)
        records = ended[0]
        slices = {f: kept for f, kept in tables(records).items() if "step-0006" not in f}
        done = negotiate_slices(
            untouched(world), replace(self.OPTIONS, out=records.path.parent), records, Reporter()
        )
        ledger, status, note = done.ledger, done.status, done.note
        assert set(done.shares.values()) == {0.0}
        assert status == "failed"
        assert "not reconciled: RuntimeError: shares of the slices: no" in note
        assert not any(flow.any() for flow in ledger.flows_mw.values())
        assert tables(records) == slices  # nothing is told of an office that did not come to an end

    def test_cost_curves_have_no_fleet(self, tmp_path: Path) -> None:
        options = RunOptions("triangle", decomposition="independent", out=tmp_path)
        scenario = chosen_scenario(options)
        records = RunRecords.create(options, scenario)
        world = build_world(scenario, "highs", Reporter())
        with pytest.raises(ScenarioError, match="not cost curves"):
            negotiate_slices(world, options, records, Reporter())


class Stopper(Reporter):
    """Presses Ctrl-C after so many steps."""

    def __init__(self, after: int) -> None:
        self.after, self.steps = after, 0

    def step(self, summary: dict[str, Any]) -> None:
        self.steps += 1
        if self.steps == self.after:
            raise KeyboardInterrupt


def tables(records: RunRecords) -> dict[str, bytes]:
    files = sorted(records.path.rglob("*.parquet"))
    return {str(f.relative_to(records.path)): f.read_bytes() for f in files}
