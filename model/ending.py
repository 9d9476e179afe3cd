"""How an error ends a run: in a status with its reason, never in a run without an end."""

from __future__ import annotations

import traceback
from pathlib import Path

from agents.problem import PlanningError
from model.ledger import RuleBroken
from protocols.plugins import PluginError
from scenarios.errors import ScenarioError


def end_of(error: Exception) -> tuple[str, str]:
    """Status that an error ends a negotiation in, and its reason in one line.

    Errors of the model's own say what is wrong; of any other, which may come from a plug-in, the
    reason names kind and place.
    """
    told = " ".join(str(error).split())
    if isinstance(error, PlanningError):
        return "infeasible", told
    if isinstance(error, RuleBroken | PluginError | ScenarioError):
        return "failed", told
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return "failed", f"{type(error).__name__}: {told}{place}"
