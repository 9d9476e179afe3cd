"""Random parts of one country's network, over all attributes that an optimisation reads.

Each component is of one *kind*, a small set of attributes that belong together and that leave
something feasible: whatever is produced can be thrown away, whatever lacks can be shed. What is
forced to run burns nothing, so that no limit on emissions forbids it.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.drawn import NAN, Attributes, Dice

Kinds = dict[str, Callable[[Dice], Attributes]]

YEAR_H = 8760.0
# PyPSA's own, and one of each file's.
LINE_TYPES = ["490-AL1/64-ST1A 380.0", "wire"]
TRANSFORMER_TYPES = ["160 MVA 380/110 kV", "box"]


def growing(dice: Dice, nominal: str, cost: float) -> Attributes:
    """Capacity that may be extended, priced a year or by what building costs."""
    made = {
        f"{nominal}_extendable": True,
        f"{nominal}_min": dice.number(0, 20),
        f"{nominal}_max": dice.number(200, 600),
        "build_year": dice.choice([0, 2000]),
        "lifetime": dice.number(10, 40),
    }
    if dice.yes():
        return {**made, "capital_cost": dice.number(cost / 10, 3 * cost)}
    return {
        **made,
        "overnight_cost": dice.number(cost, 20 * cost),
        "discount_rate": dice.number(0.01, 0.1),
        "fom_cost": dice.number(0, cost / 20),
    }


def told(dice: Dice, nominal: str, cost: float) -> Attributes:
    """Capacity that may be extended to one size only."""
    size = dice.number(20, 150)
    return {
        f"{nominal}_extendable": True,
        f"{nominal}_set": size,
        f"{nominal}_max": 600.0,
        "capital_cost": dice.number(cost / 10, 3 * cost),
    }


def in_modules(dice: Dice, nominal: str, cost: float) -> Attributes:
    """Capacity in modules."""
    return {**told(dice, nominal, cost), f"{nominal}_set": NAN, f"{nominal}_mod": 50.0}


def sizes(nominal: str, cost: float) -> Kinds:
    """Kinds of capacity that may be extended."""
    return {
        "growing": lambda dice: growing(dice, nominal, cost),
        "told": lambda dice: told(dice, nominal, cost),
        "modules": lambda dice: in_modules(dice, nominal, cost),
    }


def committed(dice: Dice) -> Attributes:
    """What is on or off."""
    return {
        "committable": True,
        "p_min_pu": dice.number(0, 0.5),
        "p_max_pu": 1.0,
        "start_up_cost": dice.series(0, 500),
        "shut_down_cost": dice.number(0, 500),
        "stand_by_cost": dice.series(0, 5),
        "min_up_time": dice.choice([0, 2, 3]),
        "min_down_time": dice.choice([0, 2]),
        "up_time_before": dice.choice([0, 1]),
        "down_time_before": dice.choice([0, 1]),
        "ramp_limit_up": dice.choice([NAN, 0.6]),
        "ramp_limit_down": dice.choice([NAN, 0.6]),
        "ramp_limit_start_up": dice.number(0.6, 1),
        "ramp_limit_shut_down": dice.number(0.6, 1),
    }


def ramping(dice: Dice) -> Attributes:
    """What changes slowly, from where it was or from anywhere."""
    return {
        "ramp_limit_up": dice.series(0.2, 1),
        "ramp_limit_down": dice.number(0.2, 1),
        "p_init": dice.choice([NAN, 0.0, 5.0]),
        "p_nom": dice.number(50, 400),
    }


OFF: Attributes = {"active": False}
# What counts only with other attributes, which these components do not have.
UNREAD_OF_PLANTS: Attributes = {
    "maintenance_duration": 24.0,
    "maintenance_pu": 0.5,
    "maintenance_events": 2,
}
UNREAD: Attributes = {**UNREAD_OF_PLANTS, "terrain_factor": 1.2}

PLANTS: Kinds = {
    **sizes("p_nom", 1e5),
    "committed": lambda dice: {**committed(dice), "carrier": "wind"},
    "ramping": ramping,
    "at most": lambda dice: {"e_sum_max": dice.number(10, 300) * YEAR_H},
    "at least": lambda dice: {
        "carrier": "wind",
        "p_nom": 200.0,
        "p_max_pu": 1.0,
        "e_sum_min": dice.number(0, 190) * YEAR_H,
    },
    "set": lambda dice: {
        "carrier": "wind",
        "p_nom": 200.0,
        "p_max_pu": 1.0,
        "p_set": dice.now_and_then(0, 200),
    },
    "must run": lambda dice: {
        "carrier": "wind",
        "p_max_pu": 1.0,
        "p_min_pu": dice.series(0, 0.5),
    },
    "takes": lambda dice: {
        "carrier": "wind",
        "sign": -1.0,
        "marginal_cost": -dice.number(1, 80),
    },
    "off": lambda dice: OFF,
}


def plant(dice: Dice, bus: str) -> Attributes:
    """A generator."""
    return {
        "bus": bus,
        "carrier": dice.choice(["coal", "gas", "wind"]),
        "p_nom": dice.number(0, 500),
        "marginal_cost": dice.series(1, 120),
        "p_max_pu": dice.series(0, 1),
        "efficiency": dice.series(0.3, 1),
        **UNREAD_OF_PLANTS,
        **dice.kind(PLANTS),
    }


UNITS: Kinds = {
    **sizes("p_nom", 3e4),
    "starts full": lambda dice: {
        "p_nom": 100.0,
        "cyclic_state_of_charge": False,
        "state_of_charge_initial": dice.number(0, 100),
    },
    "burns": lambda dice: {
        "carrier": "gas",
        "p_nom": 100.0,
        "cyclic_state_of_charge": False,
        "state_of_charge_initial": dice.number(0, 100),
    },
    "spills": lambda dice: {"spill_cost": dice.series(0, 20)},
    "holds": lambda dice: {"marginal_cost_storage": dice.series(0, 2)},
    "bounded": lambda dice: {"p_min_pu": -dice.number(0, 1), "p_max_pu": dice.series(0.2, 1)},
    "set": lambda dice: {
        "p_nom": 50.0,
        "inflow": 50.0,
        "p_set": dice.now_and_then(0, 20),
    },
    "sends": lambda dice: {
        "p_nom": 50.0,
        "inflow": 50.0,
        "p_dispatch_set": dice.now_and_then(0, 20),
    },
    "stores": lambda dice: {
        "p_nom": 50.0,
        "inflow": 50.0,
        "p_store_set": dice.now_and_then(0, 20),
    },
    "filled": lambda dice: {
        "p_nom": 50.0,
        "max_hours": 4.0,
        "cyclic_state_of_charge": False,
        "state_of_charge_set": dice.last(dice.number(0, 20)),
    },
    "takes": lambda dice: {"sign": -1.0},
    "off": lambda dice: OFF,
}


def unit(dice: Dice, bus: str) -> Attributes:
    """A storage unit."""
    return {
        "bus": bus,
        "carrier": "hydro",
        "p_nom": dice.number(10, 200),
        "max_hours": dice.number(1, 8),
        "inflow": dice.series(0, 60),
        "efficiency_store": dice.series(0.7, 1),
        "efficiency_dispatch": dice.series(0.7, 1),
        "standing_loss": dice.series(0, 0.05),
        "marginal_cost": dice.series(0, 5),
        "cyclic_state_of_charge": dice.yes(),
        "cyclic_state_of_charge_per_period": dice.yes(),
        "state_of_charge_initial_per_period": dice.yes(),
        **dice.kind(UNITS),
    }


STORES: Kinds = {
    **sizes("e_nom", 1e4),
    "starts full": lambda dice: {
        "e_nom": 200.0,
        "e_cyclic": False,
        "e_initial": dice.number(0, 200),
    },
    "burns": lambda dice: {
        "carrier": "gas",
        "e_nom": 200.0,
        "e_cyclic": False,
        "e_initial": dice.number(0, 200),
    },
    "bounded": lambda dice: {
        "e_cyclic": True,
        "e_min_pu": dice.number(0, 0.3),
        "e_max_pu": dice.series(0.5, 1),
    },
    "holds": lambda dice: {"marginal_cost_storage": dice.series(0, 2)},
    "costs": lambda dice: {"marginal_cost": dice.series(0, 3)},
    "filled": lambda dice: {
        "e_nom": 50.0,
        "e_cyclic": False,
        "e_set": dice.last(dice.number(0, 5)),
    },
    "takes": lambda dice: {"sign": -1.0},
    "off": lambda dice: OFF,
}


def store(dice: Dice, bus: str) -> Attributes:
    """A store."""
    return {
        "bus": bus,
        "carrier": "battery",
        "e_nom": dice.number(0, 300),
        "e_cyclic": dice.yes(),
        "e_cyclic_per_period": dice.yes(),
        "e_initial_per_period": dice.yes(),
        "standing_loss": dice.series(0, 0.02),
        **dice.kind(STORES),
    }


LINKS: Kinds = {
    **sizes("p_nom", 2e4),
    "committed": committed,
    "ramping": ramping,
    "set": lambda dice: {"p_set": dice.now_and_then(0, 50)},
    "bounded": lambda dice: {"p_max_pu": dice.series(0.2, 1), "p_min_pu": dice.series(0, 0.2)},
    "both ways": lambda dice: {"p_min_pu": -dice.number(0, 1), "marginal_cost": dice.number(0, 3)},
    "lossy": lambda dice: {"efficiency": dice.series(0.8, 1), "marginal_cost": dice.series(0, 3)},
    "late": lambda dice: {"delay": dice.choice([1, 2500]), "cyclic_delay": dice.yes()},
    "off": lambda dice: OFF,
}


def link(dice: Dice, one: str, other: str) -> Attributes:
    """A link."""
    return {
        "bus0": one,
        "bus1": other,
        "p_nom": dice.number(50, 400),
        "carrier": "DC",
        "length": dice.number(10, 500),
        **UNREAD,
        **dice.kind(LINKS),
    }


PROCESSES: Kinds = {
    **{name: kind for name, kind in LINKS.items() if name not in ("lossy", "late")},
    "lossy": lambda dice: {"rate1": dice.series(0.8, 1), "marginal_cost": dice.series(0, 3)},
    "scaled": lambda dice: {"rate0": -dice.number(1, 2)},
    "late": lambda dice: {"delay1": dice.choice([1, 2500]), "cyclic_delay1": dice.yes()},
    "early": lambda dice: {"delay0": 1, "cyclic_delay0": dice.yes()},
}


def process(dice: Dice, one: str, other: str) -> Attributes:
    """A process that takes from one bus and gives to the other."""
    return {
        "bus0": one,
        "bus1": other,
        "p_nom": dice.number(50, 400),
        "carrier": "DC",
        "length": dice.number(10, 500),
        **UNREAD,
        **dice.kind(PROCESSES),
    }


WIRES: Kinds = {
    **sizes("s_nom", 1e4),
    "bounded": lambda dice: {"s_max_pu": dice.series(0.3, 1)},
    "steep": lambda dice: {"v_ang_max": dice.number(2, 10), "v_ang_min": -30.0},
    "off": lambda dice: OFF,
}
LINES: Kinds = {
    **WIRES,
    "typed": lambda dice: {
        "type": dice.choice(LINE_TYPES),
        "num_parallel": dice.number(1, 2),
        "s_nom": 500.0,
    },
}
TRANSFORMERS: Kinds = {
    **WIRES,
    "typed": lambda dice: {
        "type": dice.choice(TRANSFORMER_TYPES),
        "tap_position": dice.choice([0, 2]),
        "num_parallel": dice.choice([1.0, 2.0]),
    },
    "tapped": lambda dice: {"tap_ratio": dice.number(0.9, 1.1), "tap_side": 1},
    "shifted": lambda dice: {"phase_shift": dice.number(-1, 1)},
    "shifting": lambda dice: {"phase_shift_min": -dice.number(1, 5), "phase_shift_max": 5.0},
}


def line(dice: Dice, one: str, other: str) -> Attributes:
    """A line."""
    return {
        "bus0": one,
        "bus1": other,
        "s_nom": dice.number(50, 400),
        "x": dice.number(50, 200),
        "r": 1.0,
        "g": 1e-6,
        "b": 1e-6,
        "terrain_factor": 1.2,
        "length": dice.number(10, 500),
        "carrier": "AC",
        **dice.kind(LINES),
    }


def transformer(dice: Dice, one: str, other: str) -> Attributes:
    """A transformer."""
    return {
        "bus0": one,
        "bus1": other,
        "s_nom": dice.number(50, 400),
        "x": dice.number(0.05, 0.2),
        "r": 0.001,
        "g": 1e-6,
        "b": 1e-6,
        **dice.kind(TRANSFORMERS),
    }
