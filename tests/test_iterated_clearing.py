"""Market coupling: clearing, zonal prices and rent, settlement between neighbours, acceptance."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from agents.curve_problem import CurveProblem
from agents.problem import Terms
from model.engine import MarketView
from model.ledger import Ledger
from model.negotiation import NegotiationModel
from model.options import RunOptions
from model.planner import planner
from model.reporting import Reporter
from model.world import World, build_world, chosen_scenario
from protocols.auction_messages import CostCall, CostChange, Curve, CurveCall, Worth, WorthCall
from protocols.base import Outcome
from protocols.clearing import Network, StepCurves
from protocols.compensation import compensation_eur
from protocols.fractional_vcg import _step_curves
from protocols.hot_programme import HotProgramme
from protocols.iterated_clearing import IteratedClearing
from protocols.messages import Body, Message
from protocols.pool_settlement import FlowChange
from protocols.products import Products
from scenarios.schema import CostCurve
from tests.small_worlds import FOUR, small_world, untouched

HOUR = Products(("hour",), ("year",), np.ones((1, 1)), np.ones(1))

# Feasibility of primal and dual values in HiGHS, MW and EUR/MWh.
SOLVER_TOLERANCE = 1e-7


def market(lines: dict[tuple[str, str], tuple[float, float]], products: Products = HOUR):  # type: ignore[no-untyped-def]
    """A market of lines given by capacity (the same both ways) and loss."""
    graph = nx.Graph()
    for (a, b), (capacity, loss) in lines.items():
        graph.add_edge(
            a,
            b,
            name=f"{a}-{b}",
            loss=loss,
            wheeling_eur_per_mwh=0.0,
            capacity_mw={a: capacity, b: capacity},
        )
    ledger = Ledger(graph, products)
    return MarketView(ledger, np.random.default_rng(0), {}, 0, 1000.0), ledger


def linear_curves(countries: list[tuple[float, float]], block_mw: float, blocks: int) -> StepCurves:
    """Step curves of countries with marginal cost ``a`` at home and slope ``b``, by mid prices."""
    middle = (np.arange(blocks) + 0.5) * block_mw
    more = np.array([[a - b * middle] for a, b in countries]).transpose(0, 2, 1)
    less = np.array([[a + b * middle] for a, b in countries]).transpose(0, 2, 1)
    width = np.full_like(more, block_mw)
    return StepCurves(np.zeros((len(countries), 1)), more, width, less, width)


@pytest.mark.parametrize(
    ("capacity", "flow", "prices", "gains", "rent"),
    [
        (2000, 833.333, (46.6667, 46.6667), (6944.44, 13888.89), 0.0),
        (500, 500.0, (40.0, 60.0), (2500.0, 5000.0), 10000.0),
    ],
)
def test_two_countries_with_and_without_a_limit(
    capacity: float,
    flow: float,
    prices: tuple[float, float],
    gains: tuple[float, float],
    rent: float,
) -> None:
    """Closed forms of two_countries and two_countries_limited, on steps of 1 MW.

    Marginal costs 10 + 0.02 g and 20 + 0.04 g at demands of 1000 and 1500 MW are 30 and 80 at home.
    """
    view, _ = market({("A", "B"): (capacity, 0.0)})
    network = Network(view)
    curves = linear_curves([(30, 0.02), (80, 0.04)], 1.0, 2000)
    cleared = network.clear(curves, network.flows_of(view))
    assert cleared.flow_mw[0, 0] == pytest.approx(flow, abs=1.0)
    # At the limit the dual lies on the step beyond, half a step from the curve's own price.
    np.testing.assert_allclose(cleared.price_eur_per_mwh[:, 0], prices, atol=0.05)
    exchange = network.exchange_mw(cleared.flow_mw)
    worth = curves.worth_eur(exchange, network.hours)
    won = worth - (cleared.price_eur_per_mwh * exchange) @ network.hours
    np.testing.assert_allclose(won, gains, rtol=5e-3)
    assert -float((cleared.price_eur_per_mwh * -exchange).sum()) == pytest.approx(
        rent, rel=5e-3, abs=1.0
    )
    assert worth.sum() == pytest.approx(sum(gains) + rent, rel=1e-3)


@st.composite
def pools(draw: st.DrawFn):  # type: ignore[no-untyped-def]
    """A ring or a line of countries with random falling step curves, several products."""
    n, products, blocks = draw(st.integers(2, 4)), draw(st.integers(1, 3)), 3
    codes = "ABCD"[:n]
    pairs = [(codes[i - 1], codes[i]) for i in range(1, n)]
    if n > 2 and draw(st.booleans()):
        pairs.append((codes[0], codes[-1]))
    lines = {p: (draw(st.floats(1, 300)), draw(st.floats(0, 0.1))) for p in pairs}
    hours = np.array([draw(st.floats(1, 500)) for _ in range(products)])
    kind = Products(
        tuple(f"h{t}" for t in range(products)), ("year",) * products, np.eye(products), hours
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    price = -np.sort(-rng.uniform(0, 100, (n, 2 * blocks, products)), axis=1)
    width = rng.uniform(1, 200, (2, n, blocks, products))
    curves = StepCurves(
        np.zeros((n, products)), price[:, blocks:], width[0], price[:, blocks - 1 :: -1], width[1]
    )
    return market(lines, kind), curves


@settings(deadline=None, max_examples=60)
@given(pools())
def test_zonal_prices_leave_everyone_a_gain_and_lines_a_rent(pool) -> None:  # type: ignore[no-untyped-def]
    """Invariant (l): gains and rents are not negative and add up to the welfare."""
    (view, _), curves = pool
    network = Network(view)
    cleared = network.clear(curves, network.flows_of(view))
    price = cleared.price_eur_per_mwh
    exchange = network.exchange_mw(cleared.flow_mw)
    taken, brought = network.ends_mw(cleared.flow_mw)
    first, second = network.ends
    worth = curves.worth_eur(exchange, network.hours)
    gain = worth - (price * exchange) @ network.hours
    rent = (price[second] * brought - price[first] * taken) @ network.hours
    scale = 1e-6 * (1 + np.abs(worth).sum() + np.abs(price * exchange).sum() * network.hours.max())
    # Energy may go round a ring that loses next to nothing, at prices that are equal and balances
    # that hold within the solver's tolerance only.
    loose = np.abs(taken).sum(axis=0) + np.abs(price).sum(axis=0)
    scale += SOLVER_TOLERANCE * float(loose @ network.hours)
    assert (gain >= -scale).all()
    assert (rent >= -scale).all()
    assert gain.sum() + rent.sum() == pytest.approx(worth.sum(), abs=scale)
    assert (cleared.flow_mw <= network.limit_mw[0]).all()
    assert (-cleared.flow_mw <= network.limit_mw[1]).all()


def most_welfare_eur(network: Network, curves: StepCurves, product: int) -> float:
    """What one product is worth at best, by a programme written down country by country."""
    lines, countries = len(network.lines), len(network.countries)
    columns: list[tuple[float, float, dict[int, float]]] = []  # worth, limit, net import it makes
    for e, (a, b) in enumerate(network.lines):
        i, j = network.countries.index(a), network.countries.index(b)
        keep = 1 - network.loss[e]
        columns.append((0.0, network.limit_mw[0, e, product], {i: -1.0, j: keep}))
        columns.append((0.0, network.limit_mw[1, e, product], {j: -1.0, i: keep}))
    for i in range(countries):
        for k in range(curves.more_mw.shape[1]):
            at = i, k, product
            columns.append((curves.more_price[at], curves.more_mw[at], {i: -1.0}))
            columns.append((-curves.less_price[at], curves.less_mw[at], {i: 1.0}))
    balance = np.zeros((countries, len(columns)))
    for c, (_, _, makes) in enumerate(columns):
        for i, mw in makes.items():
            balance[i, c] = mw
    assert len(columns) > 2 * lines
    found = linprog(
        [-worth for worth, _, _ in columns],
        A_eq=balance,
        b_eq=curves.centre_mw[:, product],
        bounds=[(0, limit) for _, limit, _ in columns],
        method="highs-ipm",
    )
    assert found.status == 0
    return -float(found.fun) * float(network.hours[product])


@settings(deadline=None, max_examples=40)
@given(pools(), st.integers(0, 2**32 - 1))
def test_clearing_finds_the_best_flows_again_and_again(pool, seed: int) -> None:  # type: ignore[no-untyped-def]
    """The same network cleared with other curves in a row, against one programme a product."""
    (view, _), curves = pool
    network, rng = Network(view), np.random.default_rng(seed)
    price = np.concatenate([curves.less_price[:, ::-1], curves.more_price], axis=1)
    blocks = curves.more_mw.shape[1]
    for turn in range(3):
        if turn:
            price = -np.sort(-(price + rng.uniform(-30, 30, price.shape)), axis=1)
            curves = StepCurves(
                np.zeros_like(curves.centre_mw),
                price[:, blocks:],
                rng.uniform(1, 200, curves.more_mw.shape),
                price[:, blocks - 1 :: -1],
                rng.uniform(1, 200, curves.less_mw.shape),
            )
        flow = network.clear(curves, network.flows_of(view)).flow_mw
        worth = curves.worth_eur(network.exchange_mw(flow), network.hours).sum()
        best = sum(most_welfare_eur(network, curves, t) for t in range(len(network.hours)))
        assert worth == pytest.approx(best, rel=1e-6, abs=1e-4 * network.hours.max())


def test_a_programme_without_solution_is_an_error_and_does_not_spoil_the_next() -> None:
    one = np.ones(2)
    programme = HotProgramme(np.array([[1.0, 1.0]]))
    with pytest.raises(RuntimeError, match="Infeasible"):
        programme.solve(one, 0 * one, one, np.array([3.0]))
    columns, duals = programme.solve(np.array([1.0, 4.0]), 0 * one, one, np.array([1.5]))
    np.testing.assert_allclose(columns, [1.0, 0.5])
    np.testing.assert_allclose(duals, [4.0])


def test_opening_prices_are_means_among_neighbours() -> None:
    """A's line of 100 MW to B counts for both; C, who has no line, keeps its price."""
    view, _ = market({("A", "B"): (100.0, 0.0), ("C", "D"): (0.0, 0.0)})
    network = Network(view)
    price = np.array([[10.0], [50.0], [7.0], [9.0]])
    mean = network.mean_with_neighbours(price)
    assert network.countries == ("A", "B", "C", "D")
    np.testing.assert_allclose(mean[:, 0], [30.0, 30.0, 7.0, 9.0])
    np.testing.assert_allclose(network.mean_with_neighbours(3 * price), 3 * mean)


