"""The desk of a country: routes every question to the side that answers it."""

from __future__ import annotations

from agents.bidding import Bidder
from agents.consensus_side import ConsensusSide
from agents.curve_side import CurveSide
from agents.offer_side import OfferSide
from agents.proposal_side import ProposalSide
from agents.side import Answerer, Side
from agents.strategy import Strategy
from agents.valuation import Valuation
from protocols.messages import Body, Message
from protocols.public import PublicLedger

SIDES: tuple[type[Side], ...] = (Bidder, OfferSide, CurveSide, ConsensusSide, ProposalSide)


class Desk:
    """All sides of a country for one step.

    Parameters
    ----------
    country : str
    valuation : Valuation
        Of the reported problem.
    strategy : Strategy
    more : tuple of Answerer
        What needs more than that to be made.
    """

    def __init__(
        self,
        country: str,
        valuation: Valuation,
        strategy: Strategy,
        more: tuple[Answerer, ...] = (),
    ) -> None:
        self._strategy = strategy
        self._sides: dict[type[Body], Answerer] = {}
        own: list[Answerer] = [kind(country, valuation, strategy) for kind in SIDES]
        for side in (*own, *more):
            for body in side.answers:
                self._sides[body] = side

    def answer(self, message: Message, ledger: PublicLedger) -> Message | None:
        """Reply to a message, or keep silent."""
        return self._strategy.answer(message, ledger, lambda m: self._usual(m, ledger))

    def _usual(self, message: Message, ledger: PublicLedger) -> Message | None:
        side = self._sides.get(type(message.body))
        return None if side is None else side.answer(message, ledger)
