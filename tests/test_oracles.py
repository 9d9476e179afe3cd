"""Bilateral bids of the research prototype: recorded negotiations and small cases by hand."""

from __future__ import annotations

import gzip
import json
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

from agents.prototype_side import PrototypeSide
from protocols.base import Market
from protocols.messages import CLOCK, Message
from protocols.products import Products
from protocols.prototype import ProductOutcome, PrototypeBids, Terms, negotiate_product
from protocols.prototype_messages import Bid, ExportCost, Quota

ORACLES = Path(__file__).resolve().parents[1].parent / "shared" / "oracles"
needs_oracles = pytest.mark.skipif(
    not ORACLES.is_dir(), reason=f"recorded negotiations are not here: {ORACLES}"
)


def pump(
    talk: Generator[list[Message], list[Message | None], Any], sides: dict[str, PrototypeSide]
) -> tuple[Any, list[Message]]:
    """Route messages between protocol and private sides; outcome and transcript.

    A reply that the protocol carries on to its receiver is the same object: it stands in the
    transcript once.
    """
    transcript: list[Message] = []
    replied: set[int] = set()
    replies: list[Message | None] | None = None
    while True:
        try:
            batch = next(talk) if replies is None else talk.send(replies)
        except StopIteration as end:
            return end.value, transcript
        transcript += [m for m in batch if id(m) not in replied]
        replies = [sides[m.receiver].answer(m) for m in batch]
        transcript += [r for r in replies if r is not None]
        replied = replied | {id(r) for r in replies if r is not None}


def negotiate(
    agents: dict[str, tuple[float, float, float]],
    links: Iterable[tuple[str, str, float]],
    terms: Terms,
) -> tuple[ProductOutcome, list[Message]]:
    """Hold one negotiation; agents give (MC_import, MC_export, quota in MWh)."""
    links_mwh = {}
    for a, b, mwh in links:
        links_mwh[a, b] = links_mwh[b, a] = mwh
    sides = {
        country: PrototypeSide(np.array([imp]), np.array([exp]), np.array([quota]))
        for country, (imp, exp, quota) in agents.items()
    }
    return pump(negotiate_product(list(agents), links_mwh, terms), sides)


def deals(outcome: ProductOutcome) -> list[tuple[int, str, str, float, float]]:
    """Trades as (round from 1, exporter, importer, MWh, price)."""
    return [
        (t.round + 1, t.exporter, t.importer, t.mw[0], t.price_eur_per_mwh) for t in outcome.trades
    ]


@needs_oracles
@pytest.mark.parametrize(
    ("file", "number"),
    [("bilateral_recorded.json.gz", 707), ("bilateral_synthetic.json.gz", 273)],
)
def test_recorded_negotiations_are_repeated_exactly(file: str, number: int) -> None:
    with gzip.open(ORACLES / file) as stream:
        cases = json.load(stream)["cases"]
    assert len(cases) == number
    for case in cases:
        outcome, transcript = negotiate(
            {
                a["country"]: (a["MC_import"], a["MC_export"], a["marginal_demand"])
                for a in case["agents"]
            },
            [(li["a"], li["b"], li["capacity_MWh"]) for li in case["links"]],
            Terms(case["margin"], case["fee"], case["bid_sign"]),
        )
        expected = [
            (t["round"], t["exporter"], t["importer"], t["MWh"], round(t["price"], 2))
            for t in case["trades"]
        ]
        assert deals(outcome) == expected, case["id"]
        assert outcome.status == "completed", case["id"]
        assert_on_links(transcript, {frozenset((li["a"], li["b"])) for li in case["links"]})


def assert_on_links(transcript: list[Message], links: set[frozenset[str]]) -> None:
    for message in transcript:
        if message.sender == CLOCK:
            assert message.act == "call" and not message.body.private_numbers()
        else:
            assert frozenset((message.sender, message.receiver)) in links


# --- small cases by hand --------------------------------------------------------------------


