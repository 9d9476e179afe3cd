"""One protocol, one strategy and one settlement rule from outside."""

from agents.strategy import Strategy
from model.settlement import Settlement
from protocols.base import Outcome, Protocol


class Silence(Protocol):
    """Nobody says anything."""

    name = "silence"
    discloses = "nothing"

    def run(self, market):
        yield from ()
        return Outcome(settled=True)


class Shy(Strategy):
    """Answers only so many questions a step."""

    name = "shy"

    def __init__(self, questions=3.0):
        self.left = questions

    def answer(self, message, ledger, usual):
        self.left -= 1
        return usual(message) if self.left >= 0 else None


class WinnerTakesAll(Settlement):
    """The first country gets everybody's gain."""

    name = "winner_takes_all"
    discloses = "cost saved, one number a country"

    def payments_eur(self, case):
        paid = dict(case.savings_eur)
        first = next(iter(paid))
        paid[first] -= sum(paid.values())
        return paid
