"""Measurements behind ``docs/measurements.md``; ``make bench`` runs all parts.

$ python -m tests.bench resolve ceilings resolution run
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pypsa
import typer

from agents.planning import PypsaProblem
from agents.policy import PolicyInForce, add_policy_constraints
from model.cache import cache_folder
from model.negotiation import NegotiationModel
from model.options import RunOptions
from model.planner import planner
from model.reporting import Reporter
from model.runs import chosen_scenario
from model.world import World, build_world
from protocols.products import Products
from protocols.registry import make_protocol
from tests.bench_output import add_row, console, quiet, table, verdict

ROOT = Path(__file__).parents[1]
REFERENCE = "3h"
PERTURBATION = 0.02
LEAST_SPEEDUP = 20.0
LARGEST_OBJECTIVE_ERROR = 1e-6
LEAST_SHARE_OF_CEILING = 0.98
LARGEST_GAIN_ERROR = 0.05
MEUR = 1e6


@dataclass(frozen=True)
class Choices:
    """Options shared by the parts.

    Attributes
    ----------
    scenario : str
    resolution : str, optional
        The scenario's own if None.
    resolutions : tuple of str
        Compared by part ``resolution`` with the 3-hourly full year.
    countries : tuple of str
        Re-solved by part ``resolve``.
    products : tuple of str
        Families compared by part ``ceilings``.
    workers : int
    """

    scenario: str
    resolution: str | None
    resolutions: tuple[str, ...]
    countries: tuple[str, ...]
    products: tuple[str, ...]
    workers: int

    def world(self, **changes: Any) -> World:
        """Build the planning problems; ``changes`` are fields of ``RunOptions``."""
        options = RunOptions(self.scenario, **{"resolution": self.resolution, **changes})
        with quiet():
            return build_world(chosen_scenario(options), "highs", Reporter())


# --- resolve --------------------------------------------------------------------------------


def resolve(choices: Choices) -> bool:
    """Time one perturbation: in place against changed demand and ``n.optimize()``."""
    shown, ratios, worst = None, [], 0.0
    for country in choices.countries:
        world = choices.world(countries=(country,))
        hot, cold, errors = (
            np.array(values) for values in zip(*_race(world, country), strict=True)
        )
        shown = shown or table(
            f"One perturbation re-solved, {world.scenario.settings.resolution}, seconds",
            (
                "country",
                "in place",
                "slowest",
                "n.optimize()",
                "ratio",
                "least",
                "objectives differ",
            ),
        )
        ratios.append(np.median(cold) / np.median(hot))
        worst = max(worst, errors.max())
        add_row(
            shown,
            country,
            f"{np.median(hot):.4f}",
            f"{hot.max():.4f}",
            f"{np.median(cold):.2f}",
            f"{ratios[-1]:.0f}",
            f"{(cold / hot).min():.0f}",
            f"{errors.max():.1e}",
        )
    console.print(shown)
    verdict("median ratio", float(np.median(ratios)), LEAST_SPEEDUP, "{:.0f}")
    what = "largest relative difference of the objectives"
    return verdict(what, worst, LARGEST_OBJECTIVE_ERROR, "{:.0e}", most=True)


def _race(world: World, country: str) -> Iterator[tuple[float, float, float]]:
    """Seconds in place, seconds from scratch and relative difference for every perturbation."""
    problem = world.problems[country]
    assert isinstance(problem, PypsaProblem)
    rest = np.zeros(len(world.snapshots))
    for exchange in perturbations(problem):
        problem.solve(rest)
        start = time.perf_counter()
        cost = problem.solve(exchange).cost_eur
        seconds = time.perf_counter() - start
        scratch_s, reference = _from_scratch(
            world.networks[country], country, world.policies[country], exchange
        )
        yield seconds, scratch_s, abs(cost - reference) / abs(reference)


def perturbations(problem: PypsaProblem) -> list[np.ndarray]:
    """Exchanges around autarky: flat, one product, a random bundle, random snapshots, MW."""
    rng = np.random.default_rng(1)
    step_mw = PERTURBATION * float(problem.demand_mw.mean())
    products, snapshots = problem.shape.shape
    first, middle = problem.shape[[0, products // 2]].toarray()
    return [
        np.full(snapshots, step_mw),
        np.full(snapshots, -step_mw),
        step_mw * first,
        -step_mw * middle,
        rng.uniform(-step_mw, step_mw, products) @ problem.shape,
        rng.uniform(-step_mw, step_mw, snapshots),
    ]


def _from_scratch(
    network: pypsa.Network, country: str, policy: PolicyInForce, exchange_mw: np.ndarray
) -> tuple[float, float]:
    """Seconds and objective of changing demand and calling ``n.optimize()``."""
    n = network.copy()
    load = n.get_switchable_as_dense("Load", "p_set").iloc[:, 0]
    start = time.perf_counter()
    n.loads_t.p_set[f"{country} load"] = load - exchange_mw
    with quiet():
        status, condition = n.optimize(
            solver_name="highs",
            include_objective_constant=False,
            progress=False,
            extra_functionality=lambda n, _: add_policy_constraints(n, country, policy),
        )
    seconds = time.perf_counter() - start
    if status != "ok":
        raise RuntimeError(f"{country}: n.optimize() ended with {condition}")
    return seconds, float(n.objective)


# --- ceilings -------------------------------------------------------------------------------


def ceilings(choices: Choices) -> bool:
    """What each product family can reach, and what adaptive bids reach of it."""
    shown = table(
        "Gain reached by adaptive bilateral bids",
        (
            "products", "ceiling MEUR/a", "of hourly", "reached MEUR/a", "of ceiling",
            "steps", "solves", "messages", "seconds", "planner s", "status",
        ),
    )  # fmt: skip
    shares: dict[str, float] = {}
    best, best_s = None, ""
    for family in choices.products:
        world = choices.world(products=family)
        model = NegotiationModel(
            world.problems,
            world.graph,
            world.products,
            make_protocol("bilateral_bids", "adaptive"),
            seed=world.scenario.settings.seed,
            workers=choices.workers,
        )
        start = time.perf_counter()
        messages = _negotiate(model)
        seconds = time.perf_counter() - start
        if best is None:  # the same for all families
            best, best_s = _plan(world)
        ceiling, planned = best, best_s
        if family != "hourly":
            ceiling, planned = _plan(world, world.products)
        autarky = sum(model.autarky_eur.values())
        shares[family] = model.gain_eur / (autarky - ceiling)
        add_row(
            shown,
            family,
            f"{(autarky - ceiling) / MEUR:.2f}",
            f"{(autarky - ceiling) / (autarky - best):.2%}",
            f"{model.gain_eur / MEUR:.2f}",
            f"{shares[family]:.2%}",
            str(model.steps),
            str(model.local_solves),
            str(messages),
            f"{seconds:.0f}",
            planned,
            model.status,
        )
    console.print(shown)
    for family in ("flat", "tou"):
        if family in shares:
            verdict(f"{family}: share of its ceiling", shares[family], LEAST_SHARE_OF_CEILING)
    return True


def _negotiate(model: NegotiationModel, max_steps: int = RunOptions.max_steps) -> int:
    """Run to the end and count messages."""
    messages = 0
    model.plan_alone()
    while model.status == "running" and model.steps < max_steps:
        model.step()
        if model.last is not None:
            messages += model.last.tally.messages
    return messages


def _plan(world: World, products: Products | None = None) -> tuple[float, str]:
    """Planner's cost, and the seconds it took or that it was there already."""
    before = set(cache_folder().glob("*.npz"))
    start = time.perf_counter()
    with quiet():
        cost = planner(world, products).cost_eur
    seconds = time.perf_counter() - start
    return cost, f"{seconds:.0f}" if set(cache_folder().glob("*.npz")) - before else "cached"


