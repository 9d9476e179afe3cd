"""A country's private half of a protocol: what it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar
from typing import Protocol as Typing

from agents.strategy import Strategy
from agents.valuation import Valuation
from protocols.messages import Body, Message
from protocols.public import PublicLedger


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
