"""Shadow prices of national limits: derivatives of cost, written where PyPSA has them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pypsa
import pytest
import yaml

from agents.planning import LimitPrice, PypsaProblem
from model.options import RunOptions
from model.records import RunRecords
from model.runs import run
from pypsa_earth.limits import Limit
from pypsa_earth.national import NationalValues
from pypsa_earth.own import row_name
from pypsa_earth.references import solve_whole
from pypsa_earth.results import COUNTRIES as COUNTRY_FOLDER
from pypsa_earth.results import SHADOW_PRICES
from pypsa_earth.rules import NationalRules
from pypsa_earth.shadow_prices import SolvedCountry, shadow_prices
from pypsa_earth.split import split
from tests.small_networks import sapp_like, written

ZA_LIMITS = NationalRules(
    limits=(
        Limit("CO2Limit", "primary_energy", "co2_emissions", "<=", 4e7),
        Limit("lv_limit", "transmission_volume_expansion_limit", "AC, DC", "<=", 900.0 * 3010.0),
    )
)
# Of plants of which there is one: limits on a single variable, which have a price all the same.
NA_LIMITS = NationalRules(
    values=NationalValues(ccl_mw={"solar": (None, 50.0), "OCGT": (900.0, None)})
)


@cache
def part(country: str) -> pypsa.Network:
    """South Africa's coal is in the north and much of its load in the south."""
    n = sapp_like("MW")
    n.lines.loc["0", ["s_nom_extendable", "s_nom_min"]] = [True, 3000.0]
    n.loads_t.p_set[["ZA1 0", "ZA1 1"]] *= 0.3, 1.5
    return split(n)[country]


@cache
def solved(country: str, rules_of: str = "", more: float = 0.0) -> SolvedCountry:
    """A country alone under its limits, one of them moved."""
    rules = {"ZA": ZA_LIMITS, "NA": NA_LIMITS}[country]
    if rules_of in ("CO2Limit", "lv_limit"):
        moved = (_moved(k, more) if k.name == rules_of else k for k in rules.limits)
        rules = replace(rules, limits=tuple(moved))
    elif rules_of:
        ccl = {"solar": (None, 50.0), "OCGT": (900.0, None)}
        _, carrier, side = rules_of.split()
        ccl[carrier] = (900.0 + more, None) if side == "min" else (None, 50.0 + more)
        rules = NationalRules(values=NationalValues(ccl_mw=ccl))
    problem = PypsaProblem(
        country,
        part(country).copy(),
        np.eye(len(part(country).snapshots)),
        rules,
        ports=({f"{country}1 0": 1.0},),
    )
    here = np.zeros(len(problem.weights_h))
    return SolvedCountry(problem.solved_network(here), rules, problem.limit_prices(here))


def _moved(limit: Limit, more: float) -> Limit:
    return replace(limit, constant=limit.constant + more)


@pytest.mark.parametrize(
    ("country", "limit", "more"),
    [
        ("ZA", "CO2Limit", 1e3),
        ("ZA", "lv_limit", 900.0),
        ("NA", "CCL solar max", 1.0),
        ("NA", "CCL OCGT min", 1.0),
    ],
)
def test_a_shadow_price_is_the_derivative_of_cost(country: str, limit: str, more: float) -> None:
    here, there = solved(country), solved(country, limit, more)
    before, after = (
        {p.name: p.eur_per_unit for p in s.prices}[f"{country} {limit}"] for s in (here, there)
    )
    assert abs(before) > 0.1
    # Cost is convex in the limit, so that the chord lies between the slopes at its ends.
    chord = (there.network.objective - here.network.objective) / more
    accuracy = 1e-9 * here.network.objective / more
    assert before - accuracy <= chord <= after + accuracy


def test_it_is_pypsas_own_mu() -> None:
    mine = solved("ZA").with_limits()
    n = part("ZA").copy()
    for name, row in mine.global_constraints.iterrows():
        n.add("GlobalConstraint", name, **row[["type", "carrier_attribute", "sense", "constant"]])
    own = solve_whole(n, {"ZA": NationalRules()})
    assert mine.objective == pytest.approx(own.cost_eur, rel=1e-8)
    theirs = own.network.global_constraints.mu
    assert set(theirs.index) == {"CO2Limit", "lv_limit"}
    assert mine.global_constraints.mu.to_dict() == pytest.approx(theirs.to_dict(), rel=1e-5)


def test_limits_bear_the_names_of_carriers_as_they_are_spelt() -> None:
    ccl = {"offwind-ac": (None, 5.0)}
    rules = NationalRules(values=NationalValues(ccl_mw=ccl))
    found = LimitPrice(row_name("NA", "CCL offwind-ac max"), "<=", 5.0, -7.0)
    own = SolvedCountry(part("NA"), rules, [found])
    assert shadow_prices({"NA": own}).limit.tolist() == ["CCL offwind-ac max"]
    assert own.with_limits().global_constraints.mu.to_dict() == {"CCL offwind-ac max": -7.0}


def test_a_run_writes_them(tmp_path: Path) -> None:
    national = tmp_path / "national.yaml"
    values = {
        "ZA": {"co2_limit_t": 3e7, "ccl_mw": {"OCGT": [200.0, None], "onwind": [None, 2000.0]}},
        "NA": {"bau_mw": {"OCGT": 60.0}},
    }
    national.write_text(yaml.safe_dump(values), encoding="utf-8")
    summary = run(
        RunOptions(
            str(written(tmp_path)),
            countries=("NA", "ZA"),
            protocol="consensus_admm",
            mode="standard",
            planner=False,
            out=tmp_path / "runs",
            overrides={"network.national": str(national), "network.window": "8"},
        )
    )
    folder = RunRecords.open(summary["folder"]).path
    table = pd.read_csv(folder / SHADOW_PRICES, keep_default_na=False)
    table = table.set_index(["country", "limit"]).eur_per_unit
    assert {"CO2Limit", "CCL OCGT min", "CCL onwind max"} == set(table["ZA"].index)
    assert {"CO2Limit", "BAU OCGT"} == set(table["NA"].index)
    assert table["ZA", "CO2Limit"] < -1.0
    for country in ("NA", "ZA"):
        n = pypsa.Network(str(folder / COUNTRY_FOLDER / f"{country}.nc"))
        mu = n.global_constraints.mu.to_dict()
        assert mu == pytest.approx(table[country].to_dict())
