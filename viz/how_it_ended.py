"""How a run ended, what it reached and what is left: three things that no word covers at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from viz.numbers import money

ENDINGS = {
    "completed": "the protocol ended by its own rule",
    "capped": "steps ran out before the protocol ended",
    "cycling": "the same proposals came back again and again",
    "infeasible": "a planning problem has no solution",
    "failed": "the run broke off",
}
_PROOFS = {
    "marginal values": "by the countries' marginal values",
    "bound of the protocol": "by the protocol's bound",
    "planner with the same products": "by the planner with the same products",
}


def ending(status: str, otherwise: str = "a status that this version does not know") -> str:
    """How the negotiation ended, in words; it says nothing about what is left."""
    return ENDINGS.get(status, otherwise)


def reached(summary: Mapping[str, Any]) -> str:
    """Share of what was possible, against what; empty where no planner was asked.

    Examples
    --------
    >>> reached({"efficiency": 0.786, "of_ceiling": 0.987, "products": "tou"})
    "reached: 98.70 % of what tou products can bring, 78.60 % of the planner's gain"
    """
    shares = []
    if summary.get("of_ceiling") is not None and summary.get("products") != "hourly":
        share = f"{100 * summary['of_ceiling']:.2f} %"
        shares.append(f"{share} of what {summary.get('products')} products can bring")
    if summary.get("efficiency") is not None:
        shares.append(f"{100 * summary['efficiency']:.2f} % of the planner's gain")
    return f"reached: {', '.join(shares)}" if shares else ""


def left(summary: Mapping[str, Any]) -> str:
    """What further trade in the same products could bring, and what proves it.

    "No gain is left" is said with a proof only, see :mod:`model.remaining`. Empty for a run whose
    records do not tell.

    Examples
    --------
    >>> left({"nothing_left": None, "left_at_most_eur": 3e6, "left_proof": "marginal values"})
    "left: not known; proven by the countries' marginal values: at most 3.00 M EUR"
    """
    most = summary.get("left_at_most_eur")
    if most is None:
        return ""
    proof = _PROOFS.get(str(summary.get("left_proof")), "")
    nothing = summary.get("nothing_left")
    if nothing:
        return f"no gain is left in these products: proven {proof}, at most {money(most)}"
    if nothing is None:
        return f"left: not known; proven {proof}: at most {money(most)}"
    return f"left: {money(most)} that trade in the same products could bring, {proof}"
