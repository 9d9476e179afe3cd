"""Looks for news on disk, so that a page shows them by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import solara

EVERY_S = 0.5


def use_news(look: Callable[[], Any], dependencies: list[Any]) -> Any:
    """What ``look`` finds, looked up again and again in a thread; renders when it changes.

    Parameters
    ----------
    look : callable
        Cheap; gives a value that can be compared.
    dependencies : list
        What ``look`` depends on.
    """
    found, set_found = solara.use_state(None)

    def watch(stopped: threading.Event) -> None:
        last = object()
        while not stopped.is_set():
            try:
                news = look()
            except (OSError, ValueError):  # a file was replaced under our eyes: look again
                news = last
            if news != last and not stopped.is_set():
                last = news
                set_found(news)
            stopped.wait(EVERY_S)

    _use_thread(watch, dependencies)
    return found


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
