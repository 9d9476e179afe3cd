"""Loading scenarios: every user mistake is one line that names file, row and column."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.errors import ScenarioError, did_you_mean, explain_unknown, split_unit
from scenarios.interconnectors import merge_lines
from scenarios.loader import TABLES, list_scenarios, load_scenario
from scenarios.schema import Line
from scenarios.yaml_file import parse_value

BUILT_IN = Path(__file__).parent.parent / "scenarios" / "sapp2030"


class Folder:
    """A copy of sapp2030 whose files a test may spoil."""

    def __init__(self, path: Path) -> None:
        self.path = path
        shutil.copytree(BUILT_IN, path)

    def read(self, file: str) -> list[list[str]]:
        with (self.path / file).open(encoding="utf-8", newline="") as stream:
            return list(csv.reader(stream))

    def write(self, file: str, rows: list[list[str]]) -> None:
        with (self.path / file).open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows(rows)

    def set_cell(self, file: str, row: int, column: str, value: str) -> None:
        rows = self.read(file)
        rows[row - 1][rows[0].index(column)] = value
        self.write(file, rows)

    def rename_column(self, file: str, old: str, new: str) -> None:
        rows = self.read(file)
        rows[0][rows[0].index(old)] = new
        self.write(file, rows)

    def row_where(self, file: str, **cells: str) -> int:
        rows = self.read(file)
        for number, row in enumerate(rows[1:], start=2):
            if all(row[rows[0].index(c)] == v for c, v in cells.items()):
                return number
        raise AssertionError(f"no row with {cells}")

    def replace_text(self, old: str, new: str, file: str = "scenario.yaml") -> None:
        path = self.path / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def error(self) -> ScenarioError:
        with pytest.raises(ScenarioError) as caught:
            load_scenario(self.path)
        assert "\n" not in str(caught.value)
        return caught.value


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "mine")


# --- what works -----------------------------------------------------------------------------


def test_sapp2030_loads_in_order_with_namibia() -> None:
    scenario = load_scenario("sapp2030")
    assert len(scenario.codes) == 12
    assert "NA" in scenario.codes
    assert next(c.name for c in scenario.countries if c.country == "NA") == "Namibia"
    assert any("NA" in (e.country_a, e.country_b) for e in scenario.interconnectors)
    names = [e.name for e in scenario.interconnectors]
    assert names == sorted(names)
    assert all(e.country_a < e.country_b for e in scenario.interconnectors)


def test_scenario_is_found_by_name_folder_and_file(folder: Folder) -> None:
    by_name = load_scenario("sapp2030")
    assert load_scenario(folder.path) == by_name
    assert load_scenario(folder.path / "scenario.yaml") == by_name


def test_list_names_all_built_in_scenarios() -> None:
    assert {"sapp2030", "two_countries", "wheeling"} <= set(list_scenarios())
    assert all(list_scenarios().values())


def test_subset_keeps_only_what_lies_inside() -> None:
    scenario = load_scenario("sapp2030", countries=["ZA", "NA"])
    assert scenario.codes == ("NA", "ZA")
    assert [e.name for e in scenario.interconnectors] == ["NA-ZA"]
    assert {p.country for p in scenario.fleet} <= {"NA", "ZA"}
    assert len(scenario.load_shape) == 864
    assert scenario.technologies == load_scenario("sapp2030").technologies


def test_a_country_without_lines_is_allowed() -> None:
    scenario = load_scenario("sapp2030", countries=["AO", "ZA"])
    assert scenario.interconnectors == ()


def test_empty_cell_takes_the_default(folder: Folder) -> None:
    folder.set_cell("interconnectors.csv", 2, "loss", "")
    assert load_scenario(folder.path).lines[0].loss == 0.0


def test_blank_lines_and_byte_order_mark_are_read(folder: Folder) -> None:
    path = folder.path / "demand.csv"
    path.write_text("\ufeff" + path.read_text(encoding="utf-8") + "\n\n", encoding="utf-8")
    assert load_scenario(folder.path) == load_scenario("sapp2030")


# --- mistakes in files ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "column", "value", "words"),
    [
        ("fleet.csv", "p_nom_mw", "-5", "must not be negative; give it in MW"),
        ("fleet.csv", "p_nom_mw", "nan", "not a number"),
        ("fleet.csv", "p_nom_mw", "inf", "not a number"),
        ("fleet.csv", "p_nom_mw", "1,500", "decimal point"),
        ("fleet.csv", "p_nom_mw", "9000000", "kW instead of MW"),
        ("fleet.csv", "p_nom_mw", "", "missing"),
        ("fleet.csv", "availability", "85", "did you mean 0.85?"),
        ("fleet.csv", "carrier", "coall", "did you mean 'coal'"),
        ("fleet.csv", "country", "ZZ", "unknown country 'ZZ'"),
        ("fleet.csv", "country", "Namibia", "did you mean 'NA'"),
        ("fleet.csv", "country", "South Africa", "the code from countries.csv, not the name"),
        ("fleet.csv", "country", "za", "did you mean 'ZA'"),
        ("fleet.csv", "source", "", "missing"),
        ("demand.csv", "demand_twh", "235000", "GWh instead of TWh"),
        ("interconnectors.csv", "loss", "5", "did you mean 0.05?"),
        ("interconnectors.csv", "loss", "5%", "write 0.05"),
        ("interconnectors.csv", "status", "plannd", "did you mean 'planned'"),
        ("interconnectors.csv", "country_b", "XX", "unknown country 'XX'"),
        ("technologies.csv", "color", "red", "#rrggbb"),
        ("countries.csv", "latitude", "-91", "at least -90"),
        ("load_shape.csv", "month", "13", "must not exceed 12"),
        ("load_shape.csv", "day_type", "weekdays", "did you mean 'weekday'"),
    ],
)
def test_bad_cell_names_file_row_and_column(
    folder: Folder, file: str, column: str, value: str, words: str
) -> None:
    folder.set_cell(file, 3, column, value)
    error = folder.error()
    assert words in str(error)
    assert f"{file}, row 3, column {column}: " in str(error)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("a_to_b_mw", "a_to_b_gw", "MW expected, not GW: name it 'a_to_b_mw' and multiply its"),
        ("a_to_b_mw", "a_to_b_kw", "divide its values by 1000"),
        ("a_to_b_mw", "a_to_b", "MW expected: name it 'a_to_b_mw'"),
        ("loss", "losses", "did you mean 'loss'"),
        ("b_to_a_mw", "a_to_b_mw", "twice"),
    ],
)
def test_bad_column_names_file_and_header_row(
    folder: Folder, old: str, new: str, words: str
) -> None:
    folder.rename_column("interconnectors.csv", old, new)
    error = folder.error()
    assert words in str(error)
    assert f"interconnectors.csv, row 1, column {new}: " in str(error)


def test_missing_column(folder: Folder) -> None:
    rows = folder.read("fleet.csv")
    position = rows[0].index("p_nom_mw")
    folder.write("fleet.csv", [row[:position] + row[position + 1 :] for row in rows])
    assert "row 1, column p_nom_mw: the column is missing" in str(folder.error())


def test_line_to_itself(folder: Folder) -> None:
    line = load_scenario(folder.path).lines[0]
    folder.set_cell("interconnectors.csv", 2, "country_b", line.country_a)
    assert "interconnectors.csv, row 2, column country_b: " in str(folder.error())
    assert "begins and ends" in str(folder.error())


def test_duplicate_row_names_the_first_one(folder: Folder) -> None:
    rows = folder.read("fleet.csv")
    folder.write("fleet.csv", [*rows, rows[1]])
    error = folder.error()
    assert f"row {len(rows) + 1}: " in str(error)
    assert "stands already in row 2" in str(error)


def test_row_of_wrong_length(folder: Folder) -> None:
    path = folder.path / "fleet.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[4] += ",one too many"
    path.write_text("\n".join(lines), encoding="utf-8")
    assert "fleet.csv, row 5: " in str(folder.error())


def test_country_without_demand(folder: Folder) -> None:
    rows = folder.read("demand.csv")
    folder.write("demand.csv", [r for r in rows if r[0] != "NA"])
    error = str(folder.error())
    assert "demand.csv" in error
    assert "NA (Namibia, row" in error


def test_wind_and_sun_need_a_resource(folder: Folder) -> None:
    rows = folder.read("resources.csv")
    spot = rows[0].index("country"), rows[0].index("carrier")
    kept = [r for r in rows if (r[spot[0]], r[spot[1]]) != ("NA", "solar")]
    folder.write("resources.csv", kept)
    assert "NA has solar here but no row for it in resources.csv" in str(folder.error())


def test_hydro_belongs_in_its_own_table(folder: Folder) -> None:
    folder.set_cell("fleet.csv", 4, "carrier", "ror")
    assert "fleet.csv, row 4, column carrier: 'ror' is hydro power" in str(folder.error())


def test_policy_that_binds_nobody(folder: Folder) -> None:
    rows = folder.read("policy.csv")
    folder.write("policy.csv", rows[:1])
    assert load_scenario(folder.path).policy == ()
    with pytest.raises(ScenarioError, match=r"policy\.co2_caps is on but no country"):
        load_scenario(folder.path, {"policy.co2_caps": True})


def test_missing_hours_of_the_load_shape(folder: Folder) -> None:
    rows = folder.read("load_shape.csv")
    gone = folder.row_where("load_shape.csv", month="7", day_type="sunday", hour="13")
    folder.write("load_shape.csv", rows[: gone - 1] + rows[gone:])
    assert "missing hours: month 7, sunday, hour 13" in str(folder.error())


def test_hydro_shares_must_sum_to_one(folder: Folder) -> None:
    row = folder.row_where("hydro.csv", kind="reservoir")
    folder.set_cell("hydro.csv", row, "share_01", "0.9")
    error = str(folder.error())
    assert f"hydro.csv, row {row}: " in error
    assert "must sum to 1" in error


def test_missing_file(folder: Folder) -> None:
    (folder.path / "demand.csv").unlink()
    assert "demand.csv: the file is missing" in str(folder.error())


def test_misspelt_optional_file_is_not_passed_over(folder: Folder) -> None:
    (folder.path / "fleet.csv").rename(folder.path / "fleets.csv")
    assert "did you mean 'fleet.csv'" in str(folder.error())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"country;demand_twh\nZA;3\n"),
        lambda path: path.write_bytes("country,näme\n".encode("latin-1")),
    ],
)
def test_unreadable_files(folder: Folder, spoil: Callable[[Path], None]) -> None:
    spoil(folder.path / "demand.csv")
    assert "demand.csv" in str(folder.error())


def test_a_strategy_belongs_to_a_country_that_is_there(folder: Folder) -> None:
    path = folder.path / "scenario.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text + "\nstrategies:\n  ZA: markup:0.1\n  MZ: truthful\n", encoding="utf-8")
    assert load_scenario(folder.path, countries=["ZA", "ZW"]).settings.strategies == {
        "ZA": "markup:0.1"
    }
    path.write_text(text + "\nstrategies:\n  ZX: markup:0.1\n", encoding="utf-8")
    error = str(folder.error())
    assert "no country 'ZX'" in error and "scenario.yaml, line" in error


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("discount_rate", "discount_rte", "did you mean 'discount_rate'"),
        ("title:", "titel:", "did you mean 'title'"),
    ],
)
def test_yaml_mistakes_name_line_and_key(folder: Folder, old: str, new: str, words: str) -> None:
    path = folder.path / "scenario.yaml"
    if old not in path.read_text(encoding="utf-8"):
        path.write_text(path.read_text(encoding="utf-8") + f"\n{old}: 0.1\n", encoding="utf-8")
    folder.replace_text(old, new)
    number = 1 + next(
        i
        for i, line in enumerate(path.read_text(encoding="utf-8").splitlines())
        if line.startswith(new.rstrip(":"))
    )
    error = str(folder.error())
    assert words in error
    assert f"scenario.yaml, line {number}, key {new.rstrip(':')}: " in error


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: [", "not valid YAML"),
        ("seed: 3\nseed: 4", "stands already in line"),
        ("policy: {co2_cap: true}", "did you mean 'co2_caps'"),
        ("inflow_factor: -1", "must be above zero"),
        ("snapshots: few", "not a whole number"),
    ],
)
def test_broken_yaml(folder: Folder, text: str, words: str) -> None:
    path = folder.path / "scenario.yaml"
    keep = [
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        if not line.startswith(("seed", "policy", "inflow_factor", "  co2", "  res", "  self"))
    ]
    path.write_text("\n".join([*keep, text]) + "\n", encoding="utf-8")
    error = str(folder.error())
    assert words in error
    assert "scenario.yaml, line " in error


def test_unknown_scenario_and_country(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="did you mean 'sapp2030'"):
        load_scenario("sap2030")
    with pytest.raises(ScenarioError, match=r"holds no scenario\.yaml"):
        load_scenario(tmp_path)
    with pytest.raises(ScenarioError, match="did you mean 'NA'"):
        load_scenario("sapp2030", countries=["ZA", "Namibia"])
    with pytest.raises(ScenarioError, match="at least one"):
        load_scenario("sapp2030", countries=[])


# --- small parts ----------------------------------------------------------------------------


def test_merging_sums_limits_and_weights_losses() -> None:
    common = {"name": "x", "source": "test"}
    lines = [
        Line(country_a="ZA", country_b="NA", status="existing", a_to_b_mw=300, b_to_a_mw=100,
             loss=0.02, **common),
        Line(country_a="NA", country_b="ZA", status="committed", a_to_b_mw=50, b_to_a_mw=150,
             loss=0.08, **common),
        Line(country_a="NA", country_b="ZA", status="planned", a_to_b_mw=9, b_to_a_mw=9, **common),
    ]  # fmt: skip
    (edge,) = merge_lines(lines, ("existing", "committed"), 1.5)
    assert edge.name == "NA-ZA"
    assert (edge.a_to_b_mw, edge.b_to_a_mw) == (150, 450)
    assert edge.loss == pytest.approx((400 * 0.02 + 200 * 0.08) / 600)
    assert edge.wheeling_eur_per_mwh == 1.5


def test_yaml_country_code_no_is_norway() -> None:
    assert parse_value("NO") == "NO"
    assert parse_value("true") is True


def test_units_are_told_apart_from_stems() -> None:
    assert split_unit("investment_eur_per_kw") == ("investment", ("eur", "per", "kw"))
    assert "EUR/kW expected, not USD/kW" in explain_unknown(
        "investment_usd_per_kw", ["investment_eur_per_kw"]
    )


@given(st.text(max_size=30), st.lists(st.text(min_size=1, max_size=12), max_size=6))
def test_suggestions_never_fail(wrong: str, known: list[str]) -> None:
    assert isinstance(did_you_mean(wrong, known), str)
    assert isinstance(explain_unknown(wrong, known), str)


def test_every_table_of_the_schema_has_a_file() -> None:
    of_draws = {"hydro_years.csv", "uncertainty.csv"}  # read by scenarios.uncertainty
    tables = {spec.file for spec in TABLES.values()}
    assert tables | of_draws >= {p.name for p in BUILT_IN.glob("*.csv")}
