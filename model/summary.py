"""The figures of a run in one dictionary, see ``docs/records.md``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from agents.problem import Plan
from model.core_check import NOT_ASKED
from model.ledger import Ledger
from model.options import DEFAULT_PERTURB, RunOptions
from model.remaining import left_at_most_eur, remaining
from model.world import World

MWH_PER_TWH = 1e6


@dataclass(frozen=True)
class Result:
    """What a finished negotiation leaves.

    Attributes
    ----------
    ledger : Ledger
    autarky, negotiated : dict of str to Plan
        Each country's plan without exchange and with its trades, re-solved.
    status, note : str
    planner_cost_eur : float, optional
    planner : str
        How the joint optimum stands, see ``docs/records.md``.
    ceiling_cost_eur : float, optional
        Of the joint optimum with flows in the same products.
    ceiling : str
        How that stands.
    lower_bound_eur : float, optional
        Certified by the protocol: no flows whatever cost less, EUR/a.
    core : mapping
        Whether a group could do better by itself, see :func:`model.core_check.check_core`.
    shares : mapping of str to float, optional
        How much of each slice's trades is carried out, where slices were reconciled.
    promises_no_loss : bool
        What the protocol promises.
    """

    ledger: Ledger
    autarky: Mapping[str, Plan]
    negotiated: Mapping[str, Plan]
    status: str
    note: str
    planner_cost_eur: float | None = None
    planner: str = "not asked"
    ceiling_cost_eur: float | None = None
    ceiling: str = "not asked"
    lower_bound_eur: float | None = None
    core: Mapping[str, Any] = field(default_factory=lambda: NOT_ASKED)
    shares: Mapping[str, float] | None = None
    promises_no_loss: bool = False

    @property
    def gains_eur(self) -> dict[str, float]:
        """Gain of each country, payments included, EUR/a."""
        return {
            c: self.autarky[c].cost_eur - self.negotiated[c].cost_eur - self.ledger.payments_eur[c]
            for c in self.autarky
        }


def summarise(
    options: RunOptions,
    world: World,
    result: Result,
    steps: pd.DataFrame,
    trades: pd.DataFrame,
    valuations: pd.DataFrame,
) -> dict[str, Any]:
    """Summary of a run.

    Parameters
    ----------
    options : RunOptions
    world : World
    result : Result
    steps, trades, valuations : DataFrame
        Tables of the run's records. Where slices were reconciled, the ledger holds what is left of
        the trades, and that alone is counted and priced.
    """
    reconciled = options.decomposition == "independent"
    carried_out = _carried_out(result.ledger) if reconciled else trades
    settings = world.scenario.settings
    autarky = sum(p.cost_eur for p in result.autarky.values())
    negotiated = sum(p.cost_eur for p in result.negotiated.values())
    gain = autarky - negotiated
    best, most = (
        None if cost is None else autarky - cost
        for cost in (result.planner_cost_eur, result.ceiling_cost_eur)
    )
    left = remaining(
        left_at_most_eur(result.ledger, result.negotiated),
        negotiated,
        autarky,
        result.lower_bound_eur,
        result.ceiling_cost_eur,
    )
    return {
        "scenario": settings.name,
        "title": settings.title,
        "protocol": options.protocol,
        "mode": options.mode,
        "products": settings.products,
        "slices": settings.slices,
        "decomposition": options.decomposition,
        "strategies": {**settings.strategies, **options.strategies},
        "privacy": options.privacy,
        "settlement": options.settlement,
        "protocol_settings": dict(options.protocol_settings),
        "resolution": settings.resolution if world.networks else "cost curves",
        "solver": options.solver,
        "seed": settings.seed,
        "luck": options.luck,
        "transit_charges": options.transit_charges,
        "status": result.status,
        "note": result.note,
        "planner": result.planner,
        "ceiling": result.ceiling,
        "warnings": list(world.scenario.warnings),
        "autarky_cost_eur": autarky,
        "planner_cost_eur": result.planner_cost_eur,
        "negotiated_cost_eur": negotiated,
        "lower_bound_eur": result.lower_bound_eur,
        "gain_eur": gain,
        "planner_gain_eur": best,
        "ceiling_gain_eur": most,
        "efficiency": efficiency(gain, best, autarky),
        "of_ceiling": efficiency(gain, most, autarky),
        "left_at_most_eur": left.at_most_eur,
        "left_proof": left.proof,
        "nothing_left": left.nothing,
        "promises_no_loss": result.promises_no_loss,
        "gains_eur": result.gains_eur,
        "operator_payment_eur": result.ledger.operator_eur,
        "core": dict(result.core),
        "countries": {c: _country(world, result, c) for c in world.countries},
        "interconnectors": _interconnectors(world, result.ledger, carried_out),
        "steps": len(steps),
        "rounds": int(steps["rounds"].sum()),
        "messages": int(steps["messages"].sum()),
        "numbers_disclosed": int(steps["numbers_disclosed"].sum()),
        "trades": len(result.ledger.trades) if reconciled else int(steps["trades"].sum()),
        "carried_out_share": None if result.shares is None else dict(result.shares),
        "local_solves": int(steps["local_solves"].max()) if len(steps) else 0,
        "dependent_solves": int(steps["dependent_solves"].sum()),
        "valuation": _valuation(options, steps, valuations),
        "residuals": _residuals(world, result),
    }


def _valuation(
    options: RunOptions, steps: pd.DataFrame, valuations: pd.DataFrame
) -> dict[str, Any]:
    """What was tried by perturbation, and how far it lies from the duals."""
    tried = valuations.dropna(subset=["delta_mw"])
    dual = tried["marginal_value_eur_per_mwh"]
    below = dual - tried["mc_import_eur_per_mwh"]
    above = tried["mc_export_eur_per_mwh"] - dual
    solves = int(steps["valuation_solves"].max()) if len(steps) else 0
    own_rule = len(tried) > 0 and not solves
    usual = "protocol" if own_rule else DEFAULT_PERTURB
    return {
        "perturb": options.perturb or usual,
        "solves": solves,
        "coverage": len(tried) / len(valuations) if len(valuations) else 0.0,
        "below_dual_eur_per_mwh": float(below.mean()) if len(tried) else None,
        "above_dual_eur_per_mwh": float(above.mean()) if len(tried) else None,
        "widest_eur_per_mwh": float((below + above).max()) if len(tried) else None,
    }


def efficiency(gain: float, best: float | None, cost: float) -> float | None:
    """Share of the best possible gain; undefined where there is nothing to gain."""
    if best is None or best <= 1e-9 * abs(cost):
        return None
    return gain / best


def _country(world: World, result: Result, country: str) -> dict[str, Any]:
    hours = world.products.weights_h
    demand = world.problems[country].demand_mw
    names = world.graph.nodes[country]
    autarky, negotiated = result.autarky[country], result.negotiated[country]
    weights = hours * demand if demand.any() else hours
    return {
        "name": names["name"],
        "demand_twh": float(hours @ demand) / MWH_PER_TWH,
        "autarky_cost_eur": autarky.cost_eur,
        "negotiated_cost_eur": negotiated.cost_eur,
        "payment_eur": result.ledger.payments_eur[country],
        "gain_eur": result.gains_eur[country],
        "autarky_price_eur_per_mwh": float(
            np.average(autarky.mean_price_eur_per_mwh, weights=weights)
        ),
        "negotiated_price_eur_per_mwh": float(
            np.average(negotiated.mean_price_eur_per_mwh, weights=weights)
        ),
        "net_import_twh": float(hours @ result.ledger.net_import_mw(country)) / MWH_PER_TWH,
    }


def _carried_out(ledger: Ledger) -> pd.DataFrame:
    """Trades of a ledger, a row for each of its slices."""
    of, hours = np.array(ledger.products.slices), ledger.products.hours
    rows = []
    for trade in ledger.trades:
        energy = np.asarray(trade.mw) * hours
        rows += [
            {
                "path": trade.name,
                "slice": name,
                "energy_mwh": float(energy[of == name].sum()),
                "price_eur_per_mwh": trade.price_eur_per_mwh,
            }
            for name in dict.fromkeys(of[energy > 0].tolist())
        ]
    return pd.DataFrame(rows, columns=["path", "slice", "energy_mwh", "price_eur_per_mwh"])


def _interconnectors(world: World, ledger: Ledger, trades: pd.DataFrame) -> dict[str, Any]:
    hours = world.products.weights_h
    entries = {}
    for one, other, data in world.graph.edges(data=True):
        a, b = sorted((one, other))
        out, back = (np.maximum(ledger.flow_mw(*way), 0.0) for way in ((a, b), (b, a)))
        capacity = data["capacity_mw"]
        full = np.zeros(len(hours), dtype=bool)
        for flow, sender in ((out, a), (back, b)):
            full |= (flow > 0) & (flow >= capacity[sender] - 1e-3)
        entries[data["name"]] = {
            "a_to_b_twh": float(hours @ out) / MWH_PER_TWH,
            "b_to_a_twh": float(hours @ back) / MWH_PER_TWH,
            "a_to_b_mw": float(np.max(capacity[a])),
            "b_to_a_mw": float(np.max(capacity[b])),
            "hours_at_limit": float(hours @ full),
            "mean_price_eur_per_mwh": _mean_price(trades, (a, b)),
            "losses_twh": data["loss"] * float(hours @ (out + back)) / MWH_PER_TWH,
        }
    return entries


def _mean_price(trades: pd.DataFrame, ends: tuple[str, str]) -> float | None:
    """Energy-weighted mean price of all trades whose path uses an interconnector."""
    a, b = ends
    used = [_uses(path, a, b) for path in trades["path"]] if len(trades) else []
    over = trades[used] if used else trades
    energy = float(over["energy_mwh"].sum()) if used else 0.0
    if energy == 0:
        return None
    return float((over["energy_mwh"] * over["price_eur_per_mwh"]).sum()) / energy


def _uses(path: str, a: str, b: str) -> bool:
    return any({x, y} == {a, b} for x, y in pairwise(path.split(">")))


def _residuals(world: World, result: Result) -> dict[str, float]:
    ledger = result.ledger
    total = sum(ledger.net_import_mw(c) for c in world.countries)
    for a, b, data in world.graph.edges(data=True):
        total = total + data["loss"] * np.abs(ledger.flow_mw(a, b))
    return {
        "balance_mw": float(np.abs(total).max()),
        "budget_eur": float(sum(ledger.payments_eur.values()) + ledger.operator_eur),
        "worst_gain_eur": min(result.gains_eur.values()),
    }
