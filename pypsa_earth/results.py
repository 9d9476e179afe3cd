"""What a run on a network file leaves besides the records of every run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pypsa

from pypsa_earth.kirchhoff import Deliverable, deliverable
from pypsa_earth.scenario import inspected
from pypsa_earth.write import on_original_branches, statistics_by_country, write_countries
from scenarios.schema import Scenario

ON_LINES = "network-on-lines.nc"
STATISTICS = "statistics.csv"
COUNTRIES = "countries"


def write_results(
    folder: Path,
    scenario: Scenario,
    outcome: pypsa.Network,
    solved: Mapping[str, pypsa.Network],
    flows_mw: Mapping[str, np.ndarray],
    net_import_mw: Mapping[str, np.ndarray],
    trade_carrier: str,
) -> Deliverable:
    """Write the outcome on the file's own lines, the countries' networks and their statistics.

    Parameters
    ----------
    folder : Path
        The run's.
    scenario : Scenario
        Of kind ``network``.
    outcome : pypsa.Network
        Countries joined by Links of ``trade_carrier``.
    solved : mapping of str to pypsa.Network
        The countries' own networks at the negotiated exchange.
    flows_mw, net_import_mw : mapping of str to ndarray
        By interconnector and by country, MW per snapshot.
    trade_carrier : str

    Returns
    -------
    Deliverable
        How much of the exchange linear power flow could carry.
    """
    source = scenario.settings.network
    assert source is not None
    original, _ = inspected(source, scenario.codes)
    n = on_original_branches(outcome, original, scenario.interconnectors, flows_mw, trade_carrier)
    n.export_to_netcdf(str(folder / ON_LINES))
    statistics_by_country(n).to_csv(folder / STATISTICS)
    write_countries(folder / COUNTRIES, solved)
    return deliverable(n, net_import_mw)


def in_words(result: Deliverable) -> str:
    """The result of the test against linear power flow, in a few words."""
    return (
        f"linear power flow can carry {result.share:.1%} of the net positions, "
        f"all of them in {result.snapshots_share:.0%} of the hours"
    )
