"""Comparisons: the same results whoever measures, however often it was interrupted."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from model.columns import RecordsError
from model.experiments.compare import Pace, Schedule, compare
from model.experiments.folder import ComparisonFolder
from model.experiments.grid import Grid
from model.experiments.measure import Bench
from model.experiments.spec import Experiment
from model.experiments.tables import TABLES, read_table, write_table
from model.experiments.team import LocalTeam
from model.planner import planner
from model.reporting import Reporter
from model.world import build_world, chosen_scenario
from protocols.iterated_clearing import IteratedClearing
from scenarios.loader import scenario_folder
from tests.comparing import SMALL, TeamOfOne, compared, resumed, tables

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a comparison that nothing disturbed."""
    return compared(tmp_path_factory.mktemp("unbroken")).folder.path


def test_tables_hold_every_case_in_the_order_of_the_grid(unbroken: Path) -> None:
    cases = Grid(SMALL).cases
    runs = read_table(unbroken, "runs")
    assert list(runs["case"]) == [case.id for case in cases]
    assert set(runs["status"]) == {"completed"}
    countries = read_table(unbroken, "countries")
    total = countries.groupby("case", sort=False)["gain_meur"].sum()
    assert total.to_numpy() == pytest.approx(runs["gain_meur"].to_numpy(), rel=1e-9)
    last = read_table(unbroken, "steps").groupby("case", sort=False).last()
    for name in ("gain_meur", "rounds", "messages", "numbers_disclosed", "solves"):
        assert list(last[name]) == list(runs[name])
    assert set(read_table(unbroken, "timings")["case"]) == set(runs["case"])


def test_numbers_are_those_of_a_plain_planner(unbroken: Path) -> None:
    case = Grid(SMALL).cases[-1]
    row = read_table(unbroken, "runs").set_index("case").loc[case.id]
    world = build_world(chosen_scenario(case.options), "highs", Reporter())
    assert row["planner_meur"] == planner(world).cost_eur / 1e6
    best_meur = row["autarky_meur"] - row["planner_meur"]
    assert row["efficiency"] == pytest.approx(row["gain_meur"] / best_meur)
    assert row["of_ceiling"] == pytest.approx(row["gain_meur"] / row["ceiling_meur"])
    assert row["ceiling_meur"] <= best_meur * (1 + 1e-9)


def test_settlement_moves_money_alone(unbroken: Path) -> None:
    runs = read_table(unbroken, "runs")
    keys = ["protocol", "variant", "seed"]
    agreed, nodal = (
        runs[runs["settlement"] == rule].set_index(keys)
        for rule in ("pay_as_agreed", "nodal_price")
    )
    assert agreed["gain_meur"].equals(nodal["gain_meur"])
    assert agreed["solves"].equals(nodal["solves"])
    assert (agreed["least_gain_meur"] != nodal["least_gain_meur"]).any()


def test_a_case_does_not_depend_on_what_was_measured_before() -> None:
    cases = list(Grid(SMALL).cases[:12:3])
    bench, other = Bench(), Bench()
    forth = {case.id: bench.measure(case) for case in cases}
    back = {case.id: other.measure(case) for case in reversed(cases)}
    for case in cases:
        one, two = forth[case.id], back[case.id]
        assert (one.run, one.countries, one.steps) == (two.run, two.countries, two.steps)


def test_two_workers_leave_the_same_bytes(unbroken: Path, tmp_path: Path) -> None:
    both = compared(tmp_path, team=LocalTeam(2, gains=False))
    assert tables(both.folder.path) == tables(unbroken)


