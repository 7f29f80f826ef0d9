r"""Likelihood of a hardmax label, for any number of tokens: one-dimensional integrals only.

Row a of the label marks the largest of :math:`h_{a1}, \dots, h_{aT}`; say :math:`y_a`. Rows share indices,
because h is symmetric, and the probability of a label is that of a cone in :math:`T(T+1)/2` dimensions.
Yet it factorises. Let :math:`e_a = h_{a y_a}` be the largest index of row a.

- If :math:`y_a = b \ne a`, then :math:`e_b \ge h_{ab} = e_a`: along arrows :math:`a \to y_a` the maxima grow.
  So a label with a cycle of three or more tokens is impossible, and two tokens that mark each other share
  their maximum.
- An index that nobody marks lies below both of its maxima: it is integrated out,
  :math:`\Phi(\min(e_a, e_b))`.

Given the *order* of the maxima the minimum is the earlier one, and the integrand is a product of functions of
one maximum each. Summing over orders is a recursion over the set A of rows whose maxima lie below x,

.. math::

   F_A(x) = \sum_{u \subseteq A} \int_{-\infty}^x F_{A\setminus u}(t)\, \varphi_u(t)
   \prod_{a\in u}\prod_{b \notin A,\, b \ne y_a} \Phi_{ab}(t) \,
   \prod_{a \in u:\, y_a \ne a} \Phi_{aa}(t)\, dt ,
   \qquad P = F_{\{1..T\}}(\infty),

with u one row, or two rows that mark each other, :math:`\varphi_u` the density of their marked index, and
:math:`\Phi_{ab}` the distribution functions of unmarked ones: at most :math:`2^T` cumulative integrals on a
line. The scores are the exact derivatives of this sum (one more recursion, from above).

For two tokens this is another way to the bivariate normal distribution (:mod:`pairint.aim.bivariate`).

The information :math:`\kappa(\tau)` of a label averages squared scores over predictions, a
:math:`T(T+1)/2`-dimensional integral. Four properties of it are known and cheap, and fix it to about a
thousandth (:func:`hardmax_information`).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pairint.aim.bivariate import normal_functions
from pairint.backend import array_namespace, to_device, to_host
from pairint.validation import check_floats, check_integer, check_real

__all__ = [
    "MAX_TOKENS",
    "MOST_TOKENS",
    "HardmaxInformation",
    "hardmax_information",
    "hardmax_labels",
    "hardmax_likelihood",
    "hardmax_tail_constant",
    "possible_label",
]

#: Largest number of tokens: the recursion has 2^T steps, and labels are sorted by T! renamings.
MAX_TOKENS = 5
#: No channel has more: formulas in powers of T are computed in double precision, and with 64-bit exponents.
MOST_TOKENS = 10**15

_BLOCK = 2**14  # grid points per array


def possible_label(targets: Any) -> np.ndarray:
    """Say whether labels can be the hardmax of a symmetric matrix: no cycle of three or more tokens.

    Parameters
    ----------
    targets : int array (n, T)
        The token that each token marks.

    Returns
    -------
    bool array (n,)
    """
    targets = np.asarray(targets)
    n, t = targets.shape
    # After T steps one is on the cycle, and it must have length one or two.
    place = np.tile(np.arange(t), (n, 1))
    for _ in range(t):
        place = np.take_along_axis(targets, place, axis=1)
    twice = np.take_along_axis(targets, np.take_along_axis(targets, place, axis=1), axis=1)
    return (twice == place).all(axis=1)


@functools.cache
def hardmax_labels(n_tokens: int) -> tuple[tuple[tuple[int, ...], int], ...]:
    """Return the possible labels up to a renaming of tokens, each with how many it stands for."""
    counts: dict[tuple[int, ...], int] = {}
    for label in itertools.product(range(n_tokens), repeat=n_tokens):
        if possible_label([label])[0]:
            form = _canonical(label)[0]
            counts[form] = counts.get(form, 0) + 1
    return tuple(counts.items())


@functools.cache
def _canonical(label: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the smallest relabelling of a label, and the permutation p: new token i is old token p[i]."""

    def renamed(p: Any) -> Any:
        return tuple(p.index(label[old]) for old in p)

    return min((renamed(p), p) for p in itertools.permutations(range(len(label))))


