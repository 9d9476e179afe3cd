"""A network file as a scenario: what the rest of the program needs to know of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pypsa
from pydantic import ValidationError

from pypsa_earth import shedding
from pypsa_earth.active import drop_inactive
from pypsa_earth.border import (
    Border,
    add_branches,
    add_firm,
    borders,
    firm_crossings,
    limits_of,
)
from pypsa_earth.branches import is_solved
from pypsa_earth.carriers import define_carriers
from pypsa_earth.check import check
from pypsa_earth.countries import (
    country_of_bus,
    is_electric,
    load_mwh,
    remember_grid,
)
from pypsa_earth.findings import Report
from pypsa_earth.integers import relax
from pypsa_earth.national import read_national
from pypsa_earth.numbers import holes_in_file
from pypsa_earth.options import FileOptions, file_options
from pypsa_earth.read import file_hash, find_network, load_network
from pypsa_earth.split import CountryPart, national_rules, split
from pypsa_earth.weights import Weights
from scenarios.errors import ScenarioError, explain_unknown
from scenarios.interconnectors import change_interconnectors
from scenarios.overrides import CellChange
from scenarios.schema import Country, Interconnector, NetworkFile, Scenario, Settings
from scenarios.tables import explain
from scenarios.time_axis import Resolution, TimeAxis
from scenarios.yaml_file import parse_value

__all__ = [
    "axis_of_network",
    "country_parts",
    "inspected",
    "network_scenario",
    "source_of",
]

# Settings that mean something for a network file; costs, demand and the like are in the file.
SETTINGS = ("products", "slices", "seed", "wheeling_eur_per_mwh", "strategies", "title")
_BLOCKS_H = (1, 2, 3, 4, 6, 8, 12, 24)


def network_scenario(
    path: str | Path,
    overrides: Mapping[str, object] | None = None,
    countries: Sequence[str] | None = None,
) -> Scenario:
    """Describe a network file as a scenario.

    Parameters
    ----------
    path : str or Path
    overrides : mapping of str to value
        ``network.<key>`` (see :class:`scenarios.schema.NetworkFile`), ``interconnectors.A-B.<key>``
        and the settings in :data:`SETTINGS`.
    countries : sequence of str, optional
        Countries that take part; all by default.

    Raises
    ------
    ScenarioError
        If the file cannot be used, with the first reason.
    """
    file = find_network(path)
    source, settings, changes = _sort(file, overrides or {})
    n, report = inspected(source, countries)
    report.refuse(file)
    told = tuple(str(finding) for finding in report.warnings)
    chosen = list(countries) if countries else sorted(set(country_of_bus(n)))
    wheeling = float(settings.pop("wheeling_eur_per_mwh", 0.0))
    made_of = borders(n, chosen, wheeling, source.contracts)
    price = _shedding_price(source, n)
    hours = n.snapshot_weightings.objective
    made = {
        "name": _plain_name(file),
        "title": str(settings.pop("title", f"{file.stem}, {len(chosen)} countries")),
        "description": str(n.name),
        "kind": "network",
        "network": source.model_copy(update={"warnings": told}),
        "year": pd.DatetimeIndex(n.snapshots)[0].year,
        "resolution": f"{_block_h(n.snapshots)}h",
        "products": "hourly",
        "value_of_lost_load_eur_per_mwh": price or shedding.DEFAULT_PRICE_EUR_PER_MWH,
        "snapshots": len(hours),
        **settings,
    }
    try:
        return Scenario(
            settings=Settings.model_validate(made),
            countries=tuple(_country(n, code, file) for code in chosen),
            interconnectors=_changed(made_of, changes),
        )
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ScenarioError(f"--set {key}: {explain(first, key)}") from None


def source_of(path: str | Path, overrides: Mapping[str, object]) -> NetworkFile:
    """Which file is read, and how, of all that was asked for."""
    return _sort(find_network(path), overrides)[0]


def country_parts(scenario: Scenario) -> dict[str, CountryPart]:
    """Networks and rules of the countries of a scenario that describes a network file.

    Each has load shedding and, where its interconnectors land, disposal at the same price, unless
    ``load_shedding`` is off.

    Raises
    ------
    ScenarioError
        If the file, or that of national values, has changed since the scenario was made.
    """
    source = scenario.settings.network
    assert source is not None
    file = find_network(source.path)
    if file_hash(file) != source.sha256:
        raise ScenarioError("the network file has changed since the run began", file=file)
    if _national_hash(source.national) != source.national_sha256:
        raise ScenarioError(
            "the national values have changed since the run began", file=source.national
        )
    n, _ = inspected(source, scenario.codes)
    options = file_options(n, file)
    rules = national_rules(
        n,
        options,
        co2=source.co2,
        transmission_limit=source.transmission_limit,
        values=read_national(source.national),
    )
    price = _shedding_price(source, n)
    exchange = sum(e.a_to_b_mw + e.b_to_a_mw for e in scenario.interconnectors)
    bound = shedding.bound_mw(n, exchange)
    shedding.limit(n, bound)
    if price is not None and source.load_shedding != "off":
        shedding.add_shedding(n, price, bound)
    made = borders(n, scenario.codes, contracts=source.contracts)
    firm = firm_crossings(n, scenario.codes, source.contracts)
    parts = {}
    for country, network in split(n, scenario.codes).items():
        for border in made:
            add_branches(network, country, border, price)
        add_firm(network, country, firm)
        if price is not None:
            landing = sorted({bus for b in made for bus in b.landing_buses(country)})
            shedding.add_disposal(network, landing, price, bound)
        parts[country] = CountryPart(country, network, rules[country], limits_of(made, country))
    return parts


def inspected(
    source: NetworkFile, countries: Sequence[str] | None = None
) -> tuple[pypsa.Network, Report]:
    """Read a network as its options say and check it; units and availabilities made regular."""
    asked = source.model_copy(update={"warnings": ()})
    chosen = None if countries is None else tuple(countries)
    if chosen is not None and sorted(chosen) == sorted(set(country_of_bus(_read(asked)))):
        chosen = None
    n, report = _inspected(asked, chosen)
    return n.copy(), Report(list(report.errors), list(report.warnings))


# A run looks at its file four times; a copy takes a tenth of the time.
@lru_cache(maxsize=1)
def _inspected(
    source: NetworkFile, countries: tuple[str, ...] | None
) -> tuple[pypsa.Network, Report]:
    file = find_network(source.path)
    n = _read(source).copy()
    holes = holes_in_file(file, n)
    inactive = drop_inactive(n)
    if source.electric_carriers:
        remember_grid(n, source.electric_carriers)
    options = file_options(n, file)
    national = read_national(source.national)
    report = check(n, options, countries, national, source)
    report.errors += holes.errors
    report.warnings += holes.warnings
    report.warnings += inactive
    if not report.errors:
        remember_grid(n, source.electric_carriers)
        if source.integers == "relax":
            report.warnings += relax(n)
        shedding.normalise(n)
        define_carriers(n)
        if not is_solved(n):
            _clip(n, options)
        if source.load_shedding == "off":
            n.remove("Generator", shedding.shedding_generators(n))
    return n, report


def _read(source: NetworkFile) -> pypsa.Network:
    file = find_network(source.path)
    return _loaded(file, source.sha256, source.window, source.weights, source.years)


@lru_cache(maxsize=1)
def _loaded(
    file: Path, sha256: str, window: str, weights: Weights, years: float | None
) -> pypsa.Network:
    """The network as it is read, told apart by what is in the file; nobody may change it."""
    del sha256
    return load_network(file, window, weights, years)


def axis_of_network(snapshots: pd.Index, weights_h: np.ndarray) -> TimeAxis:
    """Time axis of a network's own snapshots."""
    times = pd.DatetimeIndex(snapshots)
    block_h = _block_h(times)
    hours = pd.date_range(times[0].normalize(), times[-1] + pd.Timedelta(hours=block_h), freq="h")
    return TimeAxis(
        resolution=Resolution.parse(f"{block_h}h"),
        hours=hours,
        chosen_hours=hours,
        snapshots=times,
        weights_h=pd.Series(weights_h, index=times, name="weight_h"),
        period=pd.Series(0, index=times, name="period"),
        repetition=1.0,
    )


