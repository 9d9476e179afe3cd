"""The page of protocols, written from their docstrings: ``python -m protocols.page``."""

from __future__ import annotations

import inspect

from protocols.registry import protocol_class, protocol_modes

_HEAD = """# Protocols

Written from the docstrings by `python -m protocols.page > docs/protocols.md`.
"""


def page() -> str:
    """Markdown of all protocols and modes."""
    parts = [_HEAD]
    for name, modes in protocol_modes().items():
        for mode in modes:
            protocol = protocol_class(name, mode)
            promise = (
                "nobody loses against autarky" if protocol.promises_no_loss else "somebody may lose"
            )
            parts.append(f"## `{name}`, mode `{mode}`\n")
            parts.append(
                f"Promises: {promise}. Needs to know: {protocol.valuation}. "
                f"Discloses: {protocol.discloses}.\n"
            )
            parts.append(f"```text\n{inspect.getdoc(protocol)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
