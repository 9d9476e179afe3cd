"""What countries gain by not telling the truth, and what the pool loses by it.

A comparison over strategies holds, for each protocol and draw, a run in which all are truthful and
runs in which one country, or a pair of them, deviates. Gains are by true, re-solved cost with
payments. The best deviation is chosen on some draws and what it pays is estimated on others: on the
draws that it was chosen on, the best of many is partly lucky, and the estimate too high. What the
deviations that were tried pay bounds from below what lying could.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

TRUTHFUL = "truthful"
# What must be equal for two runs to differ in strategy alone; the draw beside the rules.
RULES = ("protocol", "products", "settlement", "changes")
_DRAW = ("variant", "seed", "luck")
# As a share of its cost in autarky, what a country must gain for it to be more than rounding.
_ROUNDING = 1e-7


def unilateral(strategy: str) -> tuple[str, str] | None:
    """Country and strategy of a run in which one country deviates from the truth.

    Examples
    --------
    >>> unilateral("ZA=markup:0.1")
    ('ZA', 'markup:0.1')
    >>> unilateral("truthful") is None
    True
    """
    country, equals, how = strategy.partition("=")
    return (country, how) if equals and how and "=" not in how else None


def liars(strategy: str) -> tuple[str, str] | None:
    """Countries that deviate from the truth together, joined by ``+``, and what they play.

    Examples
    --------
    >>> liars("MZ=overstate:2+ZA=overstate:6")
    ('MZ+ZA', 'MZ=overstate:2+ZA=overstate:6')
    >>> liars("ZA=markup:0.1"), liars("truthful")
    (('ZA', 'markup:0.1'), None)
    """
    if unilateral(strategy) is not None or strategy == TRUTHFUL:
        return unilateral(strategy)
    return "+".join(part.partition("=")[0] for part in strategy.split("+")), strategy


def deviates(strategy: str, together: bool) -> tuple[str, str] | None:
    """Who deviates by what: several :func:`liars` at once if that counts, else one alone."""
    return liars(strategy) if together else unilateral(strategy)


def choosing_draws(runs: pd.DataFrame, estimate_on: Collection[int] | None = None) -> pd.Series:
    """Which runs are on draws that deviations are chosen on; they are estimated on the others.

    Parameters
    ----------
    runs : DataFrame
    estimate_on : collection of int, optional
        Seeds to estimate on. By default every second draw; none if there is only one.
    """
    if estimate_on is not None:
        return ~runs["seed"].isin(list(estimate_on))
    draws = sorted(set(zip(runs["variant"], runs["seed"], strict=True)))
    chosen = set(draws[::2])
    of = list(zip(runs["variant"], runs["seed"], strict=True))
    return pd.Series([draw in chosen for draw in of], index=runs.index, dtype=bool)


def deviations(runs: pd.DataFrame, countries: pd.DataFrame, together: bool = False) -> pd.DataFrame:
    """Mean effect over draws of each deviation under each set of rules.

    Parameters
    ----------
    runs, countries : DataFrame
        Tables of a comparison, see :mod:`model.experiments.tables`.
    together : bool
        Whether several countries that deviate at once are looked at, too; their gains add up.

    Returns
    -------
    DataFrame
        :data:`RULES`, ``country``, ``deviation``, ``draws`` in which it and the truth ended,
        ``draws_missing``, ``own_gain_meur`` (gain of the country over telling the truth, its mean,
        ``least_`` and ``most_``), ``pool_loss_meur`` (gain of all that is lost), and both as shares
        of the planner's gain; whether it ``pays`` more than rounding, and whether it
        ``changes_nothing``, neither money nor messages. NaN without a draw.
    """
    key = [*RULES, "country", "deviation"]
    rows = []
    effects = _effects(runs, countries, together)
    for name, part in effects.groupby(key):
        known = part.dropna(subset=["own", "loss"])
        rows.append(
            {
                **dict(zip(key, name, strict=True)),
                "draws": len(known),
                "draws_missing": len(part) - len(known),
                "own_gain_meur": known["own"].mean(),
                "least_own_gain_meur": known["own"].min(),
                "most_own_gain_meur": known["own"].max(),
                "own_gain_share": known["own_share"].mean(),
                "pool_loss_meur": known["loss"].mean(),
                "pool_loss_share": known["loss_share"].mean(),
                "pays": bool(known["own"].mean() > known["rounding"].mean()),
                "changes_nothing": bool(len(known) and known["same"].all()),
            }
        )
    return pd.DataFrame(rows, columns=[*key, *_EFFECTS])


def _effects(runs: pd.DataFrame, countries: pd.DataFrame, together: bool) -> pd.DataFrame:
    """A row for each run with a deviation: what it brought on its draw."""
    key, draw = [*RULES, *_DRAW], list(_DRAW)
    found = [deviates(str(strategy), together) for strategy in runs["strategy"]]
    lied = runs[[who is not None for who in found]].assign(
        group=[who[0] for who in found if who], deviation=[who[1] for who in found if who]
    )
    if lied.empty:
        return pd.DataFrame(columns=[*RULES, *draw, "country", "deviation", "own", "loss"])
    told = runs[runs["strategy"] == TRUTHFUL]
    own = countries[["case", "country", "gain_meur", "cost_autarky_meur"]].rename(
        columns={"gain_meur": "own_meur"}
    )
    members = lied.assign(country=lied["group"].str.split("+")).explode("country")
    members = members.merge(own, "left", ["case", "country"])
    truth = told.merge(own, "left", "case")[[*key, "country", "gain_meur", "messages", "own_meur"]]
    both = members.merge(truth, "left", [*key, "country"], suffixes=("", "_if_truthful"))
    both = both.assign(own=both["own_meur"] - both["own_meur_if_truthful"])
    sums = both.groupby("case", sort=False)[["own", "cost_autarky_meur"]].sum(min_count=1)
    whole = both.groupby("case", sort=False)["own"].apply(lambda gains: gains.notna().all())
    one = both.drop_duplicates("case").drop(columns=["own", "cost_autarky_meur", "country"])
    sums = sums.mask(~whole.reindex(sums.index), np.nan)
    one = one.merge(sums, "left", left_on="case", right_index=True)
    planner = one["autarky_meur"] - one["planner_meur"]
    loss = one["gain_meur_if_truthful"] - one["gain_meur"]
    same = (one["messages"] == one["messages_if_truthful"]).fillna(False).astype(bool)
    return one.rename(columns={"group": "country"}).assign(
        loss=loss,
        own_share=one["own"] / planner,
        loss_share=loss / planner,
        rounding=_ROUNDING * one["cost_autarky_meur"],
        same=same & (one["own"] == 0) & (loss == 0),
    )


_EFFECTS = (
    "draws",
    "draws_missing",
    "own_gain_meur",
    "least_own_gain_meur",
    "most_own_gain_meur",
    "own_gain_share",
    "pool_loss_meur",
    "pool_loss_share",
    "pays",
    "changes_nothing",
)


def best_deviations(chosen: pd.DataFrame, estimated: pd.DataFrame | None = None) -> pd.DataFrame:
    """Each country's best answer to the others' truth: a deviation, or the truth itself.

    A country chooses before it knows the draw: by the mean over the draws it chooses on, and the
    truth where nothing pays more than rounding.

    Parameters
    ----------
    chosen : DataFrame
        From :func:`deviations`, on the draws to choose on.
    estimated : DataFrame, optional
        The same on other draws, on which what was chosen is measured; without, or if empty, what
        it pays is told as on the draws it was chosen on, ``in_sample``.

    Returns
    -------
    DataFrame
        :data:`RULES`, ``country`` (a pair joined by ``+``), ``deviation``, ``draws`` that the
        amounts are means over, ``in_sample``, ``chosen_gain_meur`` (own gain on the draws it was
        chosen on), own gain and loss of the pool.
    """
    key = [*RULES, "country", "deviation"]
    in_sample = estimated is None or estimated.empty
    told = chosen if in_sample else estimated
    assert told is not None
    by_key = {tuple(row[k] for k in key): row for row in told.to_dict("records")}
    rows = []
    for name, part in chosen.groupby([*RULES, "country"], sort=False):
        who = dict(zip((*RULES, "country"), name, strict=True))
        paying = part[part["pays"]]
        best: dict[str, Any] = dict.fromkeys(_AMOUNTS, np.nan)
        best |= {"deviation": "", "draws": 0, "chosen_gain_meur": np.nan}
        if part["draws"].any() and paying.empty:
            best |= dict.fromkeys(_AMOUNTS, 0.0)
            best |= {"deviation": TRUTHFUL, "draws": int(part["draws"].max())}
            best |= {"chosen_gain_meur": 0.0}
        elif part["draws"].any():
            top = _largest(paying, "own_gain_meur")
            best |= {"deviation": top["deviation"], "chosen_gain_meur": top["own_gain_meur"]}
            found = by_key.get((*name, top["deviation"]))
            if found is not None:
                best |= {column: found[column] for column in ("draws", *_AMOUNTS)}
        rows.append({**who, "in_sample": in_sample, **best})
    columns = [*RULES, "country", "deviation", "draws", "in_sample", "chosen_gain_meur"]
    return pd.DataFrame(rows, columns=[*columns, *_AMOUNTS])


_AMOUNTS = ("own_gain_meur", "own_gain_share", "pool_loss_meur", "pool_loss_share")


def regrets(best: pd.DataFrame) -> pd.DataFrame:
    """How far each set of rules is from truth being everybody's best answer.

    Parameters
    ----------
    best : DataFrame
        From :func:`best_deviations`.

    Returns
    -------
    DataFrame
        :data:`RULES`; ``countries`` that were looked at and how many of them ``deviate``; the
        ``largest_own_gain_meur`` of these, whose it is and by what; the pool's ``regret_meur``, the
        largest loss of all together by one country's best answer, whose it is, and
        ``mean_regret_meur`` over countries; the two largest also as shares of the planner's gain.
        Where pairs were looked at the ``pair`` that gains most together, ``pair_gain_meur`` and
        how, and what the two gain by their best answers alone, added up. Whether all this is
        ``in_sample``.
    """
    rows = []
    for key, part in best.groupby(list(RULES), sort=False):
        pairs = part["country"].str.contains("+", regex=False)
        known = part[~pairs].dropna(subset="own_gain_meur")
        row: dict[str, object] = dict(zip(RULES, key, strict=True))
        row |= {
            "countries": len(known),
            "deviate": int((known["deviation"] != TRUTHFUL).sum()),
            "in_sample": bool(part["in_sample"].all()),
        }
        if len(known):
            lying = known[known["deviation"] != TRUTHFUL]
            keen = _largest(lying if len(lying) else known, "own_gain_meur")
            costly = _largest(known, "pool_loss_meur")
            row |= {
                "largest_own_gain_meur": keen["own_gain_meur"],
                "largest_own_gain_share": keen["own_gain_share"],
                "by": keen["country"] if keen["deviation"] != TRUTHFUL else "",
                "how": keen["deviation"],
                "regret_meur": costly["pool_loss_meur"],
                "regret_share": costly["pool_loss_share"],
                "regret_by": costly["country"] if costly["deviation"] != TRUTHFUL else "",
                "mean_regret_meur": known["pool_loss_meur"].mean(),
            }
        together = part[pairs].dropna(subset="own_gain_meur")
        if len(together):
            two = _largest(together, "own_gain_meur")
            alone = known[known["country"].isin(two["country"].split("+"))]
            row |= {
                "pair": two["country"],
                "pair_gain_meur": two["own_gain_meur"],
                "pair_how": two["deviation"],
                "pair_alone_meur": alone["own_gain_meur"].sum(),
            }
        rows.append(row)
    columns = [*RULES, "countries", "deviate", "in_sample", "largest_own_gain_meur"]
    columns += ["largest_own_gain_share", "by", "how", "regret_meur", "regret_share", "regret_by"]
    columns += ["mean_regret_meur", "pair", "pair_gain_meur", "pair_how", "pair_alone_meur"]
    return pd.DataFrame(rows, columns=columns)


def _largest(table: pd.DataFrame, column: str) -> dict[str, Any]:
    """First row in which a column is largest."""
    row = table.iloc[int(table[column].to_numpy(dtype=float).argmax())]
    return {str(name): value for name, value in row.items()}
