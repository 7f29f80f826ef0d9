"""Oracle inequalities and adaptation, by exact enumeration of all data where the law is finite."""

import inspect
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairint.theory import Setting, adaptive_upper_bound, oracle_inequality, upper_bound
from pairint.theory.adaptation import log_weight, penalty, temperature, upper_tail
from pairint.theory.approximation import HolderSum, spline_degree, spline_error, spline_interpolant
from pairint.theory.fourth_moment import range_factor

SETTING = Setting(
    beta=2.0, n_tokens=3, noise_std=0.5, holder_constant=1.0, d=5, rank=1, score_bound=3.0, sup_bound=1.0
)


def law(rng, n_tokens, n_points=3):
    """Return a joint law of a sample (any law: tokens dependent, not exchangeable) and a truth F(X)."""
    words = np.array(list(itertools.product(range(n_points), repeat=n_tokens)))
    return words, rng.dirichlet(np.full(len(words), 0.3)), rng.uniform(-1, 1, (len(words), n_tokens))


def averages(g, words):
    """R_g for a function of two points given as a matrix."""
    values = g[words[:, :, None], words[:, None, :]]
    return (values.sum(axis=2) - np.einsum("aii->ai", values)) / (words.shape[1] - 1)


def excesses(difference, weight, sigma):
    """Return values and chances of l_g - l_F of one sample, for noise +-sigma; ``difference`` is R_g - F."""
    signs = sigma * np.array(list(itertools.product([-1, 1], repeat=difference.shape[1])))
    v = np.mean(difference**2, axis=1)
    cross = difference @ signs.T * 2 / difference.shape[1]
    return (v[:, None] - cross).ravel(), np.repeat(weight / len(signs), len(signs)), float(weight @ v)


# One candidate, any truth.


@given(
    n_tokens=st.integers(2, 4),
    seed=st.integers(0, 2**31),
    sigma=st.floats(0.01, 3),
    slack=st.floats(0.01, 1),
    power=st.floats(0.1, 6),
)
@settings(max_examples=60, deadline=None)
def test_exponential_inequality_for_any_truth(n_tokens, seed, sigma, slack, power):
    rng = np.random.default_rng(seed)
    words, weight, truth = law(rng, n_tokens)
    g = rng.choice([-1, 1], (3, 3)) * rng.uniform(size=(3, 3)) ** power
    difference = averages(g, words) - truth
    envelope = float(np.abs(difference).max())
    lam, c, scale = temperature(n_tokens=n_tokens, noise_std=sigma, envelope=envelope, slack=slack)
    value, chance, risk = excesses(difference, weight, sigma)
    assert scale == 1
    assert chance @ np.exp(-lam * value) <= math.exp(-c * risk) * (1 + 1e-12)


def test_neither_the_chord_nor_the_noise_can_be_left_out():
    """v is 0 or Delta^2: the chord is attained. And lambda D is too much once there is noise."""
    difference, weight = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([0.999, 0.001])
    value, chance, risk = excesses(difference, weight, 0.0)
    lam, c, _ = temperature(n_tokens=2, noise_std=0.0, envelope=1.0)
    left = -math.log(chance @ np.exp(-lam * value)) / risk
    assert c <= left <= c * 1.001
    assert left < 0.7 * lam  # the twin without the chord
    value, chance, risk = excesses(difference[1:], np.ones(1), 2.0)
    lam, c, _ = temperature(n_tokens=2, noise_std=2.0, envelope=1.0)
    left = -math.log(chance @ np.exp(-lam * value)) / risk
    assert c <= left < -math.expm1(-lam)  # the twin with mu = lambda


