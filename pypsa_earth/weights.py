"""What snapshots stand for: hours that are paid for, and hours that pass.

PyPSA knows three weightings. ``objective`` and ``generators`` say how many hours of the year a
snapshot's costs and energies count for; ``stores`` says how many hours pass within it, and so how
much a battery fills. Leaving snapshots out, or letting them stand for a year, changes the first
two only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pandas as pd
import pypsa

from pypsa_earth.findings import Finding, some
from scenarios.errors import ScenarioError

HOURS_PER_YEAR = 8760.0
# 52 weeks and a leap year are years, too; one hour of tolerance.
_A_YEAR_H = (8735.0, 8785.0)
# How far hours and ``network.years`` may be apart.
_NEAR = 0.02
Weights = Literal["auto", "rescale", "keep"]
COUNTED = ["objective", "generators"]
NOMINAL = {
    "Generator": "p_nom",
    "StorageUnit": "p_nom",
    "Link": "p_nom",
    "Process": "p_nom",
    "Store": "e_nom",
    "Line": "s_nom",
    "Transformer": "s_nom",
}
# Limits whose constant is an amount a year; others are capacities.
_ANNUAL_LIMITS = ("primary_energy", "operational_limit", "transmission_expansion_cost_limit")


def is_a_year(hours: float) -> bool:
    """Whether so many hours are a year: 52 weeks, 365 or 366 days."""
    return _A_YEAR_H[0] <= hours <= _A_YEAR_H[1]


def years_of_money(n: pypsa.Network, years: float | None = None) -> float:
    """For how much of a year the network's capital costs and limits stand.

    Parameters
    ----------
    n : pypsa.Network
        As it was read, its weights untouched.
    years : float, optional
        What the user says.

    Returns
    -------
    float
        What was given; else the network's own share of a year where PyPSA-Eur made it, which
        scales annuities and its CO2 budget with it; else one.
    """
    if years is not None:
        return years
    hours = float(n.snapshot_weightings.objective.sum())
    if _of_pypsa_eur(n) and not is_a_year(hours):
        return hours / HOURS_PER_YEAR
    return 1.0


def set_weights(
    n: pypsa.Network, kept: np.ndarray | None, weights: Weights, years: float | None
) -> None:
    """Leave snapshots out and say what the rest stands for, in place.

    Parameters
    ----------
    n : pypsa.Network
    kept : ndarray of int, optional
        Positions of the snapshots to keep; all by default.
    weights : {"auto", "rescale", "keep"}
        Hours that are paid for: their sums stay those of the file, become 8760, or each snapshot
        keeps its own. Hours that pass are never changed. ``rescale`` also brings capital costs and
        annual limits of part of a year to a year, and energies of the horizon
        (``e_sum_min``, ``e_sum_max``) to it.
    years : float, optional
        See :func:`years_of_money`.
    """
    total_h = n.snapshot_weightings[COUNTED].sum()
    part = years_of_money(n, years)
    if kept is not None:
        n.set_snapshots(n.snapshots[kept])
    if weights == "keep":
        return
    if weights == "rescale":
        for attribute in ("e_sum_min", "e_sum_max"):
            n.generators[attribute] *= HOURS_PER_YEAR / total_h.generators
        _scale_money(n, 1 / part)
        total_h[:] = HOURS_PER_YEAR
    for column in COUNTED:
        hours = n.snapshot_weightings[column]
        if hours.sum() > 0:
            n.snapshot_weightings[column] = hours * (total_h[column] / hours.sum())


def _scale_money(n: pypsa.Network, factor: float) -> None:
    """Bring what is paid a year, and may be used a year, to another length of time.

    Overnight costs are left alone: PyPSA itself takes their share of the hours.
    """
    for component in NOMINAL:
        static = n.c[component].static
        static["capital_cost"] *= factor
        static["fom_cost"] *= factor
    annual = n.global_constraints.type.isin(_ANNUAL_LIMITS)
    n.global_constraints.loc[annual, "constant"] *= factor


def time_errors(
    n: pypsa.Network, weights: Weights = "auto", years: float | None = None, window: str = ""
) -> Iterator[Finding]:
    """What forbids using the weights of a network that :func:`set_weights` was applied to."""
    hours = n.snapshot_weightings
    if not np.isfinite(hours.to_numpy(dtype=float)).all() or (hours <= 0).any().any():
        yield Finding("snapshot weightings are missing, infinite, zero or negative")
        return
    total = float(hours.objective.sum())
    share = total / HOURS_PER_YEAR
    if weights == "auto" and years is not None and abs(share / years - 1) > _NEAR:
        yield Finding(
            f"network.years={years:g}, but the snapshots stand for {total:.6g} h, "
            f"{share:.4g} years",
            advice="add --set network.weights=rescale, or give the years of the snapshots",
        )
    elif (
        weights == "auto"
        and not is_a_year(total)
        and years_of_money(n, years) == 1
        and is_paid_by_the_year(n)
    ):
        yield Finding(
            f"the snapshot weightings sum to {total:.6g} h, but investment is paid per year",
            advice=(
                "--set network.weights=rescale makes them 8760, "
                f"network.years={share:.4g} says that capital costs and limits are those of these "
                "hours, network.weights=keep takes all as it is"
            ),
        )
    if window or weights == "rescale":
        yield from _limits_on_stores(n)


def time_warnings(
    n: pypsa.Network, weights: Weights = "auto", years: float | None = None, window: str = ""
) -> Iterator[Finding]:
    """What the user should know about the weights."""
    total = float(n.snapshot_weightings.objective.sum())
    if not is_a_year(total):
        if years is None and weights != "rescale" and _of_pypsa_eur(n):
            yield Finding(
                f"capital costs and limits are taken for those of {total / HOURS_PER_YEAR:.4g} "
                "years",
                advice="PyPSA-Eur scales them so; --set network.weights=rescale makes it a year",
            )
        yield Finding(
            f"the snapshots stand for {total:.6g} h, not for a year",
            advice="all costs are those of these hours",
        )
    if window or weights == "rescale":
        started = _started(n)
        if started:
            yield Finding(
                f"{len(started)} stores begin with energy that is used up within the snapshots",
                some(started),
                "its worth counts as often as the snapshots stand for themselves",
            )


def is_paid_by_the_year(n: pypsa.Network) -> bool:
    """Whether anything can be built whose cost is one a year, not one of the hours.

    Overnight costs are annuities of the hours in PyPSA itself.
    """
    for component, nominal in NOMINAL.items():
        static = n.c[component].static
        grows = static[f"{nominal}_extendable"].astype(bool)
        annual = static.overnight_cost.isna() | (static.fom_cost != 0)
        if (grows & annual).any():
            return True
    return False


def _of_pypsa_eur(n: pypsa.Network) -> bool:
    """Whether PyPSA-Eur prepared the network: its configuration is in the meta data."""
    meta = n.meta or {}
    return "atlite" in meta and "clustering" in meta


def _started(n: pypsa.Network) -> list[str]:
    units, stores = n.storage_units, n.stores
    begun = units.index[~units.cyclic_state_of_charge & (units.state_of_charge_initial > 0)]
    return [*map(str, begun), *map(str, stores.index[~stores.e_cyclic & (stores.e_initial > 0)])]


def _limits_on_stores(n: pypsa.Network) -> Iterator[Finding]:
    """Limits that count what stores hold at the end, which no weight can scale."""
    hours = n.snapshot_weightings
    if abs(hours.stores.sum() / hours.generators.sum() - 1) < 1e-6:
        return
    for name, row in n.global_constraints.iterrows():
        if row.type == "primary_energy" and row.carrier_attribute in n.carriers:
            rates = n.carriers[row.carrier_attribute]
            counted = set(rates.index[rates != 0])
        elif row.type == "operational_limit":
            counted = {row.carrier_attribute}
        else:
            continue
        units, stores = n.storage_units, n.stores
        held = [
            *units.index[units.carrier.isin(counted) & ~units.cyclic_state_of_charge],
            *stores.index[stores.carrier.isin(counted) & ~stores.e_cyclic],
        ]
        if held:
            yield Finding(
                f"global constraint {name} counts what is in stores at the end, after "
                f"{hours.stores.sum():.6g} h, but is meant for {hours.generators.sum():.6g} h",
                some(held),
                "drop network.window and network.weights=rescale, or the limit",
            )


def as_times(snapshots: pd.Index) -> pd.DatetimeIndex:
    """Snapshots as points in time, in order.

    Raises
    ------
    ScenarioError
        If they are none.
    """
    advice = "set them with n.set_snapshots(pd.date_range(...)) and export the network again"
    if not isinstance(snapshots, pd.DatetimeIndex):
        raise ScenarioError(f"the snapshots are no times ({some(snapshots[:2])}); {advice}")
    if not snapshots.is_monotonic_increasing or snapshots.has_duplicates:
        raise ScenarioError(f"the snapshots are not in order, or some are there twice; {advice}")
    return snapshots
