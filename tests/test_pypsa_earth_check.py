"""Every mistake in a network file has one line that says what, where and what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pypsa
import pytest
import yaml
from typer.testing import CliRunner

import run
from pypsa_earth.check import check
from pypsa_earth.national import read_national
from pypsa_earth.options import FileOptions, file_options
from pypsa_earth.prepare import SAPP_CONFIG, read_config, snakemake_call, target_of
from pypsa_earth.scenario import network_scenario
from scenarios.errors import ScenarioError
from tests.small_networks import COUNTRIES, sapp_like, written

Change = Callable[[pypsa.Network], None]


def _set(component: str, name: str, attribute: str, value: object) -> Change:
    def change(n: pypsa.Network) -> None:
        n.c[component].static.loc[name, attribute] = value

    return change


def _hole(n: pypsa.Network) -> None:
    n.loads_t.p_set.iloc[3, 0] = np.nan


def _no_country(n: pypsa.Network) -> None:
    n.buses.drop(columns="country", inplace=True)


def _lose_namibia(n: pypsa.Network) -> None:
    n.buses.loc[[b for b in n.buses.index if b.startswith("NA")], "country"] = "nan"


def _negative(n: pypsa.Network) -> None:
    n.loads_t.p_set["BW1 0"] *= -1


def _unlimited_type(n: pypsa.Network) -> None:
    n.add("GlobalConstraint", "land", type="land_use", constant=1.0)


def _three_countries(n: pypsa.Network) -> None:
    n.links.loc["H2 pipeline NA1 0-ZA1 0", "bus2"] = "BW1 0"


def _short_year(n: pypsa.Network) -> None:
    n.snapshot_weightings.loc[:, :] = 1.0


ERRORS: dict[str, tuple[Change, str]] = {
    "no column": (_no_country, "the buses have no column country"),
    "lost country": (_lose_namibia, r"3 buses have no country .*NA1 0.*Namibia's NA"),
    "NaN load": (_hole, r"p_set of 1 Loads is NaN \(BW1 0\); repair n.loads_t.p_set"),
    "negative demand": (_negative, "BW has negative demand"),
    "weights": (_short_year, "sum to 16 h.*network.weights=rescale"),
    "bounds": (
        _set("Generator", "ZA1 0 solar", "p_nom_min", 7e3),
        r"p_nom_min exceeds p_nom_max .*ZA1 0 solar",
    ),
    "limit type": (_unlimited_type, "land of type 'land_use'"),
    "three countries": (_three_countries, r"ports in 3 countries \(BW, NA, ZA\)"),
    "dangling": (_set("Line", "3", "bus1", "ZA9 0"), r"does not exist \(ZA9 0\)"),
}


@pytest.mark.parametrize("name", list(ERRORS))
def test_errors(name: str) -> None:
    change, message = ERRORS[name]
    n = sapp_like()
    change(n)
    report = check(n, countries=None if name == "no column" else COUNTRIES)
    assert report.errors
    with pytest.raises(ScenarioError, match=message) as caught:
        report.refuse("x.nc")
    assert "\n" not in str(caught.value)


def test_a_good_network_has_no_errors() -> None:
    assert not check(sapp_like("MW"), countries=COUNTRIES).errors


def test_a_country_without_load_takes_part_but_not_alone() -> None:
    assert not check(sapp_like()).errors
    (error,) = check(sapp_like(), countries=("LS",)).errors
    assert "no country has any demand" in str(error)


def test_a_country_that_is_not_there() -> None:
    (error,) = check(sapp_like(), countries=("NA", "ZQ")).errors
    assert "no country 'ZQ'" in str(error) and "known: BW, LS, NA, ZA" in str(error)


@pytest.mark.parametrize("option", ["bau", "safe"])
def test_sums_over_all_countries_need_national_values(option: str) -> None:
    options = FileOptions(**{option: True})
    (error,) = check(sapp_like(), options, COUNTRIES).errors
    assert option.upper() in str(error) and "network.national" in str(error)
    assert not check(sapp_like(), options, COUNTRIES, national=COUNTRIES).errors


WARNINGS: dict[str, tuple[Change, str]] = {
    "meta": (lambda n: setattr(n, "meta", {}), "no meta data"),
    "carriers": (lambda n: n.remove("Carrier", "AC"), r"carriers are not defined \(AC, DC"),
    "inflow": (
        lambda n: n.storage_units_t.inflow.drop(columns=["NA1 0 hydro"], inplace=True),
        "1 hydro units have no inflow",
    ),
    "no capacity": (_set("Line", "3", "s_nom", 0.0), r"have no capacity \(Line 3\)"),
    "extendable": (lambda n: None, r"2 Lines have s_nom_extendable \(1, 2\); the countries neg"),
    "h2": (lambda n: None, r"2 branches of other carriers cross borders \(h2 2\)"),
    "lossy": (lambda n: None, r"1 cross-border branches lose energy both ways \(Link NA-BW\)"),
    "islands": (lambda n: n.remove("Line", "0"), "ZA has 2 separate grids"),
    "names": (_set("Bus", "ZA1 1", "country", "NA"), "ZA1 1 in NA"),
    "free": (_set("Generator", "NA1 0 OCGT", "capital_cost", 0.0), "1 extendable Generators cost"),
    "shedding": (lambda n: None, "no load shedding in the file"),
}


@pytest.mark.parametrize("name", list(WARNINGS))
def test_warnings(name: str) -> None:
    change, message = WARNINGS[name]
    n = sapp_like()
    change(n)
    lines = [str(w) for w in check(n, file_options(n), COUNTRIES).warnings]
    with pytest.raises(AssertionError, match=message):
        raise AssertionError("\n".join(lines))


def test_kilowatts_and_a_solved_file_are_told() -> None:
    n = sapp_like("kW")
    n._objective = 1.0
    lines = " ".join(str(w) for w in check(n, countries=COUNTRIES).warnings)
    assert "5 generators are in kW" in lines and "the file is solved" in lines


def test_options_of_the_file() -> None:
    n = sapp_like()
    n.meta = {
        "wildcards": {"opts": "Co2L0.5-3H-EQ0.7c-RES0.4-CCL-BAU-SAFE-solar+c0.1"},
        "electricity": {
            "operational_reserve": {"activate": True, "epsilon_load": 0.02, "epsilon_vres": 0.1}
        },
        "solving": {"options": {"load_shedding": 100, "clip_p_max_pu": 0.01}},
    }
    options = file_options(n)
    assert (options.eq_share, options.eq_by_country, options.res_share) == (0.7, True, 0.4)
    assert options.ccl and options.bau and options.safe
    assert options.reserve == (0.02, 0.1, 0.0)
    assert options.clip == 0.01 and options.shedding_eur_per_mwh == 1e5
    n.meta = {}
    assert file_options(n, "elec_s_10_ec_lcopt_Co2L-4H-EQ0.8_prepared.nc").eq_share == 0.8


def test_national_values(tmp_path: Path) -> None:
    file = tmp_path / "national.yaml"
    file.write_text('"NA": {co2_limit_t: 1e6}\nZA: {safe_margin: 0.1}\n')
    assert set(read_national(str(file))) == {"NA", "ZA"}
    for text, message in (
        ("NO: {co2_limit_t: 1}", "put NO in quotes"),
        ("ZA: {co2_limt_t: 1}", "did you mean 'co2_limit_t'"),
        ("ZA: {co2_limit_t: -1}", "greater than or equal to 0"),
        ("- 1", "one block per country"),
    ):
        file.write_text(text)
        with pytest.raises(ScenarioError, match=message):
            read_national(str(file))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network.windw": "8"}, "did you mean 'network.window'"),
        ({"discount_rate": "0.1"}, "not an option of a network file"),
        ({"network.co2": "some"}, "network.co2"),
        ({"network.load_shedding": "yes"}, "auto, off or a price"),
        ({"network.window": "999:"}, "holds no snapshot"),
        ({"products": "monthly"}, "products"),
    ],
)
def test_wrong_settings(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        network_scenario(written(tmp_path), changes, COUNTRIES)


def test_a_bad_file_leaves_nothing_behind(tmp_path: Path) -> None:
    path = written(tmp_path, _hole)
    done = CliRunner().invoke(run.app, ["--network", str(path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert not (tmp_path / "out").exists()


def _no_peakers_in_botswana(n: pypsa.Network) -> None:
    n.remove("Generator", ["BW1 0 OCGT", "BW1 0 solar", "BW1 0 onwind"])


def test_what_cannot_be_met_without_shedding_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, _no_peakers_in_botswana)
    options = ["--countries", "BW,NA,ZA", "--set", "network.load_shedding=off"]
    out = tmp_path / "out"
    done = CliRunner().invoke(run.app, ["--network", str(path), *options, "--out", str(out)])
    assert done.exit_code == 2
    assert "BW" in done.output and "nfeasible" in done.output
    assert not list(out.iterdir())


def test_inspect(tmp_path: Path) -> None:
    path = written(tmp_path)
    good = CliRunner().invoke(run.app, ["inspect", str(path), "--countries", "BW,NA,ZA"])
    assert good.exit_code == 0, good.output
    for word in ("NA-ZA", "560", "H2 pipeline", "CO2Limit", "Co2L-3h", "warning"):
        assert word in good.output
    bad = CliRunner().invoke(run.app, ["inspect", str(path), "--countries", "LS"])
    assert bad.exit_code == 2 and "no country has any demand" in bad.output


def checkout(folder: Path) -> Path:
    folder.mkdir()
    (folder / "Snakefile").write_text("")
    return folder


def test_sapp_configuration_is_one_pypsa_earth_understands(tmp_path: Path) -> None:
    config = read_config(SAPP_CONFIG)
    assert "electricity" in config and len(config["countries"]) == 12
    assert "NA" in config["countries"]
    call, settings = snakemake_call(SAPP_CONFIG, checkout(tmp_path / "earth"), cores=4)
    target = "networks/SAPP/elec_s_120flex_ec_lcopt_3h.nc"
    config_name = "config.dman-cep.SAPP.yaml"
    assert call.command == ("snakemake", "-c4", "--configfile", config_name, target)
    assert not call.config.exists() and settings["countries"] == config["countries"]


def test_the_misspelt_key_of_the_prototype_is_refused(tmp_path: Path) -> None:
    config = yaml.safe_load(SAPP_CONFIG.read_text())
    config["eletricity"] = config.pop("electricity")
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config))
    with pytest.raises(ScenarioError, match="did you mean 'electricity'"):
        read_config(file)
    file.write_text("countries: [NO]\nscenario: {ll: [copt]}\nsnapshots: {start: 2013}\n")
    with pytest.raises(ScenarioError, match="put NO in quotes"):
        read_config(file)


def test_one_network_is_made_at_a_time() -> None:
    scenario = {"simpl": [""], "clusters": [4, 10], "ll": ["copt"], "opts": ["Co2L"]}
    with pytest.raises(ScenarioError, match="clusters names 2 values"):
        target_of({"scenario": scenario})
    scenario["clusters"] = [4]
    assert target_of({"scenario": scenario}) == "networks/elec_s_4_ec_lcopt_Co2L.nc"


@pytest.mark.skipif(sys.platform == "win32", reason="the stub is a shell script")
@pytest.mark.parametrize("fails", [False, True])
def test_prepare_calls_snakemake_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    folder = checkout(tmp_path / "earth")
    stub = tmp_path / "bin" / "snakemake"
    stub.parent.mkdir()
    make = "exit 3" if fails else 'mkdir -p "$(dirname "$4")" && touch "$4"'
    stub.write_text(f'#!/bin/sh\nenv > env.txt\necho "$PWD $@" >> calls.txt\n{make}\n')
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stub.parent}:/usr/bin:/bin")
    monkeypatch.setenv("PYTHONPATH", "of-this-program")
    done = CliRunner().invoke(
        run.app, ["prepare", "--pypsa-earth", str(folder), "--countries", "NA,ZA"]
    )
    target = "networks/SAPP/elec_s_120flex_ec_lcopt_3h.nc"
    calls = (folder / "calls.txt").read_text().splitlines()
    assert calls == [f"{folder} -c2 --configfile config.dman-cep.SAPP.yaml {target}"]
    assert "PYTHONPATH" not in (folder / "env.txt").read_text()
    settings = yaml.safe_load((folder / "config.dman-cep.SAPP.yaml").read_text())
    assert settings["countries"] == ["NA", "ZA"]
    assert (folder / "config.yaml").exists()  # v0.7.0 insists on it
    assert done.exit_code == (2 if fails else 0)
    assert (folder / target).exists() is not fails


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "earth")
    done = CliRunner().invoke(run.app, ["prepare", "--pypsa-earth", str(folder), "--dry-run"])
    assert done.exit_code == 0, done.output
    assert "snakemake -c2 --configfile config.dman-cep.SAPP.yaml" in done.output
    assert sorted(p.name for p in folder.iterdir()) == ["Snakefile"]