@pytest.mark.slow
@given(
    n_tokens=st.integers(2, 600),
    sigma=st.floats(0, 10),
    envelope=st.floats(0.01, 10),
    slack=st.floats(1e-3, 1),
    pairs=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_the_factor_is_at_most_one_plus_the_slack(n_tokens, sigma, envelope, slack, pairs):
    lam, c, scale = temperature(
        n_tokens=n_tokens, noise_std=sigma, envelope=envelope, pairs=pairs, slack=slack
    )
    assert lam < n_tokens / (2 * sigma**2 + 1e-300)
    assert lam / c * (1 + 1e-12) >= 1
    assert lam / c <= (1 + slack) * (1 + 1e-12)
    squared = (range_factor(n_tokens) if pairs else 1.0) * envelope**2
    plain = (1 + slack) / slack * (squared + 4 * sigma**2 * scale / n_tokens)
    assert scale / c <= plain * (1 + 1e-12)


def test_the_factor_tends_to_one_and_its_price_to_infinity():
    bounds = [
        oracle_inequality(1000, SETTING, risk=1.0, log_cover=1.0, envelope=1.0, slack=a)
        for a in (1, 0.1, 0.01)
    ]
    assert bounds[0].risk > 1.3 and bounds[2].risk < 1.01
    assert bounds[0].complexity < bounds[1].complexity < bounds[2].complexity


@given(
    n_tokens=st.integers(2, 3),
    seed=st.integers(0, 2**31),
    sigma=st.floats(0.0, 3),
    failure=st.floats(0.01, 0.9),
)
@settings(max_examples=40, deadline=None)
def test_upper_tail_of_one_candidate(n_tokens, seed, sigma, failure):
    """Exponential moment and chance, exactly, for three samples."""
    rng = np.random.default_rng(seed)
    words, weight, truth = law(rng, n_tokens, 2)
    difference = averages(rng.uniform(-1, 1, (2, 2)), words) - truth
    envelope = float(np.abs(difference).max())
    value, chance, risk = excesses(difference, weight, sigma)
    p, q = upper_tail(failure, 1, n_tokens=n_tokens, noise_std=sigma, envelope=envelope)
    lam = -math.log(failure) / q
    assert chance @ np.exp(lam * value) <= math.exp(lam * p * risk) * (1 + 1e-12)
    mean = (value[:, None, None] + value[:, None] + value) / 3
    weights = chance[:, None, None] * chance[:, None] * chance
    p, q = upper_tail(failure, 3, n_tokens=n_tokens, noise_std=sigma, envelope=envelope)
    assert weights[mean > p * risk + q].sum() <= failure


def test_the_upper_tail_needs_its_factor():
    """Without noise, v rarely Delta^2: c' > lambda' is attained, and p = 1 is refuted."""
    difference, weight = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([0.999, 0.001])
    value, chance, risk = excesses(difference, weight, 0.0)
    p, q = upper_tail(math.exp(-1), 1, n_tokens=2, noise_std=0.0, envelope=1.0)
    left = math.log(chance @ np.exp(value / q)) * q / risk
    assert 1.1 < left <= p <= left * 1.001


# Selection among finitely many, with weights.


def selection(rng, n_tokens, n_candidates, n_samples, sigma, log_weights, *, spread, misspecified=1.0):
    """Enumerate all data; return the risks, E max (Z - x), the mean risk of the selected, and its law.

    The risk is that in the aggregated norm; the criterion is the empirical risk plus x / (lambda M).
    """
    words, weight, truth = law(rng, n_tokens, 2)
    truth = truth * misspecified / 2
    candidates = [spread / 2 * rng.uniform(-1, 1, (2, 2)) for _ in range(n_candidates)]
    differences = [averages(g, words) - truth for g in candidates]
    parts = [excesses(difference, weight, sigma) for difference in differences]
    values, chance = np.array([part[0] for part in parts]), parts[0][1]
    risks = np.array([part[2] for part in parts])
    lam, c, _ = temperature(n_tokens=n_tokens, noise_std=sigma, envelope=1.0)
    mean, weights = values, chance
    for _ in range(n_samples - 1):
        mean = (mean[:, :, None] + values[:, None, :]).reshape(n_candidates, -1)
        weights = (weights[:, None] * chance).ravel()
    mean = mean / n_samples
    z = c * n_samples * risks[:, None] - lam * n_samples * mean
    top = float(weights @ (z - log_weights[:, None]).max(axis=0))
    chosen = (mean + log_weights[:, None] / (lam * n_samples)).argmin(axis=0)
    return risks, top, float(weights @ risks[chosen]), (risks[chosen], weights)


@given(
    seed=st.integers(0, 2**31),
    n_tokens=st.integers(2, 3),
    n_candidates=st.integers(1, 12),
    n_samples=st.integers(1, 2),
    sigma=st.floats(0.05, 3),
    spread=st.floats(0.0, 1.0),
)
@settings(max_examples=40, deadline=None)
def test_penalised_selection_exactly(seed, n_tokens, n_candidates, n_samples, sigma, spread):
    rng = np.random.default_rng(seed)
    x = -np.log(rng.dirichlet(np.full(n_candidates, 0.5)) + 1e-12) + 1e-9 * n_candidates
    risks, top, error, (error_law, weights) = selection(
        rng, n_tokens, n_candidates, n_samples, sigma, x, spread=spread
    )
    assert top <= 1e-9
    setting = replace(SETTING, n_tokens=n_tokens, noise_std=sigma)
    bounds = [
        oracle_inequality(n_samples, setting, risk=risk, log_cover=weight, envelope=1.0)
        for risk, weight in zip(risks, x, strict=True)
    ]
    assert error <= min(map(float, bounds)) * (1 + 1e-9)
    for failure in (0.9, 0.3, 0.03):
        likely = [
            oracle_inequality(
                n_samples, setting, risk=risk, log_cover=weight, envelope=1.0, failure=failure
            ).value
            for risk, weight in zip(risks, x, strict=True)
        ]
        assert weights[error_law > min(likely) * (1 + 1e-9)].sum() <= failure


def test_without_weights_the_union_bound_is_false():
    """The truth is zero, amid the candidates: the maximum of Z is positive in the mean unless each pays."""
    n = 64
    fair = np.full(n, math.log(n))
    for x, holds in ((fair, True), (np.zeros(n), False), (fair / 20, False)):
        rng = np.random.default_rng(3)
        _, top, *_ = selection(rng, 3, n, 2, 0.5, x, spread=1.0, misspecified=0.0)
        assert (top <= 0) == holds


def test_weights_sum_to_at_most_one():
    """Over K, s, r up to n the sum is (1 - 1/(n+1))^3, for two parities."""
    n = 30
    total = sum(
        2 * math.exp(-log_weight(n_intervals=k, degree=s, rank=r))
        for k, s, r in itertools.product(range(1, n + 1), repeat=3)
    )
    assert total == pytest.approx((1 - 1 / (n + 1)) ** 3, rel=1e-12)
    assert log_weight(n_intervals=10, degree=2, rank=3) > log_weight(n_intervals=9, degree=2, rank=3)


# The penalised estimator.


def test_the_estimator_is_told_nothing_of_the_truth():
    told = set(inspect.signature(penalty).parameters) - {"n_intervals", "degree", "rank", "odd"}
    assert told == {"n_samples", "n_tokens", "noise_std", "sup_bound", "d", "support_ratio", "slack"}


@pytest.mark.slow
@given(
    n_samples=st.integers(1, 10**12),
    n_tokens=st.integers(2, 512),
    beta=st.floats(0.3, 4),
    noise_std=st.floats(0, 3),
    d=st.integers(1, 300),
    odd=st.booleans(),
    slack=st.floats(0.1, 1),
)
@settings(max_examples=30, deadline=None)
def test_the_bound_pays_the_penalty_and_is_the_formula(n_samples, n_tokens, beta, noise_std, d, odd, slack):
    setting = replace(SETTING, n_tokens=n_tokens, beta=beta, noise_std=noise_std, d=d)
    bound = adaptive_upper_bound(n_samples, setting, odd=odd, slack=slack)
    pen = penalty(
        n_intervals=bound.n_intervals,
        degree=bound.degree,
        rank=1,
        odd=odd,
        n_samples=n_samples,
        n_tokens=n_tokens,
        noise_std=noise_std,
        sup_bound=1.0,
        d=d,
        support_ratio=d,
        slack=slack,
    )
    assert bound.complexity + bound.weight == pytest.approx(bound.factor * (n_tokens - 1) * pen, rel=1e-9)
    coupling = 1 if odd else n_tokens - 1
    assert bound.bias == pytest.approx(bound.factor * coupling * bound.approximation**2, rel=1e-9)
    eps = 2 / (n_samples * n_tokens)
    rest = bound.factor * (n_tokens - 1) * eps * (2 * noise_std + 4 + eps) + 4 * eps + eps**2
    assert bound.discretisation == pytest.approx(rest, rel=1e-9)
    assert bound.degree >= 1 and bound.factor <= (1 + slack) * (1 + 1e-9)


@given(beta=st.floats(0.3, 3), seed=st.integers(0, 2**31), k=st.integers(1, 12), size=st.floats(0.01, 5))
@settings(max_examples=40, deadline=None)
def test_a_spline_with_the_bound_of_the_function(beta, seed, k, size):
    """B p / (B + delta) is bounded by B and misses phi by at most 2 B delta / (B + delta)."""
    rng = np.random.default_rng(seed)
    phi = HolderSum(rng.uniform(-1, 1, 3), size * rng.standard_normal(3), beta)
    degree = spline_degree(beta)
    u = np.linspace(-1, 1, 2001)
    p = spline_interpolant(phi, n_intervals=k, degree=degree, score_bound=1.0)
    bound = float(np.abs(phi(u)).max()) * (1 + 1e-3) + 1e-3
    delta = spline_error(k, beta=beta, holder_constant=phi.holder_constant, score_bound=1.0, degree=degree)
    shrunk = p(u) * bound / (bound + delta)
    assert np.abs(shrunk).max() <= bound * (1 + 1e-9)
    assert np.abs(shrunk - phi(u)).max() <= 2 * bound * delta / (bound + delta) * (1 + 1e-9)


@pytest.mark.slow
def test_the_bound_falls_with_the_samples_and_rises_with_the_dimension():
    for n_tokens in (2, 3, 64, 512):
        for odd in (True, False):
            setting = replace(SETTING, n_tokens=n_tokens)
            values = [adaptive_upper_bound(10**p, setting, odd=odd).value for p in range(3, 10)]
            assert all(a > b > 0 for a, b in itertools.pairwise(values))
            wide = [adaptive_upper_bound(10**6, replace(setting, d=d), odd=odd).value for d in (1, 30, 300)]
            assert wide[0] < wide[1] < wide[2]


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0, 3.5])
def test_not_knowing_costs_a_bounded_factor(beta):
    """Twice the approximation error, two for the leading constant, the accuracy 1/(NM) in the logarithms."""
    for m in (10**5, 10**7, 10**9, 10**11):
        for n_tokens in (2, 3, 64):
            setting = replace(SETTING, beta=beta, n_tokens=n_tokens)
            told, not_told = (
                bound(m, setting, odd=True).value for bound in (upper_bound, adaptive_upper_bound)
            )
            assert told < not_told < 4 * told


