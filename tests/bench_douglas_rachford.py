"""Efficiency and certified gap of Douglas-Rachford splitting against rounds and seconds.

$ python -m tests.bench_douglas_rachford --resolution 12w3h --page docs/douglas-rachford.md

``--page`` puts the table between the page's markers for the resolution. Seconds of CPU count this
process with all its threads; on a shared machine they say more than those on the wall. The
planner's own seconds stand beside it.
"""

from __future__ import annotations

import logging
import os
import platform
import warnings
from pathlib import Path
from typing import Annotated

import typer

from model.engine import Tally
from model.joint import joint_network, plan_jointly
from model.negotiation import NegotiationModel
from model.options import RunOptions
from model.reporting import Reporter
from model.world import World, build_world, chosen_scenario
from protocols.douglas_rachford import DouglasRachford
from tests.bench_output import Clock, quiet, verdict, write_between

WANTED, MOST_GAP = 0.999, 0.005


def measure(world: World, protocol: DouglasRachford, workers: int) -> tuple[str, float, float]:
    """Plan jointly, then hold one negotiation.

    Returns
    -------
    str
        Tables in Markdown.
    float, float
        Share of the planner's gain, and certified gap as a share of it.
    """
    start = Clock.now()
    with quiet():
        planner_eur = plan_jointly(joint_network(world.networks, world.graph), world.policies)
    planner = Clock.now().since(start)
    reached: dict[int, Clock] = {}

    def note(tally: Tally) -> None:
        # The last batch of a round is its second trial. The engine counts rounds from zero, and
        # the opening is the first.
        reached[tally.rounds - 1] = Clock.now()

    model = NegotiationModel(
        world.problems,
        world.graph,
        world.products,
        protocol,
        workers=workers,
        on_batch=note,
        price_cap_eur_per_mwh=world.scenario.settings.value_of_lost_load_eur_per_mwh,
    )
    start = Clock.now()
    model.plan_alone()
    alone = Clock.now().since(start)
    start = Clock.now()
    model.step()
    negotiation = Clock.now().since(start)
    gain = sum(model.autarky_eur.values()) - planner_eur
    lines = ["| round | efficiency % | certified gap % of the gain | s | s CPU |", "|" + "---|" * 5]
    for round_, cost, bound in protocol.progress:
        share, missing = -100 * cost / gain, 100 * (cost - bound) / gain
        at = reached[round_].since(start)
        lines.append(f"| {round_} | {share:.2f} | {missing:.2f} | {at} |")
    assert model.last is not None
    least = min(model.gains_eur.values())
    lines += [
        "",
        "| what | s | s CPU |",
        "|---|---|---|",
        f"| planning alone | {alone} |",
        f"| negotiation, bounds and settlement included | {negotiation} |",
        f"| planner (HiPO), its model included | {planner} |",
        "",
        f"Ended `{model.status}`: {model.last.outcome.note}; {model.gain_eur / 1e6:.1f} of "
        f"{gain / 1e6:.1f} M EUR/a; least gain of a country {least / 1e6:.2f} M EUR/a.",
    ]
    assert model.lower_bound_eur is not None
    missing_eur = sum(model.costs_eur.values()) - model.lower_bound_eur
    return "\n".join(lines), model.gain_eur / gain, missing_eur / gain


def main(
    resolution: Annotated[str, typer.Option(help="Time axis of sapp2030.")] = "12w3h",
    countries: Annotated[str, typer.Option(help="Codes, comma-separated; all if empty.")] = "",
    gap: Annotated[float, typer.Option(help="Certified gap to stop at.")] = DouglasRachford.gap,
    rounds: Annotated[int, typer.Option(help="Most rounds.")] = DouglasRachford.rounds,
    workers: Annotated[int, typer.Option(help="Countries that think at the same time.")] = 2,
    page: Annotated[Path | None, typer.Option(help="Page to write the tables into.")] = None,
) -> None:
    """Hold one negotiation with hourly products; exit code 1 if it is not both near and proven."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore", FutureWarning)
    chosen = RunOptions(
        "sapp2030",
        resolution=resolution,
        products="hourly",
        countries=tuple(countries.split(",")) if countries else None,
    )
    with quiet():
        world = build_world(chosen_scenario(chosen), "highs", Reporter())
    made, share, missing = measure(world, DouglasRachford(gap=gap, rounds=rounds), workers)
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    load = f"load {os.getloadavg()[0]:.1f} at the end"
    made = f"`douglas_rachford`, `{resolution}`, hourly products; {machine}, {load}.\n\n{made}"
    print(made)
    if page is not None:
        write_between(page, f"douglas_rachford {resolution}", made)
    near = verdict("share of the planner's gain", share, WANTED)
    proven = verdict("certified gap", missing, MOST_GAP, most=True)
    raise typer.Exit(0 if near and proven else 1)


if __name__ == "__main__":
    typer.run(main)
