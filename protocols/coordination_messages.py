"""Messages of the coordination protocols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from protocols.messages import Body


@dataclass(frozen=True)
class OpenCall(Body):
    """Names one of a country's interconnectors and how prices move; one for each line.

    Attributes
    ----------
    partner : str
    flow_mw : tuple of float
        Present flow, MW per product, positive when the country sends.
    send_limit_mw, receive_limit_mw : tuple of float
        Limits of the line, MW per product where it is sent.
    loss : float
    steepness : float
        A country's price moves by so many times itself when its net import moves by all that its
        lines can carry.
    least_price_eur_per_mwh : float
        Prices below count as this when the slope is chosen.
    """

    partner: str
    flow_mw: tuple[float, ...]
    send_limit_mw: tuple[float, ...]
    receive_limit_mw: tuple[float, ...]
    loss: float
    steepness: float
    least_price_eur_per_mwh: float


@dataclass(frozen=True)
class QuoteCall(Body):
    """Asks a country to quote to a partner."""

    partner: str


@dataclass(frozen=True)
class Quote(Body):
    """Answer to :class:`QuoteCall`: price at the proposed exchange, and how it moves.

    The price falls by the slope, EUR/MWh per MW, with every MW more of net import.
    """

    discloses: ClassVar[tuple[str, ...]] = ("price_eur_per_mwh", "slope_eur_per_mwh_per_mw")
    price_eur_per_mwh: tuple[float, ...]
    slope_eur_per_mwh_per_mw: tuple[float, ...]

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Price and slope as arrays."""
        return np.asarray(self.price_eur_per_mwh), np.asarray(self.slope_eur_per_mwh_per_mw)


@dataclass(frozen=True)
class ReviseCall(Body):
    """Asks a country to plan around the proposed exchange and to correct its price.

    ``relaxation`` times what it would rather trade moves the price.
    """

    relaxation: float
