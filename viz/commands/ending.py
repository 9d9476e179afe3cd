"""How a command ends: what is shown, in one line where it is a mistake, and the exit code."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import typer
from rich.console import Console
from typer.core import TyperGroup

from model.overheard import overheard
from model.reporting import Reporter
from scenarios.errors import ScenarioError
from viz.console import ConsoleReporter, print_line

EXIT_NOT_COMPLETED = 1
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
_STOPPING = (signal.SIGINT, signal.SIGTERM)
# Whatever typer was built on, wrong usage is the parent of its BadParameter.
_USAGE_ERROR: Any = typer.BadParameter.__base__


class Terminated(KeyboardInterrupt):
    """SIGTERM, which stops a command as Ctrl-C does."""


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def main(app: typer.Typer) -> NoReturn:
    """Be the process of a command: carry it out, stop it when SIGTERM says so, and exit."""
    signal.signal(signal.SIGTERM, _terminate)
    # Models are millions of small objects that live long: look for garbage among them less often.
    gc.set_threshold(50_000, 10, 10)
    sys.exit(app(prog_name="python run.py"))


class OneLineErrors(TyperGroup):
    """A group whose commands end a user's mistake in one line and exit code 2."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line; takes what ``TyperGroup.main`` takes."""
        standalone = extra.pop("standalone_mode", True)
        extra["standalone_mode"] = False
        try:
            code = super().main(*args, **extra)
        except _USAGE_ERROR as error:
            code = _fail(error.format_message())
        except ScenarioError as error:
            code = _fail(str(error))
        if standalone:
            sys.exit(code if isinstance(code, int) else 0)
        return code

    def invoke(self, ctx: Any) -> Any:
        """Carry out the command that was named; only the program itself speaks to its user."""
        try:
            with overheard():
                return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            return _say_interrupted(interrupt, "")

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that was named."""
        try:
            return super().resolve_command(ctx, args)
        except _USAGE_ERROR as error:
            hint = f"(a scenario is given with --scenario {args[0]})"
            raise ScenarioError(f"{error.format_message()} {hint}") from None


def carry_out(
    work: Callable[[Reporter], Any],
    show: Callable[[Any], int],
    folder: Path | None = None,
    again: str = "--resume",
) -> int:
    """Do the work under progress bars, show what came out and return the exit code.

    Parameters
    ----------
    work
        Is given the reporter whose bars it moves; returns what ``show`` prints.
    show
        Prints the result and returns the exit code.
    folder
        Where an interrupted command has kept what it did, if it kept anything.
    again
        What is typed before that folder to go on.
    """
    try:
        with ConsoleReporter() as reporter:
            reporter.phase("loading the modelling tools")
            result = work(reporter)
    except KeyboardInterrupt as interrupt:
        nothing = "; nothing was recorded yet"
        kept = nothing if folder is None else _kept(folder, again)
        return _say_interrupted(interrupt, kept, again)
    except Exception as error:
        if isinstance(error, _user_errors()):
            return _fail(str(error))
        raise
    return show(result)


def _user_errors() -> tuple[type[Exception], ...]:
    """Errors that tell the user something; all others are faults of the program."""
    from agents.problem import PlanningError
    from model.ledger import RuleBroken
    from model.records import RecordsError
    from protocols.plugins import PluginError

    return ScenarioError, PlanningError, RecordsError, RuleBroken, PluginError


def _say_interrupted(interrupt: KeyboardInterrupt, otherwise: str, again: str = "--resume") -> int:
    """Say where what was done is kept; ``otherwise`` if the interruption does not know it."""
    ours = signal.getsignal(signal.SIGTERM) is _terminate  # not a test's process
    for number in _STOPPING if ours else ():
        signal.signal(number, signal.SIG_IGN)  # nobody interrupts this line ...
    folder = _folder_of(interrupt)
    kept = otherwise if folder is None else _kept(folder, again)
    print_line(f"interrupted{kept}", Console(stderr=True), "bold yellow")
    for number in _STOPPING if ours else ():
        signal.signal(number, signal.SIG_DFL)  # ... and nobody waits for what comes after it
    return EXIT_TERMINATED if isinstance(interrupt, Terminated) else EXIT_INTERRUPTED


def _kept(folder: Path | str, again: str) -> str:
    return f"; what was done is kept in {folder}, go on with {again} {folder}"


def _folder_of(interrupt: BaseException | None) -> str | None:
    """Folder that an interruption names, or the one that it interrupted."""
    while interrupt is not None:
        if isinstance(interrupt, KeyboardInterrupt) and interrupt.args:
            return str(interrupt.args[0])
        interrupt = interrupt.__context__
    return None


def _fail(text: str) -> int:
    print_line(f"error: {' '.join(text.split())}", Console(stderr=True), "bold red")
    return EXIT_USER_ERROR
