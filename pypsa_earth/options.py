"""What a PyPSA-Earth file says of itself: options of its wildcards and of its configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pypsa

_NUMBER = r"[0-9]*\.?[0-9]+"
_OPTS = re.compile(r"_ec_l[^_]*_(?P<opts>[A-Za-z0-9.+\-]+?)(?:_(?:prepared|solved))?$")


@dataclass(frozen=True)
class FileOptions:
    """Options that PyPSA-Earth would turn into constraints when it solves the file.

    Attributes
    ----------
    eq_share : float, optional
        ``EQ0.7``: least own generation as a share of load; ``eq_by_country`` for ``EQ0.7c``, else
        by bus.
    res_share : float, optional
        ``RES0.5``: renewable generation as a share of load.
    renewable : tuple of str, optional
        ``renewable_carriers`` of the configuration, which ``RES`` counts; None if it names none.
    ccl, bau, safe : bool
        ``CCL``, ``BAU``, ``SAFE``: capacity limits that need numbers from outside the file.
    reserve : tuple of float, optional
        ``operational_reserve``: shares of load and of renewable supply, and MW.
    clip : float
        ``clip_p_max_pu``: availability and inflow below it count as zero.
    shedding_eur_per_mwh : float, optional
        ``load_shedding`` of the configuration, None if it names none.
    """

    opts: tuple[str, ...] = ()
    eq_share: float | None = None
    eq_by_country: bool = False
    res_share: float | None = None
    renewable: tuple[str, ...] | None = None
    ccl: bool = False
    bau: bool = False
    safe: bool = False
    reserve: tuple[float, float, float] | None = None
    clip: float = 0.0
    shedding_eur_per_mwh: float | None = None


def file_options(n: pypsa.Network, path: str | Path = "") -> FileOptions:
    """Read the options from the file's meta data, the wildcards also from its name."""
    meta: dict[str, Any] = dict(n.meta or {})
    text = str((meta.get("wildcards") or {}).get("opts", "") or "")
    if not text:
        found = _OPTS.search(Path(path).stem)
        text = found["opts"] if found else ""
    opts = tuple(part for part in text.split("-") if part)
    eq = next((o for o in opts if re.fullmatch(rf"EQ{_NUMBER}c?", o)), None)
    res = next((o for o in opts if re.fullmatch(rf"RES{_NUMBER}", o)), None)
    solving = (meta.get("solving") or {}).get("options") or {}
    electricity = meta.get("electricity") or {}
    return FileOptions(
        opts=opts,
        eq_share=float(eq[2:].rstrip("c")) if eq else None,
        eq_by_country=bool(eq and eq.endswith("c")),
        res_share=float(res[3:]) if res else None,
        renewable=tuple(electricity.get("renewable_carriers") or ()) or None,
        ccl="CCL" in opts,
        bau="BAU" in opts,
        safe="SAFE" in opts,
        reserve=_reserve(electricity),
        clip=float(solving.get("clip_p_max_pu") or 0.0),
        shedding_eur_per_mwh=_shedding(solving.get("load_shedding")),
    )


def _reserve(electricity: dict[str, Any]) -> tuple[float, float, float] | None:
    reserve = electricity.get("operational_reserve") or {}
    if not reserve.get("activate"):
        return None
    names = ("epsilon_load", "epsilon_vres", "contingency")
    load, vres, fixed = (float(reserve.get(name, 0.0)) for name in names)
    return load, vres, fixed


def _shedding(value: Any) -> float | None:
    """Price in EUR/MWh; PyPSA-Earth's number is in EUR/kWh, and ``true`` counts as one."""
    if value is None or value is False:
        return None
    return float(value) * 1e3
