"""Tables of a comparison: every column declared once, with unit and meaning.

``python -m model.experiments.tables`` prints the declaration as the tables of ``docs/compare.md``.
Money is in millions of EUR a year (``_meur``). Wall times are in ``timings`` alone: all other
tables of equal comparisons are equal byte for byte.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from model.columns import (
    Column,
    RecordsError,
    arrow_schema,
    describe_tables,
    parquet_bytes,
    to_arrow,
)
from model.files import write_atomically
from scenarios.errors import did_you_mean

STATUSES = ("completed", "capped", "cycling", "infeasible", "failed")
# Without a result: the reason says why.
BROKEN = ("infeasible", "failed")
_YES_NO = ("yes", "no")

_CASE = Column("case", "str", "-", "id of the case: hash of all that decides its result")
_COUNTRY = Column("country", "str", "-", "country code; `NA` is Namibia")
_STEP = Column("step", "int", "-", "step of the negotiation, counted from 0")


def _result(name: str, kind: str, unit: str, meaning: str) -> Column:
    """Column that is null where the negotiation broke off."""
    return Column(name, kind, unit, meaning, nullable=True)  # type: ignore[arg-type]


def _undefined(name: str, meaning: str) -> Column:
    """Share that is null where there is no gain to divide."""
    return Column(name, "float", "1", meaning, nullable=True)


TABLES: dict[str, tuple[Column, ...]] = {
    "runs": (
        _CASE,
        Column("protocol", "str", "-", "protocol and mode, `bilateral_bids.adaptive`"),
        Column("products", "str", "-", "product family", allowed=("flat", "tou", "hourly")),
        Column("strategy", "str", "-", "strategies, `ZA=markup:0.1`; `truthful` if all tell it"),
        Column("settlement", "str", "-", "rule that divided the gain"),
        Column("variant", "str", "-", "variant of the scenario; `base` is none"),
        Column("seed", "int", "-", "number of the draw; 0 is the scenario as it is"),
        Column("luck", "int", "-", "number of the negotiation's own random stream, from 0"),
        Column("changes", "str", "-", "further changes of scenario and protocol, `key=value; ...`"),
        Column("status", "str", "-", "how it ended", allowed=STATUSES),
        Column("reason", "str", "-", "why the status is what it is; may be empty"),
        _result("family", "str", "-", "protocols that differ in details only, by their own word"),
        _result("snapshots", "int", "-", "snapshots that the countries plan for"),
        _result("contracts", "int", "-", "products that can be traded"),
        _result("parts_of_day", "str", "-", "what `tou` products cover, joined by `+`; else empty"),
        _result("autarky_meur", "float", "M EUR/a", "cost of all countries without exchange"),
        _result("planner_meur", "float", "M EUR/a", "cost of all in the planner's optimum"),
        _result(
            "ceiling_meur", "float", "M EUR/a", "planner's gain with the flows the products allow"
        ),
        _result("gain_meur", "float", "M EUR/a", "gain of all countries over autarky"),
        _result("efficiency", "float", "1", "gain over the planner's gain with free flows"),
        _result("of_ceiling", "float", "1", "gain over the ceiling of the products"),
        _result("steps", "int", "-", "steps taken"),
        _result("rounds", "int", "-", "rounds of all steps"),
        _result("messages", "int", "-", "messages of all steps, one per interconnector travelled"),
        _result("numbers_disclosed", "int", "-", "private numbers said"),
        _result("solves", "int", "-", "solves of countries' planning problems, autarky included"),
        _result(
            "dependent_solves", "int", "-", "longest chain of solves that had to wait for another"
        ),
        _result("least_gain_meur", "float", "M EUR/a", "least gain of a country after payments"),
        _result("losers", "str", "-", "countries that lose, joined by `+`; empty if nobody does"),
        _result(
            "certified_gap",
            "float",
            "1",
            "share of the planner's gain at most left, by the protocol's own bound; also null "
            "where it gives none",
        ),
    ),
    "countries": (
        _CASE,
        _COUNTRY,
        Column("gain_meur", "float", "M EUR/a", "gain over autarky after payments"),
        Column("payments_meur", "float", "M EUR/a", "net payment, positive pays"),
        Column("net_import_gwh", "float", "GWh/a", "energy received less energy sent"),
        Column("cost_autarky_meur", "float", "M EUR/a", "cost without exchange"),
        Column("cost_meur", "float", "M EUR/a", "cost with the trades, before payments"),
    ),
    "pivotal": (
        _CASE,
        _COUNTRY,
        _undefined(
            "least_rsi",
            "least residual supply index that it leaves a neighbour, over neighbours and snapshots",
        ),
        Column("least_rsi_of", "str", "-", "that neighbour"),
        Column("pivotal_h", "float", "h/a", "hours in which a neighbour cannot do without it"),
        Column("pivotal_for", "str", "-", "neighbours that cannot at some time, joined by `+`"),
        _undefined(
            "least_rsi_others",
            "least supply of all other countries over their demand, lines not counted",
        ),
    ),
    "steps": (
        _CASE,
        _STEP,
        Column("gain_meur", "float", "M EUR/a", "gain of all countries up to here"),
        _result("efficiency", "float", "1", "gain up to here over the planner's gain"),
        Column("rounds", "int", "-", "rounds up to here"),
        Column("messages", "int", "-", "messages up to here"),
        Column("numbers_disclosed", "int", "-", "private numbers said up to here"),
        Column("solves", "int", "-", "solves up to here, autarky included"),
        Column("dependent_solves", "int", "-", "solves in a row up to here"),
    ),
    "draws": (
        Column("variant", "str", "-", "variant of the scenario"),
        Column("seed", "int", "-", "number of the draw"),
        Column("key", "str", "-", "what is changed, as `--set` takes it"),
        Column("value", "str", "-", "new value"),
    ),
    "gains": (
        _CASE,
        Column("in_core", "str", "-", "does every group get what it makes alone", allowed=_YES_NO),
        Column("complaining", "str", "-", "group with the strongest complaint, joined by `+`"),
        Column("complaint_meur", "float", "M EUR/a", "what that group could do better alone"),
        _undefined("gini", "inequality of gains"),
        _undefined("distance_to_shapley", "share of the gain to move to the Shapley value"),
        _undefined("distance_to_nucleolus", "share of the gain to move to the nucleolus"),
        _undefined("distance_to_equal_split", "share of the gain to move to equal gains"),
    ),
    "timings": (
        _CASE,
        Column("step", "int", "-", "step of the negotiation; null: the negotiation", nullable=True),
        Column("seconds", "float", "s", "wall time up to the end of the step, autarky not counted"),
    ),
}
# Differs from one time to the next.
UNSTEADY = ("timings",)


def write_table(folder: Path, name: str, frame: pd.DataFrame) -> Path:
    """Write a table of a comparison, whole or not at all.

    Parameters
    ----------
    folder : Path
        Of the comparison.
    name : str
        Key of :data:`TABLES`.
    frame : DataFrame
        Rows in their order; without rows and columns for an empty table.

    Raises
    ------
    RecordsError
        If the columns are not as declared.
    """
    path = folder / f"{name}.parquet"
    write_atomically(path, parquet_bytes(to_arrow(name, frame, _declared(name))))
    return path


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """Read a table of a finished comparison, columns in their declared order.

    Counts that may be missing come as pandas' ``Int64``.

    Raises
    ------
    RecordsError
        If there is no such table, or it was written by another version.
    """
    declared = _declared(name)
    path = folder / f"{name}.parquet"
    if not path.is_file():
        raise RecordsError(
            f"{folder} holds no {path.name}; finish it with compare --resume {folder}"
        )
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise RecordsError(f"{path} cannot be read: {error}") from None
    if not table.schema.equals(arrow_schema(declared)):
        raise RecordsError(f"{path} has other columns than this version writes; compare again")
    counts = {c.name: "Int64" for c in declared if c.kind == "int" and c.nullable}
    return table.to_pandas(integer_object_nulls=True).astype(counts)


def _declared(name: str) -> tuple[Column, ...]:
    if name not in TABLES:
        raise RecordsError(f"unknown table '{name}'{did_you_mean(name, TABLES)}")
    return TABLES[name]


if __name__ == "__main__":
    print("\n\n".join(describe_tables(TABLES)))
