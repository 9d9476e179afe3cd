"""What a comparison found, in sentences: also what it cannot tell, and why."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd

from viz.comparison.blocks import Blocks, rule_names
from viz.comparison.statistics import ALPHA, FEWEST_BLOCKS, least_p
from viz.comparison.tables import EQUIVALENT, UNDECIDED
from viz.numbers import money, number

_FEW_NAMES = 4


def findings(
    blocks: Blocks,
    treatments: pd.DataFrame,
    pairs: pd.DataFrame,
    friedman: pd.DataFrame,
    missing: pd.DataFrame,
) -> list[str]:
    """Sentences on the tables of :mod:`viz.comparison.tables`."""
    said = _who_is_best(blocks, treatments)
    said += _missing_in_words(blocks, missing)
    said += _friedman_in_words(friedman)
    said += _pairs_in_words(pairs, blocks)
    said += _losers_in_words(treatments)
    return said


def what_was_compared(runs: pd.DataFrame, blocks: Blocks, about: Mapping[str, Any]) -> str:
    """Scenario, time, products, draws and charges, and the measure: what the numbers are about.

    Parameters
    ----------
    runs : DataFrame
        Labelled.
    blocks : Blocks
    about : mapping
        The experiment's own words; may be empty.
    """
    n, k = blocks.matrix.shape
    draws = _count(n, "draw")
    label = blocks.measure.label
    said = f"{_count(k, 'treatment')} on {draws} (variant and seed)"
    negotiations = len(set(runs["luck"]))
    if negotiations > 1:
        said += f", {negotiations} negotiations each"
    said += _market_in_words(runs, about) + f"; measured by {label}"
    if blocks.least_difference > 0:
        least = f"{blocks.measure.factor * blocks.least_difference:g}"
        said += f"; differences up to {least} {blocks.measure.difference_unit} count as none"
    if len(set(runs["variant"])) > 1 and len(set(runs["seed"])) > 1:
        said += (
            "; variants of one seed share weather and demand, which the tests take as independent"
        )
    return said


def _market_in_words(runs: pd.DataFrame, about: Mapping[str, Any]) -> str:
    """Time, products and charges."""
    said = ""
    if about:
        said += f" of {about['scenario']}"
        said += f" at {about['resolution']}" if about.get("resolution") else ""
    for products, mine in runs.groupby("products", sort=False):
        known = mine.dropna(subset=["snapshots", "contracts"])
        if known.empty:
            continue
        row = known.iloc[0]
        what = f"{_count(row['contracts'], f'{products} product')} for {row['snapshots']} snapshots"
        parts = str(row["parts_of_day"] or "")
        if parts:
            what += f" ({parts.replace('_', ' ').replace('+', ', ')}"
            what += ")" if "peak" in parts.split("+") else "; no peak at this resolution)"
        said += f"; {what}"
    if about:
        said += (
            "; paths pay the scenario's transit charges, which trade between neighbours and the "
            "planner do not"
            if about.get("transit_charges")
            else "; nobody pays transit charges"
        )
    return said


def families_in_words(stands_for: Mapping[str, str]) -> str:
    """Who is ranked for whom; empty where everyone stands for itself."""
    members: dict[str, list[str]] = {}
    for name, first in stands_for.items():
        if name != first:
            members.setdefault(first, []).append(name)
    parts = [f"{first} for {' and '.join(names)}" for first, names in members.items()]
    if not parts:
        return ""
    return f"ranks and pairs take one of each family, the first: {'; '.join(parts)}"


def settlements_in_words(countries: pd.DataFrame, runs: pd.DataFrame) -> list[str]:
    """Whether gains by country depend on the settlement or on the protocol; needs two of each.

    Parameters
    ----------
    countries : DataFrame
        From :func:`viz.comparison.tables.country_table`.
    runs : DataFrame
        Labelled.
    """
    of: pd.DataFrame = runs.drop_duplicates("treatment").set_index("treatment")[
        ["protocol", "settlement"]
    ]
    gains = countries.pivot_table("mean_gain_meur", "treatment", "country").join(of)
    codes = [str(c) for c in gains.columns if c not in of]
    if min(of["protocol"].nunique(), of["settlement"].nunique()) < 2 or not codes:
        return []

    def moved(by: str) -> float:
        """Mean M EUR/a that change hands between two treatments alike in ``by``."""
        found = [
            np.abs(one - other).sum() / 2
            for _, alike in gains.groupby(by, sort=False)
            for one, other in combinations(alike[codes].to_numpy(dtype=float), 2)
        ]
        return float(np.mean(found)) if found else float("nan")

    return [
        "gains by country: another settlement moves "
        f"{money(1e6 * moved('protocol'))}/a in the mean, another protocol "
        f"{money(1e6 * moved('settlement'))}/a"
    ]


def _who_is_best(blocks: Blocks, treatments: pd.DataFrame) -> list[str]:
    known = treatments[treatments["ended"] > 0]
    if known.empty:
        return ["no run ended with a value"]
    best = known.iloc[0]
    ordered = known.sort_values(
        "worst", ascending=not blocks.measure.higher_is_better, kind="stable"
    )
    safest = ordered.iloc[0]
    mean, worst = _value(blocks, best["mean"]), _value(blocks, best["worst"])
    if len(known) == 1:
        return [f"{best['treatment']}: mean {mean}, worst {worst} ({best['worst_block']})"]
    equal = known[(known["mean"] - best["mean"]).abs() <= blocks.tie]["treatment"]
    said = (
        f"best on average: {' and '.join(equal)}, {mean}, at worst {worst} ({best['worst_block']})"
    )
    if safest["treatment"] not in set(equal):
        said += (
            f"; best in its worst case: {safest['treatment']}, {_value(blocks, safest['worst'])} "
            f"({safest['worst_block']})"
        )
    return [said]


def _missing_in_words(blocks: Blocks, missing: pd.DataFrame) -> list[str]:
    if missing.empty:
        return []
    counts = missing["treatment"].value_counts(sort=False)
    who = ", ".join(f"{name} {count}" for name, count in counts.items())
    complete = len(blocks.complete)
    said = (
        f"{_count(len(missing), 'run')} of {blocks.matrix.size} ended without a value ({who}): "
        "a pair is compared on the draws that both ended, ranks are taken over the "
        f"{_count(complete, 'draw')} that all ended"
    )
    if blocks.measure.in_autarky is not None:
        said += "; the column 'failures as autarky' counts them as no trade"
    return [said]


def _friedman_in_words(friedman: pd.DataFrame) -> list[str]:
    row = friedman.iloc[0]
    if row["treatments"] < 2:
        return []
    if row["complete_blocks"] < FEWEST_BLOCKS:
        return [
            f"{_count(row['complete_blocks'], 'complete draw')}: too few for tests and intervals, "
            f"which begin at {FEWEST_BLOCKS}; differences are described, not tested"
        ]
    p = p_text(row["p"])
    test = f"(Friedman with Iman and Davenport's F, p {p if p.startswith('<') else f'= {p}'})"
    if row["p"] >= ALPHA:
        return [f"ranks do not differ by more than luck {test}; do not read the pairs as a ranking"]
    return [f"ranks differ by more than luck {test}; the pairs say which"]


def _pairs_in_words(pairs: pd.DataFrame, blocks: Blocks) -> list[str]:
    tested = pairs[pairs["wilcoxon_p"].notna()]
    if tested.empty:
        return []
    fewest = int(tested["blocks"].min())
    if least_p(fewest) * len(tested) > ALPHA:
        needed = next(n for n in range(fewest, 200) if least_p(n) * len(tested) <= ALPHA)
        which = "the pair" if len(tested) == 1 else f"no single one of {len(tested)} pairs"
        verb = "cannot" if len(tested) == 1 else "can"
        return [
            f"with {_count(fewest, 'draw')} {which} {verb} reach 5 % by Wilcoxon with Holm even if "
            f"one side always wins; {needed} draws could"
        ]
    decided = tested["conclusion"].isin(["first better", "second better"])
    said = [
        f"{int(decided.sum())} of {_count(len(tested), 'pair')} differ (Wilcoxon with Holm, 5 %)"
    ]
    least = f"{blocks.measure.factor * blocks.least_difference:g} {blocks.measure.difference_unit}"
    for conclusion, words in (
        (EQUIVALENT, f"equivalent, the 95 % interval within {least}"),
        (UNDECIDED, "not decided, which is not equality"),
    ):
        found = tested[tested["conclusion"] == conclusion]
        names = [f"{row['first']} and {row['second']}" for _, row in found.iterrows()]
        if names:
            more = f" and {len(names) - _FEW_NAMES} more" if len(names) > _FEW_NAMES else ""
            said.append(f"{words}: {'; '.join(names[:_FEW_NAMES])}{more}")
    return said


def _losers_in_words(treatments: pd.DataFrame) -> list[str]:
    losing = treatments[treatments["blocks_with_losers"] > 0]
    if losing.empty:
        return ["no country loses in any run"] if treatments["ended"].sum() else []
    worst = losing.sort_values("worst_country_gain_meur", kind="stable").iloc[0]
    who = ", ".join(
        f"{row['treatment']} in {row['blocks_with_losers']} of {row['ended']}"
        for _, row in losing.iterrows()
    )
    return [
        f"countries lose under {who}; the largest loss is "
        f"{money(-1e6 * worst['worst_country_gain_meur'])}/a under {worst['treatment']}"
    ]


def fairness_in_words(fairness: pd.DataFrame) -> list[str]:
    """Under which treatments some group of countries would rather go alone, and by how much.

    Parameters
    ----------
    fairness : DataFrame
        From :func:`viz.comparison.tables.fairness_table`.
    """
    said = []
    stable = fairness[fairness["in_core"] == fairness["blocks"]]
    if len(stable):
        names = ", ".join(stable["treatment"])
        said.append(f"no group of countries could do better alone on any draw under {names}")
    for _, row in fairness[fairness["in_core"] < fairness["blocks"]].iterrows():
        who = " and ".join(str(row["complaining"]).split("+"))
        said.append(
            f"{row['treatment']}: in the core on {row['in_core']} of {row['blocks']} draws; at "
            f"worst {who} could do better alone by {money(1e6 * row['worst_complaint_meur'])}/a"
        )
    return said


def incentives_in_words(
    effects: pd.DataFrame, incentives: pd.DataFrame, searched: bool = False
) -> list[str]:
    """Where truth is everybody's best answer, and where it is not.

    Parameters
    ----------
    effects, incentives : DataFrame
        Of :mod:`model.experiments.incentives`.
    searched : bool
        Whether the deviations were searched, not given.
    """
    names = rule_names(incentives)
    honest = [
        name
        for name, n, deviate in zip(
            names, incentives["countries"], incentives["deviate"], strict=True
        )
        if n and not deviate
    ]
    said = [_tried(effects, searched)]
    if honest:
        said.append(f"nobody gains by any of them under {', '.join(honest)}")
    in_sample = bool(incentives["in_sample"].all())
    said.append(
        "what they pay is told on the draws that they were chosen on (in sample), which flatters "
        "the best of many; give more draws"
        if in_sample
        else "each is chosen on some draws and what it pays is told on others"
    )
    keen = incentives.assign(rules=names)
    keen = keen[keen["deviate"] > 0].sort_values("largest_own_gain_share", ascending=False)
    for _, row in keen.iterrows():
        would = f"{row['rules']}: {row['deviate']} of {_countries(row['countries'])} would deviate"
        if not row["largest_own_gain_meur"] > 0:
            said.append(f"{would}, but no lie that was chosen pays on the other draws")
            continue
        said.append(
            f"{would}; "
            f"{row['by']} gains most, {money(1e6 * row['largest_own_gain_meur'])}/a by "
            f"{row['how']}; the pool loses at most {money(1e6 * row['regret_meur'])}/a "
            f"({number(100 * row['regret_share'], 2)} % of the planner's gain)"
        )
        if isinstance(row["pair"], str):
            said.append(
                f"{row['rules']}: {' and '.join(row['pair'].split('+'))} together gain "
                f"{money(1e6 * row['pair_gain_meur'])}/a by {row['pair_how']}; by their best "
                f"answers alone, added up, {money(1e6 * row['pair_alone_meur'])}/a"
            )
    said += _without_meaning(effects)
    missing = int(effects["draws_missing"].sum())
    if missing:
        said.append(
            f"{missing} of {missing + int(effects['draws'].sum())} runs with a deviation cannot be "
            "compared, because they or the truthful run did not end"
        )
    return said


def pivotal_in_words(pivotal: pd.DataFrame) -> list[str]:
    """Whom a neighbour cannot do without, by treatment.

    Parameters
    ----------
    pivotal : DataFrame
        From :func:`viz.comparison.tables.pivotal_table`.
    """
    if pivotal.empty:
        return ["nobody is pivotal: cost curves have no capacity that could be missed"]
    said = []
    for treatment, part in pivotal.groupby("treatment", sort=False):
        needed = part[part["pivotal_h"] > 0].sort_values("pivotal_h", ascending=False)
        if needed.empty:
            said.append(f"{treatment}: every country could be served without any one neighbour")
            continue
        row = needed.iloc[0]
        said.append(
            f"{treatment}: {len(needed)} of {_countries(len(part))} are pivotal for a neighbour "
            f"at some time (residual supply index below 1); {row['country']} most often, "
            f"{number(row['pivotal_h'], 0)} h/a, for {' and '.join(row['pivotal_for'].split('+'))}"
        )
    return said


def _tried(effects: pd.DataFrame, searched: bool) -> str:
    """Deviations that were looked at."""
    lies = sorted(set(effects["deviation"]))
    if not searched:
        return f"deviations of one country alone from the truth: {', '.join(lies)}"
    kinds = sorted({lie.partition(":")[0] for lie in lies if "=" not in lie})
    return f"lies searched, {len(effects)} of them measured: {', '.join(kinds)}"


def _without_meaning(effects: pd.DataFrame) -> list[str]:
    """Strategies that changed neither money nor messages, whoever played them."""
    alone = effects[~effects["country"].str.contains("+", regex=False) & (effects["draws"] > 0)]
    alone = alone.assign(
        rules=rule_names(alone), kind=[lie.partition(":")[0] for lie in alone["deviation"]]
    )
    said = []
    for name, part in alone.groupby("rules", sort=False):
        silent = part.groupby("kind")["changes_nothing"].all()
        if silent.any():
            said.append(
                f"{name}: {', '.join(silent.index[silent])} had no meaning, it changed neither "
                "money nor messages"
            )
    return said


def _countries(n: int) -> str:
    return "1 country" if n == 1 else f"{n} countries"


def p_text(p: float) -> str:
    """A p-value for people.

    Examples
    --------
    >>> p_text(0.0312), p_text(1e-7), p_text(float("nan"))
    ('0.031', '< 0.001', '-')
    """
    if not isfinite(p):
        return "-"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _value(blocks: Blocks, value: float) -> str:
    unit = " %" if blocks.measure.factor == 100 else ""
    return f"{number(value * blocks.measure.factor, 1)}{unit}"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
