"""Columns of a run's tables and keys of its summary: declared here once, with unit and meaning.

``python -m model.columns`` prints the declaration as the tables of ``docs/records.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from scenarios.errors import did_you_mean, explain_unknown

_ARROW = {
    "int": pa.int64(),
    "float": pa.float64(),
    "str": pa.string(),
    "time": pa.timestamp("ns"),
}
_CASES = ("autarky", "negotiated", "planner")


class RecordsError(ValueError):
    """Records that cannot be written or read: one line that says what, where and what to do."""

    def __init__(self, what: str) -> None:
        super().__init__(" ".join(what.split()))


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : str
    kind : {"int", "float", "str", "time"}
        Floats are finite; ``time`` is a timestamp without time zone.
    unit : str
        ``"-"`` for names and counts.
    meaning : str
    nullable : bool
        Whether a value may be missing.
    allowed : tuple of str
        Allowed values of a ``str`` column; empty allows all.
    """

    name: str
    kind: Literal["int", "float", "str", "time"]
    unit: str
    meaning: str
    nullable: bool = False
    allowed: tuple[str, ...] = ()


_STEP = Column("step", "int", "-", "Mesa step, counted from 0")
_CASE = Column("case", "str", "-", "which outcome the row belongs to", allowed=_CASES)
_COUNTRY = Column("country", "str", "-", "country code; `NA` is Namibia")
_SNAPSHOT = Column("snapshot", "time", "-", "beginning of the snapshot, clock time of the data")
_INTERCONNECTOR = Column(
    "interconnector", "str", "-", "both country codes in alphabetical order, `AO-NA`"
)
_FLOW = "net flow at the sending end, positive from the alphabetically first country"
_WEIGHT = Column("weight_h", "float", "h", "hours of the year the snapshot stands for")

