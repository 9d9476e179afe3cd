"""What is left: the ceiling of the products, and the proof that no more is to be gained."""

from __future__ import annotations

import numpy as np

from model.audit.notes import Notes
from model.audit.recorded import Line, Recorded

# Solved in different ways, each to a share of the cost of all.
BOUND = 1e-7
RATIO = 1e-9
# At most this share of the gain reached, or of all costs, counts as nothing.
NOTHING, ACCURACY = 1e-3, 1e-8


def check_left(run: Recorded, notes: Notes) -> None:
    """Ceiling, share of it and what is left follow from flows, prices and costs."""
    summary = run.summary
    alone, gain = summary["autarky_cost_eur"], summary["gain_eur"]
    most, best = summary["ceiling_gain_eur"], summary["planner_gain_eur"]
    limit = BOUND * max(1.0, abs(alone))
    if most is not None:
        what, excess = "gain is below the ceiling's", max(gain - most, 0.0)
        notes.at_most(what, "summary, ceiling_gain_eur", excess, limit, "EUR")
        if best is not None:
            what, excess = "ceiling's gain is below the planner's", max(most - best, 0.0)
            notes.at_most(what, "summary, ceiling_gain_eur", excess, limit, "EUR")
        if summary["of_ceiling"] is not None:
            share = gain / most
            notes.near(
                "share of the ceiling", "summary, of_ceiling", summary["of_ceiling"], share,
                RATIO * max(1.0, abs(share)), "",
            )  # fmt: skip
    if run.kind == "network":
        return  # prices of countries are means over their ports there, which bound nothing
    at_most, proof = _by_marginal_values(run), "marginal values"
    bound = summary["lower_bound_eur"]
    if bound is not None and summary["negotiated_cost_eur"] - bound < at_most:
        at_most, proof = summary["negotiated_cost_eur"] - bound, "bound of the protocol"
    tolerance = max(NOTHING * gain, ACCURACY * abs(alone))
    nothing = True if at_most <= tolerance else None
    if most is not None:
        exactly = most - gain
        what, excess = "proof of what is left covers the ceiling", max(exactly - at_most, 0.0)
        notes.at_most(what, "summary", excess, limit, "EUR")
        nothing = exactly <= tolerance
        if exactly < at_most or not nothing:
            at_most, proof = exactly, "planner with the same products"
    told = summary["left_at_most_eur"]
    rounding = 1e-12 * max(1.0, abs(alone)) + RATIO * max(at_most, 0.0)
    notes.near(
        "what is left", "summary, left_at_most_eur", told, max(at_most, 0.0), rounding, "EUR"
    )
    notes.same("what is left", "summary, left_proof", summary["left_proof"], proof)
    notes.same("what is left", "summary, nothing_left", summary["nothing_left"], nothing)


def _by_marginal_values(run: Recorded) -> float:
    """Most that other flows in the same products could save, EUR/a.

    By convexity nobody saves more by a change of its exchange than it is worth at its marginal
    values, so that each line is looked at alone.
    """
    hours = run.shape @ run.hours
    prices = run.by_country("negotiated", "price_eur_per_mwh")
    value = {c: _mean(run, price, hours) for c, price in prices.items()}
    flows = run.by_line("negotiated")
    total = 0.0
    for line in run.lines.values():
        flow = _mean(run, flows[line.name], hours)
        arriving = np.where(flow >= 0, (1 - line.loss) * flow, flow)
        leaving = np.where(flow >= 0, flow, (1 - line.loss) * flow)
        present = value[line.b] * arriving - value[line.a] * leaving
        best = np.zeros(len(hours))
        for sender, receiver in ((line.a, line.b), (line.b, line.a)):
            margin = (1 - line.loss) * value[receiver] - value[sender]
            best += np.maximum(margin, 0.0) * _largest_mw(run, line, sender)
        total += float(hours @ (best - present))
    return max(total, 0.0)


def _mean(run: Recorded, series: np.ndarray, hours: np.ndarray) -> np.ndarray:
    """Mean of a series over the delivery of each product."""
    mean: np.ndarray = (run.shape @ (run.hours * series)) / hours
    return mean


def _largest_mw(run: Recorded, line: Line, sender: str) -> np.ndarray:
    """Largest contract of each product that the line can carry from a country."""
    shape = run.shape.tocoo()
    largest = np.full(shape.shape[0], np.inf)
    np.minimum.at(largest, shape.row, line.limit_mw[sender][shape.col] / shape.data)
    return largest
