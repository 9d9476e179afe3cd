"""The planner's optimum carried out: what a direct mechanism does instead of a negotiation."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from agents.problem import Plan
from model.planner import planner
from model.world import World
from protocols.base import Conversation, Market, Outcome, Protocol
from protocols.landing import port_of
from protocols.messages import Trade
from protocols.pool_settlement import awards


class PlannedTrades(Protocol):
    """The operator books trades that it has planned; nobody is asked and nothing is bargained.

    Not among the protocols that can be chosen: it stands in for one where the settlement is a
    direct mechanism. The prices of its trades leave some countries worse off; the settlement that
    follows does not.

    Parameters
    ----------
    trades : sequence of Trade
    """

    name = "direct"
    discloses = "everything: every country's planning problem, to the operator"
    valuation = "none"
    promises_no_loss = False
    operator = True
    several_ports = True

    def __init__(self, trades: list[Trade]) -> None:
        self._trades = trades

    def run(self, market: Market) -> Conversation:
        """Award all trades."""
        if self._trades:
            yield awards(self._trades, 0)
        return Outcome(
            self._trades,
            settled=True,
            note="no negotiation: the operator was handed every country's problem and carried out "
            "the joint optimum, in hourly contracts",
        )


def planned_trades(
    world: World,
    time_limit_s: float | None = None,
    told: Callable[[str], None] | None = None,
) -> PlannedTrades:
    """Trades between neighbours that make the planner's flows.

    Parameters
    ----------
    world : World
        With hourly products, so that contracts can follow the flows.
    time_limit_s, told : optional
        As for :func:`model.planner.planner`.

    Raises
    ------
    OutOfTime, RuntimeError
        If the planner finds no optimum.
    """
    best = planner(world, time_limit_s=time_limit_s, told=told)
    plans = {c: world.problems[c].solve(best.exchange_mw(world, c)) for c in world.countries}
    trades = []
    for a, b, data in world.graph.edges(data=True):
        flow = best.flows_mw[data["name"]] * (1 if a < b else -1)
        for way, sent in (((a, b), np.maximum(flow, 0.0)), ((b, a), np.maximum(-flow, 0.0))):
            if sent.any():
                price = _mean_price(world, plans, way, sent)
                trades.append(Trade(*way, way, tuple(sent.tolist()), price))
    return PlannedTrades(trades)


def _mean_price(
    world: World, plans: Mapping[str, Plan], way: tuple[str, str], sent_mw: np.ndarray
) -> float:
    """Mean of what a MWh sent is worth at the two ends, EUR/MWh."""
    sender, receiver = way
    arriving = 1 - world.graph.edges[way]["loss"]
    here = plans[sender].price_at(port_of(world.graph, sender, receiver))
    there = plans[receiver].price_at(port_of(world.graph, receiver, sender))
    return float(np.average((here + arriving * there) / 2, weights=world.products.hours * sent_mw))
