"""What the modelling tools say for themselves: kept with the run, not told to its user.

PyPSA, linopy, HiGHS and Mesa log, and Python warns, about things that a user of this program has
not done and cannot change. What a user should know of a network file, its check says.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_WARNINGS = "py.warnings"
_TALKERS = ("pypsa", "linopy", "highspy", "gurobipy", "mesa", "MESA", _WARNINGS)


class Overheard(logging.Handler):
    """Takes what the tools say, from warnings on; the same words once.

    Lines are held until :meth:`keep_in` names a file.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        self._lines: dict[str, None] = {}
        self._file: Path | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Take one record; called by ``logging``."""
        line = self.format(record).strip()
        if line not in self._lines:
            self._lines[line] = None
            self._write([line])

    def keep_in(self, file: Path) -> None:
        """Append all lines, those held too, to a file that is made when there is one."""
        self._file = file
        self._write(list(self._lines))

    def _write(self, lines: list[str]) -> None:
        if self._file is not None and lines and self._file.parent.is_dir():
            with self._file.open("a", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)


@contextmanager
def overheard() -> Iterator[Overheard]:
    """Keep what the tools say away from the terminal, and Python's warnings too.

    Which warnings are errors, as in tests, does not change. May be used within itself.
    """
    handler = Overheard()
    before = {name: logging.getLogger(name).propagate for name in _TALKERS}
    usual_show = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: Any = None,
        line: str | None = None,
    ) -> None:
        words = warnings.formatwarning(message, category, filename, lineno, line)
        logging.getLogger(_WARNINGS).warning("%s", words)

    for name in _TALKERS:
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).propagate = False
    warnings.showwarning = show
    try:
        yield handler
    finally:
        warnings.showwarning = usual_show
        for name, propagated in before.items():
            logging.getLogger(name).removeHandler(handler)
            logging.getLogger(name).propagate = propagated
