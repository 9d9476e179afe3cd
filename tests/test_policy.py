"""National policies: they bind, hold, cost and keep the cost convex."""

from __future__ import annotations

import numpy as np
import pytest

from agents.planning import PypsaProblem
from agents.policy import PolicyInForce
from model.joint import joint_network, plan_jointly
from model.world import World
from tests.small_worlds import (
    ROUNDING,
    TWO,
    annual_cost_eur,
    box_mw,
    emissions_t,
    firm_mw,
    random_exchange,
    share_of_demand_met_at_home,
    small_world,
    solved_anew,
)


@pytest.fixture(scope="module")
def coarse() -> World:
    return small_world(TWO, "4w12h", "year", "tou")


CO2_CAP, RESERVE, SELF_SUFFICIENCY = "co2", "reserve", "self-sufficiency"


@pytest.fixture(scope="module")
def firm_share(coarse: World) -> dict[str, float]:
    return {t.carrier: t.firm_share for t in coarse.scenario.technologies}


class TestPolicy:
    """South Africa, importing as much as its lines to Mozambique carry."""

    def importing(self, coarse: World) -> np.ndarray:
        return np.full(len(coarse.snapshots), box_mw(coarse, "ZA")[1])

    @pytest.fixture(scope="class")
    def free(self, coarse: World):
        return coarse.problems["ZA"].solved_network(self.importing(coarse))

    @pytest.fixture(scope="class")
    def policies(self, free, firm_share: dict[str, float]) -> dict[str, PolicyInForce]:
        home = share_of_demand_met_at_home(free, "ZA")
        assert home < 0.95
        return {
            CO2_CAP: PolicyInForce(co2_cap_t=0.8 * emissions_t(free, "ZA")),
            RESERVE: PolicyInForce(
                reserve_mw=1.1 * firm_mw(free, "ZA", firm_share), firm_share=firm_share
            ),
            SELF_SUFFICIENCY: PolicyInForce(self_sufficiency=home + 0.03),
        }

    @pytest.fixture(scope="class")
    def capped(self, coarse: World, policies: dict[str, PolicyInForce]) -> PypsaProblem:
        network = coarse.networks["ZA"].copy()
        return PypsaProblem("ZA", network, coarse.products.shape, policies[CO2_CAP])

    @pytest.mark.parametrize("kind", [CO2_CAP, RESERVE, SELF_SUFFICIENCY])
    def test_binds_costs_holds_and_keeps_cost_convex(
        self,
        coarse: World,
        free,
        policies: dict[str, PolicyInForce],
        capped: PypsaProblem,
        firm_share: dict[str, float],
        kind: str,
    ) -> None:
        policy, importing = policies[kind], self.importing(coarse)
        network = coarse.networks["ZA"].copy()
        problem = capped
        if kind != CO2_CAP:
            problem = PypsaProblem("ZA", network, coarse.products.shape, policy)
        bound = problem.solved_network(importing)
        assert bound.objective > free.objective * (1 + 1e-5)
        assert annual_cost_eur(bound) == pytest.approx(bound.objective, rel=1e-6)
        if kind == CO2_CAP:
            assert emissions_t(bound, "ZA") <= policy.co2_cap_t * (1 + 1e-6)
        elif kind == RESERVE:
            assert firm_mw(bound, "ZA", firm_share) >= policy.reserve_mw * (1 - 1e-6)
        else:
            met = share_of_demand_met_at_home(bound, "ZA")
            assert met >= policy.self_sufficiency * (1 - 1e-6)
        fresh = solved_anew(network, importing, policy)
        assert problem.cost(importing) == pytest.approx(fresh.objective, rel=1e-6)

        rng = np.random.default_rng(30)
        one, other = (random_exchange(coarse, "ZA", rng) for _ in range(2))
        mean = (problem.cost(one) + problem.cost(other)) / 2
        assert problem.cost((one + other) / 2) <= mean * (1 + ROUNDING)
        for end in box_mw(coarse, "ZA"):
            assert np.isfinite(problem.cost(np.full(len(coarse.snapshots), end)))

    def test_co2_cap_is_pypsas_own(
        self, coarse: World, policies: dict[str, PolicyInForce], capped: PypsaProblem
    ) -> None:
        policy = policies[CO2_CAP]
        network = coarse.networks["ZA"].copy()
        network.add(
            "GlobalConstraint",
            "cap",
            type="primary_energy",
            carrier_attribute="co2_emissions",
            sense="<=",
            constant=policy.co2_cap_t,
        )
        here = self.importing(coarse)
        assert capped.cost(here) == pytest.approx(solved_anew(network, here).objective, rel=1e-6)

    def test_policies_that_do_not_bind_change_nothing(
        self, coarse: World, firm_share: dict[str, float]
    ) -> None:
        lax = PolicyInForce(1e12, 1.0, 0.0, firm_share)
        network = coarse.networks["ZA"].copy()
        problem = PypsaProblem("ZA", network, coarse.products.shape, lax)
        here = self.importing(coarse)
        assert problem.cost(here) == pytest.approx(coarse.problems["ZA"].cost(here), rel=1e-9)

    @pytest.mark.parametrize("country", TWO)
    def test_impossible_reserve_is_dear_not_infeasible(self, coarse: World, country: str) -> None:
        policy = PolicyInForce(reserve_mw=1e5, firm_share={})
        problem = PypsaProblem(
            country, coarse.networks[country].copy(), coarse.products.shape, policy
        )
        here = np.zeros(len(coarse.snapshots))
        assert np.isfinite(problem.cost(here))
        assert problem.cost(here) > coarse.problems[country].cost(here) + 1e9

    def test_planner_obeys_each_countrys_policy(
        self,
        coarse: World,
        policies: dict[str, PolicyInForce],
        capped: PypsaProblem,
        firm_share: dict[str, float],
    ) -> None:
        chosen = {
            "ZA": policies[CO2_CAP],
            "MZ": PolicyInForce(self_sufficiency=1.1, reserve_mw=3500.0, firm_share=firm_share),
        }
        free = joint_network(coarse.networks, coarse.graph)
        free_cost = plan_jointly(free, {})
        assert emissions_t(free, "ZA") > chosen["ZA"].co2_cap_t * 1.05
        assert firm_mw(free, "MZ", firm_share) < 3500.0

        bound = joint_network(coarse.networks, coarse.graph)
        cost = plan_jointly(bound, chosen)
        assert cost > free_cost * (1 + 1e-5)
        assert emissions_t(bound, "ZA") <= chosen["ZA"].co2_cap_t * (1 + 1e-5)
        assert firm_mw(bound, "MZ", firm_share) >= 3500.0 * (1 - 1e-5)
        assert share_of_demand_met_at_home(bound, "MZ") >= 1.1 * (1 - 1e-5)
        # The agents' own problems, asked at the planner's exchange, add up to its cost.
        network = coarse.networks["MZ"].copy()
        other = PypsaProblem("MZ", network, coarse.products.shape, chosen["MZ"])
        own = sum(p.cost(net_import_mw(bound, p.country)) for p in (capped, other))
        assert own == pytest.approx(cost, rel=1e-5)


def net_import_mw(n, country: str) -> np.ndarray:
    links = n.links
    at_0 = n.links_t.p0[links.index[links.bus0 == country]].sum(axis=1)
    at_1 = n.links_t.p1[links.index[links.bus1 == country]].sum(axis=1)
    return -(at_0 + at_1).to_numpy()
