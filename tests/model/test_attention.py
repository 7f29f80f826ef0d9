"""The attention model: its operator, its symmetries, its samples."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import rounding
from hypothesis import given, settings
from hypothesis import strategies as st

from pairint.estimation.base import PairwiseRegressor
from pairint.model import (
    AttentionModel,
    Exponential,
    GaussianNoise,
    PermutedPoints,
    RademacherNoise,
    RoughActivation,
    Sphere,
    Tanh,
    UniformCube,
    UniformNoise,
    attention,
    interaction_matrix,
    pair_average,
    pair_scores,
    query_key_matrix,
    spline_activation,
)
from pairint.model.attention import check_tokens, sample_chunks


def double_loop(model, X):
    """The definition of the forward operator, token by token."""
    n_samples, n_tokens = X.shape[:2]
    Y = np.zeros((n_samples, n_tokens))
    for m in range(n_samples):
        for i in range(n_tokens):
            for j in range(n_tokens):
                if j != i:
                    Y[m, i] += model.activation(X[m, i] @ model.matrix @ X[m, j]) / (n_tokens - 1)
    return Y


@dataclass(frozen=True)
class Identity(Tanh):
    """A plain function with a slope: ``Tanh`` lends its modulus of continuity."""

    def __call__(self, u):
        return u


@pytest.mark.parametrize("n_tokens", [2, 3, 8])
@pytest.mark.parametrize(
    "activation",
    [spline_activation(3, 0), RoughActivation(0.5, 1), Tanh(), Identity()],
    ids=["spline", "rough", "tanh", "function"],
)
def test_forward_against_a_double_loop(n_tokens, activation):
    model = AttentionModel(activation, interaction_matrix(4, 2, 1), UniformCube(4))
    X = model.tokens.sample(5, n_tokens, 2)
    expected, bound = double_loop(model, X), rounding.forward_error(activation, X, model.matrix)
    assert np.all(np.abs(model.forward(X) - expected) <= bound)
    # What the bound must not let through: another divisor, the diagonal, sender and receiver exchanged.
    own = activation(np.einsum("mia,ab,mib->mi", X, model.matrix, X))
    wrong = (
        expected * (n_tokens - 1) / n_tokens,
        expected + own / (n_tokens - 1),
        AttentionModel(activation, model.matrix.T, model.tokens).forward(X),
    )
    for outputs in wrong:
        assert np.median(np.abs(outputs - expected) / bound) > 1000
    scores = model.scores(X)
    assert scores.shape == (5, n_tokens, n_tokens)
    by_hand = np.einsum("mia,ab,mjb->mij", X, model.matrix, X)
    assert np.all(np.abs(scores - by_hand) <= rounding.score_error(X, model.matrix))
    np.testing.assert_array_equal(scores, pair_scores(X, model.matrix))


class Known(PairwiseRegressor):
    """A regressor that was told the truth."""

    def __init__(self, model):
        self.model = model

    def fit(self, X, Y):
        X, Y = self._check_data(X, Y)
        self.matrix_, self.activation_ = self.model.matrix, self.model.activation
        self.n_features_in_ = X.shape[2]
        return self


@pytest.mark.parametrize("entries", [100, 10**6])
def test_a_model_and_a_fitted_regressor_answer_the_same_calls(entries, monkeypatch):
    """One formula: the answers are equal to the last bit."""
    model = AttentionModel(RoughActivation(0.5, 1), interaction_matrix(5, 2, 1), UniformCube(5))
    X, Y = model.sample(70, 6, 2)
    monkeypatch.setattr(attention, "_CHUNK_ENTRIES", entries)
    fit = Known(model).fit(X, Y)
    for call in ("predict", "scores"):
        np.testing.assert_array_equal(getattr(fit, call)(X), getattr(model, call)(X))
    np.testing.assert_array_equal(fit.interaction(X[:, 0], X[:, 1]), model.interaction(X[:, 0], X[:, 1]))
    expected = pair_average(model.activation, X, model.matrix)
    for outputs in (model.forward(X), model.predict(X), fit.predict(X)):
        np.testing.assert_array_equal(outputs, expected)
    for bad in (X[..., :4], X[:, :1], X[0]):
        for answer in (fit, model):
            with pytest.raises(ValueError, match=r"^X must"):
                answer.predict(bad)
            with pytest.raises(ValueError, match=r"^X must"):
                answer.scores(bad)


def test_self_interaction_is_left_out():
    """Even where the activation would overflow on a token's score with itself."""
    model = AttentionModel(Exponential(1.0), 400.0 * np.eye(2), PermutedPoints([[2.0, 0.0], [0.0, 2.0]]))
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(model.forward(model.tokens.sample(3, 2, 0)), 1.0)


