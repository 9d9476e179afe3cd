"""Slices planned and negotiated each on its own, reconciled at the end.

This is how the research prototype treated time: every month is a planning problem of its own, with
annual costs in proportion to its hours. A country would then have a different fleet every month.
At the end one fleet is planned for the whole year under all slices' trades, and money moves from
winners to losers until nobody loses by that; if all together lose, the trades are void.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pypsa

from agents.policy import Policy, PolicyInForce
from model import tables
from model.ledger import Ledger
from model.negotiation import NegotiationModel
from model.options import RunOptions
from model.players import chosen_protocol, chosen_strategies
from model.records import RunRecords
from model.reporting import Reporter
from model.world import World, pypsa_problems
from protocols.messages import Trade
from protocols.products import Products
from scenarios.errors import ScenarioError

HOURS_PER_YEAR = 8760.0


def negotiate_slices(
    world: World, options: RunOptions, records: RunRecords, reporter: Reporter
) -> tuple[Ledger, str, str]:
    """Negotiate each slice alone and reconcile.

    Returns
    -------
    Ledger
        All slices' trades in the year's products, with the reconciling transfers.
    str, str
        Status (the first slice's that did not agree, else agreed) and note.

    Raises
    ------
    ScenarioError
        For cost curves, which have no fleet to plan slice by slice.
    """
    if not world.networks:
        raise ScenarioError("--decomposition independent needs PyPSA countries, not cost curves")
    if world.scenario.settings.kind == "network":
        raise ScenarioError(
            "--decomposition independent is not made for network files; leave it out"
        )
    ledger = Ledger(world.graph, world.products)
    names = tuple(dict.fromkeys(world.products.slices))
    status, notes = "agreed", []
    first_step = first_solve = 0
    records.truncate_after(-1)
    reporter.phase("negotiating", options.max_steps * len(names))
    for name in names:
        model = _slice_model(world, name, options)
        model.plan_alone()
        for _ in range(options.max_steps):
            model.step()
            _record(model, records, reporter, first_step, first_solve)
            for trade in model.last.outcome.trades if model.last else ():
                ledger.book(_in_year(trade, world.products, name))
            if not model.running:
                break
        first_step += model.steps
        first_solve += model.local_solves
        ended = "capped" if model.running else model.status
        if ended != "agreed":
            notes.append(f"{name}: {ended}")
            status = ended if status == "agreed" else status
    return reconcile(world, ledger, status, "; ".join(notes))


def reconcile(world: World, ledger: Ledger, status: str, note: str) -> tuple[Ledger, str, str]:
    """Plan one fleet under all trades; losers are compensated by winners in proportion."""
    gains = {}
    for country, problem in world.problems.items():
        exchange = ledger.exchange_mw(country)
        saved = problem.cost(np.zeros_like(exchange)) - problem.cost(exchange)
        gains[country] = saved - ledger.payments_eur[country]
    total, won = sum(gains.values()), sum(g for g in gains.values() if g > 0)
    if total < 0:
        note = f"one fleet for the year makes all together lose {-total:.4g} EUR/a: trades void"
        return Ledger(world.graph, world.products), "failed", note
    lost = -sum(g for g in gains.values() if g < 0)
    if lost > 0:
        share = lost / won
        ledger.transfer({c: g if g < 0 else g * share for c, g in gains.items()})
        note = "; ".join([*filter(None, [note]), f"reconciled by transfers of {lost:.4g} EUR/a"])
    return ledger, status, note


def _slice_model(world: World, name: str, options: RunOptions) -> NegotiationModel:
    rows = np.array([s == name for s in world.products.slices])
    columns = world.products.shape[rows].any(axis=0)
    products = Products(
        tuple(np.array(world.products.names)[rows].tolist()),
        (name,) * int(rows.sum()),
        world.products.shape[np.ix_(rows, columns)],
        world.products.weights_h[columns],
    )
    share = float(products.weights_h.sum()) / HOURS_PER_YEAR
    networks = {c: _cut(n, columns, share) for c, n in world.networks.items()}
    policies: dict[str, Policy] = {
        c: _scaled(p, share) for c, p in world.policies.items() if isinstance(p, PolicyInForce)
    }
    return NegotiationModel(
        pypsa_problems(networks, policies, products, options.solver),
        world.graph,
        products,
        chosen_protocol(options),
        seed=world.scenario.settings.seed,
        workers=options.workers,
        strategies=chosen_strategies(options, world.scenario),
        price_cap_eur_per_mwh=world.scenario.settings.value_of_lost_load_eur_per_mwh,
    )


def _cut(n: pypsa.Network, columns: np.ndarray, share: float) -> pypsa.Network:
    """Network of a slice; annual costs in proportion to its hours, storage cyclic within it."""
    part = n.copy(snapshots=n.snapshots[columns])
    part.generators.capital_cost *= share
    part.storage_units.capital_cost *= share
    return part


def _scaled(policy: PolicyInForce, share: float) -> PolicyInForce:
    cap = policy.co2_cap_t
    return replace(policy, co2_cap_t=None if cap is None else cap * share)


def _in_year(trade: Trade, products: Products, name: str) -> Trade:
    """The same trade in the products of the whole year."""
    mw = np.zeros(len(products))
    mw[[s == name for s in products.slices]] = trade.mw
    return replace(trade, mw=tuple(mw.tolist()))


def _record(
    model: NegotiationModel,
    records: RunRecords,
    reporter: Reporter,
    first_step: int,
    first_solve: int,
) -> None:
    record = model.last
    assert record is not None
    record = replace(record, step=first_step + record.step)
    row = tables.steps_row(record, model)
    row["local_solves"] = first_solve + model.local_solves
    records.write_step(
        record.step,
        {
            "steps": pd.DataFrame([row]),
            "messages": tables.messages_table(record),
            "trades": tables.trades_table(record, model.ledger),
            "valuations": tables.valuations_table(record, model.products.names),
        },
    )
    reporter.step(row)
