"""Bargaining solutions against closed forms and worked examples."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from typer.testing import CliRunner

import run as command_line
from model.bargaining import (
    SOLUTIONS,
    PriceQuantity,
    Solution,
    between,
    choose,
    distance,
    price_quantity,
    with_money,
)
from scenarios.errors import ScenarioError
from tests.small_worlds import teaching_world

every_solution = pytest.mark.parametrize("solution", SOLUTIONS)


def bargain(name: str, buyer: str, seller: str, mw: np.ndarray, **limits: float) -> PriceQuantity:
    w = teaching_world(name)
    delivery = w.products.delivery_mw(0)
    return price_quantity(w.problems[buyer], w.problems[seller], delivery, mw, **limits)


@every_solution
def test_merit_order_with_money(solution: Solution) -> None:
    """README.md of merit_order: q* = 400, joint gain 19 000, price 53.75."""
    contract = bargain("merit_order", "B", "S", np.arange(0.0, 801.0, 25.0)).solve(solution)
    assert contract.mw == 400
    assert contract.price_eur_per_mwh == pytest.approx(53.75)
    assert contract.buyer_eur == pytest.approx(9500)
    assert contract.seller_eur == pytest.approx(9500)


@every_solution
def test_two_countries_with_money(solution: Solution) -> None:
    """README.md of two_countries: q* = 833.33, price 50.8333, 10 416.67 each."""
    quantities = np.append(np.linspace(0.0, 1500.0, 61), 2500 / 3)
    contract = bargain("two_countries", "B", "A", quantities).solve(solution)
    assert contract.mw == pytest.approx(2500 / 3)
    assert contract.price_eur_per_mwh == pytest.approx(50.8333, abs=1e-4)
    assert contract.buyer_eur == pytest.approx(10_416.67, abs=0.01)


def test_a_price_cap_parts_the_solutions() -> None:
    """Two countries, q = 1000 x, price at most 40: the seller's gain is cut off.

    Seller: u = p q - 30 q - 0.01 q^2, buyer: v = 80 q - 0.02 q^2 - p q (oracle 6). At the cap the
    frontier is u(q) = 10 q - 0.01 q^2, v(q) = 40 q - 0.02 q^2. The egalitarian point takes the
    largest smaller gain, the seller's at q = 500; Nash and Kalai-Smorodinsky give the buyer more.
    """
    quantities = np.linspace(0.0, 1000.0, 1001)
    problem = bargain("two_countries", "B", "A", quantities, highest_price=40.0)
    egalitarian, nash, ks = (problem.solve(s) for s in ("egalitarian", "nash", "kalai_smorodinsky"))
    assert egalitarian.mw == pytest.approx(500)
    assert egalitarian.seller_eur == pytest.approx(2500)
    # Nash: (10 - 0.01 q)(40 - 0.02 q) q^2 is largest at the root of 0.0008 q^2 - 1.8 q + 800.
    assert nash.mw == pytest.approx((1.8 - math.sqrt(1.8**2 - 4 * 0.0008 * 800)) / 0.0016, abs=1)
    # A grid of whole MW leaves the price a hair of freedom.
    assert ks.price_eur_per_mwh == pytest.approx(40.0, abs=0.01)
    # Ideals: seller 2500 at q = 500; the buyer's with the seller at nothing.
    ideal = _buyers_best_eur(problem)
    assert ks.seller_eur / 2500 == pytest.approx(ks.buyer_eur / ideal, rel=5e-3)
    assert len({round(c.mw) for c in (egalitarian, nash, ks)}) == 3


def _buyers_best_eur(problem: PriceQuantity) -> float:
    """Largest gain of the buyer when the seller gains nothing."""
    possible = problem.cost_eur <= problem.highest_price * problem.mw
    return float((problem.value_eur - problem.cost_eur)[possible].max())


@every_solution
def test_a_fixed_price_leaves_only_the_quantity(solution: Solution) -> None:
    problem = bargain(
        "merit_order", "B", "S", np.arange(0.0, 801.0, 50.0), lowest_price=60, highest_price=60
    )
    contract = problem.solve(solution)
    assert contract.price_eur_per_mwh == pytest.approx(60)
    assert contract.buyer_eur >= 0
    assert contract.seller_eur >= 0


@every_solution
def test_no_trade_where_no_price_serves_both(solution: Solution) -> None:
    problem = bargain("merit_order", "B", "S", np.arange(0.0, 801.0, 50.0), highest_price=5.0)
    contract = problem.solve(solution)
    assert contract.mw == 0
    assert math.isnan(contract.price_eur_per_mwh)


@given(
    st.lists(
        st.tuples(st.floats(1, 100), st.floats(0, 1e4), st.floats(0, 1e4)), min_size=1, max_size=8
    )
)
def test_with_money_all_three_coincide(rows: list[tuple[float, float, float]]) -> None:
    mw, value, cost = (np.array(column) for column in zip(*rows, strict=True))
    joint = value - cost
    assume(joint.max() > 1e-3)
    contracts = [PriceQuantity(mw, 1.0, value, cost).solve(s) for s in SOLUTIONS]
    for contract in contracts:
        assert contract.buyer_eur == pytest.approx(joint.max() / 2, rel=1e-6)
        assert contract.seller_eur == pytest.approx(joint.max() / 2, rel=1e-6)


def test_solutions_on_a_finite_set() -> None:
    """Raiffa's kind of example: each solution picks another row."""
    outcomes = np.array([[10.0, 1.0], [7.0, 4.0], [4.4, 4.4], [5.0, 4.3], [-1.0, 50.0], [0.0, 5.0]])
    assert choose(outcomes, "nash") == 1  # products 10, 28, 19.36, 21.5
    assert choose(outcomes, "egalitarian") == 2  # smallest gains 1, 4, 4.4, 4.3
    assert choose(outcomes, "kalai_smorodinsky") == 1  # shares of (10, 5): .2, .7, .44, .5