def _sort(
    file: Path, overrides: Mapping[str, object]
) -> tuple[NetworkFile, dict[str, Any], list[CellChange]]:
    """Sort changes into the network's options, settings and interconnectors."""
    options: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    changes = []
    found = ("path", "sha256", "national_sha256", "warnings")
    names = [name for name in NetworkFile.model_fields if name not in found]
    known = [f"network.{name}" for name in names]
    for key, value in overrides.items():
        parts = key.split(".")
        if parts[0] == "network" and len(parts) == 2 and key in known:
            options[parts[1]] = str(value)
        elif parts[0] == "interconnectors" and len(parts) == 3:
            changes.append(CellChange(parts[0], parts[1], parts[2], value))
        elif len(parts) == 1 and parts[0] in SETTINGS:
            settings[key] = parse_value(value) if isinstance(value, str) else value
        else:
            advice = explain_unknown(key, [*known, *SETTINGS])
            raise ScenarioError(f"--set {key}: not an option of a network file{advice}")
    if options.get("national"):
        options["national"] = str(Path(options["national"]).resolve())
        options["national_sha256"] = _national_hash(options["national"])
    try:
        source = NetworkFile(path=str(file.resolve()), sha256=file_hash(file), **options)
    except ValidationError as error:
        first = error.errors()[0]
        raise ScenarioError(f"--set network.{first['loc'][0]}: {first['msg']}") from None
    _check_price(source.load_shedding)
    return source, settings, changes


