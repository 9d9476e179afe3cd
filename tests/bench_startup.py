"""How long a small network takes from start to table, and a refusal, beside plain PyPSA.

$ python -m tests.bench_startup CASE.nc REFUSED.nc

Each is timed in pairs with a process that does nothing but import PyPSA, read the file and, for
the first, call ``n.optimize()``; on a shared machine the ratios of processor time within a pair
mean more than the seconds.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from tests.bench_output import verdict

LARGEST_RUN = 2.5
LARGEST_REFUSAL = 1.5
READ = "import pypsa, sys; n = pypsa.Network(sys.argv[1])"
SOLVE = f"{READ}; n.optimize()"


def main(
    case: Annotated[Path, typer.Argument(help="Small network that can be negotiated.")],
    refused: Annotated[Path, typer.Argument(help="Small network that is refused.")],
    pairs: Annotated[int, typer.Option(help="Pairs of each.")] = 3,
) -> None:
    """Print the median ratios and whether the targets are met."""
    met = []
    with tempfile.TemporaryDirectory() as folder:
        for what, file, plain, code, largest in (
            ("start to table", case, SOLVE, 0, LARGEST_RUN),
            ("refusal", refused, READ, 2, LARGEST_REFUSAL),
        ):
            ours = ("run.py", "--network", str(file), "--protocol", "consensus_admm")
            rows = []
            for number in range(pairs):
                out = str(Path(folder) / f"{file.stem}-{number}")
                one = spent("-c", plain, str(file), folder=out)
                other = spent(*ours, "--out", out, folder=out, code=code)
                rows.append((*one, *other))
                print(f"{what}: plain {one[0]:.1f} s, {one[1]:.1f} s CPU; ours {other[0]:.1f} s, "
                      f"{other[1]:.1f} s CPU", flush=True)  # fmt: skip
            for name, k in (("wall", 0), ("CPU", 1)):
                ratio = statistics.median(row[2 + k] / row[k] for row in rows)
                fine = verdict(f"{what}, ratio of {name}", ratio, largest, "{:.2f}", most=True)
                met.append(fine)
    raise typer.Exit(0 if all(met) else 1)


def spent(*arguments: str, folder: str, code: int = 0) -> tuple[float, float]:
    """Wall and processor seconds of a Python process with an empty cache.

    Raises
    ------
    RuntimeError
        If it does not end with the exit code it should.
    """
    environment = {**os.environ, "DMAN_CEP_CACHE": f"{folder}-cache"}
    start = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=said, stderr=said, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        if process.returncode != code:
            said.seek(0)
            raise RuntimeError(said.read().decode(errors="replace")[-2000:])
    return wall, usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    typer.run(main)
