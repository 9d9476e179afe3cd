"""Small files that are whole or absent: atomic writes, plain JSON, content hashes."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a crash leaves the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not a name that readers look for, and the same one every time, so that leftovers do not pile.
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@contextmanager
def drafted(folder: Path) -> Iterator[Path]:
    """A folder to write files in that come to their places, under ``folder``, when all are whole.

    For programs that write files themselves, and not atomically. If they fail, files that were
    there before stay.
    """
    draft = folder / ".draft"
    shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed
    draft.mkdir(parents=True)
    try:
        yield draft
        for file in sorted(f for f in draft.rglob("*") if f.is_file()):
            place = folder / file.relative_to(draft)
            place.parent.mkdir(parents=True, exist_ok=True)
            file.replace(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def new_folder(parent: Path, name: str) -> Path:
    """Make a folder that was not there: ``name``, else ``name-2``, ``name-3``, ..."""
    parent.mkdir(parents=True, exist_ok=True)
    for suffix in itertools.chain([""], (f"-{n}" for n in itertools.count(2))):
        path = parent / f"{name}{suffix}"
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            break
    return path


def write_json(path: Path, value: Any) -> None:
    """Write plain JSON atomically; keys keep their order, NaN and infinity become null."""
    text = json.dumps(plain(value, finite=True), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (text + "\n").encode())


def plain(value: Any, *, finite: bool = False) -> Any:
    """Turn numpy, pydantic and path values inside a structure into JSON values.

    Parameters
    ----------
    value : object
    finite : bool
        Whether NaN and infinity become None.

    Raises
    ------
    TypeError
        If something has no JSON form.
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"key {key!r} is not text")
        return {str(k): plain(v, finite=finite) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v, finite=finite) for v in value]
    if isinstance(value, float):
        return None if finite and not math.isfinite(value) else float(value)
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form")


def content_hash(*parts: Any) -> str:
    """Sha256 of scenarios, settings and other plain values; the order of keys does not count.

    Examples
    --------
    >>> content_hash({"a": 1, "b": 2.5}) == content_hash({"b": 2.5, "a": 1})
    True
    >>> content_hash("ab", "c") == content_hash("a", "bc")
    False
    """
    text = json.dumps([plain(p) for p in parts], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
