"""Every real network file runs or is refused with the right reason; what was found in them holds.

The numbers were measured by other code than this.
"""

from __future__ import annotations

import networkx as nx
import numpy as np
import pypsa
import pytest

from model.joint import joint_network
from pypsa_earth import shedding
from pypsa_earth.branches import cross_border
from pypsa_earth.countries import country_of_bus, load_mwh
from pypsa_earth.limits import Limit
from pypsa_earth.options import FileOptions
from pypsa_earth.references import Reference, solve_whole
from pypsa_earth.rules import NationalRules
from pypsa_earth.scenario import country_parts, network_scenario
from pypsa_earth.split import CountryPart, national_rules, split
from scenarios.errors import ScenarioError
from tests.real_networks import every_name, real, real_path

# Reason of the refusal, and what it advises.
REFUSED = {
    "NG_base": ("the network has no load; take a later file of the workflow", {}),
}
COUNTRIES = {
    "NG_BJ": ("BJ", "NG"),
    "NG": ("NG",),
    "NG_CCL": ("NG",),
    "KE": ("KE",),
    "MA": ("MA",),
    "NL": ("NL",),
    "3c": ("DE", "ES", "FR"),
    "8c": ("AT", "BE", "CH", "DE", "ES", "FR", "IT", "PT"),
}
FOURTEEN = "AT BE CH CZ DE FR HR HU IT NL PL RO SI SK"
COUNTRIES["14c"] = COUNTRIES["14c_36"] = tuple(FOURTEEN.split())


@pytest.mark.parametrize("name", every_name())
def test_every_file_runs_or_is_refused_with_the_right_reason(name: str) -> None:
    path, options = real_path(name), {"network.window": "6"}
    if name in REFUSED:
        reason, advised = REFUSED[name]
        with pytest.raises(ScenarioError, match=reason) as refusal:
            network_scenario(path, options)
        assert "\n" not in str(refusal.value)
        if not advised:
            return
        options |= advised
    scenario = network_scenario(path, options)
    assert scenario.codes == COUNTRIES.get(name, scenario.codes)
    parts = country_parts(scenario)
    solved = _alone(parts)
    assert solved.cost_eur > 0
    price = solved.network.buses_t.marginal_price
    assert np.isfinite(price.to_numpy()).all()
    assert set(country_of_bus(solved.network)) == set(scenario.codes)


def _alone(parts: dict[str, CountryPart]) -> Reference:
    """All countries alone, solved in one go: networks that nothing joins."""
    together = joint_network({c: p.network for c, p in parts.items()}, nx.Graph())
    return solve_whole(together, {c: p.rules for c, p in parts.items()})


@pytest.mark.parametrize(("weights", "shed"), [("keep", 0.82), ("auto", 0.0)])
def test_a_week_that_pays_for_a_year_sheds_most_of_moroccos_load(weights: str, shed: float) -> None:
    n = real("MA", "56", weights)  # type: ignore[arg-type]
    hours = n.snapshot_weightings.objective.sum()
    assert hours == pytest.approx(168 if weights == "keep" else 8760)
    _with_shedding(n)
    assert _shed_share(solve_whole(n).network) == pytest.approx(shed, rel=0.02, abs=1e-6)


def _with_shedding(n: pypsa.Network) -> None:
    shedding.add_shedding(n, shedding.DEFAULT_PRICE_EUR_PER_MWH, shedding.bound_mw(n, 0.0))


def _shed_share(n: pypsa.Network) -> float:
    power = n.generators_t.p[shedding.shedding_generators(n)]
    hours = n.snapshot_weightings.generators
    return float(power.mul(hours, axis=0).sum().sum() / load_mwh(n).sum())


@pytest.mark.parametrize(("country", "more", "less"), [("NG", 41.90, 41.41), ("BJ", 178.3, 178.3)])
def test_marginal_cost_brackets_the_price(country: str, more: float, less: float) -> None:
    n = real("NG_BJ")
    shedding.normalise(n)
    part = split(n, (country,))[country]
    rules = {country: national_rules(n, FileOptions())[country]}
    energy = load_mwh(part).sum()
    here = solve_whole(part, rules)
    cost = {}
    for change in (0.2, -0.2):
        other = part.copy()
        other.loads_t.p_set *= 1 + change
        cost[change] = (solve_whole(other, rules).cost_eur - here.cost_eur) / (change * energy)
    assert cost[0.2] == pytest.approx(more, abs=0.05)
    assert cost[-0.2] == pytest.approx(less, abs=0.05)
    # The price, weighted by load, is the derivative in between, because cost is convex.
    hours = part.snapshot_weightings.generators
    bought = here.network.buses_t.marginal_price[part.loads.bus] * part.loads_t.p_set.to_numpy()
    price = float(bought.mul(hours, axis=0).sum().sum() / energy)
    assert cost[-0.2] - 1e-6 <= price <= cost[0.2] + 1e-6


