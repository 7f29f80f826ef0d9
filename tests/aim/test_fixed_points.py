"""All fixed points: a channel with a hard phase against its own iteration, and channels that have none."""

import math
import warnings

import numpy as np
import pytest
from magnitudes import Magnitudes
from scipy.integrate import quad
from sklearn.exceptions import ConvergenceWarning

from pairint.aim import (
    AIMTeacher,
    HardPhaseWarning,
    LinearChannel,
    Prior,
    SoftmaxChannel,
    amp,
    check_channel,
    fixed_points,
    state_evolution,
)
from pairint.aim.channels import information_at
from pairint.aim.priors import WishartPrior
from pairint.aim.state_evolution import state_evolution_iterates


class Mine(SoftmaxChannel):
    """The book's channel, of which nobody says that it has one fixed point."""

    recovers_exactly = False
    one_fixed_point = False


def test_the_channel_is_right():
    check_channel(Magnitudes(), rng=0)


@pytest.mark.slow
def test_window_of_the_hard_phase():
    """It opens where equations suffice, (2 rho - rho^2)/6, and closes where the upper branch ends."""
    opens = (0.2 - 0.01) / 6
    alphas = [0.9 * opens, 1.01 * opens, 0.0354, 0.044, 0.046]
    points = fixed_points(alphas, 0.1, Magnitudes())
    assert [sum(point.alpha == alpha for point in points) for alpha in alphas] == [1, 3, 3, 3, 1]
    assert points[-1].error == 0
    check(points, 0.1)
    # The iteration from nothing stops at the first.
    first = next(point for point in points if point.alpha == 0.0354)
    reached = state_evolution_iterates(0.0354, 0.1, Magnitudes(), n_iter=100)[-1]
    assert reached == pytest.approx(first.error, rel=1e-3)


def both_ends(alpha, seed, d=100, rho=0.1):
    """Errors of message passing from nothing and from near the truth, and of that start."""
    prior, channel, rng = WishartPrior(rho), Magnitudes(), np.random.default_rng([3, seed])
    teacher = AIMTeacher(d, rho, channel=channel, rng=np.random.default_rng([1, seed]))
    X, y = teacher.sample(round(alpha * (1 + 1 / d) * d * d), np.random.default_rng([2, seed]))
    z = rng.standard_normal((d, d))
    values, vectors = np.linalg.eigh(teacher.S + math.sqrt(0.05 / (2 * d)) * (z + z.T))
    near = (vectors * prior.denoise(values, 0.05)) @ vectors.T
    errors = []
    for start in (None, (near, prior.error(0.05))):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # damped, it comes to rest slowly
            found = amp(X, y, rho, channel, start=start, max_iter=150, damping=0.3)
        errors.append(teacher.error(found.S))
    return *errors, teacher.error(near)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_message_passing_from_both_ends(seed):
    """In the hard phase each end keeps its side of the unstable fixed point; before it both forget."""
    rho = 0.1
    upper, unstable, zero = fixed_points(0.042, rho, Magnitudes())
    assert upper.stable and not unstable.stable and zero.error == 0
    nothing, truth, start = both_ends(0.042, seed)
    assert start < unstable.error and truth < unstable.error < nothing
    (alone,) = fixed_points(0.025, rho, Magnitudes())
    nothing, truth, start = both_ends(0.025, seed)
    # Nearer to the only fixed point than to where the second began, by far.
    assert start < 0.02 < 0.5 * alone.error < min(nothing, truth)


def test_a_start_is_a_pair_of_an_estimate_and_its_error():
    channel = LinearChannel()
    teacher = AIMTeacher(12, 0.5, channel=channel, rng=0)
    X, y = teacher.sample(20, 1)
    # From the mean of the prior, and what it is worth: the same as without.
    told = amp(X, y, 0.5, channel, start=(math.sqrt(0.5) * np.eye(12), 1.0), max_iter=5)
    np.testing.assert_array_equal(told.S, amp(X, y, 0.5, channel, max_iter=5).S)
    for start, error, message in (
        (teacher.S, TypeError, "start must be a pair"),
        ((teacher.S[:3], 0.1), ValueError, r"start\[0\]"),
        ((np.triu(teacher.S, 1), 0.1), ValueError, "symmetric"),
        ((teacher.S, 0.0), ValueError, r"start\[1\]"),
        ((teacher.S, 2.0), ValueError, r"start\[1\]"),
    ):
        with pytest.raises(error, match=message):
            amp(X, y, 0.5, channel, start=start)


@pytest.mark.slow
def test_wider_layers():
    points = fixed_points([0.12, 0.13], 0.5, Magnitudes())
    check(points, 0.5)
    assert points[-1].error == 0 and points[0].stable


def check(points, rho):
    """Each solves the two equations, and the slope of the iterated map says whether one stays."""
    prior, channel = WishartPrior(rho), Magnitudes()
    for point in points:
        if point.delta == 0:
            continue
        tau = (prior.second_moment - point.error) / point.error
        information = information_at(channel, tau) / point.error
        assert point.alpha * information * point.delta == pytest.approx(1, rel=1e-9)
        assert prior.error(point.delta) == pytest.approx(point.error, rel=1e-9)
        errors = point.error * np.array([1 - 1e-4, 1 + 1e-4])
        ks = [information_at(channel, (prior.second_moment - e) / e) / e for e in errors]
        ends = [prior.error(1 / (point.alpha * k)) for k in ks]
        assert (abs(ends[1] - ends[0]) < errors[1] - errors[0]) == point.stable


