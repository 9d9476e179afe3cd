"""The referee: nothing to find in what the program records, and it finds what is changed."""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pypsa
import pytest

import model.runs
import run as run_py
from model.audit.notes import AuditError, Notes
from model.audit.referee import audit
from model.columns import TABLES
from model.options import RunOptions
from model.runs import run
from model.settlement import SETTLEMENTS
from tests.small_worlds import TWO, small_world, untouched

AUDIT = Path(model.runs.__file__).parent / "audit"
OWN = {"model", "agents", "protocols", "scenarios", "pypsa_earth", "viz", "run", "tests"}


def test_it_imports_nothing_that_it_judges() -> None:
    """The standard library, numbers, tables and PyPSA; of the program only itself."""
    for file in AUDIT.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                names = [str(node.module)]
            for name in names:
                assert name.split(".")[0] not in OWN or name.startswith("model.audit"), file


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def small(out: Path) -> Path:
    """A few trades: transit and its charges, losses, a settlement's transfers, and a planner."""
    changes = {
        f"interconnectors.{line}.{key}": value
        for line in ("A-B", "A-C")
        for key, value in (("wheeling_eur_per_mwh", 0.1), ("loss", 0.02))
    }
    options = RunOptions(
        "second_price", settlement="nodal_price", workers=1, out=out, overrides=changes
    )
    return Path(run(options)["folder"])


@pytest.fixture(scope="module")
def months(out: Path) -> Path:
    """Two months planned and negotiated apart, and reconciled; real PyPSA countries."""
    world = small_world(TWO, "2w12h", "month", "flat")
    options = RunOptions(
        "sapp2030",
        countries=TWO,
        resolution="2w12h",
        products="flat",
        slices="month",
        decomposition="independent",
        max_steps=2,
        planner=False,
        workers=1,
        out=out,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.runs, "build_world", lambda *_: untouched(world))
        return Path(run(options)["folder"])


def nothing_found(notes: Notes) -> None:
    assert [str(finding) for finding in notes.findings] == []


class TestNothingToFind:
    def test_transfers_of_a_settlement(self, small: Path) -> None:
        notes = audit(small)
        nothing_found(notes)
        assert len(pd.read_parquet(small / "transfers"))
        # Compared, not skipped.
        for what in ("flows after every step", "payments after every step", "no loss in a step"):
            assert notes.measured[what].times > 0

        # Charges of transit countries were due.
        assert pd.read_parquet(small / "trades")["path"].str.count(">").max() > 1

    def test_slices_that_were_reconciled(self, months: Path) -> None:
        notes = audit(months)
        nothing_found(notes)
        shares = pd.read_parquet(months / "shares")["share"]
        assert len(shares) == 2 and shares.min() < 1
        for what in ("flows of the network", "costs of the network", "co2_t of the network"):
            assert notes.measured[what].times > 0

    @pytest.mark.parametrize("settlement", SETTLEMENTS.names())
    def test_every_settlement(self, out: Path, settlement: str) -> None:
        made = run(RunOptions("wheeling", settlement=settlement, workers=1, out=out))
        nothing_found(audit(made["folder"]))

    @pytest.mark.parametrize("strategies", [{}, {"A": "markup:0.2"}])
    def test_a_bound_is_of_those_who_tell_the_truth(
        self, out: Path, strategies: dict[str, str]
    ) -> None:
        made = run(
            RunOptions(
                "second_price",
                protocol="douglas_rachford",
                mode="standard",
                strategies=strategies,
                out=out,
            )
        )
        assert (made["lower_bound_eur"] is None) == bool(strategies)
        nothing_found(audit(made["folder"]))


