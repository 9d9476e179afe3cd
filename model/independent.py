"""Slices planned and negotiated each on its own, reconciled at the end.

This is how the research prototype treated time: every month is a planning problem of its own, with
annual costs in proportion to its hours. A country would then have a different fleet every month.
At the end one fleet is planned for the whole year under the slices' trades, which are cut back
where they no longer pay (:mod:`model.reconciliation`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pypsa

from agents.policy import Policy, PolicyInForce
from agents.problem import PlanningError
from model import tables
from model.ending import end_of
from model.ledger import Ledger
from model.negotiation import NegotiationModel
from model.options import RunOptions
from model.players import (
    chosen_perturbation,
    chosen_protocol,
    chosen_strategies,
    negotiation_seed,
)
from model.reconciliation import Reconciled, reconcile
from model.records import RunRecords
from model.reporting import Reporter
from model.stepping import take_steps
from model.world import World, pypsa_problems
from protocols.messages import Trade
from protocols.products import Products
from scenarios.errors import ScenarioError

HOURS_PER_YEAR = 8760.0


def negotiate_slices(
    world: World, options: RunOptions, records: RunRecords, reporter: Reporter
) -> Reconciled:
    """Negotiate each slice alone, from the last checkpoint on if there is one, and reconcile.

    Reconciling is the last step of the run and is recorded as such.

    Returns
    -------
    Reconciled
        What is left of the slices' trades, in the year's products, with the reconciling transfers.
        Its status is completed if all slices were, else that of the first which was not; failed if
        nothing is left of the trades.

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
    names = tuple(dict.fromkeys(world.products.slices))
    reporter.phase("negotiating", options.max_steps * len(names))
    year = _Year(records, reporter, world)
    for name in names:
        if name not in year.ended:
            year.negotiate(name, partial(_slice_model, world, name, options), options.max_steps)
    reporter.phase("reconciling the slices with one fleet")
    missed = {name: end for name, end in year.ended.items() if end[0] != "completed"}
    status = next((status for status, _ in missed.values()), "completed")
    notes = [f"{name}: {' '.join(filter(None, end))}" for name, end in missed.items()]
    trades = agreed_trades(records, world.products)
    try:
        done = reconcile(world, trades, status, "; ".join(notes), options.workers)
    except Exception as error:  # the slices are recorded; the year must end in a status as well
        status, why = end_of(error)
        reporter.warn(why)
        notes.append(f"no slice's trades are carried out, because they were not reconciled: {why}")
        year.leave_open()
        void = {name: 0.0 for name, of_slice in trades.items() if of_slice}
        return Reconciled(Ledger(world.graph, world.products), status, "; ".join(notes), void)
    year.close(done)
    return done


def agreed_trades(records: RunRecords, products: Products) -> dict[str, list[Trade]]:
    """Trades of a run by slice, as agreed, in the products of the whole year."""
    place = {name: k for k, name in enumerate(products.names)}
    found: dict[str, list[Trade]] = {name: [] for name in dict.fromkeys(products.slices)}
    for _, rows in records.table("trades").groupby(["step", "trade"]):
        first = rows.iloc[0]
        mw = np.zeros(len(products))
        mw[[place[name] for name in rows["product"]]] = rows["mw"]
        path = tuple(first["path"].split(">"))
        trade = Trade(
            first["exporter"],
            first["importer"],
            path,
            tuple(mw.tolist()),
            float(first["price_eur_per_mwh"]),
            int(first["round"]),
        )
        found[first["slice"]].append(trade)
    return found


