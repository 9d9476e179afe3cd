"""What a country pays, against numbers worked with pencil and paper.

Lines of the Danish Energy Agency's catalogue as technology-data has them (EUR of 2025). At 10 %
over 25 years, ``1.1^25 = 10.834706``: a year costs ``0.1 / (1 - 1 / 10.834706) = 0.1101681``.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pypsa
import pytest

from agents.network import (
    annuity,
    capital_cost_eur_per_mw_a,
    country_network,
    marginal_cost_eur_per_mwh,
)
from agents.policy import (
    RESERVE_SHORTFALL_EUR_PER_MW_A,
    PolicyInForce,
    add_policy_constraints,
    policy_in_force,
)
from scenarios.profiles import Profiles
from scenarios.resolution import Resolution
from scenarios.schema import (
    Candidate,
    Country,
    Fuel,
    Hydro,
    Interconnector,
    Plant,
    Policy,
    PolicySwitches,
    Scenario,
    Settings,
    Technology,
)

SOURCE = {"source": "DEA technology catalogue by technology-data"}
LOOK = {"nice_name": "Any", "color": "#545454", **SOURCE}
OCGT = Technology(
    carrier="OCGT",
    investment_eur_per_kw=581.4,
    fom_pct_per_a=1.7795,
    vom_eur_per_mwh=6.011,
    fuel_eur_per_mwh_th=28.416,
    efficiency=0.41,
    lifetime_a=25,
    co2_t_per_mwh_th=0.198,
    firm_share=0.9,
    **LOOK,
)
COAL = Technology(
    carrier="coal",
    vom_eur_per_mwh=4.101,
    fuel_eur_per_mwh_th=8.2,
    efficiency=0.356,
    co2_t_per_mwh_th=0.3361,
    firm_share=0.75,
    **LOOK,
)
BATTERY = Technology(
    carrier="battery",
    investment_eur_per_kw=213.9,
    energy_investment_eur_per_kwh=189.9,
    max_hours=4,
    fom_pct_per_a=0.3375,
    efficiency=0.96,
    lifetime_a=10,
    energy_lifetime_a=25,
    firm_share=0.7,
    **LOOK,
)
WATER = [
    Technology(carrier="hydro_reservoir", vom_eur_per_mwh=0.5, firm_share=0.8, **LOOK),
    Technology(carrier="PHS", efficiency=0.75, vom_eur_per_mwh=0.25, **LOOK),
    Technology(carrier="ror", **LOOK),
    Technology(carrier="solar", **LOOK),
]


class TestFormulae:
    @pytest.mark.parametrize(
        ("rate", "lifetime_a", "factor"),
        [
            (0.10, 25, 0.1101681),
            # Textbook tables of the capital recovery factor.
            (0.05, 10, 0.1295046),
            (0.07, 20, 0.0943929),
            (0.08, 1, 1.08),
            (0.0, 40, 0.025),
        ],
    )
    def test_annuity(self, rate: float, lifetime_a: float, factor: float) -> None:
        assert annuity(rate, lifetime_a) == pytest.approx(factor, abs=5e-8)

    def test_annual_cost_of_a_turbine(self) -> None:
        """581.4 x 0.1101681 = 64.0517 of investment, 581.4 x 0.017795 = 10.3460 fixed."""
        assert capital_cost_eur_per_mw_a(OCGT, 0.10) == pytest.approx(74_397.7, abs=0.1)

    def test_annual_cost_of_a_battery(self) -> None:
        """At 10 % ten years cost 0.1627454 a year and 25 years 0.1101681.

        The inverter 213.9 x (0.1627454 + 0.003375) = 35.5332, the cells 189.9 x 4 h x 0.1101681 =
        83.6837 EUR/kW/a.
        """
        assert capital_cost_eur_per_mw_a(BATTERY, 0.10) == pytest.approx(119_216.8, abs=0.2)

    @pytest.mark.parametrize(
        ("tech", "fuel", "co2_price", "cost"),
        [
            (OCGT, 28.416, 0.0, 75.3183),  # 6.011 + 28.416 / 0.41 = 6.011 + 69.3073
            (OCGT, 28.416, 50.0, 99.4647),  # + 50 x 0.198 / 0.41 = 24.1463
            (OCGT, 14.0, 0.0, 40.1573),  # domestic gas: 6.011 + 34.1463
            (COAL, 8.2, 0.0, 27.1347),  # 4.101 + 23.0337
            (COAL, 8.2, 20.0, 46.0167),  # + 20 x 0.3361 / 0.356 = 18.8820
        ],
    )
    def test_variable_cost(
        self, tech: Technology, fuel: float, co2_price: float, cost: float
    ) -> None:
        assert marginal_cost_eur_per_mwh(tech, fuel, co2_price) == pytest.approx(cost, abs=1e-4)


HOURS = pd.date_range("2030-01-01", periods=4, freq="h")
LOAD_MW = [100.0, 300.0, 200.0, 400.0]
SUN = [0.0, 0.5, 1.0, 5e-5]


def hand_made(**settings: Any) -> Scenario:
    """A country with two plants, three candidates, water and two lines abroad."""
    return Scenario(
        settings=Settings(name="hand", title="By hand", **settings),
        countries=tuple(
            Country(country=c, name=c, latitude=-lat, longitude=25, **SOURCE)
            for c, lat in (("Y", 10), ("X", 20))
        ),
        technologies=(OCGT, COAL, BATTERY, *WATER),
        fuels=(
            Fuel(country="X", carrier="OCGT", fuel_eur_per_mwh_th=14.0, **SOURCE),
            Fuel(country="Y", carrier="coal", fuel_eur_per_mwh_th=99.0, **SOURCE),
        ),
        fleet=(
            Plant(country="X", carrier="coal", p_nom_mw=200, availability=0.65, **SOURCE),
            Plant(country="X", carrier="battery", p_nom_mw=20, availability=0.9, **SOURCE),
            Plant(country="X", carrier="OCGT", p_nom_mw=0, **SOURCE),
            Plant(country="Y", carrier="OCGT", p_nom_mw=7, **SOURCE),
        ),
        candidates=(
            Candidate(country="X", carrier="OCGT", availability=0.85, **SOURCE),
            Candidate(country="X", carrier="solar", p_nom_max_mw=50, availability=0.9, **SOURCE),
            Candidate(country="X", carrier="battery", **SOURCE),
        ),
        hydro=(
            Hydro(country="X", kind="reservoir", p_nom_mw=80, energy_gwh=40, **SOURCE),
            Hydro(country="X", kind="PHS", p_nom_mw=30, energy_gwh=0.24, **SOURCE),
            Hydro(country="X", kind="ror", p_nom_mw=10, **SOURCE),
        ),
        policy=(
            Policy(
                country="X", co2_cap_mt=1.5, reserve_margin=0.15, self_sufficiency=0.9, **SOURCE
            ),
        ),
        interconnectors=(
            Interconnector(country_a="X", country_b="Y", a_to_b_mw=120, b_to_a_mw=60),
        ),
    )


def network(repetition: float | None = None, **settings: Any) -> pypsa.Network:
    """Network of X over four hours, each of them for one or for ``repetition`` hours."""
    profiles = Profiles(
        pd.DataFrame({"X": LOAD_MW, "Y": 1e6}, index=HOURS),
        pd.DataFrame({("X", "solar"): SUN, ("X", "ror"): 0.25}, index=HOURS),
        pd.DataFrame({"X": 5.0, "Y": 1e6}, index=HOURS),
    )
    axis: Any = SimpleNamespace(resolution=Resolution(1, None))
    if repetition is not None:
        axis = SimpleNamespace(
            resolution=Resolution(1, 1),
            aggregate=lambda profiles: profiles,
            repetition=repetition,
            weights_h=pd.Series(repetition, index=HOURS),
        )
    return country_network(hand_made(**settings), "X", profiles, axis)


@pytest.fixture
def built() -> pypsa.Network:
    # For every test anew: mutmut asks only those tests that enter the code themselves.
    return network()


class TestNetwork:
    def test_what_runs_and_what_it_costs(self, built: pypsa.Network) -> None:
        g = built.generators
        assert sorted(g.index) == [
            "X OCGT new",
            "X coal",
            "X disposal",
            "X load_shedding",
            "X ror",
            "X solar new",
        ]
        assert g.marginal_cost["X coal"] == pytest.approx(27.1347, abs=1e-4)
        assert g.marginal_cost["X OCGT new"] == pytest.approx(40.1573, abs=1e-4)  # own gas
        assert g.marginal_cost["X load_shedding"] == 3000
        assert g.marginal_cost["X disposal"] == 0
        assert g.sign["X disposal"] == -1
        assert (g.sign.drop("X disposal") == 1).all()
        assert g.efficiency["X coal"] == 0.356
        assert g.p_nom["X coal"] == 200
        assert g.p_max_pu["X coal"] == 0.65
        assert not g.p_nom_extendable["X coal"]
        assert g.capital_cost["X coal"] == 0
        assert set(g.bus) == {"X"}

    def test_what_may_be_built(self, built: pypsa.Network) -> None:
        g = built.generators
        assert g.p_nom_extendable[["X OCGT new", "X solar new"]].all()
        assert g.capital_cost["X OCGT new"] == pytest.approx(74_397.7, abs=0.1)
        assert g.p_nom_max["X OCGT new"] == np.inf
        assert g.p_nom_max["X solar new"] == 50
        assert g.lifetime["X OCGT new"] == 25
        units = built.storage_units
        assert units.capital_cost["X battery new"] == pytest.approx(119_216.8, abs=0.2)
        assert units.lifetime["X battery new"] == 10
        assert units.p_nom["X battery new"] == 0

    def test_availability_is_sun_times_the_plants_own_and_dusk_is_night(
        self, built: pypsa.Network
    ) -> None:
        sun = built.generators_t.p_max_pu["X solar new"]
        assert sun.tolist() == pytest.approx([0, 0.45, 0.9, 0])
        assert built.generators_t.p_max_pu["X ror"].tolist() == [0.25] * 4

    def test_storage(self, built: pypsa.Network) -> None:
        units = built.storage_units
        assert sorted(units.index) == ["X PHS", "X battery", "X battery new", "X reservoir"]
        # Half of the loss on the way in, half on the way out.
        trip = units.efficiency_store * units.efficiency_dispatch
        assert trip.tolist() == pytest.approx(
            units.carrier.map({"battery": 0.96, "PHS": 0.75, "hydro_reservoir": 1.0}).tolist()
        )
        assert units.efficiency_store["X battery"] == pytest.approx(0.979796, abs=1e-6)
        assert units.max_hours.to_dict() == pytest.approx(
            {"X battery": 4, "X battery new": 4, "X PHS": 8, "X reservoir": 500}
        )
        assert units.p_max_pu["X battery"] == 0.9
        assert units.p_min_pu.to_dict() == {
            "X battery": -0.9,
            "X battery new": -1.0,
            "X PHS": -1.0,
            "X reservoir": 0.0,  # takes nothing from the grid
        }
        assert units.p_nom.to_dict() == {
            "X battery": 20,
            "X battery new": 0,
            "X PHS": 30,
            "X reservoir": 80,
        }
        assert units.marginal_cost["X reservoir"] == 0.5
        assert units.marginal_cost["X PHS"] == 0.25
        assert units.cyclic_state_of_charge.all()
        assert built.storage_units_t.inflow["X reservoir"].tolist() == [5.0] * 4
        assert list(built.storage_units_t.inflow) == ["X reservoir"]

    def test_slack_covers_any_exchange(self, built: pypsa.Network) -> None:
        """Twice the peak of 400 MW and of the lines' 180 MW; disposal takes all output as well."""
        g = built.generators
        assert g.p_nom["X load_shedding"] == 2 * (400 + 180)
        fleet_mw = 200 + 10 + 1160 + 20 + 30 + 80
        assert g.p_nom["X disposal"] == 1160 + fleet_mw

    def test_bus_load_and_carriers(self, built: pypsa.Network) -> None:
        bus = built.buses.loc["X"]
        assert (bus.x, bus.y, bus.carrier, bus.country) == (25, -20, "AC", "X")
        assert built.loads_t.p_set["X load"].tolist() == LOAD_MW
        assert built.carriers.co2_emissions["OCGT"] == 0.198
        assert built.carriers.co2_emissions["load_shedding"] == 0
        assert built.carriers.color["coal"] == "#545454"
        assert {"AC", "load_shedding", "disposal"} < set(built.carriers.index)

    def test_carbon_price_and_fuel_factor_reach_every_plant(self) -> None:
        g = network(co2_price_eur_per_t=20.0, fuel_price_factor=2.0).generators
        # 4.101 + 2 x 8.2 / 0.356 + 20 x 0.3361 / 0.356
        assert g.marginal_cost["X coal"] == pytest.approx(69.0504, abs=1e-4)
        # 6.011 + 2 x 14 / 0.41 + 20 x 0.198 / 0.41
        assert g.marginal_cost["X OCGT new"] == pytest.approx(83.9622, abs=1e-4)

    def test_rate_and_lost_load_are_the_scenarios(self) -> None:
        g = network(discount_rate=0.0, value_of_lost_load_eur_per_mwh=500.0).generators
        # 581.4 / 25 = 23.256 and 10.3460 fixed
        assert g.capital_cost["X OCGT new"] == pytest.approx(33_602.0, abs=0.1)
        assert g.marginal_cost["X load_shedding"] == 500

    def test_typical_week_that_stands_for_fifty(self) -> None:
        """What cycles within the week holds fifty times as much, the reservoir does not."""
        n = network(repetition=50.0)
        assert (n.snapshot_weightings == 50.0).all(axis=None)
        assert n.storage_units.max_hours.to_dict() == pytest.approx(
            {"X battery": 200, "X battery new": 200, "X PHS": 400, "X reservoir": 500}
        )


