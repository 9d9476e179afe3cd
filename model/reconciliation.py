"""One fleet for the year under the trades of slices that were planned each on its own.

In every slice a country counted on the fleet that suits that slice best. Its one fleet for the
year cannot suit them all, so that trades which paid in their slice may cost the year more than
they save. Here each slice's trades are kept to a share between nothing and all. Flows and net
imports are proportional to that share, therefore the cost of all countries is convex in the shares
and marginal prices tell its slope. Cutting planes find the shares that save most; what is left is
never dearer than no trade at all, because nothing is one of the choices.

Reference: Kelley (1960), The cutting-plane method for solving convex programs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linprog

from agents.problem import PlanningProblem
from model.ledger import Ledger
from model.world import World
from protocols.compensation import compensation_eur
from protocols.messages import Trade

# Stop when what could still be saved is at most this share of what is saved already ...
GAP = 0.01
# ... or after so many plans of every country.
MOST_ROUNDS = 60
# Savings below this share of the cost of all countries are the solver's rounding.
ROUNDING = 1e-9


def reconcile(
    world: World, trades: Mapping[str, Sequence[Trade]], status: str, note: str
) -> tuple[Ledger, str, str]:
    """Keep of each slice's trades what pays with one fleet, and let winners compensate losers.

    Parameters
    ----------
    world : World
    trades : mapping of str to sequence of Trade
        Agreed trades by slice, in the products of the year, in the order of agreement.
    status, note : str
        How the slices ended.

    Returns
    -------
    Ledger
        What is carried out, in which nobody loses against autarky.
    str, str
        ``"failed"`` if trades were agreed and nothing of them pays, else the status given; the
        note says which slices' trades were cut back or voided, and what was transferred.
    """
    pool = _Pool(world.problems, _exchange_mw(world, trades))
    shares = dict(zip(trades, _best_shares(pool), strict=True))
    ledger = Ledger(world.graph, world.products)
    for name, of_slice in trades.items():
        for trade in of_slice if shares[name] > 0 else ():
            mw = shares[name] * np.asarray(trade.mw)
            ledger.book(replace(trade, mw=tuple(mw.tolist())))
    traded = {name: share for name, share in shares.items() if trades[name]}
    notes = [note, _in_words(traded), _compensate(ledger, world.problems)]
    if traded and not any(traded.values()):
        status = "failed"
    return ledger, status, "; ".join(filter(None, notes))


@dataclass(frozen=True)
class _Answer:
    """Cost of each country at given shares, and how it changes with the share of each slice.

    ``cost_eur`` has shape (countries,), ``slope_eur`` (countries, slices).
    """

    shares: np.ndarray
    cost_eur: np.ndarray
    slope_eur: np.ndarray

    @property
    def total_eur(self) -> float:
        """Cost of all countries together."""
        return float(self.cost_eur.sum())


class _Pool:
    """Costs of all countries as convex functions of the shares kept.

    Parameters
    ----------
    problems : mapping of str to PlanningProblem
        Problems of the year.
    exchange_mw : mapping of str to ndarray, shape (slices, snapshots)
        Net import of each country by all trades of each slice.
    """

    def __init__(
        self, problems: Mapping[str, PlanningProblem], exchange_mw: Mapping[str, np.ndarray]
    ) -> None:
        self._problems = problems
        self._exchange_mw = exchange_mw
        self.slices = len(next(iter(exchange_mw.values())))

    def ask(self, shares: np.ndarray) -> _Answer:
        """Plan every country at given shares."""
        costs, slopes = [], []
        for country, problem in self._problems.items():
            by_slice = self._exchange_mw[country]
            plan = problem.solve(shares @ by_slice)
            costs.append(plan.cost_eur)
            slopes.append(-by_slice @ (plan.price_eur_per_mwh * problem.weights_h))
        return _Answer(shares, np.array(costs), np.array(slopes))


def _exchange_mw(world: World, trades: Mapping[str, Sequence[Trade]]) -> dict[str, np.ndarray]:
    """Net import of each country by each slice's trades, shape (slices, snapshots)."""
    rows: dict[str, list[np.ndarray]] = {country: [] for country in world.problems}
    for of_slice in trades.values():
        ledger = Ledger(world.graph, world.products)
        for trade in of_slice:
            ledger.book(trade)
        for country, found in rows.items():
            found.append(ledger.exchange_mw(country))
    return {country: np.array(found) for country, found in rows.items()}


