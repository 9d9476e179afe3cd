"""Records: round trip, determinism, errors, and docs that match the declaration."""

import json
import re
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from model import files
from model.columns import (
    FINAL_TABLES,
    STEP_TABLES,
    SUMMARY,
    TABLES,
    RecordsError,
    markdown,
    to_arrow,
)
from model.files import content_hash
from model.options import RunOptions
from model.records import RunRecords
from protocols.messages import Act
from scenarios.loader import load_scenario
from tests.sample_records import put_in, sample, samples

DOCS = Path(__file__).parents[1] / "docs" / "records.md"


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("triangle")


@pytest.fixture
def run(tmp_path, scenario):
    return RunRecords.create(RunOptions("triangle", out=tmp_path / "results"), scenario)


class TestCreate:
    def test_folder_names_scenario_protocol_mode_products_and_time(self, run, scenario):
        pattern = rf"triangle-bilateral_bids-adaptive-{scenario.settings.products}-\d{{8}}T\d{{6}}Z"
        assert re.fullmatch(pattern, run.name)

    def test_never_overwrites(self, tmp_path):
        names = [files.new_folder(tmp_path, "run").name for _ in range(3)]
        assert names == ["run", "run-2", "run-3"]

    def test_names_of_plugins_cannot_leave_the_folder(self, tmp_path, scenario):
        run = RunRecords.create(RunOptions("triangle", protocol="../x y", out=tmp_path), scenario)
        assert run.path.parent == tmp_path

    def test_manifest(self, run, scenario):
        manifest = json.loads((run.path / "manifest.json").read_text())
        assert manifest["scenario_sha256"] == content_hash(scenario)
        assert manifest["seed"] == scenario.settings.seed
        assert manifest["options"] == run.options.record()
        for name in ("dman-cep", "python", "pypsa", "linopy", "highspy", "mesa", "pandas"):
            assert re.match(r"\d+\.\d+", manifest["versions"][name])
        assert manifest == run.manifest

    @pytest.mark.parametrize("name", ["triangle", "two_countries", "sapp2030"])
    def test_options_and_scenario_come_back(self, tmp_path, name):
        scenario = load_scenario(name)
        options = RunOptions(name, seed=7, countries=("NA", "ZA"), out=tmp_path)
        path = RunRecords.create(options, scenario, command=["run.py"]).path
        run = RunRecords.open(path, unfinished=True)
        assert (run.options, run.scenario) == (options, scenario)
        assert (run.manifest["seed"], run.manifest["command"]) == (7, ["run.py"])

    def test_out_that_is_a_file(self, tmp_path, scenario):
        (tmp_path / "results").write_text("")
        with pytest.raises(RecordsError, match="choose another --out"):
            RunRecords.create(RunOptions("triangle", out=tmp_path / "results"), scenario)


class TestOpen:
    def test_no_run(self, tmp_path):
        with pytest.raises(RecordsError, match="not a run"):
            RunRecords.open(tmp_path / "nothing")

    def test_misspelt_run(self, run):
        wrong = run.path.with_name(run.name.replace("triangle", "triangel"))
        with pytest.raises(RecordsError, match=f"did you mean '{run.name}'"):
            RunRecords.open(wrong)

    def test_unfinished(self, run):
        with pytest.raises(RecordsError, match="--resume"):
            RunRecords.open(run.path)
        assert not RunRecords.open(run.path, unfinished=True).finished
        run.write_summary({})
        assert RunRecords.open(run.path).finished

    def test_other_format(self, run):
        file = run.path / "manifest.json"
        file.write_text(json.dumps({**run.manifest, "format": 99}))
        with pytest.raises(RecordsError, match="format 99"):
            RunRecords.open(run.path, unfinished=True)

    def test_changed_scenario(self, run):
        file = run.path / "scenario.json"
        content = json.loads(file.read_text())
        content["settings"]["seed"] += 1
        file.write_text(json.dumps(content))
        with pytest.raises(RecordsError, match=r"scenario\.json was changed"):
            RunRecords.open(run.path, unfinished=True)

    def test_damaged_manifest(self, run):
        (run.path / "manifest.json").write_text("{")
        with pytest.raises(RecordsError, match="cannot be read"):
            RunRecords.open(run.path, unfinished=True)