def test_ray_cluster_of_two_nodes_leaves_the_same_bytes(unbroken: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'dman-cep[ray]'")
    from ray.cluster_utils import Cluster

    from model.experiments.ray_team import RayTeam

    # Both on loopback; Ray takes 127.0.0.1 for the machine's own address.
    head = {"num_cpus": 1, "node_ip_address": "127.0.0.2", "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(num_cpus=1, node_ip_address="127.0.0.3")
        team = RayTeam(None, gains=False, address=cluster.address)
        assert team.size == 2
        done = compared(tmp_path, team=team)
    finally:
        cluster.shutdown()
    assert tables(done.folder.path) == tables(unbroken)


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT], ids=lambda s: s.name)
def test_interrupted_at_a_random_moment_and_resumed(
    kind: signal.Signals, unbroken: Path, tmp_path: Path
) -> None:
    given = ["--scenario", "triangle", "--protocols", "iterated_clearing,bilateral_bids.adaptive"]
    given += ["--products", "flat", "--settlement", "pay_as_agreed,nodal_price"]
    given += ["--variants", "base,line_out", "--seeds", "3", "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "run.py", "compare", *given, "--out", str(tmp_path)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wanted = random.SystemRandom().randint(1, len(Grid(SMALL).cases) - 2)
    while len(results := list(tmp_path.glob("*/cases/*/result.json"))) < wanted:
        assert process.poll() is None, "ended before it could be interrupted"
        time.sleep(0.02)
    # As Ctrl-C does: the workers are told as well.
    send = os.killpg if kind == signal.SIGINT else os.kill
    send(process.pid, kind)
    _, said = process.communicate(timeout=60)
    (path,) = tmp_path.iterdir()
    if kind == signal.SIGINT:
        assert process.returncode == 130
        assert f"go on with compare --resume {path}" in said
    assert not ComparisonFolder.open(path).finished
    kept = {file: file.read_bytes() for file in results}
    resumed(path)
    assert tables(path) == tables(unbroken)
    assert {file: file.read_bytes() for file in results} == kept


def test_a_case_that_fails_is_reported_and_stops_nothing(
    unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a plug-in's mistake")

    with monkeypatch.context() as broken:
        broken.setattr(IteratedClearing, "run", fail)
        done = compared(tmp_path)
    path = done.folder.path
    runs = read_table(path, "runs")
    failed = runs["protocol"] == "iterated_clearing.standard"
    assert set(runs["status"][failed]) == {"failed"}
    (reason,) = set(runs["reason"][failed])
    assert reason.startswith("ZeroDivisionError: a plug-in's mistake (test_compare.py:")
    assert set(done.failures) == set(runs["case"][failed])
    assert runs["gain_meur"][failed].isna().all()
    whole = read_table(unbroken, "runs")
    assert runs[~failed].equals(whole[~failed])
    assert set(read_table(path, "countries")["case"]) == set(runs["case"][~failed])
    trace = path / "cases" / runs["case"][failed].iloc[0] / "traceback.txt"
    assert "ZeroDivisionError" in trace.read_text()

    folder = ComparisonFolder.open(path)
    assert folder.forget_broken(Grid(SMALL).cases) == failed.sum()
    resumed(path)
    assert tables(path) == tables(unbroken)


def test_a_worker_that_dies_fails_its_case_alone(tmp_path: Path) -> None:
    team = LocalTeam(1, gains=False)
    case = Grid(SMALL).cases[0]
    try:
        team.give(0, case)
        team._workers[0][0].kill()
        number, measured = team.wait()
        assert (number, measured.run["status"]) == (0, "failed")
        assert "SIGKILL" in measured.run["reason"]
        team.give(0, case)
        assert team._workers[0][0].is_alive()
    finally:
        team.close()


def test_a_worker_that_dies_unnoticed_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was alive when it was looked at and is not when the case is sent."""
    team = LocalTeam(1, gains=False)
    case = Grid(SMALL).cases[0]
    try:
        team.give(0, case)
        first = team._workers[0][0]
        assert team.wait()[1].run["status"] == "completed"
        first.kill()
        first.join()
        with monkeypatch.context() as unnoticed:
            unnoticed.setattr(type(first), "is_alive", lambda self: True)
            team.give(0, case)
        assert team._workers[0][0] is not first
        assert team.wait()[1].run["status"] == "completed"
    finally:
        team.close()


def test_a_changed_scenario_is_not_resumed(unbroken: Path) -> None:
    folder = ComparisonFolder.open(unbroken)
    other = Grid(SMALL.model_copy(update={"scenario": "wheeling", "variants": ("base",)}))
    with pytest.raises(RecordsError, match="changed since"):
        compare(folder, other, TeamOfOne())


def test_gains_are_set_beside_the_divisions(tmp_path: Path) -> None:
    some = {"seeds": (1,), "gains": True, "variants": ("base",), "settlements": ("shapley",)}
    experiment = SMALL.model_copy(update=some)
    gains = read_table(compared(tmp_path, experiment).folder.path, "gains")
    assert gains["distance_to_shapley"].to_numpy() == pytest.approx(0, abs=1e-9)
    assert (gains["distance_to_nucleolus"] > 0).all()


def test_a_worker_ends_its_world_first_and_then_helps() -> None:
    schedule = Schedule(Grid(SMALL).cases)
    worlds = {w: [schedule.next(w).world for _ in range(4)] for w in (0, 1)}  # type: ignore[union-attr]
    assert len(set(worlds[0])) == len(set(worlds[1])) == 1
    assert worlds[0][0] != worlds[1][0]
    rest = [schedule.next(n % 2) for n in range(len(Grid(SMALL).cases) - 8)]
    assert None not in rest
    assert schedule.next(0) is None


def test_time_left_counts_kinds_of_cases_and_workers() -> None:
    now = iter(range(0, 10_000, 100))
    cases = Grid(SMALL).cases
    pace = Pace(2, clock=lambda: next(now))
    for case in cases:
        pace.add(case)
    assert pace.left == "time left unknown"
    slow, quick = cases[0], cases[-1]
    pace.ended(slow, 200.0)
    pace.ended(quick, 0.0)
    # 200 s of work were measured in 100 s by two workers: nothing on top.
    assert pace.left == f"about {11 * 200 / 2 / 60:.0f} min left"


def test_tables_refuse_other_columns(tmp_path: Path) -> None:
    rows = {c.name: [] for c in TABLES["steps"]}
    with pytest.raises(RecordsError, match="unknown column 'gain_eur'"):
        write_table(tmp_path, "steps", pd.DataFrame({**rows, "gain_eur": []}))
    with pytest.raises(RecordsError, match="--resume"):
        read_table(tmp_path, "steps")


def test_truthful_is_truthful_whatever_the_scenario_says(tmp_path: Path) -> None:
    """A profile replaces the strategies of scenario.yaml; else its label would be wrong."""
    lying = tmp_path / "lying"
    shutil.copytree(scenario_folder("two_countries"), lying)
    with (lying / "scenario.yaml").open("a") as file:
        file.write("\nstrategies: {A: 'markup:0.2'}\n")

    def gains(scenario: str) -> list[float]:
        experiment = Experiment(
            scenario=scenario,
            protocols=("fractional_vcg",),
            strategies=("truthful", "A=markup:0.2"),
        )
        bench = Bench()
        return [bench.measure(case).run["gain_meur"] for case in Grid(experiment).cases]

    truthful, marked_up = gains(str(lying))
    assert truthful > marked_up
    assert [truthful, marked_up] == gains("two_countries")
