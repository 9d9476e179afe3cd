"""The command ``bargain``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from model.reporting import Reporter
from scenarios.overrides import parse_set
from viz.commands.ending import carry_out
from viz.commands.words import scenario_changes
from viz.console import make_console
from viz.numbers import money, number

if TYPE_CHECKING:
    from model.bargaining import Bargain


def bargain(
    scenario: Annotated[str, typer.Option(help="Built-in scenario or path of a folder.")],
    buyer: Annotated[str, typer.Option(help="Code of the country that imports.")],
    seller: Annotated[str, typer.Option(help="Code of its neighbour that exports.")],
    points: Annotated[
        int, typer.Option(help="Quantities looked at, from nothing to the line's limit.", min=2)
    ] = 11,
    lowest_price: Annotated[
        float | None, typer.Option(help="Least price allowed, EUR/MWh.", show_default="none")
    ] = None,
    highest_price: Annotated[
        float | None, typer.Option(help="Highest price allowed, EUR/MWh.", show_default="none")
    ] = None,
    resolution: Annotated[
        str | None,
        typer.Option(help="Time aggregation, such as 4w3h.", show_default="the scenario's"),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change one value of the scenario.", metavar="KEY=VALUE"),
    ] = None,
) -> None:
    """Where two neighbours' bargain over a flat delivery should end, by re-solving both alone."""

    def work(reporter: Reporter) -> Bargain:
        from model.bargaining import between

        return between(
            scenario,
            buyer,
            seller,
            points,
            -math.inf if lowest_price is None else lowest_price,
            math.inf if highest_price is None else highest_price,
            resolution=resolution,
            overrides=scenario_changes(parse_set(set_ or [])),
            reporter=reporter,
        )

    raise typer.Exit(carry_out(work, _show))


def _show(found: Bargain) -> int:
    console = make_console()
    curve = _table(
        f"What a flat delivery is worth to {found.buyer} and costs {found.seller}",
        ["MW sent", "worth, EUR/MWh", "costs, EUR/MWh"],
    )
    for k, (worth, cost) in enumerate(zip(found.worth, found.cost, strict=True)):
        block = f"{number(found.terms.mw[k], 0)} to {number(found.terms.mw[k + 1], 0)}"
        curve.add_row(block, number(float(worth), 2), number(float(cost), 2))
    points = _table(
        "Where the bargain should end",
        ["point", "MW sent", "EUR/MWh", f"{found.buyer} gains", f"{found.seller} gains"],
    )
    for name, contract in found.contracts.items():
        points.add_row(
            name,
            number(contract.mw, 0),
            "-"
            if math.isnan(contract.price_eur_per_mwh)
            else number(contract.price_eur_per_mwh, 2),
            money(contract.buyer_eur),
            money(contract.seller_eur),
        )
    points.caption = (
        "each a yardstick, not a rule that anybody is held to; the three are one where no price "
        "is forbidden"
    )
    for table in (curve, points):
        console.print(table)
    return 0


def _table(title: str, header: list[str]) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for position, name in enumerate(header):
        table.add_column(name, justify="right" if position else "left", no_wrap=True)
    return table
