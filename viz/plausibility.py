"""Outcome of a run against published figures, as Markdown tables.

``python -m viz.plausibility RUN`` prints them; ``--page FILE`` replaces what stands between the
markers of a page. Published figures lie in ``viz/published_sapp.csv``, each with its source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
import xarray as xr

from model.records import RunRecords
from viz.markdown import Cell, Whole, markdown

CASES = ("autarky", "negotiated", "planner")
BEGIN = "<!-- python -m viz.plausibility: begin -->"
END = "<!-- python -m viz.plausibility: end -->"
GROUPS: dict[str, tuple[str, ...]] = {
    "hydro": ("hydro_reservoir", "ror"),
    "coal": ("coal",),
    "gas": ("CCGT", "OCGT"),
    "oil": ("oil",),
    "nuclear": ("nuclear",),
    "biomass": ("biomass",),
    "solar": ("solar", "CSP"),
    "wind": ("onwind",),
    "from storage": ("battery", "PHS"),
}
SHEDDING = "load_shedding"
BUILT = {
    "coal": ("coal",),
    "gas": ("CCGT", "OCGT"),
    "oil": ("oil",),
    "solar": ("solar",),
    "wind": ("onwind",),
    "battery": ("battery",),
}
# Heat of a billion m3 of natural gas, lower heating value, TWh.
GAS_TWH = 10.0
BALANCED_TWH = 0.2
SPILL_PRICE = 1.0
SCARCITY_PRICE = 1000.0


Cells = Mapping[tuple[str, str, str], float]


def published() -> pd.DataFrame:
    """Published figures: a row per country, a column per quantity; NaN where there is none."""
    with files("viz").joinpath("published_sapp.csv").open(encoding="utf-8") as file:
        rows = pd.read_csv(file, keep_default_na=False)
    return rows.pivot_table(index="country", columns="quantity", values="value")


def tables(run: RunRecords) -> str:
    """All tables of a finished run in Markdown."""
    facts = published().reindex(list(run.summary()["countries"]))
    parts = [
        ("Demand and generation, TWh a year", demand_table(run, facts)),
        ("Trade, TWh a year (net import, negative exports)", trade_table(run, facts)),
        ("Mean marginal price, EUR/MWh, weighted by demand", price_table(run)),
        ("Mean marginal price by hour of the day, negotiated, EUR/MWh", hour_table(run)),
        ("Mean net flow by season, MW", season_table(run)),
    ]
    if len(run.table("capacities")):
        parts += [
            ("Generation mix, TWh a year", mix_table(run, facts)),
            ("Gas burnt, billion m3 a year", gas_table(run, facts)),
            ("Capacity built, MW", built_table(run)),
        ]
    return "\n\n".join(f"### {title}\n\n{table}" for title, table in parts)


def demand_table(run: RunRecords, facts: pd.DataFrame) -> str:
    """Demand and generation, model against published figures."""
    generated = _generation(run)
    rows = []
    for code, row in run.summary()["countries"].items():
        rows.append(
            [
                code,
                _fact(facts, code, "demand_2021"),
                _fact(facts, code, "demand_2030"),
                row["demand_twh"],
                _fact(facts, code, "generation_2022_irena"),
                _fact(facts, code, "generation_2022_eia"),
                *(generated.get((case, code)) for case in CASES),
            ]
        )
    header = [
        "country",
        "demand 2021",
        "demand 2030, source",
        "demand, model",
        "generation 2022, IRENA",
        "generation 2022, EIA",
        *(f"generation, {case}" for case in CASES),
    ]
    return markdown(header, rows, total=True)


def trade_table(run: RunRecords, facts: pd.DataFrame) -> str:
    """Net imports, 2019 and in the run, and whether the direction is the same."""
    planner = _net_imports(run, "planner")
    rows: list[list[Cell | Whole]] = []
    for code, row in run.summary()["countries"].items():
        export, bought = (_fact(facts, code, f"{way}_2019") for way in ("export", "import"))
        before = None if export is None or bought is None else bought - export
        now = row["net_import_twh"]
        rows.append([code, export, bought, before, now, planner.get(code), direction(before, now)])
    header = ["country", "export 2019", "import 2019", "net import 2019"]
    return markdown([*header, "negotiated", "planner", "direction, negotiated"], rows)


def direction(before_twh: float | None, now_twh: float) -> str:
    """Say how a net import compares with a published one.

    Examples
    --------
    >>> direction(1.1, 2.5), direction(-0.8, 2.0), direction(0.0, -4.9), direction(None, 1.0)
    ('imports, as before', 'imports, exported before', 'exports, balanced before', 'imports')
    """
    words = {1: "imports", -1: "exports", 0: "balanced"}
    past = {1: "imported", -1: "exported", 0: "balanced"}

    def sign(value: float) -> int:
        return 0 if abs(value) < BALANCED_TWH else int(np.sign(value))

    now = words[sign(now_twh)]
    if before_twh is None:
        return now
    if sign(before_twh) == sign(now_twh):
        return f"{now}, as before"
    return f"{now}, {past[sign(before_twh)]} before"


def mix_table(run: RunRecords, facts: pd.DataFrame) -> str:
    """Generation by group of carriers in the three cases, beside the mean of published hydro."""
    cells = _by_carrier(run, "generation_twh")
    rows = [
        [
            code,
            case,
            *(_group(cells, case, code, carriers) for carriers in GROUPS.values()),
            _group(cells, case, code, (SHEDDING,)),
            _fact(facts, code, "hydro_mean_2012_2022"),
        ]
        for code in run.summary()["countries"]
        for case in _cases(cells)
    ]
    header = ["country", "case", *GROUPS, "load shed", "hydro, mean 2012-22"]
    return markdown(header, rows, decimals=2)


def built_table(run: RunRecords) -> str:
    """Capacity built by group of carriers in the three cases."""
    cells = _by_carrier(run, "built_mw")
    rows = [
        [code, case, *(_group(cells, case, code, carriers) for carriers in BUILT.values())]
        for code in run.summary()["countries"]
        for case in _cases(cells)
    ]
    return markdown(["country", "case", *BUILT], rows, decimals=0)


def price_table(run: RunRecords) -> str:
    """Mean prices, hours in which energy is worth nothing, and what scarce hours add."""
    prices = run.table("prices")
    demand = _demand_mw(run)
    rows: list[list[Cell | Whole]] = []
    for code in run.summary()["countries"]:
        of_case = {
            case: prices[(prices["country"] == code) & (prices["case"] == case)] for case in CASES
        }
        means = [_mean_price(of_case[case], demand.get(code)) for case in CASES]
        nothing = [_hours_below(cut, SPILL_PRICE) if len(cut) else None for cut in of_case.values()]
        scarce = _mean_price(of_case["negotiated"], demand.get(code), above=SCARCITY_PRICE)
        rows.append([code, *means, *(Whole(v) for v in nothing), scarce])
    header = [
        "country",
        *CASES,
        *(f"hours below {SPILL_PRICE:.0f}, {case}" for case in CASES),
        f"of the mean, hours above {SCARCITY_PRICE:.0f}, negotiated",
    ]
    return markdown(header, rows)


def hour_table(run: RunRecords) -> str:
    """Price by hour of the day, every hour of a kind alike."""
    prices = run.table("prices")
    rows = prices[prices["case"] == "negotiated"]
    hour = rows["snapshot"].dt.hour
    rows = rows.assign(hour=hour, worth=rows["price_eur_per_mwh"] * rows["weight_h"])
    sums = rows.pivot_table(
        index="country", columns="hour", values=["worth", "weight_h"], aggfunc="sum"
    )
    mean = sums["worth"] / sums["weight_h"]
    listed = [[code, *mean.loc[code].tolist()] for code in run.summary()["countries"]]
    return markdown(["country", *(f"{h:02d}:00" for h in mean.columns)], listed, decimals=0)


def season_table(run: RunRecords) -> str:
    """Net flow of each interconnector in each part of the year, and energy both ways."""
    flows = run.table("flows")
    season = (flows["snapshot"].dt.month - 1) // 4
    keys = [flows["interconnector"], flows["case"], season]
    energy = (flows["flow_mw"] * flows["weight_h"]).groupby(keys).sum()
    mean = energy / flows["weight_h"].groupby(keys).sum()
    listed: list[list[Cell | Whole]] = []
    for name, row in run.summary()["interconnectors"].items():
        seasons = [mean.get((name, case, s)) for case in CASES[1:] for s in range(3)]
        both = [row["a_to_b_twh"], row["b_to_a_twh"]]
        listed.append([name, *(Whole(v) for v in seasons), *both, Whole(row["hours_at_limit"])])
    parts = ("Jan-Apr", "May-Aug", "Sep-Dec")
    header = ["A-B", *(f"{part}, {case}" for case in CASES[1:] for part in parts)]
    return markdown(
        [*header, "TWh A to B, negotiated", "TWh B to A, negotiated", "hours at limit"], listed
    )


def gas_table(run: RunRecords, facts: pd.DataFrame) -> str:
    """Gas that power plants burn, beside all consumption of gas in 2019."""
    cells = _by_carrier(run, "generation_twh")
    efficiency = {t.carrier: t.efficiency for t in run.scenario.technologies}
    rows: list[list[Cell | Whole]] = []
    for code in run.summary()["countries"]:
        burnt = [
            sum(cells.get((case, code, c), 0.0) / efficiency[c] for c in GROUPS["gas"]) / GAS_TWH
            for case in _cases(cells)
        ]
        consumed = _fact(facts, code, "gas_consumption_2019")
        if consumed is not None or max(burnt) > 0:
            rows.append([code, consumed, *burnt])
    return markdown(["country", "all uses 2019", *_cases(cells)], rows, decimals=2)


def replaced(page: str, block: str) -> str:
    """Page with a block put between its markers.

    Raises
    ------
    ValueError
        If the page has no markers.
    """
    if BEGIN not in page or END not in page:
        raise ValueError(f"the page needs the lines {BEGIN} and {END}")
    before, rest = page.split(BEGIN, 1)
    return f"{before}{BEGIN}\n{block}\n{END}{rest.split(END, 1)[1]}"


def _hours_below(rows: pd.DataFrame, price_eur_per_mwh: float) -> float:
    return float(rows["weight_h"][rows["price_eur_per_mwh"] < price_eur_per_mwh].sum())


def _fact(facts: pd.DataFrame, code: str, quantity: str) -> float | None:
    value = facts[quantity].to_dict().get(code) if quantity in facts else None
    return None if value is None or np.isnan(value) else float(value)


def _by_carrier(run: RunRecords, column: str) -> Cells:
    """A column of ``capacities`` by case, country and carrier."""
    table = run.table("capacities")
    keys = zip(table["case"], table["country"], table["carrier"], strict=True)
    return dict(zip(keys, table[column].tolist(), strict=True))


def _cases(cells: Cells) -> list[str]:
    present = {case for case, _, _ in cells}
    return [case for case in CASES if case in present]


def _group(cells: Cells, case: str, code: str, carriers: Sequence[str]) -> float:
    return sum(float(cells.get((case, code, c), 0.0)) for c in carriers) + 0.0


def _generation(run: RunRecords) -> Mapping[tuple[str, str], float]:
    """Generation by case and country, without load shedding and without what stores give back."""
    table = run.table("capacities")
    real = table[~table["carrier"].isin([SHEDDING, *GROUPS["from storage"]])]
    sums = real.groupby(["case", "country"])["generation_twh"].sum()
    return {
        (str(key[0]), str(key[1])): float(value)
        for key, value in zip(sums.index, sums, strict=True)
    }


def _net_imports(run: RunRecords, case: str) -> Mapping[str, float]:
    prices = run.table("prices")
    rows = prices[prices["case"] == case]
    energy = rows["exchange_mw"] * rows["weight_h"] / 1e6
    return {str(code): float(v) for code, v in energy.groupby(rows["country"]).sum().items()}


def _demand_mw(run: RunRecords) -> Mapping[str, np.ndarray]:
    """Demand by country and snapshot; empty for a run without networks."""
    if not run.network_path.is_file():
        return {}
    with xr.open_dataset(run.network_path) as stored:
        names = [str(name) for name in stored["loads_t_p_set_i"].to_numpy()]
        loads = stored["loads_t_p_set"].to_numpy()
        buses = dict(zip(stored["loads_i"].to_numpy(), stored["loads_bus"].to_numpy(), strict=True))
        return {str(buses[name]): loads[:, i].copy() for i, name in enumerate(names)}


def _mean_price(
    rows: pd.DataFrame, demand_mw: np.ndarray | None, above: float = -np.inf
) -> float | None:
    """Mean price weighted by demand, by time where demand is not recorded.

    Only what snapshots with a price above a bound add to it counts.
    """
    if rows.empty:
        return None
    weights = rows["weight_h"].to_numpy() * (1.0 if demand_mw is None else demand_mw)
    price = rows["price_eur_per_mwh"].to_numpy()
    return float(np.sum(weights * price * (price > above)) / np.sum(weights))


def main(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    page: Annotated[
        Path | None, typer.Option(help="Page whose part between the markers is replaced.")
    ] = None,
) -> None:
    """Print tables of a run against published figures."""
    text = tables(RunRecords.open(run))
    if page is None:
        typer.echo(text)
    else:
        page.write_text(replaced(page.read_text(encoding="utf-8"), text), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
