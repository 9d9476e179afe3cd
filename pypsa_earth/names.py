"""Which names mean network files; light, so that words can be checked before PyPSA is loaded."""

from __future__ import annotations

from pathlib import Path

NETCDF = ".nc"


def is_network_file(name: str | Path) -> bool:
    """Whether a name is meant as a network file rather than as a scenario."""
    return Path(name).suffix.lower() in {NETCDF, ".h5", ".hdf5", ".xlsx"}
