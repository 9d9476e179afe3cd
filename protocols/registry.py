"""Protocols by name and mode, built-in or from plug-ins."""

from __future__ import annotations

import inspect
from dataclasses import is_dataclass
from typing import Annotated, Any, Literal, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from protocols.base import Protocol
from protocols.plugins import Family, PluginError, suggest

# A member is announced as ``name`` or ``name.mode``.
PROTOCOLS = Family("dman_cep.protocols", "protocol", Protocol)


def protocol_modes() -> dict[str, tuple[str, ...]]:
    """Modes of every protocol, by name."""
    modes: dict[str, tuple[str, ...]] = {}
    for member in PROTOCOLS.names():
        name, _, mode = member.partition(".")
        modes[name] = (*modes.get(name, ()), mode or Protocol.mode)
    return modes


def protocol_class(name: str, mode: str) -> type[Protocol]:
    """Class of a protocol.

    Raises
    ------
    PluginError
        If there is no such protocol or mode, with the nearest known name.
    """
    modes = protocol_modes()
    if name not in modes:
        raise PluginError(f"unknown protocol '{name}'{suggest(name, modes)}")
    if mode not in modes[name]:
        raise PluginError(f"{name} has no mode '{mode}'{suggest(mode, modes[name])}")
    member = f"{name}.{mode}"
    found: type[Protocol] = PROTOCOLS.load(member if member in PROTOCOLS.names() else name)
    return found


def make_protocol(name: str, mode: str | None = None, **settings: Any) -> Protocol:
    """Make a protocol by name and mode, its first mode by default.

    Parameters
    ----------
    name, mode : str
    **settings
        Parameters of the protocol; text is read as the type of the parameter's default.

    Raises
    ------
    PluginError
        If there is no such protocol, mode or parameter, or a value has the wrong type.
    """
    if mode is None:
        mode = protocol_modes().get(name, (Protocol.mode,))[0]
    kind = protocol_class(name, mode)
    known = {
        key: parameter.default
        for key, parameter in inspect.signature(kind).parameters.items()
        if not key.startswith("_")
    }
    for key in settings:
        if key not in known:
            raise PluginError(f"{name} has no parameter '{key}'{suggest(key, known)}")
    kinds = _kinds(kind)
    values = {
        key: _checked(key, _typed(key, value, known[key]), kinds.get(key))
        for key, value in settings.items()
    }
    try:
        return kind(**values)
    except ValueError as error:
        raise PluginError(f"protocol {name}: {error}") from None


def _kinds(kind: type[Protocol]) -> dict[str, Any]:
    """What parameters are annotated with, where it narrows their type."""
    try:
        told = get_type_hints(kind if is_dataclass(kind) else kind.__init__, include_extras=True)
    except NameError:  # a plug-in may import names for type checkers alone
        return {}
    return {key: hint for key, hint in told.items() if get_origin(hint) in (Annotated, Literal)}


def _checked(key: str, value: Any, kind: Any) -> Any:
    """A value that fits the kind of its parameter, see :mod:`protocols.parameters`."""
    if kind is None:
        return value
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Input ")
        raise PluginError(f"parameter {key}: {value!r} {reason}") from None


def _typed(key: str, value: Any, default: Any) -> Any:
    """Read a text as a value of the default's type."""
    if not isinstance(value, str) or isinstance(default, str):
        return value
    if isinstance(default, bool):
        if value.lower() in ("true", "false"):
            return value.lower() == "true"
        raise PluginError(f"parameter {key}: give true or false, not '{value}'")
    try:
        return type(default)(value)
    except (TypeError, ValueError):
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise PluginError(f"parameter {key}: '{value}' is not {kind}") from None
