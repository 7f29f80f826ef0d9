"""The error in L2(rho): Monte Carlo, quadrature, and their agreement."""

import math

import numpy as np
import pytest
import rounding
from scipy import special

from pairint.estimation import InteractionError, OracleRegressor, interaction_error
from pairint.model import (
    AttentionModel,
    GaussianNoise,
    PermutedPoints,
    ReLU,
    RoughActivation,
    Sphere,
    Tanh,
    UniformCube,
    interaction_matrix,
    spline_activation,
)


def one_dimension(activation, entry=1.0):
    return AttentionModel(activation, [[entry]], UniformCube(1), GaussianNoise(0.1))


@pytest.mark.parametrize("entry", [1.0, -0.6])
@pytest.mark.parametrize("degree", [0, 1, 3])
def test_quadrature_and_monte_carlo_agree(entry, degree):
    model = one_dimension(spline_activation(3, 1), entry)
    X, Y = model.sample(300, 3, 0)
    fit = OracleRegressor(model.matrix, degree, 7).fit(X, Y)
    exact = interaction_error(fit, model, method="quadrature")
    sampled = interaction_error(fit, model, n_pairs=60_000, rng=1)
    assert isinstance(exact, InteractionError) and exact.standard_error == 0.0
    assert 0 < sampled.standard_error < 0.05 * sampled.value
    assert abs(sampled.value - exact.value) < 4 * sampled.standard_error  # left once in 16,000


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        (lambda u: u, 1.0),  # E (xy)^2
        (lambda u: u**2, (9 / 5) ** 2),  # (E x^4)^2
        (ReLU(), 0.5),
        (lambda u: 2.0 + 0 * u, 4.0),
    ],
)
def test_norms_in_closed_form(activation, expected):
    """The error of the zero function is the squared norm of g."""
    model, zero = one_dimension(activation), one_dimension(lambda u: 0 * u)
    assert interaction_error(zero, model, method="quadrature").value == pytest.approx(
        expected,
        rel=rounding.gamma(12 * 2200 + 20),  # a sum over 2200 cells of 12 positive terms
    )
    value, standard_error = interaction_error(zero, model, n_pairs=60_000, rng=0)
    assert abs(value - expected) <= 4 * standard_error + rounding.gamma(60_000) * expected


def test_constants_have_no_standard_error():
    model, zero = one_dimension(lambda u: 2.0 + 0 * u), one_dimension(lambda u: 0 * u)
    assert interaction_error(zero, model, n_pairs=100, rng=0).standard_error <= 4.0 * np.sqrt(
        2 * rounding.gamma(200) / 100  # the variance is a difference of two sums of 100 equal terms
    )


@pytest.mark.slow
@pytest.mark.parametrize(("beta", "accuracy"), [(0.5, 2e-4), (1.0, 2e-6), (1.5, 2e-8), (3.0, 1e-13)])
def test_accuracy_of_the_quadrature_for_rough_truths(beta, accuracy):
    """Against the closed form: E cos(c U) = Si(3c) / (3c) for U three times a product of two uniforms."""
    worst = 0.0
    for seed in range(10):
        phi = RoughActivation(beta, seed)
        model, zero = one_dimension(phi), one_dimension(lambda u: 0 * u)

        def mean_cosine(frequency, phase):
            c = 3 * np.abs(frequency)
            ratio = np.divide(special.sici(c)[0], c, out=np.ones_like(c), where=c > 0)
            return ratio * np.cos(phase)  # the law of U is symmetric

        f, p, a = phi.frequencies, phi._phases, phi._amplitudes
        terms = mean_cosine(np.subtract.outer(f, f), np.subtract.outer(p, p))
        terms = terms + mean_cosine(np.add.outer(f, f), np.add.outer(p, p))
        expected = a @ terms @ a / 2
        value = interaction_error(zero, model, method="quadrature").value
        worst = max(worst, abs(value / expected - 1))
    assert worst < accuracy


def test_finitely_many_pairs_are_averaged():
    for law in (Sphere(1), PermutedPoints([[0.5], [-1.0], [2.0]])):
        model = AttentionModel(np.exp, [[0.7]], law)
        zero = AttentionModel(lambda u: 0 * u, [[0.7]], law)
        exact = interaction_error(zero, model, method="quadrature")
        sampled = interaction_error(zero, model, n_pairs=40_000, rng=0)
        assert exact.standard_error == 0.0 and sampled.standard_error > 0.0
        assert abs(sampled.value - exact.value) < 4 * sampled.standard_error
    scores = 0.7 * np.array([-0.5, 1.0, -2.0])  # distinct points only
    accuracy = rounding.gamma(40)  # exponentials (eight operations), squares, sums of a few
    assert exact.value == pytest.approx(np.exp(2 * scores).mean(), rel=accuracy)
    sphere = interaction_error(
        AttentionModel(lambda u: 0 * u, [[0.7]], Sphere(1)),
        AttentionModel(np.exp, [[0.7]], Sphere(1)),
        method="quadrature",
    )
    assert sphere.value == pytest.approx(math.cosh(1.4), rel=accuracy)


