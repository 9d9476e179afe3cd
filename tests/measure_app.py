"""Measures the app in a headless Chromium: ``python -m tests.measure_app RUN --minutes 3``.

Page ready from the request to the first figure, a step of the slider from the key to the new
picture (on a recorded run, and while a run that the page started is solving), and the server's
memory while the steps are played again and again. Times include the browser.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer

from tests.browser import Server, browser, served
from viz.jobs import start
from viz.page.state import PageState

READY = "[data-figure=map] svg"
MOMENT = "[data-figure=map] text[data-moment]"
CHANGED = f"before => document.querySelector('{MOMENT}').textContent !== before"

COUNT = f"""() => {{
  window.redraws = 0;
  let last = "";
  const look = () => {{
    const now = document.querySelector("{MOMENT}")?.textContent;
    if (now && now !== last) {{ last = now; window.redraws += 1; }}
  }};
  new MutationObserver(look).observe(document.body, {{ subtree: true, childList: true }});
}}"""


def redraws(page: Any, count: int) -> list[float]:
    """Seconds from a key on the slider to the new map, there and back."""
    page.get_by_role("slider").first.focus()
    last = page.locator(MOMENT).text_content()
    taken = []
    for n in range(count):
        begun = time.perf_counter()
        page.keyboard.press("ArrowLeft" if n % 2 == 0 else "ArrowRight")
        page.wait_for_function(CHANGED, arg=last)
        taken.append(time.perf_counter() - begun)
        last = page.locator(MOMENT).text_content()
    return taken


def server_mb(server: Server) -> float:
    """Memory of the server's process, MB."""
    return float(psutil.Process(server.process.pid).memory_info().rss) / 1e6


def told(name: str, seconds: list[float]) -> None:
    """Print median and worst of some times."""
    median, worst = statistics.median(seconds), max(seconds)
    load = os.getloadavg()[0]
    typer.echo(
        f"{name}: median {median:.2f} s, worst {worst:.2f} s of {len(seconds)}, load {load:.0f}"
    )


def main(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run with several steps.")],
    minutes: Annotated[float, typer.Option(help="Minutes of playing.")] = 3.0,
    solving: Annotated[str, typer.Option(help="Scenario that solves meanwhile.")] = "sapp2030",
) -> None:
    """Print what the app takes on this machine, with the load it had."""
    run = run.resolve()
    query = PageState(tab="negotiation", run=run.name).query()
    with (
        tempfile.TemporaryDirectory() as folder,
        browser() as chromium,
        served(run.parent, Path(folder) / "log.txt") as server,
    ):
        address = server.address
        reader = server.reader(chromium, viewport={"width": 1440, "height": 1000})
        ready = []
        for _ in range(4):
            page = reader.new_page()
            begun = time.perf_counter()
            page.goto(f"{address}?{query}")
            page.wait_for_selector(READY)
            ready.append(time.perf_counter() - begun)
            page.close()
        told("page ready, first of a new server", ready[:1])
        told("page ready, later", ready[1:])
        page = reader.new_page()
        page.goto(f"{address}?{query}")
        page.wait_for_selector(READY)
        redraws(page, 6)
        told("slider redraw", redraws(page, 20))
        job = start(Path(folder), ["--scenario", solving, "--no-planner"])
        time.sleep(15)
        told("slider redraw while a run solves", redraws(page, 20))
        job.stop()
        page.evaluate(COUNT)
        page.get_by_role("button", name="Play the steps").click()
        begun = time.monotonic()
        while time.monotonic() - begun < minutes * 60:
            played = f"{time.monotonic() - begun:4.0f} s, {page.evaluate('window.redraws')} redraws"
            typer.echo(f"server after {played}: {server_mb(server):.0f} MB")
            time.sleep(min(30.0, minutes * 15))


if __name__ == "__main__":
    typer.run(main)
