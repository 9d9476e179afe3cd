"""What a run on a network file leaves besides the records of every run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pypsa

from pypsa_earth.kirchhoff import Deliverable, deliverable
from pypsa_earth.scenario import inspected
from pypsa_earth.shadow_prices import SolvedCountry, shadow_prices
from pypsa_earth.write import on_original_branches, statistics_by_country, write_countries
from scenarios.schema import Scenario

ON_LINES = "network-on-lines.nc"
STATISTICS = "statistics.csv"
COUNTRIES = "countries"
SHADOW_PRICES = "shadow-prices.csv"


def write_results(
    folder: Path,
    scenario: Scenario,
    outcome: pypsa.Network,
    solved: Mapping[str, SolvedCountry],
    flows_mw: Mapping[str, np.ndarray],
    net_import_mw: Mapping[str, np.ndarray],
    trade_carrier: str,
) -> Deliverable:
    """Write the outcome on the file's own lines, the countries' networks, statistics and prices.

    Parameters
    ----------
    folder : Path
        The run's.
    scenario : Scenario
        Of kind ``network``.
    outcome : pypsa.Network
        Countries joined by Links of ``trade_carrier``.
    solved : mapping of str to SolvedCountry
        The countries at the negotiated exchange.
    flows_mw, net_import_mw : mapping of str to ndarray
        By interconnector and by country, MW per snapshot.
    trade_carrier : str

    Returns
    -------
    Deliverable
        How much of the exchange linear power flow could carry.
    """
    n = on_lines(scenario, outcome, flows_mw, trade_carrier)
    n.export_to_netcdf(str(folder / ON_LINES))
    statistics_by_country(n).to_csv(folder / STATISTICS)
    write_countries(folder / COUNTRIES, {c: own.with_limits() for c, own in solved.items()})
    shadow_prices(solved).to_csv(folder / SHADOW_PRICES, index=False)
    return deliverable(n, net_import_mw)


def on_lines(
    scenario: Scenario,
    outcome: pypsa.Network,
    flows_mw: Mapping[str, np.ndarray],
    trade_carrier: str,
) -> pypsa.Network:
    """Outcome with its flows on the file's own cross-border branches; see :func:`write_results`."""
    source = scenario.settings.network
    assert source is not None
    original, _ = inspected(source, scenario.codes)
    return on_original_branches(
        outcome, original, scenario.interconnectors, flows_mw, trade_carrier
    )


def in_words(result: Deliverable) -> str:
    """The result of the test against linear power flow, in a few words."""
    return (
        f"linear power flow can carry {result.share:.1%} of the net positions, "
        f"all of them in {result.snapshots_share:.0%} of the hours"
    )
