"""The documentation says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from protocols.page import page
from scenarios.loader import list_scenarios

ROOT = Path(__file__).resolve().parent.parent
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