class TestTables:
    def test_every_table_comes_back(self, run):
        for step in (0, 1):
            run.write_step(step, samples(step))
        run.write_final({name: sample(name) for name in FINAL_TABLES})
        for name in STEP_TABLES:
            expected = pd.concat([sample(name, 0), sample(name, 1)], ignore_index=True)
            pd.testing.assert_frame_equal(run.table(name), expected, check_dtype=False)
        for name in FINAL_TABLES:
            pd.testing.assert_frame_equal(run.table(name), sample(name), check_dtype=False)

    def test_pandas_reads_the_folder(self, run):
        for step in (0, 1):
            run.write_step(step, samples(step))
        frame = pd.read_parquet(run.path / "trades")
        assert frame.step.tolist() == [0, 0, 0, 1, 1, 1]

    def test_namibia_is_a_country(self, run):
        run.write_final({"prices": sample("prices").assign(country="NA")})
        assert run.table("prices").country.tolist() == ["NA"] * 3
        assert pq.read_table(run.path / "prices" / "final.parquet")["country"].null_count == 0

    def test_categories_and_missing_values(self, run):
        frame = sample("valuations").assign(mc_import_eur_per_mwh=[None, np.nan, pd.NA])
        frame["country"] = frame["country"].astype("category")
        run.write_step(0, {**samples(0), "valuations": frame})
        back = run.table("valuations")
        assert back.mc_import_eur_per_mwh.isna().all()
        assert back.mc_import_eur_per_mwh.dtype == np.float64
        assert back.country.tolist() == frame.country.tolist()

    def test_tables_without_rows(self, run):
        run.write_step(0, {"steps": sample("steps"), "trades": pd.DataFrame([])})
        for name in ("trades", "messages", "flows"):
            frame = run.table(name)
            assert frame.empty
            assert list(frame.columns) == [c.name for c in TABLES[name]]
        assert run.table("flows").snapshot.dtype == "datetime64[ns]"

    def test_steps_are_ordered_as_numbers(self, run):
        for step in (10000, 9, 9999):
            run.write_step(step, samples(step))
        assert run.steps == [9, 9999, 10000]
        assert run.table("steps").step.tolist() == run.steps

    def test_units_and_meanings_are_in_the_files(self, run):
        run.write_step(0, samples(0))
        field = pq.read_schema(run.path / "trades" / "step-0000.parquet").field("mw")
        assert field.metadata[b"unit"] == b"MW"

    def test_acts_are_those_of_messages(self):
        allowed = next(c.allowed for c in TABLES["messages"] if c.name == "act")
        assert set(allowed) == set(get_args(Act))


class TestDeterminism:
    def test_equal_runs_are_equal_byte_for_byte(self, tmp_path, scenario):
        contents = []
        for name in ("one", "two"):
            options = RunOptions("triangle", out=tmp_path / name)
            run = RunRecords.create(options, scenario, command=[name])
            # The second run hands over the same values in other columns, index and dtypes.
            for step in range(3):
                tables = samples(step)
                if name == "two":
                    tables = {k: shuffled(v) for k, v in tables.items()}
                run.write_step(step, tables)
            final = {table: sample(table) for table in FINAL_TABLES}
            if name == "two":
                final = {k: shuffled(v) for k, v in final.items()}
            run.write_final(final)
            found = sorted(run.path.rglob("*.parquet"))
            assert len(found) == 3 * len(STEP_TABLES) + len(FINAL_TABLES)
            contents.append({f.relative_to(run.path): f.read_bytes() for f in found})
        assert contents[0] == contents[1]

    def test_no_pandas_metadata(self, run):
        run.write_step(0, samples(0))
        metadata = pq.read_schema(run.path / "steps" / "step-0000.parquet").metadata
        assert not metadata


def shuffled(frame: pd.DataFrame) -> pd.DataFrame:
    other = frame[frame.columns[::-1]].copy()
    other.index = pd.Index([f"row {i}" for i in range(len(other))], name="label")
    for name in other.columns:
        if pd.api.types.is_datetime64_dtype(other[name].dtype):
            other[name] = other[name].astype("datetime64[s]")
        elif pd.api.types.is_integer_dtype(other[name].dtype):
            other[name] = other[name].astype("int32")
        elif not pd.api.types.is_numeric_dtype(other[name].dtype):
            other[name] = other[name].astype("category")
    return other


