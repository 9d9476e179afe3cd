"""Countries of a network file that negotiate: hot problems with several ports, rules, results."""

from __future__ import annotations

import csv
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pypsa
import pytest

import model.runs
from agents.planning import PypsaProblem
from agents.problem import Terms
from model.choices import choose_options
from model.coalitions import coalition_scenario
from model.ledger import Ledger, RuleBroken
from model.negotiation import NegotiationModel
from model.options import RunOptions
from model.records import RunRecords
from model.reporting import Reporter
from model.runs import resume, run
from model.world import World, build_world, chosen_scenario
from protocols.landing import is_neutral
from protocols.messages import Trade
from protocols.paths import trading_paths
from protocols.registry import make_protocol, protocol_class
from pypsa_earth.kirchhoff import deliverable
from pypsa_earth.limits import Limit
from pypsa_earth.national import NationalValues
from pypsa_earth.options import FileOptions
from pypsa_earth.references import solve_whole
from pypsa_earth.results import COUNTRIES as COUNTRY_FOLDER
from pypsa_earth.results import ON_LINES, STATISTICS
from pypsa_earth.rules import NationalRules
from pypsa_earth.scenario import country_parts, network_scenario
from pypsa_earth.split import national_rules, split
from scenarios.errors import ScenarioError
from scenarios.schema import Scenario
from tests.small_networks import COUNTRIES, sapp_like, written
from tests.small_worlds import untouched


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("network"))


@pytest.fixture(scope="module")
def world(file: Path) -> World:
    options = RunOptions(str(file), countries=COUNTRIES)
    return build_world(chosen_scenario(options), "highs", Reporter())


def test_south_africa_has_a_port_for_every_place_its_lines_end(world: World) -> None:
    ports = {c: world.problems[c].ports for c in COUNTRIES}
    assert ports == {"BW": 1, "NA": 1, "ZA": 2}
    exchange = Ledger(world.graph, world.products).exchange_mw("ZA")
    assert exchange.shape == (2 * len(world.snapshots),)


def test_a_hot_solve_is_the_load_changed_at_the_landing_buses(world: World) -> None:
    problem = world.problems["ZA"]
    rng = np.random.default_rng(1)
    for _ in range(3):
        exchange = rng.uniform(-400, 400, (2, len(world.snapshots)))
        n = world.networks["ZA"].copy()
        for landing, mw in zip(world.graph.nodes["ZA"]["ports"], exchange, strict=True):
            for bus, share in landing.items():
                n.loads_t.p_set[bus] = n.loads_t.p_set[bus] - share * mw
        # Renewable and national shares aside, exchange is load with the sign turned.
        anew = solve_whole(n, {"ZA": world.policies["ZA"]}).cost_eur
        assert problem.solve(exchange.ravel()).cost_eur == pytest.approx(anew, rel=1e-8)


def test_prices_at_the_ports_are_derivatives(world: World) -> None:
    problem = world.problems["ZA"]
    rng = np.random.default_rng(2)
    exchange = rng.uniform(-200, 200, 2 * len(world.snapshots))
    plan = problem.solve(exchange)
    direction = rng.uniform(-1, 1, exchange.shape)
    slope = -float((problem.weights_h * plan.price_eur_per_mwh) @ direction)
    step = 0.5
    up = (problem.cost(exchange + step * direction) - plan.cost_eur) / step
    down = (plan.cost_eur - problem.cost(exchange - step * direction)) / step
    assert down - 1.0 <= slope <= up + 1.0  # EUR per MW, of some 1e5


