"""Mesa's data collector, with agents' rows under the number of their step."""

from __future__ import annotations

from agents.mesa_import import mesa


class StepCollector(mesa.DataCollector):
    """Collects once after every step; steps are counted from 0, as in a run's records.

    Mesa keeps what models report in a list, whose first entry is that of the first step, and what
    agents report under ``model.steps``, which is 1 by then. ``mesa.batch_run`` looks both up with
    one number, so that agents would be a step behind.
    """

    def collect(self, model: mesa.Model) -> None:
        """Ask all reporters."""
        super().collect(model)
        records = self._agent_records
        records[model.steps - 1] = [(row[0] - 1, *row[1:]) for row in records.pop(model.steps, [])]
