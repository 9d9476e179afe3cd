"""Reading tables and YAML so that every mistake is found with its file, row and column.

CSV cells are read as text by the ``csv`` module: ``NA`` is Namibia and never "missing". An empty
cell means "not given" and takes the field's default. The types, bounds and units come from the
row classes in :mod:`scenarios.schema`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from scenarios.errors import (
    ScenarioError,
    did_you_mean,
    explain_unknown,
    split_unit,
    unit_text,
)

R = TypeVar("R", bound=BaseModel)

# Above these a number is far beyond any country on Earth, so its unit must be wrong.
_IMPLAUSIBLE = {
    "demand_twh": (20_000.0, "GWh instead of TWh"),
    "annual_twh": (2_000.0, "GWh instead of TWh"),
    "p_nom_mw": (2_000_000.0, "kW instead of MW"),
    "a_to_b_mw": (100_000.0, "kW instead of MW"),
    "b_to_a_mw": (100_000.0, "kW instead of MW"),
}


@dataclass
class RawRow:
    """Cells of one row as text, with where each came from."""

    number: int
    cells: dict[str, object]
    overridden: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class RawTable:
    """A table before validation: its file, its columns and its rows."""

    path: Path
    columns: tuple[str, ...]
    rows: list[RawRow]


@dataclass(frozen=True)
class Table(Generic[R]):
    """Validated rows with the spreadsheet row number of each."""

    path: Path
    numbers: tuple[int, ...]
    rows: tuple[R, ...]

    def numbered(self) -> Iterable[tuple[int, R]]:
        """Pairs of spreadsheet row number and row."""
        return zip(self.numbers, self.rows, strict=True)


def read_raw_table(path: Path, row_class: type[BaseModel]) -> RawTable:
    """Read a CSV file as text and check its header.

    Parameters
    ----------
    path
        CSV file in UTF-8, comma separated, first row the header.
    row_class
        Class whose field names are the allowed columns.
    """
    lines = _read_lines(path)
    if not lines:
        raise ScenarioError("the file is empty; its first row must name the columns", file=path)
    header = [cell.strip() for cell in lines[0]]
    _check_header(path, header, row_class)
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in line):
            continue
        if len(line) != len(header):
            raise ScenarioError(
                f"the row has {len(line)} cells but the header has {len(header)}; put a text "
                "that contains a comma in double quotes",
                file=path,
                row=number,
            )
        cells = {c: v.strip() for c, v in zip(header, line, strict=True) if v.strip() != ""}
        rows.append(RawRow(number, dict(cells)))
    return RawTable(path, tuple(header), rows)


def _read_lines(path: Path) -> list[list[str]]:
    """All rows of a CSV file as lists of text."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return list(csv.reader(stream, strict=True))
    except FileNotFoundError:
        raise ScenarioError("the file is missing", file=path) from None
    except UnicodeDecodeError:
        raise ScenarioError("the file is not UTF-8; save it as CSV UTF-8", file=path) from None
    except csv.Error as error:
        raise ScenarioError(f"the file is not readable as CSV: {error}", file=path) from None
    except OSError as error:
        raise ScenarioError(f"cannot read the file: {error.strerror}", file=path) from None


def _check_header(path: Path, header: Sequence[str], row_class: type[BaseModel]) -> None:
    """Refuse unknown, doubled and missing columns."""
    known = list(row_class.model_fields)
    if len(header) == 1 and ";" in header[0]:
        raise ScenarioError("the columns are separated by ';'; use commas", file=path, row=1)
    for name in header:
        if name not in known:
            free = [k for k in known if k not in header] or known
            raise ScenarioError(
                f"unknown column '{name}'{explain_unknown(name, free)}",
                file=path,
                row=1,
                column=name or "(no name)",
            )
        if header.count(name) > 1:
            raise ScenarioError("the column appears twice", file=path, row=1, column=name)
    for name, info in row_class.model_fields.items():
        if info.is_required() and name not in header:
            raise ScenarioError("the column is missing; add it", file=path, row=1, column=name)


def validate_table(
    raw: RawTable, row_class: type[R], key: Callable[[R], tuple[object, ...]] | None = None
) -> Table[R]:
    """Turn text into rows; report the first mistake with file, row and column.

    Parameters
    ----------
    raw
        Text of the table, overrides already put in.
    row_class
        Class of the rows.
    key
        What must be unique in the table, e.g. country and carrier.
    """
    rows: list[R] = []
    for raw_row in raw.rows:
        _check_cells(raw, raw_row, row_class)
        try:
            rows.append(row_class.model_validate(raw_row.cells))
        except ValidationError as error:
            raise _located(error.errors()[0], raw, raw_row) from None
    table = Table(raw.path, tuple(r.number for r in raw.rows), tuple(rows))
    if key is not None:
        _check_unique(table, key)
    return table


def _check_cells(raw: RawTable, row: RawRow, row_class: type[BaseModel]) -> None:
    """Refuse NaN, infinities and numbers that only a wrong unit explains."""
    for column, cell in row.cells.items():
        if row_class.model_fields[column].annotation is str:
            continue
        try:
            number = float(cell)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            continue
        if not math.isfinite(number):
            raise _at(raw, row, column, f"'{cell}' is not a number; leave it empty or fill it in")
        limit, unit = _IMPLAUSIBLE.get(column, (math.inf, ""))
        if number > limit:
            raise _at(raw, row, column, f"{number:g} is implausibly large; is it in {unit}?")


