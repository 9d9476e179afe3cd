"""What all tests share."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# Files that negotiate in the same worlds: one process takes them all and builds each world once,
# which takes longer than most of their tests. Some look at the same negotiations too.
ONE_WEEK, FOUR_WEEKS = "a week of four countries", "four weeks of four countries"
TWO_WEEKS = "two weeks of two countries"
SAME_WORLD = {
    "test_alternating_offers": ONE_WEEK,
    "test_douglas_rachford": ONE_WEEK,
    "test_coalitions": ONE_WEEK,
    "test_conformance": ONE_WEEK,
    "test_consensus_admm": ONE_WEEK,
    "test_disclosure": ONE_WEEK,
    "test_iterated_clearing": ONE_WEEK,
    "test_several_ports": ONE_WEEK,
    "test_negotiation": FOUR_WEEKS,
    "test_planning": FOUR_WEEKS,
    "test_runs": FOUR_WEEKS,
    "test_audit": TWO_WEEKS,
    "test_independent": TWO_WEEKS,
    "test_slices_add_up": TWO_WEEKS,
}
# Files whose tests share nothing and take long.
SEPARATE = {"test_like_pypsa"}
# The longest first, so that no process waits long for the last.
LONGEST = (
    ONE_WEEK,
    FOUR_WEEKS,
    "test_like_pypsa",
    "test_compare",
    "test_app_browser",
    "test_app_guards",
    "test_pypsa_earth_run",
    "test_pypsa_earth_rules",
    "test_plugins",
    "test_app",
    "test_policy",
    TWO_WEEKS,
    "test_summary",
    "test_costs_by_hand",
)


def pytest_configure() -> None:
    """No deadline for an example of Hypothesis: on a busy machine anything may take long."""
    hypothesis.settings.register_profile("patient", deadline=None)
    hypothesis.settings.load_profile("patient")
    # Models are large and go with their tests: look for what is left of them less often.
    gc.set_threshold(50_000, 10, 10)


@pytest.fixture(scope="session", autouse=True)
def planner_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of planners that is empty at first and serves all processes of the session.

    An optimum that one test has computed is read by the next; the user's own cache is not touched.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DMAN_CEP_CACHE", str(shared / "cache"))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """No test cuts the power, so that no file needs to have reached the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest."""
    rank = {group: place for place, group in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(group_of(item.nodeid).partition("::")[0], len(rank)))


@pytest.hookimpl(optionalhook=True)  # known where pytest-xdist is installed
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the files of a world in one process, and every file whole.

    Marks of ``--dist loadgroup`` would say the same, but pytest 9.2 does not show them to
    pytest-xdist 3.8.
    """
    from xdist.scheduler import LoadScopeScheduling

    class WorldScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return WorldScheduling(config, log)


def group_of(nodeid: str) -> str:
    """Name of the group of files that a test belongs to."""
    file = Path(nodeid.partition("::")[0]).stem
    if file in SEPARATE:
        return f"{file}::{nodeid.partition('::')[2]}"
    return SAME_WORLD.get(file, file)
