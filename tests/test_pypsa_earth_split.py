"""Reading and splitting networks: nothing is lost, nothing is in two places, costs add up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pypsa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pypsa_earth import shedding
from pypsa_earth.border import borders, capacity_mw, shares_of
from pypsa_earth.branches import COLUMNS, cross_border
from pypsa_earth.countries import BRANCHES, ONE_PORTS, country_of_bus, ports_of
from pypsa_earth.options import file_options
from pypsa_earth.read import load_network
from pypsa_earth.references import solve_whole
from pypsa_earth.split import national_rules, split
from scenarios.errors import ScenarioError
from tests.real_networks import every_name, real
from tests.small_networks import CONVENTIONS, sapp_like, written


def components(n: pypsa.Network) -> dict[str, set[str]]:
    return {c: set(n.c[c].static.index) for c in ("Bus", *ONE_PORTS, *BRANCHES)}


def assert_nothing_lost(n: pypsa.Network) -> None:
    whole, table = components(n), cross_border(n)
    parts = split(n)
    for component, names in whole.items():
        cut = set(table["name"][table.component == component])
        kept = [components(part)[component] for part in parts.values()]
        assert sum(len(k) for k in kept) + len(cut) == len(names), component
        assert set().union(*kept, cut) == names, component


def test_every_component_is_in_one_country_or_cut() -> None:
    assert_nothing_lost(sapp_like("kW"))


@pytest.mark.parametrize("name", every_name())
def test_real_files_split_without_loss(name: str) -> None:
    assert_nothing_lost(real(name, "8"))


def test_no_part_reaches_abroad() -> None:
    n = sapp_like()
    for country, part in split(n).items():
        assert set(country_of_bus(part)) == {country}
        for component in BRANCHES:
            buses = set(np.unique(ports_of(part, component).to_numpy())) - {""}
            assert buses <= set(part.buses.index)
        assert not len(part.global_constraints)
        assert part.meta == n.meta
    assert set(n.links.index) >= {"NA-BW"}  # the original is untouched


def test_hydrogen_pipes_are_cut_in_pairs_and_listed_apart() -> None:
    table = cross_border(sapp_like()).set_index("name")
    assert list(table.columns) == [c for c in COLUMNS if c != "name"]
    pipes = table[table.kind == "h2"]
    assert len(pipes) == 2
    assert not any(
        "pipeline" in name for part in split(sapp_like()).values() for name in part.links.index
    )
    found = borders(sapp_like(), ("BW", "NA", "ZA"), 1.0)
    assert [b.edge.name for b in found] == ["BW-NA", "BW-ZA", "NA-ZA"]


def test_interconnector_lands_where_its_lines_end() -> None:
    edges = {b.edge.name: b.edge for b in borders(sapp_like(), ("BW", "NA", "ZA"))}
    line = edges["NA-ZA"]
    assert line.a_to_b_mw == pytest.approx(0.7 * 800) and line.b_to_a_mw == line.a_to_b_mw
    landing = {b.bus_b: b.share for b in line.branches}
    assert landing == {"ZA1 0": pytest.approx(3 / 8), "ZA1 1": pytest.approx(5 / 8)}
    assert edges["BW-NA"].loss == pytest.approx(0.03)
    assert edges["BW-NA"].a_to_b_mw == edges["BW-NA"].b_to_a_mw == 200.0


@settings(max_examples=60, deadline=None)
@given(
    arrays(float, (3, 2, 4), elements=st.floats(0, 1e4).map(lambda x: round(x, 3))),
    st.integers(1, 3),
)
def test_no_branch_is_asked_for_more_than_it_has(limits_mw: np.ndarray, groups: int) -> None:
    there, back = limits_mw[:groups, 0], limits_mw[:groups, 1]
    if not (there.any() or back.any()):
        return
    shares = shares_of(there, back)
    assert shares.sum() == pytest.approx(1.0)
    for branches in (there, back):
        flow = capacity_mw(branches, shares)
        assert (shares[:, None] * flow <= branches * (1 + 1e-9) + 1e-9).all()


def test_namibia_survives_a_file(tmp_path: Path) -> None:
    n = load_network(written(tmp_path))
    assert set(country_of_bus(n)) == {"BW", "LS", "NA", "ZA"}
    assert country_of_bus(n)["NA1 0 H2"] == "NA"  # inherited


def test_a_window_stands_for_the_year(tmp_path: Path) -> None:
    path = written(tmp_path)
    for window, length in (("8", 8), ("4:10", 6), ("2013-06-01..2013-06-01", 8)):
        n = load_network(path, window)
        assert len(n.snapshots) == length
        paid, passed = n.snapshot_weightings[["objective", "generators"]], 8760.0 / 16 * length
        assert paid.sum().tolist() == pytest.approx([8760.0] * 2)
        assert n.snapshot_weightings.stores.sum() == pytest.approx(passed)
    assert load_network(path, "8", "keep").snapshot_weightings.objective.sum() == pytest.approx(
        4380
    )


def test_each_kind_of_weight_keeps_its_sum(tmp_path: Path) -> None:
    n = sapp_like()
    hours = n.snapshot_weightings.objective
    n.snapshot_weightings["generators"] = hours / 2
    n.export_to_netcdf(str(tmp_path / "halves.nc"))
    whole = load_network(tmp_path / "halves.nc").snapshot_weightings
    assert np.array_equal(whole.generators, hours / 2)
    cut = load_network(tmp_path / "halves.nc", "8").snapshot_weightings.sum()
    assert cut.generators == pytest.approx(cut.objective / 2)
    assert cut.objective == pytest.approx(hours.sum())


@pytest.mark.parametrize("window", ["x", "5:4", "100:120", "2019-01-01..2019-01-02", "0"])
def test_a_wrong_window_is_told(tmp_path: Path, window: str) -> None:
    with pytest.raises(ScenarioError, match="window"):
        load_network(written(tmp_path), window)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = written(tmp_path)
    half = tmp_path / "half.nc"
    half.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ScenarioError, match=r"half\.nc: cannot be read"):
        load_network(half)
    with pytest.raises(ScenarioError, match=r"did you mean 'half\.nc'"):
        load_network(tmp_path / "hafl.nc")
    sapp_like().export_to_csv_folder(str(tmp_path / "csv"))
    with pytest.raises(ScenarioError, match="NA"):
        load_network(tmp_path / "csv")


def without_borders(n: pypsa.Network) -> pypsa.Network:
    """Copy of the whole network in which everything that crosses a border is cut.

    The same as PyPSA-Earth's option ATKc: the autarky reference of all countries at once.
    """
    cut = n.copy()
    table = cross_border(n)
    for component, rows in table.groupby("component"):
        cut.remove(str(component), pd.Index(rows.name))
    if len(cut.sub_networks):
        cut.remove("SubNetwork", cut.sub_networks.index)
    return cut


def test_countries_alone_cost_what_the_whole_without_borders_costs() -> None:
    n = sapp_like("kW")
    rules = national_rules(n, file_options(n))
    whole = solve_whole(_free(without_borders(n)), rules).cost_eur
    alone = sum(
        solve_whole(part, {c: rules[c]}).cost_eur for c, part in split(n).items() if c != "LS"
    )
    assert alone == pytest.approx(whole, rel=1e-9)


@pytest.mark.parametrize("name", ["NG_BJ", "8c", "14c"])
def test_real_countries_alone_cost_what_the_whole_without_borders_costs(name: str) -> None:
    n = real(name, {"NG_BJ": "", "8c": "24", "14c": "4"}[name])
    shedding.normalise(n)
    rules = national_rules(n, file_options(n), co2="none")
    whole = solve_whole(_free(without_borders(n)), rules).cost_eur
    alone = sum(solve_whole(part, {c: rules[c]}).cost_eur for c, part in split(n).items())
    assert alone == pytest.approx(whole, rel=1e-9)


@pytest.mark.parametrize("name", ["NG_BJ", "14c"])
def test_solving_again_repeats_the_stored_objective(name: str) -> None:
    n = real(name)
    stored = n._objective + n._objective_constant
    assert solve_whole(n).cost_eur == pytest.approx(stored, rel=1e-6)


def test_three_conventions_of_shedding_cost_the_same() -> None:
    costs = []
    for convention in CONVENTIONS:
        n = sapp_like(convention)
        n.generators.loc[n.generators.carrier == "coal", "p_nom"] *= 0.4
        n.generators.loc[n.generators.carrier == "OCGT", "capital_cost"] = 2e6
        before = len(shedding.shedding_generators(n))
        assert before >= 5
        shedding.normalise(n)
        shedding.limit(n, shedding.bound_mw(n, 0.0))
        assert (n.generators.sign == 1).all()
        assert n.generators.p_nom.max() < 1e5
        solved = solve_whole(n)
        own = shedding.shedding_generators(n)
        hours = n.snapshot_weightings.objective
        assert (hours @ solved.network.generators_t.p[own]).sum() > 1e5  # MWh, so that it matters
        costs.append(solved.cost_eur)
    assert costs[1:] == pytest.approx(costs[:1] * 2, rel=1e-7)


def test_kilowatts_of_a_real_file() -> None:
    n = real("NG_BJ")
    own = shedding.shedding_generators(n)
    hours = n.snapshot_weightings.objective
    factors = shedding.normalise(n)
    assert set(factors) == set(own) and set(factors.values()) == {1e-3}
    assert (hours @ n.generators_t.p[own]).sum() == pytest.approx(14_592, rel=1e-3)
    assert n.generators.marginal_cost[own].tolist() == pytest.approx([1010] * 6, rel=1e-2)


def test_transfer_capacities_of_real_files() -> None:
    n = real("14c", "1")
    table = cross_border(n)
    assert (table.component == "Line").sum() == 32 and (table.component == "Link").sum() == 2
    edges = {b.edge.name: b.edge for b in borders(n, set(table.country0) | set(table.country1))}
    assert len(edges) == 25
    assert edges["AT-CH"].a_to_b_mw == pytest.approx(4755, abs=1)
    assert edges["CH-DE"].a_to_b_mw == pytest.approx(19019, abs=1)
    table = cross_border(real("3c", "1"))
    assert list(zip(table.component, table.ntc_fwd_mw.round(), strict=True)) == [
        ("Line", 5568.0),
        ("Line", 3206.0),
        ("Link", 1000.0),
        ("Link", 1000.0),
    ]


def _free(n: pypsa.Network) -> pypsa.Network:
    """Without limits on all countries together, which the national rules stand for."""
    if len(n.global_constraints):
        n.remove("GlobalConstraint", n.global_constraints.index)
    return n
