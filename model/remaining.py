"""What is left to gain when a negotiation has ended, and what proves it.

A country's cost is convex in its net import, so that its marginal values bound what any change of
its exchange can save. Valued at them, a change of all flows falls apart into changes of single
lines: a line can bring at most what its limits carry at the difference of the values at its ends,
losses taken off. Summed up this bounds what trade along any paths or cycles, between any number of
countries, could still save, whatever the protocol. Charges of transit countries are not taken off:
they move money and save nothing, so that what they keep from being traded counts as left.

Reference: the Lagrangian bound of convex programmes, Boyd & Vandenberghe (2004), Convex
Optimization, section 5.1.3. Cost is minus a concave function of the multipliers there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agents.problem import Plan
from model.graph import received_mw, sent_mw
from model.ledger import Ledger
from protocols.landing import port_of

# "No gain is left" needs a proof that at most this share of the gain that was reached is left ...
NOTHING = 1e-3
# ... or at most the accuracy of the solver, a share of the cost of all countries.
ROUNDING = 1e-8


@dataclass(frozen=True)
class Remaining:
    """What further trade in the same products could bring to all countries together.

    Attributes
    ----------
    at_most_eur : float
        Proven upper bound, EUR/a.
    proof : str
        What proves it: ``"marginal values"``, ``"bound of the protocol"`` or ``"planner with the
        same products"``; the last says exactly how much is left.
    nothing : bool, optional
        Whether nothing is left above the tolerance; None where that is not known.
    """

    at_most_eur: float
    proof: str
    nothing: bool | None


def left_at_most_eur(ledger: Ledger, plans: Mapping[str, Plan]) -> float:
    """Most that other flows in the ledger's products could save, by marginal values, EUR/a.

    Parameters
    ----------
    ledger : Ledger
        Where the negotiation ended.
    plans : mapping of str to Plan
        Each country's plan at its exchange in that ledger, with its marginal values.

    Returns
    -------
    float
        As accurate as the solver's marginal values are.
    """
    products, total = ledger.products, 0.0
    for a, b, data in ledger.graph.edges(data=True):
        value = {
            country: products.average(
                plans[country].price_at(port_of(ledger.graph, country, neighbour))
            )
            for country, neighbour in ((a, b), (b, a))
        }
        arriving = 1 - data["loss"]
        # Both ways at once pays only where power has a negative value; the planner may do it.
        best = np.zeros(len(products))
        for sender, receiver in ((a, b), (b, a)):
            most = products.largest_within(
                np.broadcast_to(data["capacity_mw"][sender], products.snapshots)
            )
            margin = arriving * value[receiver] - value[sender]
            best += np.where(margin > 0, margin * np.where(margin > 0, most, 0.0), 0.0)
        flow = products.average(ledger.flow_mw(a, b))
        present = value[b] * received_mw(flow, data["loss"]) - value[a] * sent_mw(
            flow, data["loss"]
        )
        total += float(products.hours @ (best - present))
    return max(total, 0.0)


def remaining(
    by_marginal_values_eur: float,
    negotiated_eur: float,
    autarky_eur: float,
    lower_bound_eur: float | None = None,
    ceiling_eur: float | None = None,
) -> Remaining:
    """The best proof of how much is left.

    Parameters
    ----------
    by_marginal_values_eur : float
        From :func:`left_at_most_eur`.
    negotiated_eur, autarky_eur : float
        Cost of all countries with their trades and without, EUR/a.
    lower_bound_eur : float, optional
        Cost that no flows go below, certified by the protocol.
    ceiling_eur : float, optional
        Least cost with flows in the same products, where it was computed.
    """
    proofs = [(by_marginal_values_eur, "marginal values")]
    if lower_bound_eur is not None:
        proofs.append((negotiated_eur - lower_bound_eur, "bound of the protocol"))
    at_most, proof = min(proofs)
    tolerance = max(NOTHING * (autarky_eur - negotiated_eur), ROUNDING * abs(autarky_eur))
    nothing = True if at_most <= tolerance else None
    if ceiling_eur is not None:
        exactly = negotiated_eur - ceiling_eur
        nothing = exactly <= tolerance
        if exactly < at_most or not nothing:
            at_most, proof = exactly, "planner with the same products"
    return Remaining(max(at_most, 0.0), proof, nothing)