def test_two_countries_trade_their_smaller_quota() -> None:
    agents = {"A": (5.0, 10.0, 200.4), "B": (30.0, 40.0, 120.6)}
    outcome, _ = negotiate(agents, [("A", "B", 1e6)], Terms(0.05, 0.0, -1))
    assert deals(outcome) == [(1, "A", "B", 121, 28.5)]
    assert outcome.status == "completed"
    outcome, _ = negotiate(agents, [("A", "B", 1e6)], Terms(0.05, 0.0, 1))
    assert deals(outcome) == [(1, "A", "B", 121, 31.5)]


def test_quotas_are_rounded_half_to_even() -> None:
    for quota, mwh in ((2.5, 2), (3.5, 4)):
        agents = {"A": (5.0, 10.0, 50.0), "B": (30.0, 40.0, quota)}
        outcome, _ = negotiate(agents, [("A", "B", 1e6)], Terms())
        assert deals(outcome) == [(1, "A", "B", mwh, 28.5)]


def test_margins_on_both_sides_stop_a_trade() -> None:
    agents = {"A": (5.0, 10.0, 100.0), "B": (11.0, 40.0, 100.0)}
    outcome, _ = negotiate(agents, [("A", "B", 1e6)], Terms(0.05))
    assert outcome.trades == [] and outcome.status == "completed"
    outcome, _ = negotiate(agents, [("A", "B", 1e6)], Terms(0.0))
    assert deals(outcome) == [(1, "A", "B", 100, 11.0)]


def test_fee_raises_utility_and_silences_cheap_importers() -> None:
    agents = {"A": (5.0, 10.0, 100.0), "B": (9.0, 40.0, 100.0)}
    links = [("A", "B", 1e6)]
    assert not negotiate(agents, links, Terms(0.0, 0.0, 1))[0].trades
    # 9 + 5 > 10, as the prototype counts the fee.
    assert deals(negotiate(agents, links, Terms(0.0, 5.0, 1))[0]) == [(1, "A", "B", 100, 9.0)]
    # A fee of what the import is worth, and no bid is made at all.
    outcome, transcript = negotiate(agents, links, Terms(0.0, 9.0, 1))
    assert not outcome.trades and not any(isinstance(m.body, Bid) for m in transcript)


def test_zero_costs() -> None:
    agents = {"A": (0.0, 0.0, 100.0), "B": (20.0, 0.0, 60.0)}
    outcome, transcript = negotiate(agents, [("A", "B", 1e6)], Terms())
    assert deals(outcome) == [(1, "A", "B", 60, 19.0)]
    assert {m.sender for m in transcript if isinstance(m.body, Bid)} == {"B"}
    agents = {"A": (0.0, 0.0, 100.0), "B": (0.0, 0.0, 60.0)}
    assert not negotiate(agents, [("A", "B", 1e6)], Terms())[0].trades


def test_line_binds_and_is_used_up_in_both_directions() -> None:
    # Both would gain from importing from the other; the better direction takes the line.
    agents = {"A": (50.0, 10.0, 100.0), "B": (60.0, 12.0, 100.0)}
    outcome, _ = negotiate(agents, [("A", "B", 40)], Terms(0.0))
    assert deals(outcome) == [(1, "A", "B", 40, 60.0)]


def test_imports_and_exports_share_one_budget() -> None:
    # B sells its whole quota to C, the better deal, and cannot buy A's cheap energy any more.
    agents = {"A": (0.0, 1.0, 100.0), "B": (20.0, 10.0, 100.0), "C": (90.0, 99.0, 100.0)}
    outcome, _ = negotiate(agents, [("A", "B", 1e6), ("B", "C", 1e6)], Terms(0.0))
    assert deals(outcome) == [(1, "B", "C", 100, 90.0)]
    # With 30 MWh to spare it buys these in the next round.
    agents["B"] = (20.0, 10.0, 130.0)
    outcome, _ = negotiate(agents, [("A", "B", 1e6), ("B", "C", 1e6)], Terms(0.0))
    assert deals(outcome) == [(1, "B", "C", 100, 90.0), (2, "A", "B", 30, 20.0)]


def test_equal_bids_with_clear_roles_are_sorted_by_name() -> None:
    exporter, importer = (0.0, 10.0, 100.0), (50.0, 60.0, 100.0)
    agents = {"A": exporter, "B": exporter, "P": importer, "Q": importer}
    links = [(e, i, 1e6) for e in "AB" for i in "PQ"]
    outcome, _ = negotiate(agents, links, Terms())
    assert deals(outcome) == [(1, "A", "P", 100, 47.5), (2, "B", "Q", 100, 47.5)]


