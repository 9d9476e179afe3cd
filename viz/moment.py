"""Where a run stood at one moment: flows on the interconnectors and prices of the countries."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import pandas as pd

from model.graph import flow_sending, path_edges, received_mw, sent_mw
from viz.run_view import KEPT_VIEWS, Line, RunView

# A limit counts as reached, and a line as idle, within these shares of the limit.
AT_LIMIT_SHARE = 0.999
IDLE_SHARE = 1e-3


@dataclass(frozen=True)
class Moment:
    """What to look at.

    Attributes
    ----------
    step : int or None
        Step of the negotiation; None for the recorded outcome of a finished run.
    round : int or None
        Rounds of the step up to this one; None takes all.
    product : str or None
        Product of the negotiation; None is the mean over the year.
    case : str
        Outcome, ``negotiated`` or ``planner``; counts without a step.
    snapshot : Timestamp or None
        Hour of the outcome; None is the mean over the year.
    """

    step: int | None = None
    round: int | None = None
    product: str | None = None
    case: str = "negotiated"
    snapshot: pd.Timestamp | None = None


@dataclass(frozen=True)
class Flow:
    """Net flow over one interconnector, MW at the sending end, positive from ``line.a``."""

    line: Line
    mw: float
    limit_share: float

    @property
    def sender(self) -> str:
        """Country the flow comes from."""
        return self.line.a if self.mw >= 0 else self.line.b

    @property
    def receiver(self) -> str:
        """Country the flow goes to."""
        return self.line.b if self.mw >= 0 else self.line.a

    @property
    def limit_mw(self) -> float:
        """Limit in the flow's direction."""
        return self.line.a_to_b_mw if self.mw >= 0 else self.line.b_to_a_mw

    @property
    def at_limit(self) -> bool:
        """Whether the line is full, for a mean over the year a quarter of the time or more."""
        return self.limit_share >= 0.25

    @property
    def idle(self) -> bool:
        """Whether next to nothing flows."""
        largest = max(self.line.a_to_b_mw, self.line.b_to_a_mw)
        return abs(self.mw) <= IDLE_SHARE * largest


@dataclass(frozen=True)
class State:
    """Flows and prices at one moment.

    Attributes
    ----------
    label : str
        The moment in words.
    flows : list of Flow
    prices_eur_per_mwh, net_import_mw : dict of str to float
        By country; a country whose price is not known is left out.
    """

    label: str
    flows: list[Flow]
    prices_eur_per_mwh: dict[str, float]
    net_import_mw: dict[str, float]


def state_at(view: RunView, moment: Moment) -> State:
    """State of a run at a moment."""
    if moment.step is None and view.cases:
        return _outcome(view, moment)
    return _negotiation(view, moment)


@lru_cache(maxsize=KEPT_VIEWS)
def product_hours(view: RunView) -> dict[str, float]:
    """Hours of the year that each product delivers in; only products that were traded."""
    trades = view.trades[view.trades["mw"] > 0]
    hours = trades["energy_mwh"] / trades["mw"]
    return {str(p): float(h) for p, h in hours.groupby(trades["product"]).max().items()}


def step_price(view: RunView, step: int, product: str | None) -> dict[str, float]:
    """Marginal value of each country in a step, weighted by hours where no product is named."""
    rows = view.valuations[view.valuations["step"] == step]
    if product is not None:
        rows = rows[rows["product"] == product]
    return _means(rows, view)


@lru_cache(maxsize=8 * KEPT_VIEWS)
def price_by_step(view: RunView, product: str | None) -> pd.DataFrame:
    """Marginal values: a row per step, a column per country."""
    return _by_step(view, product, view.valuations["marginal_value_eur_per_mwh"])


