"""Starts the app's server, in the process that was asked for it: whoever ends that ends all."""

from __future__ import annotations

import errno
import os
import secrets
import socket
import threading
import warnings
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from scenarios.errors import ScenarioError
from viz.gate import EVERY_ADDRESS, KEY, LOOPBACK, Gate
from viz.page.folders import RESULTS_VARIABLE

# Seconds that open pages have to notice that the server ends.
GRACE_S = 2


def serve(
    results: Path = Path("results"),
    host: str = "127.0.0.1",
    port: int = 8765,
    open_browser: bool = True,
) -> None:
    """Serve the app until it is interrupted or terminated.

    Parameters
    ----------
    results : Path
        Folder of the runs that the page shows and starts.
    host : str
        ``127.0.0.1`` serves this machine only.
    port : int
        0 for any that is free.
    open_browser : bool

    Raises
    ------
    ScenarioError
        If the port is taken or the address is none of this machine, or the folder cannot be made.
    """
    try:
        results.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ScenarioError(f"--results {results}: {error.strerror}; choose another") from None
    with listening(host, port) as listener:
        port = listener.getsockname()[1]
        key = secrets.token_urlsafe(24)
        address = _address(host, port, key)
        for line in _announcement(host, port, key):
            print(line, flush=True)
        os.environ[RESULTS_VARIABLE] = str(results.resolve())
        server = _server(application(host, port, key))
        with _browser(address, results) if open_browser else nullcontext():
            try:
                server.run(sockets=[listener])
            except KeyboardInterrupt:
                return


def _address(name: str, port: int, key: str) -> str:
    """What to open; a server on all addresses is reached by the loopback's."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(name, name)
    name = f"[{name}]" if ":" in name else name
    return f"http://{name}:{port}/?{urlencode({KEY: key})}"


def _announcement(host: str, port: int, key: str) -> list[str]:
    lines = [
        f"the app is at {_address(host, port, key)}",
        "whoever has this address is let in; Ctrl-C ends the app, runs that it started go on",
    ]
    if host in EVERY_ADDRESS:
        lines.append(f"on other machines it is {_address(socket.gethostname(), port, key)}")
    if host not in LOOPBACK:
        lines.append("http is not encrypted: who listens on the network between reads along")
    return lines


@contextmanager
def _browser(address: str, results: Path) -> Iterator[None]:
    """Open the page by a file that only its owner reads: command lines are seen by all users."""
    folder = results.resolve() / "app"
    folder.mkdir(exist_ok=True)
    file = folder / f"open-{secrets.token_hex(4)}.html"
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as page:
        page.write(f'<!doctype html><meta http-equiv="refresh" content="0;url={escape(address)}">')
    try:
        # A browser in the terminal answers only when it is left.
        threading.Thread(target=webbrowser.open, args=(file.as_uri(),), daemon=True).start()
        yield
    finally:
        file.unlink(missing_ok=True)


def listening(host: str, port: int) -> socket.socket:
    """Socket that listens, so that a mistake is told before anything is loaded.

    Raises
    ------
    ScenarioError
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, place = found[0]
        return socket.create_server((place[0], port), family=family)
    except socket.gaierror:
        raise ScenarioError(f"--host '{host}' is no name or address that is known here") from None
    except PermissionError:
        raise ScenarioError(f"--port {port} needs special rights; choose one above 1023") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            what = f"port {port} of {host} is taken; is the app open already? --port takes another"
            raise ScenarioError(what) from None
        if error.errno == errno.EADDRNOTAVAIL:
            raise ScenarioError(f"--host {host} is no address of this machine") from None
        raise ScenarioError(f"{host}, port {port}: {os.strerror(error.errno or 0)}") from None


def application(host: str, port: int, key: str) -> Gate:
    """The page and its files behind their gate.

    Parameters
    ----------
    host : str
        What the server listens on.
    port : int
    key : str
    """
    # Solara reads what it serves when it is imported.
    os.environ["SOLARA_APP"] = "viz.app"
    import solara.server.settings as settings
    import solara.settings
    from solara.server import starlette as pages
    from solara.server.cdn_helper import cdn_url_path
    from starlette.applications import Starlette
    from starlette.routing import Mount

    # Nothing leaves the machine: no count of users, no look at solara.dev, no files from the web.
    settings.telemetry.mixpanel_enable = False
    settings.main.mode = "production"
    settings.theme.show_banner = False
    settings.theme.title = "DMAN-CEP"
    solara.settings.assets.proxy = True
    # Solara's own way to these files would fetch what is not there, and delete folders it is asked
    # for; these are only read.
    kept = pages.StaticFilesOptionalAuth(directory=settings.assets.proxy_cache_dir)
    inner = Starlette(
        routes=[Mount(f"/{cdn_url_path}", app=kept), *pages.routes],
        middleware=pages.middleware,
        lifespan=pages.lifespan,
    )
    names = {*LOOPBACK, host}
    if host in EVERY_ADDRESS:
        names |= {socket.gethostname(), socket.getfqdn()}
    return Gate(inner, names, port, key)


def _server(app: Gate) -> Any:
    import uvicorn

    # It speaks of cookies in frames of other sites, which this page is never in.
    warnings.filterwarnings("ignore", module="solara.server.starlette")
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
