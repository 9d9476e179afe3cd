"""What was typed behind an option, taken apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from scenarios.errors import ScenarioError

_PROTOCOL = "protocol."


def codes(text: str | None) -> tuple[str, ...] | None:
    """Country codes between commas; None if the option was not given.

    Examples
    --------
    >>> codes("ZA, ZW,")
    ('ZA', 'ZW')
    """
    if text is None:
        return None
    return tuple(code.strip() for code in text.split(",") if code.strip())


def protocol_changes(changes: Mapping[str, str]) -> dict[str, str]:
    """Changes of ``--set`` to parameters of the protocol, by their own names.

    Examples
    --------
    >>> protocol_changes({"protocol.max_hops": "2", "discount_rate": "0.1"})
    {'max_hops': '2'}
    """
    return {
        key.removeprefix(_PROTOCOL): value
        for key, value in changes.items()
        if key.startswith(_PROTOCOL)
    }


def scenario_changes(changes: Mapping[str, str]) -> dict[str, str]:
    """All other changes of ``--set``."""
    return {key: value for key, value in changes.items() if not key.startswith(_PROTOCOL)}


def strategies_of(items: Iterable[str] | None) -> dict[str, str] | None:
    """Strategy of each country that was given one; None if no country was.

    Examples
    --------
    >>> strategies_of(["ZA=markup:0.1"])
    {'ZA': 'markup:0.1'}

    Raises
    ------
    ScenarioError
        If an item is not ``COUNTRY=NAME``.
    """
    found = {}
    for item in items or ():
        country, equals, name = item.partition("=")
        if not equals or not name:
            raise ScenarioError(f"--strategy {item}: write COUNTRY=NAME, such as ZA=markup:0.1")
        found[country.strip()] = name.strip()
    return found or None
