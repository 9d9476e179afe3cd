"""Picture of a run: map of prices and flows, gain over steps, gains of the countries.

``python -m viz.flow_map RUN --out FILE.png`` writes it; matplotlib's ``Figure`` is used without
pyplot, so it draws in any thread.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import ArrowStyle, FancyArrowPatch, Polygon
from matplotlib.patheffects import withStroke

from model.records import RecordsError, RunRecords
from viz.gain_panels import draw_gain_by_country, draw_gain_by_step
from viz.numbers import Unit, energy_unit, number
from viz.outlines import area_deg2, country_shapes
from viz.picture import BUSY_SHARE, Arrow, CountryMark, RunPicture, picture_of

INK = "#1f2933"
FLOW = "#33414e"
BUSY = "#d7301f"
IDLE = "#8a949e"
IDLE_DASHES = (0, (4, 3))
LAND_WITHOUT_PRICE = "#e4e4e0"
WIDEST_PT = 9.0
NARROWEST_PT = 1.2
SMALL_COUNTRY = 0.004
LABEL_PT = 11.0


def figure(picture: RunPicture) -> Figure:
    """Draw the whole picture of a run.

    Parameters
    ----------
    picture : RunPicture
        From :func:`viz.picture.picture_of`.

    Returns
    -------
    Figure
        With the map on the left, gain over steps and gains of the countries on the right.
    """
    padding = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    drawn = Figure(figsize=(14.0, 9.2), layout=padding)
    FigureCanvasAgg(drawn)
    columns = drawn.add_gridspec(1, 2, width_ratios=(1.3, 1.0))
    left = columns[0].subgridspec(2, 1, height_ratios=(1.0, 0.13))
    keys = left[1].subgridspec(1, 2)
    right = columns[1].subgridspec(2, 1)
    colours = draw_map(drawn.add_subplot(left[0]), picture)
    draw_price_key(drawn.add_subplot(keys[0]), colours)
    draw_flow_key(drawn.add_subplot(keys[1]), picture)
    draw_gain_by_step(drawn.add_subplot(right[0]), picture)
    draw_gain_by_country(drawn.add_subplot(right[1]), picture)
    drawn.suptitle(
        f"{picture.title}\n", x=0.012, ha="left", fontsize=17, fontweight="bold", color=INK
    )
    drawn.text(0.012, 0.945, picture.subtitle, ha="left", va="top", fontsize=12, color=INK)
    return drawn


def draw_map(axes: Axes, picture: RunPicture) -> ScalarMappable:
    """Countries coloured by price, arrows of net flows, labels; gives the colour scale."""
    shapes = country_shapes()
    colours, norm = _price_scale(picture)
    for mark in picture.countries:
        colour = (
            LAND_WITHOUT_PRICE
            if mark.price_eur_per_mwh is None
            else colours(norm(mark.price_eur_per_mwh))
        )
        if mark.code in shapes:
            for ring in shapes[mark.code]:
                axes.add_patch(Polygon(ring, facecolor=colour, edgecolor="white", lw=1.2, zorder=1))
        else:
            axes.plot(
                mark.longitude, mark.latitude, "o", ms=46, color=colour, mec=FLOW, mew=1, zorder=1
            )
    _frame(axes, picture)
    unit = energy_unit(mark.net_import_twh for mark in picture.countries)
    _draw_arrows(axes, picture)
    for mark in picture.countries:
        _label(axes, mark, unit, picture)
    return ScalarMappable(norm, colours)


def draw_price_key(axes: Axes, scale: ScalarMappable) -> None:
    """What the colours of countries mean."""
    axes.set_axis_off()
    inner = axes.inset_axes((0.05, 0.62, 0.9, 0.2))
    bar = axes.figure.colorbar(scale, cax=inner, orientation="horizontal")
    bar.set_label("mean marginal price with trade, EUR/MWh", fontsize=11, color=INK)
    bar.ax.tick_params(labelsize=10.5, colors=INK)
    bar.ax.locator_params(nbins=6)
    bar.outline.set_visible(False)


def _price_scale(picture: RunPicture) -> tuple[Colormap, Normalize]:
    """Light to dark, safe for the colour-blind, fitted to the run and light enough for labels."""
    prices = [m.price_eur_per_mwh for m in picture.countries if m.price_eur_per_mwh is not None]
    low, high = (min(prices), max(prices)) if prices else (0.0, 1.0)
    if high - low < 1e-6 * max(abs(high), 1.0):
        low, high = low - 0.5, high + 0.5
    stops = ["#fffbe0", "#d3edc4", "#8fd0c0", "#57a9cf", "#4a7fc0"]
    return LinearSegmentedColormap.from_list("price", stops), Normalize(low, high)


def _frame(axes: Axes, picture: RunPicture) -> None:
    """Fit the axes to all countries, degrees as long northward as eastward."""
    shapes = country_shapes()
    points = np.vstack(
        [
            np.vstack(shapes[m.code]) if m.code in shapes else [(m.longitude, m.latitude)]
            for m in picture.countries
        ]
    )
    low, high = points.min(axis=0), points.max(axis=0)
    extent = float(max(high - low)) or 1.0
    dots = any(m.code not in shapes for m in picture.countries)
    margin = extent * (0.25 if dots else 0.03)
    axes.set_xlim(low[0] - margin, high[0] + margin)
    axes.set_ylim(low[1] - margin, high[1] + margin)
    middle = math.radians(0.5 * (low[1] + high[1]))
    axes.set_aspect(1.0 / max(math.cos(middle), 0.2))
    axes.set_axis_off()


def _draw_arrows(axes: Axes, picture: RunPicture) -> None:
    marks = {m.code: m for m in picture.countries}
    for arrow in sorted(picture.arrows, key=lambda a: a.net_twh, reverse=True):
        tail, head = marks[arrow.exporter], marks[arrow.importer]
        start, end = (tail.longitude, tail.latitude), (head.longitude, head.latitude)
        if picture.idle(arrow):
            axes.plot(*zip(start, end, strict=True), ls=IDLE_DASHES, color=IDLE, lw=1.4, zorder=2)
            continue
        width = _width_pt(arrow.net_twh, picture)
        style = ArrowStyle.Simple(
            head_length=6.0 + width, head_width=6.0 + 1.5 * width, tail_width=width
        )
        axes.add_patch(
            FancyArrowPatch(
                start,
                end,
                arrowstyle=style,
                mutation_scale=1.0,
                shrinkA=_clearance_pt(tail, picture),
                shrinkB=_clearance_pt(head, picture),
                facecolor=BUSY if arrow.busy else FLOW,
                edgecolor="white",
                lw=0.4,
                zorder=3,
            )
        )


def _width_pt(net_twh: float, picture: RunPicture) -> float:
    """Width of an arrow, linear in energy above a small floor."""
    largest = max((a.net_twh for a in picture.arrows), default=0.0)
    share = net_twh / largest if largest > 0 else 0.0
    return max(NARROWEST_PT, WIDEST_PT * share)


def _small(mark: CountryMark, picture: RunPicture) -> bool:
    """Whether a country is too small on this map to carry its label."""
    shapes = country_shapes()
    if mark.code not in shapes:
        return False
    total = sum(area_deg2(shapes[m.code]) for m in picture.countries if m.code in shapes)
    return area_deg2(shapes[mark.code]) < SMALL_COUNTRY * total


def _clearance_pt(mark: CountryMark, picture: RunPicture) -> float:
    """Distance that arrows keep from a country's label."""
    if mark.code not in country_shapes():
        return 26.0
    return 5.0 if _small(mark, picture) else 17.0


