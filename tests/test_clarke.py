"""Direct mechanisms: Clarke's and the threshold rule, by their definitions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.clarke import ClarkeSettlement, ThresholdSettlement, above_threshold, contributions_eur
from model.experiments.grid import Grid
from model.experiments.spec import Experiment
from model.ledger import Ledger, RuleBroken
from model.options import RunOptions
from model.planner import planner
from model.records import RunRecords
from model.reporting import Reporter
from model.runs import run
from model.settlement import Settled, Settlement, settle
from model.world import World, build_world
from protocols.messages import OPERATOR
from scenarios.errors import ScenarioError
from scenarios.schema import CostCurve, Scenario
from tests.random_markets import random_scenario
from tests.small_worlds import teaching_world

# Accuracy of the planner's optimum, as a share of the cost of all.
ACCURACY = 1e-6
FEW = settings(deadline=None, max_examples=8)
scenarios = st.composite(random_scenario)


def world_of(scenario: Scenario) -> World:
    hourly = scenario.settings.model_copy(update={"products": "hourly"})
    return build_world(scenario.model_copy(update={"settings": hourly}), "highs", Reporter())


def optimum(world: World) -> Settled:
    """The planner's flows, nothing paid yet."""
    ledger = Ledger(world.graph, world.products)
    ledger.flows_mw = planner(world).flows_mw
    rest = np.zeros(len(world.snapshots))
    alone = {c: p.solve(rest) for c, p in world.problems.items()}
    traded = {c: p.solve(ledger.exchange_mw(c)) for c, p in world.problems.items()}
    return Settled(world, ledger, alone, traded)


def cost_of_all(world: World) -> float:
    return sum(p.cost(np.zeros(len(world.snapshots))) for p in world.problems.values())


def without(scenario: Scenario, country: str) -> Scenario:
    """The scenario of the others with the lines between them."""
    return scenario.model_copy(
        update={
            "curves": tuple(c for c in scenario.curves if c.country != country),
            "interconnectors": tuple(
                line
                for line in scenario.interconnectors
                if country not in (line.country_a, line.country_b)
            ),
        }
    )


def told(scenario: Scenario, country: str, **changes: object) -> Scenario:
    """What the operator is handed if a country says that its curve is another one."""
    curves = tuple(
        CostCurve(**{**c.model_dump(), **changes}) if c.country == country else c
        for c in scenario.curves
    )
    return scenario.model_copy(update={"curves": curves})


def true_gain(rule: Settlement, truth: World, said: World, country: str) -> float:
    """What a country really gains if the operator believes ``said``."""
    case = optimum(said)
    problem = truth.problems[country]
    exchange = case.ledger.exchange_mw(country)
    saved = problem.cost(np.zeros_like(exchange)) - problem.cost(exchange)
    return saved - rule.payments_eur(case)[country]


@pytest.mark.parametrize(
    ("rule", "gains", "deficit"),
    [("clarke", (3000, 1000, 0), 1000), ("threshold", (2500, 500, 0), 0)],
)
def test_the_worked_example(tmp_path: Path, rule: str, gains: tuple[float, ...], deficit: float):
    """README.md of second_price."""
    done = run(RunOptions("second_price", settlement=rule, out=tmp_path))
    assert tuple(done["gains_eur"].values()) == pytest.approx(gains, abs=1e-6)
    assert done["operator_payment_eur"] == pytest.approx(deficit, abs=1e-6)
    assert done["efficiency"] == pytest.approx(1.0)
    assert done["residuals"]["budget_eur"] == pytest.approx(0.0, abs=1e-6)
    paid = sum(row["payment_eur"] for row in done["countries"].values())
    assert paid == pytest.approx(-deficit, abs=1e-6)
    assert ("does not balance" in done["note"]) == (deficit > 0)


def test_its_trades_make_the_flows(tmp_path: Path) -> None:
    """No protocol is held, whatever was asked for: contracts are hourly and are the outcome."""
    done = run(
        RunOptions(
            "triangle", "fractional_vcg", products="flat", settlement="clarke", out=tmp_path, seed=7
        )
    )
    assert (done["protocol"], done["products"], done["steps"]) == ("direct", "hourly", 1)
    records = RunRecords.open(Path(done["folder"]))
    trades, flows = records.table("trades"), records.table("flows")
    sent = trades.groupby("path")["energy_mwh"].sum()
    flows = flows[flows["case"] == "negotiated"]
    for line, rows in flows.groupby("interconnector"):
        a, b = str(line).split("-")
        energy = rows["flow_mw"] * rows["weight_h"]
        assert sent.get(f"{a}>{b}", 0.0) == pytest.approx(energy.clip(lower=0).sum(), abs=1e-6)
        assert sent.get(f"{b}>{a}", 0.0) == pytest.approx(-energy.clip(upper=0).sum(), abs=1e-6)


@FEW
@given(data=st.data())
def test_payments_are_what_the_others_lose_by_one(data: st.DataObject) -> None:
    """Clarke (1971): pay what your presence costs the others, from the problem without you."""
    scenario = data.draw(scenarios())
    world = world_of(scenario)
    case = optimum(world)
    paid = ClarkeSettlement().payments_eur(case)
    accuracy = ACCURACY * cost_of_all(world)
    for country in world.countries:
        with_it = sum(p.cost_eur for c, p in case.negotiated.items() if c != country)
        apart = world_of(without(scenario, country))
        without_it = planner(apart).cost_eur
        assert paid[country] == pytest.approx(with_it - without_it, abs=accuracy)


