"""Whole networks solved as PyPSA-Earth would: the yardsticks a split is checked against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pypsa

from agents.hot_model import muted
from agents.linear import linear_model
from pypsa_earth.countries import country_of_bus
from pypsa_earth.own import Own
from pypsa_earth.rules import NationalRules, charger_ratio, lossy_link_sync
from scenarios.errors import ScenarioError


@dataclass(frozen=True)
class Reference:
    """A solved network.

    Attributes
    ----------
    cost_eur : float
        Cost of operation and of all extendable capacity, existing parts included.
    network : pypsa.Network
        With the solution written into it.
    """

    cost_eur: float
    network: pypsa.Network


def solve_whole(
    n: pypsa.Network,
    rules: Mapping[str, NationalRules] | None = None,
    time_limit_s: float | None = None,
) -> Reference:
    """Solve a network of several countries as one problem.

    Parameters
    ----------
    n : pypsa.Network
        Copied, not changed. Global constraints in it bind as they stand.
    rules : mapping of str to NationalRules, optional
        National rules; by default only what PyPSA-Earth always adds, the ratio of battery
        chargers and the equal growth of twin links.
    time_limit_s : float, optional
        Given to the solver.

    Raises
    ------
    ScenarioError
        If the solver does not reach optimality; a time limit that was hit counts as that.
    """
    whole = n.copy()
    linear_model(whole)
    for country in sorted(set(country_of_bus(whole))):
        if rules is not None:
            rules[country].add_to(whole, country)
        else:
            own = Own(whole, country)
            charger_ratio(own)
            lossy_link_sync(own)
    options: dict[str, Any] = {"output_flag": False}
    if time_limit_s is not None:
        options["time_limit"] = time_limit_s
    with muted():
        _, condition = whole.model.solve("highs", io_api="direct", **options)
    if condition != "optimal":
        raise ScenarioError(
            f"{whole.name or 'the network'} could not be solved: {condition.replace('_', ' ')}"
            + advice(condition)
        )
    cost = float(whole.model.objective.value)
    whole.optimize.assign_solution()
    whole.optimize.assign_duals()
    whole.optimize.post_processing()
    whole._objective = cost
    whole.model.solver_model = None  # a network that holds a solver cannot be copied
    return Reference(cost, whole)


def advice(condition: str) -> str:
    """What to do about a solver's verdict."""
    if "infeasible" in condition:
        return "; without load shedding demand cannot be met: --set network.load_shedding=auto"
    if "time" in condition:
        return "; cut its time with --set network.window=168"
    return ""
