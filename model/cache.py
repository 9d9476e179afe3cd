"""Results that took long to compute, kept on disk by the content of what they depend on."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pypsa
import scipy.sparse as sp
from pydantic import BaseModel

from model.provenance import package_versions

# Packages that make a problem out of a scenario or a network file, and solve it.
SHAPING = ("agents", "model", "protocols", "pypsa_earth", "scenarios")
# Programs of others whose version may change what comes out.
SOLVING = ("pypsa", "linopy", "highspy", "numpy", "scipy", "pandas", "xarray", "pvlib")
# Inputs of PyPSA's power flow, which an optimisation ignores but its solution fills in.
_FOR_FLOW = ("control",)


def cache_folder() -> Path:
    """Folder of cached results: ``$DMAN_CEP_CACHE``, else the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("DMAN_CEP_CACHE") or Path(home) / "dman-cep")


@functools.cache
def programs() -> str:
    """Hash of the programs that compute something.

    Our own version and the text of every module of :data:`SHAPING`, because any of them may shape
    a problem, and the versions of :data:`SOLVING`.
    """
    digest = hashlib.sha256(str(package_versions()["dman-cep"]).encode())
    for package in SHAPING:
        for place in _places(package):
            for file in sorted(place.rglob("*.py")):
                name = f"{package}/{file.relative_to(place).as_posix()}"
                _put(digest, name.encode(), file.read_bytes())
    for name in SOLVING:
        _put(digest, f"{name}={version(name)}".encode())
    return digest.hexdigest()


def _places(package: str) -> list[Path]:
    """Folders of a package."""
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.submodule_search_locations is not None
    return [Path(place) for place in spec.submodule_search_locations]


def fingerprint(*parts: Any) -> str:
    """Hash of values, and of networks and tables as a whole.

    Parameters
    ----------
    *parts
        Plain values, arrays, sparse ones too, tables of pandas, networks of PyPSA, and mappings,
        sequences, dataclasses and models of pydantic of them. Of a network counts what was put in,
        not what a solution added.

    Raises
    ------
    TypeError
        For anything else, which could be left out of the hash unnoticed.

    Examples
    --------
    >>> fingerprint({"a": (1, 2.0)}) == fingerprint({"a": [1, 2.0]})
    True
    >>> fingerprint("ab", "c") == fingerprint("a", "bc")
    False
    """
    digest = hashlib.sha256()
    for part in parts:
        _put(digest, *_pieces(part))
    return digest.hexdigest()


def _put(digest: Any, *pieces: bytes) -> None:
    """Add pieces with their lengths, so that no two lists of pieces look alike."""
    digest.update(len(pieces).to_bytes(8, "big"))
    for piece in pieces:
        digest.update(len(piece).to_bytes(8, "big"))
        digest.update(piece)


def _pieces(value: Any) -> Iterator[bytes]:
    """A value as a list of bytes that no other value has."""
    if value is None or isinstance(value, bool | int | float | str | bytes | np.generic):
        yield repr(value.item() if isinstance(value, np.generic) else value).encode()
    elif isinstance(value, pypsa.Network):
        yield from _pieces(list(_inputs(value)))
    elif isinstance(value, pd.DataFrame):
        yield from _pieces([value.index, value.columns])
        columns = [value] if len(set(value.dtypes)) == 1 else [s for _, s in value.items()]
        yield from _pieces([column.to_numpy() for column in columns])
    elif isinstance(value, pd.Series | pd.Index):
        yield from _pieces([value.to_numpy(), value.index if isinstance(value, pd.Series) else ()])
    elif isinstance(value, np.ndarray):
        yield f"{value.dtype} {value.shape}".encode()
        plain = value.dtype.kind in "biufcmM"
        yield np.ascontiguousarray(value).tobytes() if plain else repr(value.tolist()).encode()
    elif sp.issparse(value):
        csr = value.tocsr()
        yield from _pieces([csr.shape, csr.data, csr.indices, csr.indptr])
    elif isinstance(value, Mapping):
        yield b"{"
        yield from _pieces(list(value.items()))
    elif is_dataclass(value) and not isinstance(value, type):
        yield type(value).__name__.encode()
        yield from _pieces([getattr(value, f.name) for f in fields(value)])
    elif isinstance(value, BaseModel):
        yield type(value).__name__.encode()
        yield from _pieces(dict(value))
    elif isinstance(value, Sequence):
        yield f"[{len(value)}".encode()
        for item in value:
            yield from _pieces(item)
    else:
        raise TypeError(f"{type(value).__name__} has no fingerprint")


def _inputs(n: pypsa.Network) -> Iterator[Any]:
    """All that was put into a network, component by component."""
    yield n.snapshots
    yield n.snapshot_weightings
    for component in n.components:
        if component.static.empty or component.name == "SubNetwork":
            continue
        results = {*component.defaults.index[component.defaults.status == "Output"], *_FOR_FLOW}
        yield component.name
        yield component.static.drop(columns=list(results), errors="ignore")
        for attribute, series in component.dynamic.items():
            if attribute not in results and not series.empty:
                yield attribute
                yield series


def load_arrays(place: Path) -> dict[str, np.ndarray] | None:
    """Arrays of a cached file; None if it is absent or damaged, which is only lost time."""
    try:
        with np.load(place) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def store_arrays(place: Path, arrays: dict[str, np.ndarray]) -> None:
    """Keep arrays; several processes may do so at once, and the last one's stay."""
    place.parent.mkdir(parents=True, exist_ok=True)
    own = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    with own.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    own.replace(place)
