"""Pictures of runs and the tables against published figures."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer import Typer
from typer.testing import CliRunner

from model.options import RunOptions
from model.records import RunRecords
from model.runs import run as negotiate
from protocols.adaptive import AdaptiveBids
from scenarios.loader import load_scenario
from scenarios.schema import Interconnector
from viz import flow_map, plausibility
from viz.drawing import Box, Drawing, Lines, Text, text_width
from viz.figures import FIGURES, Look, table_file, table_of
from viz.markdown import markdown
from viz.moment import Moment, price_range, replay, state_at
from viz.outlines import country_outlines, outline_of
from viz.page.screen import NARROW_PX
from viz.printing import printed
from viz.progress_charts import draw_marginal_costs, marginal_costs
from viz.report import report
from viz.run_view import RunView, spread, view_run
from viz.svg import to_svg
from viz.talk import deals, in_words, said
from viz.time_charts import NO_LINES, dispatch

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
    step = {"step": 0, "status": "completed", "trades": 1, "rounds": 1, "messages": 2}
    step |= {
        "numbers_disclosed": 1,
        "local_solves": 5,
        "valuation_solves": 0,
        "dependent_solves": 1,
        "cost_eur": 9e8,
        "gain_eur": 1e8,
    }
    step |= {"surplus_eur": None, "hops": 1, "slice": None}
    step |= {"primal_residual": None, "dual_residual": None}
    run.write_step(0, {"steps": pd.DataFrame([step])})
    time = {"snapshot": pd.Timestamp("2030-01-01"), "weight_h": 8760.0}
    cases = plausibility.CASES
    prices = [
        {"case": case, "country": code, "price_eur_per_mwh": 40.0 + i, "exchange_mw": 10.0} | time
        for case in cases
        for i, code in enumerate(CODES)
    ]
    mix = {"p_nom_mw": 100.0, "built_mw": 50.0, "generation_twh": 1.25, "co2_t": 1e6}
    capacities = [
        {"case": case, "country": code, "carrier": carrier} | mix
        for case in cases
        for code in CODES
        for carrier in ("coal", "OCGT", "hydro_reservoir", "load_shedding")
    ]
    flows = [
        {"case": case, "interconnector": line.name, "flow_mw": fake_flow(line)} | time
        for case in cases[1:]
        for line in scenario.interconnectors
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


def fake_flow(line: Interconnector) -> float:
    """AO-NA half full, NA-ZA at its limit, nothing on all others."""
    return {"AO-NA": 0.5 * line.a_to_b_mw, "NA-ZA": -line.b_to_a_mw}.get(line.name, 0.0)


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
        "status": "completed",
        "planner_gain_eur": 2e8,
        "efficiency": 0.5,
        "countries": countries,
        "interconnectors": lines,
    }


def shapes(drawing: Drawing, key: str) -> dict[str, Lines]:
    return {i.data[key]: i for i in drawing.items if isinstance(i, Lines) and key in i.data}


def texts(drawing: Drawing) -> list[str]:
    return [item.text for item in drawing.items if isinstance(item, Text)]


@pytest.fixture(scope="module")
def view(triangle: RunRecords) -> RunView:
    return view_run(triangle.path)


class TestReplay:
    def test_last_step_is_the_recorded_outcome(self, view):
        """Trades replayed by the ledger's rules give the flows that the run recorded."""
        last = int(view.steps["step"].max())
        for line, mw in replay(view).flows_mw(last).items():
            recorded = view.flows_of(line, "negotiated")["flow_mw"].to_numpy()
            assert mw == pytest.approx(recorded, abs=1e-6)

    def test_rounds_lead_from_one_step_to_the_next(self, view):
        steps = sorted(view.steps["step"])
        rounds = int(view.steps.loc[view.steps["step"] == 1, "rounds"].max())
        assert len(steps) > 1
        after = replay(view).flows_mw(1)
        last = replay(view).flows_mw(1, rounds)
        before = replay(view).flows_mw(0)
        nothing = replay(view).flows_mw(1, -1)
        for line in after:
            assert last[line] == pytest.approx(after[line])
            assert nothing[line] == pytest.approx(before[line])
        assert any((after[line] != before[line]).any() for line in after)

    def test_imports_and_exports_differ_by_the_losses(self, view):
        for place in (0, 7, 20):
            when = view.snapshots[place]
            for moment in (
                Moment(snapshot=when),
                Moment(snapshot=when, case="planner"),
                Moment(step=1, product=view.products[place]),
            ):
                state = state_at(view, moment)
                lost = sum(f.line.loss * abs(f.mw) for f in state.flows)
                assert sum(state.net_import_mw.values()) == pytest.approx(-lost, abs=1e-6)

    def test_colours_are_fitted_to_what_is_shown(self, view):
        """Most hours would leave a scale that is made for means over the year."""
        prices = view.prices[view.prices["case"].isin(view.cases)]["price_eur_per_mwh"]
        hourly = prices.between(*price_range(view, Moment(snapshot=view.snapshots[0])))
        assert hourly.mean() >= 0.9
        assert hourly.mean() > prices.between(*price_range(view, Moment())).mean()
        values = view.valuations["marginal_value_eur_per_mwh"]
        low, high = price_range(view, Moment(step=0, product=view.products[0]))
        assert values.between(low, high).mean() >= 0.9

    def test_an_hour_is_that_of_the_tables(self, view):
        when = view.snapshots[7]
        state = state_at(view, Moment(snapshot=when))
        table = view.flows[(view.flows["case"] == "negotiated") & (view.flows["snapshot"] == when)]
        flows = dict(zip(table["interconnector"], table["flow_mw"], strict=True))
        assert {f.line.name: f.mw for f in state.flows} == pytest.approx(flows)


