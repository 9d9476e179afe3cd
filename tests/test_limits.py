"""What a country must be paid for a bundle, against areas under its cost curve."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.limits import COST_DIGITS, least_payment_eur, quantum, rounded_up_eur
from agents.valuation import Valuation
from model.ledger import Ledger
from protocols.messages import Leg
from tests.small_worlds import teaching_world

# Any money, in any unit.
sizes = st.floats(1e-12, 1e24)
signs = st.sampled_from([-1.0, 1.0])


def asked(place: str, country: str, *legs: tuple[tuple[str, ...], float]) -> float:
    world = teaching_world(place)
    valuation = Valuation(world.problems[country], world.products)
    ledger = Ledger(world.graph, world.products)
    return least_payment_eur(country, valuation, [Leg(path, (mw,)) for path, mw in legs], ledger)


class TestLeastPayment:
    """At home the marginal costs are 30 + 0.02 q in A and 80 - 0.04 q in B."""

    def test_of_an_exporter(self) -> None:
        """400 x 30 + 0.02 x 400^2 / 2"""
        assert asked("two_countries", "A", (("A", "B"), 400.0)) == pytest.approx(13_600)

    def test_of_an_importer(self) -> None:
        """It would pay 400 x 80 - 0.04 x 400^2 / 2."""
        assert asked("two_countries", "B", (("A", "B"), 400.0)) == pytest.approx(-28_800)

    def test_of_a_swap(self) -> None:
        """500 MW out and 100 back are 400 out."""
        legs = ((("A", "B"), 500.0), (("B", "A"), 100.0))
        assert asked("two_countries", "A", *legs) == pytest.approx(13_600)

    def test_of_nothing(self) -> None:
        assert asked("two_countries", "A", (("A", "B"), 0.0)) == 0.0

    def test_the_importer_pays_for_the_way(self) -> None:
        """100 MW from A over T, 2 EUR for each of them, 64 arrive.

        B saves 64 x 75.3 - 0.04 x 64^2 / 2 = 4737.28; A spends 100 x 30 + 0.02 x 100^2 / 2.
        """
        way = (("A", "T", "B"), 100.0)
        assert asked("wheeling", "B", way) == pytest.approx(200 - 4737.28)
        assert asked("wheeling", "A", way) == pytest.approx(3100)


class TestRounding:
    def test_steps(self) -> None:
        assert quantum(1.0, 3) == 1 / 8
        assert quantum(-5.0, 3) == 1 / 2
        assert quantum(8.0, 0) == 8
        assert 0 < quantum(0.0, COST_DIGITS) < 1e-300

    def test_by_hand(self) -> None:
        """Of 2^30 the steps are one, of twice that two."""
        assert COST_DIGITS == 30
        assert rounded_up_eur(5.25, 2.0**30) == 6
        assert rounded_up_eur(-5.25, 2.0**30) == -5
        assert rounded_up_eur(5.25, 3.0, -(2.0**31)) == 6
        assert rounded_up_eur(6.25, 3.0, -(2.0**31)) == 8
        assert rounded_up_eur(0.0, 0.0, 0.0) == 0

    @given(sizes, signs, sizes, signs)
    def test_never_the_countrys_loss_and_little_more(
        self, amount: float, sign: float, term: float, other: float
    ) -> None:
        amount = sign * min(amount, term)
        said = rounded_up_eur(amount, other * term, 0.0)
        assert amount <= said <= amount + term * 2.0**-COST_DIGITS * (1 + 1e-9)
        # Noise in the last digits of the costs is not said.
        least = math.ldexp(1.0, math.frexp(term)[1] - 1 - COST_DIGITS)
        assert said / least == np.round(said / least)
