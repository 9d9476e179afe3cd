"""How the gain grew from step to step, and who has it."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from viz.numbers import money_unit
from viz.picture import RunPicture

INK = "#1f2933"
GAIN = "#1b7f8c"
PLANNER = "#b3541e"


def draw_gain_by_step(axes: Axes, picture: RunPicture) -> None:
    """Gain of all countries after each step, beside the planner's."""
    gains, best = picture.gain_by_step_eur, picture.planner_gain_eur
    unit = money_unit([*gains, best])
    steps = np.arange(1, len(gains) + 1)
    axes.plot(steps, gains / unit.size, "-o", color=GAIN, ms=4.5, lw=2.0)
    top = max([*gains, best or 0.0, 0.0]) / unit.size or 1.0
    if best is not None:
        axes.axhline(best / unit.size, color=PLANNER, lw=1.8, ls=(0, (6, 3)))
        axes.annotate(
            "planner",
            xy=(0.01, best / unit.size),
            xycoords=("axes fraction", "data"),
            xytext=(0, 4),
            textcoords="offset points",
            color=PLANNER,
            fontsize=11,
        )
    if picture.efficiency is not None and len(gains):
        axes.annotate(
            f"{100 * picture.efficiency:.1f} % of the planner's gain",
            xy=(steps[-1], gains[-1] / unit.size),
            xytext=(0, -9),
            textcoords="offset points",
            ha="right",
            va="top",
            color=GAIN,
            fontsize=11,
        )
    axes.set_ylim(min(0.0, float(gains.min(initial=0.0)) / unit.size), 1.12 * top)
    axes.set_xlim(0.5, max(len(gains), 1) + 0.5)
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("step", fontsize=11)
    _plain(axes, f"Gain over autarky, {unit.label} a year")


def draw_gain_by_country(axes: Axes, picture: RunPicture) -> None:
    """Gain of each country, payments included, largest on top."""
    marks = sorted(picture.countries, key=lambda m: m.gain_eur)
    unit = money_unit(m.gain_eur for m in marks)
    values = [m.gain_eur / unit.size for m in marks]
    bars = axes.barh([m.code for m in marks], values, color=GAIN, height=0.7)
    texts = [f"{value:,.0f}" if abs(value) >= 10 else f"{value:.2g}" for value in values]
    axes.bar_label(bars, texts, padding=4, fontsize=10.5, color=INK)
    axes.margins(x=0.12, y=0.01)
    _plain(axes, f"Gain by country, {unit.label} a year")
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)


def _plain(axes: Axes, title: str) -> None:
    """Title, no frame, light grid, readable ticks."""
    axes.set_title(title, loc="left", fontsize=12.5, fontweight="bold", color=INK)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.grid(color="#e3e6e9", lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=10.5, colors=INK)
