"""Cached results: whole, or as if they were not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agents.policy import PolicyInForce
from model.cache import load_arrays, store_arrays
from model.planner import planner
from tests.small_worlds import small_world

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
