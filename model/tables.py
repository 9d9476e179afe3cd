"""Tables of a run: what happened, as data frames with the documented columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
import pypsa

from agents.network import DISPOSAL
from agents.problem import Plan
from agents.valuation import MarginalCosts
from model.ledger import Ledger
from model.negotiation import NegotiationModel, StepRecord
from model.world import World
from protocols.messages import Message
from protocols.products import Products
from pypsa_earth.shedding import SHEDDING_CARRIERS


def step_tables(
    record: StepRecord, model: NegotiationModel, row: dict[str, object], snapshots: pd.Index
) -> dict[str, pd.DataFrame]:
    """All tables of a step by name.

    Parameters
    ----------
    record : StepRecord
    model : NegotiationModel
    row : dict of str to object
        That of ``steps``.
    snapshots : Index
        Of the model's products.
    """
    return {
        "steps": pd.DataFrame([row]),
        "messages": messages_table(record.step, record.tally.log),
        "trades": trades_table(record, model.ledger),
        "valuations": valuations_table(record, model.products.names),
        "step_flows": step_flows_table(record.step, model.ledger, snapshots),
        "step_costs": step_costs_table(
            record.step, model.autarky_eur, record.costs_eur, model.ledger.payments_eur
        ),
    }


def products_table(products: Products, snapshots: pd.Index) -> pd.DataFrame:
    """What one MW of each product delivers, a row per snapshot it delivers in."""
    place = products.shape.tocoo()
    return pd.DataFrame(
        {
            "product": np.array(products.names, dtype=object)[place.row],
            "slice": np.array(products.slices, dtype=object)[place.row],
            "snapshot": snapshots[place.col],
            "weight_h": products.weights_h[place.col],
            "mw_per_mw": place.data,
        }
    )


def step_flows_table(step: int, ledger: Ledger, snapshots: pd.Index) -> pd.DataFrame:
    """Flows after a step."""
    lines = ledger.flows_mw
    if not lines:
        return pd.DataFrame()
    return pd.DataFrame(
        {
            "step": step,
            "interconnector": np.repeat(np.array(list(lines), dtype=object), len(snapshots)),
            "snapshot": np.tile(snapshots, len(lines)),
            "flow_mw": np.concatenate(list(lines.values())),
        }
    )


def step_costs_table(
    step: int,
    autarky_eur: Mapping[str, float],
    cost_eur: Mapping[str, float],
    payment_eur: Mapping[str, float],
) -> pd.DataFrame:
    """Where each country stands after a step."""
    return pd.DataFrame(
        [
            {
                "step": step,
                "country": country,
                "autarky_cost_eur": autarky_eur[country],
                "cost_eur": cost,
                "payment_eur": payment_eur[country],
            }
            for country, cost in cost_eur.items()
        ]
    )


def transfers_table(ledger: Ledger) -> pd.DataFrame:
    """Payments that are no trade's."""
    return pd.DataFrame([asdict(transfer) for transfer in ledger.transfers])


def shares_table(shares: Mapping[str, float]) -> pd.DataFrame:
    """How much of each slice's trades is carried out."""
    return pd.DataFrame({"slice": list(shares), "share": list(shares.values())}, dtype=object)


def messages_table(step: int, log: Sequence[Message]) -> pd.DataFrame:
    """Messages of a step, in order."""
    return pd.DataFrame(
        [
            {
                "step": step,
                "round": m.round,
                "order": order,
                "sender": m.sender,
                "receiver": m.receiver,
                "via": ">".join(m.via),
                "act": m.act,
                "kind": type(m.body).__name__,
                "body": json.dumps(m.body.record()),
                "hops": m.hops,
                "numbers_disclosed": len(m.body.private_numbers()),
            }
            for order, m in enumerate(log)
        ]
    )


def trades_table(record: StepRecord, ledger: Ledger) -> pd.DataFrame:
    """Trades of a step, one row per product delivered."""
    products = ledger.products
    rows = []
    for number, trade in enumerate(record.outcome.trades):
        for k in np.flatnonzero(np.asarray(trade.mw)):
            rows.append(
                {
                    "step": record.step,
                    "round": trade.round,
                    "trade": number,
                    "exporter": trade.exporter,
                    "importer": trade.importer,
                    "path": trade.name,
                    "product": products.names[k],
                    "slice": products.slices[k],
                    "mw": trade.mw[k],
                    "energy_mwh": trade.mw[k] * products.hours[k],
                    "price_eur_per_mwh": trade.price_eur_per_mwh,
                }
            )
    return pd.DataFrame(rows)


