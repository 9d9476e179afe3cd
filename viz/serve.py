"""Starts the app's server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from viz.page.folders import RESULTS_VARIABLE


def command(host: str, port: int, open_browser: bool) -> list[str]:
    """Command line of the server."""
    app = Path(__file__).with_name("app.py")
    words = [sys.executable, "-m", "solara", "run", str(app), "--production"]
    return [*words, "--host", host, "--port", str(port), "--open" if open_browser else "--no-open"]


def environment(results: Path) -> dict[str, str]:
    """Environment of the server: where the runs are, and that nothing leaves the machine."""
    return {
        **os.environ,
        RESULTS_VARIABLE: str(results.resolve()),
        "SOLARA_TELEMETRY_MIXPANEL_ENABLE": "false",
        "SOLARA_THEME_SHOW_BANNER": "false",
        "SOLARA_THEME_TITLE": "DMAN-CEP",
    }


def serve(
    results: Path = Path("results"),
    host: str = "127.0.0.1",
    port: int = 8765,
    open_browser: bool = True,
) -> int:
    """Serve the app until it is interrupted; gives the server's exit code.

    Parameters
    ----------
    results : Path
        Folder of the runs that the page shows and starts.
    host : str
        ``127.0.0.1`` serves this machine only.
    port : int
    open_browser : bool
    """
    results.mkdir(parents=True, exist_ok=True)
    try:
        return subprocess.run(
            command(host, port, open_browser), env=environment(results), check=False
        ).returncode
    except KeyboardInterrupt:
        return 0
