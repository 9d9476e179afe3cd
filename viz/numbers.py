"""Numbers for people: a unit that suits their size, thousands separated, absent ones as a dash."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

ABSENT = "-"


@dataclass(frozen=True)
class Unit:
    """A unit and how numbers are written in it.

    Attributes
    ----------
    label : str
    size : float
        What one of it is in the base unit.
    decimals : int
    """

    label: str
    size: float = 1.0
    decimals: int = 2

    def text(self, value: float | None) -> str:
        """Write a value given in the base unit.

        Examples
        --------
        >>> Unit("M EUR", 1e6, 1).text(1_234_560_000)
        '1,234.6'
        """
        return number(None if value is None else value / self.size, self.decimals)


_MONEY = (("M EUR", 1e6), ("k EUR", 1e3), ("EUR", 1.0))
_ENERGY_TWH = (("TWh", 1.0), ("GWh", 1e-3), ("MWh", 1e-6))


def money_unit(values_eur: Iterable[float | None]) -> Unit:
    """Unit in which all the values are readable; values in EUR.

    Examples
    --------
    >>> money_unit([3.2e9, 5e6]).label, money_unit([12.0, 3.5]).label
    ('M EUR', 'EUR')
    """
    return _pick(values_eur, _MONEY)


def energy_unit(values_twh: Iterable[float | None]) -> Unit:
    """Unit in which all the values are readable; values in TWh."""
    return _pick(values_twh, _ENERGY_TWH)


def number(value: float | None, decimals: int = 0) -> str:
    """Write a number; no minus zero, a dash for what is not known.

    Examples
    --------
    >>> number(-0.001, 1), number(1234.5), number(None)
    ('0.0', '1,234', '-')
    """
    if value is None or not math.isfinite(value):
        return ABSENT
    return f"{round(value, decimals) + 0.0:,.{decimals}f}"


def money(value_eur: float | None) -> str:
    """Write one amount with its unit.

    Examples
    --------
    >>> money(512_340_000)
    '512.34 M EUR'
    """
    unit = money_unit([value_eur])
    return f"{unit.text(value_eur)} {unit.label}"


def _pick(values: Iterable[float | None], ladder: tuple[tuple[str, float], ...]) -> Unit:
    """Largest unit of which the largest value is at least one half; fewer decimals if large."""
    known = [abs(v) for v in values if v is not None and math.isfinite(v)]
    largest = max(known, default=0.0)
    label, size = next(((n, s) for n, s in ladder if largest >= s / 2), ladder[-1])
    return Unit(label, size, 1 if largest / size >= 1000 else 2)
