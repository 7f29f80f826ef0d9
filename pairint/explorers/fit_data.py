"""The fits behind the fit explorer: computed once, stored in ``fit_data.json``.

    python -m pairint.explorers.fit_data

recomputes the file (several minutes on one core). Every cell has its own truth, dimension, noise and number
of samples; data are shared as far as possible: a larger M adds samples, another noise level scales the same
noise. With two tokens each output is one value of the activation plus noise, so that the data can be drawn.

The interaction regressor fits the matrix and chooses K. Given that matrix, a spline is fitted for each K of
`CELLS` and for the chosen one. Nothing in between is stored: a fitted curve is not a smooth function of the
setting, so that a curve interpolated between two fits would be the fit of no data.
"""

from __future__ import annotations

import base64
import functools
import itertools
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.estimation import InteractionRegressor, OracleRegressor
from pairint.estimation.error import interaction_error
from pairint.model.activations import RoughActivation
from pairint.model.attention import AttentionModel
from pairint.model.matrices import interaction_matrix
from pairint.model.splines import Spline, SplineSpace
from pairint.model.tokens import UniformCube

__all__ = [
    "AXES",
    "CELLS",
    "DEGREE",
    "STEPS",
    "Fit",
    "compute_fit",
    "decode",
    "draws",
    "encode",
    "first_outputs",
    "fit_matrix",
    "load_fits",
    "model_of",
]

AXES: dict[str, tuple[float, ...]] = {
    "beta": (1.0, 2.0, 3.0),
    "d": (1, 5, 30),
    "noise": (0.05, 0.2, 0.8),
    "samples": (100, 500, 2000, 10_000),
}
CELLS = (3, 6, 12, 24, 48)
DEGREE = 3
#: What the stored fits were made with; the regressor's defaults are others now.
SOLVER, WEIGHT = "gauss-newton", 1.0
_N_TOKENS = 2
_SHOWN = 60  # samples whose outputs are drawn
_FILE = Path(__file__).with_name("fit_data.json")
STEPS = 2047  # a coefficient is stored as a whole number of units: the largest one over this


@dataclass(frozen=True)
class Fit:
    """Fits of one data set with each number of cells.

    Attributes
    ----------
    lower, upper : float
        Interval of the splines.
    coefficients : list of ndarray
        For each K of `cells`, with the fitted matrix.
    errors, oracle_errors : tuple of float
        Squared L2(rho) error for each K of `cells`, with the fitted matrix and with the true one (Monte
        Carlo on 50,000 pairs, about 1 %).
    chosen : int
        K chosen from the data.
    """

    lower: float
    upper: float
    coefficients: list[NDArray[np.float64]]
    errors: tuple[float, ...]
    oracle_errors: tuple[float, ...]
    chosen: int

    @property
    def cells(self) -> tuple[int, ...]:
        """The numbers of cells fitted, those of `CELLS` and the chosen one, in increasing order."""
        return _with_chosen(self.chosen)

    def spline(self, index: int) -> Spline:
        """Return the fitted activation with the number of cells of this index."""
        return SplineSpace(self.lower, self.upper, self.cells[index], DEGREE).spline(self.coefficients[index])


def _with_chosen(chosen: int) -> tuple[int, ...]:
    return tuple(sorted({*CELLS, chosen}))


def model_of(beta: float, d: int) -> AttentionModel:
    """Return the noiseless model: a truth rough at every scale, one coordinate of each token in the score."""
    truth = RoughActivation(beta, 11, n_terms=12)
    return AttentionModel(truth, interaction_matrix(d, 1, 5, kind="coordinate"), UniformCube(d))


