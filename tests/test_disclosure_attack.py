"""What a run gave away: bounds that hold and only shrink, convex fits, a command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.curve_problem import CurveProblem
from model.disclosure.attack import EVERYBODY, NOBODY, what_was_disclosed
from model.disclosure.envelope import ROUNDING, Envelope, least_slack
from model.disclosure.facts import Difference, Fact, Known, Slope, known_to, overhear
from model.disclosure.regression import Fit, Frame
from model.disclosure.transcript import StepEnd, replay
from model.disclosure.truth import trading_box, truth_at, unseen
from model.ledger import Ledger
from model.options import RunOptions
from model.records import RunRecords
from model.runs import run
from model.world import World
from protocols.messages import Award
from scenarios.errors import ScenarioError
from tests.small_worlds import teaching_world
from tests.stories import EVERYONE

CAP = 1000.0
HEARD = Known(frozenset({"B"}))
SLACK = ROUNDING * CAP
FEW = settings(max_examples=15, deadline=None)
# Attacked in tests: one whose quotes need inference, one of exact differences.
ATTACKED = (("consensus_admm", "standard"), ("bilateral_bids", "adaptive"))


def frame(products: int = 1, reach_mw: float = 100.0, hours: float = 1.0) -> Frame:
    reach = np.full(products, reach_mw)
    return Frame(-reach, reach, np.full(products, hours), CAP)


def slope(at_mw: float, low: float, high: float | None = None) -> Slope:
    top = low if high is None else high
    return Slope(np.array([at_mw]), np.array([low]), np.array([top]), HEARD)


def difference(start: float, end: float, eur: float) -> Difference:
    return Difference(np.array([start]), np.array([end]), eur, eur, HEARD)


class TestByHand:
    """A merit order of two blocks: a MWh is worth 50 EUR up to 30 MW of import, then 20."""

    FACTS = (slope(0.0, 50.0), difference(0.0, 40.0, -1700.0))

    def test_certain_is_what_tangent_and_chord_leave(self) -> None:
        """At 20 MW the tangent says -1000 EUR at least, the chord -850 at most; truth is -1000."""
        envelope = Envelope(self.FACTS, frame(), SLACK)
        least, most = envelope.bounds_eur(np.array([20.0]))
        assert least == pytest.approx(-1000, abs=0.1)
        assert most == pytest.approx(-850, abs=0.1)

    def test_a_second_tangent_raises_the_least_and_a_value_at_the_kink_closes_all(self) -> None:
        """20 EUR/MWh at 40 MW; that 30 MW save 1500 EUR can be only if the kink lies there."""
        facts = [*self.FACTS, slope(40.0, 20.0)]
        truth = ((10.0, -500.0), (30.0, -1500.0), (35.0, -1600.0))
        for (at_mw, eur), chord in zip(truth, (-425.0, -1275.0, -1487.5), strict=True):
            least, most = Envelope(facts, frame(), SLACK).bounds_eur(np.array([at_mw]))
            assert (least, most) == (pytest.approx(eur, abs=0.3), pytest.approx(chord, abs=0.3))
        facts.append(difference(0.0, 30.0, -1500.0))
        for at_mw, eur in truth:
            least, most = Envelope(facts, frame(), SLACK).bounds_eur(np.array([at_mw]))
            assert (least, most) == (pytest.approx(eur, abs=0.3), pytest.approx(eur, abs=0.3))

    def test_who_hears_nothing_knows_the_price_cap(self) -> None:
        bounds = Envelope([], frame(), SLACK).bounds_eur(np.array([40.0]))
        assert bounds == (pytest.approx(-40 * CAP), pytest.approx(0.0, abs=1e-2))

    def test_facts_that_agree_need_no_slack_beyond_rounding(self) -> None:
        assert least_slack(self.FACTS, frame()) == pytest.approx(SLACK)

    def test_facts_that_contradict_each_other_need_as_much_as_they_differ(self) -> None:
        """A value that rises with import by 10 EUR/MWh: five to each side."""
        found = least_slack([slope(0.0, 40.0), slope(100.0, 50.0)], frame())
        assert found == pytest.approx(5.0, rel=0.02)

    def test_regression_of_two_values_is_the_trapezoid(self) -> None:
        """(50 + 40) / 2 x 50 MWh."""
        fit = Fit([slope(0.0, 50.0), slope(50.0, 40.0)], frame())
        assert fit.cost_eur(np.array([[50.0]]))[0] == pytest.approx(-2250, rel=0.01)

    def test_who_hears_nothing_guesses_no_change(self) -> None:
        places = np.linspace(-100, 100, 5)[:, None]
        np.testing.assert_allclose(Fit([], frame()).cost_eur(places), 0.0, atol=1e-6)


@st.composite
def told(draw: st.DrawFn) -> tuple[list[Fact], CurveProblem, np.ndarray]:
    """True facts about a merit order in two products of unlike hours."""
    world = teaching_world("merit_order", products="hourly")
    country = draw(st.sampled_from(world.countries))
    problem = world.problems[country]
    assert isinstance(problem, CurveProblem)
    least, most = trading_box(world, country)
    share = st.lists(st.floats(0, 1), min_size=len(least), max_size=len(least))

    def place() -> np.ndarray:
        return least + np.array(draw(share)) * (most - least)

    def cost(at_mw: np.ndarray) -> float:
        return problem.cost(world.products.profile_mw(at_mw))

    facts: list[Fact] = []
    for exact in draw(st.lists(st.booleans(), min_size=1, max_size=5)):
        here = place()
        if exact:
            there = place()
            eur = cost(there) - cost(here)
            facts.append(Difference(here, there, eur, eur, HEARD))
        else:
            plan = problem.solve(world.products.profile_mw(here))
            value = world.products.average(plan.price_eur_per_mwh)
            off = draw(st.sampled_from([0.0, 2.0, np.inf]))
            facts.append(Slope(here, value - off, value, HEARD))
    return facts, problem, place()


def frame_of(world: World, country: str) -> Frame:
    cap = world.scenario.settings.value_of_lost_load_eur_per_mwh
    return Frame(*trading_box(world, country), np.array(world.products.hours), cap)


@FEW
@given(case=told())
def test_truth_is_never_excluded_and_more_facts_never_widen(
    case: tuple[list[Fact], CurveProblem, np.ndarray],
) -> None:
    """Monotone by construction: a fact is a constraint, and none is dropped for another."""
    facts, problem, at_mw = case
    world = teaching_world("merit_order", products="hourly")
    within = frame_of(world, problem.country)
    slack = least_slack(facts, within)
    accuracy = 1e-6 * within.energy_mwh * within.cap_eur_per_mwh
    true = truth_at(problem, world.products, at_mw[None]).cost_eur[0]
    before = (-np.inf, np.inf)
    for count in range(len(facts) + 1):
        least, most = Envelope(facts[:count], within, slack).bounds_eur(at_mw)
        assert least - accuracy <= true <= most + accuracy
        assert least >= before[0] - accuracy
        assert most <= before[1] + accuracy
        before = least, most


@FEW
@given(case=told(), ends=st.tuples(st.integers(0, 9), st.integers(0, 9)))
def test_every_fit_is_convex(
    case: tuple[list[Fact], CurveProblem, np.ndarray], ends: tuple[int, int]
) -> None:
    facts, problem, at_mw = case
    within = frame_of(teaching_world("merit_order", products="hourly"), problem.country)
    fit = Fit(facts, within)
    rng = np.random.default_rng(ends)
    other = rng.uniform(within.least_mw, within.most_mw)
    costs = fit.cost_eur(np.array([at_mw, (at_mw + other) / 2, other]))
    scale = np.abs(costs).max() + 1
    assert costs[1] <= (costs[0] + costs[2]) / 2 + 1e-9 * scale


def finished(tmp_path: Path, scenario: str, protocol: str, mode: str, **more: object) -> RunRecords:
    options = RunOptions(
        scenario, protocol=protocol, mode=mode, planner=False, out=tmp_path, **more
    )
    return RunRecords.open(Path(run(options)["folder"]))


@EVERYONE
def test_what_was_inferred_is_true(tmp_path: Path, name: str, mode: str) -> None:
    """No fact excludes the true cost, at places all over the box, whatever the protocol."""
    records = finished(tmp_path, "merit_order", name, mode)
    world = teaching_world("merit_order")
    heard = overhear(replay(records, world), world.graph)
    assert heard.unexplained <= {"Quota"}  # a share of demand says nothing of cost
    rng = np.random.default_rng(1)
    for country, facts in heard.facts.items():
        assert facts
        truth = unseen(world, country, 3, rng)
        within = frame_of(world, country)
        slack = least_slack(facts, within)
        assert slack == pytest.approx(ROUNDING * within.cap_eur_per_mwh)
        envelope = Envelope(facts, within, slack)
        off = 1e-5 * within.cap_eur_per_mwh * within.energy_mwh
        for at_mw, eur in zip(truth.at_mw, truth.cost_eur, strict=True):
            least, most = envelope.bounds_eur(at_mw)
            assert least - off <= eur <= most + off


@pytest.mark.parametrize(("protocol", "mode"), ATTACKED)
@pytest.mark.parametrize("scenario", ["merit_order", "wheeling"])
class TestRun:
    def test_more_ears_never_know_less(
        self, tmp_path: Path, scenario: str, protocol: str, mode: str
    ) -> None:
        errors = what_was_disclosed(finished(tmp_path, scenario, protocol, mode), places=8).errors
        kinds = [name for name in errors if "error" in str(name)]
        for _, own in errors.groupby("country"):
            rows = own.set_index("listeners")
            width = rows["trades_most_eur"] - rows["trades_least_eur"]
            for name in rows.index:
                parts = name.split("+") if name != EVERYBODY else list(rows.index)
                for part in {NOBODY, *parts} & set(rows.index):
                    assert (rows.loc[name, kinds] <= rows.loc[part, kinds] + 1e-12).all()
                    assert width[name] <= width[part] * (1 + 1e-6) + 1e-3
            assert rows.loc[EVERYBODY, "near_cost_error"] < 0.2
            assert rows.loc[NOBODY, "near_cost_error"] == pytest.approx(1.0)


def test_the_replayed_ledger_is_that_of_the_run(tmp_path: Path) -> None:
    records = finished(tmp_path, "wheeling", "bilateral_bids", "adaptive")
    world = teaching_world("wheeling")
    ledger = Ledger(world.graph, world.products)
    awards = 0
    for entry in replay(records, world):
        if isinstance(entry, StepEnd):
            ledger = entry.ledger
        else:
            awards += isinstance(entry.message.body, Award)
    assert awards
    flows = records.table("flows")
    for line, rows in flows.groupby("interconnector"):
        np.testing.assert_allclose(ledger.flows_mw[str(line)], rows["flow_mw"], atol=1e-9)


def test_a_fact_about_several_lines_is_known_to_who_knows_them_all() -> None:
    both = Known(frozenset({"B", "C"}), (frozenset({"B"}), frozenset({"C"})))
    fact = Slope(np.zeros(1), np.zeros(1), np.zeros(1), both)
    assert not known_to([fact], frozenset({"B"}))
    assert known_to([fact], frozenset({"B", "C"})) == [fact]


def test_what_cannot_be_attacked_is_refused(tmp_path: Path) -> None:
    records = finished(tmp_path, "two_countries", "bilateral_bids", "adaptive")
    with pytest.raises(ScenarioError, match="'XX' is not in the run"):
        what_was_disclosed(records, victims=["XX"])
    handed = finished(tmp_path, "two_countries", "vcg", "standard", settlement="clarke")
    with pytest.raises(ScenarioError, match="handed every planning problem"):
        what_was_disclosed(handed)


def test_bounds_can_be_left_out(tmp_path: Path) -> None:
    records = finished(tmp_path, "two_countries", "bilateral_bids", "adaptive")
    report = what_was_disclosed(records, places=2, bounds=False)
    assert report.errors[["trades_least_eur", "trades_most_eur"]].isna().all(axis=None)
    assert report.left_out == ()
