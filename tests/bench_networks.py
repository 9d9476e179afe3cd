"""What the program makes of real network files, and how long a negotiation of one takes.

$ python -m tests.bench_networks files ../shared/networks --page docs/pypsa-earth.md
$ python -m tests.bench_networks negotiation FILE.nc --page docs/pypsa-earth.md

``files`` negotiates every file of a folder, each in a process of its own with a limit of processor
time, and follows the advice of a refusal once. ``negotiation`` times one file beside the joint
linear programme, and beside what its solves would take if every one built its model again; and says
how much of what was agreed linear power flow can carry.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import re
import resource
import signal
import tempfile
import warnings
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated

import pypsa
import typer

from agents.planning import PypsaProblem
from agents.problem import PlanningError
from model.joint import TRADE
from model.negotiation import NegotiationModel
from model.options import RunOptions
from model.outcome import outcome_network
from model.reporting import Reporter
from model.runs import run
from model.world import World, build_world, chosen_scenario
from protocols.registry import make_protocol
from pypsa_earth import shedding
from pypsa_earth.countries import country_of_bus
from pypsa_earth.kirchhoff import deliverable
from pypsa_earth.read import load_network
from pypsa_earth.references import solve_whole
from pypsa_earth.results import FileBorders, in_words
from scenarios.errors import ScenarioError
from tests.bench_output import Clock, quiet, write_between

PROTOCOL = "consensus_admm"
ADVICE = re.compile(r"--set (\S+=[^\s,]+)")

app = typer.Typer(add_completion=False, help=__doc__)


@app.command("files")
def files(
    folder: Annotated[Path, typer.Argument(help="Folder of netCDF files.")],
    window: Annotated[int, typer.Option(help="Most snapshots of a file.")] = 168,
    limit_s: Annotated[int, typer.Option(help="Processor seconds for a file.")] = 120,
    page: Annotated[Path | None, typer.Option(help="Page to write the table into.")] = None,
) -> None:
    """Negotiate every file of a folder with hourly products and print a table of what came of it.

    A file with more snapshots than the window is negotiated on its first ones, which then stand
    for all of them.
    """
    rows = [
        f"`{PROTOCOL}`, hourly products, at most the first {window} snapshots of a file, at most "
        f"{limit_s} s of processor time.",
        "",
        "| file | countries | snapshots | result | CPU s |",
        "|---|---|---|---|---|",
    ]
    for file in sorted(folder.glob("*.nc")):
        for row in _tries(file, window, limit_s):
            rows.append(row)
            print(row, flush=True)
    text = "\n".join(rows)
    if page is not None:
        write_between(page, "networks", text)


def _tries(file: Path, window: int, limit_s: int) -> list[str]:
    """Rows of a file: as it is, and as its refusal advises."""
    snapshots = len(load_network(file).snapshots)
    cut = {"network.window": str(window)} if snapshots > window else {}
    used = f"{min(window, snapshots)} of {snapshots}"
    first, cpu_s = _limited(file, cut, limit_s)
    rows = [_row(file.stem, used, first, cpu_s)]
    advised = ADVICE.search(first) if first.startswith("|refused") else None
    if advised:
        key, value = advised[1].split("=")
        then, cpu_s = _limited(file, {**cut, key: value}, limit_s)
        rows.append(_row(f"the same, `--set {key}={value}`", used, then, cpu_s))
    return rows


def _row(name: str, snapshots: str, result: str, cpu_s: float) -> str:
    countries, _, words = result.partition("|")
    return f"| {name} | {countries or '-'} | {snapshots} | {words} | {cpu_s:.0f} |"


def _limited(file: Path, overrides: Mapping[str, str], limit_s: int) -> tuple[str, float]:
    """Negotiate a file in a process that may use so many processor seconds."""
    context = multiprocessing.get_context("fork")  # what is imported need not be imported again
    here, there = context.Pipe(duplex=False)
    worker = context.Process(target=_negotiate, args=(file, dict(overrides), limit_s, there))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    worker.start()
    there.close()
    try:
        result = str(here.recv())
    except EOFError:
        result = ""
    worker.join()
    if not result:
        ended = worker.exitcode == -signal.SIGXCPU
        result = f"|stopped after {limit_s} s of processor time" if ended else "|broke off"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return result, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _negotiate(file: Path, overrides: dict[str, str], limit_s: int, end: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s + 1))
    _silence()
    with tempfile.TemporaryDirectory() as out, quiet():
        try:
            options = RunOptions(
                str(file),
                protocol=PROTOCOL,
                mode="standard",
                out=Path(out),
                workers=1,
                planner=False,
                overrides=overrides,
            )
            end.send(_in_words(run(options)))
        except ScenarioError as error:
            end.send(f"|refused: {error.what}")
        except PlanningError as error:
            end.send(f"|refused: {error}")


def _in_words(summary: dict[str, object]) -> str:
    countries = list(summary["countries"])  # type: ignore[call-overload]
    alone, after = (
        float(summary[f"{case}_cost_eur"]) / 1e6  # type: ignore[arg-type]
        for case in ("autarky", "negotiated")
    )
    if len(countries) == 1 or alone == after:
        return f"{', '.join(countries)}|runs, nothing to trade: {alone:,.2f} M EUR"
    return (
        f"{', '.join(countries)}|`{summary['status']}`: {alone:,.2f} to {after:,.2f} M EUR; "
        f"{summary['note']}"
    )


@app.command("negotiation")
def negotiation(
    file: Annotated[Path, typer.Argument(help="netCDF file.")],
    page: Annotated[Path | None, typer.Option(help="Page to write the table into.")] = None,
) -> None:
    """Time a negotiation beside the joint network and beside models built at every solve."""
    _silence()
    start = Clock.now()
    with quiet():
        world = build_world(chosen_scenario(RunOptions(str(file))), "highs", Reporter())
    built = Clock.now().since(start)
    model = NegotiationModel(
        world.problems,
        world.graph,
        world.products,
        make_protocol(PROTOCOL, "standard"),
        price_cap_eur_per_mwh=world.scenario.settings.value_of_lost_load_eur_per_mwh,
    )
    start = Clock.now()
    model.plan_alone()
    alone = Clock.now().since(start)
    start = Clock.now()
    while model.status == "running" and model.steps < 20:
        model.step()
    talked = Clock.now().since(start)
    solves = {c: p.solves for c, p in world.problems.items()}
    anew = _built_anew(world.networks, world.policies, solves)
    joint_eur, joint = _joint(file)
    alone_eur = sum(model.autarky_eur.values())
    after_eur = sum(model.costs_eur.values())
    share = (alone_eur - after_eur) / (alone_eur - joint_eur)
    least = min(model.gains_eur.values())
    lines = [
        f"`{file.name}`, `{PROTOCOL}`, hourly products, one process, load "
        f"{os.getloadavg()[0]:.1f} at the end.",
        "",
        "| | |",
        "|---|---|",
        f"| countries alone / joint network | {alone_eur:,.0f} / {joint_eur:,.0f} EUR |",
        f"| negotiated | {after_eur:,.0f} EUR: {share:.1%} of the joint network's gain |",
        f"| ended | `{model.status}` after {model.steps} steps, {sum(solves.values())} solves; "
        f"least gain of a country {least:,.0f} EUR |",
        f"| delivered | {_carried(world, model)} |",
        "",
        "| what | s | s CPU |",
        "|---|---|---|",
        f"| building the countries' models, once | {built} |",
        f"| planning alone | {alone} |",
        f"| negotiation | {talked} |",
        f"| joint network, its model included | {joint} |",
        f"| the same solves with every model built anew | {anew} |",
        "",
        "The last row is one build and solve of every country times its number of solves.",
    ]
    text = "\n".join(lines)
    print(text)
    if page is not None:
        write_between(page, "networks negotiation", text)


def _built_anew(networks: Mapping[str, pypsa.Network], policies: Mapping, solves: dict) -> Clock:
    """Time of all solves, had every one built its country's model; each is built once."""
    wall = cpu = 0.0
    for country, network in networks.items():
        n = network.copy()
        start = Clock.now()
        with quiet():
            solve_whole(n, {country: policies[country]})
        took = Clock.now().since(start)
        wall += took.wall * solves[country]
        cpu += took.cpu * solves[country]
    return Clock(wall, cpu)


def _carried(world: World, model: NegotiationModel) -> str:
    """How much of the agreement the file's own lines can carry."""
    ledger = model.ledger
    with quiet():
        solved = {
            country: problem.solved_network(ledger.exchange_mw(country))
            for country, problem in world.problems.items()
            if isinstance(problem, PypsaProblem)
        }
        outcome = outcome_network(solved, world.graph, ledger, world.policies)
        n = FileBorders.of(world.scenario).with_branches(outcome, ledger.flows_mw, TRADE)
        return in_words(deliverable(n, {c: ledger.net_import_mw(c) for c in world.countries}))


def _joint(file: Path) -> tuple[float, Clock]:
    """Cost of the network as it is in the file, and the time it takes."""
    n = load_network(file)
    shedding.normalise(n)
    assert len(set(country_of_bus(n))) > 1
    start = Clock.now()
    with quiet():
        cost_eur = solve_whole(n).cost_eur
    return cost_eur, Clock.now().since(start)


def _silence() -> None:
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore", FutureWarning)


if __name__ == "__main__":
    app()
