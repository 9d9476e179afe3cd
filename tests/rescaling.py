"""The same cost-curve scenario in other units or under other names."""

from __future__ import annotations

import numpy as np

from scenarios.schema import Scenario


def rescaled(scenario: Scenario, money: float, power: float) -> Scenario:
    """The same scenario in other units of money and power."""
    lost_load = scenario.settings.value_of_lost_load_eur_per_mwh
    curves = tuple(
        c.model_copy(
            update={
                "demand_mw": tuple(mw * power for mw in np.atleast_1d(c.demand_mw)),
                "intercept_eur_per_mwh": _times(c.intercept_eur_per_mwh, money),
                "slope_eur_per_mwh_per_mw": _times(c.slope_eur_per_mwh_per_mw, money / power),
                "blocks": c.blocks and tuple((mw * power, p * money) for mw, p in c.blocks),
            }
        )
        for c in scenario.curves
    )
    lines = tuple(
        line.model_copy(
            update={
                "a_to_b_mw": line.a_to_b_mw * power,
                "b_to_a_mw": line.b_to_a_mw * power,
                "wheeling_eur_per_mwh": line.wheeling_eur_per_mwh * money,
            }
        )
        for line in scenario.interconnectors
    )
    settings = scenario.settings.model_copy(
        update={"value_of_lost_load_eur_per_mwh": lost_load * money}
    )
    return Scenario(settings=settings, curves=curves, interconnectors=lines)


def renamed(scenario: Scenario, names: dict[str, str]) -> Scenario:
    """The same scenario with other country codes, in the same order."""
    curves = tuple(c.model_copy(update={"country": names[c.country]}) for c in scenario.curves)
    lines = []
    for line in scenario.interconnectors:
        a, b, there, back = line.country_a, line.country_b, line.a_to_b_mw, line.b_to_a_mw
        if names[a] > names[b]:  # an interconnector is named in alphabetical order
            a, b, there, back = b, a, back, there
        lines.append(
            line.model_copy(
                update={
                    "country_a": names[a],
                    "country_b": names[b],
                    "a_to_b_mw": there,
                    "b_to_a_mw": back,
                }
            )
        )
    return Scenario(settings=scenario.settings, curves=curves, interconnectors=tuple(lines))


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
