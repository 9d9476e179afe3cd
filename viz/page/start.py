"""The start page: what there is to look at, and where to begin."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import isfinite

import solara

from scenarios.loader import list_scenarios
from viz.numbers import money_unit
from viz.page.folders import key_of, results_folder
from viz.page.new_run import network_files
from viz.page.state import PageState
from viz.shelf import DAMAGED, ComparisonEntry, RunEntry, comparisons, last_runs

MOST_RUNS, MOST_COMPARISONS = 12, 8
Shelves = tuple[tuple[list[RunEntry], int], tuple[list[ComparisonEntry], int]]
_DOTS = {"completed": "good", "running": "wait", "paused": "wait", "unfinished": "wait"}

START_CSS = """
.start{max-width:1280px}
.start h1{font-size:27px;line-height:1.2;margin:22px 0 4px;letter-spacing:-.3px}
.start .lead{color:var(--muted);margin:0 0 16px;max-width:760px}
.start .begin{display:inline-block;padding:9px 18px;border-radius:6px;background:#0072b2;color:#fff;
font-weight:600;text-decoration:none;margin-bottom:20px}
.start .begin:hover{background:#005b8e}
.start .shelf{display:grid;grid-template-columns:minmax(0,1.55fr) minmax(0,1fr);gap:26px;
align-items:start}
.start .shelf>*{min-width:0}
.start h2{font-size:16px;margin:0 0 8px;display:flex;gap:10px;align-items:baseline}
.start h2 span{color:var(--muted);font-size:13px;font-weight:400}
.start .cards{border:1px solid var(--grid);border-radius:8px;overflow:hidden;margin-bottom:24px}
.start .card{display:grid;grid-template-columns:minmax(0,1fr) auto;gap:2px 16px;padding:9px 14px;
color:var(--ink);text-decoration:none;border-top:1px solid var(--grid);background:var(--paper)}
.start .card:first-child{border-top:0}
.start a.card:hover,.start a.card:focus-visible{background:var(--label);
box-shadow:inset 3px 0 0 #0072b2}
.start .card b{font-weight:600;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.start .card small{color:var(--muted);font-size:13px;overflow:hidden;text-overflow:ellipsis;
white-space:nowrap}
.start .card .right{text-align:right;font-size:13px;white-space:nowrap}
.start .card .go{color:#0072b2}.theme--dark .start .card .go{color:#56b4e9}
.start .card b.name{font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:14px}
.start .dot{display:inline-block;width:9px;height:9px;border-radius:50%;margin-right:7px;
background:#d55e00}
.start .dot.good{background:#009e73}.start .dot.wait{background:#56b4e9}
.start .share{display:inline-block;width:64px;height:6px;border-radius:3px;background:var(--grid);
margin-left:8px;overflow:hidden;vertical-align:middle}
.start .share i{display:block;height:100%;background:#0072b2}
.theme--dark .start .share i{background:#56b4e9}
.start .none{color:var(--muted);padding:12px 14px;margin:0}
@media(max-width:900px){.start .shelf{grid-template-columns:minmax(0,1fr)}}
@media(max-width:480px){.start .share{display:none}
.start .card b,.start .card small{white-space:normal}}
"""


@solara.component
def Start(found: Shelves) -> None:
    """What the folder of results holds, the scenarios, and the way to a new run.

    Everything is a link, so that it opens in another tab and its address can be copied. It is
    drawn again when what was ``found`` has changed.
    """
    scenarios = solara.use_memo(list_scenarios, [])
    solara.HTML("div", start_html(*found, scenarios, network_files(), str(results_folder())))


def shelves() -> Shelves:
    """What the page lists of runs and comparisons."""
    results = results_folder()
    return last_runs(results, MOST_RUNS), comparisons(results, MOST_COMPARISONS)


def start_html(
    known_runs: tuple[Sequence[RunEntry], int],
    known_comparisons: tuple[Sequence[ComparisonEntry], int],
    scenarios: dict[str, str],
    files: Sequence[str],
    results: str,
) -> str:
    """The page as HTML.

    Parameters
    ----------
    known_runs, known_comparisons : sequence of entries, int
        The newest, and how many there are in all.
    scenarios : dict of str to str
        Titles by name.
    files : sequence of str
        Network files at hand.
    results : str
        Folder they lie in.
    """
    started = [_scenario(name, title) for name, title in scenarios.items()]
    started += [_scenario(file, "PyPSA network file") for file in files]
    none = f"Nothing in {escape(results)} yet. Start a run, or name its folder with --results."
    never = "None yet: python run.py compare --scenario triangle --protocols all --seeds 20"
    return (
        "<div class=start><h1>Countries that plan alone and trade together</h1>"
        "<p class=lead>Each country is an agent with a private model of its power system. They "
        "bargain over their interconnectors; a planner that sees everything says how much of the "
        "possible gain they reach.</p>"
        f'<a class=begin href="{_to(PageState(tab="new"))}">New run</a>'
        "<div class=shelf><div>"
        + _shelf("Last runs", known_runs[1], [_run(run) for run in known_runs[0]], none)
        + _shelf(
            "Comparisons",
            known_comparisons[1],
            [_comparison(one) for one in known_comparisons[0]],
            never,
        )
        + "</div><div>"
        + _shelf("Scenarios to start from", len(started), started, "")
        + "</div></div></div>"
    )


def _shelf(title: str, count: int, cards: Sequence[str], none: str) -> str:
    note = f"the newest {len(cards)} of {count:,}" if count > len(cards) else ""
    inner = "".join(cards) or f"<p class=none>{none}</p>"
    return f"<h2>{title} <span>{note}</span></h2><div class=cards>{inner}</div>"


def _run(run: RunEntry) -> str:
    state = PageState(tab="outcome" if run.efficiency is not None else "negotiation")
    where = _to(PageState(tab=state.tab, run=key_of(run.path)))
    right = ""
    if run.efficiency is not None and isfinite(run.efficiency):
        filled = 100 * min(max(run.efficiency, 0.0), 1.0)
        right = (
            f"{100 * run.efficiency:.1f} % of the planner's gain"
            f'<span class=share><i style="width:{filled:.1f}%"></i></span>'
        )
    elif run.gain_eur is not None and isfinite(run.gain_eur):
        unit = money_unit([run.gain_eur])
        right = f"{unit.text(run.gain_eur)} {escape(unit.label)} gain a year"
    status = run.status + (f", {run.warnings} warnings" if run.warnings else "")
    if run.warnings == 1:
        status = status.removesuffix("s")
    return (
        f'<a class=card href="{where}" data-run="{escape(key_of(run.path))}">'
        f"<b>{escape(run.title)}</b>"
        f'<span class=right><span class="dot {_DOTS.get(run.status, "bad")}"></span>'
        f"{escape(status)}</span>"
        f"<small>{escape(' · '.join(w for w in (run.begun, run.how) if w))}</small>"
        f"<span class=right>{right}</span></a>"
    )


def _comparison(one: ComparisonEntry) -> str:
    if not one.cases:
        status, dot = DAMAGED, "bad"
    elif one.finished:
        status, dot = f"{one.cases:,} cases", "good"
    else:
        status, dot = f"{one.ended:,} of {one.cases:,} cases", "wait"
    where = _to(PageState(tab="comparison", compare=one.path.name))
    return (
        f'<a class=card href="{where}" data-comparison="{escape(one.path.name)}">'
        f"<b>{escape(one.title)}</b><span class=right>"
        f'<span class="dot {dot}"></span>{status}</span><small>{escape(one.begun)}</small></a>'
    )


def _scenario(name: str, title: str) -> str:
    where = _to(PageState(tab="new", scenario=name))
    return (
        f'<a class=card href="{where}" data-scenario="{escape(name)}">'
        f'<b class=name>{escape(name)}</b><span class="right go">negotiate</span>'
        f"<small>{escape(title)}</small></a>"
    )


def _to(state: PageState) -> str:
    return escape(f"/?{state.query()}")
