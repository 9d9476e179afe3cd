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

    def watch(cancelled: threading.Event) -> None:
        last = object()
        while not cancelled.is_set():
            try:
                news = look()
            except OSError:  # a file was replaced under our eyes: look again
                news = last
            if news != last:
                last = news
                set_found(news)
            cancelled.wait(EVERY_S)

    solara.use_thread(watch, dependencies, intrusive_cancel=False)
    return found


def use_ticks(on: bool, seconds: float, tick: Callable[[], None]) -> None:
    """Call ``tick`` at even intervals while ``on``."""
    latest = solara.use_ref(tick)
    latest.current = tick

    def beat(cancelled: threading.Event) -> None:
        while on and not cancelled.wait(seconds):
            latest.current()

    solara.use_thread(beat, [on, seconds], intrusive_cancel=False)
