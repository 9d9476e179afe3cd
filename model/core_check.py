"""Could a group of countries do better by itself? Bounds that cost next to nothing.

What a group S could gain alone, v(S), takes a planner's solve for every group. Two bounds do
without. Let x be the planner's exchange, p the countries' marginal values of import there, and take
any flows within S with exchange y. Costs are convex, so

    C_i(0) - C_i(y_i) <= w_i + h p_i y_i,    w_i = C_i(0) - C_i(x_i) - h p_i x_i,

and what the flows of a line add to the last term is at most its congestion rent at these prices,
R_l. Hence v(S) <= sum of w_i over S + sum of R_l over the lines within S, whatever the marginal
values are that p is taken from: those of the countries planned alone, or the planner's own duals,
which are marginal values of every country at once, up to the solver's accuracy. With these it is
Owen's argument that paying nodal prices, with every rent shared between the ends of its line, is in
the core. From below, a group can at least carry out the
planner's flows on its own lines and be planned around them. Where single groups are valued
exactly, that value replaces both.

References: Owen (1975), On the core of linear production games, Mathematical Programming 9;
Shapley & Shubik (1971), The assignment game I: the core, International Journal of Game Theory 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from agents.curve_problem import CurveProblem
from agents.problem import Plan
from model.curve_planner import plan_curves
from model.joint import joint_network, plan_jointly
from model.ledger import Ledger
from model.line_sets import LineSets, bits
from model.planner import PlannerResult
from model.world import World
from protocols.landing import port_of

# All groups of more countries are too many to look at.
MOST_PLAYERS = 16
# Groups that are bounded from below by re-solving, beside those of all but one, and that are
# valued exactly if that is asked for; of cost curves, planned in milliseconds.
_RESOLVED, _EXACT, _EXACT_CURVES = 2, 4, 64
# What counts as better: shares of the planner's gain and of cost.
_OF_GAIN, _OF_COST = 1e-6, 1e-8
_KEYS = ("status", "group", "at_least_eur", "at_most_eur")
NOT_ASKED: dict[str, Any] = {
    **dict.fromkeys((*_KEYS, *(f"full_gain_{key}" for key in _KEYS))),
    "status": "not asked",
}


def check_core(
    world: World,
    gains_eur: Mapping[str, float],
    autarky: Mapping[str, Plan],
    best: PlannerResult,
    planned: Mapping[str, Plan],
    exact: bool = False,
) -> dict[str, Any]:
    """Bounds on what the group with the strongest complaint could gain by leaving.

    Parameters
    ----------
    world : World
        Its problems are solved.
    gains_eur : mapping of str to float
        Gain of each country, payments included.
    autarky, planned : mapping of str to Plan
        Plans without exchange, and at the planner's.
    best : PlannerResult
    exact : bool
        Whether the groups that complain most are valued by a planner's solve each; cost curves
        always are.

    Returns
    -------
    dict
        ``status`` (``"none"``: no group short of all could do better, proven; ``"some"``: one
        could, proven; ``"not known"``), ``group`` (the proven one, else the suspected; of none the
        one with least to spare), ``at_least_eur`` and ``at_most_eur`` (that group would gain at
        least so much more, no group would gain more than that), and the same with ``full_gain_``
        before it: if all gains were scaled up to the planner's together. None where the planner's
        gain is reached. As :data:`NOT_ASKED` with more than :data:`MOST_PLAYERS` countries.
    """
    if len(world.countries) > MOST_PLAYERS:
        return dict(NOT_ASKED)
    groups = _Groups(world, autarky, best, planned)
    curves = not world.networks
    gains = np.array([gains_eur[c] for c in groups.countries])
    full_eur = groups.upper_eur[-1]
    missed = 0 < gains.sum() < full_eur
    divisions = [gains, gains * (full_eur / gains.sum())] if missed else [gains]
    for division in divisions:
        if curves or exact:
            groups.learn(division, groups.exact_eur, _EXACT_CURVES if curves else _EXACT)
        else:
            groups.learn_all_but_one(division)
            groups.learn(division, groups.resolved_eur, _RESOLVED)
    found = groups.complaint(divisions[0])
    scaled = groups.complaint(divisions[1]) if missed else dict.fromkeys(found)
    return found | {f"full_gain_{key}": value for key, value in scaled.items()}


class _Groups:
    """Bounds of v(S) for every group, as bits of the place in an array; see :class:`LineSets`."""

    def __init__(
        self,
        world: World,
        autarky: Mapping[str, Plan],
        best: PlannerResult,
        planned: Mapping[str, Plan],
    ) -> None:
        self.sets = LineSets(world.graph)
        self.countries = self.sets.countries
        self._world, self._best, self._planned = world, best, planned
        self._alone_eur = {c: plan.cost_eur for c, plan in autarky.items()}
        self._numbers = np.arange(1 << len(self.countries))
        full_eur = sum(self._alone_eur.values()) - best.cost_eur
        own = {c: plan.price_eur_per_mwh for c, plan in planned.items()}
        # More countries and lines never gain less.
        self.upper_eur = np.minimum(self._from_prices(own), max(full_eur, 0.0))
        if best.price_eur_per_mwh:
            self.upper_eur = np.minimum(self.upper_eur, self._from_prices(best.price_eur_per_mwh))
        self.lower_eur = np.zeros_like(self.upper_eur)
        for number in (0, *(1 << i for i in range(len(self.countries)))):
            self.upper_eur[number] = 0.0
        self.upper_eur[-1] = self.lower_eur[-1] = max(full_eur, 0.0)
        self._slack_eur = _OF_GAIN * full_eur + _OF_COST * sum(map(abs, self._alone_eur.values()))
        self._known: set[int] = set()

    def learn(
        self, gains: np.ndarray, value: Callable[[int], tuple[float, float]], most: int
    ) -> None:
        """Value the groups that may complain most, until the strongest complaint is known."""
        for _ in range(most):
            excess = self._excess(self.upper_eur, gains)
            proven = self._excess(self.lower_eur, gains).max()
            unknown = [
                n for n in np.argsort(-excess, kind="stable")[: most + 2] if n not in self._known
            ]
            if not unknown or excess[unknown[0]] <= max(proven, 0.0) + self._slack_eur:
                return
            self._take(int(unknown[0]), value)

    def learn_all_but_one(self, gains: np.ndarray) -> None:
        """Bound every group that leaves out one country: only its neighbours plan anew."""
        possible = self._excess(self.upper_eur, gains)
        for i in range(len(self.countries)):
            number = len(self._numbers) - 1 ^ 1 << i
            if number not in self._known and possible[number] > self._slack_eur:
                self._take(number, self.resolved_eur)

    def _take(self, number: int, value: Callable[[int], tuple[float, float]]) -> None:
        self._known.add(number)
        lower, upper = value(number)
        self.lower_eur[number] = max(lower, self.lower_eur[number])
        self.upper_eur[number] = min(upper, self.upper_eur[number])

    def complaint(self, gains: np.ndarray) -> dict[str, Any]:
        """What is known of the strongest complaint about a division."""
        proven, possible = (self._excess(v, gains) for v in (self.lower_eur, self.upper_eur))
        at_least, at_most = float(proven.max()), float(possible.max())
        status = "not known"
        if at_most <= self._slack_eur:
            status = "none"
        elif at_least > self._slack_eur:
            status = "some"
        number = int((proven if status == "some" else possible).argmax())
        return {
            "status": status,
            "group": "+".join(self.countries[i] for i in bits(number)),
            "at_least_eur": float(proven[number]),
            "at_most_eur": at_most,
        }

    def resolved_eur(self, group: int) -> tuple[float, float]:
        """Bounds of v(S): the planner's flows within the group, and prices, which are known."""
        members = {self.countries[i] for i in bits(group)}
        within = {
            data["name"]
            for a, b, data in self._world.graph.edges(data=True)
            if a in members and b in members
        }
        ledger = Ledger(self._world.graph, self._world.products)
        ledger.flows_mw = {
            name: mw if name in within else np.zeros_like(mw)
            for name, mw in self._best.flows_mw.items()
        }
        saved = 0.0
        for country in sorted(members):
            there = ledger.exchange_mw(country)
            plan = self._planned[country]
            if not np.array_equal(there, plan.exchange_mw):
                plan = self._world.problems[country].solve(there)
            saved += self._alone_eur[country] - plan.cost_eur
        return saved, float(self.upper_eur[group])

    def exact_eur(self, group: int) -> tuple[float, float]:
        """v(S) by planning the group alone."""
        members = [self.countries[i] for i in bits(group)]
        graph = self._world.graph.subgraph(members)
        alone = sum(self._alone_eur[c] for c in members)
        if not self._world.networks:
            problems = self._world.problems
            curves = {c: p for c in members if isinstance(p := problems[c], CurveProblem)}
            value = alone - plan_curves(curves, graph)[0]
        else:
            joint = joint_network({c: self._world.networks[c] for c in members}, graph)
            policies = {c: self._world.policies[c] for c in members}
            value = alone - plan_jointly(joint, policies, graph=graph)
        return value, value

    def _from_prices(self, price_eur_per_mwh: Mapping[str, np.ndarray]) -> np.ndarray:
        """Upper bounds of v(S) from marginal values at the planner's exchange."""
        hours, total = self._world.products.weights_h, np.zeros(len(self._numbers))
        for i, country in enumerate(self.countries):
            plan = self._planned[country]
            worth = np.tile(hours, plan.ports) * price_eur_per_mwh[country]
            rent = self._alone_eur[country] - plan.cost_eur - float(worth @ plan.exchange_mw)
            total += np.where(self._numbers >> i & 1, rent, 0.0)
        place = {country: i for i, country in enumerate(self.countries)}
        for a, b, data in self._world.graph.edges(data=True):
            both = 1 << place[a] | 1 << place[b]
            best = np.zeros(len(hours))
            for sender, receiver in ((a, b), (b, a)):
                here, there = (
                    np.reshape(price_eur_per_mwh[c], (self._planned[c].ports, -1))[
                        port_of(self._world.graph, c, other)
                    ]
                    for c, other in ((sender, receiver), (receiver, sender))
                )
                margin = (1 - data["loss"]) * there - here
                best = np.maximum(best, data["capacity_mw"][sender] * margin)
            total += np.where(self._numbers & both == both, float(hours @ best), 0.0)
        return total

    def _excess(self, value_eur: np.ndarray, gains: np.ndarray) -> np.ndarray:
        """Value less what members get; minus infinity for nobody and for all."""
        got = sum(np.where(self._numbers >> i & 1, g, 0.0) for i, g in enumerate(gains))
        excess: np.ndarray = value_eur - got
        excess[[0, -1]] = -np.inf
        return excess
