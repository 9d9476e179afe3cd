"""Which lie to try next: values of a strategy's parameter, round after round nearer to the best.

A search is a generator. It yields the lies it wants to know about, is sent what each gained its
country, and returns the best it has seen. It computes nothing itself, so that many searches ask at
the same time, and one that was interrupted repeats itself from the answers on disk.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field

from agents.strategy import STRATEGIES, Choices, Numbers, make_strategy
from protocols.plugins import PluginError, suggest

# What a country gains over the truth by a lie, M EUR/a; minus infinity where it cannot be said.
Gains = Mapping[str, float]
Search = Generator[list[str], Gains, str]
PairSearch = Generator[list[tuple[str, str]], Mapping[tuple[str, str], float], tuple[str, str]]

# Digits of a value: finer ones are not told apart by what they bring.
_DIGITS = 3


@dataclass
class Tried:
    """Values of one strategy and what they gained.

    Attributes
    ----------
    name : str
        Of the strategy.
    tries : Numbers or Choices
    gains : dict of float to float
        By value; zero is the truth and gains nothing.
    """

    name: str
    tries: Numbers | Choices
    gains: dict[float, float] = field(default_factory=lambda: {0.0: 0.0})
    chosen: dict[str, float] = field(default_factory=dict)

    def first(self) -> list[str]:
        """Lies to begin with."""
        if isinstance(self.tries, Choices):
            return [f"{self.name}:{choice}" for choice in self.tries.names]
        return [self._text(value) for value in self.tries.first]

    def learn(self, gains: Gains) -> None:
        """Take in what lies of this strategy gained."""
        for lie, gain in gains.items():
            name, _, given = lie.partition(":")
            if name == self.name:
                self.chosen[lie] = gain
                if isinstance(self.tries, Numbers):
                    self.gains[float(given)] = gain

    def nearer(self) -> list[str]:
        """Untried lies on both sides of the best: halfway to its neighbours, or twice as far."""
        if isinstance(self.tries, Choices):
            return []
        values = sorted(self.gains)
        best = max(values, key=lambda v: (self.gains[v], -abs(v)))
        place = values.index(best)
        new = [
            (best + values[place - 1]) / 2 if place else self._beyond(best),
            (best + values[place + 1]) / 2 if place + 1 < len(values) else self._beyond(best),
        ]
        rounded = [self._rounded(v) for v in new if math.isfinite(v)]
        return [self._text(v) for v in dict.fromkeys(rounded) if v not in self.gains]

    @property
    def best(self) -> tuple[float, str]:
        """Largest gain and the lie that brought it, the first of equals."""
        lie = max(self.chosen, key=lambda text: self.chosen[text])
        return self.chosen[lie], lie

    @property
    def says_something(self) -> bool:
        """Whether any of it made a difference."""
        return any(gain != 0 for gain in self.chosen.values())

    def _beyond(self, value: float) -> float:
        """Further out than all that was tried, as far as values go; nothing beyond the truth."""
        if value == 0:
            return math.inf
        assert isinstance(self.tries, Numbers)
        most = self.tries.below
        return (value + most) / 2 if math.isfinite(most) else 2 * value

    def _rounded(self, value: float) -> float:
        assert isinstance(self.tries, Numbers)
        return float(round(value)) if self.tries.whole else float(f"{value:.{_DIGITS}g}")

    def _text(self, value: float) -> str:
        return f"{self.name}:{value:g}"


def lie_names() -> tuple[str, ...]:
    """Strategies that say how they are searched."""
    return tuple(name for name in STRATEGIES.names() if _tries(name) is not None)


def check_lies(names: Sequence[str]) -> None:
    """Refuse what cannot be searched.

    Raises
    ------
    PluginError
        If a strategy is not known, or does not say which values to try.
    """
    for name in names:
        if ":" in name:
            make_strategy(name)
            raise PluginError(
                f"'{name}' is one value; the search finds it: {name.partition(':')[0]}"
            )
        STRATEGIES.load(name)
        if _tries(name) is None:
            raise PluginError(f"strategy {name} has nothing to search{suggest(name, lie_names())}")


def best_lie(names: Sequence[str], rounds: int) -> Search:
    """Search the lie that pays a country most while all others tell the truth.

    All strategies are tried at a few values. In every round that follows the better half of them
    is refined: on both sides of the best value, halfway to the next one tried (successive halving,
    of strategies and of intervals). A strategy that makes no difference is left.

    Parameters
    ----------
    names : sequence of str
        Strategies.
    rounds : int
        Refinements.

    Returns
    -------
    str
        The best lie tried, which may be worse than the truth.
    """
    kinds = [Tried(name, tries) for name in names if (tries := _tries(name)) is not None]
    learned = yield [lie for kind in kinds for lie in kind.first()]
    for kind in kinds:
        kind.learn(learned)
    alive = kinds
    for _ in range(rounds):
        alive = sorted((k for k in alive if k.says_something), key=lambda k: -k.best[0])
        alive = alive[: math.ceil(len(alive) / 2)]
        asked = [lie for kind in alive for lie in kind.nearer()]
        if not asked:
            break
        learned = yield asked
        for kind in alive:
            kind.learn(learned)
    return max(kinds, key=lambda k: k.best[0]).best[1]


def best_pair(one: str, other: str, rounds: int) -> PairSearch:
    """Search from the best lies of two countries the pair that pays them most together.

    A pattern search: each lie in turn is made larger and smaller by a factor that shrinks.

    Parameters
    ----------
    one, other : str
        What each would say alone.
    rounds : int
    """
    here = (one, other)
    gains = dict((yield [here]))
    for number in range(rounds):
        factor = 1 + 1 / (number + 1)
        near = [(lie, here[1]) for lie in _scaled(here[0], factor)]
        near += [(here[0], lie) for lie in _scaled(here[1], factor)]
        asked = [pair for pair in dict.fromkeys(near) if pair not in gains]
        if not asked:
            break
        gains |= dict((yield asked))
        here = max(gains, key=lambda pair: gains[pair])
    return here


def _scaled(lie: str, factor: float) -> list[str]:
    """A lie made larger and smaller."""
    name, _, given = lie.partition(":")
    tries = _tries(name)
    if not isinstance(tries, Numbers):
        return []
    if tries.whole:
        return [f"{name}:{float(given) + step:g}" for step in (1, -1) if float(given) + step > 0]
    values = [float(f"{float(given) * f:.{_DIGITS}g}") for f in (factor, 1 / factor)]
    return [f"{name}:{value:g}" for value in values if value < tries.below]


def _tries(name: str) -> Numbers | Choices | None:
    found: Numbers | Choices | None = STRATEGIES.load(name).tries
    return found