def hardmax_likelihood(
    targets: Any, omega: Any, variance: float = 1.0, *, step: float = 0.25, reach: float = 6.0
) -> Any:
    r"""Return log-probability of hardmax labels and its derivatives in the means of the indices.

    Parameters
    ----------
    targets : int array (n, T)
        The token that each token marks, T <= 5; no cycle of three or more (see :func:`possible_label`).
    omega : array (n, T, T)
        Symmetric means of the indices.
    variance : float
        :math:`V > 0`; the index (a, b) has variance V off the diagonal and 2V on it.
    step : float
        Grid spacing, in units of :math:`\\sqrt V`.
    reach : float
        Standard deviations of an index that the grid covers.

    Returns
    -------
    log_p : array (n,)
    g : array (n, T, T)
        :math:`\partial\log P/\partial\omega_{ab}` with :math:`\omega_{ab} = \omega_{ba}` one coordinate;
        the entries (a, b) and (b, a) both hold it.

    Notes
    -----
    The total integrals are trapezoidal sums of analytic functions, the partial ones of sixth order. With the
    default grid the errors of log P and of the scores are about 1e-5, with ``step=1/32, reach=7.5`` about
    1e-10 (tested against the bivariate normal distribution). They grow for labels of tiny probability.
    """
    variance = check_real("variance", variance, 0, exclusive_minimum=True)
    xp = array_namespace(omega)
    omega = check_floats("omega", omega, (None, None, None))
    targets = np.asarray(to_host(targets)).astype(np.int64)
    n, t = targets.shape
    if t > MAX_TOKENS:
        raise ValueError(f"targets must have at most {MAX_TOKENS} tokens, got {t}")
    if not possible_label(targets).all():
        raise ValueError("targets hold a cycle of three or more tokens, which no symmetric matrix gives")
    step = check_real("step", step, 0, exclusive_minimum=True)
    reach = check_real("reach", reach, 0, exclusive_minimum=True)
    scaled = omega / math.sqrt(variance)
    log_p = xp.empty(n, dtype=omega.dtype)
    g = xp.empty_like(omega)
    kinds, kind = np.unique(targets, axis=0, return_inverse=True)
    kind = kind.ravel()
    forms: dict[tuple[int, ...], list[np.ndarray]] = {}
    order = np.empty((n, t), dtype=np.int64)
    for number, label in enumerate(kinds):
        form, permutation = _canonical(tuple(label.tolist()))
        members = np.flatnonzero(kind == number)
        order[members] = permutation
        forms.setdefault(form, []).append(members)
    for form, lists in forms.items():
        members = np.concatenate(lists)
        p = order[members]
        means = scaled[
            to_device(members[:, None, None], omega),
            to_device(p[:, :, None], omega),
            to_device(p[:, None, :], omega),
        ]
        low, high = _range_of(form, means, reach)
        width = to_host(high - low)
        by_width = np.argsort(width, kind="stable")
        start = 0
        while start < len(members):
            size = max(1, int(_BLOCK * step / width[by_width[start]]))
            part = by_width[start : start + size]
            start += size
            chosen = to_device(part, omega)
            values, scores = _one_form(form, means[chosen], low[chosen], float(width[part[-1]]), step)
            rows = to_device(members[part], omega)
            log_p[rows] = values
            q = to_device(p[part], omega)
            g[rows[:, None, None], q[:, :, None], q[:, None, :]] = scores / math.sqrt(variance)
    return log_p, g


def _range_of(label: Any, means: Any, reach: Any) -> Any:
    """Return the interval that holds the maxima of the rows, for each sample."""
    xp = array_namespace(means)
    t = len(label)
    scale = np.ones((t, t)) + (math.sqrt(2) - 1) * np.eye(t)
    reach = xp.asarray(reach * scale, dtype=means.dtype)
    low = xp.stack([means[:, a, label[a]] - reach[a, label[a]] for a in range(t)]).min(axis=0)
    return low, (means + reach).max(axis=(1, 2))


def _cumulative(values: Any, step: float) -> Any:
    """Return the integrals up to each point of a uniform grid (last axis); zero at its ends."""
    xp = array_namespace(values)
    f = xp.zeros((*values.shape[:-1], values.shape[-1] + 5), dtype=values.dtype)
    f[..., 3:-2] = values
    # Each interval from the polynomial through its six nearest points.
    pieces = 802 * (f[..., 2:-3] + f[..., 3:-2]) - 93 * (f[..., 1:-4] + f[..., 4:-1])
    pieces += 11 * (f[..., :-5] + f[..., 5:])
    return xp.cumsum(pieces, axis=-1) * (step / 1440)


