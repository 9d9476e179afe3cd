"""Values of coalitions against planners of the members alone, and what is built on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pypsa
import pytest

import model.coalitions
from agents.problem import Plan
from model.coalitions import (
    LineGains,
    coalitions_of_countries,
    coalitions_of_lines,
)
from model.division import in_core, membership, shapley, strongest_complaint
from model.gains import RUN, RUN_IN_FULL, Basis, GainsReport, who_gains
from model.joint import joint_network, plan_jointly
from model.ledger import Ledger
from model.line_sets import LineSets, bits, nearest_next
from model.nucleolus import is_nucleolus, nucleolus
from model.options import RunOptions
from model.planner import planner
from model.records import RunRecords
from model.reporting import Reporter
from model.runs import run
from model.sampled_shapley import sampled_shapley
from model.settlement import NodalPrice, Settled
from model.world import Fleets, build_world, chosen_scenario
from scenarios.errors import ScenarioError
from tests.small_worlds import FOUR, small_world
from viz.console import make_console
from viz.gains_tables import in_words, print_gains, write_gains

TEACHING = ("triangle", "wheeling", "merit_order", "two_countries_limited", "identical")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DMAN_CEP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def ready_fleets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fleets of the small world instead of building the same ones again."""
    world = small()
    fleets = Fleets(world.networks, world.policies)
    monkeypatch.setattr(model.coalitions, "build_fleets", lambda *_: (fleets, None))


