"""Where a country's letters lie: what it was asked, and what it answers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from protocols.messages import Message
from protocols.public import PublicLedger


class Mailbox:
    """Takes messages in and puts the answers out, in the same order.

    Attributes
    ----------
    inbox : sequence of Message
        To be answered in the next :meth:`negotiate`.
    outbox : list
        An answer, or None for silence, to each of them.
    """

    inbox: Sequence[Message] = ()
    outbox: Sequence[Message | None] = ()

    def negotiate(self, ledger: PublicLedger) -> None:
        """Answer what lies in the inbox, which is empty then."""
        self.outbox = [self.answer(message, ledger) for message in self.inbox]
        self.inbox = ()

    @abstractmethod
    def answer(self, message: Message, ledger: PublicLedger) -> Message | None:
        """Reply to a message, or keep silent."""
