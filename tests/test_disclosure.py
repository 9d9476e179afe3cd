"""Disclosure: nothing private is in a transcript that was not declared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from model.world import World
from protocols.messages import CLOCK, OPERATOR, Message
from protocols.registry import protocol_modes
from tests.small_worlds import teaching_world
from tests.stories import EVERYONE, MEMBERS, Story


def crooked_triangle() -> World:
    """The triangle with numbers that nobody can hit by chance."""
    changes = {"E": (12.07133713, 0.04031377), "N": (25.04912881, 0.03017931)}
    changes["S"] = (18.02919337, 0.02213791)
    overrides: dict[str, object] = {}
    for country, (intercept, slope) in changes.items():
        overrides[f"curves.{country}.intercept_eur_per_mwh"] = intercept
        overrides[f"curves.{country}.slope_eur_per_mwh_per_mw"] = slope
    return teaching_world("triangle", **overrides)


def private_numbers(told: Story, at_the_end: bool = True) -> dict[str, set[float]]:
    """Costs, marginal costs and demands of every country, alone and at the end if wanted."""
    found: dict[str, set[float]] = {}
    for country, problem in told.world.problems.items():
        numbers: set[float] = set()
        for exchange in (0.0, told.model.ledger.exchange_mw(country))[: 1 + at_the_end]:
            plan = problem.solve(exchange + np.zeros(len(told.world.snapshots)))
            numbers |= {plan.cost_eur, *plan.price_eur_per_mwh.tolist()}
            below, above = problem.marginal_cost(problem.demand_mw - exchange)
            numbers |= {*below.tolist(), *above.tolist()}
        numbers |= set(problem.demand_mw.tolist())
        found[country] = {round(x, 6) for x in numbers if abs(x - round(x)) > 1e-6}
    return found


def numbers_in(value: object) -> Iterator[float]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from numbers_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from numbers_in(inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


def leaks(
    messages: list[Message], private: dict[str, set[float]], posted: dict[str, set[float]]
) -> list[str]:
    """Private numbers in a transcript that nobody had declared when they were said.

    Clock and operator are held to ``posted``: a price they post, and at which a country then
    trades, is its marginal cost in the end. That is what prices are for, and no leak.
    """
    declared: set[float] = set()
    found = []
    for message in messages:
        secret: set[float] = set()
        own = message.sender in private
        if own:
            secret = private[message.sender]
        elif message.sender in (CLOCK, OPERATOR):
            secret = set().union(*posted.values())
        if own:
            declared |= {round(x, 6) for x in message.body.private_numbers()}
        body = message.body.record()
        for key in message.body.discloses if own else ():
            body.pop(key)
        said = {round(x, 6) for x in numbers_in(body)}
        found += [f"{type(message.body).__name__}: {x}" for x in (said & secret) - declared]
    return found


@EVERYONE
def test_no_undeclared_private_number_in_a_transcript(name: str, mode: str) -> None:
    told = Story(crooked_triangle(), name, mode).hold()
    posted = private_numbers(told, at_the_end=False)
    assert leaks(told.messages, private_numbers(told), posted) == []


def test_the_prototypes_leak_is_found() -> None:
    """The prototype wrote the exporter's marginal cost on the bid that both sides read.

    Here it is a message of its own that declares it; undeclared, the same transcript fails.
    """
    told = Story(crooked_triangle(), "bilateral_bids", "prototype").hold()
    private = private_numbers(told)
    for agent in told.model.countries.values():
        costs = agent.marginal_costs
        private[agent.country] |= {round(float(x), 6) for x in [*costs.mc_import, *costs.mc_export]}
    assert leaks(told.messages, private, private) == []

    def hushed(message: Message) -> Message:
        body = message.body
        if type(body).__name__ != "ExportCost":
            return message
        secretive = type("Secretive", (type(body),), {"discloses": ()})
        return replace(message, body=secretive(**vars(body)))

    assert leaks([hushed(m) for m in told.messages], private, private)


def test_every_member_is_registered_once() -> None:
    assert len(MEMBERS) == sum(len(modes) for modes in protocol_modes().values())
    assert len(set(MEMBERS)) == len(MEMBERS)
