"""Physics: what the trades make flow, step by step, within limits, with nothing from nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from model.audit.notes import Notes
from model.audit.recorded import Line, Recorded

# Flows are numbers of the ledger; the planner's are a solver's.
FLOW_MW = 1e-6
PLANNER_MW = 1e-3
TWH = 1e-9  # of a sum, a share of the energy


@dataclass(frozen=True)
class Contract:
    """One trade as recorded.

    Attributes
    ----------
    mw : ndarray, shape (products,)
    slice : str
    """

    step: int
    number: int
    round: int
    path: tuple[str, ...]
    mw: np.ndarray
    price_eur_per_mwh: float
    slice: str


def contracts(run: Recorded) -> Iterator[Contract]:
    """Trades in the order they were agreed in."""
    trades = run.table("trades")
    if trades.empty:
        return
    place = {name: k for k, name in enumerate(run.products)}
    for (step, number), rows in trades.groupby(["step", "trade"], sort=True):
        mw = np.zeros(len(place))
        np.add.at(mw, rows["product"].map(place).to_numpy(), rows["mw"].to_numpy())
        first = rows.iloc[0]
        path = tuple(str(first["path"]).split(">"))
        price = float(first["price_eur_per_mwh"])
        of_slice, round_ = str(first["slice"]), int(first["round"])
        yield Contract(int(step), int(number), round_, path, mw, price, of_slice)


class Grid:
    """Net flows of all interconnectors, positive from the alphabetically first country.

    Parameters
    ----------
    run : Recorded
    """

    def __init__(self, run: Recorded) -> None:
        self.lines = run.lines
        self.flow_mw = {name: np.zeros(len(run.snapshots)) for name in run.lines}

    def send(self, path: tuple[str, ...], mw: np.ndarray) -> None:
        """Add a delivery: MW per snapshot sent by the first country to the last.

        Losses are of the net flow: what is sent against it saves losses.
        """
        for sender, receiver in pairwise(path):
            line = self.lines["-".join(sorted((sender, receiver)))]
            sign = 1.0 if sender == line.a else -1.0
            before = sign * self.flow_mw[line.name]
            leaves = _leaving(before, line.loss) + mw
            after = np.where(leaves >= 0, leaves, leaves / (1 - line.loss))
            self.flow_mw[line.name] = sign * after
            mw = _arriving(after, line.loss) - _arriving(before, line.loss)


def net_import_mw(run: Recorded, flows_mw: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What all flows bring each country, MW per snapshot."""
    total = {c: np.zeros(len(run.snapshots)) for c in run.countries}
    for name, flow in flows_mw.items():
        line = run.lines[name]
        total[line.a] = total[line.a] - _leaving(flow, line.loss)
        total[line.b] = total[line.b] + _arriving(flow, line.loss)
    return total


def check_flows(run: Recorded, notes: Notes) -> None:
    """Flows follow from trades, keep limits and balance; sums of energy are theirs."""
    flows = run.by_line("negotiated")
    notes.same("interconnectors recorded", "flows, negotiated", sorted(flows), sorted(run.lines))
    _check_products(run, notes)
    _check_replay(run, notes, flows)
    for case, tolerance in (("negotiated", FLOW_MW), ("planner", PLANNER_MW)):
        recorded = run.by_line(case)
        if recorded:
            _check_limits(run, notes, case, recorded, tolerance)
            _check_exchange(run, notes, case, recorded, tolerance)
    for country, mw in run.by_country("autarky", "exchange_mw").items():
        what = "autarky exchanges nothing"
        notes.at_most(what, f"prices, autarky, {country}", np.abs(mw), 0.0, "MW", run.snapshots)
    for line in run.lines.values():
        if line.name in flows:
            _check_line(run, notes, line, flows[line.name])
    _check_countries(run, notes)


