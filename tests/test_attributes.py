"""Every input attribute of PyPSA has its treatment, and what is refused or warned of is found."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pypsa
import pytest

from pypsa_earth.attributes import (
    Table,
    across,
    as_markdown,
    base_name,
    inputs,
    inside,
    with_port,
)
from pypsa_earth.check import check
from pypsa_earth.numbers import bad_numbers
from pypsa_earth.scenario import inspected, source_of
from scenarios.schema import NetworkFile
from tests.not_met import VALUES
from tests.small_networks import COUNTRIES, sapp_like, written

PAGE = Path(__file__).parents[1] / "docs" / "pypsa-earth.md"


def pypsas_own(component: str) -> set[str]:
    n = pypsa.Network()
    n.add("Bus", ["a", "b", "c"])
    if component in ("Link", "Process"):  # so that attributes of further ports are listed
        n.add(component, "x", bus0="a", bus1="b", bus2="c")
    return {base_name(attribute) for attribute in inputs(n, component)}


@pytest.mark.parametrize("component", sorted(pypsa.Network().all_components))
def test_inside_lists_the_attributes_of_the_installed_pypsa(component: str) -> None:
    assert {a for c, a in inside() if c == component} == pypsas_own(component)


@pytest.mark.parametrize("component", sorted(pypsa.Network().branch_components))
def test_across_lists_the_attributes_of_the_installed_pypsa(component: str) -> None:
    assert {a for c, a in across() if c == component} == pypsas_own(component)


def test_across_is_about_branches() -> None:
    assert {c for c, _ in across()} == set(pypsa.Network().branch_components)


@pytest.mark.parametrize("table", [inside(), across()])
def test_what_is_not_met_says_why(table: Table) -> None:
    assert all(row.rule for row in table.values() if row.treatment != "met")


@pytest.mark.parametrize(("name", "table"), [("inside", inside()), ("across", across())])
def test_the_page_shows_the_tables(name: str, table: Table) -> None:
    text = PAGE.read_text(encoding="utf-8")
    shown = re.search(
        f"<!-- attributes {name}: begin -->\n(.*?)\n<!-- attributes {name}: end -->", text, re.S
    )
    assert shown is not None
    assert shown[1] == as_markdown(table), "python -m pypsa_earth.attributes docs/pypsa-earth.md"


def with_everything() -> pypsa.Network:
    """One component of every kind in Namibia."""
    n = sapp_like()
    n.add("Bus", "NA1 1", country="NA", carrier="AC", v_nom=380.0)
    n.add("Transformer", "T", bus0="NA1 0", bus1="NA1 1", s_nom=100.0, x=0.1)
    n.add("Line", "L", bus0="NA1 0", bus1="NA1 1", s_nom=100.0, x=0.1)
    n.add("Process", "P", bus0="NA1 0", bus1="NA1 1", p_nom=1.0)
    return n


OWN = {
    "Generator": "NA1 0 OCGT",
    "StorageUnit": "NA1 0 hydro",
    "Store": "NA1 0 battery",
    "Link": "NA1 0 battery charger",
    "Line": "L",
    "Transformer": "T",
    "Process": "P",
    "Carrier": "coal",
    "GlobalConstraint": "CO2Limit",
}


@pytest.mark.parametrize(
    ("component", "attribute", "treatment"),
    [
        (c, a, row.treatment)
        for (c, a), row in inside().items()
        if row.treatment in ("refused", "warned")
    ],
)
def test_what_a_country_uses_and_is_not_met_is_told(
    component: str, attribute: str, treatment: str
) -> None:
    n = with_everything()
    before = check(n, countries=COUNTRIES)
    assert not before.errors
    n.c[component].static.loc[OWN[component], attribute] = VALUES[attribute]
    report = check(n, countries=COUNTRIES)
    found = report.errors if treatment == "refused" else report.warnings
    assert f"1 {component}s have {attribute} ({OWN[component]})" in " ".join(map(str, found))


def test_a_series_counts_as_well() -> None:
    n = with_everything()
    n.generators_t.marginal_cost_quadratic["NA1 0 OCGT"] = np.linspace(0, 1, len(n.snapshots))
    (error,) = check(n, countries=COUNTRIES).errors
    assert "marginal_cost_quadratic (NA1 0 OCGT)" in str(error)
    assert not check(n, countries=("BW", "ZA")).errors  # a country that does not take part


def test_a_piecewise_cost_is_refused() -> None:
    n = with_everything()
    n.c.generators.piecewise["marginal_cost"] = pd.DataFrame(
        [[0.0, 10.0], [0.5, 20.0], [1.0, 30.0]],
        columns=pd.MultiIndex.from_product([["NA1 0 OCGT"], ["x", "y"]]),
    )
    (error,) = check(n, countries=COUNTRIES).errors
    assert "marginal_cost of 1 Generators is piecewise (NA1 0 OCGT)" in str(error)


@pytest.mark.parametrize("component", OWN)
def test_no_number_that_counts_is_nan_or_infinite(component: str) -> None:
    """Unless that is the default, which means that there is no such limit or value."""
    n = with_everything()
    c = n.c[component]
    name = OWN[component]
    looked = 0
    for (of, attribute), row in inside().items():
        if of != component or not row.is_met or attribute not in c.static:
            continue
        if str(c.defaults.type[attribute]) in ("string", "boolean"):
            continue
        if name in c.dynamic.get(attribute, pd.DataFrame()):  # the series counts instead
            continue
        if not len(with_port(c, attribute, pd.Index([name]))):
            continue
        default, kept = c.defaults.default[attribute], c.static[attribute].copy()
        for bad in (np.nan, np.inf, -np.inf):
            column = kept.astype(float)
            column[name] = bad
            c.static[attribute] = column
            found = [str(e) for e in bad_numbers(n, inside(), {component: c.static.index})]
            harmless = bad == default or (np.isnan(bad) and np.isnan(default))
            assert len(found) == (0 if harmless else 1), (attribute, bad, found)
            assert harmless or f"{attribute} of 1 {component}s is" in found[0]
        c.static[attribute] = kept
        looked += 1
    assert looked


def test_nan_that_pypsa_would_read_as_a_default(tmp_path: Path) -> None:
    def lose(n: pypsa.Network) -> None:
        n.generators.loc["ZA1 0 coal", "marginal_cost"] = np.nan
        n.generators.loc["ZA1 0 solar", "p_nom_max"] = np.nan

    _, report = inspected(source_of(written(tmp_path, lose), {}), COUNTRIES)
    assert "marginal_cost of 1 Generators is NaN in the file (ZA1 0 coal)" in str(report.errors[0])
    told = " ".join(map(str, report.warnings))
    assert "p_nom_max of 1 Generators is NaN in the file (ZA1 0 solar)" in told


def test_relaxing_is_an_option() -> None:
    n = with_everything()
    n.generators.loc["NA1 0 OCGT", "committable"] = True
    n.lines.loc["L", "s_nom_mod"] = 10.0
    source = NetworkFile(path="", sha256="", integers="relax")
    assert len(check(n, countries=COUNTRIES).errors) == 2
    assert not check(n, countries=COUNTRIES, source=source).errors
    n.generators.loc["NA1 0 OCGT", "p_nom_mod"] = 10.0
    (error,) = check(n, countries=COUNTRIES, source=source).errors
    assert "both committable and p_nom_mod (NA1 0 OCGT)" in str(error)


def test_a_line_that_carries_nothing_may_have_an_infinite_impedance() -> None:
    """So PyPSA-Eur writes lines that are not there."""
    n = with_everything()
    name = OWN["Line"]
    n.lines.loc[name, ["x", "r"]] = np.inf

    def found() -> list[str]:
        return [str(e) for e in bad_numbers(n, inside(), {"Line": n.lines.index})]

    assert len(found()) == 2
    n.lines.loc[name, ["s_nom", "s_nom_extendable"]] = 0.0, False
    assert found() == []
