"""Pictures for the page on channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pairint.figures.style import CYCLE, INK, picture, subplots

__all__ = ["rediscovered_figure"]


@picture
def rediscovered_figure(
    activation: Any, scale: float, interval: tuple[float, float], held_out: Mapping[str, float]
) -> Figure:
    """Draw the logarithm of a fitted activation over the line of exp, and what fits say of new outputs.

    Parameters
    ----------
    activation : callable
        The fitted activation, of a matrix of norm one.
    scale : float
        The norm of the true matrix, with the sign of the fitted one: the slope of the line.
    interval : (float, float)
        Scores to draw.
    held_out : mapping of str to float
        For each fit a name, and its R^2 on samples that it has not seen.
    """
    figure, (left, right) = subplots(2, 3.6)
    u = np.linspace(*interval, 201)
    left.plot(u, scale * u, color=INK, lw=1, label="the logarithm of exp")
    left.plot(u, np.log(activation(u)), color=CYCLE[0], ls="--", label="learned")
    left.set(
        title="Nobody said exp",
        xlabel="score of the matrix of norm one",
        ylabel="logarithm of the activation",
    )
    left.legend()
    names = list(held_out)
    places = np.arange(len(names))
    right.barh(places, [held_out[name] for name in names], color=CYCLE[: len(names)])
    right.axvline(0.0, color=INK, lw=1)
    right.set_yticks(places, names)
    right.invert_yaxis()
    right.set(title="On samples not seen", xlabel="$R^2$ of the outputs")
    return figure