@pytest.mark.parametrize("names", ["AB", "ABC"])
def test_tie_ends_cycling(names: str) -> None:
    # Each would rather sell than buy, since bids received are listed before bids sent, and
    # each quota is good for one bid only: no bid is accepted by both sides, nobody leaves.
    agents = dict.fromkeys(names, (50.0, 10.0, 100.0))
    links = [(a, b, 1e6) for a in names for b in names if a < b]
    outcome, transcript = negotiate(agents, links, Terms())
    assert (outcome.status, outcome.trades, outcome.rounds) == ("cycling", [], 1)
    accepting = [m.sender for m in transcript if m.act == "accept"]
    assert sorted(accepting) == sorted(names)


SMALL = {"A": (3.25, 10.5, 200.4), "B": (31.0, 42.0, 220.6), "C": (77.0, 88.0, 150.2)}
SMALL_LINKS = [("A", "B", 1e6), ("B", "C", 1e6)]


def numbers(value: object) -> list[float]:
    """All numbers in a message record, nested ones included."""
    if isinstance(value, dict):
        return [n for v in value.values() for n in numbers(v)]
    if isinstance(value, list | tuple):
        return [n for v in value for n in numbers(v)]
    return [float(value)] if isinstance(value, int | float) else []


def test_private_numbers_are_declared_before_anyone_uses_them() -> None:
    terms = Terms()
    outcome, transcript = negotiate(SMALL, SMALL_LINKS, terms)
    assert len(outcome.trades) == 2
    known = {0.0, 1.0, 2.0, terms.margin, terms.fee_eur_per_mwh, float(terms.bid_sign), 1e6}
    for message in transcript:
        record = message.body.record()
        json.dumps(record)
        silent = {k: v for k, v in record.items() if k not in message.body.discloses}
        assert set(numbers(silent)) <= known, message
        known |= set(message.body.private_numbers())
    declared = {type(m.body) for m in transcript if m.body.private_numbers()}
    assert declared == {Quota, Bid, ExportCost}
    # What stays secret: the marginal cost of importing itself, and fractions of the quota.
    for mc_import, _, quota in SMALL.values():
        assert mc_import not in known and quota not in known


def test_export_cost_is_told_to_bidders_only() -> None:
    _, transcript = negotiate(SMALL, SMALL_LINKS, Terms())
    bids = {(m.receiver, m.sender, m.round) for m in transcript if isinstance(m.body, Bid)}
    leaks = {(m.sender, m.receiver, m.round) for m in transcript if isinstance(m.body, ExportCost)}
    assert leaks == bids


def test_messages_travel_along_links_only() -> None:
    _, transcript = negotiate(SMALL, SMALL_LINKS, Terms())
    assert_on_links(transcript, {frozenset("AB"), frozenset("BC")})


def test_silent_countries_do_not_stop_the_others() -> None:
    class Silent(PrototypeSide):
        def answer(self, message: Message) -> None:
            return None

    one = np.ones(1)
    sides = {c: PrototypeSide(i * one, e * one, q * one) for c, (i, e, q) in SMALL.items()}
    sides["C"] = Silent(one, one, one)
    links = {pair: 1e6 for a, b, _ in SMALL_LINKS for pair in ((a, b), (b, a))}
    outcome, _ = pump(negotiate_product(list(SMALL), links, Terms()), sides)
    assert deals(outcome) == [(1, "A", "B", 200, 29.45)]


# --- in a market ----------------------------------------------------------------------------


class SmallMarket(Market):
    """Public side of a market with fixed room, MW of each product per direction."""

    def __init__(self, products: Products, room: dict[tuple[str, str], list[float]]) -> None:
        self.graph = nx.Graph(list(room))
        self.products = products
        self.rng = np.random.default_rng(0)
        self.memory = {}
        self.step = 0
        self._room = room

    def room_mw(self, path: tuple[str, ...]) -> np.ndarray:
        return np.array(self._room[path[0], path[1]])

    def flow_mw(self, sender: str, receiver: str) -> np.ndarray:
        return np.zeros(len(self.products.weights_h))

    def wheeling_eur_per_mwh(self, path: tuple[str, ...]) -> float:
        return 0.0


