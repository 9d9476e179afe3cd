"""Talk: who said what to whom, how much of it was private, and that steps add up."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pandas as pd

from model.audit.notes import Notes
from model.audit.recorded import Recorded

CLOCK, OPERATOR = "clock", "operator"
RUNNING = "running"


def check_talk(run: Recorded, notes: Notes) -> None:
    """Steps are complete, messages keep to channels, and counts are theirs."""
    steps, messages, trades = (run.table(name) for name in ("steps", "messages", "trades"))
    numbers = [int(step) for step in steps["step"]]
    notes.same("sequence of the steps", "steps", numbers, list(range(len(steps))))
    _check_statuses(steps, notes)
    for counted in ("local_solves", "valuation_solves"):
        solves = steps[counted].fillna(0).to_numpy(dtype=float)
        backwards = np.maximum(-np.diff(solves, prepend=0), 0)
        notes.at_most("solves never fall", "steps", backwards, 0.0, counted, numbers)
    grouped = dict(list(messages.groupby("step"))) if len(messages) else {}
    traded = trades.groupby("step")["trade"].nunique() if len(trades) else {}
    for _, row in steps.iterrows():
        step = int(row["step"])
        said = grouped.get(step, messages.iloc[:0])
        where = f"steps, step {step}"
        told = {
            "messages": int(said["hops"].sum()) if len(said) else 0,
            "numbers_disclosed": int(said["numbers_disclosed"].sum()) if len(said) else 0,
            "rounds": int(said["round"].max()) + 1 if len(said) else 0,
            "trades": int(traded.get(step, 0)),
        }
        for key, found in told.items():
            notes.same(f"{key} of every step", where, int(row[key]), found)
        order = said["order"].tolist() if len(said) else []
        notes.same("order of messages", f"messages, step {step}", order, list(range(len(order))))
    extra = sorted(set(grouped) - set(numbers))
    notes.same("messages of steps that are done", "messages", extra, [])
    _check_totals(run, notes, steps)
    _check_channels(run, notes, messages)


def _check_statuses(steps: pd.DataFrame, notes: Notes) -> None:
    """A step that is not the last of the run, or of its slice, was still running."""
    keys = [str(s) for s in steps["slice"]]
    for k, (status, key) in enumerate(zip(steps["status"], keys, strict=True)):
        last = k + 1 == len(keys) or keys[k + 1] != key
        if not last:
            notes.same("status of every step", f"steps, row {k}", status, RUNNING)
    blocks = [key for k, key in enumerate(keys) if k == 0 or keys[k - 1] != key]
    notes.same("slices follow one another", "steps", len(blocks), len(set(blocks)))


def _check_totals(run: Recorded, notes: Notes, steps: pd.DataFrame) -> None:
    totals = {
        "steps": len(steps),
        "rounds": int(steps["rounds"].sum()),
        "messages": int(steps["messages"].sum()),
        "numbers_disclosed": int(steps["numbers_disclosed"].sum()),
        "local_solves": int(steps["local_solves"].max()) if len(steps) else 0,
        "dependent_solves": int(steps["dependent_solves"].sum()),
        "trades": _trades(run, steps),
    }
    for key, found in totals.items():
        notes.same("counts of the summary", f"summary, {key}", run.summary[key], found)
    valued = (run.summary.get("valuation") or {}).get("solves")
    if valued is not None:
        found = int(steps["valuation_solves"].fillna(0).max()) if len(steps) else 0
        notes.same("counts of the summary", "summary, valuation.solves", valued, found)
    shares = run.shares if run.independent else None
    notes.same("shares carried out", "carried_out_share", run.summary["carried_out_share"], shares)
    for name, share in run.shares.items():
        if not 0 <= share <= 1:
            notes.wrong("shares carried out", f"shares, {name}", f"{share:.6g}")


def _trades(run: Recorded, steps: pd.DataFrame) -> int:
    if not run.independent:
        return int(steps["trades"].sum())
    kept = [name for name, share in run.shares.items() if share > 0]
    return int(steps["trades"][steps["slice"].isin(kept)].sum())


def _check_channels(run: Recorded, notes: Notes, messages: pd.DataFrame) -> None:
    """Messages go between neighbours, over transit countries, or to and from the operator."""
    neighbours = {tuple(sorted((line.a, line.b))) for line in run.lines.values()}
    parties = {*run.countries, OPERATOR}
    columns = ("step", "order", "sender", "receiver", "via", "hops", "numbers_disclosed", "body")
    for step, order, sender, receiver, via, hops, numbers, body in zip(
        *(messages[c] for c in columns) if len(messages) else [()] * len(columns), strict=True
    ):
        where = f"messages, step {step}, order {order}"
        passed = [name for name in via.split(">") if name]
        way = [sender, *passed, receiver]
        travelled = 0 if sender == CLOCK else len(way) - 1
        notes.same("interconnectors travelled", where, hops, travelled)
        if sender == CLOCK:
            good = receiver in run.countries and not passed and numbers == 0
        elif OPERATOR in (sender, receiver):
            good = {sender, receiver} <= parties and not passed
        else:
            good = all(tuple(sorted(pair)) in neighbours for pair in pairwise(way))
        notes.same("channels", f"{where}, {'>'.join(way)}", good, True)
        # A body cannot give away more numbers than it holds.
        spare = max(int(numbers) - _count(json.loads(body)), 0)
        notes.at_most("private numbers stand in their message", where, spare, 0.0, "numbers")


def _count(body: object) -> int:
    """Numbers in a JSON value."""
    if isinstance(body, dict):
        return sum(_count(value) for value in body.values())
    if isinstance(body, list):
        return sum(_count(value) for value in body)
    return int(isinstance(body, int | float))
