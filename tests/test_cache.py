"""Cached results: whole, or as if they were not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pypsa
import pytest
from hypothesis import given

from agents.policy import PolicyInForce
from model.cache import SHAPING, fingerprint, load_arrays, programs, store_arrays
from model.planner import planner
from pypsa_earth.national import NationalValues
from pypsa_earth.scenario import country_parts, network_scenario
from tests.small_networks import COUNTRIES, sapp_like, written
from tests.small_worlds import small_world

# Values whose repr tells them apart.
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=6,
)
ARRAYS = {"cost_eur": np.array(1.5), "A-B": np.linspace(0.0, 1.0, 500)}


def test_arrays_come_back_and_nothing_else_lies_there(tmp_path: Path) -> None:
    place = tmp_path / "folder" / "one.npz"
    assert load_arrays(place) is None
    store_arrays(place, ARRAYS)
    found = load_arrays(place)
    assert found is not None and found.keys() == ARRAYS.keys()
    assert all(np.array_equal(found[name], array) for name, array in ARRAYS.items())
    assert [file.name for file in place.parent.iterdir()] == ["one.npz"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda whole: b"",
        lambda whole: b"no numbers",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:60] + bytes(40) + whole[100:],
    ],
)
def test_a_damaged_file_is_as_none(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    place = tmp_path / "one.npz"
    store_arrays(place, ARRAYS)
    place.write_bytes(spoil(place.read_bytes()))
    assert load_arrays(place) is None


def test_other_policies_are_another_optimum() -> None:
    """They are read from files of which the scenario holds but the names."""
    world = small_world(("LS",), "1w6h")
    tons = planner(world).cost_eur
    none = replace(world, policies={"LS": PolicyInForce(self_sufficiency=1.0, reserve_mw=500.0)})
    assert planner(none).cost_eur > tons * (1 + 1e-6)
    assert planner(world).cost_eur == tons


def test_a_country_without_neighbours_has_a_ceiling() -> None:
    world = small_world(("LS",), "1w6h")
    alone = world.problems["LS"].cost(np.zeros(len(world.snapshots)))
    assert planner(world, world.products).cost_eur == pytest.approx(alone, rel=1e-9)


class TestFingerprint:
    def test_of_everything_a_planner_depends_on(self, tmp_path: Path) -> None:
        """Networks of a file with national limits, and those of a scenario with policies."""
        rules = country_parts(network_scenario(written(tmp_path), None, COUNTRIES))["ZA"].rules
        values = NationalValues(bau_mw={"coal": 5.0})
        assert fingerprint(rules) != fingerprint(replace(rules, values=values))
        assert fingerprint(rules) == fingerprint(replace(rules))
        assert fingerprint(PolicyInForce()) != fingerprint(PolicyInForce(reserve_mw=0.0))

    def test_every_input_of_a_network_counts(self) -> None:
        def changed(change: Callable[[pypsa.Network], None]) -> str:
            n = sapp_like()
            change(n)
            return fingerprint(n)

        def at(frame: str, column: str) -> Callable[[pypsa.Network], None]:
            def change(n: pypsa.Network) -> None:
                table = getattr(n, frame)
                table.loc[table.index[0], column] += 1e-9 * max(1.0, table[column].iloc[0])

            return change

        def weigh(n: pypsa.Network) -> None:
            n.snapshot_weightings.loc[n.snapshots[0], "stores"] += 1e-6

        def more_load(n: pypsa.Network) -> None:
            n.loads_t.p_set.iloc[0, 0] += 1e-6

        changes = [
            lambda n: None,
            at("generators", "marginal_cost"),
            at("generators", "capital_cost"),
            at("lines", "s_nom"),
            at("storage_units", "efficiency_store"),
            at("carriers", "co2_emissions"),
            at("global_constraints", "constant"),
            weigh,
            lambda n: n.set_snapshots(n.snapshots[:-1]),
            lambda n: n.add("Bus", "more"),
            lambda n: n.remove("Load", n.loads.index[0]),
            more_load,
        ]
        found = [changed(change) for change in changes]
        assert len(set(found)) == len(changes)
        assert fingerprint(sapp_like()) == found[0]

    def test_a_solution_does_not(self) -> None:
        world = small_world(("LS", "ZA"), "1w6h")
        before = fingerprint(world.networks)
        for problem in world.problems.values():
            problem.solved_network(np.zeros(len(problem.weights_h)))
        assert fingerprint(world.networks) == before

    def test_what_is_not_known_is_refused(self) -> None:
        with pytest.raises(TypeError, match="object has no fingerprint"):
            fingerprint({"a": [object()]})

    @given(st.lists(VALUES, min_size=2, max_size=2))
    def test_different_values_differ(self, pair: list[object]) -> None:
        one, two = pair
        assert (fingerprint(one) == fingerprint(two)) == (repr(one) == repr(two))


def test_programs_are_every_module_and_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in SHAPING:
        (tmp_path / package / "below").mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
        (tmp_path / package / "below" / "one.py").write_text("A = 1\n")
    monkeypatch.setattr("model.cache._places", lambda package: [tmp_path / package])
    found = {programs.__wrapped__()}
    for package in SHAPING:
        (tmp_path / package / "below" / "one.py").write_text("A = 2\n")
        found.add(programs.__wrapped__())
        (tmp_path / package / "two.py").touch()
        found.add(programs.__wrapped__())
    monkeypatch.setattr("model.cache.package_versions", lambda: {"dman-cep": "99"})
    found.add(programs.__wrapped__())
    monkeypatch.setattr("model.cache.version", lambda name: "99")
    found.add(programs.__wrapped__())
    assert len(found) == 1 + 2 * len(SHAPING) + 2
