"""What the user may choose: the known values, and one-line errors for unknown ones.

Everything here is light, so that a wrong word is answered before any modelling tool is loaded.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from agents.strategy import STRATEGIES
from model.options import RunOptions
from model.players import (
    check_rules,
    chosen_perturbation,
    chosen_protocol,
    chosen_strategies,
)
from model.settlement import SETTLEMENTS
from protocols.plugins import Family, PluginError
from protocols.registry import advice, protocol_class, protocol_modes
from pypsa_earth.names import is_network_file
from scenarios.errors import ScenarioError, did_you_mean
from scenarios.loader import list_scenarios, load_scenario, scenario_folder
from scenarios.resolution import Resolution
from scenarios.schema import Scenario

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


def describe_protocols() -> list[tuple[str, ...]]:
    """Name, mode and first line of the docstring, promise and disclosure of every protocol."""
    rows: list[tuple[str, ...]] = []
    for name, modes in protocol_modes().items():
        for mode in modes:
            try:
                kind = protocol_class(name, mode)
            except PluginError as error:
                rows.append((name, mode, str(error)))
                continue
            promise = (
                "nobody loses against autarky" if kind.promises_no_loss else "somebody may lose"
            )
            told = f"{promise}; discloses {kind.discloses}"
            rows.append((name, mode, f"{_first_line(kind)}\n{told}"))
    return rows


def describe_choices() -> dict[str, list[tuple[str, ...]]]:
    """Everything that can be chosen by name: kind of choice -> rows of name and description."""
    choices: dict[str, Mapping[str, str]] = {
        "--products": PRODUCTS,
        "--slices": SLICES,
        "--decomposition": DECOMPOSITIONS,
        "--resolution": RESOLUTIONS,
        "--solver": SOLVERS,
    }
    return {
        "--scenario": list(list_scenarios().items()),
        "--protocol, --mode": describe_protocols(),
        "--strategy": _describe(STRATEGIES),
        "--settlement": _describe(SETTLEMENTS),
        **{option: list(rows.items()) for option, rows in choices.items()},
    }


def _describe(family: Family) -> list[tuple[str, ...]]:
    """Name and description of all members; of one that cannot be loaded, why."""
    rows: list[tuple[str, ...]] = []
    for name in family.names():
        try:
            kind = family.load(name)
        except PluginError as error:
            rows.append((name, str(error)))
            continue
        told = f"\ndiscloses {kind.discloses}" if hasattr(kind, "discloses") else ""
        rows.append((name, _first_line(kind) + told))
    return rows


def _first_line(kind: type) -> str:
    return next(iter((kind.__doc__ or "").strip().splitlines()), "")


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
    named = str(given.get("protocol", RunOptions.protocol))
    protocol, mode = choose_protocol(named, given.get("mode"))
    options = RunOptions(**{**given, "protocol": protocol, "mode": mode})
    check_options(options)
    return options


def check_options(options: RunOptions) -> None:
    """Refuse what cannot be run; protocol and mode are known already.

    Raises
    ------
    ScenarioError
        In one line, with the nearest known name.
    """
    _check_name("--settlement", options.settlement, SETTLEMENTS.names())
    _check_name("--decomposition", options.decomposition, DECOMPOSITIONS)
    _check_name("--products", options.products, PRODUCTS)
    _check_name("--slices", options.slices, SLICES)
    _check_resolution(options.resolution)
    _check_solver(options.solver)
    for name in ("workers", "max_steps"):
        if getattr(options, name) < 1:
            raise ScenarioError(f"--{name.replace('_', '-')} must be at least 1")
    check_time_limit(options.planner_time_limit_s)
    _check_scenario(options)
    _check_players(options)


def check_time_limit(seconds: float | None) -> None:
    """Refuse a time limit of the planner that is none.

    Raises
    ------
    ScenarioError
        If it is not a number of seconds above zero.
    """
    if seconds is not None and not 0 < seconds < math.inf:
        raise ScenarioError(
            f"--planner-time-limit {seconds:g}: give seconds above 0, or --no-planner"
        )


def choose_protocol(protocol: str, mode: str | None) -> tuple[str, str]:
    """Name and mode of a protocol; None takes the mode of the options' defaults if it has that.

    Raises
    ------
    ScenarioError
        If there is no such protocol or mode, with the nearest known name.
    """
    modes = protocol_modes()
    if protocol not in modes:
        raise ScenarioError(f"--protocol: no '{protocol}'{advice(protocol)}")
    chosen = mode or _default_mode(modes[protocol])
    _check_name("--mode", chosen, modes[protocol], f" of {protocol}")
    return protocol, chosen


def find_run(name_or_path: str, out: Path = RunOptions.out) -> Path:
    """Find the folder of an earlier run by its path or by its name under ``out``."""
    for path in (Path(name_or_path), out / name_or_path):
        if path.is_dir():
            return path
    known = sorted(p.name for p in out.iterdir() if p.is_dir()) if out.is_dir() else []
    raise ScenarioError(
        f"no run '{name_or_path}' here or in {out}{did_you_mean(name_or_path, known)}"
    )


def _default_mode(modes: tuple[str, ...]) -> str:
    """Mode of the options where the protocol has it, else the protocol's first."""
    return RunOptions.mode if RunOptions.mode in modes else modes[0]


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


def _check_players(options: RunOptions) -> None:
    """Make protocol and strategies once, so that wrong parameters are told early."""
    scenario = _load(options)
    try:
        chosen_protocol(options)
        chosen_perturbation(options)
        chosen_strategies(options, scenario)
        check_rules(options, scenario)
    except PluginError as error:
        raise ScenarioError(str(error)) from None


def _load(options: RunOptions) -> Scenario:
    if is_network_file(options.scenario):
        from pypsa_earth.scenario import network_scenario

        return network_scenario(options.scenario, options.overrides, options.countries)
    return load_scenario(options.scenario, options.overrides, options.countries)


def _check_scenario(options: RunOptions) -> None:
    """Read the scenario once with everything that was asked of it."""
    if is_network_file(options.scenario):
        _check_network_options(options)
        return
    try:
        scenario_folder(options.scenario)
    except ScenarioError as error:
        raise ScenarioError(f"--scenario: {error.what}", file=error.file) from None
    whole = load_scenario(options.scenario, options.overrides)
    if whole.settings.kind == "cost_curves":
        _check_curve_options(options)
    if options.countries is not None:
        try:
            load_scenario(options.scenario, options.overrides, options.countries)
        except ScenarioError as error:
            raise ScenarioError(f"--countries: {error.what}") from None


def _check_curve_options(options: RunOptions) -> None:
    """Refuse what means nothing where a country is a cost curve."""
    given = {"resolution": options.resolution, "slices": options.slices}
    if options.solver != RunOptions.solver:
        given["solver"] = options.solver
    for name, value in given.items():
        if value is not None:
            raise ScenarioError(
                f"--{name} {value}: the countries of {options.scenario} are cost curves, which "
                "have no weather, no slices and no solver; leave it out"
            )


def _check_network_options(options: RunOptions) -> None:
    """Refuse what a network file already decides."""
    if options.resolution is not None:
        raise ScenarioError(
            "--resolution: a network file has its own snapshots; cut them with "
            "--set network.window=168"
        )
    if options.decomposition == "independent":
        raise ScenarioError("--decomposition independent is not made for network files")
