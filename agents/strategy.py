"""How a country answers: the truth, or what it would rather have others believe.

A strategy turns the country's planning problem into the one it reports. Every protocol then meets
the strategy without knowing it, because all answers come from the reported problem; the country
itself plans and settles on the true one.
"""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from agents.problem import Plan, PlanningProblem, Terms
from agents.tactics import MiCRO, TacticSource
from agents.valuation import Valuation
from protocols.messages import Message
from protocols.parameters import known_parameters, read_parameters
from protocols.plugins import Family, PluginError
from protocols.public import PublicLedger

Answer = Callable[[Message], Message | None]


@dataclass(frozen=True)
class Numbers:
    """Values of a strategy's parameter with which a search for the best lie begins.

    Attributes
    ----------
    first : tuple of float
        Increasing; zero is the truth and not among them.
    whole : bool
        Whether only whole numbers count.
    below : float
        Values must be less.
    """

    first: tuple[float, ...]
    whole: bool = False
    below: float = math.inf


@dataclass(frozen=True)
class Choices:
    """All values that a strategy's parameter can take."""

    names: tuple[str, ...]


class Strategy(ABC):
    """What a country makes of the truth; the base class is the truth itself.

    Subclasses override :meth:`report`; :meth:`quotes` for what is said of prices and amounts; or
    :meth:`answer` to take every message into their own hands. Parameters are numbers, given after
    a colon: ``markup:0.1``.

    Attributes
    ----------
    name : str
        Name on the command line.
    tactic : TacticSource
        What it offers and accepts where offers alternate.
    discount : float
        What a gain is worth a turn later, where the protocol discounts.
    tries : Numbers or Choices, optional
        How its parameter is searched for the lie that pays most; None leaves the strategy out.
    """

    name: ClassVar[str]
    tries: ClassVar[Numbers | Choices | None] = None
    tactic: TacticSource = MiCRO()
    discount: float = 0.9

    @classmethod
    def from_text(cls, given: str) -> Strategy:
        """Make the strategy from what follows the colon: numbers, separated by commas.

        Raises
        ------
        PluginError
            If the parameters do not fit.
        """
        parts = [part.strip() for part in given.split(",") if part.strip()]
        numbers = [_number(cls.name, part) for part in parts]
        known = list(known_parameters(cls))
        if len(numbers) > len(known):
            raise PluginError(
                f"strategy {cls.name} does not take {len(numbers)} parameters, as in '{given}'"
            )
        named = dict(zip(known, numbers, strict=False))
        try:
            return cls(**read_parameters(f"strategy {cls.name}", cls, named))
        except PluginError:
            raise
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            raise PluginError(f"strategy {cls.name} cannot be made: {told}") from error

    def report(self, problem: PlanningProblem) -> PlanningProblem:
        """Return the problem that answers are made from."""
        return problem

    def quotes(self, valuation: Valuation) -> Valuation:
        """Return the valuation that prices, wishes and curves are made from; limits are not."""
        return valuation

    def in_step(self, step: int) -> Strategy:
        """Strategy that answers in a step of the negotiation, counted from 0."""
        del step
        return self

    def answer(self, message: Message, ledger: PublicLedger, usual: Answer) -> Message | None:
        """Reply to a message; ``usual`` is the answer from the reported problem."""
        del ledger
        return usual(message)

    @property
    def answers_itself(self) -> bool:
        """Whether it takes messages into its own hands, so that they need not be the truth."""
        return type(self).answer is not Strategy.answer


