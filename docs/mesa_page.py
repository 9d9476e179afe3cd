"""A negotiation in Mesa's own page: ``solara run docs/mesa_page.py`` from the program's folder.

It needs ``pip install -e ".[mesa]"``. The program's own app (``python run.py app``) shows more and
shows recorded runs; this page steps a :class:`model.scenario_model.ScenarioModel` and nothing else.
"""

from __future__ import annotations

import networkx as nx
import solara
from matplotlib.figure import Figure
from mesa.visualization import Slider, SolaraViz, make_plot_component
from mesa.visualization.utils import update_counter

from model.scenario_model import ScenarioModel
from protocols.registry import protocol_modes

SCENARIOS = ("two_countries", "two_countries_limited", "merit_order", "wheeling", "triangle")
SELLER, BUYER, NEITHER = "tab:green", "tab:blue", "lightgray"


def colours(negotiation: ScenarioModel) -> list[str]:
    """Green for a country that sells more than it buys, blue for one that buys more."""
    found = []
    for agent in negotiation.agents:
        net_mw = float(negotiation.ledger.net_import_mw(agent.country).mean())
        found.append(NEITHER if abs(net_mw) < 1e-6 else BUYER if net_mw > 0 else SELLER)
    return found


@solara.component
def Space(negotiation: ScenarioModel) -> None:
    """Draw the model's space: countries, interconnectors and their mean net flow.

    Mesa's own ``SpaceRenderer`` draws agents on numbered nodes only; these are country codes.
    """
    update_counter.get()
    graph, ledger = negotiation.space.G, negotiation.ledger
    flows = {(a, b): f"{abs(ledger.flow_mw(a, b).mean()):.0f} MW" for a, b in graph.edges}
    figure = Figure()
    axes, places = figure.subplots(), nx.circular_layout(graph)
    nx.draw_networkx(graph, places, ax=axes, node_color=colours(negotiation), node_size=900)
    nx.draw_networkx_edge_labels(graph, places, flows, ax=axes)
    axes.set_axis_off()
    solara.FigureMatplotlib(figure)


PARAMETERS = {
    "scenario": {"type": "Select", "value": "triangle", "values": SCENARIOS, "label": "Scenario"},
    "protocol": {
        "type": "Select",
        "value": "bilateral_bids",
        "values": tuple(protocol_modes()),
        "label": "Protocol",
    },
    "seed": Slider("Seed", 1, 1, 20, 1),
}

model = ScenarioModel("triangle", "bilateral_bids", seed=1)
page = SolaraViz(
    model,
    components=[Space, make_plot_component("total_gain_eur"), make_plot_component("messages")],
    model_params=PARAMETERS,
    name="Countries that plan alone and trade together",
)
page  # noqa: B018 - Solara shows the variable of this name
