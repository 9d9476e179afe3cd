"""Whatever network is given: planner and countries find what plain PyPSA finds on the same file."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st

from agents.planning import PypsaProblem
from model.graph import interconnection_graph
from model.joint import joint_network, plan_jointly
from model.options import RunOptions
from model.overheard import overheard
from model.world import chosen_scenario, hold_limits
from protocols.products import make_products
from pypsa_earth.attributes import across, base_name, inside
from pypsa_earth.scenario import country_parts, inspected, source_of
from scenarios.errors import ScenarioError
from tests.drawn import Drawn
from tests.plain_pypsa import (
    apart,
    as_network,
    cost_of_firm_eur,
    costs_eur,
    crosses,
    solved,
    transport_model,
)
from tests.random_networks import drawn, networks

# Files of fifty networks each; 40 make 2 000.
FILES = int(os.environ.get("DMAN_CEP_FILES", "2"))
SYSTEMS = 50
# Accuracy of the solvers, as a share of the cost.
ACCURACY = 1e-6
# Of the planner's interior point, as a share of the cost of all networks of a file.
INTERIOR = 1e-9
# The file of the last failure.
KEPT = Path(__file__).parent / "output" / "unlike-pypsa.nc"


# What is refused, by attribute: a value that is none of PyPSA's defaults.
REFUSED = {
    "marginal_cost_quadratic": 0.01,
    "committable": True,
    "maintainable": True,
    "p_nom_mod": 50.0,
    "s_nom_mod": 50.0,
    "e_nom_mod": 50.0,
    "investment_period": 2030.0,
    "ramp_limit_up": 0.5,
    "ramp_limit_down": 0.5,
    "delay": 1,
    "delay2": 1,
    "v_ang_max": 30.0,
    "phase_shift_min": -5.0,
    "phase_shift_max": 5.0,
}


def test_every_attribute_that_counts_is_drawn() -> None:
    seen: dict[bool, set[tuple[str, str]]] = {True: set(), False: set()}
    for k in range(60):
        n = drawn(Random(k), SYSTEMS)
        for component, named in n.parts.items():
            for part in named.values():
                abroad = "bus0" in part and crosses(n, part)
                seen[abroad] |= {(component, base_name(attribute)) for attribute in part}
    for abroad, table in ((False, inside()), (True, across())):
        counted = {
            key
            for key, row in table.items()
            if row.treatment in ("met", "shared")
            and row.is_met
            and key[1] != "name"
            and not row.rule.startswith("read only")
        }
        assert sorted(counted - seen[abroad]) == []


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(st.randoms(use_true_random=True), st.data())
def test_what_is_refused(random: Random, data: st.DataObject) -> None:
    n = drawn(random, 1, may_relax=False)
    rows = [
        (abroad, key)
        for abroad, table in ((False, inside()), (True, across()))
        for key, row in table.items()
        if row.treatment == "refused"
    ]
    abroad, (component, attribute) = data.draw(st.sampled_from(rows))
    if (component, attribute) == ("Process", "bus0"):
        one, other = n.codes[:2]
        n.add("Process", "across", bus0=f"{one} 0", bus1=f"{other} 0", p_nom=1.0)
    else:
        names = [
            name
            for name, part in n.parts.get(component, {}).items()
            if part.get("active", True)
            and ("bus0" in part and crosses(n, part)) == abroad
            and (attribute != "delay2" or "bus2" in part)
        ]
        assume(names)
        n.parts[component][data.draw(st.sampled_from(names))][attribute] = REFUSED[attribute]
    with overheard(), warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        file = Path(folder) / "drawn.nc"
        as_network(n).export_to_netcdf(str(file))
        with pytest.raises(ScenarioError):
            chosen_scenario(RunOptions(str(file)))
        _, report = inspected(source_of(file, {}))
    word = "Process across crosses a border" if attribute == "bus0" else attribute
    assert any(word in str(error) for error in report.errors)


@pytest.mark.parametrize("part", range(FILES))
def test_planner_and_countries(part: int) -> None:
    @seed(part)
    @settings(
        max_examples=1,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # a smaller example is not worth the minutes: the file is kept
        suppress_health_check=list(HealthCheck),
    )
    @given(networks(SYSTEMS, part))
    def check(n: Drawn) -> None:
        try:
            compare(n)
        except Exception:
            KEPT.parent.mkdir(exist_ok=True)
            as_network(n).export_to_netcdf(str(KEPT))
            raise

    check()


def compare(n: Drawn) -> None:
    """Both yardsticks against plain PyPSA."""
    with overheard(), warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        file = Path(folder) / "drawn.nc"
        as_network(n).export_to_netcdf(str(file))
        relaxing = {"network.integers": "relax"} if n.relaxed else {}
        scenario = chosen_scenario(RunOptions(str(file), overrides=relaxing))
        parts, graph = country_parts(scenario), interconnection_graph(scenario)
        hold_limits(graph, parts)
        rules = {c: part.rules for c, part in parts.items()}
        joint = joint_network({c: part.network for c, part in parts.items()}, graph)
        plan_jointly(joint, rules, graph=graph)
        ours, best = costs_eur(joint), costs_eur(solved(transport_model(n)))
        rounding = max(1.0, INTERIOR * best.sum())
        systems = [code[2:] for code in best.index]
        costs = pd.DataFrame({"ours": ours, "plain": best}).groupby(systems).sum()
        for system, cost, expected in costs.itertuples():
            assert cost == pytest.approx(expected, rel=ACCURACY, abs=rounding), system
        own = costs_eur(solved(apart(n)))
        for code in scenario.codes[:: len(scenario.codes) // 4]:
            ports = graph.nodes[code].get("ports") or [parts[code].load_shares()]
            hours, slices = np.array(n.hours["objective"]), np.full(n.length, "year")
            shape = make_products("flat", slices, slices, hours).shape
            problem = PypsaProblem(code, parts[code].network, shape, rules[code], ports=ports)
            cost = problem.solve(0.0 * problem.weights_h).cost_eur
            expected = own[code] + cost_of_firm_eur(n, code)
            assert cost == pytest.approx(expected, rel=ACCURACY, abs=1.0), code
