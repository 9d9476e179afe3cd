"""The model in the hands of a Mesa user: steps, batches, collected data, its space, a page."""

from __future__ import annotations

import runpy
from pathlib import Path

import mesa
import numpy as np
import pandas as pd
import pytest

from agents.country import CountryAgent
from agents.together import Together
from model.negotiation import NegotiationModel
from model.options import RunOptions
from model.runs import run
from model.scenario_model import ScenarioModel
from protocols.registry import make_protocol
from scenarios.errors import ScenarioError
from tests.small_worlds import teaching_world

PAGE = Path(__file__).parents[1] / "docs" / "mesa_page.py"
PROTOCOLS = ["bilateral_bids", "rubinstein", "consensus_admm"]


def test_a_notebook_steps_it_to_its_end() -> None:
    model = ScenarioModel("two_countries")
    model.step()
    assert model.steps == 1 and model.running and model.gain_eur > 0
    model.run_model()
    assert not model.running and model.status == "completed"
    assert model.gains_eur["A"] + model.gains_eur["B"] == pytest.approx(model.gain_eur)


def test_it_is_the_run_of_the_command_line(tmp_path: Path) -> None:
    model = ScenarioModel("two_countries", "rubinstein")
    model.run_model()
    told = run(RunOptions("two_countries", "rubinstein", "standard", out=tmp_path))
    assert (told["steps"], told["gain_eur"]) == (model.steps, model.gain_eur)
    assert told["gains_eur"] == model.gains_eur


def test_batch_run_over_three_protocols() -> None:
    rows = mesa.batch_run(
        ScenarioModel,
        {"scenario": "two_countries", "protocol": PROTOCOLS, "seed": 1},
        display_progress=False,
    )
    table = pd.DataFrame(rows)
    runs = table.groupby("RunId")
    assert len(runs) == 3 and set(table["protocol"]) == set(PROTOCOLS)
    assert (runs.size() == 2).all()
    for _, countries in runs:
        assert set(countries["country"]) == {"A", "B"}
        # Agents' rows are those of the step whose totals stand beside them.
        total = countries["total_gain_eur"].iloc[0]
        assert countries["gain_eur"].sum() == pytest.approx(total)
        alone = ScenarioModel("two_countries", countries["protocol"].iloc[0])
        alone.run_model()
        assert total == pytest.approx(alone.gain_eur, rel=0.01)


def test_every_step_of_a_batch_can_be_had() -> None:
    rows = mesa.batch_run(
        ScenarioModel,
        {"scenario": "two_countries"},
        data_collection_period=1,
        display_progress=False,
    )
    table = pd.DataFrame(rows)
    assert table["Step"].unique().tolist() == list(range(int(table["Step"].max()) + 1))
    gains = table.groupby("Step").agg(total=("total_gain_eur", "first"), own=("gain_eur", "sum"))
    np.testing.assert_allclose(gains["own"], gains["total"], rtol=1e-9, atol=1e-6)
    assert gains["total"].is_monotonic_increasing


def test_the_interconnection_graph_is_the_space() -> None:
    model = ScenarioModel("triangle")
    assert model.space.G is model.ledger.graph
    for agent in model.agents:
        assert agent.cell.coordinate == agent.country
        assert sorted(agent.neighbours) == sorted(model.ledger.graph.neighbors(agent.country))


def test_mesa_schedules_every_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a country does in a step it does because the agent set tells it to."""
    told: list[str] = []
    inside: list[str] = []
    usual = Together.map

    def noted(self, method, *args, **kwargs):
        told.append(method)
        inside.append(method)
        try:
            return usual(self, method, *args, **kwargs)
        finally:
            inside.pop()

    model = ScenarioModel("two_countries")
    model.plan_alone()
    for agent in model.agents:
        problem = agent._problem
        for name in ("solve", "respond"):
            solve = getattr(problem, name)

            def checked(*args, _solve=solve):
                assert inside, "a country solved outside of a stage"
                return _solve(*args)

            monkeypatch.setattr(problem, name, checked)
    monkeypatch.setattr(Together, "map", noted)
    model.step()
    assert told[0] == "sit_down" and told[-2:] == ["replan", "value"]
    assert set(told[1:-2]) == {"negotiate"} and len(told) > 4


@pytest.mark.parametrize("workers", [1, 3])
def test_an_agent_set_keeps_its_order_and_its_workers(workers: int) -> None:
    world = teaching_world("triangle")
    protocol = make_protocol("bilateral_bids", "adaptive")
    model = NegotiationModel(world.problems, world.graph, world.products, protocol, workers=workers)
    assert isinstance(model.agents, mesa.agent.AgentSet)
    assert model.agents.map(lambda agent: agent.country) == list(world.countries)
    some = model.agents.select(lambda agent: agent.country != world.countries[1])
    assert isinstance(some, Together)
    assert some.map(lambda agent: agent.country) == [world.countries[0], *world.countries[2:]]
    assert list(model.agents_by_type) == [CountryAgent]


def test_an_error_of_one_country_reaches_the_caller() -> None:
    model = ScenarioModel("triangle", workers=2)

    def fails(agent: CountryAgent) -> None:
        raise ValueError(agent.country)

    with pytest.raises(ValueError, match=model.scenario.codes[0]):
        model.agents.do(fails)


def test_a_mistake_is_told_in_one_line() -> None:
    with pytest.raises(ScenarioError, match="no 'rubinstien'; did you mean 'rubinstein'"):
        ScenarioModel("two_countries", protocol="rubinstien")


def test_the_page_shows_the_model_and_steps_it() -> None:
    import solara

    page = runpy.run_path(str(PAGE))
    _, context = solara.render(page["page"], handle_error=False)
    try:
        page["model"].step()
        assert page["model"].gain_eur > 0
        assert len(page["colours"](page["model"])) == 3
    finally:
        context.close()
