"""Energy sent around a loop: what it saves, and that it saves nothing more afterwards."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from model.ledger import Ledger
from protocols.loops import loops, worthwhile_mw
from protocols.products import Products, make_products

RING = (("A", "B"), ("B", "C"), ("A", "C"))


def one_product() -> Products:
    return make_products("flat", np.array(["year"]), np.array([""]), np.array([8760.0]))


def ring(losses: tuple[float, ...], capacity_mw: float = 100.0) -> nx.Graph:
    graph = nx.Graph()
    graph.add_nodes_from("ABC")
    for (a, b), loss in zip(RING, losses, strict=True):
        limits = {a: capacity_mw, b: capacity_mw}
        graph.add_edge(a, b, name=f"{a}-{b}", loss=loss, capacity_mw=limits)
    return graph


def ledger_with(graph: nx.Graph, **flows_mw: float) -> Ledger:
    ledger = Ledger(graph, one_product())
    ledger.flows_mw = {name.replace("_", "-"): np.array([mw]) for name, mw in flows_mw.items()}
    return ledger


def send_around(ledger: Ledger, loop: tuple[str, ...], sent: np.ndarray) -> None:
    """Book both halves of the swap."""
    mw = sent
    for path in (loop[:2], loop[1:]):
        effect = ledger.effect(path, mw)
        for (sender, receiver), flow in effect.flow_mw.items():
            name = ledger.graph.edges[sender, receiver]["name"]
            ledger.flows_mw[name] = flow if sender < receiver else -flow
        mw = effect.delivered_mw


def net_imports(ledger: Ledger) -> dict[str, float]:
    return {c: float(ledger.net_import_mw(c)[0]) for c in ledger.graph.nodes}


def test_loops_of_a_ring_go_both_ways_from_the_first_country() -> None:
    graph = ring((0.1, 0.1, 0.1))
    assert loops(graph, 3) == [("A", "B", "C", "A"), ("A", "C", "B", "A")]
    assert loops(graph, 2) == []


def test_energy_that_circulates_is_cancelled() -> None:
    # A sends 50 to B, 45 arrive and go on to C, 40.5 arrive and go back to A: all for nothing.
    ledger = ledger_with(ring((0.1, 0.1, 0.1)), A_B=50.0, B_C=45.0, A_C=-40.5)
    sent, passed_on = worthwhile_mw(ledger, ("A", "C", "B", "A"))
    # C gets the last 36.45 MW from A now; sent against the flow they replace 40.5.
    assert sent == pytest.approx(40.5 * 0.9)
    assert passed_on == pytest.approx(40.5)
    before = net_imports(ledger)
    send_around(ledger, ("A", "C", "B", "A"), sent)
    assert [float(f[0]) for f in ledger.flows_mw.values()] == pytest.approx([0.0, 0.0, 0.0])
    after = net_imports(ledger)
    assert after["A"] - before["A"] == pytest.approx(50 - 40.5 * 0.9)
    assert {c: after[c] for c in "BC"} == pytest.approx({c: before[c] for c in "BC"}, abs=1e-9)


def test_flows_without_a_better_way_stay() -> None:
    ledger = ledger_with(ring((0.1, 0.1, 0.1)), A_B=50.0, B_C=0.0, A_C=50.0)
    for loop in loops(ledger.graph, 3):
        assert not worthwhile_mw(ledger, loop)[0].any()


def test_a_little_flow_on_the_way_hides_nothing_behind_it() -> None:
    # A serves B over a line that loses; by way of C nothing is lost, once B sends C no more.
    ledger = ledger_with(ring((0.2, 0.0, 0.0)), A_B=50.0, B_C=1e-3, A_C=0.0)
    sent, passed_on = worthwhile_mw(ledger, ("A", "C", "B", "A"))
    assert sent == pytest.approx(40.0)
    assert passed_on == pytest.approx(40.0)


def test_sends_until_the_last_turn_that_saves() -> None:
    # First both flows are cancelled, then only the one that loses most, then nothing is saved.
    ledger = ledger_with(ring((0.2, 0.1, 0.0)), A_B=50.0, B_C=10.0, A_C=0.0)
    sent, _ = worthwhile_mw(ledger, ("A", "C", "B", "A"))
    # 9 MW cancel what arrives of the 10 MW, the rest of the 40 MW that arrive at B loses a tenth.
    assert sent == pytest.approx(9 + (40 - 10) / 0.9)


def test_a_full_line_takes_no_more() -> None:
    # A serves C through B; the direct line would lose less, but is full.
    ledger = ledger_with(ring((0.1, 0.1, 0.1)), A_B=50.0, B_C=45.0, A_C=100.0)
    for loop in loops(ledger.graph, 3):
        assert not worthwhile_mw(ledger, loop)[0].any()


mw = st.floats(-100, 100)
loss = st.floats(0, 0.2)


@settings(max_examples=60)
@given(st.tuples(mw, mw, mw), st.tuples(loss, loss, loss))
@example(flows=(1.0, 1e-06, 0.0), losses=(0.0625, 0.0, 0.0))
def test_no_flows_serve_the_same_net_imports_with_more_to_spare(
    flows: tuple[float, ...], losses: tuple[float, ...]
) -> None:
    """Redirecting in a ring ends where a linear programme over all flows would."""
    graph = ring(losses)
    start = dict(zip(("A_B", "B_C", "A_C"), flows, strict=True))
    ledger = ledger_with(graph, **start)
    before = net_imports(ledger)
    for _ in range(20):
        for loop in loops(graph, 3):
            sent, _ = worthwhile_mw(ledger, loop, least_saving=1e-9)
            send_around(ledger, loop, sent)
    after = net_imports(ledger)
    assert {c: after[c] for c in "BC"} == pytest.approx({c: before[c] for c in "BC"}, abs=1e-6)
    assert after["A"] - before["A"] == pytest.approx(most_to_spare(graph, before), abs=1e-5)


def most_to_spare(graph: nx.Graph, net_import_mw: dict[str, float]) -> float:
    """What A can have beside everybody's net import, MW, by linear programming."""
    arcs = [arc for edge in graph.edges for arc in (edge, edge[::-1])]
    balance = np.zeros((3, len(arcs)))
    for k, (a, b) in enumerate(arcs):
        balance["ABC".index(a), k] -= 1
        balance["ABC".index(b), k] += 1 - graph.edges[a, b]["loss"]
    wanted = np.array([net_import_mw[c] for c in "ABC"])
    best = linprog(
        -balance[0],
        A_eq=balance[1:],
        b_eq=wanted[1:],
        bounds=[(0, 100)] * len(arcs),
        method="highs",
    )
    return float(-best.fun - wanted[0])
