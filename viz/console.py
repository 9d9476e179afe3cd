"""What the terminal shows: progress while a run goes on, its tables at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from model.reporting import Reporter
from viz.groups import OVER, groups_in_words
from viz.how_it_ended import ending, left, reached
from viz.numbers import money
from viz.summary_tables import country_table, interconnector_table, plain_table, pool_table

WIDTH_WHEN_PIPED = 100
_COLOURS = {"completed": "green", "capped": "yellow", "cycling": "yellow"}


def make_console() -> Console:
    """Console for results: as wide as the terminal, 100 columns into a file or pipe."""
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDTH_WHEN_PIPED
    return console


def print_line(text: str, console: Console, style: str = "") -> None:
    """Print one line that no terminal width breaks and no markup changes."""
    console.print(Text(text, style), soft_wrap=True)


class ConsoleReporter(Reporter):
    """Progress bars in a terminal, plain lines elsewhere.

    Use it as a context manager, so that the terminal is left in order whatever happens. Bars go to
    standard error, so that results can be piped away from them.

    Parameters
    ----------
    console : rich.console.Console, optional
    quiet_s : float
        Without a terminal, seconds between two lines about the parts of one phase.
    clock : callable, optional
        Seconds that only grow.

    Notes
    -----
    A phase whose name begins with "negotiat" counts steps: its bar moves with :meth:`step`, and
    :meth:`advance` only changes the text beside it.
    """

    def __init__(
        self,
        console: Console | None = None,
        quiet_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console or Console(stderr=True)
        self._live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._quiet_s = quiet_s
        self._clock = clock
        self._begun_s = self._said_s = self._phase_s = clock()
        self._name = ""
        self._total: int | None = None
        self._done = 0
        self._bars = Progress(
            SpinnerColumn(finished_text="[green]+[/]"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=10),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            TextColumn(
                "{task.fields[detail]}",
                style="dim",
                table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
            ),
            console=self._console,
            expand=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> ConsoleReporter:
        if self._live:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._close_phase()
        if self._live:
            self._bars.stop()

    def phase(self, name: str, total: int | None = None) -> None:
        """Begin a bar, or begin it anew if the phase was there before."""
        self._close_phase()
        self._name, self._total, self._done = name, total, 0
        self._phase_s = self._clock()
        if not self._live:
            self._say(f"{name} ({total} {self._parts})" if total else name)
        elif name in self._tasks:
            self._bars.reset(self._tasks[name], total=total, count=self._count, detail="")
        else:
            self._tasks[name] = self._bars.add_task(
                escape(name), total=total, count=self._count, detail=""
            )

    def advance(self, text: str = "") -> None:
        """Count one part and show the text."""
        if not self._counts_steps:
            self._done += 1
        if self._live:
            self._show(text)
        elif self._clock() - self._said_s >= self._quiet_s:
            self._say(" ".join(part for part in (f"  {self._count}", text) if part))

    def solving(self, text: str) -> None:
        """Show the life sign of a long solve; nothing is counted."""
        if self._live:
            self._show(text)
        elif self._clock() - self._said_s >= self._quiet_s:
            self._say(f"  {text}")

    def step(self, summary: dict[str, Any]) -> None:
        """Show where the negotiation stands."""
        self._done = int(summary.get("step", self._done)) + 1
        text = describe_step(summary)
        if self._live:  # the step's number stands beside the bar already
            self._show(text.partition(": ")[2])
        else:
            self._say(f"  {text}")

    def warn(self, text: str) -> None:
        """Say it above the bars."""
        print_line(f"warning: {text}", self._console, "yellow")

    @property
    def _counts_steps(self) -> bool:
        return self._name.startswith("negotiat")

    @property
    def _parts(self) -> str:
        return "steps at most" if self._counts_steps else "parts"

    @property
    def _count(self) -> str:
        return f"{self._done}/{self._total}" if self._total else str(self._done or "")

    def _show(self, detail: str) -> None:
        """Move the present bar."""
        if self._name in self._tasks:
            self._bars.update(
                self._tasks[self._name],
                completed=self._done,
                count=self._count,
                detail=escape(detail),
            )

    def _close_phase(self) -> None:
        """End the present phase: a full bar, or a line with the seconds it took."""
        if not self._name:
            return
        if self._live:
            task = self._tasks[self._name]
            full = max(self._done, 1)
            self._bars.update(task, total=full, completed=full)
        else:
            count = f" {self._count}" if self._done else ""
            self._say(f"  done{count} in {self._clock() - self._phase_s:.1f} s")
        self._name = ""

    def _say(self, text: str) -> None:
        """Print a plain line with the seconds since the beginning."""
        self._said_s = self._clock()
        print_line(f"[{self._said_s - self._begun_s:6.0f} s] {text}", self._console)


def describe_step(summary: Mapping[str, Any]) -> str:
    """Put a row of the ``steps`` table into words.

    Examples
    --------
    >>> describe_step({"step": 3, "gain_eur": 51.2e6, "trades": 12, "messages": 3456})
    'step 3: gain 51.20 M EUR, 12 trades, 3,456 messages'
    """
    parts = [f"gain {money(summary['gain_eur'])}"] if "gain_eur" in summary else []
    parts += [f"{summary[key]:,} {key}" for key in ("trades", "messages") if key in summary]
    return f"step {summary.get('step', '?')}: {', '.join(parts)}"


def print_summary(summary: Mapping[str, Any], console: Console) -> None:
    """Print the tables of a finished run and its status, the status last.

    Parameters
    ----------
    summary
        Contents of ``summary.json``.
    console : rich.console.Console
        Columns of lesser interest are left out where it is too narrow for them.
    """
    tables = [country_table(summary, console)]
    if summary.get("interconnectors"):
        tables.append(interconnector_table(summary, console))
    for table in (*tables, pool_table(summary)):
        console.print()
        console.print(table)
    console.print()
    for line in (OVER, groups_in_words(summary)):
        console.print(Text(f"- {line}"))
    console.print(_status_panel(summary))


def print_choices(choices: Mapping[str, Iterable[tuple[str, ...]]], console: Console) -> None:
    """Print what can be chosen by name, one line each."""
    for option, rows in choices.items():
        console.print(plain_table(option, rows))


def _status_panel(summary: Mapping[str, Any]) -> Panel:
    """Say loudly how the run ended, what it reached, what is left, and where its records are."""
    status = str(summary["status"])
    color = _COLOURS.get(status, "red")
    lines = [Text(f"{status.upper()}: {ending(status)}", f"bold {color}")]
    lines += [Text(text) for text in (reached(summary), left(summary)) if text]
    if summary.get("note"):
        lines.append(Text(str(summary["note"])))
    if summary.get("folder"):
        lines.append(Text(f"records in {summary['folder']}", overflow="fold"))
    return Panel(Group(*lines), border_style=color, title=f"run {summary.get('run', '')}")
