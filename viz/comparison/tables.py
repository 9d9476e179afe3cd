"""Tables of a comparison: treatments, pairs, ranks, countries, what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from viz.comparison.blocks import Blocks
from viz.comparison.statistics import (
    ALPHA,
    FEWEST_BLOCKS,
    block_ranks,
    friedman,
    holm,
    mean_interval,
    paired_difference,
)

# What fits on a page.
MOST_PAIRS = 45
EQUIVALENT, UNDECIDED = "equivalent", "not decided"
# Medians over draws of what a negotiation takes.
_EFFORT = ("rounds", "messages", "numbers_disclosed", "solves", "dependent_solves", "seconds")


def treatment_table(runs: pd.DataFrame, blocks: Blocks) -> pd.DataFrame:
    """One row a treatment, best mean first: mean, interval and worst case, effort, losers.

    Parameters
    ----------
    runs : DataFrame
        Labelled, with ``seconds``.
    blocks : Blocks
        The measure that ``mean`` to ``worst_block`` tell of.
    """
    higher = blocks.measure.higher_is_better
    rows = []
    for name in blocks.best_first:
        values = blocks.matrix[name]
        known = values.dropna()
        mine = runs[runs["treatment"] == name]
        ended = mine[mine["block"].isin(known.index)]
        interval = mean_interval(known.to_numpy())
        worst = None if known.empty else (known.idxmin() if higher else known.idxmax())
        rows.append(
            {
                "treatment": name,
                "blocks": len(values),
                "ended": len(known),
                "completed": int((mine["status"] == "completed").sum()),
                "mean": interval.mean,
                "low": interval.low,
                "high": interval.high,
                "median": known.median(),
                "worst": known.min() if higher else known.max(),
                "worst_block": worst,
                "mean_failures_as_autarky": _with_autarky(values, blocks),
                "mean_of_ceiling": ended["of_ceiling"].mean(),
                "mean_efficiency": ended["efficiency"].mean(),
                "mean_cost_over_planner": _cost_over_planner(ended),
                "own_luck": _own_luck(ended, blocks),
                "worst_country_gain_meur": ended["least_gain_meur"].min(),
                "blocks_with_losers": ended[ended["losers"].fillna("") != ""]["block"].nunique(),
                **{f"median_{column}": ended[column].median() for column in _EFFORT},
            }
        )
    return pd.DataFrame(rows)


def pair_table(blocks: Blocks, reference: str | None = None) -> pd.DataFrame:
    """Differences of all pairs of treatments, or of all others from a reference.

    Parameters
    ----------
    blocks : Blocks
    reference : str, optional
        Treatment that the others are compared with.

    Returns
    -------
    DataFrame
        ``first`` minus ``second``, the first the better one by its mean; with a reference ``first``
        are the others. ``holm_p`` is adjusted for all rows. ``conclusion``: ``equivalent`` where
        the 95 % interval lies within the least difference that counts (two one-sided tests at
        2.5 %, Schuirmann 1987); ``first better`` or ``second better`` where the adjusted p is below
        5 %; else ``not decided``, which is not equality.

    Raises
    ------
    KeyError
        If there is no such reference.
    """
    names = blocks.best_first
    if reference is None:
        pairs: Sequence[tuple[str, str]] = list(combinations(names, 2))
    elif reference in names:
        pairs = [(name, reference) for name in names if name != reference]
    else:
        raise KeyError(reference)
    rows = []
    for first, second in pairs:
        found = paired_difference(
            blocks.matrix[first].to_numpy(), blocks.matrix[second].to_numpy(), blocks.tie
        )
        better, worse = found.more, found.less
        if not blocks.measure.higher_is_better:
            better, worse = worse, better
        rows.append(
            {
                "first": first,
                "second": second,
                "blocks": found.blocks,
                "mean_difference": found.interval.mean,
                "low": found.interval.low,
                "high": found.interval.high,
                "median_difference": found.median,
                "worst_difference": (
                    found.least if blocks.measure.higher_is_better else found.most
                ),
                "first_better": better,
                "ties": found.ties,
                "second_better": worse,
                "wilcoxon_p": found.p,
            }
        )
    table = pd.DataFrame(rows, columns=list(_PAIR_COLUMNS))
    table = table.assign(holm_p=holm(table["wilcoxon_p"].to_numpy(dtype=float)))
    return table.assign(conclusion=[_conclusion(row, blocks) for _, row in table.iterrows()])


def _conclusion(row: pd.Series, blocks: Blocks) -> str:
    if row["blocks"] < FEWEST_BLOCKS:
        return ""
    if max(abs(row["low"]), abs(row["high"])) <= blocks.least_difference:
        return EQUIVALENT
    if not row["holm_p"] < ALPHA:
        return UNDECIDED
    more = row["mean_difference"] > 0
    return "first better" if more == blocks.measure.higher_is_better else "second better"


def variant_table(blocks: Blocks, stands_for: Mapping[str, str]) -> pd.DataFrame:
    """Members of families against the member that is ranked, as :func:`pair_table` does."""
    found = []
    for reference in dict.fromkeys(stands_for.values()):
        members = {name for name, first in stands_for.items() if first == reference}
        if len(members) > 1:
            found.append(pair_table(blocks.only(members), reference))
    if not found:
        return pd.DataFrame(columns=[*_PAIR_COLUMNS, "holm_p", "conclusion"])
    table = pd.concat(found, ignore_index=True)
    table = table.assign(holm_p=holm(table["wilcoxon_p"].to_numpy(dtype=float)))
    return table.assign(conclusion=[_conclusion(row, blocks) for _, row in table.iterrows()])


_PAIR_COLUMNS = (
    "first",
    "second",
    "blocks",
    "mean_difference",
    "low",
    "high",
    "median_difference",
    "worst_difference",
    "first_better",
    "ties",
    "second_better",
    "wilcoxon_p",
)


def leading_pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    """Pairs for a page: all, or those of the best treatment if all are too many to look at."""
    if len(pairs) <= MOST_PAIRS:
        return pairs
    return pairs[pairs["first"] == pairs["first"].iloc[0]]


def rank_table(blocks: Blocks) -> pd.DataFrame:
    """Mean rank of each treatment over complete blocks, best first."""
    complete = blocks.complete
    ranks = ranks_of(blocks)
    n, k = ranks.shape
    if n == 0 or k < 2:
        return pd.DataFrame({"treatment": [], "mean_rank": []})
    table = pd.DataFrame({"treatment": complete.columns, "mean_rank": ranks.mean(axis=0)})
    return table.sort_values("mean_rank", kind="stable", ignore_index=True)


def ranks_of(blocks: Blocks) -> np.ndarray:
    """Ranks within complete blocks, shape (blocks, treatments)."""
    return block_ranks(
        blocks.complete.to_numpy(dtype=float), blocks.tie, blocks.measure.higher_is_better
    )


def friedman_table(blocks: Blocks) -> pd.DataFrame:
    """One row: are all treatments the same?"""
    found = friedman(ranks_of(blocks))
    return pd.DataFrame(
        [
            {
                "measure": blocks.measure.column,
                "complete_blocks": found.blocks,
                "treatments": found.treatments,
                "friedman_chi2": found.chi2,
                "iman_davenport_f": found.f,
                "p": found.p,
            }
        ]
    )


def country_table(
    runs: pd.DataFrame, countries: pd.DataFrame, order: Sequence[str]
) -> pd.DataFrame:
    """Gain of each country under each treatment over the blocks that ended, M EUR/a.

    Parameters
    ----------
    runs : DataFrame
        Labelled.
    countries : DataFrame
        One row a case and country.
    order : sequence of str
        Treatments from top to bottom.
    """
    joined = countries.merge(runs[["case", "treatment", "block", "losers"]], on="case")
    rows = []
    parts = joined.groupby(["treatment", "country"], sort=True)
    for (treatment, country), part in sorted(parts, key=lambda p: (order.index(p[0][0]), p[0][1])):
        # One number a draw, whatever the number of negotiations held on it.
        gains = part.groupby("block", sort=True)["gain_meur"].mean().to_numpy(dtype=float)
        interval = mean_interval(gains)
        rows.append(
            {
                "treatment": treatment,
                "country": country,
                "blocks": len(gains),
                "mean_gain_meur": interval.mean,
                "low_meur": interval.low,
                "high_meur": interval.high,
                "worst_gain_meur": gains.min(),
                "blocks_losing": part[[country in str(who).split("+") for who in part["losers"]]][
                    "block"
                ].nunique(),
                "mean_payments_meur": part["payments_meur"].mean(),
                "mean_net_import_gwh": part["net_import_gwh"].mean(),
            }
        )
    columns = ["treatment", "country", "blocks", "mean_gain_meur", "low_meur", "high_meur"]
    columns += ["worst_gain_meur", "blocks_losing", "mean_payments_meur", "mean_net_import_gwh"]
    return pd.DataFrame(rows, columns=columns)


def fairness_table(runs: pd.DataFrame, gains: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """Would every group of countries accept the division? One row a treatment.

    Parameters
    ----------
    runs : DataFrame
        Labelled.
    gains : DataFrame
        Table of a comparison that looked at coalitions, one row a case.
    order : sequence of str
        Treatments from top to bottom.

    Returns
    -------
    DataFrame
        ``blocks``, in how many of them the division is ``in_core``, the strongest complaint in the
        mean and at worst (negative: every group gets more than it has alone), whose the worst one
        is, mean Gini and mean distances to the divisions of theory.
    """
    joined = gains.merge(runs[["case", "treatment", "block"]], on="case")
    rows = []
    for treatment in order:
        part = joined[joined["treatment"] == treatment].sort_values("block")
        if part.empty:
            continue
        worst = part.iloc[int(part["complaint_meur"].to_numpy().argmax())]
        rows.append(
            {
                "treatment": treatment,
                "blocks": part["block"].nunique(),
                "in_core": int((part["in_core"] == "yes").groupby(part["block"]).all().sum()),
                "mean_complaint_meur": part["complaint_meur"].mean(),
                "worst_complaint_meur": worst["complaint_meur"],
                "complaining": worst["complaining"],
                **{f"mean_{name}": part[name].mean() for name in _INEQUALITY},
            }
        )
    return pd.DataFrame(rows)


def pivotal_table(runs: pd.DataFrame, pivotal: pd.DataFrame) -> pd.DataFrame:
    """Whom neighbours cannot do without, one row a treatment and country.

    Parameters
    ----------
    runs : DataFrame
        Labelled, truthful.
    pivotal : DataFrame
        Table of a search for lies, a row a case and country.

    Returns
    -------
    DataFrame
        Least indices over draws, hours a year in the mean, neighbours on any draw.
    """
    joined = pivotal.merge(runs[["case", "treatment", "block"]], on="case")
    rows = []
    for (treatment, country), part in joined.groupby(["treatment", "country"], sort=False):
        known = part["least_rsi"].notna().any()
        worst = part.sort_values("least_rsi").iloc[0] if known else part.iloc[0]
        needed = {name for names in part["pivotal_for"] for name in names.split("+") if name}
        rows.append(
            {
                "treatment": treatment,
                "country": country,
                "least_rsi": worst["least_rsi"],
                "least_rsi_of": worst["least_rsi_of"],
                "pivotal_h": part["pivotal_h"].mean(),
                "pivotal_for": "+".join(sorted(needed)),
                "least_rsi_others": part["least_rsi_others"].min(),
            }
        )
    columns = ["treatment", "country", "least_rsi", "least_rsi_of", "pivotal_h", "pivotal_for"]
    return pd.DataFrame(rows, columns=[*columns, "least_rsi_others"])


_INEQUALITY = ("gini", "distance_to_shapley", "distance_to_nucleolus", "distance_to_equal_split")


def missing_table(runs: pd.DataFrame, blocks: Blocks) -> pd.DataFrame:
    """Treatment and block of each run without a value, and why."""
    rows = []
    for treatment in blocks.matrix.columns:
        for block in blocks.matrix.index:
            if np.isfinite(blocks.matrix.loc[block, treatment]):
                continue
            found = runs[(runs["treatment"] == treatment) & (runs["block"] == block)]
            found = found.sort_values(blocks.measure.column, na_position="first", kind="stable")
            status, reason = ("not run", "") if found.empty else found.iloc[0][["status", "reason"]]
            rows.append([treatment, block, status, reason if isinstance(reason, str) else ""])
    return pd.DataFrame(rows, columns=["treatment", "block", "status", "reason"])


def _with_autarky(values: pd.Series, blocks: Blocks) -> float:
    """Mean in which countries whose negotiation failed stay alone."""
    alone = blocks.measure.in_autarky
    return float("nan") if alone is None else float(values.fillna(alone).mean())


def _cost_over_planner(ended: pd.DataFrame) -> float:
    """Mean of the cost of all countries over the planner's."""
    reached = ended["autarky_meur"].astype(float) - ended["gain_meur"].astype(float)
    return float((reached / ended["planner_meur"].astype(float)).mean())


def _own_luck(ended: pd.DataFrame, blocks: Blocks) -> float:
    """Mean range of the measure over negotiations of the same draw; NaN if one each was held."""
    by_draw = ended.groupby("block")[blocks.measure.column]
    if ended.empty or by_draw.size().max() < 2:
        return float("nan")
    return float((by_draw.max() - by_draw.min()).astype(float).mean())
