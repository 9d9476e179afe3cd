"""Divisions of a joint gain: known answers from the literature, and what defines each of them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model.division import (
    Complaint,
    distance,
    equal_split,
    excesses,
    gini,
    in_core,
    membership,
    shapley,
    strongest_complaint,
)
from model.nucleolus import is_nucleolus, least_core_excess, nucleolus
from model.sampled_shapley import sampled_shapley

patient = settings(deadline=None, max_examples=60)

# One left glove and two right ones; a pair is worth 1 (the glove game).
GLOVES = np.array([0, 0, 0, 1, 0, 1, 0, 1], dtype=float)


def claims(estate: float, *claimed: float) -> np.ndarray:
    """Bankruptcy game of Aumann & Maschler (1985): what the others' claims leave of the estate."""
    outsiders = ~membership(len(claimed)) @ np.array(claimed)
    values = np.maximum(estate - outsiders, 0.0)
    values[0] = 0.0
    return values


def airport(costs: list[float]) -> np.ndarray:
    """Airport game of Littlechild & Owen (1973): the longest runway serves all; costs, so < 0."""
    return -(membership(len(costs)) * np.array(costs)).max(axis=1)


def savings(costs: dict[tuple[int, ...], float], n: int) -> np.ndarray:
    """What coalitions save by acting together, from their costs."""
    values = np.zeros(1 << n)
    for members, cost in costs.items():
        values[sum(1 << i for i in members)] = sum(costs[(i,)] for i in members) - cost
    return values


@st.composite
def games(draw: st.DrawFn, players: tuple[int, int] = (2, 5)) -> np.ndarray:
    """Any game in which all together are worth no less than each alone."""
    n = draw(st.integers(*players))
    numbers = st.floats(-50, 100, allow_nan=False, width=32)
    values = np.array([0.0, *draw(st.lists(numbers, min_size=2**n - 1, max_size=2**n - 1))])
    alone = values[1 << np.arange(n)].sum()
    values[-1] = max(values[-1], alone) + draw(st.floats(0, 200, width=32))
    return values


@st.composite
def convex_games(draw: st.DrawFn) -> np.ndarray:
    """Sums of squares of additive games: the larger a coalition, the more a player adds to it."""
    n = draw(st.integers(2, 6))
    parts = st.lists(st.floats(0, 10, width=32), min_size=n, max_size=n)
    return sum((membership(n) @ np.array(draw(parts))) ** 2 for _ in range(2)) + np.zeros(1 << n)


# --- known answers ------------------------------------------------------------------------------


def test_gloves() -> None:
    assert shapley(GLOVES) == pytest.approx([2 / 3, 1 / 6, 1 / 6], abs=1e-12)
    assert nucleolus(GLOVES) == pytest.approx([1, 0, 0], abs=1e-9)
    assert equal_split(GLOVES) == pytest.approx([1 / 3] * 3)
    assert least_core_excess(GLOVES) == pytest.approx(0, abs=1e-9)
    assert in_core(GLOVES, nucleolus(GLOVES))
    assert strongest_complaint(GLOVES, shapley(GLOVES)) == Complaint((0, 1), pytest.approx(1 / 6))


@pytest.mark.parametrize(
    ("estate", "awarded"),
    [(100, (100 / 3,) * 3), (200, (50, 75, 75)), (300, (50, 100, 150))],
)
def test_estate_of_the_talmud(estate: float, awarded: tuple[float, ...]) -> None:
    values = claims(estate, 100, 200, 300)
    assert nucleolus(values) == pytest.approx(awarded, abs=1e-7)
    assert is_nucleolus(values, np.array(awarded))


def test_shapley_of_the_talmud() -> None:
    assert shapley(claims(200, 100, 200, 300)) == pytest.approx([100 / 3, 250 / 3, 250 / 3])


@patient
@given(st.lists(st.floats(0.1, 100), min_size=2, max_size=8))
def test_runway_is_shared_by_who_needs_each_piece(costs: list[float]) -> None:
    """Littlechild & Owen (1973): each piece of runway is paid in equal parts by who uses it."""
    costs = sorted(costs)
    users = np.arange(len(costs), 0, -1)
    pieces = np.array([b - a for a, b in pairwise([0.0, *costs])])
    assert shapley(airport(costs)) == pytest.approx(-np.cumsum(pieces / users), rel=1e-9)


