"""Costs: of countries, steps and pool, the yardsticks beside them, and the solved network."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pypsa

from model.audit.notes import Notes
from model.audit.recorded import Recorded

# Sums of the same numbers in another order, as a share of the largest of them.
ROUNDING = 1e-12
# Shares, prices and energies, as a share of themselves.
RATIO = 1e-9
# Two solves of one problem, as a share of its cost.
SOLVER = 1e-8
# The planner and the negotiation are solved in different ways, each to a share of its cost.
BOUND = 1e-7
DISPOSAL = "disposal"
SHEDDING = ("load", "Load", "load shedding", "load_shedding")


def check_costs(run: Recorded, notes: Notes) -> None:
    """Costs and gains add up, are in the order they must have, and are those of the network."""
    _check_sums(run, notes)
    _check_yardsticks(run, notes)
    _check_steps(run, notes)
    _check_mean_prices(run, notes)
    if run.network is not None:
        _check_network(run, notes, run.network)


def _check_sums(run: Recorded, notes: Notes) -> None:
    summary, parts = run.summary, run.summary["countries"]
    scale = max(1.0, *(abs(p["autarky_cost_eur"]) for p in parts.values()))
    for key in ("autarky_cost_eur", "negotiated_cost_eur"):
        found = sum(p[key] for p in parts.values())
        notes.near("sums of costs", f"summary, {key}", summary[key], found, ROUNDING * scale, "EUR")
    gain = summary["autarky_cost_eur"] - summary["negotiated_cost_eur"]
    limit = ROUNDING * scale
    notes.near("sums of costs", "summary, gain_eur", summary["gain_eur"], gain, limit, "EUR")
    for country, p in parts.items():
        gain = p["autarky_cost_eur"] - p["negotiated_cost_eur"] - p["payment_eur"]
        for where, told in (
            (f"countries.{country}.gain_eur", p["gain_eur"]),
            (f"gains_eur.{country}", summary["gains_eur"].get(country, np.nan)),
        ):
            notes.near("gains of countries", where, told, gain, limit, "EUR")
    worst = min(summary["gains_eur"].values())
    told = summary["residuals"]["worst_gain_eur"]
    notes.near("gains of countries", "residuals.worst_gain_eur", told, worst, limit, "EUR")


def _check_yardsticks(run: Recorded, notes: Notes) -> None:
    """Planner, bound and efficiency."""
    summary = run.summary
    alone, traded = summary["autarky_cost_eur"], summary["negotiated_cost_eur"]
    best, bound = summary["planner_cost_eur"], summary["lower_bound_eur"]
    limit = BOUND * max(1.0, abs(alone))
    if summary.get("promises_no_loss") and not summary["strategies"]:
        notes.at_most(
            "negotiated costs no more than autarky", "summary", max(traded - alone, 0.0), limit,
            "EUR",
        )  # fmt: skip
    for what, higher in (("negotiated", traded), ("planner", best)):
        if bound is not None and higher is not None:
            notes.at_most(
                f"lower bound is below the {what} cost", "summary", max(bound - higher, 0.0),
                limit, "EUR",
            )  # fmt: skip
    if best is None:
        for key in ("planner_gain_eur", "efficiency"):
            notes.same("no efficiency without planner", f"summary, {key}", summary[key], None)
        return
    notes.at_most(
        "planner costs no more than negotiated", "summary", max(best - traded, 0.0), limit, "EUR"
    )
    possible = alone - best
    told = summary["planner_gain_eur"]
    notes.near("planner's gain", "summary, planner_gain_eur", told, possible, limit, "EUR")
    if summary["efficiency"] is not None and possible > 0:
        share = (alone - traded) / possible
        told = summary["efficiency"]
        notes.near("efficiency from costs", "summary, efficiency", told, share, RATIO, "")


def _check_steps(run: Recorded, notes: Notes) -> None:
    """Cost and gain of every step are the countries'; the last step is the outcome."""
    costs, steps = run.table("step_costs"), run.table("steps")
    sums = costs.groupby("step")[["autarky_cost_eur", "cost_eur"]].sum()
    scale = max(1.0, float(costs[["autarky_cost_eur", "cost_eur"]].abs().to_numpy().max()))
    for _, row in steps.iterrows():
        step = int(row["step"])
        if step not in sums.index:
            notes.wrong("costs of every step", f"step_costs, step {step}", "not recorded")
            continue
        alone, cost = sums.loc[step]
        where, limit = f"steps, step {step}", ROUNDING * scale
        notes.near("costs of every step", where, row["cost_eur"], cost, limit, "EUR")
        notes.near("gains of every step", where, row["gain_eur"], alone - cost, limit, "EUR")
    if not len(steps) or steps["slice"].iloc[-1] is not None:
        return
    last = costs[costs["step"] == steps["step"].iloc[-1]].set_index("country")
    for country, told in run.summary["countries"].items():
        for key, column in (
            ("negotiated_cost_eur", "cost_eur"),
            ("autarky_cost_eur", "autarky_cost_eur"),
        ):
            found = last[column].get(country, np.nan)
            limit = SOLVER * max(1.0, abs(told[key]))
            where = f"countries.{country}.{key}"
            notes.near("last step is the outcome", where, told[key], found, limit, "EUR")


