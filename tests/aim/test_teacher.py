"""The teacher: its matrix, its indices and labels by their definitions, and the normalisations in use."""

import math

import numpy as np
import pytest

from pairint.aim import AIMTeacher, WishartPrior
from pairint.aim.teacher import NORMALISATIONS, convert_error, convert_matrix, matrix_error


@pytest.mark.parametrize(("d", "rho", "width"), [(12, 0.5, 6), (10, 0.01, 1), (7, 1.5, 10)])
def test_matrix_is_the_product_of_its_weights(d, rho, width):
    teacher = AIMTeacher(d, rho, rng=0)
    assert teacher.width == width and teacher.rho == width / d
    assert teacher.W.shape == (d, width)
    np.testing.assert_allclose(teacher.S, teacher.W @ teacher.W.T / math.sqrt(width * d), rtol=1e-13)
    np.testing.assert_array_equal(teacher.S, AIMTeacher(d, WishartPrior(rho), rng=0).S)


def test_moments_of_the_matrix():
    """Those of a Wishart matrix: E Tr S / d is the root of the width ratio, E Tr S^2 / d is 1 + rho + 1/d."""
    d, rho, n = 20, 0.5, 2000
    rng = np.random.default_rng(0)
    matrices = [AIMTeacher(d, rho, rng=rng).S for _ in range(n)]
    for values, expected in (
        ([np.trace(S) / d for S in matrices], math.sqrt(rho)),
        ([np.sum(S**2) / d for S in matrices], 1 + rho + 1 / d),
    ):
        error = np.std(values, ddof=1) / math.sqrt(n)
        assert abs(np.mean(values) - expected) < 5 * error
        assert 5 * error < 1 / d  # so that a missing term would be seen


def test_indices_and_labels_by_their_definition():
    d, t = 9, 3
    teacher = AIMTeacher(d, 0.7, t, "linear", rng=1)
    X, y = teacher.sample(5, 2)
    assert X.shape == (5, t, d)
    for x, label in zip(X, y, strict=True):
        for a in range(t):
            for b in range(t):
                h = (
                    sum(x[a, i] * teacher.S[i, j] * x[b, j] for i in range(d) for j in range(d))
                ) / math.sqrt(d)
                h -= np.trace(teacher.S) / math.sqrt(d) if a == b else 0
                assert label[a, b] == pytest.approx(h, abs=1e-12)
    np.testing.assert_array_equal(teacher.labels(X), y)


def test_variances_of_the_indices():
    """Given S: |S|^2/d off the diagonal, twice that on it, and mean zero."""
    n = 20_000
    teacher = AIMTeacher(25, 0.4, 2, "linear", rng=3)
    _, h = teacher.sample(n, 4)
    size = np.sum(teacher.S**2) / 25
    for values, variance in ((h[:, 0, 1], size), (h[:, 0, 0], 2 * size), (h[:, 1, 1], 2 * size)):
        assert abs(values.mean()) < 5 * values.std() / math.sqrt(n)
        squares = values**2
        assert abs(squares.mean() - variance) < 5 * squares.std() / math.sqrt(n)


def test_softmax_and_hardmax_are_read_off_the_same_indices():
    soft, hard, linear = (AIMTeacher(8, 0.5, 3, name, rng=5) for name in ("softmax", "hardmax", "linear"))
    X = np.random.default_rng(6).standard_normal((30, 3, 8))
    h = linear.labels(X)
    np.testing.assert_allclose(soft.labels(X), np.exp(h) / np.exp(h).sum(axis=-1, keepdims=True), rtol=1e-12)
    np.testing.assert_array_equal(hard.labels(X).argmax(axis=-1), h.argmax(axis=-1))


class TestError:
    def test_closed_forms(self):
        teacher = AIMTeacher(10, 0.5, rng=0)
        assert teacher.error(teacher.S) == 0
        assert teacher.error(0 * teacher.S) == pytest.approx(np.sum(teacher.S**2) / 10)
        assert teacher.error(teacher.S + np.eye(10)) == pytest.approx(1)

    @pytest.mark.parametrize(
        "wrong",
        [lambda S: S[0], lambda S: 3.0, lambda S: S[None], lambda S: S[:, :1], lambda S: S[:5, :5]],
        ids=["a row", "a number", "one more axis", "a column", "a smaller matrix"],
    )
    def test_no_other_shape_is_broadcast(self, wrong):
        teacher = AIMTeacher(10, 0.5, rng=0)
        with pytest.raises(ValueError, match=r"estimate must have shape \(10, 10\), got"):
            teacher.error(wrong(teacher.S))
        with pytest.raises(ValueError, match="square matrices of one size"):
            matrix_error(wrong(teacher.S), teacher.S)

    def test_what_is_missing_is_not_counted(self):
        teacher = AIMTeacher(10, 0.5, rng=0)
        masked = np.ma.masked_array(teacher.S, mask=np.eye(10, dtype=bool))
        with pytest.raises(ValueError, match="estimate must have no masked entry, got 10"):
            teacher.error(masked)
        with pytest.raises(ValueError, match="estimate must be finite"):
            teacher.error(np.where(np.eye(10), np.nan, teacher.S))


class TestNormalisations:
    @pytest.mark.parametrize("name", NORMALISATIONS)
    def test_there_and_back(self, name):
        S = AIMTeacher(6, 0.5, rng=0).S
        there = convert_matrix(S, 6, 3, "aim", name)
        np.testing.assert_allclose(convert_matrix(there, 6, 3, name), S, rtol=1e-14)
        error = matrix_error(there, 0 * there)
        assert convert_error(error, 6, 3, name) == pytest.approx(matrix_error(S, 0 * S), rel=1e-14)

    def test_by_hand(self):
        """An entry 6 of W W' for d = 3, r = 2."""
        expected = {
            "aim": 6 / math.sqrt(6), "sqrt_width": 6 / math.sqrt(2), "width": 3.0,
            "sqrt_dimension": 6 / math.sqrt(3), "dimension": 2.0, "gram": 6.0,
        }  # fmt: skip
        found = {name: convert_matrix(6.0, 3, 2, "gram", name) for name in NORMALISATIONS}
        assert found == pytest.approx(expected)

    def test_unknown_names(self):
        with pytest.raises(ValueError, match="source must be one of"):
            convert_matrix(1.0, 3, 2, "mean")
        with pytest.raises(ValueError, match="target must be one of"):
            convert_error(1.0, 3, 2, "aim", "mean")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0.5), "d must be >= 1"),
        ((5, 0.0), "rho must be > 0"),
        ((5, math.inf), "rho must be finite"),
        ((5, 0.5, 1), "n_tokens must be >= 2"),
        ((5, 0.5, 2, "max"), "channel must be one of"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        AIMTeacher(*arguments)


def test_bad_samples():
    teacher = AIMTeacher(5, 0.5, rng=0)
    with pytest.raises(ValueError, match="n_samples must be >= 1"):
        teacher.sample(0)
    with pytest.raises(ValueError, match=r"X must have shape \(any, 2, 5\)"):
        teacher.labels(np.zeros((4, 3, 5)))
