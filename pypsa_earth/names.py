"""Which names mean network files; light, so that words can be checked before PyPSA is loaded."""

from __future__ import annotations

from pathlib import Path

from scenarios.errors import ScenarioError

NETCDF = ".nc"
_OTHERS = {".h5": "hdf5", ".hdf5": "hdf5", ".xlsx": "excel", ".xls": "excel"}


def is_network_file(name: str | Path) -> bool:
    """Whether a name is meant as a network file rather than as a scenario."""
    return Path(name).suffix.lower() in {NETCDF, *_OTHERS}


def as_network_file(path: str | Path) -> str:
    """Name of a file that is meant as a network, whatever it is called.

    Raises
    ------
    ScenarioError
        If its name does not say that it is one.
    """
    if Path(path).is_dir() or not is_network_file(path):
        raise ScenarioError(f"--network {path}: {no_netcdf(path)}")
    return str(path)


def no_netcdf(path: str | Path) -> str:
    """What is wrong with a name that is not that of a netCDF file, and what to do."""
    path = Path(path)
    if path.is_dir():
        return (
            f"{path.name} is a folder, and CSV folders lose the country code NA (Namibia); read it "
            "with n.import_from_csv_folder, see that n.buses.country is right, write it with "
            "n.export_to_netcdf"
        )
    kind = _OTHERS.get(path.suffix.lower())
    if kind:
        return (
            f"{path.name} is no netCDF file; turn it into one with PyPSA: "
            f"n.import_from_{kind}({path.name!r}), n.export_to_netcdf({path.stem + NETCDF!r})"
        )
    return f"{path.name} is no netCDF file ({NETCDF}), which n.export_to_netcdf of PyPSA writes"
