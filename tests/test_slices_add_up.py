"""Slices of a year, each planned on its own, add up to the year."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pypsa
import pytest

import model.independent
from agents.planning import PypsaProblem
from agents.policy import PolicyInForce
from model.independent import negotiate_slices
from model.options import RunOptions
from model.records import RunRecords
from model.reporting import Reporter
from model.world import World
from protocols.products import Products
from tests.small_worlds import TWO, emissions_t, small_world

YEAR = PolicyInForce(
    co2_cap_t=1e8, reserve_mw=4e4, self_sufficiency=0.5, firm_share={"coal": 0.75, "OCGT": 0.9}
)


class Slice:
    """What the planning problems of one slice are made of."""

    def __init__(
        self,
        networks: Mapping[str, pypsa.Network],
        policies: Mapping[str, PolicyInForce],
        products: Products,
    ) -> None:
        self.networks, self.policies, self.products = networks, policies, products


def slices_of(world: World, folder: Path) -> list[Slice]:
    """What is planned for every slice; nothing is solved."""

    class Seen(Exception):
        """Stops before the first plan is made."""

    found: list[Slice] = []

    def look(networks: Any, policies: Any, products: Products, *_: Any) -> None:
        found.append(Slice(networks, policies, products))
        raise Seen

    options = RunOptions("sapp2030", out=folder, decomposition="independent")
    for name in dict.fromkeys(world.products.slices):
        others = [s for s in dict.fromkeys(world.products.slices) if s != name]
        # The others come later, so that this one is the first.
        kept = np.argsort([s in others for s in world.products.slices], kind="stable")
        first = replace(
            world,
            products=Products(
                tuple(np.array(world.products.names)[kept].tolist()),
                tuple(np.array(world.products.slices)[kept].tolist()),
                world.products.shape[kept],
                world.products.weights_h,
            ),
        )
        records = RunRecords.create(options, world.scenario)
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Seen):
            patch.setattr(model.independent, "pypsa_problems", look)
            negotiate_slices(first, options, records, Reporter())
    return found


@pytest.fixture(scope="module")
def world() -> World:
    """Two typical weeks, one of them for the first half of the year."""
    return small_world(TWO, "2w12h", "month", "flat")


@pytest.fixture(scope="module")
def halves(world: World, tmp_path_factory: pytest.TempPathFactory) -> list[Slice]:
    ruled = replace(world, policies=dict.fromkeys(TWO, YEAR))
    return slices_of(ruled, tmp_path_factory.mktemp("results"))


def test_hours(world: World, halves: list[Slice]) -> None:
    assert len(halves) == 2
    hours = [float(half.products.weights_h.sum()) for half in halves]
    assert sum(hours) == pytest.approx(8760)
    assert all(0 < h < 8760 for h in hours)
    for half, h in zip(halves, hours, strict=True):
        for n in half.networks.values():
            assert n.snapshot_weightings.objective.sum() == pytest.approx(h)
            assert len(n.snapshots) == half.products.shape.shape[1] < len(world.snapshots)


@pytest.mark.parametrize("component", ["Generator", "StorageUnit"])
def test_a_year_of_building_is_paid_once(world: World, halves: list[Slice], component: str) -> None:
    for country in TWO:
        whole = world.networks[country].c[component].static.capital_cost
        assert whole.max() > 0
        parts = [half.networks[country].c[component].static.capital_cost for half in halves]
        np.testing.assert_allclose(sum(parts), whole, rtol=1e-12)
        for half, part in zip(halves, parts, strict=True):
            share = half.products.weights_h.sum() / 8760
            np.testing.assert_allclose(part, share * whole, rtol=1e-12)


def test_a_year_of_carbon_is_emitted_once(halves: list[Slice]) -> None:
    """The cap is cut to the slices' hours; capacity and shares are the same at any time."""
    for country in TWO:
        rules = [half.policies[country] for half in halves]
        assert sum(r.co2_cap_t or 0.0 for r in rules) == pytest.approx(YEAR.co2_cap_t)
        for half, r in zip(halves, rules, strict=True):
            share = float(half.products.weights_h.sum()) / 8760
            assert r.co2_cap_t == pytest.approx(share * 1e8)
            assert (r.reserve_mw, r.self_sufficiency) == (4e4, 0.5)
            assert r.firm_share == YEAR.firm_share


def test_alike_slices_cost_what_the_year_costs(world: World, tmp_path: Path) -> None:
    """Always the mean weather and load, under a cap that binds: no slice is anything special."""
    n = world.networks["ZA"].copy()
    for component, attribute in (
        ("Load", "p_set"),
        ("Generator", "p_max_pu"),
        ("StorageUnit", "inflow"),
    ):
        table = n.c[component].dynamic[attribute]
        table.loc[:] = table.mean().to_numpy()
    free = PypsaProblem("ZA", n.copy(), world.products.shape, PolicyInForce())
    alone = np.zeros(len(world.snapshots))
    policy = PolicyInForce(co2_cap_t=0.8 * emissions_t(free.solved_network(alone), "ZA"))
    year_eur = PypsaProblem("ZA", n.copy(), world.products.shape, policy).cost(alone)
    assert year_eur > free.cost(alone) * (1 + 1e-4)
    parts = slices_of(replace(world, networks={"ZA": n}, policies={"ZA": policy}), tmp_path)
    total_eur = sum(
        PypsaProblem("ZA", s.networks["ZA"], s.products.shape, s.policies["ZA"]).cost(
            np.zeros(s.products.shape.shape[1])
        )
        for s in parts
    )
    assert total_eur == pytest.approx(year_eur, rel=1e-6)
