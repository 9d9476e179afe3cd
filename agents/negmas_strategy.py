"""Lets a negotiator of NegMAS play a country's part in alternating offers.

NegMAS is licensed under the AGPL. It is no dependency: nothing here imports it before this strategy
is named, and whoever names it must have installed it.

References: Mohammad, Nakadai & Greenwald (2021), NegMAS: a platform for automated negotiations.
"""

from __future__ import annotations

from typing import Any

from agents.strategy import Strategy
from agents.tactics import Standpoint, Tactic
from protocols.plugins import PluginError, suggest


class NegmasBargainer(Strategy):
    """Any SAO negotiator of NegMAS by its class name: ``negmas:AspirationNegotiator``.

    It sees the outcomes of the agenda as one issue, its own country's utility of each, and the
    reservation value zero. Needs ``pip install negmas``, which is licensed under the AGPL.
    Negotiators that draw random numbers draw them from Python's and numpy's global generators, so
    that a run with them is not repeatable.

    Parameters
    ----------
    negotiator : str
        Class in ``negmas.sao``.
    """

    name = "negmas"

    def __init__(self, negotiator: str = "AspirationNegotiator") -> None:
        self.tactic = NegmasTactic(negotiator)

    @classmethod
    def from_text(cls, given: str) -> Strategy:
        """Make the strategy from the name of a negotiator."""
        return cls(given.strip()) if given.strip() else cls()


class NegmasTactic:
    """Seats a new NegMAS negotiator in every talk.

    Parameters
    ----------
    negotiator : str

    Raises
    ------
    PluginError
        If NegMAS is not installed or has no such negotiator.
    """

    def __init__(self, negotiator: str) -> None:
        self._kind = _negotiator_class(negotiator)

    def for_talk(self) -> Tactic:
        """Player of one talk."""
        return NegmasPlayer(self._kind)


class NegmasPlayer(Tactic):
    """One negotiator in one talk.

    It sits in a NegMAS mechanism with a stand-in for the partner, which says what the partner has
    said. The mechanism makes one offer a step, as the talk does a turn, so that time runs alike.

    Parameters
    ----------
    kind : type
        Class of NegMAS negotiator.
    """

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._mechanism: Any = None
        self._partner: Any = None
        self._accepted = False

    def next_offer(self, talk: Standpoint) -> int | None:
        """Outcome the negotiator offers, the last one received if it accepts, None if it leaves."""
        if self._mechanism is None:
            self._sit_down(talk)
        if talk.received:
            self._partner.says = (talk.received[-1],)
            self._mechanism.step()
        if self._mechanism.state.ended:
            return None
        state = self._mechanism.step()
        self._accepted = state.agreement is not None
        if self._accepted:
            return talk.received[-1]
        if state.broken or state.current_offer is None:
            return None
        return int(state.current_offer[0])

    def accepts(self, talk: Standpoint, own_next: int) -> bool:
        """Whether the negotiator has accepted."""
        del talk, own_next
        return self._accepted

    def _sit_down(self, talk: Standpoint) -> None:
        from negmas import SAOMechanism, make_issue
        from negmas.preferences import MappingUtilityFunction

        issues = [make_issue(len(talk.utility_eur), "outcome")]
        mechanism = SAOMechanism(issues=issues, n_steps=talk.turns, one_offer_per_step=True)
        share = talk.utility_eur / (talk.best_eur or 1.0)
        own = MappingUtilityFunction(
            {(i,): float(u) for i, u in enumerate(share)}, issues=issues, reserved_value=0.0
        )
        other = MappingUtilityFunction(
            {(i,): 0.0 for i in range(len(share))}, issues=issues, reserved_value=0.0
        )
        self._partner = _stand_in()
        seats = [(self._kind(), own), (self._partner, other)]
        for negotiator, preferences in reversed(seats) if talk.received else seats:
            mechanism.add(negotiator, preferences=preferences)
        self._mechanism = mechanism


def _negotiator_class(name: str) -> Any:
    try:
        from negmas import sao
        from negmas.gb import GBNegotiator
    except ImportError:
        raise PluginError(
            "strategy negmas: NegMAS is not installed; it is licensed under the AGPL, "
            "install it with pip install negmas"
        ) from None
    known = {n: k for n, k in vars(sao).items() if _is_negotiator(k, GBNegotiator)}
    if name not in known:
        raise PluginError(
            f"strategy negmas: NegMAS has no negotiator '{name}'{suggest(name, known)}"
        )
    return known[name]


def _is_negotiator(kind: object, base: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)


def _stand_in() -> Any:
    from negmas.sao import ResponseType, SAONegotiator

    class Partner(SAONegotiator):
        """Says what it is told."""

        says: tuple[int, ...] | None = None

        def propose(self, state: Any, dest: str | None = None) -> Any:
            return self.says

        def respond(self, state: Any, source: str | None = None) -> Any:
            return ResponseType.REJECT_OFFER

    return Partner()
