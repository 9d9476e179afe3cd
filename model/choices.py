"""What the user may choose: the known values, and one-line errors for unknown ones.

Everything here is light, so that a wrong word is answered before any modelling tool is loaded.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from model.options import RunOptions
from protocols.registry import PROTOCOLS
from scenarios.errors import ScenarioError, did_you_mean
from scenarios.loader import list_scenarios, load_scenario, scenario_folder
from scenarios.resolution import Resolution

PRODUCTS = {
    "flat": "one block per slice",
    "tou": "a peak, a standard and an off-peak block per slice",
    "hourly": "one product per snapshot",
}
SLICES = {
    "year": "one delivery period",
    "month": "twelve delivery periods",
    "week": "fifty-two delivery periods",
}
DECOMPOSITIONS = {
    "coupled": "one fleet for the whole year; slices are delivery periods of that plan",
    "independent": "each slice planned alone, one fleet reconciled at the end",
}
SOLVERS = {
    "highs": "HiGHS, installed with the program",
    "gurobi": "Gurobi, needs the extra 'gurobi' and a licence",
}
RESOLUTIONS = {
    "12w3h": "12 chained typical weeks of 3-hour blocks (any of 1, 2, 4, 12, 13, 26, 52 weeks)",
    "3h": "the full year in 3-hour blocks (any of 1, 2, 3, 4, 6, 8, 12, 24 hours)",
    "1h": "the full year hour by hour",
}


def describe_protocols() -> list[tuple[str, str, str]]:
    """List protocol, mode and the first line of its docstring, in the order of the registry."""
    return [
        (name, mode, next(iter((cls.__doc__ or "").strip().splitlines()), ""))
        for name, modes in PROTOCOLS.items()
        for mode, cls in modes.items()
    ]


def describe_choices() -> dict[str, list[tuple[str, ...]]]:
    """Everything that can be chosen by name: kind of choice -> rows of name and description."""
    choices: dict[str, Mapping[str, str]] = {
        "--scenario": list_scenarios(),
        "--products": PRODUCTS,
        "--slices": SLICES,
        "--decomposition": DECOMPOSITIONS,
        "--resolution": RESOLUTIONS,
        "--solver": SOLVERS,
    }
    rows: dict[str, list[tuple[str, ...]]] = {k: list(v.items()) for k, v in choices.items()}
    scenarios = {"--scenario": rows.pop("--scenario")}
    return {**scenarios, "--protocol, --mode": list(describe_protocols()), **rows}


def choose_options(given: Mapping[str, Any]) -> RunOptions:
    """Fill in the defaults and refuse what cannot be run.

    Parameters
    ----------
    given
        Fields of :class:`RunOptions` that the user named.

    Returns
    -------
    RunOptions
        Every name in it is known, and its scenario can be read with its overrides and countries.

    Raises
    ------
    ScenarioError
        In one line, with the nearest known name.
    """
    if "scenario" not in given:
        raise ScenarioError("name a scenario: --scenario sapp2030, or --list to see all")
    protocol = str(given.get("protocol", RunOptions.protocol))
    _check_name("--protocol", protocol, PROTOCOLS)
    mode = str(given.get("mode", _default_mode(protocol)))
    _check_name("--mode", mode, PROTOCOLS[protocol], f" of {protocol}")
    options = RunOptions(**{**given, "protocol": protocol, "mode": mode})
    _check_name("--decomposition", options.decomposition, DECOMPOSITIONS)
    _check_name("--products", options.products, PRODUCTS)
    _check_name("--slices", options.slices, SLICES)
    _check_resolution(options.resolution)
    _check_solver(options.solver)
    for name in ("workers", "max_steps"):
        if getattr(options, name) < 1:
            raise ScenarioError(f"--{name.replace('_', '-')} must be at least 1")
    _check_scenario(options)
    return options


def find_run(name_or_path: str, out: Path = RunOptions.out) -> Path:
    """Find the folder of an earlier run by its path or by its name under ``out``."""
    for path in (Path(name_or_path), out / name_or_path):
        if path.is_dir():
            return path
    known = sorted(p.name for p in out.iterdir() if p.is_dir()) if out.is_dir() else []
    raise ScenarioError(
        f"--resume: no run '{name_or_path}' here or in {out}{did_you_mean(name_or_path, known)}"
    )


def _default_mode(protocol: str) -> str:
    """Mode of the options where the protocol has it, else the protocol's first."""
    modes = PROTOCOLS[protocol]
    return RunOptions.mode if RunOptions.mode in modes else next(iter(modes))


def _check_name(option: str, value: str | None, known: Iterable[str], of: str = "") -> None:
    """Refuse an unknown name; None leaves the choice to the scenario."""
    if value is not None and value not in set(known):
        raise ScenarioError(f"{option}: no '{value}'{of}{did_you_mean(value, known)}")


def _check_resolution(resolution: str | None) -> None:
    if resolution is not None:
        try:
            Resolution.parse(resolution)
        except ScenarioError as error:
            raise ScenarioError(f"--resolution: {error.what}") from None


def _check_solver(solver: str) -> None:
    _check_name("--solver", solver, SOLVERS)
    if solver == "gurobi" and importlib.util.find_spec("gurobipy") is None:
        raise ScenarioError(
            "--solver gurobi: gurobipy is not installed; pip install 'dman-cep[gurobi]'"
        )


def _check_scenario(options: RunOptions) -> None:
    """Read the scenario once with everything that was asked of it."""
    try:
        scenario_folder(options.scenario)
    except ScenarioError as error:
        raise ScenarioError(f"--scenario: {error.what}", file=error.file) from None
    load_scenario(options.scenario, options.overrides)
    if options.countries is not None:
        try:
            load_scenario(options.scenario, options.overrides, options.countries)
        except ScenarioError as error:
            raise ScenarioError(f"--countries: {error.what}") from None
