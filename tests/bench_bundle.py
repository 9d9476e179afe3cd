"""Efficiency and certified gap of the bundle method against rounds and seconds.

$ python -m tests.bench_bundle --resolution 12w3h

Seconds of CPU count this process with all its threads; on a shared machine they say more than
those on the wall. The planner's own seconds stand beside it.
"""

from __future__ import annotations

import time
from typing import Annotated

import typer

from model.engine import Tally
from model.joint import joint_network, plan_jointly
from model.negotiation import NegotiationModel
from model.options import RunOptions
from model.reporting import Reporter
from model.runs import chosen_scenario
from model.world import build_world
from protocols.bundle import ProximalBundle
from tests.bench_output import quiet


def main(
    resolution: Annotated[str, typer.Option(help="Time axis of sapp2030.")] = "12w3h",
    countries: Annotated[str, typer.Option(help="Codes, comma-separated; all if empty.")] = "",
    gap: Annotated[float, typer.Option(help="Certified gap to stop at.")] = 0.003,
    rounds: Annotated[int, typer.Option(help="Most rounds.")] = 120,
    workers: Annotated[int, typer.Option(help="Countries that think at the same time.")] = 2,
) -> None:
    """Hold one negotiation with hourly products and print its progress."""
    quiet()
    chosen = RunOptions(
        "sapp2030",
        resolution=resolution,
        products="hourly",
        countries=tuple(countries.split(",")) if countries else None,
    )
    world = build_world(chosen_scenario(chosen), "highs", Reporter())
    wall, cpu = time.perf_counter(), time.process_time()
    planner_eur = plan_jointly(joint_network(world.networks, world.graph), world.policies)
    print(
        f"planner: {time.perf_counter() - wall:.1f} s, {time.process_time() - cpu:.1f} s CPU",
        flush=True,
    )
    reached: dict[int, tuple[float, float]] = {}

    def note(tally: Tally) -> None:
        reached[tally.rounds] = (time.perf_counter() - wall, time.process_time() - cpu)

    protocol = ProximalBundle(gap=gap, rounds=rounds)
    model = NegotiationModel(
        world.problems,
        world.graph,
        world.products,
        protocol,
        workers=workers,
        on_batch=note,
        price_cap_eur_per_mwh=world.scenario.settings.value_of_lost_load_eur_per_mwh,
    )
    wall, cpu = time.perf_counter(), time.process_time()
    model.plan_alone()
    model.step()
    gain = sum(model.autarky_eur.values()) - planner_eur
    print("round  efficiency %  certified gap %  seconds  seconds CPU")
    for round_, cost, bound in protocol.progress:
        # The engine counts rounds from zero, and the opening is the first.
        on_wall, on_cpu = reached[round_ + 1]
        print(
            f"{round_:5d}  {-100 * cost / gain:12.3f}  {100 * (cost - bound) / gain:15.3f}"
            f"  {on_wall:7.1f}  {on_cpu:11.1f}"
        )
    assert model.last is not None
    losers = [country for country, gained in model.gains_eur.items() if gained < 0]
    print(f"{model.status}: {model.last.outcome.note}; losers: {', '.join(losers) or 'none'}")


if __name__ == "__main__":
    typer.run(main)
