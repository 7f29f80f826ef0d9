r"""What a fit rests on, and what it does not explain: a report for whoever brings data of their own.

Everything is computed from the fit and the data. Let :math:`T` hold, in the row of each output, its
derivatives with respect to the coefficients of the spline and to the entries of the factors :math:`U, V`:

- The **leverage** of an output is the diagonal entry of :math:`T (T^\top T)^+ T^\top`: the part of its own
  noise that the fit follows. The leverages add up to the number of parameters.
- The **error of the matrix** is predicted by :math:`\sigma^2 (T^\top T)^+`, as a share of the matrix's norm.
- **Coercivity** is the smallest ratio of :math:`E |R_h|^2 (N - 1)` and :math:`E h^2` over functions of the
  fitted score on a few cells, found on one half of the samples and measured on the other. For independent
  tokens it is at least one; where it is near zero the sums over partners hide a part of the activation.
- **Structure** in the residuals: their means over tenths of the outputs, ordered by their mean score, and
  their moments against the tokens. Noise has neither.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, special

from pairint.backend import array_namespace, to_device, to_host
from pairint.estimation.base import (
    PairwiseRegressor,
    fit_threads,
    matrix_parameters,
    output_weight,
    whiten,
)
from pairint.estimation.initial import moments_left
from pairint.estimation.inner import factor_scores
from pairint.estimation.problem import LeastSquaresProblem
from pairint.estimation.rivals import predicted_share, tangent_rows
from pairint.model.attention import check_tokens, sample_chunks
from pairint.model.splines import Spline, SplineSpace
from pairint.validation import shortened

__all__ = [
    "FEWEST_OUTPUTS",
    "LARGEST_MEAN",
    "LARGEST_SHARE",
    "LEAST_COERCIVITY",
    "MOST_OUTSIDE",
    "Diagnosable",
    "Diagnosis",
    "Finding",
    "excess_moments",
    "excess_of_second",
    "fit_residuals",
    "sampled_coercivity",
    "tenth_means",
    "weakest_direction",
]

#: Fewer outputs a parameter than this: the fit follows a good part of the noise.
FEWEST_OUTPUTS = 5.0
#: An output whose noise the fit follows by half decides what is fitted there. At the ends of the scores
#: some always do; such outputs should not account for more than a fifth of all parameters.
LARGEST_LEVERAGE, MOST_DECIDED = 0.5, 0.2
#: Below this share of what independent tokens give, a function of the score is as good as hidden.
LEAST_COERCIVITY = 0.1
#: A matrix known to less than this share of its norm is not known.
LARGEST_MATRIX_ERROR = 0.5
#: A function that is off by more than a third of its deviation is hardly known.
LARGEST_SHARE = 0.1
#: Means over tenths, in standard errors: of Gaussian noise all ten are below in 999 of 1000 cases.
LARGEST_MEAN = 3.9
#: Residuals in units of their scale: of Gaussian noise one in 10**15 is beyond.
FAR = 8.0
#: Share by which the risk of a second start must exceed the lowest; outputs that such fits see, about.
LEAST_EXCESS, _COARSE_OUTPUTS = 0.1, 6000
#: Share of scores beyond the cells, where the fit is a straight line.
MOST_OUTSIDE = 0.01
#: Residuals below this share of the outputs are rounding (of normal equations: the root of the machine's).
ROUNDING = 1e-8
#: Cells for the coercivity: functions as coarse as this are what one hopes to see at least.
_CELLS = 6
_TENTHS = 10
#: Most columns of the information matrix: wider ones take gigabytes, and the leverages are left out.
MOST_COLUMNS = 6000
#: Directions with less information than this share of the largest one have none, to rounding.
_RANK_TOLERANCE = 1e-11


@dataclass(frozen=True)
class Finding:
    """One reason for doubt.

    Book: :doc:`/book/estimator`.

    Attributes
    ----------
    name : str
        "data", "leverage", "coercivity", "matrix", "function", "rank", "structure", "outliers", "starts",
        "search", "extrapolation" or "limit".
    text : str
        What was found, and what helps.
    """

    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What :meth:`~pairint.estimation.InteractionRegressor.diagnose` returns; print it.

    Book: :doc:`/book/estimator`.

    Attributes
    ----------
    findings : tuple of Finding
        The reasons for doubt; none, if there is none.
    n_outputs : int
        Outputs of positive weight.
    n_parameters : float
        Effective number of coefficients, and the parameters of the matrix.
    leverage : ndarray, shape (M, N)
        Of each output, from 0 to 1; with squared-error loss it is the derivative of the fitted value with
        respect to the output, the curvature of the model being left out.
    coercivity : float
        Smallest ratio over functions on a few cells, ``(N - 1) E |R_h|^2 / E h^2``, measured on the other
        half of the samples; nan for fewer than four samples.
    matrix_error : float
        Predicted root mean squared error of the matrix in Frobenius norm, as a share of its norm; nan if
        the matrix was given.
    function_error : float
        Mean squared error of ``g`` that noise makes, predicted at pairs of these tokens, as a share of its
        variance; nan for more than 1500 parameters.
    weakest : float
        Smallest singular value of the matrix over what noise alone makes of it, about; nan if the matrix
        was given.
    scores, mean_residuals, standard_errors : ndarray, shape (n,)
        For each tenth of the outputs, ordered by the mean of their scores: the mean score, the mean residual
        and its standard error. Fewer than ten for fewer than a hundred outputs.
    moments : float
        Moments of the residuals against the tokens, the largest, over what one pure noise in ten thousand
        exceeds (for Gaussian tokens).
    n_far : int
        Residuals beyond eight times their scale (that of Gaussian noise with the same median size).
    outside : float
        Share of the scores of pairs beyond the cells of the activation.
    start_risks : ndarray
        Mean squared residuals that the starts of the fit reached.
    """

    findings: tuple[Finding, ...]
    n_outputs: int
    n_parameters: float
    leverage: NDArray[np.float64]
    coercivity: float
    matrix_error: float
    function_error: float
    weakest: float
    scores: NDArray[np.float64]
    mean_residuals: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    moments: float
    n_far: int
    outside: float
    start_risks: NDArray[np.float64]

    def __str__(self) -> str:
        rows = [
            f"{self.n_outputs} outputs for {self.n_parameters:.0f} parameters",
            f"largest leverage {self.leverage.max():.2f}, on average {self.leverage.mean():.2g}",
            f"coercivity {self.coercivity:.2f} (independent tokens: at least 1)",
        ]
        if not math.isnan(self.matrix_error):
            rows.append(f"predicted error of the matrix {self.matrix_error:.1%} of its norm")
        if not math.isnan(self.function_error):
            rows.append(f"predicted error of the function {self.function_error:.2g} of its variance")
        if self.scores.size:
            largest = np.abs(self.mean_residuals / self.standard_errors).max()
            rows.append(f"mean residual by score at most {largest:.1f} standard errors")
        rows.append(f"{self.n_far} residuals far off, {self.outside:.1%} of the scores beyond the cells")
        if not self.findings:
            return "\n".join([*rows, "No reason for doubt was found."])
        return "\n".join([*rows, *(f"- {finding}" for finding in self.findings)])


