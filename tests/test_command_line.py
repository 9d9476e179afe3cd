"""The command line: what it accepts, refuses, prints and returns. Nothing is solved here."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.main import get_command
from typer.testing import CliRunner, Result

import run as command_line
from model.choices import choose_options
from model.options import RunOptions
from model.reporting import Reporter
from scenarios.errors import ScenarioError
from viz.console import ConsoleReporter, print_summary
from viz.numbers import energy_unit, money, money_unit, number

ROOT = Path(__file__).parents[1]
NAMES = {
    "AO": "Angola",
    "BW": "Botswana",
    "CD": "DR Congo",
    "LS": "Lesotho",
    "MW": "Malawi",
    "MZ": "Mozambique",
    "NA": "Namibia",
    "SZ": "Eswatini",
    "TZ": "Tanzania",
    "ZA": "South Africa",
    "ZM": "Zambia",
    "ZW": "Zimbabwe",
}
LINES = ["AO-NA", "BW-ZA", "BW-ZW", "CD-ZM", "LS-ZA", "MZ-SZ", "MZ-ZA", "MZ-ZW", "TZ-ZM", "ZM-ZW"]


def fake_summary(scale: float = 1.0, **changes: Any) -> dict[str, Any]:
    """Summary of a run of twelve countries; ``scale`` shrinks money and energy."""
    countries = {
        code: {
            "name": name,
            "demand_twh": scale * (250.0 if code == "ZA" else 5.0 + i),
            "autarky_cost_eur": scale * (12_345.6e6 if code == "ZA" else 1e8 * (i + 1)),
            "negotiated_cost_eur": scale * 9.5e7 * (i + 1),
            "payment_eur": scale * 1e7 * (i - 5.5),
            "gain_eur": scale * 4.3e6 * i,
            "autarky_price_eur_per_mwh": 55.25 + i,
            "negotiated_price_eur_per_mwh": 51.0,
            "net_import_twh": scale * 1.2 * (i - 5.5),
        }
        for i, (code, name) in enumerate(NAMES.items())
    }
    interconnectors = {
        line: {
            "a_to_b_twh": scale * 12.34,
            "b_to_a_twh": 0.0,
            "a_to_b_mw": 2000.0,
            "b_to_a_mw": 1500.0,
            "hours_at_limit": 8760.0,
            "mean_price_eur_per_mwh": None if i == 0 else 48.7,
            "losses_twh": scale * 0.6,
        }
        for i, line in enumerate(LINES)
    }
    summary = {
        "run": "sapp2030-a1",
        "scenario": "sapp2030",
        "title": "Southern African Power Pool 2030",
        "protocol": "bilateral_bids",
        "mode": "adaptive",
        "products": "tou",
        "slices": "month",
        "decomposition": "coupled",
        "resolution": "12w3h",
        "solver": "highs",
        "seed": 2030,
        "status": "completed",
        "note": "",
        "autarky_cost_eur": scale * 2.3e10,
        "planner_cost_eur": scale * 2.2e10,
        "negotiated_cost_eur": scale * 2.205e10,
        "gain_eur": scale * 9.5e8,
        "planner_gain_eur": scale * 1e9,
        "efficiency": 0.95,
        "gains_eur": {code: row["gain_eur"] for code, row in countries.items()},
        "countries": countries,
        "interconnectors": interconnectors,
        "steps": 14,
        "rounds": 412,
        "messages": 12345,
        "numbers_disclosed": 34567,
        "trades": 2345,
        "local_solves": 6789,
        "wall_s": 123.4,
        "timings_s": {"planning_alone": 5.0, "negotiating": 88.0, "planner": 30.4},
        "residuals": {"balance_mw": 1e-10, "budget_eur": -0.0, "worst_gain_eur": 0.0},
        "folder": "results/sapp2030-a1",
    }
    return {**summary, **changes}


class Runs:
    """Stands in for :mod:`model.runs` and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.anew: list[dict[str, Any]] = []
        self.answer: dict[str, Any] | BaseException = fake_summary()

    def run(self, asked: RunOptions | Path, reporter: Reporter, **anew: Any) -> dict[str, Any]:
        self.asked.append(asked)
        self.anew.append(anew)
        reporter.phase("planning alone", 2)
        reporter.advance("ZA")
        reporter.advance("ZW")
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    fake = Runs()
    module = types.ModuleType("model.runs")
    module.__dict__.update(run=fake.run, resume=fake.run)
    monkeypatch.setitem(sys.modules, "model.runs", module)
    return fake


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(command_line.app, list(arguments))


