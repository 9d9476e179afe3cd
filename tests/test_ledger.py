"""The ledger and the physics of lines, against sums worked with pencil and paper.

A sends to B over T: of what A sends 10 % are lost up to T, of what T passes on 20 % up to B. Two
snapshots of 3 and 5 hours; product ``both`` delivers in both of them, ``late`` in the second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import pytest

from model.graph import (
    flow_delivering,
    flow_sending,
    interconnection_graph,
    largest_mw,
    limit_over_time,
    path_edges,
    read_only,
    received_mw,
    sent_mw,
    strands,
)
from model.ledger import FLOW_TOLERANCE_MW, Ledger, RuleBroken
from protocols.messages import Trade
from protocols.products import Products, make_products
from scenarios.schema import Branch, CostCurve, Interconnector, Scenario, Settings

LOSS_A, LOSS_B = 0.1, 0.2
ROAD = ("A", "T", "B")


def scenario(branches: tuple[Branch, ...] = ()) -> Scenario:
    curves = tuple(
        CostCurve(
            country=c,
            name=f"{c}land",
            latitude=k,
            longitude=-k,
            demand_mw=(100.0, 100.0),
            intercept_eur_per_mwh=10,
            slope_eur_per_mwh_per_mw=0.1,
        )
        for k, c in enumerate("ABT")
    )
    lines = (
        Interconnector(
            country_a="A", country_b="T", a_to_b_mw=100, b_to_a_mw=40, loss=LOSS_A,
            wheeling_eur_per_mwh=2,
        ),
        Interconnector(
            country_a="B", country_b="T", a_to_b_mw=50, b_to_a_mw=60, loss=LOSS_B,
            wheeling_eur_per_mwh=7, branches=branches,
        ),
    )  # fmt: skip
    chosen = Settings(name="road", title="A road", kind="cost_curves", slices="year", snapshots=2)
    return Scenario(settings=chosen, curves=curves, interconnectors=lines)


def products() -> Products:
    shape = np.array([[1.0, 1.0], [0.0, 1.0]])
    return Products(("y/both", "y/late"), ("y", "y"), shape, np.array([3.0, 5.0]))


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(interconnection_graph(scenario()), products())


def trade(path: tuple[str, ...], *mw: float, price: float = 30.0) -> Trade:
    return Trade(path[0], path[-1], path, mw, price)


class TestPhysics:
    def test_what_leaves_and_what_arrives(self) -> None:
        flow = np.array([10.0, 0.0, -10.0])
        assert sent_mw(flow, LOSS_B).tolist() == [10.0, 0.0, -8.0]
        assert received_mw(flow, LOSS_B).tolist() == [8.0, 0.0, -10.0]
        assert flow_sending(np.array([10.0, 0.0, -8.0]), LOSS_B).tolist() == [10.0, 0.0, -10.0]
        assert flow_delivering(np.array([8.0, 0.0, -10.0]), LOSS_B).tolist() == [10.0, 0.0, -10.0]

    def test_edges_of_a_path(self) -> None:
        assert path_edges(ROAD) == [("A", "T"), ("T", "B")]
        assert path_edges(("A",)) == []

    def test_graph(self) -> None:
        graph = interconnection_graph(scenario())
        assert list(graph) == ["A", "B", "T"]
        assert graph.nodes["B"] == {"name": "Bland", "latitude": 1.0, "longitude": -1.0}
        assert graph.edges["T", "A"] == {
            "name": "A-T",
            "loss": LOSS_A,
            "wheeling_eur_per_mwh": 2.0,
            "capacity_mw": {"A": 100.0, "T": 40.0},
        }

    def test_branches_land_at_ports(self) -> None:
        """Two branches from one bus of B to two of T are one port of B and one of T."""
        branches = (
            Branch(bus_a="B0", bus_b="T0", share=0.25),
            Branch(bus_a="B0", bus_b="T1", share=0.75),
        )
        graph = interconnection_graph(scenario(branches))
        assert graph.nodes["B"]["ports"] == [{"B0": 1.0}]
        assert graph.nodes["T"]["ports"] == [{"T0": 0.25, "T1": 0.75}]
        assert graph.edges["B", "T"]["port"] == {"B": 0, "T": 0}
        there = [(s.name, s.bus0, s.bus1, s.share) for s in strands(graph, "B", "T")]
        assert there == [("B>T B0>T0", "B0", "T0", 0.25), ("B>T B0>T1", "B0", "T1", 0.75)]
        back = [(s.name, s.bus0, s.bus1, s.share) for s in strands(graph, "T", "B")]
        assert back == [("T>B T0>B0", "T0", "B0", 0.25), ("T>B T1>B0", "T1", "B0", 0.75)]
        (plain,) = strands(graph, "T", "A")
        assert (plain.name, plain.bus0, plain.bus1, plain.share) == ("T>A", "T", "A", 1.0)

    def test_limits_that_vary(self) -> None:
        """The graph's 100 MW follow a branch of 0.5 MW at most; the other way has one number."""
        graph = interconnection_graph(scenario())
        for steady in (np.full(2, 0.5), np.zeros(2)):
            limit_over_time(graph, "A", "T", steady)
            assert graph.edges["A", "T"]["capacity_mw"] == {"A": 100.0, "T": 40.0}
        limit_over_time(graph, "A", "T", np.array([0.5, 0.1]))
        capacity = graph.edges["A", "T"]["capacity_mw"]
        assert capacity["A"].tolist() == pytest.approx([100, 20])
        assert capacity["T"] == 40
        assert largest_mw(capacity) == 100
        assert largest_mw({"A": np.array([1.0, 2.0]), "T": 3.0}) == 3
        ledger = Ledger(graph, products())
        assert ledger.room_mw(("A", "T")).tolist() == pytest.approx([20, 20])
        assert ledger.capacity_mw(ROAD) == 100
        with pytest.raises(RuleBroken, match=r"capacity: trade A>T exceeds A>T by 1 MW"):
            ledger.book(trade(("A", "T"), 21.0, 0.0))

    def test_read_only(self) -> None:
        graph = interconnection_graph(scenario())
        graph.edges["A", "T"]["array"] = np.zeros(2)
        graph.edges["A", "T"]["list"] = [{"x": 1}]
        seen = read_only(graph)
        assert nx.utils.graphs_equal(nx.Graph(seen.edges), nx.Graph(graph.edges))
        edge = seen.edges["T", "A"]
        assert edge["list"] == ({"x": 1},)
        changes: tuple[Callable[[], Any], ...] = (
            lambda: edge.update(loss=0.0),
            lambda: edge["capacity_mw"].__setitem__("A", 1e9),
            lambda: edge["list"][0].__setitem__("x", 2),
            lambda: edge["array"].__setitem__(0, 1.0),
            lambda: seen.nodes["A"].__setitem__("name", "Zed"),
            lambda: seen.add_edge("A", "B"),
        )
        for change in changes:
            with pytest.raises((TypeError, ValueError, AttributeError, nx.NetworkXError)):
                change()
        graph.edges["A", "T"]["array"][0] = 5.0
        assert edge["array"].tolist() == [0.0, 0.0]


