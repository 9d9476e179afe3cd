"""Looks for the lie that pays each country most, under every protocol and settlement of a grid.

The lie is chosen on some draws and what it pays is estimated on others: the best of many is partly
lucky on the draws that it was chosen on. All cases lie in one folder of comparison; what was
measured is not measured again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, TypeVar

from model.experiments.compare import Comparison, compare, finished, measure_cases, session
from model.experiments.folder import ComparisonFolder
from model.experiments.grid import Case, Grid
from model.experiments.incentives import RULES
from model.experiments.search import best_lie, best_pair, lie_names
from model.experiments.spec import Hunt
from model.experiments.tables import BROKEN
from model.experiments.team import Team
from model.reporting import Reporter
from pypsa_earth.names import is_network_file
from scenarios.errors import ScenarioError
from scenarios.loader import scenario_folder
from scenarios.uncertainty import Uncertainty

Profile = Mapping[str, str]
Rules = tuple[str, ...]
Asked = TypeVar("Asked")
Found = TypeVar("Found")


def find_lies(
    folder: ComparisonFolder, grid: Grid, team: Team, reporter: Reporter | None = None
) -> Comparison:
    """Search the best lies of a folder's hunt, then write all tables.

    Parameters
    ----------
    folder : ComparisonFolder
        With a hunt.
    grid : Grid
        Truthful, on all draws.
    team : Team
        Closed when this returns or is interrupted.
    reporter : Reporter, optional

    Raises
    ------
    RecordsError
        If the scenario is not what the hunt was begun with.
    KeyboardInterrupt
        With the folder's path; results of ended cases are kept there.
    """
    assert grid.experiment.hunt is not None
    reporter = reporter or Reporter()
    with session(folder, grid, team, reporter):
        work = _Work(folder, grid, grid.experiment.hunt, team, reporter)
        work.carry_out()
    return finished(folder, grid, work.cases)


def carry_out(
    folder: ComparisonFolder, grid: Grid, team: Team, reporter: Reporter | None = None
) -> Comparison:
    """Search for lies if that is what the experiment asks for, else compare."""
    work = compare if grid.experiment.hunt is None else find_lies
    return work(folder, grid, team, reporter)


def split_draws(
    scenario: str,
    seeds: int | Sequence[int] | None,
    estimate_on: int | Sequence[int] | None,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Draws to choose lies on, and other draws to estimate them on.

    Parameters
    ----------
    scenario : str
    seeds, estimate_on : int or sequence of int, optional
        How many or which. By default draw 0, the scenario as it is, and the first two others if it
        says what is uncertain.

    Raises
    ------
    ScenarioError
        If a draw is among both.
    """
    chosen = _draws(seeds, after=0) if seeds is not None else (0,)
    if estimate_on is not None:
        others = _draws(estimate_on, after=max(chosen))
    else:
        others = _draws(2, after=max(chosen)) if _is_uncertain(scenario) else ()
    both = sorted(set(chosen) & set(others))
    if both:
        raise ScenarioError(f"--estimate-on: lies are chosen on draw {both[0]}; name others")
    return chosen, others


def _draws(given: int | Sequence[int], after: int) -> tuple[int, ...]:
    """Numbers of draws: those given, or so many after one."""
    if isinstance(given, int):
        return tuple(range(after + 1, after + 1 + given))
    return tuple(given)


def _is_uncertain(scenario: str) -> bool:
    if is_network_file(scenario):
        return False
    found = Uncertainty.read(scenario_folder(scenario))
    return bool(found.ranges or found.hydro_years)


