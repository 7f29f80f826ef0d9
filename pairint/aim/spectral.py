r"""Layers of any spectral law, given by its Stieltjes transform: denoiser, error and information.

Let S be a symmetric matrix without preferred directions, whose eigenvalues have the limiting law
:math:`\mu_S`, and :math:`g_S(z) = \int \mu_S(\mathrm ds)/(z - s)` its Stieltjes transform. The noisy copy
:math:`R = S + \sqrt\Delta Z` has the free convolution of :math:`\mu_S` with a semicircle, and its transform
is *subordinated*, :math:`g(z) = g_S(w)` with :math:`w = z - \Delta g(z)`.

On the real axis, :math:`w = u + iv`. For each real u the height is the root of one decreasing function
(Biane, 1997),

.. math::

   \int \frac{\mu_S(\mathrm ds)}{(u - s)^2 + v^2} = \frac1\Delta, \qquad 0 < v \le \sqrt\Delta,

or zero where the integral stays below. The eigenvalue, the density and the denoised value follow from u:

.. math::

   x = u + \Delta\operatorname{Re} g_S(w), \qquad \mu(x) = \frac{v}{\pi\Delta}, \qquad
   f = 2u - x = u - \Delta\operatorname{Re} g_S(w),

so that no branch of a root has to be chosen. The information of R about S is a difference of logarithmic
energies, :math:`i = \frac12\iint\log|x-y|\,\mu\mu - \frac14\log\Delta + \frac18`, and the logarithmic
potential is subordinated too.
"""

from __future__ import annotations

import functools
import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.aim.priors import Prior
from pairint.validation import check_floats, check_integer, check_real, check_rng, check_size

__all__ = ["AtomicPrior", "NoisyLaw", "PowerLawPrior", "SemicirclePrior", "SpectralPrior", "haar_rotation"]

# Nodes of the tanh-sinh rule: distances to both ends are kept apart, as the density vanishes there.
_STEP, _REACH = 1 / 20, 3.2
#: Points on the circle that differentiates the transform, and its radius over the height: 8**-12 is rounding.
_CIRCLE, _RADIUS = 12, 1 / 8
#: How often a piece of the quadrature may be halved: laws of very uneven density have edges inside of a bulk.
_SPLITS = 14