class TestColumnErrors:
    @pytest.mark.parametrize(
        ("table", "change", "message"),
        [
            ("trades", lambda f: f.rename(columns={"mw": "gw"}), "unknown column 'gw'"),
            ("trades", lambda f: f.drop(columns=["mw", "path"]), "missing column path, mw"),
            ("trades", lambda f: pd.concat([f, f[["mw"]]], axis=1), "repeated column"),
            ("trades", lambda f: put_in(f, "exporter", None), "exporter, row 0: missing value"),
            ("trades", lambda f: put_in(f, "mw", np.nan), "mw, row 0: missing value"),
            ("trades", lambda f: put_in(f, "mw", np.inf), "mw, row 0: infinite"),
            ("trades", lambda f: put_in(f, "mw", "12"), "mw: float needed"),
            ("trades", lambda f: f.assign(round=0.5), "round: int needed"),
            ("trades", lambda f: f.assign(path=3), "path: str needed"),
            ("flows", lambda f: f.assign(snapshot=[0, 1, 2]), "timestamps without time zone"),
            ("flows", lambda f: f.assign(case="negotiatd"), "did you mean 'negotiated'"),
            ("flows", lambda f: f.assign(case="autarky"), "'autarky' is not allowed"),
            ("flow", lambda f: f, "unknown table 'flow'; did you mean 'flows'"),
        ],
    )
    def test_message(self, table, change, message):
        frame = change(sample(table if table in TABLES else "flows"))
        with pytest.raises(RecordsError, match=re.escape(message)) as error:
            to_arrow(table, frame)
        assert "\n" not in str(error.value)

    def test_time_zone(self):
        frame = sample("flows")
        with pytest.raises(RecordsError, match="time zone"):
            to_arrow("flows", frame.assign(snapshot=frame.snapshot.dt.tz_localize("UTC")))

    def test_rows_of_another_step(self, run):
        with pytest.raises(RecordsError, match="row of step 2 in step 1"):
            run.write_step(1, {**samples(1), "trades": sample("trades", 2)})

    def test_table_at_the_wrong_time(self, run):
        with pytest.raises(RecordsError, match="unknown table 'flows'"):
            run.write_step(0, {**samples(0), "flows": sample("flows")})
        with pytest.raises(RecordsError, match="unknown table 'trades'"):
            run.write_final({"trades": sample("trades")})

    def test_steps_is_needed(self, run):
        with pytest.raises(RecordsError, match="'steps' is missing"):
            run.write_step(0, {"trades": sample("trades")})
        with pytest.raises(RecordsError, match="2 rows"):
            run.write_step(0, {"steps": pd.concat([sample("steps")] * 2)})


class TestSummary:
    def test_plain_and_complete(self, run):
        run.write_summary(
            {
                "status": "completed",
                "efficiency": np.float64(0.5),
                "planner_cost_eur": np.nan,
                "gains_eur": {"NA": np.float64(2), "AO": float("inf")},
                "countries": {"NA": {"name": "Namibia", "demand_twh": np.int64(4)}},
                "residuals": {"balance_mw": 0.0},
            }
        )
        text = (run.path / "summary.json").read_text()
        assert "NaN" not in text
        assert "Infinity" not in text
        summary = run.summary()
        assert set(summary) == {key for key in SUMMARY if "." not in key}
        assert list(summary)[:2] == ["status", "efficiency"]
        assert summary["planner_cost_eur"] is None
        assert summary["gains_eur"] == {"NA": 2.0, "AO": None}
        assert summary["countries"]["NA"]["demand_twh"] == 4
        assert summary["countries"]["NA"]["payment_eur"] is None
        assert summary["residuals"]["budget_eur"] is None

    @pytest.mark.parametrize(
        ("summary", "message"),
        [
            ({"stats": 1}, "summary key 'stats' unknown; did you mean 'status'"),
            ({"countries": {"NA": {"demand_gwh": 1}}}, "'countries.*.demand_gwh' unknown; TWh"),
            ({"residuals": {"balance": 1}}, "'residuals.balance' unknown"),
            ({"countries": [1]}, "'countries' must map"),
            ({"status": object()}, "object has no JSON form"),
        ],
    )
    def test_errors(self, run, summary, message):
        with pytest.raises(RecordsError, match=re.escape(message)):
            run.write_summary(summary)
        assert not run.finished

    def test_timings(self, run):
        assert run.timings() == {}
        run.write_timings({"step_s": np.array([0.5, 1.0])})
        assert run.timings() == {"step_s": [0.5, 1.0]}


class TestContentHash:
    def test_depends_on_content_only(self, scenario):
        assert content_hash(scenario) == content_hash(load_scenario("triangle"))
        assert content_hash(scenario, "tou") != content_hash(scenario, "flat")
        assert content_hash({"a": 1, "b": (2,)}) == content_hash({"b": [2], "a": np.int64(1)})
        assert content_hash(load_scenario("triangle", {"seed": 1})) != content_hash(scenario)

    def test_is_the_same_after_reading_back(self, run):
        again = RunRecords.open(run.path, unfinished=True)
        assert content_hash(again.scenario) == run.manifest["scenario_sha256"]


class TestDocs:
    def test_columns_and_keys_are_those_declared(self):
        """Renew the page with ``python -m model.columns`` when this fails."""
        marker = "<!-- python -m model.columns -->\n"
        assert DOCS.read_text(encoding="utf-8").split(marker)[1] == markdown()

    def test_manifest_keys(self, run):
        text = DOCS.read_text(encoding="utf-8")
        part = text.split("## `manifest.json`")[1].split("##")[0]
        assert re.findall(r"^\| `(\w+)` \|", part, flags=re.MULTILINE) == list(run.manifest)

    def test_every_column_has_unit_and_meaning(self):
        for cols in TABLES.values():
            for column in cols:
                assert column.unit
                assert len(column.meaning) > 5