def one_line(result: Result) -> str:
    """The only line of standard error of a refused command line."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


class TestHelpAndList:
    def test_nothing_prints_help(self, runs: Runs) -> None:
        result = invoke()
        assert result.exit_code == 0
        assert "Usage" in result.stdout and "--scenario" in result.stdout
        assert runs.asked == []

    def test_help_names_every_option(self) -> None:
        result = invoke("--help")
        assert result.exit_code == 0
        options = (
            "scenario protocol mode products slices decomposition resolution countries solver seed "
            "workers max-steps out resume no-planner set list"
        )
        for option in options.split():
            assert f"--{option}" in result.stdout

    def test_list_names_all_choices(self) -> None:
        result = invoke("--list")
        assert result.exit_code == 0
        for word in ("sapp2030", "two_countries", "bilateral_bids", "adaptive", "prototype"):
            assert word in result.stdout
        for word in ("flat", "tou", "hourly", "year", "month", "week", "12w3h", "independent"):
            assert word in result.stdout

    @pytest.mark.parametrize("arguments", [["--help"], ["--list"], ["--scenario", "sap2030"]])
    def test_answers_without_the_modelling_tools(self, arguments: list[str]) -> None:
        code = (
            "import sys, run\n"
            f"try: run.app({arguments})\n"
            "except SystemExit: pass\n"
            "heavy = {'pypsa', 'linopy', 'mesa', 'pandas', 'highspy'} & set(sys.modules)\n"
            "sys.exit(f'loaded {heavy}' if heavy else 0)"
        )
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert time.monotonic() - began < 10  # generous: a loaded machine


class TestOptions:
    def test_defaults_are_those_of_the_options(self, runs: Runs) -> None:
        assert invoke("--scenario", "triangle").exit_code == 0
        assert runs.asked == [RunOptions("triangle")]

    def test_all_options_arrive(self, runs: Runs, tmp_path: Path) -> None:
        text = (
            "--scenario sapp2030 --protocol bilateral_bids --mode prototype --products flat "
            "--slices week --decomposition independent --resolution 6h --countries ZA,NA "
            "--solver highs --seed 7 --workers 1 --max-steps 5 --no-planner "
            "--set discount_rate=0.08 --set demand.ZA.demand_twh=200 --out"
        )
        result = invoke(*text.split(), str(tmp_path))
        assert result.exit_code == 0, result.output
        assert runs.asked == [
            RunOptions(
                scenario="sapp2030",
                protocol="bilateral_bids",
                mode="prototype",
                products="flat",
                slices="week",
                resolution="6h",
                decomposition="independent",
                countries=("ZA", "NA"),
                solver="highs",
                seed=7,
                workers=1,
                max_steps=5,
                out=tmp_path,
                planner=False,
                overrides={"discount_rate": "0.08", "demand.ZA.demand_twh": "200"},
            )
        ]

    def test_protocol_without_the_default_mode_takes_its_first(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("model.choices.protocol_modes", lambda: {"auction": ("sealed",)})
        monkeypatch.setattr("model.choices.chosen_protocol", lambda options: None)
        assert choose_options({"scenario": "triangle", "protocol": "auction"}).mode == "sealed"

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ("--scenario sap2030", "did you mean 'sapp2030'?"),
            ("--scenario triangle --protocol bilateral_bid", "did you mean 'bilateral_bids'?"),
            ("--scenario triangle --mode adaptve", "did you mean 'adaptive'?"),
            ("--scenario triangle --products tuo", "did you mean 'tou'?"),
            ("--scenario triangle --slices months", "did you mean 'month'?"),
            ("--scenario triangle --decomposition couple", "did you mean 'coupled'?"),
            ("--scenario triangle --solver high", "did you mean 'highs'?"),
            ("--scenario triangle --resolution 5h", "--resolution: "),
            ("--scenario triangle --resolution 3h", "triangle are cost curves"),
            ("--scenario triangle --slices year", "triangle are cost curves"),
            ("--scenario triangle --solver gurobi", "triangle are cost curves"),
            (
                "--scenario sapp2030 --protocol fractional_vcg --set protocol.levels=0",
                "parameter levels: 0",
            ),
            ("--scenario sapp2030 --countries ZA,za", "did you mean 'ZA'?"),
            ("--scenario sapp2030 --countries ZA,ZX", "--countries: unknown country 'ZX'"),
            ("--scenario triangle --countries ,", "name at least one"),
            ("--scenario triangle --set discount=0.1", "--set discount"),
            ("--scenario triangle --set discount_rate", "write --set key=value"),
            ("--scenario triangle --workers 0", "--workers must be at least 1"),
            ("--scenario triangle --workers two", "--workers"),
            ("--scenario triangle --max-steps 0", "--max-steps must be at least 1"),
            ("--seed 3", "name a scenario"),
            ("--protcol x", "--protocol"),
            ("sapp2030", "--scenario sapp2030"),
        ],
    )
    def test_mistakes_are_told_in_one_line(self, runs: Runs, arguments: str, words: str) -> None:
        assert words in one_line(invoke(*arguments.split()))
        assert runs.asked == []

    def test_gurobi_must_be_installed(self, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        line = one_line(invoke("--scenario", "triangle", "--solver", "gurobi"))
        assert "pip install" in line


class TestResume:
    def test_by_path_and_by_name(self, runs: Runs, tmp_path: Path) -> None:
        folder = tmp_path / "sapp2030-a1"
        folder.mkdir()
        assert invoke("--resume", str(folder)).exit_code == 0
        assert invoke("--resume", "sapp2030-a1", "--out", str(tmp_path)).exit_code == 0
        assert runs.asked == [folder, folder]

    def test_unknown_run(self, runs: Runs, tmp_path: Path) -> None:
        (tmp_path / "sapp2030-a1").mkdir()
        line = one_line(invoke("--resume", "sapp2030-a", "--out", str(tmp_path)))
        assert "did you mean 'sapp2030-a1'?" in line

    def test_takes_no_other_option(self, runs: Runs) -> None:
        line = one_line(invoke("--resume", "x", "--no-planner", "--max-steps", "3", "--seed", "1"))
        assert "leave out --seed, --max-steps" in line

    def test_takes_what_the_planner_may_do(self, runs: Runs, tmp_path: Path) -> None:
        for words in ((), ("--no-planner",), ("--planner-time-limit", "7.5")):
            assert invoke("--resume", str(tmp_path), *words).exit_code == 0
        assert runs.anew == [{}, {"planner": False}, {"planner_time_limit_s": 7.5}]

    @pytest.mark.parametrize("limit", ["0", "-3", "nan", "inf"])
    @pytest.mark.parametrize("what", ["--resume", "--scenario"])
    def test_time_limit_must_be_one(self, runs: Runs, what: str, limit: str) -> None:
        line = one_line(invoke(what, "triangle", "--planner-time-limit", limit))
        assert "--planner-time-limit" in line and "above 0" in line
        assert runs.asked == []


class TestEnding:
    @pytest.mark.parametrize("status", ["completed", "capped", "cycling", "infeasible", "failed"])
    def test_exit_code_and_status(self, runs: Runs, status: str) -> None:
        runs.answer = fake_summary(status=status, note="because")
        result = invoke("--scenario", "triangle")
        assert result.exit_code == (0 if status == "completed" else 1)
        assert f"{status.upper()}: " in result.stdout
        assert "because" in result.stdout and "results/sapp2030-a1" in result.stdout

    def test_known_errors_are_one_line(self, runs: Runs) -> None:
        from agents.problem import PlanningError
        from model.ledger import RuleBroken
        from model.records import RecordsError
        from protocols.plugins import PluginError

        for kind in (ScenarioError, PlanningError, RuleBroken, RecordsError, PluginError):
            runs.answer = kind("ZA: no [optimal]\nplan")
            result = invoke("--scenario", "triangle")
            assert result.exit_code == 2
            assert result.stderr.splitlines()[-1] == "error: ZA: no [optimal] plan"
            assert result.stdout == "" and "Traceback" not in result.stderr

    def test_faults_of_the_program_keep_their_traceback(self, runs: Runs) -> None:
        runs.answer = ZeroDivisionError()
        assert isinstance(invoke("--scenario", "triangle").exception, ZeroDivisionError)

    def test_interrupt_says_how_to_go_on(self, runs: Runs, tmp_path: Path) -> None:
        runs.answer = KeyboardInterrupt("results/triangle-1")
        result = invoke("--scenario", "triangle")
        assert result.exit_code == 130
        assert result.stderr.splitlines()[-1] == (
            "interrupted; what was done is kept in results/triangle-1, "
            "go on with --resume results/triangle-1"
        )
        runs.answer = KeyboardInterrupt()
        resumed = invoke("--resume", str(tmp_path))
        assert resumed.exit_code == 130
        assert f"--resume {tmp_path}" in resumed.stderr
        assert "nothing was recorded" in invoke("--scenario", "triangle").stderr

    def test_no_escape_codes_and_progress_apart_from_results(self, runs: Runs) -> None:
        result = invoke("--scenario", "triangle")
        assert "\x1b" not in result.output
        assert "planning alone (2 parts)" in result.stderr
        assert "planning alone (" not in result.stdout


def render(summary: dict[str, Any], width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_summary(summary, console)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


class TestTables:
    @pytest.mark.parametrize("width", [72, 80, 100, 140])
    def test_fit_and_lose_no_number(self, width: int) -> None:
        text = render(fake_summary(), width)
        assert max(len(line) for line in text.splitlines()) <= width
        assert "…" not in text
        for name in NAMES.values():
            assert name in text
        for word in ("12,345.6", "12.34", "95.00", "M EUR", "12,345", "planning alone"):
            assert word in text

    def test_all_columns_in_100(self) -> None:
        text = render(fake_summary())
        for header in ("demand", "payments", "gain", "price w.", "import", "losses", "limit"):
            assert header in text

    def test_totals(self) -> None:
        summary = fake_summary()
        rows = summary["countries"].values()
        total = next(line for line in render(summary).splitlines() if line.startswith(" all"))
        assert f"{sum(r['autarky_cost_eur'] for r in rows) / 1e6:,.1f}" in total
        assert f"{sum(r['gain_eur'] for r in rows) / 1e6:,.2f}" in total
        assert " 0.00 " in total  # payments sum to zero

    def test_small_scenarios_are_readable(self) -> None:
        text = render(fake_summary(scale=1e-8))
        assert "123.46" in text and "M EUR" not in text and "MWh" in text

    def test_without_planner(self) -> None:
        changes = {"planner_cost_eur": None, "planner_gain_eur": None, "efficiency": None}
        text = render(fake_summary(**changes))
        assert "not computed" in text and "(--no-planner)" in text
        assert "planner cost" not in text

    def test_nothing_to_gain(self) -> None:
        assert "not defined" in render(fake_summary(efficiency=None))

    def test_without_interconnectors(self) -> None:
        assert "Interconnectors" not in render(fake_summary(interconnectors={}))


class TestReporter:
    def test_plain_lines(self) -> None:
        console = Console(file=io.StringIO(), width=40)
        clock = iter(float(t) for t in range(0, 400, 4))
        with ConsoleReporter(console, quiet_s=10.0, clock=lambda: next(clock)) as reporter:
            speak(reporter)
        assert isinstance(console.file, io.StringIO)
        text = console.file.getvalue()
        assert "\x1b" not in text
        assert "planning alone (3 parts)" in text
        assert "warning: [odd] weather" in text
        assert "step 0: gain 51.20 M EUR, 12 trades, 3,456 messages" in text
        assert text.count("/3") < 4  # not every part gets a line

    def test_bars(self) -> None:
        console = Console(file=io.StringIO(), width=120, force_terminal=True)
        with ConsoleReporter(console) as reporter:
            speak(reporter)
        assert isinstance(console.file, io.StringIO)
        text = console.file.getvalue()
        assert "\x1b" in text
        assert "planning alone" in text and "51.20 M EUR" in text and "1/60" in text

    def test_bars_leave_the_terminal_in_order(self) -> None:
        console = Console(file=io.StringIO(), width=120, force_terminal=True)
        with pytest.raises(KeyboardInterrupt), ConsoleReporter(console) as reporter:
            reporter.phase("planning alone", 3)
            raise KeyboardInterrupt
        assert isinstance(console.file, io.StringIO)
        shown = console.file.getvalue()
        assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l")  # the cursor is back


def speak(reporter: Reporter) -> None:
    """What a run tells its reporter."""
    reporter.advance("before any phase")
    reporter.phase("planning alone", 3)
    for country in ("ZA", "ZM", "ZW"):
        reporter.advance(country)
    reporter.warn("[odd] weather")
    reporter.phase("negotiating", 60)
    reporter.advance("12 messages")
    reporter.step({"step": 0, "gain_eur": 51.2e6, "trades": 12, "messages": 3456})
    reporter.phase("planner")
    reporter.phase("planning alone", 3)


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (money, 512_340_000.0, "512.34 M EUR"),
        (money, 12.5, "12.50 EUR"),
        (money, 0.0, "0.00 EUR"),
        (money, None, "- EUR"),
        (number, -0.2, "0"),
        (number, float("nan"), "-"),
        (lambda v: money_unit([v]).label, 7e5, "M EUR"),
        (lambda v: money_unit([v]).label, 7e4, "k EUR"),
        (lambda v: energy_unit([v]).label, 2e-4, "MWh"),
        (lambda v: energy_unit([v]).label, 12.0, "TWh"),
    ],
)
def test_numbers(write: Callable[[Any], str], value: float | None, text: str) -> None:
    assert write(value) == text


def test_the_page_on_the_command_line_has_every_option() -> None:
    """Of every command; those of compare stand on a page of their own."""
    docs = Path(__file__).parents[1] / "docs"
    compare, others = (
        (docs / f"{name}.md").read_text("utf-8") for name in ("compare", "command-line")
    )
    listed = others.partition("Their options;")[2]
    missing = []
    for name, command in get_command(command_line.app).commands.items():
        own = re.split(r"\n\| `|\n\n##", listed.partition(f"\n| `{name}` |")[2])[0]
        page = compare if name == "compare" else own
        for option in (o for p in command.params for o in p.opts if o.startswith("--")):
            if option != "--help" and option not in page:
                missing.append(f"{name} {option}")
    assert missing == []
