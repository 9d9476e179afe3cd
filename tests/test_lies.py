"""Lies in what is said: what they change, whom they cannot hurt, and what they bring."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from agents.lies import Shade, Unwilling
from agents.problem import Terms
from agents.strategy import make_strategy
from agents.valuation import Valuation
from model.negotiation import NegotiationModel
from model.options import RunOptions
from model.reporting import Reporter
from model.runs import run
from model.world import World, build_world
from protocols.plugins import PluginError
from protocols.registry import make_protocol, protocol_modes
from scenarios.schema import CostCurve, Interconnector, Scenario, Settings
from tests.small_worlds import teaching_world

PROTOCOLS = [(name, mode) for name, modes in protocol_modes().items() for mode in modes]
# A lie keeps some from coming to rest, which is not what is tested here.
SHORTER = {"douglas_rachford": {"rounds": 20}, "alternating_offers": {"turns": 20}}
LIES = ("overstate:7", "shade:6", "shade:-6", "unwilling:export", "unwilling:import", "delay:2")


def negotiated(world: World, name: str, mode: str, **lies: str) -> NegotiationModel:
    model = NegotiationModel(
        world.problems,
        world.graph,
        world.products,
        make_protocol(name, mode, **SHORTER.get(name, {})),
        seed=1,
        strategies={country: make_strategy(text) for country, text in lies.items()},
    )
    model.plan_alone()
    while model.running and model.steps < 15:
        model.step()
    return model


def blocks(dear_eur_per_mwh: float = 80.0) -> World:
    """A has all the energy in the world at 20 EUR/MWh, B at more; 100 MW join them."""
    curves = (
        CostCurve(country="A", demand_mw=500.0, blocks=((2000.0, 20.0),)),
        CostCurve(country="B", demand_mw=500.0, blocks=((2000.0, dear_eur_per_mwh),)),
    )
    line = Interconnector(country_a="A", country_b="B", a_to_b_mw=100.0, b_to_a_mw=100.0)
    chosen = Settings(name="blocks", title="blocks", kind="cost_curves", slices="year")
    scenario = Scenario(settings=chosen, curves=curves, interconnectors=(line,))
    return build_world(scenario, "highs", Reporter())


@pytest.mark.parametrize("liar", ["A", "B"])
@pytest.mark.parametrize("eur_per_mwh", [6.0, 40.0])
def test_overstating_pays_half_of_the_lie_for_every_mwh(liar: str, eur_per_mwh: float) -> None:
    """60 EUR/MWh are split in two by what both say: who hides x of them has (60 - x) / 2 + x."""
    model = negotiated(blocks(), "bilateral_bids", "adaptive", **{liar: f"overstate:{eur_per_mwh}"})
    mwh = 100.0 * float(model.products.weights_h.sum())
    other = "B" if liar == "A" else "A"
    assert model.gains_eur[liar] == pytest.approx((30.0 + eur_per_mwh / 2) * mwh, rel=1e-6)
    assert model.gains_eur[other] == pytest.approx((30.0 - eur_per_mwh / 2) * mwh, rel=1e-6)


def test_whoever_hides_more_than_there_is_has_nothing() -> None:
    model = negotiated(blocks(), "bilateral_bids", "adaptive", A="overstate:61")
    assert model.gain_eur == 0.0 and model.ledger.trades == []


@pytest.mark.parametrize(("name", "mode"), PROTOCOLS)
def test_a_lie_breaks_no_rule_and_costs_the_truthful_nothing(name: str, mode: str) -> None:
    for lie in LIES:
        world = teaching_world("two_countries")
        model = negotiated(world, name, mode, A=lie)
        model.ledger.check_balance()
        model.ledger.check_budget()
        scale = sum(model.autarky_eur.values())
        assert model.gains_eur["B"] >= -1e-8 * scale, lie
        # What it says it must be paid covers what it must be paid.
        assert model.gains_eur["A"] >= -1e-8 * scale or lie.startswith("shade"), lie


def test_three_liars_at_once_break_no_rule() -> None:
    for name in ("consensus_admm", "iterated_clearing"):
        world = teaching_world("triangle")
        three = zip(world.countries, ("overstate:3", "shade:4", "unwilling:import"), strict=True)
        model = negotiated(world, name, "standard", **dict(three))
        model.ledger.check_balance()
        model.ledger.check_budget()


def test_what_is_quoted_is_shifted_and_what_it_costs_is_true() -> None:
    world = teaching_world("triangle")
    true = Valuation(world.problems["E"], world.products)
    said = Shade(5.0).quotes(true)
    here, n = np.zeros(24), len(world.products)
    np.testing.assert_allclose(said.marginal_value(here), true.marginal_value(here) + 5.0)
    terms = Terms(*(np.full(n, 45.0),) * 2, *(np.full(n, 300.0),) * 2)
    lower = Terms(*(np.full(n, 40.0),) * 2, *(np.full(n, 300.0),) * 2)
    np.testing.assert_array_equal(said.respond(here, terms), true.respond(here, lower))
    assert said.cost_eur(here + 50.0) == true.cost_eur(here + 50.0)
    assert Shade(0.0).quotes(true) is true


@pytest.mark.parametrize(("denied", "sign"), [("export", -1), ("import", 1)])
def test_who_is_unwilling_goes_back_and_no_further(denied: str, sign: int) -> None:
    world = teaching_world("triangle")
    true = Valuation(world.problems["E"], world.products)
    said, n = Unwilling(denied).quotes(true), len(world.products)  # type: ignore[arg-type]
    keen = 1.0 if sign < 0 else 500.0  # a price at which it would go as far as it may
    terms = Terms(*(np.full(n, 501.0 - keen),) * 2, *(np.full(n, 300.0),) * 2)
    assert (sign * true.respond(np.zeros(24), terms) > 0).all()
    assert (said.respond(np.zeros(24), terms) == 0).all()
    booked = np.full(24, -sign * 50.0)
    np.testing.assert_allclose(said.respond(booked, terms), sign * 50.0)


def test_nobody_who_is_unwilling_ends_on_that_side() -> None:
    world = teaching_world("two_countries")
    for name, mode in PROTOCOLS:
        model = negotiated(world, name, mode, A="unwilling:export", B="unwilling:import")
        assert model.ledger.trades == [], (name, mode)
        world = teaching_world("two_countries")


@pytest.mark.parametrize(("name", "mode"), PROTOCOLS)
def test_delay_is_counted_in_steps(name: str, mode: str) -> None:
    model = NegotiationModel(
        *(lambda w: (w.problems, w.graph, w.products))(teaching_world("two_countries")),
        make_protocol(name, mode),
        seed=1,
        strategies={"A": make_strategy("delay:2")},
    )
    model.plan_alone()
    traded = []
    while model.running and model.steps < 8:
        model.step()
        traded.append(len(model.ledger.trades))
    assert traded[:2] == [0] * len(traded[:2])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("overstate:-1", "greater than or equal to 0"),
        ("overstate:inf", "'inf' is no number"),
        ("overstate:1,2", "does not take 2 parameters"),
        ("shade:x", "'x' is no number"),
        ("unwilling:exprt", "'export' or 'import'"),
        ("delay:1.5", "is not a whole number"),
        ("delay:-1", "greater than or equal to 0"),
        ("oversate:3", "did you mean 'overstate'"),
    ],
)
def test_mistakes_are_told(text: str, words: str) -> None:
    with pytest.raises(PluginError) as error:
        make_strategy(text)
    assert words in str(error.value)


def gains(summary: Mapping[str, object]) -> dict[str, float]:
    return summary["gains_eur"]  # type: ignore[return-value]


def test_a_run_knows_them_by_name_and_a_liar_s_own_loss_is_no_broken_promise(tmp_path) -> None:  # type: ignore[no-untyped-def]
    plain = {"out": tmp_path, "planner": False, "products": "hourly"}
    truth = run(RunOptions("two_countries", **plain))
    lie = run(RunOptions("two_countries", **plain, strategies={"A": "overstate:6"}))
    assert lie["strategies"] == {"A": "overstate:6"}
    assert gains(lie)["A"] > gains(truth)["A"] > 0
    # Quoted far below what it costs: in a mechanism that books by quotes the liar may lose.
    silly = run(
        RunOptions(
            "two_countries",
            **plain,
            protocol="consensus_admm",
            mode="standard",
            strategies={"A": "shade:-25"},
        )
    )
    assert silly["status"] != "failed", silly["note"]
    assert gains(silly)["B"] >= -1e-3
