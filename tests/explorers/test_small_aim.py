"""The numbers of the small figures on attention-indexed models, against computations of another kind."""

import math

import numpy as np
import pytest
from scipy import optimize

from pairint.aim.channels import Channel
from pairint.aim.gradient_descent import gradient_descent
from pairint.aim.spectrum import NoisySpectrum, limiting_moments
from pairint.aim.state_evolution import fixed_points
from pairint.aim.teacher import AIMTeacher
from pairint.explorers.small import (
    AveragedRuns,
    HardPhase,
    MessagePassing,
    SplittingSpectrum,
    Staircase,
)
from pairint.explorers.small.aim_amp import recorded
from pairint.explorers.small.aim_gradient_descent import recorded as recorded_runs
from pairint.explorers.small.aim_own import magnitude_information
from pairint.explorers.small.aim_spectrum import eigenvalues


def heights(series):
    """Return the mass and the mean of a histogram that is given by its outline."""
    x, y = np.array(series["x"]), np.array(series["y"])
    mass = np.diff(x) * y[1:]
    return mass.sum(), (mass * (x[1:] + x[:-1]) / 2).sum()


@pytest.mark.parametrize("rho", SplittingSpectrum.parameters[1].choices)
def test_recorded_eigenvalues_have_the_moments_of_the_law(rho):
    """Traces of the first two powers are sums of independent terms: six standard errors."""
    d = eigenvalues(rho).shape[1]
    for noise, hundredths in zip(SplittingSpectrum.parameters[0].choices, eigenvalues(rho), strict=True):
        x = hundredths / 100
        assert np.all(np.diff(hundredths) >= 0)
        _, mean, second = limiting_moments(rho, noise, 2)
        # Tr R / d: a chi-squared of rd degrees over d sqrt(rd), and a Gaussian of variance 2 noise / d^2.
        assert abs(x.mean() - mean) < 6 * math.sqrt(2 + 2 * noise) / d + 0.005
        # d^2 times the variances of Tr S^2 / d, noise Tr Z^2 / d and twice the mixed term; bias 1/d.
        spread = math.sqrt(8 * rho + 20 + 8 / rho + 4 * noise**2 + 8 * noise * (1 + rho)) / d
        assert abs((x**2).mean() - second) < 6 * spread + (1 + noise) / d + 0.01 * np.abs(x).max()


def test_as_many_eigenvalues_stand_apart_as_the_matrix_has():
    """Where the gap is wide: at rho = 0.5 the spectrum has hardly split at the least noise."""
    noises, rhos = (p.choices for p in SplittingSpectrum.parameters)
    for rho in rhos[:2]:
        facts = SplittingSpectrum(rho=rho, noise=noises[-1]).numbers().facts
        assert facts["words"] == f"{facts['rank']} eigenvalues stand apart from the rest"
    assert "one interval" in SplittingSpectrum(rho=rhos[-1], noise=noises[0]).sentence()


def test_the_histogram_is_one_of_all_eigenvalues():
    for noise in SplittingSpectrum.parameters[0].choices:
        series = SplittingSpectrum(noise=noise).numbers().series
        mass, mean = heights(series["density.histogram"])
        width = np.max(np.diff(series["density.histogram"]["x"]))
        assert mass == pytest.approx(1, abs=1e-12)
        assert abs(mean - np.mean(series["density.sticks"]["x"])) <= width / 2


@pytest.mark.parametrize("alpha", [0.02, 0.15, 0.185, 0.19, 0.3])
def test_the_stairs_go_down_to_the_crossing_with_the_diagonal(alpha):
    numbers = Staircase(alpha=alpha, step=24).numbers()
    errors, bayes = numbers.series["errors.errors"]["y"], numbers.facts["bayes"]
    assert np.all(np.diff(errors) < 1e-9)  # they are exact to about 1e-10
    assert errors[-1] > bayes - 1e-9
    assert (bayes > 0) == (alpha < 0.75 / 4)  # parameters over equations, in units of d^2 / 2
    if bayes > 0:  # a fixed point of the map that is drawn
        assert NoisySpectrum(0.5, bayes / (4 * alpha)).mmse == pytest.approx(bayes, rel=1e-8)
        assert "at 0." in numbers.facts["words"]
    else:
        assert "to zero" in numbers.facts["words"]
    x, y = (np.array(numbers.series["stairs.path"][c]) for c in "xy")
    np.testing.assert_array_equal(x[::2], y[::2])  # on the diagonal; the others on the map
    np.testing.assert_allclose([NoisySpectrum(0.5, v / (4 * alpha)).mmse for v in x[1::2]], y[1::2])


@pytest.mark.slow
def test_the_theory_of_message_passing_is_cleaned_by_the_denoiser():
    """The noise of an iteration leaves the error of the next, both being recorded with six digits."""
    theory = recorded()["theory"]
    cleaned = [NoisySpectrum(0.5, delta).mmse for delta in theory["delta"][:-1]]
    np.testing.assert_allclose(cleaned, theory["error"][1:], rtol=2e-5)


@pytest.mark.slow
def test_without_the_onsager_term_the_run_leaves_the_theory():
    runs, theory = recorded()["runs"], recorded()["theory"]
    assert runs["on"]["error"][1] == runs["off"]["error"][1]  # nothing has been seen twice yet
    ratios = {name: np.array(run["error"]) / theory["error"] for name, run in runs.items()}
    assert np.abs(ratios["on"] - 1).max() < 0.1  # of order 1/d each, over ten iterations
    assert ratios["off"][3:].min() > 1.5


