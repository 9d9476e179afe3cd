"""What an experiment compares: read from a YAML file or from the command line, and checked.

A mistake is told where it was made: file, line and key, or option.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from model.choices import choose_protocol
from model.options import RunOptions
from protocols.registry import protocol_class, protocol_modes
from scenarios.errors import ScenarioError, explain_unknown, first_complaint
from scenarios.tables import explain
from scenarios.variants import BASE
from scenarios.yaml_file import KeyPath, YamlFile, read_yaml

PROTOCOL = "protocol."
SCENARIO = "scenario."
TRUTHFUL = "truthful"
EVERY = "all"
# In the folder of a comparison: what is compared.
EXPERIMENT_FILE = "experiment.json"
_Products = Literal["flat", "tou", "hourly"]


class _Part(BaseModel):
    """Base of all parts: frozen, unknown fields forbidden."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class ProtocolChoice(_Part):
    """One protocol of an experiment.

    Attributes
    ----------
    protocol : str
        ``name`` or ``name.mode``; the mode of a plain run if none is named.
    products : tuple of str
        Product families it is run with; those of the experiment if none is named.
    set : dict
        Parameters of the protocol, in every case of it.
    """

    protocol: str
    products: tuple[_Products, ...] = ()
    set: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"protocol": value} if isinstance(value, str) else value


class Hunt(_Part):
    """A search for the lies that pay most, each country alone against truthful others.

    Attributes
    ----------
    lies : tuple of str
        Strategies that are searched; every one that can be if none is named.
    deviating : tuple of str
        Countries that may lie; all that take part if none is named.
    rounds : int
        Refinements of the best lies.
    pairs : int
        Pairs of countries that lie together, those first that gain most by lying alone.
    estimate_on : tuple of int
        Seeds of the experiment on which the chosen lies are measured anew; they are chosen on the
        others. None: in sample.
    """

    lies: tuple[str, ...] = ()
    deviating: tuple[str, ...] = ()
    rounds: int = Field(default=3, ge=0)
    pairs: int = Field(default=0, ge=0)
    estimate_on: tuple[int, ...] = ()