TABLES: dict[str, tuple[Column, ...]] = {
    "steps": (
        _STEP,
        Column("status", "str", "-", "`running`, or the final status of the run"),
        Column("trades", "int", "-", "trades agreed in the step"),
        Column("rounds", "int", "-", "rounds of the protocol in the step"),
        Column("messages", "int", "-", "messages of the step, one per interconnector travelled"),
        Column("numbers_disclosed", "int", "-", "private numbers said in the step"),
        Column("local_solves", "int", "-", "solves of planning problems since the run began"),
        Column(
            "valuation_solves",
            "int",
            "-",
            "further solves since the run began, for the columns `mc_*` of `valuations`",
            nullable=True,
        ),
        Column(
            "dependent_solves", "int", "-", "longest chain of solves of the step that had to wait"
        ),
        Column(
            "cost_eur",
            "float",
            "EUR/a",
            "cost of all countries after the step, re-solved; of the slice alone if one is given",
        ),
        Column(
            "gain_eur",
            "float",
            "EUR/a",
            "autarky cost less cost after the step; where `slice` is given, both of that slice "
            "planned alone, with a fleet of its own, which adds up to no year's gain",
        ),
        Column(
            "surplus_eur",
            "float",
            "EUR/a",
            "gain since the run began by the protocol's own count; null if it keeps none",
            nullable=True,
        ),
        Column("hops", "int", "-", "longest path the protocol looks at, in interconnectors"),
        Column(
            "primal_residual",
            "float",
            "1",
            "where the step ended, norm of what countries wish beyond what the lines give, as a "
            "multiple of its tolerance; null if the protocol has none",
            nullable=True,
        ),
        Column(
            "dual_residual",
            "float",
            "1",
            "where the step ended, norm of what prices have still to move, as a multiple of its "
            "tolerance; null if the protocol has none",
            nullable=True,
        ),
        Column(
            "slice",
            "str",
            "-",
            "the one slice that the step was about, with `independent`; null if it was about all",
            nullable=True,
        ),
    ),
    "messages": (
        _STEP,
        Column("round", "int", "-", "round of the protocol, counted from 0 within a step"),
        Column("order", "int", "-", "place in the step's log, counted from 0"),
        Column("sender", "str", "-", "country code, `operator`, or `clock` that gives the turn"),
        Column("receiver", "str", "-", "country code or `operator`"),
        Column("via", "str", "-", "transit countries joined by `>`; empty between neighbours"),
        Column(
            "act",
            "str",
            "-",
            "speech act",
            allowed=("call", "propose", "counter", "accept", "reject", "inform", "award"),
        ),
        Column("kind", "str", "-", "class of the body, for example `Wish`"),
        Column("body", "str", "-", "content of the message as a JSON object"),
        Column("hops", "int", "-", "interconnectors travelled; 0 from the clock"),
        Column("numbers_disclosed", "int", "-", "private numbers of the sender in the body"),
    ),
    "trades": (
        _STEP,
        Column("round", "int", "-", "round of the protocol in which it was agreed"),
        Column("trade", "int", "-", "number of the trade within the step; a row per product"),
        Column("exporter", "str", "-", "country code"),
        Column("importer", "str", "-", "country code"),
        Column("path", "str", "-", "countries passed, joined by `>`, exporter first"),
        Column("product", "str", "-", "name of the product, for example `2030-01/peak`"),
        Column("slice", "str", "-", "delivery period of the product"),
        Column("mw", "float", "MW", "contract, as sent by the exporter"),
        Column("energy_mwh", "float", "MWh", "energy sent by the exporter over the year"),
        Column(
            "price_eur_per_mwh",
            "float",
            "EUR/MWh",
            "paid by the importer per MWh sent, wheeling charges not included",
        ),
    ),
    "valuations": (
        _STEP,
        _COUNTRY,
        Column("product", "str", "-", "name of the product"),
        Column(
            "marginal_value_eur_per_mwh",
            "float",
            "EUR/MWh",
            "what one more MWh is worth to the country, from duals",
        ),
        Column(
            "mc_import_eur_per_mwh",
            "float",
            "EUR/MWh",
            "cost saved per MWh imported, re-solved with `delta_mw` more import; null if not tried",
            nullable=True,
        ),
        Column(
            "mc_export_eur_per_mwh",
            "float",
            "EUR/MWh",
            "cost added per MWh exported, re-solved with `delta_mw` less import; null if not tried",
            nullable=True,
        ),
        Column(
            "delta_mw",
            "float",
            "MW",
            "how much more and less import was tried; null if not tried in this step",
            nullable=True,
        ),
    ),
    "step_flows": (
        _STEP,
        _INTERCONNECTOR,
        _SNAPSHOT,
        Column("flow_mw", "float", "MW", f"{_FLOW}, after the step"),
    ),
    "step_costs": (
        _STEP,
        _COUNTRY,
        Column("autarky_cost_eur", "float", "EUR/a", "cost without exchange; of the step's slice"),
        Column("cost_eur", "float", "EUR/a", "cost after the step, re-solved; of the step's slice"),
        Column(
            "payment_eur",
            "float",
            "EUR/a",
            "paid for all trades up to the step, of its slice if it has one; positive pays",
        ),
    ),
    "products": (
        Column("product", "str", "-", "name of the product; a row per snapshot it delivers in"),
        Column("slice", "str", "-", "delivery period of the product"),
        _SNAPSHOT,
        _WEIGHT,
        Column("mw_per_mw", "float", "MW/MW", "delivered in the snapshot by one MW of contract"),
    ),
    "flows": (
        Column("case", "str", "-", _CASE.meaning, allowed=("negotiated", "planner")),
        _INTERCONNECTOR,
        _SNAPSHOT,
        _WEIGHT,
        Column("flow_mw", "float", "MW", _FLOW),
    ),
    "prices": (
        _CASE,
        _COUNTRY,
        _SNAPSHOT,
        _WEIGHT,
        Column("price_eur_per_mwh", "float", "EUR/MWh", "marginal price of the country's balance"),
        Column("exchange_mw", "float", "MW", "net import on all interconnectors, as received"),
    ),
    "capacities": (
        _CASE,
        _COUNTRY,
        Column("carrier", "str", "-", "technology"),
        Column("p_nom_mw", "float", "MW", "capacity, existing and built"),
        Column("built_mw", "float", "MW", "built part of the capacity"),
        Column("generation_twh", "float", "TWh/a", "energy delivered to the country's grid"),
        Column(
            "co2_t",
            "float",
            "t/a",
            "CO2 of the carrier: output over efficiency times its emission factor; null in runs "
            "that were recorded before it was",
            nullable=True,
        ),
    ),
    "transfers": (
        Column("reason", "str", "-", "`settlement` or `reconciliation`"),
        Column("payer", "str", "-", "country code, or `operator`, whose account it passes through"),
        Column("payee", "str", "-", "country code or `operator`"),
        Column("eur", "float", "EUR/a", "amount, above zero; beside what the trades' prices say"),
    ),
    "shares": (
        Column("slice", "str", "-", "delivery period in which trades were agreed"),
        Column("share", "float", "1", "of each of its trades that is carried out"),
    ),
}
START_TABLES = ("products",)
FINAL_TABLES = ("flows", "prices", "capacities", "transfers", "shares")
STEP_TABLES = tuple(name for name in TABLES if name not in START_TABLES + FINAL_TABLES)

