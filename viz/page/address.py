"""The address bar says what the page shows."""

from __future__ import annotations

import solara


@solara.component_vue("address.vue")
def AddressBar(query: str) -> None:
    """Write a query string into the address without loading anything."""
