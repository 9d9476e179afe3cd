"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest

LONGEST = {
    "test_app",
    "test_app_browser",
    "test_bundle",
    "test_coalitions",
    "test_consensus_admm",
    "test_independent",
    "test_negotiation",
    "test_planning",
    "test_plugins",
    "test_policy",
    "test_pypsa_earth_run",
    "test_runs",
}


def pytest_configure() -> None:
    """No deadline for an example of Hypothesis: on a busy machine anything may take long."""
    hypothesis.settings.register_profile("patient", deadline=None)
    hypothesis.settings.load_profile("patient")


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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file in one process, and begin with the longest files.

    What the tests of a file share is then made once, and no process waits long for the last.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    items.sort(key=lambda item: item.path.stem not in LONGEST)
