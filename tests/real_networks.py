"""Real network files, handed out apart from the code; tests skip, saying so, where they are not."""

from __future__ import annotations

from pathlib import Path

import pypsa
import pytest

from pypsa_earth.read import load_network
from pypsa_earth.weights import Weights

FOLDER = Path(__file__).parents[2] / "shared" / "networks"
# KE was measured too but is not handed out: its licence is AGPL.
FILES = {
    "NG_BJ": "pypsa_earth_NG_BJ_elec_s_6_ec_lcopt_Co2L-4H_solved.nc",
    "NG_base": "pypsa_earth_NG_base.nc",
    "NG": "pypsa_earth_NG_elec_s_10_ec.nc",
    "NG_CCL": "pypsa_earth_NG_elec_s_10_ec_lcopt_Co2L-4H-CCL-EQ0.8-solar+c0.1-Ep_prepared.nc",
    "KE": "pypsa_earth_KE_elec_s_4_ec_lcopt_Co2L-3h_solved.nc",
    "MA": "pypsa_earth_MA_elec_s_4_ec_lcopt_Co2L-3H_prepared.nc",
    "NL": "pypsa_earth_NL_elec_s_10_ec_lcopt_Co2L-3H_prepared.nc",
    "3c": "pypsa_eur_3c_base_s_4_elec_prepared.nc",
    "8c": "pypsa_eur_8c_base_s_20_elec_linkonly_prepared.nc",
    "14c": "pypsa_eur_14c_elec_s_16_ec_lv1_1H_solved.nc",
    "14c_36": "pypsa_eur_14c_elec_s_36_ec_lv1_1H_solved.nc",
}


def every_name() -> list[str]:
    """Names of the files described above, and of all others in the folder."""
    others = {p.name for p in FOLDER.glob("*.nc")} - set(FILES.values())
    return sorted(FILES) + sorted(others)


def real_path(name: str) -> Path:
    """Path of a file, by its short name or its own."""
    path = FOLDER / FILES.get(name, name)
    if not path.is_file():
        pytest.skip(f"{path} is not here: real networks are handed out apart from the code")
    return path


def real(name: str, window: str = "", weights: Weights = "auto") -> pypsa.Network:
    """A network as it is read from its file."""
    return load_network(real_path(name), window, weights)