def _check_products(run: Recorded, notes: Notes) -> None:
    rows = run.table("products")
    hours = dict(zip(run.snapshots, run.hours, strict=True))
    for name in ("products", "flows", "prices"):
        table = run.table(name)
        due, told = table["snapshot"].map(hours), table["weight_h"]
        what, at = "weights of the snapshots", table["snapshot"]
        notes.near(what, name, told, due, 1e-9, "h", at)
    trades = run.table("trades")
    if trades.empty:
        return
    mwh = (rows["weight_h"] * rows["mw_per_mw"]).groupby(rows["product"]).sum()
    energy = trades["mw"] * trades["product"].map(mwh)
    where = "trades, step " + trades["step"].astype(str) + ", trade " + trades["trade"].astype(str)
    scale = max(1.0, float(trades["energy_mwh"].abs().max()))
    notes.near(
        "energy of the trades", "", trades["energy_mwh"], energy, 1e-12 * scale, "MWh", where
    )
    named = trades["product"].map(run.slice_of)
    odd = trades[trades["slice"] != named]
    notes.same("slices of the trades", "trades", len(odd), 0)
    ends = trades["path"].str.split(">").map(lambda path: (path[0], path[-1]))
    parties = list(zip(trades["exporter"], trades["importer"], strict=True))
    notes.same("exporters and importers", "trades", ends.tolist(), parties)


def _check_replay(run: Recorded, notes: Notes, flows: dict[str, np.ndarray]) -> None:
    """Book trade after trade; look at what flows after every step and in the end."""
    agreed, carried_out = Grid(run), Grid(run)
    of_step: dict[int, list[Contract]] = {}
    for contract in contracts(run):
        of_step.setdefault(contract.step, []).append(contract)
        if not contract.mw.min(initial=0.0) >= 0:
            where = f"trades, step {contract.step}, trade {contract.number}"
            notes.wrong("amounts above zero", where, f"{contract.mw.min():.6g} MW")
    recorded = run.table("step_flows")
    steps = run.table("steps")
    rows_of = dict(list(recorded.groupby("step"))) if len(recorded) else {}
    for step, of_slice in zip(steps["step"], steps["slice"], strict=True):
        for contract in of_step.get(int(step), []):
            mw = contract.mw @ run.shape
            share = run.shares.get(contract.slice, 1.0 if not run.independent else 0.0)
            agreed.send(contract.path, mw)
            carried_out.send(contract.path, share * mw)
        # The last step of slices that were reconciled is about the year: what is carried out.
        reconciled = run.independent and of_slice is None
        after = carried_out if reconciled else agreed
        _check_step_flows(run, notes, int(step), rows_of.get(step), after.flow_mw, of_slice)
    for name, flow in flows.items():
        if name in carried_out.flow_mw:
            notes.near(
                "flows from trades and shares",
                f"flows, negotiated, {name}",
                flow,
                carried_out.flow_mw[name],
                FLOW_MW,
                "MW",
                run.snapshots,
            )


def _check_step_flows(
    run: Recorded,
    notes: Notes,
    step: int,
    rows: pd.DataFrame | None,
    flow_mw: dict[str, np.ndarray],
    of_slice: str | None,
) -> None:
    what = "flows after every step"
    if rows is None:
        if flow_mw:
            notes.wrong(what, f"step_flows, step {step}", "not recorded")
        return
    part = set(run.snapshots)
    if of_slice is not None:
        products = run.table("products")
        part = set(products["snapshot"][products["slice"] == of_slice])
    within = np.array([t in part for t in run.snapshots])
    if not within.any():
        notes.wrong(what, f"steps, step {step}", f"no product is of slice '{of_slice}'")
    found = {name: of_one for name, of_one in rows.groupby("interconnector")}
    for name, flow in flow_mw.items():
        where = f"step_flows, step {step}, {name}"
        if name not in found:
            notes.wrong(what, where, "not recorded")
            continue
        told = found[name].set_index("snapshot")["flow_mw"].reindex(run.snapshots[within])
        notes.near(what, where, told, flow[within], FLOW_MW, "MW", run.snapshots[within])


