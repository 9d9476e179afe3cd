"""The joint network is the countries' networks, merged."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import pypsa
import pytest

from model.joint import joint_network
from model.options import RunOptions
from model.reporting import Reporter
from model.world import build_fleets, chosen_scenario
from pypsa_earth.scenario import country_parts
from tests.small_networks import sapp_like, written


def merged(networks: list[pypsa.Network]) -> pypsa.Network:
    """By PyPSA, one by one."""
    n = networks[0].copy()
    for other in networks[1:]:
        n.merge(other, components_to_skip=["Carrier"], inplace=True)
    return n


def same(networks: dict[str, pypsa.Network]) -> None:
    ours = joint_network(networks, nx.Graph())
    ours.remove("Carrier", "trade")
    theirs = merged(list(networks.values()))
    theirs.name = ours.name
    assert ours.equals(theirs, log_mode="strict")
    for c in theirs.components.values():
        other = ours.c[c.name]
        assert list(other.static.index) == list(c.static.index)
        assert list(other.static.columns) == list(c.static.columns)
        assert {k: list(v.columns) for k, v in other.dynamic.items()} == {
            k: list(v.columns) for k, v in c.dynamic.items()
        }


def fleets() -> dict[str, pypsa.Network]:
    countries = ("ZA", "MZ", "BW")
    chosen = RunOptions("sapp2030", countries=countries, resolution="1w12h")
    return build_fleets(chosen_scenario(chosen), Reporter())[0].networks


@pytest.mark.parametrize("solved", [False, True])
def test_of_fleets(solved: bool) -> None:
    """Results are series of each component, also of those that have none yet."""
    networks = fleets()
    if solved:
        networks["MZ"].optimize(solver_name="highs", output_flag=False)
    same(networks)


def test_of_a_file(tmp_path: Path) -> None:
    scenario = chosen_scenario(RunOptions(str(written(tmp_path, lambda n: None))))
    same({code: part.network for code, part in country_parts(scenario).items()})


def test_what_one_country_lacks_is_the_default() -> None:
    networks = fleets()
    networks["MZ"].generators = networks["MZ"].generators.drop(columns="p_nom_max")
    same(networks)


def test_of_other_snapshots() -> None:
    networks = fleets()
    networks["MZ"].snapshot_weightings.objective *= 2
    with pytest.raises(ValueError, match="snapshots"):
        joint_network(networks, nx.Graph())


def test_of_names_twice() -> None:
    n = sapp_like()
    with pytest.raises(ValueError, match="same name"):
        joint_network({"A": n, "B": n.copy()}, nx.Graph())
