"""What a scenario is: validated data without behaviour.

Every class here is a frozen pydantic model that mirrors one row of a CSV table or one block of
``scenario.yaml``. Field names carry their unit. Reading files, and saying where in them an error
sits, is the job of :mod:`scenarios.tables` and :mod:`scenarios.loader`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Code = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Season = Literal["a", "b", "c"]


class Row(BaseModel):
    """Base of all table rows: frozen, unknown fields forbidden."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Sourced(Row):
    """A row that says where its numbers come from."""

    source: str = Field(min_length=3)
    note: str = ""


class Country(Sourced):
    """One country (``countries.csv``)."""

    country: Code
    name: str
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]


class Demand(Sourced):
    """Annual demand of a country and how it departs from the reference shape (``demand.csv``).

    ``season_*`` and ``part_*`` are ratios to the annual mean (seasons a, b, c; night, day,
    evening). Empty means: keep the reference shape.
    """

    country: Code
    demand_twh: NonNegative
    season_a: Positive | None = None
    season_b: Positive | None = None
    season_c: Positive | None = None
    part_night: Positive | None = None
    part_day: Positive | None = None
    part_evening: Positive | None = None


class Technology(Sourced):
    """Cost and efficiency of a carrier (``technologies.csv``), EUR of 2025."""

    carrier: str
    nice_name: str
    color: Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")]
    investment_eur_per_kw: NonNegative = 0.0
    energy_investment_eur_per_kwh: NonNegative = 0.0
    max_hours: NonNegative = 0.0
    fom_pct_per_a: NonNegative = 0.0
    vom_eur_per_mwh: NonNegative = 0.0
    fuel_eur_per_mwh_th: NonNegative = 0.0
    efficiency: Annotated[float, Field(gt=0, le=1)] = 1.0
    lifetime_a: Positive = 25.0
    energy_lifetime_a: Positive = 25.0
    co2_t_per_mwh_th: NonNegative = 0.0
    firm_share: Share = 0.0


class Fuel(Sourced):
    """Fuel price of one country where it departs from the technology's (``fuels.csv``)."""

    country: Code
    carrier: str
    fuel_eur_per_mwh_th: NonNegative


class Plant(Sourced):
    """Existing (sunk) capacity of a country and carrier in service in 2030 (``fleet.csv``).

    ``availability`` is the share of capacity that can run, averaged over outages. For wind and sun
    it multiplies the capacity factor of ``resources.csv``.
    """

    country: Code
    carrier: str
    p_nom_mw: NonNegative
    availability: Share = 1.0


class Candidate(Sourced):
    """A technology a country may build (``candidates.csv``); empty maximum means no limit.

    ``availability`` means what it means for a :class:`Plant`.
    """

    country: Code
    carrier: str
    p_nom_max_mw: NonNegative | None = None
    availability: Share = 1.0


class Hydro(Sourced):
    """Hydro power of a country (``hydro.csv``), one row per country and kind.

    ``share_01`` .. ``share_12`` are the shares of the annual natural energy inflow (reservoir) or
    of the annual generation (ror) that fall in each calendar month. Pumped storage has neither.
    """

    country: Code
    kind: Literal["reservoir", "ror", "PHS"]
    p_nom_mw: NonNegative
    energy_gwh: NonNegative = 0.0
    annual_twh: NonNegative = 0.0
    share_01: NonNegative = 0.0
    share_02: NonNegative = 0.0
    share_03: NonNegative = 0.0
    share_04: NonNegative = 0.0
    share_05: NonNegative = 0.0
    share_06: NonNegative = 0.0
    share_07: NonNegative = 0.0
    share_08: NonNegative = 0.0
    share_09: NonNegative = 0.0
    share_10: NonNegative = 0.0
    share_11: NonNegative = 0.0
    share_12: NonNegative = 0.0

    @property
    def monthly_shares(self) -> tuple[float, ...]:
        """Twelve shares of the annual energy, January first."""
        return tuple(getattr(self, f"share_{m:02d}") for m in range(1, 13))

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> Hydro:
        total = sum(self.monthly_shares)
        if self.annual_twh > 0 and abs(total - 1) > 1e-3:
            raise ValueError(f"the monthly shares sum to {total:.4f}, they must sum to 1")
        return self