class Diagnosable(PairwiseRegressor):
    """A regressor whose fit can be examined."""

    def diagnose(self, X: Any, Y: Any, sample_weight: Any = None) -> Diagnosis:
        """Say what the fit rests on and what it leaves unexplained; with what helps, where there is doubt.

        Parameters
        ----------
        X, Y, sample_weight
            The data of the fit, or others of the same kind.

        Returns
        -------
        Diagnosis
            Print it, or draw it with :func:`pairint.figures.diagnosis.diagnosis_figure`. With more than 6000
            columns (coefficients, and ``2 d r``) leverages and the error of the matrix are nan.

        Raises
        ------
        TypeError
            If the activation is no spline, or the fit is one of another channel than the plain mean.
        ValueError
            As in :meth:`fit`, for the data.
        """
        self._check_plain("a diagnosis")
        if not isinstance(self.activation_, Spline):
            raise TypeError(
                f"activation_ must be a spline to be diagnosed, got {shortened(self.activation_)}"
            )
        check_tokens(X, self.n_features_in_)
        X, Y = self._check_data(X, Y)
        weight = output_weight(sample_weight, Y)
        if weight is None:
            return _diagnose(self, X, Y, None, np.ones(len(Y), bool))
        kept = weight.sum(axis=1) > 0
        return _diagnose(self, X[kept], Y[kept], weight[kept], to_host(kept))


