"""Teaching scenarios: their data give exactly the numbers their READMEs promise.

The reference here is independent of the agents and the planner: scipy minimises the pool's cost
over the flows of one snapshot, with the cost curves integrated by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linprog, minimize, minimize_scalar

from scenarios.errors import ScenarioError
from scenarios.loader import load_scenario
from scenarios.schema import CostCurve, Scenario

TEACHING = [
    "two_countries",
    "two_countries_limited",
    "merit_order",
    "wheeling",
    "triangle",
    "identical",
]


def curve(scenario: Scenario, code: str) -> CostCurve:
    return next(c for c in scenario.curves if c.country == code)


def demand_mw(country: CostCurve, snapshot: int) -> float:
    demand = country.demand_mw
    return demand[snapshot] if isinstance(demand, tuple) else demand


def coefficients(country: CostCurve) -> tuple[float, float]:
    assert country.intercept_eur_per_mwh is not None
    assert country.slope_eur_per_mwh_per_mw is not None
    return country.intercept_eur_per_mwh, country.slope_eur_per_mwh_per_mw


def cost_eur_per_h(country: CostCurve, generation_mw: float) -> float:
    a, b = coefficients(country)
    return a * generation_mw + b * generation_mw**2 / 2


def marginal_eur_per_mwh(country: CostCurve, generation_mw: float) -> float:
    a, b = coefficients(country)
    return a + b * generation_mw


def generation_mw(scenario: Scenario, sent: np.ndarray, snapshot: int) -> dict[str, float]:
    """Generation of each country; ``sent`` holds two directed flows per interconnector."""
    output = {c.country: demand_mw(c, snapshot) for c in scenario.curves}
    for edge, (forward, backward) in zip(
        scenario.interconnectors, sent.reshape(-1, 2), strict=True
    ):
        output[edge.country_a] += forward - (1 - edge.loss) * backward
        output[edge.country_b] += backward - (1 - edge.loss) * forward
    return output


def pool_cost(scenario: Scenario, sent: np.ndarray, snapshot: int = 0) -> float:
    output = generation_mw(scenario, sent, snapshot)
    return sum(cost_eur_per_h(c, output[c.country]) for c in scenario.curves)


def optimum(
    scenario: Scenario,
    objective: Callable[[np.ndarray], float],
) -> np.ndarray:
    """Cheapest directed flows, MW at the sending end."""
    bounds = [
        limit
        for edge in scenario.interconnectors
        for limit in ((0, edge.a_to_b_mw), (0, edge.b_to_a_mw))
    ]
    scale = 1e4
    result = minimize(
        lambda x: objective(x) / scale,
        np.full(len(bounds), 1.0),
        bounds=bounds,
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return np.asarray(result.x)


def autarky_cost(scenario: Scenario, snapshot: int = 0) -> float:
    return sum(cost_eur_per_h(c, demand_mw(c, snapshot)) for c in scenario.curves)


@pytest.mark.parametrize("name", TEACHING)
def test_scenario_is_complete_and_documented(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.settings.name == name
    assert scenario.settings.kind == "cost_curves"
    assert scenario.codes == tuple(sorted(scenario.codes))
    readme = Path(__file__).parent.parent / "scenarios" / name / "README.md"
    assert readme.read_text(encoding="utf-8").startswith(f"# {name}\n")


def test_two_countries_closed_form() -> None:
    scenario = load_scenario("two_countries")
    sent = optimum(scenario, lambda x: pool_cost(scenario, x))
    output = generation_mw(scenario, sent, 0)
    assert sent[0] - sent[1] == pytest.approx(2500 / 3, abs=0.05)
    for code in "AB":
        price = marginal_eur_per_mwh(curve(scenario, code), output[code])
        assert price == pytest.approx(140 / 3, abs=0.01)
    gain = autarky_cost(scenario) - pool_cost(scenario, sent)
    assert gain == pytest.approx(62500 / 3, rel=1e-6)


def test_two_countries_limited_closed_form() -> None:
    scenario = load_scenario("two_countries_limited")
    sent = optimum(scenario, lambda x: pool_cost(scenario, x))
    output = generation_mw(scenario, sent, 0)
    prices = [marginal_eur_per_mwh(curve(scenario, c), output[c]) for c in "AB"]
    assert prices == pytest.approx([40, 60], abs=1e-3)
    assert autarky_cost(scenario) - pool_cost(scenario, sent) == pytest.approx(17500, rel=1e-6)


def test_limited_is_two_countries_with_a_smaller_line() -> None:
    limited = load_scenario("two_countries_limited")
    wide = load_scenario(
        "two_countries",
        {"interconnectors.A-B.a_to_b_mw": 500, "interconnectors.A-B.b_to_a_mw": 500},
    )
    assert limited.curves == wide.curves
    assert limited.interconnectors == wide.interconnectors


def test_merit_order_closed_form() -> None:
    scenario = load_scenario("merit_order")
    buyer, seller = curve(scenario, "B"), curve(scenario, "S")

    def cost(country: CostCurve, output: float) -> float:
        total = 0.0
        for size, price in country.blocks or ():
            used = min(size, output)
            total, output = total + used * price, output - used
        assert output <= 1e-9
        return total

    def value(q: float) -> float:
        return cost(buyer, 800) - cost(buyer, 800 - q)

    def expense(q: float) -> float:
        return cost(seller, 500 + q) - cost(seller, 500)

    assert (value(400), expense(400)) == (31000, 12000)
    best = max(range(701), key=lambda q: value(q) - expense(q))
    assert best == 400


def test_merit_order_agrees_with_a_linear_program() -> None:
    scenario = load_scenario("merit_order")
    sizes = [size for c in scenario.curves for size, _ in c.blocks or ()]
    prices = [price for c in scenario.curves for _, price in c.blocks or ()]
    flow = (-1000, 1000)
    solution = linprog(
        [*prices, 0],
        A_eq=[[1, 1, 1, 0, 0, 0, 1], [0, 0, 0, 1, 1, 1, -1]],
        b_eq=[800, 500],
        bounds=[*((0, s) for s in sizes), flow],
    )
    alone = 300 * 20 + 300 * 60 + 200 * 95 + 400 * 10 + 100 * 30
    assert alone - solution.fun == pytest.approx(19000)
    assert solution.x[-1] == pytest.approx(400)


def test_wheeling_closed_form() -> None:
    scenario = load_scenario("wheeling")
    sent = optimum(scenario, lambda x: pool_cost(scenario, x))
    output = generation_mw(scenario, sent, 0)
    prices: Mapping[str, float] = {
        c.country: marginal_eur_per_mwh(c, output[c.country]) for c in scenario.curves
    }
    assert prices == pytest.approx({"A": 40, "T": 50, "B": 62.5}, abs=0.01)
    assert output == pytest.approx({"A": 1500, "T": 400, "B": 1062.5}, abs=0.5)
    assert autarky_cost(scenario) - pool_cost(scenario, sent) == pytest.approx(4548, rel=1e-5)


def test_wheeling_with_the_charge_on_every_mwh() -> None:
    scenario = load_scenario("wheeling")
    assert {e.wheeling_eur_per_mwh for e in scenario.interconnectors} == {2.0}
    a, b = curve(scenario, "A"), curve(scenario, "B")
    alone = cost_eur_per_h(a, 1000) + cost_eur_per_h(b, 1382.5)

    def with_charge(sent: float) -> float:
        cost = cost_eur_per_h(a, 1000 + sent) + cost_eur_per_h(b, 1382.5 - 0.64 * sent)
        return cost + 2 * sent

    sent = float(minimize_scalar(with_charge, bounds=(0, 2000), method="bounded").x)
    assert sent == pytest.approx(445.031, abs=0.05)
    charge = 2 * sent
    assert charge == pytest.approx(890.06, abs=0.1)
    assert alone - with_charge(sent) + charge == pytest.approx(4493.03, abs=0.1)


def test_triangle_turns_within_the_day() -> None:
    """Hourly flows change direction, and one flow for all hours gains clearly less."""
    scenario = load_scenario("triangle")
    hours = range(scenario.settings.snapshots)
    flows = [optimum(scenario, lambda x, h=h: pool_cost(scenario, x, h)) for h in hours]
    net = np.array([f.reshape(-1, 2)[:, 0] - f.reshape(-1, 2)[:, 1] for f in flows])
    assert ((net > 1).any(axis=0) & (net < -1).any(axis=0)).any()
    alone = sum(autarky_cost(scenario, h) for h in hours)
    hourly = alone - sum(pool_cost(scenario, f, h) for h, f in zip(hours, flows, strict=True))
    flat = optimum(scenario, lambda x: sum(pool_cost(scenario, x, h) for h in hours))
    flat_gain = alone - sum(pool_cost(scenario, flat, h) for h in hours)
    assert 0 < flat_gain < 0.9 * hourly


def test_identical_countries_gain_nothing() -> None:
    scenario = load_scenario("identical")
    first = scenario.curves[0]
    for other in scenario.curves[1:]:
        assert coefficients(other) == coefficients(first)
        assert other.demand_mw == first.demand_mw
    sent = optimum(scenario, lambda x: pool_cost(scenario, x))
    assert autarky_cost(scenario) - pool_cost(scenario, sent) == pytest.approx(0, abs=0.01)


# --- mistakes in teaching scenarios ---------------------------------------------------------

GOOD = """\
title: Mine
kind: cost_curves
snapshots: 2
wheeling_eur_per_mwh: 3
curves:
  - country: Z
    demand_mw: 5
    blocks: [[10, 20]]
  - country: NO
    demand_mw: [5, 6]
    intercept_eur_per_mwh: 1
    slope_eur_per_mwh_per_mw: 0.1
