"""The price of the matrix from below: exact Bayes risks, the geometry of the hypotheses, limits."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pairint.model import Sphere, UniformCube
from pairint.theory import Setting
from pairint.theory.lower_matrix import linear_range, matrix_lower_bound

SETTING = Setting(
    beta=2.0, holder_constant=0.2, d=5, rank=2, n_tokens=3, noise_std=0.5, score_bound=3.0, sup_bound=1.0
)


def hypothesis(bound, d, rank, rng):
    """Return a matrix of the family, its entries drawn at random or at the ends of their range."""
    t = bound.width
    entries = t * (rng.choice([-1, 1], (d, d)) if rng.integers(2) else rng.uniform(-1, 1, (d, d)))
    matrix = np.empty((d, d))
    matrix[:rank, :] = entries[:rank, :]
    matrix[:rank, :rank] += bound.centre * np.eye(rank)
    matrix[rank:, :rank] = entries[rank:, :rank]
    matrix[rank:, rank:] = matrix[rank:, :rank] @ np.linalg.solve(matrix[:rank, :rank], matrix[:rank, rank:])
    return matrix


@pytest.mark.parametrize(("d", "rank"), [(1, 1), (3, 1), (5, 2), (4, 4), (12, 3)])
@pytest.mark.parametrize("n_samples", [100, 10**4, 10**8])
def test_hypotheses_are_in_the_class(d, rank, n_samples):
    setting = replace(SETTING, d=d, rank=rank)
    rng = np.random.default_rng(0)
    for law in (UniformCube(d), Sphere(d)):
        bound = matrix_lower_bound(n_samples, setting, token_bound=law.radius)
        for _ in range(20):
            matrix = hypothesis(bound, d, rank, rng)
            assert np.linalg.matrix_rank(matrix, tol=1e-12 * bound.centre) <= rank
            assert law.radius**2 * np.linalg.norm(matrix, 2) <= linear_range(setting) * (1 + 1e-12)


def test_the_information_of_an_entry_is_bounded():
    """Moving one of the r(2d - r) entries moves the matrix by at most sqrt(1 + zeta^2), by differences."""
    d, rank = 6, 2
    bound = matrix_lower_bound(10**4, replace(SETTING, d=d, rank=rank), token_bound=math.sqrt(d))
    rng = np.random.default_rng(1)
    step = 1e-6 * bound.width
    for _ in range(5):
        matrix = hypothesis(bound, d, rank, rng)

        def move(a, b, matrix=matrix):
            moved = matrix.copy()
            moved[a, b] += step
            corner = moved[:rank, :rank]
            moved[rank:, rank:] = moved[rank:, :rank] @ np.linalg.solve(corner, moved[:rank, rank:])
            return np.linalg.norm(moved - matrix) / step

        free = [(a, b) for a in range(d) for b in range(d) if a < rank or b < rank]
        assert len(free) == rank * (2 * d - rank)
        # Differences of the first order: relative error of the order of step / centre.
        assert max(move(a, b) for a, b in free) <= math.sqrt(1 + bound.tilt**2) * (1 + 1e-5)


@pytest.mark.parametrize(("d", "rank"), [(1, 1), (3, 1), (5, 2), (30, 3)])
def test_the_limit_is_the_price_of_r_2d_minus_r_numbers(d, rank):
    setting = replace(SETTING, d=d, rank=rank)
    bound = matrix_lower_bound(10**16, setting, token_bound=math.sqrt(d))
    price = 0.25 * rank * (2 * d - rank) * 2 / (10**16 * 3)
    assert bound.parametric == pytest.approx(price, rel=1e-12)
    assert 0.98 * price < bound.value < price


def test_the_bound_of_the_text():
    """Half of the price, as soon as M >= 455 sigma^2 R^4 r d / b^2."""
    for d, rank, n_tokens in [(1, 1, 2), (4, 1, 3), (10, 10, 8), (60, 3, 64)]:
        setting = replace(SETTING, d=d, rank=rank, n_tokens=n_tokens)
        least = math.ceil(455 * 0.25 * (3 * d) ** 2 * rank * d)
        bound = matrix_lower_bound(least, setting, token_bound=math.sqrt(3 * d))
        assert bound.value >= bound.parametric / 2
        assert bound.value >= rank * d * 0.25 / (4 * least)


def test_least_squares_is_not_beaten_and_nearly_attains_it():
    """Full rank: g is linear in d^2 numbers, and least squares pays sigma^2 d^2 (N-1)/(MN), nearly."""
    d, n_tokens, n_samples, noise = 3, 4, 4000, 0.5
    setting = replace(SETTING, d=d, rank=d, n_tokens=n_tokens)
    bound = matrix_lower_bound(n_samples, setting, token_bound=UniformCube(d).radius)
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(60):
        X = UniformCube(d).sample(n_samples, n_tokens, rng)
        partners = (X.sum(axis=1, keepdims=True) - X) / (n_tokens - 1)
        features = np.einsum("mia,mib->miab", X, partners).reshape(-1, d * d)
        eta = noise * rng.standard_normal(len(features))
        errors.append(float(np.sum(np.linalg.lstsq(features, eta, rcond=None)[0] ** 2)))
    mean, error = np.mean(errors), np.std(errors) / math.sqrt(len(errors))
    assert mean + 5 * error > bound.value
    # E (F'F)^-1 exceeds (E F'F)^-1 by a share of about (numbers + fourth moments) / (M N).
    assert mean == pytest.approx(bound.parametric, abs=5 * error + 30 / n_samples * bound.parametric)


def test_a_bound_with_a_factor_dropped_is_refuted_by_least_squares():
    """Without N - 1 in the information the price would be (N-1) times higher than what least squares pays."""
    bound = matrix_lower_bound(4000, replace(SETTING, d=3, rank=3, n_tokens=4), token_bound=3.0)
    assert 3 * bound.value > 1.05 * bound.parametric


def test_dimension_one_against_the_exact_bayes_risk():
    """d = 1: one number t, prior cos^2 on [-t, t], Gaussian information: the Bayes risk by quadrature."""
    setting = replace(SETTING, d=1, rank=1)
    for n_samples in (10, 1000):
        bound = matrix_lower_bound(n_samples, setting, token_bound=1.0)
        information = n_samples * 3 / (0.25 * 2)
        theta = bound.width * np.linspace(-1, 1, 801)[1:-1]
        prior = np.cos(math.pi * theta / (2 * bound.width)) ** 2
        prior /= prior.sum()
        spread = bound.width + 8 / math.sqrt(information)
        z = np.linspace(-spread, spread, 4001)
        joint = prior[:, None] * np.exp(-information * (z - theta[:, None]) ** 2 / 2)
        marginal = joint.sum(axis=0)
        mean = (theta @ joint) / marginal
        risk = np.sum(joint * (theta[:, None] - mean) ** 2) / joint.sum()
        # Observing theta with information I exactly is easier than through tokens of random size, on average.
        assert bound.value <= risk


@pytest.mark.parametrize(
    ("change", "keywords", "message"),
    [
        ({"noise_std": 0.0}, {}, "noise_std"),
        ({"sup_bound": math.inf}, {}, "sup_bound"),
        ({}, {"token_bound": 1.0}, "token_bound"),
        ({}, {"token_bound": math.nan}, "token_bound"),
    ],
)
def test_bad_arguments(change, keywords, message):
    with pytest.raises(ValueError, match=message):
        matrix_lower_bound(1000, replace(SETTING, **change), **{"token_bound": 3.0} | keywords)


def test_rough_functions_may_be_steep_only_where_the_class_allows():
    rough = replace(SETTING, beta=0.5, holder_constant=0.01, sup_bound=math.inf)
    assert linear_range(rough) == pytest.approx(0.01 * 3 * 6**-0.5)
    # |b/abar (u - v)| <= L |u - v|^beta at the ends, where it is tightest.
    slope = linear_range(rough) / 3
    assert slope * 6 == pytest.approx(0.01 * 6**0.5)
    assert linear_range(replace(rough, beta=1.0, sup_bound=0.02)) == 0.02