def flat(*hours: float) -> Products:
    names = tuple(f"2030-{k + 1:02d}" for k in range(len(hours)))
    return Products(names, names, np.eye(len(hours)), np.array(hours))


def test_products_are_traded_in_mw_within_the_room_of_each_direction() -> None:
    market = SmallMarket(flat(744, 672), {("A", "B"): [10.0, 7.0], ("B", "A"): [0.0, 100.0]})
    sides = {
        "A": PrototypeSide(np.array([5.0, 50.0]), np.array([10.0, 60.0]), np.array([9e3, 1e3])),
        "B": PrototypeSide(np.array([30.0, 20.0]), np.array([40.0, 25.0]), np.array([8e3, 1e4])),
    }
    outcome, transcript = pump(PrototypeBids().run(market), sides)
    first, second = outcome.trades
    # January: the line binds; February: the other way round, and the quota of A binds.
    assert (first.path, first.mw, first.price_eur_per_mwh) == (("A", "B"), (10.0, 0.0), 28.5)
    assert (second.path, second.mw) == (("B", "A"), (0.0, pytest.approx(1000 / 672)))
    assert (first.round, second.round) == (0, 1)
    assert not outcome.settled and outcome.status is None
    awards = [m for m in transcript if m.act == "award"]
    assert [m.body.trade for m in awards[::2]] == outcome.trades
    # Both parties are told, and it is one trade: the ledger books it once.
    assert all(a.body.trade is b.body.trade for a, b in zip(awards[::2], awards[1::2], strict=True))


def test_run_without_trades_is_settled_or_cycling() -> None:
    room = {("A", "B"): [10.0], ("B", "A"): [10.0]}
    costs = {"dear": (5.0, 90.0), "tie": (50.0, 10.0)}
    for name, status in (("dear", None), ("tie", "cycling")):
        side = [np.array([v]) for v in (*costs[name], 100.0)]
        sides = {c: PrototypeSide(*side) for c in "AB"}
        outcome, _ = pump(PrototypeBids().run(SmallMarket(flat(8760), room)), sides)
        assert (outcome.trades, outcome.status) == ([], status)
        assert outcome.settled == (status is None)
        assert ("2030-01" in outcome.note) == (status == "cycling")


@pytest.mark.parametrize(
    ("step_share", "margin", "total_mwh", "share"),
    [(0.2, 0.05, 652, 0.9527), (0.2, 0.0, 822, 0.9998), (0.05, 0.0, 839, 1.0)],
)
def test_two_countries_with_linear_marginal_costs(
    step_share: float, margin: float, total_mwh: int, share: float
) -> None:
    """The prototype on scenarios/two_countries; the energies are those of its own code."""
    demand = {"A": 1000.0, "B": 1500.0}

    def cost(country: str, mwh: float) -> float:
        return 10 * mwh + 0.01 * mwh**2 if country == "A" else 20 * mwh + 0.02 * mwh**2

    autarky = sum(cost(c, d) for c, d in demand.items())
    protocol = PrototypeBids(margin, step_share)
    market = SmallMarket(flat(1), {("A", "B"): [1e6], ("B", "A"): [1e6]})
    total = 0.0
    for _ in range(100):
        sides = {}
        for c, d in demand.items():
            step = step_share * d
            down, up = cost(c, d) - cost(c, d - step), cost(c, d + step) - cost(c, d)
            sides[c] = PrototypeSide(*(np.array([v]) for v in (down / step, up / step, step)))
        outcome, _ = pump(protocol.run(market), sides)
        if outcome.settled:
            break
        for trade in outcome.trades:
            demand[trade.exporter] += trade.mw[0]
            demand[trade.importer] -= trade.mw[0]
            total += trade.mw[0]
    gain = autarky - sum(cost(c, d) for c, d in demand.items())
    assert total == total_mwh
    assert gain / 20833.33 == pytest.approx(share, abs=1e-4)


@pytest.mark.parametrize(
    "wrong", [{"margin": 1.0}, {"fee": -1.0}, {"bid_sign": 0}, {"step_share": 0.0}]
)
def test_terms_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give"):
        PrototypeBids(**wrong)
