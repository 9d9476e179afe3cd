"""All figures and tables of a run by name, for the app, the report and the command line."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd

from model.columns import TABLES
from viz.country_charts import (
    capacity,
    draw_capacity,
    draw_gains_and_payments,
    gains_and_payments,
)
from viz.drawing import Drawing
from viz.flow_map import draw_map
from viz.moment import Moment, state_at
from viz.progress_charts import draw_gains, draw_marginal_costs, gains, marginal_costs
from viz.run_view import RunView
from viz.talk import deals, prices_said, said
from viz.talk_charts import draw_bids, draw_disclosure
from viz.time_charts import dispatch, draw_dispatch, draw_duration, duration


@dataclass(frozen=True)
class Look:
    """What a reader looks at.

    Attributes
    ----------
    moment : Moment
    country : str or None
        For dispatch; the first one by default. For capacity None is all together.
    line : str or None
        Interconnector; the first one by default.
    week : Timestamp or None
        First one by default.
    beside : RunView or None
        Run that the figure stands beside, to share its scales.
    pair : tuple of two str or None
        Countries whose bids are shown; None is all.
    width : float or None
        Px that a figure is drawn for; None is its usual width.
    """

    moment: Moment = field(default_factory=Moment)
    country: str | None = None
    line: str | None = None
    week: pd.Timestamp | None = None
    beside: RunView | None = None
    pair: tuple[str, str] | None = None
    width: float | None = None

    @property
    def size(self) -> dict[str, float]:
        """The width as an argument, if one is wanted."""
        return {} if self.width is None else {"width": self.width}


@dataclass(frozen=True)
class Figure:
    """A figure and the numbers in it.

    Attributes
    ----------
    label : str
    draw : callable
        ``(view, look) -> Drawing``.
    table : callable
        ``(view, look) -> DataFrame``.
    """

    label: str
    draw: Callable[[RunView, Look], Drawing]
    table: Callable[[RunView, Look], pd.DataFrame]


def step_of(view: RunView, look: Look) -> int:
    """Step looked at, the last one by default."""
    if look.moment.step is not None:
        return look.moment.step
    return int(view.steps["step"].max()) if len(view.steps) else 0


def _country(view: RunView, look: Look) -> str:
    return look.country or view.codes[0]


def _line(view: RunView, look: Look) -> str | None:
    return look.line or next((line.name for line in view.lines), None)


def _map_table(view: RunView, look: Look) -> pd.DataFrame:
    state = state_at(view, look.moment)
    flows = [
        {
            "interconnector": f.line.name,
            "from": f.sender,
            "to": f.receiver,
            "mw": abs(f.mw),
            "limit_mw": f.limit_mw,
            "share_of_time_at_limit": f.limit_share,
        }
        for f in state.flows
    ]
    return pd.DataFrame(flows).assign(moment=state.label)


def _bids_table(view: RunView, look: Look) -> pd.DataFrame:
    table = deals(view, step_of(view, look))
    return table if len(table) else prices_said(view, step_of(view, look))


FIGURES: dict[str, Figure] = {
    "map": Figure(
        "Map of prices and flows",
        lambda v, k: draw_map(v, k.moment, beside=k.beside, **k.size),
        _map_table,
    ),
    "marginal-costs": Figure(
        "Marginal cost by country",
        lambda v, k: draw_marginal_costs(v, k.moment.product, k.moment.step, **k.size),
        lambda v, k: marginal_costs(v, k.moment.product),
    ),
    "gain": Figure(
        "Gain over autarky by step",
        lambda v, k: draw_gains(v, k.moment.step, **k.size),
        lambda v, k: gains(v),
    ),
    "bids": Figure(
        "Bids and offers of a step",
        lambda v, k: draw_bids(v, step_of(v, k), k.moment.round, k.pair, **k.size),
        _bids_table,
    ),
    "payments": Figure(
        "Gains and payments by country",
        lambda v, k: draw_gains_and_payments(v, **k.size),
        lambda v, k: gains_and_payments(v),
    ),
    "capacity": Figure(
        "Capacity built",
        lambda v, k: draw_capacity(v, k.country, **k.size),
        lambda v, k: capacity(v, k.country),
    ),
    "dispatch": Figure(
        "Dispatch of a country over a week",
        lambda v, k: draw_dispatch(v, _country(v, k), k.week, **k.size),
        lambda v, k: dispatch(v, _country(v, k)).rename_axis("snapshot").reset_index(),
    ),
    "duration": Figure(
        "Duration curve of an interconnector",
        lambda v, k: draw_duration(v, _line(v, k), **k.size),
        lambda v, k: duration(v, _line(v, k)),
    ),
    "disclosure": Figure(
        "Who heard how much from whom",
        lambda v, k: draw_disclosure(v, **k.size),
        lambda v, k: v.disclosure,
    ),
}


def table_of(view: RunView, name: str, look: Look) -> pd.DataFrame:
    """Numbers of a figure, or a recorded table; ``messages`` of the step looked at, in words.

    Raises
    ------
    KeyError
        If there is no such figure or table.
    """
    if name in FIGURES:
        return FIGURES[name].table(view, look)
    if name == "messages":
        return said(view, step_of(view, look), look.moment.round)
    if name not in TABLES:
        raise KeyError(name)
    return view.records.table(name)


def table_file(table: pd.DataFrame, kind: str) -> bytes:
    """A table as a file, ``csv`` or ``parquet``; read CSV back with ``keep_default_na=False``."""
    if kind == "csv":
        return table.to_csv(index=False).encode()
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()