# How the planner stands when the outcome is written and the planner has not answered yet.
PENDING = "pending"

# Key -> (unit, meaning); a dotted key is a value of each entry, "*" stands for the entry's name.
SUMMARY: dict[str, tuple[str, str]] = {
    "run": ("-", "name of the run's folder"),
    "scenario": ("-", "name of the scenario"),
    "title": ("-", "title of the scenario"),
    "protocol": ("-", "protocol"),
    "mode": ("-", "mode of the protocol"),
    "products": ("-", "product family: flat, tou or hourly"),
    "slices": ("-", "delivery periods: year, month or week"),
    "decomposition": ("-", "coupled or independent"),
    "strategies": ("", "strategy of each country that does not simply tell the truth"),
    "strategies.*": ("-", "name and parameters"),
    "privacy": ("-", "how countries blur what they say, EUR/MWh; empty if they do not"),
    "settlement": ("-", "rule that divided the gain"),
    "protocol_settings": ("", "parameters of the protocol that were changed"),
    "protocol_settings.*": ("-", "value"),
    "resolution": ("-", "time resolution"),
    "solver": ("-", "solver of the planning problems"),
    "seed": ("-", "seed of weather, load and negotiation"),
    "luck": ("-", "number of the negotiation's own random stream; 0 is the seed's"),
    "transit_charges": ("-", "whether trades along paths paid wheeling charges"),
    "status": (
        "-",
        "how the negotiation ended: completed (by the protocol's own rule), capped, cycling, "
        "infeasible or failed; says nothing about what is left to gain",
    ),
    "note": ("-", "why the status is what it is"),
    "planner": (
        "-",
        "the joint optimum: `found`, `pending` (`--resume` adds it), `out of time`, `failed` or "
        "`not asked`",
    ),
    "ceiling": ("-", "the joint optimum with flows in the same products, as `planner`"),
    "warnings": ("-", "what the check of the network file warned of, one text each"),
    "autarky_cost_eur": ("EUR/a", "cost of all countries without exchange"),
    "planner_cost_eur": ("EUR/a", "cost of the joint optimum; null without planner"),
    "negotiated_cost_eur": ("EUR/a", "cost of all countries with their trades, re-solved"),
    "lower_bound_eur": (
        "EUR/a",
        "no flows cost less, certified by the protocol from what countries say; null if not, or "
        "if somebody does not tell the truth",
    ),
    "gain_eur": ("EUR/a", "autarky cost less negotiated cost"),
    "planner_gain_eur": ("EUR/a", "autarky cost less planner's cost; null without planner"),
    "ceiling_gain_eur": (
        "EUR/a",
        "most that flows in the same products can bring: autarky cost less the planner's cost with "
        "flows constant over each product; null without planner",
    ),
    "efficiency": ("1", "gain as a share of the planner's gain; null without planner"),
    "of_ceiling": ("1", "gain as a share of the ceiling's; null without planner"),
    "left_at_most_eur": (
        "EUR/a",
        "proven: further trade in the same products, along any paths and cycles, could bring no "
        "more than this to all countries together",
    ),
    "left_proof": (
        "-",
        "what proves it: `marginal values` (of the countries, by convexity), `bound of the "
        "protocol`, or `planner with the same products`, which says exactly how much is left",
    ),
    "nothing_left": (
        "-",
        "true: proven that at most 0.1 % of the gain reached is left; false: proven that more is; "
        "null: not known",
    ),
    "promises_no_loss": (
        "-",
        "whether the protocol promises every country that tells the truth that it never loses by "
        "re-solved cost, at the payments agreed on",
    ),
    "gains_eur": ("", "gain of each country"),
    "gains_eur.*": ("EUR/a", "autarky cost less negotiated cost less payment"),
    "operator_payment_eur": (
        "EUR/a",
        "paid by the operator's account: the deficit of a settlement that does not balance, which "
        "no country covers; zero under all others",
    ),
    "core": ("", "whether a group of countries, short of all, could gain more by itself"),
    "core.status": (
        "-",
        "`none`: no group could, proven; `some`: one could, proven; `not known`; `not asked` "
        "(without planner, or more than 16 countries)",
    ),
    "core.group": ("-", "that group, else the one that may come nearest; joined by `+`"),
    "core.at_least_eur": ("EUR/a", "it would gain at least so much more; may be negative"),
    "core.at_most_eur": ("EUR/a", "no group would gain more than that; may be negative"),
    "core.full_gain_status": ("-", "as `status`, if all gains were scaled up to the planner's"),
    "core.full_gain_group": ("-", "as `group`, at full gain; null where it is reached"),
    "core.full_gain_at_least_eur": ("EUR/a", "as `at_least_eur`, at full gain"),
    "core.full_gain_at_most_eur": ("EUR/a", "as `at_most_eur`, at full gain"),
    "countries": ("", "outcome of each country, by code"),
    "countries.*.name": ("-", "name of the country"),
    "countries.*.demand_twh": ("TWh/a", "demand"),
    "countries.*.autarky_cost_eur": ("EUR/a", "cost without exchange"),
    "countries.*.negotiated_cost_eur": ("EUR/a", "cost with its trades, re-solved, no payments"),
    "countries.*.payment_eur": ("EUR/a", "net payment; positive pays, negative is paid"),
    "countries.*.gain_eur": ("EUR/a", "autarky cost less negotiated cost less payment"),
    "countries.*.autarky_price_eur_per_mwh": ("EUR/MWh", "mean marginal price without exchange"),
    "countries.*.negotiated_price_eur_per_mwh": ("EUR/MWh", "mean marginal price with its trades"),
    "countries.*.net_import_twh": ("TWh/a", "net import as received; negative exports"),
    "interconnectors": ("", "outcome of each interconnector, by name"),
    "interconnectors.*.a_to_b_twh": ("TWh/a", "sent by the alphabetically first country"),
    "interconnectors.*.b_to_a_twh": ("TWh/a", "sent by the second country"),
    "interconnectors.*.a_to_b_mw": ("MW", "limit from the first country"),
    "interconnectors.*.b_to_a_mw": ("MW", "limit from the second country"),
    "interconnectors.*.hours_at_limit": ("h/a", "hours at the limit of either direction"),
    "interconnectors.*.mean_price_eur_per_mwh": ("EUR/MWh", "mean price of trades over it"),
    "interconnectors.*.losses_twh": (
        "TWh/a",
        "energy lost on the way; not what branches in a country's own model lose",
    ),
    "steps": ("-", "steps taken; with `independent`, those of all slices and the reconciliation"),
    "rounds": ("-", "rounds of all steps"),
    "messages": ("-", "messages of all steps, one per interconnector travelled"),
    "numbers_disclosed": ("-", "private numbers said"),
    "trades": ("-", "trades agreed; with `independent`, those that are carried out"),
    "carried_out_share": (
        "1",
        "by slice, how much of each agreed trade is carried out after reconciliation: times it, "
        "table `trades` makes the flows; null unless `independent`",
    ),
    "local_solves": ("-", "solves of countries' planning problems"),
    "dependent_solves": ("-", "longest chain of solves that had to wait for each other"),
    "valuation": ("", "what more and less import is worth by re-solving, all steps"),
    "valuation.perturb": (
        "-",
        "share of demand, `deal` or `off`; `protocol`: its own rules made the countries perturb",
    ),
    "valuation.solves": ("-", "solves for it, not among `local_solves`; 0 if the protocol's own"),
    "valuation.coverage": ("1", "share of the rows of `valuations` that were tried"),
    "valuation.below_dual_eur_per_mwh": ("EUR/MWh", "mean of dual less `mc_import` where tried"),
    "valuation.above_dual_eur_per_mwh": ("EUR/MWh", "mean of `mc_export` less dual where tried"),
    "valuation.widest_eur_per_mwh": ("EUR/MWh", "widest interval from `mc_import` to `mc_export`"),
    "wall_s": ("s", "wall time of the run"),
    "residuals": ("", "largest deviations from the rules"),
    "residuals.balance_mw": ("MW", "largest imbalance of a snapshot"),
    "residuals.budget_eur": ("EUR", "sum of all payments, the operator's account included"),
    "residuals.worst_gain_eur": ("EUR/a", "least gain of a country; negative loses"),
}


