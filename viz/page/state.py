"""What a reader looks at, kept in the address of the page, so that F5 and links lose nothing."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields, replace
from urllib.parse import parse_qsl, urlencode

TABS = {
    "start": "Start",
    "negotiation": "Negotiation",
    "outcome": "Outcome",
    "hours": "Hour by hour",
    "tables": "Tables and downloads",
    "compare": "Compare",
    "comparison": "Comparison",
    "new": "New run",
}
# Tabs that need no run; the others are of the run looked at.
WITHOUT_RUN = ("start", "comparison", "new")


# No step, hour or week has more digits.
_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class PageState:
    """State of one reader's page.

    Attributes
    ----------
    tab : str
        Key of :data:`TABS`; the negotiation if a run or job is named, else the start page.
    run, other : str
        Runs looked at and compared with, as paths below the folder of results; empty for none.
    job : str
        Job that the reader started, as long as its run is looked at.
    step : int or None
        None follows the newest step, or shows the outcome of a finished run.
    round : int or None
        None is the whole step.
    product : str
        Empty is the mean over the year.
    case : str
    hour : int or None
        Position of a snapshot; None is the mean over the year.
    country, line, pair : str
        Pair of countries whose bids are shown, ``AO-NA``; empty for all.
    week : int
    table : str
        Figure or table to download.
    scenario : str
        Scenario or network file that a new run begins with.
    compare : str
        Comparison looked at, by its folder's name.
    narrow : int
        1 on a screen as narrow as a phone's, 0 otherwise.
    """

    tab: str = "start"
    run: str = ""
    other: str = ""
    job: str = ""
    step: int | None = None
    round: int | None = None
    product: str = ""
    case: str = "negotiated"
    hour: int | None = None
    country: str = ""
    line: str = ""
    pair: str = ""
    week: int = 0
    table: str = "payments"
    scenario: str = ""
    compare: str = ""
    narrow: int = 0

    @property
    def usual_tab(self) -> str:
        """Tab of an address that names none."""
        return "negotiation" if self.run or self.job else "start"

    def query(self) -> str:
        """Query string of the address, without what is as usual.

        Examples
        --------
        >>> PageState(tab="outcome", step=3).query()
        'tab=outcome&step=3'
        >>> PageState(tab="negotiation", run="triangle").query()
        'run=triangle'
        """
        usual = asdict(PageState(tab=self.usual_tab))
        changed = {k: v for k, v in asdict(self).items() if v != usual[k] and v is not None}
        return urlencode(changed)

    @classmethod
    def from_query(cls, query: str | None) -> PageState:
        """Inverse of :meth:`query`; what cannot be understood is left out.

        Examples
        --------
        >>> PageState.from_query("tab=outcome&step=3&week=x&other=") == PageState("outcome", step=3)
        True
        >>> PageState.from_query("run=triangle").tab
        'negotiation'
        """
        kinds = {f.name: str(f.type) for f in fields(cls)}
        values: dict[str, object] = {}
        for key, text in parse_qsl(query or ""):
            if key not in kinds:
                continue
            if kinds[key].startswith("str"):
                values[key] = text
            elif _NUMBER.fullmatch(text):
                values[key] = int(text)
        state = cls(**values)  # type: ignore[arg-type]
        return state if values.get("tab") in TABS else replace(state, tab=state.usual_tab)