# --- resolution -----------------------------------------------------------------------------


def resolution(choices: Choices) -> bool:
    """Planner's gain of coarser time against the 3-hourly full year."""
    shown = table(
        "Planner's gain by resolution",
        (
            "resolution", "snapshots", "autarky MEUR/a", "planner MEUR/a", "gain MEUR/a",
            "error", "autarky s", "planner s",
        ),
    )  # fmt: skip
    default = chosen_scenario(RunOptions(choices.scenario)).settings.resolution
    gains: dict[str, float] = {}
    for text in dict.fromkeys((REFERENCE, default, *choices.resolutions)):
        world = choices.world(resolution=text)
        start = time.perf_counter()
        rest = np.zeros(len(world.snapshots))
        alone = sum(problem.solve(rest).cost_eur for problem in world.problems.values())
        alone_s = time.perf_counter() - start
        together, planned = _plan(world)
        gains[text] = alone - together
        add_row(
            shown,
            text,
            str(len(world.snapshots)),
            f"{alone / MEUR:.1f}",
            f"{together / MEUR:.1f}",
            f"{gains[text] / MEUR:.1f}",
            f"{gains[text] / gains[REFERENCE] - 1:+.2%}",
            f"{alone_s:.0f}",
            planned,
        )
        del world  # before the next is built
    console.print(shown)
    error = abs(gains[default] / gains[REFERENCE] - 1)
    verdict(f"{default}: error of the gain", error, LARGEST_GAIN_ERROR, most=True)
    return True


