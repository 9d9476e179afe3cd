"""Alternating offers: worked examples, reservation values, budgets, silence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from agents.rational import proposer_share
from agents.strategy import Strategy, make_strategy
from agents.tactics import Standpoint, Tactic, TimeDependent
from model.engine import Engine, MarketView, Tally
from model.ledger import Ledger
from model.negotiation import NegotiationModel
from model.planner import planner
from model.world import World
from protocols.alternating_offers import AlternatingOffers
from protocols.base import Market, Protocol
from protocols.messages import Leg, Message
from protocols.offer_messages import Accept, Agenda, End, Offer, Reservation
from protocols.offers import is_on
from protocols.pairwise import Deal
from protocols.plugins import PluginError
from protocols.registry import make_protocol
from protocols.rubinstein import Rubinstein
from tests.small_worlds import FOUR, small_world, teaching_world, untouched


def model_of(
    w: World, protocol: Protocol, strategies: dict[str, Strategy] | None = None, seed: int = 1
) -> NegotiationModel:
    cap = w.scenario.settings.value_of_lost_load_eur_per_mwh
    made = NegotiationModel(
        w.problems,
        w.graph,
        w.products,
        protocol,
        seed=seed,
        strategies=strategies,
        price_cap_eur_per_mwh=cap,
    )
    made.plan_alone()
    return made


def everybody(w: World, text: str) -> dict[str, Strategy]:
    return {c: make_strategy(text) for c in w.countries}


def negotiate(
    w: World,
    protocol: Protocol,
    strategies: dict[str, Strategy] | None = None,
    steps: int = 60,
    seed: int = 1,
) -> tuple[NegotiationModel, list[Message]]:
    model = model_of(w, protocol, strategies, seed)
    said: list[Message] = []
    while model.running and model.steps < steps:
        model.step()
        assert model.last is not None
        said += model.last.tally.log
    return model, said


# --- Rubinstein ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "other", "share"),
    [(0.9, 0.9, 0.526316), (0.9, 0.8, 0.714286), (0.5, 0.5, 0.666667)],
)
def test_rubinstein_shares(own: float, other: float, share: float) -> None:
    """Rubinstein (1982), the first proposer's share."""
    assert proposer_share(own, other) == pytest.approx(share, abs=5e-7)


def test_responder_gets_the_rest() -> None:
    assert 1 - proposer_share(0.9, 0.9) == pytest.approx(0.473684, abs=5e-7)
    assert 1 - proposer_share(0.9, 0.9) == pytest.approx(0.9 / (1 + 0.9))


def test_shares_approach_the_weighted_nash_solution() -> None:
    """Binmore, Rubinstein & Wolinsky (1986): as turns shorten, weights are log discount rates."""
    short = 1e-4
    share = proposer_share(0.9**short, 0.8**short)
    assert share == pytest.approx(np.log(0.8) / (np.log(0.9) + np.log(0.8)), abs=1e-4)


@pytest.mark.parametrize(
    ("buyer", "seller", "if_buyer_opens", "if_seller_opens"),
    [(0.9, 0.9, 0.526316, 0.473684), (0.9, 0.8, 0.714286, 0.642857), (0.5, 0.5, 2 / 3, 1 / 3)],
)
@pytest.mark.parametrize("seed", [0, 1, 2, 5])
def test_rubinstein_play(
    buyer: float, seller: float, if_buyer_opens: float, if_seller_opens: float, seed: int
) -> None:
    """The first offer is accepted, and divides the joint gain of the talk as the theorem says."""
    w = teaching_world("merit_order")
    talk = OneTalk(w, TalkOverAll, {"B": f"patient:{buyer}", "S": f"patient:{seller}"}, seed)
    talk.hold(discounting=True)
    offers = talk.said(Offer)
    assert len(offers) == 1
    assert len(talk.said(Accept)) == 1
    trade = talk.ledger.trades[0]
    assert trade.mw == (400.0,)  # the efficient quantity, of 25 ... 500 MW
    value, cost = 31_000.0, 12_000.0
    share = (value - trade.price_eur_per_mwh * 400) / (value - cost)
    expected = if_buyer_opens if offers[0].sender == "B" else if_seller_opens
    assert share == pytest.approx(expected, abs=1e-6)


