"""Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from viz.numbers import number

Cell = str | float | None


@dataclass(frozen=True)
class Whole:
    """A number written without decimals."""

    value: float | None


def markdown(
    header: Sequence[str],
    rows: Iterable[Sequence[Cell | Whole]],
    *,
    decimals: int = 1,
    total: bool = False,
) -> str:
    """Write a Markdown table; numbers to the right, a dash for what is not known.

    Parameters
    ----------
    header : sequence of str
    rows : iterable of sequence of str, float, Whole or None
    decimals : int
    total : bool
        Whether a last row gives the sums of the columns.

    Examples
    --------
    >>> print(markdown(["country", "TWh"], [["NA", 6.97], ["ZA", None]]))
    | country | TWh |
    |---|--:|
    | NA | 7.0 |
    | ZA | - |
    """
    listed = [list(row) for row in rows]
    if total and listed:
        columns = list(zip(*listed, strict=True))[1:]
        listed.append(["all", *(_sum(column) for column in columns)])
    right = [all(not isinstance(row[i], str) for row in listed) for i in range(len(header))]
    lines = ["| " + " | ".join(header) + " |"]
    lines.append("|" + "|".join("--:" if flag else "---" for flag in right) + "|")
    lines += ["| " + " | ".join(_text(cell, decimals) for cell in row) + " |" for row in listed]
    return "\n".join(lines)


def _sum(column: Sequence[Cell | Whole]) -> float | None:
    """Sum of a column in which every number is known."""
    known = [value for value in column if isinstance(value, int | float)]
    return float(sum(known)) if len(known) == len(column) else None


def _text(cell: Cell | Whole, decimals: int) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Whole):
        return number(cell.value)
    return number(cell, decimals)