def test_forward_in_chunks(monkeypatch):
    model = AttentionModel(Tanh(), interaction_matrix(3, 1, 1), UniformCube(3))
    X = model.tokens.sample(50, 3, 2)
    whole = model.forward(X)
    monkeypatch.setattr(attention, "_CHUNK_ENTRIES", 100)
    assert len(list(sample_chunks(50, 9))) > 3
    # Vector routines may treat the last few numbers of an array apart.
    bound = rounding.forward_error(model.activation, X, model.matrix)
    assert np.all(np.abs(model.forward(X) - whole) <= bound)


@given(st.integers(1, 300), st.integers(0, 10**8))
@settings(max_examples=50, deadline=None)
def test_chunks_cover_the_samples_once(n_samples, entries):
    indices = [index for chunk in sample_chunks(n_samples, entries) for index in range(n_samples)[chunk]]
    assert indices == list(range(n_samples))


def test_interaction_broadcasts():
    model = AttentionModel(Tanh(), interaction_matrix(3, 2, 1), UniformCube(3))
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((5, 1, 3)), rng.standard_normal((4, 3))
    g = model.interaction(x, y)
    assert g.shape == (5, 4)
    assert g[2, 3] == pytest.approx(math.tanh(x[2, 0] @ model.matrix @ y[3]))
    assert model.interaction(x[0, 0], y[0]).shape == ()


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10.0))
@settings(max_examples=25, deadline=None)
def test_only_the_interaction_is_identified(seed, c):
    """(c A, phi(. / c)) and (-A, phi(-.)) are the same model."""
    rng = np.random.default_rng(seed)
    phi, A = spline_activation(3, rng), interaction_matrix(3, 2, rng)
    tokens = UniformCube(3)
    X = tokens.sample(4, 3, rng)
    expected = AttentionModel(phi, A, tokens).forward(X)
    for other in (
        AttentionModel(phi.scaled(c), c * A, tokens),
        AttentionModel(phi.mirrored(), -A, tokens),
        AttentionModel(lambda u: phi(u / c), c * A, tokens),
    ):
        bound = rounding.forward_error(phi, X, A)  # for each side: the factor rounds as well
        assert np.all(np.abs(other.forward(X) - expected) <= 2 * bound)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_permuting_tokens_permutes_outputs(seed):
    rng = np.random.default_rng(seed)
    model = AttentionModel(Tanh(2.0), interaction_matrix(2, 1, rng), UniformCube(2))
    X, order = model.tokens.sample(3, 5, rng), rng.permutation(5)
    bound = rounding.forward_error(model.activation, X, model.matrix)[:, order]
    assert np.all(np.abs(model.forward(X[:, order]) - model.forward(X)[:, order]) <= bound)


def test_rotating_tokens_and_matrix_together_changes_nothing():
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    A = interaction_matrix(4, 2, rng)
    X = Sphere(4).sample(6, 3, rng)
    rotated = AttentionModel(Tanh(), Q.T @ A @ Q, Sphere(4))
    expected = AttentionModel(Tanh(), A, Sphere(4)).forward(X)
    # Three products with Q more, and Q is orthogonal to as many operations only.
    bound = 8 * rounding.forward_error(Tanh(), np.abs(X) @ np.abs(Q), np.abs(Q.T) @ np.abs(A) @ np.abs(Q))
    assert np.all(np.abs(rotated.forward(X @ Q) - expected) <= bound) and bound.max() < 1e-12


def test_attention_head():
    """With the exponential, the numerator of softmax attention with values one."""
    rng = np.random.default_rng(0)
    query, key = rng.standard_normal((4, 2)), rng.standard_normal((4, 2))
    model = AttentionModel(Exponential(), query_key_matrix(query, key), Sphere(4))
    X = Sphere(4).sample(2, 3, rng)
    weights = np.exp(np.einsum("mid,mjd->mij", X @ query, X @ key) / math.sqrt(2))
    expected = (weights.sum(axis=-1) - np.diagonal(weights, axis1=1, axis2=2)) / 2
    sizes = np.abs(query) @ np.abs(key).T / math.sqrt(2)
    bound = 2 * rounding.forward_error(Exponential(), X, sizes) + rounding.gamma(8) * weights.sum(axis=-1)
    assert np.all(np.abs(model.forward(X) - expected) <= bound) and (bound / expected).max() < 1e-6


