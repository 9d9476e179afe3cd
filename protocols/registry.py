"""Protocols by name and mode, built-in or from plug-ins."""

from __future__ import annotations

from typing import Any

from protocols.base import Protocol
from protocols.parameters import read_parameters
from protocols.plugins import Family, PluginError, suggest

# Names that promised what the rules do not keep, and where those rules are now.
FORMER = {
    "bundle": "it is called douglas_rachford now",
    "market_coupling": "it is called iterated_clearing now",
    "pay_as_bid": "it is k_double_auction with --set protocol.own_prices=true now",
    "vcg": "it is called fractional_vcg now; the truthful rule is --settlement clarke",
}

# A member is announced as ``name`` or ``name.mode``.
PROTOCOLS = Family("dman_cep.protocols", "protocol", Protocol)


def protocol_modes() -> dict[str, tuple[str, ...]]:
    """Modes of every protocol, by name."""
    modes: dict[str, tuple[str, ...]] = {}
    for member in PROTOCOLS.names():
        name, _, mode = member.partition(".")
        modes[name] = (*modes.get(name, ()), mode or Protocol.mode)
    return modes


def advice(unknown: str) -> str:
    """What to choose instead of a protocol that there is not, to be put behind its name."""
    return f"; {FORMER[unknown]}" if unknown in FORMER else suggest(unknown, protocol_modes())


def protocol_class(name: str, mode: str) -> type[Protocol]:
    """Class of a protocol.

    Raises
    ------
    PluginError
        If there is no such protocol or mode, with the nearest known name.
    """
    modes = protocol_modes()
    if name not in modes:
        raise PluginError(f"unknown protocol '{name}'{advice(name)}")
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
        If there is no such protocol, mode or parameter, a required one is missing, or a value does
        not fit its parameter.
    """
    if mode is None:
        mode = protocol_modes().get(name, (Protocol.mode,))[0]
    kind = protocol_class(name, mode)
    values = read_parameters(f"protocol {name}", kind, settings)
    try:
        return kind(**values)
    except ValueError as error:
        raise PluginError(f"protocol {name}: {error}") from None
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        raise PluginError(f"protocol {name} cannot be made: {told}") from error
