"""The one call of PyPSA-Earth that makes a network of many countries.

PyPSA-Earth is never imported: its licence and its pinned packages are its own. This module writes a
configuration, and runs snakemake in the checkout's own environment as a separate process.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scenarios.errors import ScenarioError, did_you_mean

SAPP_CONFIG = Path(__file__).with_name("config.sapp.yaml")
# Top-level keys of PyPSA-Earth v0.7.0's config.default.yaml that a configuration may hold.
_KEYS = """
version tutorial logging results_dir summary_dir costs_dir foresight countries enable
custom_rules run scenario snapshots crs download_osm_data_nprocesses sector policy_config
augmented_line_connection cluster_options build_shape_options clean_osm_data_options export
build_osm_network base_network load_options co2_budget electricity lines links transformers
atlite renewable costs monte_carlo solving plotting fossil_reserves existing_capacities
demand_data custom_data industry H2_network H2_network_limit clustering solar_thermal
databundles
"""
KNOWN_KEYS = frozenset(_KEYS.split())
_NEEDED = ("countries", "scenario", "snapshots")


@dataclass(frozen=True)
class Call:
    """One snakemake call.

    Attributes
    ----------
    command : tuple of str
    folder : Path
        PyPSA-Earth checkout it runs in.
    config : Path
        Configuration written for it.
    target : str
        Prepared network, relative to the checkout.
    """

    command: tuple[str, ...]
    folder: Path
    config: Path
    target: str

    @property
    def text(self) -> str:
        """As typed in a shell."""
        return f"cd {shlex.quote(str(self.folder))} && {shlex.join(self.command)}"


def read_config(path: str | Path) -> dict[str, Any]:
    """Read a PyPSA-Earth configuration and refuse what PyPSA-Earth would silently ignore.

    Raises
    ------
    ScenarioError
        For unknown top-level keys (the prototype's ``eletricity``), missing ones, and country codes
        that YAML has turned into something else (an unquoted NO).
    """
    file = Path(path)
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ScenarioError(f"configuration cannot be read: {reason}", file=file) from None
    if not isinstance(config, dict):
        raise ScenarioError("the configuration holds no keys", file=file)
    for key in config:
        if key not in KNOWN_KEYS:
            advice = did_you_mean(str(key), KNOWN_KEYS)
            raise ScenarioError(f"PyPSA-Earth knows no key '{key}'{advice}", file=file)
    for key in _NEEDED:
        if not config.get(key):
            raise ScenarioError(f"the key '{key}' is missing", file=file)
    for country in config["countries"]:
        if not isinstance(country, str):
            raise ScenarioError(f"country {country!r} is no text; put NO in quotes", file=file)
    return config


def target_of(config: Mapping[str, Any]) -> str:
    """Path of the prepared network of a configuration, relative to the checkout.

    Raises
    ------
    ScenarioError
        If a wildcard of the scenario does not name exactly one network.
    """
    scenario = config["scenario"]
    parts = {}
    for key in ("simpl", "clusters", "ll", "opts"):
        values = scenario.get(key, [""])
        values = values if isinstance(values, list) else [values]
        if len(values) != 1:
            raise ScenarioError(
                f"scenario.{key} names {len(values)} values; give one, to make one network"
            )
        parts[key] = str(values[0])
    run = str((config.get("run") or {}).get("name") or "")
    folder = f"networks/{run}" if run else "networks"
    name = "elec_s{simpl}_{clusters}_ec_l{ll}_{opts}.nc".format(**parts)
    return f"{folder}/{name}"


def snakemake_call(
    config_path: str | Path,
    checkout: str | Path,
    *,
    countries: Sequence[str] | None = None,
    cores: int = 2,
    conda_environment: str = "",
) -> tuple[Call, dict[str, Any]]:
    """Work out the call and the configuration it needs; nothing is written or run.

    Parameters
    ----------
    config_path : str or Path
    checkout : str or Path
        Folder of a PyPSA-Earth v0.7.0 checkout.
    countries : sequence of str, optional
        Instead of those in the configuration.
    cores : int
    conda_environment : str
        Run snakemake by ``conda run -n`` in this environment; by default as found on the path.

    Raises
    ------
    ScenarioError
        If the configuration or the folder will not do.
    """
    config = read_config(config_path)
    if countries:
        config["countries"] = list(countries)
    folder = Path(checkout)
    if not (folder / "Snakefile").is_file():
        raise ScenarioError(
            f"{folder} is no PyPSA-Earth checkout: it holds no Snakefile; "
            "git clone --branch v0.7.0 PyPSA-Earth and name its folder"
        )
    target = target_of(config)
    run = str((config.get("run") or {}).get("name") or "dman-cep")
    place = folder / f"config.dman-cep.{run}.yaml"
    snakemake = ("snakemake", f"-c{cores}", "--configfile", place.name, target)
    prefix = ("conda", "run", "--no-capture-output", "-n", conda_environment)
    command = (*prefix, *snakemake) if conda_environment else snakemake
    return Call(command, folder, place, target), config


def write_config(call: Call, config: Mapping[str, Any]) -> None:
    """Write the configuration into the checkout, under a name of its own.

    v0.7.0 also insists on a ``config.yaml``; an empty one is made if there is none.
    """
    text = "# written by dman-cep prepare; PyPSA-Earth's own defaults hold for all else\n"
    text += yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
    call.config.write_text(text, encoding="utf-8")
    own = call.folder / "config.yaml"
    if not own.exists():
        own.write_text("{}\n", encoding="utf-8")


def run_snakemake(call: Call) -> Path:
    """Run the call in a process of its own and return the network it made.

    Raises
    ------
    ScenarioError
        If the program is not there, fails, or leaves no network.
    """
    if shutil.which(call.command[0]) is None:
        raise ScenarioError(
            f"{call.command[0]} is not on the path; activate PyPSA-Earth's environment or name it "
            f"with --conda-environment. The call is: {call.text}"
        )
    # Its environment is its own: nothing of this program's Python may leak into it.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_"))}
    done = subprocess.run(call.command, cwd=call.folder, env=environment, check=False)
    if done.returncode != 0:
        raise ScenarioError(
            f"snakemake ended with code {done.returncode}; "
            f"its log is in {call.folder}/.snakemake/log"
        )
    made = call.folder / call.target
    if not made.is_file():
        raise ScenarioError(f"snakemake ended well but left no {made}")
    return made