def coal_and_gas() -> pypsa.Network:
    """100 MW for eight hours: coal at 10 and 0.85 t/MWh, gas at 50 and 0.4 t/MWh."""
    n = pypsa.Network()
    n.set_snapshots(HOURS[:2])
    for column in n.snapshot_weightings:
        n.snapshot_weightings[column] = [3.0, 5.0]
    n.add("Carrier", ["coal", "gas", "disposal"], co2_emissions=[0.34, 0.2, 0.0])
    n.add("Bus", ["X", "Z"])
    n.add("Load", "X load", bus="X", p_set=100.0)
    n.add("Generator", "X coal", bus="X", carrier="coal", p_nom=200, marginal_cost=10)
    n.add("Generator", "X gas", bus="X", carrier="gas", p_nom=200, marginal_cost=50)
    n.generators["efficiency"] = [0.4, 0.5]
    n.add("Generator", "X disposal", bus="X", carrier="disposal", p_nom=1000, sign=-1)
    # A neighbour in the same model, as in the planner's, is none of X's business.
    n.add("Load", "Z load", bus="Z", p_set=100.0)
    n.add("Generator", "Z coal", bus="Z", carrier="coal", p_nom=200, marginal_cost=1)
    return n


NEIGHBOUR_EUR = 800.0


