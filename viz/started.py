"""Carries out a run for the app: ``python -m viz.started FOLDER -- --scenario triangle ...``.

It does what ``python run.py ...`` does, in a process of its own that may be interrupted however the
app was started, and leaves its exit code in ``FOLDER/ended.json``.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import traceback
from pathlib import Path


def main(folder: Path, arguments: list[str]) -> int:
    """Run the command line with these arguments and note how it ended."""
    # Whoever is started in the background of a shell ignores Ctrl-C, and so do its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    command = Path(__file__).parents[1] / "run.py"
    sys.argv = [str(command), *arguments]
    code: object = 0
    try:
        runpy.run_path(str(command), run_name="__main__")
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        traceback.print_exc()
        code = 1
    number = code if isinstance(code, int) else 0 if code is None else 1
    unfinished = folder / ".ended.json.tmp"
    unfinished.write_text(json.dumps({"code": number}) + "\n", encoding="utf-8")
    os.replace(unfinished, folder / "ended.json")
    return number


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[3:]))
