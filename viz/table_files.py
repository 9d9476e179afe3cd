"""A table in the formats that people go on with: CSV, Markdown, LaTeX, Parquet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from viz.markdown import markdown

_LATEX = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "^": r"\^{}"}


def write_table(table: pd.DataFrame, stem: Path) -> list[Path]:
    """Write ``stem.csv``, ``.md``, ``.tex`` and ``.parquet``; replaces what was there.

    CSV and Parquet keep every digit. A missing value is empty in CSV, a dash in Markdown and LaTeX.
    ``NA`` is Namibia: read CSV with ``keep_default_na=False``.

    Parameters
    ----------
    table : DataFrame
        Its index is not written.
    stem : Path
        Path without its ending; the folder is made.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [stem.with_name(f"{stem.name}.{ending}") for ending in ("csv", "md", "tex", "parquet")]
    table.to_csv(paths[0], index=False)
    paths[1].write_text(
        markdown([str(name) for name in table], _cells(table), decimals=4) + "\n", encoding="utf-8"
    )
    paths[2].write_text(latex(table), encoding="utf-8")
    table.to_parquet(paths[3], index=False)
    return paths


def latex(table: pd.DataFrame) -> str:
    """A ``tabular`` with the rules of the package booktabs; numbers to the right."""
    right = [pd.api.types.is_numeric_dtype(table[name]) for name in table]
    lines = [
        r"\begin{tabular}{" + "".join("r" if flag else "l" for flag in right) + "}",
        r"\toprule",
        " & ".join(_escaped(str(name)) for name in table) + r" \\",
        r"\midrule",
    ]
    for row in _cells(table):
        texts = [f"{c:,.4f}" if isinstance(c, float) else _escaped(c or "-") for c in row]
        lines.append(" & ".join(texts) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _cells(table: pd.DataFrame) -> list[list[str | float | None]]:
    return [[_cell(value) for value in row] for row in table.itertuples(index=False)]


def _cell(value: object) -> str | float | None:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | float | np.integer | np.floating):
        return float(value) if np.isfinite(value) else None
    return None if value is None else str(value)


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)
