"""The negotiated outcome as one solved PyPSA network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pypsa
from pydantic import TypeAdapter

from agents.policy import Policy, PolicyInForce
from model.graph import strands
from model.joint import TRADE, joint_network
from model.ledger import Ledger
from pypsa_earth.rules import NationalRules

# Key of the meta data that holds the countries' policies.
POLICIES = "dman_cep_policies"
KINDS: dict[str, Any] = {"policy": PolicyInForce, "rules": NationalRules}


def outcome_network(
    solved: dict[str, pypsa.Network],
    graph: nx.Graph,
    ledger: Ledger,
    policies: Mapping[str, Policy],
) -> pypsa.Network:
    """Join the countries' solved networks by Links that carry the negotiated flows.

    ``n.statistics`` works on the result. The flows are the Links' ``p_set``, so that
    ``n.optimize(extra_functionality=national_policies, include_objective_constant=False)`` repeats
    the costs (see :func:`national_policies`). ``n.objective`` is the sum of the countries' costs.

    Parameters
    ----------
    solved : dict of str to pypsa.Network
        Each country's network with its plan at the negotiated exchange.
    graph : networkx.Graph
    ledger : Ledger
    policies : mapping of str to Policy
        What countries must keep to beside their networks; kept in the network's meta data.
    """
    n = joint_network(solved, graph)
    n.meta = {**(n.meta or {}), POLICIES: _written(policies)}
    n.name = "negotiated"
    sent: dict[str, np.ndarray] = {}
    received: dict[str, np.ndarray] = {}
    for a, b, data in graph.edges(data=True):
        for sender, receiver in ((a, b), (b, a)):
            flow = np.maximum(ledger.flow_mw(sender, receiver), 0.0)
            for strand in strands(graph, sender, receiver):
                sent[strand.name] = strand.share * flow
                received[strand.name] = -(1 - data["loss"]) * strand.share * flow
    traded = n.links.index[n.links.carrier == TRADE]
    n.links.loc[traded, "p_nom_opt"] = n.links.p_nom[traded]
    for attribute, flows in (("p_set", sent), ("p0", sent), ("p1", received)):
        own = n.links_t[attribute].drop(columns=traded, errors="ignore")
        n.links_t[attribute] = pd.concat([own, pd.DataFrame(flows, index=n.snapshots)], axis=1)
    n._objective = sum(float(s.objective) for s in solved.values())
    return n


def national_policies(n: pypsa.Network, snapshots: pd.Index | None = None) -> None:
    """Add the policies and limits of all countries to the model of an outcome's network.

    For ``n.optimize(extra_functionality=national_policies)``: emission caps, reserves and other
    rules of one country are no global constraints that PyPSA knows.

    Parameters
    ----------
    n : pypsa.Network
        From :func:`outcome_network` or its file, with a model.
    snapshots : Index, optional
        Not used; PyPSA passes it.
    """
    for country, policy in _read(n.meta).items():
        policy.add_to(n, country)


def _written(policies: Mapping[str, Policy]) -> dict[str, dict[str, Any]]:
    """Policies as plain data, by country."""
    return {
        country: {"kind": kind, **TypeAdapter(made).dump_python(policy, mode="json")}
        for country, policy in policies.items()
        for kind, made in KINDS.items()
        if isinstance(policy, made)
    }


def _read(meta: Mapping[str, Any] | None) -> dict[str, Policy]:
    return {
        country: TypeAdapter(KINDS[policy["kind"]]).validate_python(
            {key: value for key, value in policy.items() if key != "kind"}
        )
        for country, policy in (meta or {}).get(POLICIES, {}).items()
    }
