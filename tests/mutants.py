"""Changes the code in many small ways and counts how many of them the tests notice.

$ python -m tests.mutants                        # every room, every mutant
$ python -m tests.mutants costs ledger --every 5 # every fifth mutant of two rooms
$ python -m tests.mutants --page docs/mutation.md

mutmut makes the mutants and forks a process for each of them from one that has already imported
PyPSA and collected the tests, so that a mutant costs what its tests cost: those of the room that
reach the function that was changed. It works in a copy of the repository, which is thrown away.
What every mutant came to is kept in ``.mutants/`` and read by ``--page``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("agents", "model", "protocols", "scenarios", "pypsa_earth", "viz", "run.py")
KEPT = ROOT / ".mutants"
BEGIN, END = "<!-- tests.mutants: begin -->", "<!-- tests.mutants: end -->"


@dataclass(frozen=True)
class Room:
    """Modules that are mutated together, and the tests that must notice.

    Attributes
    ----------
    modules, tests : tuple of str
        Paths from the root of the repository; tests may be node ids.
    leave_out : str
        Tests that take long and see nothing more, as pytest's ``-k`` names them.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    leave_out: str = ""


ROOMS = {
    "costs": Room(("agents/network.py",), ("tests/test_costs_by_hand.py",), "TestPolicies"),
    "policy": Room(("agents/policy.py",), ("tests/test_costs_by_hand.py::TestPolicies",)),
    "ledger": Room(("model/ledger.py", "model/graph.py"), ("tests/test_ledger.py",)),
    "summary": Room(("model/summary.py",), ("tests/test_summary.py",), "sapp2030 or any_market"),
    "settlement": Room(
        ("model/settlement.py",),
        ("tests/test_settlement.py", "tests/test_typed_ends.py"),
        "summary",
    ),
    "slices": Room(
        (
            "model/independent.py",
            "model/reconciliation.py",
            "protocols/reconciling.py",
            "agents/reconciling_side.py",
        ),
        ("tests/test_slices_add_up.py", "tests/test_independent.py"),
        "alike",
    ),
    "engine": Room(
        ("model/engine.py", "model/negotiation.py"),
        ("tests/test_rogue_protocols.py", "tests/test_typed_ends.py", "tests/test_engine.py"),
        # These look at the source, in which mutants are others.
        "every_rule_has_its_rogue or place_of_the_fault",
    ),
    "limits": Room(("agents/limits.py",), ("tests/test_limits.py",)),
    "national limits": Room(("pypsa_earth/rules.py",), ("tests/test_pypsa_earth_rules.py",)),
    "reader": Room(
        ("pypsa_earth/read.py", "pypsa_earth/branches.py", "pypsa_earth/split.py"),
        (
            "tests/test_border.py",
            "tests/test_pypsa_earth_split.py",
            "tests/test_pypsa_earth_check.py",
        ),
    ),
}


def mutant_names(module: str) -> list[str]:
    """Names of all mutants of a module, in mutmut's order."""
    from mutmut.mutation.file_mutation import mutate_file_contents
    from mutmut.utils.format_utils import get_mutant_name

    source = (ROOT / module).read_text(encoding="utf-8")
    made = mutate_file_contents(module, source, None, None).mutant_names
    return [get_mutant_name(Path(module), name) for name in made]


def sample(names: list[str], every: int) -> list[str]:
    """About one in ``every``, always the same ones: drawn by name, not by place."""
    return [name for name in names if crc32(name.encode()) % every == 0]


