"""What was heard of one country, as facts about its cost, and who knows each of them.

Places are net imports of the country, MW of each product. All amounts are those of the country's
cost ``C`` there; a marginal value is minus its derivative per MWh.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import networkx as nx
import numpy as np

from model.disclosure.consensus import Listener
from model.disclosure.transcript import Said, StepEnd
from protocols.evidence import MarginalValue, Saving
from protocols.messages import LimitCall
from protocols.public import PublicLedger


@dataclass(frozen=True)
class Known:
    """Who knows a fact: whoever heard it, and somebody of every group besides.

    Attributes
    ----------
    heard : frozenset of str
    groups : tuple of frozenset of str
        What the fact is about is known only to listeners with a member in each of these.
    """

    heard: frozenset[str]
    groups: tuple[frozenset[str], ...] = ()

    def to(self, listeners: frozenset[str]) -> bool:
        """Whether listeners who tell each other everything know it."""
        return all(listeners & group for group in (self.heard, *self.groups))


@dataclass(frozen=True)
class Slope:
    """Bounds that the marginal values at a place keep, one subgradient in all of them.

    Attributes
    ----------
    at_mw, low, high : ndarray, shape (products,)
        MW, EUR/MWh; minus and plus infinity where nothing follows.
    known : Known
    proven : bool
        False for a guess that rests on the negotiation having come to its end.
    """

    at_mw: np.ndarray
    low: np.ndarray
    high: np.ndarray
    known: Known
    proven: bool = True


@dataclass(frozen=True)
class Difference:
    """Bounds of ``C(to) - C(from)``, EUR.

    Attributes
    ----------
    from_mw, to_mw : ndarray, shape (products,)
    least_eur, most_eur : float
    known : Known
    """

    from_mw: np.ndarray
    to_mw: np.ndarray
    least_eur: float
    most_eur: float
    known: Known


Fact = Slope | Difference


@dataclass
class Overheard:
    """All that a run gave away.

    Attributes
    ----------
    facts : dict of str to list of Fact
        By the country they are about, in the order in which they came.
    numbers : dict of (str, str) to int
        Private numbers by listener and speaker.
    stood_mw : dict of str to list of ndarray, shape (products,)
        Net imports at which every country stood when it spoke and after every step.
    unexplained : set of str
        Kinds of messages with private numbers from which nothing was inferred.
    """

    facts: dict[str, list[Fact]] = field(default_factory=dict)
    numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    stood_mw: dict[str, list[np.ndarray]] = field(default_factory=dict)
    unexplained: set[str] = field(default_factory=set)


def overhear(
    said: Iterable[Said | StepEnd], graph: nx.Graph, blur_eur_per_mwh: float = 0.0
) -> Overheard:
    """Facts in a transcript.

    Parameters
    ----------
    said : iterable of Said or StepEnd
    graph : networkx.Graph
        Countries and interconnectors.
    blur_eur_per_mwh : float
        By how much at most what is said may be off, which everybody knows.
    """
    found = Overheard({c: [] for c in graph}, stood_mw={c: [] for c in graph})
    step = _Step(graph, blur_eur_per_mwh)
    for entry in said:
        if isinstance(entry, StepEnd):
            step.close(entry, found)
            step = _Step(graph, blur_eur_per_mwh)
        else:
            step.hear(entry, found)
    return found


class _Step:
    """One step of a transcript: what it tells only when it is over is kept until then."""

    def __init__(self, graph: nx.Graph, blur_eur_per_mwh: float) -> None:
        self._graph = graph
        self._blur = blur_eur_per_mwh
        self._began_mw: dict[str, np.ndarray] = {}
        self._consensus = {c: Listener(c) for c in graph}
        # Bundles that who hears their cost may not know in full, unless they are traded.
        self._bundles: dict[str, list[tuple[Difference, np.ndarray]]] = {c: [] for c in graph}

    def hear(self, said: Said, found: Overheard) -> None:
        message, ledger = said.message, said.ledger
        if not self._began_mw:
            self._began_mw = {c: _import_mw(ledger, c) for c in self._graph}
        for country in {message.sender, message.receiver} & set(self._consensus):
            for place, low, high in self._consensus[country].hear(message):
                groups = tuple(frozenset({n}) for n in self._consensus[country].partners)
                known = Known(frozenset().union(*groups), groups)
                found.facts[country].append(
                    Slope(place, low - self._blur, high + self._blur, known)
                )
        numbers = len(message.body.private_numbers())
        if message.sender not in self._graph or not numbers:
            return
        ears = frozenset((*message.via, message.receiver))
        for ear in ears:
            key = (ear, message.sender)
            found.numbers[key] = found.numbers.get(key, 0) + numbers
        if not said.evidence and not self._consensus[message.sender].understands(message):
            found.unexplained.add(type(message.body).__name__)
        here_mw = _import_mw(ledger, message.sender)
        stood = found.stood_mw[message.sender]
        if not stood or (stood[-1] != here_mw).any():
            stood.append(here_mw)
        for evidence in said.evidence:
            if isinstance(evidence, MarginalValue):
                base = self._began_mw[message.sender] if evidence.from_start else here_mw
                low, high = (
                    np.where(np.isnan(bound), edge, bound)
                    for bound, edge in ((evidence.low, -np.inf), (evidence.high, np.inf))
                )
                found.facts[message.sender].append(
                    Slope(base + evidence.mw, low - self._blur, high + self._blur, Known(ears))
                )
                continue
            fact = Difference(
                here_mw,
                here_mw + evidence.mw,
                -evidence.most_eur - self._blur * _energy_mwh(said, evidence),
                -evidence.least_eur,
                Known(ears, _ends(said, message.sender)),
            )
            found.facts[message.sender].append(fact)
            if fact.known.groups and isinstance(said.question, LimitCall):
                self._bundles[message.sender].append((fact, evidence.mw))

    def close(self, end: StepEnd, found: Overheard) -> None:
        for country, before in self._began_mw.items():
            after = _import_mw(end.ledger, country)
            for fact, change in self._bundles[country]:
                # What was traded can be read in the ledger, whoever did not know it before.
                if np.allclose(before + change, after, rtol=1e-9, atol=1e-6):
                    public = Known(fact.known.heard)
                    found.facts[country].append(
                        Difference(fact.from_mw, fact.to_mw, fact.least_eur, fact.most_eur, public)
                    )
            for partner, price in self._consensus[country].last_prices().items():
                known = Known(frozenset({partner}))
                low, high = price - self._blur, price + self._blur
                found.facts[country].append(Slope(after, low, high, known, proven=False))
        for country in self._graph:
            found.stood_mw[country].append(_import_mw(end.ledger, country))


def _ends(said: Said, sender: str) -> tuple[frozenset[str], ...]:
    """Who knows each leg of a bundle: all on its path but who was asked about it."""
    if not isinstance(said.question, LimitCall):
        return ()
    return tuple(frozenset(leg.path) - {sender} for leg in said.question.legs)


def _energy_mwh(said: Said, saving: Saving) -> float:
    """Energy of what was asked about, whichever way, MWh."""
    hours = said.ledger.products.hours
    if isinstance(said.question, LimitCall):
        return float(sum(np.asarray(leg.mw) @ hours for leg in said.question.legs))
    return float(np.abs(saving.mw) @ hours)


def _import_mw(ledger: PublicLedger, country: str) -> np.ndarray:
    return ledger.products.average(ledger.net_import_mw(country))


def known_to(facts: Iterable[Fact], listeners: frozenset[str]) -> list[Fact]:
    """Facts that listeners who tell each other everything know."""
    return [fact for fact in facts if fact.known.to(listeners)]


def places_of(fact: Fact) -> tuple[np.ndarray, ...]:
    """Where a fact says something."""
    return (fact.at_mw,) if isinstance(fact, Slope) else (fact.from_mw, fact.to_mw)
