"""The planner that sees everything, with interconnectors switched in and out of service.

One joint model of all countries serves every set of lines: it is built once and kept hot, a line is
switched by the bounds of its flow, and the dual simplex goes on from the last optimum, which stays
dual feasible because flows are bounded on both sides. Countries that are cost curves are planned
anew each time, which takes milliseconds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import networkx as nx
import numpy as np
import pypsa

from agents.curve_problem import CurveProblem
from agents.hot_model import HotModel
from agents.linear import linear_model
from agents.policy import PolicyInForce, add_policy_constraints
from agents.problem import PlanningError
from agents.singletons import singleton_rows_to_bounds
from model.curve_planner import plan_curves
from model.joint import joint_network
from model.line_sets import LineSets, bits


class SwitchedPlanner(ABC):
    """Least cost of all countries with only some interconnectors in service."""

    @abstractmethod
    def cost_eur(self, lines: int) -> float:
        """Cost of all countries with these lines, EUR/a; the others carry nothing.

        Parameters
        ----------
        lines : int
            Set of lines, see :class:`model.line_sets.LineSets`.

        Raises
        ------
        PlanningError
            If the solver does not reach optimality.
        """

    def stop(self) -> None:
        """End the solve in progress, from another thread; of no use afterwards."""

    def rewind(self) -> None:
        """Forget what was solved, so that what comes next does not depend on what came before."""


class HotPlanner(SwitchedPlanner):
    """Switched planner of countries with PyPSA networks.

    Parameters
    ----------
    networks : mapping of str to pypsa.Network
        Unsolved; copied.
    graph : networkx.Graph
    policies : mapping of str to PolicyInForce
    """

    def __init__(
        self,
        networks: Mapping[str, pypsa.Network],
        graph: nx.Graph,
        policies: Mapping[str, PolicyInForce],
    ) -> None:
        n = joint_network(networks, graph)
        model = linear_model(n)
        for country, policy in policies.items():
            add_policy_constraints(n, country, policy)
        singleton_rows_to_bounds(model)
        self._hot = HotModel(model, "highs")
        self._columns, self._limit_mw = [], []
        if graph.number_of_edges():
            flow = model.variables["Link-p"]
            for a, b, data in graph.edges(data=True):
                ways = [flow.sel(name=name).labels.values for name in (f"{a}>{b}", f"{b}>{a}")]
                self._columns.append(self._hot.column_positions(np.concatenate(ways)))
                limits = [data["capacity_mw"][a], data["capacity_mw"][b]]
                over_time = [np.full(len(n.snapshots), limit) for limit in limits]
                self._limit_mw.append(np.concatenate(over_time))
        self._on = (1 << len(self._columns)) - 1
        self._switch(0)
        self._solve()
        self._autarky = self._hot.state()

    def cost_eur(self, lines: int) -> float:
        """Cost with these lines; see :class:`SwitchedPlanner`."""
        self._switch(lines)
        return self._solve()

    def stop(self) -> None:
        """End the solve in progress; see :class:`SwitchedPlanner`."""
        self._hot.stop()

    def rewind(self) -> None:
        """Go back to the basis of autarky."""
        self._switch(0)
        self._hot.restore(self._autarky)

    def _switch(self, lines: int) -> None:
        changed = bits(lines ^ self._on)
        if changed:
            columns = np.concatenate([self._columns[k] for k in changed])
            upper = np.concatenate([self._limit_mw[k] * (lines >> k & 1) for k in changed])
            self._hot.change(bounds=(columns, np.zeros_like(upper), upper))
        self._on = lines

    def _solve(self) -> float:
        result = self._hot.solve()
        if not result.status.is_ok:
            raise PlanningError(
                f"planner with some lines only: the solver ended {result.status.legacy_status!r}"
            )
        return float(result.solution.objective)


class CurvePlanner(SwitchedPlanner):
    """Switched planner of countries that are cost curves.

    Parameters
    ----------
    problems : mapping of str to CurveProblem
    graph : networkx.Graph
    """

    def __init__(self, problems: Mapping[str, CurveProblem], graph: nx.Graph) -> None:
        self._problems = problems
        self._graph = graph
        self._sets = LineSets(graph)
        self._edges = tuple(graph.edges)
        self._alone_eur = {
            country: float(p.weights_h @ p.cost_rate_eur_per_h(p.demand_mw))
            for country, p in problems.items()
        }

    def cost_eur(self, lines: int) -> float:
        """Cost with these lines; see :class:`SwitchedPlanner`."""
        joined = {self._sets.countries[i] for i in bits(self._sets.reached(lines))}
        cost = sum(alone for country, alone in self._alone_eur.items() if country not in joined)
        if not joined:
            return cost
        problems = {c: p for c, p in self._problems.items() if c in joined}
        graph = self._graph.edge_subgraph([self._edges[k] for k in bits(lines)])
        return cost + plan_curves(problems, graph)[0]
