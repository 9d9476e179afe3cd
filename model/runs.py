"""A run from options to records: negotiate, compare with the yardsticks, write everything down."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pypsa

from agents.planning import PypsaProblem
from agents.problem import OutOfTime, Plan
from model import tables
from model.columns import PENDING
from model.core_check import NOT_ASKED, check_core
from model.ending import end_of
from model.engine import Tally
from model.files import drafted
from model.joint import TRADE
from model.ledger import Ledger
from model.negotiation import NegotiationModel
from model.options import RunOptions
from model.outcome import outcome_network
from model.overheard import overheard
from model.planned_trades import planned_trades
from model.planner import PlannerResult, planner
from model.players import (
    DIRECT,
    as_carried_out,
    check_rules,
    chosen_perturbation,
    chosen_protocol,
    chosen_strategies,
    negotiation_terms,
)
from model.records import RunRecords
from model.reporting import Reporter
from model.room import too_large
from model.run_lock import working_on
from model.settlement import Settled, settle_or_say
from model.stepping import take_steps
from model.summary import Result, summarise
from model.world import World, build_world, chosen_scenario
from protocols.base import Protocol
from pypsa_earth.results import in_words, write_results
from pypsa_earth.rules import NationalRules
from pypsa_earth.shadow_prices import SolvedCountry

_LATER = "the planner has not answered yet; --resume asks it again"
_CEILING_LATER = "what the same products could bring is not known yet; --resume asks again"


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
    Exception
        Whatever ends a run before its first step is done leaves no folder.
    """
    with overheard() as said:
        options = as_carried_out(options)
        scenario = chosen_scenario(options)
        if options.protocol != DIRECT:
            chosen_protocol(options)
        chosen_perturbation(options)
        chosen_strategies(options, scenario)
        check_rules(options, scenario)
        records = RunRecords.create(options, scenario)
        with working_on(records.path):
            said.keep_in(records.log_path)
            try:
                return _Run(records, options, reporter or Reporter()).carry_out()
            except Exception:
                if not (records.steps or records.finished):  # nothing is worth keeping
                    shutil.rmtree(records.path)
                raise


def resume(
    path: Path,
    reporter: Reporter | None = None,
    *,
    planner: bool = True,
    planner_time_limit_s: float | None = None,
) -> dict[str, Any]:
    """Go on with a run from its last finished step; ends as an unbroken run would have.

    Parameters
    ----------
    path : Path
    reporter : Reporter, optional
    planner : bool
        False leaves the planner out, whatever the run was started with.
    planner_time_limit_s : float, optional
        Instead of the one that the run was started with.

    Returns
    -------
    dict
        As :func:`run` does. A run whose outcome is whole is not negotiated again: only the planner
        is added, if it is wanted and was not found. If that is not so either, nothing is touched
        and the summary is told again.

    Raises
    ------
    RecordsError
        If there is no run to go on with, or another process works on it.
    """
    records = RunRecords.open(path, unfinished=True)
    reporter = reporter or Reporter()
    options = replace(records.options, planner=records.options.planner and planner)
    if planner_time_limit_s is not None:
        options = replace(options, planner_time_limit_s=planner_time_limit_s)
    if not _is_done(records, options):
        with overheard() as said, working_on(records.path):
            said.keep_in(records.log_path)
            if not _is_done(records, options):  # the one who was working on it may have ended it
                return _Run(records, options, reporter).carry_out()
    reporter.warn(f"{records.name} is finished, there is nothing to resume; its summary again")
    return _told(records, records.summary(), records.timings())


def _is_done(records: RunRecords, options: RunOptions) -> bool:
    """Whether nothing is left to do for a run."""
    if not records.finished:
        return False
    summary = records.summary()
    if summary.get("planner_cost_eur") is not None and summary.get("ceiling") != PENDING:
        return True
    return not options.planner and summary.get("planner") != PENDING


def _told(
    records: RunRecords, summary: dict[str, Any], timings_s: dict[str, float]
) -> dict[str, Any]:
    """A summary as the caller gets it."""
    return {**summary, "folder": str(records.path), "timings_s": timings_s}


@dataclass(frozen=True)
class _Case:
    """All countries solved at one exchange.

    Attributes
    ----------
    plans : dict of str to Plan
    networks : dict of str to pypsa.Network
        Solved; empty for cost curves.
    tables : dict of str to DataFrame
        Rows of the final tables.
    """

    plans: dict[str, Plan]
    networks: dict[str, pypsa.Network]
    tables: dict[str, pd.DataFrame]


