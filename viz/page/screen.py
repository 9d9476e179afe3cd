"""Whether the reader's screen is as narrow as a phone's, so that figures are drawn for it."""

from __future__ import annotations

from collections.abc import Callable

import solara

# Width that figures are drawn for on narrow screens, px; their texts stay readable.
NARROW_PX = 400.0


@solara.component_vue("screen.vue")
def Screen(event_told: Callable[[int], None]) -> None:
    """Tells 1 on a narrow screen, else 0, whenever that changes."""
