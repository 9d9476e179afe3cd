"""``run.py`` under observation, for tests: what it opens in forbidden places, whom it signals.

``FORBIDDEN`` is a folder and ``SEEN`` a file that is written to. While the file ``NO_NEWS`` exists,
the page's looking for news fails.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
OPENING = ("open", "os.listdir", "os.scandir", "os.chmod", "os.remove", "os.rename", "os.mkdir")
SIGNALS = ("os.kill", "os.killpg")


def note(line: str) -> None:
    """Keep a line, whichever thread it comes from."""
    descriptor = os.open(os.environ["SEEN"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


def hear(event: str, arguments: tuple[Any, ...]) -> None:
    """Hook of the interpreter; hears of files and signals before they are touched or sent."""
    if event in SIGNALS:
        note(f"{event} {arguments}")
    elif event in OPENING and isinstance(arguments[0], str | bytes | os.PathLike):
        path = os.path.realpath(os.fsdecode(arguments[0]))
        if path.startswith(os.environ["FORBIDDEN"]):
            note(f"{event} {path}")


def main() -> None:
    """Do what ``run.py`` does."""
    sys.path.insert(0, str(ROOT))
    import viz.app

    usual = viz.app._news

    def news(state: Any) -> Any:
        if Path(os.environ["NO_NEWS"]).exists():
            raise RuntimeError("the disk is gone")
        return usual(state)

    viz.app._news = news
    import run

    sys.addaudithook(hear)
    run.app(prog_name="python run.py")


if __name__ == "__main__":
    main()