@pytest.mark.slow
def test_a_line_shows_what_it_has_computed():
    first = [MessagePassing(done=done).numbers() for done in range(9)]
    known = [(n.facts["line"], n.facts["delta"], len(n.series["errors.errors"]["x"])) for n in first]
    deltas = recorded()["runs"]["off"]["delta"]
    assert known[:4] == [(0, "?", 1), (1, deltas[0], 1), (2, deltas[0], 1), (3, deltas[0], 2)]
    assert known[4:8] == [(4, deltas[0], 2), (1, deltas[1], 2), (2, deltas[1], 2), (3, deltas[1], 3)]
    assert [n.facts["iteration"] for n in first] == [1, 1, 1, 1, 1, 2, 2, 2, 2]
    with_term, without = (MessagePassing(onsager=o).numbers().facts["echo"] for o in ("on", "off"))
    assert "C g" in with_term and "C g" not in without


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_error_of_a_mean_is_that_of_the_mean_matrix():
    teacher = AIMTeacher(30, 0.5, rng=0)
    data = teacher.sample(round(0.05 * (1 + 1 / 30) * 30**2), 50)
    result = gradient_descent(*data, teacher.width, n_runs=16, rng=0)
    gram = recorded_runs(0.05).gram[0]
    for k in (1, 5, 16):  # inner products are recorded with five decimals
        assert gram[:k, :k].mean() == pytest.approx(teacher.error(result.runs[:k].mean(axis=0)), abs=1e-5)


@pytest.mark.slow
def test_averages_of_runs_come_closer_to_the_truth():
    for alpha in AveragedRuns.parameters[1].choices:
        one, many = (AveragedRuns(alpha=alpha, runs=k).numbers() for k in (1, 16))
        scatter = [
            np.subtract(n.series["entries.entries"]["y"], n.series["entries.entries"]["x"])
            for n in (one, many)
        ]
        assert np.mean(scatter[1] ** 2) < 0.75 * np.mean(scatter[0] ** 2)
        assert many.facts["ratio"] < 0.75 * one.facts["ratio"]
        bars = many.series["errors.errors"]
        assert np.all(np.array(bars["low"]) <= bars["y"]) and np.all(bars["y"] <= np.array(bars["high"]))
        limits = many.series["errors.posterior"]["y"] / many.series["errors.bayes"]["at"]
        np.testing.assert_allclose(limits[[0, 15]], [2, 17 / 16])


class Magnitudes(Channel):
    """The absolute value of each index; only what a label tells is needed here."""

    def output(self, h):
        return np.abs(h)

    def g_out(self, y, omega, variance):
        raise NotImplementedError

    def kappa(self, tau):
        return magnitude_information(tau)


def test_a_magnitude_tells_what_draws_say():
    """What a label leaves of the variance of an index: Monte Carlo, six standard errors."""
    rng = np.random.default_rng(8)
    for tau in (0.3, 4.0, 60.0):
        x = math.sqrt(tau) * rng.standard_normal(200_000)
        u = x + rng.standard_normal(len(x))
        told = 1 - u**2 / np.cosh(np.clip(u * x, -300, 300)) ** 2
        assert abs(magnitude_information(tau) - 6 * told.mean()) < 6 * 6 * told.std() / math.sqrt(len(x))


def wall_height(alpha, valley, wall):
    """Return the integral of (precision - alpha K) / 4 from one error down to another, by Gauss's rule."""

    def slope(error):
        noise = optimize.brentq(lambda x: NoisySpectrum(0.1, math.exp(x)).mmse - error, -9, 9)
        return math.exp(-noise) - alpha * magnitude_information((1.1 - error) / error) / error

    nodes, weights = np.polynomial.legendre.leggauss(20)
    middle, half = (math.log(valley) + math.log(wall)) / 2, math.log(valley / wall) / 2
    errors = np.exp(middle + half * nodes)
    return half * weights @ (errors * [slope(error) for error in errors]) / 4


@pytest.mark.slow
def test_valleys_and_walls_are_the_fixed_points():
    alphas = [0.03, 0.035, 0.04, 0.044, 0.046]
    expected = fixed_points(alphas, 0.1, Magnitudes())
    for alpha in alphas:
        numbers = HardPhase(alpha=alpha).numbers()
        points = [point for point in expected if point.alpha == alpha and point.error > 0]
        for name, stable in (("stops", True), ("wall", False)):
            drawn = numbers.series[f"valley.{name}"]
            errors = [point.error for point in points if point.stable == stable]
            np.testing.assert_allclose(drawn["x"], errors, rtol=1e-5)
        if len(points) == 2:
            (valley, wall) = (point.error for point in points)
            height = numbers.series["valley.wall"]["y"][0] - numbers.series["valley.stops"]["y"][0]
            # Splines of steps h = 0.06 in log noise, h^4 / 384, and nine decimals of a height of 6e-5.
            assert height == pytest.approx(wall_height(alpha, valley, wall), rel=1e-4)
            if height > 1e-3:  # the package has trapezoids of steps of 0.17: h^2 / 12, twice for safety
                assert height == pytest.approx(points[1].potential - points[0].potential, rel=6e-3)
        # A valley is lower than what lies around it, a wall is higher.
        x, y = (np.array(numbers.series["valley.curve"][c]) for c in "xy")
        for name, sign in (("stops", 1), ("wall", -1)):
            for place, value in zip(*(numbers.series[f"valley.{name}"][c] for c in "xy"), strict=True):
                near = np.abs(x - place) < 0.1 * place
                assert np.all(sign * (y[near] - value) > -1e-7)


def test_the_hard_phase_begins_and_ends():
    facts = {alpha: HardPhase(alpha=alpha).numbers().facts for alpha in (0.0315, 0.032, 0.044, 0.0445)}
    assert [f["bayes"] > 0 for f in facts.values()] == [True, False, False, False]
    assert [f["stops"] > 0 for f in facts.values()] == [True, True, True, False]
    assert len({f["words"] for f in facts.values()}) == 3