@functools.cache
def draws(d: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the tokens and the standard noise of the largest sample."""
    rng = np.random.default_rng([17, d])
    most = int(max(AXES["samples"]))
    noise = rng.standard_normal((most, _N_TOKENS))
    return UniformCube(d).sample(most, _N_TOKENS, rng), noise


def first_outputs(d: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return scores and standard noise of the first outputs of the data."""
    tokens, noise = draws(d)
    scores = model_of(1.0, d).scores(tokens[:_SHOWN])
    off_diagonal = ~np.eye(_N_TOKENS, dtype=bool)
    return scores[:, off_diagonal].ravel(), noise[:_SHOWN].ravel()


def compute_fit(beta: float, d: int, noise: float, samples: int) -> Fit:
    """Fit one cell."""
    model = model_of(beta, d)
    tokens, standard = draws(d)
    X = tokens[:samples]
    Y = model.forward(X) + noise * standard[:samples]
    matrix, chosen = fit_matrix(X, Y, model, 1)
    errors: list[float] = []
    oracle_errors: list[float] = []
    fits: list[Any] = []
    for k in _with_chosen(chosen):
        fits.append(OracleRegressor(matrix, DEGREE, k).fit(X, Y))
        known = OracleRegressor(model.matrix, DEGREE, k).fit(X, Y)
        rng = [3, k]  # the same pairs for both
        for fit, column in ((fits[-1], errors), (known, oracle_errors)):
            pairs = np.random.default_rng(rng)
            column.append(float(interaction_error(fit, model, n_pairs=50_000, rng=pairs).value))
    space = fits[0].activation_.space
    coefficients = [np.asarray(fit.activation_.coefficients) for fit in fits]
    return Fit(space.lower, space.upper, coefficients, tuple(errors), tuple(oracle_errors), chosen)


def fit_matrix(X: Any, Y: Any, model: AttentionModel, random_state: Any) -> tuple[NDArray[np.float64], int]:
    """Return the matrix and the number of cells of the interaction regressor, which chooses the latter.

    Only g is identified: the matrix gets the sign of the truth's, so that the activations can be compared.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # with few samples a fit may stop early: that is what is shown
        auto = InteractionRegressor(
            1, DEGREE, selection_weight=WEIGHT, solver=SOLVER, random_state=random_state
        ).fit(X, Y)
    return auto.matrix_ * np.sign(np.sum(auto.matrix_ * model.matrix)), auto.n_intervals_


def encode(fit: Fit) -> dict[str, Any]:
    """Return a fit as it is stored: JSON."""
    values = np.concatenate(fit.coefficients)
    unit = float(f"{np.abs(values).max() / STEPS:.4g}") or 1.0
    steps = np.clip(np.round(values / unit), -STEPS, STEPS).astype("<i2") + STEPS
    # All low bytes, then all high ones: a server compresses this better than the numbers one by one.
    planes = steps.view(np.uint8).reshape(-1, 2).T
    return {
        "range": [float(f"{v:.6g}") for v in (fit.lower, fit.upper)],
        "unit": unit,
        "steps": base64.b64encode(planes.tobytes()).decode(),
        "errors": [float(f"{e:.3g}") for e in fit.errors],
        "oracle": [float(f"{e:.3g}") for e in fit.oracle_errors],
        "chosen": fit.chosen,
    }


def decode(record: dict[str, Any]) -> Fit:
    """Return the fit that is stored so."""
    low, high = np.frombuffer(base64.b64decode(record["steps"]), np.uint8).reshape(2, -1).astype(np.int64)
    values = (low + 256 * high - STEPS) * record["unit"]
    cells = _with_chosen(record["chosen"])
    coefficients = np.split(values, np.cumsum([k + DEGREE for k in cells])[:-1])
    lower, upper = record["range"]
    return Fit(lower, upper, coefficients, tuple(record["errors"]), tuple(record["oracle"]), record["chosen"])


@functools.cache
def stored_records() -> list[dict[str, Any]]:
    """Return the stored fits as they are in the file, in the order of `AXES`, the last axis fastest."""
    return json.loads(_FILE.read_text(encoding="utf-8"))["fits"]


@functools.cache
def load_fits() -> dict[tuple[float, ...], Fit]:
    """Return the stored fits by (beta, d, noise, samples)."""
    keys = itertools.product(*AXES.values())
    return {key: decode(record) for key, record in zip(keys, stored_records(), strict=True)}


def main() -> None:
    """Recompute the file."""
    from tqdm import tqdm

    cells = list(itertools.product(*AXES.values()))
    records = [encode(compute_fit(*cell)) for cell in tqdm(cells)]
    text = ",\n".join(json.dumps(record, separators=(",", ":")) for record in records)
    _FILE.write_text(f'{{"fits":[\n{text}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
