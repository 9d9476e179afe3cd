"""The planner that sees everything, for countries that are cost curves.

It minimises the sum of exactly the agents' costs over the flows of the graph, by tangents: a
linear program whose cost curves are refined where its solution lies until its lower bound meets
the true cost of its flows. Curves of blocks are exact at once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import networkx as nx
import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from agents.curve_problem import CurveProblem
from agents.problem import OutOfTime
from model.graph import sent_mw
from protocols.products import Products

# Gap to the lower bound, relative to cost, at which refining ends; and that must be reached.
_WANTED_GAP = 1e-10
_LARGEST_GAP = 1e-7
# A refinement leaves at most this share of the gap, or it is the last.
_PROGRESS = 0.9
_MOST_REFINEMENTS = 60
_FIRST_TANGENTS = 12


def plan_curves(
    problems: Mapping[str, CurveProblem],
    graph: nx.Graph,
    products: Products | None = None,
    time_limit_s: float | None = None,
) -> tuple[float, dict[str, np.ndarray]]:
    """Minimise the cost of all countries together.

    Parameters
    ----------
    problems : mapping of str to CurveProblem
        The agents' own problems; only read.
    graph : networkx.Graph
        Interconnection graph.
    products : Products, optional
        Restricts flows to these products, which gives the ceiling of their family. Without,
        every snapshot is free.
    time_limit_s : float, optional
        Seconds that all linear programs together may take.

    Returns
    -------
    cost_eur : float
        Cost of all countries, EUR/a.
    flows_mw : dict of str to ndarray
        Net flow per interconnector and snapshot, positive from the alphabetically first country.

    Raises
    ------
    OutOfTime
        If the time limit is reached.
    RuntimeError
        If the gap does not close for another reason.
    """
    pool = _Pool(problems, graph, products, _Clock(time_limit_s))
    best_cost, best_flows, bound, gap = np.inf, {}, -np.inf, np.inf
    for _ in range(_MOST_REFINEMENTS):
        found = pool.solve()
        if found is None:
            break
        lower, net_mw, generation_mw, cost_rate = found
        bound = max(bound, lower)
        flows = pool.flows_mw(net_mw)
        cost = pool.cost_eur(flows)
        if cost < best_cost:
            best_cost, best_flows = cost, flows
        gap, gap_before = best_cost - bound, gap
        scale = max(abs(best_cost), 1.0)
        if gap <= _WANTED_GAP * scale:
            break
        if gap <= _LARGEST_GAP * scale and gap > _PROGRESS * gap_before:
            break  # what is left is the solver's accuracy
        if not pool.refine(generation_mw, cost_rate):
            break
    if not best_cost - bound <= _LARGEST_GAP * max(abs(best_cost), 1.0):
        raise RuntimeError(f"planner: a gap of {best_cost - bound:.6g} EUR does not close")
    return best_cost, pool.without_loops(best_flows)


class _Clock:
    """Time left of a limit."""

    def __init__(self, limit_s: float | None) -> None:
        self._limit_s = limit_s
        self._begun_s = time.perf_counter()

    def options(self) -> dict[str, float]:
        """Options that hold a solver to the time left.

        Raises
        ------
        OutOfTime
            If none is left.
        """
        if self._limit_s is None:
            return {}
        left_s = self._limit_s - (time.perf_counter() - self._begun_s)
        if left_s <= 0:
            raise OutOfTime(f"no optimum within {self._limit_s:g} s")
        return {"time_limit": left_s}


class _Pool:
    """The linear program: directed flows per edge and product, generation, cost rates."""

    def __init__(
        self,
        problems: Mapping[str, CurveProblem],
        graph: nx.Graph,
        products: Products | None,
        clock: _Clock,
    ) -> None:
        self.problems = problems
        self._clock = clock
        self.countries = tuple(problems)
        self.weights_h = next(iter(problems.values())).weights_h
        self.snapshots = len(self.weights_h)
        self.shape = (
            products.shape if products is not None else sp.eye_array(self.snapshots, format="csr")
        )
        self.edges = [(min(a, b), max(a, b), data) for a, b, data in graph.edges(data=True)]
        # Exchange of each country per MW of each directed flow, in the order of the columns.
        self.incidence = np.zeros((len(self.countries), 2 * len(self.edges)))
        peak = self.shape.max(axis=1).toarray()
        limits = []
        for e, (a, b, data) in enumerate(self.edges):
            for way, (sender, receiver) in enumerate(((a, b), (b, a))):
                column = 2 * e + way
                self.incidence[self.countries.index(sender), column] = -1.0
                self.incidence[self.countries.index(receiver), column] = 1 - data["loss"]
                limits.append(data["capacity_mw"][sender] / peak)
        self.limit_mw = np.array(limits).reshape(2 * len(self.edges), self.shape.shape[0])
        self._exchange_of_flow = sp.kron(self.incidence, self.shape.T, format="csr")
        self._demand = np.array([problems[c].demand_mw for c in self.countries])
        # Units that bring the linear program to the order of one.
        self._power_mw = max(float(self._demand.max()), float(self.limit_mw.max(initial=0.0)), 1e-3)
        energy_mwh = float((self._demand @ self.weights_h).sum())
        alone = self.cost_eur({data["name"]: np.zeros(self.snapshots) for *_, data in self.edges})
        self._price = max(alone / energy_mwh if energy_mwh > 0 else 1.0, 1e-3)
        # Tangents: which country and snapshot, rate and offset of each.
        self._at = np.zeros(0, dtype=int)
        self._rate, self._offset = np.zeros(0), np.zeros(0)
        self._place_first_tangents()

    def solve(self) -> tuple[float, np.ndarray, np.ndarray, np.ndarray] | None:
        """Lower bound of cost, net flow per edge and product, generation and its cost rate.

        None if the solver does not come to an end.
        """
        points = self._demand.size
        flow_columns = self.limit_mw.size
        # Generation and exchange meet demand.
        balance = sp.hstack(
            [self._exchange_of_flow, sp.identity(points), sp.csr_matrix((points, points))],
            format="csr",
        )
        count = len(self._at)
        row = np.arange(count)
        tangents = sp.csr_matrix(
            (
                np.concatenate([self._rate / self._price, -np.ones(count)]),
                (
                    np.concatenate([row, row]),
                    flow_columns + np.concatenate([self._at, points + self._at]),
                ),
            ),
            shape=(count, flow_columns + 2 * points),
        )
        none = np.full(points, np.inf)
        weights = np.tile(self.weights_h, len(self.countries))
        for method in ("highs-ds", "highs-ipm"):
            result = linprog(
                np.concatenate([np.zeros(flow_columns + points), weights / weights.max()]),
                A_ub=tangents,
                b_ub=-self._offset / (self._price * self._power_mw),
                A_eq=balance,
                b_eq=self._demand.ravel() / self._power_mw,
                bounds=np.column_stack(
                    [
                        np.concatenate([np.zeros(flow_columns), -none, np.zeros(points)]),
                        np.concatenate([self.limit_mw.ravel() / self._power_mw, none, none]),
                    ]
                ),
                method=method,
                options={
                    "primal_feasibility_tolerance": 1e-9,
                    "dual_feasibility_tolerance": 1e-9,
                    **self._clock.options(),
                },
            )
            if result.status == 0:
                break
        else:
            self._clock.options()  # it may have been the time
            return None
        flow = result.x[:flow_columns].reshape(self.limit_mw.shape) * self._power_mw
        flow = np.clip(flow, 0.0, self.limit_mw)
        generation = result.x[flow_columns : flow_columns + points] * self._power_mw
        money = self._price * self._power_mw
        return (
            float(result.fun) * float(weights.max()) * money,
            flow[::2] - flow[1::2],
            generation.reshape(self._demand.shape),
            (result.x[flow_columns + points :] * money).reshape(self._demand.shape),
        )

    def flows_mw(self, net_mw: np.ndarray) -> dict[str, np.ndarray]:
        """Net flow per interconnector and snapshot."""
        return {
            data["name"]: net @ self.shape
            for (_, _, data), net in zip(self.edges, net_mw, strict=True)
        }

    def cost_eur(self, flows_mw: Mapping[str, np.ndarray]) -> float:
        """True cost of all countries at given net flows."""
        return sum(
            float(self.weights_h @ p.cost_rate_eur_per_h(p.demand_mw - exchange))
            for p, exchange in zip(self.problems.values(), self._exchange(flows_mw), strict=True)
        )

    def without_loops(self, flows_mw: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Smallest flows that exchange the same; only lossless loops leave a choice."""
        if not self.edges:
            return flows_mw
        result = linprog(
            np.ones(self.limit_mw.size),
            A_eq=self._exchange_of_flow,
            b_eq=self._exchange(flows_mw).ravel(),
            bounds=np.column_stack([np.zeros(self.limit_mw.size), self.limit_mw.ravel()]),
            method="highs-ds",
            options=self._clock.options(),
        )
        if result.status != 0:  # rounding made the flows a hair infeasible
            return flows_mw
        flow = np.clip(result.x.reshape(self.limit_mw.shape), 0.0, self.limit_mw)
        smaller = self.flows_mw(flow[::2] - flow[1::2])
        cost = self.cost_eur(flows_mw)
        return smaller if self.cost_eur(smaller) <= cost + _WANTED_GAP * abs(cost) else flows_mw

    def _exchange(self, flows_mw: Mapping[str, np.ndarray]) -> np.ndarray:
        exchange = np.zeros(self._demand.shape)
        for a, b, data in self.edges:
            flow = flows_mw[data["name"]]
            exchange[self.countries.index(a)] -= sent_mw(flow, data["loss"])
            exchange[self.countries.index(b)] -= sent_mw(-flow, data["loss"])
        return exchange

    def refine(self, generation_mw: np.ndarray, cost_rate_eur_per_h: np.ndarray) -> bool:
        """Add tangents where the solution lies below the curves; whether there are any."""
        true = np.array(
            [
                p.cost_rate_eur_per_h(g)
                for p, g in zip(self.problems.values(), generation_mw, strict=True)
            ]
        )
        # Nearly parallel rows only harm the solver.
        negligible = _WANTED_GAP / 10 * np.maximum(true, self._price * self._power_mw)
        below = (true - cost_rate_eur_per_h > negligible).ravel()
        if below.any():
            self._add_tangents(generation_mw, np.flatnonzero(below))
        return bool(below.any())

    def _place_first_tangents(self) -> None:
        """Tangents over the range of generation, and all segments of the curves."""
        reach = np.abs(self.incidence) @ self.limit_mw @ self.shape
        for share in np.linspace(-1.0, 1.0, _FIRST_TANGENTS):
            self._add_tangents(self._demand + share * reach)
        for i in range(max(len(p.kinks_mw) for p in self.problems.values())):
            kinks = [p.kinks_mw for p in self.problems.values()]
            at = np.array([k[min(i, len(k) - 1)] for k in kinks])
            self._add_tangents(np.broadcast_to(at[:, None], self._demand.shape))

    def _add_tangents(self, generation_mw: np.ndarray, at: np.ndarray | None = None) -> None:
        """Cost rate >= offset + rate * generation; at all points, or at some of them."""
        rates = np.empty(self._demand.shape)
        offsets = np.empty(self._demand.shape)
        for c, (problem, generation) in enumerate(
            zip(self.problems.values(), generation_mw, strict=True)
        ):
            rates[c] = problem.marginal_cost(generation)[1]
            offsets[c] = problem.cost_rate_eur_per_h(generation) - rates[c] * generation
        chosen = np.arange(self._demand.size) if at is None else at
        self._at = np.concatenate([self._at, chosen])
        self._rate = np.concatenate([self._rate, rates.ravel()[chosen]])
        self._offset = np.concatenate([self._offset, offsets.ravel()[chosen]])
