"""Measurements behind ``docs/gains.md``.

$ python -m tests.bench_coalitions resolutions 1w6h 2w6h 4w6h 2w3h
$ python -m tests.bench_coalitions coalitions 2w6h
$ python -m tests.bench_coalitions sampling 2w6h
"""

from __future__ import annotations

import time
import warnings

import numpy as np
import typer

from model.coalitions import LineGains, coalitions_of_countries, planner_factory
from model.division import equal_split, gini, in_core, shapley, strongest_complaint
from model.graph import interconnection_graph
from model.line_sets import LineSets, nearest_next
from model.nucleolus import is_nucleolus, least_core_excess, nucleolus
from model.options import RunOptions
from model.reporting import Reporter
from model.sampled_shapley import sampled_shapley
from model.world import chosen_scenario
from scenarios.schema import Scenario

MEUR = 1e6
TIMED = 20
app = typer.Typer()


@app.command()
def resolutions(names: list[str], scenario: str = "sapp2030") -> None:
    """Planner's gain and processor seconds of one coalition, at each resolution."""
    for name in names:
        planner = planner_factory(_scenario(scenario, name), Reporter())()
        sets = LineSets(interconnection_graph(_scenario(scenario, name)))
        everyone = (1 << len(sets.lines)) - 1
        gain = planner.cost_eur(0) - planner.cost_eur(everyone)
        coalitions = range(1 << len(sets.countries))
        parts = nearest_next(sorted({p for c in coalitions for p in sets.parts(sets.within(c))}))
        middle = len(parts) // 2
        planner.cost_eur(parts[middle - 1])
        start = time.process_time()
        for lines in parts[middle : middle + TIMED]:
            planner.cost_eur(lines)
        seconds = (time.process_time() - start) / TIMED
        print(f"{name}: gain {gain / MEUR:.1f} M EUR/a, {seconds:.3f} s of processor a coalition")


@app.command()
def coalitions(resolution: str, scenario: str = "sapp2030", workers: int = 2) -> None:
    """Solve all coalitions, or read them from the cache, and divide the gain."""
    wall, processor = time.perf_counter(), time.process_time()
    game = coalitions_of_countries(LineGains(_scenario(scenario, resolution), workers))
    values = game.all_values_eur()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(f"{game.gains.solves} solves, {wall:.0f} s, {processor:.0f} s of processor")
    print(f"least core {least_core_excess(values) / MEUR:.3f} M EUR/a")
    for divide in (shapley, nucleolus, equal_split):
        division = divide(values)
        complaint = strongest_complaint(values, division)
        who = "+".join(game.players[i] for i in complaint.members)
        print(
            f"{divide.__name__}: in core {in_core(values, division)}, nucleolus "
            f"{is_nucleolus(values, division)}, Gini {gini(division):.3f}, strongest complaint "
            f"{who} {complaint.excess / MEUR:.2f} M EUR/a"
        )
        amounts = zip(game.players, division / MEUR, strict=True)
        print("  " + ", ".join(f"{country} {amount:.2f}" for country, amount in amounts))


@app.command()
def sampling(resolution: str, scenario: str = "sapp2030", seeds: int = 40) -> None:
    """Sampled against exact Shapley value of countries, in % of the gain."""
    game = coalitions_of_countries(LineGains(_scenario(scenario, resolution)))
    values = game.all_values_eur()
    exact = shapley(values)
    sets, n = game.gains.sets, len(game.players)
    for pairs in (5, 10, 20, 50, 100, 400):
        worst, widest, covered, solves = [], [], [], []
        for seed in range(seeds):
            asked: set[int] = set()

            def looked_up(wanted: list[int], asked: set[int] = asked) -> np.ndarray:
                asked.update(p for c in wanted for p in sets.parts(sets.within(c)))
                return values[wanted]

            found = sampled_shapley(looked_up, n, pairs, np.random.default_rng(seed))
            error = np.abs(found.division - exact)
            worst.append(100 * error.max() / values[-1])
            widest.append(100 * found.half_width.max() / values[-1])
            covered.append(100 * np.mean(error <= found.half_width))
            solves.append(len(asked))
        print(
            f"{pairs} pairs: {np.mean(solves):.0f} solves, largest error {np.mean(worst):.2f} % "
            f"(at worst {np.max(worst):.2f} %), +-{np.mean(widest):.2f} %, "
            f"covers {np.mean(covered):.1f} %"
        )


def _scenario(name: str, resolution: str) -> Scenario:
    return chosen_scenario(RunOptions(name, resolution=resolution))


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=FutureWarning)
    app()
