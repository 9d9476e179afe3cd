"""Which names mean network files; light, so that words can be checked before PyPSA is loaded."""

from __future__ import annotations

from pathlib import Path

from scenarios.errors import ScenarioError

NETCDF = ".nc"


def is_network_file(name: str | Path) -> bool:
    """Whether a name is meant as a network file rather than as a scenario."""
    return Path(name).suffix.lower() in {NETCDF, ".h5", ".hdf5", ".xlsx"}


def as_network_file(path: str | Path) -> str:
    """Name of a file that is meant as a network, whatever it is called.

    Raises
    ------
    ScenarioError
        If its name does not say that it is one.
    """
    if not is_network_file(path):
        raise ScenarioError(f"--network {path}: give a PyPSA network in netCDF format (.nc)")
    return str(path)
