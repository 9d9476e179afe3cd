"""The Mesa model: countries on the interconnection graph plan, value, negotiate and settle."""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import networkx as nx
import numpy as np

from agents.country import CountryAgent
from agents.mesa_import import mesa
from agents.perturbation import Perturbation
from agents.problem import PlanningProblem
from agents.strategy import Strategy
from agents.together import Together
from agents.valuation import MarginalCosts
from model.collector import StepCollector
from model.engine import Engine, MarketView, Tally
from model.graph import largest_mw
from model.ledger import Ledger, RuleBroken
from protocols.base import Outcome, Protocol, Status
from protocols.products import Products

# A country may seem to lose this share of its cost by the solver's own accuracy.
COST_TOLERANCE = 1e-8
COST_FLOOR_EUR = 1e-3


@dataclass
class StepRecord:
    """What one step did.

    Attributes
    ----------
    step : int
    status : str
        ``"running"`` or a final status.
    tally : Tally
        Messages of the step.
    outcome : Outcome
    costs_eur : dict of str to float
        Re-solved annual cost after the step.
    marginal_values : dict of str to ndarray
        Marginal value of each product by country before the step, EUR/MWh.
    marginal_costs : dict of str to MarginalCosts
        What each country found by perturbation before the step; without those who tried nothing.
    """

    step: int
    status: str
    tally: Tally
    outcome: Outcome
    costs_eur: dict[str, float]
    marginal_values: dict[str, np.ndarray]
    marginal_costs: dict[str, MarginalCosts] = field(default_factory=dict)


@dataclass(frozen=True)
class Standing:
    """Where a negotiation stands between two steps; nothing in it is changed by a step."""

    ledger: Ledger
    memory: dict[str, Any]
    costs_eur: dict[str, float]
    lower_bound_eur: float | None