def _signed(value: float) -> str:
    """A number with its sign and about three digits.

    Examples
    --------
    >>> _signed(4.387), _signed(-484.77), _signed(-0.001)
    ('+4.39', '-485', '0.00')
    """
    decimals = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    rounded = round(value, decimals)
    return f"{rounded:+.{decimals}f}" if rounded else f"{0.0:.{decimals}f}"


def _label(axes: Axes, mark: CountryMark, unit: Unit, picture: RunPicture) -> None:
    """Code and net import, beside small countries on a thin line."""
    text = f"{mark.code}\n{_signed(mark.net_import_twh / unit.size)}"
    here = (mark.longitude, mark.latitude)
    halo = [withStroke(linewidth=3.0, foreground="white")]
    if not _small(mark, picture):
        axes.text(
            *here,
            text,
            ha="center",
            va="center",
            fontsize=LABEL_PT,
            fontweight="bold",
            color=INK,
            linespacing=1.05,
            path_effects=halo,
            zorder=5,
        )
        return
    centre = np.mean([(m.longitude, m.latitude) for m in picture.countries], axis=0)
    outward = np.asarray(here) - centre
    outward = outward / (np.hypot(*outward) or 1.0)
    axes.plot(*here, "o", ms=4.5, color=INK, zorder=4)
    axes.annotate(
        text,
        xy=here,
        xytext=tuple(66.0 * outward),
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=LABEL_PT,
        fontweight="bold",
        color=INK,
        linespacing=1.05,
        path_effects=halo,
        arrowprops={"arrowstyle": "-", "color": INK, "lw": 0.9, "shrinkB": 3.0},
        zorder=5,
    )


