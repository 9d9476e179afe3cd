"""Talks between two tactics without a market, for tests."""

from __future__ import annotations

import numpy as np

from agents.tactics import Standpoint, Tactic


def linear_pie(slices: int) -> tuple[np.ndarray, np.ndarray]:
    """Utilities of two who share so many slices; outcome k leaves k to the second."""
    second = np.arange(slices + 1.0)
    return slices - second, second


def held_talk(
    one: np.ndarray, two: np.ndarray, first: Tactic, second: Tactic, turns: int
) -> tuple[int | None, int]:
    """Outcome agreed, None at the deadline, and the turn in which it was accepted."""
    place = np.column_stack([np.zeros_like(one), np.arange(len(one)) / len(one)])
    talks = [Standpoint(np.asarray(u, dtype=float), place, turns) for u in (one, two)]
    tactics = [first, second]
    for turn in range(turns):
        talk, tactic = talks[turn % 2], tactics[turn % 2]
        talk.turn = turn
        chosen = tactic.next_offer(talk)
        if chosen is None:
            return None, turn
        if talk.received:
            last = talk.received[-1]
            if talk.utility_eur[last] >= 0 and tactic.accepts(talk, chosen):
                return last, turn
        talk.made.append(chosen)
        talks[(turn + 1) % 2].received.append(chosen)
    return None, turns
