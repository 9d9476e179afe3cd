"""The page of claims: every protocol and settlement is on it, and every test it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from model.settlement import SETTLEMENTS
from protocols.registry import protocol_modes

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"(test_\w+\.py)::(\w+)", PAGE)))


def rows(heading: str) -> list[list[str]]:
    """Cells of the table below a heading, without its head."""
    part = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_the_test_exists(file: str, test: str) -> None:
    source = (ROOT / "tests" / file).read_text(encoding="utf-8")
    assert re.search(rf"^ *def {test}\(", source, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("heading", "names"),
    [("Protocols", set(protocol_modes())), ("Settlements", set(SETTLEMENTS.names()))],
)
def test_everything_that_can_be_chosen_is_on_the_page(heading: str, names: set[str]) -> None:
    assert {row[0].strip("`") for row in rows(heading)} == names


@pytest.mark.parametrize("heading", ["All protocols and settlements", "Protocols", "Settlements"])
def test_every_claim_is_carried(heading: str) -> None:
    for row in rows(heading):
        theorem, carried = row[-3:-1]
        assert theorem or carried, row
        assert "::" in carried or "python " in carried, row
