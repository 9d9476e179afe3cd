"""Whatever network is given: planner and countries find what plain PyPSA finds on the same file."""

from __future__ import annotations

import os
import tempfile
import warnings
from itertools import count
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from agents.planning import PypsaProblem
from model.graph import interconnection_graph
from model.joint import joint_network, plan_jointly
from model.options import RunOptions
from model.overheard import overheard
from model.world import chosen_scenario, hold_limits
from protocols.products import make_products
from pypsa_earth.attributes import across, base_name, inside
from pypsa_earth.check import check
from pypsa_earth.scenario import country_parts
from tests.drawn import Drawn
from tests.not_met import VALUES
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


@pytest.mark.parametrize(
    ("abroad", "component", "attribute"),
    [
        (abroad, *key)
        for abroad, table in ((False, inside()), (True, across()))
        for key, row in table.items()
        if row.treatment == "refused"
    ],
)
def test_what_is_refused(abroad: bool, component: str, attribute: str) -> None:
    """One such attribute in a random network that is accepted without it."""
    for k in count():
        random = Random(f"{abroad} {component} {attribute} {k}")
        n = drawn(random, 1, may_relax=False)
        if (component, attribute) == ("Process", "bus0"):
            one, other = n.codes[:2]
            n.add("Process", "across", bus0=f"{one} 0", bus1=f"{other} 0", p_nom=1.0)
            break
        names = [
            name
            for name, part in n.parts.get(component, {}).items()
            if part.get("active", True)
            and ("bus0" in part and crosses(n, part)) == abroad
            and (attribute != "delay2" or "bus2" in part)
        ]
        if names:
            before = check(as_network(n)).errors
            assert not before
            n.parts[component][random.choice(names)][attribute] = VALUES[attribute]
            break
    word = "Process across crosses a border" if attribute == "bus0" else attribute
    assert any(word in str(error) for error in check(as_network(n)).errors)


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
    def repeated(n: Drawn) -> None:
        try:
            compare(n)
        except Exception:
            KEPT.parent.mkdir(exist_ok=True)
            as_network(n).export_to_netcdf(str(KEPT))
            raise

    repeated()


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