def test_a_greedy_offer_is_refused_and_countered() -> None:
    """Off the path of equilibrium: who asks for everything hears the equilibrium from the other."""
    w = teaching_world("merit_order")
    talk = OneTalk(w, TalkOverAll, {"B": "truthful", "S": "truthful"}, seed=1)
    usual = {c: a.answer for c, a in talk.agents.items()}
    greedy: list[str] = []

    def ask_for_all(country: str) -> Callable[..., Message | None]:
        def answer(message, ledger):
            reply = usual[country](message, ledger)
            if reply is not None and isinstance(reply.body, Offer) and not greedy:
                greedy.append(country)
                at = 31_000.0 if country == "S" else 12_000.0
                near_is_seller = reply.body.path[0] == "S"
                return replace(
                    reply, body=replace(reply.body, amount_eur=at if near_is_seller else -at)
                )
            return reply

        return answer

    for country, agent in talk.agents.items():
        agent.answer = ask_for_all(country)
    talk.hold(discounting=True)
    first, second = talk.said(Offer)
    assert first.sender == greedy[0]
    assert second.sender != first.sender
    trade = talk.ledger.trades[0]
    buyers = (31_000.0 - trade.price_eur_per_mwh * 400) / 19_000.0
    assert buyers == pytest.approx(0.526316 if second.sender == "B" else 0.473684, abs=1e-6)


# --- one talk on a given grid ----------------------------------------------------------------


@dataclass
class TalkOverAll(AlternatingOffers):
    """Skips interest and wish: S may sell B 0, 25 ... 500 MW at 0, 3 ... 120 EUR/MWh."""

    prices: int = 41
    shares: int = 20

    def _find_deals(self, market: Market, paths, round_):
        yield from ()
        path = next(iter(self._pairs))
        sent = np.array([500.0])
        nothing = np.zeros(1)
        pair = (sent, nothing) if path[0] == "S" else (nothing, sent)
        return [Deal(p, *pair) for p in paths]

    def _bundles(self, market: Market, deal: Deal) -> list[Deal]:
        shares = np.arange(self.shares + 1) / self.shares
        return [Deal(deal.path, deal.there_mw * s, deal.back_mw * s) for s in shares]

    def _amounts_eur(self, market: Market, bundle: Deal) -> tuple[float, ...]:
        mwh = float((bundle.there_mw - bundle.back_mw) @ market.products.hours)
        return tuple((np.linspace(0, 120, self.prices) * mwh).tolist())


@dataclass
class DiscountedTalkOverAll(Rubinstein):
    """The same quantities under discounting."""

    _find_deals = TalkOverAll._find_deals

    def _bundles(self, market: Market, deal: Deal) -> list[Deal]:
        shares = np.arange(1, 21) / 20
        return [Deal(deal.path, deal.there_mw * s, deal.back_mw * s) for s in shares]


class OneTalk:
    """One talk between B and S of ``merit_order``, through the engine."""

    def __init__(
        self, w: World, kind: type[TalkOverAll], strategies: dict[str, str], seed: int = 1
    ) -> None:
        self.kind, self.seed = kind, seed
        self.model = model_of(w, kind(), {c: make_strategy(s) for c, s in strategies.items()})
        self.agents = self.model.countries
        self.ledger = Ledger(w.graph, w.products)
        self.tally = Tally()

    def hold(self, discounting: bool = False, **settings: object) -> None:
        protocol = (
            DiscountedTalkOverAll(attempts=1, least_gain=0.0)
            if discounting
            else self.kind(attempts=1, least_gain=0.0, **settings)  # type: ignore[arg-type]
        )
        for agent in self.agents.values():
            agent.sit_down(protocol, self.ledger)
        self.solves = {c: a.solves for c, a in self.agents.items()}
        market = MarketView(self.ledger, np.random.default_rng(self.seed), {}, 0, 3000.0)
        _, self.tally = Engine(self.agents, self.model.agents).run(protocol, market, self.ledger)
        self.solves = {c: a.solves - self.solves[c] for c, a in self.agents.items()}

    def said(self, kind: type) -> list[Message]:
        return [m for m in self.tally.log if isinstance(m.body, kind)]


