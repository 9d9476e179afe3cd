"""What is refused or warned of, by attribute: a value that is none of PyPSA's defaults."""

from __future__ import annotations

from typing import Any

VALUES: dict[str, Any] = {
    "marginal_cost_quadratic": 0.01,
    "committable": True,
    "maintainable": True,
    "p_nom_mod": 50.0,
    "s_nom_mod": 50.0,
    "e_nom_mod": 50.0,
    "investment_period": 2030.0,
    "max_growth": 10.0,
    "max_relative_growth": 0.5,
    "ramp_limit_up": 0.5,
    "ramp_limit_down": 0.5,
    "delay": 1,
    "delay2": 1,
    "v_ang_max": 30.0,
    "phase_shift_min": -5.0,
    "phase_shift_max": 5.0,
}
