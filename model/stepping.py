"""Step a negotiation until it ends, keeping every step."""

from __future__ import annotations

from collections.abc import Callable

from model.ending import end_of
from model.negotiation import NegotiationModel, Standing
from model.reporting import Reporter


def take_steps(
    model: NegotiationModel,
    most_steps: int,
    keep: Callable[[NegotiationModel], None],
    reporter: Reporter,
) -> tuple[str, str]:
    """Step until the rules say that it is over, steps run out or something goes wrong.

    Whatever goes wrong in a step, in the protocol, a strategy or a solver, ends the negotiation in
    a status. The model then stands where the last step that was kept has left it.

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

    Raises
    ------
    OSError
        If a step cannot be written down, which is no end of the negotiation: it can be resumed.
    """
    while model.status == "running" and model.steps < most_steps:
        standing = model.standing()
        try:
            model.step()
        except Exception as error:
            return _ended(model, standing, error, reporter)
        try:
            keep(model)
        except OSError:
            raise
        except Exception as error:  # what was said or agreed cannot be written down
            return _ended(model, standing, error, reporter)
    if model.status == "running":
        note = f"stopped after {model.steps} steps; give more --max-steps"
        return "capped", note
    return model.status, model.note


def _ended(
    model: NegotiationModel, standing: Standing, error: Exception, reporter: Reporter
) -> tuple[str, str]:
    """End a negotiation where its last whole step has left it."""
    model.fall_back(standing)
    status, note = end_of(error)
    reporter.warn(note)
    reporter.failed(error)
    return status, note