def test_micro_against_micro_on_two_merit_orders() -> None:
    """On a grid of 21 x 41: 400 MW at 54 EUR/MWh after 288 rounds of two turns."""
    w = teaching_world("merit_order")
    talk = OneTalk(w, TalkOverAll, {"B": "micro", "S": "micro"}, seed=_seed_that_opens("B"))
    talk.hold(turns=4000)
    trade = talk.ledger.trades[0]
    assert trade.mw == (400.0,)
    assert trade.price_eur_per_mwh == pytest.approx(54.0)
    assert len(talk.said(Offer)) // 2 == 288
    assert talk.said(Offer)[0].sender == "B"
    assert 31_000 - 12_000 == 19_000  # all of the joint gain, at the grid's Nash point
    assert all(solves <= 21 for solves in talk.solves.values())


def _seed_that_opens(country: str) -> int:
    for seed in range(20):
        talk = OneTalk(
            teaching_world("merit_order"), TalkOverAll, {"B": "linear", "S": "linear"}, seed
        )
        talk.hold(turns=3)
        if talk.said(Offer)[0].sender == country:
            return seed
    raise AssertionError(f"{country} never opens")


@pytest.mark.parametrize("one", ["micro", "boulware", "tit_for_tat"])
@pytest.mark.parametrize("other", ["micro", "linear", "conceder", "trade_off"])
@pytest.mark.parametrize("shares", [1, 4, 9])
def test_a_talk_costs_one_optimisation_a_quantity(one: str, other: str, shares: int) -> None:
    """However many offers are made; nothing, the zeroth quantity, is known already."""
    w = teaching_world("merit_order")
    talk = OneTalk(w, TalkOverAll, {"B": one, "S": other})
    talk.hold(turns=300, shares=shares)
    assert len(talk.said(Offer)) > shares
    assert all(solves <= shares for solves in talk.solves.values())


@pytest.mark.parametrize("name", ["boulware", "linear", "conceder", "trade_off", "tit_for_tat"])
def test_tactics_agree_where_both_gain(name: str) -> None:
    talk = OneTalk(teaching_world("merit_order"), TalkOverAll, {"B": name, "S": name})
    talk.hold(turns=200)
    (trade,) = talk.ledger.trades
    buyer, seller = talk.model.countries["B"], talk.model.countries["S"]
    paid = talk.ledger.payments_eur
    assert talk.model.autarky_eur["B"] - buyer.optimise(talk.ledger).cost_eur >= paid["B"] - 1e-6
    assert talk.model.autarky_eur["S"] - seller.optimise(talk.ledger).cost_eur >= paid["S"] - 1e-6
    assert trade.mw[0] > 0


# --- reservation values ----------------------------------------------------------------------


class Careless(Tactic):
    """Offers its worst outcome and accepts anything."""

    def next_offer(self, talk: Standpoint) -> int:
        return int(talk.utility_eur.argmin())

    def accepts(self, talk: Standpoint, own_next: int) -> bool:
        return True


class Reckless(Strategy):
    """Says yes to every offer, past its own side of the table."""

    name = "reckless"
    tactic = TimeDependent(1.0)

    def answer(self, message, ledger, usual):
        if isinstance(message.body, Offer):
            route = message.body.path
            route = route if route[0] == message.receiver else route[::-1]
            body = Accept(message.body.path)
            return Message(
                message.receiver, route[-1], "accept", body, message.round + 1, route[1:-1]
            )
        return usual(message)


def test_the_side_never_goes_below_its_reservation() -> None:
    careless = Strategy()
    careless.tactic = Careless()
    model, said = negotiate(
        teaching_world("triangle"), AlternatingOffers(), {"E": careless}, steps=20
    )
    assert min(model.gains_eur.values()) >= -1e-6
    assert [m for m in said if m.sender == "E" and isinstance(m.body, End)]
    assert all(m.body.holds for m in said if isinstance(m.body, Reservation))


@pytest.mark.parametrize("name", ["triangle", "merit_order", "wheeling"])
def test_a_reckless_strategy_cannot_ruin_its_country(name: str) -> None:
    """What it accepts below zero is stopped by the re-solved cost; the run goes on."""
    w = teaching_world(name)
    fool = w.countries[0]
    model, said = negotiate(w, AlternatingOffers(), {fool: Reckless()}, steps=30)
    refused = [m for m in said if isinstance(m.body, Reservation) and not m.body.holds]
    assert refused
    assert {m.sender for m in refused} == {fool}
    assert min(model.gains_eur.values()) >= -1e-6


