r"""Is the excess of averaged gradient descent one of small matrices? Twice the dimension.

The cells, rows and claims of :mod:`pairint.experiments.aim.descent`, whose stored run has d = 50, at
d = 100: at a fixed fraction of the threshold an excess over message passing that came from a small dimension
would fall with it. Eight teachers do, since ratios scatter less from teacher to teacher.
"""

from __future__ import annotations

from pairint.engine.experiment import Experiment
from pairint.experiments.aim import descent

__all__ = ["EXPERIMENT"]


EXPERIMENT = Experiment(
    name="aim_descent_sizes",
    title="Does what averaged gradient descent leaves vanish at twice the dimension?",
    source="attention-indexed models, Figure 2, right, and our own experiment",
    version=1,
    presets={
        "quick": {
            "rho": 0.5,
            "device": "cpu",
            "plan": [descent.line(d, ["adam"], [0.3, 0.7, 1.3], 4, 2) for d in (12, 20)],
        },
        "full": {
            "rho": 0.5,
            "device": "cpu",
            "plan": [
                descent.line(100, ["adam", "equations"], [0.27, 0.55], 8, 8),
                descent.line(100, ["adam"], [0.8], 8, 8),
                descent.line(100, ["adam"], [1.15], 8, 2),
            ],
        },
    },
    cells=descent.cells,
    compute=descent.compute,
    plot=descent.plot,
    claims=descent.claims,
    expected_seconds={"quick": 3.0, "full": 330.0},
    data_keys=descent.DATA_KEYS,
    cost=descent.cost,
    reproducible=descent.reproducible,
)  # fmt: skip