class TestIntervals:
    def test_a_bar_reaches_from_one_marginal_cost_to_the_other(self, view):
        rows = view.valuations.dropna(subset=["delta_mw"])
        product = rows["product"].iloc[0]
        tried = rows[rows["product"] == product]
        table = marginal_costs(view, product).set_index(["step", "country"])
        for row in tried.to_dict("records"):
            told = table.loc[(row["step"], row["country"])]
            for side in ("mc_import_eur_per_mwh", "mc_export_eur_per_mwh"):
                assert told[side] == pytest.approx(row[side], abs=1e-9)
        assert table["mc_import_eur_per_mwh"].notna().sum() == len(tried)
        bars = shapes(draw_marginal_costs(view, product), "interval")
        assert set(bars) == set(view.codes)
        assert any(np.ptp(part[:, 1]) > 0 for bar in bars.values() for part in bar.parts)

    def test_a_few_products_are_no_mean_of_the_year(self, view):
        rows = view.valuations
        whole = rows["delta_mw"].notna().groupby([rows["step"], rows["country"]]).all()
        assert not whole.any()  # four of the day's hours in each step
        assert marginal_costs(view)["mc_import_eur_per_mwh"].isna().all()
        assert shapes(draw_marginal_costs(view), "interval") == {}

    def test_without_what_was_tried_there_is_the_line_alone(self, fake):
        rows = pd.DataFrame(
            {
                "step": 0,
                "country": CODES,
                "product": "p",
                "marginal_value_eur_per_mwh": 50.0,
                "mc_import_eur_per_mwh": np.nan,
                "mc_export_eur_per_mwh": np.nan,
                "delta_mw": np.nan,
            }
        )
        view = RunView(fake)
        view.__dict__["valuations"] = rows
        drawing = draw_marginal_costs(view)
        assert shapes(drawing, "interval") == {} and set(shapes(drawing, "country")) == set(CODES)
        assert marginal_costs(view)["mc_import_eur_per_mwh"].isna().all()


