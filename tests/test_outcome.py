"""The network of the outcome, solved by plain PyPSA, costs what the run says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pypsa
import pytest

from agents.policy import PolicyInForce
from model.options import RunOptions
from model.outcome import KINDS, _read, _written, national_policies
from model.runs import run
from pypsa_earth.limits import Limit
from pypsa_earth.national import NationalValues
from pypsa_earth.rules import NationalRules
from tests.small_networks import COUNTRIES, written


def solved_again(folder: str, **options: Any) -> float:
    n = pypsa.Network(str(Path(folder) / "network.nc"))
    n.optimize(solver_name="highs", output_flag=False, include_objective_constant=False, **options)
    return float(n.objective)


def check(summary: dict[str, Any]) -> None:
    """With the policies the costs are repeated; without them the countries would save."""
    cost = summary["negotiated_cost_eur"]
    again = solved_again(summary["folder"], extra_functionality=national_policies)
    assert again == pytest.approx(cost, rel=1e-6)
    assert solved_again(summary["folder"]) < cost * (1 - 1e-4)


def test_policies_of_a_scenario(tmp_path: Path) -> None:
    on = ("co2_caps", "reserve_margins")
    check(
        run(
            RunOptions(
                "sapp2030",
                countries=("MZ", "ZA"),
                resolution="1w6h",
                max_steps=1,
                planner=False,
                out=tmp_path,
                overrides={f"policy.{switch}": True for switch in on},
            )
        )
    )


def test_limits_of_a_network_file(tmp_path: Path) -> None:
    def less(n: pypsa.Network) -> None:
        kind = n.global_constraints.type == "primary_energy"
        n.global_constraints.loc[kind, "constant"] *= 0.5

    file = written(tmp_path, less)
    check(run(RunOptions(str(file), countries=COUNTRIES, max_steps=1, planner=False, out=tmp_path)))


def test_policies_are_written_whole() -> None:
    limit = Limit("CO2", "primary_energy", "co2_emissions", "<=", 1e6)
    policies = {
        "AA": PolicyInForce(co2_cap_t=1e6, reserve_mw=10.0, firm_share={"gas": 0.9}),
        "BB": NationalRules(
            limits=(limit,),
            eq_share=0.7,
            reserve=(0.1, 0.2, 3.0),
            values=NationalValues(bau_mw={"gas": 5.0}, ccl_mw={"wind": (None, 7.0)}),
        ),
    }
    assert _read({"dman_cep_policies": _written(policies)}) == policies
    assert {type(policy) for policy in policies.values()} == set(KINDS.values())
