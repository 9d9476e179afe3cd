"""Settlement rules: who pays whom for what was traded, apart from how it was negotiated.

Quantities come from the protocol. The rule decides on the money when the negotiation is over; the
default keeps the prices that were agreed on. Rules other than that one need numbers that the
protocol may have kept private: each says which.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from model.ending import end_of
from model.graph import read_only
from model.ledger import Ledger, RuleBroken
from protocols.landing import port_of
from protocols.messages import OPERATOR
from protocols.plugins import Family, PluginError

if TYPE_CHECKING:
    from agents.problem import Plan
    from model.world import World


@dataclass(frozen=True)
class Settled:
    """A finished negotiation, waiting for its settlement.

    Attributes
    ----------
    world : World
    ledger : Ledger
        Flows, trades and the payments agreed.
    autarky, negotiated : dict of str to Plan
        Each country's plan without exchange and with its trades, re-solved.
    """

    world: World
    ledger: Ledger
    autarky: Mapping[str, Plan]
    negotiated: Mapping[str, Plan]

    @property
    def savings_eur(self) -> dict[str, float]:
        """Cost saved by each country before payments, EUR/a."""
        return {c: self.autarky[c].cost_eur - self.negotiated[c].cost_eur for c in self.autarky}


class Settlement(ABC):
    """A rule that divides the gain by payments.

    Attributes
    ----------
    name : str
        Name on the command line.
    discloses : str
        What countries must tell the settlement office, beyond what the protocol made public.
    values_coalitions : bool
        Whether it needs the value of coalitions.
    direct : bool
        Whether it is a direct mechanism: no negotiation is held, the operator is handed every
        planning problem and carries out the planner's optimum, which the rule then pays for.
    balanced : bool
        Whether payments sum to zero. Where they do not, the market operator's account pays the
        rest, or is paid it.
    """

    name: ClassVar[str]
    discloses: ClassVar[str]
    values_coalitions: ClassVar[bool] = False
    direct: ClassVar[bool] = False
    balanced: ClassVar[bool] = True

    @abstractmethod
    def payments_eur(self, case: Settled) -> dict[str, float]:
        """Net payment of each country, EUR/a, positive pays; the sum is zero if balanced."""


class PayAsAgreed(Settlement):
    """Everyone pays the prices agreed in the negotiation, wheeling charges included."""

    name = "pay_as_agreed"
    discloses = "nothing"

    def payments_eur(self, case: Settled) -> dict[str, float]:
        """Payments as they stand in the ledger."""
        return dict(case.ledger.payments_eur)


class NodalPrice(Settlement):
    """Energy is paid at the marginal prices of its ends; the line's rent is split between them.

    The importer of a line pays, per MWh sent, the mean of the exporter's marginal price and of its
    own times the share that arrives: each end has half of the congestion rent. At the prices of an
    hourly optimum every country gains and the division lies in the core: a theorem of Owen (1975),
    however the rents are split between the ends of their lines. Away from it, or where a
    country's own price is another end of an interval, somebody may lose.

    References: Schweppe, Caramanis, Tabors & Bohn (1988), Spot Pricing of Electricity; Owen (1975),
    On the core of linear production games, Mathematical Programming 9.
    """

    name = "nodal_price"
    discloses = "marginal price of every snapshot"

    def payments_eur(self, case: Settled) -> dict[str, float]:
        """Sum over lines and snapshots of flow times mid price."""
        hours = case.world.products.weights_h
        paid = dict.fromkeys(case.negotiated, 0.0)
        for a, b, data in case.world.graph.edges(data=True):
            for sender, receiver in ((a, b), (b, a)):
                sent = np.maximum(case.ledger.flow_mw(sender, receiver), 0.0)
                here, there = (
                    case.negotiated[c].price_at(port_of(case.world.graph, c, other))
                    for c, other in ((sender, receiver), (receiver, sender))
                )
                middle = (here + (1 - data["loss"]) * there) / 2
                money = float(hours @ (sent * middle))
                paid[receiver] += money
                paid[sender] -= money
        return paid


class EqualSplit(Settlement):
    """Every country has the same share of the gain, whatever it brought to it.

    Splits the pool's gain by heads, countries without trade included. Nobody loses where the pool
    gains, but groups may do better alone; where a protocol has left the pool worse off, everyone
    bears the same part of the loss.
    """

    name = "equal_split"
    discloses = "cost saved, one number a country"

    def payments_eur(self, case: Settled) -> dict[str, float]:
        """Own saving less an equal share of all savings."""
        savings = case.savings_eur
        share = sum(savings.values()) / len(savings)
        return {country: saved - share for country, saved in savings.items()}


SETTLEMENTS = Family("dman_cep.settlements", "settlement", Settlement)


def make_settlement(name: str) -> Settlement:
    """Make a settlement rule by name.

    Raises
    ------
    PluginError
        If there is none of that name, or it cannot be made without parameters.
    """
    kind = SETTLEMENTS.load(name)
    try:
        made: Settlement = kind()
    except Exception as error:
        raise PluginError(f"settlement {name} cannot be made: {end_of(error)[1]}") from error
    return made


def settle(rule: Settlement, case: Settled) -> None:
    """Turn the ledger's payments into those of a rule, which reads copies of ledger and graph.

    Raises
    ------
    RuleBroken
        If the rule leaves out a country or names another one, or its payments are no numbers, or do
        not sum to zero although it is balanced; the ledger is then unchanged. What goes wrong
        within the rule passes through as it is.
    """
    world = replace(case.world, graph=read_only(case.world.graph))
    due = rule.payments_eur(replace(case, world=world, ledger=case.ledger.apart()))
    paid = case.ledger.payments_eur
    odd = sorted(set(due) ^ set(paid))
    if odd:
        raise RuleBroken(f"budget: a settlement is due of every country and no other: {odd[0]}")
    change = {country: due[country] - paid[country] for country in paid}
    if not rule.balanced:
        change[OPERATOR] = -sum(change.values())
    case.ledger.transfer(change, "settlement")


def settle_or_say(name: str, case: Settled) -> str:
    """Settle by a rule, or say in one line why it cannot; the payments then stay as agreed."""
    try:
        settle(make_settlement(name), case)
    except Exception as error:  # a plug-in's mistake must not lose what was negotiated
        return f"settlement {name}, so payments are as agreed: {end_of(error)[1]}"
    return ""