@dataclass
class _Work:
    """One hunt; ``measured`` holds its cases in the order in which they were looked at."""

    folder: ComparisonFolder
    grid: Grid
    hunt: Hunt
    team: Team
    reporter: Reporter
    measured: dict[str, Case] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.truth: dict[Rules, dict[tuple[str, int, int], Case]] = {}
        self._others = set(self.hunt.estimate_on)
        for case in self.grid.cases:
            if case.seed not in self._others:
                case = replace(case, pivotal=True)
            rules = tuple(str(getattr(case, name)) for name in RULES)
            self.truth.setdefault(rules, {})[case.variant, case.seed, case.luck] = case

    @property
    def cases(self) -> tuple[Case, ...]:
        """All cases looked at, in the order of the search."""
        return tuple(self.measured.values())

    def carry_out(self) -> None:
        """Truth, each country alone, pairs, and what the best of each bring on other draws."""
        hunt = self.hunt
        self._measure(
            "telling the truth", [c for cases in self.truth.values() for c in cases.values()]
        )
        names, deviating = hunt.lies or lie_names(), hunt.deviating or self._countries()
        alone = self._search(
            {
                (rules, (country,)): best_lie(names, hunt.rounds)
                for rules in self.truth
                for country in deviating
            },
            lambda who, lie: {who[0]: lie},
        )
        found = {key: {key[1][0]: lie} for key, lie in alone.items()}
        pairs = self._search(
            {
                (rules, two): best_pair(alone[rules, two[:1]], alone[rules, two[1:]], hunt.rounds)
                for rules in self.truth
                for two in self._promising(rules, alone)
            },
            lambda who, lies: dict(zip(who, lies, strict=True)),
        )
        found |= {key: dict(zip(key[1], lies, strict=True)) for key, lies in pairs.items()}
        self._measure(
            "estimating on other draws",
            [
                self.grid.playing(case, profile)
                for (rules, _), profile in found.items()
                for (_, seed, _), case in self.truth[rules].items()
                if seed in self._others
            ],
        )

    def _search(
        self,
        searches: Mapping[
            tuple[Rules, tuple[str, ...]], Generator[list[Any], Mapping[Any, float], Found]
        ],
        profile: Callable[[tuple[str, ...], Any], Profile],
    ) -> dict[tuple[Rules, tuple[str, ...]], Found]:
        """Carry searches on side by side until all have found."""
        found: dict[tuple[Rules, tuple[str, ...]], Found] = {}
        asked = {key: next(search) for key, search in searches.items()}
        while asked:
            wanted = [
                self.grid.playing(case, profile(who, lie))
                for (rules, who), lies in asked.items()
                for lie in lies
                for case in self._choosing(rules)
            ]
            self._measure("searching for lies", sorted(wanted, key=_settlement_last))
            more = {}
            for key, lies in asked.items():
                rules, who = key
                gains = {lie: self._gain_meur(rules, profile(who, lie)) for lie in lies}
                try:
                    more[key] = searches[key].send(gains)
                except StopIteration as end:
                    found[key] = end.value
            asked = more
        return found

    def _promising(
        self, rules: Rules, alone: Mapping[tuple[Rules, tuple[str, ...]], str]
    ) -> Sequence[tuple[str, ...]]:
        """Pairs of countries that gain most by lying alone, their gains added up."""
        gain = {
            who[0]: self._gain_meur(rules, {who[0]: lie})
            for (of, who), lie in alone.items()
            if of == rules
        }
        pairs = sorted(combinations(sorted(gain), 2), key=lambda two: -sum(gain[c] for c in two))
        return pairs[: self.hunt.pairs]

    def _countries(self) -> tuple[str, ...]:
        return self.grid.experiment.countries or tuple(self.grid.base.codes)

    def _choosing(self, rules: Rules) -> list[Case]:
        """Truthful cases of the draws that lies are chosen on."""
        return [c for (_, seed, _), c in self.truth[rules].items() if seed not in self._others]

    def _gain_meur(self, rules: Rules, profile: Profile) -> float:
        """What a profile gains those who lie over the truth, mean over the choosing draws."""
        total, count = 0.0, 0
        for case in self._choosing(rules):
            true, lied = (self.folder.result(c) for c in (case, self.grid.playing(case, profile)))
            if any(r["run"]["status"] in BROKEN for r in (true, lied)):
                continue
            total += sum(_gain_meur(lied, c) - _gain_meur(true, c) for c in profile)
            count += 1
        return total / count if count else float("-inf")

    def _measure(self, what: str, cases: Iterable[Case]) -> None:
        new = {case.id: case for case in cases if case.id not in self.measured}
        self.measured |= new
        measure_cases(self.folder, tuple(new.values()), self.team, self.reporter, what)


def _settlement_last(case: Case) -> tuple[str, ...]:
    """Cases that differ in settlement alone share a negotiation if they come one after another."""
    return case.protocol, case.products, case.changes, case.strategy, case.variant, case.settlement


def _gain_meur(result: Mapping[str, Any], country: str) -> float:
    return float(next(r["gain_meur"] for r in result["countries"] if r["country"] == country))
