"""What the command ``compare`` was asked for, made into a grid, a folder and a team."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.errors import ScenarioError, did_you_mean

if TYPE_CHECKING:
    from model.experiments.folder import ComparisonFolder
    from model.experiments.grid import Grid
    from model.experiments.team import Team

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class Wish:
    """What the command line asked for.

    Attributes
    ----------
    file : Path, optional
        Experiment to read.
    given : dict
        Fields of the experiment that options named.
    resume : Path, optional
        Comparison to go on with.
    retry_failed : bool
        Whether cases that broke off are measured again.
    out : Path
    workers : int, optional
    engine : {"local", "ray"}
    address : str, optional
        Of a Ray cluster.
    """

    file: Path | None
    given: Mapping[str, Any]
    resume: Path | None
    retry_failed: bool
    out: Path
    workers: int | None
    engine: str
    address: str | None


def prepare_comparison(wish: Wish) -> tuple[ComparisonFolder, Grid, Team]:
    """Folder, grid and team of what was asked for; a new folder is made only if all is well.

    Raises
    ------
    ScenarioError, RecordsError
        For every mistake in it: file, line and key, or option.
    """
    if wish.engine not in ENGINES:
        raise ScenarioError(f"--engine: no '{wish.engine}'{did_you_mean(wish.engine, ENGINES)}")
    if wish.address is not None and wish.engine != "ray":
        raise ScenarioError("--address is that of a Ray cluster; add --engine ray")
    if wish.resume is not None:
        folder, grid = _resumed(wish)
        return folder, grid, _team(wish, grid)
    if wish.retry_failed:
        raise ScenarioError("--retry-failed goes with --resume FOLDER")
    from model.experiments.folder import ComparisonFolder

    grid = _grid(wish)
    team = _team(wish, grid)
    return ComparisonFolder.create(wish.out, grid), grid, team


def _team(wish: Wish, grid: Grid) -> Team:
    """Workers that were asked for; two processes of this machine by default."""
    gains = grid.experiment.gains
    if wish.engine == "ray":
        from model.experiments.ray_team import RayTeam

        return RayTeam(wish.workers, gains, wish.address)
    from model.experiments.team import LocalTeam

    return LocalTeam(wish.workers or 2, gains)


def split_levels(items: list[str] | None) -> dict[str, list[Any]]:
    """Values of each ``--set KEY=VALUE,VALUE``; a list in brackets is one value.

    Examples
    --------
    >>> split_levels(["demand_factor=0.9,1.1", "line_statuses=[existing],[existing,committed]"])
    {'demand_factor': [0.9, 1.1], 'line_statuses': [['existing'], ['existing', 'committed']]}
    """
    from scenarios.overrides import parse_set
    from scenarios.yaml_file import parse_value

    levels = {}
    for key, text in parse_set(items or ()).items():
        values = parse_value(f"[{text}]")
        if not isinstance(values, list) or not values:
            raise ScenarioError(f"--set {key}: cannot read '{text}'; write VALUE or VALUE,VALUE")
        levels[key] = values
    return levels


def split_numbers(seeds: str | None) -> int | list[int] | None:
    """How many draws, or which."""
    if seeds is None:
        return None
    try:
        numbers = [int(part) for part in seeds.split(",")]
    except ValueError:
        raise ScenarioError(f"--seeds {seeds}: give a number, or numbers such as 3,7") from None
    return numbers if "," in seeds else numbers[0]


def split_names(text: str | None) -> tuple[str, ...] | None:
    """Names separated by commas."""
    if text is None:
        return None
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _grid(wish: Wish) -> Grid:
    from model.experiments.grid import Grid
    from model.experiments.spec import (
        SpecError,
        experiment_from_file,
        experiment_from_options,
        option,
    )

    if wish.file is not None:
        if wish.given:
            names = ", ".join(dict.fromkeys(option((key,)) for key in wish.given))
            raise ScenarioError(f"the experiment {wish.file} says it all; leave out {names}")
        experiment, document = experiment_from_file(wish.file)
        try:
            return Grid(experiment)
        except SpecError as error:
            raise document.error(error.what, error.key) from None
    if "scenario" not in wish.given:
        raise ScenarioError("name a scenario, --scenario sapp2030, or a file: EXPERIMENT.yaml")
    if "protocols" not in wish.given:
        raise ScenarioError("name the protocols: --protocols bilateral_bids,consensus_admm or all")
    try:
        return Grid(experiment_from_options(wish.given))
    except SpecError as error:
        raise ScenarioError(f"{option(error.key)}: {error.what}") from None


def _resumed(wish: Wish) -> tuple[ComparisonFolder, Grid]:
    from model.choices import find_run
    from model.experiments.folder import ComparisonFolder
    from model.experiments.grid import Grid

    assert wish.resume is not None
    if wish.file is not None or wish.given:
        raise ScenarioError(
            "--resume goes on with the experiment of the comparison; leave out all that describes "
            "another"
        )
    folder = ComparisonFolder.open(find_run(str(wish.resume), wish.out))
    grid = Grid(folder.experiment)
    if wish.retry_failed:
        folder.forget_broken(grid.cases)
    return folder, grid
