"""The joint network of all countries, and the planner that sees everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import networkx as nx
import numpy as np
import pandas as pd
import pypsa
from linopy.solvers import Solver

from agents.hot_model import muted
from agents.linear import linear_model
from agents.policy import Policy
from agents.problem import OutOfTime
from agents.singletons import singleton_rows_to_bounds
from agents.solving import LifeSigns
from model.graph import strands
from protocols.products import Products

# Interior point without crossover is by far the fastest for the large joint LP, see
# docs/coordination.md.
HIPO_OPTIONS = {
    "solver": "hipo",
    "run_crossover": "off",
    "threads": 2,
    "output_flag": True,  # its log is read for the gap, not shown
    "log_to_console": False,
}
TRADE = "trade"
# What all countries' networks know alike.
_COMMON = ("Network", "SubNetwork", "Carrier", "LineType", "TransformerType")


def joint_network(networks: Mapping[str, pypsa.Network], graph: nx.Graph) -> pypsa.Network:
    """Merge the countries' networks and join them by lossy Links, one per direction.

    Parameters
    ----------
    networks : mapping of str to pypsa.Network
        The agents' own networks; copied, not changed.
    graph : networkx.Graph
        Interconnection graph.

    Raises
    ------
    ValueError
        If snapshots differ, or two countries have components of one name.
    """
    joint = _merged(list(networks.values()))
    joint.name = "planner"
    joint.add("Carrier", TRADE, nice_name="Interconnector", color="#8a1caf")
    ways = [
        (strand, data["capacity_mw"][sender] * strand.share, 1 - data["loss"])
        for a, b, data in graph.edges(data=True)
        for sender, receiver in ((a, b), (b, a))
        for strand in strands(graph, sender, receiver)
    ]
    if ways:
        joint.add(
            "Link",
            [strand.name for strand, _, _ in ways],
            bus0=[strand.bus0 for strand, _, _ in ways],
            bus1=[strand.bus1 for strand, _, _ in ways],
            carrier=TRADE,
            p_nom=[float(np.max(limit_mw)) for _, limit_mw, _ in ways],
            efficiency=[efficiency for _, _, efficiency in ways],
        )
    varying = {
        strand.name: limit_mw / limit_mw.max()
        for strand, limit_mw, _ in ways
        if np.ndim(limit_mw) and limit_mw.max() > 0
    }
    if varying:
        limits = pd.DataFrame(varying, index=joint.snapshots)
        joint.links_t.p_max_pu = pd.concat([joint.links_t.p_max_pu, limits], axis=1)
    return joint


def _merged(networks: Sequence[pypsa.Network]) -> pypsa.Network:
    """As ``n.merge`` would join them one by one, in one go."""
    first = networks[0]
    if not all(n.snapshot_weightings.equals(first.snapshot_weightings) for n in networks):
        raise ValueError("the snapshots of two countries differ")
    joint = first.copy()
    for c in joint.components.values():
        others = [n.c[c.name] for n in networks[1:] if len(n.c[c.name].static)]
        if c.name in _COMMON or not others:
            continue
        columns, default = c.static.columns, c.defaults.default
        parts = [part.static.reindex(columns=columns) for part in (c, *others) if len(part.static)]
        static = pd.concat(parts)
        for column in columns.intersection(default.index):
            if static[column].isna().any() and not pd.isna(default[column]):
                static[column] = static[column].fillna(default[column])
        if static.index.has_duplicates:
            raise ValueError(f"{c.name}s of two countries have the same name")
        static.index.name = c.static.index.name
        c.static = static.astype(c.static.dtypes)
        for attribute, table in c.dynamic.items():
            added = [part.dynamic[attribute].sort_index(axis=1) for part in others]
            together = pd.concat([table, *added], axis=1)
            if not c.defaults.static.get(attribute, True):  # results: each component has its own
                together = together.reindex(columns=c.static.index, fill_value=default[attribute])
            together.columns.name = c.static.index.name
            c.dynamic[attribute] = together
    return joint


def hold_shares(n: pypsa.Network, graph: nx.Graph) -> None:
    """Let the branches of an interconnector carry its flow in their shares."""
    for edge in graph.edges:
        for way in (edge, edge[::-1]):
            first, *rest = (s for s in strands(graph, *way) if s.share > 0)
            for other in rest:
                flow = n.model.variables["Link-p"]
                one, two = (flow.sel(name=s.name, drop=True) for s in (first, other))
                n.model.add_constraints(
                    two - (other.share / first.share) * one == 0,
                    name=f"{other.name} share".replace("-", "_"),
                )


def restrict_to_products(n: pypsa.Network, products: Products) -> None:
    """Hold the flow of every interconnector constant over the snapshots a product delivers in.

    Products must cover each snapshot once, as :func:`protocols.products.make_products` makes them.
    """
    traded = n.links.index[n.links.carrier == TRADE]
    if traded.empty:
        return
    flow = n.model.variables["Link-p"].sel(name=traded)
    _, first, place = np.unique(products.of_snapshot, return_index=True, return_inverse=True)
    leader = first[place]
    follows = np.flatnonzero(leader != np.arange(len(leader)))
    if len(follows) == 0:
        return
    one = flow.isel(snapshot=follows)
    other = flow.isel(snapshot=leader[follows]).assign_coords(snapshot=one.coords["snapshot"])
    n.model.add_constraints(one - other == 0, name="Link-product")


def plan_jointly(
    n: pypsa.Network,
    policies: Mapping[str, Policy],
    products: Products | None = None,
    graph: nx.Graph | None = None,
    time_limit_s: float | None = None,
    told: Callable[[str], None] | None = None,
) -> float:
    """Minimise the cost of all countries together, EUR/a.

    Parameters
    ----------
    n : pypsa.Network
        From :func:`joint_network`; the solution is written into it.
    policies : mapping of str to Policy
    products : Products, optional
        Restricts exchange to these products, which gives the ceiling of their family.
    graph : networkx.Graph, optional
        Needed where interconnectors have branches, which carry their flow in fixed shares.
    time_limit_s : float, optional
        Seconds the solver may take.
    told : callable, optional
        Gets a few words now and then while the solver works.

    Raises
    ------
    OutOfTime
        If the solver reaches its time limit.
    RuntimeError
        If it does not reach optimality for another reason.
    """
    linear_model(n)
    for country, policy in policies.items():
        policy.add_to(n, country)
    if graph is not None:
        hold_shares(n, graph)
    singleton_rows_to_bounds(n.model)
    if products is not None:
        restrict_to_products(n, products)
    limit = {} if time_limit_s is None else {"time_limit": time_limit_s}
    # Interior point alone may stop short of its tolerance; from there the simplex finds a vertex.
    for crossover in ("off", "on"):
        options = {**HIPO_OPTIONS, **limit, "run_crossover": crossover}
        with muted():
            solver = Solver.from_name("highs", n.model, io_api="direct", options=options)
            if told is not None:
                LifeSigns(solver.solver_model, told)
            _, condition = n.model.assign_result(solver.solve())
        if condition in ("optimal", "time_limit"):
            break
    if condition == "time_limit":
        raise OutOfTime(f"no optimum within {time_limit_s:g} s")
    if condition != "optimal":
        raise RuntimeError(f"the solver ended with {condition}")
    n.optimize.assign_solution()
    n.optimize.assign_duals()
    n.optimize.post_processing()
    return float(n.model.objective.value)
