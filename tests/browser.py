"""A headless Chromium and the app's server, for tests and for the pictures of the README."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from viz.serve import command, environment

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


@contextlib.contextmanager
def served(results: Path, log: Path, folder: Path | None = None) -> Iterator[str]:
    """Address of a server that is ready, started in a folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command("127.0.0.1", port, False),
            cwd=folder,
            env=environment(results),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_ready(address, server, log)
        yield address
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)


def _wait_ready(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        if server.poll() is not None:
            break
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{address}readyz", timeout=5) as answer,
        ):
            if answer.status == 200:
                return
        time.sleep(0.25)
    raise RuntimeError(f"the server is not ready:\n{log.read_text()[-2000:]}")


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    """A running Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
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