class TestBooking:
    def test_flows_and_net_imports(self, ledger: Ledger) -> None:
        """10 MW throughout and 20 late: 9 and 27 pass T, 7.2 and 21.6 arrive."""
        ledger.book(trade(ROAD, 10.0, 20.0))
        assert ledger.flow_mw("A", "T").tolist() == pytest.approx([10, 30])
        assert ledger.flow_mw("T", "A").tolist() == pytest.approx([-10, -30])
        assert ledger.flow_mw("T", "B").tolist() == pytest.approx([9, 27])
        assert ledger.flows_mw["B-T"].tolist() == pytest.approx([-9, -27])
        assert ledger.exchange_mw("A").tolist() == pytest.approx([-10, -30])
        assert ledger.exchange_mw("T").tolist() == pytest.approx([0, 0], abs=1e-12)
        assert ledger.exchange_mw("B").tolist() == pytest.approx([7.2, 21.6])
        assert ledger.net_import_mw("B").tolist() == pytest.approx([7.2, 21.6])
        assert [t.mw for t in ledger.trades] == [(10.0, 20.0)]
        ledger.check_balance()
        ledger.check_budget()

    def test_payments(self, ledger: Ledger) -> None:
        """10 MW for 8 h and 20 MW for 5 h are 180 MWh at 30 EUR, and 2 EUR each for T."""
        deal = trade(ROAD, 10.0, 20.0)
        assert ledger.energy_mwh(deal) == 180
        assert ledger.wheeling_eur_per_mwh(ROAD) == {"T": 2.0}
        assert ledger.wheeling_eur_per_mwh(ROAD[::-1]) == {"T": 7.0}
        assert ledger.wheeling_eur_per_mwh(("A", "T")) == {}
        assert ledger.transfers_eur(deal) == {"A": -5400.0, "B": 5760.0, "T": -360.0}
        ledger.book(deal)
        ledger.book(deal)
        assert ledger.payments_eur == {"A": -10_800.0, "B": 11_520.0, "T": -720.0}

    def test_counter_trade_nets(self, ledger: Ledger) -> None:
        """T sends 9 back of the 40 it may: A's net import is 0.9 of 9 less what it still sends."""
        ledger.book(trade(("A", "T"), 10.0, 0.0))
        ledger.book(trade(("T", "A"), 9.0, 0.0))
        assert ledger.flow_mw("A", "T").tolist() == pytest.approx([0, 0], abs=1e-12)
        ledger.book(trade(("T", "A"), 10.0, 0.0))
        assert ledger.flow_mw("T", "A").tolist() == pytest.approx([10, 10])
        assert ledger.exchange_mw("A").tolist() == pytest.approx([9, 9])

    def test_effect_changes_nothing(self, ledger: Ledger) -> None:
        ledger.book(trade(("B", "T"), 8.0, 0.0))
        effect = ledger.effect(ROAD, np.array([10.0, 0.0]))
        assert effect.flow_mw["A", "T"].tolist() == pytest.approx([10, 10])
        # B sent 8, of which 6.4 arrived; 9 the other way leave 2.6 net.
        assert effect.flow_mw["T", "B"].tolist() == pytest.approx([2.6, 2.6])
        assert effect.exchange_mw["A"].tolist() == pytest.approx([-10, -10])
        # 8 MW that B need not send any more and 0.8 of 2.6.
        assert effect.delivered_mw.tolist() == pytest.approx([10.08, 10.08])
        assert effect.exchange_mw["B"].tolist() == pytest.approx([10.08, 10.08])
        assert set(effect.exchange_mw) == {"A", "B"}
        assert ledger.flow_mw("T", "B").tolist() == pytest.approx([-6.4 / 0.8] * 2)

    def test_copy_goes_its_own_way(self, ledger: Ledger) -> None:
        ledger.book(trade(("A", "T"), 10.0, 0.0))
        assert ledger.exchange_mw("T").tolist() == [9.0, 9.0]
        for other in (ledger.copy(), ledger.apart()):
            other.book(trade(("A", "T"), 10.0, 0.0))
            assert other.exchange_mw("T").tolist() == [18.0, 18.0]
            assert len(other.trades) == 2
        assert ledger.exchange_mw("T").tolist() == [9.0, 9.0]
        assert (len(ledger.trades), ledger.payments_eur["T"]) == (1, 2400.0)

    def test_exchange_is_added_up_once_and_nobody_can_write_it(self, ledger: Ledger) -> None:
        first = ledger.exchange_mw("T")
        assert ledger.exchange_mw("T") is first
        for array in (first, *ledger.flows_mw.values()):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1.0
        ledger.book(trade(("B", "T"), 10.0, 0.0))
        assert ledger.exchange_mw("T").tolist() == pytest.approx([8, 8])
        with pytest.raises(ValueError, match="read-only"):
            ledger.flows_mw["B-T"][0] = 1.0

    def test_follow_and_take_up(self, ledger: Ledger) -> None:
        other = ledger.copy()
        other.book(trade(("A", "T"), 10.0, 5.0))
        ledger.follow(other)
        assert ledger.flows_mw["A-T"].tolist() == [10, 15]
        assert ledger.payments_eur["A"] == 0
        third = Ledger(ledger.graph, ledger.products)
        recorded = {name: flow.copy() for name, flow in other.flows_mw.items()}
        third.take_up(recorded, other.payments_eur)
        recorded["A-T"][0] = 99.0
        assert third.exchange_mw("T").tolist() == [9, 13.5]
        assert third.payments_eur == other.payments_eur
        third.book(trade(("A", "T"), 1.0, 0.0))
        assert third.payments_eur["A"] < other.payments_eur["A"]
        assert third.trades == [trade(("A", "T"), 1.0, 0.0)]


