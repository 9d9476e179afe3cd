"""Pictures of runs and the tables against published figures."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import FancyArrowPatch
from typer import Typer
from typer.testing import CliRunner

from model.options import RunOptions
from model.records import RunRecords
from model.runs import run as negotiate
from scenarios.loader import load_scenario
from viz import flow_map, plausibility
from viz.markdown import markdown
from viz.outlines import country_shapes
from viz.picture import RunPicture, picture_from, picture_of

CODES = ["AO", "BW", "CD", "LS", "MW", "MZ", "NA", "SZ", "TZ", "ZA", "ZM", "ZW"]
LINES = {"AO-NA": (2.0, 0.5, 3000.0), "NA-ZA": (0.1, 3.0, 10.0), "ZM-ZW": (0.0, 0.0, 0.0)}


@pytest.fixture(scope="module")
def triangle(tmp_path_factory: pytest.TempPathFactory) -> RunRecords:
    out = tmp_path_factory.mktemp("results")
    return RunRecords.open(negotiate(RunOptions("triangle", out=out))["folder"])


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> RunRecords:
    """Records of sapp2030 with made-up numbers, as they are without a network."""
    scenario = load_scenario("sapp2030")
    run = RunRecords.create(
        RunOptions("sapp2030", out=tmp_path_factory.mktemp("results")), scenario
    )
    step = {"step": 0, "status": "agreed", "trades": 1, "rounds": 1, "messages": 2}
    step |= {
        "numbers_disclosed": 1,
        "local_solves": 5,
        "dependent_solves": 1,
        "cost_eur": 9e8,
        "gain_eur": 1e8,
    }
    run.write_step(0, {"steps": pd.DataFrame([step | {"surplus_eur": None, "hops": 1}])})
    time = {"snapshot": pd.Timestamp("2030-01-01"), "weight_h": 8760.0}
    cases = plausibility.CASES
    prices = [
        {"case": case, "country": code, "price_eur_per_mwh": 40.0 + i, "exchange_mw": 10.0} | time
        for case in cases
        for i, code in enumerate(CODES)
    ]
    mix = {"p_nom_mw": 100.0, "built_mw": 50.0, "generation_twh": 1.25}
    capacities = [
        {"case": case, "country": code, "carrier": carrier} | mix
        for case in cases
        for code in CODES
        for carrier in ("coal", "OCGT", "hydro_reservoir", "load_shedding")
    ]
    flows = [
        {"case": case, "interconnector": line, "flow_mw": 100.0} | time
        for case in cases[1:]
        for line in LINES
    ]
    run.write_final(
        {
            "prices": pd.DataFrame(prices),
            "capacities": pd.DataFrame(capacities),
            "flows": pd.DataFrame(flows),
        }
    )
    run.write_summary(fake_summary())
    return RunRecords.open(run.path)


def fake_summary() -> dict[str, object]:
    countries = {
        code: {
            "name": code,
            "demand_twh": 10.0,
            "autarky_cost_eur": 1e8,
            "negotiated_cost_eur": 9e7,
            "payment_eur": 0.0,
            "gain_eur": 1e7 * (i + 1),
            "autarky_price_eur_per_mwh": 60.0,
            "negotiated_price_eur_per_mwh": 40.0 + i,
            "net_import_twh": 1.0 - 0.2 * i,
        }
        for i, code in enumerate(CODES)
    }
    lines = {
        name: {
            "a_to_b_twh": out,
            "b_to_a_twh": back,
            "a_to_b_mw": 500.0,
            "b_to_a_mw": 500.0,
            "hours_at_limit": hours,
            "mean_price_eur_per_mwh": 40.0,
            "losses_twh": 0.1,
        }
        for name, (out, back, hours) in LINES.items()
    }
    return {
        "scenario": "sapp2030",
        "title": "A fake",
        "protocol": "bilateral_bids",
        "status": "agreed",
        "planner_gain_eur": 2e8,
        "efficiency": 0.5,
        "countries": countries,
        "interconnectors": lines,
    }


def map_axes(picture: RunPicture):
    return flow_map.figure(picture).axes[0]


class TestPicture:
    def test_arrows_point_along_the_net_flow(self, fake):
        arrows = {(a.exporter, a.importer): a for a in picture_of(fake).arrows}
        assert arrows["AO", "NA"].net_twh == pytest.approx(1.5)
        assert arrows["ZA", "NA"].net_twh == pytest.approx(2.9)

    def test_busy_and_idle(self, fake):
        picture = picture_of(fake)
        assert [a.busy for a in picture.arrows] == [True, False, False]
        assert [picture.idle(a) for a in picture.arrows] == [False, False, True]

    def test_countries_without_coordinates_stand_on_a_circle(self, fake):
        nowhere = dict.fromkeys(CODES, (0.0, 0.0))
        ends = {name: tuple(name.split("-")) for name in LINES}
        picture = picture_from(fake.summary(), nowhere, ends, np.zeros(0), 8760.0)
        assert len({(m.longitude, m.latitude) for m in picture.countries}) == len(CODES)
        flow_map.figure(picture)


class TestFlowMap:
    def test_names_every_country_with_its_net_import(self, fake):
        texts = {text.get_text() for text in map_axes(picture_of(fake)).texts}
        assert {"NA\n-0.20", "AO\n+1.00", "LS\n+0.40"} <= texts
        assert {text.split("\n")[0] for text in texts} == set(CODES)

    def test_colours_of_arrows(self, fake):
        axes = map_axes(picture_of(fake))
        colours = [p.get_facecolor() for p in axes.patches if isinstance(p, FancyArrowPatch)]
        assert len(colours) == 2
        assert len(set(colours)) == 2

    def test_labels_do_not_overlap(self, fake):
        axes = map_axes(picture_of(fake))
        axes.figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in axes.texts]
        touching = [
            (a.get_text(), b.get_text())
            for i, a in enumerate(axes.texts)
            for j, b in enumerate(axes.texts[:i])
            if boxes[i].overlaps(boxes[j])
        ]
        assert touching == []

    def test_shapes_for_all_countries(self):
        assert sorted(country_shapes()) == CODES

    def test_teaching_scenario_draws_dots(self, triangle, tmp_path):
        flow_map.save(triangle, tmp_path / "new" / "map.png")
        assert (tmp_path / "new" / "map.png").stat().st_size > 10_000
        texts = [text.get_text() for text in map_axes(picture_of(triangle)).texts]
        assert sorted(text[0] for text in texts) == ["E", "N", "S"]

    def test_without_planner(self, triangle):
        summary = triangle.summary() | {"planner_gain_eur": None, "efficiency": None}
        places = {"E": (34.0, -18.0), "N": (28.0, -12.0), "S": (27.0, -26.0)}
        ends = {name: tuple(name.split("-")) for name in summary["interconnectors"]}
        flow_map.figure(picture_from(summary, places, ends, np.array([1.0, 2.0]), 24.0))

    def test_command_says_what_is_wrong(self, tmp_path):
        app = Typer()
        app.command()(flow_map.main)
        result = CliRunner().invoke(app, [str(tmp_path), "--out", str(tmp_path / "a.png")])
        assert result.exit_code == 2
        assert "is not a run" in result.output


class TestPlausibility:
    def test_every_table_has_all_countries(self, fake):
        sections = re.split(r"^### .*$", plausibility.tables(fake), flags=re.MULTILINE)[1:]
        assert len(sections) == 8
        for section in sections:
            codes = re.findall(r"^\| ([A-Z]{2}) \|", section, flags=re.MULTILINE)
            if "hours at limit" not in section:
                assert sorted(set(codes)) == CODES

    def test_published_figures_stand_beside_the_model(self, fake):
        text = plausibility.tables(fake)
        assert "| NA | 0.1 | 3.4 | 3.3 | -0.2 | 0.1 | exports, imported before |" in text

    def test_teaching_scenario_has_no_published_figures(self, triangle):
        text = plausibility.tables(triangle)
        assert "| E | - | - |" in text
        assert "Capacity built" not in text

    def test_every_published_figure_has_a_source(self):
        file = Path(plausibility.__file__).with_name("published_sapp.csv")
        rows = pd.read_csv(file, keep_default_na=False)
        assert sorted(rows["country"].unique()) == CODES
        assert (rows["source"].str.len() > 10).all()
        assert not rows.duplicated(["country", "quantity"]).any()

    def test_page_keeps_what_stands_outside_the_markers(self):
        page = f"# A\n\n{plausibility.BEGIN}\nold\n{plausibility.END}\n\nend\n"
        new = plausibility.replaced(page, "new")
        assert new == page.replace("old", "new")
        with pytest.raises(ValueError, match="needs the lines"):
            plausibility.replaced("# A", "new")

    def test_documented_tables_are_of_the_current_form(self, fake):
        page = Path(__file__).parents[1] / "docs" / "plausibility.md"
        block = page.read_text(encoding="utf-8").split(plausibility.BEGIN)[1]
        documented = block.split(plausibility.END)[0]
        headings = re.findall(r"^### .*$", documented, flags=re.MULTILINE)
        assert headings == re.findall(r"^### .*$", plausibility.tables(fake), flags=re.MULTILINE)


def test_markdown_sums_only_known_columns() -> None:
    text = markdown(["c", "x", "y"], [["NA", 1.0, None], ["ZA", 2.0, 1.0]], total=True)
    assert text.endswith("| all | 3.0 | - |")


def test_shapes_are_valid_json() -> None:
    file = Path(flow_map.__file__).with_name("shapes") / "sapp12_110m.geojson"
    assert json.loads(file.read_text(encoding="utf-8"))["type"] == "FeatureCollection"
