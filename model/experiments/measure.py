"""Measures one case: negotiates and counts, on models that cases of the same world share.

What a case leaves does not depend on which cases were measured before it: every negotiation begins
at the recorded state of autarky, as a resumed run begins at its last step.
"""

from __future__ import annotations

import copy
import time
import traceback
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from agents.problem import Plan, PlanningError
from model.ending import end_of
from model.experiments.fairness import Fairness
from model.experiments.grid import Case
from model.experiments.pivotal import pivotal_rows
from model.experiments.tables import BROKEN
from model.ledger import Ledger, RuleBroken
from model.negotiation import NegotiationModel
from model.planner import planner
from model.players import chosen_protocol, negotiation_seed, profile_strategies
from model.reporting import Reporter
from model.settlement import Settled, make_settlement, settle
from model.stepping import take_steps
from model.summary import efficiency
from model.world import World, build_world, chosen_scenario

EUR_PER_MEUR = 1e6
MWH_PER_GWH = 1e3
# Relative to the mean cost of a country in autarky, for some have none; less is the
# solver's own accuracy, not a loss.
LOSS_TOLERANCE = 1e-7


@dataclass(frozen=True)
class Measured:
    """What a case leaves: rows of the tables of a comparison.

    Attributes
    ----------
    run : dict
        Row of ``runs`` without the case's coordinates.
    countries, steps, timings : list of dict
    gains : dict, optional
    pivotal : list of dict
    trace : str
        Where the program itself failed; empty otherwise.
    """

    run: dict[str, Any]
    countries: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    timings: list[dict[str, Any]] = field(default_factory=list)
    gains: dict[str, Any] | None = None
    pivotal: list[dict[str, Any]] = field(default_factory=list)
    trace: str = ""


class Bench:
    """Measures cases one after the other; keeps the models of the last world.

    Parameters
    ----------
    gains : bool
        Whether each case is set beside the Shapley value and the nucleolus.
    """

    def __init__(self, gains: bool = False) -> None:
        self._gains = gains
        self._world = ""
        self._start: Start | Exception | None = None
        self._done: tuple[str, Negotiated] | None = None
        self._fairness: Fairness | None = None

    def measure(self, case: Case) -> Measured:
        """Negotiate a case; whatever goes wrong becomes its status and reason."""
        try:
            return self._measure(case)
        except (PlanningError, RuleBroken) as error:
            return broken(*end_of(error))
        except Exception as error:  # a plug-in's mistake must not stop the others
            return broken(*end_of(error), "".join(traceback.format_exception(error)))

    def _measure(self, case: Case) -> Measured:
        start = self._started(case)
        done = self._negotiated(case, start)
        if done.status in BROKEN:
            return broken(done.status, done.note, done.trace)
        ledger = done.settled(case.options.settlement)
        countries = _countries(done.model, ledger)
        gains = None
        if self._gains:
            if self._fairness is None:
                self._fairness = Fairness(start.world.scenario, start.best_eur)
            gains = self._fairness.row({r["country"]: r["gain_meur"] for r in countries})
        return Measured(
            _run(done, start, countries),
            countries,
            done.steps,
            done.timings,
            gains,
            done.pivotal if case.pivotal else [],
        )

    def _started(self, case: Case) -> Start:
        """The case's world with everyone planned alone; what fails is not tried twice."""
        if case.world != self._world:
            self._world, self._done, self._fairness = case.world, None, None
            try:
                self._start = Start.of(case)
            except Exception as error:
                self._start = error
        if isinstance(self._start, Exception):
            raise self._start
        assert self._start is not None
        return self._start

    def _negotiated(self, case: Case, start: Start) -> Negotiated:
        """The negotiation, which cases that differ in settlement alone share."""
        record = case.options.record()
        key = repr({k: v for k, v in record.items() if k != "settlement"})
        if self._done is None or self._done[0] != key:
            self._done = None  # the old one's models are about to move on
            self._done = key, negotiate(case, start)
        return self._done[1]


