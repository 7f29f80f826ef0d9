"""Coercivity explorer: what an average over partners hides, for four laws of the tokens."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.explorers.kit.explorer import Explorer, Numbers, Simulation
from pairint.explorers.kit.panels import Axis, Panel, Parameter, Series, area, line, points, rule
from pairint.model.attention import pair_scores
from pairint.model.splines import Spline, SplineSpace
from pairint.model.tokens import Equicorrelated, PermutedPoints, Sphere, TokenLaw, UniformCube
from pairint.theory.coercivity import (
    GramMatrices,
    coercivity_constant,
    exact_gram,
    pair_moments,
    product_density,
    sampled_gram,
)

__all__ = ["LAWS", "CoercivityExplorer", "law_of"]

_DEGREE, _CELLS, _GRID = 3, 8, 161
_MOST_TOKENS = 64
_N_POINTS = 8
_TOKENS = np.unique(np.round(np.geomspace(2, _MOST_TOKENS, 40))).astype(np.int64)
LAWS = {
    "cube": "independent, uniform on a cube",
    "sphere": "independent, on a sphere (d = 3)",
    "shared": "a shared factor, correlation 1/2",
    "points": f"{_N_POINTS} points in random order",
}


@dataclass(frozen=True)
class _Law:
    """A law of the tokens, its functions of the score ordered by visibility, and one token's partners."""

    tokens: TokenLaw
    matrix: NDArray[np.float64]
    most_tokens: int
    space: SplineSpace
    cross: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    density: dict[str, list[float]]
    scores: NDArray[np.float64]

    def function(self, index: int) -> Spline:
        return self.space.spline(self.coefficients[index])


