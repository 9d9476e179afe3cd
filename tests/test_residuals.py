"""Residuals of ADMM: Boyd's definitions, read off public quotes; when they end a negotiation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agents.consensus_side import ConsensusSide
from model.negotiation import NegotiationModel
from model.options import RunOptions
from model.records import RunRecords
from model.runs import run
from protocols.consensus_admm import ConsensusAdmm
from protocols.coordination_messages import Basis
from protocols.residuals import QuoteWatch, Residuals, residuals_of
from tests.small_worlds import teaching_world
from tests.test_consensus_admm import negotiation

numbers = arrays(float, (3, 2), elements=st.floats(-100, 100))


@given(numbers, numbers, numbers, numbers)
def test_norms_and_tolerances_are_boyds(
    wished: np.ndarray, before: np.ndarray, given_: np.ndarray, price: np.ndarray
) -> None:
    """Section 3.3.1: |r| <= sqrt(n) e_abs + e_rel max(|x|, |z|), |s| <= ... e_rel |y|."""
    slope = np.full((3, 2), 0.5)
    found = residuals_of(wished, before, given_, slope, price, 1e-2, 1e-1)
    r, s = np.sum((wished - given_) ** 2) ** 0.5, 0.5 * np.sum((given_ - before) ** 2) ** 0.5
    most = max(np.sum(wished**2) ** 0.5, np.sum(given_**2) ** 0.5)
    assert found.primal * (6**0.5 * 1e-2 + 1e-1 * most) == pytest.approx(r)
    assert found.dual * (6**0.5 * 1e-2 + 1e-1 * np.sum(price**2) ** 0.5) == pytest.approx(s)
    assert found.small == (found.primal <= 1 and found.dual <= 1)


def spied(model: NegotiationModel, monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, ...]]:
    """One step; for each round the largest private wish, and what the quotes say of it, MW."""
    wishes: list[float] = []
    seen: list[tuple[float, ...]] = []
    respond, residuals = ConsensusSide._revise, QuoteWatch.residuals

    def revise(side: ConsensusSide, call: object) -> None:
        side._take_mean()
        price, slope = side._price, side._slope(side._price, slice(None))
        respond(side, call)  # type: ignore[arg-type]
        wishes.append(float(np.abs((side._price - price) / (1.6 * slope)).max()))

    def told(watch: QuoteWatch, *given: Any) -> Residuals | None:
        found = residuals(watch, *given)
        moved = [np.abs(mw - watch.before_mw[row]).max() for row, mw in watch.wished_mw.items()]
        countries = len(model.countries)
        if moved:
            seen.append((max(wishes[-countries:]), float(max(moved))))
        return found

    monkeypatch.setattr(ConsensusSide, "_revise", revise)
    monkeypatch.setattr(QuoteWatch, "residuals", told)
    model.step()
    return seen


def test_quotes_tell_what_countries_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule of prices is public, so that nobody need be asked, and nothing is hidden by it."""
    pairs = spied(negotiation(teaching_world("triangle")), monkeypatch)
    assert len(pairs) > 10
    for private, public in pairs:
        assert public == pytest.approx(private, rel=1e-6, abs=1e-6)


def test_slopes_stay_after_the_moving_rounds() -> None:
    """Neighbours name their prices once; both ends and the protocol then use the same slopes."""
    model = negotiation(teaching_world("triangle"), tolerance=1e-9, moving_rounds=5)
    model.step()
    assert model.last is not None
    named = [m for m in model.last.tally.log if isinstance(m.body, Basis)]
    assert len(named) == 2 * model.ledger.graph.number_of_edges()
    assert {m.round for m in named} == {5}
    protocol = model.protocol
    assert isinstance(protocol, ConsensusAdmm)
    for message in named:
        slope = protocol._slopes[message.sender].at(np.array(message.body.price_eur_per_mwh))
        np.testing.assert_array_equal(protocol._held[message.sender, message.receiver], slope)


def test_small_residuals_end_a_negotiation_and_are_recorded(tmp_path: Path) -> None:
    done = run(RunOptions("triangle", "consensus_admm", "standard", out=tmp_path))
    assert "residuals kept within their tolerances until round" in done["note"]
    assert done["efficiency"] > 0.99999
    steps = RunRecords.open(Path(done["folder"])).table("steps")
    assert 0 < steps["primal_residual"].iloc[-1] <= 1
    assert 0 < steps["dual_residual"].iloc[-1] <= 1


def test_stagnation_says_how_far_from_converged_it_is(tmp_path: Path) -> None:
    """Steps in costs make countries jump: little is gained any more long before they rest."""
    done = run(RunOptions("merit_order", "consensus_admm", "standard", out=tmp_path))
    assert "checks brought next to nothing more" in done["note"]
    assert "times their tolerances" in done["note"]
    steps = RunRecords.open(Path(done["folder"])).table("steps")
    assert steps["primal_residual"].iloc[-1] > 1


def test_other_protocols_have_none(tmp_path: Path) -> None:
    done = run(RunOptions("two_countries", "mcafee", "standard", out=tmp_path, planner=False))
    steps = RunRecords.open(Path(done["folder"])).table("steps")
    assert steps["primal_residual"].isna().all()