@settings(deadline=None, max_examples=60)
@given(pools(), st.integers(0, 2**32 - 1))
def test_trades_between_neighbours_make_the_flows_and_carry_the_money(pool, seed: int) -> None:  # type: ignore[no-untyped-def]
    """From any flows to any others: booked trades end at them, payments as told, sum zero."""
    (view, ledger), _ = pool
    network, rng = Network(view), np.random.default_rng(seed)
    low, high = -network.limit_mw[1], network.limit_mw[0]
    shape = low.shape
    before = rng.uniform(low, high) * rng.integers(0, 2, shape)
    after = np.where(rng.integers(0, 2, shape), rng.uniform(low, high), before)
    names = [view.graph.edges[line]["name"] for line in network.lines]
    for name, (a, b), flow in zip(names, network.lines, before, strict=True):
        ledger.flows_mw[name] = flow if a < b else -flow
    change = FlowChange(network, before, after)
    price = rng.uniform(10, 90, (len(network.countries), shape[1]))
    middle = change.middle_eur(price)
    gain = dict(zip(network.countries, rng.uniform(-5, 9, len(network.countries)), strict=True))
    side = compensation_eur(gain, change.groups())
    money = change.with_side_payments(middle.sum(axis=1), side)
    for trade in change.trades(middle, money, 0):
        ledger.book(trade)
    ledger.check_balance()
    for name, (a, b), flow in zip(names, network.lines, after, strict=True):
        np.testing.assert_allclose(ledger.flows_mw[name], flow if a < b else -flow, atol=1e-9)
    energy_only = change.paid_eur(middle.sum(axis=1))
    scale = max(1.0, *(abs(p) for p in energy_only.values()))
    busy = {c for group in change.groups() if len(group) > 1 for c in group}
    for c in network.countries:
        due = energy_only[c] + (side[c] if c in busy else 0.0)
        assert ledger.payments_eur[c] == pytest.approx(due, abs=1e-9 * scale)
    assert sum(ledger.payments_eur.values()) == pytest.approx(0.0, abs=1e-9 * scale)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 6), st.floats(0.005, 0.2), st.floats(-300, 300))
