"""A recorded negotiation, message by message, with the public ledger as it then stood."""

from __future__ import annotations

import json
import typing
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any

import agents.desk  # noqa: F401 - with it come the bodies that countries of this program say
from model.ledger import Ledger
from model.records import RunRecords
from model.world import World
from protocols.evidence import Evidence
from protocols.messages import Award, Body, Message


@dataclass(frozen=True)
class Said:
    """A message that was said, as its listeners understand it.

    Attributes
    ----------
    step : int
    message : Message
    question : Body, optional
        What it answers, if it proves something.
    evidence : tuple of Evidence
        What follows for the sender's cost, from the exchange of ``ledger``.
    ledger : Ledger
        Public ledger when it was said; it goes on with the transcript.
    """

    step: int
    message: Message
    question: Body | None
    evidence: tuple[Evidence, ...]
    ledger: Ledger


@dataclass(frozen=True)
class StepEnd:
    """A step is over: what was agreed stands in the ledger."""

    step: int
    ledger: Ledger


def replay(records: RunRecords, world: World) -> Iterator[Said | StepEnd]:
    """Everything that was said in a run, in order.

    Reads the table ``messages`` alone; trades are booked when they are awarded.

    Parameters
    ----------
    records : RunRecords
    world : World
        Of the run's scenario; only its graph and products are looked at.
    """
    kinds = _bodies()
    ledger = Ledger(world.graph, world.products)
    table = records.table("messages")
    for step in sorted(set(table["step"].tolist())):
        rows = table[table["step"] == step]
        waiting: dict[str, list[Body]] = defaultdict(list)
        answering = False
        booked: set[str] = set()
        for row in rows.sort_values("order").to_dict("records"):
            message = _message(row, kinds)
            if message is None:
                continue
            if message.sender in world.graph:
                answering = True
                question, evidence = _answer(message, waiting[message.sender], ledger)
                yield Said(step, message, question, evidence, ledger)
            else:
                if answering:
                    waiting.clear()
                answering = False
                yield Said(step, message, None, (), ledger)
            if message.receiver in world.graph:
                waiting[message.receiver].append(message.body)
            if isinstance(message.body, Award) and row["body"] not in booked:
                # Both parties are told of a trade, once each, one after the other.
                booked.add(row["body"])
                ledger.book(message.body.trade)
        yield StepEnd(step, ledger)


def _answer(
    message: Message, waiting: list[Body], ledger: Ledger
) -> tuple[Body | None, tuple[Evidence, ...]]:
    """The first open question that a body makes sense of, and what follows from both."""
    if not message.body.private_numbers():
        return None, ()
    for place, question in enumerate(waiting):
        evidence = message.body.evidence(question, message.sender, ledger)
        if evidence:
            del waiting[place]
            return question, evidence
    return None, message.body.evidence(None, message.sender, ledger)


def _bodies() -> dict[str, type[Body]]:
    """All classes of bodies there are, by name."""
    found: dict[str, type[Body]] = {}
    open_kinds: list[type[Body]] = [Body]
    while open_kinds:
        for kind in open_kinds.pop().__subclasses__():
            found[kind.__name__] = kind
            open_kinds.append(kind)
    return found


def _message(row: Mapping[Any, Any], kinds: Mapping[str, type[Body]]) -> Message | None:
    """A row of the table as a message; None if its body is of a plug-in that is not here."""
    if row["kind"] not in kinds:
        return None
    body = _built(kinds[row["kind"]], json.loads(row["body"]))
    via = tuple(row["via"].split(">")) if row["via"] else ()
    return Message(row["sender"], row["receiver"], row["act"], body, int(row["round"]), via)


def _built(kind: Any, value: Any) -> Any:
    """A value of a declared type from plain JSON."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, UnionType):
        (only,) = (k for k in inner if k is not NoneType)
        return None if value is None else _built(only, value)
    if origin is tuple:
        return tuple(_built(inner[0], v) for v in value)
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return typing.cast(Any, kind)(
            **{f.name: _built(hints[f.name], value[f.name]) for f in fields(kind)}
        )
    return value
