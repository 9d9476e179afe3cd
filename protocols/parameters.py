"""Parameters of plug-ins: kinds of numbers, and how what was given is read.

A parameter that is annotated with a kind is checked when a protocol or a strategy is made by name
(:func:`protocols.registry.make_protocol`, :func:`agents.strategy.make_strategy`), in plug-ins as
well. Without an annotation a parameter is read as what its default is, and a number must be finite.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Annotated, Any, get_type_hints

from pydantic import Field, PydanticSchemaGenerationError, TypeAdapter, ValidationError

from protocols.plugins import PluginError, suggest

# How many: one or more, and none or more.
Count = Annotated[int, Field(ge=1)]
WholeNumber = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, le=1)]
# A part of something, more than nothing; and one that leaves something.
Part = Annotated[float, Field(gt=0, le=1)]
InnerPart = Annotated[float, Field(gt=0, lt=1)]
# What is left when a part is taken off.
Remainder = Annotated[float, Field(ge=0, lt=1)]
# A step of a splitting method: one is the cautious method, two its limit.
Relaxation = Annotated[float, Field(ge=1, le=2)]
# Factors after failure and success.
Shrinking = Annotated[float, Field(gt=0, lt=1)]
Growing = Annotated[float, Field(ge=1, allow_inf_nan=False)]

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def known_parameters(kind: type) -> dict[str, inspect.Parameter]:
    """Parameters of a plug-in's class that can be given, by name, in their order."""
    return {
        name: parameter
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.kind in _NAMED and not name.startswith("_")
    }


def read_parameters(who: str, kind: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a plug-in's class, read and checked.

    Parameters
    ----------
    who : str
        Plug-in as it is named to the user, ``"protocol mcafee"``.
    kind : type
    given : mapping of str to object
        Values by name; text is read as the type of the parameter.

    Returns
    -------
    dict
        Values of what was given.

    Raises
    ------
    PluginError
        If there is no such parameter, one that is required is missing, or a value does not fit.
    """
    known = known_parameters(kind)
    for key in given:
        if key not in known:
            raise PluginError(f"{who} has no parameter '{key}'{suggest(key, known)}")
    for key, parameter in known.items():
        if parameter.default is inspect.Parameter.empty and key not in given:
            raise PluginError(f"{who} needs a value of its parameter '{key}'")
    hints = _hints(kind)
    return {
        key: _checked(key, _typed(key, value, known[key].default), hints.get(key))
        for key, value in given.items()
    }


def _hints(kind: type) -> dict[str, Any]:
    """What parameters are annotated with."""
    made: Any = kind if is_dataclass(kind) else kind.__init__  # type: ignore[misc]
    try:
        return get_type_hints(made, include_extras=True)
    except (NameError, TypeError):  # a plug-in may import names for type checkers alone
        return {}


def _typed(key: str, value: Any, default: Any) -> Any:
    """Read a value, often a text, as one of the default's type, if there is one."""
    if isinstance(default, bool):
        told = str(value).lower()
        if told not in ("true", "false"):
            raise PluginError(f"parameter {key}: give true or false, not '{value}'")
        return told == "true"
    if not isinstance(default, int | float):
        return value
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        read = type(default)(value)
        if not isinstance(value, str) and read != value:  # a whole number was cut off
            raise ValueError
    except (ValueError, OverflowError):
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise PluginError(f"parameter {key}: '{value}' is not {kind}") from None
    return read


def _checked(key: str, value: Any, hint: Any) -> Any:
    """A value that fits what its parameter is annotated with, and is finite if a number."""
    try:
        value = value if hint is None else TypeAdapter(hint).validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Input ")
        raise PluginError(f"parameter {key}: {value!r} {reason}") from None
    except PydanticSchemaGenerationError:  # a class of the plug-in's own: it must check itself
        pass
    if isinstance(value, float) and not math.isfinite(value):
        raise PluginError(f"parameter {key}: {value} is no number; give a finite one")
    return value
