"""Disclosure: what a transcript proves of a cost function, and that nothing undeclared is in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.curve_problem import CurveProblem
from model.disclosure import Band, Watch, disclosed_share
from model.ledger import Ledger
from model.negotiation import NegotiationModel
from model.world import World
from protocols.evidence import MarginalValue, Saving
from protocols.messages import CLOCK, OPERATOR, Body, Interest, InterestCall, Message
from protocols.registry import make_protocol, protocol_modes
from tests.small_worlds import teaching_world
from tests.stories import EVERYONE, MEMBERS, TEACHING, Story, story

HOURS = np.array([1.0])


def at(low: float = np.nan, high: float = np.nan, mw: float = 0.0) -> MarginalValue:
    return MarginalValue(np.array([mw]), np.array([low]), np.array([high]))


def band_of_one(cap: float = 1000.0) -> Band:
    return Band(1, 100.0, cap)


def test_nothing_said_nothing_disclosed() -> None:
    assert band_of_one().share(HOURS) == pytest.approx(0.0, abs=1e-12)


@given(st.floats(0, 1000))
def test_one_marginal_price_discloses_half(price: float) -> None:
    """One marginal price at autarky pins down half, as docs/laboratory.md says."""
    band = band_of_one()
    band.learn(at(price, price), np.zeros(1), HOURS)
    assert band.share(HOURS) == pytest.approx(0.5)


def test_the_whole_curve_discloses_nearly_all() -> None:
    band = band_of_one()
    for mw in band.mw:
        value = 500 - 4 * mw
        band.learn(at(value, value, mw), np.zeros(1), HOURS)
    assert band.share(HOURS) > 0.95


def test_what_a_later_message_contradicts_is_forgotten() -> None:
    """Otherwise edges that cross would make a country look known through and through."""
    band = band_of_one()
    band.learn(at(300.0, 300.0, 10.0), np.zeros(1), HOURS)
    band.learn(at(500.0, 500.0, 20.0), np.zeros(1), HOURS)
    later = band_of_one()
    later.learn(at(500.0, 500.0, 20.0), np.zeros(1), HOURS)
    low, high = band.edges()
    assert (low <= high).all()
    # The lower bound that came with the first message does not contradict the second.
    np.testing.assert_array_equal(high, later.edges()[1])
    assert later.share(HOURS) <= band.share(HOURS) < 0.6


@given(st.lists(st.tuples(st.floats(-90, 90), st.floats(0, 1000)), max_size=12))
def test_edges_never_cross(told: list[tuple[float, float]]) -> None:
    band = band_of_one()
    for mw, value in told:
        band.learn(at(value, value, mw), np.zeros(1), HOURS)
    low, high = band.edges()
    assert (low <= high + 0.1 + 1e-9).all()


@given(st.lists(st.tuples(st.floats(-90, 90), st.floats(0, 90)), max_size=6))
def test_more_messages_never_disclose_less(told: list[tuple[float, float]]) -> None:
    band, before = band_of_one(), 0.0
    for mw, step in told:  # truth: marginal value 500 - 4 q
        saved = (500 * (mw + step) - 2 * (mw + step) ** 2) - (500 * mw - 2 * mw**2)
        band.learn(Saving(np.array([step]), saved, saved), np.array([mw]), HOURS)
        assert band.share(HOURS) >= before - 1e-12
        before = band.share(HOURS)


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_savings_of_bundles_never_exclude_the_truth(data) -> None:
    """Separable truth with three products: its marginal values stay inside all bands."""
    hours = np.array([2.0, 1.0, 5.0])
    level = np.array(data.draw(st.lists(st.floats(100, 800), min_size=3, max_size=3)))
    slope = np.array(data.draw(st.lists(st.floats(0, 2), min_size=3, max_size=3)))
    band = Band(3, 50.0, 1000.0)
    amount = st.lists(st.floats(-40, 40), min_size=3, max_size=3)
    for _ in range(4):
        here, there = np.array(data.draw(amount)), np.array(data.draw(amount))

        def saved(q: np.ndarray) -> float:
            return float(hours @ (level * q - slope * q**2 / 2))

        won = saved(there) - saved(here)
        least = won - data.draw(st.sampled_from([0.0, 50.0, np.inf]))
        most = won + data.draw(st.sampled_from([0.0, 50.0, np.inf]))
        band.learn(Saving(there - here, least, most), here, hours)
    low, high = band.edges()
    truth = level[:, None] - slope[:, None] * band.mw
    assert (low <= truth + 1e-6).all()
    assert (truth <= high + 1e-6).all()


@EVERYONE
@pytest.mark.parametrize("place", TEACHING)
def test_truth_lies_in_every_band(name: str, mode: str, place: str) -> None:
    """Cost curves do not couple products, so that the measure is exact for them."""
    told = story(name, mode, place)
    assert told.model.watch.known
    for (_, victim), known in told.model.watch.known.items():
        assert known.measurable
        problem = told.world.problems[victim]
        assert isinstance(problem, CurveProblem)
        if not known.numbers:
            continue
        low, high = known.band.edges()
        products = told.world.products
        for k in range(len(products)):
            # A product may span snapshots of unlike demand: its marginal value is their mean.
            supply = (
                problem.demand_mw[:, None]
                - known.band.mw[None, :] * (products.delivery_mw(k) > 0)[:, None]
            )
            below, above = problem.marginal_cost(supply)
            weight = (products.delivery_mw(k) * products.weights_h)[:, None] / products.hours[k]
            cap = known.band.cap
            slack = 1e-5 * cap  # answers are rounded, prices of demand steps have a least gain
            assert (low[k] <= np.minimum((weight * above).sum(axis=0), cap) + slack).all()
            assert (high[k] >= (weight * below).sum(axis=0) - slack).all()


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


def test_a_resumed_watch_knows_the_same() -> None:
    told = Story(teaching_world("triangle"), "bilateral_bids", "adaptive")
    told.model.plan_alone()
    told.model.step()
    arrays, plain = told.model.state()
    world = teaching_world("triangle")
    other = NegotiationModel(
        world.problems, world.graph, world.products, make_protocol("bilateral_bids", "adaptive")
    )
    other.restore(arrays, plain)
    assert other.watch.table().equals(told.model.watch.table())


class TestOnTheWay:
    """Whoever passes a message on has read it."""

    QUESTION = InterestCall(("A", "T", "B"), (50.0,), "A")

    def heard(self, *messages: Message) -> Watch:
        world = teaching_world("wheeling")
        watch, ledger = (
            Watch(world.graph, world.products, 1000.0),
            Ledger(world.graph, world.products),
        )
        watch.begin(ledger)
        for message in messages:
            watch.hear(message, self.QUESTION, ledger)
        return watch

    def test_transit_countries_learn_as_much_as_the_receiver(self) -> None:
        far = self.heard(Message("A", "B", "inform", Interest((1,)), via=("T",))).table()
        assert far["observer"].tolist() == ["B", "T"]
        assert far["victim"].tolist() == ["A", "A"]
        for column in ("messages", "numbers", "share"):
            assert far[column][0] == far[column][1] > 0
        near = self.heard(Message("A", "T", "inform", Interest((1,)))).table()
        assert near["observer"].tolist() == ["T"]

    def test_they_count_each_message_they_pass_on(self) -> None:
        over = Message("A", "B", "inform", Interest((1,)), via=("T",))
        table = self.heard(over, replace(over)).table().set_index("observer")
        assert table["messages"].to_dict() == {"B": 2, "T": 2}
        assert table["numbers"].to_dict() == {"B": 2, "T": 2}

    def test_nobody_can_say_how_much_an_unexplained_number_tells(self) -> None:
        @dataclass(frozen=True)
        class Riddle(Body):
            discloses: ClassVar[tuple[str, ...]] = ("number",)
            number: float = 1.0

        table = self.heard(Message("A", "B", "inform", Riddle(), via=("T",))).table()
        assert table["share"].isna().tolist() == [True, True]
        assert disclosed_share(table) is disclosed_share(table, "A") is None


class TestShare:
    HEARD = pd.DataFrame(
        {
            "observer": ["B", "T", "A"],
            "victim": ["A", "A", "B"],
            "messages": [1, 1, 1],
            "numbers": [1, 1, 1],
            "share": [0.2, 0.4, 0.7],
        }
    )

    def test_is_that_of_who_knows_most(self) -> None:
        assert disclosed_share(self.HEARD) == 0.7
        assert disclosed_share(self.HEARD, "A") == 0.4

    def test_silence_discloses_nothing(self) -> None:
        world = teaching_world("wheeling")
        nobody = Watch(world.graph, world.products, 1000.0).table()
        assert disclosed_share(nobody) == disclosed_share(nobody, "A") == 0.0
        assert disclosed_share(self.HEARD, "T") == 0.0

    def test_is_unknown_where_nobody_has_watched(self) -> None:
        assert disclosed_share(pd.DataFrame()) is None
        assert disclosed_share(pd.DataFrame(), "A") is None
