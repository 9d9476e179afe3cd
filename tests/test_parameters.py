"""Numbers of protocols, strategies and settlements are checked where they enter."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import annotated_types
import pytest

from agents.strategy import STRATEGIES, MarkUp, Strategy, make_strategy
from model.options import RunOptions
from model.reporting import Reporter
from model.settlement import SETTLEMENTS, make_settlement
from model.stepping import take_steps
from model.world import build_world, chosen_scenario
from protocols.base import Protocol
from protocols.parameters import Count, known_parameters, read_parameters
from protocols.plugins import PluginError
from protocols.registry import make_protocol, protocol_class
from tests.stories import MEMBERS, Story

NAN, INF = float("nan"), float("inf")
ODD = ("nan", "inf", "-inf", "1e999", NAN, INF, -INF)
WRONG = ("much", "", "1,5", None, [1], {"a": 1}, "0x10")
EDGES = (-3, -1, 0, 1, 2, "-3", "0", "1", 0.5, "0.5", 1.5, "1.5", "-0.0", "1e-300")


def protocol_parameters() -> Iterator[tuple[str, str, str]]:
    for name, mode in MEMBERS:
        for key in known_parameters(protocol_class(name, mode)):
            yield name, mode, key


PROTOCOL_PARAMETERS = list(protocol_parameters())
STRATEGY_PARAMETERS = [
    (name, place, key)
    for name in STRATEGIES.names()
    if name != "negmas"  # takes the name of a class
    for place, key in enumerate(known_parameters(STRATEGIES.load(name)))
]
IDS = [".".join(member) for member in PROTOCOL_PARAMETERS]


def hint_of(kind: type, key: str) -> Any:
    from protocols.parameters import _hints

    return _hints(kind)[key]


def one_line(error: pytest.ExceptionInfo[PluginError], key: str) -> None:
    assert "\n" not in str(error.value)
    assert key in str(error.value)


def limits(hint: Any) -> list[Any]:
    """What an annotation demands, read by nobody but this test."""
    found: list[Any] = []
    for part in getattr(hint, "__metadata__", ()):
        found += [m for m in getattr(part, "metadata", ()) if hasattr(m, "__dict__") or m]
    return found


def fits(value: float, hint: Any) -> bool:
    if getattr(hint, "__origin__", None) is Literal:
        return value in hint.__args__
    for limit in limits(hint):
        if isinstance(limit, annotated_types.Ge) and not value >= limit.ge:
            return False
        if isinstance(limit, annotated_types.Gt) and not value > limit.gt:
            return False
        if isinstance(limit, annotated_types.Le) and not value <= limit.le:
            return False
        if isinstance(limit, annotated_types.Lt) and not value < limit.lt:
            return False
    return True


@pytest.mark.parametrize(("name", "mode", "key"), PROTOCOL_PARAMETERS, ids=IDS)
class TestProtocols:
    def test_says_what_kind_of_value_it_takes(self, name: str, mode: str, key: str) -> None:
        kind = protocol_class(name, mode)
        hint = hint_of(kind, key)
        default = known_parameters(kind)[key].default
        if isinstance(default, int | float) and not isinstance(default, bool):
            literal = getattr(hint, "__origin__", None) is Literal
            assert literal or any(
                isinstance(m, annotated_types.Ge | annotated_types.Gt) for m in limits(hint)
            ), f"{key} takes any number"
            assert fits(default, hint)

    def test_refuses_what_is_no_number(self, name: str, mode: str, key: str) -> None:
        for odd in (*ODD, *WRONG):
            with pytest.raises(PluginError) as error:
                make_protocol(name, mode, **{key: odd})
            one_line(error, key)

    def test_takes_what_fits_and_nothing_else(self, name: str, mode: str, key: str) -> None:
        kind = protocol_class(name, mode)
        default, hint = known_parameters(kind)[key].default, hint_of(kind, key)
        if isinstance(default, bool | str):
            pytest.skip("no number")
        whole = isinstance(default, int)
        for edge in EDGES:
            number = float(edge)
            text_of_part = isinstance(edge, str) and not edge.lstrip("-").isdigit()
            right = fits(number, hint) and not (whole and (number % 1 != 0 or text_of_part))
            if right:
                made = make_protocol(name, mode, **{key: edge})
                assert getattr(made, key, number) == number
            else:
                with pytest.raises(PluginError) as error:
                    make_protocol(name, mode, **{key: edge})
                one_line(error, key)


@pytest.mark.parametrize(("name", "mode", "key"), PROTOCOL_PARAMETERS, ids=IDS)
def test_what_is_taken_at_the_edge_ends_in_a_status(name: str, mode: str, key: str) -> None:
    """The least values that a parameter allows break nothing in a negotiation."""
    for edge in (0, 1, -1, 1e-300):
        try:
            protocol = make_protocol(name, mode, **{key: edge})
        except PluginError:
            continue
        world = build_world(chosen_scenario(RunOptions("two_countries")), "highs", Reporter())
        told = Story(world, name, mode)
        told.model.protocol = protocol
        told.model.plan_alone()
        status, note = take_steps(told.model, 3, lambda model: None, Reporter())
        assert status in ("completed", "capped", "cycling"), (edge, note)


@pytest.mark.parametrize(
    ("name", "place", "key"),
    STRATEGY_PARAMETERS,
    ids=[f"{n}.{k}" for n, _, k in STRATEGY_PARAMETERS],
)
class TestStrategies:
    def test_refuses_what_is_no_number(self, name: str, place: int, key: str) -> None:
        kind = STRATEGIES.load(name)
        before = ",".join(str(p.default) for p in list(known_parameters(kind).values())[:place])
        for odd in ("nan", "inf", "-inf", "1e999", "much", "NaN", "infinity"):
            with pytest.raises(PluginError, match=r"is no number|should be 'export'") as error:
                make_strategy(f"{name}:{before},{odd}" if before else f"{name}:{odd}")
            one_line(error, name)

    def test_the_class_refuses_them_too(self, name: str, place: int, key: str) -> None:
        kind = STRATEGIES.load(name)
        hint = hint_of(kind, key)
        # A shade may go either way, and says so.
        signed = bool(getattr(hint, "__metadata__", ())) and fits(-3.0, hint)
        for odd in (NAN, INF, -INF, *(() if signed else (-3.0,))):
            with pytest.raises(PluginError) as error:
                kind(**{key: odd})
            one_line(error, name)


def test_numbers_that_the_review_found() -> None:
    for units in (-3, 0, "-3", "0"):
        with pytest.raises(PluginError, match=r"parameter units: .*greater than or equal to 1"):
            make_protocol("mcafee", units=units)
    for share in (NAN, INF):
        with pytest.raises(PluginError, match="is no mark-up"):
            MarkUp(share)


@pytest.mark.parametrize("name", SETTLEMENTS.names())
def test_settlements_take_no_parameters(name: str) -> None:
    assert not [
        key
        for key, parameter in known_parameters(SETTLEMENTS.load(name)).items()
        if parameter.default is inspect.Parameter.empty
    ]
    make_settlement(name)


class Plugin(Protocol):
    """A protocol whose author has annotated this and not that."""

    def __init__(
        self,
        needed: str,
        number: float,
        bare=1.0,  # type: ignore[no-untyped-def]
        whole=3,
        count: Count = 2,
        maybe: float | None = None,
        flag: bool = True,
        *rest: int,
        **more: int,
    ) -> None: ...


@dataclass
class Quiet(Strategy):
    """A strategy from outside."""

    questions: Count = 3
    patience = 1.0
    name = "quiet"


class TestPlugins:
    def test_required_parameters_are_asked_for(self) -> None:
        with pytest.raises(PluginError, match="needs a value of its parameter 'needed'"):
            read_parameters("protocol x", Plugin, {})
        with pytest.raises(PluginError, match="needs a value of its parameter 'number'"):
            read_parameters("protocol x", Plugin, {"needed": "a"})

    def test_required_parameters_are_read_by_their_annotation(self) -> None:
        assert read_parameters("protocol x", Plugin, {"needed": "a", "number": "2"}) == {
            "needed": "a",
            "number": 2.0,
        }

    @pytest.mark.parametrize(
        ("key", "value", "read"),
        [
            ("bare", "2", 2.0), ("bare", 2, 2.0), ("whole", "4", 4), ("whole", 4.0, 4),
            ("count", "5", 5), ("maybe", "2.5", 2.5), ("flag", "FALSE", False),
            ("flag", True, True),
        ],
    )  # fmt: skip
    def test_values_that_fit(self, key: str, value: Any, read: Any) -> None:
        given = {"needed": "a", "number": 1.0, key: value}
        found = read_parameters("protocol x", Plugin, given)[key]
        assert (found, type(found)) == (read, type(read))

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("number", "much"), ("number", NAN), ("number", "inf"), ("bare", "nan"), ("bare", INF),
            ("bare", None), ("whole", 2.5), ("whole", "2.5"), ("whole", NAN), ("count", 0),
            ("count", "-3"), ("maybe", "nan"), ("maybe", "much"), ("flag", "yes"), ("flag", 1),
            ("rest", 1), ("more", 1), ("naught", 1),
        ],
    )  # fmt: skip
    def test_values_that_do_not(self, key: str, value: Any) -> None:
        with pytest.raises(PluginError) as error:
            read_parameters("protocol x", Plugin, {"needed": "a", "number": 1.0, key: value})
        one_line(error, key)

    def test_strategies_are_read_alike(self) -> None:
        made = Quiet.from_text("2")
        assert isinstance(made, Quiet)
        assert (made.questions, type(made.questions)) == (2, int)
        with pytest.raises(PluginError, match="questions"):
            Quiet.from_text("0")
        with pytest.raises(PluginError, match="does not take 2"):
            Quiet.from_text("1,2")
        assert math.isclose(made.patience, 1.0)
