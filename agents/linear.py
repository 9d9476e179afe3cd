"""The linear programme of a network, or the reason why there is none.

Prices are duals, and a changed problem is solved again from where the last solve ended: both need a
linear programme. So the built model is looked at, whatever the network's attributes say.
"""

from __future__ import annotations

import linopy
import pypsa

from agents.problem import PlanningError

# Key of a network's meta data: solve the linear relaxation of its integers.
RELAXED = "dman_cep_integers_relaxed"


class NotLinearError(PlanningError):
    """A network whose problem is no linear programme; the message says what makes it so."""


def linear_model(n: pypsa.Network) -> linopy.Model:
    """Build the model of a network, which is kept in ``n.model``.

    Parameters
    ----------
    n : pypsa.Network
        Unit commitment is relaxed if its meta data say so (:data:`RELAXED`).

    Returns
    -------
    linopy.Model
        Its objective counts capacity that exists already.

    Raises
    ------
    NotLinearError
    """
    relaxed = bool((n.meta or {}).get(RELAXED))
    model = n.optimize.create_model(
        include_objective_constant=False, linearized_unit_commitment=relaxed
    )
    require_linear(model, n.name)
    return model


def require_linear(model: linopy.Model, name: str = "") -> None:
    """Refuse a model with integers, piecewise curves or a quadratic objective.

    Raises
    ------
    NotLinearError
        Names the variables, which PyPSA calls by component and attribute.
    """
    kinds = {
        "integer": [*model.variables.integers, *model.variables.binaries],
        "semi-continuous": list(model.variables.semi_continuous),
        "piecewise": list(model.variables.sos),
    }
    for kind, variables in kinds.items():
        if variables:
            raise NotLinearError(
                f"{name or 'the network'}: {', '.join(map(str, variables))} is {kind}, and only "
                "linear programmes have prices to trade on"
            )
    if model.objective.is_quadratic:
        raise NotLinearError(
            f"{name or 'the network'}: the objective is quadratic, and only linear programmes are "
            "solved again from where they stand; look at marginal_cost_quadratic"
        )