def draw_flow_key(axes: Axes, picture: RunPicture) -> None:
    """What the arrows and the numbers on the map mean."""
    axes.set_axis_off()
    unit = energy_unit(a.net_twh for a in picture.arrows)
    entries = [
        Line2D([], [], color=FLOW, lw=_width_pt(twh, picture), solid_capstyle="butt", label=label)
        for twh, label in _widths(picture.arrows, unit)
    ]
    if any(a.busy for a in picture.arrows):
        label = f"at its limit ≥ {100 * BUSY_SHARE:.0f} % of the time"
        entries.append(Line2D([], [], color=BUSY, lw=4, solid_capstyle="butt", label=label))
    if any(picture.idle(a) for a in picture.arrows):
        entries.append(Line2D([], [], color=IDLE, lw=1.4, ls=IDLE_DASHES, label="idle"))
    numbers = energy_unit(m.net_import_twh for m in picture.countries).label
    axes.legend(
        handles=entries,
        title=f"arrows: net yearly flow; numbers: net import, {numbers}",
        loc="center",
        ncols=2,
        fontsize=10.5,
        title_fontsize=11,
        labelcolor=INK,
        frameon=False,
        handlelength=2.4,
        alignment="left",
    )


def _widths(arrows: tuple[Arrow, ...], unit: Unit) -> list[tuple[float, str]]:
    """Two round energies to show in the legend, with their labels."""
    largest = max((a.net_twh for a in arrows), default=0.0)
    if largest <= 0:
        return []
    chosen = []
    for part in (1.0, 0.25):
        size = largest * part / unit.size
        step = 10.0 ** math.floor(math.log10(size))
        rounded = step * max(s for s in (1, 2, 3, 4, 5, 6, 8) if s * step <= size * (1 + 1e-9))
        decimals = max(0, -math.floor(math.log10(step)))
        chosen.append((rounded * unit.size, f"{number(rounded, decimals)} {unit.label}"))
    return chosen


def save(run: RunRecords, file: Path) -> None:
    """Draw a run's picture into a file; its suffix names the format."""
    file.parent.mkdir(parents=True, exist_ok=True)
    figure(picture_of(run)).savefig(file, dpi=110, facecolor="white")


def main(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    out: Annotated[Path, typer.Option(help="Picture to write: .png, .pdf or .svg.")],
) -> None:
    """Draw prices, flows and gains of a finished run."""
    try:
        save(RunRecords.open(run), out)
    except (RecordsError, ValueError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(f"wrote {out}")


if __name__ == "__main__":
    typer.run(main)
