r"""Regression on pairs that does not know where to look: :math:`g` as any function on :math:`R^{2d}`.

Two methods that every textbook has, each with its tuning by cross-validation on the data: kernel ridge
regression with an isotropic kernel, and the mean over nearest neighbours. They are not told that :math:`g`
depends on one number, :math:`x^\top A y`.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

__all__ = ["KERNELS", "KernelRidge", "Neighbours", "squared_distances"]

_Array = NDArray[np.float64]

#: Smoothness of the functions that a kernel prefers, from rough to analytic, as functions of the distance.
KERNELS = {
    "exponential": lambda t: np.exp(-t),
    "Matérn 3/2": lambda t: (1.0 + math.sqrt(3.0) * t) * np.exp(-math.sqrt(3.0) * t),
    "Gaussian": lambda t: np.exp(-0.5 * t * t),
}
_NAMES = tuple(KERNELS)
#: Lengths, in units of the root mean square of an input's norm; ridges, in units of the kernel's diagonal.
_LENGTHS = 2.0 ** np.arange(-6, 5)
_RIDGES = 10.0 ** np.arange(-5, 3)
#: The data are left out in fifths. Every second length and ridge is tried on some sixty samples or more; from
#: there the best is followed, to neighbours in the grid, there and on four times as many, until all are used.
_FOLDS, _FEWEST, _GROWTH = 5, 60, 4
#: In many dimensions few samples tell nothing of what is best with many: these places are tried each time,
#: lengths of one and four norms, with ridges of 0.01 and 1.
_ALWAYS = tuple(itertools.product(range(len(_NAMES)), (6, 8), (3, 5)))

#: What is tuned: the kernel, the length and the ridge, as places in the lists above.
_Place = tuple[int, int, int]


def squared_distances(a: _Array, b: _Array) -> _Array:
    """Return the squared distances between rows, shape ``(len(a), len(b))``."""
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None, :]
    squares -= 2.0 * a @ b.T
    return np.maximum(squares, 0.0)


def _held_out(n_samples: int, n_outputs: int, fold: int) -> NDArray[np.bool_]:
    """Return which rows are left out: whole samples, since the outputs of one share their tokens."""
    return np.repeat(np.arange(n_samples) % _FOLDS == fold, n_outputs)


@dataclass
class KernelRidge:
    """Kernel ridge regression; kernel, length and ridge by cross-validation.

    Attributes
    ----------
    kernel_ : str
    length_, ridge_ : float
        What was chosen: the length in units of the inputs' root mean square norm, the ridge in units of the
        kernel's diagonal.
    """

    kernel_: str = ""
    length_: float = math.nan
    ridge_: float = math.nan

    def fit(self, inputs: _Array, outputs: _Array) -> Self:
        """Tune and fit.

        Parameters
        ----------
        inputs : ndarray, shape (M, N, p)
        outputs : ndarray, shape (M, N)
            Five samples at least.

        Returns
        -------
        self
        """
        n_samples, n_outputs, p = inputs.shape
        if n_samples < _FOLDS:
            raise ValueError(f"inputs must have at least {_FOLDS} samples, got {n_samples}")
        self._unit = math.sqrt(float(np.mean(inputs**2)) * p)
        self._inputs = inputs.reshape(-1, p) / self._unit
        self._mean = float(outputs.mean())
        y = outputs.ravel() - self._mean
        distances = np.sqrt(squared_distances(self._inputs, self._inputs))
        sizes = [n_samples]
        while sizes[0] >= _GROWTH * _FEWEST:
            sizes.insert(0, sizes[0] // _GROWTH)
        every = itertools.product(range(len(_NAMES)), range(0, len(_LENGTHS), 2), range(0, len(_RIDGES), 2))
        known = self._risks(distances, y, sizes[0], n_outputs, _FOLDS, list(every))
        best = self._descend(distances, y, sizes[0], n_outputs, _FOLDS, known)
        for size in sizes[1:]:  # one fifth of these tells nearly as much as five fifths of those before
            known = self._risks(distances, y, size, n_outputs, 1, sorted({best, *_ALWAYS}))
            best = self._descend(distances, y, size, n_outputs, 1, known)
        self.kernel_, self.length_, self.ridge_ = _NAMES[best[0]], _LENGTHS[best[1]], _RIDGES[best[2]]
        system = KERNELS[self.kernel_](distances / self.length_)
        self._weights = _solve(system, self.ridge_, y)
        return self

    def predict(self, inputs: _Array) -> _Array:
        """Return the regression at inputs of shape ``(n, p)``."""
        distances = np.sqrt(squared_distances(inputs / self._unit, self._inputs))
        return self._mean + KERNELS[self.kernel_](distances / self.length_) @ self._weights

    def _descend(
        self,
        distances: _Array,
        y: _Array,
        size: int,
        n_outputs: int,
        folds: int,
        known: dict[_Place, float],
    ) -> _Place:
        """Go from the best known place of the grid on until no neighbour is better."""
        best = min(known, key=known.__getitem__)
        while True:
            kernel, length, ridge = best
            near = [(other, length, ridge) for other in range(len(_NAMES))]
            steps = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, 1), (1, -1))
            near += [(kernel, length + step, ridge + other) for step, other in steps]
            inside = [p for p in near if 0 <= p[1] < len(_LENGTHS) and 0 <= p[2] < len(_RIDGES)]
            new = sorted(place for place in inside if place not in known)
            known |= self._risks(distances, y, size, n_outputs, folds, new)
            now = min(inside, key=known.__getitem__)
            if known[now] >= known[best]:
                return best
            best = now

    @staticmethod
    def _risks(
        distances: _Array, y: _Array, size: int, n_outputs: int, folds: int, places: list[_Place]
    ) -> dict[_Place, float]:
        """Return the squared error on what was left out, summed over the first so many folds."""
        n = size * n_outputs
        risks = dict.fromkeys(places, 0.0)
        for (kernel, length), group in itertools.groupby(places, key=lambda place: place[:2]):
            system = KERNELS[_NAMES[kernel]](distances[:n, :n] / _LENGTHS[length])
            ridges = [place[2] for place in group]
            for fold in range(folds):
                out = _held_out(size, n_outputs, fold)
                kept, cross = system[~out][:, ~out], system[out][:, ~out]
                for ridge in ridges:
                    predicted = cross @ _solve(kept, _RIDGES[ridge], y[:n][~out])
                    risks[kernel, length, ridge] += float(((predicted - y[:n][out]) ** 2).sum())
        return risks


def _solve(system: _Array, ridge: float, y: _Array) -> _Array:
    """Return ``(K + ridge I)^{-1} y``."""
    raised = system.copy()
    raised[np.diag_indices_from(raised)] += ridge
    factor = linalg.cho_factor(raised, lower=True, overwrite_a=True, check_finite=False)
    return linalg.cho_solve(factor, y, check_finite=False)


@dataclass
class Neighbours:
    """The mean output of the ``k`` nearest inputs, with ``k`` by cross-validation.

    Attributes
    ----------
    k_ : int
        What was chosen, among powers of two.
    """

    k_: int = 0

    def fit(self, inputs: _Array, outputs: _Array) -> Self:
        """Tune; arguments as for :meth:`KernelRidge.fit`."""
        n_samples, n_outputs, p = inputs.shape
        if n_samples < _FOLDS:
            raise ValueError(f"inputs must have at least {_FOLDS} samples, got {n_samples}")
        self._inputs, self._outputs = inputs.reshape(-1, p), outputs.ravel()
        squares = squared_distances(self._inputs, self._inputs)
        folds: list[dict[int, float]] = []
        for fold in range(_FOLDS):
            out = _held_out(n_samples, n_outputs, fold)
            means = _means(squares[np.ix_(out, ~out)], self._outputs[~out])
            folds.append({k: float(((m - self._outputs[out]) ** 2).sum()) for k, m in means.items()})
        # Folds may differ by a sample: what is tried is what all of them can hold.
        risks = {k: sum(fold[k] for fold in folds) for k in min(folds, key=len)}
        self.k_ = min(risks, key=risks.__getitem__)
        return self

    def predict(self, inputs: _Array) -> _Array:
        """Return the means at inputs of shape ``(n, p)``."""
        return _means(squared_distances(inputs, self._inputs), self._outputs)[self.k_]


def _means(squares: _Array, outputs: _Array) -> dict[int, _Array]:
    """Return the mean output of the nearest 1, 2, 4, ... inputs, for each row of squared distances."""
    order = np.argsort(squares, axis=1, kind="stable")
    sums = np.cumsum(outputs[order], axis=1)
    sizes = [2**i for i in range(len(outputs).bit_length())]
    return {k: sums[:, k - 1] / k for k in sizes}