def test_the_price_of_an_emission_limit_is_a_derivative() -> None:
    n = real("NG_CCL", "12")
    _with_shedding(n)
    (shared,) = national_rules(n, FileOptions())["NG"].limits
    assert shared.constant == 0.0  # the only country has all of a limit of nothing
    part = split(n)["NG"]
    # The file's sun and wind cost next to nothing, and if they could grow nothing would be emitted.
    clean = part.generators.carrier.map(part.carriers.co2_emissions).fillna(0.0) == 0
    stuck = part.generators[["p_nom", "p_nom_min"]].max(axis=1)
    part.generators["p_nom_max"] = part.generators.p_nom_max.where(~clean, stuck)
    unlimited = solve_whole(part, {"NG": NationalRules()}).network
    allowed = 0.5 * _emissions_t(unlimited)
    step = 1e-3 * allowed

    def solved(limit_t: float) -> tuple[float, float]:
        limit = Limit("CO2Limit", "primary_energy", "co2_emissions", "<=", limit_t)
        found = solve_whole(part, {"NG": NationalRules(limits=(limit,))})
        dual = found.network.model.constraints["NG CO2Limit"].dual
        return found.cost_eur, float(dual)

    cost, price = solved(allowed)
    less, more = solved(allowed - step)[0], solved(allowed + step)[0]
    assert allowed > 0 and price < 0
    noise = 1e-8 * cost / step
    assert (cost - less) / step - noise <= price <= (more - cost) / step + noise
    # Nothing may be emitted: the price is at least what the first tonne saves.
    none, dearest = solved(0.0)
    assert dearest <= (solved(step)[0] - none) / step + noise
    assert dearest <= price * (1 - 1e-9)


def _emissions_t(n: pypsa.Network) -> float:
    rate = n.generators.carrier.map(n.carriers.co2_emissions).fillna(0.0) / n.generators.efficiency
    hours = n.snapshot_weightings.generators
    return float((n.generators_t.p.mul(hours, axis=0).sum() * rate).sum())


# Only of KE it is known that the ratio costs something (0.9 %).
@pytest.mark.parametrize(("name", "costs"), [("NG_CCL", False), ("KE", True)])
def test_the_charger_ratio_holds_and_saves_nothing(name: str, costs: bool) -> None:
    n = real(name, "12")
    _with_shedding(n)
    held = solve_whole(n)
    free = n.copy()
    free.optimize.create_model(include_objective_constant=False)
    free.model.solve("highs", io_api="direct", output_flag=False)
    links = held.network.links
    chargers = links.index[links.carrier.str.contains("battery charger") & links.p_nom_extendable]
    assert len(chargers)
    out = chargers.str.replace("charger", "discharger")
    drawn = (links.p_nom_opt[out] * links.efficiency[out]).to_numpy()
    assert np.allclose(links.p_nom_opt[chargers], drawn, rtol=1e-6, atol=1e-3)
    least = 1 + 1e-6 if costs else 1 - 1e-9
    assert held.cost_eur >= float(free.model.objective.value) * least


def test_the_netherlands_cost_what_was_found_before() -> None:
    n = real("NL")
    _with_shedding(n)
    assert solve_whole(n).cost_eur == pytest.approx(4.99e9, rel=1e-3)


def test_three_of_fourteen_countries_cannot_do_without_shedding() -> None:
    path = real_path("14c_36")
    parts = country_parts(network_scenario(path, {"network.load_shedding": "off"}))
    needy = ("AT", "CH", "HR")
    for country in needy:
        part = parts.pop(country)
        with pytest.raises(ScenarioError, match=r"infeasible.*network\.load_shedding=auto"):
            solve_whole(part.network, {country: part.rules})
    assert _shed_share(_alone(parts).network) == 0.0
    with_shedding = country_parts(network_scenario(path, None, needy))
    for country, part in with_shedding.items():
        solved = solve_whole(part.network, {country: part.rules}).network
        assert _shed_share(solved) > 0, country


def test_odd_parts_of_real_files_have_a_country() -> None:
    base = real("NG_base", "1")
    assert len(base.transformers) == 42
    assert not len(cross_border(base))
    morocco = real("MA", "1")
    assert sum(str(link).startswith("lines new") for link in morocco.links.index) == 3
    assert not len(cross_border(morocco))
    holland = real("NL", "1")
    assert (holland.buses.carrier == "csp").any()
    assert set(country_of_bus(holland)) == {"NL"}