class NegotiationModel(mesa.Model):
    """Countries on the nodes of the interconnection graph, which is the model's space.

    A step goes through the stages of :class:`agents.country.CountryAgent`, each scheduled by
    Mesa: ``model.agents.do("sit_down")``, ``negotiate`` once for every batch of messages,
    ``replan`` and ``value``. In between the model books what was agreed and checks the rules.

    Parameters
    ----------
    problems : dict of str to PlanningProblem
        Handed over to the agents.
    graph : networkx.Graph
    products : Products
    protocol : Protocol
    seed : int
        Root of all random streams; one child per step, so that a run can be resumed.
    workers : int
        Countries that think at the same time.
    on_batch : callable, optional
        Told the tally after every batch of messages.
    on_plan : callable, optional
        Told each country that has planned in autarky.
    strategies : dict of str to Strategy, optional
        Of countries that do not simply tell the truth.
    price_cap_eur_per_mwh : float
        Value of lost load, public.
    perturbation : Perturbation, optional
        How countries value a little more and a little less import in every step; they do not
        where a protocol makes them do it by its own rules. Changes nothing of the negotiation.

    Attributes
    ----------
    agents : Together
    space : mesa.discrete_space.Network
    ledger : Ledger
    status : str
        ``"running"``, or one of completed, capped, cycling, infeasible, failed.
    autarky_eur : dict of str to float
    valuation_solves : int
        Solves for ``perturbation``, which are not among ``local_solves``.
    valuation_s : float
        Wall time of the stage ``value`` since the model was made.
    datacollector : StepCollector
        Model: status, total cost and gain, messages of the step; agents: cost, payment, gain.
        All names differ, because ``mesa.batch_run`` puts them in one row.
    """

    def __init__(
        self,
        problems: dict[str, PlanningProblem],
        graph: nx.Graph,
        products: Products,
        protocol: Protocol,
        seed: int = 0,
        workers: int = 1,
        on_batch: Callable[[Tally], None] | None = None,
        on_plan: Callable[[str], None] | None = None,
        strategies: dict[str, Strategy] | None = None,
        price_cap_eur_per_mwh: float = 3000.0,
        perturbation: Perturbation | None = None,
    ) -> None:
        super().__init__(seed=seed)
        self.protocol = protocol
        self.products = products
        self.space = mesa.discrete_space.Network(graph, capacity=1, random=self.random)
        self.ledger = Ledger(self.space.G, products)
        self.memory: dict[str, Any] = {}
        self.status: str = "running"
        self.note = ""
        self.local_solves = self._solves_before = 0
        self.valuation_solves = self._valuation_solves_before = 0
        self.valuation_s = 0.0
        self._perturbation = _in_use(perturbation, protocol)
        self._visited: dict[str, float] = {}
        self._root_seed = seed
        self._on_plan = on_plan or (lambda country: None)
        self._price_cap = price_cap_eur_per_mwh
        self.lower_bound_eur: float | None = None
        cells = {cell.coordinate: cell for cell in self.space.all_cells}
        self.countries = {
            country: CountryAgent(
                self, cells[country], problem, products, (strategies or {}).get(country)
            )
            for country, problem in problems.items()
        }
        self._together = Together(self.countries.values(), self.random, workers)
        self._engine = Engine(self.countries, self.agents, on_batch)
        self.autarky_eur: dict[str, float] = {}
        self.costs_eur: dict[str, float] = {}
        self.last: StepRecord | None = None
        self.datacollector = StepCollector(
            model_reporters={
                "status": "status",
                "total_cost_eur": lambda m: sum(m.costs_eur.values()),
                "total_gain_eur": lambda m: m.gain_eur,
                "messages": lambda m: m.last.tally.messages,
            },
            agent_reporters={
                "country": "country",
                "cost_eur": lambda a: a.model.costs_eur[a.country],
                "payment_eur": lambda a: a.model.ledger.payments_eur[a.country],
                "gain_eur": lambda a: a.model.gains_eur[a.country],
            },
        )

    @property
    def gains_eur(self) -> dict[str, float]:
        """Gain of each country over autarky, payments included, EUR/a."""
        return {
            c: self.autarky_eur[c] - self.costs_eur[c] - self.ledger.payments_eur[c]
            for c in self.countries
        }

    @property
    def gain_eur(self) -> float:
        """Gain of all countries together, EUR/a."""
        return sum(self.autarky_eur.values()) - sum(self.costs_eur.values())

    @property
    def agents(self) -> Together:
        """All countries, which act at the same time where there are workers."""
        return self._together

    def plan_alone(self) -> None:
        """Every country plans in autarky; the first step does it where it was not done before."""
        self.agents.do(self._plan_alone)
        self.autarky_eur = {c: agent.plan.cost_eur for c, agent in self.countries.items()}
        self.costs_eur = dict(self.autarky_eur)
        self._value(0)

    def step(self) -> None:
        """Sit down, negotiate, re-plan; book it, if no rule is broken, and value what is next."""
        if not self.autarky_eur:
            self.plan_alone()
        number = self.steps - 1
        with self.agents.at_work():
            chain = _Chain(self.countries)
            self.agents.do("sit_down", self.protocol, self.ledger)
            chain.close()
            plans = {c: agent.plan for c, agent in self.countries.items()}
            before = {c: plan.cost_eur for c, plan in plans.items()}

            pending = self.ledger.copy()
            rng = np.random.default_rng(np.random.SeedSequence([self._root_seed, number]))
            memory = copy.deepcopy(self.memory)
            market = MarketView(pending, rng, memory, number, self._price_cap)
            outcome, tally = self._engine.run(self.protocol, market, pending)

            chain.open()
            self._note_bound(outcome, sum(before.values()))
            costs = self._settle(pending, before)
            chain.close()
        tally.dependent_solves += chain.length
        self.ledger, self.memory = pending, market.memory
        self.costs_eur = costs
        self.status, self.note = self._verdict(outcome), outcome.note
        self.last = StepRecord(
            number,
            self.status,
            tally,
            outcome,
            costs,
            {c: self.products.average(p.mean_price_eur_per_mwh) for c, p in plans.items()},
            {c: a.marginal_costs for c, a in self.countries.items() if a.marginal_costs},
        )
        self.running = self.status == "running"
        self._value(number + 1)
        self.datacollector.collect(self)

    def standing(self) -> Standing:
        """Where the countries stand now."""
        return Standing(self.ledger, self.memory, self.costs_eur, self.lower_bound_eur)

    def fall_back(self, standing: Standing) -> None:
        """Undo what a step that broke off has agreed."""
        self.ledger, self.memory = standing.ledger, standing.memory
        self.costs_eur, self.lower_bound_eur = standing.costs_eur, standing.lower_bound_eur

    def _plan_alone(self, agent: CountryAgent) -> None:
        agent.optimise(self.ledger)
        self._on_plan(agent.country)

    def _value(self, number: int) -> None:
        """What a little more and a little less import is worth, where a step begins; then rest."""
        if self._perturbation is None or not self.running:
            self.agents.do("rest", self.ledger)
        else:
            start = time.perf_counter()
            turn = self._perturbation.turn(number, self._root_seed, len(self.products))
            self.agents.do("value", self._perturbation, turn, self.ledger)
            self.valuation_s += time.perf_counter() - start
        agents = self.countries.values()
        solves, tried = (sum(getattr(a, n) for a in agents) for n in ("solves", "valuation_solves"))
        self.local_solves = self._solves_before + solves
        self.valuation_solves = self._valuation_solves_before + tried

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and plain values from which :meth:`restore` goes on."""
        arrays = {f"flow/{name}": flow for name, flow in self.ledger.flows_mw.items()}
        for country, agent in self.countries.items():
            for key, value in agent.state().items():
                arrays[f"solver/{country}/{key}"] = value
            if self._perturbation is not None and agent.marginal_costs is not None:
                arrays[f"tried/{country}"] = np.stack(list(vars(agent.marginal_costs).values()))
        plain = {
            "steps": self.steps,
            "status": self.status,
            "note": self.note,
            "memory": self.memory,
            "payments_eur": self.ledger.payments_eur,
            "autarky_eur": self.autarky_eur,
            "costs_eur": self.costs_eur,
            "local_solves": self.local_solves,
            "valuation_solves": self.valuation_solves,
            "visited": dict(self._visited),
            "lower_bound_eur": self.lower_bound_eur,
        }
        return arrays, plain

    def restore(self, arrays: dict[str, np.ndarray], plain: dict[str, Any]) -> None:
        """Take up a recorded :meth:`state`; trades of earlier steps stay in the records."""
        flows = {name: arrays[f"flow/{name}"] for name in self.ledger.flows_mw}
        self.ledger.take_up(flows, plain["payments_eur"])
        self.memory = plain["memory"]
        self.autarky_eur, self.costs_eur = plain["autarky_eur"], plain["costs_eur"]
        self.steps = int(plain["steps"])
        self.local_solves = self._solves_before = int(plain["local_solves"])
        solves = int(plain["valuation_solves"])
        self.valuation_solves = self._valuation_solves_before = solves
        self.status, self.note = str(plain["status"]), str(plain["note"])
        self._visited = dict(plain["visited"])
        self.lower_bound_eur = plain["lower_bound_eur"]
        for country, agent in self.countries.items():
            prefix = f"solver/{country}/"
            solver = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
            agent.restore(self.ledger, solver)
            if f"tried/{country}" in arrays:
                agent.marginal_costs = MarginalCosts(*arrays[f"tried/{country}"])

    def _settle(self, pending: Ledger, before: dict[str, float]) -> dict[str, float]:
        """Check the rules on re-solved costs; money is never settled on an estimate."""
        pending.check_balance()
        pending.check_budget()
        self.agents.do("replan", pending)
        costs = {c: agent.plan.cost_eur for c, agent in self.countries.items()}
        if self.protocol.promises_no_loss:
            for c, cost in costs.items():
                if not self.countries[c].tells_the_truth:
                    continue  # what it loses by its own lie is no fault of the protocol
                paid = pending.payments_eur[c] - self.ledger.payments_eur[c]
                loss = cost + paid - before[c]
                if not loss <= COST_TOLERANCE * abs(before[c]) + COST_FLOOR_EUR:
                    raise RuleBroken(
                        f"no loss: {c} is {loss:.6g} EUR worse off after step {self.steps - 1}"
                    )
        return costs

    def _note_bound(self, outcome: Outcome, cost_eur: float) -> None:
        """Keep the highest certified lower bound on the cost of all countries.

        It is made of what countries say, and proves nothing where somebody does not tell the truth.
        """
        honest = all(agent.tells_the_truth for agent in self.countries.values())
        if outcome.lower_bound_eur is not None and honest:
            bound = cost_eur + outcome.lower_bound_eur
            known = self.lower_bound_eur
            self.lower_bound_eur = bound if known is None else max(bound, known)

    def _verdict(self, outcome: Outcome) -> str:
        if outcome.status is not None:
            final: Status = outcome.status
            return final
        if outcome.settled:
            return "completed"
        place, cost = self._fingerprint(), sum(self.costs_eur.values())
        known = self._visited.get(place)
        # Trades too small for the fingerprint go on, as long as they save cost.
        tolerance = COST_TOLERANCE * abs(cost) + COST_FLOOR_EUR
        if outcome.trades and known is not None and not known - cost > tolerance:
            outcome.note = "trades came back to flows that were reached before"
            return "cycling"
        self._visited[place] = cost
        return "running"

    def _fingerprint(self) -> str:
        lines = self.ledger.graph.edges.values()
        limits = {line["name"]: largest_mw(line["capacity_mw"]) or 1.0 for line in lines}
        shares = [np.round(f / limits[name], 6) + 0.0 for name, f in self.ledger.flows_mw.items()]
        flows = np.concatenate([np.zeros(0), *shares])
        return hashlib.sha256(flows.tobytes()).hexdigest()[:16]


def _in_use(perturbation: Perturbation | None, protocol: Protocol) -> Perturbation | None:
    """Nothing is tried twice where the protocol's own rules make everyone try."""
    if perturbation is None or not perturbation.most_products:
        return None
    return None if protocol.valuation == "perturbation" else perturbation


class _Chain:
    """Solves that had to wait for each other outside the conversation, country against country."""

    def __init__(self, countries: dict[str, CountryAgent]) -> None:
        self.length = 0
        self._countries = countries
        self.open()

    def open(self) -> None:
        """Countries begin to think at the same time."""
        self._before = {c: agent.solves for c, agent in self._countries.items()}

    def close(self) -> None:
        """All are done: the one that solved most was waited for."""
        self.length += max(a.solves - self._before[c] for c, a in self._countries.items())