@lru_cache(maxsize=8 * KEPT_VIEWS)
def interval_by_step(view: RunView, product: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """How far ``mc_import`` lies below the marginal value and ``mc_export`` above it.

    As :func:`price_by_step`; NaN where it was not tried, and of the mean over the year where some
    product was not, because a few of them are no mean of all.
    """
    rows = view.valuations
    value = rows["marginal_value_eur_per_mwh"]
    below = value - rows["mc_import_eur_per_mwh"]
    above = rows["mc_export_eur_per_mwh"] - value
    if product is None:
        whole = below.notna().groupby([rows["step"], rows["country"]]).transform("all")
        below, above = below.where(whole), above.where(whole)
    return _by_step(view, product, below), _by_step(view, product, above)


def _by_step(view: RunView, product: str | None, values: pd.Series) -> pd.DataFrame:
    """Mean weighted by hours over the products that have a value."""
    rows = view.valuations
    if product is not None:
        rows = rows[rows["product"] == product]
    weights = rows["product"].map(weights_h(view)).astype(float)
    value = values.loc[rows.index]
    weighted = rows[["step", "country"]].assign(
        value=value * weights, weight=weights.where(value.notna(), 0.0)
    )
    sums = weighted.pivot_table(index="step", columns="country", aggfunc="sum")
    if sums.empty:
        return pd.DataFrame()
    table = pd.DataFrame(sums["value"] / sums["weight"])
    return table.reindex(columns=[c for c in view.codes if c in table.columns])


def _means(rows: pd.DataFrame, view: RunView) -> dict[str, float]:
    weights = rows["product"].map(weights_h(view)).astype(float)
    value = rows["marginal_value_eur_per_mwh"] * weights
    sums = value.groupby(rows["country"]).sum() / weights.groupby(rows["country"]).sum()
    return {str(c): float(v) for c, v in sums.items()}


@lru_cache(maxsize=KEPT_VIEWS)
def weights_h(view: RunView) -> dict[str, float]:
    """Hours of each product; the mean of the known ones for products that nobody traded."""
    hours = product_hours(view)
    usual = float(np.mean(list(hours.values()))) if hours else 1.0
    return {product: hours.get(product, usual) for product in view.products}


class Replay:
    """Flows of a negotiation after every step, by the rules of the ledger.

    Flows are netted trade by trade, losses included, product by product.

    Parameters
    ----------
    view : RunView
    """

    def __init__(self, view: RunView) -> None:
        self._lines = {frozenset((line.a, line.b)): line for line in view.lines}
        self._place = {product: i for i, product in enumerate(view.products)}
        self._trades = dict(list(view.trades.groupby("step")))
        start = {line.name: np.zeros(len(view.products)) for line in view.lines}
        self._after = {-1: start}
        for step in sorted(int(s) for s in view.steps["step"]):
            self._after[step] = self._booked(self._after[max(self._after)], step, None)
        if len(view.shares):
            # After the last step, of what the slices agreed on only a share is carried out.
            share = dict(view.shares.to_numpy().tolist())
            agreed, flows = self._trades, start
            self._trades = {
                step: rows.assign(mw=rows["mw"] * rows["slice"].map(share))
                for step, rows in agreed.items()
            }
            for step in sorted(self._after):
                flows = self._booked(flows, step, None)
            self._trades, self._after[max(self._after)] = agreed, flows

    def flows_mw(self, step: int, last_round: int | None = None) -> dict[str, np.ndarray]:
        """MW of each product on each interconnector, positive from the first country."""
        if last_round is None and step in self._after:
            return self._after[step]
        before = self._after[max(s for s in self._after if s < step)]
        return self._booked(before, step, last_round)

    def _booked(
        self, before: dict[str, np.ndarray], step: int, last_round: int | None
    ) -> dict[str, np.ndarray]:
        flows = dict(before)
        trades = self._trades.get(step)
        if trades is None:
            return flows
        if last_round is not None:
            trades = trades[trades["round"] <= last_round]
        for _, rows in trades.groupby("trade", sort=True):
            mw = np.zeros(len(self._place))
            mw[[self._place[p] for p in rows["product"]]] = rows["mw"]
            self._send(flows, tuple(rows["path"].iloc[0].split(">")), mw)
        return flows

    def _send(self, flows: dict[str, np.ndarray], path: tuple[str, ...], mw: np.ndarray) -> None:
        for sender, receiver in path_edges(path):
            line = self._lines[frozenset((sender, receiver))]
            sign = 1.0 if sender == line.a else -1.0
            before = sign * flows[line.name]
            after = flow_sending(sent_mw(before, line.loss) + mw, line.loss)
            flows[line.name] = sign * after
            mw = received_mw(after, line.loss) - received_mw(before, line.loss)


def _negotiation(view: RunView, moment: Moment) -> State:
    done = view.steps["step"].tolist()
    step = moment.step if moment.step is not None else (int(done[-1]) if done else -1)
    flows_mw = replay(view).flows_mw(step, moment.round)
    weights = weights_h(view)
    hours = np.array([weights[p] for p in view.products])
    flows, imports = [], dict.fromkeys(view.codes, 0.0)
    for line in view.lines:
        all_mw = flows_mw[line.name]
        if moment.product is not None:
            all_mw = all_mw[[view.products.index(moment.product)]]
        weight = hours if moment.product is None else np.ones(1)
        flows.append(_flow(line, all_mw, weight))
        _count_imports(imports, line, all_mw, weight)
    label = f"after step {step + 1}" if step >= 0 else "before the first step"
    if moment.round is not None:
        label = f"step {step + 1}, after round {moment.round + 1}"
    label += f", {moment.product}" if moment.product else ", mean over the year"
    return State(label, flows, step_price(view, step, moment.product), imports)


def _outcome(view: RunView, moment: Moment) -> State:
    case = moment.case if moment.case in view.cases else view.cases[0]
    flows, prices = _case(view, case)
    weights = flows["weight_h"].groupby(flows["interconnector"]).apply(np.asarray)
    series = flows["flow_mw"].groupby(flows["interconnector"]).apply(np.asarray)
    place = None if moment.snapshot is None else view.snapshots.tolist().index(moment.snapshot)
    found, imports = [], {}
    for line in view.lines:
        mw, weight = series[line.name], weights[line.name]
        if place is not None:
            mw, weight = mw[[place]], weight[[place]]
        found.append(_flow(line, mw, weight))
    by_country = {}
    for code, rows in prices.groupby("country"):
        chosen = rows if place is None else rows.iloc[[place]]
        weight = chosen["weight_h"].to_numpy()
        by_country[str(code)] = float(np.average(chosen["price_eur_per_mwh"], weights=weight))
        imports[str(code)] = float(np.average(chosen["exchange_mw"], weights=weight))
    when = "mean over the year" if moment.snapshot is None else f"{moment.snapshot:%d %b %H:%M}"
    return State(f"{case} outcome, {when}", found, by_country, imports)


def _case(view: RunView, case: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    return view.flows[view.flows["case"] == case], view.prices[view.prices["case"] == case]


def _flow(line: Line, mw: np.ndarray, weight: np.ndarray) -> Flow:
    net = float(np.average(mw, weights=weight)) if len(mw) else 0.0
    full = (mw >= AT_LIMIT_SHARE * line.a_to_b_mw) & (mw > 0)
    full |= (-mw >= AT_LIMIT_SHARE * line.b_to_a_mw) & (mw < 0)
    share = float(np.average(full, weights=weight)) if len(mw) else 0.0
    return Flow(line, net, share)


def _count_imports(
    imports: dict[str, float], line: Line, mw: np.ndarray, weight: np.ndarray
) -> None:
    if len(mw):
        imports[line.a] -= float(np.average(sent_mw(mw, line.loss), weights=weight))
        imports[line.b] += float(np.average(received_mw(mw, line.loss), weights=weight))


@lru_cache(maxsize=KEPT_VIEWS)
def replay(view: RunView) -> Replay:
    """Replay of a run, made once per view."""
    return Replay(view)


def price_range(view: RunView, moment: Moment) -> tuple[float, float]:
    """Bounds of the price scale at a moment, EUR/MWh, the same for all moments like it.

    Hours differ far more than means over the year do, and products lie in between: means, products
    and hours have a scale each, the middle 96 % of all there are. Scarcity prices of a few
    countries in the first step would hide all that follows.
    """
    if moment.step is None and moment.snapshot is not None and view.cases:
        return _price_range(view, "hours")
    return _price_range(view, "means" if moment.product is None else "products")


@lru_cache(maxsize=3 * KEPT_VIEWS)
def _price_range(view: RunView, kind: Literal["means", "products", "hours"]) -> tuple[float, float]:
    if kind == "hours":
        values = view.prices["price_eur_per_mwh"][view.prices["case"].isin(view.cases)].to_numpy()
    elif kind == "products":
        values = view.valuations["marginal_value_eur_per_mwh"].to_numpy()
    else:
        outcomes = [_outcome(view, Moment(case=case)).prices_eur_per_mwh for case in view.cases]
        found = [np.array(list(prices.values())) for prices in outcomes]
        values = np.concatenate([price_by_step(view, None).to_numpy().ravel(), *found])
    values = values.astype(float)
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, [2, 98]).tolist() if len(values) else (0.0, 1.0)
    if high - low < 1e-6 * max(abs(high), 1.0):
        low, high = low - 0.5, high + 0.5
    return low, high


@lru_cache(maxsize=KEPT_VIEWS)
def flow_scale_mw(view: RunView) -> float:
    """Flow drawn at full width, MW: hardly any of the run's flows is larger."""
    flows = view.flows["flow_mw"].abs().to_numpy()
    if not len(flows):
        step = int(view.steps["step"].max()) if len(view.steps) else -1
        flows = np.abs(np.concatenate(list(replay(view).flows_mw(step).values()) or [np.zeros(1)]))
    largest = float(np.percentile(flows, 98)) if len(flows) else 0.0
    return largest or max((max(i.a_to_b_mw, i.b_to_a_mw) for i in view.lines), default=1.0)
