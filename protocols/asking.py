"""How an operator asks countries, all at once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import TypeVar

import numpy as np

from protocols.messages import OPERATOR, Body, Message

Key = TypeVar("Key")
Told = TypeVar("Told")
# A part of a conversation that ends in something told.
Asking = Generator[list[Message], list[Message | None], Told]


def ask(
    calls: Mapping[Key, Body], round_: int = 0, country_of: Callable[[Key], str] = str
) -> Asking[dict[Key, Body]]:
    """Ask countries in the operator's name; answers under the same keys.

    Whoever keeps silent is missing in the answer.

    Parameters
    ----------
    calls : mapping
        What to ask, by country or by a key that belongs to one.
    round_ : int
    country_of : callable
        Country that a key belongs to.
    """
    replies = yield [
        Message(OPERATOR, country_of(key), "call", body, round_) for key, body in calls.items()
    ]
    return {key: reply.body for key, reply in zip(calls, replies, strict=True) if reply is not None}


def plain(table: np.ndarray) -> tuple[float, ...]:
    """Numbers of a table as a message carries them, row after row."""
    return tuple(table.ravel().tolist())