@pytest.mark.parametrize("noise", [GaussianNoise(0.4), UniformNoise(0.4), RademacherNoise(0.4)])
def test_sample_adds_noise_of_the_given_size(noise):
    model = AttentionModel(Tanh(), interaction_matrix(2, 1, 0), UniformCube(2), noise)
    X, Y = model.sample(4000, 3, 1)
    assert X.shape == (4000, 3, 2) and Y.shape == (4000, 3)
    residual = Y - model.forward(X)
    n = residual.size
    assert abs(residual.mean()) < 4.5 * 0.4 / math.sqrt(n)
    assert residual.std() == pytest.approx(0.4, rel=0.03)
    assert abs(np.mean(residual[:, 0] * residual[:, 1])) < 4.5 * 0.16 / math.sqrt(4000)


def test_no_noise_by_default():
    model = AttentionModel(Tanh(), interaction_matrix(2, 1, 0), UniformCube(2))
    X, Y = model.sample(10, 3, 1)
    np.testing.assert_array_equal(Y, model.forward(X))


def test_seeds_are_reproducible():
    model = AttentionModel(Tanh(), interaction_matrix(2, 1, 0), UniformCube(2), GaussianNoise(0.1))
    for first, again, other in zip(*(model.sample(5, 3, seed) for seed in (1, 1, 2)), strict=True):
        np.testing.assert_array_equal(first, again)
        assert np.all(first != other)


def test_matrix_is_copied_and_kept():
    A = np.eye(2)
    model = AttentionModel(Tanh(), A, UniformCube(2))
    A[...] = 0.0
    np.testing.assert_array_equal(model.matrix, np.eye(2))
    with pytest.raises(ValueError, match="read-only"):
        model.matrix[0, 0] = 3.0
    assert model.d == 2 and model.score_bound == pytest.approx(6.0)


def test_tokens_of_single_precision_and_integers_are_taken():
    model = AttentionModel(Tanh(), np.eye(2), UniformCube(2))
    X = np.array([[[1, 0], [1, 1]]])
    np.testing.assert_allclose(model.forward(X), [[math.tanh(1)] * 2])
    np.testing.assert_allclose(model.forward(X.astype(np.float32)), [[math.tanh(1)] * 2], rtol=1e-6)


TANH, A, B, CUBE = Tanh(), np.eye(2), np.ones(2), UniformCube(2)
MODEL = AttentionModel(TANH, A, CUBE)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: AttentionModel("relu", A, CUBE), TypeError, "activation must be callable, got 'relu'"),
        (lambda: AttentionModel(TANH, A, "cube"), TypeError, "tokens must be a TokenLaw, got 'cube'"),
        (lambda: AttentionModel(TANH, A, CUBE, 0.1), TypeError, r"noise must be a Noise, got 0\.1"),
        (lambda: AttentionModel(TANH, np.eye(3), CUBE), ValueError, r"matrix must have shape \(2, 2\), got"),
        (lambda: AttentionModel(TANH, A * np.nan, CUBE), ValueError, "matrix must be finite, got 4 NaN"),
        (
            lambda: MODEL.forward(np.ones((3, 2))),
            ValueError,
            r"X must have shape \(any, any, 2\), got \(3, 2\)",
        ),
        (lambda: MODEL.forward(np.ones((3, 2, 3))), ValueError, r"X must have shape .* got \(3, 2, 3\)"),
        (lambda: MODEL.scores(np.ones((3, 1, 2))), ValueError, r"at least 2 tokens a sample \(N >= 2\)"),
        (lambda: MODEL.forward(np.ones((0, 2, 2))), ValueError, "X must hold at least one sample"),
        (lambda: MODEL.forward(np.full((1, 2, 2), np.inf)), ValueError, "X must be finite, got 4 NaN"),
        (lambda: check_tokens(np.ones((1, 2, 0))), ValueError, "X must have dimension d >= 1"),
        (lambda: MODEL.sample(3, 1), ValueError, "n_tokens must be >= 2, got 1"),
        (lambda: MODEL.sample(-1, 2), ValueError, "n_samples must be >= 1, got -1"),
        (
            lambda: MODEL.interaction(np.ones(3), B),
            ValueError,
            r"x must have shape \(\.\.\., 2\), got \(3,\)",
        ),
        (lambda: MODEL.interaction(B, 1.0), ValueError, r"y must have shape \(\.\.\., 2\), got \(\)"),
        (lambda: MODEL.interaction([np.nan, 1], B), ValueError, "x must be finite, got 1 NaN"),
        (lambda: list(sample_chunks(0, 5)), ValueError, "n_samples must be >= 1, got 0"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
