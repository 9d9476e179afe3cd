"""How fast a coordination protocol comes near the planner, beside the planner's own LP.

$ python -m tests.bench_coordination --resolution 12w3h --page docs/coordination.md
$ python -m tests.bench_coordination --resolution 3h --figure docs/images/coordination-3h.png

``--page`` puts the tables between the page's markers for the protocol and resolution.

Both are timed in one process, one after the other, wall and processor seconds: on a shared machine
walls tell what else ran, processor seconds what it took.
"""

from __future__ import annotations

import logging
import os
import platform
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from matplotlib.figure import Figure

from model.engine import Tally
from model.joint import joint_network, plan_jointly
from model.negotiation import NegotiationModel
from model.options import RunOptions
from model.reporting import Reporter
from model.world import World, build_world, chosen_scenario
from protocols.messages import Limit
from protocols.registry import make_protocol
from tests.bench_output import Clock, quiet, verdict, write_between

MEUR = 1e6
WANTED = 0.99


@dataclass(frozen=True)
class Check:
    """Flows that all countries have put a cost to."""

    round: int
    gain_eur: float
    at: Clock


class Timeline:
    """Listens to a negotiation and notes what every check brought, and when.

    The sum of the limits said in one round is what the flows of that round would cost.
    """

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self._clock = Clock.now()
        self._heard = 0

    def start(self) -> None:
        self._clock = Clock.now()

    def __call__(self, tally: Tally) -> None:
        said: dict[int, float] = defaultdict(float)
        for message in tally.log[self._heard :]:
            if isinstance(message.body, Limit):
                said[message.round] -= message.body.amount_eur
        self._heard = len(tally.log)
        self.checks += [Check(r, gain, Clock.now().since(self._clock)) for r, gain in said.items()]


@dataclass(frozen=True)
class Race:
    """One negotiation and one planner on the same problems.

    Attributes
    ----------
    checks : list of Check
    autarky, negotiation, planner : Clock
        What planning alone, the whole negotiation with its settlement, and the planner took.
    solver_s : float
        Of the planner's wall time, the solver's own.
    gain_eur, best_eur : float
        Negotiated, and the planner's.
    """

    name: str
    status: str
    rounds: int
    checks: list[Check]
    autarky: Clock
    negotiation: Clock
    planner: Clock
    solver_s: float
    gain_eur: float
    least_gain_eur: float
    best_eur: float

    @property
    def to_goal(self) -> Check | None:
        """First check with 99 % of the planner's gain."""
        return next((c for c in self.checks if c.gain_eur >= WANTED * self.best_eur), None)


def race(name: str, options: RunOptions) -> Race:
    """Negotiate to the end of the first step, then plan jointly."""
    with quiet():
        world = build_world(chosen_scenario(options), "highs", Reporter())
    protocol, _, mode = name.partition(".")
    timeline = Timeline()
    model = NegotiationModel(
        world.problems,
        world.graph,
        world.products,
        make_protocol(protocol, mode or None, **options.protocol_settings),
        seed=world.scenario.settings.seed,
        workers=options.workers,
        on_batch=timeline,
        price_cap_eur_per_mwh=world.scenario.settings.value_of_lost_load_eur_per_mwh,
    )
    clock = Clock.now()
    model.plan_alone()
    autarky = Clock.now().since(clock)
    clock = Clock.now()
    timeline.start()
    model.step()
    negotiation = Clock.now().since(clock)
    planner, solver_s, cost = _plan(world)
    assert model.last is not None
    return Race(
        name,
        model.status,
        model.last.tally.rounds,
        timeline.checks,
        autarky,
        negotiation,
        planner,
        solver_s,
        model.gain_eur,
        min(model.gains_eur.values()),
        sum(model.autarky_eur.values()) - cost,
    )


def _plan(world: World) -> tuple[Clock, float, float]:
    """What the planner takes, of that the solver's seconds, and its cost."""
    clock = Clock.now()
    with quiet():
        joint = joint_network(world.networks, world.graph)
        cost = plan_jointly(joint, world.policies)
    return Clock.now().since(clock), float(joint.model.solver_model.getRunTime()), cost


