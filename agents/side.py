"""A country's private half of a protocol: what it answers, and what it can see of the market."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar
from typing import Protocol as Typing

import numpy as np

from agents.strategy import Strategy
from agents.valuation import Valuation
from protocols.messages import Body, Message


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

    def exchange_mw(self, country: str) -> np.ndarray:
        """Net import of a country, MW per snapshot of every port."""

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


class Answerer(Typing):
    """Whoever answers messages with bodies of certain types."""

    answers: ClassVar[tuple[type[Body], ...]]

    def answer(self, message: Message, ledger: PublicLedger) -> Message | None:
        """Reply to a message, or keep silent."""


class Side(ABC):
    """Answers one family of questions for one country, during one step.

    Parameters
    ----------
    country : str
    valuation : Valuation
        What the country says about its own cost: the truth, or what its strategy makes of it.
    strategy : Strategy

    Attributes
    ----------
    answers : tuple of type
        Bodies of the messages this side answers.
    """

    answers: ClassVar[tuple[type[Body], ...]]

    def __init__(self, country: str, valuation: Valuation, strategy: Strategy) -> None:
        self.country = country
        self.valuation = valuation
        self.strategy = strategy

    @abstractmethod
    def answer(self, message: Message, ledger: PublicLedger) -> Message | None:
        """Reply to a message, or keep silent."""
