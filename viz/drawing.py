"""Drawings as plain data: every figure is drawn once and printed as SVG, PNG or PDF.

A drawing is a list of polygons, lines, discs, boxes and texts in pixels, the origin at the top
left. Colours are ``#rrggbb``, or a role such as ``ink`` that is dark on a light page and light on a
dark one; nothing else is printed. :mod:`viz.svg` and :mod:`viz.raster` print drawings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]

# Role -> colour on a light and on a dark page.
ROLES: dict[str, tuple[str, str]] = {
    "ink": ("#1f2933", "#e6ebf0"),
    "muted": ("#5b6875", "#a3afbb"),
    "grid": ("#dfe3e8", "#3a444f"),
    "paper": ("#ffffff", "#161b21"),
    "label": ("#ffffff", "#222a33"),
    "sea": ("#e3ecf3", "#1d262f"),
    "land": ("#f1efe9", "#2d353d"),
    "border": ("#cfd4d2", "#49535d"),
    "unpriced": ("#d9dbd8", "#4a535c"),
    "flow": ("#26323d", "#dfe6ec"),
    "limit": ("#b3122d", "#ff6b6b"),
    "idle": ("#7d8893", "#8d98a3"),
    "negotiated": ("#0072b2", "#56b4e9"),
    "autarky": ("#8a7a5c", "#cdb98c"),
    "planner": ("#d55e00", "#f0904a"),
    "paid": ("#cc79a7", "#e3a3c6"),
}


@dataclass(frozen=True)
class Lines:
    """Polygons or polylines that are drawn as one shape.

    Attributes
    ----------
    parts : tuple of ndarray, each of shape (points, 2)
    fill, stroke : str or None
    width : float
        Of the stroke, px.
    dash : tuple of float
        Lengths of dashes and gaps, px.
    closed : bool
    opacity : float
    tip : str
        Shown beside the pointer.
    data : mapping of str to str
        What the shape stands for, for tests and for people who read the SVG.
    """

    parts: tuple[np.ndarray, ...]
    fill: str | None = None
    stroke: str | None = None
    width: float = 1.0
    dash: tuple[float, ...] = ()
    closed: bool = True
    opacity: float = 1.0
    tip: str = ""
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Disc:
    """A filled circle."""

    x: float
    y: float
    radius: float
    fill: str
    stroke: str | None = None
    width: float = 1.0
    tip: str = ""
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Box:
    """A rectangle, ``x`` and ``y`` its top left corner."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    stroke: str | None = None
    radius: float = 0.0
    opacity: float = 1.0
    tip: str = ""
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Text:
    """One line of text; ``y`` is the middle of its height."""

    x: float
    y: float
    text: str
    size: float = 12.0
    anchor: Anchor = "start"
    fill: str = "ink"
    bold: bool = False
    halo: str | None = None
    turned: bool = False
    data: Mapping[str, str] = field(default_factory=dict)


Item = Lines | Disc | Box | Text

_HEX = re.compile(r"#[0-9a-fA-F]{6}")
# What XML and fonts cannot hold: control characters, halves of characters.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def light(colour: str | None) -> str:
    """``#rrggbb`` of a colour or role on a light page, ``none`` for None.

    Raises
    ------
    ValueError
        For anything else, whoever wrote it: a colour goes into style sheets and files.
    """
    if colour is None:
        return "none"
    if colour in ROLES:
        return ROLES[colour][0]
    if not _HEX.fullmatch(colour):
        raise ValueError(f"{colour!r} is no colour; write #rrggbb")
    return colour


def printable(text: str) -> str:
    """A text without what no file can hold; a sign stands for each character left out."""
    return _UNPRINTABLE.sub("\ufffd", text)


@dataclass
class Drawing:
    """A figure.

    Attributes
    ----------
    width, height : float
        Size in px.
    title : str
        What the figure shows, for those who cannot see it.
    items : list
        In the order of painting.
    """

    width: float
    height: float
    title: str
    items: list[Item] = field(default_factory=list)

    def add(self, *items: Item) -> None:
        """Paint on top of what is there."""
        self.items.extend(items)

    def polyline(self, points: Sequence[Point] | np.ndarray, stroke: str, width: float) -> None:
        """Add an open line."""
        line = np.asarray(points, dtype=float)
        self.add(Lines((line,), stroke=stroke, width=width, closed=False))


def text_width(text: str, size: float) -> float:
    """Approximate width of a text in px, a little too large.

    Examples
    --------
    >>> text_width("MMMM", 10) > text_width("iiii", 10)
    True
    """
    narrow, wide = sum(c in "iljtf.,:;'|()[] " for c in text), sum(c in "MWmw%@" for c in text)
    rest = len(text) - narrow - wide
    return size * (0.36 * narrow + 0.9 * wide + 0.6 * rest)


def words(width: float, height: float, title: str, text: str) -> Drawing:
    """A figure that only says why there is nothing to see."""
    drawing = Drawing(width, height, title)
    drawing.add(Text(14, 20, title, 14, bold=True))
    line, y = "", 52.0
    for word in text.split():
        if text_width(f"{line} {word}", 13) > width - 28:
            drawing.add(Text(14, y, line, 13, fill="muted"))
            line, y = "", y + 19
        line = f"{line} {word}".strip()
    drawing.add(Text(14, y, line, 13, fill="muted"))
    drawing.height = min(height, y + 24)
    return drawing