@dataclass(frozen=True)
class Start:
    """Where all negotiations of a world begin.

    Attributes
    ----------
    world : World
    arrays, plain : dict
        State of the model when everyone has planned alone.
    planner_eur, ceiling_eur : float
        Planner's cost with free flows and with flows within the products.
    """

    world: World
    arrays: dict[str, np.ndarray]
    plain: dict[str, Any]
    planner_eur: float
    ceiling_eur: float

    @classmethod
    def of(cls, case: Case) -> Start:
        """Build the world of a case and plan in autarky and jointly."""
        scenario = chosen_scenario(case.options)
        world = build_world(scenario, case.options.solver, Reporter())
        model = _model(case, world)
        model.plan_alone()
        arrays, plain = model.state()
        free = planner(world).cost_eur
        within = free if case.products == "hourly" else planner(world, world.products).cost_eur
        return cls(world, arrays, copy.deepcopy(plain), free, within)

    @property
    def autarky_eur(self) -> float:
        """Cost of all countries without exchange, EUR/a."""
        return float(sum(self.plain["autarky_eur"].values()))

    @property
    def best_eur(self) -> float:
        """Planner's gain, EUR/a."""
        return self.autarky_eur - self.planner_eur


@dataclass
class Negotiated:
    """A negotiation that ended.

    Attributes
    ----------
    model : NegotiationModel
        Where it ended.
    world : World
    status, note : str
    steps, timings : list of dict
    trace : str
        Where the program or a plug-in failed; empty otherwise.
    """

    model: NegotiationModel
    world: World
    status: str
    note: str
    steps: list[dict[str, Any]]
    timings: list[dict[str, Any]]
    trace: str

    def settled(self, settlement: str) -> Ledger:
        """Ledger with the payments of a rule."""
        ledger = self.model.ledger.copy()
        if settlement != "pay_as_agreed":
            case = Settled(self.world, ledger, *self._plans)
            settle(make_settlement(settlement), case)
        return ledger

    @cached_property
    def pivotal(self) -> list[dict[str, Any]]:
        """Rows of the table ``pivotal``."""
        # Plans come first, whatever is asked, so that no settlement depends on this question.
        return pivotal_rows(self.world, self.model.ledger) if self._plans else []

    @cached_property
    def _plans(self) -> tuple[dict[str, Plan], dict[str, Plan]]:
        """Plans in autarky and at the end, solved in this order whatever the rule."""
        problems = self.world.problems
        at = {c: self.model.ledger.exchange_mw(c) for c in problems}
        autarky = {c: p.solve(np.zeros_like(at[c])) for c, p in problems.items()}
        return autarky, {c: p.solve(at[c]) for c, p in problems.items()}


def negotiate(case: Case, start: Start) -> Negotiated:
    """Negotiate a case from autarky to its end."""
    model = _model(case, start.world)
    model.restore(copy.deepcopy(start.arrays), copy.deepcopy(start.plain))
    steps: list[dict[str, Any]] = []
    timings: list[dict[str, Any]] = []
    counts = {"rounds": 0, "messages": 0, "numbers_disclosed": 0, "dependent_solves": 0}
    begun_s = time.perf_counter()

    def keep(model: NegotiationModel) -> None:
        assert model.last is not None
        for name in counts:
            counts[name] += getattr(model.last.tally, name)
        gain = float(model.gain_eur)
        steps.append(
            {
                "step": model.last.step,
                "gain_meur": gain / EUR_PER_MEUR,
                "efficiency": efficiency(gain, start.best_eur, start.autarky_eur),
                **counts,
                "solves": model.local_solves,
            }
        )
        seconds = time.perf_counter() - begun_s
        timings.append({"step": model.last.step, "seconds": seconds})

    trouble = _Trouble()
    status, note = take_steps(model, case.options.max_steps, keep, trouble)
    timings.append({"step": None, "seconds": time.perf_counter() - begun_s})
    return Negotiated(model, start.world, status, note, steps, timings, trouble.trace)