class Resource(Sourced):
    """Weather-driven potential of a country and carrier (``resources.csv``).

    ``cf_*`` are capacity factors (annual mean, seasons a, b, c); ``part_*`` ratios to the mean by
    part of the day (wind only).
    """

    country: Code
    carrier: Literal["solar", "onwind", "CSP"]
    site_latitude: Annotated[float, Field(ge=-90, le=90)]
    site_longitude: Annotated[float, Field(ge=-180, le=180)]
    cf_mean: Annotated[float, Field(gt=0, le=1)]
    cf_season_a: Share
    cf_season_b: Share
    cf_season_c: Share
    part_night: Positive = 1.0
    part_day: Positive = 1.0
    part_evening: Positive = 1.0


class Line(Sourced):
    """A cross-border line (``interconnectors.csv``), limits in MW at the sending end."""

    country_a: Code
    country_b: Code
    name: str
    status: Literal["existing", "committed", "planned"]
    a_to_b_mw: NonNegative
    b_to_a_mw: NonNegative
    loss: Annotated[float, Field(ge=0, lt=1)] = 0.0


class Policy(Sourced):
    """Optional policy of one country (``policy.csv``); empty means no such policy."""

    country: Code
    co2_cap_mt: NonNegative | None = None
    reserve_margin: NonNegative | None = None
    self_sufficiency: Share | None = None


class LoadShape(Row):
    """One value of the reference typical-day load shape (``load_shape.csv``), annual mean 1."""

    month: Annotated[int, Field(ge=1, le=12)]
    day_type: Literal["weekday", "saturday", "sunday"]
    hour: Annotated[int, Field(ge=0, le=23)]
    load_pu: Positive


class CostCurve(Row):
    """A teaching country: private cost as a formula or a merit order instead of a PyPSA model.

    Either ``intercept_eur_per_mwh`` and ``slope_eur_per_mwh_per_mw`` (marginal cost a + b g), or
    ``blocks`` (a merit order of pairs MW, EUR/MWh). Demand is one number or one per snapshot.
    """

    country: Code
    name: str = ""
    latitude: float = 0.0
    longitude: float = 0.0
    demand_mw: NonNegative | tuple[NonNegative, ...]
    intercept_eur_per_mwh: NonNegative | None = None
    slope_eur_per_mwh_per_mw: Positive | None = None
    blocks: tuple[tuple[NonNegative, NonNegative], ...] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> CostCurve:
        formula = None not in (self.intercept_eur_per_mwh, self.slope_eur_per_mwh_per_mw)
        if formula == (self.blocks is not None):
            raise ValueError(
                "give either intercept_eur_per_mwh and slope_eur_per_mwh_per_mw, or blocks"
            )
        prices = [price for _, price in self.blocks or ()]
        if prices != sorted(prices):
            raise ValueError("list the blocks from the cheapest to the dearest")
        return self


class PolicySwitches(Row):
    """Which policies of ``policy.csv`` bind; all are off unless asked for."""

    co2_caps: bool = False
    reserve_margins: bool = False
    self_sufficiency: bool = False


class NetworkFile(Row):
    """The PyPSA network a scenario of kind ``network`` is read from, and how it is read.

    ``window`` names the snapshots kept: empty for all, ``168`` for the first so many, ``24:192``
    for positions, ``2013-07-01..2013-07-07`` for days. ``weights`` says what becomes of the hours
    that snapshots are paid for: ``auto`` keeps the sum of the file when time is cut, ``rescale``
    makes it 8760, ``keep`` leaves them alone. ``years`` says for how much of a year the file's
    capital costs and limits stand, one unless its maker is known to scale them. ``integers`` says
    whether unit commitment and modules are refused or solved as their linear relaxation.
    ``electricity`` names the carriers of the grid's buses, separated by commas, where its structure
    does not tell. ``co2`` says how limits on all countries together
    are shared out, ``transmission_limit`` what becomes of a limit on grid expansion, ``national``
    names a YAML file of national values. ``contracts`` says whether a ``p_set`` on a branch that
    crosses a border is kept to or traded freely. ``load_shedding`` is ``auto`` (that of the file,
    else added at the price its configuration names), ``off``, or a price in EUR/MWh. ``sha256``
    and ``national_sha256`` say what was in the two files, ``warnings`` what whoever uses the file
    should know of it.
    """

    path: str
    sha256: str
    window: str = ""
    weights: Literal["auto", "rescale", "keep"] = "auto"
    years: Positive | None = None
    integers: Literal["refuse", "relax"] = "refuse"
    electricity: str = ""
    co2: Literal["load", "none", "national"] = "load"
    transmission_limit: Literal["scale", "drop"] = "scale"
    contracts: Literal["firm", "free"] = "firm"
    load_shedding: str = "auto"
    national: str = ""
    national_sha256: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def electric_carriers(self) -> tuple[str, ...]:
        """Carriers of the grid that are named."""
        return tuple(name.strip() for name in self.electricity.split(",") if name.strip())


