"""Plug-ins by name: what distributions announce under entry points, built-ins among them.

A family of plug-ins is an entry-point group of Python packaging. The built-in members are
announced by this project's own ``pyproject.toml``, so that nothing tells them from others'.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any


class PluginError(ValueError):
    """A plug-in that is not known or cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Family:
    """One kind of plug-ins.

    Attributes
    ----------
    group : str
        Entry-point group, ``"dman_cep.protocols"``.
    kind : str
        What a member is called in messages.
    base : type
        Class that every member derives from.
    """

    group: str
    kind: str
    base: type

    def names(self) -> list[str]:
        """Names of all members, sorted."""
        return sorted(self._points())

    def load(self, name: str) -> Any:
        """Class of a member.

        Raises
        ------
        PluginError
            If there is none of that name, with the nearest; if it cannot be imported, or is not
            of the family.
        """
        points = self._points()
        if not points:
            raise PluginError(
                f"no {self.kind} is installed; install the program with pip install -e ."
            )
        if name not in points:
            raise PluginError(f"unknown {self.kind} '{name}'{suggest(name, points)}")
        point = points[name]
        maker = point.dist.name if point.dist is not None else "?"
        try:
            member = point.load()
        except Exception as error:
            raise PluginError(
                f"{self.kind} '{name}' of {maker} cannot be loaded from {point.value}: {error}"
            ) from error
        if not (isinstance(member, type) and issubclass(member, self.base)):
            raise PluginError(
                f"{self.kind} '{name}' of {maker}: {point.value} is no subclass of "
                f"{self.base.__module__}.{self.base.__name__}"
            )
        return member

    def _points(self) -> dict[str, EntryPoint]:
        # A name that is announced twice belongs to who comes first on the path, as for imports.
        found: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.group):
            found.setdefault(point.name, point)
        return found


def suggest(wrong: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the nearest known name, else the list of known names."""
    names = sorted(known)
    near = difflib.get_close_matches(wrong, names, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(names)}"
