"""The one error a user of scenarios sees, and the words it is made of.

Every mistake in a scenario, its overrides or its resolution ends in a :class:`ScenarioError` of
one line: what is wrong, where it is, what to do about it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_POWER_AND_ENERGY = {"w", "kw", "mw", "gw", "tw", "wh", "kwh", "mwh", "gwh", "twh"}
_MONEY_AND_MASS = {"eur", "usd", "zar", "t", "kt", "mt", "kg", "g"}
_OTHER = {"per", "th", "pct", "percent", "pu", "share", "a", "h", "hour", "hours"}
_UNIT_WORDS = _POWER_AND_ENERGY | _MONEY_AND_MASS | _OTHER
_PREFIXES = {"k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
_SPELLING = {
    "kw": "kW", "mw": "MW", "gw": "GW", "tw": "TW",
    "kwh": "kWh", "mwh": "MWh", "gwh": "GWh", "twh": "TWh",
    "eur": "EUR", "usd": "USD", "zar": "ZAR", "mt": "Mt", "kt": "kt", "pct": "%", "percent": "%",
}  # fmt: skip


class ScenarioError(ValueError):
    """A mistake in what the user gave: one line that says what, where and what to do.

    Parameters
    ----------
    what
        The mistake in plain words, with advice.
    file
        File it sits in, if any.
    row
        Row as a spreadsheet shows it (the header is row 1), or line of a YAML file.
    column
        Column of the table or key of the YAML file.
    """

    def __init__(
        self,
        what: str,
        *,
        file: str | Path | None = None,
        row: int | None = None,
        column: str | None = None,
    ) -> None:
        self.what = " ".join(what.split())
        self.file = None if file is None else Path(file)
        self.row = row
        self.column = column
        super().__init__(self._line())

    def _line(self) -> str:
        """Join place and mistake into one line."""
        where = []
        if self.file is not None:
            where.append(_short(self.file))
        if self.row is not None:
            yaml = self.file is not None and self.file.suffix in {".yaml", ".yml"}
            where.append(f"{'line' if yaml else 'row'} {self.row}")
        if self.column is not None:
            where.append(f"column {self.column}" if self._is_table() else f"key {self.column}")
        return f"{', '.join(where)}: {self.what}" if where else self.what

    def _is_table(self) -> bool:
        return self.file is not None and self.file.suffix == ".csv"


def _short(path: Path) -> str:
    """Folder and file name: enough to find it, short enough for one line."""
    return "/".join(path.parts[-2:])


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the nearest known name, or the list of known names.

    Parameters
    ----------
    wrong
        What the user wrote.
    known
        Names that would have been right.

    Examples
    --------
    >>> did_you_mean("colar", ["solar", "coal"])
    "; did you mean 'solar'?"
    >>> did_you_mean("xyz", ["solar", "coal"])
    '; known: coal, solar'
    """
    names = list(dict.fromkeys(str(k) for k in known))
    folded = {n.casefold(): n for n in reversed(names)}
    close = difflib.get_close_matches(wrong.casefold(), list(folded), n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{folded[close[0]]}'?"
    shown = sorted(names)[:20]
    return f"; known: {', '.join(shown)}{', ...' if len(names) > 20 else ''}" if shown else ""


def split_unit(name: str) -> tuple[str, tuple[str, ...]]:
    """Split a field name into its stem and the unit words at its end.

    Examples
    --------
    >>> split_unit("a_to_b_mw")
    ('a_to_b', ('mw',))
    """
    words = name.split("_")
    cut = len(words)
    while cut > 1 and words[cut - 1].lower() in _UNIT_WORDS:
        cut -= 1
    return "_".join(words[:cut]), tuple(w.lower() for w in words[cut:])


def unit_text(unit: tuple[str, ...]) -> str:
    """Spell unit words for people: ``("eur", "per", "mwh", "th")`` -> ``EUR/MWh_th``."""
    text = " ".join(_SPELLING.get(word, word) for word in unit)
    return text.replace(" per ", "/").replace(" th", "_th")


def first_complaint(error: ValidationError) -> ErrorDetails:
    """Complaint that says most: a key nobody knows often explains one that is missing."""
    complaints = error.errors()
    return min(complaints, key=lambda complaint: complaint["type"] != "extra_forbidden")


def explain_unknown(name: str, known: Iterable[str]) -> str:
    """Advice on an unknown column or key: wrong unit, spelling, or the list of known names.

    Examples
    --------
    >>> explain_unknown("a_to_b_gw", ["a_to_b_mw", "loss"])
    "; MW expected, not GW: name it 'a_to_b_mw' and multiply its values by 1000"
    """
    names = list(known)
    stem, unit = split_unit(name)
    for candidate in names:
        other_stem, other_unit = split_unit(candidate)
        if stem.casefold() == other_stem.casefold() and other_unit and unit != other_unit:
            return _wrong_unit(candidate, other_unit, unit)
    return did_you_mean(name, names)


def _wrong_unit(candidate: str, expected: tuple[str, ...], given: tuple[str, ...]) -> str:
    """Advice when only the unit of a name differs."""
    if not given:
        return f"; {unit_text(expected)} expected: name it '{candidate}'"
    advice = f"; {unit_text(expected)} expected, not {unit_text(given)}: name it '{candidate}'"
    factor = _factor(given, expected)
    if factor is None:
        return advice + " and convert its values"
    verb, number = ("multiply", factor) if factor >= 1 else ("divide", 1 / factor)
    return f"{advice} and {verb} its values by {number:.12g}"


def _factor(given: tuple[str, ...], expected: tuple[str, ...]) -> float | None:
    """Number that turns values in ``given`` into ``expected`` when only a prefix differs."""
    if len(given) != 1 or len(expected) != 1:
        return None
    (one,), (other,) = given, expected
    if one[1:] != other[1:] or one[1:] not in {"w", "wh"}:
        return None
    return _PREFIXES[one[0]] / _PREFIXES[other[0]]