def test_a_response_at_one_port_is_a_minimiser(world: World) -> None:
    problem = world.problems["ZA"]
    count = 2 * len(world.products)
    zero, limit = np.zeros(count), np.where(np.arange(count) < count // 2, 0.0, 300.0)
    price = np.full(count, 45.0)
    here = np.zeros(len(problem.weights_h))
    change = problem.respond(here, Terms(price, price - 1.0, limit, limit))
    assert not change[: count // 2].any() and change.any()

    def outlay(amount: np.ndarray) -> float:
        hours = problem.shape @ problem.weights_h
        paid = np.where(amount > 0, amount * price, amount * (price - 1.0))
        return problem.cost(here + amount @ problem.shape) + float(paid @ hours)

    best = outlay(change)
    rng = np.random.default_rng(3)
    for _ in range(6):
        other = np.clip(change + rng.normal(0, 40, count), -limit, limit)
        assert best <= outlay(other) + 1e-6 * abs(best)
    assert best <= outlay(zero)


def test_energy_does_not_pass_through_a_country_with_two_ports_unasked(world: World) -> None:
    path = ("BW", "ZA", "NA")
    assert not is_neutral(world.graph, path)
    assert is_neutral(world.graph, ("BW", "NA", "ZA"))
    assert path not in trading_paths(world.graph, 3)
    ledger = Ledger(world.graph, world.products)
    assert not ledger.room_mw(path).any()
    with pytest.raises(RuleBroken, match="grid of a transit country"):
        ledger.book(Trade("BW", "NA", path, (1.0,) * len(world.products), 10.0))


@pytest.fixture(scope="module")
def finished(
    file: Path, world: World, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict, RunRecords]:
    out = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.runs, "build_world", lambda *_: untouched(world))
        began = time.perf_counter()
        summary = run(RunOptions(str(file), countries=COUNTRIES, out=out, max_steps=40))
    # No phase is counted twice.
    assert summary["wall_s"] <= time.perf_counter() - began + 0.01
    return summary, RunRecords.open(summary["folder"])


def test_a_negotiation_reaches_most_of_the_gain(finished: tuple[dict, RunRecords]) -> None:
    summary, _ = finished
    assert summary["status"] == "completed"
    assert summary["planner_gain_eur"] > 1e6
    assert 0.9 <= summary["efficiency"] <= 1 + 1e-6
    assert min(summary["gains_eur"].values()) >= -1.0
    assert "linear power flow can carry" in summary["note"]


def test_the_outcome_repeats_the_costs(finished: tuple[dict, RunRecords]) -> None:
    summary, records = finished
    n = pypsa.Network(str(records.network_path))
    assert n.objective == pytest.approx(summary["negotiated_cost_eur"], rel=1e-6)
    rules = national_rules(sapp_like(), FileOptions())
    held = {c: rules[c] for c in COUNTRIES}
    n.buses["country"] = n.buses.country.astype(str)
    again = solve_whole(n, held).cost_eur
    assert again == pytest.approx(summary["negotiated_cost_eur"], rel=1e-6)


def test_flows_lie_on_the_lines_of_the_file(finished: tuple[dict, RunRecords]) -> None:
    _, records = finished
    n = pypsa.Network(str(records.path / ON_LINES))
    assert {"1", "2", "3"} <= set(n.lines.index) and "NA-BW" in n.links.index
    assert "4" not in n.lines.index  # Lesotho did not take part
    assert n.carriers.color["coal"] == "#707070"
    flow = records.table("flows").query("case == 'negotiated' and interconnector == 'NA-ZA'")
    sent = n.lines_t.p0["1"] - n.lines_t.p0["2"]  # line 2 starts in South Africa
    net = flow.flow_mw.to_numpy()
    assert np.allclose(sent, net, atol=1e-6)
    assert np.allclose(n.lines_t.p0["1"] * 5, -n.lines_t.p0["2"] * 3, atol=1e-6)
    with (records.path / STATISTICS).open(encoding="utf-8") as statistics:
        rows = [row for row in csv.DictReader(statistics) if row["component"]]
    assert {row["country"] for row in rows} >= set(COUNTRIES)
    assert "Disposal" not in {row["carrier"] for row in rows}
    balance = n.statistics.energy_balance(groupby=["country"])
    assert balance.notna().any()


def test_every_country_gets_its_network(finished: tuple[dict, RunRecords]) -> None:
    summary, records = finished
    total = 0.0
    for country in COUNTRIES:
        n = pypsa.Network(str(records.path / COUNTRY_FOLDER / f"{country}.nc"))
        assert set(n.buses.country) == {country}
        total += n.objective
    assert total == pytest.approx(summary["negotiated_cost_eur"], rel=1e-9)


def test_national_values_that_changed_are_told(file: Path, tmp_path: Path) -> None:
    values = tmp_path / "national.yaml"
    values.write_text("ZA: {co2_limit_t: 1e8}\n", encoding="utf-8")
    scenario = network_scenario(file, {"network.national": str(values)}, COUNTRIES)
    assert country_parts(scenario)["ZA"].rules.limits[0].constant == 1e8
    values.write_text("ZA: {co2_limit_t: 2e8}\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match="national values have changed"):
        country_parts(scenario)


class _StopsAfterAStep(Reporter):
    def step(self, row: dict[str, object]) -> None:
        raise KeyboardInterrupt


@pytest.fixture
def built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are built for the first run; the next get them as if new, and read the file anew."""
    built: list[World] = []

    def build(scenario: Scenario, solver: str, reporter: Reporter) -> World:
        if not built:
            built.append(build_world(scenario, solver, reporter))
        assert scenario == built[0].scenario
        return untouched(built[0])

    monkeypatch.setattr(model.runs, "build_world", build)


@pytest.mark.usefixtures("built_once")
def test_a_run_goes_on_where_it_broke_off(file: Path, tmp_path: Path) -> None:
    options = RunOptions(
        str(file),
        countries=COUNTRIES,
        max_steps=2,
        planner=False,
        overrides={"network.window": "8"},
    )
    whole = run(replace(options, out=tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt) as stopped:
        run(replace(options, out=tmp_path / "half"), _StopsAfterAStep())
    folder = Path(str(stopped.value))
    assert RunRecords.open(folder, unfinished=True).steps == [0]
    again = resume(folder)
    assert whole["steps"] == again["steps"] == 2
    assert again["negotiated_cost_eur"] == whole["negotiated_cost_eur"]
    assert again["countries"] == whole["countries"]


PROTOCOLS = (
    ("bilateral_bids", "prototype"),
    ("alternating_offers", "standard"),
    ("rubinstein", "standard"),
    ("consensus_admm", "standard"),
    ("k_double_auction", "standard"),
    ("mcafee", "standard"),
    ("clock_auction", "standard"),
    ("iterated_clearing", "standard"),
    ("fractional_vcg", "standard"),
    ("douglas_rachford", "standard"),
)


@pytest.mark.parametrize(("protocol", "mode"), PROTOCOLS)
def test_protocols_for_several_ports(
    protocol: str, mode: str, world: World, tmp_path: Path
) -> None:
    made = make_protocol(protocol, mode)
    assert made.several_ports
    model = NegotiationModel(
        world.problems,
        world.graph,
        world.products,
        made,
        price_cap_eur_per_mwh=world.scenario.settings.value_of_lost_load_eur_per_mwh,
    )
    model.plan_alone()
    alone = {c: world.problems[c].cost(0 * model.ledger.exchange_mw(c)) for c in COUNTRIES}
    model.step()
    assert model.last is not None and model.last.outcome.trades
    gain = {
        c: alone[c]
        - world.problems[c].cost(model.ledger.exchange_mw(c))
        - model.ledger.payments_eur[c]
        for c in COUNTRIES
    }
    assert sum(gain.values()) > 0
    if made.promises_no_loss:
        assert min(gain.values()) >= -1e-6 * sum(gain.values())


REFUSED = (
    (dict(settlement="shapley"), "shapley values coalitions"),
    (dict(decomposition="independent"), "independent is not made for network files"),
)


@pytest.mark.parametrize(("rules", "words"), REFUSED)
def test_rules_not_made_for_network_files_are_refused(
    rules: dict[str, str], words: str, file: Path, tmp_path: Path
) -> None:
    given = {"scenario": str(file), "countries": COUNTRIES, "out": tmp_path, **rules}
    with pytest.raises(ScenarioError, match=words):
        choose_options(given)


def test_a_protocol_that_knows_one_port_is_refused_before_anything_is_written(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol_class("fractional_vcg", "standard"), "several_ports", False)
    given = {
        "scenario": str(file),
        "protocol": "fractional_vcg",
        "mode": "standard",
        "out": tmp_path,
    }
    with pytest.raises(
        ScenarioError, match=r"fractional_vcg is not made for .* several places \(ZA\)"
    ):
        choose_options({**given, "countries": COUNTRIES})
    with pytest.raises(ScenarioError, match="fractional_vcg is not made for"):
        run(RunOptions(str(file), "fractional_vcg", "standard", countries=COUNTRIES, out=tmp_path))
    assert not list(tmp_path.iterdir())
    assert choose_options({**given, "countries": ("BW", "NA")}).protocol == "fractional_vcg"


def test_coalitions_of_a_network_file_are_not_valued(world: World) -> None:
    with pytest.raises(ScenarioError, match="network file"):
        coalition_scenario(world.scenario)


def test_power_flow_carries_what_it_would_choose_itself() -> None:
    n = sapp_like("MW")
    n.remove("Bus", "LS1 0")
    n.remove("Line", "4")
    n.remove("Generator", "LS1 0 load")
    n.links.loc["NA-BW", "efficiency"] = 1.0  # PyPSA's own choice gains on the way back
    solved = solve_whole(n).network
    code = solved.buses.country.where(solved.buses.country != "", "")
    position = {}
    for country in COUNTRIES:
        total = np.zeros(len(n.snapshots))
        for frame, flows in ((solved.lines, solved.lines_t), (solved.links, solved.links_t)):
            for name, row in frame.iterrows():
                if "pipeline" in str(name):
                    continue
                one, two = code[row.bus0], code[row.bus1]
                if one == country and two not in (country, ""):
                    total -= flows.p0[name].to_numpy()
                if two == country and one not in (country, ""):
                    total -= flows.p1[name].to_numpy()
        position[country] = total
    found = deliverable(solved, position)
    assert found.share == pytest.approx(1.0, abs=1e-6)
    too_much = {c: 50 * mw for c, mw in position.items()}
    assert deliverable(solved, too_much).share < 0.9


# Rules


def _cost(rules: NationalRules, country: str = "ZA") -> tuple[float, pypsa.Network]:
    part = split(sapp_like())[country]
    solved = solve_whole(part, {country: rules})
    return solved.cost_eur, solved.network


@pytest.fixture(scope="module")
def free() -> tuple[float, pypsa.Network]:
    return _cost(NationalRules())


def test_charger_and_discharger_are_one_inverter(free: tuple[float, pypsa.Network]) -> None:
    _, n = free
    for bus in ("ZA1 0", "ZA1 1"):
        charger, discharger = (
            n.links.p_nom_opt[f"{bus} battery {w}"] for w in ("charger", "discharger")
        )
        assert charger == pytest.approx(0.95 * discharger, abs=1e-4)


def test_twin_pipes_grow_alike() -> None:
    n = solve_whole(sapp_like("MW")).network
    there, back = (n.links.p_nom_opt[f"H2 pipeline NA1 0-ZA1 0{s}"] for s in ("", "-reversed"))
    assert there == pytest.approx(back, abs=1e-4)


def test_an_emission_limit_is_pypsas_own(free: tuple[float, pypsa.Network]) -> None:
    n = sapp_like()
    rules = national_rules(n, FileOptions())
    (limit,) = rules["ZA"].limits
    load = n.loads_t.p_set.sum()
    assert limit.constant == pytest.approx(9.5e7 * load[["ZA1 0", "ZA1 1"]].sum() / load.sum())
    tight = replace(limit, constant=4e7)
    cost, _ = _cost(NationalRules(limits=(tight,)))
    part = split(n)["ZA"]
    part.add("GlobalConstraint", "CO2Limit", carrier_attribute="co2_emissions", constant=4e7)
    assert cost == pytest.approx(solve_whole(part).cost_eur, rel=1e-8)
    assert cost > free[0] * 1.01


def test_grid_limits_go_with_the_lines_inside() -> None:
    n = sapp_like()
    assert not any(_of_grid(r) for r in national_rules(n, FileOptions()).values())
    n.lines.loc["0", ["s_nom_extendable", "s_nom_min"]] = [True, 3000.0]
    (limit,) = _of_grid(national_rules(n, FileOptions())["ZA"])
    assert limit.constant == pytest.approx(1.25 * 800 * 900 * 3000 / 3800)
    dropped = national_rules(n, FileOptions(), transmission_limit="drop")
    assert not _of_grid(dropped["ZA"])


def _of_grid(rules: NationalRules) -> list[Limit]:
    return [limit for limit in rules.limits if limit.name == "lv_limit"]


@pytest.mark.parametrize(
    "rules",
    [
        NationalRules(eq_share=1.05, eq_by_country=False),
        NationalRules(res_share=0.35),
        NationalRules(reserve=(0.3, 0.5, 500.0)),
        NationalRules(values=NationalValues(bau_mw={"OCGT": 3000.0})),
        NationalRules(values=NationalValues(safe_margin=0.4)),
        NationalRules(
            values=NationalValues(ccl_mw={"solar": (4000.0, None), "onwind": (None, 50)})
        ),
    ],
    ids=["EQ", "RES", "reserve", "BAU", "SAFE", "CCL"],
)
def test_rules_bind_and_hold(rules: NationalRules, free: tuple[float, pypsa.Network]) -> None:
    cost, n = _cost(rules)
    assert cost > free[0] * (1 + 1e-6)
    hours = n.snapshot_weightings.generators
    energy = n.generators_t.p.mul(hours, axis=0).sum()
    by_carrier = energy.groupby(n.generators.carrier).sum()
    load = n.loads_t.p_set.mul(hours, axis=0).sum()
    built = n.generators.p_nom_opt.groupby(n.generators.carrier).sum()
    if rules.eq_share is not None:
        own = energy.groupby(n.generators.bus).sum()
        assert (own[load.index] >= 1.05 * load * (1 - 1e-6)).all()
    if rules.res_share is not None:
        # Storage keeps a little, which has to be made too.
        assert by_carrier[["solar", "onwind"]].sum() >= 0.35 * load.sum() * (1 - 1e-6)
    values = rules.values
    for carrier, least in values.bau_mw.items():
        assert built[carrier] >= least - 1e-3
    for carrier, (least, most) in values.ccl_mw.items():
        assert (least or 0) - 1e-3 <= built[carrier] <= (most or np.inf) + 1e-3
    if values.safe_margin is not None:
        peak = n.loads_t.p_set.sum(axis=1).max()
        assert built[["coal", "OCGT"]].sum() >= 1.4 * peak - 1e-3


def test_a_rule_binds_in_the_joint_network_as_it_does_alone(world: World) -> None:
    rules = NationalRules(res_share=0.3)
    part = world.networks["NA"]
    hot = PypsaProblem(
        "NA", part.copy(), world.products.shape, rules, ports=world.graph.nodes["NA"]["ports"]
    )
    alone = hot.cost(np.zeros(len(hot.weights_h)))
    assert alone == pytest.approx(solve_whole(part, {"NA": rules}).cost_eur, rel=1e-8)
