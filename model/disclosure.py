"""Who learned what: messages, private numbers, and how far they pin down a cost function.

The measure is the shrinkage of the version space. An observer knows beforehand that a country's
cost falls with net import, is convex, and that its marginal value lies between zero and the value
of lost load. Each message narrows the band in which the marginal value of each product can lie, as
a function of the country's net import between minus and plus its line capacity. The cost function
itself, counted from autarky, then lies in a band as well; the share disclosed is one minus the area
of that band over its area before any message. One marginal price at autarky discloses half.

Products are read one by one: the band of a product is that of the cost along its own axis, as if
the others did not matter. What a bundle saves is divided among its products by interval arithmetic.
Coupling through storage and capacity makes this an attacker's approximation, not a proof; compare
protocols by it on one scenario, not scenarios. A bound that a later message contradicts was told
when other products stood elsewhere, or is not true; the listener forgets it for the later one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import networkx as nx
import numpy as np
import pandas as pd

from protocols.evidence import Evidence, MarginalValue, Saving
from protocols.messages import CLOCK, Award, Body, Message
from protocols.products import Products
from protocols.public import PublicLedger

# Amounts at which a band is kept, each way from autarky; denser where trade begins.
_POINTS_EACH_WAY = 20
# Bounds that miss each other by less than this share of the cap agree: answers are rounded.
_AGREEING = 1e-4

_COLUMNS = ("observer", "victim", "messages", "numbers", "share")


def disclosed_share(heard: pd.DataFrame, country: str | None = None) -> float | None:
    """Largest share of a cost function that one observer knows.

    Parameters
    ----------
    heard : DataFrame
        From :meth:`Watch.table`, or without columns where nobody has watched.
    country : str, optional
        Whose cost function; that of any country by default.

    Returns
    -------
    float or None
        Zero where nothing was said. None if it is not known: nobody has watched, or somebody has
        heard what cannot be measured.
    """
    if "share" not in heard:
        return None
    shares = heard["share"] if country is None else heard["share"][heard["victim"] == country]
    if shares.isna().any():
        return None
    return float(shares.max()) if len(shares) else 0.0


class Band:
    """Band of the marginal value of every product over net import.

    Parameters
    ----------
    products : int
    reach_mw : float
        Largest net import or export looked at.
    cap_eur_per_mwh : float
        Marginal values lie between zero and this.
    """

    def __init__(self, products: int, reach_mw: float, cap_eur_per_mwh: float) -> None:
        # Bounds as they were told, each at the nearest kept amount on the safe side; what follows
        # for other amounts, because marginal values fall with import, is worked out when read.
        steps = np.linspace(-1, 1, 2 * _POINTS_EACH_WAY + 1)
        self.mw = reach_mw * np.sign(steps) * steps**2
        self.cap = cap_eur_per_mwh
        self.low = np.zeros((products, len(steps)))
        self.high = np.full((products, len(steps)), cap_eur_per_mwh)

    def learn(self, evidence: Evidence, here_mw: np.ndarray, hours: np.ndarray) -> None:
        """Narrow the band by what a message proves.

        Parameters
        ----------
        evidence : MarginalValue or Saving
        here_mw : ndarray, shape (products,)
            Net import of the sender when it spoke, its mean over each product.
        hours : ndarray, shape (products,)
            MWh of one MW of each product.
        """
        if isinstance(evidence, MarginalValue):
            self._at_least(here_mw + evidence.mw, evidence.low)
            self._at_most(here_mw + evidence.mw, evidence.high)
        else:
            self._learn_saving(evidence, here_mw, hours)

    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper edge at the kept amounts ``mw``, EUR/MWh, shape (products, amounts)."""
        return self._edges(slice(None))

    def share(self, hours: np.ndarray) -> float:
        """Share of the cost function that is pinned down."""
        before = hours.sum() * self.cap * self.mw[-1] ** 2
        return float(1 - (hours @ self._area()) / before) if before > 0 else 0.0

    def _learn_saving(self, saving: Saving, here_mw: np.ndarray, hours: np.ndarray) -> None:
        energy = saving.mw * hours
        moved = np.flatnonzero(np.abs(saving.mw) > 1e-9 * self.mw[-1])
        if len(moved) == 0:
            return
        first = np.minimum(here_mw, here_mw + saving.mw)[moved]
        last = np.maximum(here_mw, here_mw + saving.mw)[moved]
        # The mean slope of a stretch lies between the band's lower edge at its far end and the
        # upper edge at its near end.
        rows, end = np.arange(len(moved)), len(self.mw) - 1
        after = np.searchsorted(self.mw, last, side="left")
        upto = np.searchsorted(self.mw, first, side="right") - 1
        low, high = self._edges(moved)
        low = np.where(after <= end, low[rows, np.minimum(after, end)], 0.0)
        high = np.where(upto >= 0, high[rows, np.maximum(upto, 0)], self.cap)
        energy = energy[moved]
        least = np.where(energy > 0, low, high) * energy
        most = np.where(energy > 0, high, low) * energy
        a = (saving.least_eur - (most.sum() - most)) / energy
        b = (saving.most_eur - (least.sum() - least)) / energy
        slope_low, slope_high = np.minimum(a, b), np.maximum(a, b)
        nothing = np.full(len(hours), np.nan)
        for at, bound, narrow in (
            (first, slope_low, self._at_least),
            (last, slope_high, self._at_most),
        ):
            where, value = here_mw.copy(), nothing.copy()
            where[moved], value[moved] = at, bound
            narrow(where, value)

    def _edges(self, rows: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper edge: who values a MWh so much values earlier ones no less."""
        low = np.maximum.accumulate(self.low[rows, ::-1], axis=1)[:, ::-1]
        return low, np.minimum.accumulate(self.high[rows], axis=1)

    def _at_least(self, mw: np.ndarray, value: np.ndarray) -> None:
        column = np.searchsorted(self.mw, mw, side="right") - 1
        rows = np.flatnonzero(~np.isnan(value) & (column >= 0))
        place, told = (rows, column[rows]), np.minimum(value[rows], self.cap)
        before = np.arange(len(self.mw)) <= column[rows, None]
        denied = before & (self.high[rows] < told[:, None] - _AGREEING * self.cap)
        self.high[rows] = np.where(denied, self.cap, self.high[rows])
        self.low[place] = np.maximum(self.low[place], told)

    def _at_most(self, mw: np.ndarray, value: np.ndarray) -> None:
        column = np.searchsorted(self.mw, mw, side="left")
        rows = np.flatnonzero(~np.isnan(value) & (column < len(self.mw)))
        place, told = (rows, column[rows]), np.maximum(value[rows], 0.0)
        after = np.arange(len(self.mw)) >= column[rows, None]
        denied = after & (self.low[rows] > told[:, None] + _AGREEING * self.cap)
        self.low[rows] = np.where(denied, 0.0, self.low[rows])
        self.high[place] = np.minimum(self.high[place], told)

    def _area(self) -> np.ndarray:
        """Area between the upper and the lower cost function of every product."""
        # Over a stretch the marginal value is at most the edge at its left end and at least the
        # edge at its right end.
        width = np.diff(self.mw)
        low, high = self.edges()
        gap = np.maximum(high[:, :-1] - low[:, 1:], 0.0) * width
        middle = _POINTS_EACH_WAY
        area = np.zeros(len(gap))
        for stretches in (range(middle, len(width)), range(middle - 1, -1, -1)):
            apart = np.zeros(len(gap))
            for k in stretches:
                area += (apart + gap[:, k] / 2) * width[k]
                apart = apart + gap[:, k]
        return area


@dataclass
class Knowledge:
    """What one observer has heard from one country.

    Attributes
    ----------
    messages, numbers : int
    band : Band
    measurable : bool
        Whether every body with private numbers said what follows from it.
    """

    band: Band
    messages: int = 0
    numbers: int = 0
    measurable: bool = True


@dataclass
class Watch:
    """Listens in the place of every observer.

    Parameters
    ----------
    graph : networkx.Graph
    products : Products
    price_cap_eur_per_mwh : float
    """

    graph: nx.Graph
    products: Products
    price_cap_eur_per_mwh: float
    known: dict[tuple[str, str], Knowledge] = field(default_factory=dict)
    _began_mw: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def begin(self, ledger: PublicLedger) -> None:
        """A protocol run begins at the flows of a ledger."""
        self._began_mw = {c: self.products.average(ledger.net_import_mw(c)) for c in self.graph}

    def hear(self, message: Message, question: Body | None, ledger: PublicLedger) -> None:
        """Take in a message before its consequences are booked.

        Parameters
        ----------
        message : Message
        question : Body, optional
            Body of the message it answers.
        ledger : PublicLedger
        """
        if message.sender == CLOCK or message.sender not in self.graph:
            return
        if isinstance(message.body, Award):
            return
        for observer in (*message.via, message.receiver):
            knowledge = self._of(observer, message.sender)
            knowledge.messages += 1
            knowledge.numbers += len(message.body.private_numbers())
        if not message.body.private_numbers():
            return
        if type(message.body).evidence is Body.evidence:
            for observer in (*message.via, message.receiver):
                self._of(observer, message.sender).measurable = False
            return
        now_mw = self.products.average(ledger.net_import_mw(message.sender))
        for evidence in message.body.evidence(question, message.sender, ledger):
            from_start = isinstance(evidence, MarginalValue) and evidence.from_start
            here_mw = self._began_mw[message.sender] if from_start else now_mw
            for observer in (*message.via, message.receiver):
                band = self._of(observer, message.sender).band
                band.learn(evidence, here_mw, self.products.hours)

    def table(self) -> pd.DataFrame:
        """One row per observer and victim, with the columns of the ``disclosure`` table."""
        hours = self.products.hours
        rows = [
            {
                "observer": observer,
                "victim": victim,
                "messages": known.messages,
                "numbers": known.numbers,
                "share": known.band.share(hours) if known.measurable else np.nan,
            }
            for (observer, victim), known in sorted(self.known.items())
        ]
        return pd.DataFrame(rows, columns=_COLUMNS)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, list[int]]]:
        """Bands as arrays, counts as plain values."""
        arrays, counts = {}, {}
        for (observer, victim), known in self.known.items():
            name = f"{observer}>{victim}"
            arrays[name] = np.stack([known.band.low, known.band.high])
            counts[name] = [known.messages, known.numbers, int(known.measurable)]
        return arrays, counts

    def restore(self, arrays: dict[str, np.ndarray], counts: dict[str, list[int]]) -> None:
        """Take up a recorded :meth:`state`."""
        self.known = {}
        for name, (messages, numbers, measurable) in counts.items():
            observer, victim = name.split(">")
            known = self._of(observer, victim)
            known.messages, known.numbers = int(messages), int(numbers)
            known.measurable = bool(measurable)
            known.band.low, known.band.high = arrays[name]

    def _of(self, observer: str, victim: str) -> Knowledge:
        if (observer, victim) not in self.known:
            lines = [self.graph.edges[victim, n] for n in self.graph.neighbors(victim)]
            limits = [{c: np.max(mw) for c, mw in line["capacity_mw"].items()} for line in lines]
            out = sum(line[victim] for line in limits)
            into = sum(sum(line.values()) for line in limits) - out
            band = Band(len(self.products), max(out, into), self.price_cap_eur_per_mwh)
            self.known[observer, victim] = Knowledge(band)
        return self.known[observer, victim]