@every_solution
def test_nobody_is_forced(solution: Solution) -> None:
    assert choose(np.array([[-1.0, 10.0], [3.0, -2.0]]), solution) is None
    assert choose(np.array([[0.0, 0.0]]), solution) is None


# Nothing, or an amount whose product with others cannot underflow.
gain = st.just(0.0) | st.floats(1e-6, 100)
utilities = st.integers(2, 4).flatmap(
    lambda n: st.lists(st.lists(gain, min_size=n, max_size=n), min_size=1, max_size=12)
)


@given(utilities, st.lists(st.sampled_from([0.25, 2.0, 1024.0]), min_size=4, max_size=4))
def test_nash_and_kalai_smorodinsky_do_not_depend_on_scales(rows, scales) -> None:
    """Axiom of both: another unit for one party's utility changes nothing."""
    outcomes = np.array(rows)
    other = outcomes * np.array(scales[: outcomes.shape[1]])
    for solution in ("nash", "kalai_smorodinsky"):
        assert choose(outcomes, solution) == choose(other, solution)


@given(utilities)
def test_solutions_are_not_dominated(rows) -> None:
    outcomes = np.array(rows)
    for solution in SOLUTIONS:
        chosen = choose(outcomes, solution)
        if chosen is not None:
            better = (outcomes > outcomes[chosen] + 1e-6).all(axis=1)
            assert not better.any()


@given(utilities, st.randoms(use_true_random=False))
def test_parties_have_no_names(rows, random) -> None:
    outcomes = np.array(rows)
    order = list(range(outcomes.shape[1]))
    random.shuffle(order)
    for solution in SOLUTIONS:
        assert choose(outcomes, solution) == choose(outcomes[:, order], solution)


def test_many_with_money_share_equally() -> None:
    """On a fine grid of divisions of one pie among three all solutions are the equal one."""
    pie = [(a, b, 12 - a - b) for a in range(13) for b in range(13 - a)]
    for solution in SOLUTIONS:
        chosen = choose(np.array(pie, dtype=float), solution)
        assert chosen is not None
        assert pie[chosen] == tuple(with_money(12.0, 3))


def test_neighbours_of_a_scenario_by_the_command() -> None:
    """README.md of merit_order: 400 MW at 53.75 leave 9 500 each; blocks of the two curves."""
    words = "bargain --scenario merit_order --buyer B --seller S --points 11"
    done = CliRunner().invoke(command_line.app, words.split())
    assert done.exit_code == 0, done.output
    assert re.search(r"300 to 400 +60\.00 +30\.00 *\n", done.output)
    assert re.search(r"400 to 500 +60\.00 +70\.00 *\n", done.output)
    for solution in SOLUTIONS:
        assert re.search(rf"{solution} +400 +53\.75 +9\.50 k EUR +9\.50 k EUR *\n", done.output)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--buyer B --seller C", "no interconnector carries anything from C to B"),
        ("--buyer B --seller X", "unknown country 'X'"),
        ("--buyer B --seller A --lowest-price 9 --highest-price 8", "--lowest-price 9 is above"),
    ],
)
def test_a_bargain_that_cannot_be_is_refused(words: str, said: str) -> None:
    found = words.split()
    prices = dict(zip(found[4::2], map(float, found[5::2]), strict=True))
    limits = {k.removeprefix("--").replace("-", "_"): v for k, v in prices.items()}
    with pytest.raises(ScenarioError, match=said):
        between("second_price", found[1], found[3], 5, **limits)  # type: ignore[arg-type]


def test_worth_and_cost_are_those_of_the_delivery() -> None:
    """What all blocks are worth adds up to what the whole delivery saves, losses taken off."""
    found = between("wheeling", "B", "T", 7)
    for total, per_mwh in (
        (found.terms.value_eur, found.worth),
        (found.terms.cost_eur, found.cost),
    ):
        blocks = per_mwh * np.diff(found.terms.mw) * found.terms.hours
        np.testing.assert_allclose(np.cumsum(blocks), total[1:], rtol=1e-9)
    assert (np.diff(found.worth) <= 1e-9).all()
    assert (np.diff(found.cost) >= -1e-9).all()


def test_distance_is_the_share_that_changes_hands() -> None:
    assert distance({"A": 3.0, "B": 1.0}, {"A": 2.0, "B": 2.0}) == pytest.approx(0.25)
    assert distance({"A": 2.0, "B": 2.0}, {"A": 2.0, "B": 2.0}) == 0.0
    assert math.isnan(distance({"A": 0.0, "B": 0.0}, {"A": 0.0, "B": 0.0}))


def test_the_page_shows_what_its_program_prints(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[1] / "docs" / "gains.md").read_text(encoding="utf-8")
    section = page.split("## Where a bargain should end")[1].split("## ")[0]
    (program,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    exec(compile(program, "docs/gains.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(SOLUTIONS)
    assert all(f"| {line} |" in section for line in printed)
