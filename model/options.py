"""What the user chooses for one run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

# Wide enough for the solver's accuracy, narrow enough that most bases survive it.
DEFAULT_PERTURB = "1%"


@dataclass(frozen=True)
class RunOptions:
    """Options of one negotiation; ``None`` takes the scenario's own setting.

    Attributes
    ----------
    scenario : str
        Name of a built-in scenario or path of a scenario folder.
    protocol, mode : str
        Protocol and its mode, see ``--list``.
    products, slices, resolution : str, optional
    decomposition : {"coupled", "independent"}
        One fleet for the year, or each slice planned alone and reconciled at the end.
    countries : tuple of str, optional
        Subset of the scenario's countries.
    solver : {"highs", "gurobi"}
    seed : int, optional
    luck : int
        Number of the negotiation's own random stream: another one draws other orders and openers
        of talks, in the same weather and at the same demand.
    transit_charges : bool
        Whether trades along paths pay the wheeling charges of the scenario. Only some protocols
        trade along paths, and the planner pays no charges.
    workers : int
        Countries that plan at the same time; does not change results.
    max_steps : int
    out : Path
        Folder the run's own folder is made in.
    planner : bool
        Whether to compute the planner's joint optimum.
    planner_time_limit_s : float, optional
        Seconds the solver may take for it; without an optimum by then there is no efficiency.
    core : bool
        Whether the groups of countries that may complain most are valued exactly.
    strategies : dict of str to str
        Strategy of each country that does not take the scenario's: ``{"ZA": "markup:0.1"}``.
    privacy : str
        How countries blur what they say, ``"round:0.5"`` or ``"noise:0.5"`` (EUR/MWh); empty for
        not at all. Countries with a strategy do not.
    settlement : str
        Rule that divides the gain, see ``--list``.
    perturb : str, optional
        How much more and less import every country tries in every step: a share of its demand
        (``"1%"``), by the ``"deal"``, or ``"off"``; :data:`DEFAULT_PERTURB` where the protocol has
        no rule of its own.
    perturb_products : int
        Most products that are tried in one step; the others follow in the next steps.
    protocol_settings : dict
        Parameters of the protocol, from ``--set protocol.key=value``.
    overrides : dict
        Other ``--set key=value`` pairs, which change the scenario.
    """

    scenario: str
    protocol: str = "bilateral_bids"
    mode: str = "adaptive"
    products: str | None = None
    slices: str | None = None
    resolution: str | None = None
    decomposition: Literal["coupled", "independent"] = "coupled"
    countries: tuple[str, ...] | None = None
    solver: str = "highs"
    seed: int | None = None
    luck: int = 0
    transit_charges: bool = True
    workers: int = 2
    max_steps: int = 60
    out: Path = Path("results")
    planner: bool = True
    planner_time_limit_s: float | None = None
    core: bool = False
    strategies: dict[str, str] = field(default_factory=dict)
    privacy: str = ""
    settlement: str = "pay_as_agreed"
    perturb: str | None = None
    perturb_products: int = 4
    protocol_settings: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Plain JSON values."""
        values = asdict(self)
        values["out"] = str(self.out)
        values["countries"] = list(self.countries) if self.countries else None
        return values

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> RunOptions:
        """Inverse of :meth:`record`."""
        values = dict(record)
        values["out"] = Path(values["out"])
        values["countries"] = tuple(values["countries"]) if values["countries"] else None
        return cls(**values)
