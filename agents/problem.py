"""The private planning problem of a country, whatever stands behind it.

A country's value function C(exchange) is its annual system cost in EUR/a when its net import on
all interconnectors together is ``exchange`` (MW per snapshot). It is convex and finite everywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Plan:
    """One solved planning problem.

    Attributes
    ----------
    cost_eur : float
        Annual system cost, EUR/a.
    price_eur_per_mwh : ndarray, shape (snapshots,)
        Marginal value of net import, minus the derivative of cost per MWh. Where cost has a kink
        this is one element of an interval.
    exchange_mw : ndarray, shape (snapshots,)
        Net import the plan was made for.
    """

    cost_eur: float
    price_eur_per_mwh: np.ndarray
    exchange_mw: np.ndarray


class PlanningError(RuntimeError):
    """A planning problem could not be solved; the message names country and solver status."""


class PlanningProblem(ABC):
    """Cost of a country as a function of its net import.

    Attributes
    ----------
    country : str
        Country code.
    weights_h : ndarray, shape (snapshots,)
        Hours each snapshot stands for.
    solves : int
        Number of optimisations made so far.
    """

    country: str
    weights_h: np.ndarray
    solves: int = 0

    @abstractmethod
    def solve(self, exchange_mw: np.ndarray) -> Plan:
        """Plan for a given net import, MW per snapshot."""

    def cost(self, exchange_mw: np.ndarray) -> float:
        """Annual cost for a given net import, EUR/a."""
        return self.solve(exchange_mw).cost_eur

    @abstractmethod
    def respond(
        self, price_eur_per_mwh: np.ndarray, lower_mw: np.ndarray, upper_mw: np.ndarray
    ) -> np.ndarray:
        """Net import the country would choose when it pays the given price for it.

        Parameters
        ----------
        price_eur_per_mwh : ndarray, shape (snapshots,)
        lower_mw, upper_mw : ndarray, shape (snapshots,)
            Limits of net import; negative is export.

        Returns
        -------
        ndarray, shape (snapshots,)
            A minimiser of cost plus payment, MW.
        """

    @property
    def demand_mw(self) -> np.ndarray:
        """Own demand, MW per snapshot."""
        raise NotImplementedError

    def rewind(self) -> None:
        """Forget how the present state was reached, keep the state.

        What follows must depend only on :meth:`state`, so that a resumed run repeats an unbroken
        one to the byte. Problems without solver memory have nothing to do.
        """

    def state(self) -> dict[str, np.ndarray]:
        """Solver memory that later answers depend on, as plain arrays."""
        return {}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take up the solver memory returned by :meth:`state`."""