def columns(table: str) -> tuple[Column, ...]:
    """Columns of a table in their order on disk."""
    if table not in TABLES:
        raise RecordsError(f"unknown table '{table}'{did_you_mean(table, TABLES)}")
    return TABLES[table]


def arrow_schema(declared: Iterable[Column]) -> pa.Schema:
    """Schema of columns on disk; every field carries its unit and meaning."""
    return pa.schema(
        [
            pa.field(
                c.name,
                _ARROW[c.kind],
                nullable=c.nullable,
                metadata={"unit": c.unit, "meaning": c.meaning},
            )
            for c in declared
        ]
    )


def to_arrow(
    table: str, frame: pd.DataFrame, declared: tuple[Column, ...] | None = None
) -> pa.Table:
    """Check a frame against the declared columns and convert it.

    Parameters
    ----------
    table : str
        Name of the table.
    frame : pandas.DataFrame
        Declared columns in any order; the index is ignored. A frame without rows and columns is
        an empty table.
    declared : tuple of Column, optional
        Columns of a table that is not a run's.

    Raises
    ------
    RecordsError
        For unknown, missing or repeated columns and values of the wrong type, missing, infinite
        or not allowed.
    """
    declared = declared or columns(table)
    names = [c.name for c in declared]
    if frame.empty and not len(frame.columns):
        frame = pd.DataFrame(columns=names)
    for name in frame.columns:
        if name not in names:
            advice = explain_unknown(str(name), names)
            raise RecordsError(f"table {table}: unknown column '{name}'{advice}")
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise RecordsError(f"table {table}: missing column {', '.join(missing)}; give a value")
    if not frame.columns.is_unique:
        raise RecordsError(f"table {table}: repeated column; every column once")
    arrays = [_array(table, column, frame[column.name]) for column in declared]
    return pa.Table.from_arrays(arrays, schema=arrow_schema(declared))