class Copy:
    """A copy of a run's folder that can be tampered with."""

    def __init__(self, run: Path, folder: Path) -> None:
        self.path = folder / run.name
        shutil.copytree(run, self.path)

    def table(self, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
        """Change the first part of a table that has rows."""
        for file in sorted((self.path / name).glob("*.parquet")):
            before = pq.read_table(file, partitioning=None)
            if before.num_rows:
                after = change(before.to_pandas().reset_index(drop=True))
                pq.write_table(pa.Table.from_pandas(after, before.schema), file)
                return
        raise AssertionError(f"{name} has no rows")

    def json(self, name: str, change: Callable[[dict[str, Any]], None]) -> None:
        content = json.loads((self.path / name).read_text(encoding="utf-8"))
        change(content)
        (self.path / name).write_text(json.dumps(content), encoding="utf-8")

    def found(self) -> set[str]:
        return {finding.what for finding in audit(self.path).findings}


def moved(frame: pd.DataFrame, column: str, row: int = 0) -> pd.DataFrame:
    """A number a little off: by two thousandths, of a unit at least; counts by one."""
    values = frame[column].to_numpy().copy()
    off = 1 if values.dtype.kind == "i" else 2e-3 * max(1.0, abs(values[row]))
    values[row] += off
    return frame.assign(**{column: values})


# What no other record repeats: what a country knew, and what protocols say of themselves.
UNCHECKED = {
    ("valuations", None),
    ("steps", "surplus_eur"),
    ("steps", "hops"),
    ("steps", "primal_residual"),
    ("steps", "dual_residual"),
    ("steps", "local_solves"),  # the last is, and that they never fall
    ("steps", "valuation_solves"),  # the same
    ("messages", "round"),  # the last of a step is
}
# Without rows in these runs.
ELSEWHERE = {"shares", "capacities"}
NUMBERS = [
    (table, column.name)
    for table, columns in TABLES.items()
    for column in columns
    if column.kind in ("int", "float") and table not in ELSEWHERE
    if not {(table, None), (table, column.name)} & UNCHECKED
]


@pytest.mark.parametrize(("table", "column"), NUMBERS)
def test_every_number_of_the_tables_is_checked(
    small: Path, tmp_path: Path, table: str, column: str
) -> None:
    copy = Copy(small, tmp_path)
    copy.table(table, lambda frame: moved(frame, column))
    assert copy.found()


def leaves(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Places of all numbers in a summary."""
    if isinstance(value, dict):
        return [found for key in value for found in leaves(value[key], (*path, key))]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return [path] if number else []


def test_every_number_of_the_summary_is_checked(small: Path, tmp_path: Path) -> None:
    """But the time it took, the seed, demand, and the core, which takes solves of groups."""
    unchecked = {"wall_s", "seed", "luck", "demand_twh"}
    copy = Copy(small, tmp_path)
    whole = json.loads((copy.path / "summary.json").read_text(encoding="utf-8"))
    missed, seen = [], set()
    for path in leaves(whole):
        kind = (path[0], path[-1]) if len(path) == 3 else path  # of countries and lines the first
        valued = path[0] == "valuation" and path[-1] != "solves"
        if path[-1] in unchecked or path[0] == "core" or valued or kind in seen:
            continue
        seen.add(kind)
        changed = json.loads(json.dumps(whole))
        place = changed
        for key in path[:-1]:
            place = place[key]
        off = 1 if isinstance(place[path[-1]], int) else 2e-3 * max(1.0, abs(place[path[-1]]))
        place[path[-1]] += off
        copy.json("summary.json", lambda content, new=changed: content.update(new))  # type: ignore[misc]
        if not copy.found():
            missed.append(".".join(path))
    assert missed == []


TAMPERED: dict[str, tuple[str, Callable[[Copy], None]]] = {
    "a line that is smaller than its flow": (
        "capacity, negotiated",
        lambda c: c.json(
            "scenario.json", lambda s: [i.update(a_to_b_mw=0.1, b_to_a_mw=0.1) for i in _lines(s)]
        ),
    ),
    "a loss that was not": (
        "energy balance of countries, negotiated",
        lambda c: c.json("scenario.json", lambda s: [i.update(loss=0.2) for i in _lines(s)]),
    ),
    "a flow of a step": (
        "flows after every step",
        lambda c: c.table("step_flows", lambda t: moved(t, "flow_mw")),
    ),
    "a price": (
        "payments from trades and transfers",
        lambda c: c.table("trades", lambda t: moved(t, "price_eur_per_mwh")),
    ),
    "a price that nobody was told": (
        "trades as they were awarded",
        lambda c: c.table("trades", lambda t: moved(t, "price_eur_per_mwh")),
    ),
    "a transfer": (
        "payments from trades and transfers",
        lambda c: c.table("transfers", lambda t: moved(t, "eur")),
    ),
    "a transfer that is gone": (
        "the operator's account",
        lambda c: c.table("transfers", lambda t: t.iloc[1:]),
    ),
    "a transfer to nobody": (
        "parties of transfers",
        lambda c: c.table("transfers", lambda t: t.assign(payer="nobody")),
    ),
    "a message that is gone": (
        "messages of every step",
        lambda c: c.table("messages", lambda t: t.iloc[:-1]),
    ),
    "a number said": (
        "numbers_disclosed of every step",
        lambda c: c.table("messages", lambda t: moved(t, "numbers_disclosed")),
    ),
    "more numbers than a message holds": (
        "private numbers stand in their message",
        lambda c: c.table("messages", lambda t: t.assign(numbers_disclosed=99)),
    ),
    "a word to who is no neighbour": (
        "channels",
        lambda c: c.table("messages", lambda t: t.assign(receiver="somebody")),
    ),
    "a step that is gone": (
        "sequence of the steps",
        lambda c: (c.path / "steps" / "step-0000.parquet").unlink(),
    ),
    "a step that had ended": (
        "status of every step",
        lambda c: c.table("steps", lambda t: t.assign(status="capped")),
    ),
    "a country that loses in a step": (
        "no loss in a step",
        lambda c: c.table("step_costs", lambda t: t.assign(cost_eur=2 * t["cost_eur"])),
    ),
    "a bound above the optimum": (
        "lower bound is below the planner cost",
        lambda c: c.json("summary.json", lambda s: s.update(lower_bound_eur=1e15)),
    ),
    "a planner that is dearer": (
        "planner costs no more than negotiated",
        lambda c: c.json("summary.json", lambda s: s.update(planner_cost_eur=1e15)),
    ),
    "an outcome dearer than autarky": (
        "negotiated costs no more than autarky",
        lambda c: c.json("summary.json", lambda s: s.update(negotiated_cost_eur=1e15)),
    ),
    "an efficiency": (
        "efficiency from costs",
        lambda c: c.json("summary.json", lambda s: s.update(efficiency=0.999)),
    ),
    "a table that cannot be followed": (
        "flows",
        lambda c: c.table("trades", lambda t: t.assign(product="no such product")),
    ),
}


def _lines(scenario: dict[str, Any]) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = scenario["interconnectors"]
    return lines


@pytest.mark.parametrize("name", TAMPERED)
def test_what_is_found(small: Path, tmp_path: Path, name: str) -> None:
    what, tamper = TAMPERED[name]
    copy = Copy(small, tmp_path)
    tamper(copy)
    assert what in copy.found()


def test_a_wheeling_charge(small: Path, tmp_path: Path) -> None:
    copy = Copy(small, tmp_path)
    change = {"wheeling_eur_per_mwh": 77.0}
    copy.json("scenario.json", lambda s: [line.update(change) for line in _lines(s)])
    assert "payments from trades and transfers" in copy.found()


@pytest.mark.parametrize("column", ["p_nom_mw", "built_mw", "generation_twh", "co2_t"])
def test_capacities(months: Path, tmp_path: Path, column: str) -> None:
    copy = Copy(months, tmp_path)

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        return moved(rows, column, int(np.flatnonzero(rows["case"] == "negotiated")[0]))

    copy.table("capacities", change)
    assert f"{column} of the network" in copy.found()


def test_a_share(months: Path, tmp_path: Path) -> None:
    copy = Copy(months, tmp_path)
    copy.table("shares", lambda t: t.assign(share=[0.5, 0.25]))
    found = copy.found()
    assert {"flows from trades and shares", "shares carried out"} <= found
    assert {"flows after every step", "payments from trades and transfers"} <= found


def test_the_network(months: Path, tmp_path: Path) -> None:
    copy = Copy(months, tmp_path)
    file = copy.path / "network.nc"
    n = pypsa.Network(str(file))
    n.generators.marginal_cost *= 1.001
    n.links_t.p0["MZ>ZA"] += 1.0
    file.unlink()
    n.export_to_netcdf(str(file))
    assert {"costs of the network", "flows of the network"} <= copy.found()


class TestCommand:
    def test_without_findings(self, small: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run_py.app(["audit", str(small)], standalone_mode=False) in (0, None)
        told = capsys.readouterr().out
        assert "0 findings" in told and "flows from trades and shares" in told

    def test_with_findings(
        self, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        copy = Copy(small, tmp_path)
        copy.table("transfers", lambda t: moved(t, "eur"))
        assert run_py.app(["audit", str(copy.path)], standalone_mode=False) == 1
        told = " ".join(capsys.readouterr().out.split())
        assert "finding: payments from trades and transfers: countries." in told

    def test_no_run(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run_py.app(["audit", str(tmp_path)], standalone_mode=False) == 2
        told = capsys.readouterr().err
        assert told.startswith("error: audit: ") and told.count("\n") == 1


class TestCannotBeAudited:
    def test_no_run(self, tmp_path: Path) -> None:
        with pytest.raises(AuditError, match="is not a run"):
            audit(tmp_path)

    def test_unfinished(self, small: Path, tmp_path: Path) -> None:
        copy = Copy(small, tmp_path)
        (copy.path / "summary.json").unlink()
        with pytest.raises(AuditError, match="--resume"):
            audit(copy.path)

    def test_recorded_before(self, small: Path, tmp_path: Path) -> None:
        copy = Copy(small, tmp_path)
        shutil.rmtree(copy.path / "products")
        with pytest.raises(AuditError, match=r"no table products.*earlier version.*run it again"):
            audit(copy.path)

    @pytest.mark.parametrize("key", ["promises_no_loss", "ceiling_gain_eur"])
    def test_a_key_that_decides_what_is_compared(
        self, small: Path, tmp_path: Path, key: str
    ) -> None:
        copy = Copy(small, tmp_path)
        copy.json("summary.json", lambda s: s.pop(key))
        with pytest.raises(AuditError, match=f"no {key} in summary.json"):
            audit(copy.path)

    def test_damaged(self, small: Path, tmp_path: Path) -> None:
        copy = Copy(small, tmp_path)
        (copy.path / "prices" / "final.parquet").write_bytes(b"PAR1 no")
        with pytest.raises(AuditError, match="prices cannot be read"):
            audit(copy.path)