def _diagnose(fit: Any, X: Any, Y: Any, weight: Any, kept: NDArray[np.bool_]) -> Diagnosis:
    """Examine a fit on checked data of one library, of the samples that are kept; weights have mean one.

    Time and memory are those of one Gauss-Newton step.
    """
    activation: Spline = fit.activation_
    problem = LeastSquaresProblem(X, Y, activation.space.degree, float(fit.penalty), weight=weight)
    rank = getattr(fit, "rank_", None)
    left, right = _factors(fit.matrix_, rank, X)
    # In one dimension the matrix is a number, and its scale belongs to the activation.
    n_matrix = 0 if rank is None or problem.d == 1 else matrix_parameters(problem.d, rank)
    problem = replace(problem, n_matrix=n_matrix)
    with fit_threads(_width(problem, left, activation)):
        leverage, matrix_error = _leverage(problem, left, right, activation, float(fit.noise_std_))
    # Samples of weight zero have leverage zero, and keep their places.
    leverage, of_kept = np.zeros((len(kept), Y.shape[1])), leverage
    leverage[kept] = of_kept
    residual, score, outside = fit_residuals(problem, left, right, activation)
    if float(np.abs(residual).max()) <= ROUNDING * float(np.abs(to_host(Y)).max()):
        residual = np.zeros_like(residual)  # what rounding leaves has no meaning
    positive = np.ones(residual.shape, bool) if weight is None else to_host(weight) > 0
    scale = _scale(residual[positive])
    far = int((np.abs(residual) > FAR * scale).sum()) if scale > 0.0 else 0
    if fit.loss == "huber" and scale > 0.0:
        # What a robust fit cuts off from an output it does not explain, and need not.
        residual = np.clip(residual, -2.0 * scale, 2.0 * scale)
    found = Diagnosis(
        (),
        problem.n_rows,
        float(fit.dof_) + n_matrix,
        leverage,
        sampled_coercivity(problem.X, left, right, activation.space),
        matrix_error,
        predicted_share(problem, left, right, activation, float(fit.noise_std_)),
        weakest_direction(fit.matrix_, left.shape[1], matrix_error),
        *tenth_means(residual[positive], score[positive]),
        excess_moments(whiten(problem.X)[0], to_device(residual, problem.X)),
        far,
        outside,
        np.asarray(getattr(fit, "start_risks_", np.empty(0)), dtype=np.float64),
    )
    findings = ((name, rule(found, fit)) for name, rule in RULES.items())
    return replace(found, findings=tuple(Finding(name, text) for name, text in findings if text))


def _data(found: Diagnosis, _: Any) -> str | None:
    ratio = found.n_outputs / found.n_parameters
    if ratio >= FEWEST_OUTPUTS:
        return None
    return (
        f"{ratio:.1f} outputs a parameter, so that much of the noise is fitted: give more samples, lower the "
        "rank, or fewer cells (n_intervals)"
    )


def _decided(found: Diagnosis, _: Any) -> str | None:
    high = found.leverage > LARGEST_LEVERAGE
    share = float(found.leverage[high].sum()) / found.n_parameters
    if share <= MOST_DECIDED:
        return None
    sample, token = np.unravel_index(found.leverage.argmax(), high.shape)
    return (
        f"{int(high.sum())} outputs account for {share:.0%} of the parameters, above all Y[{sample}, {token}]"
        ": look at their tokens, remove samples that do not belong, or lower n_intervals"
    )


def _hidden(found: Diagnosis, _: Any) -> str | None:
    if not found.coercivity < LEAST_COERCIVITY:
        return None
    return (
        f"the sums over partners show {found.coercivity:.3f} of what independent tokens would show of some "
        "function of the score: vary which tokens stand together, or their number; do not read the "
        "activation alone"
    )


def _vague(found: Diagnosis, _: Any) -> str | None:
    if not found.matrix_error > LARGEST_MATRIX_ERROR:
        return None
    return (
        f"the matrix is uncertain by {found.matrix_error:.0%} of its norm: lower the rank (rank='auto'), or "
        "give more samples"
    )


