"""Auctions: the textbooks' worked examples, and what holds for any orders and any market."""

from __future__ import annotations

import re
from functools import partial
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.strategy import MarkUp
from model.negotiation import NegotiationModel
from model.planner import planner
from model.world import World
from protocols.clock_auction import ClockAuction
from protocols.fractional_vcg import FractionalVcg
from protocols.k_double_auction import KDoubleAuction, clear_k_double, clear_pay_as_bid
from protocols.mcafee import McAfee, clear_mcafee
from protocols.orders import Orders, asks, bids, margin
from protocols.plugins import PluginError
from protocols.registry import make_protocol
from tests.clarke import clear_vcg
from tests.small_worlds import teaching_world

OwnPrices = partial(KDoubleAuction, own_prices=True)
BIDS = np.array([100.0, 90, 80, 70, 60])
ASKS = np.array([80.0, 85, 95, 100, 110])
LINE_AUCTIONS = (KDoubleAuction, OwnPrices, McAfee, ClockAuction)
prices = st.lists(st.integers(0, 100), min_size=1, max_size=6).map(lambda p: np.array(p, float))


def welfare(buyers: Orders, sellers: Orders, mw: float) -> float:
    """Worth less cost of the first units."""
    n = round(mw)
    return float(buyers.price[:n].sum() - sellers.price[:n].sum())


def test_k_double_auction_of_five_buyers_and_five_sellers() -> None:
    """The average rule: two trades at 87.5, half-way between the bid of 90 and the ask of 85."""
    match = clear_k_double(bids(BIDS), asks(ASKS))
    assert (match.mw, match.paid, match.earned) == (2, 87.5, 87.5)
    assert welfare(bids(BIDS), asks(ASKS), match.mw) == 25


@pytest.mark.parametrize(("k", "price"), [(0, 85), (0.3, 86.5), (1, 90)])
def test_k_weighs_the_last_bid_against_the_last_ask(k: float, price: float) -> None:
    assert clear_k_double(bids(BIDS), asks(ASKS), k).paid == pytest.approx(price)


def test_pay_as_bid_of_the_same_orders() -> None:
    match = clear_pay_as_bid(bids(BIDS), asks(ASKS))
    assert (match.mw, match.paid, match.earned) == (2, 95, 82.5)


def test_mcafee_trades_all_if_the_middle_price_suits_the_last_pair() -> None:
    """McAfee (1992): p0 = (80 + 95) / 2 = 87.5 lies between 85 and 90, nothing is given up."""
    match = clear_mcafee(bids(BIDS), asks(ASKS))
    assert (match.mw, match.paid, match.earned) == (2, 87.5, 87.5)


def test_mcafee_gives_up_the_last_pair_otherwise() -> None:
    """b = 9, 8, 3; s = 2, 7.5, 20: p0 = 11.5 exceeds 8, one pair trades at 8 and 7.5."""
    match = clear_mcafee(bids(np.array([9.0, 8, 3])), asks(np.array([2.0, 7.5, 20])))
    assert (match.mw, match.paid, match.earned) == (1, 8, 7.5)


def test_vcg_of_the_same_orders_has_a_deficit_of_ten() -> None:
    """Vickrey (1961): buyers pay 85, sellers are paid 90."""
    outcome = clear_vcg(bids(BIDS), asks(ASKS))
    assert (outcome.mw, outcome.welfare) == (2, 25)
    assert outcome.paid.tolist() == [85, 85]
    assert outcome.earned.tolist() == [90, 90]
    assert outcome.deficit == 10


def test_vcg_between_two_pays_out_the_welfare_twice() -> None:
    """One buyer, one seller; the deficit is the whole welfare, 19 000 as in merit_order.

    The textbook's one buyer and one seller are bundles of blocks here, each one trader.
    """
    demand = bids(np.array([95.0, 60, 20]), np.array([400.0, 300, 300]))
    supply = asks(np.array([30.0, 70]), np.array([400.0, 300]))
    m = margin(demand, supply)
    assert m is not None and m.mw == 400
    one_buyer = bids(np.array([31_000 / 400]), np.array([400.0]))
    one_seller = asks(np.array([12_000 / 400]), np.array([400.0]))
    outcome = clear_vcg(one_buyer, one_seller)
    assert outcome.welfare == pytest.approx(19_000)
    assert outcome.deficit == pytest.approx(19_000)


GRID = (np.arange(400) + 0.5) / 400


