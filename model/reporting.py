"""How a run tells what it is doing; the command line and the app bring their own reporters."""

from __future__ import annotations

from typing import Any


class Reporter:
    """Receives progress; this one keeps silent."""

    def phase(self, name: str, total: int | None = None) -> None:
        """A phase begins, for example ``"planning alone"``, with ``total`` parts if known."""

    def advance(self, text: str = "") -> None:
        """One part of the phase is done; ``text`` says what is being solved next."""

    def solving(self, text: str) -> None:
        """A solve takes long; ``text`` says how it is getting on. May come from another thread."""

    def step(self, summary: dict[str, Any]) -> None:
        """A negotiation step ended; ``summary`` is its row of the ``steps`` table."""

    def failed(self, error: Exception) -> None:
        """A negotiation ended in an error, of which a warning was given."""

    def warn(self, text: str) -> None:
        """Something the user should know."""
