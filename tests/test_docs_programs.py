"""Everything in the documentation that can be run is run; every command is understood."""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import re
import shlex
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

import run as command_line
from model.options import RunOptions
from model.runs import run
from tests.test_docs import CODE, PAGES, ROOT

WITH_EXAMPLES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in CODE
    if path.parts[-2] != "tests" and ">>> " in path.read_text(encoding="utf-8")
]


def blocks(page: Path, language: str) -> list[str]:
    """Programs of a page in one language."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_in_docstrings(module: str) -> None:
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted > 0
    assert found.failed == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, as the pages' readers have one."""
    options = RunOptions(
        "triangle", max_steps=1, planner=False, out=tmp_path_factory.mktemp("results")
    )
    return Path(run(options)["folder"])


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=lambda p: p.name)
def test_programs_of_a_page(
    page: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Blocks of one page know each other; a table that they print stands on the page."""
    monkeypatch.chdir(tmp_path)  # runs of theirs write into results
    # Classes look their own module up.
    module = types.ModuleType(page.stem.replace("-", "_"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for number, program in enumerate(blocks(page, "python")):
        if "results/<run>" in program:
            program = program.replace("results/<run>", str(request.getfixturevalue("folder")))
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(program, f"{page.name}, program {number}", "exec"), module.__dict__)
        rows = [line for line in printed.getvalue().splitlines() if line.startswith("| ")]
        assert [row for row in rows if row not in page.read_text(encoding="utf-8")] == []


def commands() -> Iterator[tuple[str, str]]:
    """Every command line of our own in the pages' shell programs and in their text."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        shell = "\n".join(program for kind in ("sh", "console") for program in blocks(page, kind))
        # Commands that go on in the next line are one.
        for line in shell.replace("\\\n", " ").splitlines():
            if (found := re.search(r"python run\.py(.*)", line)) is not None:
                yield page.name, found[1]
        for said in re.findall(r"`python run\.py([^`]*)`", text):
            if "..." not in said and "[" not in said:
                yield page.name, said


COMMANDS = list(dict.fromkeys(commands()))


def test_there_are_commands_in_the_documentation() -> None:
    assert len(COMMANDS) > 40


@pytest.mark.parametrize(
    ("page", "line"), COMMANDS, ids=lambda text: text.partition("#")[0].strip()
)
def test_commands_are_understood(page: str, line: str, tmp_path: Path) -> None:
    """Every option is there and takes such a value; nothing is computed."""
    words = shlex.split(line.replace("\\|", "|"), comments=True)
    if ">" in words:
        words = words[: words.index(">")]
    file = tmp_path / "FILE"
    file.touch()
    # A file or a folder that the reader puts there.
    words = [str(file) if re.fullmatch(r"\S+\.(nc|yaml)", word) else word for word in words]
    words = [str(tmp_path) if word in ("RUN", "RUN2", "FOLDER", "DIR") else word for word in words]
    words = [re.sub(r"^(results/.*|PATH)", str(tmp_path), word) for word in words]
    words = ["8765" if word == "N" else word for word in words]
    commands = get_command(command_line.app).commands  # type: ignore[attr-defined]
    if line.strip() in commands:
        return  # the text only names it
    if words and words[0] in commands:
        commands[words[0]].make_context(words[0], words[1:])
    else:
        get_command(command_line.app).make_context("run.py", words)
