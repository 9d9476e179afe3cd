"""Experiments: the grid, mistakes in it, draws and variants."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.experiments.grid import Grid
from model.experiments.order import Wish, prepare_comparison, split_levels, split_numbers
from model.experiments.spec import Experiment, SpecError, experiment_from_options
from scenarios.errors import ScenarioError
from scenarios.loader import list_scenarios, load_scenario, scenario_folder
from scenarios.uncertainty import Range, Uncertainty
from scenarios.variants import list_variants, variant_change

PLAIN: dict[str, Any] = {"scenario": "triangle", "protocols": ["iterated_clearing"]}
SAPP = scenario_folder("sapp2030")


def grid(**more: Any) -> Grid:
    return Grid(experiment_from_options({**PLAIN, **more}))


def told(tmp_path: Path, **given: Any) -> str:
    """What is said about options."""
    wish = Wish(None, {**PLAIN, **given}, None, False, tmp_path, None, "local", None)
    with pytest.raises(ScenarioError) as error:
        prepare_comparison(wish)
    assert not list(tmp_path.glob("*"))
    return str(error.value)


def told_of_file(tmp_path: Path, text: str) -> str:
    """What is said about a file."""
    file = tmp_path / "experiment.yaml"
    file.write_text(text)
    with pytest.raises(ScenarioError) as error:
        prepare_comparison(Wish(file, {}, None, False, tmp_path, None, "local", None))
    return str(error.value)


def test_grid_is_every_combination_once_in_order() -> None:
    found = grid(
        protocols=["bilateral_bids", "iterated_clearing", "bilateral_bids.adaptive"],
        products=["flat", "hourly"],
        strategies=["truthful", "E=markup:0.1"],
        settlements=["pay_as_agreed", "equal_split"],
        variants=["base", "line_out"],
        seeds=[0, 7],
        set={"scenario.wheeling_eur_per_mwh": [0, 1], "protocol.max_hops": [1, 2]},
    )
    hops = {"bilateral_bids.adaptive": 2, "iterated_clearing.standard": 1}
    rows = [case.coordinates for case in found.cases]
    for protocol, levels in hops.items():
        mine = [row for row in rows if row["protocol"] == protocol]
        # Named twice, with mode and without, it is still one protocol.
        assert len(mine) == levels * 2 * 2 * 2 * 2 * 2 * 2
    assert len({case.id for case in found.cases}) == len(rows)
    first = rows[0]
    assert first["protocol"] == "bilateral_bids.adaptive"
    assert first["changes"] == "wheeling_eur_per_mwh=0; protocol.max_hops=1"
    assert [row["seed"] for row in rows[:4]] == [0, 7, 0, 7]


def test_ids_depend_on_the_case_alone() -> None:
    few = {case.id for case in grid(seeds=[2]).cases}
    many = {case.id for case in grid(seeds=3, protocols="all", variants=["base", "line_out"]).cases}
    assert few < many
    assert few.isdisjoint(case.id for case in grid(seeds=[2], max_steps=5).cases)
    assert few.isdisjoint(case.id for case in grid(seeds=[3]).cases)


def test_cases_of_one_draw_share_their_scenario() -> None:
    cases = grid(protocols="all", strategies=["truthful", "E=markup:0.1"], seeds=3).cases
    by_seed = {case.seed: case for case in cases}
    for case in cases:
        assert case.options.overrides == by_seed[case.seed].options.overrides
        assert case.world == by_seed[case.seed].world
    assert len({case.world for case in cases}) == 3


def test_set_goes_before_the_variant_and_that_before_chance() -> None:
    key, drawn = "demand.ZA.demand_twh", Uncertainty.read(SAPP)
    plain = {"scenario": "sapp2030", "variants": ["high_demand"], "seeds": [4]}
    (case,) = grid(**plain).cases
    assert case.options.overrides[key] == 303.05
    chance = drawn.draw(load_scenario("sapp2030"), 4)
    assert case.options.overrides["demand.ZW.demand_twh"] == chance["demand.ZW.demand_twh"]
    (case,) = grid(**plain, set={key: [250]}).cases
    assert case.options.overrides[key] == 250
    assert case.changes == f"{key}=250"


def test_a_protocol_has_its_own_products_and_parameters() -> None:
    own = {"protocol": "bilateral_bids", "products": ["flat", "hourly"], "set": {"max_hops": 1}}
    cases = grid(protocols=[own, "iterated_clearing"], products=["tou"]).cases
    assert [(c.protocol, c.products, c.changes) for c in cases] == [
        ("bilateral_bids.adaptive", "flat", "protocol.max_hops=1"),
        ("bilateral_bids.adaptive", "hourly", "protocol.max_hops=1"),
        ("iterated_clearing.standard", "tou", ""),
    ]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"scenario": "triangel"}, "--scenario: .*did you mean 'triangle'"),
        ({"protocols": ["iterated_claering"]}, "--protocols: .*did you mean 'iterated_clearing'"),
        ({"protocols": ["bilateral_bids.adaptiv"]}, "--protocols: .*did you mean 'adaptive'"),
        ({"products": ["tuo"]}, "--products: .*did you mean 'tou'"),
        ({"strategies": ["E=markp:1"]}, "--strategy: .*did you mean 'markup'"),
        ({"strategies": ["F=markup:0.1"]}, "--strategy: no country 'F'"),
        ({"strategies": ["markup"]}, "--strategy: write COUNTRY=NAME"),
        ({"settlements": ["shaply"]}, "--settlement: .*did you mean 'shapley'"),
        ({"variants": ["lineout"]}, "--variants: .*did you mean 'line_out'"),
        ({"seeds": 0}, "--seeds: give at least 1"),
        ({"set": {"wheling_eur_per_mwh": [1]}}, "--set wheling.*did you mean 'wheeling_eur"),
        ({"set": {"protocol.max_hop": [1]}}, "--set protocol.max_hop: no protocol here"),
        ({"set": {"strategies": [{"E": "markup:0.1"}]}}, "--set strategies: .*--strategy PROFILE"),
        ({"countries": ["E", "Z"]}, "--countries: .*unknown country 'Z'"),
        ({"resolution": "12w5h"}, "--resolution: .*do not divide a day"),
    ],
)
def test_mistakes_in_options(given: dict[str, Any], text: str, tmp_path: Path) -> None:
    import re

    assert re.match(text, told(tmp_path, **given)), told(tmp_path, **given)


def test_without_ray_no_folder_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    wish = Wish(None, PLAIN, None, False, tmp_path, None, "ray", None)
    with pytest.raises(ScenarioError, match="Ray is not installed"):
        prepare_comparison(wish)
    assert not list(tmp_path.iterdir())


def test_gains_that_cannot_be_valued_are_refused_first(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = load_scenario("triangle")
    as_network = plain.settings.model_copy(update={"kind": "network"})
    network = plain.model_copy(update={"settings": as_network})
    with monkeypatch.context() as patched:
        patched.setattr("model.experiments.grid.chosen_scenario", lambda _: network)
        with pytest.raises(SpecError, match="network file are not valued"):
            grid(gains=True)
    monkeypatch.setattr("model.coalitions.MOST_PLAYERS", 2)
    with pytest.raises(SpecError, match="coalitions of 3 countries take too long; at most 2"):
        grid(gains=True)
    assert grid(gains=True, countries=["E", "N"]).cases


def test_mistakes_in_a_file_name_line_and_key(tmp_path: Path) -> None:
    start = "scenario: triangle\nprotocols:\n  - iterated_clearing\n"
    said = told_of_file(tmp_path, start + "  - {protocol: douglas_rachfrod}\n")
    assert (
        "experiment.yaml, line 4, key protocols[2]: no 'douglas_rachfrod'; "
        "did you mean 'douglas_rachford'" in said
    )
    said = told_of_file(tmp_path, start + "varants: [base]\n")
    assert "line 4, key varants: unknown key; did you mean 'variants'" in said
    said = told_of_file(tmp_path, "scenario: triangle\nprotocls: [fractional_vcg]\n")
    assert "line 2, key protocls: unknown key; did you mean 'protocols'" in said
    said = told_of_file(tmp_path, start + "set:\n  demand_factr: [0.9, 1.1]\n")
    assert "line 5, key set.demand_factr: " in said
    assert "did you mean 'demand_factor'" in said
    said = told_of_file(tmp_path, start + "max_steps: 0\n")
    assert "line 4, key max_steps: 0 must be at least 1" in said
    assert "key scenario: the value is missing" in told_of_file(tmp_path, "protocols: all\n")


def test_file_and_options_mean_the_same(tmp_path: Path) -> None:
    file = tmp_path / "experiment.yaml"
    file.write_text(
        "scenario: triangle\nprotocols: [iterated_clearing]\nseeds: 2\n"
        "strategies: [truthful, E=markup:0.1]\nset: {wheeling_eur_per_mwh: [0, 1]}\n"
    )
    folder, grid_of_file, _ = prepare_comparison(
        Wish(file, {}, None, False, tmp_path / "out", None, "local", None)
    )
    levels = split_levels(["scenario.wheeling_eur_per_mwh=0,1"])
    same = grid(seeds=2, strategies=["truthful", "E=markup:0.1"], set=levels)
    assert [c.id for c in grid_of_file.cases] == [c.id for c in same.cases]
    assert folder.experiment == same.experiment


def test_an_experiment_survives_its_record() -> None:
    experiment = experiment_from_options({**PLAIN, "seeds": 3, "set": {"protocol.x": 1}})
    assert Experiment.model_validate(experiment.model_dump(mode="json")) == experiment


def test_numbers_of_draws() -> None:
    assert (split_numbers("20"), split_numbers("3,7"), split_numbers(None)) == (20, [3, 7], None)
    with pytest.raises(ScenarioError, match="--seeds x"):
        split_numbers("x")


@given(
    bounds=st.lists(st.floats(0, 1e6), min_size=3, max_size=3).map(sorted),
    shares=st.lists(st.floats(0, 1), min_size=2, max_size=2).map(sorted),
)
def test_quantiles_lie_within_bounds_and_rise(bounds: list[float], shares: list[float]) -> None:
    low, likely, high = bounds
    row = Range(group="g", key="k", low=low, likely=likely, high=high, source="test")
    one, two = (row.quantile(share) for share in shares)
    slack = 1e-9 * (1 + high)
    assert low - slack <= one <= two + slack <= high + 2 * slack


@pytest.mark.parametrize("name", ["sapp2030", "triangle"])
def test_draws_lie_within_the_sourced_ranges(name: str) -> None:
    scenario, known = load_scenario(name), Uncertainty.read(scenario_folder(name))
    draws = [known.draw(scenario, number) for number in range(1, 41)]
    for row in known.ranges:
        values = [draw[row.key] for draw in draws]
        assert row.low <= min(values) <= max(values) <= row.high
        assert len(set(values)) > 30
    for group in {row.group for row in known.ranges}:
        keys = [row.key for row in known.ranges if row.group == group]
        for draw in draws:
            ranks = [sum(other[key] < draw[key] for other in draws) for key in keys]
            assert len(set(ranks)) == 1
    assert len({draw["seed"] for draw in draws}) == 40
    assert known.draw(scenario, 0) == {}
    assert known.draw(scenario, 5) == draws[4]
    load_scenario(name, draws[0])


def test_hydro_years_are_shared_and_known() -> None:
    scenario, known = load_scenario("sapp2030"), Uncertainty.read(SAPP)
    seen = set()
    for number in range(1, 41):
        draw = known.draw(scenario, number)
        (year,) = {
            y for y in known.hydro_years if known.hydro_year(scenario, y).items() <= draw.items()
        }
        seen.add(year)
    assert len(seen) > 7
    with pytest.raises(ScenarioError, match="no hydro year 1999"):
        known.hydro_year(scenario, 1999)


def test_likely_values_are_the_scenario_s_own() -> None:
    scenario, known = load_scenario("sapp2030"), Uncertainty.read(SAPP)
    likely = load_scenario("sapp2030", {row.key: row.likely for row in known.ranges})
    for table in ("demand", "technologies", "fuels"):
        assert getattr(likely, table) == getattr(scenario, table)
    assert {d.country for d in scenario.demand} == {
        row.key.split(".")[1] for row in known.ranges if row.key.startswith("demand.")
    }


@pytest.mark.parametrize("name", list_scenarios())
def test_variants_can_be_loaded_and_change_something(name: str) -> None:
    base, known = load_scenario(name), Uncertainty.read(scenario_folder(name))
    for variant in list_variants(name):
        change = variant_change(variant, base, known, scenario_folder(name))
        left = [c for c in base.codes if c not in change.without]
        assert load_scenario(name, change.overrides, left) != base
    if name == "sapp2030":
        assert len(list_variants(name)) == 9


def test_mistakes_in_a_variant_name_its_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    for text, said in (
        ("title: x\nsource: test\nsett: {}\n", "line 3, key sett: unknown key; did you mean 'set'"),
        ("title: x\nsource: test\nwithout: [Q]\n", "mine.yaml, key without: unknown country 'Q'"),
        ("title: x\nsource: test\nset: {demand_factr: 1}\n", "did you mean 'demand_factor'"),
    ):
        file.write_text(text)
        assert said in told(tmp_path / "out", variants=[str(file)])
