"""Mesa without its side effect: its import sets multiprocessing's start method for all."""

from __future__ import annotations

import multiprocessing

_start_method = multiprocessing.get_start_method(allow_none=True)

import mesa  # noqa: E402
import mesa.discrete_space  # noqa: E402

multiprocessing.set_start_method(_start_method, force=True)

__all__ = ["mesa"]