def test_tennessee_valley() -> None:
    """Navigation, flood control and power of the TVA, in 1000 USD: Straffin & Heaney (1981)."""
    costs = {(0,): 163_520, (1,): 140_826, (2,): 250_096, (0, 1): 301_607, (0, 2): 378_821}
    costs |= {(1, 2): 367_370, (0, 1, 2): 412_584}
    values = savings(costs, 3)
    alone = np.array([costs[(i,)] for i in range(3)])
    assert alone - shapley(values) == pytest.approx([117_829, 100_756.5, 193_998.5], abs=0.5)
    assert alone - nucleolus(values) == pytest.approx([116_234, 93_540, 202_810], abs=1)


def test_power_in_the_security_council() -> None:
    """Five vetoes and seven of eleven votes: Shapley & Shubik (1954)."""
    member = membership(11)
    values = (member[:, :5].all(axis=1) & (member.sum(axis=1) >= 7)).astype(float)
    assert shapley(values) == pytest.approx([76 / 385] * 5 + [1 / 462] * 6, rel=1e-12)


def test_empty_core_is_said() -> None:
    """Any two of three divide 1 among themselves: least core 1/3, Schmeidler's centre."""
    values = (membership(3).sum(axis=1) >= 2).astype(float)
    assert least_core_excess(values) == pytest.approx(1 / 3)
    assert nucleolus(values) == pytest.approx([1 / 3] * 3)
    assert not in_core(values, nucleolus(values))


# --- what defines them --------------------------------------------------------------------------


@patient
@given(games())
def test_shapley_is_efficient(values: np.ndarray) -> None:
    assert shapley(values).sum() == pytest.approx(values[-1], rel=1e-9, abs=1e-9)


@patient
@given(games(), st.randoms(use_true_random=False))
def test_shapley_and_nucleolus_do_not_mind_names(values: np.ndarray, random: object) -> None:
    n = len(values).bit_length() - 1
    order = list(range(n))
    random.shuffle(order)  # type: ignore[attr-defined]
    renamed = np.empty_like(values)
    renamed[membership(n) @ (1 << np.array(order))] = values
    for divide in (shapley, nucleolus):
        assert divide(renamed)[order] == pytest.approx(divide(values), rel=1e-6, abs=1e-5)


@patient
@given(games(), st.floats(-20, 20, width=32))
def test_who_adds_nothing_gets_only_what_is_his(values: np.ndarray, own: float) -> None:
    with_dummy = np.concatenate([values, values + own])
    assert shapley(with_dummy)[-1] == pytest.approx(own, abs=1e-9)
    assert shapley(with_dummy)[:-1] == pytest.approx(shapley(values), abs=1e-9)


