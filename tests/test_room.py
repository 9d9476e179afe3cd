"""A run that will not fit says so before anything is solved, and is not refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from model.options import RunOptions
from model.reporting import Reporter
from model.room import needed_bytes, too_large
from model.runs import run
from model.world import build_world, chosen_scenario

SMALL = RunOptions("sapp2030", countries=("MZ", "ZW"), resolution="1w6h", planner=False)


class Listener(Reporter):
    """Keeps warnings and phases in their order."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def warn(self, text: str) -> None:
        self.heard.append(f"warning: {text}")

    def phase(self, name: str, total: int | None = None) -> None:
        self.heard.append(name)


def test_more_snapshots_need_more_and_curves_nothing() -> None:
    world = build_world(chosen_scenario(SMALL), "highs", Reporter())
    problems = list(world.problems.values())
    needed = needed_bytes(problems)
    assert needed == sum(needed_bytes([p]) for p in problems) > 0
    assert too_large(problems, free_bytes=needed) is None
    said = too_large(problems, free_bytes=needed - 1)
    assert said is not None and f"{needed / 1e9:.1f} GB more" in said
    curves = build_world(chosen_scenario(RunOptions("triangle")), "highs", Reporter())
    assert too_large(curves.problems.values(), free_bytes=0) is None


def test_the_run_warns_first_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = SimpleNamespace(virtual_memory=lambda: SimpleNamespace(available=1))
    monkeypatch.setattr("model.room.psutil", nothing)
    listener = Listener()
    options = RunOptions(**{**vars(SMALL), "out": tmp_path, "max_steps": 1})
    assert run(options, listener)["status"] in ("completed", "capped")
    warnings = [i for i, line in enumerate(listener.heard) if "GB are free" in line]
    assert len(warnings) == 1 and warnings[0] < listener.heard.index("planning alone")