def test_truthful_curves_report_no_more_than_the_truth(
    levels: int, slope: float, exchange: float
) -> None:
    """Invariant (o): blocks at price levels lie inside the true curve of one product."""
    curve = CostCurve(
        country="A", demand_mw=500.0, intercept_eur_per_mwh=10.0, slope_eur_per_mwh_per_mw=slope
    )
    problem = CurveProblem(curve, np.ones(1), np.ones((1, 1)), 3000.0)
    here = float(problem.solve(np.zeros(1)).price_eur_per_mwh[0])
    prices = np.linspace(0.3 * here, 1.9 * here, levels)[:, None]
    limit = np.full(1, 300.0)
    amounts = np.array([problem.respond(np.zeros(1), Terms(p, p, limit, limit)) for p in prices])
    curves = _step_curves(np.zeros((1, 1)), prices, amounts[None])
    most_in, most_out = curves.more_mw.sum(), curves.less_mw.sum()
    x = float(np.clip(exchange, -most_out, most_in))
    reported = float(curves.worth_eur(np.full((1, 1), x), np.ones(1))[0])
    true = problem.cost(np.zeros(1)) - problem.cost(np.full(1, x))
    assert reported <= true + 1e-6 * abs(problem.cost(np.zeros(1)))


def talk(protocol: IteratedClearing, view: MarketView, answers) -> tuple[Outcome, list[Message]]:  # type: ignore[no-untyped-def]
    """Hold a conversation with made-up countries; awards are not booked."""
    said: list[Message] = []
    conversation = protocol.run(view)
    replies: list[Message | None] = []
    try:
        batch = next(conversation)
        while True:
            said += batch
            replies = [
                None if body is None else Message(m.receiver, m.sender, "propose", body)
                for m in batch
                for body in (answers(m.receiver, m.body),)
            ]
            batch = conversation.send(replies)
    except StopIteration as stop:
        return stop.value, said


