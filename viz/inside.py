"""What the words of an address mean as a path, and never more than that."""

from __future__ import annotations

import re
from pathlib import Path

from model.columns import RecordsError

# Longer ones are no names of files anywhere.
_LONGEST = 250
_UNREADABLE = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")


def inside(folder: Path, words: str) -> Path:
    """Path below a folder, named by words that anybody may have written.

    Every step on the way stays in the folder, links followed. Only the last may be a link that
    leads elsewhere: it stands for itself, because the folder's owner has put it there.

    Parameters
    ----------
    folder : Path
    words : str
        Names with ``/`` between them.

    Raises
    ------
    RecordsError
        For words that lead out of the folder or can be no names of files.

    Examples
    --------
    >>> inside(Path("/results"), "app/job").as_posix()
    '/results/app/job'
    >>> inside(Path("/results"), "../etc")
    Traceback (most recent call last):
    model.columns.RecordsError: '../etc' lies outside the folder of results
    """
    names = words.split("/")
    if any(_UNREADABLE.search(name) or len(name.encode()) > _LONGEST for name in names):
        raise RecordsError("the address holds no name of a run")
    outside = RecordsError(f"'{words}' lies outside the folder of results")
    if any(name in ("", ".", "..") for name in names):
        raise outside
    path = folder.joinpath(*names)
    try:
        within = path.parent.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # links in a circle
        raise outside from None
    if not within:
        raise outside
    return path
