import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pairint.model import (
    Equicorrelated,
    Sphere,
    SplineSpace,
    TruncatedGaussian,
    UniformCube,
    interaction_matrix,
    pair_scores,
)
from pairint.theory import coercivity as co

SEEDS = st.integers(0, 2**32 - 1)
SPACE = SplineSpace(-1.0, 1.0, 3, 1)
LAWS = [UniformCube(2), Sphere(3), TruncatedGaussian(2), Equicorrelated(2, 0.6)]


def random_mixture(rng, n_values, n_components):
    """A random conditionally i.i.d. law on finitely many values, and a random interaction."""
    weights = rng.dirichlet(np.ones(n_components))
    probabilities = rng.dirichlet(np.full(n_values, 0.5), size=n_components)
    return rng.standard_normal((n_values, n_values)), weights, probabilities


@pytest.mark.slow
@given(SEEDS, st.integers(2, 6), st.integers(1, 4), st.integers(2, 32))
def test_coercivity_holds_exactly_for_every_mixture(seed, n_values, n_components, n_tokens):
    mixture = random_mixture(np.random.default_rng(seed), n_values, n_components)
    moments = co.mixture_moments(*mixture, n_tokens)
    assert moments.excess >= -1e-12 * moments.second


@pytest.mark.slow
@given(SEEDS, st.integers(2, 5), st.integers(3, 32))
def test_wrong_constant_is_rejected(seed, n_values, n_tokens):
    """Remove the conditional mean: the ratio is 1/(N-1) to rounding, so that 1/(N-2) cannot hold."""
    h, weights, probabilities = random_mixture(np.random.default_rng(seed), n_values, 1)
    h = h - (h @ probabilities[0])[:, None]
    moments = co.mixture_moments(h, weights, probabilities, n_tokens)
    assert moments.ratio == pytest.approx(1 / (n_tokens - 1), rel=1e-9)
    assert moments.ratio < 1 / (n_tokens - 2)


def test_decomposition_against_enumeration():
    rng = np.random.default_rng(5)
    n_tokens, n_values = 4, 3
    h, weights, probabilities = random_mixture(rng, n_values, 2)
    second = aggregated = 0.0
    for values in itertools.product(range(n_values), repeat=n_tokens):
        mass = float(weights @ np.prod(probabilities[:, values], axis=1))
        partners = h[values[0], list(values[1:])]
        second += mass * partners[0] ** 2
        aggregated += mass * partners.mean() ** 2
    moments = co.mixture_moments(h, weights, probabilities, n_tokens)
    assert moments.second == pytest.approx(second, rel=1e-12)
    assert moments.aggregated == pytest.approx(aggregated, rel=1e-12)


