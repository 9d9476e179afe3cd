"""Comparisons for tests: a small experiment, a team of one in this process, tables as bytes."""

from __future__ import annotations

from pathlib import Path

from model.experiments.compare import Comparison
from model.experiments.folder import ComparisonFolder
from model.experiments.grid import Case, Grid
from model.experiments.lies import carry_out
from model.experiments.measure import Bench, Measured
from model.experiments.spec import Experiment
from model.experiments.tables import TABLES, UNSTEADY
from model.experiments.team import Team

# Teaching countries whose plants are uncertain: a case takes milliseconds.
SMALL = Experiment(
    scenario="triangle",
    protocols=("iterated_clearing", "bilateral_bids.adaptive"),
    products=("flat",),
    settlements=("pay_as_agreed", "nodal_price"),
    variants=("base", "line_out"),
    seeds=3,
)


class TeamOfOne(Team):
    """Measures in this process, when asked for a result."""

    size = 1

    def __init__(self, gains: bool = False) -> None:
        self._bench = Bench(gains)
        self._case: Case | None = None

    def give(self, worker: int, case: Case) -> None:
        self._case = case

    def wait(self) -> tuple[int, Measured]:
        assert self._case is not None
        return 0, self._bench.measure(self._case)

    def close(self) -> None:
        pass


def compared(out: Path, experiment: Experiment = SMALL, team: Team | None = None) -> Comparison:
    """A finished comparison."""
    grid = Grid(experiment)
    folder = ComparisonFolder.create(out, grid)
    return carry_out(folder, grid, team or TeamOfOne(experiment.gains))


def resumed(path: Path, team: Team | None = None) -> Comparison:
    """Go on with a comparison until it is finished."""
    folder = ComparisonFolder.open(path)
    return carry_out(folder, Grid(folder.experiment), team or TeamOfOne())


def tables(path: Path) -> dict[str, bytes]:
    """Bytes of all tables that must be equal from one time to the next."""
    return {
        name: (path / f"{name}.parquet").read_bytes()
        for name in TABLES
        if name not in UNSTEADY and (path / f"{name}.parquet").is_file()
    }