#: A set of rows.
Rows = frozenset[int]


class _Sweep(NamedTuple):
    """What the sweep from below leaves to the one from above."""

    integrand: dict[Rows, Any]
    cumulative: dict[Rows, Any]
    #: (rows below, unit) -> weight.
    steps: dict[tuple[Rows, Rows], Any]


class _Order:
    """In which order the maxima of the rows can lie, for one label.

    The maximum of row a is its entry with row ``label[a]``; two rows that point at each other share it. A
    *unit* is a row, or such a pair. Rows are taken by increasing maximum: what has been taken is a set.
    """

    def __init__(self, label: Sequence[int]) -> None:
        self.label = label
        self.rows = frozenset(range(len(label)))
        self.marked = {_pair(a, b) for a, b in enumerate(label)}
        self.units = sorted(
            {frozenset((a, b)) if label[b] == a else frozenset((a,)) for a, b in enumerate(label)}, key=sorted
        )

    def entry(self, unit: Rows) -> tuple[int, int]:
        """Return the entry that is the maximum of a unit."""
        a = min(unit)
        return _pair(a, self.label[a])

    def follows(self, unit: Rows, done: Rows) -> bool:
        """Say whether a unit can come next after a set of rows."""
        label = self.label
        outward = all(label[a] in unit or label[a] not in done for a in unit)
        return outward and all(b in done or b in unit for b in self.rows if label[b] in unit)

    def others(self, unit: Rows, after: Rows) -> Iterator[tuple[int, int]]:
        """Yield the unmarked entries of a unit with the rows that are still to come."""
        for a in unit:
            for b in self.rows - after:
                if _pair(a, b) not in self.marked:
                    yield _pair(a, b)


def _pair(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)


def _added(sums: dict[Any, Any], key: Any, term: Any) -> None:
    sums[key] = sums[key] + term if key in sums else term


def _from_below(
    order: _Order, own: dict[Rows, Any], below: dict[tuple[int, int], Any], step: float
) -> _Sweep:
    """Sum over the orders: f[A] is the density of the largest maximum in A, all other rows still above."""
    sweep = _Sweep({}, {}, {})
    reached: list[Rows] = [frozenset()]
    for done in reached:
        if done:
            sweep.cumulative[done] = _cumulative(sweep.integrand[done], step)
        for unit in order.units:
            if unit & done or not order.follows(unit, done):
                continue
            after, weight = done | unit, own[unit]
            for entry in order.others(unit, after):
                weight = weight * below[entry]
            sweep.steps[done, unit] = weight
            if after not in sweep.integrand:
                reached.append(after)
                reached.sort(key=len)  # a set is complete before it is used
            _added(sweep.integrand, after, weight * sweep.cumulative[done] if done else weight)
    return sweep


def _from_above(order: _Order, sweep: _Sweep, step: float) -> dict[tuple[int, int], Any]:
    """Return, for (row, row above or itself), the density of the row's maximum, the other being larger.

    The adjoint of A is the probability of everything that is still to come, after A at x.
    """
    adjoint: dict[Rows, Any] = {}
    incoming: dict[Rows, Any] = {}
    posterior: dict[tuple[int, int], Any] = {}
    for (done, unit), weight in sorted(sweep.steps.items(), key=lambda item: -len(item[0][0] | item[0][1])):
        after = done | unit
        if after != order.rows and after not in adjoint:
            adjoint[after] = _cumulative(incoming.pop(after)[:, ::-1], step)[:, ::-1]
        above = weight if after == order.rows else weight * adjoint[after]
        if done:
            _added(incoming, done, above)
        here = above * sweep.cumulative[done] if done else above
        for a in unit:
            for b in (order.rows - after) | {a}:
                _added(posterior, (a, b), here)
    return posterior


