"""Training by Adam: the gradient, the classes, the controls."""

import numpy as np
import pytest

from pairint.estimation import InteractionRegressor, adam_fit, adam_search, interaction_error
from pairint.estimation.adam import risk_and_gradient
from pairint.estimation.mlp import NetworkActivation
from pairint.model import (
    AttentionModel,
    GaussianNoise,
    SplineSpace,
    UniformCube,
    interaction_matrix,
    pair_average,
    spline_activation,
)


def truth_and_data(d=4, n_samples=600, seed=0):
    rng = np.random.default_rng(seed)
    activation = spline_activation(3, rng, bound=3.0, n_intervals=6)
    matrix = interaction_matrix(d, 1, rng, kind="coordinate")
    model = AttentionModel(activation, matrix, UniformCube(d), GaussianNoise(0.1))
    return model, *model.sample(n_samples, 3, 1)


def network(rng, width=5):
    w, b, a = rng.standard_normal((3, width))
    return NetworkActivation([w[None], a[:, None]], [b, np.array([0.3])])


@pytest.mark.parametrize("kind", ["spline", "network"])
def test_the_gradient_is_that_of_the_risk(kind):
    """Central differences of step h err by h^2 and rounding over h: 1e-6 of the gradient at h = 1e-5."""
    rng = np.random.default_rng(3)
    X, Y = rng.uniform(-1.5, 1.5, (7, 4, 3)), rng.standard_normal((7, 4))
    left, right = rng.standard_normal((2, 3, 2))
    space = SplineSpace(-2.0, 2.0, 5, 3)  # some scores lie outside
    function = space.spline(rng.standard_normal(space.dimension)) if kind == "spline" else network(rng)

    def pieces(function):
        if kind == "spline":
            return [np.array(function.coefficients)]
        return [function.weights[0][0], function.biases[0], function.weights[1][:, 0], function.biases[1]]

    def build(numbers):
        if kind == "spline":
            return space.spline(numbers[0])
        w, b, a, constant = numbers
        return NetworkActivation([w[None], a[:, None]], [b, constant])

    def risk(numbers):
        left, right, *rest = numbers
        return np.mean((pair_average(build(rest), X, left @ right.T) - Y) ** 2)

    found, gradient = risk_and_gradient(left, right, function, X, Y)
    numbers = [left, right, *pieces(function)]
    assert found == pytest.approx(risk(numbers), rel=1e-12)
    assert len(gradient) == len(numbers)
    for i, part in enumerate(gradient):
        assert part.shape == numbers[i].shape
        for place in np.ndindex(part.shape):
            moved = []
            for sign in (1, -1):
                copy = [array.copy() for array in numbers]
                copy[i][place] += sign * 1e-5
                moved.append(risk(copy))
            assert part[place] == pytest.approx((moved[0] - moved[1]) / 2e-5, rel=1e-5, abs=1e-8)


def test_it_learns_and_equal_seeds_give_equal_fits():
    model, X, Y = truth_and_data()
    once, again = (adam_search(X, Y, 1, activation=16, n_steps=600, rng=4) for _ in range(2))
    assert np.array_equal(once.matrix, again.matrix)
    assert once.risk == again.risk
    fit = AttentionModel(once.activation, once.matrix, model.tokens)
    nothing = AttentionModel(lambda u: np.full_like(u, Y.mean()), model.matrix, model.tokens)
    error, of_nothing = (interaction_error(m, model, n_pairs=20_000, rng=0).value for m in (fit, nothing))
    assert error < 0.1 * of_nothing
    assert once.risk == pytest.approx(np.mean((pair_average(fit.activation, X, fit.matrix) - Y) ** 2))
    assert np.linalg.norm(once.matrix) == pytest.approx(1)


def test_started_at_the_minimiser_it_stays_and_elsewhere_it_does_not():
    _, X, Y = truth_and_data()
    erm = InteractionRegressor(1, 3, 8, random_state=0).fit(X, Y)
    left, singular, right = np.linalg.svd(erm.matrix_)
    start = left[:, :1] * singular[0], right[:1].T
    options = {"n_steps": 300, "learning_rate": 0.005, "rng": 0}
    stayed = adam_fit(X, Y, 1, activation=erm.activation_, start=start, **options)
    assert stayed.risk < erm.risk_ * 1.002
    alien = adam_fit(X, Y, 1, activation=erm.activation_, start=start[::-1], **options)
    assert alien.risk > 1.5 * erm.risk_


def test_the_class_is_the_given_one():
    _, X, Y = truth_and_data(n_samples=100)
    space = SplineSpace(-3.0, 3.0, 4, 2)
    fit = adam_fit(X, Y, 2, activation=space, n_steps=20, rng=0)
    assert fit.activation.space.n_intervals == 4
    assert fit.activation.space.degree == 2
    assert np.linalg.matrix_rank(fit.matrix) == 2
    assert adam_fit(X, Y, 2, activation=7, n_steps=20, rng=0).activation.weights[0].shape == (1, 7)


def test_bad_input_is_named():
    _, X, Y = truth_and_data(n_samples=20)
    for change, message in (
        ({"rank": 9}, "rank"),
        ({"activation": 0}, "activation"),
        ({"activation": "relu"}, "activation"),
        ({"n_steps": 0}, "n_steps"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"start": 3}, "start"),
        ({"start": (np.ones((4, 1)), np.ones((3, 1)))}, r"start\[1\]"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            adam_fit(X, Y, **({"rank": 1} | change))
    with pytest.raises(ValueError, match="at least 2 tokens"):
        adam_fit(X[:, :1], Y[:, :1], 1)
    with pytest.raises(ValueError, match="learning_rates"):
        adam_search(X, Y, 1, learning_rates=())
    with pytest.raises(ValueError, match="share"):
        adam_search(X, Y, 1, share=1.0)
    deep = NetworkActivation(
        [np.ones((1, 2)), np.ones((2, 2)), np.ones((2, 1))], [np.ones(2)] * 2 + [np.ones(1)]
    )
    with pytest.raises(ValueError, match="one hidden layer"):
        adam_fit(X, Y, 1, activation=deep)
    with pytest.raises(FloatingPointError, match="learning_rate"):
        adam_fit(X * 1e20, Y, 1, activation=SplineSpace(-1.0, 1.0, 3, 3), learning_rate=1e40, n_steps=50)
