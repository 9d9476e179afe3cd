"""What the market operator of the bundle method asks, and what countries answer.

Net import, prices and marginal values are those at every port of the country: one block of
products per port.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from protocols.evidence import Evidence, MarginalValue, at_the_border, savings
from protocols.messages import Body
from protocols.public import PublicLedger

# Where prices step, in multiples of the first reach; beyond the last they stay.
STEPS = (1.0, 4.0, 20.0, 80.0)


@dataclass(frozen=True)
class ProposalCall(Body):
    """Proposes a plan and prices that move with the distance from it.

    The country answers the net import that is best for it if the first MWh beyond the plan costs
    ``price``, and every MW of distance makes the next MWh dearer by ``stiffness``. Prices move in
    steps: the first at a distance of ``reach_mw`` from the plan, the others at multiples of it.

    Attributes
    ----------
    plan_mw : tuple of float
        Net import beyond the ledger's, MW of each product.
    price_eur_per_mwh : tuple of float
    stiffness_eur_per_mwh_per_mw : tuple of float
    reach_mw : tuple of float
    least_mw, most_mw : tuple of float
        What the country's interconnectors allow of net import beyond the ledger's.
    """

    plan_mw: tuple[float, ...]
    price_eur_per_mwh: tuple[float, ...]
    stiffness_eur_per_mwh_per_mw: tuple[float, ...]
    reach_mw: tuple[float, ...]
    least_mw: tuple[float, ...]
    most_mw: tuple[float, ...]


@dataclass(frozen=True)
class Preference(Body):
    """Answer to :class:`ProposalCall`: net import, what it costs, what a little more is worth.

    Attributes
    ----------
    mw : tuple of float
        Net import beyond the ledger's, MW of each product.
    cost_change_eur : float
        Annual cost there less annual cost at the ledger's exchange.
    marginal_value_eur_per_mwh : tuple of float
    """

    discloses: ClassVar[tuple[str, ...]] = ("mw", "cost_change_eur", "marginal_value_eur_per_mwh")
    mw: tuple[float, ...]
    cost_change_eur: float
    marginal_value_eur_per_mwh: tuple[float, ...]

    def evidence(
        self, question: Body | None, sender: str, ledger: PublicLedger
    ) -> tuple[Evidence, ...]:
        """Cost change and marginal values where the country would rather be."""
        del question, sender
        told = self.mw, self.cost_change_eur, self.marginal_value_eur_per_mwh
        return _evidence(*told, len(ledger.products))


@dataclass(frozen=True)
class TrialCall(Body):
    """Asks what a net import beyond the ledger's, MW of each product, is worth."""

    mw: tuple[float, ...]


@dataclass(frozen=True)
class Trial(Body):
    """Answer to :class:`TrialCall`; numbers as in :class:`Preference`."""

    discloses: ClassVar[tuple[str, ...]] = ("cost_change_eur", "marginal_value_eur_per_mwh")
    cost_change_eur: float
    marginal_value_eur_per_mwh: tuple[float, ...]

    def evidence(
        self, question: Body | None, sender: str, ledger: PublicLedger
    ) -> tuple[Evidence, ...]:
        """Cost change and marginal values where the country was asked."""
        del sender
        if not isinstance(question, TrialCall):
            return ()
        told = question.mw, self.cost_change_eur, self.marginal_value_eur_per_mwh
        return _evidence(*told, len(ledger.products))


def _evidence(
    mw: tuple[float, ...], cost_change_eur: float, value: tuple[float, ...], products: int
) -> tuple[Evidence, ...]:
    place, exact = np.array(mw), np.array(value)
    marginal = at_the_border(MarginalValue(place, exact, exact), products)
    saved = -cost_change_eur
    return marginal, *savings(place, saved, saved, products)
