"""Looks for news on disk, so that a page shows them by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import solara

EVERY_S = 0.5
# A file that is replaced under our eyes is readable a moment later; what lasts longer is told.
PATIENCE_S = 3.0


def use_news(look: Callable[[], Any], dependencies: list[Any]) -> str:
    """Look again and again in a thread, and render when what was found changes.

    Parameters
    ----------
    look : callable
        Cheap; gives a value that can be compared.
    dependencies : list
        What ``look`` depends on.

    Returns
    -------
    str
        Why there can be no news at present; empty while all is well.
    """
    (_, trouble), set_found = solara.use_state((None, ""))

    def watch(stopped: threading.Event) -> None:
        told: tuple[Any, str] = (None, "")
        well = time.monotonic()

        def tell(news: Any, why: str) -> None:
            nonlocal told
            if (news, why) != told and not stopped.is_set():
                set_found((news, why))
                told = (news, why)

        while not stopped.is_set():
            # Whatever happens, the page must neither stop looking nor stand still in silence.
            try:
                tell(look(), "")
                well = time.monotonic()
            except Exception as error:
                if time.monotonic() - well > PATIENCE_S:
                    with suppress(Exception):
                        tell(told[0], f"{type(error).__name__}: {error}")
            stopped.wait(EVERY_S)

    _use_thread(watch, dependencies)
    return trouble


def use_ticks(on: bool, seconds: float, tick: Callable[[], None]) -> None:
    """Call ``tick`` at even intervals while ``on``."""
    latest = solara.use_ref(tick)
    latest.current = tick

    def beat(stopped: threading.Event) -> None:
        while on and not stopped.wait(seconds):
            latest.current()

    _use_thread(beat, [on, seconds])


def _use_thread(work: Callable[[threading.Event], None], dependencies: list[Any]) -> None:
    """Run ``work`` in a thread; the event is set when dependencies change or the page goes."""

    def begin() -> Callable[[], None]:
        stopped = threading.Event()
        threading.Thread(target=work, args=(stopped,), daemon=True).start()
        return stopped.set

    solara.use_effect(begin, dependencies)
