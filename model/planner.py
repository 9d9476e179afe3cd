"""The yardstick that sees everything, cached by the content of what it was computed from."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pypsa

import agents.network
import agents.policy
import model.curve_planner
import model.joint
from agents.curve_problem import CurveProblem
from model.curve_planner import plan_curves
from model.graph import strands
from model.joint import joint_network, plan_jointly
from model.ledger import Ledger
from model.world import World
from protocols.products import Products
from pypsa_earth import rules
from scenarios.schema import Scenario


@dataclass(frozen=True)
class PlannerResult:
    """The planner's optimum.

    Attributes
    ----------
    cost_eur : float
        Cost of all countries, EUR/a.
    flows_mw : dict of str to ndarray
        Net flow of each interconnector, positive from its alphabetically first country.
    """

    cost_eur: float
    flows_mw: dict[str, np.ndarray]

    def exchange_mw(self, world: World, country: str) -> np.ndarray:
        """Net import of a country in the planner's optimum, MW per snapshot."""
        ledger = Ledger(world.graph, world.products)
        ledger.flows_mw = self.flows_mw
        return ledger.exchange_mw(country)


def planner(world: World, products: Products | None = None) -> PlannerResult:
    """Planner's optimum on exactly the agents' problems; from the cache if it is there.

    Parameters
    ----------
    world : World
    products : Products, optional
        Restrict exchange to these; by default every snapshot is free.
    """
    place = cache_folder() / f"planner-{_key(world, products)}.npz"
    cached = _load(place)
    if cached is not None:
        return cached
    result = _compute(world, products)
    _store(place, result)
    return result


def cache_folder() -> Path:
    """Folder of cached results: ``$DMAN_CEP_CACHE``, else the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("DMAN_CEP_CACHE") or Path(home) / "dman-cep")


def _compute(world: World, products: Products | None) -> PlannerResult:
    if not world.networks:
        curves = {c: p for c, p in world.problems.items() if isinstance(p, CurveProblem)}
        cost, flows = plan_curves(curves, world.graph, products or _every_snapshot(world))
        return PlannerResult(cost, flows)
    n = joint_network(world.networks, world.graph)
    cost = plan_jointly(n, world.policies, products, world.graph)
    return PlannerResult(cost, _net_flows(n, world))


def _net_flows(n: pypsa.Network, world: World) -> dict[str, np.ndarray]:
    def sent(sender: str, receiver: str) -> np.ndarray:
        names = [strand.name for strand in strands(world.graph, sender, receiver)]
        total: np.ndarray = n.links_t.p0[names].sum(axis=1).to_numpy()
        return total

    return {
        data["name"]: (sent(a, b) - sent(b, a)) * (1 if a < b else -1)
        for a, b, data in world.graph.edges(data=True)
    }


def _every_snapshot(world: World) -> Products:
    weights = world.products.weights_h
    names = tuple(str(t) for t in range(len(weights)))
    return Products(names, names, np.eye(len(weights)), weights)


def _key(world: World, products: Products | None) -> str:
    """Hash of everything the optimum depends on."""
    digest = hashlib.sha256()
    for package in ("pypsa", "linopy", "highspy"):
        digest.update(f"{package}={version(package)};".encode())
    for module in (agents.network, agents.policy, model.joint, model.curve_planner, rules):
        digest.update(Path(str(module.__file__)).read_bytes())
    digest.update(without_negotiation(world.scenario).model_dump_json().encode())
    digest.update(world.products.weights_h.tobytes())
    for problem in world.problems.values():
        digest.update(np.ascontiguousarray(problem.demand_mw).tobytes())
    for n in world.networks.values():
        for frame in (n.generators_t.p_max_pu, n.storage_units_t.inflow):
            digest.update(np.ascontiguousarray(frame.to_numpy(dtype=float)).tobytes())
    if products is not None:
        digest.update(products.shape.tobytes())
    return digest.hexdigest()[:24]


def without_negotiation(scenario: Scenario) -> Scenario:
    """The scenario with what the planner does not look at set to its default.

    So that negotiations about other products, or with other strategies, find the same optimum.
    """
    plain = {"products": "flat", "slices": "year", "strategies": {}}
    settings = scenario.settings.model_copy(update=plain)
    return scenario.model_copy(update={"settings": settings})


def _load(place: Path) -> PlannerResult | None:
    if not place.exists():
        return None
    try:
        with np.load(place) as data:
            flows = {k.removeprefix("flow/"): data[k] for k in data.files if k != "cost_eur"}
            return PlannerResult(float(data["cost_eur"]), flows)
    except (OSError, ValueError, KeyError, EOFError):
        return None  # a damaged cache file is only lost time


def _store(place: Path, result: PlannerResult) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    half = place.with_suffix(f".{os.getpid()}.tmp.npz")
    arrays: dict[str, Any] = {f"flow/{name}": flow for name, flow in result.flows_mw.items()}
    np.savez_compressed(half, cost_eur=np.array(result.cost_eur), **arrays)
    half.replace(place)
