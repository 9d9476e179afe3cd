"""Strategies that tell the truth about cost and differ in how they bargain."""

from __future__ import annotations

import math

from agents.strategy import Strategy
from agents.tactics import MiCRO, TimeDependent, TitForTat, TradeOff
from protocols.plugins import PluginError


class Boulware(Strategy):
    """Concedes late: aims at ``1 - t**(1/e)`` of its best outcome, ``e`` below one.

    Parameters
    ----------
    e : float
    """

    name = "boulware"

    def __init__(self, e: float = 0.2) -> None:
        if not 0 < e < 1:
            raise PluginError(f"strategy boulware: e must lie between 0 and 1, not {e:g}")
        self.tactic = TimeDependent(e)


class Linear(Strategy):
    """Concedes evenly over the talk."""

    name = "linear"

    def __init__(self) -> None:
        self.tactic = TimeDependent(1.0)


class Conceder(Strategy):
    """Concedes early: aims at ``1 - t**(1/e)`` of its best outcome, ``e`` above one.

    Parameters
    ----------
    e : float
    """

    name = "conceder"

    def __init__(self, e: float = 3.0) -> None:
        if not 1 < e < math.inf:
            raise PluginError(f"strategy conceder: e must be above 1, not {e:g}")
        self.tactic = TimeDependent(e)


class TitForTatBargainer(Strategy):
    """Concedes as much as its partner's offers improve, and a little goodwill.

    Parameters
    ----------
    goodwill : float
        Conceded unasked over a talk, as a share of the best outcome.
    """

    name = "tit_for_tat"

    def __init__(self, goodwill: float = 0.5) -> None:
        if not 0 <= goodwill <= 1:
            raise PluginError(f"strategy tit_for_tat: give a share in [0, 1], not {goodwill:g}")
        self.tactic = TitForTat(goodwill)


class TradeOffBargainer(Strategy):
    """Offers what is as good for itself and most like the partner's last offer.

    Parameters
    ----------
    e : float
        Speed of concession, as of Boulware and conceder.
    """

    name = "trade_off"

    def __init__(self, e: float = 1.0) -> None:
        if not 0 < e < math.inf:
            raise PluginError(f"strategy trade_off: e must be above 0, not {e:g}")
        self.tactic = TradeOff(e)


class MicroBargainer(Strategy):
    """Offers its outcomes from best to worst, one new offer for each new one received (MiCRO)."""

    name = "micro"

    def __init__(self) -> None:
        self.tactic = MiCRO()


class Patient(Strategy):
    """Discounts a gain that comes a turn later by a factor; matters where the protocol discounts.

    Parameters
    ----------
    discount : float
        Between 0 and 1, near 1 for the patient.
    """

    name = "patient"

    def __init__(self, discount: float = 0.9) -> None:
        if not 0 <= discount < 1:
            raise PluginError(f"strategy patient: give a factor in [0, 1), not {discount:g}")
        self.discount = discount
