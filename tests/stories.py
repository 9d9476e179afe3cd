"""Negotiations of every registered protocol, held once for all tests that look at them."""

from __future__ import annotations

from functools import cache

import pytest

from agents.perturbation import Perturbation
from model.engine import Tally
from model.negotiation import NegotiationModel, StepRecord
from model.world import World
from protocols.messages import Message
from protocols.registry import make_protocol, protocol_class, protocol_modes
from tests.small_worlds import FOUR, ports_world, small_world, teaching_world, untouched

MEMBERS = [(name, mode) for name, modes in protocol_modes().items() for mode in modes]
EVERYONE = pytest.mark.parametrize(
    ("name", "mode"), MEMBERS, ids=[f"{name}.{mode}" for name, mode in MEMBERS]
)
TEACHING = ("two_countries", "two_countries_limited", "merit_order", "wheeling", "triangle")
PYPSA, PORTS = "pypsa", "several ports"
MOST_STEPS = 60
ALL_PRODUCTS = Perturbation(0.01, most_products=1000)


class Story:
    """A negotiation to its end, with its transcript."""

    def __init__(
        self,
        world: World,
        name: str,
        mode: str,
        workers: int = 1,
        perturbation: Perturbation | None = ALL_PRODUCTS,
    ) -> None:
        self.world = world
        self.protocol = make_protocol(name, mode)
        self.model = NegotiationModel(
            world.problems,
            world.graph,
            world.products,
            self.protocol,
            seed=3,
            workers=workers,
            price_cap_eur_per_mwh=world.scenario.settings.value_of_lost_load_eur_per_mwh,
            perturbation=perturbation,
        )
        self.records: list[StepRecord] = []

    def hold(self, most_steps: int = MOST_STEPS) -> Story:
        self.model.plan_alone()
        while self.model.running and self.model.steps < most_steps:
            self.model.step()
            assert self.model.last is not None
            self.records.append(self.model.last)
        return self

    @property
    def tallies(self) -> list[Tally]:
        return [record.tally for record in self.records]

    @property
    def messages(self) -> list[Message]:
        return [m for tally in self.tallies for m in tally.log]


def world_named(place: str) -> World:
    if place == PYPSA:
        return untouched(small_world(FOUR, "1w6h", "year", "tou"))
    if place == PORTS:
        return untouched(ports_world())
    return teaching_world(place)


@cache
def story(name: str, mode: str, place: str) -> Story:
    """A negotiation that all tests of a process share, and none goes on with."""
    if place == PORTS and not protocol_class(name, mode).several_ports:
        pytest.skip("not made for countries with several ports")
    return Story(world_named(place), name, mode).hold()