class Experiment(_Part):
    """A grid of negotiations.

    Attributes
    ----------
    scenario : str
        Name of a built-in scenario, path of a scenario folder or network file.
    protocols : tuple of ProtocolChoice
        ``"all"`` stands for every protocol in every mode.
    products : tuple of str
        Product families; the scenario's own if none is named.
    strategies : tuple of dict of str to str
        Each says who does not simply tell the truth: ``{"ZA": "markup:0.1"}``.
    settlements : tuple of str
    variants : tuple of str
        Names of the scenario's variants; ``"base"`` is none.
    seeds : tuple of int
        Numbers of draws; 0 is the scenario as it is. One number N stands for 1 to N.
    set : dict of str to tuple
        Values of each key, every one in turn: ``demand_factor`` of the scenario (with or without
        ``scenario.`` before it), ``protocol.max_hops`` of the protocols that have it.
    resolution, slices : str, optional
    countries : tuple of str, optional
    solver : {"highs", "gurobi"}
    max_steps : int
    luck : int
        Negotiations of each case, with random streams of their own, in the same weather and at the
        same demand: what a protocol owes to its own dice.
    transit_charges : bool
        Whether paths pay the scenario's wheeling charges. Off, because only protocols that trade
        along paths would pay them: neither the planner nor trade between neighbours does.
    gains : bool
        Whether each case is set beside the Shapley value and the nucleolus.
    hunt : Hunt, optional
        Search for lies that pay, from the truth on every draw.
    """

    scenario: str
    protocols: tuple[ProtocolChoice, ...] = Field(min_length=1)
    products: tuple[_Products, ...] = ()
    strategies: tuple[dict[str, str], ...] = Field(default=({},), min_length=1)
    settlements: tuple[str, ...] = Field(default=(RunOptions.settlement,), min_length=1)
    variants: tuple[str, ...] = Field(default=(BASE,), min_length=1)
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    set: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    resolution: str | None = None
    slices: Literal["year", "month", "week"] | None = None
    countries: tuple[str, ...] | None = None
    solver: Literal["highs", "gurobi"] = "highs"
    max_steps: int = Field(default=RunOptions.max_steps, ge=1)
    luck: int = Field(default=1, ge=1)
    transit_charges: bool = False
    gains: bool = False
    hunt: Hunt | None = None

    @field_validator("protocols", "settlements", "variants", "products", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str | Mapping) else value

    @field_validator("protocols", mode="before")
    @classmethod
    def _everyone(cls, value: Any) -> Any:
        if value not in (EVERY, [EVERY], (EVERY,)):
            return value
        return tuple(f"{name}.{mode}" for name, modes in protocol_modes().items() for mode in modes)

    @field_validator("strategies", mode="before")
    @classmethod
    def _profiles(cls, value: Any) -> Any:
        several = (value,) if isinstance(value, str | Mapping) else value
        if not isinstance(several, list | tuple):
            return value
        return tuple(_profile(item) if isinstance(item, str) else item for item in several)

    @field_validator("seeds", mode="before")
    @classmethod
    def _up_to(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            if value < 1:
                raise ValueError("give at least 1 draw")
            return tuple(range(1, value + 1))
        return value

    @field_validator("seeds")
    @classmethod
    def _not_negative(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if min(value) < 0:
            raise ValueError("numbers of draws are not negative")
        return value

    @field_validator("set", mode="before")
    @classmethod
    def _levels(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        levels = {str(k): v if isinstance(v, list | tuple) else (v,) for k, v in value.items()}
        for key, values in levels.items():
            if not values:
                raise ValueError(f"{key}: give at least one value")
        return {key.removeprefix(SCENARIO): values for key, values in levels.items()}

    def settings_of(self, choice: ProtocolChoice) -> dict[str, tuple[Any, ...]]:
        """Parameters in ``set`` that a protocol has, each with its values."""
        known = parameters(choice.protocol)
        wanted = {k.removeprefix(PROTOCOL): v for k, v in self.set.items() if _of_protocol(k)}
        return {key: values for key, values in wanted.items() if key in known}

    @property
    def scenario_set(self) -> dict[str, tuple[Any, ...]]:
        """Changes of the scenario in ``set``, each with its values."""
        return {key: values for key, values in self.set.items() if not _of_protocol(key)}


class SpecError(ScenarioError):
    """A mistake at a key of an experiment."""

    def __init__(self, key: KeyPath, what: str) -> None:
        self.key = key
        super().__init__(what)


def split_member(member: str) -> tuple[str, str]:
    """Name and mode of ``name`` or ``name.mode``; the mode a plain run would take by default.

    Raises
    ------
    ScenarioError
        If there is no such protocol or mode, with the nearest known name.
    """
    name, _, mode = member.partition(".")
    return choose_protocol(name, mode or None)


def parameters(member: str) -> tuple[str, ...]:
    """Names of the parameters of a protocol."""
    known = inspect.signature(protocol_class(*split_member(member))).parameters
    return tuple(name for name in known if not name.startswith("_"))


def experiment_from_file(path: Path) -> tuple[Experiment, YamlFile]:
    """Read an experiment; what it names is not checked yet.

    Raises
    ------
    ScenarioError
        With file, line and key.
    """
    document = read_yaml(path)
    try:
        return Experiment.model_validate(document.data), document
    except ValidationError as error:
        key, what = _first(error)
        raise document.error(what, key) from None


def recorded_hunt(folder: Path) -> Hunt | None:
    """The hunt that a folder of comparison was made by, if it was one."""
    file = folder / EXPERIMENT_FILE
    if not file.is_file():
        return None
    found = json.loads(file.read_text(encoding="utf-8"))["experiment"].get("hunt")
    return None if found is None else Hunt.model_validate(found)


def experiment_from_options(given: Mapping[str, Any]) -> Experiment:
    """Make an experiment from what the command line gave, keyed by field.

    Raises
    ------
    ScenarioError
        With the option.
    """
    try:
        return Experiment.model_validate(dict(given))
    except ValidationError as error:
        key, what = _first(error)
        raise ScenarioError(f"{option(key)}: {what}") from None


def option(key: KeyPath) -> str:
    """Option of the command line for a key: ``--strategy`` for ``("strategies", 0)``."""
    name = {"strategies": "strategy", "settlements": "settlement"}.get(str(key[0]), str(key[0]))
    if name == "set" and len(key) > 1:
        return f"--set {key[1]}"
    if name == "hunt" and len(key) > 1:
        name = str(key[1])
    return f"--{name.replace('_', '-')}"


def strategy_text(strategies: Mapping[str, str]) -> str:
    """A profile of strategies in one word.

    Examples
    --------
    >>> strategy_text({"ZA": "markup:0.1", "MZ": "withholding:0.2"})
    'MZ=withholding:0.2+ZA=markup:0.1'
    >>> strategy_text({})
    'truthful'
    """
    return "+".join(f"{c}={strategies[c]}" for c in sorted(strategies)) or TRUTHFUL


def _profile(text: str) -> dict[str, str]:
    """Inverse of :func:`strategy_text`."""
    if text.strip() == TRUTHFUL:
        return {}
    profile = {}
    for part in text.split("+"):
        country, equals, name = part.partition("=")
        if not equals or not name.strip():
            raise ValueError("write COUNTRY=NAME, such as ZA=markup:0.1+MZ=markup:0.2, or truthful")
        profile[country.strip()] = name.strip()
    return profile


def _of_protocol(key: str) -> bool:
    return key.startswith(PROTOCOL)


def _first(error: ValidationError) -> tuple[KeyPath, str]:
    """Place of pydantic's first complaint and what it is, in plain words."""
    first = first_complaint(error)
    key: KeyPath = tuple(part for part in first["loc"] if not str(part).startswith("function-"))
    leaf = next((str(part) for part in reversed(key) if isinstance(part, str)), "")
    if first["type"] == "extra_forbidden":
        model = ProtocolChoice if key[0] == "protocols" else Experiment
        return key, f"unknown key{explain_unknown(leaf, model.model_fields)}"
    if first["type"] == "missing":
        return key, "the value is missing; give one"
    if first["type"] == "too_short":
        return key, "give at least one"
    return key, explain(first, leaf)