def _number(strategy: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise PluginError(f"strategy {strategy}: '{text}' is no number")
    return number


class Truthful(Strategy):
    """Answers from its true cost."""

    name = "truthful"


class MarkUp(Strategy):
    """Asks more for exports and values imports less, by a share of its marginal cost in autarky.

    Parameters
    ----------
    share : float
        Added to the cost of each MWh exported and taken off the value of each MWh imported, as a
        share of the marginal cost of the same snapshot without trade.
    """

    name = "markup"
    tries = Numbers((0.05, 0.15))

    def __init__(self, share: float = 0.1) -> None:
        if not 0 <= share < math.inf:
            raise PluginError(f"strategy markup: {share:g} is no mark-up; give zero or more")
        self.share = share

    def report(self, problem: PlanningProblem) -> PlanningProblem:
        """Problem with a charge on every MWh that crosses the border."""
        return _MarkedUp(problem, self.share)


class Withholding(Strategy):
    """Hides a share of what it would trade: its supply and demand curves are cut in quantity.

    At every price the country offers and buys ``1 - share`` of what it truly would; its reported
    cost is the perspective of the true one.

    Parameters
    ----------
    share : float
        Share withheld, below one.
    """

    name = "withholding"
    tries = Numbers((0.1, 0.3), below=1.0)

    def __init__(self, share: float = 0.1) -> None:
        if not 0 <= share < 1:
            raise PluginError(f"strategy withholding: give a share in [0, 1), not {share:g}")
        self.share = share

    def report(self, problem: PlanningProblem) -> PlanningProblem:
        """Problem that trades less at every price."""
        return _Withheld(problem, 1 - self.share)


STRATEGIES = Family("dman_cep.strategies", "strategy", Strategy)


def make_strategy(text: str) -> Strategy:
    """Make a strategy from its name and parameters.

    Parameters
    ----------
    text : str
        ``"truthful"``, ``"markup:0.1"``; several parameters are separated by commas.

    Raises
    ------
    PluginError
        If there is no such strategy or its parameters do not fit.
    """
    name, _, given = text.partition(":")
    kind = STRATEGIES.load(name.strip())
    made: Strategy = kind.from_text(given)
    return made


class _Reported(PlanningProblem):
    """A problem that answers from another one."""

    def __init__(self, true: PlanningProblem) -> None:
        self.country = true.country
        self.ports = true.ports
        self.weights_h = true.weights_h
        self.shape = true.shape
        self._true = true

    @property
    def demand_mw(self) -> np.ndarray:
        return self._true.demand_mw

    @property
    def solves(self) -> int:  # type: ignore[override]
        return self._true.solves

    def stop(self) -> None:
        self._true.stop()


class _MarkedUp(_Reported):
    """Cost plus a charge on every MWh traded."""

    def __init__(self, true: PlanningProblem, share: float) -> None:
        super().__init__(true)
        alone = true.solve(np.zeros(len(true.weights_h)))
        self._charge = share * np.maximum(alone.price_eur_per_mwh, 0.0)
        hours = self.shape @ self.weights_h
        self._product_charge = (self.shape @ (self.weights_h * self._charge)) / hours

    def solve(self, exchange_mw: np.ndarray) -> Plan:
        plan = self._true.solve(exchange_mw)
        charge = float(self.weights_h @ (self._charge * np.abs(exchange_mw)))
        price = plan.price_eur_per_mwh - self._charge * np.sign(exchange_mw)
        return Plan(plan.cost_eur + charge, price, plan.exchange_mw, plan.ports)

    def respond(self, exchange_mw: np.ndarray, terms: Terms) -> np.ndarray:
        # Undoing an export saves the charge, so that importing and exporting more are treated
        # alike; a trade that would turn the direction stops at nothing.
        hours = self.shape @ self.weights_h
        here = (self.shape @ (self.weights_h * exchange_mw)) / hours
        sign_in, sign_out = np.where(here < 0, -1.0, 1.0), np.where(here > 0, 1.0, -1.0)
        most_in = np.where(here < 0, np.abs(here), np.inf)
        most_out = np.where(here > 0, np.abs(here), np.inf)
        return self._true.respond(
            exchange_mw,
            Terms(
                import_price=terms.import_price + sign_in * self._product_charge,
                export_price=terms.export_price + sign_out * self._product_charge,
                import_limit_mw=first_blocks(terms.import_limit_mw, most_in),
                export_limit_mw=first_blocks(terms.export_limit_mw, most_out),
            ),
        )


def first_blocks(limit_mw: np.ndarray, most_mw: np.ndarray) -> np.ndarray:
    """Blocks of a ladder as far as they fit into a total."""
    return np.diff(
        np.minimum(np.cumsum(np.atleast_2d(limit_mw), axis=0), most_mw), axis=0, prepend=0
    )


class _Withheld(_Reported):
    """The perspective of cost: ``C(0) + k (C(x / k) - C(0))`` for a share ``k`` that is offered."""

    def __init__(self, true: PlanningProblem, offered: float) -> None:
        super().__init__(true)
        self._offered = offered
        self._alone_eur = true.cost(np.zeros(len(true.weights_h)))

    def solve(self, exchange_mw: np.ndarray) -> Plan:
        plan = self._true.solve(np.asarray(exchange_mw) / self._offered)
        cost = self._alone_eur + self._offered * (plan.cost_eur - self._alone_eur)
        return Plan(cost, plan.price_eur_per_mwh, np.array(exchange_mw, dtype=float), plan.ports)

    def respond(self, exchange_mw: np.ndarray, terms: Terms) -> np.ndarray:
        wider = Terms(
            import_price=terms.import_price,
            export_price=terms.export_price,
            import_limit_mw=terms.import_limit_mw / self._offered,
            export_limit_mw=terms.export_limit_mw / self._offered,
        )
        return self._offered * self._true.respond(exchange_mw / self._offered, wider)
