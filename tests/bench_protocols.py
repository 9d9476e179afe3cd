"""Every protocol on one scenario: what it reaches, who gains, what it takes, what it tells.

$ python -m tests.bench_protocols --page docs/protocol-comparison.md

Every row is a negotiation from autarky to its end. Results are kept one by one beside the cache, so
that an interrupted comparison goes on; ``--fresh`` measures all again.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from model.files import content_hash, write_json
from model.negotiation import NegotiationModel
from model.options import RunOptions
from model.planner import cache_folder, planner
from model.reporting import Reporter
from model.runs import chosen_scenario
from model.world import World, build_world
from protocols.registry import make_protocol, protocol_modes
from tests.bench_output import quiet

MEUR = 1e6
FAMILIES = ("flat", "tou", "hourly")
BEGIN, END = (f"<!-- python -m tests.bench_protocols: {word} -->" for word in ("begin", "end"))
HEADS = (
    "protocol", "products", "status", "efficiency", "of ceiling", "gain M EUR/a", "least gain",
    "losers", "steps", "rounds", "messages", "numbers told", "known to one", "solves",
    "in a row", "seconds", "certified gap",
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """One negotiation.

    ``known_to_one`` is the largest share of a country's cost function that one observer can pin
    down, ``certified_gap`` what is at most left of the planner's gain by the protocol's own bound.
    """

    protocol: str
    products: str
    status: str
    efficiency: float
    of_ceiling: float
    gain_eur: float
    least_gain_eur: float
    losers: str
    steps: int
    rounds: int
    messages: int
    numbers: int
    known_to_one: float | None
    solves: int
    dependent_solves: int
    seconds: float
    certified_gap: float | None

    def cells(self) -> tuple[str, ...]:
        """The row in words, in the order of :data:`HEADS`."""
        return (
            self.protocol,
            self.products,
            self.status,
            f"{self.efficiency:.1%}",
            f"{self.of_ceiling:.1%}",
            f"{self.gain_eur / MEUR:.1f}",
            f"{self.least_gain_eur / MEUR:.2f}",
            self.losers or "nobody",
            str(self.steps),
            f"{self.rounds:,}",
            f"{self.messages:,}",
            f"{self.numbers:,}",
            "?" if self.known_to_one is None else f"{self.known_to_one:.0%}",
            f"{self.solves:,}",
            f"{self.dependent_solves:,}",
            f"{self.seconds:.0f}",
            "" if self.certified_gap is None else f"{self.certified_gap:.2%}",
        )


def measure(member: str, family: str, options: RunOptions, costs_eur: dict[str, float]) -> Measured:
    """Negotiate once; ``costs_eur`` holds the planner's cost, free and by product family."""
    name, _, mode = member.partition(".")
    with quiet():
        world = _world(options, family)
    settings = world.scenario.settings
    model = NegotiationModel(
        world.problems,
        world.graph,
        world.products,
        make_protocol(name, mode or None),
        seed=settings.seed,
        workers=options.workers,
        price_cap_eur_per_mwh=settings.value_of_lost_load_eur_per_mwh,
    )
    model.plan_alone()
    start = time.perf_counter()
    counts = np.zeros(4, dtype=int)
    while model.status == "running" and model.steps < options.max_steps:
        model.step()
        assert model.last is not None
        t = model.last.tally
        counts += (t.rounds, t.messages, t.numbers_disclosed, t.dependent_solves)
    seconds = time.perf_counter() - start
    return _measured(member, family, model, counts, seconds, costs_eur)


def _measured(
    member: str,
    family: str,
    model: NegotiationModel,
    counts: np.ndarray,
    seconds: float,
    costs_eur: dict[str, float],
) -> Measured:
    autarky = sum(model.autarky_eur.values())
    best = autarky - costs_eur["hourly"]
    gains = model.gains_eur
    heard = model.watch.table()
    share = heard["share"].max() if len(heard) and not heard["share"].isna().any() else None
    bound = model.lower_bound_eur
    rounds, messages, numbers, dependent = (int(n) for n in counts)
    return Measured(
        protocol=member,
        products=family,
        status="capped" if model.status == "running" else model.status,
        efficiency=model.gain_eur / best,
        of_ceiling=model.gain_eur / (autarky - costs_eur[family]),
        gain_eur=model.gain_eur,
        least_gain_eur=min(gains.values()),
        losers=", ".join(c for c, g in gains.items() if g < -1e-7 * model.autarky_eur[c]),
        steps=model.steps,
        rounds=rounds,
        messages=messages,
        numbers=numbers,
        known_to_one=None if share is None else float(share),
        solves=model.local_solves,
        dependent_solves=dependent,
        seconds=seconds,
        certified_gap=None if bound is None else (sum(model.costs_eur.values()) - bound) / best,
    )


def _world(options: RunOptions, family: str) -> World:
    chosen = RunOptions(
        options.scenario,
        products=family,
        resolution=options.resolution,
        countries=options.countries,
    )
    return build_world(chosen_scenario(chosen), "highs", Reporter())


def _planner_costs(options: RunOptions, families: tuple[str, ...]) -> dict[str, float]:
    """The planner's cost with free flows, as ``hourly``, and within each family."""
    costs = {}
    for family in dict.fromkeys(("hourly", *families)):
        with quiet():
            world = _world(options, family)
            restricted = None if family == "hourly" else world.products
            costs[family] = planner(world, restricted).cost_eur
    return costs


def markdown(rows: list[Measured], scenario: str) -> str:
    """Table of all rows."""
    lines = [f"Scenario `{scenario}`.", "", f"| {' | '.join(HEADS)} |", "|" + "---|" * len(HEADS)]
    return "\n".join([*lines, *(f"| {' | '.join(row.cells())} |" for row in rows)])


def write_page(page: Path, made: str) -> None:
    """Put the table between the markers of a page."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}", encoding="utf-8")


def main(
    protocols: Annotated[
        str | None, typer.Option(help="Names or name.mode, comma separated; all by default.")
    ] = None,
    products: Annotated[str, typer.Option(help="Families.")] = "hourly,tou,flat",
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
    families = tuple(products.split(","))
    unknown = [f for f in families if f not in FAMILIES]
    if unknown:
        raise typer.BadParameter(f"no product family {unknown[0]!r}; choose of {FAMILIES}")
    options = RunOptions(
        scenario,
        resolution=resolution,
        countries=tuple(countries.split(",")) if countries else None,
        workers=workers,
        max_steps=max_steps,
    )
    costs = _planner_costs(options, families)
    rows = []
    for member in wanted:
        for family in families:
            key = content_hash(member, family, options.record(), costs)[:16]
            kept = cache_folder() / "protocols" / f"{key}.json"
            if kept.exists() and not fresh:
                row = Measured(**json.loads(kept.read_text()))
            else:
                row = measure(member, family, options, costs)
                kept.parent.mkdir(parents=True, exist_ok=True)
                write_json(kept, asdict(row))
            rows.append(row)
            print("  ".join(row.cells()), file=sys.stderr, flush=True)
    made = markdown(rows, scenario)
    print(made)
    if page is not None:
        write_page(page, made)


if __name__ == "__main__":
    typer.run(main)
