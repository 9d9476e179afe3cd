"""Whatever goes wrong ends a run in a status with its reason, and nothing before it is lost."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from agents.strategy import STRATEGIES, Strategy
from model.experiments.grid import Grid
from model.experiments.measure import Bench
from model.experiments.spec import Experiment
from model.records import RunRecords
from model.runs import resume
from model.settlement import SETTLEMENTS, EqualSplit, Settlement
from protocols.base import Outcome, Protocol
from protocols.messages import (
    CLOCK,
    Award,
    Body,
    Message,
)
from protocols.plugins import PluginError
from protocols.registry import PROTOCOLS
from tests.rogues import (  # noqa: F401 (fixtures)
    Asking,
    Ended,
    Rogue,
    Trading,
    announcing,
    answering,
    boom,
    deal,
    deal_of,
    ending,
    fail_after,
    holding,
    told,
)

NO_NUMBERS = (float("nan"), float("inf"), float("-inf"))


class TestEveryEndIsTyped:
    def test_a_protocol_that_fails(self, hold) -> None:
        ended = hold(ending(boom))
        assert ended.summary["status"] == "failed"
        assert re.fullmatch(r"Boom: it went wrong \(rogues\.py:\d+\)", ended.summary["note"])
        ended.check_that_step_one_is_kept()

    @pytest.mark.parametrize("batch", [None, 3, [None], ["award"], [Award(deal())]])
    def test_batches_that_are_none(self, hold, batch: Any) -> None:
        class Nonsense(Rogue):
            def break_a_rule(self, market, outcome):  # type: ignore[no-untyped-def]
                yield batch

        ended = hold(Nonsense)
        assert ended.summary["status"] == "failed"
        assert re.match(r"\w+Error: ", ended.summary["note"])
        ended.check_that_step_one_is_kept()

    @pytest.mark.parametrize("error", [MemoryError, OSError, StopIteration, AssertionError])
    def test_whatever_the_error(self, hold, error: type[Exception]) -> None:
        def fail(_: Outcome) -> None:
            raise error("gone")

        ended = hold(ending(fail))
        assert ended.summary["status"] == "failed"
        assert "gone" in ended.summary["note"] or "StopIteration" in ended.summary["note"]
        ended.check_that_step_one_is_kept()

    def test_a_protocol_that_fails_at_once(self, hold) -> None:
        class AtOnce(Protocol):
            name, discloses = "rogue", "nothing"

            def run(self, market):  # type: ignore[no-untyped-def]
                boom()

        ended = hold(AtOnce)
        assert ended.summary["status"] == "failed"
        assert ended.summary["steps"] == ended.summary["trades"] == 0
        assert ended.summary["gain_eur"] == 0

    @pytest.mark.parametrize("workers", [1, 2])
    def test_a_strategy_that_fails(self, hold, announce, workers: int) -> None:
        announce(STRATEGIES, "answering", answering(boom))
        ended = hold(Asking, strategies={"A": "answering"}, workers=workers)
        assert ended.summary["status"] == "failed"
        assert ended.summary["note"].startswith("Boom: it went wrong")
        ended.check_that_step_one_is_kept()

    def test_a_strategy_that_has_nothing_to_report(self, hold, announce, tmp_path) -> None:
        class Mute(Strategy):
            name = "mute"
            report = boom

        announce(STRATEGIES, "mute", Mute)
        with pytest.raises(PluginError, match="strategy Mute of A: Boom: it went"):
            hold(Asking, strategies={"A": "mute"})
        assert not list(tmp_path.iterdir())

    def test_a_solver_that_fails(self, hold, monkeypatch) -> None:
        fail_after(monkeypatch, boom)
        ended = hold(Trading)
        assert ended.summary["status"] == "failed"
        assert ended.summary["note"].startswith("Boom: it went wrong")
        ended.check_that_step_one_is_kept()

    def test_words_that_cannot_be_recorded(self, hold) -> None:
        class Unspeakable(Body):
            def record(self) -> dict[str, object]:
                return {"what": object()}

        class Mumbling(Rogue):
            def break_a_rule(self, market, outcome):  # type: ignore[no-untyped-def]
                outcome.trades.append(deal(20.0))
                yield told(deal_of(outcome))
                yield [Message(CLOCK, "A", "call", Unspeakable())]

        ended = hold(Mumbling)
        assert ended.summary["status"] == "failed"
        assert ended.summary["note"].startswith("TypeError: ")
        ended.check_that_step_one_is_kept()

    @pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
    def test_whoever_wants_to_stop_may(self, hold, stop: type[BaseException]) -> None:
        def leave(_: Outcome) -> None:
            raise stop

        with pytest.raises(stop):
            hold(ending(leave))

    def test_a_full_disk_is_no_end(self, hold, monkeypatch, tmp_path) -> None:
        usual = RunRecords.write_step

        def full(self: RunRecords, step: int, rows: Any) -> None:
            if step == 1:
                raise OSError(28, "No space left on device")
            usual(self, step, rows)

        monkeypatch.setattr(RunRecords, "write_step", full)
        with pytest.raises(OSError, match="No space left"):
            hold(ending(lambda outcome: Outcome(settled=True)))
        monkeypatch.setattr(RunRecords, "write_step", usual)
        (folder,) = tmp_path.iterdir()
        assert resume(folder)["status"] == "completed"

    def test_a_comparison_keeps_the_place_of_the_fault(self, announce) -> None:
        announce(PROTOCOLS, "rogue", ending(boom))
        spec = Experiment(scenario="wheeling", protocols=["rogue"], seeds=1)
        measured = Bench().measure(Grid(spec).cases[0])
        assert measured.run["status"] == "failed"
        assert measured.run["reason"].startswith("Boom: it went wrong")
        assert "Traceback" in measured.trace and "in boom" in measured.trace


class TestSettlementsThatFail:
    """The negotiation stands, at the prices agreed; the run says that it was not settled."""

    def settled(self, hold, announce, pay: Callable[[dict[str, float]], Any]) -> Ended:
        class Strange(Settlement):
            name, discloses = "strange", "nothing"

            def payments_eur(self, case):  # type: ignore[no-untyped-def]
                return pay(EqualSplit().payments_eur(case))

        announce(SETTLEMENTS, "strange", Strange)
        settles = ending(lambda outcome: Outcome(settled=True))
        return hold(settles, settlement="strange")

    def test_one_that_works(self, hold, announce) -> None:
        ended = self.settled(hold, announce, lambda due: due)
        assert ended.summary["status"] == "completed"
        gains = list(ended.summary["gains_eur"].values())
        np.testing.assert_allclose(gains, np.mean(gains))

    @pytest.mark.parametrize(
        ("pay", "why"),
        [
            (boom, "Boom: it went wrong"),
            (lambda due: None, "TypeError: "),
            (lambda due: {**due, "A": "much"}, "TypeError: "),
            *(
                (lambda due, bad=bad: {**due, "A": bad}, "budget: a transfer would make A pay")
                for bad in NO_NUMBERS
            ),
            (lambda due: {**due, "A": due["A"] + 1e6}, "budget: transfers sum to 1e\\+06 EUR"),
            (lambda due: {c: due[c] for c in ("A", "B")}, "budget: .* of every country .*: T"),
            (lambda due: {**due, "X": 0.0}, "budget: .* of every country and no other: X"),
        ],
    )
    def test_ends_failed_at_the_prices_agreed(self, hold, announce, pay, why) -> None:
        ended = self.settled(hold, announce, pay)
        assert ended.summary["status"] == "failed"
        assert re.match(
            f"settlement strange, so payments are as agreed: {why}", ended.summary["note"]
        )
        paid = {c: row["payment_eur"] for c, row in ended.summary["countries"].items()}
        assert paid == pytest.approx({"A": -400.0, "T": 400.0, "B": 0.0})
        assert ended.summary["gain_eur"] > 0

    def test_one_that_needs_more_than_its_name_is_refused_first(
        self, hold, announce, tmp_path
    ) -> None:
        class Needy(EqualSplit):
            def __init__(self, share: float) -> None:
                self.share = share

        announce(SETTLEMENTS, "needy", Needy)
        with pytest.raises(PluginError, match="settlement needy cannot be made"):
            hold(Asking, settlement="needy")
        assert not list(tmp_path.iterdir())

    def test_it_reads_copies(self, hold, announce) -> None:
        class Greedy(Settlement):
            name, discloses = "greedy", "nothing"

            def payments_eur(self, case):  # type: ignore[no-untyped-def]
                paid = dict(case.ledger.payments_eur)
                case.ledger.payments_eur["A"] = -1e9
                case.ledger.flows_mw.clear()
                with suppress(TypeError):
                    case.world.graph.edges["A", "T"]["capacity_mw"]["A"] = 0.0
                return paid

        announce(SETTLEMENTS, "greedy", Greedy)
        ended = hold(ending(lambda outcome: Outcome(settled=True)), settlement="greedy")
        assert ended.summary["status"] == "completed"
        assert ended.summary["countries"]["A"]["payment_eur"] == pytest.approx(-400.0)
        assert ended.summary["interconnectors"]["A-T"]["a_to_b_twh"] > 0
        assert ended.summary["interconnectors"]["A-T"]["a_to_b_mw"] == 2000.0
