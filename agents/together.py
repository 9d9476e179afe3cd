"""All countries at once: a Mesa agent set whose members act in threads where there are several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from typing import Any

from agents.mesa_import import mesa
from agents.solving import at_the_same_time


class Together(mesa.agent.AgentSet):
    """Agents that ``do`` and ``map`` at the same time.

    What one of them does may not depend on what another does in the same stage; results then stand
    in the order of the agents and are the same for any number of workers.

    Parameters
    ----------
    agents : iterable
        May be stopped while they solve, see :class:`agents.solving.Stoppable`.
    random : random.Random
        Mesa's, for its own methods that shuffle.
    workers : int
        Agents that act at the same time; one acts in the thread that asks.
    """

    def __init__(self, agents: Iterable[Any], random: Random, workers: int = 1) -> None:
        super().__init__(agents, random)
        self._workers = workers
        self._pool: ThreadPoolExecutor | None = None

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Keep the threads from one stage to the next; the user's interrupt ends all solves."""
        if self._workers <= 1 or self._pool is not None:
            yield
            return
        with at_the_same_time(self._workers, list(self)) as self._pool:
            try:
                yield
            finally:
                self._pool = None

    def select(self, *args: Any, **kwargs: Any) -> mesa.agent.AgentSet:
        """As Mesa selects; those selected share the threads."""
        chosen = super().select(*args, **kwargs)
        if chosen is self:
            return self
        some = Together(chosen, self.random, self._workers)
        some._pool = self._pool
        return some

    def do(self, method: str | Callable[..., Any], *args: Any, **kwargs: Any) -> Together:
        """Let every agent carry out a method, or a function of the agent."""
        self.map(method, *args, **kwargs)
        return self

    def map(self, method: str | Callable[..., Any], *args: Any, **kwargs: Any) -> list[Any]:
        """Results of :meth:`do`, in the order of the agents.

        Raises
        ------
        Exception
            The error of the first agent that had one.
        """
        if self._workers <= 1 or len(self) <= 1:
            return list(super().map(method, *args, **kwargs))

        def act(agent: Any) -> Any:
            if isinstance(method, str):
                return getattr(agent, method)(*args, **kwargs)
            return method(agent, *args, **kwargs)

        with self.at_work():
            assert self._pool is not None
            return list(self._pool.map(act, list(self)))