interconnectors:
  - country_a: Z
    country_b: NO
    a_to_b_mw: 4
    b_to_a_mw: 7
"""


def write(folder: Path, text: str) -> Path:
    (folder / "scenario.yaml").write_text(text, encoding="utf-8")
    return folder


def test_own_scenario_is_named_after_its_folder_and_sorted(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, GOOD))
    assert scenario.settings.name == tmp_path.name
    (edge,) = scenario.interconnectors
    assert edge.name == "NO-Z"
    assert (edge.a_to_b_mw, edge.b_to_a_mw) == (7, 4)
    assert edge.wheeling_eur_per_mwh == 3


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("demand_mw: 5\n", "demand_gw: 5\n", 7, "MW expected, not GW"),
        ("demand_mw: 5\n", "demand_mw: -5\n", 7, "must not be negative"),
        ("demand_mw: 5\n", "demand_mw: .nan\n", 7, "demand_mw"),
        ("demand_mw: [5, 6]", "demand_mw: [5]", 10, "1 values but the scenario has 2 snapshots"),
        ("    blocks: [[10, 20]]\n", "", 6, "give either"),
        ("[[10, 20]]", "[[10, 20], [10, 5]]", 6, "from the cheapest to the dearest"),
        ("country: NO", "country: Z", 9, "stands twice"),
        ("country_b: NO", "country_b: NN", 15, "unknown country 'NN'; known: NO, Z"),
        ("country_b: NO", "country_b: Z", 15, "same country"),
        ("a_to_b_mw: 4", "a_to_b_kw: 4", 16, "MW expected, not kW"),
        ("    a_to_b_mw: 4\n", "", 14, "'a_to_b_mw' is missing"),
        ("b_to_a_mw: 7", "b_to_a_mw: 7\n    loss: 4", 18, "did you mean 0.04?"),
        ("wheeling_eur_per_mwh: 3", "weeling_eur_per_mwh: 3", 4, "did you mean 'wheeling_eur"),
    ],
)
def test_mistakes_name_line_and_key(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    assert old in GOOD
    with pytest.raises(ScenarioError) as caught:
        load_scenario(write(tmp_path, GOOD.replace(old, new, 1)))
    assert words in str(caught.value)
    assert f"scenario.yaml, line {line}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title: Mine\nkind: cost_curves\n", "needs a 'curves' list"),
        ("title: Mine\nkind: cost_curves\ncurves: 3\n", "must be a list"),
        ("title: Mine\nkind: cost_curves\ncurves: [3]\n", "'key: value' pairs"),
        ("- a\n", "'key: value' lines"),
        ("", "'key: value' lines"),
    ],
)
def test_blocks_of_the_wrong_form(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(write(tmp_path, text))
    assert words in str(caught.value)
