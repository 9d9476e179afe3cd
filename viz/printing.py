"""Drawings as files."""

from __future__ import annotations

from pathlib import Path

from viz.drawing import Drawing
from viz.svg import to_svg

KINDS = ("png", "svg", "pdf")


def printed(drawing: Drawing, kind: str) -> bytes:
    """Content of a file of one of :data:`KINDS`.

    Raises
    ------
    ValueError
        For another kind.
    """
    if kind == "svg":
        return to_svg(drawing, themed=False).encode()
    if kind not in KINDS:
        raise ValueError(f"no pictures of kind '{kind}'; choose {', '.join(KINDS)}")
    # matplotlib takes a second to load, and a page of SVG does without.
    from viz.raster import to_pdf, to_png

    return to_png(drawing) if kind == "png" else to_pdf(drawing)


def write(drawing: Drawing, file: Path) -> None:
    """Write a picture; the suffix names its kind."""
    content = printed(drawing, file.suffix.removeprefix("."))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