def made_up(cost_eur):  # type: ignore[no-untyped-def]
    """Countries at 20 and 60 EUR/MWh that always want 10 MW, and say what ``cost_eur`` says."""

    def answer(country: str, body: Body) -> Body | None:
        if isinstance(body, WorthCall):
            return Worth((20.0,) if country == "A" else (60.0,))
        if isinstance(body, CurveCall):
            return Curve((-10.0,) if country == "A" else (10.0,))
        if isinstance(body, CostCall):
            return CostChange(cost_eur(country, body.change_mw[0]))
        return None

    return answer


def test_what_costs_more_is_stepped_back_from_and_never_booked() -> None:
    view, _ = market({("A", "B"): (100.0, 0.0)})
    outcome, said = talk(IteratedClearing(), view, made_up(lambda c, mw: abs(mw)))
    assert outcome.trades == [] and outcome.settled
    asked = [m.body.change_mw[0] for m in said if isinstance(m.body, CostCall)]
    assert asked[0] != 0 and asked[2] == pytest.approx(asked[0] / 2)


def test_a_loser_is_compensated_by_the_winner() -> None:
    """B's saving of 100 a MW pays for A, whose cost no price near 20 to 60 would cover."""
    view, ledger = market({("A", "B"): (100.0, 0.0)})
    costs = {"A": 90.0, "B": -100.0}
    outcome, _ = talk(IteratedClearing(), view, made_up(lambda c, mw: costs[c] * abs(mw)))
    assert outcome.trades
    for trade in outcome.trades:
        ledger.book(trade)
    mw = abs(float(ledger.exchange_mw("A")[0]))
    gains = {c: -costs[c] * mw - ledger.payments_eur[c] for c in costs}
    assert gains["A"] == pytest.approx(0.0, abs=1e-6 * mw) or gains["A"] > 0
    assert min(gains.values()) >= -1e-9 * mw * 100
    assert sum(gains.values()) == pytest.approx(10 * mw)


def test_silence_of_one_country_leaves_its_line_as_it_is() -> None:
    view, _ = market({("A", "B"): (100.0, 0.0)})
    usual = made_up(lambda c, mw: -abs(mw))
    outcome, _ = talk(IteratedClearing(), view, lambda c, b: None if c == "B" else usual(c, b))
    assert outcome.trades == [] and outcome.settled


def world(name: str) -> World:
    return build_world(chosen_scenario(RunOptions(name)), "highs", Reporter())


def coupled(place: World, **rules: float) -> tuple[NegotiationModel, float]:
    """A coupled market to its end, and the share of the planner's gain that it reached."""
    protocol = IteratedClearing(**rules)  # type: ignore[arg-type]
    model = NegotiationModel(place.problems, place.graph, place.products, protocol, seed=1)
    model.plan_alone()
    while model.running and model.steps < 30:
        before = model.gain_eur
        model.step()
        assert model.gain_eur >= before - 1e-9 * abs(before)  # invariant (e)
    possible = sum(model.autarky_eur.values()) - planner(place).cost_eur
    return model, model.gain_eur / possible


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("two_countries", 0.999),
        ("two_countries_limited", 0.999),
        ("triangle", 0.99),
        ("merit_order", 0.99),
        ("wheeling", 0.99),
    ],
)
def test_teaching_scenarios_come_near_the_planner(name: str, least: float) -> None:
    model, share = coupled(world(name))
    assert model.status == "completed"
    assert least <= share <= 1 + 1e-9
    assert min(model.gains_eur.values()) >= 0
    assert all(len(trade.path) == 2 for trade in model.ledger.trades)


def test_each_end_has_half_of_the_rent_of_a_limited_line() -> None:
    """Gains of 2 500 and 5 000 an hour and half of the rent of 10 000 each."""
    place = world("two_countries_limited")
    model, _ = coupled(place)
    hours = float(place.products.weights_h.sum())
    gains = sorted(g / hours for g in model.gains_eur.values())
    assert gains == pytest.approx([7500, 10000], rel=0.02)


def test_hourly_products_of_real_countries_are_coupled_by_storage_and_still_found() -> None:
    """Separable curves of four PyPSA countries, iterated: most of the planner's gain, no loser."""
    place = untouched(small_world(FOUR, "1w6h", "year", "hourly"))
    model, share = coupled(place)
    assert model.status == "completed"
    assert 0.98 <= share <= 1 + 1e-6
    assert min(model.gains_eur.values()) >= 0