@patient
@given(st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_shapley_adds_up(n: int, seed: int) -> None:
    one, other = np.random.default_rng(seed).normal(size=(2, 1 << n))
    one[0] = other[0] = 0
    assert shapley(2 * one + other) == pytest.approx(2 * shapley(one) + shapley(other), abs=1e-12)


@patient
@given(games())
def test_nucleolus_meets_its_own_conditions(values: np.ndarray) -> None:
    division = nucleolus(values)
    n = len(division)
    scale = np.abs(values).max()
    assert division.sum() == pytest.approx(values[-1], rel=1e-7, abs=1e-7)
    assert (division >= values[1 << np.arange(n)] - 1e-6 * scale).all()
    assert is_nucleolus(values, division)


@patient
@given(games(), st.floats(1e-3, 0.2))
def test_no_other_division_meets_them(values: np.ndarray, moved: float) -> None:
    division = nucleolus(values)
    amount = moved * np.abs(values).max()
    other = division + amount * (np.eye(len(division))[0] - np.eye(len(division))[1])
    assert amount == 0 or not is_nucleolus(values, other)


@patient
@given(games())
@example(values=np.array([0.0, 0.0, -1.0, 1e-17]))
def test_largest_complaint_is_as_small_as_it_can_be(values: np.ndarray) -> None:
    """Without the demand that nobody gets less than alone, the least core is even smaller."""
    excess = strongest_complaint(values, nucleolus(values)).excess
    least = least_core_excess(values)
    slack = 1e-6 * np.abs(values).max()
    assert excess >= least - slack
    if least <= 0:  # then its divisions give each what he has alone
        assert excess == pytest.approx(least, abs=slack)
        assert in_core(values, nucleolus(values), tolerance=1e-6)


@patient
@given(convex_games())
def test_shapley_of_a_convex_game_is_in_the_core(values: np.ndarray) -> None:
    """Shapley (1971), Cores of convex games."""
    assert in_core(values, shapley(values))
    assert least_core_excess(values) <= 1e-9 * values[-1]


@patient
@given(games(), st.floats(0.1, 10), st.integers(0, 2**32 - 1))
def test_nucleolus_follows_units_and_side_payments(
    values: np.ndarray, unit: float, seed: int
) -> None:
    n = len(values).bit_length() - 1
    paid = np.random.default_rng(seed).normal(scale=20, size=n)
    moved = unit * values + membership(n) @ paid
    expected = unit * nucleolus(values) + paid
    assert nucleolus(moved) == pytest.approx(expected, abs=1e-5 * np.abs(moved).max() + 1e-9)


# --- measures -----------------------------------------------------------------------------------


@patient
@given(games())
def test_complaint_is_the_largest_excess(values: np.ndarray) -> None:
    division = shapley(values)
    complaint = strongest_complaint(values, division)
    index = sum(1 << i for i in complaint.members)
    assert 0 < index < len(values) - 1
    got = sum(division[i] for i in complaint.members)
    assert complaint.excess == pytest.approx(values[index] - got, abs=1e-9)
    assert complaint.excess == pytest.approx(excesses(values, division)[1:-1].max())


def test_gini_of_equal_and_of_one_for_all() -> None:
    assert gini(np.ones(5)) == 0
    assert gini(np.array([0.0, 0, 0, 7])) == pytest.approx(3 / 4)
    assert gini(np.array([1.0, 3])) == pytest.approx(1 / 4)
    assert gini(np.array([-1.0, 3])) == pytest.approx(1)  # 4 between two, over 2 * 2 * 2 / 2
    assert np.isnan(gini(np.zeros(3)))


def test_distance_is_the_share_that_changes_hands() -> None:
    assert distance(np.array([1.0, 1]), np.array([3.0, 1])) == pytest.approx(1 / 4)
    assert distance(np.array([1.0, 0]), np.array([0.0, 1])) == 1
    assert np.isnan(distance(np.zeros(2), np.ones(2)))


def test_single_player_keeps_all() -> None:
    values = np.array([0.0, 5])
    for divide in (shapley, nucleolus, equal_split):
        assert divide(values) == pytest.approx([5])


def test_games_of_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="2\\*\\*n values, not 3"):
        shapley(np.zeros(3))
    with pytest.raises(ValueError, match="empty coalition"):
        shapley(np.ones(4))
    with pytest.raises(ValueError, match="no nucleolus"):
        nucleolus(np.array([0.0, 1, 1, 1]))


# --- sampling -----------------------------------------------------------------------------------


def listed(values: np.ndarray):  # type: ignore[no-untyped-def]
    return lambda coalitions: values[list(coalitions)]


@patient
@given(games(), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_sampled_value_is_efficient(values: np.ndarray, pairs: int, seed: int) -> None:
    n = len(values).bit_length() - 1
    found = sampled_shapley(listed(values), n, pairs, np.random.default_rng(seed))
    assert found.division.sum() == pytest.approx(values[-1], rel=1e-9, abs=1e-9)


@patient
@given(st.integers(2, 7), st.integers(0, 2**32 - 1))
def test_one_pair_of_orders_is_exact_for_games_of_pairs(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    worth = np.triu(rng.normal(size=(n, n)))
    member = membership(n).astype(float)
    values = np.einsum("si,ij,sj->s", member, worth, member)
    found = sampled_shapley(listed(values), n, 2, rng)
    assert found.division == pytest.approx(shapley(values), abs=1e-9)
    assert found.half_width == pytest.approx(np.zeros(n), abs=1e-9)


def test_intervals_hold_what_they_promise() -> None:
    """95 % intervals of 200 games cover 93 to 97 % of the true values; more orders narrow them."""
    rng = np.random.default_rng(7)
    n, covered, narrower = 8, [], []
    for _ in range(200):
        parts = membership(n) @ rng.gamma(1.0, size=(n, 3))
        values = (parts**3).sum(axis=1)
        few = sampled_shapley(listed(values), n, 30, rng)
        many = sampled_shapley(listed(values), n, 120, rng)
        covered.append(np.abs(few.division - shapley(values)) <= few.half_width)
        narrower.append(many.half_width.sum() / few.half_width.sum())
    assert 0.93 <= np.mean(covered) <= 0.97
    assert np.mean(narrower) == pytest.approx(0.5, abs=0.05)
