"""Records of a run as the referee reads them: Parquet, JSON and the solved network."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pypsa
import scipy.sparse as sp

from model.audit.notes import AuditError

_NEEDED = ("products", "steps", "step_flows", "step_costs", "flows", "prices", "transfers")
# Without them nothing would be compared, and nothing would be found.
_KEYS = ("operator_payment_eur", "promises_no_loss", "ceiling_gain_eur", "carried_out_share")
_STEP = re.compile(r"step-(\d+)\.parquet")


@dataclass(frozen=True)
class Line:
    """An interconnector; ``a`` comes first in the alphabet.

    Attributes
    ----------
    wheeling_eur_per_mwh : float
        For transit that arrives over it, per MWh sent by the exporter.
    limit_mw : dict of str to ndarray, shape (snapshots,)
        By sending country, at the sending end.
    """

    name: str
    a: str
    b: str
    loss: float
    wheeling_eur_per_mwh: float
    limit_mw: dict[str, np.ndarray]


class Recorded:
    """Everything that a finished run has recorded.

    Parameters
    ----------
    path : Path

    Raises
    ------
    AuditError
        If the folder is no finished run, a file cannot be read, or the run was recorded before
        its records were complete.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = self._json("manifest.json", f"{path} is not a run")
        self.summary = self._json("summary.json", f"{path} is unfinished; finish it with --resume")
        self.scenario = self._json("scenario.json", f"{path}: scenario.json is missing")
        missing = [name for name in _NEEDED if not list((path / name).glob("*.parquet"))]
        missing = [f"table {name}" for name in missing]
        missing += [f"{key} in summary.json" for key in _KEYS if key not in self.summary]
        if missing:
            raise AuditError(
                f"{path} cannot be audited: it has no {missing[0]}, because it was recorded "
                "by an earlier version or is damaged; run it again"
            )

    @cached_property
    def countries(self) -> list[str]:
        """Codes of the countries."""
        return list(self.summary["countries"])

    @cached_property
    def kind(self) -> str:
        """What the countries plan with: ``cost_curves``, ``pypsa`` or ``network``."""
        return str(self.scenario["settings"]["kind"])

    @cached_property
    def snapshots(self) -> pd.DatetimeIndex:
        """Snapshots of the year."""
        return pd.DatetimeIndex(self._first_country["snapshot"])

    @cached_property
    def hours(self) -> np.ndarray:
        """Weight of each snapshot, h."""
        return np.asarray(self._first_country["weight_h"], dtype=float)

    @cached_property
    def _first_country(self) -> Any:
        prices = self.table("prices")
        first = prices[prices["case"] == "autarky"]
        return first[first["country"] == first["country"].iloc[0]]

    @cached_property
    def products(self) -> list[str]:
        """Names of the products."""
        return list(dict.fromkeys(self.table("products")["product"]))

    @cached_property
    def shape(self) -> sp.csr_array:
        """MW in each snapshot per MW of contract (shape: products, snapshots)."""
        rows = self.table("products")
        product = {name: k for k, name in enumerate(self.products)}
        place = [rows["product"].map(product), self.snapshots.get_indexer(rows["snapshot"])]
        size = (len(self.products), len(self.snapshots))
        return sp.csr_array((rows["mw_per_mw"].to_numpy(), place), shape=size)

    @cached_property
    def slice_of(self) -> dict[str, str]:
        """Slice of each product."""
        rows = self.table("products")
        return dict(zip(rows["product"], rows["slice"], strict=True))

    @cached_property
    def shares(self) -> dict[str, float]:
        """Share of each slice's trades that is carried out; empty where all are."""
        rows = self.table("shares")
        return dict(zip(rows["slice"], rows["share"], strict=True))

    @cached_property
    def independent(self) -> bool:
        """Whether slices were negotiated apart and reconciled."""
        return bool(self.summary["decomposition"] == "independent")

    @cached_property
    def lines(self) -> dict[str, Line]:
        """Interconnectors by name."""
        found = {}
        everywhere = np.ones(len(self.snapshots))
        for row in self.scenario["interconnectors"]:
            one, two = row["country_a"], row["country_b"]
            limits = {one: row["a_to_b_mw"] * everywhere, two: row["b_to_a_mw"] * everywhere}
            for sender, receiver in ((one, two), (two, one)):
                limits[sender] = self._limit_mw(sender, receiver, limits[sender])
            a, b = sorted((one, two))
            name = f"{a}-{b}"
            charge = row["wheeling_eur_per_mwh"]
            found[name] = Line(name, a, b, row["loss"], charge, limits)
        return found

    def _limit_mw(self, sender: str, receiver: str, told: np.ndarray) -> np.ndarray:
        """Limit by the Links of the network, which may vary over time."""
        if self.network is None:
            return told
        links = self.network.links
        own = links.index[[str(n).split(" ")[0] == f"{sender}>{receiver}" for n in links.index]]
        if own.empty:
            return told
        share = self.network.get_switchable_as_dense("Link", "p_max_pu")[own]
        return (share * links.p_nom[own]).sum(axis=1).to_numpy()

    @cached_property
    def network(self) -> pypsa.Network | None:
        """The negotiated outcome; none for cost curves."""
        file = self.path / "network.nc"
        if not file.is_file():
            if self.kind != "cost_curves":
                raise AuditError(f"{file} is missing; the run is damaged")
            return None
        try:
            return pypsa.Network(str(file))
        except Exception as error:
            raise AuditError(f"{file} cannot be read: {type(error).__name__}: {error}") from None

    def by_line(self, case: str) -> dict[str, np.ndarray]:
        """Recorded flows of a case by interconnector, MW per snapshot."""
        rows = self.table("flows")
        return self._series(rows[rows["case"] == case], "interconnector", "flow_mw")

    def by_country(self, case: str, column: str) -> dict[str, np.ndarray]:
        """A column of ``prices`` of a case by country."""
        rows = self.table("prices")
        return self._series(rows[rows["case"] == case], "country", column)

    def _series(self, rows: Any, key: str, column: str) -> dict[str, np.ndarray]:
        return {
            str(name): of_one.set_index("snapshot")[column].reindex(self.snapshots).to_numpy()
            for name, of_one in rows.groupby(key, sort=False)
        }

    def table(self, name: str) -> Any:
        """All rows of a table as a DataFrame; of steps, only those that are done.

        What the columns hold is known from their description and not from a type.
        """
        if name not in self._tables:
            self._tables[name] = self._read(name)
        return self._tables[name]

    @cached_property
    def _tables(self) -> dict[str, Any]:
        return {}

    def _read(self, name: str) -> Any:
        folder = self.path / name
        done = {file.name for file in (self.path / "steps").glob("step-*.parquet")}
        files = sorted(
            (file for file in folder.glob("*.parquet")),
            key=lambda file: (file.name == "planner.parquet", _number(file.name), file.name),
        )
        kept = [f for f in files if _STEP.fullmatch(f.name) is None or f.name in done]
        try:
            parts = [pq.read_table(file, partitioning=None) for file in kept]
        except (OSError, pa.ArrowInvalid) as error:
            raise AuditError(f"{folder} cannot be read: {error}") from None
        if not parts:
            return pd.DataFrame()
        frame = pa.concat_tables(parts, promote_options="default").to_pandas()
        if name == "steps":  # whatever pandas makes of a missing text
            given = [None if pd.isna(of) else str(of) for of in frame["slice"]]
            frame["slice"] = pd.Series(given, index=frame.index, dtype=object)
        return frame

    def _json(self, name: str, otherwise: str) -> dict[str, Any]:
        file = self.path / name
        if not file.is_file():
            raise AuditError(otherwise)
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise AuditError(f"{file} cannot be read: {error}") from None
        if not isinstance(content, dict):
            raise AuditError(f"{file} holds no JSON object; the run is damaged")
        return content


def _number(name: str) -> int:
    match = _STEP.fullmatch(name)
    return int(match[1]) if match else -1
