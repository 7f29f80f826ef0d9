"""The attention model: its operator, its symmetries, its samples."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    check_tokens,
    interaction_matrix,
    pair_scores,
    query_key_matrix,
    sample_chunks,
    spline_activation,
)


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


def rounding(model, X):
    """How far two ways of rounding may take the outputs apart.

    A score ``x'Ay`` is a sum of ``d^2`` products of three: in whatever order they are done, it is off by at
    most ``gamma = 2 (d + 1) eps`` times ``|x|'|A||y|``, to first order (Higham, Accuracy and Stability of
    Numerical Algorithms, Section 3.1). Evaluating phi at ``u`` with angles or powers rounded once is like
    moving ``u`` by ``eps |u|``. The modulus of continuity of phi turns both into a change of phi: for a truth
    that is rough at every scale, ``L delta^(1/2)`` makes 1e-7 out of 1e-15. What remains, the sums over terms
    and partners, is a few eps times the size of phi.
    """
    eps = np.finfo(float).eps
    d = X.shape[2]
    sizes = np.abs(X) @ np.abs(model.matrix) @ np.abs(X).swapaxes(1, 2)
    delta = 2 * (2 * (d + 1) + 1) * eps * float(sizes.max())  # two evaluations
    u = np.linspace(-sizes.max(), sizes.max(), 20_001)
    if isinstance(model.activation, RoughActivation):
        change = model.activation.holder_constant() * delta**model.activation.beta
    else:  # Lipschitz, smooth on the scale of this grid
        change = 2 * float(np.abs(np.gradient(model.activation(u), u)).max()) * delta
    return change + 100 * eps * float(np.abs(model.activation(u)).max())


def transposed(model):
    return AttentionModel(model.activation, model.matrix.T, model.tokens)


@pytest.mark.parametrize("n_tokens", [2, 3, 8])
@pytest.mark.parametrize(
    "activation",
    [spline_activation(3, 0), RoughActivation(0.5, 1), Tanh(), lambda u: u],
    ids=["spline", "rough", "tanh", "function"],
)
def test_forward_against_a_double_loop(n_tokens, activation):
    model = AttentionModel(activation, interaction_matrix(4, 2, 1), UniformCube(4))
    X = model.tokens.sample(5, n_tokens, 2)
    reference, bound = double_loop(model, X), rounding(model, X)
    assert np.abs(model.forward(X) - reference).max() <= bound
    np.testing.assert_array_equal(model.predict(X), model.forward(X))
    # The bound is not so wide that another formula would pass for this one.
    with_itself = model.activation(model.scores(X)).sum(axis=2) / n_tokens
    for other in (reference * (n_tokens - 1) / n_tokens, with_itself, double_loop(transposed(model), X)):
        assert np.abs(other - reference).max() > 1e4 * bound
    scores = model.scores(X)
    assert scores.shape == (5, n_tokens, n_tokens)
    assert scores[3, 0, 1] == pytest.approx(X[3, 0] @ model.matrix @ X[3, 1])
    np.testing.assert_array_equal(scores, pair_scores(X, model.matrix))


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
    np.testing.assert_allclose(model.forward(X), whole, rtol=1e-14)


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
        np.testing.assert_allclose(other.forward(X), expected, atol=1e-9)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_permuting_tokens_permutes_outputs(seed):
    rng = np.random.default_rng(seed)
    model = AttentionModel(Tanh(2.0), interaction_matrix(2, 1, rng), UniformCube(2))
    X, order = model.tokens.sample(3, 5, rng), rng.permutation(5)
    np.testing.assert_allclose(model.forward(X[:, order]), model.forward(X)[:, order], atol=1e-12)


def test_rotating_tokens_and_matrix_together_changes_nothing():
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    A = interaction_matrix(4, 2, rng)
    X = Sphere(4).sample(6, 3, rng)
    rotated = AttentionModel(Tanh(), Q.T @ A @ Q, Sphere(4))
    expected = AttentionModel(Tanh(), A, Sphere(4)).forward(X)
    np.testing.assert_allclose(rotated.forward(X @ Q), expected, atol=1e-12)


def test_attention_head():
    """With the exponential, the numerator of softmax attention with values one."""
    rng = np.random.default_rng(0)
    query, key = rng.standard_normal((4, 2)), rng.standard_normal((4, 2))
    model = AttentionModel(Exponential(), query_key_matrix(query, key), Sphere(4))
    X = Sphere(4).sample(2, 3, rng)
    weights = np.exp(np.einsum("mid,mjd->mij", X @ query, X @ key) / math.sqrt(2))
    expected = (weights.sum(axis=-1) - np.diagonal(weights, axis1=1, axis2=2)) / 2
    np.testing.assert_allclose(model.forward(X), expected, rtol=1e-12)


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
