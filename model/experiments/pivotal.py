"""Who cannot be done without: residual supply indices of a negotiation's outcome.

The residual supply index of a supplier in a market is all that could be supplied there, imports
included, less what that supplier could, over demand: below one the market cannot be served without
it, which is then pivotal. Here a market is a country, its suppliers are its own fleet and the
interconnectors that its neighbours send over.

References: Sheffrin (2002), Predicting market power using the residual supply index, FERC Market
Monitoring Workshop; Newbery (2009), Predicting market power in wholesale electricity markets, EUI
Working Paper RSCAS 2009/03.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pypsa

from agents.network import DISPOSAL, SHEDDING
from agents.planning import PypsaProblem
from model.ledger import Ledger
from model.world import World


def available_mw(n: pypsa.Network) -> np.ndarray:
    """What a solved country's fleet could supply, MW per snapshot.

    Every generator at what it has available, every storage unit at its power: energy that a
    reservoir or a battery has not got is not taken off, so this is an upper bound. Shedding load is
    no supply.
    """
    own = n.generators[~n.generators.carrier.isin((SHEDDING, DISPOSAL))]
    available = n.get_switchable_as_dense("Generator", "p_max_pu")[own.index]
    supply: np.ndarray = (available * own.p_nom_opt).sum(axis=1).to_numpy()
    return supply + float(n.storage_units.p_nom_opt.sum())


def pivotal_rows(world: World, ledger: Ledger) -> list[dict[str, Any]]:
    """Rows of the table ``pivotal`` without their case; none for cost curves, which never end.

    Parameters
    ----------
    world : World
    ledger : Ledger
        Its exchange decides which fleets are built.
    """
    supply, demand = {}, {}
    for country, problem in world.problems.items():
        if not isinstance(problem, PypsaProblem):
            return []
        supply[country] = available_mw(problem.solved_network(ledger.exchange_mw(country)))
        demand[country] = problem.demand_mw
    return [_row(world, country, supply, demand) for country in supply]


def residual_supply_index(
    world: World,
    buyer: str,
    seller: str,
    supply_mw: dict[str, np.ndarray],
    demand_mw: dict[str, np.ndarray],
) -> np.ndarray:
    """Residual supply index of a neighbour in a country, per snapshot; infinite without demand."""
    least = supply_mw[buyer].copy()
    for neighbour in world.graph.neighbors(buyer):
        if neighbour != seller:
            line = world.graph.edges[neighbour, buyer]
            least = least + line["capacity_mw"][neighbour] * (1 - line["loss"])
    return _ratio(least, demand_mw[buyer])


def _row(
    world: World, country: str, supply: dict[str, np.ndarray], demand: dict[str, np.ndarray]
) -> dict[str, Any]:
    hours = world.products.weights_h
    buyers = sorted(world.graph.neighbors(country))
    index = {b: residual_supply_index(world, b, country, supply, demand) for b in buyers}
    pivotal = {b: rsi < 1 for b, rsi in index.items()}
    worst = min(buyers, key=lambda b: float(index[b].min()), default="")
    others = [c for c in supply if c != country]
    rest = _ratio(sum((supply[c] for c in others), np.zeros(len(hours))),
                  sum((demand[c] for c in others), np.zeros(len(hours))))  # fmt: skip
    anyone = np.any(list(pivotal.values()), axis=0) if buyers else np.zeros(len(hours), dtype=bool)
    return {
        "country": country,
        "least_rsi": float(index[worst].min()) if worst else np.inf,
        "least_rsi_of": worst,
        "pivotal_h": float(hours @ anyone),
        "pivotal_for": "+".join(b for b in buyers if pivotal[b].any()),
        "least_rsi_others": float(rest.min()),
    }


def _ratio(supply_mw: np.ndarray, demand_mw: np.ndarray) -> np.ndarray:
    needed = demand_mw > 0
    return np.divide(supply_mw, demand_mw, out=np.full(len(supply_mw), np.inf), where=needed)
