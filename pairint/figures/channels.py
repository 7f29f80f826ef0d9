"""Pictures for the page on channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pairint.figures.style import CYCLE, FIT, MUTED, TRUTH, picture, subplots

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
        The norm of the true matrix, negative if the fitted one has the other sign.
    interval : (float, float)
        Scores of the fitted matrix to draw.
    held_out : mapping of str to float
        For each fit a name, and its R^2 on samples that it has not seen.
    """
    figure, (left, right) = subplots(2, 3.6)
    u = np.linspace(*interval, 201)
    left.plot(scale * u, scale * u, color=TRUTH, lw=1, label="the logarithm of exp")
    left.plot(scale * u, np.log(activation(u)), color=FIT, ls="--", label="learned")
    left.set(title="Nobody said exp", xlabel="score $x^\\top A y$", ylabel="logarithm of the activation")
    left.legend()
    names = list(held_out)
    places = np.arange(len(names))
    # A list: two colours in a tuple are taken for a colour and its opacity by older versions.
    right.barh(places, [held_out[name] for name in names], color=[FIT, *CYCLE[: len(names) - 1]])
    right.axvline(0.0, color=MUTED, lw=1)
    right.set_yticks(places, names)
    right.invert_yaxis()
    right.set(title="On samples not seen", xlabel="$R^2$ of the outputs")
    return figure