class _Trouble(Reporter):
    """Remembers where a negotiation failed, if it was a mistake of somebody's."""

    trace = ""

    def failed(self, error: Exception) -> None:
        if not isinstance(error, PlanningError | RuleBroken):
            self.trace = "".join(traceback.format_exception(error))


def broken(status: str, reason: str, trace: str = "") -> Measured:
    """A case that has no result."""
    return Measured({"status": status, "reason": " ".join(reason.split())}, trace=trace)


def _model(case: Case, world: World) -> NegotiationModel:
    settings = world.scenario.settings
    return NegotiationModel(
        world.problems,
        world.graph,
        world.products,
        chosen_protocol(case.options),
        seed=negotiation_seed(case.options, world.scenario),
        workers=case.options.workers,
        strategies=profile_strategies(case.options.strategies, world.scenario),
        price_cap_eur_per_mwh=settings.value_of_lost_load_eur_per_mwh,
    )


def _parts_of_day(world: World) -> str:
    """Parts of the day that have a product; at a coarse resolution there is no peak."""
    if world.scenario.settings.products != "tou":
        return ""
    return "+".join(sorted({name.rpartition("/")[2] for name in world.products.names}))


def _countries(model: NegotiationModel, ledger: Ledger) -> list[dict[str, Any]]:
    """Rows of the table ``countries``."""
    hours = model.products.weights_h
    rows = []
    for country in model.autarky_eur:
        alone, cost = float(model.autarky_eur[country]), float(model.costs_eur[country])
        paid = float(ledger.payments_eur[country])
        rows.append(
            {
                "country": country,
                "gain_meur": (alone - cost - paid) / EUR_PER_MEUR,
                "payments_meur": paid / EUR_PER_MEUR,
                "net_import_gwh": float(hours @ ledger.net_import_mw(country)) / MWH_PER_GWH,
                "cost_autarky_meur": alone / EUR_PER_MEUR,
                "cost_meur": cost / EUR_PER_MEUR,
            }
        )
    return rows


def _run(done: Negotiated, start: Start, countries: list[dict[str, Any]]) -> dict[str, Any]:
    """Row of the table ``runs``."""
    model, autarky = done.model, start.autarky_eur
    gain, ceiling = float(model.gain_eur), autarky - start.ceiling_eur
    last = done.steps[-1] if done.steps else {}
    counted = ("rounds", "messages", "numbers_disclosed", "dependent_solves")
    losers = [
        row["country"]
        for row in countries
        if row["gain_meur"] * EUR_PER_MEUR < -LOSS_TOLERANCE * autarky / len(countries)
    ]
    gap = None
    if model.lower_bound_eur is not None:
        cost = sum(model.costs_eur.values())
        gap = efficiency(cost - model.lower_bound_eur, start.best_eur, autarky)
    return {
        "status": done.status,
        "reason": done.note,
        "family": model.protocol.family or model.protocol.name,
        "snapshots": model.products.snapshots,
        "contracts": len(model.products),
        "parts_of_day": _parts_of_day(start.world),
        "autarky_meur": autarky / EUR_PER_MEUR,
        "planner_meur": start.planner_eur / EUR_PER_MEUR,
        "ceiling_meur": ceiling / EUR_PER_MEUR,
        "gain_meur": gain / EUR_PER_MEUR,
        "efficiency": efficiency(gain, start.best_eur, autarky),
        "of_ceiling": efficiency(gain, ceiling, autarky),
        "steps": len(done.steps),
        **{name: last.get(name, 0) for name in counted},
        "solves": int(model.local_solves),
        "least_gain_meur": min(row["gain_meur"] for row in countries),
        "losers": "+".join(losers),
        "certified_gap": gap,
    }
