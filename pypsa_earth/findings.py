"""What a check of a network finds: errors that forbid using it, and warnings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from scenarios.errors import ScenarioError

_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """One thing that was found: what, where, and what to do."""

    what: str
    where: str = ""
    advice: str = ""

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return f"{self.what}{place}" + (f"; {self.advice}" if self.advice else "")


@dataclass
class Report:
    """Errors that forbid using a network, and warnings."""

    errors: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)

    def refuse(self, path: str | Path = "") -> None:
        """Raise the errors, if there are any, as one line.

        Raises
        ------
        ScenarioError
        """
        if self.errors:
            more = f" (and {len(self.errors) - 1} more: inspect it)" if len(self.errors) > 1 else ""
            raise ScenarioError(f"{self.errors[0]}{more}", file=path or None)


def some(names: Iterable[object]) -> str:
    """The first few names, and how many more there are."""
    listed = [str(name) for name in names]
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more