def _one_form(label: Sequence[int], means: Any, low: Any, width: float, step: float) -> tuple[Any, Any]:
    """Return log-probability (n,) and scores (n, T, T) of samples that share one label, at unit variance."""
    xp = array_namespace(means)
    order = _Order(label)
    x = low[:, None] + step * xp.arange(math.ceil(width / step) + 1, dtype=means.dtype)
    density, slope, below, hazard = _entries(order, means, x)
    own = {}
    for unit in order.units:
        own[unit] = density[order.entry(unit)]
        for a in unit:
            if label[a] != a:
                own[unit] = own[unit] * below[a, a]
    sweep = _from_below(order, own, below, step)
    posterior = _from_above(order, sweep, step)
    p = step * sweep.integrand[order.rows].sum(axis=-1)

    scores = xp.zeros((len(means), len(label), len(label)), dtype=means.dtype)
    for (a, b), mass in posterior.items():
        if a == b and label[a] != a:
            scores[:, a, a] -= (mass * hazard[a, a]).sum(axis=-1)
        if a != b and _pair(a, b) not in order.marked:
            value = (mass * hazard[_pair(a, b)]).sum(axis=-1)
            scores[:, a, b] -= value
            scores[:, b, a] -= value
    for unit in order.units:
        a, b = order.entry(unit)
        value = (posterior[min(unit), min(unit)] * slope[a, b]).sum(axis=-1)
        scores[:, a, b] += value
        if a != b:
            scores[:, b, a] += value
    tiny = 1e-300
    return xp.log(xp.maximum(p, tiny)), step * scores / xp.maximum(p, tiny)[:, None, None]


def _entries(order: _Order, means: Any, x: Any) -> tuple[dict, dict, dict, dict]:
    """Return density and slope of the marked entries, probability below x and hazard of the others."""
    xp = array_namespace(means)
    ndtr, _ = normal_functions(means)
    density, slope, below, hazard = {}, {}, {}, {}
    for a in order.rows:
        for b in range(a, len(order.rows)):
            scale = math.sqrt(2.0) if a == b else 1.0
            z = (x - means[:, a, b, None]) / scale
            bell = xp.exp(-0.5 * z * z) / (scale * math.sqrt(2 * math.pi))
            if (a, b) in order.marked:
                density[a, b], slope[a, b] = bell, z / scale
            else:
                below[a, b] = ndtr(z)
                hazard[a, b] = bell / xp.maximum(below[a, b], 1e-300)
    return density, slope, below, hazard


# Information of a label ----------------------------------------------------------------------------


def hardmax_tail_constant(n_tokens: int) -> float:
    r"""Return the limit of :math:`\sqrt\tau\,\kappa(\tau)` for hardmax, as :math:`\tau\to\infty`.

    When the indices are almost known, a label teaches something only if the two largest entries of a
    row nearly tie. Each tie is a one-dimensional sign, worth
    :math:`4\int\varphi^2/\Phi` times the density of the tie:

    .. math::

       c_\infty = 4J\,T\Big[\tbinom{T-1}{2}\sqrt2\int\varphi^2\,\Phi^{T-3}\,\Phi(\tfrac{x}{\sqrt2})\,dx
       + (T-1)\sqrt{3}\int\varphi(x)\,\tfrac{1}{\sqrt2}\varphi(\tfrac{x}{\sqrt2})\,\Phi^{T-2}\,dx\Big],
       \quad J = \int \frac{\varphi^2}{\Phi} .
    """
    t = check_integer("n_tokens", n_tokens, 2, MOST_TOKENS)
    x = np.linspace(-12, 12, 4801)
    dx = x[1] - x[0]
    ndtr, log_ndtr = normal_functions(x)
    density = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    wide = np.exp(-0.25 * x * x) / math.sqrt(4 * math.pi)
    one_sign = dx * np.exp(-x * x - math.log(2 * math.pi) - log_ndtr(x)).sum()
    ties = density**2 * ndtr(x) ** max(t - 3, 0) * ndtr(x / math.sqrt(2))
    off = math.comb(t - 1, 2) * math.sqrt(2) * ties.sum()
    diagonal = (t - 1) * math.sqrt(3) * (density * wide * ndtr(x) ** (t - 2)).sum()
    return float(4 * one_sign * t * dx * (off + diagonal))


