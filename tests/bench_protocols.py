"""Every protocol on one scenario: what it reaches, who gains, what it takes, what it tells.

$ python -m tests.bench_protocols --page docs/protocol-comparison.md

Every row is a negotiation from autarky to its end. Results are kept one by one beside the cache, so
that an interrupted comparison goes on, until the program changes; ``--fresh`` measures all again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from model.cache import cache_folder
from model.experiments.grid import Case, Grid
from model.experiments.measure import Bench
from model.experiments.spec import experiment_from_options
from model.files import write_json
from model.options import RunOptions
from protocols.registry import protocol_modes
from scenarios.errors import ScenarioError
from tests.bench_output import quiet, write_between

FAMILIES = ("flat", "tou", "hourly")
# Families that are compared unless others are named: blocks are what neighbours contract, and what
# a market operator or many rounds of prices can clear is hours.
USUAL = {
    "bilateral_bids.adaptive": FAMILIES,
    "bilateral_bids.prototype": ("flat",),
    "douglas_rachford.standard": ("hourly",),
    "consensus_admm.standard": ("hourly", "tou"),
    "iterated_clearing.standard": ("hourly", "tou"),
}
COUNTS = ("steps", "rounds", "messages", "numbers_disclosed", "solves", "dependent_solves")
MARKER = "python -m tests.bench_protocols"
ROOT = Path(__file__).parents[1]
HEADS = (
    "protocol", "products", "status", "efficiency", "of ceiling", "gain M EUR/a", "least gain",
    "losers", "steps", "rounds", "messages", "numbers told", "solves",
    "in a row", "seconds", "certified gap",
)  # fmt: skip


def cells(case: Case, run: dict[str, Any], seconds: float | None) -> tuple[str, ...]:
    """A case's row in words, in the order of :data:`HEADS`; blank where it broke off."""

    def told(name: str, form: str) -> str:
        return "" if run.get(name) is None else format(run[name], form)

    return (
        case.protocol,
        case.products,
        run["status"],
        told("efficiency", ".1%"),
        told("of_ceiling", ".1%"),
        told("gain_meur", ".1f"),
        told("least_gain_meur", ".2f"),
        run.get("losers", "").replace("+", ", ") or "nobody",
        *(told(name, ",") for name in COUNTS[:4]),
        *(told(name, ",") for name in COUNTS[4:]),
        "" if seconds is None else f"{seconds:.0f}",
        told("certified_gap", ".2%"),
    )


def markdown(rows: list[tuple[str, ...]], scenario: str) -> str:
    """Table of all rows."""
    lines = [f"Scenario `{scenario}`.", "", f"| {' | '.join(HEADS)} |", "|" + "---|" * len(HEADS)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _program() -> str:
    """Hash of all that results depend on beside the scenario."""
    digest = hashlib.sha256()
    for package in ("agents", "model", "protocols"):
        for file in sorted((ROOT / package).rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _measured(
    bench: Bench, case: Case, workers: int, fresh: bool
) -> tuple[dict[str, Any], float | None]:
    """Row of a case and its seconds, from an earlier time if there was one."""
    kept = cache_folder() / "protocols" / f"{case.id}-{_program()}.json"
    if fresh or not kept.exists():
        with quiet():
            found = bench.measure(replace(case, options=replace(case.options, workers=workers)))
        seconds = found.timings[-1]["seconds"] if found.timings else None
        write_json(kept, {"run": found.run, "seconds": seconds})
    known = json.loads(kept.read_text(encoding="utf-8"))
    return known["run"], known["seconds"]


def main(
    protocols: Annotated[
        str | None, typer.Option(help="Names or name.mode, comma separated; all by default.")
    ] = None,
    products: Annotated[
        str | None, typer.Option(help="Families; by default those usual for each protocol.")
    ] = None,
    scenario: Annotated[str, typer.Option()] = "sapp2030",
    resolution: Annotated[str | None, typer.Option()] = None,
    countries: Annotated[str | None, typer.Option()] = None,
    workers: Annotated[int, typer.Option()] = RunOptions.workers,
    max_steps: Annotated[int, typer.Option()] = RunOptions.max_steps,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget earlier results.")] = False,
    page: Annotated[Path | None, typer.Option(help="Page to write the table into.")] = None,
) -> None:
    """Compare protocols on one scenario."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore", FutureWarning)
    everyone = [f"{n}.{m}" for n, modes in protocol_modes().items() for m in modes]
    wanted = protocols.split(",") if protocols else everyone
    named = tuple(products.split(",")) if products else None
    given = {
        "scenario": scenario,
        "protocols": [{"protocol": m, "products": named or USUAL.get(m, ("tou",))} for m in wanted],
        "resolution": resolution,
        "countries": countries.split(",") if countries else None,
        "max_steps": max_steps,
    }
    try:
        cases = Grid(experiment_from_options(given)).cases
    except ScenarioError as error:
        raise typer.BadParameter(str(error)) from None
    bench = Bench()
    rows = {}
    # Cases of one world follow each other, so that its models are built once.
    for case in sorted(cases, key=lambda case: case.world):
        rows[case.id] = cells(case, *_measured(bench, case, workers, fresh))
        print("  ".join(rows[case.id]), file=sys.stderr, flush=True)
    made = markdown([rows[case.id] for case in cases], scenario)
    print(made)
    if page is not None:
        write_between(page, MARKER, made)


if __name__ == "__main__":
    typer.run(main)
