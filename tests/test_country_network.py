"""A country's PyPSA network: storage in typical weeks and what limits units."""

from __future__ import annotations

import numpy as np
import pandas as pd

from agents.network import country_network
from model.options import RunOptions
from model.world import chosen_scenario
from scenarios.profiles import synthesise
from scenarios.time_axis import build_time_axis
from tests.small_worlds import TWO, small_fleet


def test_short_storage_holds_more_in_typical_weeks_and_reservoirs_do_not() -> None:
    scenario = chosen_scenario(RunOptions("sapp2030", countries=TWO))
    profiles = synthesise(scenario)
    year, weeks = (
        pd.concat(
            country_network(
                scenario, country, profiles, build_time_axis(resolution, profiles)
            ).storage_units
            for country in TWO
        )
        for resolution in ("24h", "4w24h")
    )
    factor = weeks.max_hours / year.max_hours
    reservoir = year.carrier == "hydro_reservoir"
    assert set(year.carrier) == {"battery", "PHS", "hydro_reservoir"}
    np.testing.assert_allclose(factor[reservoir], 1.0)
    # Each of four weeks stands for a quarter of a year.
    np.testing.assert_allclose(factor[~reservoir], 8760 / 168 / 4)


def test_a_full_year_in_hours_and_in_blocks_of_them() -> None:
    scenario = chosen_scenario(RunOptions("sapp2030", countries=TWO))
    profiles = synthesise(scenario)
    hours, blocks = (
        country_network(scenario, TWO[0], profiles, build_time_axis(resolution, profiles))
        for resolution in ("1h", "12h")
    )
    assert (len(hours.snapshots), len(blocks.snapshots)) == (8760, 730)
    assert (hours.snapshot_weightings == 1.0).all(axis=None)
    assert (blocks.snapshot_weightings == 12.0).all(axis=None)
    (load,) = hours.loads_t.p_set
    means = hours.loads_t.p_set[load].to_numpy().reshape(-1, 12).mean(axis=1)
    np.testing.assert_allclose(blocks.loads_t.p_set[load], means)


def test_availability_limits_what_is_built_and_what_stands() -> None:
    changes = {"coal": 0.5, "battery": 0.6}
    overrides = {f"candidates.ZA.{c}.availability": share for c, share in changes.items()}
    n = small_fleet("ZA", resolution="2w12h", **overrides)
    assert n.generators.p_max_pu["ZA coal new"] == 0.5
    assert n.generators.p_max_pu["ZA OCGT new"] == n.generators.p_max_pu["ZA OCGT"] == 0.85
    battery = n.storage_units.loc["ZA battery new"]
    assert (battery.p_max_pu, battery.p_min_pu) == (0.6, -0.6)
    wind = n.generators_t.p_max_pu
    np.testing.assert_allclose(wind["ZA onwind"], 0.855 * wind["ZA onwind new"], atol=1e-4)