class TestFlowMap:
    def test_arrows_are_red_at_the_limit_and_dashed_when_idle(self, fake):
        drawing = flow_map.draw_map(RunView(fake), Moment())
        lines = shapes(drawing, "line")
        assert set(lines) == {line.name for line in RunView(fake).lines}
        assert lines["NA-ZA"].fill == "limit"
        assert lines["AO-NA"].fill == "flow"
        assert [name for name, line in lines.items() if not line.dash] == ["AO-NA", "NA-ZA"]
        assert float(lines["NA-ZA"].data["mw"]) < 0 < float(lines["AO-NA"].data["mw"])

    def test_every_country_has_its_shape_and_price(self, fake):
        drawing = flow_map.draw_map(RunView(fake), Moment())
        assert sorted(shapes(drawing, "iso")) == CODES
        assert {"41.0", "51.0"} <= set(texts(drawing))

    @pytest.mark.parametrize("width", [640.0, NARROW_PX])
    def test_labels_do_not_overlap(self, fake, width):
        drawing = flow_map.draw_map(RunView(fake), Moment(), width)
        places = [(i.x, i.y) for i in drawing.items if isinstance(i, Text) and "label" in i.data]
        assert len(places) == 12
        gaps = [
            (abs(a[0] - b[0]) > 30 or abs(a[1] - b[1]) > 30)
            for k, a in enumerate(places)
            for b in places[:k]
        ]
        assert all(gaps)

    def test_arrow_widths_are_linear_in_mw(self):
        wide = [flow_map._width(mw, 1000.0) for mw in (250.0, 500.0, 1000.0)]
        assert wide[1] == pytest.approx(2 * wide[0])
        assert wide[2] == pytest.approx(2 * wide[1])

    def test_outlines_of_the_world(self):
        outlines = country_outlines()
        assert len(outlines) > 220
        assert set(CODES) <= set(outlines)
        assert outline_of("NAM") is outline_of("NA")
        west, south, east, north = outline_of("ZA").bounds
        # Without the Prince Edward Islands in the far south.
        assert (west, south, east, north) == pytest.approx((16.4, -34.8, 32.9, -22.1), abs=0.3)

    def test_parts_overseas_do_not_widen_the_map(self):
        """France reaches from Brittany to Corsica, not to Guiana; Alaska is part of the map."""
        assert outline_of("FR").bounds == pytest.approx((-4.8, 41.4, 9.6, 51.1), abs=1.5)
        assert outline_of("US").bounds[0] < -150

    def test_teaching_scenario_draws_dots(self, view):
        drawing = flow_map.draw_map(view, Moment())
        assert {"E", "N", "S"} <= set(texts(drawing))
        assert not shapes(drawing, "iso")

    def test_countries_without_coordinates_stand_on_a_circle(self):
        placed = spread(dict.fromkeys(CODES, (0.0, 0.0)))
        assert len(set(placed.values())) == len(CODES)

    def test_command_writes_each_kind_and_says_what_is_wrong(self, triangle, tmp_path):
        app = Typer()
        app.command()(flow_map.main)
        for kind, start in (("png", b"\x89PNG"), ("svg", b"<svg"), ("pdf", b"%PDF")):
            file = tmp_path / "new" / f"map.{kind}"
            result = CliRunner().invoke(app, [str(triangle.path), "--out", str(file)])
            assert result.exit_code == 0, result.output
            assert file.read_bytes().startswith(start)
        result = CliRunner().invoke(app, [str(tmp_path), "--out", str(tmp_path / "a.png")])
        assert result.exit_code == 2
        assert "is not a run" in result.output


class TestTalk:
    def test_agreed_prices_lie_in_the_middle_of_the_zone(self, view):
        """The adaptive bids share the surplus equally; a second way to compute their prices."""
        found = pd.concat([deals(view, int(step)) for step in view.steps["step"]])
        agreed = found.dropna()
        assert len(agreed) > 10
        middle = (agreed["least_eur_per_mwh"] + agreed["most_eur_per_mwh"]) / 2
        assert agreed["price_eur_per_mwh"].to_numpy() == pytest.approx(middle.to_numpy())
        missed = found[found["price_eur_per_mwh"].isna()]
        # Nobody passes a surplus by but one too small to be worth a trade.
        surplus = missed["most_eur_per_mwh"] - missed["least_eur_per_mwh"]
        least = AdaptiveBids.least_surplus_share * float(view.steps["gain_eur"].max())
        assert (surplus * missed["energy_mwh"] <= least).all()

    def test_any_message_has_words(self):
        body = {"curve": [{"mw": 1.5, "price_eur_per_mwh": 40}, {"mw": 2}], "round_up": True}
        assert in_words(body) == "curve (mw 1.50; price 40 EUR/MWh), (mw 2); round up True"
        assert in_words({}) == ""

    def test_the_clock_says_nothing(self, view):
        assert set(said(view, 0)["from"]) <= set(view.codes)


