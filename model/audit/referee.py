"""The referee: all checks on the records of one run."""

from __future__ import annotations

from pathlib import Path

from model.audit.costs import check_costs
from model.audit.flows import check_flows
from model.audit.left import check_left
from model.audit.money import check_money
from model.audit.notes import AuditError, Notes
from model.audit.recorded import Recorded
from model.audit.talk import check_talk


def audit(path: str | Path) -> Notes:
    """Work out again what the records of a finished run say.

    Parameters
    ----------
    path : str or Path
        Folder of the run.

    Returns
    -------
    Notes
        Findings, none if everything holds, and the largest deviation of every check.

    Raises
    ------
    AuditError
        If there is nothing that can be audited.
    """
    run = Recorded(Path(path))
    notes = Notes()
    for check in (check_flows, check_money, check_talk, check_costs, check_left):
        try:
            check(run, notes)
        except AuditError:
            raise
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            # Records so far from their description that they cannot be followed are a finding.
            what = f"{type(error).__name__}: {error}"
            notes.wrong(check.__name__.removeprefix("check_"), "records", f"not readable: {what}")
    return notes
