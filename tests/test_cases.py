"""Small networks that real users' reports describe give plain PyPSA's answer, or say why not.

The answers are those of ``../shared/cases/CASES.md``: what ``n.optimize()`` gives on the same file,
most of them worked by hand, too.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import run
from model.planner import planner
from model.reporting import Reporter
from model.world import World, build_world
from pypsa_earth.scenario import inspected, network_scenario, source_of

FOLDER = Path(__file__).parents[2] / "shared" / "cases"

# Name of a row: file, options, cost of the planner in M EUR/a with as many digits as it is known.
RIGHT: dict[str, tuple[str, dict[str, str], str]] = {
    "a hurdle that is too high": ("c01_hurdle/case.nc", {}, "508.08"),
    "a hurdle worth paying": ("c01_hurdle/case15.nc", {}, "442.38"),
    "switched off": ("c06_inactive/case.nc", {}, "473.04"),
    "a boundless border": ("c13_inf/case.nc", {}, "332.88"),
    "a firm contract": ("c17_pset/case.nc", {}, "445.008"),
    "a firm contract in one number": ("c17_pset/static.nc", {}, "445.008"),
    "a contract traded freely": ("c17_pset/case.nc", {"network.contracts": "free"}, "297.84"),
    "unit commitment, relaxed": ("c03_uc/case.nc", {"network.integers": "relax"}, "249.66"),
    "a country without load": ("c08_noload/case.nc", {}, "400.5072"),
    "a country with next to no load": ("c08_noload/tiny_load.nc", {}, "400.507375"),
    "a leap year": ("c09_leap/case.nc", {}, "493.183"),
    "a leap year as 8760 h": ("c09_leap/case.nc", {"network.weights": "rescale"}, "492.64"),
    "a leap year, kept": ("c09_leap/case.nc", {"network.weights": "keep"}, "493.183"),
    "boundless shed load": ("c13_inf/gen_inf.nc", {}, "402.96"),
    "CO2 in a store under a limit": ("c11_co2store/case.nc", {}, "838.80"),
    "capacity limits of buses": ("c28_techlimit/case.nc", {}, "628.26"),
    "another name for electricity": ("c19_carrier/case.nc", {}, "290.16"),
    "a day cut out of a year": ("c23_window/case.nc", {"network.window": "24"}, "270.068"),
    "a day for a year": ("c23_window/day.nc", {"network.weights": "rescale"}, "270.068"),
    "hours that pass, not those paid": ("c23_window/one.nc", {}, "270.068"),
}

# Name of a row: file, options, words of the refusal.
REFUSED: dict[str, tuple[str, dict[str, str], str]] = {
    "unit commitment": ("c03_uc/case.nc", {}, r"1 Generators have committable \(AA coal\).*relax"),
    "a quadratic cost": ("c05_quadratic/case.nc", {}, "marginal_cost_quadratic .*quadratic"),
    "no times: now": ("c15_excel/case.nc", {}, r"the snapshots are no times \(now\); set them"),
    "no times: numbers": ("c15_excel/int.nc", {}, r"the snapshots are no times \(0, 1\)"),
    "no times: words": ("c15_excel/str.nc", {}, r"the snapshots are no times \(winter day, "),
    "NaN weather": (
        "c29_nan/file3.nc",
        {},
        r"p_max_pu of 1 Generators is NaN \(BB wind\); repair n.generators_t.p_max_pu",
    ),
    "fuel of all countries": ("sector/earth_blank.nc", {}, r"2 buses have no country \(Earth gas"),
    "hydrogen": ("sector/h2.nc", {}, r"2 buses have no country \(Earth gas"),
    "PyPSA's own: scenarios": (
        "pypsa_examples/stochastic-network.nc",
        {},
        r"scenarios \(a stochastic network\) are not supported",
    ),
    "PyPSA's own: hours, not a year": (
        "pypsa_examples/ac-dc-meshed.nc",
        {},
        "sum to 10 h.*network.weights=rescale.*network.years=0.001142.*network.weights=keep",
    ),
    **{
        f"PyPSA's own: {name}": (f"pypsa_examples/{name}.nc", {}, "no column country")
        for name in ("scigrid-de", "model-energy", "storage-hvdc")
    },
}


# PyPSA wrote these with 0 for the NaN of their makers, so that no reader can know; it can suspect.
SUSPECT: dict[str, tuple[str, str]] = {
    "NaN cost, written as 0": ("c29_nan/case.nc", r"others of their carrier do \(BB diesel\)"),
    "NaN investment, as 0": ("c29_nan/file2.nc", r"extendable Generators cost nothing \(BB wind"),
}


def world_of(file: str, options: dict[str, str]) -> World:
    """What would be negotiated about."""
    return build_world(network_scenario(_place(file), options), "highs", Reporter())


def _place(file: str) -> Path:
    place = FOLDER / file
    if not place.is_file():
        pytest.skip(f"{place} is not here: the cases are handed out apart from the code")
    return place


@pytest.mark.parametrize("row", RIGHT)
def test_right(row: str) -> None:
    file, options, right = RIGHT[row]
    last_digit = 10.0 ** -len(right.partition(".")[2])
    found = planner(world_of(file, options)).cost_eur / 1e6
    assert found == pytest.approx(float(right), abs=0.51 * last_digit)


@pytest.mark.parametrize("row", REFUSED)
def test_refused(row: str, tmp_path: Path) -> None:
    """One line, exit code 2, nothing written."""
    file, options, words = REFUSED[row]
    settings = [part for key, value in options.items() for part in ("--set", f"{key}={value}")]
    call = ["--network", str(_place(file)), *settings, "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(run.app, call)
    assert done.exit_code == 2, done.output
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(" ".join(done.output.split()))
    assert Path(file).name in done.output
    assert "Traceback" not in done.output and not (tmp_path / "out").exists()


@pytest.mark.parametrize("row", SUSPECT)
def test_suspect(row: str) -> None:
    file, words = SUSPECT[row]
    source = source_of(_place(file), {})
    warnings = " ".join(str(w) for w in inspected(source)[1].warnings)
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(warnings)
