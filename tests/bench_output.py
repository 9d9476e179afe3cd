"""How the benchmarks time, print and keep solvers silent."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

console = Console(width=None if sys.stdout.isatty() else 120)


def table(title: str, columns: tuple[str, ...]) -> Table:
    """Empty table, first column to the left, numbers to the right."""
    made = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        made.add_column(column, justify="right" if number else "left")
    return made


def add_row(shown: Table, *cells: str) -> None:
    """Add a row; until the table is printed, standard error shows that it is there."""
    shown.add_row(*cells)
    print("  ".join(cells), file=sys.stderr, flush=True)


def verdict(
    what: str, value: float, limit: float, form: str = "{:.2%}", most: bool = False
) -> bool:
    """Print a value beside its target and tell whether it is met."""
    met = value <= limit if most else value >= limit
    word = "at most" if most else "at least"
    said = "[green]met[/green]" if met else "[red]missed[/red]"
    console.print(f"{what} {form.format(value)}, {word} {form.format(limit)}: {said}")
    return met


@dataclass(frozen=True)
class Clock:
    """Wall and processor seconds."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> Clock:
        """Both as they stand."""
        return cls(time.perf_counter(), time.process_time())

    def since(self, start: Clock) -> Clock:
        """What has passed between two readings."""
        return Clock(self.wall - start.wall, self.cpu - start.cpu)

    def __str__(self) -> str:
        return f"{self.wall:.1f} | {self.cpu:.1f}"


def write_between(page: Path, name: str, text: str) -> None:
    """Put a text between the markers of a page that bear a name."""
    begin, end = (f"<!-- {name}: {word} -->" for word in ("begin", "end"))
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise typer.BadParameter(f"{page} has no markers {begin} and {end}")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


@contextmanager
def quiet() -> Iterator[None]:
    """Send what solvers write past Python to nowhere."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
