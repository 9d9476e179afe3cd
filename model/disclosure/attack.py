"""How well others can predict a country's cost after a run, by a fixed attacker.

Whoever listens, alone or with others who tell it everything, fits a convex cost to what it heard
(:mod:`model.disclosure.regression`). The fit is held against the true cost at random exchanges that
nobody spoke of. Listeners may disregard what some of them heard: the error of a group is the least
of that of its own fit and those of its parts, so that more ears never know less. What is certain,
whatever the attacker, are the bounds of :mod:`model.disclosure.envelope`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from agents.privacy import read_privacy
from model.disclosure.envelope import Envelope, least_slack, too_large
from model.disclosure.facts import Fact, Overheard, known_to, overhear
from model.disclosure.regression import Fit, Frame
from model.disclosure.transcript import replay
from model.disclosure.truth import Truth, between, trading_box, truth_at, unseen
from model.players import DIRECT
from model.records import RunRecords
from model.reporting import Reporter
from model.world import World, build_world
from scenarios.errors import ScenarioError

NOBODY, EVERYBODY = "nobody", "everybody"
PLACES = 40
# Child of the run's seed that places are drawn from.
_STREAM = 0xD15C


@dataclass(frozen=True)
class DisclosureReport:
    """What a run gave away.

    Attributes
    ----------
    errors : DataFrame
        A row per country and group of listeners, see ``docs/disclosure.md``.
    left_out : tuple of str
        What was not measured and why, a sentence each.
    """

    errors: pd.DataFrame
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class _Guess:
    """Errors of one attacker, and its guess of what the country's trades cost it."""

    errors: tuple[float, ...]
    trades_eur: float


_ERRORS = (
    "cost_error",
    "value_error_eur_per_mwh",
    "near_cost_error",
    "near_value_error_eur_per_mwh",
    "final_value_error_eur_per_mwh",
)


def what_was_disclosed(
    records: RunRecords,
    *,
    places: int = PLACES,
    victims: Sequence[str] | None = None,
    bounds: bool = True,
    reporter: Reporter | None = None,
) -> DisclosureReport:
    """Attack a finished run.

    Reads scenario and messages of the run, builds its countries again and solves each at places
    that the attackers do not know.

    Parameters
    ----------
    records : RunRecords
    places : int
        Random exchanges of each country, as many in the trading box as near its trades.
    victims : sequence of str, optional
        Countries that are attacked; all by default.
    bounds : bool
        Whether to work out what is certain, which takes most of the time.
    reporter : Reporter, optional

    Raises
    ------
    ScenarioError
        If the run has no messages to attack, or a victim is no country of it.
    """
    reporter = reporter or Reporter()
    _check(records, victims)
    world = build_world(records.scenario, records.options.solver, reporter)
    chosen = [c for c in world.countries if victims is None or c in victims]
    reporter.phase("reading what was said")
    blur = records.options.privacy
    off = read_privacy(blur)[1] if blur else 0.0
    heard = overhear(replay(records, world), world.graph, off)
    left_out = [
        f"{kind}: nothing is inferred from it, its private numbers are counted"
        for kind in sorted(heard.unexplained)
    ]
    seeds = np.random.SeedSequence([world.scenario.settings.seed, _STREAM])
    rngs = dict(zip(world.countries, seeds.spawn(len(world.countries)), strict=True))
    reporter.phase("attacking", len(chosen))
    tables = []
    for country in chosen:
        reporter.advance(country)
        if world.problems[country].ports > 1:
            left_out.append(f"{country} has several ports, where net import is not all there is")
            continue
        rng = np.random.default_rng(rngs[country])
        tables.append(_attack(world, heard, country, places, rng, bounds))
        if bounds and tables[-1]["slack_eur_per_mwh"].isna().any():
            left_out.append(f"{country}: too many products for bounds of what is certain")
    return DisclosureReport(
        pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(), tuple(left_out)
    )


def _check(records: RunRecords, victims: Sequence[str] | None) -> None:
    options = records.options
    if options.protocol == DIRECT or records.summary().get("protocol") == DIRECT:
        raise ScenarioError(
            f"{records.name}: the operator was handed every planning problem, it knows all there is"
        )
    if options.decomposition == "independent":
        raise ScenarioError(
            f"{records.name}: slices were negotiated alone, and what they say of the year's cost "
            "is not worked out; give a run with --decomposition coupled"
        )
    for victim in victims or ():
        if victim not in records.scenario.codes:
            raise ScenarioError(f"--victims: '{victim}' is not in the run")


