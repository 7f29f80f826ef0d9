"""Pictures for the chapter on several heads and the unknown normaliser."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pairint.estimation.channels import channel_information
from pairint.figures.style import CYCLE, MARKERS, MUTED, picture, subplots
from pairint.model import SplineSpace, TruncatedGaussian

__all__ = ["QUARTET", "angle_prices", "angles_figure", "quartet_figure"]

#: The identity, the turn by a right angle, and two reflections.
QUARTET = np.array(
    [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [-1.0, 0.0]], [[1.0, 0.0], [0.0, -1.0]], [[0.0, 1.0], [1.0, 0.0]]]
)


@picture
def quartet_figure(rng: np.random.Generator, n_points: int = 150) -> Figure:
    """Draw the sum of two squared scores against that of two others: on tokens, and on all matrices."""
    figure, axis = subplots(1, 3.8)
    x, y = rng.standard_normal((2, n_points, 2))
    clouds = {
        "matrices $Z = xy^\\top$ of two tokens": x[:, :, None] * y[:, None, :],
        "any matrix $Z$": rng.standard_normal((n_points, 2, 2)),
    }
    for i, (label, Z) in enumerate(reversed(clouds.items())):
        squares = np.einsum("hab,nab->nh", QUARTET, Z) ** 2
        axis.scatter(
            squares[:, :2].sum(axis=1),
            squares[:, 2:].sum(axis=1),
            s=14,
            color=CYCLE[1 - i],
            marker=MARKERS[1 - i],
            label=label,
        )
    ends = [1e-2, 30]
    axis.plot(ends, ends, color=MUTED, lw=1, ls=":")
    axis.set(
        title="Two pairs of quadratic heads",
        xlabel="first pair, sum of squares",
        ylabel="second pair",
        xscale="log",
        yscale="log",
        xlim=ends,
        ylim=ends,
    )
    axis.legend(fontsize="small", loc="lower right")
    return figure


def angle_prices(
    angles: Any, rng: np.random.Generator, *, d: int = 4, n_samples: int = 3000
) -> dict[str, np.ndarray]:
    r"""Return what two heads of rank one cost whose vectors enclose an angle, in units of sigma^2/M.

    Book: :doc:`/book/several_heads`.

    Parameters
    ----------
    angles : array_like
        In degrees, from above 0 to 90; the left vectors enclose it, and the right vectors.
    rng : numpy.random.Generator
        For the tokens, in a ball, three in a sample.
    d : int
        At least 4.
    n_samples : int

    Returns
    -------
    dict
        ``"sum"``: expected squared error of the sum of both. ``"first"``: that of the first head alone, up to
        its level. The activations are tanh on four cells, the coefficients unknown.
    """
    X = TruncatedGaussian(d, 1.0).sample(n_samples, 3, rng)
    space = SplineSpace(-4.0, 4.0, 4, 3)
    points = np.linspace(-4.0, 4.0, 200)
    phi = space.spline(np.linalg.lstsq(space.design(points), np.tanh(points), rcond=None)[0])
    basis = np.eye(d)
    found: dict[str, list[float]] = {"sum": [], "first": []}
    for angle in np.deg2rad(np.asarray(angles, dtype=float)):
        second = np.outer(*(np.cos(angle) * basis[k] + np.sin(angle) * basis[k + 1] for k in (0, 2)))
        known = channel_information(X, [(np.outer(basis[0], basis[2]), phi), (second, phi)])
        covariance = np.linalg.pinv(known.aggregated, rcond=1e-12, hermitian=True) / known.n_tokens
        own = slice(0, known.blocks["matrix 1"].stop)
        level = np.zeros(own.stop)
        level[: space.dimension] = 1.0
        along = known.pair[own, own] @ level
        alone = known.pair[own, own] - np.outer(along, along) / (level @ along)
        found["sum"].append(float(np.sum(covariance * known.pair)))
        found["first"].append(float(np.sum(covariance[own, own] * alone)))
    return {name: np.array(values) for name, values in found.items()}


@picture
def angles_figure(rng: np.random.Generator) -> Figure:
    """Draw the cost of the sum of two heads, and of one of them, against the angle between them."""
    figure, axis = subplots(1, 3.6)
    angles = np.array([3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0, 90.0])
    prices = angle_prices(angles, rng)
    for i, (name, label) in enumerate((("sum", "the sum of both"), ("first", "one head, up to its level"))):
        axis.plot(angles, prices[name], color=CYCLE[i], marker=MARKERS[i], label=label)
    axis.set(
        title="Two heads that align",
        xlabel="angle between vectors (degrees)",
        ylabel="squared error over $\\sigma^2/M$",
        xscale="log",
        yscale="log",
    )
    axis.set_xticks([3, 10, 30, 90], ["3", "10", "30", "90"])
    axis.minorticks_off()
    axis.legend(fontsize="small")
    return figure