def _best_shares(pool: _Pool) -> np.ndarray:
    """Shares at which all countries together save most, within :data:`GAP`."""
    nothing = pool.ask(np.zeros(pool.slices))
    answers = [nothing, pool.ask(np.ones(pool.slices))]
    rounding_eur = ROUNDING * float(np.abs(nothing.cost_eur).sum())
    for _ in range(MOST_ROUNDS):
        best = min(answers, key=lambda answer: answer.total_eur)
        shares, bound_eur = _most_promising(answers)
        saved_eur = nothing.total_eur - best.total_eur
        if best.total_eur - bound_eur <= max(GAP * saved_eur, rounding_eur):
            break
        answers.append(pool.ask(shares))
    best = min(answers, key=lambda answer: answer.total_eur)
    pays = nothing.total_eur - best.total_eur > rounding_eur
    return best.shares if pays else nothing.shares


def _most_promising(answers: Sequence[_Answer]) -> tuple[np.ndarray, float]:
    """Shares at which the tangents of all answers lie lowest, and how low, EUR/a.

    The linear programme has a variable for each slice's share and one for each country's cost,
    which lies above all tangents of that country.
    """
    base_eur = answers[0].cost_eur
    countries, slices = answers[0].slope_eur.shape
    unit_eur = max(float(np.abs(a.slope_eur).max(initial=0.0)) for a in answers) or 1.0
    rows, limits = [], []
    for answer in answers:
        slope = answer.slope_eur / unit_eur
        rows.append(np.hstack([slope, -np.eye(countries)]))
        limits.append(slope @ answer.shares - (answer.cost_eur - base_eur) / unit_eur)
    found = linprog(
        np.concatenate([np.zeros(slices), np.ones(countries)]),
        A_ub=np.vstack(rows),
        b_ub=np.concatenate(limits),
        bounds=[(0.0, 1.0)] * slices + [(None, None)] * countries,
        method="highs",
    )
    if not found.success:
        raise RuntimeError(f"shares of the slices: {found.message}")
    shares = np.clip(found.x[:slices], 0.0, 1.0)
    return shares, float(base_eur.sum() + found.fun * unit_eur)


def _in_words(shares: Mapping[str, float]) -> str:
    """Which slices' trades are not carried out as agreed."""
    void = [name for name, share in shares.items() if share == 0]
    cut = [f"{name} to {share:.0%}" for name, share in shares.items() if 0 < share < 1]
    if shares and len(void) == len(shares):
        return "with one fleet for the year no slice's trades pay: all are void"
    parts = [f"void {', '.join(void)}" if void else "", f"cut {', '.join(cut)}" if cut else ""]
    told = "; ".join(filter(None, parts))
    return f"trades that do not pay with one fleet for the year: {told}" if told else ""


def _compensate(ledger: Ledger, problems: Mapping[str, PlanningProblem]) -> str:
    """Winners compensate losers in proportion to what they win."""
    gains = {}
    for country, problem in problems.items():
        exchange = ledger.exchange_mw(country)
        saved = problem.cost(np.zeros_like(exchange)) - problem.cost(exchange)
        gains[country] = saved - ledger.payments_eur[country]
    pay = compensation_eur(gains, [set(gains)])
    lost = -sum(eur for eur in pay.values() if eur < 0)
    if lost == 0:
        return ""
    ledger.transfer(pay)
    return f"transfers of {lost:.4g} EUR/a so that nobody loses"
