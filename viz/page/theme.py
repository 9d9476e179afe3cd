"""Light or dark, as the reader's system says or as they choose; kept in their browser."""

from __future__ import annotations

import solara


@solara.component_vue("theme.vue")
def ThemeButton() -> None:
    """Button that goes from the system's colours to light to dark."""
