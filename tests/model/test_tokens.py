"""Token laws: centred, unit variance, bounded, exchangeable; and the bound of the scores."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pairint.model import (
    Equicorrelated,
    PermutedPoints,
    Sphere,
    TruncatedGaussian,
    UniformCube,
    interaction_matrix,
    score_bound,
)

#: Law, correlation between the same coordinate of two tokens, kurtosis E x^4 of a coordinate.
M = 20_000
LAWS = {
    "cube, d = 1": (UniformCube(1), 0.0, 9 / 5),
    "cube, d = 4": (UniformCube(4), 0.0, 9 / 5),
    "sphere, d = 1": (Sphere(1), 0.0, 1.0),
    "sphere, d = 5": (Sphere(5), 0.0, 3 * 5 / 7),
    "truncated, d = 1": (TruncatedGaussian(1), 0.0, None),
    "truncated, d = 6": (TruncatedGaussian(6, 1.1), 0.0, None),
    "equicorrelated": (Equicorrelated(3, 0.6), 0.6, 3 - 1.2 * (0.6**2 + 0.4**2)),
    "equicorrelated, c = 0": (Equicorrelated(2, 0.0), 0.0, 9 / 5),
}


@pytest.fixture(scope="module")
def draws():
    """One sample of three tokens from each law."""
    return {name: law.sample(M, 3, 2) for name, (law, _, _) in LAWS.items()}


def within(values, expected, sigmas=4.5):
    """Whether a sample mean over the first axis is where it should be, by its standard error."""
    error = values.std(axis=0, ddof=1) / math.sqrt(len(values))
    return np.abs(values.mean(axis=0) - expected) <= sigmas * error + 1e-12


@pytest.mark.parametrize("name", LAWS)
def test_first_and_second_moments(draws, name):
    law, correlation, _ = LAWS[name]
    X = draws[name]
    assert X.shape == (M, 3, law.d)
    assert within(X, 0.0).all()
    for i, j in itertools.combinations_with_replacement(range(3), 2):
        products = X[:, i, :, None] * X[:, j, None, :]
        expected = np.eye(law.d) * (1.0 if i == j else correlation)
        assert within(products, expected).all(), (i, j)


@pytest.mark.parametrize("name", [name for name, law in LAWS.items() if law[2] is not None])
def test_fourth_moment(draws, name):
    law, _, fourth = LAWS[name]
    assert law.d >= 1 and within(draws[name] ** 4, fourth).all()


@pytest.mark.parametrize("name", LAWS)
def test_bounds_hold_and_are_reached(draws, name):
    law, _, _ = LAWS[name]
    X = draws[name]
    assert np.linalg.norm(X, axis=-1).max() <= law.radius * (1 + 1e-12)
    assert np.abs(X).max() <= law.coordinate_bound * (1 + 1e-12)
    # Not by a factor: the largest of 60,000 draws comes near.
    assert np.abs(X).max() >= 0.8 * law.coordinate_bound


@pytest.mark.parametrize("name", LAWS)
def test_tokens_are_exchangeable(draws, name):
    """A statistic that treats the tokens differently has the same mean under every order."""
    X = draws[name][:, :, 0]

    def unequal(order):
        a, b, c = (X[:, k] for k in order)
        return a**2 * b + a * np.abs(b) * c**2 + np.abs(a - b) + a * b

    for order in itertools.permutations(range(3)):
        assert within(unequal(order) - unequal((0, 1, 2)), 0.0), order


@pytest.mark.parametrize(("d", "cutoff"), [(1, 2.0), (1, 0.3), (3, 1.0), (30, 1.05), (200, 2.0)])
def test_truncated_gaussian_has_its_exact_moments(d, cutoff):
    law = TruncatedGaussian(d, cutoff)
    squared = cutoff**2 * d

    def moment(order):  # E |x|^(2 order) of the conditioned Gaussian, by the chi-square recursion
        factor = math.prod(d + 2 * k for k in range(order))
        return factor * stats.chi2.cdf(squared, d + 2 * order) / stats.chi2.cdf(squared, d)

    scale = law.radius / (cutoff * math.sqrt(d))
    assert scale**2 * moment(1) == pytest.approx(d, rel=1e-10)
    square = (law.sample(3000, 2, 1) ** 2).sum(axis=-1).ravel()
    assert within(square, d)
    assert within(square**2, scale**4 * moment(2))


@pytest.mark.parametrize("d", [1, 30, 300])
def test_the_smallest_balls_that_are_accepted(d):
    """In a small ball the Gaussian is nearly uniform: |x|^2 has mean d / (d + 2) of the squared radius."""
    with pytest.raises(ValueError, match="cutoff must be > ") as caught:
        TruncatedGaussian(d, 1e-140)
    least = float(str(caught.value).split()[4])
    law = TruncatedGaussian(d, 1.01 * least)
    squares = (law.sample(4000, 2, 0) ** 2).sum(axis=-1).ravel()
    assert within(squares, d) and squares.max() <= law.radius**2 * (1 + 1e-12)
    if d == 1:
        assert law.radius == pytest.approx(math.sqrt(3), rel=1e-9)  # uniform on an interval


def test_truncation_that_cuts_nothing_leaves_a_gaussian():
    law = TruncatedGaussian(2, 12.0)
    assert law.radius == pytest.approx(12.0 * math.sqrt(2), rel=1e-9)
    assert stats.kstest(law.sample(1000, 2, 0)[..., 0].ravel(), "norm").pvalue > 1e-3


def test_coordinates_have_the_laws_they_should():
    # On the sphere in three dimensions a coordinate is uniform (Archimedes).
    for law in (Sphere(3), UniformCube(3)):
        x = law.sample(1000, 2, 3)[..., 1].ravel() / math.sqrt(3)
        assert stats.kstest(x, stats.uniform(-1, 2).cdf).pvalue > 1e-3
    assert set(np.unique(Sphere(1).sample(50, 2, 0))) == {-1.0, 1.0}


def test_permuted_points_are_permuted():
    points = np.arange(8.0).reshape(4, 2) ** 2
    law = PermutedPoints(points)
    X = law.sample(6000, 4, 0)
    assert X.shape == (6000, 4, 2)
    order = np.argsort(X[..., 0], axis=1)
    back = np.take_along_axis(X, order[..., None], axis=1)
    np.testing.assert_array_equal(back, np.tile(points, (6000, 1, 1)))
    # All 24 orders, equally often.
    code = X[..., 0] @ [1.0, 100.0, 10_000.0, 1_000_000.0]
    _, counts = np.unique(code, return_counts=True)
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-3
    # Fewer tokens: without replacement, every ordered pair equally often.
    pairs = law.sample(6000, 2, 1)[..., 0]
    assert np.all(pairs[:, 0] != pairs[:, 1])
    _, counts = np.unique(pairs @ [1.0, 100.0], return_counts=True)
    assert len(counts) == 12 and stats.chisquare(counts).pvalue > 1e-3
    assert not law.conditionally_iid and UniformCube(1).conditionally_iid
    assert law.radius == pytest.approx(math.hypot(36, 49)) and law.coordinate_bound == 49.0


def test_points_are_copied():
    points = np.eye(3)
    law = PermutedPoints(points)
    points[...] = 0.0
    np.testing.assert_array_equal(law.points, np.eye(3))
    with pytest.raises(ValueError, match="read-only"):
        law.points[0] = 1.0


@pytest.mark.parametrize("law", [law for law, _, _ in LAWS.values()] + [PermutedPoints(np.eye(4))])
def test_seeds_are_reproducible(law):
    np.testing.assert_array_equal(law.sample(3, 2, 5), law.sample(3, 2, 5))
    assert np.any(law.sample(9, 2, 5) != law.sample(9, 2, 6))
    rng = np.random.default_rng(5)
    np.testing.assert_array_equal(law.sample(3, 2, rng), law.sample(3, 2, 5))
    assert np.any(law.sample(9, 2, rng) != law.sample(9, 2, 5))


@given(
    st.integers(1, 6), st.integers(0, 2**32 - 1), st.sampled_from(["gaussian", "orthogonal", "coordinate"])
)
@settings(max_examples=40, deadline=None)
def test_score_bound_holds(d, seed, kind):
    rng = np.random.default_rng(seed)
    matrix = interaction_matrix(d, int(rng.integers(1, d + 1)), rng, kind=kind, norm=1.7)
    for law in (UniformCube(d), Sphere(d), TruncatedGaussian(d, 1.5), Equicorrelated(d, 0.5)):
        X = law.sample(40, 3, rng)
        scores = np.einsum("mia,ab,mjb->mij", X, matrix, X)
        assert np.abs(scores).max() <= score_bound(law, matrix) * (1 + 1e-12)


@pytest.mark.parametrize(("d", "rank"), [(1, 1), (4, 1), (4, 3), (30, 2)])
def test_score_bound_is_attained_on_the_cube(d, rank):
    """For coordinate matrices some pair of corners reaches it, and it depends on the rank alone."""
    matrix = interaction_matrix(d, rank, 3, kind="coordinate", norm=2.0)
    corner = np.sqrt(3) * np.ones(d)
    y = np.sqrt(3) * np.where(corner @ matrix >= 0, 1.0, -1.0)
    bound = score_bound(UniformCube(d), matrix)
    assert corner @ matrix @ y == pytest.approx(bound, rel=1e-12)
    assert bound == pytest.approx(3 * math.sqrt(rank) * 2.0)


def test_score_bound_and_the_dimension():
    """The same in every dimension for cube and equicorrelated tokens; growing like d for others."""

    def bounds(law):
        return [score_bound(law(d), interaction_matrix(d, 1, 0, kind="coordinate")) for d in (1, 5, 30)]

    assert bounds(UniformCube) == pytest.approx([3.0] * 3)
    assert bounds(lambda d: Equicorrelated(d, 0.5)) == pytest.approx([6.0] * 3)
    assert bounds(Sphere) == pytest.approx([1.0, 5.0, 30.0])
    truncated = np.array(bounds(TruncatedGaussian))
    assert truncated == pytest.approx([5.2, 20.0, 120.0], rel=0.05)


def test_score_bound_is_attained_on_the_sphere():
    matrix = interaction_matrix(5, 2, 3)
    left, singular, right = np.linalg.svd(matrix)
    x, y = math.sqrt(5) * left[:, 0], math.sqrt(5) * right[0]
    assert x @ matrix @ y == pytest.approx(score_bound(Sphere(5), matrix))
    assert singular[0] * 5 == pytest.approx(score_bound(Sphere(5), matrix))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: UniformCube(0), ValueError, "dimension must be >= 1, got 0"),
        (lambda: Sphere(2.5), TypeError, r"dimension must be an integer, got 2\.5"),
        (lambda: TruncatedGaussian(2, 0.0), ValueError, r"cutoff must be > 0\.0, got 0\.0"),
        (
            lambda: TruncatedGaussian(300, 0.05),
            ValueError,
            r"cutoff must be > 0\.298 in dimension 300, got 0\.05",
        ),
        (lambda: score_bound(UniformCube(2), np.eye(3)), ValueError, r"matrix must have shape \(2, 2\), got"),
        (lambda: score_bound(UniformCube(1), [[math.nan]]), ValueError, "matrix must be finite, got 1 NaN"),
        (lambda: score_bound("cube", np.eye(3)), TypeError, "tokens must be a TokenLaw, got 'cube'"),
        (lambda: TruncatedGaussian(2, math.inf), ValueError, "cutoff must be finite, got inf"),
        (lambda: Equicorrelated(2, 1.0), ValueError, r"correlation must be >= 0\.0 and < 1\.0, got 1\.0"),
        (lambda: Equicorrelated(2, -0.1), ValueError, r"correlation must be >= 0\.0 and < 1\.0, got -0\.1"),
        (lambda: PermutedPoints(np.ones(3)), ValueError, r"points must have shape \(any, any\), got \(3,\)"),
        (lambda: PermutedPoints(np.ones((1, 2))), ValueError, r"at least 2 points, .*\(1, 2\)"),
        (lambda: PermutedPoints([[np.nan], [1.0]]), ValueError, "points must be finite, got 1 NaN"),
        (lambda: PermutedPoints(np.eye(3)).sample(2, 4), ValueError, "n_tokens must be <= .* 3; got 4"),
        (lambda: UniformCube(2).sample(0, 2), ValueError, "n_samples must be >= 1, got 0"),
        (lambda: UniformCube(2).sample(5, 1), ValueError, "n_tokens must be >= 2, got 1"),
        (lambda: UniformCube(2).sample(5, 2, "seed"), TypeError, r"rng must be a numpy\.random\.Generator"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_points_on_a_line_are_points():
    law = PermutedPoints([[0.0], [1.0], [2.5]])
    assert law.d == 1
    assert sorted(law.sample(1, 3, np.random.default_rng(0)).ravel().tolist()) == [0.0, 1.0, 2.5]
    with pytest.raises(ValueError, match=r"at least 2 points, d >= 1; got shape \(3, 0\)"):
        PermutedPoints(np.zeros((3, 0)))
