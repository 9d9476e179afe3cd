"""Changes with ``--set``: they reach what they name, or say in one line what to do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.errors import ScenarioError
from scenarios.loader import load_scenario, parse_set


def test_overrides_reach_settings_cells_and_interconnectors() -> None:
    changes = parse_set(
        [
            "discount_rate=0.08",
            "policy.co2_caps=true",
            "demand.ZA.demand_twh=277",
            "line_statuses=existing,committed,planned",
            "interconnectors.NA-ZA.a_to_b_mw=0",
            "technologies.solar.investment_eur_per_kw=400",
        ]
    )
    scenario = load_scenario("sapp2030", changes)
    assert scenario.settings.discount_rate == 0.08
    assert scenario.settings.policy.co2_caps
    assert next(d.demand_twh for d in scenario.demand if d.country == "ZA") == 277
    solar = next(t for t in scenario.technologies if t.carrier == "solar")
    assert solar.investment_eur_per_kw == 400
    assert "planned" in scenario.settings.line_statuses
    edge = next(e for e in scenario.interconnectors if e.name == "NA-ZA")
    assert edge.a_to_b_mw == 0 < edge.b_to_a_mw


def test_override_of_a_pair_works_from_either_end() -> None:
    forward = load_scenario("two_countries", {"interconnectors.A-B.a_to_b_mw": 7})
    backward = load_scenario("two_countries", {"interconnectors.B-A.b_to_a_mw": 7})
    assert forward == backward
    assert forward.interconnectors[0].a_to_b_mw == 7


def test_empty_override_empties_the_cell() -> None:
    candidate = next(c for c in load_scenario("sapp2030").candidates)
    key = f"candidates.{candidate.country}.{candidate.carrier}.p_nom_max_mw"
    assert load_scenario("sapp2030", {key: "123"}).candidates[0].p_nom_max_mw == 123
    assert load_scenario("sapp2030", {key: ""}).candidates[0].p_nom_max_mw is None


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("discount", "0.1", "did you mean 'discount_rate'"),
        ("discount_rate", "8", "did you mean 0.08?"),
        ("policy.co2_cap", "true", "did you mean 'co2_caps'"),
        ("policy.co2_caps", "perhaps", "true or false"),
        ("policy", "true", "name one switch"),
        ("slices", "monthly", "did you mean 'month'"),
        ("resolution", "5h", "do not divide a day"),
        ("resolution", "weekly", "12w3h"),
        ("line_statuses", "existing,plnned", "did you mean 'planned'"),
        ("demnd.ZA.demand_twh", "3", "did you mean 'demand'"),
        ("demand.ZA", "3", "<row>.<column>"),
        ("demand.ZZ.demand_twh", "3", "no row 'ZZ'"),
        ("demand.ZA.demand_gwh", "3", "TWh expected, not GWh"),
        ("demand.ZA.demand_twh", "much", "not a number"),
        ("demand.ZA.demand_twh", "-1", "(given with --set)"),
        ("demand.ZA.country", "NA", "cannot be changed"),
        ("interconnectors.NA-ZAA.loss", "0.1", "did you mean 'NA-ZA'"),
        ("interconnectors.NA-ZA.loss", "5", "did you mean 0.05?"),
        ("interconnectors.NA-ZA.country_a", "MZ", "cannot be changed"),
        ("kind", "cost_curves", "cannot be changed"),
    ],
)
def test_wrong_overrides_say_what_to_do(key: str, value: str, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario("sapp2030", {key: value})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("item", ["discount_rate", "=3", ""])
def test_set_needs_key_and_value(item: str) -> None:
    with pytest.raises(ScenarioError, match="key=value"):
        parse_set([item])


@given(st.text(max_size=20), st.one_of(st.none(), st.text(max_size=12), st.floats()))
def test_any_override_loads_or_explains_itself(key: str, value: object) -> None:
    try:
        load_scenario("two_countries", {key: value})
    except ScenarioError as error:
        assert "\n" not in str(error)


@given(
    st.sampled_from(
        ["curves.A.demand_mw", "curves.A.blocks", "curves.A.country", "interconnectors.A-B.loss",
         "seed", "resolution", "line_statuses", "policy.co2_caps", "hours_per_snapshot"]
    ),
    st.one_of(st.none(), st.text(max_size=12), st.floats(), st.integers(), st.just([[1, 2]])),
)  # fmt: skip
def test_any_value_of_a_known_key_loads_or_explains_itself(key: str, value: object) -> None:
    try:
        load_scenario("two_countries", {key: value})
    except ScenarioError as error:
        assert "\n" not in str(error)
