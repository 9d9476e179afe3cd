"""Variants of a scenario: files in its folder ``variants`` that say what is otherwise.

>>> list(list_variants("triangle"))
['line_out', 'northland_out']
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from scenarios.errors import ScenarioError, did_you_mean, explain_unknown, first_complaint
from scenarios.loader import scenario_folder
from scenarios.schema import Code, Row, Scenario
from scenarios.tables import explain
from scenarios.uncertainty import Uncertainty
from scenarios.yaml_file import read_yaml

BASE = "base"


class Variant(Row):
    """One variant (``variants/<name>.yaml``).

    ``set`` holds changes as ``--set`` takes them, ``hydro_year`` a year of ``hydro_years.csv``,
    ``without`` countries that do not take part. What a variant says is not drawn.
    """

    title: str
    source: str = Field(min_length=3)
    set: dict[str, Any] = Field(default_factory=dict)
    hydro_year: int | None = None
    without: tuple[Code, ...] = ()


@dataclass(frozen=True)
class Change:
    """What a variant changes.

    Attributes
    ----------
    overrides : dict
        As ``--set`` takes them.
    without : tuple of str
        Countries that do not take part.
    """

    overrides: dict[str, object]
    without: tuple[str, ...] = ()


def list_variants(scenario: str) -> dict[str, str]:
    """Variants that a scenario ships, name -> title, in alphabetical order."""
    files = sorted((scenario_folder(scenario) / "variants").glob("*.yaml"))
    return {path.stem: _read(path).title for path in files}


def variant_change(name: str, base: Scenario, uncertainty: Uncertainty, folder: Path) -> Change:
    """What a variant changes in a scenario.

    Parameters
    ----------
    name : str
        Of a file in the folder's ``variants``, or path of a YAML file; ``"base"`` changes nothing.
    base : Scenario
        With all its countries.
    uncertainty : Uncertainty
        Knows the hydro years.
    folder : Path
        Of the scenario.

    Raises
    ------
    ScenarioError
        If there is no such variant, or it cannot be read.
    """
    if name == BASE:
        return Change({})
    path = folder / "variants" / f"{name}.yaml"
    if not path.is_file():
        path = Path(name)
    if not path.is_file():
        known = [BASE, *(p.stem for p in (folder / "variants").glob("*.yaml"))]
        raise ScenarioError(f"no variant '{name}'{did_you_mean(name, known)}")
    variant = _read(path)
    overrides: dict[str, object] = {}
    if variant.hydro_year is not None:
        try:
            overrides |= uncertainty.hydro_year(base, variant.hydro_year)
        except ScenarioError as error:
            raise ScenarioError(error.what, file=path, column="hydro_year") from None
    for code in variant.without:
        if code not in base.codes:
            advice = did_you_mean(code, base.codes)
            raise ScenarioError(f"unknown country '{code}'{advice}", file=path, column="without")
    return Change(overrides | variant.set, variant.without)


def _read(path: Path) -> Variant:
    document = read_yaml(path)
    try:
        return Variant.model_validate(document.data)
    except ValidationError as error:
        first = first_complaint(error)
        key = tuple(first["loc"])
        leaf = next((str(part) for part in reversed(key) if isinstance(part, str)), "")
        if first["type"] == "extra_forbidden":
            raise document.error(
                f"unknown key{explain_unknown(leaf, Variant.model_fields)}", key
            ) from None
        raise document.error(explain(first, leaf), key) from None
