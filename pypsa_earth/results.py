"""What a run on a network file leaves besides the records of every run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pypsa

from pypsa_earth.border import Border, borders, firm_crossings, firm_import_mw
from pypsa_earth.branches import Crossing
from pypsa_earth.kirchhoff import Deliverable, deliverable
from pypsa_earth.scenario import inspected
from pypsa_earth.shadow_prices import SolvedCountry, shadow_prices
from pypsa_earth.write import on_original_branches, statistics_by_country, write_countries
from scenarios.schema import Scenario

ON_LINES = "network-on-lines.nc"
STATISTICS = "statistics.csv"
COUNTRIES = "countries"
SHADOW_PRICES = "shadow-prices.csv"
# Fictitious energy below this is the solver's rounding.
_NOTHING_MWH = 1.0


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
    file = FileBorders.of(scenario)
    n = file.with_branches(outcome, flows_mw, trade_carrier)
    n.export_to_netcdf(str(folder / ON_LINES))
    statistics_by_country(n).to_csv(folder / STATISTICS)
    write_countries(folder / COUNTRIES, {c: own.with_limits() for c, own in solved.items()})
    shadow_prices(solved).to_csv(folder / SHADOW_PRICES, index=False)
    every = {c: mw + firm_import_mw(file.firm, c) for c, mw in net_import_mw.items()}
    return deliverable(n, every)


@dataclass(frozen=True)
class FileBorders:
    """A network file and what crosses borders in it.

    Attributes
    ----------
    original : pypsa.Network
    borders : list of Border
    firm : list of Crossing
        Branches that must carry something.
    """

    original: pypsa.Network
    borders: list[Border]
    firm: list[Crossing]

    @classmethod
    def of(cls, scenario: Scenario) -> FileBorders:
        """Read the file of a scenario of kind ``network`` again."""
        source = scenario.settings.network
        assert source is not None
        original, _ = inspected(source, scenario.codes)
        made = borders(original, scenario.codes, contracts=source.contracts)
        return cls(original, made, firm_crossings(original, scenario.codes, source.contracts))

    def with_branches(
        self, outcome: pypsa.Network, flows_mw: Mapping[str, np.ndarray], trade_carrier: str
    ) -> pypsa.Network:
        """Outcome with its flows on the file's own branches; see :func:`write_results`."""
        return on_original_branches(
            outcome, self.original, self.borders, self.firm, flows_mw, trade_carrier
        )


def in_words(result: Deliverable) -> str:
    """The result of the test against linear power flow, in a few words."""
    helped = (
        f", with {result.fictitious_mwh / 1e3:,.3g} GWh of load shed or energy thrown away beyond "
        "the outcome's own"
        if result.fictitious_mwh > _NOTHING_MWH
        else ""
    )
    return (
        f"linear power flow can carry {result.share:.1%} of the net positions, "
        f"all of them in {result.snapshots_share:.0%} of the hours{helped}"
    )