def cost_eur(n: pypsa.Network, policy: PolicyInForce) -> float:
    """Optimal cost of X under a policy."""
    status, _ = n.optimize(
        solver_name="highs",
        include_objective_constant=False,
        extra_functionality=lambda n, _: add_policy_constraints(n, "X", policy),
        output_flag=False,
    )
    assert status == "ok"
    return float(n.objective) - NEIGHBOUR_EUR


class TestPolicies:
    def test_without(self) -> None:
        assert cost_eur(coal_and_gas(), PolicyInForce()) == pytest.approx(8000)

    def test_co2_cap(self) -> None:
        """0.85 x + 0.4 (800 - x) = 500 for x = 400 MWh of coal: 400 x 10 + 400 x 50."""
        assert cost_eur(coal_and_gas(), PolicyInForce(co2_cap_t=500)) == pytest.approx(24_000)

    def test_self_sufficiency(self) -> None:
        """1.1 x 800 = 880 MWh made at home, what nobody needs thrown away."""
        assert cost_eur(coal_and_gas(), PolicyInForce(self_sufficiency=1.1)) == pytest.approx(8800)

    def test_water_counts_as_made_at_home_and_a_battery_does_not(self) -> None:
        """A reservoir gives 8 x 20 = 160 MWh, so that 880 - 160 = 720 come from coal."""
        n = coal_and_gas()
        n.add("Carrier", "water")
        n.add("StorageUnit", "X dam", bus="X", carrier="water", p_nom=100, p_min_pu=0, inflow=20.0)
        n.storage_units_t.inflow["X dam"] = 20.0
        n.add("StorageUnit", "X battery", bus="X", carrier="water", p_nom=100, max_hours=8)
        assert cost_eur(n, PolicyInForce(self_sufficiency=1.1)) == pytest.approx(7200)

    def test_reserve_is_built_where_it_is_cheapest(self) -> None:
        """0.75 x 200 MW of coal stand; 270 - 150 = 120 MW at 0.8 a MW are 150 MW built."""
        n = coal_and_gas()
        n.add("Carrier", ["OCGT", "battery"])
        n.add("Generator", "X new", bus="X", carrier="OCGT", p_nom_extendable=True)
        n.generators.loc["X new", ["capital_cost", "marginal_cost"]] = [74_397.7, 90.0]
        n.add("StorageUnit", "X store", bus="X", carrier="battery", p_nom_extendable=True)
        n.storage_units.loc["X store", "capital_cost"] = 100_000.0
        policy = PolicyInForce(
            reserve_mw=270, firm_share={"coal": 0.75, "OCGT": 0.8, "battery": 0.9}
        )
        assert cost_eur(n, policy) == pytest.approx(8000 + 150 * 74_397.7)
        # At 80 000 the store's 120 / 0.9 MW are cheaper.
        n.storage_units.loc["X store", "capital_cost"] = 80_000.0
        assert cost_eur(n, policy) == pytest.approx(8000 + 120 / 0.9 * 80_000)

    def test_reserve_that_nothing_meets_is_dear(self) -> None:
        policy = PolicyInForce(reserve_mw=170, firm_share={"coal": 0.75})
        short_eur = 20 * RESERVE_SHORTFALL_EUR_PER_MW_A
        assert cost_eur(coal_and_gas(), policy) == pytest.approx(8000 + short_eur)

    def test_rows_are_named_after_the_country(self) -> None:
        n = coal_and_gas()
        n.optimize.create_model()
        usual = set(n.model.constraints)
        policy = PolicyInForce(500.0, 170.0, 0.9, {"coal": 0.75})
        policy.add_to(n, "X")
        assert set(n.model.constraints) - usual == {
            "X_co2_cap",
            "X_reserve_margin",
            "X_self_sufficiency",
        }

    def test_switches(self) -> None:
        """1.5 Mt, 15 % above a peak of 1000 MW, 90 % from home; each only if it is on."""
        nothing = policy_in_force(hand_made(), "X", 1000.0)
        assert (nothing.co2_cap_t, nothing.reserve_mw, nothing.self_sufficiency) == (None,) * 3
        found = [
            policy_in_force(hand_made(policy=PolicySwitches(**{switch: True})), "X", 1000.0)
            for switch in ("co2_caps", "reserve_margins", "self_sufficiency")
        ]
        assert [p.co2_cap_t for p in found] == [1.5e6, None, None]
        assert [p.reserve_mw for p in found] == [None, pytest.approx(1150), None]
        assert [p.self_sufficiency for p in found] == [None, None, 0.9]
        assert found[1].firm_share["coal"] == 0.75
        assert policy_in_force(hand_made(policy=PolicySwitches(co2_caps=True)), "Y", 1.0) == (
            PolicyInForce()
        )