# --- run ------------------------------------------------------------------------------------


def run(choices: Choices) -> bool:
    """Wall time by phase and peak memory of a whole run from the command line."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "run.py", "--scenario", choices.scenario, "--out", folder]
        if choices.resolution:
            command += ["--resolution", choices.resolution]
        # An empty cache, so that the planner is computed.
        environment = {**os.environ, "DMAN_CEP_CACHE": f"{folder}/cache"}
        start = time.perf_counter()
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        found = list(Path(folder).glob("*/summary.json"))
        if not found:
            console.print(f"[red]the run left no summary (exit code {child.returncode})[/red]")
            return False
        summary = json.loads(found[0].read_text())
        timings = json.loads((found[0].parent / "timings.json").read_text())
    shown = table(f"run.py --scenario {choices.scenario}", ("what", "measured"))
    for phase, seconds in timings.items():
        shown.add_row(f"{phase}, s", f"{seconds:.1f}")
    shown.add_row("whole process, s", f"{wall_s:.1f}")
    shown.add_row("processor time, s", f"{usage.ru_utime + usage.ru_stime:.1f}")
    unit_bytes = 1 if sys.platform == "darwin" else 1024
    shown.add_row("peak memory, GB", f"{usage.ru_maxrss * unit_bytes / 1e9:.2f}")
    for key in ("status", "steps", "messages", "local_solves"):
        shown.add_row(key, str(summary[key]))
    shown.add_row("efficiency", f"{summary['efficiency']:.2%}")
    shown.add_row("exit code", str(child.returncode))
    console.print(shown)
    return True


# --- command line ---------------------------------------------------------------------------

PARTS: dict[str, Callable[[Choices], bool]] = {
    "resolve": resolve,
    "ceilings": ceilings,
    "resolution": resolution,
    "run": run,
}


def main(
    parts: Annotated[
        list[str] | None, typer.Argument(help=f"Of {', '.join(PARTS)}; all if none is given.")
    ] = None,
    scenario: Annotated[str, typer.Option(help="Scenario of kind pypsa.")] = "sapp2030",
    resolution: Annotated[
        str | None, typer.Option(help="Of resolve, ceilings and run; else the scenario's.")
    ] = None,
    resolutions: Annotated[
        str, typer.Option(help="Compared by part resolution, with the default and 3h.")
    ] = "12w6h,6h,12h",
    countries: Annotated[str, typer.Option(help="Re-solved by part resolve.")] = "ZA,MZ,TZ,LS",
    products: Annotated[str, typer.Option(help="Compared by ceilings.")] = "flat,tou,hourly",
    workers: Annotated[int, typer.Option(help="Of the negotiation.")] = RunOptions.workers,
) -> None:
    """Measure; exit code 1 if a part found wrong results (misses of speed are only said)."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore", FutureWarning)
    chosen = parts or list(PARTS)
    unknown = [part for part in chosen if part not in PARTS]
    if unknown:
        raise typer.BadParameter(f"no part {unknown[0]!r}; choose of {', '.join(PARTS)}")
    choices = Choices(
        scenario,
        resolution,
        tuple(r for r in resolutions.split(",") if r),
        tuple(countries.split(",")),
        tuple(products.split(",")),
        workers,
    )
    sound = [PARTS[part](choices) for part in chosen]
    raise typer.Exit(0 if all(sound) else 1)


if __name__ == "__main__":
    typer.run(main)
