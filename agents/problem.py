"""The private planning problem of a country, whatever stands behind it.

A country's value function C(exchange) is its annual system cost in EUR/a when its net import on
all interconnectors together is ``exchange`` (MW per snapshot). It is convex and finite everywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

# Change of net import, MW per snapshot -> annual cost with it, EUR/a.
TrialCost = Callable[[np.ndarray], float]


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
    ports : int
        Places where exchange enters; with several, the arrays hold one block per port.
    """

    cost_eur: float
    price_eur_per_mwh: np.ndarray
    exchange_mw: np.ndarray
    ports: int = 1

    def price_at(self, port: int) -> np.ndarray:
        """Marginal value of net import at one port, EUR/MWh per snapshot."""
        return np.reshape(self.price_eur_per_mwh, (self.ports, -1))[port]

    @property
    def mean_price_eur_per_mwh(self) -> np.ndarray:
        """Marginal value of net import, mean over the ports, EUR/MWh per snapshot."""
        mean: np.ndarray = np.reshape(self.price_eur_per_mwh, (self.ports, -1)).mean(axis=0)
        return mean


@dataclass(frozen=True)
class Terms:
    """Prices at which a country may trade, as a ladder of blocks for each product.

    Imports grow dearer from block to block and exports earn less, so that the blocks fill in
    order. One block is a price with a limit; several are a price that moves with the amount. With
    prices ``p + rho * d`` for an amount that deviates by ``d``, a ladder is the piecewise linear
    form of the quadratic penalty ``p d + rho / 2 d**2``.

    Attributes
    ----------
    import_price, export_price : ndarray, shape (blocks, products) or (products,)
        Paid for imports and earned by exports at the country's own border, EUR/MWh. Import prices
        do not fall and export prices do not rise from block to block.
    import_limit_mw, export_limit_mw : ndarray, the same shape
        Width of each block, MW at the country's own border.
    """

    import_price: np.ndarray
    export_price: np.ndarray
    import_limit_mw: np.ndarray
    export_limit_mw: np.ndarray

    @property
    def import_ladder(self) -> tuple[np.ndarray, np.ndarray]:
        """Price and width of each import block, both of shape (blocks, products)."""
        return np.atleast_2d(self.import_price), np.atleast_2d(self.import_limit_mw)

    @property
    def export_ladder(self) -> tuple[np.ndarray, np.ndarray]:
        """Price and width of each export block, both of shape (blocks, products)."""
        return np.atleast_2d(self.export_price), np.atleast_2d(self.export_limit_mw)


class PlanningError(RuntimeError):
    """A planning problem could not be solved; the message names country and solver status."""


class OutOfTime(PlanningError):
    """A solver reached the time limit that it was given before it found the optimum."""


class PlanningProblem(ABC):
    """Cost of a country as a function of its net import.

    Attributes
    ----------
    country : str
        Country code.
    ports : int
        Places where exchange enters, one unless its interconnectors land in different parts of
        the country. With several, all arrays below hold one block per port, in order: read
        "snapshots" as ports times snapshots and "products" as ports times products.
    weights_h : ndarray, shape (snapshots,)
        Hours each snapshot stands for.
    shape : scipy.sparse.csr_array, shape (products, snapshots)
        MW per snapshot of one MW of each product the country can respond with.
    solves : int
        Number of optimisations made so far.
    """

    country: str
    ports: int = 1
    weights_h: np.ndarray
    shape: sp.csr_array
    solves: int = 0

    @abstractmethod
    def solve(self, exchange_mw: np.ndarray) -> Plan:
        """Plan for a given net import, MW per snapshot."""

    def cost(self, exchange_mw: np.ndarray) -> float:
        """Annual cost for a given net import, EUR/a."""
        return self.solve(exchange_mw).cost_eur

    @abstractmethod
    def respond(self, exchange_mw: np.ndarray, terms: Terms) -> np.ndarray:
        """Trade the country would choose at given prices, on top of a given net import.

        Parameters
        ----------
        exchange_mw : ndarray, shape (snapshots,)
            Net import to start from.
        terms : Terms
            Ladder of prices and limits per product.

        Returns
        -------
        ndarray, shape (products,)
            Change of net import that minimises cost plus payment, MW of each product.
        """

    @property
    @abstractmethod
    def demand_mw(self) -> np.ndarray:
        """Own demand, MW per snapshot of the market (one block, whatever the number of ports)."""

    def stop(self) -> None:
        """End the solve in progress, from another thread; the problem is of no use afterwards."""

    def rewind(self, exchange_mw: np.ndarray) -> None:
        """Stand at an exchange and forget how it was reached.

        What follows must depend only on the exchange and :meth:`state`, so that a resumed run
        repeats an unbroken one to the byte. Problems without solver memory have nothing to do.
        """

    @contextmanager
    def trying(self, exchange_mw: np.ndarray) -> Iterator[TrialCost]:
        """Stand at an exchange and try changes of it; ends as :meth:`rewind` without them would.

        Yields
        ------
        callable
            Annual cost, EUR/a, with a change of the exchange, MW per snapshot.
        """
        yield lambda change_mw: self.cost(exchange_mw + change_mw)
        self.rewind(exchange_mw)

    def state(self) -> dict[str, np.ndarray]:
        """Solver memory that later answers depend on, as plain arrays."""
        return {}

    def restore(self, exchange_mw: np.ndarray, state: dict[str, np.ndarray]) -> None:
        """Stand where :meth:`rewind` left a problem with the given :meth:`state`."""


def at_ports(shape: sp.csr_array, ports: int) -> sp.csr_array:
    """Products once per port: block-diagonal, shape (ports * products, ports * snapshots)."""
    return sp.block_diag([sp.csr_array(shape)] * ports, format="csr")
