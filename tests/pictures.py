"""Makes the pictures of the README: ``python -m tests.pictures RUN`` writes docs/images.

``map.png`` is drawn by the program, ``app.png`` is the app in a headless Chromium.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tests.browser import browser, served
from viz.flow_map import draw_map
from viz.moment import Moment
from viz.page.state import PageState
from viz.printing import write
from viz.run_view import view_run

IMAGES = Path(__file__).parents[1] / "docs" / "images"


def main(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    images: Annotated[Path, typer.Option(help="Folder to write to.")] = IMAGES,
) -> None:
    """Draw the map of a run and photograph the app with it."""
    write(draw_map(view_run(run), Moment()), images / "map.png")
    state = PageState(tab="negotiation", run=run.resolve().name)
    with (
        tempfile.TemporaryDirectory() as folder,
        browser() as chromium,
        served(run.resolve().parent, Path(folder) / "log.txt") as server,
    ):
        reader = server.reader(chromium, viewport={"width": 1440, "height": 1420})
        page = reader.new_page()
        page.goto(f"{server.address}?{state.query()}")
        for figure in ("map", "marginal-costs", "gain", "bids"):
            page.wait_for_selector(f"[data-figure={figure}] svg")
        page.wait_for_timeout(500)
        page.screenshot(path=images / "app.png")
    typer.echo(f"wrote {images / 'map.png'} and {images / 'app.png'}")


if __name__ == "__main__":
    typer.run(main)
