"""What valuing a little more and a little less import costs, and how far it is from the duals.

$ python -m tests.bench_valuation bilateral_bids tou 1w6h
$ python -m tests.bench_valuation consensus_admm hourly 1w6h

One line for each ``--perturb``: solves and CPU time beside those of the negotiation, one worker.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from model.negotiation import NegotiationModel
from model.options import RunOptions
from model.players import chosen_perturbation, chosen_protocol, negotiation_terms
from model.reporting import Reporter
from model.world import World, build_world, chosen_scenario
from tests.small_worlds import untouched

HEADER = (
    "| perturb | steps | solves | for valuation | share | CPU s | for valuation | share "
    "| rows tried | below dual | above dual | widest | order |"
)


def main() -> None:
    """Build the world once and negotiate in it with every step of perturbation."""
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("protocol")
    wanted.add_argument("products")
    wanted.add_argument("resolution")
    wanted.add_argument("--perturb", nargs="+", default=["1%", "5%", "20%", "deal"])
    wanted.add_argument("--perturb-products", type=int, default=RunOptions.perturb_products)
    wanted.add_argument("--countries")
    given = wanted.parse_args()
    options = RunOptions(
        "sapp2030",
        given.protocol,
        "adaptive" if given.protocol == "bilateral_bids" else "standard",
        products=given.products,
        resolution=given.resolution,
        countries=tuple(given.countries.split(",")) if given.countries else None,
        perturb_products=given.perturb_products,
        workers=1,
    )
    world = build_world(chosen_scenario(options), options.solver, Reporter())
    print(HEADER)
    print("|---" * 13 + "|")
    for perturb in given.perturb:
        print(_line(world, options, perturb), flush=True)


def _line(world: World, options: RunOptions, perturb: str) -> str:
    terms = negotiation_terms(options, untouched(world))
    terms["perturbation"] = chosen_perturbation(RunOptions(**{**vars(options), "perturb": perturb}))
    model = _Timed(**terms, protocol=chosen_protocol(options))
    model.plan_alone()
    begun = time.process_time()
    inside = model.valuation_cpu_s
    below, above, prices, rows = [], [], [1.0], 0
    while model.running and model.steps < options.max_steps:
        model.step()
        assert model.last is not None
        for country, found in model.last.marginal_costs.items():
            dual, tried = model.last.marginal_values[country], found.tried
            below.append((dual - found.mc_import)[tried])
            above.append((found.mc_export - dual)[tried])
            prices.append(float(np.abs(dual).max()))
            rows += len(dual)
    # What was valued before the first step belongs to the negotiation's price, too.
    spent = time.process_time() - begun - (model.valuation_cpu_s - inside)
    under, over = np.concatenate(below), np.concatenate(above)
    order = max(0.0, -float(min(under.min(), over.min()))) / max(prices)
    cells = [
        perturb,
        str(model.steps),
        str(model.local_solves),
        str(model.valuation_solves),
        f"{model.valuation_solves / model.local_solves:.0%}",
        f"{spent:.2f}",
        f"{model.valuation_cpu_s:.2f}",
        f"{model.valuation_cpu_s / spent:.1%}",
        f"{len(under) / rows:.0%}",
        f"{under.mean():.2f}",
        f"{over.mean():.2f}",
        f"{(under + over).max():.1f}",
        f"{order:.0e}",
    ]
    return f"| {' | '.join(cells)} |"


class _Timed(NegotiationModel):
    """Knows the CPU time of its stage ``value``."""

    valuation_cpu_s = 0.0

    def _value(self, number: int) -> None:
        begun = time.process_time()
        super()._value(number)
        self.valuation_cpu_s += time.process_time() - begun


if __name__ == "__main__":
    main()
