"""The app in a real headless Chromium; pictures of it lie in ``tests/output``."""

from __future__ import annotations

import io
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

import run as command_line
from model.options import RunOptions
from model.runs import run as negotiate
from tests.browser import DEMANDED, Server, browser, chromium, complaints, served
from tests.small_networks import written
from viz.jobs import find_job, jobs, runs
from viz.page.screen import NARROW_PX
from viz.run_view import view_run

OUTPUT = Path(__file__).parent / "output"
ADAPTIVE, PROTOTYPE = "adaptive", "prototype"
# On a machine that other work keeps busy too; measured times are in docs/app.md.
REDRAW_S = 1.0
ON_SCREEN = """
element => {
  const box = element.getBoundingClientRect();
  const x = box.left + Math.min(box.width / 2, 200);
  const y = Math.min(box.top + Math.min(box.height / 2, 60), window.innerHeight - 2);
  const found = document.elementFromPoint(x, y);
  return box.width > 0 && box.height > 0 && found !== null && element.contains(found);
}
"""


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    if chromium() is None:
        if os.environ.get(DEMANDED):
            pytest.fail(f"{DEMANDED} is set and there is no chromium: apt-get install chromium")
        pytest.skip("no chromium here; apt-get install chromium runs the tests of the app")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that were completed, one that was capped and one that broke off."""
    out = tmp_path_factory.mktemp("results")
    negotiate(RunOptions("wheeling", out=out))
    negotiate(RunOptions("wheeling", mode=PROTOTYPE, products="flat", out=out))
    negotiate(RunOptions("two_countries", max_steps=1, out=out))
    broken = Path(negotiate(RunOptions("two_countries", planner=False, out=out))["folder"])
    for name in ("summary.json", "flows", "prices"):
        path = broken / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return out


@pytest.fixture(scope="module")
def server(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    networks = folder / "networks"
    networks.mkdir()
    whole = written(networks)
    (networks / "broken.nc").write_bytes(whole.read_bytes()[:3000])
    with served(results, folder / "log.txt", folder) as running:
        yield running
    for job in jobs(results):
        job.stop()


@pytest.fixture(scope="module")
def address(server: Server) -> str:
    return server.address


@pytest.fixture(scope="module")
def running() -> Iterator[Any]:
    with browser() as found:
        yield found


@pytest.fixture
def page(running: Any, server: Server, address: str) -> Iterator[Any]:
    """A reader's page; it must neither complain nor ask anybody else for anything."""
    size = {"width": 1400, "height": 1000}
    context = server.reader(running, viewport=size, accept_downloads=True)
    context.set_default_timeout(30_000)
    opened = context.new_page()
    found = complaints(opened, address)
    yield opened
    context.close()
    assert found == []


def key(results: Path, *words: str) -> str:
    return next(
        path.parent.name
        for path in results.glob("*/manifest.json")
        if all(word in path.parent.name for word in words)
    )


def unfinished(results: Path) -> str:
    return next(
        path.parent.name
        for path in results.glob("*/manifest.json")
        if not (path.parent / "summary.json").exists()
    )


def capped(results: Path) -> str:
    return next(
        path.parent.name
        for path in results.glob("two_countries*/manifest.json")
        if (path.parent / "summary.json").exists()
    )


def figure(page: Any, name: str) -> Any:
    found = page.locator(f"[data-figure={name}] svg").first
    found.wait_for()
    return found


def seen(page: Any, name: str) -> None:
    """Wait for a figure that is really on the screen, not only in the document."""
    found = figure(page, name)
    found.scroll_into_view_if_needed()
    assert found.evaluate(ON_SCREEN), f"{name} is not on the screen"


def moment(page: Any) -> str:
    return page.locator("[data-figure=map] text[data-moment]").first.text_content()


def picture(page: Any, name: str) -> None:
    OUTPUT.mkdir(exist_ok=True)
    page.screenshot(path=OUTPUT / f"{name}.png")


def choose(page: Any, label: str, option: str | re.Pattern[str]) -> None:
    page.locator(".v-select", has_text=label).first.click()
    page.get_by_role("option", name=option).first.click()