def parquet_bytes(table: pa.Table) -> bytes:
    """Bytes of a Parquet file; the same table gives the same bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, version="2.6", compression="zstd", compression_level=3)
    return sink.getvalue().to_pybytes()


def _array(table: str, column: Column, series: pd.Series) -> pa.Array:
    """Convert one column."""
    where = f"table {table}, column {column.name}"
    if column.kind == "time" and len(series):
        if not pd.api.types.is_datetime64_dtype(series.dtype):
            raise RecordsError(
                f"{where}: {series.dtype} given; timestamps without time zone needed"
            )
        series = series.astype("datetime64[ns]")
    elif not pd.api.types.is_numeric_dtype(series.dtype):
        series = series.astype(object)
    try:
        array = pa.array(series, type=_ARROW[column.kind], from_pandas=True, safe=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise RecordsError(f"{where}: {column.kind} needed; {error}") from None
    _check_values(where, column, array)
    return array


def _check_values(where: str, column: Column, array: pa.Array) -> None:
    """Nothing missing, infinite or not allowed."""
    if array.null_count and not column.nullable:
        row = array.is_null().to_pylist().index(True)
        raise RecordsError(f"{where}, row {row}: missing value; the column needs one in every row")
    if column.kind == "float":
        infinite = np.isinf(array.to_numpy(zero_copy_only=False))
        if infinite.any():
            raise RecordsError(f"{where}, row {int(infinite.argmax())}: infinite; must be finite")
    if column.allowed:
        for value in array.unique().to_pylist():
            if value not in column.allowed:
                advice = did_you_mean(value, column.allowed)
                raise RecordsError(f"{where}: value '{value}' is not allowed{advice}")


def complete_summary(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Check a summary against :data:`SUMMARY`; keys that are not given become None.

    Raises
    ------
    RecordsError
        For keys that are not declared.
    """
    return _complete(summary, "")