def markdown(run: Race, resolution: str) -> str:
    """Curve and comparison as tables."""
    machine = (
        f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f} at the end"
    )
    lines = [
        f"`{run.name}`, `{resolution}`, hourly products; {machine}.",
        "",
        "| round | share of the planner's gain | seconds | processor seconds |",
        "|---|---|---|---|",
    ]
    for check in run.checks:
        share = check.gain_eur / run.best_eur
        lines.append(f"| {check.round} | {share:.2%} | {check.at.wall:.1f} | {check.at.cpu:.1f} |")
    lines += [
        "",
        "| what | seconds | processor seconds |",
        "|---|---|---|",
        f"| planning alone | {run.autarky.wall:.1f} | {run.autarky.cpu:.1f} |",
        f"| negotiation, settlement included | {run.negotiation.wall:.1f} "
        f"| {run.negotiation.cpu:.1f} |",
        f"| planner (HiPO), its model included | {run.planner.wall:.1f} | {run.planner.cpu:.1f} |",
        f"| of that the solver | {run.solver_s:.1f} | |",
        "",
        f"Ended `{run.status}` after {run.rounds} rounds with {run.gain_eur / MEUR:.1f} of "
        f"{run.best_eur / MEUR:.1f} M EUR/a, {run.gain_eur / run.best_eur:.2%}; least gain of a "
        f"country {run.least_gain_eur / MEUR:.2f} M EUR/a.",
    ]
    return "\n".join(lines)


def figure(run: Race, resolution: str) -> Figure:
    """Best share so far against seconds, beside the planner."""
    made = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = made.subplots()
    best, shares, seconds = 0.0, [], []
    for check in run.checks:
        best = max(best, check.gain_eur / run.best_eur)
        shares.append(100 * best)
        seconds.append(check.at.wall)
    axes.step([0.0, *seconds], [0.0, *shares], where="post", color="#1b7f8c", lw=2.2, marker="o")
    axes.axhline(100 * WANTED, color="#8a9199", lw=1.0, ls=":")
    axes.axvline(run.planner.wall, color="#b3541e", lw=1.8, ls=(0, (6, 3)))
    axes.annotate(
        "planner's LP",
        xy=(run.planner.wall, 60),
        xytext=(-4, 0),
        textcoords="offset points",
        rotation=90,
        ha="right",
        color="#b3541e",
    )
    axes.set_ylim(0, 103)
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds after planning alone")
    axes.set_title(f"Share of the planner's gain, %: {run.name}, {resolution}", loc="left")
    axes.grid(color="#e3e6e9")
    axes.set_axisbelow(True)
    return made


def main(
    protocol: Annotated[str, typer.Option(help="Name or name.mode.")] = "consensus_admm",
    scenario: Annotated[str, typer.Option(help="Scenario of kind pypsa.")] = "sapp2030",
    resolution: Annotated[str, typer.Option()] = "12w3h",
    countries: Annotated[str | None, typer.Option()] = None,
    workers: Annotated[int, typer.Option()] = RunOptions.workers,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE of the protocol.")
    ] = None,
    page: Annotated[Path | None, typer.Option(help="Page to write the tables into.")] = None,
    image: Annotated[Path | None, typer.Option("--figure", help="Picture to write.")] = None,
) -> None:
    """Race a protocol against the planner; exit code 1 if it is not both near and sooner."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore", FutureWarning)
    options = RunOptions(
        scenario,
        products="hourly",
        resolution=resolution,
        countries=tuple(countries.split(",")) if countries else None,
        workers=workers,
        protocol_settings=dict(s.split("=", 1) for s in settings or []),
    )
    run = race(protocol, options)
    print(markdown(run, resolution))
    if page is not None:
        write_between(page, f"{run.name} {resolution}", markdown(run, resolution))
    if image is not None:
        figure(run, resolution).savefig(image, dpi=140)
    near = verdict("share of the planner's gain", run.gain_eur / run.best_eur, WANTED)
    seconds = run.to_goal.at.wall if run.to_goal else float("inf")
    what = "seconds to 99 %"
    sooner = verdict(what, seconds, run.planner.wall, "{:.1f}", most=True)
    raise typer.Exit(0 if near and sooner else 1)


if __name__ == "__main__":
    typer.run(main)
