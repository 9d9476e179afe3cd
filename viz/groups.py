"""Gains in sentences: over what they are, and whether a group could do better by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from viz.numbers import money

OVER = "gains and losses are against no exchange at all, in the one year of the scenario"


def groups_in_words(summary: Mapping[str, Any]) -> str:
    """Whether a group of countries, short of all, could gain more by itself.

    Parameters
    ----------
    summary : mapping
        Contents of ``summary.json``.
    """
    core = summary.get("core") or {}
    status = core.get("status")
    if status == "some":
        said = f"{who(core['group'])} could do better by themselves, by {_between(core)}"
        return said + _at_full_gain(core)
    if status == "none":
        least = money(-float(core["at_most_eur"]))
        said = "no group of countries short of all could do better by itself (proven)"
        said += f"; every one has at least {least}/a more than alone"
        if summary.get("settlement") == "nodal_price":
            said += ", as Owen (1975) shows of the planner's optimum at its own prices"
        return said + _at_full_gain(core)
    if status == "not known":
        most = money(core["at_most_eur"])
        said = "whether a group of countries could do better by itself is not known: none by more"
        said += f" than {most}/a; the option --core of a run, or run.py gains, values it"
        return said + _at_full_gain(core)
    return (
        "whether a group of countries could do better by itself was not asked; "
        f"run.py gains {summary.get('run') or 'RUN'} says it"
    )


def who(group: str) -> str:
    """Members of a group as a list in words."""
    names = group.split("+")
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _between(core: Mapping[str, Any], key: str = "") -> str:
    least, most = (float(core[f"{key}{end}"]) for end in ("at_least_eur", "at_most_eur"))
    if most <= least * (1 + 1e-9):
        return f"{money(least)}/a"
    return f"at least {money(least)}/a, and no group by more than {money(most)}/a"


def _at_full_gain(core: Mapping[str, Any]) -> str:
    """The same apart from the gain that was missed."""
    status = core.get("full_gain_status")
    if status == "some":
        group = who(core["full_gain_group"])
        return (
            f"; with all gains scaled up to the planner's {group} by {_between(core, 'full_gain_')}"
        )
    if status == "none":
        return "; with all gains scaled up to the planner's no group could"
    if status == "not known":
        most = money(core["full_gain_at_most_eur"])
        return f"; with all gains scaled up to the planner's none by more than {most}/a"
    return ""
