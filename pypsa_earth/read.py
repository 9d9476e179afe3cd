"""Reading a network file: the right file, the right snapshots, the right weights."""

from __future__ import annotations

import hashlib
import logging
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pypsa

from pypsa_earth.names import NETCDF
from scenarios.errors import ScenarioError, did_you_mean

HOURS_PER_YEAR = 8760.0

Weights = Literal["auto", "rescale", "keep"]


def find_network(path: str | Path) -> Path:
    """Path of a network file that exists and has the right format.

    Raises
    ------
    ScenarioError
        If there is none, or it is in a format that loses something.
    """
    path = Path(path)
    if path.is_dir():
        raise ScenarioError(
            f"{path} is a folder; CSV folders lose the country code NA (Namibia): "
            "export the network with n.export_to_netcdf and give the .nc file"
        )
    if path.suffix.lower() != NETCDF:
        raise ScenarioError(f"{path.name} is no netCDF file (.nc); export it with PyPSA first")
    if not path.is_file():
        near = [p.name for p in path.parent.glob("*.nc")] if path.parent.is_dir() else []
        raise ScenarioError(
            f"no network file {path}{did_you_mean(path.name, near) if near else ''}"
        )
    return path


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_network(path: str | Path, window: str = "", weights: Weights = "auto") -> pypsa.Network:
    """Read a network, cut its time and set the weights of its snapshots.

    Parameters
    ----------
    path : str or Path
        NetCDF file written by PyPSA 0.18 or newer.
    window : str
        Snapshots to keep, see :class:`scenarios.schema.NetworkFile`; all if empty.
    weights : {"auto", "rescale", "keep"}
        Hours of the snapshots that are kept: their sums stay those of the file, become 8760, or
        they are left alone. Annuities are per year, so a window must stand for the year; left
        alone, a week would have to pay for a year of investment.

    Returns
    -------
    pypsa.Network
        Ready to be checked by :func:`pypsa_earth.check.check`; results of an earlier
        solution are still in it.

    Raises
    ------
    ScenarioError
        If the file cannot be read or the window does not fit.
    """
    path = find_network(path)
    n = _read(path)
    if isinstance(n.snapshots, pd.MultiIndex) or n.has_investment_periods:
        raise ScenarioError("investment periods are not supported; give one period", file=path)
    total_h = n.snapshot_weightings.sum()
    if window:
        n.set_snapshots(n.snapshots[_positions(window, n.snapshots, path)])
        n.name = f"{n.name} [{window}]".strip()
    if weights == "rescale":
        total_h[:] = HOURS_PER_YEAR
    if weights != "keep":
        for column in n.snapshot_weightings:
            hours = n.snapshot_weightings[column]
            if hours.sum() > 0:
                n.snapshot_weightings[column] = hours * (total_h[column] / hours.sum())
    return n


def _read(path: Path) -> pypsa.Network:
    chatty = logging.getLogger("pypsa")
    level = chatty.level
    chatty.setLevel(logging.ERROR)  # the version of the file is told by inspect
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pypsa.Network(str(path))
    except Exception as error:  # whatever netCDF, xarray or PyPSA find wrong with the file
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise ScenarioError(
            f"cannot be read as a PyPSA network ({reason}); is it complete?", file=path
        ) from None
    finally:
        chatty.setLevel(level)


def _positions(window: str, snapshots: pd.Index, path: Path) -> np.ndarray:
    """Positions of the snapshots in a window."""
    try:
        if ".." in window:
            first, last = window.split("..")
            kept = snapshots.slice_indexer(first.strip(), last.strip())
        elif ":" in window:
            first, last = window.split(":")
            kept = slice(int(first or 0), int(last or len(snapshots)))
        else:
            kept = slice(0, int(window))
    except (ValueError, TypeError, KeyError):
        raise ScenarioError(
            f"window '{window}' is none: write 168, 24:192 or 2013-07-01..2013-07-07"
        ) from None
    positions = np.arange(len(snapshots))[kept]
    if len(positions) == 0:
        raise ScenarioError(
            f"window '{window}' holds no snapshot; the file has {len(snapshots)}, from "
            f"{snapshots[0]} to {snapshots[-1]}",
            file=path,
        )
    return positions
