"""Drawings as SVG."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np

from viz.drawing import ROLES, Box, Disc, Drawing, Item, Lines, Text, light, printable

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


def to_svg(drawing: Drawing, *, themed: bool = True) -> str:
    """Print a drawing.

    Parameters
    ----------
    drawing : Drawing
    themed : bool
        Whether roles follow the page's light or dark colours, see :func:`theme_css`; otherwise
        the light ones are written, for files that leave the page.
    """
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {drawing.width:g} '
        f'{drawing.height:g}" width="{drawing.width:g}" height="{drawing.height:g}" role="img" '
        f'aria-label="{_words(drawing.title)}" style="max-width:100%;height:auto" '
        f'font-family="{FONT}">'
    ]
    if not themed:
        parts.append(f'<rect width="100%" height="100%" fill="{ROLES["paper"][0]}"/>')
    parts += [_print(item, themed) for item in drawing.items]
    return "".join([*parts, "</svg>"])


def theme_css() -> str:
    """Style sheet that gives the roles their colours, light or dark as the reader prefers."""
    light = "".join(f"--{role}:{colours[0]};" for role, colours in ROLES.items())
    dark = "".join(f"--{role}:{colours[1]};" for role, colours in ROLES.items())
    return (
        f":root{{{light}color-scheme:light}}"
        f"@media(prefers-color-scheme:dark){{:root{{{dark}color-scheme:dark}}}}"
    )


def app_theme_css() -> str:
    """The same for the app, whose light or dark theme is chosen on the page."""
    light = "".join(f"--{role}:{colours[0]};" for role, colours in ROLES.items())
    dark = "".join(f"--{role}:{colours[1]};" for role, colours in ROLES.items())
    return f".theme--light{{{light}}}.theme--dark{{{dark}}}"


def _print(item: Item, themed: bool) -> str:
    def paint(colour: str | None) -> str:
        return f"var(--{colour})" if themed and colour in ROLES else light(colour)

    if isinstance(item, Text):
        return _text(item, paint(item.fill), paint(item.halo))
    style = f"fill:{paint(item.fill)}"
    if item.stroke is not None:
        width = 1 if isinstance(item, Box) else item.width
        style += f";stroke:{paint(item.stroke)};stroke-width:{width:g}"
    tip = f"<title>{_words(item.tip)}</title>" if item.tip else ""
    data = _data(item.data)
    if isinstance(item, Disc):
        return (
            f'<circle cx="{item.x:.1f}" cy="{item.y:.1f}" r="{item.radius:.1f}" '
            f'style="{style}"{data}>{tip}</circle>'
        )
    if item.opacity < 1:
        style += f";opacity:{item.opacity:g}"
    if isinstance(item, Box):
        return (
            f'<rect x="{item.x:.1f}" y="{item.y:.1f}" width="{max(item.width, 0):.1f}" '
            f'height="{max(item.height, 0):.1f}" rx="{item.radius:g}" style="{style}"{data}>'
            f"{tip}</rect>"
        )
    if item.dash:
        style += f";stroke-dasharray:{' '.join(f'{d:g}' for d in item.dash)}"
    style += ";stroke-linejoin:round"
    return f'<path d="{_path(item)}" style="{style}"{data}>{tip}</path>'


def _path(item: Lines) -> str:
    end = "Z" if item.closed else ""
    return "".join(
        "M" + "L".join(f"{x:g},{y:g}" for x, y in np.round(part, 1).tolist()) + end
        for part in item.parts
    )


def _text(item: Text, fill: str, halo: str) -> str:
    style = f"fill:{fill}"
    if item.halo is not None:
        style += f";stroke:{halo};stroke-width:3px;paint-order:stroke;stroke-linejoin:round"
    weight = ' font-weight="700"' if item.bold else ""
    turn = f' transform="rotate(-90 {item.x:.1f} {item.y:.1f})"' if item.turned else ""
    return (
        f'<text x="{item.x:.1f}" y="{item.y:.1f}" dy="0.35em" font-size="{item.size:g}" '
        f'text-anchor="{item.anchor}"{weight}{turn} style="{style}"{_data(item.data)}>'
        f"{_words(item.text)}</text>"
    )


def _words(text: str) -> str:
    return escape(printable(text))


def _data(data: Mapping[str, str]) -> str:
    return "".join(f' data-{key}="{_words(value)}"' for key, value in data.items())
