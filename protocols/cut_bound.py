"""What the operator can prove: a lower bound on the cost of all countries from their answers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from protocols.flow_network import FlowNetwork


@dataclass(frozen=True)
class Cut:
    """A country's cost change where it was asked, and what a little more import saves there.

    Cost is convex, so that ``cost - hours * value @ (x - mw)`` is nowhere above it.

    Attributes
    ----------
    mw, value : ndarray, shape (ports, products)
        Net import beyond the ledger's, and its marginal value, EUR/MWh.
    cost_eur : float
    """

    mw: np.ndarray
    cost_eur: float
    value: np.ndarray

    def intercept_eur(self, hours: np.ndarray) -> float:
        """Least of cost plus ``hours * value @ x`` over all net imports ``x``."""
        return self.cost_eur + float(hours @ (self.value * self.mw).sum(axis=0))


@dataclass
class CutBound:
    """Cuts of all countries, and the best bound that follows from them.

    Whatever weights mix the cuts of each country, the mixed values are prices, and no flows can
    bring the cost of all countries below the mixed intercepts less the rent of the interconnectors
    at these prices. The best weights are the dual solution of a linear programme: the least cost
    that flows could have if the cuts were all there is. The bound is then computed from weights and
    prices, so that it holds however accurate the programme's solution is.

    Attributes
    ----------
    most_cuts : int
        Cuts of a country that enter the programme: those that carried weight last time, filled up
        with the newest.
    """

    most_cuts: int
    _cuts: dict[str, list[Cut]] = field(default_factory=dict)
    _weighty: dict[str, list[Cut]] = field(default_factory=dict)

    def add(self, country: str, cut: Cut) -> None:
        """Remember what a country answered."""
        kept = self._cuts.setdefault(country, [])
        kept.append(cut)
        del kept[: -self.most_cuts]

    def best_eur(self, network: FlowNetwork) -> float:
        """Bound on the change of all countries' cost, EUR.

        Parameters
        ----------
        network : FlowNetwork
            Flows that are possible. A country whose exchange can change must have answered.
        """
        price = np.zeros((len(network.zones), len(network.hours)))
        total = 0.0
        for country, pairs in self._weights(network).items():
            self._weighty[country] = [cut for cut, _ in pairs]
            for cut, weight in pairs:
                total += weight * cut.intercept_eur(network.hours)
                price[network.zones.of(country)] += weight * cut.value
        return total - network.rent_eur(price)

    def _chosen(self, network: FlowNetwork) -> dict[str, list[Cut]]:
        chosen = {}
        for country in network.connected:
            weighty = self._weighty.get(country, [])[-self.most_cuts // 2 :]
            known = {id(cut) for cut in weighty}
            newest = [cut for cut in self._cuts[country] if id(cut) not in known]
            chosen[country] = weighty + newest[-(self.most_cuts - len(weighty)) :]
        return chosen

    def _weights(self, network: FlowNetwork) -> dict[str, list[tuple[Cut, float]]]:
        chosen = self._chosen(network)
        if all(len(cuts) == 1 for cuts in chosen.values()):
            return {country: [(cuts[0], 1.0)] for country, cuts in chosen.items()}
        duals = np.maximum(_solve(network, chosen), 0.0)
        weights, row = {}, 0
        for country, cuts in chosen.items():
            own = duals[row : row + len(cuts)]
            row += len(cuts)
            own = own / own.sum() if own.sum() > 0 else np.eye(len(cuts))[-1]
            weights[country] = [(c, float(w)) for c, w in zip(cuts, own, strict=True) if w > 0]
        return weights


def _solve(network: FlowNetwork, cuts: dict[str, list[Cut]]) -> np.ndarray:
    """Duals of the cuts in the least cost that flows could have.

    Columns are the flows of every edge forth and back, and the cost of each country; rows are cuts.
    Everything is in units of the largest cost change and of the largest interconnector.
    """
    all_cuts = [(c, cut) for c, own in cuts.items() for cut in own]
    money = max(abs(cut.intercept_eur(network.hours)) for _, cut in all_cuts) or 1.0
    power = network.largest_mw
    own_cost = {country: k for k, country in enumerate(cuts)}
    value = _values_by_zone(network, all_cuts, power / money)
    blocks = []
    for direction in (0, 1):
        for e, loss in enumerate(network.loss):
            sender, receiver = network.ends[e, direction], network.ends[e, 1 - direction]
            blocks.append((1 - loss) * value[receiver] - value[sender])
    costs = sparse.csc_matrix(
        (np.ones(len(all_cuts)), (range(len(all_cuts)), [own_cost[c] for c, _ in all_cuts])),
        shape=(len(all_cuts), len(cuts)),
    )
    matrix = sparse.hstack([*blocks, costs], format="csc")
    flows = 2 * len(network.edges) * len(network.hours)
    now = network.exchange_now_mw() / power
    rows = np.array([cut.intercept_eur(network.hours) / money for _, cut in all_cuts])
    rows += sum(at_zone @ mw for at_zone, mw in zip(value, now, strict=True))
    import highspy  # when it is needed: listing protocols must not load a solver

    highs = highspy.Highs()
    for option, chosen in (("output_flag", False), ("threads", 1), ("solver", "simplex")):
        highs.setOptionValue(option, chosen)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = flows + len(cuts), len(all_cuts)
    lp.col_cost_ = np.concatenate([np.zeros(flows), np.ones(len(cuts))])
    forth = np.maximum([network.least_mw, network.most_mw], 0.0).reshape(2, -1) / power
    back = np.maximum([-network.most_mw, -network.least_mw], 0.0).reshape(2, -1) / power
    free = np.full(len(cuts), highspy.kHighsInf)
    lp.col_lower_ = np.concatenate([forth[0], back[0], -free])
    lp.col_upper_ = np.concatenate([forth[1], back[1], free])
    lp.row_lower_, lp.row_upper_ = rows, np.full(len(all_cuts), highspy.kHighsInf)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_ = matrix.indptr, matrix.indices
    lp.a_matrix_.value_ = matrix.data
    highs.passModel(lp)
    highs.run()
    return np.array(highs.getSolution().row_dual)


def _values_by_zone(
    network: FlowNetwork, cuts: list[tuple[str, Cut]], scale: float
) -> list[sparse.csc_matrix]:
    """Scaled worth of a MW of each product at every zone by cut (shape: cuts, products)."""
    shape = (len(cuts), len(network.hours))
    found = []
    for country in network.countries:
        own = [k for k, (c, _) in enumerate(cuts) if c == country]
        rows = network.zones.of(country)
        for port in range(rows.stop - rows.start):
            at_zone = np.zeros(shape)
            for k in own:
                at_zone[k] = cuts[k][1].value[port] * network.hours * scale
            found.append(sparse.csc_matrix(at_zone))
    return found
