"""Levelling: two neighbours move the flow between them until their prices meet.

Pure arithmetic that both ends of an interconnector, and whoever listens, do alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PriceSlope:
    """How fast a country's price falls with its net import: in proportion to the price itself.

    Scarce hours, whose prices are far off at first, so move faster than others.

    Attributes
    ----------
    share_per_mw : float
    least_price_eur_per_mwh : float
        Prices below count as this.
    """

    share_per_mw: float
    least_price_eur_per_mwh: float

    def at(self, price_eur_per_mwh: np.ndarray) -> np.ndarray:
        """Slope at a price, EUR/MWh per MW."""
        scale = np.maximum(np.abs(price_eur_per_mwh), self.least_price_eur_per_mwh)
        return self.share_per_mw * scale


@dataclass
class Line:
    """An interconnector as one of its ends, the near one, sees it.

    Attributes
    ----------
    flow_mw : ndarray, shape (products,)
        Proposed flow, positive when sent from the near end, measured where it is sent.
    send_limit_mw, receive_limit_mw : ndarray, shape (products,)
        Most that the near end may send, and most that the far end may send.
    loss : float
    """

    flow_mw: np.ndarray
    send_limit_mw: np.ndarray
    receive_limit_mw: np.ndarray
    loss: float

    @property
    def near_import_mw(self) -> np.ndarray:
        """Net import of the near end over this line."""
        return np.where(self.flow_mw >= 0, -self.flow_mw, -(1 - self.loss) * self.flow_mw)

    @property
    def far_import_mw(self) -> np.ndarray:
        """Net import of the far end over this line."""
        return np.where(self.flow_mw >= 0, (1 - self.loss) * self.flow_mw, self.flow_mw)

    def level(
        self,
        near_price: np.ndarray,
        near_slope: np.ndarray,
        far_price: np.ndarray,
        far_slope: np.ndarray,
    ) -> None:
        """Move the flow to where the prices meet, up to losses and limits.

        Each end's price falls by its slope with every MW of its import. The result minimises the
        two ends' quadratic penalties over the flow, all other flows held: one step of block
        coordinate descent on the projection that consensus ADMM asks for.

        Parameters
        ----------
        near_price, far_price : ndarray, shape (products,)
            Price of each end at the present flow, EUR/MWh.
        near_slope, far_slope : ndarray, shape (products,)
            EUR/MWh per MW, positive.
        """
        arriving = 1 - self.loss
        # Prices the ends would have without this line.
        near = near_price + near_slope * self.near_import_mw
        far = far_price + far_slope * self.far_import_mw
        there, back = arriving * far - near, arriving * near - far
        sent, sent_gain = _best(there, near_slope + arriving**2 * far_slope, self.send_limit_mw)
        received, gain = _best(back, far_slope + arriving**2 * near_slope, self.receive_limit_mw)
        # Where prices are negative both ways may gain, by what is lost under way.
        self.flow_mw = np.where(sent_gain >= gain, sent, -received)


def _best(
    gap: np.ndarray, closing: np.ndarray, limit_mw: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Amount to send one way, and its gain per hour, if each MW closes a gap of prices a little."""
    mw = np.clip(gap / closing, 0.0, limit_mw)
    return mw, mw * (gap - closing * mw / 2)


def mirrored(line: Line) -> Line:
    """The same interconnector seen from its other end."""
    return Line(-line.flow_mw, line.receive_limit_mw, line.send_limit_mw, line.loss)


def matchings(edges: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """Edges in groups that share no country, in order, so that a group can level at once."""
    groups: list[list[tuple[str, str]]] = []
    for edge in edges:
        for group in groups:
            if not any(set(edge) & set(other) for other in group):
                group.append(edge)
                break
        else:
            groups.append([edge])
    return groups