@dataclass(frozen=True)
class HardmaxInformation:
    r"""The information of a hardmax label, as a function of :math:`u = 1/\sqrt{1 + \tau}`.

    Attributes
    ----------
    n_tokens : int
    start : float
        :math:`\kappa(0)`, exact: nothing is known.
    slope : float
        :math:`\kappa'(0)` at fixed V + q, that is :math:`dK/dq` at :math:`q = 0`, :math:`Q_0 = 1`; exact.
    tail : float
        :math:`\lim\sqrt\tau\,\kappa(\tau)`, almost everything being known: the weight of near ties (argued).
    entropy : float
        Entropy of a label in nats, exact.
    polynomial : numpy.polynomial.Polynomial
        Cubic :math:`G(u) = \kappa/u` with these four properties.
    error : float
        Twice the largest difference to the quadratic that ignores the slope (heuristic; for two tokens it
        bounds the error that is known there).
    """

    n_tokens: int
    start: float
    slope: float
    tail: float
    entropy: float
    polynomial: np.polynomial.Polynomial
    error: float

    def kappa(self, tau: Any) -> Any:
        r"""Return :math:`\kappa(\tau) = u\,G(u)`; scalar or array of ``tau >= 0``."""
        u = 1 / np.sqrt(1 + np.asarray(tau, dtype=np.float64))
        return (u * self.polynomial(u))[()]

    def kappa_error(self, tau: Any) -> Any:
        """Return the estimated error of :meth:`kappa` (heuristic, see ``error``)."""
        return (self.error / np.sqrt(1 + np.asarray(tau, dtype=np.float64)))[()]


@functools.cache
def hardmax_information(n_tokens: int) -> HardmaxInformation:
    r"""Return the information of a hardmax label of T tokens, from four known properties.

    With :math:`Q_0 = 1`, :math:`V = u^2` and :math:`q = 1 - u^2`, let :math:`G(u) = \kappa/u = u K(q)`. Then

    - :math:`G(1) = \kappa(0) = 2\sum_y P\,|\nabla\log P|^2` at :math:`\omega = 0`, a finite sum over labels;
    - :math:`G'(1) = \kappa(0) - 2K'(0)`, where :math:`K'(q) = 2\,\mathbb E\,\lVert\nabla^2\log P\rVert^2`
      (gradient and Hessian in :math:`\omega_{ab}/\sigma_{ab}`): again a sum over labels. It also
      shows that K increases: the more is known, the more a label teaches;
    - :math:`G(0) = c_\infty`, from near ties (:func:`hardmax_tail_constant`);
    - :math:`\int_0^1 G\,du = \tfrac12\int_0^1 K\,dq = 2H(y)`, the entropy of the label, for
      :math:`K = 4\Psi'` and :math:`\Psi` runs from :math:`-H(y)` to 0 (I-MMSE).

    G is close to linear, and the cubic with these properties is off by 2e-4 of its value for two tokens,
    where it can be compared with quadrature. For three and four tokens it agrees with sampling
    (:func:`pairint.aim.sampling.sampled_kappa`) within the standard error.

    Returns
    -------
    HardmaxInformation
    """
    t = check_integer("n_tokens", n_tokens, 2, MAX_TOKENS)
    a, b = np.triu_indices(t)
    sigma = np.sqrt(1.0 + (a == b))
    move = 0.01
    steps = np.concatenate([np.zeros((1, len(a))), move * np.eye(len(a)), -move * np.eye(len(a))])
    omega = np.zeros((len(steps), t, t))
    omega[:, a, b] = omega[:, b, a] = steps * sigma
    start = slope = entropy = 0.0
    for label, count in hardmax_labels(t):
        targets = np.tile(label, (len(steps), 1))
        log_p, g = hardmax_likelihood(targets, omega, step=1 / 16, reach=7.5)
        weight = count * math.exp(log_p[0])
        gradient = g[:, a, b] * sigma
        hessian = (gradient[1 : 1 + len(a)] - gradient[1 + len(a) :]) / (2 * move)
        entropy -= weight * log_p[0]
        start += 2 * weight * (gradient[0] ** 2).sum()
        slope += 2 * weight * (hessian**2).sum()
    tail = hardmax_tail_constant(t)
    powers = np.arange(4)
    conditions = np.array([powers == 0, np.ones(4), 1 / (1 + powers), powers], dtype=np.float64)
    values = np.array([tail, start, 2 * entropy, start - 2 * slope])
    cubic = np.polynomial.Polynomial(np.linalg.solve(conditions, values))
    quadratic = np.polynomial.Polynomial(np.linalg.solve(conditions[:3, :3], values[:3]))
    u = np.linspace(0, 1, 201)
    error = 2 * float(np.abs(cubic(u) - quadratic(u)).max())
    return HardmaxInformation(t, float(start), float(slope), tail, float(entropy), cubic, error)
