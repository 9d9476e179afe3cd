"""Reading a network file: the right file, the right snapshots, the right weights."""

from __future__ import annotations

import hashlib
import logging
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pypsa

from pypsa_earth.names import NETCDF, no_netcdf
from pypsa_earth.weights import Weights, as_times, set_weights
from scenarios.errors import ScenarioError, did_you_mean


def find_network(path: str | Path) -> Path:
    """Path of a network file that exists and has the right format.

    Raises
    ------
    ScenarioError
        If there is none, or it is in a format that loses something.
    """
    path = Path(path)
    if path.is_dir():
        raise ScenarioError(no_netcdf(path))
    if path.suffix.lower() != NETCDF:
        raise ScenarioError(no_netcdf(path))
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


def load_network(
    path: str | Path,
    window: str = "",
    weights: Weights = "auto",
    years: float | None = None,
) -> pypsa.Network:
    """Read a network, cut its time and set the weights of its snapshots.

    Parameters
    ----------
    path : str or Path
        NetCDF file written by PyPSA 0.18 or newer.
    window : str
        Snapshots to keep, see :class:`scenarios.schema.NetworkFile`; all if empty.
    weights, years
        What the snapshots stand for, see :func:`pypsa_earth.weights.set_weights`.

    Returns
    -------
    pypsa.Network
        Ready to be checked by :func:`pypsa_earth.check.check`; results of an earlier
        solution are still in it.

    Raises
    ------
    ScenarioError
        If the file cannot be read, the window does not fit, or it is of a kind that no country
        could plan with: several scenarios or investment periods, snapshots that are no times.
    """
    path = find_network(path)
    n = _read(path)
    if n.has_scenarios:
        raise ScenarioError(
            "scenarios (a stochastic network) are not supported; give one, such as "
            f"n.get_scenario({str(n.scenarios[0])!r})",
            file=path,
        )
    if isinstance(n.snapshots, pd.MultiIndex) or n.has_investment_periods:
        raise ScenarioError("investment periods are not supported; give one period", file=path)
    try:
        as_times(n.snapshots)
    except ScenarioError as error:
        raise ScenarioError(error.what, file=path) from None
    kept = None
    if window:
        kept = _positions(window, n.snapshots, path)
        n.name = f"{n.name} [{window}]".strip()
    set_weights(n, kept, weights, years)
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
