"""Side payments: nobody loses, no money appears, prices change as little as they can."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.compensation import along_trades, compensation_eur, without_losers


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=6))
def test_winners_compensate_losers_where_the_group_gains(gains: list[float]) -> None:
    gain = {str(i): g for i, g in enumerate(gains)}
    pay = compensation_eur(gain, [set(gain)])
    assert sum(pay.values()) == pytest.approx(0.0, abs=1e-9)
    if sum(gains) >= 0:
        assert min(gain[c] - pay[c] for c in gain) >= -1e-9
    else:
        assert not any(pay.values())


@given(st.data())
@settings(max_examples=60)
def test_nobody_loses_by_trades_and_no_money_appears(data: st.DataObject) -> None:
    countries = "ABCDE"[: data.draw(st.integers(2, 5))]
    money = st.floats(-100, 100)
    amounts = {c: data.draw(money) for c in countries}
    excess = sum(amounts.values())
    amounts["A"] -= max(excess, 0.0) + 1.0
    pairs = []
    for i in range(1, len(countries)):
        partner = countries[data.draw(st.integers(0, i - 1))]
        pair = (countries[i], partner)
        pairs.append(pair if data.draw(st.booleans()) else pair[::-1])
    if data.draw(st.booleans()):
        pairs.append(pairs[0][::-1])
    paid = {p: data.draw(money) for p in pairs}
    energy = {p: data.draw(st.floats(0.1, 10)) for p in pairs}
    settled = without_losers(paid, energy, amounts)
    assert set(settled) == set(paid)

    def gains(payments: dict[tuple[str, str], float]) -> dict[str, float]:
        total = {c: -a for c, a in amounts.items()}
        for (exporter, importer), eur in payments.items():
            total[exporter] += eur
            total[importer] -= eur
        return total

    before, after = gains(paid), gains(settled)
    assert min(after.values()) >= -1e-9
    for country in countries:
        if before[country] < 0:
            assert after[country] == pytest.approx(0.0, abs=1e-9)
        else:
            assert after[country] <= before[country] + 1e-9


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=6), st.floats(0, 0.5))
def test_a_group_that_gains_leaves_each_its_share_of_the_mean(
    gains: list[float], floor_share: float
) -> None:
    gain = {str(i): g for i, g in enumerate(gains)}
    pay = compensation_eur(gain, [set(gain)], floor_share)
    floor = floor_share * sum(gains) / len(gains)
    if floor > 0:
        assert min(gain[c] - pay[c] for c in gain) >= floor - 1e-9


def test_groups_balance_on_their_own() -> None:
    gain = {"A": 6.0, "B": -2.0, "C": -5.0, "D": 1.0, "E": -9.0}
    pay = compensation_eur(gain, [{"A", "B"}, {"C", "D"}])
    assert pay == {"A": 2.0, "B": -2.0, "C": 0.0, "D": 0.0, "E": 0.0}


def test_money_takes_both_ways_round_a_ring_in_proportion_to_the_energy() -> None:
    """A pays 10 to C: half as much over B, whose two lines of 4 MWh are one of 2 MWh."""
    energy = {("A", "C"): 4.0, ("B", "A"): 4.0, ("B", "C"): 4.0}
    moved = along_trades({"A": 10.0, "B": 0.0, "C": -10.0}, energy)
    assert moved == pytest.approx({("A", "C"): -20 / 3, ("B", "A"): 10 / 3, ("B", "C"): -10 / 3})
