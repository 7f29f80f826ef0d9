r"""Does averaged gradient descent reach the Bayes-optimal error at the published dimension?

The cells, rows and claims of :mod:`pairint.experiments.aim.descent` at d = 200, the dimension of the
published runs: all four ways at half of the threshold, two of them at other fractions. A step costs
:math:`6 \alpha d^4` operations a run. Four teachers do, since ratios scatter half as much as at d = 100.
"""

from __future__ import annotations

from pairint.engine.experiment import Experiment
from pairint.experiments.aim import descent

__all__ = ["EXPERIMENT"]


EXPERIMENT = Experiment(
    name="aim_descent_published_size",
    title="Does averaged gradient descent reach the Bayes-optimal error at the published dimension?",
    source="attention-indexed models, Figure 2, right, and our own experiment",
    version=1,
    presets={
        "quick": {
            "rho": 0.5,
            "device": "cpu",
            "plan": [descent.line(24, ["adam"], [0.27, 0.55], 4, 2)],
        },
        "full": {
            "rho": 0.5,
            "device": "cpu",
            "plan": [
                descent.line(200, ["adam", "equations"], [0.27, 0.8], 4, 4),
                descent.line(200, list(descent.DYNAMICS), [0.55], 4, 4),
                descent.line(200, ["adam", "equations"], [1.15], 4, 2),
            ],
        },
    },
    cells=descent.cells,
    compute=descent.compute,
    plot=descent.plot,
    claims=descent.claims,
    expected_seconds={"quick": 3.0, "full": 5000.0},
    data_keys=descent.DATA_KEYS,
    cost=descent.cost,
    reproducible=descent.reproducible,
)  # fmt: skip