class _Run:
    """One run and its clock."""

    def __init__(self, records: RunRecords, options: RunOptions, reporter: Reporter) -> None:
        self.records = records
        self.options = options
        self.reporter = reporter
        self.timings_s: dict[str, float] = dict(records.timings())
        self._valued_before_s = self.timings_s.get("valuation", 0.0)
        self._notes: list[str] = []
        self._lower_bound_eur: float | None = None
        self._shares: dict[str, float] | None = None

    def carry_out(self) -> dict[str, Any]:
        try:
            return self._carry_out()
        except KeyboardInterrupt as interrupt:
            interrupt.args = (str(self.records.path),)
            self.records.write_timings(self.timings_s)
            raise

    def _carry_out(self) -> dict[str, Any]:
        for text in self.records.scenario.warnings:
            self.reporter.warn(text)
        with self._timed("models"):
            world = build_world(self.records.scenario, self.options.solver, self.reporter)
        sold = tables.products_table(world.products, world.snapshots)
        self.records.write_start({"products": sold})
        tight = too_large(world.problems.values())
        if tight is not None:
            self.reporter.warn(tight)
        if self.options.decomposition == "independent":
            from model.independent import negotiate_slices

            with self._timed("negotiation"):
                done = negotiate_slices(world, self.options, self.records, self.reporter)
            ledger, status, note = done.ledger, done.status, done.note
            self._shares = done.shares
        else:
            ledger, status, note = self._negotiate(world)
        return self._conclude(world, ledger, status, note)

    def _negotiate(self, world: World) -> tuple[Ledger, str, str]:
        model = NegotiationModel(
            **negotiation_terms(self.options, world),
            protocol=self._protocol(world),
            on_batch=_progress(self.reporter),
            on_plan=self.reporter.advance,
        )
        with self._timed("autarky"):
            self._start(model)
            self._note_valuation(model)
        self.reporter.phase("negotiating", self.options.max_steps)
        with self._timed("negotiation"):
            keep = partial(self._record, world.snapshots)
            status, note = take_steps(model, self.options.max_steps, keep, self.reporter)
        self._lower_bound_eur = model.lower_bound_eur
        return model.ledger, status, note

    def _protocol(self, world: World) -> Protocol:
        """The chosen protocol, or what stands in for one under a direct mechanism."""
        if self.options.protocol != DIRECT:
            return chosen_protocol(self.options)
        self.reporter.phase("planning for all countries")
        with self._timed("planner"):
            limit_s = self.options.planner_time_limit_s
            return planned_trades(world, limit_s, self.reporter.solving)

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

    def _record(self, snapshots: pd.Index, model: NegotiationModel) -> None:
        record = model.last
        assert record is not None
        row = tables.steps_row(record, model)
        self.records.write_step(record.step, tables.step_tables(record, model, row, snapshots))
        self.records.checkpoint(record.step, *model.state())
        self._note_valuation(model)
        self.reporter.step(row)

    def _note_valuation(self, model: NegotiationModel) -> None:
        """Count the valuation as a phase within the one that goes on, whose own time it is not."""
        if model.valuation_s:
            self.timings_s["valuation"] = round(self._valued_before_s + model.valuation_s, 3)

    def _conclude(self, world: World, ledger: Ledger, status: str, note: str) -> dict[str, Any]:
        """Write the outcome as a whole, then ask the planner, who may take long or be killed."""
        with self._timed("records"):
            plans = self._write_outcome(world, ledger)
            case = Settled(world, ledger, plans["autarky"], plans["negotiated"])
            unsettled = settle_or_say(self.options.settlement, case)
            self.records.write_final(
                {
                    "transfers": tables.transfers_table(ledger),
                    "shares": tables.shares_table(self._shares or {}),
                }
            )
        if unsettled:
            status, note = "failed", "; ".join(filter(None, [note, unsettled]))
        if ledger.operator_eur:
            self._notes.append(
                f"settlement {self.options.settlement} does not balance: the operator's account "
                f"pays {ledger.operator_eur:,.0f} EUR/a, and who fills it is not said"
            )
        result = Result(
            ledger,
            plans["autarky"],
            plans["negotiated"],
            status,
            "; ".join(filter(None, [note, *self._notes])),
            lower_bound_eur=self._lower_bound_eur,
            shares=self._shares,
            promises_no_loss=self.options.protocol != DIRECT
            and chosen_protocol(self.options).promises_no_loss,
        )
        if self.options.planner:
            self._write_summary(world, replace(result, planner=PENDING, note=_with(result, _LATER)))
            result = self._ask_ceiling(world, self._ask_planner(world, result))
        summary = self._write_summary(world, result)
        return _told(self.records, summary, self.timings_s)

    def _write_summary(self, world: World, result: Result) -> dict[str, Any]:
        table = self.records.table
        summary = summarise(
            self.options, world, result, *map(table, ("steps", "trades", "valuations"))
        )
        summary["run"] = self.records.name
        summary["wall_s"] = sum(self.timings_s.values())
        self.records.write_timings(self.timings_s)
        self.records.write_summary(summary)
        return summary

    def _ask_planner(self, world: World, result: Result) -> Result:
        """The result with the planner beside it, or with the reason why there is none."""
        self.reporter.phase("planner: all countries as one problem")
        try:
            with self._timed("planner"):
                limit_s = self.options.planner_time_limit_s
                best = planner(world, time_limit_s=limit_s, told=self.reporter.solving)
            exchange = {c: best.exchange_mw(world, c) for c in world.countries}
            self.reporter.phase("writing the planner's results", len(world.countries))
            with self._timed("records"):
                found = self._solve_case("planner", world, exchange, best.flows_mw)
                self.records.write_planner(found.tables)
        except Exception as error:  # no mistake in the yardstick may cost the outcome
            state = "out of time" if isinstance(error, OutOfTime) else "failed"
            note = f"planner {state}, so there is no efficiency: {end_of(error)[1]}"
            self.reporter.warn(note)
            return replace(result, planner=state, note=_with(result, note))
        result = replace(result, planner="found", planner_cost_eur=best.cost_eur)
        return replace(result, core=self._check_core(world, result, best, found.plans))

    def _check_core(
        self, world: World, result: Result, best: PlannerResult, planned: dict[str, Plan]
    ) -> Mapping[str, Any]:
        """Whether a group could do better by itself; not asked if that cannot be found out."""
        try:
            with self._timed("core"):
                gains = result.gains_eur
                return check_core(world, gains, result.autarky, best, planned, self.options.core)
        except Exception as error:  # no mistake in the yardstick may cost the outcome
            self.reporter.warn(f"groups of countries were not looked at: {end_of(error)[1]}")
            return NOT_ASKED

    def _ask_ceiling(self, world: World, result: Result) -> Result:
        """The result with what the same products could bring at most, if the planner was found."""
        if result.planner_cost_eur is None:
            return result
        if (
            world.scenario.settings.products == "hourly"
        ):  # every snapshot is free, as for the planner
            return replace(result, ceiling="found", ceiling_cost_eur=result.planner_cost_eur)
        note = _with(result, _CEILING_LATER)
        self._write_summary(world, replace(result, ceiling=PENDING, note=note))
        self.reporter.phase("ceiling: the planner with the same products")
        try:
            with self._timed("ceiling"):
                limit_s = self.options.planner_time_limit_s
                best = planner(world, world.products, limit_s, self.reporter.solving)
        except Exception as error:
            state = "out of time" if isinstance(error, OutOfTime) else "failed"
            note = f"ceiling of the products {state}: {end_of(error)[1]}"
            self.reporter.warn(note)
            return replace(result, ceiling=state, note=_with(result, note))
        return replace(result, ceiling="found", ceiling_cost_eur=best.cost_eur)

    def _write_outcome(self, world: World, ledger: Ledger) -> dict[str, dict[str, Plan]]:
        """Solve autarky and the outcome once more; write prices, capacities, flows, network."""
        alone = {c: np.zeros_like(ledger.exchange_mw(c)) for c in world.countries}
        traded = {c: ledger.exchange_mw(c) for c in world.countries}
        self.reporter.phase("writing results", 2 * len(world.countries))
        autarky = self._solve_case("autarky", world, alone)
        negotiated = self._solve_case("negotiated", world, traded, ledger.flows_mw)
        if negotiated.networks:
            with drafted(self.records.path) as folder:
                network = outcome_network(negotiated.networks, world.graph, ledger, world.policies)
                network.export_to_netcdf(str(folder / self.records.network_path.name))
                if world.scenario.settings.kind == "network":
                    self._write_network_results(folder, world, ledger, network, negotiated.networks)
        both = (autarky.tables, negotiated.tables)
        final = {
            name: pd.concat([t[name] for t in both if name in t], ignore_index=True)
            for name in both[1]
        }
        self.records.write_final(final)
        return {"autarky": autarky.plans, "negotiated": negotiated.plans}

    def _solve_case(
        self,
        case: str,
        world: World,
        exchange_mw: dict[str, np.ndarray],
        flows_mw: dict[str, np.ndarray] | None = None,
    ) -> _Case:
        """Solve every country at an exchange."""
        plans, networks = {}, {}
        prices, capacities = [], []
        for country, mw in exchange_mw.items():
            self.reporter.advance(f"{case} {country}")
            problem = world.problems[country]
            plan = problem.solve(mw)
            plans[country] = plan
            prices.append(tables.prices_table(case, world, country, plan))
            if isinstance(problem, PypsaProblem):
                networks[country] = problem.solved_network(mw)
                capacities.append(tables.capacities_table(case, country, networks[country]))
        found = {"prices": pd.concat(prices, ignore_index=True)}
        if flows_mw is not None:
            found["flows"] = tables.flows_table(case, world, flows_mw)
        if capacities:
            found["capacities"] = pd.concat(capacities, ignore_index=True)
        return _Case(plans, networks, found)

    def _write_network_results(
        self,
        folder: Path,
        world: World,
        ledger: Ledger,
        network: pypsa.Network,
        solved: dict[str, pypsa.Network],
    ) -> None:
        """Write what users of a network file expect, and say what its lines could carry."""
        with self._timed("power flow"):
            carried = write_results(
                folder,
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


def _with(result: Result, note: str) -> str:
    """The result's note with another one behind it."""
    return "; ".join(filter(None, [result.note, note]))


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