def _check_mean_prices(run: Recorded, notes: Notes) -> None:
    """Mean prices of countries, weighted by demand and hours."""
    if run.kind == "network":
        return  # demand stands at several buses and grids; the summary's weights are not recorded
    for case in ("autarky", "negotiated"):
        for country, price in run.by_country(case, "price_eur_per_mwh").items():
            weights = run.hours * _demand(run, country)
            weights = weights if weights.any() else run.hours
            told = run.summary["countries"][country][f"{case}_price_eur_per_mwh"]
            found = float(np.average(price, weights=weights))
            where = f"countries.{country}.{case}_price_eur_per_mwh"
            limit = RATIO * max(1.0, abs(found))
            notes.near("mean prices of countries", where, told, found, limit, "EUR/MWh")


def _demand(run: Recorded, country: str) -> np.ndarray:
    """Demand, MW per snapshot."""
    n = run.network
    if n is None:
        curve = next(c for c in run.scenario["curves"] if c["country"] == country)
        return np.ones(len(run.snapshots)) * np.asarray(curve["demand_mw"], dtype=float)
    loads = n.loads.index[n.loads.bus == country]
    return n.get_switchable_as_dense("Load", "p_set")[loads].sum(axis=1).to_numpy()


def _check_network(run: Recorded, notes: Notes, n: pypsa.Network) -> None:
    """The network's links carry the flows; its costs are those of the summary."""
    flows = run.by_line("negotiated")
    for name, flow in flows.items():
        a, b = name.split("-")
        net = np.zeros(len(run.snapshots))
        for way, sign in ((f"{a}>{b}", 1.0), (f"{b}>{a}", -1.0)):
            own = [link for link in n.links_t.p0.columns if str(link).split(" ")[0] == way]
            net = net + sign * n.links_t.p0[own].sum(axis=1).to_numpy()
        where = f"network.nc, {name}"
        notes.near("flows of the network", where, flow, net, 1e-6, "MW", run.snapshots)
    total = run.summary["negotiated_cost_eur"]
    limit = SOLVER * max(1.0, abs(total))
    notes.near("objective of the network", "network.nc", float(n.objective), total, limit, "EUR")
    if run.kind != "pypsa":
        return  # other people's networks cost by rules of their own, which only PyPSA knows
    reserves = bool(run.scenario["settings"]["policy"]["reserve_margins"])
    for country, told in run.summary["countries"].items():
        cost, recorded = annual_cost_eur(n, country), told["negotiated_cost_eur"]
        limit = SOLVER * max(1.0, abs(recorded))
        # A shortfall of reserves is priced in the problem and no component of the network.
        off = max(cost - recorded, 0.0) if reserves else abs(cost - recorded)
        notes.at_most("costs of the network", f"network.nc, {country}", off, limit, "EUR")
    _check_capacities(run, notes, n)


def annual_cost_eur(n: pypsa.Network, country: str) -> float:
    """Variable cost and annuities of what was built on a country's bus, EUR/a."""
    hours = n.snapshot_weightings.objective
    total = 0.0
    for component, output in (("Generator", "p"), ("StorageUnit", "p_dispatch")):
        static, dynamic = n.c[component].static, n.c[component].dynamic
        own = static.index[static.bus == country]
        mwh = dynamic[output].reindex(columns=own, fill_value=0.0).mul(hours, axis=0).sum()
        total += float((mwh * static.marginal_cost[own]).sum())
        grown = own[static.p_nom_extendable[own]]
        total += float((static.p_nom_opt * static.capital_cost)[grown].sum())
    return total


def _check_capacities(run: Recorded, notes: Notes, n: pypsa.Network) -> None:
    """Capacity, generation and emissions of the negotiated case are those of the network."""
    rows = run.table("capacities")
    rows = rows[rows["case"] == "negotiated"]
    keys = ["country", "carrier"]
    columns = ["p_nom_mw", "built_mw", "generation_twh", "co2_t"]
    told = rows.groupby(keys)[columns].sum()
    found = _capacities(n).groupby(keys)[columns].sum()
    lost = sorted(set(found.index) ^ set(told.index))
    notes.same("carriers recorded", "capacities", lost, [])
    both = told.index.intersection(found.index)
    for column in columns:
        a, b = (table.loc[both, column].to_numpy(dtype=float) for table in (told, found))
        limit = RATIO * max(1.0, float(np.abs(b).max(initial=0.0)))
        unit = {"generation_twh": "TWh", "co2_t": "t"}.get(column, "MW")
        where = [f"{country}, {carrier}" for country, carrier in both]
        notes.near(f"{column} of the network", "capacities", a, b, limit, unit, where)


def _capacities(n: pypsa.Network) -> pd.DataFrame:
    hours = n.snapshot_weightings.generators
    parts = []
    for component in ("Generator", "StorageUnit"):
        static = n.c[component].static
        static = static[static.carrier != DISPOSAL]
        output = n.c[component].dynamic.p[static.index].clip(lower=0).mul(hours, axis=0).sum()
        factor = static.carrier.map(n.carriers.co2_emissions).fillna(0.0)
        if component == "StorageUnit":
            factor = factor * 0.0
        part = pd.DataFrame(
            {
                "country": static.bus,
                "carrier": static.carrier,
                "p_nom_mw": static.p_nom_opt.where(~static.carrier.isin(SHEDDING), 0.0),
                "built_mw": (static.p_nom_opt - static.p_nom).where(static.p_nom_extendable, 0.0),
                "generation_twh": output / 1e6,
                "co2_t": output * factor / (static.efficiency if factor.any() else 1.0),
            }
        )
        parts.append(part)
    return pd.concat(parts)
