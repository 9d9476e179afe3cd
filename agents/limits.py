"""What a country must at least be paid for a bundle, by re-solving."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from agents.valuation import Valuation
from protocols.messages import Leg
from protocols.public import PublicLedger, change_mw, wheeling_eur

# Costs are said with so many binary digits, so that the solver's noise is not taken for gain,
# whatever the units of money and power.
COST_DIGITS = 30


def least_payment_eur(
    country: str, valuation: Valuation, legs: Iterable[Leg], ledger: PublicLedger
) -> float:
    """Least payment that leaves a country no worse off with a bundle, EUR.

    Negative is the most it would pay. Wheeling charges are the importer's and included. Rounded up,
    so that rounding is never the country's loss.
    """
    here = ledger.exchange_mw(country)
    moved = [(leg.path, np.asarray(leg.mw)) for leg in legs]
    there = here + change_mw(country, moved, ledger)
    charges = wheeling_eur(country, moved, ledger)
    before, after = valuation.cost_eur(here), valuation.cost_eur(there)
    return rounded_up_eur(after - before + charges, before, after, charges)


def rounded_up_eur(amount_eur: float, *terms_eur: float) -> float:
    """An amount as it is said: with so many digits of the largest of the terms it is made of.

    One of them may be zero: a country that lives on its rivers has no cost until it trades.
    """
    step = quantum(max(map(abs, terms_eur)), COST_DIGITS)
    return float(np.ceil(amount_eur / step) * step)


def quantum(scale: float, digits: int) -> float:
    """Smallest step of numbers of a scale that are said with so many binary digits."""
    return float(2.0 ** (np.floor(np.log2(max(abs(scale), 1e-300))) - digits))
