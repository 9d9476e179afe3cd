"""Kinds of numbers that parameters of protocols are.

A parameter that is annotated with one is checked when a protocol is made by name
(:func:`protocols.registry.make_protocol`), in plug-ins as well.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

# How many: one or more, and none or more.
Count = Annotated[int, Field(ge=1)]
WholeNumber = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, le=1)]
# A part of something, more than nothing.
Part = Annotated[float, Field(gt=0, le=1)]
# A step of a splitting method: one is the cautious method, two its limit.
Relaxation = Annotated[float, Field(ge=1, le=2)]
# Factors after failure and success.
Shrinking = Annotated[float, Field(gt=0, lt=1)]
Growing = Annotated[float, Field(ge=1, allow_inf_nan=False)]