def try_out(name: str, every: int) -> None:
    """Make and test the mutants of a room, and keep what they came to."""
    room = ROOMS[name]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        _copy_repository(copy)
        with (copy / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write(_settings(room))
        with contextlib.chdir(copy):  # where mutmut finds its settings
            chosen = [m for module in room.modules for m in sample(mutant_names(module), every)]
        if not chosen:
            raise SystemExit(f"{name}: no mutant among one in {every}; take a smaller --every")
        # As the tool's own command, which must be imported before it makes processes.
        command = [sys.executable, "-c", "from mutmut.__main__ import cli; cli()"]
        environment = {**os.environ, "DMAN_CEP_CACHE": str(copy / "cache")}
        done = subprocess.run(
            [*command, "run", "--max-children", "1", *chosen], cwd=copy, env=environment
        )
        if done.returncode:
            raise SystemExit(f"{name}: mutmut ended with an error; do the room's tests pass?")
        _keep(copy, name, every, chosen)


def _copy_repository(copy: Path) -> None:
    """Copy what git knows or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for line in listed.splitlines():
        if (ROOT / line).is_file():
            (copy / line).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / line, copy / line)


def _settings(room: Room) -> str:
    """Settings of mutmut for a room, as TOML."""
    lines = {
        "source_paths": list(PRODUCT),
        "only_mutate": list(room.modules),
        "also_copy": ["docs", "README.md", *PRODUCT],
        "pytest_add_cli_args_test_selection": list(room.tests),
        "pytest_add_cli_args": ["-p", "no:cacheprovider", "-p", "no:xdist"]
        + (["-k", f"not ({room.leave_out})"] if room.leave_out else []),
        # Worlds that the tests keep must be built by the mutant, not before it.
        "process_isolation": "forkserver",
        "use_git_change_detection": False,
        # Fixtures are not in mutmut's estimate, and a busy machine must not count as a killer.
        "timeout_constant": 60.0,
        "timeout_multiplier": 3.0,
    }
    return "\n[tool.mutmut]\n" + "".join(
        f"{key} = {json.dumps(value)}\n" for key, value in lines.items()
    )


def _keep(copy: Path, name: str, every: int, chosen: list[str]) -> None:
    from mutmut.stats import status_by_exit_code

    found: dict[str, dict[str, str]] = {}
    for module in ROOMS[name].modules:
        data = json.loads((copy / "mutants" / f"{module}.meta").read_text(encoding="utf-8"))
        codes = {m: c for m, c in data["exit_code_by_key"].items() if m in chosen}
        found[module] = {m: status_by_exit_code[code] for m, code in codes.items()}
    survivors = {
        mutant: _difference(copy, mutant)
        for mutants in found.values()
        for mutant, status in mutants.items()
        if status not in CAUGHT
    }
    KEPT.mkdir(exist_ok=True)
    kept = {"every": every, "modules": found, "survivors": survivors}
    (KEPT / f"{name}.json").write_text(json.dumps(kept, indent=1), encoding="utf-8")
    print(_rows(name, kept))
    for mutant, difference in survivors.items():
        print(f"\n{mutant}\n{difference}")


CAUGHT = ("killed", "timeout", "caught by type check", "segfault")


def _difference(copy: Path, mutant: str) -> str:
    """Changed lines of a mutant."""
    command = [sys.executable, "-c", "from mutmut.__main__ import cli; cli()", "show", mutant]
    text = subprocess.run(command, cwd=copy, capture_output=True, text=True).stdout
    return "\n".join(
        line
        for line in text.splitlines()
        if line[:1] in "+-" and line[:3] not in ("+++", "---") and "def " not in line
    )


def _rows(name: str, kept: dict[str, Any]) -> str:
    """Rows of the page's table."""
    rows = []
    for module, mutants in kept["modules"].items():
        count = Counter("caught" if s in CAUGHT else s for s in mutants.values())
        total = sum(count.values())
        share = f"{count['caught'] / total:.0%}" if total else "-"
        rows.append(
            f"| {name} | `{module}` | one in {kept['every']} | {total} | {count['caught']} "
            f"| {count['survived']} | {count['no tests']} | {share} |"
        )
    return "\n".join(rows)


def write_page(page: Path) -> None:
    """Replace the table of a page by what is kept."""
    rows = [
        _rows(name, json.loads((KEPT / f"{name}.json").read_text(encoding="utf-8")))
        for name in ROOMS
        if (KEPT / f"{name}.json").exists()
    ]
    head = (
        "| room | module | sample | mutants | caught | survived | not reached | caught |\n"
        "|---|---|---|--:|--:|--:|--:|--:|"
    )
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text("\n".join([before + BEGIN, head, *rows, END + after]), encoding="utf-8")


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=", ".join(ROOMS))
    parser.add_argument("--every", type=int, default=1, help="sample: one mutant in so many")
    parser.add_argument("--page", type=Path, help="write the table of what is kept; run nothing")
    asked = parser.parse_args()
    if asked.page:
        write_page(asked.page)
        return
    unknown = set(asked.rooms) - set(ROOMS)
    if unknown or asked.every < 1:
        parser.error(f"choose rooms of {', '.join(ROOMS)}, and --every of 1 or more")
    for name in asked.rooms or ROOMS:
        try_out(name, asked.every)


if __name__ == "__main__":
    main()
