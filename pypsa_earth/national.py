"""National values that no network file holds: caps, minimum capacities, reserve margins."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scenarios.errors import ScenarioError, explain_unknown

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class NationalValues(BaseModel):
    """Values of one country; what is not given does not bind.

    Attributes
    ----------
    co2_limit_t : float, optional
        Emissions a year, t.
    bau_mw : dict of str to float
        Least extendable capacity by carrier, what exists of it included (option BAU), MW.
    safe_margin, safe_carriers
        Conventional capacity must exceed peak load by this share (option SAFE).
    ccl_mw : dict of str to pair of float
        Least and most extendable capacity by carrier (option CCL), MW; None for no limit.
    operational_reserve : triple of float, optional
        Shares of load and of renewable supply, and MW; instead of the file's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    co2_limit_t: NonNegative | None = None
    bau_mw: dict[str, NonNegative] = {}
    safe_margin: NonNegative | None = None
    safe_carriers: tuple[str, ...] = (
        "nuclear",
        "oil",
        "OCGT",
        "CCGT",
        "coal",
        "lignite",
        "geothermal",
        "biomass",
    )
    ccl_mw: dict[str, tuple[NonNegative | None, NonNegative | None]] = {}
    operational_reserve: tuple[NonNegative, NonNegative, NonNegative] | None = None


def read_national(path: str) -> dict[str, NationalValues]:
    """Read national values from a YAML file, country code -> values; none for an empty path.

    Raises
    ------
    ScenarioError
        For a file that cannot be read or does not fit, with country and key.
    """
    if not path:
        return {}
    file = Path(path)
    try:
        content: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ScenarioError(f"national values cannot be read: {reason}", file=file) from None
    if not isinstance(content, dict):
        raise ScenarioError("write one block per country, NG: {co2_limit_t: 1e7}", file=file)
    values = {}
    for country, block in content.items():
        if not isinstance(country, str):
            raise ScenarioError(f"country {country!r} is no text; put NO in quotes", file=file)
        try:
            values[country] = NationalValues.model_validate(block or {})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            what = (
                f"unknown value '{name}'{explain_unknown(name, NationalValues.model_fields)}"
                if first["type"] == "extra_forbidden"
                else first["msg"]
            )
            raise ScenarioError(f"{country}: {what}", file=file, column=name) from None
    return values