def _check_limits(
    run: Recorded, notes: Notes, case: str, flows: dict[str, np.ndarray], tolerance: float
) -> None:
    for name, flow in flows.items():
        line = run.lines.get(name)
        if line is None:
            continue
        for sender, sent in ((line.a, flow), (line.b, -flow)):
            excess = np.maximum(sent - line.limit_mw[sender], 0.0)
            where = f"flows, {case}, {name} from {sender}"
            notes.at_most(f"capacity, {case}", where, excess, tolerance, "MW", run.snapshots)


def _check_exchange(
    run: Recorded, notes: Notes, case: str, flows: dict[str, np.ndarray], tolerance: float
) -> None:
    known = {name: flow for name, flow in flows.items() if name in run.lines}
    found = net_import_mw(run, known)
    told = run.by_country(case, "exchange_mw")
    notes.same(f"countries recorded, {case}", "prices", sorted(told), sorted(run.countries))
    for country, mw in told.items():
        where = f"prices, {case}, {country}"
        notes.near(
            f"energy balance of countries, {case}",
            where,
            mw,
            found.get(country, np.nan * mw),
            tolerance,
            "MW",
            run.snapshots,
        )
    lost = sum(run.lines[name].loss * np.abs(flow) for name, flow in known.items())
    total = sum(told.values()) + lost
    if case == "negotiated":
        balance = run.summary["residuals"]["balance_mw"]
        found_mw = float(np.abs(total).max(initial=0.0))
        notes.near(
            "sums of the summary", "residuals.balance_mw", balance, found_mw, tolerance, "MW"
        )
    notes.at_most(
        f"energy balance of the pool, {case}",
        "prices and flows",
        np.abs(total),
        tolerance * max(1, len(told)),
        "MW",
        run.snapshots,
    )


def _check_line(run: Recorded, notes: Notes, line: Line, flow: np.ndarray) -> None:
    told = run.summary["interconnectors"].get(line.name)
    if told is None:
        notes.wrong("sums of the summary", f"summary, {line.name}", "not there")
        return
    out, back = np.maximum(flow, 0.0), np.maximum(-flow, 0.0)
    full = (out > 0) & (out >= line.limit_mw[line.a] - 1e-3)
    full |= (back > 0) & (back >= line.limit_mw[line.b] - 1e-3)
    found = {
        "a_to_b_twh": run.hours @ out / 1e6,
        "b_to_a_twh": run.hours @ back / 1e6,
        "a_to_b_mw": line.limit_mw[line.a].max(),
        "b_to_a_mw": line.limit_mw[line.b].max(),
        "hours_at_limit": run.hours @ full,
        "losses_twh": line.loss * (run.hours @ (out + back)) / 1e6,
    }
    for key, value in found.items():
        unit = {"twh": "TWh", "_mw": "MW"}.get(key[-3:], "h")
        limit = TWH * max(1.0, abs(float(value)))
        notes.near(
            "sums of the summary",
            f"interconnectors.{line.name}.{key}",
            told[key],
            value,
            limit,
            unit,
        )


def _check_countries(run: Recorded, notes: Notes) -> None:
    for country, mw in run.by_country("negotiated", "exchange_mw").items():
        twh = run.hours @ mw / 1e6
        notes.near(
            "sums of the summary",
            f"countries.{country}.net_import_twh",
            run.summary["countries"][country]["net_import_twh"],
            twh,
            TWH * max(1.0, abs(float(twh))),
            "TWh",
        )


def _leaving(flow: np.ndarray, loss: float) -> np.ndarray:
    """What a flow takes out of its first country; if it comes the other way, what arrives."""
    return np.where(flow >= 0, flow, (1 - loss) * flow)


def _arriving(flow: np.ndarray, loss: float) -> np.ndarray:
    """What a flow brings to its second country."""
    return np.where(flow >= 0, (1 - loss) * flow, flow)
