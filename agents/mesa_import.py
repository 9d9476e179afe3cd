"""Mesa without its side effect: its import sets multiprocessing's start method for all.

It is imported in a thread, because its loggers look at every caller of the import and search all
loaded modules for each: two seconds below the command line, nothing in a thread, which has none.
"""

from __future__ import annotations

import importlib
import multiprocessing
from concurrent.futures import ThreadPoolExecutor

_start_method = multiprocessing.get_start_method(allow_none=True)

with ThreadPoolExecutor(1) as _apart:
    _apart.submit(importlib.import_module, "mesa.discrete_space").result()

import mesa  # noqa: E402
import mesa.discrete_space  # noqa: E402

multiprocessing.set_start_method(_start_method, force=True)

__all__ = ["mesa"]
