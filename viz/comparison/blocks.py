"""Runs of a comparison as blocks and treatments.

A treatment is what is compared: protocol and mode with products, strategy, settlement and settings,
as far as these differ within the comparison. A block is a draw that every treatment meets: scenario
variant and seed. A run of a country that alone deviates from the others' strategy is no treatment;
:mod:`model.experiments.incentives` looks at those.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from viz.comparison.statistics import TIE

# What may distinguish treatments of one protocol; written after its name.
_DISTINCTIONS = ("products", "strategy", "settlement", "settings")


@dataclass(frozen=True)
class Measure:
    """A number that a run ends with.

    Attributes
    ----------
    column : str
        Of the table of runs.
    name : str
    unit : str
        That people read it in; may be empty.
    higher_is_better : bool
    factor : float
        From the table's unit to the reader's.
    in_autarky : float, optional
        What it is without any trade, where that says something.
    """

    column: str
    name: str
    unit: str = ""
    higher_is_better: bool = True
    factor: float = 1.0
    in_autarky: float | None = None

    @property
    def label(self) -> str:
        """Name and unit."""
        return f"{self.name}, {self.unit}" if self.unit else self.name

    @property
    def difference_unit(self) -> str:
        """Unit of a difference: of shares, percentage points."""
        return "percentage points" if self.factor == 100 else self.unit


MEASURES = {
    m.column: m
    for m in (
        Measure("of_ceiling", "gain", "% of the most in these products", True, 100, 0.0),
        Measure("efficiency", "efficiency", "% of the planner's gain", True, 100, 0.0),
        Measure("gain_meur", "gain", "M EUR/a", in_autarky=0.0),
        Measure("least_gain_meur", "least gain of a country", "M EUR/a", in_autarky=0.0),
        Measure("rounds", "rounds", higher_is_better=False),
        Measure("messages", "messages", higher_is_better=False),
        Measure("numbers_disclosed", "private numbers disclosed", higher_is_better=False),
        Measure("solves", "solves", higher_is_better=False),
        Measure("dependent_solves", "solves in a row", higher_is_better=False),
        Measure("seconds", "wall time", "s", False),
    )
}


@dataclass(frozen=True)
class Blocks:
    """One measure of every treatment in every block.

    Attributes
    ----------
    measure : Measure
    matrix : DataFrame
        Index block, columns treatment; NaN where the run did not end. Both in order of name, so
        that the order of the runs does not matter.
    least_difference : float
        Smaller differences count as none, in the measure's unit.
    """

    measure: Measure
    matrix: pd.DataFrame
    least_difference: float = 0.0

    @property
    def complete(self) -> pd.DataFrame:
        """Blocks in which every treatment has a value."""
        return self.matrix.dropna()

    def only(self, treatments: Collection[str]) -> Blocks:
        """Some of the treatments, in the same blocks."""
        return replace(self, matrix=self.matrix[[t for t in self.matrix if t in treatments]])

    @property
    def tie(self) -> float:
        """Values no further apart than this are equal: what rounding leaves, or more if asked."""
        known = np.abs(self.matrix.to_numpy(dtype=float))
        return max(self.least_difference, TIE * float(np.nanmax(known, initial=0.0)))

    @property
    def best_first(self) -> list[str]:
        """Treatments by their mean, those without a value last."""
        means = self.matrix.mean()
        ordered = means.sort_values(
            ascending=not self.measure.higher_is_better, kind="stable", na_position="last"
        )
        return [str(name) for name in ordered.index]


def as_blocks(
    runs: pd.DataFrame, measure: str = "of_ceiling", least_difference: float = 0.0
) -> Blocks:
    """Arrange one measure of labelled runs, see :func:`label_runs` and :class:`Blocks`.

    Raises
    ------
    ValueError
        If a treatment met a block twice.
    """
    twice = runs.duplicated(["block", "treatment", "luck"])
    if twice.any():
        row = runs[twice].iloc[0]
        raise ValueError(f"{row['treatment']} ran more than once on {row['block']}")
    # Blocks in the order of their variant and seed, 2 before 10.
    order = runs.drop_duplicates("block").sort_values(["variant", "changes", "seed"])["block"]
    values = runs.astype({measure: float}).pivot_table(measure, "block", "treatment", _mean_of_all)
    values = values.reindex(index=list(order), columns=sorted(set(runs["treatment"])))
    return Blocks(MEASURES[measure], values.where(np.isfinite(values)), least_difference)


def _mean_of_all(values: pd.Series) -> float:
    """Mean over the negotiations of a case; none if one of them broke off."""
    return float(values.mean()) if np.isfinite(values).all() else float("nan")


def representatives(runs: pd.DataFrame) -> dict[str, str]:
    """Treatment that stands for each treatment in ranks: the first of its family.

    Members of a family would outvote others: every rank counts how many are above. Products,
    strategies, settlements and settings are no matter of families. If the comparison is within one
    family, everyone stands for itself.

    Parameters
    ----------
    runs : DataFrame
        Labelled, in the order of the comparison.
    """
    first: dict[tuple[str, ...], str] = {}
    found: dict[str, str] = {}
    for treatment, mine in runs.groupby("treatment", sort=False):
        row = mine.iloc[0]
        known = mine["family"].dropna()
        family = str(known.iloc[0]) if len(known) else str(row["protocol"])
        settings = _split_changes(str(row["changes"]))[0]
        key = family, row["products"], row["strategy"], row["settlement"], settings
        found[str(treatment)] = first.setdefault(key, str(treatment))
    return found if len(set(found.values())) > 1 else {name: name for name in found}


def label_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """Give every run its ``treatment`` and its ``block``.

    A change of the protocol's own settings, ``protocol.key=value``, makes another treatment; a
    change of the scenario makes another block.
    """
    changes = [_split_changes(str(text)) for text in runs["changes"]]
    parts = runs[["protocol", "products", "strategy", "settlement", "variant", "seed"]].assign(
        settings=[settings for settings, _ in changes], scenario=[of for _, of in changes]
    )
    return runs.assign(treatment=_names(parts, _DISTINCTIONS), block=_block_names(parts))


def rule_names(table: pd.DataFrame) -> list[str]:
    """Name of each row's protocol with what else differs; for tables on incentives."""
    return _names(table, ("products", "settlement", "changes"))


def _names(parts: pd.DataFrame, distinctions: Sequence[str]) -> list[str]:
    varied = [name for name in distinctions if len(set(parts[name])) > 1]
    return [
        " ".join([_short(row["protocol"]), *(row[name] for name in varied if row[name])])
        for row in _rows(parts)
    ]


def _short(protocol: str) -> str:
    return protocol.removesuffix(".standard")


def _split_changes(text: str) -> tuple[str, str]:
    """Settings of the protocol without their prefix, and changes of the scenario."""
    items = [item.strip() for item in text.split(";") if item.strip()]
    mine = [item.removeprefix("protocol.") for item in items if item.startswith("protocol.")]
    return " ".join(mine), " ".join(item for item in items if not item.startswith("protocol."))


def _block_names(parts: pd.DataFrame) -> list[str]:
    """Variant, changes and seed, as far as they differ; the seed in any case."""
    varied = [name for name in ("variant", "scenario") if len(set(parts[name])) > 1]
    return [
        ", ".join([*(row[name] or "as it is" for name in varied), f"seed {row['seed']}"])
        for row in _rows(parts)
    ]


def _rows(table: pd.DataFrame) -> list[dict[str, str]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]
