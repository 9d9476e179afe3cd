"""The page of protocols, written from their docstrings: ``python -m protocols.page``."""

from __future__ import annotations

import inspect

from protocols.registry import PROTOCOLS

_HEAD = """# Protocols

Written from the docstrings by `python -m protocols.page > docs/protocols.md`.
"""


def page() -> str:
    """Markdown of all protocols and modes."""
    parts = [_HEAD]
    for name, modes in PROTOCOLS.items():
        for mode, protocol in modes.items():
            promise = "nobody loses" if protocol.promises_no_loss else "somebody may lose"
            parts.append(f"## `{name}`, mode `{mode}`\n")
            parts.append(f"Promises: {promise}. Needs to know: {protocol.valuation}.\n")
            parts.append(f"```text\n{inspect.getdoc(protocol)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
