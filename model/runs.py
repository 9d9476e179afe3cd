"""A run from options to records: negotiate, compare with the yardsticks, write everything down."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pypsa

from agents.planning import PypsaProblem
from agents.problem import Plan, PlanningError
from model import tables
from model.engine import Tally
from model.joint import TRADE
from model.ledger import Ledger
from model.negotiation import NegotiationModel
from model.options import RunOptions
from model.outcome import outcome_network
from model.planner import planner
from model.players import check_rules, chosen_protocol, chosen_strategies
from model.records import RunRecords
from model.reporting import Reporter
from model.settlement import Settled, settle_or_say
from model.stepping import take_steps
from model.summary import Result, summarise
from model.world import World, build_world, chosen_scenario
from protocols.plugins import PluginError
from pypsa_earth.results import in_words, write_results
from pypsa_earth.rules import NationalRules
from pypsa_earth.shadow_prices import SolvedCountry
from scenarios.errors import ScenarioError


def run(options: RunOptions, reporter: Reporter | None = None) -> dict[str, Any]:
    """Negotiate a scenario.

    Parameters
    ----------
    options : RunOptions
    reporter : Reporter, optional

    Returns
    -------
    dict
        The summary, see ``docs/records.md``, with the run's ``folder`` and ``timings_s``.

    Raises
    ------
    ScenarioError, PluginError
        If the input is not valid; nothing is written then.
    KeyboardInterrupt
        With the run's folder; what was done is kept there.
    """
    scenario = chosen_scenario(options)
    chosen_protocol(options)
    chosen_strategies(options, scenario)
    check_rules(options, scenario)
    records = RunRecords.create(options, scenario)
    try:
        return _Run(records, reporter or Reporter()).carry_out()
    except (PlanningError, PluginError, ScenarioError):
        if not records.steps:  # nothing was negotiated, so nothing is worth keeping
            shutil.rmtree(records.path)
        raise


def resume(path: Path, reporter: Reporter | None = None) -> dict[str, Any]:
    """Go on with a run from its last finished step; ends as an unbroken run would have.

    Returns
    -------
    dict
        As :func:`run` does. A run that is finished is not touched; its summary is told again.

    Raises
    ------
    RecordsError
        If there is no run to go on with.
    """
    records = RunRecords.open(path, unfinished=True)
    reporter = reporter or Reporter()
    if records.finished:
        reporter.warn(f"{records.name} is finished, there is nothing to resume; its summary again")
        return _told(records, records.summary(), records.timings())
    return _Run(records, reporter).carry_out()


def _told(
    records: RunRecords, summary: dict[str, Any], timings_s: dict[str, float]
) -> dict[str, Any]:
    """A summary as the caller gets it."""
    return {**summary, "folder": str(records.path), "timings_s": timings_s}


class _Run:
    """One run and its clock."""

    def __init__(self, records: RunRecords, reporter: Reporter) -> None:
        self.records = records
        self.options: RunOptions = records.options
        self.reporter = reporter
        self.timings_s: dict[str, float] = dict(records.timings())
        self._notes: list[str] = []
        self._lower_bound_eur: float | None = None
        self._disclosure = pd.DataFrame()

    def carry_out(self) -> dict[str, Any]:
        try:
            return self._carry_out()
        except KeyboardInterrupt as interrupt:
            self.records.write_timings(self.timings_s)
            raise KeyboardInterrupt(str(self.records.path)) from interrupt

    def _carry_out(self) -> dict[str, Any]:
        with self._timed("models"):
            world = build_world(self.records.scenario, self.options.solver, self.reporter)
        if self.options.decomposition == "independent":
            from model.independent import negotiate_slices

            with self._timed("negotiation"):
                ledger, status, note = negotiate_slices(
                    world, self.options, self.records, self.reporter
                )
        else:
            ledger, status, note = self._negotiate(world)
        return self._conclude(world, ledger, status, note)

    def _negotiate(self, world: World) -> tuple[Ledger, str, str]:
        model = NegotiationModel(
            world.problems,
            world.graph,
            world.products,
            chosen_protocol(self.options),
            seed=world.scenario.settings.seed,
            workers=self.options.workers,
            on_batch=_progress(self.reporter),
            on_plan=self.reporter.advance,
            strategies=chosen_strategies(self.options, world.scenario),
            price_cap_eur_per_mwh=world.scenario.settings.value_of_lost_load_eur_per_mwh,
        )
        with self._timed("autarky"):
            self._start(model)
        self.reporter.phase("negotiating", self.options.max_steps)
        with self._timed("negotiation"):
            status, note = take_steps(model, self.options.max_steps, self._record, self.reporter)
        self._lower_bound_eur = model.lower_bound_eur
        self._disclosure = model.watch.table()
        return model.ledger, status, note

    def _start(self, model: NegotiationModel) -> None:
        found = self.records.last_checkpoint()
        if found is None:
            self.records.truncate_after(-1)
            self.reporter.phase("planning alone", len(model.countries))
            model.plan_alone()
        else:
            step, arrays, state = found
            self.records.truncate_after(step)
            model.restore(arrays, state)

    def _record(self, model: NegotiationModel) -> None:
        record = model.last
        assert record is not None
        row = tables.steps_row(record, model)
        self.records.write_step(record.step, tables.step_tables(record, model, row))
        self.records.checkpoint(record.step, *model.state())
        self.reporter.step(row)

    def _conclude(self, world: World, ledger: Ledger, status: str, note: str) -> dict[str, Any]:
        exchanges = {
            "autarky": {c: np.zeros_like(ledger.exchange_mw(c)) for c in world.countries},
            "negotiated": {c: ledger.exchange_mw(c) for c in world.countries},
        }
        flows = {"negotiated": ledger.flows_mw}
        planner_cost = None
        if self.options.planner:
            self.reporter.phase("planner: all countries as one problem")
            with self._timed("planner"):
                best = planner(world)
            planner_cost = best.cost_eur
            exchanges["planner"] = {c: best.exchange_mw(world, c) for c in world.countries}
            flows["planner"] = best.flows_mw
        with self._timed("records"):
            plans = self._write_cases(world, ledger, exchanges, flows)
            case = Settled(world, ledger, plans["autarky"], plans["negotiated"])
            unsettled = settle_or_say(self.options.settlement, case)
            if unsettled:
                status, note = "failed", "; ".join(filter(None, [note, unsettled]))
            result = Result(
                ledger,
                plans["autarky"],
                plans["negotiated"],
                status,
                "; ".join(filter(None, [note, *self._notes])),
                planner_cost,
                self._lower_bound_eur,
                self._disclosure,
            )
            table = self.records.table
            summary = summarise(self.options, world, result, table("steps"), table("trades"))
        summary["run"] = self.records.name
        summary["wall_s"] = sum(self.timings_s.values())
        self.records.write_timings(self.timings_s)
        self.records.write_summary(summary)
        return _told(self.records, summary, self.timings_s)

    def _write_cases(
        self,
        world: World,
        ledger: Ledger,
        exchanges: dict[str, dict[str, np.ndarray]],
        flows: dict[str, dict[str, np.ndarray]],
    ) -> dict[str, dict[str, Plan]]:
        """Solve every case once more and write its prices, capacities and flows."""
        plans: dict[str, dict[str, Plan]] = {}
        prices, capacities = [], []
        self.reporter.phase("writing results", len(exchanges) * len(world.countries))
        for case, exchange in exchanges.items():
            solved = {}
            plans[case] = {}
            for country, mw in exchange.items():
                self.reporter.advance(f"{case} {country}")
                problem = world.problems[country]
                plan = problem.solve(mw)
                plans[case][country] = plan
                prices.append(tables.prices_table(case, world, country, plan))
                if isinstance(problem, PypsaProblem):
                    solved[country] = problem.solved_network(mw)
                    capacities.append(tables.capacities_table(case, country, solved[country]))
            if case == "negotiated" and solved:
                network = outcome_network(solved, world.graph, ledger)
                network.export_to_netcdf(str(self.records.network_path))
                if world.scenario.settings.kind == "network":
                    self._write_network_results(world, ledger, network, solved)
        final = {
            "prices": pd.concat(prices, ignore_index=True),
            "flows": pd.concat(
                [tables.flows_table(case, world, flow) for case, flow in flows.items()],
                ignore_index=True,
            ),
        }
        if capacities:
            final["capacities"] = pd.concat(capacities, ignore_index=True)
        final["disclosure"] = self._disclosure
        self.records.write_final(final)
        return plans

    def _write_network_results(
        self,
        world: World,
        ledger: Ledger,
        network: pypsa.Network,
        solved: dict[str, pypsa.Network],
    ) -> None:
        """Write what users of a network file expect, and say what its lines could carry."""
        with self._timed("power flow"):
            carried = write_results(
                self.records.path,
                world.scenario,
                network,
                _with_limits(world, ledger, solved),
                ledger.flows_mw,
                {c: ledger.net_import_mw(c) for c in world.countries},
                TRADE,
            )
        self._notes.append(in_words(carried))

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        """Count the time of a phase, less that of phases within it."""
        start, counted = time.perf_counter(), sum(self.timings_s.values())
        try:
            yield
        finally:
            within = sum(self.timings_s.values()) - counted
            spent = time.perf_counter() - start - within
            self.timings_s[phase] = round(self.timings_s.get(phase, 0.0) + spent, 3)


def _with_limits(
    world: World, ledger: Ledger, solved: dict[str, pypsa.Network]
) -> dict[str, SolvedCountry]:
    """Countries of a network file with what their national limits cost."""
    found = {}
    for country, n in solved.items():
        problem, rules = world.problems[country], world.policies[country]
        if isinstance(problem, PypsaProblem) and isinstance(rules, NationalRules):
            prices = problem.limit_prices(ledger.exchange_mw(country))
            found[country] = SolvedCountry(n, rules, prices)
    return found


def _progress(reporter: Reporter) -> Callable[[Tally], None]:
    def told(tally: Tally) -> None:
        reporter.advance(f"{tally.messages} messages")

    return told