def _unknown(found: Diagnosis, _: Any) -> str | None:
    if not found.function_error > LARGEST_SHARE:
        return None
    return (
        f"the function is known to {found.function_error:.0%} of its variance only: give more samples, lower "
        "the rank, or n_intervals"
    )


def _search(_: Diagnosis, fit: Any) -> str | None:
    left_open = getattr(fit, "_left_open", ())
    return ". And ".join(left_open) or None


def _superfluous(found: Diagnosis, fit: Any) -> str | None:
    if not found.weakest < 1.0:
        return None
    return (
        f"the last of the {fit.rank_} singular values is no larger than noise makes it: lower the rank, or "
        "let rank='auto' choose it"
    )


def _structure(found: Diagnosis, _: Any) -> str | None:
    means = np.abs(found.mean_residuals) > LARGEST_MEAN * found.standard_errors
    if means.any():
        where = f"their mean is not zero where the mean score is near {found.scores[means][0]:.3g}"
    elif found.moments > 1.0:
        where = f"their moments against the tokens are {found.moments:.1f} times what noise may give"
    else:
        return None
    return (
        f"the residuals are not noise, {where}: raise n_intervals, the rank or n_starts; if nothing helps, "
        "the outputs are no mean of a function of one score"
    )


def _outliers(found: Diagnosis, fit: Any) -> str | None:
    if found.n_far == 0 or fit.loss == "huber":
        return None
    return (
        f"residuals beyond {FAR:.0f} times the scale of the others ({found.n_far}): fit with loss='huber', "
        "and compare"
    )


def _starts(found: Diagnosis, fit: Any) -> str | None:
    excess = excess_of_second(found.start_risks, found.n_parameters, found.n_outputs)
    if excess is None:
        return None
    return (
        f"of {found.start_risks.size} starts only one reached the lowest risk, the next is {excess:.0%} "
        "above: raise n_starts, or compare with another start"
    )


def excess_of_second(risks: Any, n_parameters: float, n_outputs: int) -> float | None:
    """Return the share by which the second lowest risk exceeds the lowest, if noise does not explain it."""
    risks = np.sort(np.asarray(risks))
    if risks.size < 2:
        return None
    # As the fit: noise does not explain a larger difference of two fits of so many parameters.
    excess = float(risks[1] / risks[0] - 1.0) if risks[0] > 0.0 else float(risks[1] > 0.0)
    limit = max(2.0 * n_parameters / min(n_outputs, _COARSE_OUTPUTS), LEAST_EXCESS)
    return excess if excess > limit else None


def _extrapolation(found: Diagnosis, _: Any) -> str | None:
    if found.outside <= MOST_OUTSIDE:
        return None
    return (
        f"{found.outside:.1%} of the scores lie beyond the cells, where the activation is continued by "
        "straight lines: fit on data that go as far"
    )


def _limit(_: Diagnosis, fit: Any) -> str | None:
    if fit.selection_ is None or not fit.selection_.at_limit:
        return None
    return (
        f"the number of cells, {fit.selection_.n_intervals}, is the largest that was tried: compare with a "
        "larger n_intervals, and look for outliers"
    )


#: What is looked at, in this order.
RULES: dict[str, Callable[[Diagnosis, Any], str | None]] = {
    "data": _data,
    "leverage": _decided,
    "coercivity": _hidden,
    "matrix": _vague,
    "function": _unknown,
    "rank": _superfluous,
    "structure": _structure,
    "outliers": _outliers,
    "starts": _starts,
    "search": _search,
    "extrapolation": _extrapolation,
    "limit": _limit,
}


def weakest_direction(matrix: Any, rank: int, matrix_error: float) -> float:
    """Return the smallest singular value over the largest of noise, a matrix of independent entries.

    Noise as large as predicted, spread over the dimension of the matrices of this rank; a square matrix of
    ``n`` rows of it has the largest singular value ``2 sqrt(n)`` times an entry's standard deviation. A
    quarter more is allowed for what is not known.
    """
    if math.isnan(matrix_error):
        return math.nan
    singular = np.linalg.svd(to_host(matrix), compute_uv=False)
    d = len(singular)
    entry = matrix_error / math.sqrt(matrix_parameters(d, rank))
    noise = 2.5 * math.sqrt(d - rank + 1) * entry
    return float(singular[rank - 1] / np.linalg.norm(singular)) / noise if noise > 0.0 else math.inf


