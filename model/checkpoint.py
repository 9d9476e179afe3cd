"""Where a run stood after its last step: arrays and plain values together in one file."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from model.columns import RecordsError
from model.files import plain, write_atomically

# Raise it whenever older programs or older checkpoints would no longer be understood.
_FORMAT = 1
_STATE = "state"
_ARRAY = "array "


def write_checkpoint(
    file: Path, step: int, arrays: Mapping[str, np.ndarray], state: Mapping[str, Any]
) -> None:
    """Replace a checkpoint, see :meth:`model.records.RunRecords.checkpoint`.

    Raises
    ------
    RecordsError
        If something cannot be stored without pickle.
    """
    buffer = io.BytesIO()
    try:
        text = json.dumps({"format": _FORMAT, "step": int(step), _STATE: plain(state)})
        stored = {_ARRAY + name: np.asarray(array) for name, array in arrays.items()}
        stored[_STATE] = np.frombuffer(text.encode(), dtype=np.uint8)
        np.savez(buffer, allow_pickle=False, **stored)
    except (TypeError, ValueError) as error:
        raise RecordsError(f"checkpoint of step {step}: {error}") from None
    write_atomically(file, buffer.getvalue())


def read_checkpoint(file: Path) -> tuple[int, dict[str, np.ndarray], dict[str, Any]] | None:
    """Step, arrays and state of a checkpoint, None if there is none.

    Raises
    ------
    RecordsError
        If it cannot be read.
    """
    if not file.is_file():
        return None
    try:
        with np.load(file, allow_pickle=False) as stored:
            content = json.loads(stored[_STATE].tobytes())
            names = [n for n in stored.files if n.startswith(_ARRAY)]
            arrays = {n.removeprefix(_ARRAY): stored[n] for n in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RecordsError(f"{file} cannot be read: {error}; run it again") from None
    return content["step"], arrays, content[_STATE]
