"""Settlement rules: sums, known prices, and who gains."""

from __future__ import annotations

import json

import numpy as np
import pytest

from model.ledger import Ledger
from model.options import RunOptions
from model.planner import planner
from model.runs import run
from model.settlement import (
    SETTLEMENTS,
    EqualSplit,
    NodalPrice,
    PayAsAgreed,
    Settled,
    Settlement,
    settle,
)
from model.world import World
from protocols.messages import Trade
from tests.small_worlds import teaching_world


def optimum(name: str) -> Settled:
    """The planner's flows, nothing paid yet."""
    world = teaching_world(name)
    ledger = Ledger(world.graph, world.products)
    ledger.flows_mw = planner(world).flows_mw
    return settled(world, ledger)


def settled(world: World, ledger: Ledger) -> Settled:
    rest = np.zeros(len(world.snapshots))
    alone = {c: p.solve(rest) for c, p in world.problems.items()}
    traded = {c: p.solve(ledger.exchange_mw(c)) for c, p in world.problems.items()}
    return Settled(world, ledger, alone, traded)


def gains(rule: Settlement, case: Settled) -> dict[str, float]:
    paid = rule.payments_eur(case)
    return {c: saved - paid[c] for c, saved in case.savings_eur.items()}


@pytest.mark.parametrize("name", SETTLEMENTS.names())
@pytest.mark.parametrize("place", ["two_countries_limited", "wheeling", "triangle"])
def test_payments_sum_to_zero(name: str, place: str) -> None:
    rule, case = SETTLEMENTS.load(name)(), optimum(place)
    settle(rule, case)
    paid = {**case.ledger.payments_eur, "operator": case.ledger.operator_eur}
    assert sum(paid.values()) == pytest.approx(0.0, abs=1e-9 * max(map(abs, paid.values())) + 1e-9)
    assert rule.balanced == (case.ledger.operator_eur == 0.0)


def test_nodal_price_on_two_linear_countries() -> None:
    """README.md of two_countries: price 46.6667, exporter 6 944.44, importer 13 888.89."""
    found = gains(NodalPrice(), optimum("two_countries"))
    assert found["A"] == pytest.approx(6_944.44, rel=1e-4)
    assert found["B"] == pytest.approx(13_888.89, rel=1e-4)


def test_congestion_rent_is_split_half_and_half() -> None:
    """README.md of two_countries_limited: prices 40 and 60, 2 500 + 5 000 and a rent of 10 000."""
    found = gains(NodalPrice(), optimum("two_countries_limited"))
    assert found["A"] == pytest.approx(2_500 + 5_000, rel=1e-4)
    assert found["B"] == pytest.approx(5_000 + 5_000, rel=1e-4)


@pytest.mark.parametrize("place", ["two_countries_limited", "wheeling", "triangle"])
def test_nobody_loses_at_nodal_prices_of_an_optimum(place: str) -> None:
    found = gains(NodalPrice(), optimum(place))
    assert min(found.values()) >= -1e-4 * sum(found.values())  # flows are as exact as costs' root


def test_equal_split_is_equal() -> None:
    found = gains(EqualSplit(), optimum("triangle"))
    np.testing.assert_allclose(list(found.values()), np.mean(list(found.values())))


def test_a_loss_is_split_as_a_gain_is() -> None:
    world = teaching_world("two_countries")
    ledger = Ledger(world.graph, world.products)
    ledger.book(Trade("B", "A", ("B", "A"), (500.0,), 40.0))  # from the dear to the cheap
    found = gains(EqualSplit(), settled(world, ledger))
    assert found["A"] == pytest.approx(found["B"])
    assert found["A"] < 0


def test_pay_as_agreed_keeps_what_the_trades_say() -> None:
    world = teaching_world("two_countries")
    ledger = Ledger(world.graph, world.products)
    ledger.book(Trade("A", "B", ("A", "B"), (100.0,), 40.0))
    assert PayAsAgreed().payments_eur(settled(world, ledger)) == {"A": -4_000.0, "B": 4_000.0}


@pytest.mark.parametrize("rule", [EqualSplit(), NodalPrice()])
def test_settling_replaces_the_payments(rule: Settlement) -> None:
    world = teaching_world("two_countries")
    ledger = Ledger(world.graph, world.products)
    ledger.book(Trade("A", "B", ("A", "B"), (100.0,), 40.0))
    case = settled(world, ledger)
    settle(rule, case)
    due = rule.payments_eur(case)
    assert ledger.payments_eur == pytest.approx(due)
    ledger.check_budget()


def test_the_rule_of_a_run_is_in_its_summary(tmp_path) -> None:
    options = RunOptions("triangle", out=tmp_path, planner=False, settlement="equal_split")
    told = run(options)
    assert told["settlement"] == "equal_split"
    shares = list(told["gains_eur"].values())
    np.testing.assert_allclose(shares, np.mean(shares))
    (file,) = tmp_path.glob("*/summary.json")
    assert json.loads(file.read_text())["settlement"] == "equal_split"