class TestFigures:
    @pytest.mark.parametrize("name", list(FIGURES))
    def test_draws_and_has_a_table(self, name, view):
        drawing = FIGURES[name].draw(view, Look())
        assert to_svg(drawing).startswith("<svg")
        assert len(texts(drawing)) > 0
        if name != "capacity":
            assert len(table_of(view, name, Look())) > 0

    @pytest.mark.parametrize("name", list(FIGURES))
    def test_keeps_to_a_narrow_screen(self, name, fake):
        drawing = FIGURES[name].draw(RunView(fake), Look(width=NARROW_PX))
        assert drawing.width == NARROW_PX
        for item in drawing.items:
            if isinstance(item, Text):
                room = {"start": 1.0, "middle": 0.5, "end": 0.0}[item.anchor]
                # Widths of texts are estimated a little too large.
                end = item.x + room * 0.9 * text_width(item.text, item.size)
                assert end <= NARROW_PX, item.text

    def test_bids_of_a_pair_are_theirs(self, view):
        found = deals(view, 0)
        pair = (found["exporter"].iloc[0], found["importer"].iloc[0])
        theirs = found[found["exporter"].isin(pair) & found["importer"].isin(pair)]
        assert 0 < len(theirs) < len(found)
        drawing = FIGURES["bids"].draw(view, Look(Moment(step=0), pair=pair))
        drawn = [i.data["deal"] for i in drawing.items if isinstance(i, Box) and "deal" in i.data]
        assert drawn == list(theirs["path"])

    @pytest.mark.parametrize("name", list(FIGURES))
    def test_draws_before_the_first_step(self, name, tmp_path):
        scenario = load_scenario("sapp2030")
        run = RunRecords.create(RunOptions("sapp2030", out=tmp_path), scenario)
        drawing = FIGURES[name].draw(RunView(run), Look())
        assert to_svg(drawing, themed=False).endswith("</svg>")

    def test_equal_pictures_are_equal_files(self, view):
        drawing = FIGURES["gain"].draw(view, Look())
        for kind in ("png", "pdf", "svg"):
            assert printed(drawing, kind) == printed(drawing, kind)

    def test_gap_to_the_planner_closes(self, view):
        gap = table_of(view, "gain", Look())["gap_to_planner_eur"].to_numpy()
        summary = view.summary
        assert gap[-1] == pytest.approx(summary["planner_gain_eur"] - summary["gain_eur"])

    def test_duration_curve_falls_and_covers_the_horizon(self, view):
        table = table_of(view, "duration", Look(line="E-S"))
        for _, rows in table.groupby("case"):
            assert (rows["flow_mw"].diff().dropna() <= 0).all()
            assert rows["to_h"].max() == pytest.approx(24.0)

    def test_unknown_table(self, view):
        with pytest.raises(KeyError):
            table_of(view, "flow", Look())


class TestWithoutInterconnectors:
    """One country, or countries that share no border, are planned and shown like all others."""

    @pytest.fixture(scope="class")
    def apart(self, tmp_path_factory: pytest.TempPathFactory) -> RunView:
        options = RunOptions(
            "wheeling", countries=("A", "B"), max_steps=2, out=tmp_path_factory.mktemp("apart")
        )
        view = view_run(negotiate(options)["folder"])
        assert not view.lines
        return view

    @pytest.mark.parametrize("name", list(FIGURES))
    def test_every_figure_draws_and_its_table_is_written(self, name, apart, tmp_path):
        assert texts(FIGURES[name].draw(apart, Look()))
        assert table_file(table_of(apart, name, Look()), "csv")
        assert table_file(table_of(apart, name, Look()), "parquet")

    def test_time_is_that_of_the_prices(self, apart):
        assert apart.cases == ["negotiated", "planner"]
        assert len(apart.snapshots) == apart.records.scenario.settings.snapshots
        assert (dispatch(apart, "A")["imports"] == 0).all()

    def test_map_has_the_prices_of_the_outcome(self, apart):
        prices = apart.prices_of("B", "negotiated")
        mean = (prices["price_eur_per_mwh"] * prices["weight_h"]).sum() / prices["weight_h"].sum()
        assert state_at(apart, Moment()).prices_eur_per_mwh["B"] == pytest.approx(mean)
        # A key to flows would be one to nothing.
        assert "net flow, MW" not in texts(FIGURES["map"].draw(apart, Look()))

    def test_nothing_to_gain_has_no_gap(self, apart):
        """The planner's gain is then what the solver rounds, and no share of it means anything."""
        rounded = RunView(apart.records)
        rounded.summary["planner_gain_eur"] = -0.07
        drawn = texts(FIGURES["gain"].draw(rounded, Look()))
        assert "planner" in drawn
        assert not any("gap to the planner" in text for text in drawn)

    def test_report_is_whole(self, apart):
        page = report([apart])
        assert page.count("data-figure=") >= len(FIGURES)
        assert NO_LINES in page


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
