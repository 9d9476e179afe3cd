"""The grammar of ``--resolution``: full years and chained typical weeks."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scenarios.errors import ScenarioError

STEPS_H = (1, 2, 3, 4, 6, 8, 12, 24)
WEEKS = (1, 2, 4, 12, 13, 26, 52)
_PATTERN = re.compile(r"^(?:(\d+)\s*w)?\s*(\d+)\s*h$", re.IGNORECASE)
_FORM = "write 1h, 3h, 6h, 24h (full year) or 12w3h (12 typical weeks of 3-hour blocks)"


@dataclass(frozen=True)
class Resolution:
    """How time is aggregated.

    Attributes
    ----------
    hours
        Hours per snapshot; divides 24, so that no snapshot straddles midnight.
    weeks
        Number of chained typical weeks; None is the full year.

    Examples
    --------
    >>> Resolution.parse("12w3h")
    Resolution(hours=3, weeks=12)
    >>> str(Resolution.parse("6h"))
    '6h'
    """

    hours: int
    weeks: int | None = None

    @classmethod
    def parse(cls, text: str) -> Resolution:
        """Read a resolution.

        Parameters
        ----------
        text
            ``"<N>h"`` for the full year or ``"<W>w<N>h"`` for typical weeks.
        """
        match = _PATTERN.match(text.strip())
        if match is None:
            raise ScenarioError(f"cannot read the resolution '{text}'; {_FORM}")
        weeks = None if match[1] is None else int(match[1])
        hours = int(match[2])
        if hours not in STEPS_H:
            raise ScenarioError(
                f"resolution '{text}': blocks of {hours} h do not divide a day; "
                f"choose one of {', '.join(map(str, STEPS_H))}"
            )
        if weeks is not None and weeks not in WEEKS:
            raise ScenarioError(
                f"resolution '{text}': {weeks} typical weeks do not divide the year evenly; "
                f"choose one of {', '.join(map(str, WEEKS))}"
            )
        return cls(hours, weeks)

    def __str__(self) -> str:
        return f"{'' if self.weeks is None else f'{self.weeks}w'}{self.hours}h"

    @property
    def is_full_year(self) -> bool:
        """True if every hour of the year is in the model."""
        return self.weeks is None

    @property
    def snapshots(self) -> int:
        """Number of snapshots of a year."""
        return 8760 // self.hours if self.weeks is None else self.weeks * 168 // self.hours
