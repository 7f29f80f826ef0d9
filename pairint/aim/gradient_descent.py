r"""Gradient descent on attention-indexed models: a student layer trained by Adam, once or many times.

A student :math:`W \in \mathbb R^{d\times r}` predicts the labels :math:`p = g(h)` from the indices of
:math:`S = WW^\top/\sqrt{rd}` and is trained on

.. math::

   L(W) = \frac1d\sum_\mu\sum_{a,b}\big(p_{\mu ab} - y_{\mu ab}\big)^2

by full-batch Adam. With :math:`G_\mu = \partial L/\partial h_\mu + (\partial L/\partial h_\mu)^\top` and
:math:`Z_\mu = X_\mu W` the gradient is

.. math::

   \nabla L(W) = \frac{1}{d\sqrt r}\sum_\mu\big(X_\mu^\top G_\mu Z_\mu - \operatorname{Tr}(G_\mu)\,W\big),
   \qquad h_\mu = \frac{Z_\mu Z_\mu^\top - I\,\lVert W\rVert_F^2}{d\sqrt r} ,

two products of a matrix of nT rows by one of d rows and r columns, nothing of size :math:`d^2` a sample.

Below the threshold of exact recovery many matrices explain all labels, and the run ends in one that
depends on where it began: about a sample of the posterior. The mean of several runs is the better estimate.

Softmax labels are linear equations on S in disguise: their logarithms give :math:`h_\mu` up to one constant
for each sample. With ``loss="equations"`` the student is trained on these instead,

.. math:: L(W) = \frac1d\sum_\mu \min_c \sum_{a,b}\big(h_{\mu ab} - \varphi_{\mu ab} - c\big)^2 ,

which never saturates, and ``optimizer="plain"`` follows the gradient itself, in small steps.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from pairint.aim.channels import Channel, LinearChannel, SoftmaxChannel, make_channel
from pairint.aim.indices import check_tokens
from pairint.backend import array_namespace, is_cupy, one_blas_thread, to_device, to_host
from pairint.result import Result
from pairint.steps import steps
from pairint.validation import (
    check_choice,
    check_floats,
    check_integer,
    check_real,
    check_rng,
    check_size,
)

__all__ = ["GradientDescentResult", "gradient_descent", "loss_and_gradient"]

# Entries of the largest array of a block: half a megabyte on a processor, so that a block and what is
# made of it stay in its cache; a quarter of a gigabyte on a GPU.
_BLOCK, _GPU_BLOCK = 2**16, 2**25
# Columns of weights that pass through the samples together on a processor: enough for its matrix products,
# few enough that a block still holds a hundred tokens.
_COLUMNS = 512

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8  # Adam's usual constants
_LOSSES, _OPTIMIZERS = ("labels", "equations"), ("adam", "plain")


class _Goal(NamedTuple):
    """What students are trained on: numbers for the indices, or for their softmax."""

    #: (T, T, n). The samples are the last axis: sums over the few tokens then run over whole vectors.
    targets: Any
    #: Inverse temperature of the softmax; None where the indices themselves are compared.
    beta: float | None
    #: Whether the indices are given up to a constant for each sample.
    free_constant: bool
    #: Sum of the squares that a constant prediction leaves.
    constant_loss: float


@dataclass(frozen=True, repr=False)
class GradientDescentResult(Result):
    r"""Outcome of :func:`gradient_descent`.

    Book: :doc:`/book/aim_gradient_descent`.

    Attributes
    ----------
    S : array (d, d)
        Mean of the matrices of all runs, in the normalisation of :class:`~pairint.aim.teacher.AIMTeacher`.
    runs : array (n_runs, d, d)
        Matrix of each run.
    weights : array (n_runs, d, width)
        Student of each run.
    history : dict of ndarray
        ``"loss"``, of shape (n_iter, n_runs): loss as a fraction of that of a constant prediction (the mean
        label of the channel, 1/T or 0; indices that are all alike, for equations). If the truth was given
        also ``"error"``, of the same shape:
        :math:`\lVert S - S_k\rVert_F^2/d` of each run, and ``"average_error"``, of shape (n_iter,): that of
        their mean. A run that has converged stays where it is.
    converged : bool
        Whether all runs have.
    run_converged : ndarray (n_runs,) of bool
    n_iter : int
        Evaluations of the loss and the gradient, of the run that took longest.
    """

    S: Any
    runs: Any = field(repr=False)
    weights: Any = field(repr=False)
    history: dict[str, np.ndarray] = field(repr=False)
    converged: bool
    run_converged: np.ndarray = field(repr=False)
    n_iter: int

    @property
    def spread(self) -> float:
        r"""How far runs scatter, :math:`\frac1{2d}\mathbb E\lVert S_1 - S_2\rVert_F^2`.

        The unbiased estimate from all runs; NaN for a single one. The error of the mean of k runs is on
        average :math:`e_\infty + v/k`, with v the spread and :math:`e_\infty` the error of infinitely many.
        """
        k, d, _ = self.runs.shape
        return float(((self.runs - self.S) ** 2).sum()) / ((k - 1) * d) if k > 1 else math.nan


def gradient_descent(
    X: Any,
    y: Any,
    width: int,
    channel: str | Channel = "softmax",
    *,
    n_runs: int = 1,
    learning_rate: float = 0.1,
    final_learning_rate: float | None = None,
    optimizer: str = "adam",
    loss: str = "labels",
    max_iter: int = 1000,
    tol: float = 1e-5,
    truth: Any = None,
    dtype: str | None = None,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
) -> GradientDescentResult:
    r"""Train students on all samples at once from independent Gaussian weights, and average their matrices.

    Book: :doc:`/book/aim_gradient_descent`.

    Parameters
    ----------
    X : array (n, T, d)
        Tokens, standard Gaussian. NumPy or CuPy; the computation stays in that library.
    y : array (n, T, T)
        Labels of the channel; pass ``SoftmaxChannel(log_labels=True)`` with logarithms if some underflow.
    width : int
        Width r of the students, at least 1.
    channel : {"softmax", "linear"} or Channel
        Hardmax labels do not move with the weights, so that their squared loss has no useful gradient.
    n_runs : int
        Number of independent initial weights, all standard Gaussian, which is the prior of the teacher.
    learning_rate : float
        Step of Adam; or, for plain descent, the step in the direction of the gradient of :math:`d\,L`, the
        sum of the squares: then a step that is small for one dimension is small for all.
    final_learning_rate : float, optional
        Where the step ends: it falls geometrically from ``learning_rate`` within ``max_iter`` evaluations.
        Constant by default.
    optimizer : {"adam", "plain"}
    loss : {"labels", "equations"}
        Squared errors of the labels, or of the indices that they reveal (the same for linear outputs).
    max_iter : int
    tol : float
        A run has converged when its loss is at most ``tol`` times that of a constant prediction.
    truth : array (d, d), optional
        The true matrix, for the history only.
    dtype : {"float32", "float64"}, optional
        Precision of the computation; that of ``X`` by default.
    rng : Generator, SeedSequence, int or None
        Source of the initial weights, drawn from a child stream (``spawn``), so that they differ from a
        teacher's of the same seed. The first k of many runs are those of ``n_runs=k``.

    Returns
    -------
    GradientDescentResult

    Raises
    ------
    ValueError
        If an argument is out of range, or the labels are not of the channel.
    FloatingPointError
        If the loss overflows, for a learning rate that is too high.

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        If some run has not converged after ``max_iter`` evaluations. Expected where no student explains the
        labels (noise, another width), and near the threshold of exact recovery.

    Notes
    -----
    An iteration costs 4 n T d min(r, d) multiplications and additions a run, in two matrix products. Samples
    pass in blocks: the memory beyond the inputs is O(n T^2) for the labels and O(n_runs (d r + d^2)) for the
    runs and their matrices.
    """
    width = check_integer("width", width, 1)
    n_runs = check_integer("n_runs", n_runs, 1)
    learning_rate = check_real("learning_rate", learning_rate, 0, exclusive_minimum=True)
    final = learning_rate if final_learning_rate is None else final_learning_rate
    final = check_real("final_learning_rate", final, 0, exclusive_minimum=True)
    plain = check_choice("optimizer", optimizer, _OPTIMIZERS) == "plain"
    max_iter = check_integer("max_iter", max_iter, 1)
    tol = check_real("tol", tol, 0, exclusive_minimum=True)
    X, goal = _prepare(X, y, channel, dtype, loss)
    xp = array_namespace(X)
    d = X.shape[2]
    check_size("n_runs and width", n_runs, d, max(width, d))
    check_size("max_iter and n_runs", max_iter, n_runs + 1)
    if truth is not None:
        truth = check_floats("truth", truth, (d, d)).astype(X.dtype, copy=False)
    baseline = goal.constant_loss / d
    if baseline == 0:
        raise ValueError("y must vary: every label is the constant prediction, and tells nothing")

    # From a stream of its own: a seed that has also served the teacher would hand its weights to the student.
    draws = check_rng(rng).spawn(1)[0].standard_normal((n_runs, d, width))
    runs = _Runs.start(to_device(draws, X).astype(X.dtype, copy=False))
    losses = np.empty((max_iter, n_runs))
    errors = np.empty((max_iter, n_runs + 1))
    matrices: Any = None if truth is None else _matrices(runs.weights)

    with one_blas_thread(d):
        for step in steps(range(max_iter), "steps", most=True):
            now, gradient = _loss_and_gradient(runs.weights, X, goal)
            if step:
                losses[step] = losses[step - 1]
            losses[step, runs.active] = to_host(now) / baseline
            if not np.isfinite(losses[step]).all():
                message = f"gradient descent diverged after {step} steps; learning_rate is {learning_rate}"
                raise FloatingPointError(message)
            if truth is not None:
                matrices[to_device(runs.active, X)] = _matrices(runs.weights)
                off = xp.concatenate([matrices, matrices.mean(axis=0)[None]]) - truth
                errors[step] = to_host((off**2).sum(axis=(1, 2))) / d
            gradient = runs.retire(losses[step, runs.active] <= tol, gradient)
            if not len(runs.active) or step + 1 == max_iter:
                break  # the last loss is that of the weights returned
            rate = learning_rate * (final / learning_rate) ** (step / max(max_iter - 2, 1))
            if plain:
                runs.descend(gradient, rate * d)
            else:
                runs.move(gradient, step, rate)

    n_iter = step + 1
    history = {"loss": losses[:n_iter].copy()}
    if truth is not None:
        history |= {"error": errors[:n_iter, :-1].copy(), "average_error": errors[:n_iter, -1].copy()}
    run_converged = np.ones(n_runs, dtype=bool)
    run_converged[runs.active] = False
    if len(runs.active):
        from sklearn.exceptions import ConvergenceWarning

        warnings.warn(
            f"gradient descent: {len(runs.active)} of {n_runs} runs have not converged after {n_iter} "
            f"iterations; the largest relative loss is {losses[step].max():.3g}, tol is {tol:.3g}",
            ConvergenceWarning,
            stacklevel=2,
        )
    weights = runs.all_weights()
    S = _matrices(weights)
    return GradientDescentResult(
        S.mean(axis=0), S, weights, history, not len(runs.active), run_converged, n_iter
    )


@dataclass
class _Runs:
    """Students on their way: those that still move, and where the others have come to rest."""

    #: Numbers, weights (k, d, r) and moments of the gradients of the runs that move.
    active: np.ndarray
    weights: Any
    mean: Any
    square: Any
    #: The weights of the runs at rest, in the places of their numbers.
    final: Any

    @classmethod
    def start(cls, weights: Any) -> _Runs:
        xp = array_namespace(weights)
        moments = xp.zeros_like(weights), xp.zeros_like(weights)
        return cls(np.arange(len(weights)), weights, *moments, xp.empty_like(weights))

    def retire(self, done: np.ndarray, gradient: Any) -> Any:
        """Lay the runs that are done to rest; return the gradient of the others."""
        if not done.any():
            return gradient
        like = self.weights
        self.final[to_device(self.active[done], like)] = self.weights[to_device(np.flatnonzero(done), like)]
        keep = to_device(np.flatnonzero(~done), like)
        self.weights, self.mean, self.square = self.weights[keep], self.mean[keep], self.square[keep]
        self.active = self.active[~done]
        return gradient[keep]

    def move(self, gradient: Any, step: int, learning_rate: float) -> None:
        """Take a step of Adam, the first being number 0; the gradient is used up."""
        self.mean += (1 - _BETA_1) * (gradient - self.mean)
        gradient *= gradient
        self.square += (1 - _BETA_2) * (gradient - self.square)
        first, second = 1 - _BETA_1 ** (step + 1), 1 - _BETA_2 ** (step + 1)
        root = array_namespace(gradient).sqrt(self.square / second)
        self.weights -= (learning_rate / first) * self.mean / (root + _EPSILON)

    def descend(self, gradient: Any, rate: float) -> None:
        """Take a step against the gradient."""
        self.weights -= rate * gradient

    def all_weights(self) -> Any:
        """Return the weights of all runs, wherever they are."""
        self.final[to_device(self.active, self.weights)] = self.weights
        return self.final


def loss_and_gradient(
    W: Any, X: Any, y: Any, channel: str | Channel = "softmax", *, loss: str = "labels"
) -> tuple[Any, Any]:
    r"""Return the loss of students, :math:`\frac1d\sum(p - y)^2` for labels, and its gradient.

    Parameters
    ----------
    W : array (d, r) or (k, d, r)
        One student, or k of them.
    X : array (n, T, d)
    y : array (n, T, T)
    channel : {"softmax", "linear"} or Channel
    loss : {"labels", "equations"}
        As in :func:`gradient_descent`.

    Returns
    -------
    loss : float or array (k,)
    gradient : array, of the shape of ``W``
    """
    X, goal = _prepare(X, y, channel, None, loss)
    single = getattr(W, "ndim", 3) == 2
    W = check_floats("W", W, (X.shape[2], None) if single else (None, X.shape[2], None))
    W = W.astype(X.dtype, copy=False)
    if not single:
        return _loss_and_gradient(W, X, goal)
    value, gradient = _loss_and_gradient(W[None], X, goal)
    return float(value[0]), gradient[0]


def _prepare(X: Any, y: Any, channel: Any, dtype: Any, loss: str) -> tuple[Any, _Goal]:
    """Check the data; return the tokens, and what students are trained on."""
    check_choice("loss", loss, _LOSSES)
    X = check_tokens(X, dtype)
    xp = array_namespace(X, y)
    n, n_tokens, d = X.shape
    if n < 1 or d < 1:
        raise ValueError(f"X must hold at least one sample and one dimension, got shape {X.shape}")
    channel = make_channel(channel, n_tokens)
    if not isinstance(channel, SoftmaxChannel | LinearChannel):
        raise ValueError(
            f"channel must be softmax or linear, got {channel!r}: labels that are constant almost "
            "everywhere in the weights have no gradient to follow"
        )
    if channel.n_tokens != n_tokens:
        raise ValueError(f"X has {n_tokens} tokens per sample, the channel expects {channel.n_tokens}")
    observed = channel.observe(y)  # checks the labels
    if len(observed) != n:
        raise ValueError(f"y has {len(observed)} samples, X has {n}")
    labels, beta, guess = observed, None, 0.0
    free_constant = isinstance(channel, SoftmaxChannel)
    if isinstance(channel, SoftmaxChannel) and loss == "labels":
        labels = xp.exp(xp.asarray(y)) if channel.log_labels else xp.asarray(y)
        beta, guess, free_constant = channel.inverse_temperature, 1 / n_tokens, False
    targets = xp.ascontiguousarray(xp.transpose(labels, (1, 2, 0)).astype(X.dtype, copy=False))
    off = targets - (targets.mean(axis=(0, 1)) if free_constant else guess)
    return X, _Goal(targets, beta, free_constant, float((off**2).sum()))


def _matrices(W: Any) -> Any:
    """Return the matrices S (k, d, d) of students W (k, d, r)."""
    return W @ W.swapaxes(1, 2) / math.sqrt(W.shape[1] * W.shape[2])


def _loss_and_gradient(W: Any, X: Any, goal: _Goal) -> Any:
    """Return the losses (k,) and gradients (k, d, r) of students W (k, d, r), without checks."""
    xp = array_namespace(W, X)
    k, d, width = W.shape
    together = max(1, _COLUMNS // min(width, d))
    if k > together and not is_cupy(X):
        parts = [_loss_and_gradient(W[i : i + together], X, goal) for i in range(0, k, together)]
        return tuple(xp.concatenate(part) for part in zip(*parts, strict=True))
    n, t, _ = X.shape
    wide = width > d  # then S itself is the smaller factor of the indices
    factor = W @ W.swapaxes(1, 2) if wide else W
    columns = factor.shape[2]
    scale = 1 / (d * math.sqrt(width))
    traces = scale * (W**2).sum(axis=(1, 2))
    size = max(1, (_GPU_BLOCK if is_cupy(X) else _BLOCK) // (t * max(d, k * columns)))

    loss = xp.zeros(k, dtype=X.dtype)
    pulls = xp.zeros(k, dtype=X.dtype)  # sums of the traces of G
    total = xp.zeros_like(factor)
    for start in range(0, n, size):
        block = slice(start, min(n, start + size))
        m = block.stop - start
        x = X[block].reshape(-1, d)
        mapped = (x @ factor).reshape(k, m, t, columns)
        partner = x.reshape(1, m, t, d) if wide else mapped
        h = xp.empty((t, t, k, m), dtype=X.dtype)
        for a in range(t):
            for b in range(a, t):
                h[a, b] = xp.einsum("kmj,kmj->km", mapped[:, :, a], partner[:, :, b])
                h[b, a] = h[a, b]
        h *= scale
        for a in range(t):
            h[a, a] -= traces[:, None]
        y = goal.targets[:, :, None, block]
        beta = goal.beta
        if beta is None:
            h -= y
            if goal.free_constant:
                h -= h.mean(axis=(0, 1))
            loss += (h**2).sum(axis=(0, 1, 3))
            h *= 2 / d
        else:
            h *= beta
            h -= h.max(axis=1)[:, None]
            p = xp.exp(h)
            p /= p.sum(axis=1)[:, None]
            residual = p - y
            loss += (residual**2).sum(axis=(0, 1, 3))
            residual *= p
            p *= residual.sum(axis=1)[:, None]
            h = residual - p  # the derivative of |p - y|^2 / 2 in beta h
            h *= 2 * beta / d
        weights = xp.empty((k, m, t, t), dtype=X.dtype)
        for a in range(t):
            for b in range(t):
                weights[:, :, a, b] = h[a, b] + h[b, a]
            pulls += 2 * h[a, a].sum(axis=1)
        total += x.T @ (weights @ partner).reshape(k, m * t, columns)
    gradient = total @ W if wide else total
    gradient -= pulls[:, None, None] * W
    gradient *= scale
    return loss / d, gradient
