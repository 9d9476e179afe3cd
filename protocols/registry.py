"""Protocols by name and mode."""

from __future__ import annotations

import difflib
from typing import Any

from protocols.adaptive import AdaptiveBids
from protocols.base import Protocol
from protocols.prototype import PrototypeBids

PROTOCOLS: dict[str, dict[str, type[Protocol]]] = {
    "bilateral_bids": {"adaptive": AdaptiveBids, "prototype": PrototypeBids},
}


class UnknownProtocol(ValueError):
    """No protocol or mode of that name; the message suggests the nearest."""


def make_protocol(name: str, mode: str, **settings: Any) -> Protocol:
    """Make a protocol by name and mode.

    Raises
    ------
    UnknownProtocol
        With the nearest known name.
    """
    modes = PROTOCOLS.get(name)
    if modes is None:
        raise UnknownProtocol(f"unknown protocol {name!r}{_suggest(name, PROTOCOLS)}")
    if mode not in modes:
        raise UnknownProtocol(f"{name} has no mode {mode!r}{_suggest(mode, modes)}")
    return modes[mode](**settings)


def _suggest(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
