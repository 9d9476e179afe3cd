"""What was said in a negotiation: messages in words, and the zone in which two could agree.

Bodies of messages are whatever JSON a protocol writes. Only the zone of agreement knows two kinds:
``LimitCall`` (legs of a bundle) and ``Limit`` (the least a country must be paid for it).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from viz.moment import weights_h
from viz.numbers import number
from viz.run_view import RunView

CLOCK = "clock"
_PRICE = "_eur_per_mwh"
_LONGEST = 6


def said(
    view: RunView, step: int, only_round: int | None = None, most: int | None = None
) -> pd.DataFrame:
    """Messages of a step or of one round of it, in words; the clock's calls are left out.

    Parameters
    ----------
    view : RunView
    step : int
    only_round : int, optional
    most : int, optional
        Number of messages to put into words, the first ones; all by default.

    Returns
    -------
    DataFrame
        ``round``, ``order``, ``from``, ``to``, ``act``, ``kind``, ``says``, ``private numbers``.
    """
    rows = view.messages(step)
    rows = rows[rows["sender"] != CLOCK]
    if only_round is not None:
        rows = rows[rows["round"] == only_round]
    rows = rows.head(len(rows) if most is None else most)
    return pd.DataFrame(
        {
            "round": rows["round"] + 1,
            "order": rows["order"],
            "from": rows["sender"],
            "to": rows["receiver"],
            "act": rows["act"],
            "kind": rows["kind"],
            "says": [in_words(json.loads(body), view.products) for body in rows["body"]],
            "private numbers": rows["numbers_disclosed"],
        }
    )


def in_words(body: Any, products: Sequence[str] = ()) -> str:
    """A message's content in one line.

    Examples
    --------
    >>> in_words({"price_eur_per_mwh": 38.78, "mw": [0.0, 12.5, 0.0], "importer": None})
    'price 38.8 EUR/MWh; mw 0 to 12.5 in 3 values, sum 12.5'
    """
    if isinstance(body, Mapping):
        if set(body) == {"trade"}:
            return in_words(body["trade"], products)
        parts = [_field(str(key), value, products) for key, value in body.items()]
        return "; ".join(part for part in parts if part)
    return _value(body)


def _field(key: str, value: Any, products: Sequence[str]) -> str:
    if value is None or value == []:
        return ""
    if key == "product" and isinstance(value, int) and 0 <= value < len(products):
        return str(products[value])
    for ending, unit in (
        ("_eur_per_mwh_per_mw", " EUR/MWh per MW"),
        (_PRICE, " EUR/MWh"),
        ("_eur", " EUR"),
        ("_mwh", " MWh"),
        ("_mw", " MW"),
    ):
        if key.endswith(ending):
            return f"{key.removesuffix(ending).replace('_', ' ')} {_value(value)}{unit}"
    return f"{key.replace('_', ' ')} {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float | list | dict):
        return str(value)
    if isinstance(value, Mapping):
        return f"({in_words(value)})"
    if isinstance(value, int | float):
        return _short(float(value))
    if value and all(isinstance(v, str) for v in value):
        return " > ".join(value)
    if len(value) > 1 and all(isinstance(v, int | float) for v in value):
        low, high = _short(min(value)), _short(max(value))
        span = low if low == high else f"{low} to {high}"
        return f"{span} in {len(value)} values, sum {_short(sum(value))}"
    listed = ", ".join(_value(v) for v in value[:_LONGEST])
    return listed + (f" and {len(value) - _LONGEST} more" if len(value) > _LONGEST else "")


def _short(value: float) -> str:
    if value == 0:
        return "0"
    size = abs(value)
    decimals = 0 if size >= 1000 or value == round(value) else 1 if size >= 10 else 2
    return number(value, decimals)


@lru_cache(maxsize=64)
def deals(view: RunView, step: int) -> pd.DataFrame:
    """Bundles that two countries priced in a step, and what became of them.

    Prices are per MWh exchanged, paid by the importer of the bundle's first leg to its exporter.

    Returns
    -------
    DataFrame
        ``round``, ``exporter``, ``importer``, ``path`` (joined by ``<>`` for a swap),
        ``energy_mwh``, ``least_eur_per_mwh``
        (what the exporter must be paid), ``most_eur_per_mwh`` (what the importer would pay),
        ``price_eur_per_mwh`` (NaN where they did not trade).
    """
    asked: dict[str, list[Any]] = {}
    limits: dict[tuple[int, frozenset[str], str], dict[str, float]] = defaultdict(dict)
    for row in view.messages(step).to_dict("records"):
        if row["kind"] == "LimitCall":
            asked[row["receiver"]] = json.loads(row["body"]).get("legs", [])
        elif row["kind"] == "Limit" and asked.get(row["sender"]):
            legs = json.dumps(asked[row["sender"]])
            pair = frozenset((row["sender"], row["receiver"]))
            limits[row["round"], pair, legs][row["sender"]] = json.loads(row["body"])["amount_eur"]
    paid = _payments(view, step)
    hours = np.array([weights_h(view)[p] for p in view.products])
    rows = []
    for (round_, _, legs_text), amounts in limits.items():
        legs = json.loads(legs_text)
        path = legs[0]["path"]
        exporter, importer = path[0], path[-1]
        energy = sum(float(np.asarray(leg["mw"]) @ hours) for leg in legs)
        if not energy > 0 or {exporter, importer} != set(amounts):
            continue
        eur, traded = paid.get((round_, exporter, importer), (0.0, 0.0))
        agreed = abs(traded - energy) <= 1e-6 * energy
        rows.append(
            {
                "round": round_,
                "exporter": exporter,
                "importer": importer,
                "path": (" > " if len(legs) == 1 else " <> ").join(path),
                "energy_mwh": energy,
                "least_eur_per_mwh": amounts[exporter] / energy,
                "most_eur_per_mwh": -amounts[importer] / energy,
                "price_eur_per_mwh": eur / energy if agreed else np.nan,
            }
        )
    return pd.DataFrame(rows, columns=_DEAL_COLUMNS)


_DEAL_COLUMNS = [
    "round",
    "exporter",
    "importer",
    "path",
    "energy_mwh",
    "least_eur_per_mwh",
    "most_eur_per_mwh",
    "price_eur_per_mwh",
]


def _payments(view: RunView, step: int) -> dict[tuple[int, str, str], tuple[float, float]]:
    """EUR that the second country paid the first in a round on balance, and MWh they exchanged."""
    sums: dict[tuple[int, str, str], tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    trades = view.trades[view.trades["step"] == step]
    for row in trades.to_dict("records"):
        eur, mwh = row["price_eur_per_mwh"] * row["energy_mwh"], row["energy_mwh"]
        for first, second, sign in (
            (row["exporter"], row["importer"], 1),
            (row["importer"], row["exporter"], -1),
        ):
            before = sums[row["round"], first, second]
            sums[row["round"], first, second] = (before[0] + sign * eur, before[1] + mwh)
    return dict(sums)


@lru_cache(maxsize=64)
def prices_said(view: RunView, step: int) -> pd.DataFrame:
    """Prices that countries named in a step in any field ``*_eur_per_mwh``, lists by their mean.

    Returns
    -------
    DataFrame
        ``round``, ``sender``, ``receiver``, ``kind``, ``field``, ``eur_per_mwh``.
    """
    rows = []
    for row in view.messages(step).to_dict("records"):
        if row["sender"] not in view.names:
            continue
        for field, value in _prices(json.loads(row["body"])):
            rows.append((row["round"], row["sender"], row["receiver"], row["kind"], field, value))
    names = ["round", "sender", "receiver", "kind", "field", "eur_per_mwh"]
    return pd.DataFrame(rows, columns=names)


def _prices(body: Any) -> list[tuple[str, float]]:
    if not isinstance(body, Mapping):
        return []
    found = []
    for key, value in body.items():
        if isinstance(value, Mapping):
            found += _prices(value)
        elif str(key).endswith(_PRICE):
            numbers = np.ravel(np.array(value, dtype=object))
            known = [float(v) for v in numbers if isinstance(v, int | float)]
            if known and np.isfinite(known).all():
                found.append(
                    (str(key).removesuffix(_PRICE).replace("_", " "), float(np.mean(known)))
                )
    return found