def test_weights_are_a_small_part():
    for m in (10**5, 10**8, 10**11):
        bound = adaptive_upper_bound(m, SETTING, odd=True)
        assert 0 < bound.weight < 0.05 * bound.value


def test_high_probability_costs_a_logarithm_of_the_failure():
    mean = adaptive_upper_bound(10**6, SETTING, odd=True)
    values = [adaptive_upper_bound(10**6, SETTING, odd=True, failure=p).value for p in (0.1, 1e-3, 1e-6)]
    assert mean.value < values[0] < values[1] < values[2] < 2 * mean.value


def test_a_wrong_bound_costs_its_square_at_most():
    """What is known of B may be too large by a factor q: the price of a parameter rises by at most q^2."""
    for q in (2.0, 10.0):
        right, wrong = (
            adaptive_upper_bound(10**8, replace(SETTING, sup_bound=b), odd=True).value for b in (1.0, q)
        )
        assert right < wrong < q**2 * right


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"risk": -1.0}, "risk must be >= 0"),
        ({"log_cover": -1.0}, "log_cover must be >= 0"),
        ({"envelope": 0.0}, "envelope must be > 0"),
        ({"slack": 1.5}, "slack must be > 0 and <= 1"),
        ({"slack": 0.0}, "slack must be > 0 and <= 1"),
        ({"failure": 1.0}, "failure must be > 0 and < 1"),
        ({"best_envelope": 0.5}, "best_envelope must be None without failure"),
        ({"n_samples": 0}, "n_samples must be >= 1"),
        ({"accuracy": math.nan}, "accuracy must be"),
    ],
)
def test_bad_arguments(changed, message):
    arguments = {"n_samples": 100, "setting": SETTING, "risk": 0.1, "log_cover": 1.0, "envelope": 1.0}
    with pytest.raises((TypeError, ValueError), match=message):
        oracle_inequality(**arguments | changed)


def test_a_bound_needs_a_bounded_truth():
    with pytest.raises(ValueError, match="sup_bound must be finite for adaptive_upper_bound"):
        adaptive_upper_bound(100, replace(SETTING, sup_bound=math.inf))