def _national_hash(path: str) -> str:
    """What is in a file of national values, empty for none."""
    read_national(path)  # says in words why a file cannot be read
    return file_hash(Path(path)) if path else ""


def _check_price(text: str) -> None:
    if text in ("auto", "off"):
        return
    try:
        if float(text) > 0:
            return
    except ValueError:
        pass
    raise ScenarioError(f"--set network.load_shedding={text}: give auto, off or a price in EUR/MWh")


def _shedding_price(source: NetworkFile, n: pypsa.Network) -> float | None:
    """Price of shed load, EUR/MWh; None if nothing is shed."""
    if source.load_shedding == "off":
        return None
    own = shedding.price_eur_per_mwh(n)
    if source.load_shedding != "auto":
        return max(float(source.load_shedding), own or 0.0)
    named = file_options(n, source.path).shedding_eur_per_mwh
    return own or named or shedding.DEFAULT_PRICE_EUR_PER_MWH


def _clip(n: pypsa.Network, options: FileOptions) -> None:
    """Small availabilities and inflows count as zero, as when PyPSA-Earth solves."""
    if options.clip <= 0:
        return
    for dynamic, attribute in (
        (n.generators_t, "p_max_pu"),
        (n.generators_t, "p_min_pu"),
        (n.storage_units_t, "inflow"),
    ):
        dynamic[attribute] = dynamic[attribute].where(dynamic[attribute] > options.clip, 0.0)


def _changed(
    made_of: Sequence[Border], changes: Sequence[CellChange]
) -> tuple[Interconnector, ...]:
    """Interconnectors with the changes asked for, if their branches can follow them."""
    changed = change_interconnectors([border.edge for border in made_of], changes)
    for border, edge in zip(made_of, changed, strict=True):
        known = border.edge
        if not border.host or edge == known:
            continue
        if edge.loss != known.loss:
            raise ScenarioError(
                f"--set interconnectors.{edge.name}.loss: its branches have losses of their own, "
                "which the file says"
            )
        for now, most in ((edge.a_to_b_mw, known.a_to_b_mw), (edge.b_to_a_mw, known.b_to_a_mw)):
            if now > most:
                raise ScenarioError(
                    f"--set interconnectors.{edge.name}: the file's branches carry at most "
                    f"{most:g} MW; change the file for more"
                )
    return changed


def _country(n: pypsa.Network, code: str, file: Path) -> Country:
    """Where a country is: its buses, weighted by load."""
    own = n.buses[(country_of_bus(n) == code) & is_electric(n)]
    weight = load_mwh(n).reindex(own.index).fillna(0.0).to_numpy() + 1e-9
    x, y = float(own.x @ weight / weight.sum()), float(own.y @ weight / weight.sum())
    on_earth = abs(x) <= 180 and abs(y) <= 90
    return Country(
        country=code,
        name=code,
        latitude=y if on_earth else 0.0,
        longitude=x if on_earth else 0.0,
        source=file.name,
    )


def _block_h(snapshots: pd.Index) -> int:
    """Hours of a block, one if they differ."""
    times = pd.DatetimeIndex(snapshots)
    steps = set(np.diff(times.to_numpy()) / np.timedelta64(1, "h")) if len(times) > 1 else {1.0}
    step = int(next(iter(steps))) if len(steps) == 1 else 1
    return step if step in _BLOCKS_H else 1


def _plain_name(file: Path) -> str:
    return "".join(c if c.isalnum() or c in "_-" else "_" for c in file.stem)
