"""NegMAS negotiators as strategies; NegMAS is licensed under the AGPL and tested if present."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from agents.strategy import make_strategy
from protocols.alternating_offers import AlternatingOffers
from protocols.plugins import PluginError
from tests.small_worlds import teaching_world
from tests.talking import held_talk, linear_pie
from tests.test_alternating_offers import OneTalk, TalkOverAll, everybody, negotiate

HAS_NEGMAS = importlib.util.find_spec("negmas") is not None
with_negmas = pytest.mark.skipif(
    not HAS_NEGMAS, reason="negmas (AGPL, optional) is not installed: pip install negmas"
)


def test_nothing_imports_negmas_unless_it_is_named() -> None:
    code = (
        "import sys; from protocols.plugins import PluginError\n"
        "from agents.strategy import STRATEGIES, make_strategy\n"
        "for name in STRATEGIES.names(): STRATEGIES.load(name)\n"
        "make_strategy('micro'); import run\n"
        "assert not [m for m in sys.modules if m.split('.')[0] == 'negmas']"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(HAS_NEGMAS, reason="negmas is installed")
def test_without_negmas_it_says_what_to_do() -> None:
    with pytest.raises(PluginError, match="pip install negmas"):
        make_strategy("negmas:AspirationNegotiator")


@with_negmas
def test_unknown_negotiators_are_named() -> None:
    with pytest.raises(PluginError, match="did you mean 'AspirationNegotiator'"):
        make_strategy("negmas:AspirationNegotiatr")


@with_negmas
@pytest.mark.parametrize("slices", [10, 20])
@pytest.mark.parametrize("second", ["negmas:MiCRONegotiator", "micro"])
def test_micro_of_negmas_splits_a_pie_in_the_middle(slices: int, second: str) -> None:
    tactics = [make_strategy(t).tactic.for_talk() for t in ("negmas:MiCRONegotiator", second)]
    agreed, _ = held_talk(*linear_pie(slices), *tactics, turns=200)
    assert agreed == slices // 2


@with_negmas
def test_micro_of_negmas_and_ours_agree_on_two_merit_orders() -> None:
    """What our own two come to (test_alternating_offers), with a NegMAS seller."""
    talk = OneTalk(
        teaching_world("merit_order"), TalkOverAll, {"B": "micro", "S": "negmas:MiCRONegotiator"}
    )
    talk.hold(turns=4000)
    (trade,) = talk.ledger.trades
    assert trade.mw == (400.0,)
    assert trade.price_eur_per_mwh == pytest.approx(54.0)


@with_negmas
@pytest.mark.parametrize(
    "name",
    [
        "AspirationNegotiator",
        "BoulwareTBNegotiator",
        "LinearTBNegotiator",
        "ConcederTBNegotiator",
        "MiCRONegotiator",
        "NaiveTitForTatNegotiator",
        "ToughNegotiator",
        "RandomNegotiator",
    ],
)
@pytest.mark.parametrize("partner", ["micro", "linear"])
def test_agreements_are_worth_the_reserved_value(name: str, partner: str) -> None:
    """A careless negotiator is kept from its own mistakes by its side of the table."""
    talk = OneTalk(
        teaching_world("merit_order"), TalkOverAll, {"B": f"negmas:{name}", "S": partner}
    )
    talk.hold(turns=40)
    for country, agent in talk.agents.items():
        cost = agent.optimise(talk.ledger).cost_eur
        assert talk.model.autarky_eur[country] - cost >= talk.ledger.payments_eur[country] - 1e-6


@with_negmas
@pytest.mark.parametrize("name", ["AspirationNegotiator", "MiCRONegotiator"])
def test_a_whole_negotiation_between_negmas_negotiators(name: str) -> None:
    w = teaching_world("triangle")
    model, _ = negotiate(w, AlternatingOffers(turns=60), everybody(w, f"negmas:{name}"), steps=8)
    assert model.gain_eur > 0
    assert min(model.gains_eur.values()) >= -1e-6
