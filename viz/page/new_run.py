"""The form that starts a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import entry_points

import solara

from scenarios.loader import list_scenarios
from viz.jobs import Job, start
from viz.page.folders import results_folder

USUAL = "as the scenario says"
_PRODUCTS = (USUAL, "flat", "tou", "hourly")
_SLICES = (USUAL, "year", "month", "week")


def names(group: str) -> list[str]:
    """Names announced under an entry-point group; nothing of theirs is imported."""
    return sorted({point.name for point in entry_points(group=f"dman_cep.{group}")})


def protocols() -> dict[str, list[str]]:
    """Modes of every protocol by name."""
    found: dict[str, list[str]] = {}
    for member in names("protocols"):
        name, _, mode = member.partition(".")
        found.setdefault(name, []).append(mode or "standard")
    return found


@dataclass(frozen=True)
class Wish:
    """What a reader fills in."""

    scenario: str = "triangle"
    protocol: str = "bilateral_bids"
    mode: str = "adaptive"
    products: str = USUAL
    slices: str = USUAL
    settlement: str = "pay_as_agreed"
    countries: str = ""
    strategies: str = ""
    changes: str = ""
    max_steps: int = 60
    planner: bool = True

    def arguments(self) -> list[str]:
        """Arguments of ``run.py``.

        Examples
        --------
        >>> Wish(strategies="E=markup:0.1", planner=False).arguments()[8:]
        ['--max-steps', '60', '--strategy', 'E=markup:0.1', '--no-planner']
        """
        words = ["--scenario", self.scenario, "--protocol", self.protocol, "--mode", self.mode]
        words += ["--settlement", self.settlement, "--max-steps", str(self.max_steps)]
        for option, value in (("--products", self.products), ("--slices", self.slices)):
            words += [option, value] if value != USUAL else []
        if self.countries.strip():
            words += ["--countries", self.countries.replace(" ", "")]
        for option, text in (("--strategy", self.strategies), ("--set", self.changes)):
            for item in text.replace(";", ",").split(","):
                words += [option, item.strip()] if item.strip() else []
        return words if self.planner else [*words, "--no-planner"]


@solara.component
def NewRun(on_start: Callable[[Job], None]) -> None:
    """Form with all choices; ``on_start`` gets the job."""
    wish, set_wish = solara.use_state(Wish())
    scenarios = solara.use_memo(list_scenarios, [])
    known = solara.use_memo(protocols, [])

    def change(**values: object) -> None:
        set_wish(replace(wish, **values))  # type: ignore[arg-type]

    def choose_protocol(name: str) -> None:
        modes = known.get(name, [wish.mode])
        change(protocol=name, mode=wish.mode if wish.mode in modes else modes[0])

    with solara.Div(classes=["form"]):
        solara.Select("Scenario", list(scenarios), wish.scenario, lambda v: change(scenario=v))
        solara.Select("Protocol", list(known), wish.protocol, choose_protocol)
        modes = known.get(wish.protocol, [wish.mode])
        solara.Select("Mode", modes, wish.mode, lambda v: change(mode=v))
        solara.Select("Products", list(_PRODUCTS), wish.products, lambda v: change(products=v))
        solara.Select("Delivery periods", list(_SLICES), wish.slices, lambda v: change(slices=v))
        solara.Select(
            "Settlement", names("settlements"), wish.settlement, lambda v: change(settlement=v)
        )
        solara.InputText(
            "Strategies, ZA=markup:0.1", wish.strategies, lambda v: change(strategies=v)
        )
        solara.InputText("Only countries, ZA,MZ", wish.countries, lambda v: change(countries=v))
        solara.InputText("Changes, demand_factor=1.1", wish.changes, lambda v: change(changes=v))
        solara.InputInt("Steps at most", wish.max_steps, lambda v: change(max_steps=v))
        solara.Checkbox(
            label="Compute the planner too",
            value=wish.planner,
            on_value=lambda v: change(planner=v),
        )
    about = scenarios.get(wish.scenario, "")
    strategies = ", ".join(names("strategies"))
    solara.Text(f"{wish.scenario}: {about}. Known strategies: {strategies}.", classes=["note"])
    with solara.Div(classes=["buttons"]):
        solara.Button(
            "Start the run",
            on_click=lambda: on_start(start(results_folder(), wish.arguments())),
            color="primary",
        )
