"""The cases of an experiment: every combination, in order, each with an id that stays.

Cases of one draw, variant, seed and changes of the scenario, have the same scenario whatever their
protocol: one world, one autarky and one planner serve them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from model.choices import check_options
from model.experiments.search import check_lies
from model.experiments.spec import (
    PROTOCOL,
    Experiment,
    Hunt,
    ProtocolChoice,
    SpecError,
    parameters,
    split_member,
    strategy_text,
)
from model.files import content_hash
from model.options import RunOptions
from model.settlement import make_settlement
from model.world import chosen_scenario
from protocols.plugins import PluginError
from pypsa_earth.names import is_network_file
from scenarios.errors import ScenarioError, did_you_mean
from scenarios.loader import scenario_folder
from scenarios.schema import Scenario
from scenarios.uncertainty import Uncertainty
from scenarios.variants import Change, variant_change

# Digits of an id: two of a million cases share one with a chance of one in a hundred.
_ID_DIGITS = 16


@dataclass(frozen=True)
class Draw:
    """A scenario that is negotiated by every protocol.

    Attributes
    ----------
    variant : str
    seed : int
    overrides : dict
        All that is changed: drawn, by the variant, by ``set``.
    countries : tuple of str, optional
        Who takes part, if not all.
    """

    variant: str
    seed: int
    overrides: Mapping[str, object]
    countries: tuple[str, ...] | None


@dataclass(frozen=True)
class Case:
    """One negotiation of an experiment.

    Attributes
    ----------
    id : str
        Hash of all that decides the result.
    protocol, products, strategy, settlement, variant, changes : str
    seed, luck : int
        As in the table ``runs``.
    options : RunOptions
        How it is run.
    world : str
        Hash of scenario and products; cases that share it negotiate about the same.
    pivotal : bool
        Whether it is measured, too, who cannot be done without.
    """

    id: str
    protocol: str
    products: str
    strategy: str
    settlement: str
    variant: str
    seed: int
    luck: int
    changes: str
    options: RunOptions
    world: str
    pivotal: bool = False

    @property
    def coordinates(self) -> dict[str, Any]:
        """Place in the grid, as in the table ``runs``."""
        what = ("protocol", "products", "strategy", "settlement", "variant", "seed", "luck")
        return {"case": self.id} | {n: getattr(self, n) for n in (*what, "changes")}


class Grid:
    """All cases of an experiment.

    Parameters
    ----------
    experiment : Experiment

    Raises
    ------
    SpecError
        If something that the experiment names does not exist, with its key.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self._plain = RunOptions(
            experiment.scenario,
            slices=experiment.slices,
            resolution=experiment.resolution,
            countries=experiment.countries,
            solver=experiment.solver,
            max_steps=experiment.max_steps,
            transit_charges=experiment.transit_charges,
            workers=1,
        )
        with _blame("scenario"):
            self.base = chosen_scenario(RunOptions(experiment.scenario))
            network = is_network_file(experiment.scenario)
            self._folder = Path() if network else scenario_folder(experiment.scenario)
            self._uncertainty = Uncertainty() if network else Uncertainty.read(self._folder)
        self._variants = dict(self._changes_of_variants())
        self._check()

    @property
    def draws_differ(self) -> bool:
        """Whether draws differ in more than the weather."""
        return bool(self._uncertainty.ranges or self._uncertainty.hydro_years)

    @cached_property
    def scenario_sha256(self) -> str:
        """Hash of the scenario as it is."""
        return content_hash(self.base)

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """All cases in their order, each once."""
        found: dict[str, Case] = {}
        for case in self._expand():
            found.setdefault(case.id, case)
        return tuple(found.values())

    def draw(self, variant: str, seed: int, changes: Mapping[str, object]) -> Draw:
        """The scenario of one draw: what ``set`` says goes before the variant, that before chance.

        Parameters
        ----------
        variant : str
        seed : int
        changes : mapping
            From ``set``.
        """
        change = self._variants[variant]
        drawn = self._uncertainty.draw(self.base, seed)
        countries = self.experiment.countries
        if change.without:
            countries = tuple(c for c in countries or self.base.codes if c not in change.without)
        return Draw(variant, seed, {**drawn, **change.overrides, **changes}, countries)

    def draws(self) -> list[Draw]:
        """Every variant with every seed, without what ``set`` changes."""
        e = self.experiment
        return [self.draw(v, s, {}) for v in e.variants for s in e.seeds]

    def playing(self, case: Case, strategies: Mapping[str, str]) -> Case:
        """The same case with other strategies.

        Parameters
        ----------
        case : Case
        strategies : mapping of str to str
            Strategy of each country that does not simply tell the truth.
        """
        options = replace(case.options, strategies=dict(strategies))
        return replace(
            case,
            id=self._id(options),
            strategy=strategy_text(strategies),
            options=options,
            pivotal=False,
        )

    def _expand(self) -> Iterator[Case]:
        e = self.experiment
        levels = list(_levels(e.scenario_set))
        draws = {
            (i, v, s): self.draw(v, s, change)
            for i, change in enumerate(levels)
            for v, s in product(e.variants, e.seeds)
        }
        for choice in e.protocols:
            families = choice.products or e.products or (self.base.settings.products,)
            for settings in _levels(e.settings_of(choice)):
                for family, strategies, settlement, place, luck in product(
                    families, e.strategies, e.settlements, draws, range(e.luck)
                ):
                    options = self._options(choice, family, {**choice.set, **settings})
                    options = replace(
                        options, strategies=strategies, settlement=settlement, luck=luck
                    )
                    yield self._case(options, draws[place], levels[place[0]])

    def _options(
        self, choice: ProtocolChoice, family: str, settings: Mapping[str, Any]
    ) -> RunOptions:
        name, mode = split_member(choice.protocol)
        return replace(
            self._plain,
            protocol=name,
            mode=mode,
            products=family,
            protocol_settings=dict(settings),
        )

    def _case(self, options: RunOptions, draw: Draw, change: Mapping[str, object]) -> Case:
        options = replace(options, overrides=dict(draw.overrides), countries=draw.countries)
        record = _deciding(options)
        shaping = ("scenario", "overrides", "countries", "resolution", "slices", "solver")
        of_world = (*shaping, "transit_charges")
        settings = {f"{PROTOCOL}{k}": v for k, v in options.protocol_settings.items()}
        return Case(
            id=self._id(options),
            protocol=f"{options.protocol}.{options.mode}",
            products=str(options.products),
            strategy=strategy_text(options.strategies),
            settlement=options.settlement,
            variant=draw.variant,
            seed=draw.seed,
            luck=options.luck,
            changes="; ".join(f"{k}={_text(v)}" for k, v in {**change, **settings}.items()),
            options=options,
            world=content_hash(
                self.scenario_sha256, *(record[k] for k in of_world), options.products
            ),
        )

    def _id(self, options: RunOptions) -> str:
        return content_hash(self.scenario_sha256, _deciding(options))[:_ID_DIGITS]

    def _changes_of_variants(self) -> Iterator[tuple[str, Change]]:
        for i, name in enumerate(self.experiment.variants):
            with _blame("variants", i):
                yield name, variant_change(name, self.base, self._uncertainty, self._folder)

    def _check(self) -> None:
        """Refuse what is not known before anything is run."""
        e = self.experiment
        for name in ("resolution", "slices", "countries"):
            with _blame(name):
                chosen_scenario(RunOptions(e.scenario, **{name: getattr(e, name)}))
        for i, choice in enumerate(e.protocols):
            with _blame("protocols", i):
                check_options(self._options(choice, self.base.settings.products, choice.set))
        for name in ("strategies", "settlements"):
            for i, value in enumerate(getattr(e, name)):
                with _blame(name, i):
                    check_options(self._first(**{name.replace("settlements", "settlement"): value}))
        for i, value in enumerate(e.settlements):
            with _blame("settlements", i):
                _check_settlement(value)
        if e.hunt is not None:
            self._check_hunt(e.hunt)
        if e.gains:
            with _blame("gains"):
                self._check_gains()
        for i, variant in enumerate(e.variants):
            with _blame("variants", i):
                draw = self.draw(variant, 0, {})
                self._load(overrides=dict(draw.overrides), countries=draw.countries)
        for key, values in e.set.items():
            with _blame("set", key):
                self._check_set(key, values)

    def _check_hunt(self, hunt: Hunt) -> None:
        e = self.experiment
        with _blame("hunt", "lies"):
            check_lies(hunt.lies)
        with _blame("hunt", "deviating"):
            codes = e.countries or self.base.codes
            for code in hunt.deviating:
                if code not in codes:
                    raise ScenarioError(f"no country '{code}'{did_you_mean(code, codes)}")
        with _blame("hunt", "estimate_on"):
            strange = [seed for seed in hunt.estimate_on if seed not in e.seeds]
            if strange:
                raise ScenarioError(f"draw {strange[0]} is not among the seeds")
            if not set(e.seeds) - set(hunt.estimate_on):
                raise ScenarioError("no draw is left to choose lies on")
        if e.strategies != ({},):
            raise SpecError(("strategies",), "a hunt looks for strategies itself; leave them out")

    def _check_gains(self) -> None:
        """Refuse to value coalitions that cannot be, before anything has been negotiated."""
        # When it is needed: other grids do without the modelling tools.
        from model.coalitions import MOST_PLAYERS

        if self.base.settings.kind == "network":
            raise ScenarioError("coalitions of the countries of a network file are not valued")
        for variant in self.experiment.variants:
            count = len(self.draw(variant, 0, {}).countries or self.base.codes)
            if count > MOST_PLAYERS:
                raise ScenarioError(
                    f"coalitions of {count} countries take too long; at most {MOST_PLAYERS} can be "
                    "valued, choose fewer --countries"
                )

    def _check_set(self, key: str, values: tuple[Any, ...]) -> None:
        if key.startswith(PROTOCOL):
            name = key.removeprefix(PROTOCOL)
            having = [c for c in self.experiment.protocols if name in parameters(c.protocol)]
            if not having:
                known = {p for c in self.experiment.protocols for p in parameters(c.protocol)}
                raise ScenarioError(f"no protocol here has '{name}'{did_you_mean(name, known)}")
            for choice, value in product(having, values):
                family = self.base.settings.products
                check_options(self._options(choice, family, {**choice.set, name: value}))
        elif key.removeprefix("scenario.").partition(".")[0] == "strategies":
            raise ScenarioError("a comparison has profiles of strategies: give --strategy PROFILE")
        else:
            for value in values:
                self._load(overrides={key: value})

    def _first(self, **more: Any) -> RunOptions:
        """Options of a plain case of the first protocol."""
        choice = self.experiment.protocols[0]
        plain = self._options(choice, self.base.settings.products, choice.set)
        return replace(plain, **more)

    def _load(self, **more: Any) -> Scenario:
        return chosen_scenario(replace(self._plain, **more))


def _check_settlement(name: str) -> None:
    """Refuse a settlement under which nothing is negotiated that could be compared."""
    if make_settlement(name).direct:
        raise ScenarioError(
            f"{name} is a direct mechanism, under which no protocol is held and every strategy is "
            f"the truth; run it by itself with --settlement {name}"
        )


def _deciding(options: RunOptions) -> dict[str, Any]:
    """What of the options decides a result."""
    return {k: v for k, v in options.record().items() if k not in ("out", "workers", "core")}


def _levels(axes: Mapping[str, tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """Every combination of the values of all keys."""
    for values in product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def _text(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list | tuple) else str(value)


@contextmanager
def _blame(*key: str | int) -> Iterator[None]:
    """Turn mistakes into mistakes at a key of the experiment."""
    try:
        yield
    except SpecError:
        raise
    except (ScenarioError, PluginError) as error:
        what = str(error)
        # The option that a plain run would have is not the one that was given here.
        if what.startswith("--"):
            what = what.partition(": ")[2] or what
        raise SpecError(key, what) from None
