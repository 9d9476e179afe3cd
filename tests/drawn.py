"""A random network as plain data, and the dice that draw it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

NAN = float("nan")

Attributes = dict[str, Any]


@dataclass
class Drawn:
    """A network as plain data, from which PyPSA's is made in one go.

    Attributes
    ----------
    hours : dict of str to list of float
        Snapshot weightings by kind.
    relaxed : bool
        Whether it holds integers, which are to be relaxed.
    parts : dict of str to dict of str to dict
        Component -> name -> attributes; lists are series.
    """

    hours: dict[str, list[float]]
    relaxed: bool = False
    parts: dict[str, dict[str, Attributes]] = field(default_factory=dict, repr=False)

    def add(self, component: str, name: str, **attributes: Any) -> None:
        """Add one component."""
        self.parts.setdefault(component, {})[name] = attributes

    @property
    def length(self) -> int:
        """Number of snapshots."""
        return len(self.hours["objective"])

    def country(self, bus: str) -> str:
        """Country of a bus."""
        code: str = self.parts["Bus"][bus]["country"]
        return code

    @property
    def codes(self) -> list[str]:
        """Countries in alphabetical order."""
        return sorted({bus["country"] for bus in self.parts["Bus"].values()})


class Dice:
    """Draws for one network."""

    def __init__(self, random: Random, n: Drawn) -> None:
        self.random, self.n = random, n

    def number(self, low: float, high: float) -> float:
        """A round number, so that examples read well."""
        return round(low + (high - low) * self.random.randint(0, 20) / 20, 6)

    def series(self, low: float, high: float) -> float | list[float]:
        """A number, or a series."""
        if self.yes():
            return self.number(low, high)
        return [self.number(low, high) for _ in range(self.n.length)]

    def now_and_then(self, low: float, high: float) -> list[float]:
        """A series with gaps."""
        return [self.number(low, high) if self.yes() else NAN for _ in range(self.n.length)]

    def last(self, value: float) -> list[float]:
        """A series with a value in the last snapshot only."""
        return [NAN] * (self.n.length - 1) + [value]

    def choice(self, options: list[Any]) -> Any:
        """One of several."""
        return self.random.choice(options)

    def yes(self, one_in: int = 2) -> bool:
        """Whether something is the case."""
        return self.random.randint(1, one_in) == one_in

    def kind(self, kinds: dict[str, Callable[[Dice], Attributes]]) -> Attributes:
        """Attributes of one of several kinds; half of all are plain."""
        if self.yes():
            return {}
        usable = [k for k in kinds if self.n.relaxed or k not in ("committed", "modules")]
        return kinds[self.choice(usable)](self)
