"""Step a negotiation until it ends, keeping every step."""

from __future__ import annotations

from collections.abc import Callable

from agents.problem import PlanningError
from model.ledger import RuleBroken
from model.negotiation import NegotiationModel
from model.reporting import Reporter


def take_steps(
    model: NegotiationModel,
    most_steps: int,
    keep: Callable[[NegotiationModel], None],
    reporter: Reporter,
) -> tuple[str, str]:
    """Step until the rules say that it is over, steps run out or a rule is broken.

    Parameters
    ----------
    model : NegotiationModel
        After :meth:`~NegotiationModel.plan_alone` or :meth:`~NegotiationModel.restore`.
    most_steps : int
        Counted from the first step, restored ones included.
    keep : callable
        Writes down the step that was just taken.
    reporter : Reporter

    Returns
    -------
    str, str
        Final status and a note that explains it.
    """
    while model.status == "running" and model.steps < most_steps:
        try:
            model.step()
        except (PlanningError, RuleBroken) as error:
            reporter.warn(str(error))
            return "infeasible" if isinstance(error, PlanningError) else "failed", str(error)
        keep(model)
    if model.status == "running":
        note = f"stopped after {model.steps} steps with gain left; give more --max-steps"
        return "capped", note
    return model.status, model.note
