"""Drawings as PNG and PDF, by matplotlib without pyplot, so that any thread may print."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch
from matplotlib.path import Path as Outline
from matplotlib.patheffects import withStroke

from viz.drawing import ROLES, Box, Disc, Drawing, Lines, Text, light, printable

DPI = 100
_ANCHOR = {"start": "left", "middle": "center", "end": "right"}


def to_png(drawing: Drawing, scale: float = 2.0) -> bytes:
    """Print a drawing as PNG.

    Parameters
    ----------
    drawing : Drawing
    scale : float
        Pixels of the picture per px of the drawing.
    """
    return _printed(drawing, "png", DPI * scale)


def to_pdf(drawing: Drawing) -> bytes:
    """Print a drawing as PDF."""
    return _printed(drawing, "pdf", DPI)


def _printed(drawing: Drawing, kind: str, dpi: float) -> bytes:
    figure = Figure(figsize=(drawing.width / DPI, drawing.height / DPI), dpi=DPI)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, drawing.width)
    axes.set_ylim(drawing.height, 0)
    axes.set_axis_off()
    for order, item in enumerate(drawing.items):
        if isinstance(item, Text):
            _text(axes, item, order)
        else:
            axes.add_patch(_patch(item, order))
    buffer = io.BytesIO()
    # No date in it: equal drawings give equal files.
    extra: dict[str, Any] = {"metadata": {"CreationDate": None}} if kind == "pdf" else {}
    figure.savefig(buffer, format=kind, dpi=dpi, facecolor=ROLES["paper"][0], **extra)
    return buffer.getvalue()


def _points(px: float) -> float:
    return px * 72 / DPI


def _patch(item: Lines | Disc | Box, order: int) -> Any:
    style: dict[str, Any] = {
        "facecolor": light(item.fill),
        "edgecolor": light(item.stroke),
        "zorder": order,
        "clip_on": True,
    }
    if isinstance(item, Disc):
        return Circle((item.x, item.y), item.radius, lw=_points(item.width), **style)
    style["alpha"] = item.opacity
    if isinstance(item, Box):
        shape = f"round,pad=0,rounding_size={item.radius}" if item.radius else "square,pad=0"
        size = (max(item.width, 0.0), max(item.height, 0.0))
        return FancyBboxPatch((item.x, item.y), *size, boxstyle=shape, lw=_points(1), **style)
    dashes = (0, tuple(_points(d) for d in item.dash)) if item.dash else "solid"
    return PathPatch(_outline(item), lw=_points(item.width), linestyle=dashes, **style)


def _outline(item: Lines) -> Outline:
    points, codes = [], []
    for part in item.parts:
        points.append(part)
        codes += [Outline.MOVETO, *[Outline.LINETO] * (len(part) - 1)]
        if item.closed:
            points.append(part[:1])
            codes.append(Outline.CLOSEPOLY)
    return Outline(np.concatenate(points), codes)


def _text(axes: Any, item: Text, order: int) -> None:
    effects = []
    if item.halo is not None:
        effects = [withStroke(linewidth=_points(3), foreground=light(item.halo))]
    axes.text(
        item.x,
        item.y,
        printable(item.text),
        fontsize=_points(item.size) * 0.96,
        ha=_ANCHOR[item.anchor],
        va="center_baseline" if item.turned else "center",
        rotation=90 if item.turned else 0,
        color=light(item.fill),
        fontweight="bold" if item.bold else "normal",
        path_effects=effects,
        zorder=order,
        parse_math=False,
    )