def excess_moments(whitened: Any, residual: Any) -> float:
    """Return moments of the residuals against the tokens, over what one in ten thousand noises exceeds."""
    if not bool((residual != 0.0).any()):
        return 0.0
    n_squares = whitened.shape[2] * (whitened.shape[2] + 1) / 2
    bound = float(special.chdtri(n_squares, 1e-4)) / n_squares
    return moments_left(whitened, residual) * (1.0 + 2.5 * math.sqrt(2.0 / n_squares)) / bound


def _factors(matrix: Any, rank: int | None, X: Any) -> tuple[Any, Any]:
    """Return balanced factors of the fitted matrix, of its rank (all columns if it was given)."""
    left, singular, right = np.linalg.svd(to_host(matrix))
    rank = len(singular) if rank is None else rank
    root = np.sqrt(singular[:rank])
    return to_device(left[:, :rank] * root, X), to_device(right[:rank].T * root, X)


def _width(problem: LeastSquaresProblem, left: Any, activation: Spline) -> int:
    """Return the number of coefficients and of entries of the factors, if these were fitted."""
    return activation.space.dimension + (2 * int(left.size) if problem.n_matrix else 0)


def _leverage(
    problem: LeastSquaresProblem, left: Any, right: Any, activation: Spline, noise_std: float
) -> tuple[NDArray[np.float64], float]:
    """Return the leverages, and the predicted relative error of the matrix (nan if it was given)."""
    leverage = np.full(tuple(problem.Y.shape), math.nan)
    if (width := _width(problem, left, activation)) > MOST_COLUMNS:
        return leverage, math.nan
    information: Any = 0.0
    for _, rows in tangent_rows(problem, left, right, activation):
        information = information + to_host(rows.T @ rows)
    n_spline = activation.space.dimension
    information[:n_spline, :n_spline] += problem.penalty * activation.space.difference_penalty()
    inverse_root = _inverse_root(information)
    error = math.nan
    if width > n_spline:
        square = _matrix_norm(inverse_root[n_spline:], to_host(left), to_host(right))
        error = noise_std * math.sqrt(square) / float(np.linalg.norm(to_host(left) @ to_host(right).T))
    transform = to_device(inverse_root, problem.X)
    for chunk, rows in tangent_rows(problem, left, right, activation):
        leverage[chunk] = to_host(((rows @ transform) ** 2).sum(axis=1)).reshape(leverage[chunk].shape)
    return leverage, error


