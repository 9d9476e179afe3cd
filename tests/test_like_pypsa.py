"""Whatever network is given: planner and countries find what plain PyPSA finds on the same file."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from agents.planning import PypsaProblem
from model.graph import interconnection_graph
from model.joint import joint_network, plan_jointly
from model.options import RunOptions
from model.overheard import overheard
from model.world import chosen_scenario, hold_limits
from protocols.products import make_products
from pypsa_earth.scenario import country_parts
from tests.random_networks import (
    Drawn,
    alone,
    cost_of_firm_eur,
    costs_eur,
    networks,
    solve,
    transport_model,
)

# Files of one of two parts, so that two workers share them; 100 make 2 000 networks in all.
FILES = int(os.environ.get("DMAN_CEP_FILES", "5"))
SYSTEMS = 10
# Accuracy of the solvers, as a share of the cost.
ACCURACY = 1e-6
# The file of the last failure.
KEPT = Path(__file__).parent / "output" / "unlike-pypsa.nc"


@pytest.mark.parametrize("part", range(2))
def test_planner_and_countries(part: int) -> None:
    @seed(part)
    @settings(
        max_examples=FILES,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # a smaller example is not worth the minutes: the file is kept
        suppress_health_check=list(HealthCheck),
    )
    @given(networks(SYSTEMS))
    def drawn(n: Drawn) -> None:
        try:
            compare(n)
        except Exception:
            KEPT.parent.mkdir(exist_ok=True)
            n.network().export_to_netcdf(str(KEPT))
            raise

    drawn()


def compare(n: Drawn) -> None:
    """Both yardsticks against plain PyPSA."""
    with overheard(), warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        file = Path(folder) / "drawn.nc"
        n.network().export_to_netcdf(str(file))
        scenario = chosen_scenario(RunOptions(str(file)))
        parts, graph = country_parts(scenario), interconnection_graph(scenario)
        hold_limits(graph, parts)
        rules = {c: part.rules for c, part in parts.items()}
        joint = joint_network({c: part.network for c, part in parts.items()}, graph)
        plan_jointly(joint, rules, graph=graph)
        best = costs_eur(solve(transport_model(n).network()))
        assert costs_eur(joint) == pytest.approx(best, rel=ACCURACY, abs=1.0)
        for code in scenario.codes[:: len(scenario.codes) // 2]:
            (own,) = costs_eur(solve(alone(n, code).network())).values()
            ports = graph.nodes[code].get("ports") or [parts[code].load_shares()]
            hours, slices = np.array(n.hours["objective"]), np.full(n.length, "year")
            shape = make_products("flat", slices, slices, hours).shape
            problem = PypsaProblem(code, parts[code].network, shape, rules[code], ports=ports)
            cost = problem.solve(0.0 * problem.weights_h).cost_eur
            expected = own + cost_of_firm_eur(n, code)
            assert cost == pytest.approx(expected, rel=ACCURACY, abs=1.0), code
