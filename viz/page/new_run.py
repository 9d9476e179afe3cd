"""The form that starts a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path

import solara

from scenarios.loader import list_scenarios
from viz.jobs import Job, start
from viz.page.folders import results_folder

USUAL = "as the scenario says"
_PRODUCTS = (USUAL, "flat", "tou", "hourly")
_SLICES = (USUAL, "year", "month", "week")
# A choice beside the scenarios; no scenario has such a name.
ANY_FILE = "network file ..."
# Where network files are looked for, below the folder the app was started in.
NETWORK_FOLDERS = (".", "networks")

_ON_NETWORKS = (
    "A PyPSA network whose buses have a country, as PyPSA-Earth prepares it; paths are those of "
    "the folder the app was started in"
)


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


def network_files() -> list[str]:
    """Network files in the folder the app was started in, and in ``networks`` below it."""
    found = [file for folder in NETWORK_FOLDERS for file in Path(folder).glob("*.nc")]
    return sorted(file.as_posix() for file in found)


@dataclass(frozen=True)
class Wish:
    """What a reader fills in.

    Attributes
    ----------
    what : str
        Name of a scenario, path of a network file, or :data:`ANY_FILE`.
    network : str
        Path of the network file, if ``what`` is :data:`ANY_FILE`.
    window : str
        Snapshots of a network file to keep; all if empty.
    protocol, mode, products, slices, settlement : str
    countries : str
        Codes between commas.
    strategies, changes : str
        Lists, their items set apart by semicolons: a value may have commas of its own.
    max_steps : int
    planner : bool
    """

    what: str = "triangle"
    network: str = ""
    window: str = ""
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

    @property
    def file(self) -> str:
        """Path of the network file; empty for a scenario."""
        path = self.network if self.what == ANY_FILE else self.what
        return path.strip() if self.on_network else ""

    @property
    def on_network(self) -> bool:
        """Whether it is about a network file."""
        return self.what == ANY_FILE or self.what.endswith(".nc")

    @property
    def complete(self) -> bool:
        """Whether it says what the run is about."""
        return bool(self.file) or not self.on_network

    def arguments(self) -> list[str]:
        """Arguments of ``run.py``.

        Examples
        --------
        >>> Wish(strategies="E=markup:0.1", planner=False).arguments()[8:]
        ['--max-steps', '60', '--strategy', 'E=markup:0.1', '--no-planner']
        >>> Wish(changes="line_statuses=existing,planned; discount_rate=0.1").arguments()[-4:]
        ['--set', 'line_statuses=existing,planned', '--set', 'discount_rate=0.1']
        >>> Wish("networks/elec.nc", window="168").arguments()[:4]
        ['--network', 'networks/elec.nc', '--set', 'network.window=168']
        """
        words = ["--network", self.file] if self.on_network else ["--scenario", self.what]
        if self.on_network and self.window.strip():
            words += ["--set", f"network.window={self.window.strip()}"]
        words += ["--protocol", self.protocol, "--mode", self.mode]
        words += ["--settlement", self.settlement, "--max-steps", str(self.max_steps)]
        for option, value in (("--products", self.products), ("--slices", self.slices)):
            words += [option, value] if value != USUAL else []
        if self.countries.strip():
            words += ["--countries", self.countries.replace(" ", "")]
        for option, text in (("--strategy", self.strategies), ("--set", self.changes)):
            for item in text.split(";"):
                words += [option, item.strip()] if item.strip() else []
        return words if self.planner else [*words, "--no-planner"]


@solara.component
def NewRun(on_start: Callable[[Job], None], what: str = "") -> None:
    """Form with all choices, ``what`` filled in if it is offered; ``on_start`` gets the job."""
    scenarios = solara.use_memo(list_scenarios, [])
    known_files = solara.use_memo(network_files, [])
    usual = Wish(what) if what in (*scenarios, *known_files) else Wish()
    wish, set_wish = solara.use_state(usual)
    offered = [*scenarios, *known_files, ANY_FILE]
    known = solara.use_memo(protocols, [])

    def change(**values: object) -> None:
        set_wish(replace(wish, **values))  # type: ignore[arg-type]

    def choose_protocol(name: str) -> None:
        modes = known.get(name, [wish.mode])
        change(protocol=name, mode=wish.mode if wish.mode in modes else modes[0])

    with solara.Div(classes=["form"]):
        solara.Select("Scenario or network file", offered, wish.what, lambda v: change(what=v))
        if wish.what == ANY_FILE:
            solara.InputText(
                "Path of the file, elec.nc",
                wish.network,
                lambda v: change(network=v),
                continuous_update=True,
            )
        if wish.on_network:
            solara.InputText(
                "Only snapshots, 168 or 24:192", wish.window, lambda v: change(window=v)
            )
        solara.Select("Protocol", list(known), wish.protocol, choose_protocol)
        modes = known.get(wish.protocol, [wish.mode])
        solara.Select("Mode", modes, wish.mode, lambda v: change(mode=v))
        solara.Select("Products", list(_PRODUCTS), wish.products, lambda v: change(products=v))
        solara.Select("Delivery periods", list(_SLICES), wish.slices, lambda v: change(slices=v))
        solara.Select(
            "Settlement", names("settlements"), wish.settlement, lambda v: change(settlement=v)
        )
        solara.InputText(
            "Strategies, ZA=markup:0.1; ...", wish.strategies, lambda v: change(strategies=v)
        )
        solara.InputText("Only countries, ZA,MZ", wish.countries, lambda v: change(countries=v))
        solara.InputText(_example_of_a_change(wish), wish.changes, lambda v: change(changes=v))
        solara.InputInt("Steps at most", wish.max_steps, lambda v: change(max_steps=v))
        solara.Checkbox(
            label="Compute the planner too",
            value=wish.planner,
            on_value=lambda v: change(planner=v),
        )
    about = _ON_NETWORKS if wish.on_network else f"{wish.what}: {scenarios.get(wish.what, '')}"
    strategies = ", ".join(names("strategies"))
    apart = "Semicolons set several strategies and several changes apart"
    solara.Text(f"{about}. Known strategies: {strategies}. {apart}.", classes=["note"])
    with solara.Div(classes=["buttons"]):
        solara.Button(
            "Start the run",
            on_click=lambda: on_start(start(results_folder(), wish.arguments())),
            color="primary",
            disabled=not wish.complete,
        )
        if not wish.complete:
            solara.Text("Say which file, by its path.", classes=["note"])


def _example_of_a_change(wish: Wish) -> str:
    return f"Changes, {'network.co2=none' if wish.on_network else 'demand_factor=1.1'}; ..."