@FEW
@given(data=st.data())
def test_no_lie_about_the_curve_pays_under_clarke(data: st.DataObject) -> None:
    scenario = data.draw(scenarios())
    curve = data.draw(st.sampled_from(scenario.curves))
    said = told(
        scenario,
        curve.country,
        intercept_eur_per_mwh=data.draw(st.floats(0, 80)),
        slope_eur_per_mwh_per_mw=data.draw(st.floats(0.005, 0.3)),
        demand_mw=tuple(data.draw(st.floats(0.7, 1.3)) * d for d in curve.demand_mw),
    )
    truth, lie = world_of(scenario), world_of(said)
    rule = ClarkeSettlement()
    honest = true_gain(rule, truth, truth, curve.country)
    accuracy = ACCURACY * (cost_of_all(truth) + cost_of_all(lie))
    assert true_gain(rule, truth, lie, curve.country) <= honest + accuracy


@FEW
@given(data=st.data())
def test_nobody_loses_and_the_account_never_earns(data: st.DataObject) -> None:
    """The game has a core (Owen 1975), in which nobody gets more than it adds."""
    world = world_of(data.draw(scenarios()))
    case = optimum(world)
    accuracy = ACCURACY * cost_of_all(world)
    for rule in (ClarkeSettlement(), ThresholdSettlement()):
        paid = rule.payments_eur(case)
        assert sum(paid.values()) <= accuracy
        assert min(case.savings_eur[c] - paid[c] for c in paid) >= -accuracy
        if rule.balanced:
            assert sum(paid.values()) == pytest.approx(0.0, abs=accuracy)


def test_a_lie_pays_under_threshold() -> None:
    """B says that it saves 31 a MWh at home, not 40: it still gets the lot, 450 cheaper."""
    plain = teaching_world("second_price").scenario
    truth, lie = world_of(plain), world_of(told(plain, "B", blocks=((300.0, 31.0),)))
    rule = ThresholdSettlement()
    assert true_gain(rule, truth, truth, "B") == pytest.approx(500)
    assert true_gain(rule, truth, lie, "B") == pytest.approx(950)


def test_the_deficit_on_a_line_is_the_gain() -> None:
    """Of two countries each adds everything, so that the account pays the gain once more."""
    case = optimum(teaching_world("two_countries"))
    gain = sum(case.savings_eur.values())
    assert list(contributions_eur(case).values()) == pytest.approx([gain, gain])
    settle(ClarkeSettlement(), case)
    assert case.ledger.operator_eur == pytest.approx(gain)
    case.ledger.check_budget()


amounts = st.lists(st.floats(0, 1e6), min_size=2, max_size=8)


@settings(deadline=None)
@given(added=amounts, share=st.floats(0, 1), data=st.data())
def test_the_threshold_makes_the_largest_temptation_smallest(
    added: list[float], share: float, data: st.DataObject
) -> None:
    contributions = np.array(added)
    total = share * contributions.sum()
    gains = above_threshold(contributions, total)
    rounding = 1e-9 * (1 + contributions.sum())
    assert gains.sum() == pytest.approx(total, abs=rounding)
    assert gains.min() >= -rounding
    assert (gains <= contributions + rounding).all()
    weights = np.array([data.draw(st.floats(0, 1)) for _ in added])
    other = total * (weights / weights.sum() if weights.sum() > 0 else 1 / len(weights))
    assert (contributions - gains).max() <= (contributions - other).max() + rounding


class Given(Settlement):
    """Payments as they are given."""

    name = "given"
    discloses = "nothing"

    def __init__(self, due: Mapping[str, float], balanced: bool) -> None:
        self._due = dict(due)
        self.balanced = balanced  # type: ignore[misc]

    def payments_eur(self, case: Settled) -> dict[str, float]:
        return self._due


def test_only_a_rule_that_says_so_may_leave_a_deficit() -> None:
    case = optimum(teaching_world("two_countries"))
    due = {"A": -3.0, "B": 1.0}
    with pytest.raises(RuleBroken, match="budget: transfers sum to -2"):
        settle(Given(due, balanced=True), case)
    assert case.ledger.payments_eur == {"A": 0.0, "B": 0.0}
    settle(Given(due, balanced=False), case)
    assert (case.ledger.payments_eur, case.ledger.operator_eur) == (due, 2.0)
    case.ledger.check_budget()
    case.ledger.operator_eur = 1.0
    with pytest.raises(RuleBroken, match="budget: payments sum to -1"):
        case.ledger.check_budget()
    with pytest.raises(RuleBroken, match="budget"):
        case.ledger.transfer({OPERATOR: 1.0}, "none")


def test_nobody_can_lie_to_or_compare_what_asks_for_the_problem_itself(tmp_path: Path) -> None:
    playing = RunOptions(
        "triangle", settlement="clarke", strategies={"E": "markup:0.1"}, out=tmp_path
    )
    with pytest.raises(ScenarioError, match="takes every country's planning problem"):
        run(playing)
    with pytest.raises(ScenarioError, match="run it by itself with --settlement threshold"):
        Grid(
            Experiment(
                scenario="triangle", protocols=("consensus_admm",), settlements=("threshold",)
            )
        )


def test_two_power_systems_each_add_everything(tmp_path: Path) -> None:
    """The same with PyPSA countries: the planner's gain to each, and once more from the account."""
    done = run(
        RunOptions(
            "sapp2030",
            countries=("MZ", "ZA"),
            resolution="1w12h",
            settlement="clarke",
            out=tmp_path,
        )
    )
    best = done["planner_gain_eur"]
    accuracy = 1e-7 * done["autarky_cost_eur"]
    assert done["gain_eur"] == pytest.approx(best, abs=accuracy)
    assert list(done["gains_eur"].values()) == pytest.approx([best, best], abs=accuracy)
    assert done["operator_payment_eur"] == pytest.approx(best, abs=accuracy)