def test_chatterjee_samuelson_equilibrium_of_the_half_double_auction() -> None:
    """Linear equilibrium on U[0,1]: gain 9/64, which is 27/32 of the possible 1/6; trade in 9/32.

    Chatterjee & Samuelson (1983), Operations Research 31.
    """
    bid, ask = 2 / 3 * GRID + 1 / 12, 2 / 3 * GRID + 1 / 4
    gain, trades, lowest, highest = 0.0, 0, 1.0, 0.0
    for (v, b), (c, a) in product(
        zip(GRID[::4], bid[::4], strict=True), zip(GRID[::4], ask[::4], strict=True)
    ):
        match = clear_k_double(bids(np.array([b])), asks(np.array([a])))
        if match.mw:
            gain, trades = gain + v - c, trades + 1
            lowest, highest = min(lowest, match.paid), max(highest, match.paid)
    gain /= 100**2
    assert gain == pytest.approx(9 / 64, abs=2e-3)
    assert gain * 6 == pytest.approx(27 / 32, abs=1e-2)
    assert trades / 100**2 == pytest.approx(9 / 32, abs=5e-3)
    assert lowest >= 1 / 4 - 0.01 and highest <= 3 / 4 + 0.01


def test_nobody_gains_by_leaving_the_chatterjee_samuelson_equilibrium() -> None:
    """Best reply of a buyer on a grid of bids: no better than its equilibrium bid."""
    ask = 2 / 3 * GRID + 1 / 4
    for v in (0.4, 0.9):

        def expected(b: float, v: float = v) -> float:
            matches = [clear_k_double(bids(np.array([b])), asks(np.array([a]))) for a in ask]
            return sum(m.mw * (v - m.paid) for m in matches) / len(ask)

        at_equilibrium = expected(2 / 3 * v + 1 / 12)
        assert max(expected(b) for b in np.linspace(0, 1, 26)) <= at_equilibrium + 5e-4


def test_efficient_trade_needs_a_subsidy_of_one_sixth() -> None:
    """Myerson & Satterthwaite (1983): VCG on U[0,1] runs an expected deficit of 1/6."""
    points = GRID[::8] + 1e-4
    deficit = [
        clear_vcg(bids(np.array([v])), asks(np.array([c]))).deficit
        for v, c in product(points, points - 2e-4)
    ]
    assert np.mean(deficit) == pytest.approx(1 / 6, abs=5e-3)


@given(prices, prices)
def test_mcafee_keeps_a_surplus_and_loses_one_trade_at_most(b: np.ndarray, s: np.ndarray) -> None:
    buyers, sellers = bids(b), asks(s)
    match, m = clear_mcafee(buyers, sellers), margin(buyers, sellers)
    assert match.paid >= match.earned
    full = 0.0 if m is None else welfare(buyers, sellers, m.mw)
    lost = 0.0 if m is None else m.bid - m.ask
    assert welfare(buyers, sellers, match.mw) >= full - lost - 1e-9


def utility(match_mw: float, price: float, told: np.ndarray, who: int, worth: float) -> float:
    """Of a buyer with unit demand under a uniform buyers' price; earlier of equals goes first."""
    rank = int(np.flatnonzero(np.argsort(-told, kind="stable") == who)[0])
    return worth - price if rank < match_mw else 0.0


@given(prices, prices, st.integers(0, 5), st.integers(0, 100))
def test_no_buyer_gains_by_misreporting_to_mcafee(
    b: np.ndarray, s: np.ndarray, who: int, lie: int
) -> None:
    who %= len(b)
    honest = clear_mcafee(bids(b), asks(s))
    told = b.copy()
    told[who] = lie
    lying = clear_mcafee(bids(told), asks(s))
    truth = utility(honest.mw, honest.paid, b, who, b[who])
    assert utility(lying.mw, lying.paid, told, who, b[who]) <= truth + 1e-9


@given(prices, prices)
def test_vcg_leaves_everyone_its_marginal_contribution(b: np.ndarray, s: np.ndarray) -> None:
    buyers, sellers = bids(b), asks(s)
    outcome = clear_vcg(buyers, sellers)
    assert outcome.deficit >= -1e-9
    for i, paid in enumerate(outcome.paid):
        rest = clear_vcg(bids(np.delete(buyers.price, i)), sellers).welfare if len(b) > 1 else 0.0
        assert buyers.price[i] - paid == pytest.approx(outcome.welfare - rest)
        assert paid <= buyers.price[i] + 1e-9


@given(prices, prices)
def test_uniform_price_suits_everyone_who_trades(b: np.ndarray, s: np.ndarray) -> None:
    buyers, sellers = bids(b), asks(s)
    match = clear_k_double(buyers, sellers)
    n = round(match.mw)
    assert (buyers.price[:n] >= match.paid).all() and (sellers.price[:n] <= match.paid).all()
    # What is left cannot trade.
    left_b, left_s = buyers.price[n:], sellers.price[n:]
    assert not (len(left_b) and len(left_s)) or left_b[0] < left_s[0]