class TestRoom:
    def test_of_an_empty_road(self, ledger: Ledger) -> None:
        """T passes on 60 MW at most, 66.7 sent by A; B's 50 are 40 at T, what T may send."""
        assert ledger.room_mw(("A", "T")).tolist() == [100, 100]
        assert ledger.room_mw(("T", "A")).tolist() == [40, 40]
        assert ledger.room_mw(ROAD).tolist() == pytest.approx([60 / 0.9] * 2)
        assert ledger.room_mw(ROAD[::-1]).tolist() == pytest.approx([50, 50])

    def test_the_fullest_snapshot_counts_for_its_products(self, ledger: Ledger) -> None:
        """10 and 40 MW flow, of which T has 9 and 36 to give back before it sends its own 40."""
        ledger.book(trade(("A", "T"), 10.0, 30.0))
        assert ledger.room_mw(("A", "T")).tolist() == pytest.approx([60, 60])
        assert ledger.room_mw(("T", "A")).tolist() == pytest.approx([49, 76])

    def test_counter_trade_frees_it(self, ledger: Ledger) -> None:
        """Of the 50 that B sends 40 arrive: T may give them back and then send its own 60."""
        ledger.book(trade(("B", "T"), 50.0, 0.0))
        assert ledger.room_mw(("T", "B")).tolist() == pytest.approx([100, 100])
        assert ledger.room_mw(("B", "T")).tolist() == [0, 0]
        # Over T all of A's 100 MW are 90, less than the 100 for which there is room.
        assert ledger.room_mw(ROAD).tolist() == pytest.approx([100, 100])

    def test_capacity_is_that_of_the_largest_line(self, ledger: Ledger) -> None:
        assert ledger.capacity_mw(("T", "B")) == 60
        assert ledger.capacity_mw(ROAD[::-1]) == 100

    def test_all_of_it_can_be_booked_and_nothing_more(self, ledger: Ledger) -> None:
        room = float(ledger.room_mw(ROAD)[0])
        ledger.book(trade(ROAD, room, 0.0))
        assert ledger.room_mw(ROAD).tolist() == pytest.approx([0, 0], abs=1e-9)
        before = ledger.copy()
        with pytest.raises(RuleBroken, match=r"capacity: trade A>T>B exceeds T>B by 0\.9 MW"):
            ledger.book(trade(ROAD, 0.0, 1.0))
        assert ledger.flows_mw["A-T"].tolist() == before.flows_mw["A-T"].tolist()
        assert ledger.payments_eur == before.payments_eur
        assert len(ledger.trades) == 1
        ledger.book(trade(("A", "T"), 0.0, 0.5 * FLOW_TOLERANCE_MW))
        with pytest.raises(RuleBroken, match="capacity"):
            ledger.book(trade(("T", "B"), 0.0, 2 * FLOW_TOLERANCE_MW))


