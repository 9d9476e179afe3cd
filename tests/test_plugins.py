"""Plug-ins from other distributions: installed, found, run, and told apart when they are broken."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from model.choices import choose_protocol
from protocols.plugins import PluginError
from protocols.registry import FORMER, make_protocol, protocol_modes
from scenarios.errors import ScenarioError

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "plugins.md"


def install(source: Path, place: Path) -> dict[str, str]:
    """Install a distribution into a folder; the environment in which it is found."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--no-index", "--target", str(place), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {**os.environ, "PYTHONPATH": str(place)}


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def from_page(tmp_path_factory) -> dict[str, str]:
    """The distribution whose files stand on the how-to page, word for word."""
    folder = tmp_path_factory.mktemp("posted-price")
    text = PAGE.read_text(encoding="utf-8")
    for language, name in (("python", "posted_price.py"), ("toml", "pyproject.toml")):
        found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
        assert found is not None
        (folder / name).write_text(found[1], encoding="utf-8")
    return install(folder, tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="module")
def plugin(tmp_path_factory) -> dict[str, str]:
    # Building writes beside the sources, so a copy is built.
    folder = tmp_path_factory.mktemp("plugin")
    for file in ("pyproject.toml", "dman_cep_test_plugin.py"):
        (folder / file).write_text((ROOT / "tests" / "plugin" / file).read_text())
    return install(folder, tmp_path_factory.mktemp("installed"))


def test_protocol_of_the_page_is_listed_and_runs(from_page, tmp_path) -> None:
    assert "posted_price" in run(from_page, "run.py", "--list").stdout
    done = run(
        from_page, "run.py", "--scenario", "triangle", "--protocol", "posted_price",
        "--set", "protocol.price=0.015", "--out", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (summary,) = tmp_path.glob("*/summary.json")
    found = json.loads(summary.read_text())
    assert found["protocol"] == "posted_price"
    assert found["protocol_settings"] == {"price": "0.015"}
    assert 0.1 < found["efficiency"] < 1
    assert min(found["gains_eur"].values()) >= 0


def test_protocol_of_the_page_faces_every_conformance_test(from_page) -> None:
    done = run(
        from_page, "-m", "pytest", "tests/test_conformance.py", "-q", "-n", "0",
        "-p", "no:cacheprovider", "-k", "posted_price and not pypsa",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(".") > 30


def test_the_page_is_about_thirty_lines(from_page) -> None:
    code = re.search(r"    def run\(.*?```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    assert len(code[0].splitlines()) <= 35


def test_strategy_and_settlement_are_found_and_used(plugin, tmp_path) -> None:
    listed = run(plugin, "run.py", "--list").stdout
    for name in ("silence", "shy", "winner_takes_all"):
        assert name in listed
    done = run(
        plugin, "run.py", "--scenario", "triangle", "--strategy", "N=shy:0",
        "--settlement", "winner_takes_all", "--out", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (summary,) = tmp_path.glob("*/summary.json")
    found = json.loads(summary.read_text())
    assert found["countries"]["N"]["net_import_twh"] == 0
    assert found["gains_eur"]["E"] == pytest.approx(found["gain_eur"])
    assert found["gains_eur"]["S"] == pytest.approx(0.0, abs=1e-6)


def test_a_broken_plugin_is_named_and_stops_nobody_else(plugin) -> None:
    done = run(plugin, "run.py", "--scenario", "triangle", "--protocol", "broken")
    assert done.returncode == 2
    assert "protocol 'broken' of dman-cep-test-plugin cannot be loaded" in done.stderr
    assert "Traceback" not in done.stderr
    listed = run(plugin, "run.py", "--list")
    assert listed.returncode == 0
    assert "cannot be loaded" in listed.stdout
    assert "bilateral_bids" in listed.stdout


@pytest.mark.parametrize("name", FORMER)
def test_a_former_name_says_where_its_rules_are_now(name: str) -> None:
    """No silent alias: who typed it may have believed what it promised."""
    with pytest.raises(PluginError, match=f"unknown protocol '{name}'; it is ") as told:
        make_protocol(name)
    assert any(known in str(told.value) for known in protocol_modes())
    with pytest.raises(ScenarioError, match=f"--protocol: no '{name}'; it is "):
        choose_protocol(name, None)