def held(place: World, protocol, strategies=None) -> NegotiationModel:  # type: ignore[no-untyped-def]
    model = NegotiationModel(
        place.problems, place.graph, place.products, protocol, seed=1, strategies=strategies
    )
    model.plan_alone()
    while model.running and model.steps < 60:
        before = model.gain_eur
        model.step()
        assert model.gain_eur >= before - 1e-6  # welfare never falls
    return model


@pytest.mark.parametrize("kind", LINE_AUCTIONS)
@pytest.mark.parametrize("name", ["two_countries", "two_countries_limited"])
def test_auctions_between_two_countries_find_most_of_the_gain(kind: type, name: str) -> None:
    """Of 20 833.33 and 17 500 EUR an hour, the closed forms of the scenarios' README.md."""
    place = teaching_world(name)
    model = held(place, kind())
    possible = sum(model.autarky_eur.values()) - planner(place).cost_eur
    assert model.status == "completed"
    assert 0.97 * possible <= model.gain_eur <= possible * (1 + 1e-9)
    assert min(model.gains_eur.values()) >= 0


def test_vcg_on_the_network_shares_by_contribution() -> None:
    """Between two countries each adds all of the welfare, so that they share it equally."""
    place = teaching_world("two_countries")
    model = held(place, FractionalVcg())
    assert model.status == "completed"
    possible = sum(model.autarky_eur.values()) - planner(place).cost_eur
    assert model.gain_eur >= 0.97 * possible
    assert min(model.gains_eur.values()) >= 0


@pytest.mark.parametrize("kind", [FractionalVcg, OwnPrices])
@pytest.mark.parametrize("place", ["two_countries", "two_countries_limited"])
def test_shading_a_little_pays_half_of_it_on_all_that_is_traded(kind: type, place: str) -> None:
    """Who of two adds m EUR/MWh to what it reports wins m q / 2 on its q MWh, at first order.

    Sixteen price levels, because a curve of four blurs what little shading does.
    """
    market, m = teaching_world(place), 1.0
    alone = float(market.problems["B"].solve(np.zeros(1)).price_eur_per_mwh[0])
    honest, shaded = (
        held(market, kind(levels=16), strategies) for strategies in ({}, {"B": MarkUp(m / alone)})
    )
    traded_mwh = float(market.products.weights_h @ shaded.ledger.net_import_mw("B"))
    won = shaded.gains_eur["B"] - honest.gains_eur["B"]
    assert won == pytest.approx(m * traded_mwh / 2, rel=0.06)


def test_vcg_on_the_network_lacks_the_whole_welfare_between_two() -> None:
    """Each is due all of it, and it is there once (Myerson & Satterthwaite 1983)."""
    place = teaching_world("two_countries")
    model = NegotiationModel(place.problems, place.graph, place.products, FractionalVcg(), seed=1)
    model.plan_alone()
    model.step()
    assert model.last is not None
    outcome = model.last.outcome
    (lacking,) = re.findall(r"deficit of (\S+) EUR", outcome.note)
    (trade,) = outcome.trades
    mw, hours = trade.mw[0], place.products.hours[0]
    # Told at four price levels, curves are steps, and worth no more than what was gained.
    assert 0 < float(lacking) <= model.gain_eur * (1 + 1e-9)
    buyer, seller = place.problems["B"], place.problems["A"]
    zero = np.zeros(len(place.snapshots))
    worth = (buyer.cost(zero) - buyer.cost(zero + mw)) / (mw * hours)
    cost = (seller.cost(zero - mw) - seller.cost(zero)) / (mw * hours)
    both = clear_vcg(
        bids(np.array([worth]), np.array([mw])), asks(np.array([cost]), np.array([mw]))
    )
    assert both.deficit * hours == pytest.approx(model.gain_eur, rel=1e-6)


def test_k_outside_its_range_is_refused() -> None:
    with pytest.raises(PluginError, match=r"k: 1\.5 should be less than or equal to 1"):
        make_protocol("k_double_auction", k="1.5")


@settings(deadline=None, max_examples=25)
@given(prices, prices, st.lists(st.integers(1, 9), min_size=12, max_size=12))
def test_blocks_of_any_size_keep_the_surplus_of_mcafee(
    b: np.ndarray, s: np.ndarray, sizes: list[int]
) -> None:
    mw = np.array(sizes, float)
    buyers, sellers = bids(b, mw[: len(b)]), asks(s, mw[6 : 6 + len(s)])
    match, m = clear_mcafee(buyers, sellers), margin(buyers, sellers)
    assert match.paid >= match.earned
    assert match.mw <= (0.0 if m is None else m.mw)