def _complete(given: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Complete the mapping that belongs to a dotted prefix such as ``"countries.*."``."""
    known = [k[len(prefix) :] for k in SUMMARY if k.startswith(prefix)]
    known = [k for k in known if "." not in k]
    if known == ["*"]:
        return dict(given)
    for key in given:
        if key not in known:
            raise RecordsError(f"summary key '{prefix}{key}' unknown{explain_unknown(key, known)}")
    result = dict(given) | {k: None for k in known if k not in given}
    for key, value in result.items():
        inner = [k for k in SUMMARY if k.startswith(f"{prefix}{key}.")]
        if not inner or value is None:
            continue
        if not isinstance(value, Mapping):
            raise RecordsError(f"summary key '{prefix}{key}' must map names to values")
        if inner[0].startswith(f"{prefix}{key}.*."):
            below = f"{prefix}{key}.*."
            result[key] = {name: _complete(entry, below) for name, entry in value.items()}
        else:
            result[key] = _complete(value, f"{prefix}{key}.")
    return result


def describe_tables(tables: Mapping[str, tuple[Column, ...]]) -> list[str]:
    """A Markdown section for each table."""
    parts = []
    for table, cols in tables.items():
        rows = [f"### `{table}`", "", "| column | type | unit | meaning |", "|---|---|---|---|"]
        for c in cols:
            kind = f"{c.kind}, may be null" if c.nullable else c.kind
            values = f": {', '.join(f'`{v}`' for v in c.allowed)}" if c.allowed else ""
            rows.append(f"| `{c.name}` | {kind} | {c.unit} | {c.meaning}{values} |")
        parts.append("\n".join(rows))
    return parts


def markdown() -> str:
    """Tables of all columns and keys for the docs page."""
    parts = describe_tables(TABLES)
    rows = ["### `summary.json`", "", "| key | unit | meaning |", "|---|---|---|"]
    rows += [f"| `{key}` | {unit} | {meaning} |" for key, (unit, meaning) in SUMMARY.items()]
    parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
