"""A headless Chromium and the app's server, for tests and for the pictures of the README."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viz.gate import Gate

COMMAND = Path(__file__).parents[1] / "run.py"

# Set by .ci/run: there a missing browser is a failure, elsewhere the tests skip.
DEMANDED = "DMAN_CEP_NEEDS_CHROMIUM"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    """Path of the browser, None if there is none."""
    return shutil.which("chromium")


@dataclass(frozen=True)
class Server:
    """A running app.

    Attributes
    ----------
    address : str
        Of the first page, without the key.
    key : str
    process : Popen
    """

    address: str
    key: str
    process: subprocess.Popen[bytes]

    @property
    def port(self) -> int:
        """Port it serves on."""
        return int(self.address.rsplit(":", 1)[1].strip("/"))

    @property
    def cookie(self) -> str:
        """Name of the cookie that holds the key."""
        return Gate(None, (), self.port, self.key).cookie  # type: ignore[arg-type]

    def reader(self, running: Any, **options: Any) -> Any:
        """A browser's context of somebody who has opened the address that was printed."""
        context = running.new_context(**options)
        context.add_cookies([{"name": self.cookie, "value": self.key, "url": self.address}])
        return context


@contextlib.contextmanager
def served(
    results: Path, log: Path, folder: Path | None = None, command: Path = COMMAND
) -> Iterator[Server]:
    """Server that is ready, started in a folder as a user starts it."""
    words = ["app", "--results", str(results.resolve()), "--port", "0", "--no-browser"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(command), *words],
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        server = _ready(process, log)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _ready(process: subprocess.Popen[bytes], log: Path) -> Server:
    for _ in range(240):
        told = re.search(r"is at (http://\S+/)\?token=(\S+)", log.read_text())
        if process.poll() is not None:
            break
        if told is not None:
            server = Server(told[1], told[2], process)
            request = urllib.request.Request(
                f"{server.address}readyz", headers={"Cookie": f"{server.cookie}={server.key}"}
            )
            with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=5) as answer:
                if answer.status == 200:
                    return server
        time.sleep(0.25)
    raise RuntimeError(f"the server is not ready:\n{log.read_text()[-2000:]}")


@contextlib.contextmanager
def browser(*more: str) -> Iterator[Any]:
    """A running Chromium, with more arguments if need be."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=[*ARGUMENTS, *more])
        try:
            yield running
        finally:
            running.close()


def complaints(page: Any, address: str) -> list[str]:
    """List that fills with everything a page must not do: errors, 4xx and foreign requests."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(f"page error: {error}"))
    page.on(
        "console",
        lambda said: found.append(f"console: {said.text}") if said.type == "error" else None,
    )
    page.on(
        "response",
        lambda answer: (
            found.append(f"{answer.status}: {answer.url}") if answer.status >= 400 else None
        ),
    )
    own = (address, address.replace("http", "ws"), "data:", "blob:")
    page.on(
        "request",
        lambda asked: None if asked.url.startswith(own) else found.append(f"foreign: {asked.url}"),
    )
    return found