class _Year:
    """The slices negotiated so far, kept so that a resumed run goes on after its last step.

    Attributes
    ----------
    ended : dict of str to (str, str)
        Status and note of each slice that is over.
    """

    def __init__(self, records: RunRecords, reporter: Reporter, world: World) -> None:
        self._records = records
        self._reporter = reporter
        self._world = world
        self._name = ""
        self._snapshots = world.snapshots
        self._arrays: Mapping[str, np.ndarray] = {}
        state: dict[str, Any] = {
            "ended": {},
            "steps": 0,
            "solves": 0,
            "valuation_solves": 0,
            "model": None,
        }
        step, found = -1, records.last_checkpoint()
        if found is not None:
            step, self._arrays, state = found
        records.truncate_after(step)
        self.ended: dict[str, tuple[str, str]] = {k: (s, n) for k, (s, n) in state["ended"].items()}
        self._steps, self._solves = int(state["steps"]), int(state["solves"])
        self._valuation_solves = int(state["valuation_solves"])
        self._begun: dict[str, Any] | None = state["model"]

    def negotiate(self, name: str, made: Callable[[], NegotiationModel], most_steps: int) -> None:
        """Negotiate one slice to its end; one that nobody can plan alone is over at once."""
        self._name = name
        _, delivers = _part(self._world, name)
        self._snapshots = self._world.snapshots[delivers]
        try:
            model = made()
            if self._begun is None:
                model.plan_alone()
        except PlanningError as error:
            self.ended[name] = end_of(error)
            self._reporter.warn(f"{name}: {error}")
            return
        if self._begun is not None:
            model.restore(dict(self._arrays), self._begun)
            self._begun = None
        self.ended[name] = take_steps(model, most_steps, self._keep, self._reporter)
        self._steps += model.steps
        self._solves += model.local_solves
        self._valuation_solves += model.valuation_solves

    def _keep(self, model: NegotiationModel) -> None:
        record = model.last
        assert record is not None
        record = replace(record, step=self._steps + record.step)
        row = {
            **tables.steps_row(record, model),
            "local_solves": self._solves + model.local_solves,
            "slice": self._name,
            "valuation_solves": self._valuation_solves + model.valuation_solves,
        }
        step = tables.step_tables(record, model, row, self._snapshots)
        self._records.write_step(record.step, step)
        arrays, begun = model.state()
        state = {
            "ended": self.ended,
            "steps": self._steps,
            "solves": self._solves,
            "valuation_solves": self._valuation_solves,
            "model": begun,
        }
        self._records.checkpoint(record.step, arrays, state)
        self._reporter.step(row)

    def close(self, done: Reconciled) -> None:
        """Record the reconciliation as the last step."""
        step, tally = self._steps, done.tally
        row = {
            "step": step,
            "status": done.status,
            "trades": 0,
            "rounds": tally.rounds,
            "messages": tally.messages,
            "numbers_disclosed": tally.numbers_disclosed,
            "local_solves": self._solves + done.solves,
            "valuation_solves": self._valuation_solves,
            "dependent_solves": tally.dependent_solves,
            "cost_eur": sum(done.cost_eur.values()),
            "gain_eur": sum(done.autarky_eur.values()) - sum(done.cost_eur.values()),
            "surplus_eur": np.nan,
            "hops": 1,
            "primal_residual": np.nan,
            "dual_residual": np.nan,
            "slice": None,
        }
        flows = tables.step_flows_table(step, done.ledger, self._world.snapshots)
        written = {
            "steps": pd.DataFrame([row]),
            "messages": tables.messages_table(step, tally.log),
            "step_flows": flows,
            "step_costs": tables.step_costs_table(
                step, done.autarky_eur, done.cost_eur, done.ledger.payments_eur
            ),
        }
        self._records.write_step(step, written)
        # From here on a resumed run reconciles again, which gives the same.
        state = {
            "ended": self.ended,
            "steps": step,
            "solves": self._solves,
            "valuation_solves": self._valuation_solves,
            "model": None,
        }
        self._records.checkpoint(step, {}, state)
        self._reporter.step(row)

    def leave_open(self) -> None:
        """Nothing is reconciled: what an earlier attempt has recorded of it goes."""
        self._records.truncate_after(self._steps - 1)


def _part(world: World, name: str) -> tuple[Products, np.ndarray]:
    """Products of a slice, and in which snapshots of the year it is."""
    return world.products.part(np.array([s == name for s in world.products.slices]))


def _slice_model(world: World, name: str, options: RunOptions) -> NegotiationModel:
    products, columns = _part(world, name)
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
        seed=_slice_seed(world, name, options),
        workers=options.workers,
        strategies=chosen_strategies(options, world.scenario),
        price_cap_eur_per_mwh=world.scenario.settings.value_of_lost_load_eur_per_mwh,
        perturbation=chosen_perturbation(options),
    )


def _slice_seed(world: World, name: str, options: RunOptions) -> int:
    """Seed of a slice's own random streams, so that no two slices draw the same numbers."""
    place = list(dict.fromkeys(world.products.slices)).index(name)
    seed = negotiation_seed(options, world.scenario)
    root = np.random.SeedSequence(seed, spawn_key=(place,))
    return int(root.generate_state(1)[0])


def _cut(n: pypsa.Network, columns: np.ndarray, share: float) -> pypsa.Network:
    """Network of a slice; annual costs in proportion to its hours, storage cyclic within it."""
    part = n.copy(snapshots=n.snapshots[columns])
    part.generators.capital_cost *= share
    part.storage_units.capital_cost *= share
    return part


def _scaled(policy: PolicyInForce, share: float) -> PolicyInForce:
    cap = policy.co2_cap_t
    return replace(policy, co2_cap_t=None if cap is None else cap * share)