class CoercivityExplorer(Explorer):
    """How visible each function of the score is through the forward operator.

    Book: :doc:`/book/coercivity`.

    A function psi of the score has visibility ``E |R_psi|^2 / E psi^2 = (1 + (N-2) c) / (N-1)`` with
    ``c = E[psi(U_12) psi(U_13)] / E psi^2``. In a space of eleven splines the functions that make c
    stationary are computed for each law, by quadrature or by enumeration of all pairs.
    """

    name = "coercivity"
    title = "What the average over partners hides"
    summary = (
        "Tokens: {law_name}; N = {tokens}{limit}. Function {function} keeps {ratio} of its mean square after "
        "the average over partners, that is {scaled} times 1/(N−1) = {bound}. The least visible one keeps "
        "{least} times 1/(N−1). In the sample drawn the partners of one token average to {mean}."
    )
    simulation = Simulation(
        "Simulate",
        "Draw tokens with this law and measure the visibility of the chosen function",
        free=("tokens",),
    )
    parameters = (
        Parameter("law", "tokens", "cube", scale="choice", choices=tuple(LAWS), names=tuple(LAWS.values())),
        Parameter("tokens", "number of tokens N", 16, 2, _MOST_TOKENS, scale="log", integer=True),
        Parameter("function", "function (1: least visible)", 9, 1, _CELLS + _DEGREE, 1, integer=True),
    )
    panels = (
        Panel(
            "function",
            "Function {function} of the score, and one token's {partners} partners",
            Axis("score u = x′Ay"),
            Axis("ψ(u), mean square 1"),
            (
                area("density", "density of the score (any scale)", "data", 0.3),
                line("curve", "ψ", "muted", width=2.6),
                points("partners", "ψ(score) of each partner", "ink", "circle", 3.2, 0.75),
                rule("mean", "their average, all that is observed", "y", "first", "solid", 2.4),
            ),
            height=310,
            grow=1.3,
        ),
        Panel(
            "visibility",
            "Visibility against number of tokens",
            Axis("number of tokens N", "log", (2, _MOST_TOKENS)),
            Axis("E|R ψ|² / E ψ²", "log", (1e-3, 1.5)),
            (
                line("most", "most visible", "second", "dashdot"),
                line("chosen", "function {function}", "first", width=4.0),
                line("least", "least visible", "third", "dot", 3.0),
                line("bound", "1/(N−1)", "bound", "dash", 1.6),
                points("here", "chosen N", "ink", "circle", 5.5),
                points("simulated", "simulated, ± 2 standard errors", "data", "diamond", 4.0),
            ),
            height=310,
        ),
        Panel(
            "spectrum",
            "All functions, in units of 1/(N−1)",
            Axis("function"),
            Axis("(N−1) × visibility", "log", (0.02, 70)),
            (
                rule("bound", "1: what coercivity promises", "y", "bound", "dash", 1.6),
                points("all", "visibility at N = {tokens}", "first", "circle", 4.2),
                points("here", "function {function}", "ink", "diamond", 5.5),
            ),
            height=210,
        ),
    )

    def data(self) -> dict[str, Any]:
        laws = {}
        for key in LAWS:
            law = law_of(key)
            laws[key] = {
                "most_tokens": law.most_tokens,
                "lower": law.space.lower,
                "upper": law.space.upper,
                "degree": law.space.degree,
                "cross": law.cross.tolist(),
                "coefficients": law.coefficients.tolist(),
                "density": law.density,
                "scores": law.scores.tolist(),
            }
        return {"grid": _GRID, "tokens": _TOKENS.tolist(), "laws": laws}

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        law = law_of(values["law"])
        n_tokens = min(values["tokens"], law.most_tokens)
        index = values["function"] - 1

        counts = _TOKENS[law.most_tokens >= _TOKENS]
        series: Series = {}
        for key, k in (("least", 0), ("chosen", index), ("most", -1)):
            series[f"visibility.{key}"] = {"x": counts, "y": _visibility(law.cross[k], counts)}
        series["visibility.bound"] = {"x": counts, "y": 1 / (counts - 1)}
        visible = float(_visibility(law.cross[index], n_tokens))
        series["visibility.here"] = {"x": [n_tokens], "y": [visible]}

        scaled = (n_tokens - 1) * _visibility(law.cross, n_tokens)
        series["spectrum.all"] = {"x": np.arange(1, len(scaled) + 1), "y": scaled}
        series["spectrum.here"] = {"x": [index + 1], "y": [scaled[index]]}
        series["spectrum.bound"] = {"at": 1.0}

        psi = law.function(index)
        grid = np.linspace(law.space.lower, law.space.upper, _GRID)
        scores = law.scores[: n_tokens - 1]
        mean = float(psi(scores).mean())
        mean = 0.0 if abs(mean) < 1e-8 else mean  # what is zero but for rounding is zero
        series["function.density"] = law.density
        series["function.curve"] = {"x": grid, "y": psi(grid)}
        series["function.partners"] = {"x": scores, "y": psi(scores)}
        series["function.mean"] = {"at": mean}
        limited = values["tokens"] > law.most_tokens
        facts = {
            "tokens": n_tokens,
            "partners": n_tokens - 1,
            "ratio": visible,
            "bound": 1 / (n_tokens - 1),
            "scaled": float(scaled[index]),
            "least": float(scaled[0]),
            "mean": mean,
            "limit": f" (there are no more than {law.most_tokens})" if limited else "",
        }
        return Numbers(series, facts)

    def simulate(
        self, values: Mapping[str, Any], rng: np.random.Generator, report: Callable[[float], None]
    ) -> Iterator[Series]:
        law = law_of(values["law"])
        n_tokens = min(values["tokens"], law.most_tokens)
        psi = law.function(values["function"] - 1)
        n_batches, batch = 10, max(100, 400_000 // n_tokens**2 // 10)
        drawn = []
        for k in range(n_batches):
            report(k / n_batches)
            scores = pair_scores(law.tokens.sample(batch, n_tokens, rng), law.matrix)
            drawn.append(psi(scores))
        moments = pair_moments(np.concatenate(drawn))
        spread = 2 * moments.aggregated_error / moments.second
        yield {
            "visibility.simulated": {
                "x": [n_tokens],
                "y": [moments.ratio],
                "low": [max(moments.ratio - spread, 1e-9)],
                "high": [moments.ratio + spread],
            }
        }


def _visibility(cross: Any, n_tokens: Any) -> Any:
    """Return E |R_psi|^2 for N tokens, if E psi^2 = 1; what is zero but for rounding is zero."""
    value = (1 + (n_tokens - 2) * cross) / (n_tokens - 1)
    return np.where(value < 1e-10, 0.0, value)


@functools.cache
def law_of(key: str) -> _Law:
    rng = np.random.default_rng(7)
    most = _MOST_TOKENS
    one = np.ones((1, 1))
    if key == "cube":
        tokens: TokenLaw = UniformCube(1)
        matrix, space = one, SplineSpace(-2.25, 2.25, _CELLS, _DEGREE)
        gram = exact_gram(space, 3.0, 3)
    elif key == "sphere":
        bound = np.sqrt(3.0)
        tokens, matrix = Sphere(3), np.eye(3) / bound
        space = SplineSpace(-bound, bound, _CELLS, _DEGREE)
        gram = _sphere_gram(space)
    elif key == "shared":
        tokens, matrix = Equicorrelated(1, 0.5), one
        space = SplineSpace(-1.0, 4.0, _CELLS, _DEGREE)
        gram = _shared_factor_gram(space, 0.5)
    else:
        angle = np.arange(_N_POINTS) * 2.4  # a sunflower: no symmetry that would make scores coincide
        radius = np.sqrt((np.arange(_N_POINTS) + 0.5) / _N_POINTS) * 2
        cloud = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        tokens, matrix, most = PermutedPoints(cloud), np.array([[0.6, 0.5], [-0.3, 0.5]]), _N_POINTS
        scores = pair_scores(cloud[None], matrix)[0][~np.eye(_N_POINTS, dtype=bool)]
        space = SplineSpace(float(scores.min()), float(scores.max()), _CELLS + _DEGREE - 1, 1)
        # Each sample holds all the points: its averages are the exact expectations.
        gram = sampled_gram(space, tokens, matrix, _N_POINTS, 4, rng, n_batches=4)
        gram = GramMatrices(space, _N_POINTS, gram.pair[None], gram.aggregated[None])
    result = coercivity_constant(gram)
    n = gram.n_tokens
    cross = ((n - 1) * result.eigenvalues - 1) / (n - 2)
    rows = _smoothest_first(result.coefficients, cross, space)
    drawn = pair_scores(tokens.sample(400, most, rng), matrix)
    typical = drawn[np.argsort(np.abs(drawn[:, 0, 1:]).mean(axis=1))[200], 0, 1:]
    return _Law(
        tokens,
        matrix,
        most,
        space,
        cross,
        np.round(rows, 9),
        _density(key, space, drawn),
        np.round(typical, 9),
    )


def _smoothest_first(
    coefficients: NDArray[np.float64], cross: NDArray[np.float64], space: SplineSpace
) -> NDArray[np.float64]:
    """Return the functions as rows; those of equal visibility are mixed so that the smoothest come first.

    Their sign is arbitrary too: the largest coefficient is made positive.
    """
    columns = coefficients.copy()
    roughness = space.difference_penalty(2)
    starts = np.flatnonzero(np.concatenate([[True], np.diff(cross) > 1e-7]))
    for start, stop in zip(starts, [*starts[1:], len(cross)], strict=True):
        block = columns[:, start:stop]
        columns[:, start:stop] = block @ np.linalg.eigh(block.T @ roughness @ block)[1]
    rows = columns.T
    return rows * np.sign(rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)])[:, None]


