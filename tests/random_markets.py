"""Random markets of cost curves for Hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from scenarios.schema import CostCurve, Interconnector, Scenario, Settings


def random_scenario(draw: st.DrawFn) -> Scenario:
    """Two to four countries on a line or a ring, one to three snapshots."""
    codes = "ABCD"[: draw(st.integers(2, 4))]
    snapshots = draw(st.integers(1, 3))
    curves = tuple(
        CostCurve(
            country=c,
            demand_mw=tuple(draw(st.floats(100, 1000)) for _ in range(snapshots)),
            intercept_eur_per_mwh=draw(st.floats(0, 60)),
            slope_eur_per_mwh_per_mw=draw(st.floats(0.01, 0.2)),
        )
        for c in codes
    )
    edges = [(codes[i - 1], codes[i]) for i in range(1, len(codes))]
    if len(codes) > 2 and draw(st.booleans()):
        edges.append((codes[0], codes[-1]))
    lines = tuple(
        Interconnector(
            country_a=a,
            country_b=b,
            # The ledger takes less than 1e-6 MW for nothing, whatever the unit.
            a_to_b_mw=draw(st.just(0.0) | st.floats(1, 400)),
            b_to_a_mw=draw(st.just(0.0) | st.floats(1, 400)),
            loss=draw(st.floats(0, 0.1)),
            wheeling_eur_per_mwh=draw(st.floats(0, 2)),
        )
        for a, b in edges
    )
    chosen = Settings(
        name="random",
        title="random",
        kind="cost_curves",
        slices="year",
        products=draw(st.sampled_from(["flat", "hourly"])),
        snapshots=snapshots,
    )
    return Scenario(settings=chosen, curves=curves, interconnectors=lines)