def _inverse_root(information: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``W`` with ``W W'`` the pseudoinverse, in units in which the diagonal is one.

    The factors of a matrix are not unique, and scale can move to the activation: along such changes there is
    no information, and no output depends on them.
    """
    scale = np.sqrt(np.where(np.diag(information) > 0.0, np.diag(information), 1.0))
    values, vectors = linalg.eigh(information / np.outer(scale, scale), check_finite=False)
    kept = values > _RANK_TOLERANCE * values[-1]
    return (vectors[:, kept] / np.sqrt(values[kept])) / scale[:, None]


def _matrix_norm(root: NDArray[np.float64], left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Return the sum over columns ``(dU, dV)`` of ``root`` of ``|dU V' + U dV'|^2``, in blocks of columns.

    Changes along the matrix itself do not count: its scale belongs to the activation.
    """
    d, rank = left.shape
    unit = left @ right.T
    unit /= np.linalg.norm(unit)
    total = 0.0
    for columns in sample_chunks(root.shape[1], d * d):
        changes = root[:, columns].T.reshape(-1, 2, d, rank)
        matrices = changes[:, 0] @ right.T + left @ np.swapaxes(changes[:, 1], -1, -2)
        along = (matrices * unit).sum(axis=(1, 2))
        total += float((matrices**2).sum()) - float((along**2).sum())
    return total


def fit_residuals(
    problem: LeastSquaresProblem, left: Any, right: Any, activation: Spline
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return weighted residuals and mean scores of the outputs, and the share of scores beyond the cells."""
    n_samples, n_tokens, _ = problem.X.shape
    residual, mean_score = np.empty((2, n_samples, n_tokens))
    space, outside = activation.space, 0
    # The ends of the cells are scores: of one that is met again and again, rounding puts some copies outside.
    slack = ROUNDING * (space.upper - space.lower)
    lower, upper = space.lower - slack, space.upper + slack
    diagonal = np.arange(n_tokens)
    for chunk in sample_chunks(n_samples, 4 * n_tokens**2):
        scores = factor_scores(problem.X[chunk], left, right)
        difference = to_host(problem.Y[chunk] - activation.partner_mean(scores))
        if problem.weight is not None:
            difference = difference * np.sqrt(to_host(problem.weight[chunk]))
        residual[chunk] = difference
        scores = to_host(scores)
        own = scores[:, diagonal, diagonal]
        mean_score[chunk] = (scores.sum(axis=-1) - own) / (n_tokens - 1)
        outside += int(((scores < lower) | (scores > upper)).sum())
        outside -= int(((own < lower) | (own > upper)).sum())
    return residual, mean_score, outside / (n_samples * n_tokens * (n_tokens - 1))


def _scale(residual: NDArray[np.float64]) -> float:
    """Return the standard deviation of Gaussian noise whose size has the same median."""
    return float(np.median(np.abs(residual))) / 0.6744897501960817


def tenth_means(
    residual: NDArray[np.float64], score: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return mean scores, mean residuals and their standard errors over tenths of the outputs."""
    groups = min(_TENTHS, residual.size // 10)
    if groups < 1:
        return np.empty(0), np.empty(0), np.empty(0)
    parts = np.array_split(np.argsort(score, kind="stable"), groups)
    means = np.array([residual[part].mean() for part in parts])
    errors = np.array([residual[part].std(ddof=1) / math.sqrt(part.size) for part in parts])
    # Residuals that are all alike have no scatter to be measured by.
    errors = np.maximum(errors, 1e-12 * (np.abs(residual).max() or 1.0))
    return np.array([score[part].mean() for part in parts]), means, errors


def sampled_coercivity(X: Any, left: Any, right: Any, space: SplineSpace) -> float:
    """Return the smallest ratio on a few cells, found on half of the samples and measured on the other."""
    n_samples, n_tokens, _ = X.shape
    if n_samples < 4:
        return math.nan
    degree = min(space.degree, 3)
    coarse = SplineSpace(space.lower, space.upper, min(space.n_intervals, _CELLS), degree)
    half = n_samples // 2
    halves = [_grams(X[part], left, right, coarse) for part in (slice(0, half), slice(half, n_samples))]
    ratios = []
    for (mean, pairs), (other_mean, other_pairs) in (halves, halves[::-1]):
        scale = np.sqrt(np.where(np.diag(pairs) > 0.0, np.diag(pairs), 1.0))
        # Cells that hardly any score visits say nothing: they are held together by a little of the identity.
        metric = pairs / np.outer(scale, scale) + 1e-3 * np.eye(len(scale))
        vectors = linalg.eigh(mean / np.outer(scale, scale), metric, subset_by_index=[0, 0])[1]
        h = vectors[:, 0] / scale
        seen = float(h @ other_pairs @ h)
        # Where the other half has no scores it says nothing of this function.
        known = seen > 1e-9 * float(h @ pairs @ h)
        ratios.append(float(h @ other_mean @ h) / seen if known else math.nan)
    return (n_tokens - 1) * max(float(np.mean(ratios)), 0.0)  # below zero by rounding only


def _grams(X: Any, left: Any, right: Any, space: SplineSpace) -> tuple[Any, Any]:
    """Return the Gram matrices of the basis averaged over partners, and over pairs."""
    n_samples, n_tokens, _ = X.shape
    xp = array_namespace(X)
    mean: Any = 0.0
    pairs: Any = 0.0
    distinct = ~xp.eye(n_tokens, dtype=bool)
    for chunk in sample_chunks(n_samples, n_tokens * n_tokens * (space.dimension + 2)):
        scores = factor_scores(X[chunk], left, right)
        rows = space.aggregate(scores)
        mean = mean + to_host(rows.T @ rows)
        values = space.design(scores[:, distinct].reshape(-1))
        pairs = pairs + to_host(values.T @ values)
    return mean / (n_samples * n_tokens), pairs / (n_samples * n_tokens * (n_tokens - 1))
