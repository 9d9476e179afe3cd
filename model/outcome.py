"""The negotiated outcome as one solved PyPSA network."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pypsa

from model.graph import strands
from model.joint import TRADE, joint_network
from model.ledger import Ledger


def outcome_network(
    solved: dict[str, pypsa.Network], graph: nx.Graph, ledger: Ledger
) -> pypsa.Network:
    """Join the countries' solved networks by Links that carry the negotiated flows.

    ``n.statistics`` works on the result; ``n.optimize()`` repeats the costs, because the flows
    are the Links' ``p_set``. ``n.objective`` is the sum of the countries' costs.

    Parameters
    ----------
    solved : dict of str to pypsa.Network
        Each country's network with its plan at the negotiated exchange.
    graph : networkx.Graph
    ledger : Ledger
    """
    n = joint_network(solved, graph)
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
