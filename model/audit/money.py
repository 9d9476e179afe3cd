"""Money: what trades, wheeling and transfers make everyone pay, and that nobody loses."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np

from model.audit.flows import Contract, contracts
from model.audit.notes import Notes
from model.audit.recorded import Recorded

PAID_EUR = 1e-3
# What the run's own rule allows: solvers are exact to a share of a country's cost.
COST_SHARE = 1e-8
COST_EUR = 1e-3
# Account through which transfers pass; what it pays itself is a settlement's deficit.
OPERATOR = "operator"
RECONCILIATION, SETTLEMENT = "reconciliation", "settlement"


def check_money(run: Recorded, notes: Notes) -> None:
    """Payments follow from the trades and transfers, sum to zero and leave nobody worse off."""
    agreed, carried_out = _payments(run, notes)
    transfers = run.table("transfers")
    for _, row in transfers.iterrows():
        where = f"transfers, {row['payer']} to {row['payee']}"
        if row["reason"] not in (RECONCILIATION, SETTLEMENT):
            notes.wrong("reasons of transfers", where, f"'{row['reason']}'")
        parties = [p for p in (row["payer"], row["payee"]) if p != OPERATOR]
        if len(parties) != 1 or parties[0] not in run.countries or not row["eur"] > 0:
            notes.wrong("parties of transfers", where, f"{row['eur']:.6g} EUR")
    reconciling = _net(run, RECONCILIATION)
    settling = _net(run, SETTLEMENT)
    notes.near(
        "transfers that balance", "transfers, reconciliation", sum(reconciling.values()), 0.0,
        PAID_EUR, "EUR",
    )  # fmt: skip
    summary = run.summary
    for country in run.countries:
        due = carried_out[country] + reconciling[country] + settling[country]
        told = summary["countries"][country]["payment_eur"]
        where = f"countries.{country}.payment_eur"
        notes.near("payments from trades and transfers", where, told, due, PAID_EUR, "EUR")
    operator_eur = summary.get("operator_payment_eur") or 0.0
    paid = sum(c["payment_eur"] for c in summary["countries"].values())
    notes.near("payments sum to zero", "summary", paid + operator_eur, 0.0, PAID_EUR, "EUR")
    notes.near(
        "the operator's account", "transfers, settlement", -sum(settling.values()), operator_eur,
        PAID_EUR, "EUR",
    )  # fmt: skip
    budget = summary["residuals"]["budget_eur"]
    notes.near("sums of the summary", "residuals.budget_eur", budget, paid + operator_eur,
               PAID_EUR, "EUR")  # fmt: skip
    _check_prices(run, notes)
    _check_no_loss(run, notes, carried_out, reconciling)
    _check_step_payments(run, notes, agreed, carried_out, reconciling)
    _check_awards(run, notes)


def _payments(run: Recorded, notes: Notes) -> tuple[dict[int, dict[str, float]], dict[str, float]]:
    """What everyone pays for the trades of each step as agreed, and in all as carried out."""
    hours = run.shape @ run.hours
    agreed: dict[int, dict[str, float]] = {}
    total = dict.fromkeys(run.countries, 0.0)
    for contract in contracts(run):
        energy = float(contract.mw @ hours)
        importer = contract.path[-1]
        due = dict.fromkeys(contract.path, 0.0)
        due[contract.path[0]] -= contract.price_eur_per_mwh * energy
        due[importer] += contract.price_eur_per_mwh * energy
        for sender, transit in zip(contract.path, contract.path[1:-1], strict=False):
            line = run.lines.get("-".join(sorted((sender, transit))))
            charge = 0.0 if line is None else line.wheeling_eur_per_mwh * energy
            due[transit] -= charge
            due[importer] += charge
        share = run.shares.get(contract.slice, 0.0 if run.independent else 1.0)
        of_step = agreed.setdefault(contract.step, dict.fromkeys(run.countries, 0.0))
        for country, eur in due.items():
            if country not in total:
                where = f"trades, step {contract.step}, trade {contract.number}"
                notes.wrong("parties of trades", where, f"'{country}' is no country")
                continue
            of_step[country] += eur
            total[country] += share * eur
    return agreed, total


def _net(run: Recorded, reason: str) -> dict[str, float]:
    """What each country pays by transfers of a reason."""
    net = dict.fromkeys(run.countries, 0.0)
    rows = run.table("transfers")
    for _, row in rows[rows["reason"] == reason].iterrows() if len(rows) else ():
        for party, eur in ((row["payer"], row["eur"]), (row["payee"], -row["eur"])):
            if party in net:
                net[party] += eur
    return net


def _check_prices(run: Recorded, notes: Notes) -> None:
    """Mean price of what an interconnector was used for."""
    trades = run.table("trades")
    if len(trades):
        share = trades["slice"].map(run.shares).fillna(0.0) if run.independent else 1.0
        mwh, price = trades["energy_mwh"] * share, trades["price_eur_per_mwh"]
        paths = [set(map("-".join, _hops(str(p)))) for p in trades["path"]]
    for name, told in run.summary["interconnectors"].items():
        uses = np.array([name in path for path in paths]) if len(trades) else np.zeros(0, bool)
        energy = float(mwh[uses].sum()) if uses.any() else 0.0
        where = f"interconnectors.{name}.mean_price_eur_per_mwh"
        mean = told["mean_price_eur_per_mwh"]
        if energy == 0 or mean is None:
            notes.same("mean prices", where, mean is None, energy == 0)
            continue
        found = float((mwh * price)[uses].sum()) / energy
        notes.near("mean prices", where, mean, found, 1e-9 * max(1.0, abs(found)), "EUR/MWh")


def _hops(path: str) -> list[list[str]]:
    names = path.split(">")
    return [sorted(pair) for pair in pairwise(names)]


def _check_no_loss(
    run: Recorded, notes: Notes, traded: dict[str, float], reconciling: dict[str, float]
) -> None:
    """Where it is promised: against autarky at the payments agreed on, after every step too."""
    if not run.summary.get("promises_no_loss"):
        return
    honest = [c for c in run.countries if c not in run.summary["strategies"]]
    for country in honest:
        told = run.summary["countries"][country]
        paid = traded[country] + reconciling[country]
        loss = told["negotiated_cost_eur"] + paid - told["autarky_cost_eur"]
        limit = COST_SHARE * abs(told["autarky_cost_eur"]) + COST_EUR
        steps = max(1, int(run.summary["steps"]))  # each may be off by the solver's accuracy
        notes.at_most("no loss against autarky", country, max(loss, 0.0), steps * limit, "EUR")
    costs = run.table("step_costs")
    of_step = {int(step): rows.set_index("country") for step, rows in costs.groupby("step")}
    for sequence in _runs_of_steps(run):
        before = None
        for step in sequence:
            now = of_step.get(step)
            if now is None:
                notes.wrong("no loss in a step", f"step_costs, step {step}", "not recorded")
                continue
            for country in honest:
                if country not in now.index:
                    continue
                start = now.loc[country, "autarky_cost_eur"]
                if before is not None:
                    start = before.loc[country, "cost_eur"] + before.loc[country, "payment_eur"]
                end = now.loc[country, "cost_eur"] + now.loc[country, "payment_eur"]
                limit = COST_SHARE * abs(now.loc[country, "autarky_cost_eur"]) + COST_EUR
                where = f"step_costs, step {step}, {country}"
                notes.at_most("no loss in a step", where, max(end - start, 0.0), limit, "EUR")
            before = now


def _runs_of_steps(run: Recorded) -> list[list[int]]:
    """Steps that follow on each other: all, or those of each slice and the reconciliation."""
    steps = run.table("steps")
    found: dict[str, list[int]] = {}
    for step, of_slice in zip(steps["step"], steps["slice"], strict=True):
        found.setdefault(str(of_slice), []).append(int(step))
    return list(found.values())


def _check_step_payments(
    run: Recorded,
    notes: Notes,
    agreed: dict[int, dict[str, float]],
    carried_out: dict[str, float],
    reconciling: dict[str, float],
) -> None:
    """Payments after every step are those of the trades so far."""
    costs = run.table("step_costs")
    paid_in = {
        int(s): rows.set_index("country")["payment_eur"] for s, rows in costs.groupby("step")
    }
    steps = run.table("steps")
    alone = {int(s) for s, of in zip(steps["step"], steps["slice"], strict=True) if of is None}
    for sequence in _runs_of_steps(run):
        due = dict.fromkeys(run.countries, 0.0)
        for step in sequence:
            for country, eur in agreed.get(step, {}).items():
                due[country] += eur
            if run.independent and step in alone:
                due = {c: carried_out[c] + reconciling[c] for c in run.countries}
            for country, told in paid_in.get(step, {}).items():
                where = f"step_costs, step {step}, {country}"
                notes.near("payments after every step", where, told, due[str(country)],
                           PAID_EUR, "EUR")  # fmt: skip


def _check_awards(run: Recorded, notes: Notes) -> None:
    """Every trade was awarded in a message, at the price and amounts that are recorded."""
    messages = run.table("messages")
    what = "trades as they were awarded"
    awarded: dict[tuple[int, str], list[dict[str, object]]] = {}
    if len(messages):
        rows = messages[messages["kind"] == "Award"]
        for step, body in zip(rows["step"], rows["body"], strict=True):
            trade = json.loads(body)["trade"]
            awarded.setdefault((int(step), ">".join(trade["path"])), []).append(trade)
    for contract in contracts(run):
        path = ">".join(contract.path)
        where = f"trades, step {contract.step}, trade {contract.number}, {path}"
        told = [
            trade
            for trade in awarded.get((contract.step, path), [])
            if trade["price_eur_per_mwh"] == contract.price_eur_per_mwh
            and trade["round"] == contract.round
            and np.array_equal(np.asarray(trade["mw"], dtype=float), _in_order(run, contract))
        ]
        notes.same(what, where, bool(told), True)


def _in_order(run: Recorded, contract: Contract) -> np.ndarray:
    """Amounts as an award lists them: of all products of its market."""
    if not run.independent:
        return contract.mw
    own = [run.slice_of[name] == contract.slice for name in run.products]
    return contract.mw[own]