def test_it_opens_on_what_there_is(page: Any, address: str, results: Path) -> None:
    """Last runs, comparisons, scenarios and a new run, all a click away."""
    broken_off = unfinished(results)
    (results / "damaged-20990101T000000Z").mkdir(exist_ok=True)
    (results / "damaged-20990101T000000Z" / "manifest.json").write_text("{")
    page.goto(address)
    page.get_by_role("heading", name="Countries that plan alone").wait_for()
    cards = page.locator("a[data-run]")
    listed = [card.get_attribute("data-run") for card in cards.all()]
    assert listed == [path.relative_to(results).as_posix() for path in runs(results)]
    assert "cannot be read" in cards.first.inner_text()
    assert page.locator("a[data-run]", has_text="completed").count() == 2
    assert "% of the planner's gain" in page.locator("a[data-run]", has_text="capped").inner_text()
    assert "unfinished" in page.locator(f"a[data-run='{broken_off}']").inner_text()
    picture(page, "start")
    page.locator(f"a[data-run='{key(results, 'wheeling', ADAPTIVE)}']").click()
    seen(page, "map")
    page.get_by_role("link", name="DMAN-CEP").click()
    page.locator("a[data-scenario=wheeling]").click()
    page.get_by_role("button", name="Start the run").wait_for()
    assert page.locator(".v-select", has_text="wheeling").count() == 1
    # It is alive: a run that comes is listed without loading the page again.
    page.goto(address)
    cards.first.wait_for()
    shutil.rmtree(results / "damaged-20990101T000000Z")
    page.locator("a[data-run^=damaged]").wait_for(state="detached")


def test_an_address_of_a_run_opens_it(page: Any, address: str, results: Path) -> None:
    page.goto(f"{address}?run={key(results, 'wheeling', ADAPTIVE)}")
    seen(page, "map")


def test_a_comparison_is_shown(page: Any, address: str, results: Path) -> None:
    words = (
        "--scenario two_countries --protocols mcafee,k_double_auction --seeds 3 --workers 1 --out"
    )
    done = CliRunner().invoke(command_line.app, ["compare", *words.split(), str(results)])
    assert done.exit_code == 0, done.output
    page.goto(address)
    card = page.locator("a[data-comparison]")
    assert "6 cases" in card.inner_text()
    card.click()
    page.locator(".comparison li").first.wait_for()
    seen(page, "spread")
    assert page.locator(".comparison th", has_text="treatment").count() >= 2
    picture(page, "comparison")


def test_start_watch_pause_go_on_reload(page: Any, address: str, results: Path) -> None:
    """A run is started, frozen, let go, watched to its end, and found again after F5."""
    page.goto(f"{address}?tab=new")
    choose(page, "Scenario", "wheeling")
    page.get_by_role("button", name="Start the run").click()
    page.get_by_role("button", name="Pause the run").click()
    page.get_by_role("button", name="Let the run go on").wait_for()
    job = find_job(jobs(results)[0].folder)
    assert job is not None
    assert job.state == "paused"
    assert job.folder.name in page.url
    picture(page, "paused")
    # The page answers although its run stands still.
    page.get_by_role("button", name="Let the run go on").click()
    page.locator('[data-status="completed"]').wait_for(timeout=120_000)
    seen(page, "map")
    for name in ("marginal-costs", "gain", "bids"):
        seen(page, name)
    url, shown = page.url, moment(page)
    page.reload()
    figure(page, "map")
    assert page.url == url
    assert moment(page) == shown
    page.evaluate("window.scrollTo(0, 0)")
    picture(page, "negotiation")


