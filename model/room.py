"""Whether a run will fit into memory: an estimate before anything is solved."""

from __future__ import annotations

from collections.abc import Iterable

import psutil

from agents.planning import PypsaProblem
from agents.problem import PlanningProblem

# On `sapp2030` with hourly products (372 000 coefficients) planning alone takes 250 MB more than
# the loaded programs and the planner 570 MB or more, 1 540 bytes a coefficient; the rest is left
# for the negotiation and its records.
BYTES_PER_COEFFICIENT = 2_500


def needed_bytes(problems: Iterable[PlanningProblem]) -> int:
    """What a run of these countries may still take at its peak, planner and results included."""
    coefficients = sum(p.coefficients for p in problems if isinstance(p, PypsaProblem))
    return coefficients * BYTES_PER_COEFFICIENT


def too_large(problems: Iterable[PlanningProblem], free_bytes: int | None = None) -> str | None:
    """Say so if a run will probably not fit into the free memory; None if it will.

    Parameters
    ----------
    problems : iterable of PlanningProblem
        Built, so that their size is known.
    free_bytes : int, optional
        What the system has to give by default.
    """
    free = psutil.virtual_memory().available if free_bytes is None else free_bytes
    needed = needed_bytes(problems)
    if needed <= free:
        return None
    return (
        f"the run may need {needed / 1e9:.1f} GB more and {free / 1e9:.1f} GB are free; fewer "
        "snapshots (--resolution, --set network.window=168) or countries make it smaller"
    )
