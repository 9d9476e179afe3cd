"""Best responses to a ladder of prices against PyPSA with the blocks as generators."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from agents.planning import LADDER_BLOCKS
from agents.problem import Terms
from model.world import World
from tests.small_worlds import (
    ROUNDING,
    TWO,
    box_mw,
    random_exchange,
    random_terms,
    small_world,
    solved_anew,
)

BLOCKS = 3


def random_ladder(world: World, country: str, value: np.ndarray, rng: np.random.Generator) -> Terms:
    """Import blocks that grow dearer and export blocks that earn less, around a value."""
    low, high = box_mw(world, country)
    size = (BLOCKS, len(value))
    price = value + rng.normal(0.0, 15.0, len(value))
    rise = rng.uniform(0.1, 8.0, (2, *size)).cumsum(axis=1)
    return Terms(
        import_price=price + rise[0],
        export_price=price - rise[1],
        import_limit_mw=rng.uniform(0.0, high / BLOCKS, size),
        export_limit_mw=rng.uniform(0.0, -low / BLOCKS, size),
    )


class TestLadder:
    """A ladder of prices is a set of generators that PyPSA may add to the country's own."""

    @pytest.fixture(scope="class")
    def hourly(self) -> World:
        return small_world(TWO, "4w12h", "year", "hourly")

    @pytest.mark.parametrize("country", TWO)
    def test_response_is_what_pypsa_would_buy_and_sell(self, hourly: World, country: str) -> None:
        rng = np.random.default_rng(50)
        problem = hourly.problems[country]
        for share in (0.0, 0.4):
            start = share * random_exchange(hourly, country, rng)
            terms = random_ladder(hourly, country, problem.solve(start).price_eur_per_mwh, rng)
            change = problem.respond(start, terms)
            assert (np.abs(change) > 1.0).any()
            paid = float(hourly.products.hours @ ladder_rate(terms, change))
            best = solved_anew(with_ladder(hourly.networks[country], terms), start).objective
            assert problem.cost(start + change) + paid == pytest.approx(best, rel=1e-7)

    def test_one_block_split_in_three_is_one_block(self, hourly: World) -> None:
        rng = np.random.default_rng(51)
        problem = hourly.problems["MZ"]
        start = np.zeros(len(hourly.snapshots))
        one = random_terms(hourly, "MZ", problem.solve(start).price_eur_per_mwh, rng)
        thirds = np.full((BLOCKS, 1), 1 / BLOCKS)
        split = Terms(
            np.tile(one.import_price, (BLOCKS, 1)),
            np.tile(one.export_price, (BLOCKS, 1)),
            thirds * one.import_limit_mw,
            thirds * one.export_limit_mw,
        )
        spent = []
        for terms in (one, split):
            change = problem.respond(start, terms)
            paid = float(hourly.products.hours @ ladder_rate(terms, change))
            spent.append(problem.cost(start + change) + paid)
        assert spent[1] == pytest.approx(spent[0], rel=ROUNDING)

    def test_longer_ladder_than_built_for_is_refused(self, hourly: World) -> None:
        zero = np.zeros((LADDER_BLOCKS + 1, len(hourly.products)))
        with pytest.raises(ValueError, match=f"blocks={LADDER_BLOCKS + 1}"):
            hourly.problems["MZ"].respond(np.zeros(len(hourly.snapshots)), Terms(*[zero] * 4))


def ladder_rate(terms: Terms, change: np.ndarray) -> np.ndarray:
    """What a trade costs per hour on a ladder, EUR/h per product, the blocks filled in order."""
    rate = np.zeros(len(change))
    for amount, (price, width), sign in (
        (np.maximum(change, 0.0), terms.import_ladder, 1.0),
        (np.maximum(-change, 0.0), terms.export_ladder, -1.0),
    ):
        start = np.cumsum(width, axis=0) - width
        rate += sign * (price * np.clip(amount - start, 0.0, width)).sum(axis=0)
    return rate


def with_ladder(network, terms: Terms):
    """Copy of a country's network that has a generator for every block of an hourly ladder."""
    n = network.copy()
    bus = n.buses.index[0]
    for name, (price, width), least, most in (
        ("import", terms.import_ladder, 0.0, 1.0),
        ("export", terms.export_ladder, -1.0, 0.0),
    ):
        for k in range(len(price)):
            share = pd.Series(width[k] / width[k].max(), n.snapshots)
            n.add(
                "Generator",
                f"{name} {k}",
                bus=bus,
                p_nom=width[k].max(),
                p_min_pu=least * share,
                p_max_pu=most * share,
                marginal_cost=pd.Series(price[k], n.snapshots),
            )
    return n
