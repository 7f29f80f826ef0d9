"""Figure 3 of the paper on attention-indexed models: the indices themselves are the labels.

The baseline: no symmetry is lost, and the threshold is a count of T (T + 1)/2 equations a sample. AMP at
d = 150 with sixteen teachers a point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.experiments.aim import points
from pairint.experiments.aim.softmax import draw_widths, width_cells

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["EXPERIMENT"]


def plot(table: DataFrame) -> Figure:
    """Draw the error against alpha for each width."""
    from pairint.figures.style import picture

    return picture(draw_widths)(table, "Linear output, $T = 2$")


def claims(table: DataFrame) -> list[Claim]:
    """Check the thresholds, and AMP against the state evolution."""
    rhos = sorted(table["rho"].unique())
    result = points.recovery_claims(table, "linear", [(rho, 2) for rho in rhos], "Figure 3")
    result += points.bayes_claims(table, "rho", "rho = {value:g}", "Figure 3")
    return result + points.convergence_claims(table, "Algorithm 1")


EXPERIMENT = Experiment(
    name="aim_linear",
    title="Linear outputs: Bayes-optimal error and AMP for all widths",
    source="attention-indexed models, Figure 3",
    version=2,  # the algorithm uses the covariance of the indices given the tokens
    presets={
        "quick": {
            "channel": "linear", "rhos": [0.5], "fractions": [0.2, 0.5, 0.8, 1.2], "d": 50, "narrow_d": 50,
            "replicates": 3,
        },
        "full": {
            "channel": "linear", "rhos": [0.3, 0.5, 1.0], "fractions": [0.2, 0.5, 0.8, 1.2],
            "d": 150, "narrow_d": 180, "replicates": 16,
        },
    },
    cells=width_cells,
    compute=points.compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 3.0, "full": 500.0},
    data_keys=points.DATA_KEYS,
    cost=points.cost,
)  # fmt: skip
