r"""One diagram for both papers: numbers to learn against numbers seen, and the two lines in it.

Below the first line fewer numbers are seen than the matrix has: no method recovers it. Above the second the
error is the price of the function, below it the price of the matrix; the line is where these two parts of the
error budget are equal.

Book: :doc:`/book/one_diagram`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pairint.theory.rates import matrix_dimension, parameter_price
from pairint.theory.setting import Setting
from pairint.validation import check_choice, check_instance, check_integer, check_real

__all__ = [
    "SEEN",
    "DiagramLines",
    "diagram_lines",
    "elbow_numbers",
    "elbow_samples",
    "equations_per_sample",
    "symmetric_dimension",
]

#: What a sample shows: outputs averaged over partners, softmax weights, or scores themselves.
SEEN = ("average", "softmax", "linear")


@dataclass(frozen=True)
class DiagramLines:
    """Where the lines of the diagram pass for one matrix: three numbers of samples.

    Book: :doc:`/book/one_diagram`.

    Attributes
    ----------
    numbers : int
        ``p = r (2d - r) - 1``, the numbers of a matrix whose scale belongs to the activation.
    counted : float
        ``p / N``: with fewer samples no method recovers every matrix (proved).
    unique : int
        ``2 p + 1``: with so many, without noise, the outputs determine the interaction (proved, for almost
        all tokens, phi known and analytic).
    elbow : float
        Where matrix and function cost alike in the error budget (heuristic constant).
    """

    numbers: int
    counted: float
    unique: int
    elbow: float


def symmetric_dimension(d: int, width: int) -> int:
    r"""Return ``r d - r (r - 1) / 2``: the numbers of a symmetric matrix of rank ``min(r, d)``.

    Book: :doc:`/book/one_diagram`.

    Parameters
    ----------
    d, width : int
        At least 1. Beyond ``width = d`` the matrix is any symmetric one, ``d (d + 1) / 2`` numbers.
    """
    d = check_integer("d", d, 1)
    rank = min(check_integer("width", width, 1), d)
    return rank * d - rank * (rank - 1) // 2


def equations_per_sample(n_tokens: int, seen: str = "average") -> int:
    """Return how many independent numbers a sample of ``n_tokens`` tokens shows.

    Book: :doc:`/book/one_diagram`.

    Parameters
    ----------
    n_tokens : int
        At least 2.
    seen : {"average", "softmax", "linear"}
        Averages over partners: one for each token. The scores of a symmetric matrix (``"linear"``):
        ``T (T + 1) / 2``. Their softmax: one less, the common level of all scores.
    """
    t = check_integer("n_tokens", n_tokens, 2)
    check_choice("seen", seen, SEEN)
    if seen == "average":
        return t
    return t * (t + 1) // 2 - (seen == "softmax")


def elbow_samples(numbers: float, setting: Setting) -> float:
    r"""Return the ``M`` at which ``numbers`` free numbers of a matrix cost as much as the function.

    Book: :doc:`/book/one_diagram`.

    The function's part of :meth:`pairint.theory.Setting.budget`, minimised over real ``K``, is that of
    :math:`(k+1)(1 + \frac{1}{2\beta}) K` numbers, at the price
    :math:`\sigma^2 (N-1)/(MN)` each. So with :math:`b` the bias of one cell,

    .. math::

        M = \frac{\sigma^2 (N-1)}{N} \frac{k+1}{2 \beta b} \, \kappa^{2\beta+1} ,
        \qquad \kappa = \frac{p}{(k+1)(1 + \frac{1}{2\beta})} .

    With fewer samples the matrix costs more, with more samples the function.

    Parameters
    ----------
    numbers : float
        p > 0.
    setting : Setting
        With a positive noise and a score bound; it needs no ``d``.

    Returns
    -------
    float
        A heuristic constant before a power that is proved.
    """
    p = check_real("numbers", numbers, 0.0, exclusive_minimum=True)
    check_instance("setting", setting, Setting)
    setting.require_noise()
    beta, pieces = setting.beta, setting.degree + 1
    bias = setting.budget(1, 1, matrix_known=True).bias
    unit = parameter_price(1, n_tokens=setting.n_tokens, noise_std=setting.noise_std)
    cells = p / (pieces * (1 + 1 / (2 * beta)))
    logarithm = math.log(unit * pieces / (2 * beta * bias)) + (2 * beta + 1) * math.log(cells)
    return math.exp(logarithm) if logarithm < 700 else math.inf


def elbow_numbers(n_samples: float, setting: Setting) -> float:
    """Return the ``p`` whose price equals the function's at ``n_samples``: the inverse of the other.

    Book: :doc:`/book/one_diagram`.

    Parameters
    ----------
    n_samples : float
        M > 0.
    setting : Setting
        As for :func:`pairint.theory.elbow_samples`.
    """
    m = check_real("n_samples", n_samples, 0.0, exclusive_minimum=True)
    check_instance("setting", setting, Setting)
    setting.require_noise()
    return float((m / elbow_samples(1.0, setting)) ** (1 / (2 * setting.beta + 1)))


def diagram_lines(d: int, rank: int, setting: Setting) -> DiagramLines:
    """Return where the lines of the diagram pass for a ``d x d`` matrix of rank ``rank``.

    Book: :doc:`/book/one_diagram`.

    Parameters
    ----------
    d, rank : int
        1 <= rank <= d, not both one: a 1 x 1 matrix is a scale, and has no numbers of its own.
    setting : Setting
        As for :func:`pairint.theory.elbow_samples`; its own ``d`` and ``rank`` do not count.
    """
    numbers = matrix_dimension(check_integer("d", d, 2), rank) - 1
    check_instance("setting", setting, Setting)
    return DiagramLines(
        numbers=numbers,
        counted=numbers / equations_per_sample(setting.n_tokens),
        unique=2 * numbers + 1,
        elbow=elbow_samples(numbers, setting),
    )