@pytest.fixture(scope="module")
def four_values(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Values of all coalitions of four countries, solved once from the scenario on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DMAN_CEP_CACHE", str(tmp_path_factory.mktemp("cache")))
        return coalitions_of_countries(LineGains(small().scenario)).all_values_eur()


@pytest.fixture(scope="module")
def optimum() -> pypsa.Network:
    """Joint optimum of the four countries by the interior point method."""
    world = small()
    n = joint_network(world.networks, world.graph)
    plan_jointly(n, world.policies)
    return n


@pytest.fixture(scope="module")
def autarky() -> dict[str, Plan]:
    world = small()
    return {c: p.solve(np.zeros(len(world.snapshots))) for c, p in world.problems.items()}


def small():  # type: ignore[no-untyped-def]
    return small_world(FOUR, "1w6h")


class Interrupting(Reporter):
    """Interrupts after some sets of lines have been solved."""

    def __init__(self, after: int) -> None:
        self.left = after

    def advance(self, text: str = "") -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


# --- sets of lines ------------------------------------------------------------------------------


def test_parts_are_those_of_networkx() -> None:
    scenario = chosen_scenario(RunOptions("sapp2030"))
    graph = model.coalitions.interconnection_graph(scenario)
    sets = LineSets(graph)
    rng = np.random.default_rng(3)
    for lines in rng.integers(0, 1 << len(sets.lines), 200).tolist():
        kept = graph.edge_subgraph([list(graph.edges)[k] for k in bits(lines)])
        expected = {frozenset(part) for part in nx.connected_components(kept)}
        parts = sets.parts(lines)
        found = [frozenset(sets.countries[i] for i in bits(sets.reached(p))) for p in parts]
        assert set(found) == expected and len(found) == len(expected)
        assert sum(parts) == lines


def test_connected_coalitions_of_sapp() -> None:
    """767 connected sets of two countries or more, counted by networkx too."""
    scenario = chosen_scenario(RunOptions("sapp2030"))
    graph = model.coalitions.interconnection_graph(scenario)
    nodes = list(graph)
    connected = sum(
        nx.is_connected(graph.subgraph([nodes[i] for i in bits(c)]))
        for c in range(1, 1 << len(nodes))
        if len(bits(c)) > 1
    )
    assert connected == 767
    assert coalitions_of_countries(LineGains(scenario)).solves_needed() == connected


def test_nearest_next_keeps_all_and_walks_less() -> None:
    sets = np.random.default_rng(5).permutation(1 << 9)[:300].tolist()
    order = nearest_next(sets)

    def walked(path: list[int]) -> int:
        return sum((a ^ b).bit_count() for a, b in pairwise(path))

    assert sorted(order) == sorted(sets) and order[0] == sets[0]
    assert walked(order) < 0.5 * walked(sets)
    assert nearest_next([]) == []


# --- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize("members", [("MZ", "ZA"), ("MZ", "NA", "ZW"), ("NA", "ZA", "ZW")])
def test_values_are_those_of_the_members_own_planner(
    members: tuple[str, ...], four_values: np.ndarray, autarky: dict[str, Plan]
) -> None:
    """A coalition planned anew on its members' networks only, by the interior point method."""
    world = small()
    n = joint_network({c: world.networks[c] for c in members}, world.graph.subgraph(members))
    cost = plan_jointly(n, {c: world.policies[c] for c in members})
    saved = sum(autarky[c].cost_eur for c in members) - cost
    coalition = sum(1 << world.countries.index(c) for c in members)
    assert four_values[coalition] == pytest.approx(saved, abs=1e-6 * four_values[-1])


def test_shapley_sums_to_the_planners_gain(
    four_values: np.ndarray, optimum: pypsa.Network, autarky: dict[str, Plan]
) -> None:
    alone = sum(plan.cost_eur for plan in autarky.values())
    gain = alone - float(optimum.model.objective.value)
    assert shapley(four_values).sum() == pytest.approx(gain, rel=1e-6)
    assert nucleolus(four_values).sum() == pytest.approx(gain, rel=1e-6)
    assert is_nucleolus(four_values, nucleolus(four_values))


def test_joining_never_costs(four_values: np.ndarray) -> None:
    """Superadditive: two coalitions together are worth no less than apart."""
    slack = 1e-9 * four_values[-1]
    for a in range(16):
        for b in range(16):
            if a & b == 0:
                assert four_values[a | b] >= four_values[a] + four_values[b] - slack


def test_nodal_prices_at_the_optimum_lie_in_the_core(
    four_values: np.ndarray, optimum: pypsa.Network, autarky: dict[str, Plan]
) -> None:
    """Owen (1975), On the core of linear production games; each line is owned in halves.

    At the prices of the joint problem: countries' own problems have others at a kink.
    """
    world = small()
    ledger = Ledger(world.graph, world.products)
    sent, prices = optimum.links_t.p0, optimum.buses_t.marginal_price
    for a, b, data in world.graph.edges(data=True):
        net = (sent[f"{a}>{b}"] - sent[f"{b}>{a}"]).to_numpy()
        ledger.flows_mw[data["name"]] = net if a < b else -net
    traded = {
        c: replace(p.solve(ledger.exchange_mw(c)), price_eur_per_mwh=prices[c].to_numpy())
        for c, p in world.problems.items()
    }
    paid = NodalPrice().payments_eur(Settled(world, ledger, autarky, traded))
    gains = [autarky[c].cost_eur - traded[c].cost_eur - paid[c] for c in world.countries]
    assert in_core(four_values, np.array(gains), tolerance=1e-5)


@pytest.mark.parametrize("name", TEACHING)
def test_values_of_cost_curves(name: str) -> None:
    """Every coalition of a teaching scenario as a scenario of its own."""
    scenario = chosen_scenario(RunOptions(name))
    game = coalitions_of_countries(LineGains(scenario))
    values = game.all_values_eur()
    for coalition in range(1, len(values)):
        members = tuple(game.players[i] for i in bits(coalition))
        own = chosen_scenario(RunOptions(name, countries=members))
        world = build_world(own, "highs", Reporter())
        zero = np.zeros(len(world.snapshots))
        alone = sum(p.solve(zero).cost_eur for p in world.problems.values())
        saved = alone - planner(world).cost_eur
        assert values[coalition] == pytest.approx(saved, abs=1e-7 * alone)


@pytest.mark.usefixtures("ready_fleets")
def test_lines_are_worth_the_same_in_all(four_values: np.ndarray) -> None:
    """All lines are worth what all countries are; one more never costs; sampling agrees."""
    game = coalitions_of_lines(LineGains(small().scenario))
    values = game.all_values_eur()
    slack = 1e-9 * four_values[-1]
    assert values[-1] == pytest.approx(four_values[-1], rel=1e-9)
    for k in range(len(game.players)):
        assert (values[np.arange(len(values)) | 1 << k] >= values - slack).all()
    sampled = sampled_shapley(game.values_eur, len(game.players), 12, np.random.default_rng(1))
    assert np.abs(sampled.division - shapley(values)).max() <= 2 * sampled.half_width.max()


# --- cache --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("ready_fleets")
def test_workers_interruption_and_cache_change_nothing(
    four_values: np.ndarray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(model.coalitions, "CHUNK", 3)
    found = []
    for workers in (1, 2):
        monkeypatch.setenv("DMAN_CEP_CACHE", str(tmp_path / str(workers)))
        gains = LineGains(small().scenario, workers)
        found.append(coalitions_of_countries(gains).all_values_eur())
        assert gains.solves == coalitions_of_countries(gains).solves_needed() > 6
    monkeypatch.setenv("DMAN_CEP_CACHE", str(tmp_path / "broken"))
    with pytest.raises(KeyboardInterrupt):
        broken = LineGains(small().scenario, 1, Interrupting(after=4))
        coalitions_of_countries(broken).all_values_eur()
    resumed = LineGains(small().scenario, 1)
    found.append(coalitions_of_countries(resumed).all_values_eur())
    assert resumed.solves == coalitions_of_countries(resumed).solves_needed() - 3
    again = LineGains(small().scenario, 1)
    found.append(coalitions_of_countries(again).all_values_eur())
    assert again.solves == 0
    assert len({values.tobytes() for values in found}) == 1
    assert found[0] == pytest.approx(four_values, rel=1e-9, abs=1e-9 * four_values[-1])


def test_cache_ignores_how_it_is_negotiated_but_not_what(tmp_path: Path) -> None:
    def gains(**changes: object) -> LineGains:
        return LineGains(chosen_scenario(RunOptions("triangle", **changes)))  # type: ignore[arg-type]

    coalitions_of_countries(gains()).all_values_eur()
    other = gains(products="hourly")
    coalitions_of_countries(other).all_values_eur()
    assert other.solves == 0
    dearer = gains(overrides={"value_of_lost_load_eur_per_mwh": 100.0})
    coalitions_of_countries(dearer).all_values_eur()
    assert dearer.solves > 0


def test_damaged_cache_is_only_lost_time(tmp_path: Path) -> None:
    scenario = chosen_scenario(RunOptions("triangle"))
    before = coalitions_of_countries(LineGains(scenario)).all_values_eur()
    for file in (tmp_path / "cache").rglob("*.npz"):
        file.write_bytes(b"no numbers")
    assert np.array_equal(coalitions_of_countries(LineGains(scenario)).all_values_eur(), before)


# --- runs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "divide"), [("shapley", shapley), ("nucleolus", nucleolus)])
def test_settlement_divides_as_the_rule_says(
    rule: str, divide: Callable[[np.ndarray], np.ndarray], tmp_path: Path
) -> None:
    summary = run(RunOptions("triangle", settlement=rule, out=tmp_path, products="hourly"))
    values = coalitions_of_countries(LineGains(chosen_scenario(RunOptions("triangle"))))
    shares = divide(values.all_values_eur())
    expected = shares / shares.sum() * summary["gain_eur"]
    assert list(summary["gains_eur"].values()) == pytest.approx(expected, rel=1e-9)
    paid = [country["payment_eur"] for country in summary["countries"].values()]
    assert sum(paid) == pytest.approx(0, abs=1e-6)
    assert min(summary["gains_eur"].values()) >= 0


def test_settlement_with_nothing_to_gain(tmp_path: Path) -> None:
    summary = run(RunOptions("identical", settlement="shapley", out=tmp_path))
    assert list(summary["gains_eur"].values()) == pytest.approx([0] * len(summary["gains_eur"]))


def test_report_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = run(RunOptions("triangle", out=tmp_path))
    report = who_gains(RunRecords.open(summary["folder"]))
    table = report.countries.set_index("country")
    assert table.gain_eur.to_dict() == pytest.approx(summary["gains_eur"])
    full = summary["planner_gain_eur"]
    for rule in ("shapley_eur", "nucleolus_eur", "equal_split_eur"):
        assert table[rule].sum() == pytest.approx(full, rel=1e-6)
    divisions = report.divisions.set_index("division")
    assert divisions.share_of_full_gain[RUN] == pytest.approx(summary["efficiency"], rel=1e-6)
    assert divisions.in_core["nucleolus"]
    assert divisions.distance_to_nucleolus["nucleolus"] == 0
    # The complaint is that of the values and gains in the tables.
    values = np.array([0.0, *report.coalitions.value_eur])
    for name in (RUN, RUN_IN_FULL):
        gains = table.gain_eur.to_numpy() * (1 if name == RUN else full / table.gain_eur.sum())
        complaint = strongest_complaint(values, gains)
        assert divisions.complaint_eur[name] == pytest.approx(complaint.excess, rel=1e-6)
        members = divisions.complaining[name].split("+")
        assert members == [table.index[i] for i in complaint.members]
    assert report.interconnectors.shapley_eur.sum() == pytest.approx(full, rel=1e-6)
    print_gains(report, make_console())
    printed = capsys.readouterr().out
    assert "E and S could do better alone by" in printed
    assert all(line in printed for line in in_words(report))
    for path in write_gains(report, tmp_path / "gains"):
        assert path.stat().st_size > 0
    written = pd.read_parquet(tmp_path / "gains" / "countries.parquet")
    pd.testing.assert_frame_equal(written, report.countries, check_dtype=False)


@pytest.mark.usefixtures("ready_fleets")
def test_coarser_values_are_scaled_and_said(four_values: np.ndarray, tmp_path: Path) -> None:
    """Values at 1w6h of a run at 2w6h whose planner gained a quarter more."""
    options = RunOptions("sapp2030", countries=FOUR, resolution="2w6h", out=tmp_path)
    records = RunRecords.create(options, chosen_scenario(options))
    summary = {"resolution": "2w6h", "planner_gain_eur": 1.25 * four_values[-1]}
    summary["gains_eur"] = {"MZ": 30e6, "NA": -1e6, "ZA": 20e6, "ZW": 0.0}
    summary["countries"] = {c: {"name": c} for c in summary["gains_eur"]}
    records.write_summary(summary)
    report = who_gains(records, "1w6h", pairs=2)
    assert report.countries.shapley_eur.to_numpy() == pytest.approx(1.25 * shapley(four_values))
    assert report.divisions.losers[0] == "NA"
    excess = (1.25 * four_values - membership(4) @ [30e6, -1e6, 20e6, 0.0])[1:-1].max()
    assert report.divisions.complaint_eur[0] == pytest.approx(excess)
    assert any("valued at 1w6h" in line and "1.2500" in line for line in in_words(report))


@pytest.mark.parametrize("valued_eur", [0.0, -0.5])
def test_nothing_to_gain_has_no_ratio(valued_eur: float) -> None:
    """Values are then not scaled, and a ratio would be of nothing to nothing."""
    tables = [pd.DataFrame()] * 4
    basis = Basis("2w6h", "1w6h", valued_eur, valued_eur, 0, 0, None)
    (line,) = in_words(GainsReport(*tables, basis))
    assert line == "coalitions are valued at 1w6h, unscaled; the run was planned at 2w6h"


def test_run_without_a_planner_to_scale_by(tmp_path: Path) -> None:
    options = RunOptions("sapp2030", countries=("MZ", "ZA"), resolution="2w6h", out=tmp_path)
    records = RunRecords.create(options, chosen_scenario(options))
    records.write_summary({"resolution": "2w6h", "gains_eur": {"MZ": 1.0, "ZA": 1.0}})
    with pytest.raises(ScenarioError, match="--resolution 2w6h"):
        who_gains(records, "1w6h")
    with pytest.raises(ScenarioError, match="cannot read the resolution"):
        who_gains(records, "weekly")
