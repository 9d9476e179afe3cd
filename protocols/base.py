"""What a protocol is, and what it sees of the market."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import networkx as nx
import numpy as np

from protocols.messages import Message, Trade
from protocols.products import Products

Status = Literal["agreed", "capped", "cycling", "infeasible", "failed"]
Valuation = Literal["none", "duals", "perturbation"]


@dataclass
class Outcome:
    """What a protocol run ends in.

    Attributes
    ----------
    trades : list of Trade
        Agreed in this run, in order.
    settled : bool
        Whether the protocol sees no further gain.
    status : str, optional
        A typed status other than agreed, for example ``"cycling"``, when the rules stop the run.
    note : str
        Reason in words.
    """

    trades: list[Trade] = field(default_factory=list)
    settled: bool = False
    status: Status | None = None
    note: str = ""


class Market(ABC):
    """The public side of the market: all that a protocol may look at.

    Attributes
    ----------
    graph : networkx.Graph
        Countries and interconnectors (edge attributes: ``loss``, ``wheeling_eur_per_mwh``,
        ``capacity_mw`` by direction).
    products : Products
    rng : numpy.random.Generator
        The protocol's own seeded stream.
    memory : dict
        Public notes that outlive a step; plain JSON values only.
    step : int
    """

    graph: nx.Graph
    products: Products
    rng: np.random.Generator
    memory: dict[str, Any]
    step: int

    @property
    def countries(self) -> tuple[str, ...]:
        """Country codes in their fixed order."""
        return tuple(self.graph.nodes)

    @abstractmethod
    def room_mw(self, path: tuple[str, ...]) -> np.ndarray:
        """MW of each product that can still be sent along a path, awarded trades counted."""

    @abstractmethod
    def wheeling_eur_per_mwh(self, path: tuple[str, ...]) -> float:
        """Charges of all transit countries per MWh sent by the exporter."""


Conversation = Generator[list[Message], list[Message | None], Outcome]


class Protocol(ABC):
    """Rules of one negotiation.

    A protocol is a generator of message batches. The messages of a batch are answered
    independently of each other; the answers come back in the same order, ``None`` for silence.
    A protocol never touches an agent: the engine routes, logs and checks.

    Attributes
    ----------
    name : str
        Name on the command line.
    promises_no_loss : bool
        Whether no country may end worse off than before any trade.
    valuation : {"none", "duals", "perturbation"}
        What agents must know of their own cost before a run.
    """

    name: ClassVar[str]
    promises_no_loss: ClassVar[bool] = True
    valuation: ClassVar[Valuation] = "duals"

    @abstractmethod
    def run(self, market: Market) -> Conversation:
        """Hold one negotiation; awards are made by ``award`` messages along the way."""
