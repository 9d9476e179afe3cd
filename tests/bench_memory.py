"""How much memory a negotiation takes at its peak, beside plain PyPSA on the same file.

$ python -m tests.bench_memory FILE.nc --nodes 100 --page docs/measurements.md
$ python -m tests.bench_memory --sapp2030

Every run is a process of its own, whose largest resident set the system tells at its end. The file
is made to the wanted size: its first snapshots, or all of them again and again, and copies of its
buses with what stands at them, each tied to the bus it was copied from.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import pypsa
import typer

from pypsa_earth.countries import BRANCHES, ONE_PORTS, ports_of
from tests.bench_output import quiet, verdict, write_between

LARGEST_EXCESS_MB = 500.0
LARGEST_GROWTH = 2.2
SAPP2030_MB = 1200.0
PLAIN = "import pypsa, sys; n = pypsa.Network(sys.argv[1]); n.optimize(log_to_console=False)"
HOURLY = ("--protocol", "consensus_admm", "--products", "hourly")


def main(
    file: Annotated[Path | None, typer.Argument(help="PyPSA network.")] = None,
    snapshots: Annotated[str, typer.Option(help="Sizes to try.")] = "24,48,96",
    nodes: Annotated[int, typer.Option(help="Buses to copy the file up to; 0: as it is.")] = 0,
    sapp2030: Annotated[bool, typer.Option("--sapp2030", help="The scenario instead.")] = False,
    page: Annotated[Path | None, typer.Option(help="Page to write the table into.")] = None,
) -> None:
    """Print the table and whether the targets are met."""
    with tempfile.TemporaryDirectory() as folder:
        if sapp2030:
            peak = peak_mb("run.py", "--scenario", "sapp2030", *HOURLY, "--out", folder)
            met = verdict("sapp2030, MB", peak, SAPP2030_MB, "{:,.0f}", most=True)
            raise typer.Exit(0 if met else 1)
        if file is None:
            raise typer.BadParameter("name a file or --sapp2030")
        sizes = [int(size) for size in snapshots.split(",")]
        rows = [_measure(file, size, nodes, Path(folder)) for size in sizes]
    head = [
        f"`{file.name}` with {rows[0][1]} buses, `consensus_admm`, hourly products.",
        "",
        "| snapshots | plain PyPSA, MB | negotiation and planner, MB |",
        "|---|---|---|",
    ]
    text = "\n".join(
        [*head, *(f"| {t} | {plain:,.0f} | {ours:,.0f} |" for t, _, plain, ours in rows)]
    )
    print(text)
    if page is not None:
        write_between(page, "memory", text)
    excess = max(ours - plain for *_, plain, ours in rows)
    met = [verdict("more than plain PyPSA, MB", excess, LARGEST_EXCESS_MB, "{:,.0f}", most=True)]
    for before, after in itertools.pairwise(rows):
        growth = after[3] / before[3]
        what = f"growth from {before[0]} to {after[0]} snapshots"
        met.append(verdict(what, growth, LARGEST_GROWTH, "{:.2f}", most=True))
    raise typer.Exit(0 if all(met) else 1)


def peak_mb(*arguments: str) -> float:
    """Largest resident set of a Python process, MB.

    Raises
    ------
    RuntimeError
        If it fails; with the end of what it said.
    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([sys.executable, *arguments], stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1):  # 1: the negotiation ended without agreement
            said.seek(0)
            raise RuntimeError(said.read().decode(errors="replace")[-2000:])
    return usage.ru_maxrss / 1024


def tiled(n: pypsa.Network, snapshots: int, nodes: int) -> pypsa.Network:
    """A network of the wanted size, made of a smaller or larger one.

    Parameters
    ----------
    n : pypsa.Network
        Not changed.
    snapshots : int
        The first ones; those of the file again and again where it has fewer.
    nodes : int
        Buses at least; a network that has as many keeps its own.
    """
    made = _in_time(n, snapshots)
    nth = 0
    while len(made.buses) < nodes:
        nth += 1
        _copy_buses(
            _in_time(n, snapshots), made, list(n.buses.index)[: nodes - len(made.buses)], nth
        )
    return made


def _in_time(n: pypsa.Network, snapshots: int) -> pypsa.Network:
    made = n.copy()
    at = np.arange(snapshots) % len(n.snapshots)
    times = pd.date_range(n.snapshots[0], periods=snapshots, freq="h")
    kept = {
        (c.name, name): frame.iloc[at].set_axis(times)
        for c in n.components
        for name, frame in c.dynamic.items()
        if len(frame.columns)
    }
    weights = n.snapshot_weightings.iloc[at].set_axis(times)
    made.set_snapshots(times)
    made.snapshot_weightings.loc[:] = weights.to_numpy()
    for (component, name), frame in kept.items():
        made.c[component].dynamic[name] = frame.rename_axis("snapshot")
    return made


def _copy_buses(n: pypsa.Network, made: pypsa.Network, buses: list[str], nth: int) -> None:
    """Copy buses and what stands at them or between them, and tie each to its original."""
    copies = {bus: f"{bus} #{nth}" for bus in buses}
    part = n.buses.loc[buses].rename(copies)
    made.add("Bus", part.index, **{k: part[k] for k in ("country", "carrier", "x", "y", "v_nom")})
    for component in (*ONE_PORTS, *BRANCHES):
        static = n.c[component].static
        if component in ONE_PORTS:
            inside = static.bus.isin(buses)
        else:
            ports = ports_of(n, component)
            inside = (ports.isin(buses) | (ports == "")).all(axis=1)
        chosen = static[inside]
        if chosen.empty:
            continue
        names = [f"{name} #{nth}" for name in chosen.index]
        values = {k: chosen[k].to_numpy() for k in chosen if k in n.c[component].defaults.index}
        for k in values:
            if k.startswith("bus"):
                values[k] = [copies.get(bus, bus) for bus in values[k]]
        for k, frame in n.c[component].dynamic.items():
            own = frame.columns.intersection(chosen.index)
            if len(own):
                values[k] = frame.reindex(columns=chosen.index).set_axis(names, axis=1)
                if len(own) < len(chosen):
                    values[k] = values[k].fillna(n.c[component].defaults.default[k])
        made.add(component, names, **values)
    ties = [f"{bus} tie {nth}" for bus in buses]
    made.add("Link", ties, bus0=buses, bus1=list(copies.values()), p_nom=1e4, p_min_pu=-1.0)


def _measure(file: Path, snapshots: int, nodes: int, folder: Path) -> tuple[int, int, float, float]:
    """Snapshots, buses, and the peaks of plain PyPSA and of a negotiation, MB."""
    with quiet():
        made = tiled(pypsa.Network(str(file)), snapshots, nodes)
        place = folder / f"{file.stem}-{snapshots}.nc"
        made.export_to_netcdf(str(place))
    plain = peak_mb("-c", PLAIN, str(place))
    weights = ("--set", "network.weights=rescale")
    ours = peak_mb("run.py", "--network", str(place), *HOURLY, *weights, "--out", str(folder))
    print(f"{snapshots} snapshots: {plain:,.0f} and {ours:,.0f} MB", file=sys.stderr, flush=True)
    return snapshots, len(made.buses), plain, ours


if __name__ == "__main__":
    typer.run(main)
