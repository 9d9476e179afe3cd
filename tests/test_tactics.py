"""Tactics by their formulas and by worked examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.bargainers import Boulware
from agents.strategy import STRATEGIES, Truthful, make_strategy
from agents.tactics import MiCRO, Standpoint, Tactic, TimeDependent, TitForTat, TradeOff
from protocols.plugins import PluginError
from tests.talking import held_talk, linear_pie

TACTICS = {
    "boulware": TimeDependent(0.2),
    "linear": TimeDependent(1.0),
    "conceder": TimeDependent(3.0),
    "tit_for_tat": TitForTat(),
    "trade_off": TradeOff(),
    "micro": MiCRO(),
}
every_tactic = pytest.mark.parametrize("tactic", TACTICS.values(), ids=TACTICS)


def standpoint(utility: list[float], turns: int = 11, turn: int = 0) -> Standpoint:
    values = np.array(utility, dtype=float)
    place = np.column_stack([np.zeros_like(values), values])
    return Standpoint(values, place, turns, turn)


@pytest.mark.parametrize(
    ("e", "time", "share"),
    [(1.0, 0.25, 0.75), (0.5, 0.5, 0.75), (2.0, 0.25, 0.5), (0.2, 0.5, 31 / 32), (3.0, 0.125, 0.5)],
)
def test_time_dependent_formula(e: float, time: float, share: float) -> None:
    """1 - t**(1/e), the polynomial family of Faratin, Sierra & Jennings (1998), k = 0."""
    assert TimeDependent(e).target_share(time) == pytest.approx(share)


@given(st.floats(0.05, 20), st.floats(0, 1), st.floats(0, 1))
def test_targets_fall_from_best_to_reservation(e: float, one: float, two: float) -> None:
    tactic = TimeDependent(e)
    assert tactic.target_share(0.0) == 1.0
    assert tactic.target_share(1.0) == 0.0
    early, late = sorted((one, two))
    assert tactic.target_share(early) >= tactic.target_share(late)


@given(st.floats(0.02, 0.98))
def test_boulware_holds_out_and_conceder_gives_in(time: float) -> None:
    boulware, linear, conceder = (TimeDependent(e).target_share(time) for e in (0.3, 1.0, 3.0))
    assert boulware > linear > conceder


def test_offers_the_least_that_reaches_the_aim() -> None:
    talk = standpoint([10, 7, 4, 2, -1], turns=11, turn=5)
    assert TimeDependent(1.0).next_offer(talk) == 1  # aims at 5, the least above is 7


def test_at_the_deadline_all_that_gains_is_accepted() -> None:
    talk = standpoint([10, 7, 0, -1], turns=11, turn=10)
    tactic = TimeDependent(0.2)
    talk.received = [2]
    assert tactic.next_offer(talk) == 2
    assert tactic.accepts(talk, 2)


@every_tactic
@given(st.data())
def test_never_offers_below_the_reservation(tactic: Tactic, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 8))
    utility = data.draw(st.lists(st.floats(-10, 10), min_size=count, max_size=count))
    utility[data.draw(st.integers(0, count - 1))] = 1.0
    talk = standpoint(utility, turns=12)
    for turn in range(12):
        talk.turn = turn
        chosen = tactic.next_offer(talk)
        assert talk.utility_eur[chosen] >= 0
        talk.made.append(chosen)
        talk.received.append(data.draw(st.integers(0, count - 1)))


def test_tit_for_tat_gives_back_what_it_got() -> None:
    talk = standpoint([10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0], turns=11)
    stern = TitForTat(goodwill=0.0)
    talk.received = [10]
    assert stern.next_offer(talk) == 0
    talk.received = [10, 7]  # the partner's offers have become better by 3
    assert stern.next_offer(talk) == 3
    talk.received = [10, 7, 9]  # taking back is not imitated
    assert stern.next_offer(talk) == 3


def test_trade_off_stays_on_its_curve_and_nears_the_partner() -> None:
    """Two quantities, iso-utility 5: the partner asks for the second, and gets it."""
    utility = np.array([10.0, 5.0, 0.0, 9.0, 5.0, -1.0])
    place = np.array([[0, 0.9], [0, 0.5], [0, 0.1], [1, 0.9], [1, 0.6], [1, 0.1]])
    talk = Standpoint(utility, place, turns=11, turn=5)
    talk.received = [5]
    assert TradeOff(1.0).next_offer(talk) == 4
    talk.received = [2]
    assert TradeOff(1.0).next_offer(talk) == 1


def test_micro_concedes_only_for_new_offers() -> None:
    talk = standpoint([5, 4, 3, 2, 1, -1])
    micro = MiCRO()
    assert micro.next_offer(talk) == 0
    talk.made, talk.received = [0], [5]
    assert micro.next_offer(talk) == 1
    talk.made, talk.received = [0, 1], [5, 5]  # the partner repeats itself
    assert micro.next_offer(talk) == 0
    talk.received.append(4)
    assert micro.next_offer(talk) == 2


def test_micro_accepts_what_it_would_concede_anyway() -> None:
    talk = standpoint([5, 4, 3, 2, 1])
    talk.made, talk.received = [0, 1], [4, 2]
    assert MiCRO().next_offer(talk) == 2
    assert MiCRO().accepts(talk, 2)
    talk.received = [4, 3]
    assert not MiCRO().accepts(talk, 2)


@pytest.mark.parametrize("slices", [10, 20])
def test_micro_splits_a_linear_pie_in_the_middle(slices: int) -> None:
    """Best reply to itself on a balanced domain (de Jonge 2024): n + 1 slices, half each."""
    agreed, _ = held_talk(*linear_pie(slices), MiCRO(), MiCRO(), turns=200)
    assert agreed == slices // 2


@pytest.mark.parametrize("name", ["boulware", "linear", "conceder", "tit_for_tat", "trade_off"])
def test_alike_tactics_agree_on_a_linear_pie(name: str) -> None:
    one, two = linear_pie(20)
    agreed, _ = held_talk(one, two, TACTICS[name], TACTICS[name], turns=40)
    assert agreed is not None
    assert one[agreed] >= 0
    assert two[agreed] >= 0


def test_who_concedes_earlier_gets_less() -> None:
    one, two = linear_pie(40)
    agreed, _ = held_talk(one, two, TACTICS["boulware"], TACTICS["conceder"], turns=60)
    assert agreed is not None
    assert one[agreed] > 2 * two[agreed]


@pytest.mark.parametrize("name", sorted(TACTICS))
def test_every_tactic_is_a_strategy(name: str) -> None:
    assert name in STRATEGIES.names()
    made = make_strategy(name)
    assert type(made.tactic) is type(TACTICS[name])


def test_parameters_of_tactics() -> None:
    assert make_strategy("boulware:0.5").tactic == TimeDependent(0.5)
    assert make_strategy("conceder:4").tactic == TimeDependent(4.0)
    assert make_strategy("patient:0.8").discount == 0.8
    assert isinstance(Truthful().tactic, MiCRO)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("boulware:2", "e must lie between 0 and 1"),
        ("conceder:0.5", "e must be above 1"),
        ("trade_off:0", "e must be above 0"),
        ("tit_for_tat:7", r"give a share in \[0, 1\]"),
        ("patient:1", r"give a factor in \[0, 1\)"),
        ("boulware:much", "'much' is no number"),
        ("linear:1", "does not take 1 parameters"),
        ("boulwar", "did you mean 'boulware'"),
    ],
)
def test_wrong_parameters_are_explained(text: str, complaint: str) -> None:
    with pytest.raises(PluginError, match=complaint):
        make_strategy(text)


def test_boulware_default() -> None:
    assert Boulware().tactic == TimeDependent(0.2)