@given(SEEDS, st.sampled_from(LAWS), st.sampled_from([2, 3, 5, 8, 16, 32]))
@settings(max_examples=40, deadline=None)
def test_coercivity_holds_for_sampled_tokens(seed, law, n_tokens):
    rng = np.random.default_rng(seed)
    scores = pair_scores(law.sample(3000 // n_tokens, n_tokens, rng), rng.standard_normal((law.d, law.d)))
    frequencies, phases, heights = rng.uniform(0, 3, 4), rng.uniform(0, 6, 4), rng.standard_normal(4)
    h = np.cos(scores[..., None] * frequencies + phases) @ heights
    moments = co.pair_moments(h)
    assert moments.excess >= -5 * moments.excess_error


def test_wrong_constant_is_rejected_from_samples():
    scores = pair_scores(UniformCube(2).sample(4000, 6, 0), np.eye(2))
    moments = co.pair_moments(np.sin(scores))  # odd: attains 1 / (N - 1)
    assert abs(moments.excess) <= 4 * moments.excess_error
    wrong = moments.aggregated - moments.second / 4
    assert wrong < -5 * moments.excess_error


def test_sampled_moments_agree_with_exact_ones():
    rng = np.random.default_rng(8)
    h, weights, probabilities = random_mixture(rng, 3, 2)
    exact = co.mixture_moments(h, weights, probabilities, 4)
    theta = rng.choice(2, size=20_000, p=weights)
    uniform = rng.uniform(size=(20_000, 4))
    values = (uniform[..., None] > np.cumsum(probabilities, axis=1)[theta][:, None, :-1]).sum(axis=-1)
    sampled = co.pair_moments(h[values[:, :, None], values[:, None, :]])
    for name in ("second", "aggregated", "cross"):
        error = getattr(sampled, name + "_error")
        assert abs(getattr(sampled, name) - getattr(exact, name)) < 4 * error
    assert sampled.aggregated == pytest.approx((sampled.second + 2 * sampled.cross) / 3, rel=1e-12)


def test_two_tokens_have_no_cross_term():
    moments = co.pair_moments(np.random.default_rng(0).standard_normal((5, 2, 2)))
    assert np.isnan(moments.cross)
    assert moments.excess == pytest.approx(0, abs=1e-15)


def test_product_density_is_the_law_of_the_score():
    outer, inner = co.product_quadrature(3.0)
    moments = [sum(w * (given @ u**p) for w, (u, given) in zip(outer, inner, strict=True)) for p in range(5)]
    # E (XY)^2 = 1 and E (XY)^4 = (9/5)^2 for uniform variables of unit variance
    assert moments == pytest.approx([1, 0, 1, 0, 81 / 25], abs=1e-12)
    u = (np.arange(200_000) + 0.5) * 3 / 200_000
    assert 2 * np.mean(co.product_density(u, 3.0)) * 3 == pytest.approx(1, abs=1e-4)
    assert 2 * np.mean(co.product_density(u, 3.0) * u**2) * 3 == pytest.approx(1, abs=1e-4)
    assert np.all(co.product_density([0.0, 3.0, 4.0], 3.0) == 0)


@pytest.mark.parametrize("n_tokens", [3, 8, 64])
def test_exact_constant_is_attained_by_the_odd_functions(n_tokens):
    space = SplineSpace(-3.0, 3.0, 12, 3)
    result = co.coercivity_constant(co.exact_gram(space, 3.0, n_tokens))
    scaled = result.eigenvalues * (n_tokens - 1)
    n_odd = space.dimension // 2
    assert np.allclose(scaled[:n_odd], 1, atol=1e-9)  # every odd spline attains the constant
    assert np.all(scaled[n_odd:] > 1.01)  # no even one does
    assert scaled[-1] == pytest.approx(n_tokens - 1, rel=1e-9)  # constants are seen whole
    u = np.linspace(0, 3, 50)
    f = result.function(0)
    assert np.allclose(f(u), -f(-u), atol=1e-6)


def test_exact_gram_against_monte_carlo():
    space = SplineSpace(-3.0, 3.0, 6, 2)
    exact = co.exact_gram(space, 3.0, 5)
    matrix = interaction_matrix(4, 1, 1, kind="coordinate")
    sampled = co.sampled_gram(space, UniformCube(4), matrix, 5, 4000, rng=2)
    for name in ("pair", "aggregated"):
        batches = getattr(sampled, name + "_batches")
        error = batches.std(axis=0, ddof=1) / np.sqrt(len(batches))
        assert np.all(np.abs(getattr(sampled, name) - getattr(exact, name)) < 5 * error + 1e-4)
    assert np.linalg.eigvalsh(exact.cross).min() > -1e-12
    result = co.coercivity_constant(sampled)
    assert result.value <= 0.25 + 1e-3
    assert result.held_out == pytest.approx(0.25, abs=4 * result.standard_error)
    assert 0 < result.standard_error < 0.05


def test_eigenfunctions_are_orthonormal_and_have_the_ratios_claimed():
    gram = co.exact_gram(SplineSpace(-3.0, 3.0, 5, 1), 3.0, 4)
    result = co.coercivity_constant(gram)
    v = result.coefficients
    assert np.allclose(v.T @ gram.pair @ v, np.eye(len(v)), atol=1e-10)
    assert np.allclose(v.T @ gram.aggregated @ v, np.diag(result.eigenvalues), atol=1e-10)


@pytest.mark.slow
def test_variance_factor_is_the_trace_and_does_not_grow_with_the_tokens():
    space = SplineSpace(-3.0, 3.0, 12, 3)
    factors = []
    for n_tokens in (2, 4, 16, 64):
        gram = co.exact_gram(space, 3.0, n_tokens)
        trace = np.trace(np.linalg.solve(gram.aggregated, gram.pair)) / n_tokens
        factors.append(co.variance_factor(gram))
        assert factors[-1] == pytest.approx(trace, rel=1e-6)
        assert factors[-1] <= space.dimension * (n_tokens - 1) / n_tokens + 1e-9
    assert factors[0] == pytest.approx(space.dimension / 2)
    assert max(factors) < 2 * factors[0]


def test_unexplored_cells_are_reported():
    gram = co.sampled_gram(SplineSpace(-50, 50, 30, 1), UniformCube(1), [[1.0]], 3, 100, 0)
    with pytest.raises(ValueError, match="never explored"):
        co.coercivity_constant(gram)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: co.pair_moments(np.zeros((3, 1, 1))), "values must have shape"),
        (lambda: co.pair_moments(np.zeros((3, 2, 3))), "values must have shape"),
        (lambda: co.mixture_moments(np.eye(2), [0.5, 0.6], np.full((2, 2), 0.5), 3), "weights must be"),
        (lambda: co.mixture_moments(np.eye(2), [1.0], np.full((1, 2), 0.5), 1), "n_tokens must be >= 2"),
        (lambda: co.exact_gram(SPACE, 0.0, 3), "score_bound must be > 0"),
        (lambda: co.exact_gram(SPACE, 1.0, 1), "n_tokens must be >= 2"),
        (lambda: co.sampled_gram(SPACE, UniformCube(2), np.eye(3), 3, 50), "matrix must have shape"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_scores_need_not_crowd_near_zero():
    """Sphere in dimension three, A = I: the score is uniform; with one nonzero entry it is not."""
    x, y = Sphere(3).sample(20_000, 2, 0).transpose(1, 0, 2)
    uniform = stats.uniform(-3, 6).cdf
    assert stats.kstest((x * y).sum(axis=1), uniform).pvalue > 1e-3
    assert stats.kstest(x[:, 0] * y[:, 0], uniform).pvalue < 1e-10
