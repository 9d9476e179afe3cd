"""What the referee finds, and how far off everything was that it looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np


class AuditError(ValueError):
    """A folder that cannot be audited: one line that says why and what to do."""


@dataclass(frozen=True)
class Finding:
    """Something in the records that does not hold.

    Attributes
    ----------
    what : str
        The check.
    where : str
        Table, step, country, interconnector, snapshot.
    how_much : str
        The deviation with its unit, or what was found.
    """

    what: str
    where: str
    how_much: str

    def __str__(self) -> str:
        return f"{self.what}: {self.where}: {self.how_much}"


@dataclass
class Measured:
    """Largest deviation that a check has seen.

    Attributes
    ----------
    limit : float
        Above it is a finding; absolute, in the unit.
    times : int
        Numbers compared.
    """

    unit: str
    limit: float
    worst: float = 0.0
    times: int = 0


@dataclass
class Notes:
    """Findings, and the largest deviation of every check, in the order they were made."""

    findings: list[Finding] = field(default_factory=list)
    measured: dict[str, Measured] = field(default_factory=dict)

    def near(
        self,
        what: str,
        where: str,
        told: object,
        found: object,
        limit: float,
        unit: str,
        places: Iterable[object] | None = None,
    ) -> None:
        """Numbers of the records are those worked out again.

        Parameters
        ----------
        what, where : str
        told, found : float or ndarray
            Recorded and worked out; the worst of several is a finding.
        limit : float
            Largest difference allowed.
        unit : str
        places : iterable, optional
            Names of the entries, for the finding.
        """
        told, found = (np.atleast_1d(np.asarray(x, dtype=float)) for x in (told, found))
        if told.shape != found.shape:
            self.wrong(what, where, f"{told.size} numbers, {found.size} expected")
            return
        self.at_most(what, where, np.abs(told - found), limit, unit, places)

    def at_most(
        self,
        what: str,
        where: str,
        excess: object,
        limit: float,
        unit: str,
        places: Iterable[object] | None = None,
    ) -> None:
        """No excess is above the limit; what is no number is."""
        given = np.atleast_1d(np.asarray(excess, dtype=float))
        seen = self.measured.setdefault(what, Measured(unit, limit))
        seen.limit, seen.times = max(seen.limit, limit), seen.times + given.size
        if not given.size:
            return
        ranked = np.where(np.isnan(given), np.inf, given)
        k = int(ranked.argmax())
        seen.worst = max(seen.worst, float(ranked[k]))
        if not ranked[k] <= limit:
            place = f", {list(places)[k]}" if places is not None else ""
            self.wrong(what, f"{where}{place}", f"off by {given[k]:.6g} {unit}")

    def same(self, what: str, where: str, told: object, found: object) -> None:
        """Counts, names and texts of the records are those worked out again."""
        seen = self.measured.setdefault(what, Measured("", 0.0))
        seen.times += 1
        if told != found:
            seen.worst = np.inf
            self.wrong(what, where, f"{told} recorded, {found} found")

    def wrong(self, what: str, where: str, how_much: str) -> None:
        """Note a finding."""
        self.findings.append(Finding(what, where, how_much))
