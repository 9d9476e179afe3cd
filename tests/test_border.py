"""Branches that cross borders: what they may carry, in whose model they lie, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pypsa
import pytest
from typer.testing import CliRunner

import run
from model.graph import interconnection_graph
from model.options import RunOptions
from model.world import chosen_scenario, hold_limits
from pypsa_earth.border import borders, firm_crossings, firm_import_mw
from pypsa_earth.border_findings import border_errors
from pypsa_earth.branches import cross_border
from pypsa_earth.kirchhoff import Deliverable, deliverable
from pypsa_earth.national import NationalValues
from pypsa_earth.options import FileOptions
from pypsa_earth.read import load_network
from pypsa_earth.results import in_words
from pypsa_earth.scenario import country_parts
from pypsa_earth.split import CountryPart, national_rules, split
from scenarios.errors import ScenarioError
from tests.drawn import Drawn
from tests.plain_pypsa import as_network, solve
from tests.random_parts import YEAR_H

HOURS = 4


def two_countries(**links: dict[str, Any]) -> Drawn:
    """AA with cheap gas, BB with dear gas, and links between them."""
    n = Drawn({kind: [YEAR_H / HOURS] * HOURS for kind in ("objective", "generators", "stores")})
    for carrier in ("AC", "gas", "load", "heat"):
        n.add("Carrier", carrier)
    for code, price in (("AA", 20.0), ("BB", 60.0)):
        n.add("Bus", code, country=code, carrier="AC", x=10.0, y=50.0)
        n.add("Bus", f"{code} heat", country=code, carrier="heat", x=10.0, y=50.0)
        n.add("Store", f"{code} heat", bus=f"{code} heat", e_nom=1e7, e_min_pu=-1.0)
        n.add("Load", code, bus=code, p_set=300.0)
        n.add("Generator", code, bus=code, carrier="gas", p_nom=900.0, marginal_cost=price)
    for name, link in links.items():
        n.add("Link", name, **{"bus0": "AA", "bus1": "BB", "p_nom": 100.0, **link})
    return n


def test_an_outage_closes_the_border_for_its_hour(tmp_path: Path) -> None:
    n = two_countries(cable={"p_max_pu": [1.0, 0.0, 0.5, 1.0]})
    file = tmp_path / "outage.nc"
    as_network(n).export_to_netcdf(str(file))
    scenario = chosen_scenario(RunOptions(str(file)))
    (edge,) = scenario.interconnectors
    assert (edge.a_to_b_mw, edge.b_to_a_mw) == (100.0, 0.0)
    graph = interconnection_graph(scenario)
    hold_limits(graph, country_parts(scenario))
    assert graph.edges["AA", "BB"]["capacity_mw"]["AA"].tolist() == [100.0, 0.0, 50.0, 100.0]


def test_equal_losses_are_an_interconnector_and_others_have_a_host() -> None:
    alike = as_network(two_countries(one={"efficiency": 0.95}, two={"efficiency": 0.95}))
    (border,) = borders(alike, ("AA", "BB"))
    assert border.host == "" and border.edge.loss == pytest.approx(0.05)
    (border,) = borders(
        as_network(two_countries(one={"efficiency": 0.95}, two={"efficiency": 0.9})), ("AA", "BB")
    )
    assert border.host == "AA" and border.edge.loss == 0.0
    assert border.edge.a_to_b_mw == pytest.approx(95 + 90)  # what arrives
    output = {"bus2": "BB heat", "efficiency2": 0.2}
    (border,) = borders(as_network(two_countries(one=output)), ("AA", "BB"))
    assert border.host == "BB"  # where its further output is


def test_what_must_be_carried_is_firm_and_the_rest_is_traded() -> None:
    n = as_network(two_countries(cable={"p_min_pu": 0.3, "efficiency": 0.9}))
    (border,) = borders(n, ("AA", "BB"))
    assert border.limit_mw["AA"] == pytest.approx(np.full(HOURS, 70.0))
    assert not border.limit_mw["BB"].any()
    firm = firm_crossings(n, ("AA", "BB"))
    assert firm_import_mw(firm, "AA") == pytest.approx(np.full(HOURS, -30.0))
    assert firm_import_mw(firm, "BB") == pytest.approx(np.full(HOURS, 27.0))


@pytest.mark.parametrize(
    ("links", "words"),
    [
        (
            {
                "one": {"bus2": "AA heat", "efficiency2": 0.1},
                "two": {"bus2": "BB heat", "efficiency2": 0.1},
            },
            "branches between AA and BB have further outputs in both countries",
        ),
        (
            {"one": {"p_min_pu": -1.0, "efficiency": 0.9, "marginal_cost": 2.0}},
            "both ways with an efficiency below one and a marginal_cost",
        ),
        ({"one": {"p_min_pu": -1.0, "efficiency": 1.1}}, "efficiency above one"),
        ({"one": {"p_set": 120.0}}, "a p_set that its p_nom, p_min_pu or p_max_pu do not allow"),
        ({"one": {"p_min_pu": 0.6, "p_max_pu": 0.5}}, "must carry more than it may"),
        ({"one": {"efficiency": 0.0}}, "an efficiency that is not above zero"),
    ],
)
def test_refused(links: dict[str, dict[str, Any]], words: str) -> None:
    found = [str(finding) for finding in border_errors(as_network(two_countries(**links)), "firm")]
    assert len(found) == 1 and words in found[0]


def test_a_host_cannot_be_given_more_than_its_branches_carry(tmp_path: Path) -> None:
    file = tmp_path / "hurdle.nc"
    as_network(two_countries(cable={"marginal_cost": 5.0})).export_to_netcdf(str(file))

    def changed(field: str, value: float) -> RunOptions:
        return RunOptions(str(file), overrides={f"interconnectors.AA-BB.{field}": value})

    assert chosen_scenario(changed("a_to_b_mw", 40.0)).interconnectors[0].a_to_b_mw == 40.0
    with pytest.raises(ScenarioError, match="carry at most 100 MW"):
        chosen_scenario(changed("a_to_b_mw", 140.0))
    with pytest.raises(ScenarioError, match="losses of their own"):
        chosen_scenario(changed("loss", 0.1))


def outcome(n: Drawn) -> pypsa.Network:
    """Solved, without the solver, which PyPSA does not copy."""
    solved = solve(as_network(n))
    solved.model.solver_model = None
    return solved


def delivered(n: Drawn, net_import_mw: dict[str, float]) -> Deliverable:
    solved = outcome(n)
    return deliverable(solved, {c: np.full(HOURS, mw) for c, mw in net_import_mw.items()})


def test_shed_load_does_not_help_to_deliver() -> None:
    n = two_countries(cable={"p_nom": 100.0})
    n.parts["Generator"]["AA"]["p_nom"] = 350.0
    for code in ("AA", "BB"):
        n.add("Generator", f"{code} load", bus=code, carrier="load", p_nom=999.0, marginal_cost=1e3)
    found = delivered(n, {"AA": -100.0, "BB": 100.0})
    assert found.share == pytest.approx(0.5)  # AA has 50 MW to spare
    assert found.shortfall_mwh == pytest.approx(50.0 * YEAR_H)
    assert found.fictitious_mwh == pytest.approx(0.0, abs=1e-3)
    # Nothing that could be delivered lets AA meet its own load: what is shed is said.
    n.parts["Load"]["AA"]["p_set"] = 500.0
    n.parts["Generator"]["BB"]["p_nom"] = 300.0
    n.parts["Generator"]["AA load"]["p_max_pu"] = [0.2, 0.2, 0.2, 0.2]
    solved = outcome(n)
    solved.generators_t.p["AA load"] = 0.0  # as if the outcome had needed none
    found = deliverable(solved, {"AA": np.zeros(HOURS), "BB": np.zeros(HOURS)})
    assert found.fictitious_mwh == pytest.approx(150.0 * YEAR_H)
    assert "1.31e+03 GWh of load shed" in in_words(found)


def test_what_is_lost_both_ways_is_delivered_so() -> None:
    cable = {"p_nom": 100.0, "p_min_pu": -1.0, "efficiency": 0.9}
    assert delivered(two_countries(cable=cable), {"AA": 45.0, "BB": -50.0}).share == 1.0
    pypsas_own = delivered(two_countries(cable=cable), {"AA": 45.0, "BB": -40.5})
    assert pypsas_own.share < 0.96


def test_inspect_cuts_no_number_where_there_is_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    n = two_countries(cable={"p_nom": 1234.56, "p_min_pu": 0.0, "marginal_cost": 1.25})
    n.add("Transformer", "no length", bus0="AA", bus1="BB", s_nom=50.0, x=0.1)
    file = tmp_path / "a file with a long name.nc"
    as_network(n).export_to_netcdf(str(file))
    said = CliRunner().invoke(run.app, ["inspect", str(file)])
    assert said.exit_code == 0, said.output
    assert "1,234.56" in said.output and "…" not in said.output
    words = said.output.split()
    assert "nan" not in words and "-0" not in words


def test_the_table_of_branches_says_what_each_is() -> None:
    varying = {"p_max_pu": [1.0, 0.5, 0.5, 1.0], "efficiency": [0.9, 0.8, 0.9, 0.8]}
    grows = {"p_nom_extendable": True, "capital_cost": 7.0, "length": 30.0, "carrier": "AC"}
    n = two_countries(cable={**varying, **grows, "marginal_cost": 2.0, "p_min_pu": 0.25})
    (row,) = cross_border(as_network(n)).to_dict("records")
    assert row == {
        "component": "Link",
        "name": "cable",
        "carrier": "AC",
        "bus0": "AA",
        "bus1": "BB",
        "country0": "AA",
        "country1": "BB",
        "ntc_fwd_mw": 75.0,
        "ntc_bwd_mw": 0.0,
        "firm_mw": 25.0,
        "length_km": 30.0,
        "efficiency": pytest.approx(0.85),
        "marginal_cost_eur_per_mwh": 2.0,
        "extendable": True,
        "capital_cost_eur_per_mw": 7.0,
        "kind": "electric",
    }


def test_parts_are_named_after_their_country() -> None:
    n = as_network(two_countries(cable={}))
    for before, after in (("", "AA"), ("pool", "pool AA")):
        n.name = before
        part = split(n)["AA"]
        assert part.name == after
        assert part.buses.country.to_dict() == {"AA": "AA", "AA heat": "AA"}
        assert set(part.buses.control) == {"PQ"} and "COUNTRY" not in part.buses
        assert list(part.generators.index) == ["AA"] and not len(part.links)


def test_every_country_has_its_own_values_beside_its_share() -> None:
    n = as_network(two_countries(cable={}))
    n.carriers["co2_emissions"] = 0.2
    n.add("GlobalConstraint", "CO2", type="primary_energy", constant=100.0, sense="<=")
    n.global_constraints["carrier_attribute"] = "co2_emissions"
    rules = national_rules(n, FileOptions(), values={"AA": NationalValues(co2_limit_t=7.0)})
    assert [limit.constant for limit in rules["AA"].limits] == [7.0]
    assert [limit.constant for limit in rules["BB"].limits] == [50.0]
    assert national_rules(n, FileOptions(), co2="none")["BB"].limits == ()


@pytest.mark.parametrize("garbage", [b"no network", b""])
def test_a_file_that_is_none_says_what_is_wrong_with_it(tmp_path: Path, garbage: bytes) -> None:
    file = tmp_path / "broken.nc"
    file.write_bytes(garbage)
    with pytest.raises(ScenarioError, match=r"PyPSA network \([^()]*[a-z ]{8}.*\); is it comp"):
        load_network(file)


def test_an_error_without_words_is_told_by_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wordless(path: str) -> None:
        raise MemoryError

    file = tmp_path / "large.nc"
    file.write_bytes(b"anything")
    monkeypatch.setattr(pypsa, "Network", wordless)
    with pytest.raises(ScenarioError, match=r"PyPSA network \(MemoryError\); is it complete"):
        load_network(file)


def test_options_of_the_file_hold_for_every_country() -> None:
    n = as_network(two_countries(cable={}))
    given = FileOptions(
        eq_share=0.6, eq_by_country=True, res_share=0.4, renewable=("gas",), reserve=(0.1, 0.2, 3.0)
    )
    for rules in national_rules(n, given).values():
        assert (rules.eq_share, rules.eq_by_country, rules.res_share) == (0.6, True, 0.4)
        assert (rules.renewable, rules.reserve) == (("gas",), (0.1, 0.2, 3.0))
    own = NationalValues(operational_reserve=(0.3, 0.0, 0.0))
    by_country = national_rules(n, given, values={"BB": own})
    assert by_country["BB"].reserve == (0.3, 0.0, 0.0)
    assert by_country["AA"].reserve == (0.1, 0.2, 3.0)


def test_demand_is_shared_among_the_buses_that_have_it() -> None:
    n = two_countries(cable={})
    n.add("Bus", "AA east", country="AA", carrier="AC", x=11.0, y=50.0)
    n.add("Load", "AA east", bus="AA east", p_set=900.0)
    made = as_network(n)
    rules = national_rules(made, FileOptions())
    part = CountryPart("AA", split(made)["AA"], rules["AA"], {})
    assert part.load_shares() == pytest.approx({"AA": 0.25, "AA east": 0.75})
    part.network.remove("Load", ["AA", "AA east"])
    shares = part.load_shares()
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["AA"] == shares["AA east"] > 0