class SpectralPrior(Prior):
    r"""A layer without preferred directions, of any limiting law of its eigenvalues.

    Book: :doc:`/book/aim_priors`.

    Subclasses set ``mean``, ``second_moment`` and ``support``, and define :meth:`stieltjes`; with
    :meth:`quantile` they draw matrices. Everything else follows. ``parameters``, where the law has atoms of
    masses :math:`p_j`, is :math:`1 - \sum_j p_j^2`.

    Attributes
    ----------
    support : sequence of (float, float)
        Intervals in increasing order, with gaps between them, in the inside of which the law has a positive
        density; an atom is an interval of length zero.
    """

    support: Sequence[tuple[float, float]]

    @abstractmethod
    def stieltjes(self, z: NDArray[np.complex128]) -> NDArray[np.complex128]:
        r"""Return :math:`g_S(z) = \int\mu_S(\mathrm ds)/(z - s)` for z (any shape) above the axis."""

    def quantile(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the eigenvalues below which a share p in (0, 1) lies; what :meth:`draw` needs."""
        raise TypeError(
            f"{type(self).__name__} has neither quantile(p) nor draw(d, rng): no teacher can be drawn from it"
        )

    def draw(self, d: int, rng: np.random.Generator) -> NDArray[np.float64]:
        d = check_integer("d", d, 1)
        check_size("d", d, d)
        values = check_floats(
            f"what {type(self).__name__}.quantile returns",
            self.quantile((np.arange(d) + check_rng(rng).random(d)) / d),
            (d,),
        )
        rotation = haar_rotation(d, rng)
        return (rotation * values) @ rotation.T

    def noisy(self, delta: float) -> NoisyLaw:
        """Return the law of the eigenvalues of a noisy copy; the last ones are kept."""
        delta = check_real("delta", delta, 0, exclusive_minimum=True)
        kept: dict[float, NoisyLaw] = self.__dict__.setdefault("_noisy_laws", {})
        if delta not in kept:
            while len(kept) >= 4:
                del kept[next(iter(kept))]
            kept[delta] = NoisyLaw(self.stieltjes, _checked_support(self), delta, self.mean, self.variance)
        return kept[delta]

    def error(self, delta: float) -> float:
        return self.noisy(delta).mmse

    def denoise(self, eigenvalues: NDArray[np.float64], delta: float) -> NDArray[np.float64]:
        return self.noisy(delta).denoise(eigenvalues)

    def information(self, delta: float) -> float:
        return self.noisy(delta).information

    def quadrature(self, delta: float) -> tuple[NDArray[np.float64], ...]:
        law = self.noisy(delta)
        return law.values, law.denoised, law.probabilities


def _checked_support(prior: SpectralPrior) -> list[tuple[float, float]]:
    name = f"{type(prior).__name__}.support"
    ends = check_floats(name, prior.support, (None, 2))
    flat = ends.ravel()
    if not len(ends) or bool((np.diff(ends, axis=1) < 0).any()) or bool((flat[2::2] <= flat[1:-1:2]).any()):
        raise ValueError(f"{name} must hold disjoint intervals (low, high) in increasing order, got {ends}")
    return [(float(low), float(high)) for low, high in ends]


class NoisyLaw:
    r"""Law of the eigenvalues of :math:`S + \sqrt\Delta Z`, by subordination.

    Book: :doc:`/book/aim_priors`.

    Parameters
    ----------
    stieltjes : callable
        Transform of the law of S, in the upper half plane.
    support : list of (float, float)
        As in :class:`SpectralPrior`.
    delta : float
        Noise > 0.
    mean, variance : float
        Of the law of S.

    Attributes
    ----------
    edges : list of (float, float)
        Ends of the bulks, in increasing order.

    Raises
    ------
    ValueError
        If the mass of the law is not one, so that the transform is none, has another support, or the noise is
        too weak to be resolved in double precision.
    """

    def __init__(
        self,
        stieltjes: Callable[[Any], Any],
        support: list[tuple[float, float]],
        delta: float,
        mean: float,
        variance: float,
    ) -> None:
        self._g, self._support, self.delta = stieltjes, support, delta
        self._mean, self._variance = mean, variance
        self._bulks, self._cuts = self._find_bulks()
        self.edges = [(self._real_place(low), self._real_place(high)) for low, high in self._bulks]

    # Where there is a spectrum -------------------------------------------------------------------------

    def _excess(self, u: float, gap: float) -> float:
        """Return ``delta * integral of 1/(u - s)^2`` minus one, at a distance ``gap`` from the support.

        By Cauchy's integral over a circle, of which the upper half is enough.
        """
        turns = np.exp(1j * math.pi * (np.arange(_CIRCLE) + 0.5) / _CIRCLE)
        slope = float((self._transform(u + gap / 4 * turns) / turns).real.mean()) / (gap / 4)
        return -self.delta * slope - 1

    def _transform(self, z: Any) -> Any:
        return np.asarray(self._g(np.asarray(z, dtype=np.complex128)))

    def _real_place(self, u: float) -> float:
        """Return the eigenvalue x of a real u outside of the support, or at one of its ends."""
        return u + self.delta * float(self._transform(np.array([u + 1e-12j * math.sqrt(self.delta)]))[0].real)

    def _find_bulks(self) -> tuple[list[tuple[float, float]], list[float]]:
        r"""Return the intervals of u with v > 0, and where their quadrature is cut.

        Outside of the support :math:`\int\mu_S/(u-s)^2` is convex: it falls to both sides, and in a gap it
        is below :math:`1/\Delta` on one interval at most. The distance to the support is at most
        :math:`\sqrt\Delta`.
        """
        reach = math.sqrt(self.delta)
        first, last = self._support[0][0], self._support[-1][1]
        ends = [first - self._distance(lambda t: self._excess(first - t, t), reach)]
        cuts = [end for low, high in self._support for end in {low, high}]
        for (_, a), (b, _) in zip(self._support[:-1], self._support[1:], strict=True):
            middle, least = self._lowest(a, b)
            if least >= 0:
                cuts.append(middle)
                continue
            up = self._distance(functools.partial(self._inside_gap, a, b - a), middle - a)
            down = self._distance(functools.partial(self._inside_gap, b, a - b), b - middle)
            ends += [a + up, b - down]
        ends.append(last + self._distance(lambda t: self._excess(last + t, t), reach))
        return list(zip(ends[::2], ends[1::2], strict=True)), sorted(cuts)

    def _inside_gap(self, end: float, span: float, t: float) -> float:
        """Return the excess at a distance t from one end of a gap, which reaches to ``end + span``."""
        return self._excess(end + math.copysign(t, span), min(t, abs(span) - t))

    @staticmethod
    def _distance(excess: Callable[[float], float], reach: float) -> float:
        """Return the largest distance at which the excess is positive, or zero: inwards, then by halving."""
        high = low = reach
        while excess(low) <= 0:
            high, low = low, low / 2
            if low < 1e-14 * reach:
                return 0.0
        for _ in range(48):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if excess(middle) > 0 else (low, middle)
        return low

    def _lowest(self, a: float, b: float) -> tuple[float, float]:
        """Return the place in a gap of the support where the convex excess is least, and its value."""
        ratio = (math.sqrt(5) - 1) / 2
        low, high = a, b

        def at(u: float) -> float:
            return self._excess(u, min(u - a, b - u))

        left, right = high - ratio * (high - low), low + ratio * (high - low)
        lower, upper = at(left), at(right)
        for _ in range(60):
            if lower < upper:
                high, right, upper = right, left, lower
                left = high - ratio * (high - low)
                lower = at(left)
            else:
                low, left, lower = left, right, upper
                right = low + ratio * (high - low)
                upper = at(right)
            if min(lower, upper) < -0.5:  # open, wherever the minimum is
                break
        return (left, lower) if lower < upper else (right, upper)

    # The parametrisation by u --------------------------------------------------------------------------

    def _height(self, u: Any) -> Any:
        r"""Return v(u) > 0: the root of a decreasing function of log v, by halving and by chords."""

        def excess(log_v: Any) -> Any:
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.log(-self._transform(u + 1j * np.exp(log_v)).imag * self.delta) - log_v

        high = np.full(u.shape, 0.5 * math.log(self.delta))
        low = high - 34.0
        for _ in range(6):
            middle = 0.5 * (low + high)
            above = excess(middle) > 0
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        at_low, at_high = excess(low), excess(high)
        middle = 0.5 * (low + high)
        side = np.zeros(u.shape)
        for _ in range(40):
            with np.errstate(divide="ignore", invalid="ignore"):
                chord = high - at_high * (high - low) / (at_high - at_low)
            # Where the ends have one sign (v below all that is looked at) there is no chord.
            middle = np.where((chord > low) & (chord < high), chord, 0.5 * (low + high))
            value = excess(middle)
            above = value > 0
            at_high = np.where(above, np.where(side > 0, at_high / 2, at_high), value)
            at_low = np.where(above, value, np.where(side < 0, at_low / 2, at_low))
            moved = np.where(above, middle - low, high - middle)
            low, high = np.where(above, middle, low), np.where(above, high, middle)
            side = np.where(above, 1.0, -1.0)
            if bool(((moved < 1e-14) | (high - low < 1e-13)).all()):
                break
        return np.exp(middle)

    def _slope(self, w: Any) -> Any:
        """Return ``1 + delta g_S'(w)``, the derivative of z in w, by Cauchy's integral over a circle."""
        turns = np.exp(2j * math.pi * np.arange(_CIRCLE) / _CIRCLE).reshape(-1, *[1] * w.ndim)
        radius = _RADIUS * w.imag
        return 1 + self.delta * (self._transform(w + radius * turns) / turns).mean(axis=0) / radius

    @functools.cached_property
    def _nodes(self) -> dict[str, NDArray[np.float64]]:
        pieces = []
        for low, high in self._bulks:
            inner = [cut for cut in self._cuts if low < cut < high]
            pieces += list(zip([low, *inner], [*inner, high], strict=True))
        done: list[dict[str, NDArray[np.float64]]] = []
        for _ in range(_SPLITS):
            rows = self._on(np.array(pieces))
            # Half of the nodes give half of the digits.
            doubt = abs(rows["p"].sum(axis=1) - 2 * rows["p"][:, _tanh_sinh()[3]].sum(axis=1))
            good = ~(doubt > 1e-6)  # NaN ends it, and is refused below
            done.append({name: values[good] for name, values in rows.items()})
            pieces = [
                part
                for (a, b), kept in zip(pieces, good.tolist(), strict=True)
                if not kept
                for part in ((a, (a + b) / 2), ((a + b) / 2, b))
            ]
            if not pieces:
                break
        else:
            done.append(self._on(np.array(pieces)))
        nodes = {name: np.concatenate([rows[name].ravel() for rows in done]) for name in done[0]}
        p = nodes["p"]
        if not abs(float(p.sum()) - 1) < 1e-6:  # NaN, too
            raise ValueError(
                f"the law at delta = {self.delta:g} has mass {float(p.sum()):.8g} instead of one: stieltjes "
                "and support must belong together, and delta must not be too small for double precision"
            )
        return nodes

    def _on(self, pieces: NDArray[np.float64]) -> dict[str, Any]:
        """Return what is known at the nodes of pieces (k, 2) of the u axis, each of shape (k, nodes)."""
        left, right, weights, _ = _tanh_sinh()
        a, b = pieces[:, :1], pieces[:, 1:]
        u = np.where(left < right, a + (b - a) * left, b - (b - a) * right)
        v = self._height(u)
        w = u + 1j * v
        g, slope = self._transform(w), self._slope(w)
        stretch = abs(slope) ** 2 / slope.real
        p = v / (math.pi * self.delta) * stretch * (b - a) * weights
        return {"u": u, "v": v, "x": u + self.delta * g.real, "f": u - self.delta * g.real, "p": p, "g": g}

    @property
    def values(self) -> NDArray[np.float64]:
        """Eigenvalues of the copy at the nodes of a quadrature, shape (m,)."""
        return self._nodes["x"]

    @property
    def denoised(self) -> NDArray[np.float64]:
        """Best estimates that belong to ``values``, shape (m,)."""
        return self._nodes["f"]

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Weights of ``values``: sums with them are integrals over the law."""
        return self._nodes["p"]

    @functools.cached_property
    def mmse(self) -> float:
        """Bayes-optimal error of the matrix."""
        nodes = self._nodes
        if self.delta > self._variance:  # the other form cancels
            return self._variance - float(nodes["p"] @ (nodes["f"] - self._mean) ** 2)
        return self.delta - 4 / 3 * float(nodes["p"] @ nodes["v"] ** 2)

    @functools.cached_property
    def information(self) -> float:
        r"""Mutual information of S and its noisy copy, over :math:`d^2`."""
        nodes = self._nodes
        potential = self._potential(nodes["u"] + 1j * nodes["v"]).real
        energy = float(nodes["p"] @ (potential + 0.5 * self.delta * (nodes["g"] ** 2).real))
        return 0.5 * energy - 0.25 * math.log(self.delta) + 0.125

    def _potential(self, w: Any) -> Any:
        r"""Return :math:`\int\log(w - s)\,\mu_S(\mathrm ds)`: the transform, integrated upwards."""
        far = 1e6 * (1 + math.sqrt(self._variance + self.delta) + abs(w).max())
        nodes, weights = np.polynomial.legendre.leggauss(80)
        span = np.log1p(far / w.imag)
        total = np.log(w - self._mean)
        for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
            s = 0.5 * (node + 1) * span
            z = w + 1j * w.imag * np.expm1(s)
            total = total - 1j * (self._transform(z) - 1 / (z - self._mean)) * w.imag * np.exp(s) * (
                0.5 * weight * span
            )
        return total

    # Pointwise -----------------------------------------------------------------------------------------

    def density(self, x: Any) -> NDArray[np.float64]:
        """Return the density at the eigenvalues ``x`` (any shape)."""
        x = check_floats("x", x)
        result = np.zeros(x.shape)
        inside = self._inside(x)
        if inside.any():
            result[inside] = self._solve(x[inside]).imag / (math.pi * self.delta)
        return result

    def denoise(self, x: Any) -> NDArray[np.float64]:
        r"""Return the best estimate for each eigenvalue ``x`` of R (any shape).

        In the spectrum :math:`2u - x`, in a gap of it the same with a real u. Beyond its ends, where the
        eigenvalues of a finite matrix stray a little, the tangent at the end is followed.
        """
        x = check_floats("x", x)
        f = np.array(x)
        inside = self._inside(x)
        if inside.any():
            f[inside] = 2 * self._solve(x[inside]).real - x[inside]
        for (_, low), (high, _), (_, a), (b, _) in zip(
            self.edges[:-1], self.edges[1:], self._bulks[:-1], self._bulks[1:], strict=True
        ):
            gap = (low <= x) & (x <= high)
            if gap.any():
                f[gap] = 2 * self._solve_real(x[gap], a, b) - x[gap]
        for end, inwards, beyond in (
            (self.edges[0][0], 1, x <= self.edges[0][0]),
            (self.edges[-1][1], -1, x >= self.edges[-1][1]),
        ):
            if beyond.any():
                width = self.edges[0][1] - end if inwards > 0 else end - self.edges[-1][0]
                at = end + inwards * width * np.array([1e-3, 2e-3])
                near = 2 * self._solve(at).real - at
                f[beyond] = near[0] + (near[1] - near[0]) / (at[1] - at[0]) * (x[beyond] - at[0])
        return f

    def _inside(self, x: Any) -> Any:
        inside = np.zeros(x.shape, dtype=bool)
        for low, high in self.edges:
            inside |= (low < x) & (x < high)
        return inside

    def _solve(self, x: Any) -> Any:
        r"""Solve :math:`w + \Delta g_S(w) = x` above the axis: from a few points, or from all nodes."""
        w = self._newton(x, self._coarse)
        gap = abs(w + self.delta * self._transform(w) - x)
        missed = ~(gap < 1e-11 * (abs(x) + math.sqrt(self.delta)))
        if missed.any():
            w[missed] = self._newton(x[missed], self._nodes)
        return w

    @functools.cached_property
    def _coarse(self) -> dict[str, NDArray[np.float64]]:
        """Points of the curve that are dense enough to start from, where no edge is near."""
        shares = 0.5 - 0.5 * np.cos(math.pi * (np.arange(40) + 0.5) / 40)
        u = np.concatenate([low + (high - low) * shares for low, high in self._bulks])
        v = self._height(u)
        return {"u": u, "v": v, "x": u + self.delta * self._transform(u + 1j * v).real}

    def _newton(self, x: Any, known: dict[str, NDArray[np.float64]]) -> Any:
        order = np.argsort(known["x"])
        places = known["x"][order]
        w = np.interp(x, places, known["u"][order]) + 1j * np.sqrt(
            np.interp(x, places, known["v"][order] ** 2)
        )
        for _ in range(8):
            step = (w + self.delta * self._transform(w) - x) / self._slope(w)
            # A step to below the axis is shortened.
            share = np.where(step.imag < 0.9 * w.imag, 1.0, 0.9 * w.imag / np.maximum(step.imag, 1e-300))
            w = w - share * step
            if bool((abs(step) < 1e-14 * abs(w)).all()):
                break
        return w

    def _solve_real(self, x: Any, a: float, b: float) -> Any:
        """Solve the same for real u between two bulks, where x grows with u."""
        low, high = np.full(x.shape, a), np.full(x.shape, b)
        small = 1e-9 * (b - a)
        for _ in range(60):
            u = 0.5 * (low + high)
            below = u + self.delta * self._transform(u + 1j * small).real < x
            low, high = np.where(below, u, low), np.where(below, high, u)
        return 0.5 * (low + high)


@functools.cache
def _tanh_sinh() -> tuple[Any, ...]:
    """Return shares to the left and to the right of the nodes, weights (sum 1), and every second node."""
    k = np.arange(-int(_REACH / _STEP), int(_REACH / _STEP) + 1)
    t = k * _STEP
    u = 0.5 * math.pi * np.sinh(t)
    left, right = 1 / (1 + np.exp(-2 * u)), 1 / (1 + np.exp(2 * u))
    return left, right, _STEP * math.pi * np.cosh(t) * left * right, np.flatnonzero(k % 2 == 0)


def haar_rotation(d: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a uniformly random orthogonal matrix, shape (d, d).

    Book: :doc:`/book/aim_priors`.

    Parameters
    ----------
    d : int
        At least 1.
    rng : Generator
    """
    d = check_integer("d", d, 1)
    check_size("d", d, d)
    q, r = np.linalg.qr(check_rng(rng).standard_normal((d, d)))
    return np.asarray(q * np.where(np.diagonal(r) < 0, -1.0, 1.0))


# Laws ----------------------------------------------------------------------------------------------


class SemicirclePrior(SpectralPrior):
    r"""Independent Gaussian entries about a multiple of the identity: all is known in closed form.

    Book: :doc:`/book/aim_priors`.

    Parameters
    ----------
    variance : float
        Of the eigenvalues, > 0.
    mean : float
    """

    def __init__(self, variance: float = 1.0, mean: float = 0.0) -> None:
        spread = check_real("variance", variance, 0, exclusive_minimum=True)
        self.mean = check_real("mean", mean)
        self.second_moment = spread + self.mean**2
        self._spread = spread
        radius = 2 * math.sqrt(spread)
        self.support = [(self.mean - radius, self.mean + radius)]

    def __repr__(self) -> str:
        return f"SemicirclePrior(variance={self._spread}, mean={self.mean})"

    @property
    def variance(self) -> float:
        return self._spread

    def stieltjes(self, z: NDArray[np.complex128]) -> NDArray[np.complex128]:
        (low, high), centred = self.support[0], z - self.mean
        # The decaying root, in the form that does not cancel far from the spectrum.
        return np.asarray(2 / (centred + np.sqrt(z - low) * np.sqrt(z - high)))

    def draw(self, d: int, rng: np.random.Generator) -> NDArray[np.float64]:
        d = check_integer("d", d, 1)
        check_size("d", d, d)
        z = check_rng(rng).standard_normal((d, d))
        return math.sqrt(self._spread / (2 * d)) * (z + z.T) + self.mean * np.eye(d)


class AtomicPrior(SpectralPrior):
    r"""Eigenvalues that take finitely many values: a projector, or a matrix of signs.

    Book: :doc:`/book/aim_priors`.

    Parameters
    ----------
    values : array (k,)
        The different eigenvalues, k >= 2 of them.
    shares : array (k,)
        Their shares > 0, of sum 1.
    """

    def __init__(self, values: Any, shares: Any) -> None:
        values = check_floats("values", values, (None,))
        if len(values) < 2 or len(np.unique(values)) < len(values):
            raise ValueError(f"values must hold at least two different eigenvalues, got {values}")
        shares = check_floats("shares", shares, values.shape)
        if bool((shares <= 0).any()) or abs(float(shares.sum()) - 1) > 1e-9:
            raise ValueError(f"shares must be > 0 and sum to 1, got {shares}")
        order = np.argsort(values)
        self._values, self._shares = values[order], shares[order] / shares.sum()
        self.mean = float(self._shares @ self._values)
        self.second_moment = float(self._shares @ self._values**2)
        self.parameters = 1 - float(self._shares @ self._shares)
        self.support = [(value, value) for value in self._values.tolist()]

    def __repr__(self) -> str:
        return f"AtomicPrior({self._values.tolist()}, {self._shares.tolist()})"

    @property
    def variance(self) -> float:
        return float(self._shares @ (self._values - self.mean) ** 2)

    def stieltjes(self, z: NDArray[np.complex128]) -> NDArray[np.complex128]:
        total = np.zeros(np.shape(z), dtype=np.complex128)
        for value, share in zip(self._values.tolist(), self._shares.tolist(), strict=True):
            total += share / (z - value)
        return total

    def quantile(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        places = np.searchsorted(np.cumsum(self._shares), p)
        return np.asarray(self._values[np.minimum(places, len(self._values) - 1)])


class PowerLawPrior(SpectralPrior):
    r"""Eigenvalues that fall with their rank as a power, :math:`\lambda_k \propto k^{-\gamma}`.

    Book: :doc:`/book/aim_priors`.

    The ranks run over shares :math:`k/d` from :math:`c^{-1/\gamma}` to 1 (rescaled), where c is the ratio of
    the largest eigenvalue to the smallest: a positive matrix with the density
    :math:`\propto s^{-1-1/\gamma}`, normalised to :math:`\operatorname{Tr} S^2/d = 1`.

    Parameters
    ----------
    exponent : float
        :math:`\gamma`, between 0.1 and 10.
    condition : float
        c, between 1.1 and 1000.
    """

    def __init__(self, exponent: float = 1.0, condition: float = 100.0) -> None:
        self.exponent = check_real("exponent", exponent, 0.1, 10)
        self.condition = check_real("condition", condition, 1.1, 1000)
        self._rate, reach = 1 / self.exponent, math.log(self.condition)
        norm = -math.expm1(-self._rate * reach) / self._rate

        def moment(order: int) -> float:
            power = order - self._rate
            return (math.expm1(power * reach) / power if abs(power) > 1e-12 else reach) / norm

        low = 1 / math.sqrt(moment(2))
        self.mean, self.second_moment = low * moment(1), 1.0
        self.support = [(low, low * self.condition)]
        self._norm, self._reach, self._low = norm, reach, low
        # In t = log(s / low) the density is exp(-t / exponent) over norm, on (0, reach).
        nodes, weights = np.polynomial.legendre.leggauss(12 + math.ceil(9 * reach))
        self._t, self._w = 0.5 * reach * (nodes + 1), 0.5 * reach * weights

    def __repr__(self) -> str:
        return f"PowerLawPrior(exponent={self.exponent}, condition={self.condition})"

    def stieltjes(self, z: NDArray[np.complex128]) -> NDArray[np.complex128]:
        z = np.asarray(z, dtype=np.complex128)
        scaled = z.ravel() / self._low
        pole = np.log(scaled)
        t, density = self._t, np.exp(-self._rate * self._t) / self._norm
        total = ((density * self._w) / (scaled[:, None] - np.exp(t))).sum(axis=1)
        # A pole near the path is taken out: its own integral is a logarithm, what is left is smooth.
        near = (pole.imag < 1) & (pole.real > -1) & (pole.real < self._reach + 1)
        if near.any():
            at = pole[near]
            residue = np.exp(-self._rate * at) / (self._norm * scaled[near])
            smooth = (self._w / (t - at[:, None])).sum(axis=1)
            total[near] += residue * (smooth - np.log(self._reach - at) + np.log(-at))
        return (total / self._low).reshape(z.shape)

    def quantile(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        p = check_floats("p", p)
        t = -np.log1p(p * math.expm1(-self._rate * self._reach)) / self._rate
        return np.asarray(self._low * np.exp(t))