def _located(error: ErrorDetails, raw: RawTable, row: RawRow) -> ScenarioError:
    """Translate pydantic's first complaint about a row."""
    column = str(error["loc"][0]) if error["loc"] else None
    return _at(raw, row, column, explain(error, column or ""))


def _at(raw: RawTable, row: RawRow, column: str | None, what: str) -> ScenarioError:
    """Build an error at a cell; say so if the cell came from ``--set``."""
    if column in row.overridden:
        what += " (given with --set)"
    return ScenarioError(what, file=raw.path, row=row.number, column=column)


def explain(error: ErrorDetails, name: str) -> str:
    """Say one pydantic complaint in plain words with what to do.

    Parameters
    ----------
    error
        One entry of ``ValidationError.errors()``.
    name
        Name of the column or key; its unit is named in the advice.
    """
    kind, value, context = error["type"], error.get("input"), error.get("ctx") or {}
    if kind == "missing":
        return "the value is missing; fill it in"
    if kind in {"float_parsing", "int_parsing", "float_type", "int_type", "int_from_float"}:
        return _not_a_number(value, name, whole=kind.startswith("int"))
    if kind in {"less_than", "less_than_equal"}:
        return _too_large(value, float(context.get("lt", context.get("le", math.inf))), name)
    if kind in {"greater_than", "greater_than_equal"}:
        bound = context.get("gt", context.get("ge"))
        if bound == 0:
            wish = "must be above zero" if kind == "greater_than" else "must not be negative"
        else:
            wish = f"must be at least {bound}"
        return f"{value} {wish}{_unit_note(name)}"
    if kind == "literal_error":
        options = str(context.get("expected", "")).replace(" or ", ", ").replace("'", "")
        return f"unknown '{value}'{did_you_mean(str(value), options.split(', '))}"
    if kind in {"bool_parsing", "bool_type"}:
        return f"'{value}' must be true or false"
    if kind == "finite_number":
        return f"'{value}' is not a number; leave it empty or fill it in"
    if kind == "string_pattern_mismatch":
        return _bad_pattern(str(value), str(context.get("pattern")))
    if kind == "string_too_short":
        return "the text is too short; say where the number comes from"
    return str(error["msg"]).removeprefix("Value error, ") + (
        f" (got '{value}')" if isinstance(value, (str, int, float)) else ""
    )


def _not_a_number(value: object, name: str, whole: bool) -> str:
    """Advice on text where a number belongs."""
    text = str(value).strip()
    wish = "a whole number" if whole else "a number"
    if text.endswith("%"):
        try:
            return f"'{text}' must be a share between 0 and 1; write {float(text[:-1]) / 100:g}"
        except ValueError:
            pass
    if "," in text or " " in text:
        return f"'{text}' is not {wish}; use a decimal point and no thousands separator"
    return f"'{text}' is not {wish}{_unit_note(name)}"


def _too_large(value: object, bound: float, name: str) -> str:
    """Advice on a number above its bound: most often a percentage given for a share."""
    number = float(str(value))
    if bound == 1 and 1 <= number <= 100:
        return f"{value} must be a share between 0 and 1, did you mean {number / 100:g}?"
    return f"{value} must not exceed {bound:g}{_unit_note(name)}"


def _bad_pattern(value: str, pattern: str) -> str:
    """Advice on a code or color of the wrong form."""
    if pattern.startswith("^#"):
        return f"'{value}' is not a color; write it as #rrggbb"
    return (
        f"'{value}' is not a code; write the code from countries.csv, not the name (a code has "
        "letters, digits and '_' and starts with a letter)"
    )


def _unit_note(name: str) -> str:
    """Return ``"; give it in MW"`` if the name says its unit."""
    unit = split_unit(name)[1]
    return f"; give it in {unit_text(unit)}" if unit and unit != ("a",) else ""


def _check_unique(table: Table[R], key: Callable[[R], tuple[object, ...]]) -> None:
    """Refuse two rows with the same key."""
    seen: dict[tuple[object, ...], int] = {}
    for number, row in table.numbered():
        this = key(row)
        if this in seen:
            raise ScenarioError(
                f"{' '.join(str(k) for k in this)} stands already in row {seen[this]}; "
                "keep one of the two rows",
                file=table.path,
                row=number,
            )
        seen[this] = number


def check_known(
    table: Table[R], column: str, known: Mapping[str, str] | Sequence[str], kind: str
) -> None:
    """Refuse values of a column that are not among the known names.

    Parameters
    ----------
    table
        Validated table.
    column
        Column that refers to something defined elsewhere.
    known
        Known names; if a mapping, name -> long name, so that ``South Africa`` suggests ``ZA``.
    kind
        What the names are, for the message ("country", "carrier").
    """
    for number, row in table.numbered():
        value = str(getattr(row, column))
        if value not in known:
            raise ScenarioError(
                f"unknown {kind} '{value}'{suggest(value, known)}",
                file=table.path,
                row=number,
                column=column,
            )


def suggest(value: str, known: Mapping[str, str] | Sequence[str]) -> str:
    """Suggest a known name; with a mapping, look at the long names too."""
    if isinstance(known, Mapping):
        for code, long_name in known.items():
            if value.casefold() == long_name.casefold():
                return f"; did you mean '{code}'?"
    return did_you_mean(value, list(known))