def test_slider_goes_to_any_step_and_back(page: Any, address: str, results: Path) -> None:
    page.goto(f"{address}?tab=negotiation&run={key(results, 'wheeling', ADAPTIVE)}")
    figure(page, "map")
    slider = page.get_by_role("slider").first
    slider.focus()
    times, shown = [], {moment(page)}
    for _ in range(4):
        before, begun = moment(page), time.perf_counter()
        page.keyboard.press("ArrowLeft")
        page.wait_for_function(
            "before => document.querySelector('[data-figure=map] text[data-moment]')"
            ".textContent !== before",
            arg=before,
        )
        times.append(time.perf_counter() - begun)
        shown.add(moment(page))
    assert len(shown) == 5
    assert sorted(times)[1] < REDRAW_S, times
    assert re.search(r"step=\d+", page.url)
    page.get_by_role("slider").nth(1).focus()
    page.keyboard.press("ArrowLeft")
    page.locator("text[data-moment]", has_text="after round").first.wait_for()
    choose(page, "Bids between", re.compile("^A"))
    between = re.compile(r"step \d+, \w+ and \w+")
    page.locator("[data-figure=bids] text", has_text=between).first.wait_for()
    page.get_by_role("button", name="Show the outcome").click()
    page.locator("text[data-moment]", has_text="outcome").first.wait_for()


def test_playing_moves_the_picture_only(page: Any, address: str, results: Path) -> None:
    page.goto(f"{address}?tab=negotiation&run={key(results, 'wheeling', ADAPTIVE)}")
    figure(page, "map")
    page.get_by_role("button", name="Play the steps").click()
    page.locator("text[data-moment]", has_text="after step 2").first.wait_for()
    page.get_by_role("button", name="Pause the picture").click()
    time.sleep(1.0)
    still = moment(page)
    time.sleep(1.2)
    assert moment(page) == still


def test_two_readers_do_not_disturb_each_other(
    running: Any, page: Any, server: Server, address: str, results: Path
) -> None:
    where = f"{address}?tab=negotiation&run={key(results, 'wheeling', ADAPTIVE)}&step=3"
    page.goto(where)
    figure(page, "map")
    other = server.reader(running).new_page()
    other.goto(where)
    figure(other, "map")
    other.get_by_role("slider").first.focus()
    other.keyboard.press("Home")
    other.locator("text[data-moment]", has_text="after step 1").first.wait_for()
    assert "after step 4" in moment(page)
    other.close()


def test_compare_two_runs_side_by_side(page: Any, address: str, results: Path) -> None:
    page.goto(f"{address}?tab=compare&run={key(results, 'wheeling', ADAPTIVE)}")
    choose(page, "Beside", re.compile("wheeling, bilateral bids, prototype"))
    page.locator(".compared").nth(1).locator("[data-figure=payments] svg").wait_for()
    left, right = (page.locator(".compared").nth(i).bounding_box() for i in (0, 1))
    assert left["x"] + left["width"] <= right["x"]
    assert abs(left["y"] - right["y"]) < 2
    picture(page, "compare")


def test_downloads(page: Any, address: str, results: Path) -> None:
    page.goto(f"{address}?tab=tables&run={key(results, 'wheeling', ADAPTIVE)}")
    figure(page, "payments")
    contents = {}
    for kind in ("CSV", "Parquet", "PNG", "SVG"):
        with page.expect_download() as download:
            page.get_by_role("button", name=kind).click()
        contents[kind] = Path(download.value.path()).read_bytes()
    assert contents["PNG"].startswith(b"\x89PNG")
    assert contents["SVG"].startswith(b"<svg")
    tables = [
        pd.read_csv(io.BytesIO(contents["CSV"]), keep_default_na=False),
        pd.read_parquet(io.BytesIO(contents["Parquet"])),
    ]
    assert list(tables[0]["country"]) == list(tables[1]["country"])
    assert tables[0]["gain_eur"].to_numpy() == pytest.approx(tables[1]["gain_eur"].to_numpy())
    picture(page, "tables")


def test_outcome_and_hours(page: Any, address: str, results: Path) -> None:
    page.goto(f"{address}?tab=outcome&run={key(results, 'wheeling', ADAPTIVE)}")
    for name in ("map", "payments", "capacity", "disclosure"):
        seen(page, name)
    picture(page, "outcome")
    choose(page, "Outcome", "planner")
    page.locator("text[data-moment]", has_text="planner outcome").first.wait_for()
    page.get_by_role("button", name="Hour by hour").click()
    for name in ("dispatch", "duration"):
        seen(page, name)
    picture(page, "hours")