def test_permuted_points_of_any_dimension_are_exact():
    points = np.random.default_rng(0).standard_normal((5, 3))
    model = AttentionModel(np.tanh, interaction_matrix(3, 2, 0), PermutedPoints(points))
    zero = AttentionModel(lambda u: 0 * u, np.eye(3), PermutedPoints(points))
    values = np.tanh(points @ model.matrix @ points.T)[~np.eye(5, dtype=bool)]
    value = interaction_error(zero, model, method="quadrature").value
    delta = (
        rounding.forward_error(Tanh(), points[None], model.matrix).max() * 4
    )  # of one value, four partners
    assert abs(value - (values**2).mean()) <= 2 * delta * np.abs(values).mean() + rounding.gamma(40)


@pytest.mark.parametrize("method", ["monte_carlo", "quadrature"])
def test_a_model_has_no_error_against_itself(method):
    model = one_dimension(spline_activation(3, 1))
    assert interaction_error(model, model, n_pairs=1000, rng=0, method=method) == (0.0, 0.0)


def test_standard_error_is_honest():
    """Spread of the value over seeds, against the standard error reported."""
    model = AttentionModel(np.tanh, interaction_matrix(3, 1, 0), Sphere(3))
    zero = AttentionModel(lambda u: 0 * u, interaction_matrix(3, 1, 0), Sphere(3))
    results = [interaction_error(zero, model, n_pairs=500, rng=seed) for seed in range(200)]
    spread = np.std([result.value for result in results], ddof=1)
    reported = math.sqrt(np.mean([result.standard_error**2 for result in results]))
    assert spread == pytest.approx(reported, rel=0.2)  # four times 1 / sqrt(2 * 199)


def test_chunks_and_seeds(monkeypatch):
    from pairint.estimation import error

    model = AttentionModel(np.tanh, interaction_matrix(3, 1, 0), Sphere(3))
    zero = AttentionModel(lambda u: 0 * u, interaction_matrix(3, 1, 0), Sphere(3))
    whole = interaction_error(zero, model, n_pairs=1000, rng=3)
    assert whole == interaction_error(zero, model, n_pairs=1000, rng=3)
    monkeypatch.setattr(error, "_CHUNK", 300)
    again = interaction_error(zero, model, n_pairs=1000, rng=3)
    assert again.value == pytest.approx(whole.value, rel=rounding.gamma(2000))
    # The variance is a difference; its condition number is that of the second moment over it.
    condition = 1 + whole.value**2 / (1000 * whole.standard_error**2)
    assert again.standard_error == pytest.approx(whole.standard_error, rel=condition * rounding.gamma(8000))


MODEL = one_dimension(ReLU())
PLANE = AttentionModel(ReLU(), np.eye(2), UniformCube(2))
SPHERE = AttentionModel(ReLU(), np.eye(2), Sphere(2))
FIT = OracleRegressor(MODEL.matrix, 1, 2).fit(*MODEL.sample(20, 3, 0))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: interaction_error(MODEL, MODEL, method="exact"), ValueError, "method must be one of"),
        (
            lambda: interaction_error(MODEL, MODEL, n_pairs=1),
            ValueError,
            "n_pairs must be >= 2 and <= 1000000000, got 1",
        ),
        (lambda: interaction_error(MODEL, MODEL, rng="a"), TypeError, "rng must be"),
        (lambda: interaction_error(PLANE, PLANE, method="quadrature"), ValueError, "d = 1 .* got d = 2"),
        (lambda: interaction_error(SPHERE, SPHERE, method="quadrature"), ValueError, "needs .* and Sphere"),
        (lambda: interaction_error(PLANE, MODEL), ValueError, "fit must have .* of model, d = 1; got d = 2"),
        (lambda: interaction_error(FIT, PLANE), ValueError, "fit must have .* of model, d = 2; got d = 1"),
        (lambda: interaction_error(np.tanh, MODEL), TypeError, r"fit must have a method inter"),
        (lambda: interaction_error(MODEL, ReLU()), TypeError, r"model must be an Atten.* got ReLU"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