def _attack(
    world: World,
    heard: Overheard,
    country: str,
    places: int,
    rng: np.random.Generator,
    bounds: bool,
) -> pd.DataFrame:
    settings, products = world.scenario.settings, world.products
    facts, stood = heard.facts[country], heard.stood_mw[country]
    box = trading_box(world, country)
    frame = Frame(*box, np.array(products.hours), settings.value_of_lost_load_eur_per_mwh)
    problem = world.problems[country]
    anywhere = unseen(world, country, places, rng)
    near = truth_at(problem, products, between(stood, places, rng))
    final = truth_at(problem, products, stood[-1][None])
    # All or none: bounds of some listeners beside none of others would say nothing.
    certain = bounds and not too_large(facts, frame)
    slack = least_slack(facts, frame) if certain else np.nan
    rows: list[dict[str, object]] = []
    guesses: dict[frozenset[str], _Guess] = {}
    for name, group in _groups(world, heard, country):
        known = known_to(facts, group)
        own = _guess(known, frame, anywhere, near, final)
        parts = [guesses[part] for part in guesses if part <= group]
        guesses[group] = best = _best([own, *parts])
        least, most = -np.inf, np.inf
        if certain:
            least, most = Envelope(known, frame, slack).bounds_eur(stood[-1])
        rows.append(
            {
                "country": country,
                "listeners": name,
                "numbers": sum(heard.numbers.get((ear, country), 0) for ear in group),
                "facts": len(known),
                **dict(zip(_ERRORS, best.errors, strict=True)),
                "trades_guess_eur": float(np.clip(best.trades_eur, least, most)),
                "trades_least_eur": least if certain else np.nan,
                "trades_most_eur": most if certain else np.nan,
                "trades_true_eur": float(final.cost_eur[0]),
                "mean_value_eur_per_mwh": _mean(anywhere.value_eur_per_mwh),
                "near_mean_value_eur_per_mwh": _mean(near.value_eur_per_mwh),
                "places": len(anywhere.at_mw),
                "slack_eur_per_mwh": slack,
            }
        )
    return pd.DataFrame(rows)


def _groups(world: World, heard: Overheard, country: str) -> list[tuple[str, frozenset[str]]]:
    """Nobody, each neighbour, each two of them, and all others together."""
    ears = {ear for ear, speaker in heard.numbers if speaker == country}
    near = sorted(world.graph.neighbors(country))
    everybody = frozenset((ears | set(world.countries)) - {country})
    found = [(NOBODY, frozenset[str]())]
    for size in (1, 2):
        found += [("+".join(who), frozenset(who)) for who in combinations(near, size)]
    # With two or more others in all there is a row for all; the operator is one of them.
    return [*found, (EVERYBODY, everybody)]


def _guess(
    facts: Sequence[Fact], frame: Frame, anywhere: Truth, near: Truth, final: Truth
) -> _Guess:
    fit = Fit(facts, frame)
    errors = [error for truth in (anywhere, near) for error in _errors(fit, truth)]
    errors.append(_errors(fit, final)[1])
    return _Guess(tuple(errors), float(fit.cost_eur(final.at_mw)[0]))


def _errors(fit: Fit, truth: Truth) -> tuple[float, float]:
    """Error of cost, root mean square as a share of that of the true cost; mean one of value."""
    if len(truth.at_mw) == 0:
        return np.nan, np.nan
    miss = fit.cost_eur(truth.at_mw) - truth.cost_eur
    scale = float(np.sqrt(np.mean(truth.cost_eur**2)))
    cost = float(np.sqrt(np.mean(miss**2))) / scale if scale > 0 else np.nan
    value = np.abs(fit.value_eur_per_mwh(truth.at_mw) - truth.value_eur_per_mwh)
    return cost, float(value.mean())


def _best(guesses: Sequence[_Guess]) -> _Guess:
    """What listeners reach who may disregard each other, error by error."""
    errors = np.array([guess.errors for guess in guesses])
    least = tuple(float(x) for x in errors.min(axis=0))
    return _Guess(least, guesses[int(np.nanargmin(errors[:, -1]))].trades_eur)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else np.nan