def valuations_table(record: StepRecord, products: tuple[str, ...]) -> pd.DataFrame:
    """What each country knew of its own cost before the step."""
    nothing = np.full(len(products), np.nan)
    untried = MarginalCosts(nothing, nothing, nothing)
    tables = []
    for country, value in record.marginal_values.items():
        tried = record.marginal_costs.get(country, untried)
        columns = {
            "step": record.step,
            "country": country,
            "product": products,
            "marginal_value_eur_per_mwh": value,
            "mc_import_eur_per_mwh": tried.mc_import,
            "mc_export_eur_per_mwh": tried.mc_export,
            "delta_mw": tried.delta_mw,
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def steps_row(record: StepRecord, model: NegotiationModel) -> dict[str, object]:
    """One row of the ``steps`` table."""
    return {
        "step": record.step,
        "status": record.status,
        "trades": len(record.outcome.trades),
        "rounds": record.tally.rounds,
        "messages": record.tally.messages,
        "numbers_disclosed": record.tally.numbers_disclosed,
        "local_solves": model.local_solves,
        "valuation_solves": model.valuation_solves,
        "dependent_solves": record.tally.dependent_solves,
        "cost_eur": sum(record.costs_eur.values()),
        "gain_eur": model.gain_eur,
        "surplus_eur": float(model.memory.get("surplus_eur", np.nan)),
        "hops": int(model.memory.get("hops", 1)),
        "primal_residual": float(model.memory.get("primal_residual", np.nan)),
        "dual_residual": float(model.memory.get("dual_residual", np.nan)),
        "slice": None,
    }


def flows_table(case: str, world: World, flows_mw: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Net flows of one case."""
    if not flows_mw:
        return pd.DataFrame(columns=["case", "interconnector", "snapshot", "weight_h", "flow_mw"])
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "case": case,
                    "interconnector": name,
                    "snapshot": world.snapshots,
                    "weight_h": world.products.weights_h,
                    "flow_mw": flow,
                }
            )
            for name, flow in flows_mw.items()
        ],
        ignore_index=True,
    )


def prices_table(case: str, world: World, country: str, plan: Plan) -> pd.DataFrame:
    """Marginal prices and exchange of one country in one case; ports averaged and added up."""
    return pd.DataFrame(
        {
            "case": case,
            "country": country,
            "snapshot": world.snapshots,
            "weight_h": world.products.weights_h,
            "price_eur_per_mwh": plan.mean_price_eur_per_mwh,
            "exchange_mw": plan.exchange_mw.reshape(plan.ports, -1).sum(axis=0),
        }
    )


def capacities_table(case: str, country: str, n: pypsa.Network) -> pd.DataFrame:
    """Capacity and generation of one country by carrier in one case."""
    hours = n.snapshot_weightings.generators
    rows = []
    for component in ("Generator", "StorageUnit"):
        c = n.c[component]
        output = c.dynamic.p.clip(lower=0).mul(hours, axis=0).sum() / 1e6
        emitted = _co2_t(n) if component == "Generator" else output * 0.0
        for carrier, units in c.static.groupby("carrier"):
            if carrier == DISPOSAL:
                continue
            built = (units.p_nom_opt - units.p_nom)[units.p_nom_extendable].sum()
            limit = 0.0 if carrier in SHEDDING_CARRIERS else units.p_nom_opt.sum()
            rows.append(
                {
                    "case": case,
                    "country": country,
                    "carrier": str(carrier),
                    "p_nom_mw": float(limit),
                    "built_mw": float(built),
                    "generation_twh": float(output[units.index].sum()),
                    "co2_t": float(emitted[units.index].sum()),
                }
            )
    return pd.DataFrame(rows)


def _co2_t(n: pypsa.Network) -> pd.Series:
    """CO2 of every generator, t/a."""
    factor = n.generators.carrier.map(n.carriers.co2_emissions).astype(float).fillna(0.0)
    fuel_mw = n.generators_t.p.clip(lower=0) / n.get_switchable_as_dense("Generator", "efficiency")
    emitted: pd.Series = fuel_mw.mul(n.snapshot_weightings.generators, axis=0).sum() * factor
    return emitted
