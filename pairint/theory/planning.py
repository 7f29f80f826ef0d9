r"""How many samples a target error needs, before there are any.

Each fitted number adds the price :math:`\sigma^2 (N-1)/(MN)` to the squared error: the :math:`p = r(2d-r) -
1` numbers of a matrix whose scale belongs to the activation, and the ``K + s`` coefficients of a spline of
degree ``s`` on ``K`` cells. What a spline on ``K`` cells cannot follow is added to it.

:meth:`pairint.theory.Setting.samples_for_error` answers the same question for the estimator of the *proof*:
unconnected polynomials on cells, ``(k+1) K`` coefficients, and a matrix with its scale. The approximation
error here is the one of its budget; the count of parameters is that of
:class:`pairint.estimation.InteractionRegressor`.

Book: :doc:`/book/bands`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pairint.result import Result
from pairint.theory.rates import matrix_dimension, parameter_price
from pairint.theory.setting import Setting
from pairint.validation import check_integer, check_real

__all__ = ["MOST_SAMPLES", "Plan", "plan"]

#: More samples than this are no plan.
MOST_SAMPLES = 10**15
_DEFAULT_CELLS = 10
#: Smoother than this is analytic for every purpose, and costs a loop over the derivatives.
_LARGEST_BETA = 100.0


@dataclass(frozen=True, kw_only=True, repr=False)
class Plan(Result):
    """A number of samples, and what the error consists of.

    Book: :doc:`/book/bands`.

    Attributes
    ----------
    n_samples : int
        The smallest ``M`` at which the parts sum to at most the target.
    target : float
        For the squared L2(rho) error.
    n_matrix, n_coefficients, n_intervals : int
        Free numbers of the matrix without its scale, coefficients of the spline, its cells.
    matrix_error, activation_error : float
        Price of the matrix, and of the coefficients, at ``n_samples``.
    approximation_error : float
        What the spline cannot follow; zero where no smoothness was given.
    """

    _first = ("error",)
    _units = (
        ("output²", "error target matrix_error activation_error approximation_error"),
        ("sample", "n_samples"),
    )

    n_samples: int
    target: float
    n_matrix: int
    n_coefficients: int
    n_intervals: int
    matrix_error: float
    activation_error: float
    approximation_error: float

    @property
    def error(self) -> float:
        """Sum of the parts."""
        return self.matrix_error + self.activation_error + self.approximation_error

    def __str__(self) -> str:
        return (
            f"M = {self.n_samples:,} samples for a squared error of {self.target:.3g}:\n"
            f"  matrix         {self.matrix_error:.3g}  ({self.n_matrix:,} numbers)\n"
            f"  activation     {self.activation_error:.3g}  ({self.n_coefficients:,} coefficients on "
            f"{self.n_intervals:,} cells)\n"
            f"  approximation  {self.approximation_error:.3g}"
        )


def plan(
    d: int,
    rank: int,
    *,
    n_tokens: int,
    noise_std: float,
    target: float,
    beta: float | None = None,
    holder_constant: float | None = None,
    score_bound: float | None = None,
    n_intervals: int | None = None,
    degree: int = 3,
) -> Plan:
    r"""Return how many samples a squared error of ``target`` needs (heuristic).

    Book: :doc:`/book/bands`.

    .. math:: \big( r(2d-r) - 1 + K + s \big) \frac{\sigma^2 (N-1)}{M N} + \text{approximation}(K) \le target

    Parameters
    ----------
    d, rank : int
        Dimension of the tokens and rank of the matrix, 1 <= rank <= d.
    n_tokens : int
        N >= 2.
    noise_std : float
        sigma > 0.
    target : float
        For the squared L2(rho) error, > 0.
    beta, holder_constant, score_bound : float, optional
        Smoothness (at most 100), Hölder constant and largest score of the activation; all three or none. With
        them ``K`` is chosen, and the approximation error is the worst of the Hölder class: a cautious plan.
        Without them there is the parametric part only.
    n_intervals : int, optional
        ``K`` >= 1. 10 by default where no smoothness is given, else chosen to make ``M`` smallest.
    degree : int
        ``s`` from 0 to 12.

    Returns
    -------
    Plan

    Raises
    ------
    TypeError, ValueError
        For a number outside its range, if some but not all of the three are given, if ``n_intervals`` cells
        cannot reach the target, or if more than ``10**15`` samples are needed.

    Notes
    -----
    The price of a parameter is the one of coercivity: exact for parameters whose direction has no conditional
    mean given a token (for N = 2 all), an upper bound for the others. It is asymptotic: with fewer than
    a few outputs a parameter the matrix is not found at all.

    Examples
    --------
    >>> plan(d=5, rank=1, n_tokens=3, noise_std=0.3, target=1e-3).n_samples
    1260
    """
    check_integer("d", d, 1)
    n_matrix = matrix_dimension(d, rank) - 1
    n_tokens = check_integer("n_tokens", n_tokens, 2)
    noise_std = check_real("noise_std", noise_std, 0.0, exclusive_minimum=True)
    target = check_real("target", target, 0.0, exclusive_minimum=True)
    degree = check_integer("degree", degree, 0, 12)
    if n_intervals is not None:
        n_intervals = check_integer("n_intervals", n_intervals, 1, 10_000_000)
    smooth = {"beta": beta, "holder_constant": holder_constant, "score_bound": score_bound}
    given = [name for name, value in smooth.items() if value is not None]
    if given and len(given) < len(smooth):
        missing = ", ".join(name for name in smooth if name not in given)
        raise ValueError(f"beta, holder_constant and score_bound must be given together, missing: {missing}")
    price = parameter_price(1, n_tokens=n_tokens, noise_std=noise_std)

    def samples(cells: int, bias: float) -> float:
        left = target - bias
        return math.inf if left <= 0 else price * (n_matrix + cells + degree) / left

    if beta is None or holder_constant is None:
        best, bias = n_intervals or _DEFAULT_CELLS, 0.0
    else:
        setting = Setting(
            beta=check_real("beta", beta, 0.0, _LARGEST_BETA, exclusive_minimum=True),
            n_tokens=n_tokens,
            noise_std=noise_std,
            holder_constant=holder_constant,
            score_bound=score_bound,
        )

        def bias_of(cells: int) -> float:
            return setting.budget(1, cells, matrix_known=True).bias

        if n_intervals is not None:
            best = n_intervals
            if bias_of(best) >= target:
                raise ValueError(
                    f"n_intervals = {best} cells miss the activation by {bias_of(best):.3g}, more than the "
                    f"target {target:.3g}, for these beta, holder_constant and score_bound: raise "
                    "n_intervals or target"
                )
        else:
            best = _best_cells(bias_of(1), setting.beta, n_matrix + degree, target)
        bias = bias_of(best)
    needed = samples(best, bias)
    if needed > MOST_SAMPLES:
        raise ValueError(
            f"target = {target:.3g} needs more than {MOST_SAMPLES:.0e} samples with these d, rank, "
            "noise_std, beta, holder_constant, score_bound and n_intervals: raise target"
        )
    n_samples = max(1, math.ceil(needed))
    each = price / n_samples
    return Plan(
        n_samples=n_samples,
        target=target,
        n_matrix=n_matrix,
        n_coefficients=best + degree,
        n_intervals=best,
        matrix_error=each * n_matrix,
        activation_error=each * (best + degree),
        approximation_error=bias,
    )


def _best_cells(first: float, beta: float, others: int, target: float) -> int:
    """Return the K that minimises ``(others + K) / (target - first K^(-2 beta))``, which is quasiconvex."""

    def value(cells: int) -> float:
        left = target - first * float(cells) ** (-2 * beta)
        return math.inf if left <= 0 else (others + cells) / left

    low = 1
    if first > target:
        exponent = math.log(first / target) / (2 * beta)
        if exponent > math.log(MOST_SAMPLES):
            raise ValueError(
                f"target = {target:.3g} needs more than {MOST_SAMPLES:.0e} cells with these beta, "
                "holder_constant and score_bound: raise target or beta"
            )
        low = max(1, math.ceil(math.exp(exponent) * (1 - 1e-12)))
    while not math.isfinite(value(low)):
        low += 1
    high = 2 * low
    while value(high) < value(high - 1):
        high *= 2
    while low < high:
        middle = (low + high) // 2
        if value(middle + 1) < value(middle):
            low = middle + 1
        else:
            high = middle
    return low