def test_offers_that_are_not_on_the_agenda_do_not_count() -> None:
    path = ("A", "B")
    small, large = ((Leg(path, (mw,)),) for mw in (1.0, 2.0))
    agenda = Agenda(path, (small, large), ((0.0,), (1.0, 2.0)), 0.0, 10, True)
    assert is_on(agenda, Offer(path, 1, 2.0, large))
    assert not is_on(agenda, Offer(path, 1, 1.5, large))
    assert not is_on(agenda, Offer(path, 2, 2.0, large))
    assert not is_on(agenda, Offer(path[::-1], 1, 2.0, large))
    assert not is_on(agenda, Offer(path, 1, 2.0, small))
    free = replace(agenda, amounts_eur=((), ()))
    assert is_on(free, Offer(path, 1, 1.5, large))
    assert not is_on(free, Offer(path, 1, float("nan"), large))


@pytest.mark.parametrize("answers", [0, 1, 2, 7])
def test_silence_ends_the_talk(answers: int) -> None:
    talk = OneTalk(teaching_world("merit_order"), TalkOverAll, {"B": "micro", "S": "micro"})
    agent = talk.agents["S"]
    usual, left = agent.answer, [answers]

    def answer(message, ledger):
        left[0] -= 1
        return usual(message, ledger) if left[0] >= 0 else None

    agent.answer = answer  # type: ignore[method-assign]
    talk.hold(turns=4000)
    assert talk.ledger.trades == []
    assert len(talk.said(Offer)) <= 2 * answers + 1


# --- whole negotiations ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["two_countries", "two_countries_limited", "merit_order"])
@pytest.mark.parametrize("strategy", ["micro", "trade_off", "linear"])
def test_better_tactics_come_near_the_optimum(name: str, strategy: str) -> None:
    w = teaching_world(name)
    model, _ = negotiate(w, AlternatingOffers(), everybody(w, strategy))
    best = sum(model.autarky_eur.values()) - planner(w).cost_eur
    assert model.status == "completed"
    assert 0.98 * best <= model.gain_eur <= best * (1 + 1e-6)


@pytest.mark.parametrize("name", ["two_countries", "two_countries_limited", "merit_order"])
def test_rubinstein_reaches_the_optimum(name: str) -> None:
    w = teaching_world(name)
    model, _ = negotiate(w, Rubinstein())
    best = sum(model.autarky_eur.values()) - planner(w).cost_eur
    assert model.status == "completed"
    assert 0.995 * best <= model.gain_eur <= best * (1 + 1e-6)


def test_power_systems_reach_their_ceiling() -> None:
    w = untouched(small_world(FOUR, "1w6h", "year", "tou"))
    model, _ = negotiate(w, AlternatingOffers())
    ceiling = sum(model.autarky_eur.values()) - planner(w, w.products).cost_eur
    assert model.status == "completed"
    assert 0.9 * ceiling <= model.gain_eur <= ceiling * (1 + 1e-6)


def test_parts_of_the_day_are_issues_of_their_own() -> None:
    """None or all of each part: two parts make three bundles, three make seven."""
    w = untouched(small_world(FOUR, "1w6h", "year", "tou"))
    model, said = negotiate(w, AlternatingOffers(issues="parts", quantities=1), steps=1)
    counts = {len(m.body.bundles) for m in said if isinstance(m.body, Agenda)}
    assert counts <= {1, 3, 7}
    assert counts & {3, 7}
    assert model.gain_eur > 0


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"issues": "hours"}, "issues: 'hours' should be 'bundle' or 'parts'"),
        ({"quantities": "0"}, "quantities: 0 should be greater than or equal to 1"),
        ({"turns": 1}, "turns: 1 should be greater than or equal to 2"),
        ({"price_levels": 0}, "price_levels: 0 should be greater than or equal to 1"),
        ({"price_range": "nan"}, "price_range: nan should be"),
        ({"quantities": "2.5"}, "'2.5' is not a whole number"),
    ],
)
def test_wrong_settings(settings: dict, complaint: str) -> None:
    with pytest.raises(PluginError, match=complaint):
        make_protocol("alternating_offers", **settings)


def test_too_many_bundles_are_refused() -> None:
    w = teaching_world("triangle", products="hourly")
    with pytest.raises(PluginError, match="set quantities lower or issues=bundle"):
        negotiate(w, AlternatingOffers(issues="parts"), steps=3)
