"""What the figures read out of the outcome's network, for runs on network files."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.options import RunOptions
from model.runs import run as negotiate
from tests.small_networks import COLOURS, COUNTRIES, written
from viz.country_charts import capacity, carrier_colours
from viz.figures import FIGURES, Look
from viz.run_view import RunView, view_run
from viz.svg import to_svg
from viz.time_charts import dispatch


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> RunView:
    return negotiated(tmp_path_factory.mktemp("network"), COUNTRIES)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> RunView:
    """One country, which has no interconnector."""
    return negotiated(tmp_path_factory.mktemp("alone"), ("NA",))


def negotiated(folder: Path, countries: tuple[str, ...]) -> RunView:
    options = RunOptions(
        str(written(folder)),
        countries=countries,
        max_steps=1,
        planner=False,
        out=folder,
        overrides={"network.window": "8"},
    )
    return view_run(negotiate(options)["folder"])


@pytest.mark.parametrize("country", COUNTRIES)
def test_dispatch_meets_demand_in_every_hour(view: RunView, country: str) -> None:
    """Over all buses of a country: what is generated, stored and imported is what is used."""
    table = dispatch(view, country)
    assert (table["demand"] > 0).all()
    supplied = table.drop(columns="demand").sum(axis=1).to_numpy()
    assert supplied == pytest.approx(table["demand"].to_numpy(), rel=1e-6)


def test_stores_behind_links_go_by_what_they_store(view: RunView) -> None:
    columns = set().union(*(dispatch(view, country).columns for country in COUNTRIES))
    assert {"battery", "H2", "coal", "solar", "hydro"} <= columns
    assert not {"battery charger", "H2 electrolysis", "trade"} & columns


def test_colours_are_those_of_the_file(view: RunView) -> None:
    colours = carrier_colours(view)
    assert COLOURS.items() <= colours.items()
    assert set(capacity(view)["carrier"]) <= set(colours)


def test_countries_have_their_names(view: RunView) -> None:
    assert view.names == {"BW": "Botswana", "NA": "Namibia", "ZA": "South Africa"}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws(view: RunView, name: str) -> None:
    assert "<svg" in to_svg(FIGURES[name].draw(view, Look()))


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws_of_one_country_alone(alone: RunView, name: str) -> None:
    assert "<svg" in to_svg(FIGURES[name].draw(alone, Look()))


def test_one_country_alone_meets_its_demand(alone: RunView) -> None:
    table = dispatch(alone, "NA")
    assert len(table) == 8
    assert (table["demand"] > 0).all()
    supplied = table.drop(columns="demand").sum(axis=1).to_numpy()
    assert supplied == pytest.approx(table["demand"].to_numpy(), rel=1e-6)
