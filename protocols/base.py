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

Status = Literal["completed", "capped", "cycling", "infeasible", "failed"]
Valuation = Literal["none", "duals", "perturbation"]


@dataclass
class Outcome:
    """What a protocol run ends in.

    Attributes
    ----------
    trades : list of Trade
        Agreed in this run, in order.
    settled : bool
        Whether the protocol's own rule ends the negotiation.
    status : str, optional
        A typed status other than completed, for example ``"cycling"``, when the rules stop the run.
    note : str
        Reason in words.
    lower_bound_eur : float, optional
        Certified lower bound on the change of all countries' cost that any flows could bring from
        where this run began, EUR/a; below zero where something is to be gained.
    """

    trades: list[Trade] = field(default_factory=list)
    settled: bool = False
    status: Status | None = None
    note: str = ""
    lower_bound_eur: float | None = None


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
    price_cap_eur_per_mwh : float
        Value of lost load, which no marginal cost exceeds; gives protocols a scale of prices.
    """

    graph: nx.Graph
    products: Products
    rng: np.random.Generator
    memory: dict[str, Any]
    step: int
    price_cap_eur_per_mwh: float

    @property
    def countries(self) -> tuple[str, ...]:
        """Country codes in their fixed order."""
        return tuple(self.graph.nodes)

    @abstractmethod
    def room_mw(self, path: tuple[str, ...]) -> np.ndarray:
        """MW of each product that can still be sent along a path, awarded trades counted."""

    @abstractmethod
    def flow_mw(self, sender: str, receiver: str) -> np.ndarray:
        """Net flow between neighbours, awarded trades counted, MW per snapshot."""

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
    name, mode : str
        Name and mode on the command line.
    promises_no_loss : bool
        Whether no country may end worse off than before any trade.
    valuation : {"none", "duals", "perturbation"}
        What agents must know of their own cost before a run.
    step_share : float
        Step of the perturbation, as a share of the country's demand.
    discloses : str
        Private knowledge that its messages give away, in a few words.
    operator : bool
        Whether there is a market operator, whom every country may write to and be written by.
    family : str
        Protocols that say the same here trade by the same rules and differ in details, in who
        computes, or in how money moves; comparisons rank one of them. Empty: in none.
    several_ports : bool
        Whether it works where a country's interconnectors land at several ports; see
        :mod:`protocols.landing`.
    """

    name: ClassVar[str]
    mode: ClassVar[str] = "standard"
    discloses: ClassVar[str]
    promises_no_loss: ClassVar[bool] = True
    valuation: ClassVar[Valuation] = "duals"
    step_share: float = 0.2
    operator: ClassVar[bool] = False
    family: ClassVar[str] = ""
    several_ports: ClassVar[bool] = False

    @abstractmethod
    def run(self, market: Market) -> Conversation:
        """Hold one negotiation; awards are made by ``award`` messages along the way."""
