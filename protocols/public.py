"""What everyone may read of the market's ledger, and prices as a border sees them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol as Typing

import numpy as np

from protocols.products import Products

# Small against any line: how much of a little more arrives at the end of a path, share of a line.
LITTLE = 2.0**-20


class Effect(Typing):
    """What a delivery changes."""

    @property
    def exchange_mw(self) -> dict[str, np.ndarray]:
        """Change of net import by country, MW per snapshot of every port."""

    @property
    def delivered_mw(self) -> np.ndarray:
        """What arrives at the end of the path, MW per snapshot."""


class PublicLedger(Typing):
    """What a country can read of the market's ledger."""

    @property
    def products(self) -> Products:
        """Products of the market."""

    def exchange_mw(self, country: str) -> np.ndarray:
        """Net import of a country, MW per snapshot of every port."""

    def net_import_mw(self, country: str) -> np.ndarray:
        """Net import of a country, its ports added up, MW per snapshot."""

    def port_of(self, country: str, neighbour: str) -> int:
        """Port of a country at which the interconnector to a neighbour lands."""

    def effect(self, path: tuple[str, ...], mw: np.ndarray) -> Effect:
        """Changes that a delivery along a path makes."""

    def room_mw(self, path: tuple[str, ...]) -> np.ndarray:
        """MW of each product that can still be sent along a path."""

    def capacity_mw(self, path: tuple[str, ...]) -> float:
        """Largest limit of the path's interconnectors, either way, MW."""

    def wheeling_eur_per_mwh(self, path: tuple[str, ...]) -> dict[str, float]:
        """Charge of each transit country."""


@dataclass(frozen=True)
class BorderPrices:
    """A posted price as it is at one country's own border, shapes (products,).

    Attributes
    ----------
    import_price, export_price : ndarray
        EUR per MWh that arrives here, and per MWh that leaves here.
    arriving : ndarray
        Share of what the partner sends that arrives here.
    """

    import_price: np.ndarray
    export_price: np.ndarray
    arriving: np.ndarray


def border_prices(
    country: str,
    path: tuple[str, ...],
    price_eur_per_mwh: tuple[float, ...],
    border: str,
    ledger: PublicLedger,
    least_gain_eur_per_mwh: float = 0.0,
) -> BorderPrices:
    """Import and export price at a country's own border.

    Parameters
    ----------
    country : str
        First country of the path.
    path : tuple of str
        From the country to its partner.
    price_eur_per_mwh : tuple of float
        Posted per MWh that crosses the border of ``border``.
    border : str
        Either end of the path.
    ledger : PublicLedger
    least_gain_eur_per_mwh : float
        Moves both prices apart, so that a trade must gain so much per MWh sent.
    """
    gain = least_gain_eur_per_mwh
    posted = np.asarray(price_eur_per_mwh)
    inward = path[::-1]
    arriving = arriving_share(inward, ledger)
    charges = sum(ledger.wheeling_eur_per_mwh(inward).values())
    if border == country:
        return BorderPrices(posted + (charges + gain) / arriving, posted - gain, arriving)
    leaving = arriving_share(path, ledger)
    return BorderPrices((posted + charges + gain) / arriving, posted * leaving - gain, arriving)


def arriving_share(path: tuple[str, ...], ledger: PublicLedger) -> np.ndarray:
    """MW that arrive at the end of a path per MW sent, at present flows (shape: products)."""
    little_mw = LITTLE * (ledger.capacity_mw(path) or 1.0)
    effect = ledger.effect(path, np.full(len(ledger.products), little_mw))
    return ledger.products.average(effect.delivered_mw) / little_mw


def wheeling_eur(
    country: str, legs: Iterable[tuple[tuple[str, ...], np.ndarray]], ledger: PublicLedger
) -> float:
    """Wheeling charges that a country pays for a bundle, as the importer of its legs, EUR."""
    return sum(
        float(mw @ ledger.products.hours) * sum(ledger.wheeling_eur_per_mwh(path).values())
        for path, mw in legs
        if path[-1] == country
    )


def change_mw(
    country: str, legs: Iterable[tuple[tuple[str, ...], np.ndarray]], ledger: PublicLedger
) -> np.ndarray:
    """Change of a country's net import by a bundle; legs are (path, MW per product).

    MW per snapshot of every port of the country.
    """
    total = np.zeros_like(ledger.exchange_mw(country))
    for path, mw in legs:
        total = total + ledger.effect(path, mw).exchange_mw[country]
    return total


def net_change_mw(
    country: str, legs: Iterable[tuple[tuple[str, ...], np.ndarray]], ledger: PublicLedger
) -> np.ndarray:
    """Change of a country's net import by a bundle, its ports added up, MW of each product.

    Mean over each product's delivery.
    """
    change = change_mw(country, legs, ledger)
    total: np.ndarray = change.reshape(-1, len(ledger.products.weights_h)).sum(axis=0)
    return ledger.products.average(total)
