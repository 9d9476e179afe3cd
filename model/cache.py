"""Results that took long to compute, kept on disk by the content of what they depend on."""

from __future__ import annotations

import importlib
import inspect
import os
import zipfile
import zlib
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import numpy as np


def cache_folder() -> Path:
    """Folder of cached results: ``$DMAN_CEP_CACHE``, else the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("DMAN_CEP_CACHE") or Path(home) / "dman-cep")


def programs(packages: Iterable[str], sources: Iterable[str]) -> bytes:
    """Which programs compute something: versions of packages and the text of our own modules."""
    versions = "".join(f"{package}={version(package)};" for package in packages)
    texts = (inspect.getsource(importlib.import_module(name)) for name in sources)
    return "".join([versions, *texts]).encode()


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