def _density(key: str, space: SplineSpace, drawn: NDArray[np.float64]) -> dict[str, list[float]]:
    """Return the density of the score for display: exact for the cube, else a histogram of the draws."""
    if key == "cube":
        u = np.linspace(-3, 3, 60)
        heights = product_density(u, 3.0)
    else:
        off_diagonal = drawn[:, ~np.eye(drawn.shape[1], dtype=bool)]
        heights, edges = np.histogram(off_diagonal, 30, (space.lower, space.upper), density=True)
        u = (edges[:-1] + edges[1:]) / 2
    return {"x": np.round(u, 6).tolist(), "y": np.round(heights, 6).tolist()}


def _sphere_gram(space: SplineSpace) -> GramMatrices:
    """Return Gram matrices for independent tokens on the sphere of R^3 and A proportional to the identity.

    The score is uniform (Archimedes), whatever the first token: given it, only the mean is known.
    """
    t, weight = np.polynomial.legendre.leggauss(8)
    centres = space.lower + space.width * (np.arange(space.n_intervals) + 0.5)
    u = (centres[:, None] + space.width * t / 2).ravel()
    basis = space.design(u)
    weights = np.tile(weight / 2, space.n_intervals) / space.n_intervals
    pair = basis.T @ (weights[:, None] * basis)
    mean = weights @ basis
    return GramMatrices(space, 3, pair[None], (pair + np.outer(mean, mean))[None] / 2)


def _shared_factor_gram(space: SplineSpace, correlation: float, n_nodes: int = 96) -> GramMatrices:
    """Return the Gram matrices for tokens of dimension one with a shared factor, by quadrature.

    Given the first token x and the factor z, the scores are independent and uniform on an interval.
    """
    t, weight = np.polynomial.legendre.leggauss(n_nodes)
    shared, own = np.sqrt(3 * correlation), np.sqrt(3 * (1 - correlation))
    pair = np.zeros((space.dimension, space.dimension))
    cross = np.zeros_like(pair)
    for z, weight_z in zip(t, weight / 2, strict=True):
        partner = shared * z + own * t
        for x, weight_x in zip(partner, weight / 2, strict=True):
            basis = space.design(x * partner)
            mean = weight / 2 @ basis
            pair += weight_z * weight_x * (basis.T @ (weight[:, None] / 2 * basis))
            cross += weight_z * weight_x * np.outer(mean, mean)
    return GramMatrices(space, 3, pair[None], (pair + cross)[None] / 2)