class Settings(Row):
    """The scalar part of ``scenario.yaml``; every field can be changed with ``--set``."""

    name: str
    title: str
    description: str = ""
    kind: Literal["pypsa", "cost_curves", "network"] = "pypsa"
    network: NetworkFile | None = None
    year: int = 2030
    seed: int = 2030
    resolution: str = "12w3h"
    slices: Literal["year", "month", "week"] = "month"
    products: Literal["flat", "tou", "hourly"] = "tou"
    discount_rate: Share = 0.10
    value_of_lost_load_eur_per_mwh: Positive = 3000.0
    wheeling_eur_per_mwh: NonNegative = 1.0
    co2_price_eur_per_t: NonNegative = 0.0
    demand_factor: Positive = 1.0
    inflow_factor: Positive = 1.0
    fuel_price_factor: Positive = 1.0
    line_statuses: tuple[Literal["existing", "committed", "planned"], ...] = (
        "existing",
        "committed",
    )
    policy: PolicySwitches = PolicySwitches()
    strategies: dict[str, str] = {}  # by country; who is not named tells the truth
    snapshots: Annotated[int, Field(ge=1)] = 1  # teaching scenarios only
    hours_per_snapshot: Positive = 1.0  # teaching scenarios only


class Branch(Row):
    """The lines and links of a network file between two buses, part of an interconnector.

    ``share`` of the interconnector's flow goes over it, whatever the direction.
    """

    bus_a: str
    bus_b: str
    share: Share


class Interconnector(Row):
    """Edge of the interconnection graph: all lines in service between two countries.

    ``country_a < country_b`` alphabetically. Limits at the sending end in MW; the importer
    receives ``(1 - loss)`` times what was sent; a transit country that receives over this edge
    and passes on earns ``wheeling_eur_per_mwh`` for every MWh that the exporter sent. ``branches``
    say where in the two countries it lands; without them it joins two countries of one bus each.
    """

    country_a: Code
    country_b: Code
    a_to_b_mw: NonNegative
    b_to_a_mw: NonNegative
    loss: Annotated[float, Field(ge=0, lt=1)] = 0.0
    wheeling_eur_per_mwh: NonNegative = 0.0
    branches: tuple[Branch, ...] = ()

    @property
    def name(self) -> str:
        """Name of the edge, ``"AO-NA"``."""
        return f"{self.country_a}-{self.country_b}"


class Scenario(BaseModel):
    """A complete, validated scenario. ``countries`` fixes the order of everything that follows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: Settings
    countries: tuple[Country, ...] = ()
    demand: tuple[Demand, ...] = ()
    technologies: tuple[Technology, ...] = ()
    fuels: tuple[Fuel, ...] = ()
    fleet: tuple[Plant, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    hydro: tuple[Hydro, ...] = ()
    resources: tuple[Resource, ...] = ()
    policy: tuple[Policy, ...] = ()
    load_shape: tuple[LoadShape, ...] = ()
    lines: tuple[Line, ...] = ()
    curves: tuple[CostCurve, ...] = ()
    interconnectors: tuple[Interconnector, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What whoever uses the scenario should know of it; only network files have any."""
        source = self.settings.network
        return () if source is None else source.warnings

    @property
    def codes(self) -> tuple[str, ...]:
        """Country codes in their fixed order."""
        return tuple(c.country for c in (self.curves or self.countries))
