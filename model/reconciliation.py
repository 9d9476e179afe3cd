"""One fleet for the year under the trades of slices that were planned each on its own.

In every slice a country counted on the fleet that suits that slice best. Its one fleet for the
year cannot suit them all, so that trades which paid in their slice may cost the year more than
they save. Each slice's trades are kept to a share, and winners compensate losers: what is left is
never dearer than no trade at all. The rules are :class:`protocols.reconciling.Reconciling`, through
an operator; what it asks and is told are messages like all others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

import numpy as np

from agents.reconciling_side import ReconcilingSide
from agents.together import Together
from model.engine import Engine, MarketView, Tally
from model.ledger import Ledger
from model.world import World
from protocols.messages import Trade
from protocols.reconciling import Reconciling


@dataclass(frozen=True)
class Reconciled:
    """What is left of the slices' trades.

    Attributes
    ----------
    ledger : Ledger
        What is carried out, in which nobody loses against autarky.
    status, note : str
        ``"failed"`` if trades were agreed and nothing of them pays; the note says which slices'
        trades were cut back or voided, and what was transferred.
    shares : dict of str to float
        Of each slice's trades that is carried out; slices without trades are left out.
    tally : Tally
        Messages between the operator and the countries.
    solves : int
        Solves of the countries' problems that the answers took.
    autarky_eur, cost_eur : dict of str to float
        Cost of each country with one fleet: without trade, and with what is carried out.
    """

    ledger: Ledger
    status: str
    note: str
    shares: dict[str, float]
    tally: Tally = field(default_factory=Tally)
    solves: int = 0
    autarky_eur: dict[str, float] = field(default_factory=dict)
    cost_eur: dict[str, float] = field(default_factory=dict)


def reconcile(
    world: World,
    trades: Mapping[str, Sequence[Trade]],
    status: str,
    note: str,
    workers: int = 1,
) -> Reconciled:
    """Keep of each slice's trades what pays with one fleet, and let winners compensate losers.

    Parameters
    ----------
    world : World
    trades : mapping of str to sequence of Trade
        Agreed trades by slice, in the products of the year, in the order of agreement.
    status, note : str
        How the slices ended.
    workers : int
        Countries that plan at the same time; does not change results.
    """
    agreed = {name: _booked(world, of_slice) for name, of_slice in trades.items()}
    sides = {
        country: ReconcilingSide(
            problem, np.array([ledger.exchange_mw(country) for ledger in agreed.values()])
        )
        for country, problem in world.problems.items()
    }
    paid = {
        country: np.array([ledger.payments_eur[country] for ledger in agreed.values()])
        for country in world.problems
    }
    ledger = Ledger(world.graph, world.products)
    market = MarketView(
        ledger,
        np.random.default_rng(world.scenario.settings.seed),  # draws nothing
        {},
        0,
        world.scenario.settings.value_of_lost_load_eur_per_mwh,
    )
    everyone = Together(sides.values(), Random(0), workers)
    _, tally = Engine(sides, everyone).run(Reconciling(paid), market, ledger)
    found = market.memory
    shares = dict(zip(trades, found["share"], strict=True))
    for name, of_slice in trades.items():
        for trade in of_slice if shares[name] > 0 else ():
            mw = shares[name] * np.asarray(trade.mw)
            ledger.book(replace(trade, mw=tuple(mw.tolist())))
    traded = {name: share for name, share in shares.items() if trades[name]}
    if traded and not any(traded.values()):
        status = "failed"
    notes = [note, _in_words(traded), _compensate(ledger, found["pays_eur"])]
    return Reconciled(
        ledger,
        status,
        "; ".join(filter(None, notes)),
        traded,
        tally,
        sum(side.solves for side in sides.values()),
        found["autarky_eur"],
        found["cost_eur"],
    )


def _booked(world: World, trades: Sequence[Trade]) -> Ledger:
    """A ledger of some trades alone."""
    ledger = Ledger(world.graph, world.products)
    for trade in trades:
        ledger.book(trade)
    return ledger


def _in_words(shares: Mapping[str, float]) -> str:
    """Which slices' trades are not carried out as agreed."""
    void = [name for name, share in shares.items() if share == 0]
    cut = [f"{name} to {share:.0%}" for name, share in shares.items() if 0 < share < 1]
    if shares and len(void) == len(shares):
        return "with one fleet for the year no slice's trades pay: all are void"
    parts = [f"void {', '.join(void)}" if void else "", f"cut {', '.join(cut)}" if cut else ""]
    told = "; ".join(filter(None, parts))
    return f"trades that do not pay with one fleet for the year: {told}" if told else ""


def _compensate(ledger: Ledger, pays_eur: Mapping[str, float]) -> str:
    """Winners compensate losers."""
    lost = -sum(eur for eur in pays_eur.values() if eur < 0)
    if lost == 0:
        return ""
    ledger.transfer(pays_eur, "reconciliation")
    return f"transfers of {lost:.4g} EUR/a so that nobody loses"