class TestRules:
    @pytest.mark.parametrize(
        ("deal", "why"),
        [
            (Trade("A", "B", ("A", "T"), (1.0, 0.0), 1.0), "path: A>T does not lead"),
            (Trade("T", "B", ROAD, (1.0, 0.0), 1.0), "does not lead from exporter"),
            (trade(("A", "T", "A"), 1.0, 0.0), "does not lead"),
            (trade(("A",), 1.0, 0.0), "does not lead"),
            (trade(("A", "B"), 1.0, 0.0), "path: A>B: no interconnector A-B"),
            (trade(("A", "T"), 1.0, -0.25), r"quantity: .*negative amount, -0\.25 MW"),
            (trade(("A", "T"), 1.0), "quantity: .* tuple of 2 amounts"),
            (trade(("A", "T"), 1.0, float("nan")), "quantity: .*no number"),
            (trade(("A", "T"), 1.0, None), "quantity: .*no number"),  # type: ignore[arg-type]
            (trade(("A", "T"), float("inf"), 0.0), "quantity: .*no number"),
            (trade(("A", "T"), 1.0, 0.0, price=float("nan")), "price: .* nan EUR/MWh"),
            (trade(("A", "T"), 10.0, 0.0, price=1e308), "price: .* pay .*inf EUR"),
        ],
    )
    def test_of_a_trade(self, ledger: Ledger, deal: Trade, why: str) -> None:
        with pytest.raises(RuleBroken, match=why):
            ledger.book(deal)
        assert ledger.trades == []
        assert not any(flow.any() for flow in ledger.flows_mw.values())
        assert set(ledger.payments_eur.values()) == {0.0}

    def test_own_grid_of_a_transit_country_is_not_used(self) -> None:
        """The line from A lands at another port of T than that to B."""
        place = scenario((Branch(bus_a="B0", bus_b="T0", share=1.0),))
        first = place.interconnectors[0].model_copy(
            update={"branches": (Branch(bus_a="A0", bus_b="T1", share=1.0),)}
        )
        lines = (first, place.interconnectors[1])
        apart = Ledger(
            interconnection_graph(place.model_copy(update={"interconnectors": lines})), products()
        )
        assert apart.room_mw(ROAD).tolist() == [0, 0]
        with pytest.raises(RuleBroken, match="path: A>T>B would use the grid of a transit country"):
            apart.book(trade(ROAD, 1.0, 0.0))
        apart.book(trade(("A", "T"), 10.0, 0.0))
        apart.book(trade(("T", "B"), 10.0, 20.0))
        # What comes in at one port does not leave at the other.
        assert apart.exchange_mw("T").reshape(2, 2)[apart.port_of("T", "A")].tolist() == [9, 9]
        assert apart.exchange_mw("T").reshape(2, 2)[apart.port_of("T", "B")].tolist() == [-10, -30]
        assert apart.net_import_mw("T").tolist() == [-1, -21]

    def test_transfers(self, ledger: Ledger) -> None:
        ledger.transfer({"A": 5.0, "B": -5.0}, "test")
        ledger.transfer({"A": 1e9, "T": -1e9 - 900.0}, "test")  # a share of a millionth is rounding
        assert ledger.payments_eur == {"A": 1e9 + 5, "B": -5.0, "T": -1e9 - 900}
        for amounts, why in (
            ({"A": 1.0, "B": -0.9}, r"budget: transfers sum to 0\.1 EUR"),
            ({"A": -1e9, "T": 1e9 + 1100.0}, "transfers sum to 1100 EUR"),
            ({"A": float("nan"), "B": 0.0}, "budget: a transfer would make A pay nan EUR"),
        ):
            with pytest.raises(RuleBroken, match=why):
                ledger.transfer(amounts, "test")
        assert ledger.payments_eur["B"] == -5.0

    def test_budget(self, ledger: Ledger) -> None:
        ledger.payments_eur.update(A=1e9, B=-1e9 + 0.5)
        ledger.check_budget()
        ledger.payments_eur.update(B=-1e9 + 2.0)
        with pytest.raises(RuleBroken, match=r"budget: payments sum to 2 EUR"):
            ledger.check_budget()
        ledger.payments_eur.update(A=0.0, B=1e-6)
        with pytest.raises(RuleBroken, match="budget: payments sum to 1e-06 EUR"):
            ledger.check_budget()
        ledger.payments_eur.update(B=1.5e-9)
        with pytest.raises(RuleBroken, match="budget: payments sum"):
            ledger.check_budget()
        ledger.payments_eur.update(B=float("nan"))
        with pytest.raises(RuleBroken, match="budget: the payments would make B pay nan EUR"):
            ledger.check_budget()

    def test_balance(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        """Power that appears from nowhere is found, in proportion to what flows."""
        ledger.book(trade(ROAD, 10.0, 20.0))
        ledger.check_balance()
        exact = Ledger.net_import_mw
        for extra, found in ((2e-8, False), (1e-6, True), (-1e-6, True), (float("nan"), True)):
            monkeypatch.setattr(
                Ledger,
                "net_import_mw",
                lambda self, c, extra=extra: exact(self, c) + extra * (c == "A") * np.eye(2)[1],
            )
            if found:
                with pytest.raises(RuleBroken, match=r"balance: .* MW appear from nowhere"):
                    ledger.check_balance()
            else:
                ledger.check_balance()


class TestProducts:
    def test_bundles(self) -> None:
        p = products()
        assert len(p) == 2
        assert p.hours.tolist() == [8, 5]
        assert p.profile_mw(np.array([10.0, 20.0])).tolist() == [10, 30]
        # (3 x 4 + 5 x 12) / 8 and 5 x 12 / 5
        assert p.average(np.array([4.0, 12.0])).tolist() == [9, 12]
        assert p.largest_within(np.array([7.0, 3.0])).tolist() == [3, 3]

    def test_kinds(self) -> None:
        slices = np.array(["m1", "m1", "m2"])
        parts = np.array(["peak", "off_peak", "peak"])
        hours = np.array([3.0, 5.0, 2.0])
        flat, tou, hourly = (make_products(k, slices, parts, hours) for k in KINDS)
        assert flat.names == flat.slices == ("m1", "m2")
        assert flat.shape.toarray().tolist() == [[1, 1, 0], [0, 0, 1]]
        assert tou.names == ("m1/peak", "m1/off_peak", "m2/peak")
        assert tou.slices == ("m1", "m1", "m2")
        assert tou.shape.toarray().tolist() == np.eye(3).tolist()
        assert hourly.names == ("m1/0", "m1/1", "m2/2")
        assert hourly.hours.tolist() == [3, 5, 2]
        with pytest.raises(ValueError, match="unknown product kind 'daily'"):
            make_products("daily", slices, parts, hours)


KINDS = ("flat", "tou", "hourly")
