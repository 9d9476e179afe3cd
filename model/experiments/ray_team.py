"""Workers on a Ray cluster: one actor a core. Needs the extra ``ray``."""

from __future__ import annotations

from typing import Any

from model.experiments.grid import Case
from model.experiments.measure import Bench, Measured, broken
from model.experiments.team import ONE_THREAD, Team, quieten
from scenarios.errors import ScenarioError


class RayTeam(Team):
    """Actors of a Ray cluster, spread over its nodes.

    Every node needs this program at the version of the one that compares.

    Parameters
    ----------
    size : int, optional
        As many as the cluster has cores by default.
    gains : bool
        As for :class:`Bench`.
    address : str, optional
        Of a cluster that runs, ``"auto"`` to find it; a new one on this machine by default.

    Raises
    ------
    ScenarioError
        If Ray is not installed, or there is no cluster at the address.
    """

    def __init__(self, size: int | None, gains: bool, address: str | None = None) -> None:
        self._ray = _import_ray()
        self._gains = gains
        self._own = not self._ray.is_initialized()
        if self._own:
            try:
                self._ray.init(address=address, log_to_driver=False, logging_level="ERROR")
            except (ConnectionError, ValueError) as error:
                raise ScenarioError(f"--address {address}: {error}") from None
        self.size = size or max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        self._workers: dict[int, Any] = {}
        self._given: dict[Any, int] = {}

    def give(self, worker: int, case: Case) -> None:
        """Give a case; see :class:`Team`."""
        if worker not in self._workers:
            self._workers[worker] = self._hire()
        self._given[self._workers[worker].measure.remote(case)] = worker

    def wait(self) -> tuple[int, Measured]:
        """Wait for a worker; see :class:`Team`."""
        ready, _ = self._ray.wait(list(self._given), num_returns=1)
        worker = self._given.pop(ready[0])
        try:
            return worker, self._ray.get(ready[0])
        except self._ray.exceptions.RayError as error:
            del self._workers[worker]
            return worker, broken("failed", f"its Ray worker ended: {_first_line(error)}")

    def close(self) -> None:
        """End all workers; see :class:`Team`."""
        for actor in self._workers.values():
            self._ray.kill(actor)
        self._workers.clear()
        if self._own:
            self._ray.shutdown()

    def _hire(self) -> Any:
        kind = self._ray.remote(_Worker)
        options = {
            "num_cpus": 1,
            "scheduling_strategy": "SPREAD",
            "runtime_env": {"env_vars": ONE_THREAD},
        }
        return kind.options(**options).remote(self._gains)


class _Worker:
    """What runs on the cluster."""

    def __init__(self, gains: bool) -> None:
        quieten()
        self._bench = Bench(gains)

    def measure(self, case: Case) -> Measured:
        return self._bench.measure(case)


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ScenarioError(
            "--engine ray: Ray is not installed; pip install 'dman-cep[ray]', or leave it out for "
            "the cores of this machine"
        ) from None
    return ray


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
