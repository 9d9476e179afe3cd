"""One PyPSA network per country, built from the scenario.

The network of a country has one bus, its sunk fleet, what it may build, its hydro power, load
shedding and free disposal, so that its cost is finite whatever it is asked to import or export.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pypsa

from scenarios.schema import Candidate, Hydro, Plant, Scenario, Technology
from scenarios.time_axis import TimeAxis

if TYPE_CHECKING:  # loads the weather's libraries, which not every world needs
    from scenarios.profiles import Profiles

SHEDDING = "load_shedding"
DISPOSAL = "disposal"
# Carriers that are no technology: name, name for people, colour, t CO2 per MWh.
OWN_CARRIERS = (
    ("AC", "AC", "#5d5d5d", 0.0),
    (SHEDDING, "Load shedding", "#dd2e23", 0.0),
    (DISPOSAL, "Free disposal", "#c9c9c9", 0.0),
)
# Storage that cycles within a week; longer storage carries energy between typical weeks.
SHORT_STORAGE_MAX_HOURS = 168.0
# Smaller availabilities only upset the solver (dawn and dusk); as PyPSA-Earth's clip_p_max_pu.
LEAST_AVAILABILITY = 1e-4


def annuity(rate: float, lifetime_a: float) -> float:
    """Capital recovery factor, 1/a.

    Parameters
    ----------
    rate : float
        Real discount rate per year, 0 allowed.
    lifetime_a : float
        Years over which the investment is paid back.
    """
    if rate == 0:
        return 1 / lifetime_a
    return rate / (1 - (1 + rate) ** -lifetime_a)


def capital_cost_eur_per_mw_a(tech: Technology, rate: float) -> float:
    """Annualised investment and fixed cost of one MW, storage energy included, EUR/MW/a."""
    power = tech.investment_eur_per_kw * (annuity(rate, tech.lifetime_a) + tech.fom_pct_per_a / 100)
    energy = tech.energy_investment_eur_per_kwh * annuity(rate, tech.energy_lifetime_a)
    return 1e3 * (power + energy * tech.max_hours)


def marginal_cost_eur_per_mwh(
    tech: Technology, fuel_eur_per_mwh_th: float, co2_price_eur_per_t: float
) -> float:
    """Variable cost of one MWh of electricity, EUR/MWh."""
    thermal = fuel_eur_per_mwh_th + co2_price_eur_per_t * tech.co2_t_per_mwh_th
    return tech.vom_eur_per_mwh + thermal / tech.efficiency


def country_network(
    scenario: Scenario, country: str, profiles: Profiles, axis: TimeAxis
) -> pypsa.Network:
    """Build the private network of one country at the resolution of ``axis``.

    Parameters
    ----------
    scenario : Scenario
        Validated input.
    country : str
        Country code; also the name of the network's only bus.
    profiles : Profiles
        Hourly series of all countries.
    axis : TimeAxis
        Snapshots and their weights. A full year is aggregated by PyPSA's own
        ``n.cluster.temporal.resample``; chained typical weeks by :meth:`TimeAxis.aggregate`.

    Returns
    -------
    pypsa.Network
        Unsolved; snapshot weightings sum to 8760 h.
    """
    if axis.resolution.weeks is None:
        n = _assemble(scenario, country, profiles, repetition=1.0)
        return (
            n
            if axis.resolution.hours == 1
            else n.cluster.temporal.resample(f"{axis.resolution.hours}h")
        )
    n = _assemble(scenario, country, axis.aggregate(profiles), repetition=axis.repetition)
    for column in n.snapshot_weightings:
        n.snapshot_weightings[column] = axis.weights_h.to_numpy()
    return n


def _assemble(
    scenario: Scenario, country: str, profiles: Profiles, repetition: float
) -> pypsa.Network:
    n = pypsa.Network(name=f"{scenario.settings.name} {country}")
    n.set_snapshots(profiles.load_mw.index)
    entry = next(c for c in scenario.countries if c.country == country)
    n.add("Bus", country, carrier="AC", country=country, x=entry.longitude, y=entry.latitude)
    builder = _Builder(n, scenario, country, profiles, repetition)
    builder.add_carriers()
    builder.add_load()
    for plant in scenario.fleet:
        if plant.country == country:
            builder.add_plant(plant)
    for candidate in scenario.candidates:
        if candidate.country == country:
            builder.add_candidate(candidate)
    for hydro in scenario.hydro:
        if hydro.country == country and hydro.p_nom_mw > 0:
            builder.add_hydro(hydro)
    builder.hand_over()
    builder.add_slack()
    return n


class _Builder:
    """Adds the parts of one country to its network.

    Generators and storage units are collected and handed over together: PyPSA takes as long to
    add one as to add all.
    """

    def __init__(
        self,
        n: pypsa.Network,
        scenario: Scenario,
        country: str,
        profiles: Profiles,
        repetition: float,
    ) -> None:
        self.n = n
        self.country = country
        self.settings = scenario.settings
        self.profiles = profiles
        self.repetition = repetition
        self.technologies: Mapping[str, Technology] = {t.carrier: t for t in scenario.technologies}
        self.fuels = {
            f.carrier: f.fuel_eur_per_mwh_th for f in scenario.fuels if f.country == country
        }
        self.export_mw = sum(
            line.a_to_b_mw + line.b_to_a_mw
            for line in scenario.interconnectors
            if country in (line.country_a, line.country_b)
        )
        self._parts: dict[str, dict[str, dict[str, Any]]] = {"Generator": {}, "StorageUnit": {}}

    def add_carriers(self) -> None:
        rows = [
            (t.carrier, t.nice_name, t.color, t.co2_t_per_mwh_th)
            for t in self.technologies.values()
        ]
        rows += [row for row in OWN_CARRIERS if row[0] not in self.technologies]
        names, nice_names, colors, emissions = map(list, zip(*rows, strict=True))
        self.n.add("Carrier", names, nice_name=nice_names, color=colors, co2_emissions=emissions)

    def add_load(self) -> None:
        self.n.add(
            "Load",
            f"{self.country} load",
            bus=self.country,
            carrier="AC",
            p_set=self.profiles.load_mw[self.country],
        )

    def add_plant(self, plant: Plant) -> None:
        """Add sunk capacity: no capital cost, cannot grow."""
        if plant.p_nom_mw > 0:
            self._add(f"{self.country} {plant.carrier}", plant, {"p_nom": plant.p_nom_mw})

    def add_candidate(self, candidate: Candidate) -> None:
        """Add capacity that may be built."""
        tech = self.technologies[candidate.carrier]
        limit_mw = candidate.p_nom_max_mw
        build = {
            "p_nom_extendable": True,
            "p_nom_max": np.inf if limit_mw is None else limit_mw,
            "capital_cost": capital_cost_eur_per_mw_a(tech, self.settings.discount_rate),
            "lifetime": tech.lifetime_a,
        }
        self._add(f"{self.country} {candidate.carrier} new", candidate, build)

    def add_hydro(self, hydro: Hydro) -> None:
        name = f"{self.country} {hydro.kind}"
        if hydro.kind == "ror":
            self._add_generator(name, "ror", 1.0, {"p_nom": hydro.p_nom_mw})
            return
        tech = self.technologies["PHS" if hydro.kind == "PHS" else "hydro_reservoir"]
        max_hours = hydro.energy_gwh * 1e3 / hydro.p_nom_mw
        common = {
            "bus": self.country,
            "carrier": tech.carrier,
            "p_nom": hydro.p_nom_mw,
            "max_hours": self._chained_max_hours(max_hours),
            "marginal_cost": tech.vom_eur_per_mwh,
            "cyclic_state_of_charge": True,
        }
        if hydro.kind == "PHS":
            root = float(np.sqrt(tech.efficiency))
            self._take(
                "StorageUnit", name, efficiency_store=root, efficiency_dispatch=root, **common
            )
        else:
            inflow = self.profiles.inflow_mw[self.country]
            self._take("StorageUnit", name, p_min_pu=0.0, inflow=inflow, **common)

    def hand_over(self) -> None:
        """Add all generators and storage units to the network, in the order they came."""
        for component, parts in self._parts.items():
            if parts:
                self._add_all(component, parts)

    def add_slack(self) -> None:
        """Load shedding and free disposal, large enough for any exchange on the lines."""
        bound_mw = 2 * (float(self.profiles.load_mw[self.country].max()) + self.export_mw)
        self.n.add(
            "Generator",
            f"{self.country} {SHEDDING}",
            bus=self.country,
            carrier=SHEDDING,
            p_nom=bound_mw,
            marginal_cost=self.settings.value_of_lost_load_eur_per_mwh,
        )
        self.n.add(
            "Generator",
            f"{self.country} {DISPOSAL}",
            bus=self.country,
            carrier=DISPOSAL,
            p_nom=bound_mw + self._largest_output_mw(),
            sign=-1.0,
        )

    def _largest_output_mw(self) -> float:
        return float(self.n.generators.p_nom.sum() + self.n.storage_units.p_nom.sum())

    def _add_all(self, component: str, parts: Mapping[str, Mapping[str, Any]]) -> None:
        default = self.n.components[component].defaults["default"]
        static: dict[str, list[Any]] = {}
        varying: dict[str, dict[str, pd.Series]] = {}
        for attribute in dict.fromkeys(key for part in parts.values() for key in part):
            values = {name: part.get(attribute, default[attribute]) for name, part in parts.items()}
            series = {name: v for name, v in values.items() if isinstance(v, pd.Series)}
            if series:
                varying[attribute] = series
            static[attribute] = [
                default[attribute] if name in series else v for name, v in values.items()
            ]
        self.n.add(component, list(parts), **static)
        for attribute, series in varying.items():
            table = pd.DataFrame(series)
            table.columns = pd.Index(series, dtype=object, name="name")
            self.n.components[component].dynamic[attribute] = table

    def _take(self, component: str, name: str, **attributes: Any) -> None:
        self._parts[component][name] = attributes

    def _add(self, name: str, row: Plant | Candidate, capacity: Mapping[str, object]) -> None:
        """Add a row of the fleet or of the candidates as generator or storage."""
        if self.technologies[row.carrier].max_hours > 0:
            self._add_storage(name, row.carrier, row.availability, capacity)
        else:
            self._add_generator(name, row.carrier, row.availability, capacity)

    def _add_generator(
        self, name: str, carrier: str, availability: float, capacity: Mapping[str, object]
    ) -> None:
        tech = self.technologies[carrier]
        limit: float | pd.Series = availability
        if (self.country, carrier) in self.profiles.availability:
            limit = self.profiles.availability[self.country, carrier] * availability
            limit = limit.where(limit >= LEAST_AVAILABILITY, 0.0)
        fuel = self.fuels.get(carrier, tech.fuel_eur_per_mwh_th) * self.settings.fuel_price_factor
        self._take(
            "Generator",
            name,
            bus=self.country,
            carrier=carrier,
            p_max_pu=limit,
            efficiency=tech.efficiency,
            marginal_cost=marginal_cost_eur_per_mwh(tech, fuel, self.settings.co2_price_eur_per_t),
            **capacity,
        )

    def _add_storage(
        self, name: str, carrier: str, availability: float, capacity: Mapping[str, object]
    ) -> None:
        tech = self.technologies[carrier]
        root = float(np.sqrt(tech.efficiency))
        self._take(
            "StorageUnit",
            name,
            bus=self.country,
            carrier=carrier,
            p_max_pu=availability,
            p_min_pu=-availability,
            max_hours=self._chained_max_hours(tech.max_hours),
            efficiency_store=root,
            efficiency_dispatch=root,
            marginal_cost=tech.vom_eur_per_mwh,
            cyclic_state_of_charge=True,
            **capacity,
        )

    def _chained_max_hours(self, max_hours: float) -> float:
        # A snapshot of a typical week stands for `repetition` real ones, and so moves that much
        # more energy; storage that cycles within the week must hold as many times more.
        return max_hours * self.repetition if max_hours <= SHORT_STORAGE_MAX_HOURS else max_hours
