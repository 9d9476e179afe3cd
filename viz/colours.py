"""Colours that other people's files give, read before they reach a style or a picture."""

from __future__ import annotations


def as_hex(text: str) -> str | None:
    """A colour as ``#rrggbb``; None if it is none, or cannot be seen.

    Read as matplotlib does, which draws PyPSA's own plots: ``#rrggbb``, the names of CSS,
    ``tab:blue``. Nothing else of a text is ever passed on.

    Examples
    --------
    >>> as_hex("teal"), as_hex("#ABC"), as_hex("none"), as_hex("red;background:url(//x.org)")
    ('#008080', '#aabbcc', None, None)
    """
    # It takes a moment to load, and only network files need it.
    from matplotlib.colors import to_hex, to_rgba

    try:
        return to_hex(text) if to_rgba(text)[3] > 0 else None
    except ValueError:
        return None