@pytest.mark.slow
def test_the_potential():
    """Between two fixed points it differs by the integral around the fold; the unstable one is a maximum."""
    alpha, rho = 0.042, 0.1
    prior, channel = WishartPrior(rho), Magnitudes()
    first, last, zero = fixed_points(alpha, rho, channel)

    def curve(log_delta):
        error = prior.error(math.exp(log_delta))
        tau = (prior.second_moment - error) / error
        return error, prior.dimension(math.exp(log_delta)) / information_at(channel, tau)

    # By parts: the integral of learned d alpha is that of (alpha - here) d learned, d learned = K dq / 4.
    def rate(x):
        (error, here), step = curve(x), 1e-4
        slope = (curve(x + step)[0] - curve(x - step)[0]) / (2 * step)  # of q, as x falls
        tau = (prior.second_moment - error) / error
        return (here - alpha) * information_at(channel, tau) / error * slope / 4

    ends = math.log(last.delta), math.log(first.delta)
    expected = quad(rate, *ends, limit=200)[0]
    # A trapezoidal rule whose steps in log delta are 0.17: its error is that step squared, over twelve.
    assert last.potential - first.potential == pytest.approx(expected, rel=0.17**2)
    assert last.potential > first.potential > zero.potential == -math.inf


@pytest.mark.slow
def test_state_evolution_returns_both():
    with pytest.warns(HardPhaseWarning, match="several fixed points at 1 of 3 values of alpha, from 0.0354"):
        found = state_evolution([0.02, 0.0354, 0.05], 0.1, Magnitudes())
    assert found.mmse[1] == 0 < found.algorithmic[1] == pytest.approx(0.9215, abs=1e-3)
    assert found.mmse[0] == found.algorithmic[0] > 0.9 and found.mmse[2] == found.algorithmic[2] == 0
    assert found.q_hat[1] == math.inf


@pytest.mark.slow
@pytest.mark.parametrize("channel", ["softmax", "linear", "hardmax"])
def test_the_book_has_no_hard_phase(channel):
    """Observed, on the curves of three widths; and the point that is found is the one of state evolution."""
    for rho in (0.1, 0.5, 2.0):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = state_evolution(0.05, rho, channel)
        (point,) = [p for p in fixed_points(0.05, rho, channel) if p.stable]
        assert point.error == pytest.approx(found.mmse, rel=1e-9, abs=1e-12)
        assert found.algorithmic == found.mmse


def test_a_channel_of_ones_own_without_one():
    alphas = [0.1, 0.18]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = state_evolution(alphas, 0.5, Mine())
    np.testing.assert_allclose(ours.mmse, state_evolution(alphas, 0.5).mmse, rtol=1e-8)


def test_a_prior_of_ones_own():
    class Gaussian(Prior):
        mean, second_moment = 0.0, 1.0

        def error(self, delta):
            return delta / (1 + delta)

        def denoise(self, eigenvalues, delta):
            return eigenvalues / (1 + delta)

    assert state_evolution(0.1, Gaussian(), "linear").mmse == pytest.approx(0.4)
    (point,) = fixed_points(0.1, Gaussian(), "linear")
    assert point.error == pytest.approx(0.4) and point.stable


def test_a_class_need_not_answer_far_out():
    class Short(Mine):
        def kappa(self, tau):
            if tau > 1e6:
                raise ValueError("too far")
            return 4.0

    assert state_evolution(0.1, 0.5, Short()).mmse == pytest.approx(state_evolution(0.1, 0.5).mmse, rel=1e-8)


def test_where_nothing_can_be_learned_at_first_it_is_refused():
    """Knowing nothing is then a fixed point that is not on the curve, and may be the Bayes-optimal one."""

    class Centred(Prior):
        mean, second_moment = 0.0, 1.0

        def error(self, delta):
            return delta / (1 + delta)

        def denoise(self, eigenvalues, delta):
            return eigenvalues / (1 + delta)

    for alpha in (0.3, 0.45, 2.0):
        for solve in (state_evolution, fixed_points):
            with pytest.raises(ValueError, match=r"kappa must be > 0 where state evolution starts"):
                solve(alpha, Centred(), Magnitudes())


@pytest.mark.parametrize(
    "kappa",
    [
        lambda tau: 6 / (1 + tau) ** 2.5,
        lambda tau: np.where(tau > 1, 0.0, 6.0)[()],
        lambda tau: 6 * (1 + 0.9 * np.sin(3 * np.log1p(tau))),
    ],
    ids=["less and less", "nothing later", "up and down"],
)
def test_an_information_that_falls_is_refused(kappa):
    """Of every label K(q) = kappa/V grows with what is known; these would give an error that is no bound."""
    methods = {"kappa": lambda self, tau: kappa(np.asarray(tau, dtype=float)), "recovers_exactly": False}
    channel = type("Wrong", (Mine,), methods)(2)
    for solve in (state_evolution, fixed_points):
        with pytest.raises(
            ValueError, match=r"Wrong\.kappa must give an information K = kappa/V that does not"
        ):
            solve(0.3, 0.5, channel)


@pytest.mark.parametrize("alpha", [0, -1, math.nan, "a"])
def test_bad_alpha(alpha):
    with pytest.raises((ValueError, TypeError), match="alpha"):
        fixed_points(alpha, 0.5)
