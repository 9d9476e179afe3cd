"""Efficiency against disclosure at some levels of ``--privacy``: a table for docs/disclosure.md.

``python -m tests.bench_privacy --page docs/disclosure.md`` negotiates `wheeling` under each level
and attacks every run; ``--scenario sapp2030 --countries MZ,ZA,ZW,NA`` does so at a typical week.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from model.disclosure.attack import EVERYBODY, what_was_disclosed
from model.options import RunOptions
from model.records import RunRecords
from model.runs import run
from tests.bench_output import write_between
from viz.markdown import markdown

LEVELS = ("", "round:0.5", "round:2", "round:10", "noise:0.5", "noise:2", "noise:10")
PROTOCOLS = ("consensus_admm", "bilateral_bids")
MARKER = "python -m tests.bench_privacy"
HEADS = (
    "protocol", "privacy", "efficiency %", "least gain k EUR", "steps",
    "cost near %, one", "value end EUR/MWh, one", "cost near %, all", "value end EUR/MWh, all",
)  # fmt: skip


def level(
    protocol: str, privacy: str, scenario: str, countries: tuple[str, ...] | None, out: Path
) -> list[str | float | None]:
    """One row: what is reached, and the mean errors of the best neighbour and of all together."""
    mode = "adaptive" if protocol == "bilateral_bids" else "standard"
    options = RunOptions(
        scenario,
        protocol=protocol,
        mode=mode,
        resolution="1w6h" if scenario == "sapp2030" else None,
        countries=countries,
        privacy=privacy,
        out=out,
    )
    summary = run(options)
    errors = what_was_disclosed(RunRecords.open(Path(summary["folder"])), places=20).errors
    names = ["near_cost_error", "final_value_error_eur_per_mwh"]
    single = errors[errors["listeners"].isin(summary["gains_eur"])]
    one = single.groupby("country")[names].min().mean()
    everybody = errors[errors["listeners"] == EVERYBODY][names].mean()
    return [
        protocol,
        privacy or "exact",
        100 * summary["efficiency"],
        min(summary["gains_eur"].values()) / 1e3,
        str(summary["steps"]),
        *(x for e in (one, everybody) for x in (100 * float(e[names[0]]), float(e[names[1]]))),
    ]


def main() -> None:
    """Measure and write the table, or print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--scenario", default="wheeling")
    parser.add_argument("--countries", type=lambda text: tuple(text.split(",")))
    given = parser.parse_args()
    page = given.page
    with TemporaryDirectory() as folder:
        rows = [
            level(p, privacy, given.scenario, given.countries, Path(folder))
            for p in PROTOCOLS
            for privacy in LEVELS
        ]
    table = markdown(HEADS, rows, decimals=2)
    if page is None:
        print(table)
    else:
        write_between(page, MARKER, table)


if __name__ == "__main__":
    main()