def test_runs_that_did_not_agree_look_like_it(page: Any, address: str, results: Path) -> None:
    page.goto(f"{address}?tab=negotiation&run={capped(results)}")
    said = page.locator('[data-status="capped"]')
    said.wait_for()
    assert "before the protocol ended" in said.inner_text()
    page.goto(f"{address}?tab=outcome&run={unfinished(results)}")
    page.locator('[data-status="unfinished"]').wait_for()
    page.get_by_role("button", name="Resume the run").wait_for()
    assert "known when the run has ended" in page.locator(".page").inner_text().lower()
    picture(page, "unfinished")


def test_mistakes_are_told_in_words(page: Any, address: str) -> None:
    page.goto(f"{address}?tab=negotiation&run=nothing-here")
    page.locator(".page-error", has_text="is not a run").wait_for()
    page.get_by_role("button", name="New run").click()
    page.get_by_label("Strategies").fill("Z=markup:0.1")
    page.get_by_label("Strategies").press("Tab")
    page.get_by_role("button", name="Start the run").click()
    said = page.locator(".run-error")
    said.wait_for()
    assert "Z" in said.inner_text()
    assert "Traceback" not in said.inner_text()
    picture(page, "mistake")


def test_network_file_is_negotiated_on_the_map(page: Any, address: str, results: Path) -> None:
    """A file found in ``networks`` is run, cut to a few snapshots, and drawn with its shapes."""
    page.goto(f"{address}?tab=new")
    choose(page, "Scenario or network file", re.compile("elec_s_4"))
    page.get_by_label("Only snapshots").fill("8")
    page.get_by_label("Only countries").fill("BW, NA, ZA")
    page.get_by_label("Steps at most").fill("2")
    page.get_by_label("Steps at most").press("Tab")
    page.get_by_text("Compute the planner too").click()
    page.get_by_role("button", name="Start the run").click()
    page.locator('[data-status="capped"]').wait_for(timeout=240_000)
    seen(page, "map")
    shapes = page.locator("[data-figure=map] path[data-iso]")
    assert set(shapes.evaluate_all("all => all.map(e => e.dataset.iso)")) == {"BW", "NA", "ZA"}
    run = jobs(results)[0].run
    assert run is not None
    assert view_run(run).records.scenario.settings.snapshots == 8
    picture(page, "network")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("networks/none.nc", "no network file"),
        ("networks/broken.nc", "cannot be read as a PyPSA network"),
        ("networks", "CSV folders lose the country code NA"),
    ],
)
def test_bad_network_files_are_told_in_words(
    page: Any, address: str, path: str, words: str
) -> None:
    page.goto(f"{address}?tab=new")
    choose(page, "Scenario or network file", re.compile("^network file"))
    begin = page.get_by_role("button", name="Start the run")
    page.get_by_text("Say which file").wait_for()
    assert begin.is_disabled()
    page.get_by_label("Path of the file").fill(path)
    begin.click()
    said = page.locator(".run-error")
    said.wait_for(timeout=60_000)
    assert words in said.inner_text()
    assert "Traceback" not in said.inner_text()


@pytest.mark.parametrize("tab", ["start", "negotiation", "outcome", "new"])
def test_phone_and_dark(
    running: Any, server: Server, address: str, results: Path, tab: str
) -> None:
    size = {"width": 390, "height": 844}
    context = server.reader(running, viewport=size, color_scheme="dark", is_mobile=True)
    page = context.new_page()
    found = complaints(page, address)
    page.goto(f"{address}?tab={tab}&run={key(results, 'wheeling', ADAPTIVE)}")
    if tab == "start":
        page.locator("a[data-run]").first.wait_for()
    elif tab == "new":
        page.get_by_role("button", name="Start the run").wait_for()
    else:
        # Figures are drawn for the narrow screen, so that their texts are not shrunk with them.
        page.locator(f'[data-figure=map] svg[viewBox^="0 0 {NARROW_PX:.0f} "]').wait_for()
    assert page.locator(".v-application.theme--dark").count() == 1
    wide = page.evaluate(
        "Math.max(...[...document.querySelectorAll('.page > *, .figure svg')]"
        ".map(e => e.getBoundingClientRect().right))"
    )
    assert wide <= 391
    picture(page, f"phone-{tab}")
    context.close()
    assert found == []
