"""The documentation says what the code does."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocols.page import page
from scenarios.loader import list_scenarios

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("agents", "model", "protocols", "scenarios", "pypsa_earth", "viz")
CODE = [
    ROOT / "run.py",
    *(path for room in (*PRODUCT, "tests") for path in sorted((ROOT / room).rglob("*.py"))),
]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_protocol_page_is_written_from_the_docstrings() -> None:
    assert (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_readme_names_every_scenario() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in list_scenarios() if f"`{name}`" not in text] == []


def remarks(path: Path) -> Iterator[str]:
    """Comments and docstrings of a file: what speaks to people."""
    text = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT or token.string.startswith('"""'):
            yield token.string


def test_pages_that_the_code_names_are_in_the_repository() -> None:
    """Whoever has only the repository can follow every reference."""
    here = {path.name for path in ROOT.rglob("*.md") if ".venv" not in path.parts}
    lost = []
    for path in CODE:
        for remark in remarks(path):
            named = set(re.findall(r"[\w./-]*\w\.md\b", remark))
            found = {
                name
                for name in named
                if (ROOT / name).exists() or ("/" not in name and name in here)
            }
            # Papers of the design stage that were never in the repository.
            named |= set(re.findall(r"\b(?:PROTOCOLS|COORDINATION|DESIGN|PYPSA_EARTH)\b", remark))
            lost += [f"{path.relative_to(ROOT)}: {name}" for name in sorted(named - found)]
    assert lost == []
