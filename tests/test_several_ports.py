"""Operators where a country's interconnectors land at several ports: every port is a zone."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from scipy.optimize import linprog

from agents.planning import PypsaProblem
from agents.strategy import make_strategy
from model.engine import MarketView
from model.negotiation import NegotiationModel
from model.planner import planner
from protocols.clearing import Network
from protocols.cut_bound import Cut, CutBound
from protocols.evidence import MarginalValue
from protocols.flow_network import FlowNetwork
from protocols.landing import Zones
from protocols.proposal_messages import Trial, TrialCall
from protocols.registry import make_protocol
from pypsa_earth.references import solve_whole
from pypsa_earth.rules import NationalRules
from pypsa_earth.split import split
from tests.small_networks import sapp_like
from tests.small_worlds import ports_world, untouched

# Accuracy of the planner's and the countries' solvers, as a share of the cost.
ACCURACY = 1e-7
OPERATORS = pytest.mark.parametrize(
    "name", ["douglas_rachford", "iterated_clearing", "fractional_vcg"]
)


def negotiation(name: str, workers: int = 1, liar: str = "", **changes: float) -> NegotiationModel:
    w = untouched(ports_world())
    model = NegotiationModel(
        w.problems,
        w.graph,
        w.products,
        make_protocol(name, "standard", **changes),
        workers=workers,
        price_cap_eur_per_mwh=w.scenario.settings.value_of_lost_load_eur_per_mwh,
        strategies={"ZA": make_strategy(liar)} if liar else None,
    )
    model.plan_alone()
    return model


def view(model: NegotiationModel) -> MarketView:
    return MarketView(model.ledger, np.random.default_rng(0), {}, 0, 1000.0)


def best_eur() -> float:
    w = ports_world()
    return planner(w, w.products).cost_eur


def check_sandwich(model: NegotiationModel) -> None:
    """Bound <= planner <= incumbent, and nobody loses."""
    alone, best = sum(model.autarky_eur.values()), best_eur()
    assert model.lower_bound_eur is not None
    assert model.lower_bound_eur <= best + ACCURACY * alone
    assert best <= sum(model.costs_eur.values()) + ACCURACY * alone
    assert min(model.gains_eur.values()) >= -ACCURACY * alone


def test_a_zone_for_every_port() -> None:
    zones = Zones(ports_world().graph)
    assert zones.countries == ("BW", "NA", "ZA")
    assert [zones.of(c) for c in zones.countries] == [slice(0, 1), slice(1, 2), slice(2, 4)]
    rows = zones.ends([("BW", "ZA"), ("NA", "ZA"), ("ZA", "NA")]).tolist()
    assert rows[0][1] != rows[1][1] and {rows[0][1], rows[1][1]} == {2, 3}
    assert rows[1] == rows[2][::-1]


def test_exchange_enters_where_many_components_meet() -> None:
    """PyPSA writes the balances of buses with more than thirty components apart."""
    n = split(sapp_like("MW"))["ZA"]
    crowd = [f"ZA1 1 plant {k}" for k in range(40)]
    n.add("Generator", crowd, bus="ZA1 1", carrier="coal", p_nom=1.0, marginal_cost=20.0)
    ports = ({"ZA1 0": 1.0}, {"ZA1 1": 1.0})
    problem = PypsaProblem("ZA", n.copy(), np.eye(len(n.snapshots)), NationalRules(), ports=ports)
    rng = np.random.default_rng(4)
    exchange = rng.uniform(-300, 300, (2, len(n.snapshots)))
    found = problem.cost(exchange.ravel())
    n.loads_t.p_set[["ZA1 0", "ZA1 1"]] -= exchange.T
    assert found == pytest.approx(solve_whole(n, {"ZA": NationalRules()}).cost_eur, rel=1e-8)


def test_one_port_is_one_row_a_country() -> None:
    graph = nx.path_graph(["A", "B", "C"])
    zones = Zones(graph)
    assert len(zones) == 3
    assert zones.ends([("A", "B"), ("C", "B")]).tolist() == [[0, 1], [2, 1]]
    assert zones.ends([]).shape == (0, 2)


def test_exchange_is_the_ledgers_at_every_port() -> None:
    model = negotiation("douglas_rachford", rounds=5)
    before = FlowNetwork.of(view(model))
    model.step()
    market = view(model)
    flow = FlowNetwork.of(market).start_mw
    coupled = Network(market)
    found = before.exchange_mw(flow), coupled.exchange_mw(coupled.flows_of(market))
    for country in ("BW", "NA", "ZA"):
        own = model.ledger.exchange_mw(country)
        assert np.abs(own).max() > 1.0
        for table in found:
            np.testing.assert_allclose(table[before.zones.of(country)].ravel(), own, atol=1e-9)


@pytest.mark.parametrize("rounds", [1, 7, 40])
def test_the_bound_holds_whenever_it_stops(rounds: int) -> None:
    model = negotiation("douglas_rachford", rounds=rounds, gap=1e-3)
    model.step()
    check_sandwich(model)
    if rounds == 40:
        assert model.status == "completed"
        gain = sum(model.autarky_eur.values()) - best_eur()
        assert model.gain_eur >= 0.998 * gain


def test_the_bound_holds_from_flows_that_are_there() -> None:
    model = negotiation("douglas_rachford", rounds=4, gap=1e-4)
    model.step()
    first = model.gain_eur
    assert model.status == "running"
    model.step()
    check_sandwich(model)
    assert model.gain_eur > first > 0


def test_the_bound_is_the_least_that_cuts_at_both_ports_allow() -> None:
    """The least cost of flows if the cuts were all there is, by a programme written out."""
    network = FlowNetwork.of(view(negotiation("douglas_rachford")))
    rng = np.random.default_rng(3)
    bound, countries = CutBound(most_cuts=8), network.countries
    products, arcs = len(network.hours), 2 * len(network.edges)
    arriving = np.zeros((len(network.zones), arcs))
    for e, ((a, b), loss) in enumerate(zip(network.ends, network.loss, strict=True)):
        arriving[[a, b], e] = -1.0, 1 - loss
        arriving[[b, a], len(network.edges) + e] = -1.0, 1 - loss
    rows, right = [], []
    for country in countries:
        zones = network.zones.of(country)
        shape = (zones.stop - zones.start, products)
        for _ in range(5):
            cut = Cut(100 * rng.normal(size=shape), 1e4 * rng.normal(), rng.uniform(0, 60, shape))
            bound.add(country, cut)
            saved = np.einsum("zt,za->at", cut.value * network.hours, arriving[zones])
            rows.append(np.concatenate([-saved.ravel(), -1.0 * (np.array(countries) == country)]))
            right.append(-cut.intercept_eur(network.hours))
    most = np.concatenate([network.most_mw, -network.least_mw]).ravel()
    least = linprog(
        np.concatenate([np.zeros(len(most)), np.ones(len(countries))]),
        A_ub=np.array(rows),
        b_ub=right,
        bounds=[*zip(np.zeros(len(most)), most, strict=True), *[(None, None)] * len(countries)],
    )
    assert bound.best_eur(network) == pytest.approx(least.fun, rel=1e-6)


def test_coupling_comes_near_the_planner() -> None:
    model = negotiation("iterated_clearing")
    model.step()
    gain = sum(model.autarky_eur.values()) - best_eur()
    assert model.gain_eur >= 0.99 * gain
    assert min(model.gains_eur.values()) > 0


@OPERATORS
def test_one_worker_or_two_write_the_same(name: str) -> None:
    stories = []
    for workers in (1, 2):
        model, log = negotiation(name, workers), []
        while model.running and model.steps < 4:
            model.step()
            assert model.last is not None
            log += [repr(m) for m in model.last.tally.log]
        assert model.ledger.trades
        stories.append((log, model.ledger.trades))
    assert stories[0] == stories[1]


@OPERATORS
@pytest.mark.parametrize("answers", [0, 3, 8])
def test_the_country_with_two_ports_falls_silent(name: str, answers: int) -> None:
    model = negotiation(name)
    agent = model.countries["ZA"]
    usual, left = agent.answer, [answers]

    def answer(message, ledger):  # type: ignore[no-untyped-def]
        left[0] -= 1
        return usual(message, ledger) if left[0] >= 0 else None

    agent.answer = answer  # type: ignore[method-assign]
    model.step()
    model.ledger.check_balance()
    model.ledger.check_budget()
    assert min(model.gains_eur.values()) >= -ACCURACY * sum(model.autarky_eur.values())


@OPERATORS
def test_who_lies_at_two_ports_does_no_harm_to_others(name: str) -> None:
    model = negotiation(name, liar="markup:0.2")
    model.step()
    scale = sum(model.autarky_eur.values())
    assert min(model.gains_eur[c] for c in ("BW", "NA")) >= -ACCURACY * scale


def test_marginal_values_at_two_ports_bound_that_of_net_import() -> None:
    ledger = negotiation("douglas_rachford").ledger
    count = len(ledger.products)
    mw = np.concatenate([np.full(count, 30.0), np.full(count, -10.0)])
    value = np.concatenate([np.full(count, 50.0), np.full(count, 20.0)])
    told = Trial(-1e3, tuple(value.tolist()))
    (found,) = told.evidence(TrialCall(tuple(mw.tolist())), "ZA", ledger)
    assert isinstance(found, MarginalValue)  # and no saving: part of it passed from port to port
    np.testing.assert_array_equal(found.mw, 20.0)
    np.testing.assert_array_equal(found.low, 20.0)
    np.testing.assert_array_equal(found.high, 50.0)
