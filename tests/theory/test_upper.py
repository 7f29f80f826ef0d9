import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from settings_of import split

from pairint.model import interaction_matrix
from pairint.theory import upper as up
from pairint.theory.coercivity import product_coupling, product_moments
from pairint.theory.covering import log_cover_interactions
from pairint.theory.densities import bilinear_tail
from pairint.theory.rates import minimax_exponent

BASE = dict(
    n_samples=10_000,
    beta=2.0,
    n_tokens=3,
    noise_std=0.5,
    holder_constant=1.0,
    score_bound=1.0,
    sup_bound=1.0,
    d=5,
    rank=2,
)


def upper_bound(**arguments):
    setting, others = split(arguments)
    return up.upper_bound(setting=setting, **others)


#: The four theorems: how the tokens are said to be, and (bias, spread, in pairs, scale) for N = 3.
KINDS = {
    "any": ({}, (2.0, 2.0, 1.0, 2.0)),
    "odd": ({"odd": True}, (1.0, 2.0, 1.0, 2.0)),
    "coupled": ({"coupling": 0.25}, (1.25, 2.0, 1.0, 2.0)),
    "exchangeable": ({"coercivity": 0.4}, (2.5, 2.5, 2.5, 2.5)),
}


def formula(
    bound, kind, n_samples, n_tokens, d, rank, noise_std, sup_bound, support_ratio, accuracy, temperature
):
    """The bound of the theorem, written out for given epsilon and lambda."""
    bias, spread, in_pairs, scale = KINDS[kind][1] if kind in KINDS else kind
    delta, envelope = bound.approximation, 2 * sup_bound + bound.approximation
    mu = temperature - 2 * temperature**2 * noise_std**2 / n_tokens
    w = spread / scale * envelope**2
    c = (1 - math.exp(-mu * w)) / w
    numbers = bound.n_intervals * bound.degree + 1
    numbers = numbers // 2 if kind == "odd" else numbers
    slope = 8 * support_ratio * bound.degree**2 * bound.n_intervals * (sup_bound + delta) / accuracy
    cover = numbers * math.log1p(4 * (sup_bound + delta) / accuracy) + 2 * d * rank * math.log1p(slope)
    inner = bias * delta**2 + scale * accuracy * (2 * noise_std + 2 * envelope + accuracy)
    value = temperature / c * inner + scale * cover / (c * n_samples)
    return value + in_pairs * (2 * envelope * accuracy + accuracy**2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_samples", [100, 10**5, 10**8])
@pytest.mark.parametrize("noise_std", [0.0, 0.1, 3.0])
def test_value_is_the_formula_and_its_parameters_are_nearly_the_best(kind, n_samples, noise_std):
    bound = upper_bound(**BASE | {"n_samples": n_samples, "noise_std": noise_std} | KINDS[kind][0])
    arguments = (bound, kind, n_samples, 3, 5, 2, noise_std, 1.0, 5.0)
    assert bound.value == pytest.approx(formula(*arguments, bound.accuracy, bound.temperature), rel=1e-9)

    def loss(logs):
        temperature = math.exp(logs[1])
        if noise_std and temperature >= 3 / (2 * noise_std**2):
            return math.inf
        return formula(*arguments, math.exp(logs[0]), temperature)

    start = [math.log(bound.accuracy), math.log(bound.temperature)]
    best = optimize.minimize(loss, start, method="Nelder-Mead").fun
    assert bound.value <= 1.02 * best


@pytest.mark.parametrize("n_tokens", [2, 3, 8, 64, 512])
@pytest.mark.parametrize("d", [1, 30, 300])
def test_the_bound_in_pairs_is_below_the_one_through_coercivity(n_tokens, d):
    """On a grid over six decades of M; and the odd one below the general one."""
    for n_samples in (10**4, 10**7, 10**10):
        case = BASE | {"n_tokens": n_tokens, "d": d, "rank": 1, "n_samples": n_samples}
        through = upper_bound(**case, coercivity=1 / (n_tokens - 1)).value
        pairs, odd = upper_bound(**case).value, upper_bound(**case, odd=True).value
        assert odd < pairs <= through * (1 + 1e-12)


def test_the_number_of_tokens_leaves_the_odd_bound_but_for_a_logarithm():
    """N from 8 to 2^20 at M = 10^10: it grows by no more than log(NM) does; through coercivity, like N."""
    few, many = (BASE | {"n_tokens": n, "n_samples": 10**10} for n in (8, 2**20))
    growth = upper_bound(**many, odd=True).value / upper_bound(**few, odd=True).value
    # (3 - 2/7) -> 3 in the spread and (N-1)/N -> 1 in the noise, besides the logarithm.
    assert growth < math.log(2**20 * 1e10) / math.log(8e10) * (21 / 19) * (8 / 7)
    assert upper_bound(**many, coercivity=1 / (2**20 - 1)).value > 1e4 * upper_bound(**few).value


def test_any_function_pays_a_small_power_of_the_number_of_tokens():
    """Balancing N K^(-2 beta) with K/M: the bound grows like N^(1/(2 beta + 1)) at most."""
    few, many = (upper_bound(**BASE | {"n_tokens": n, "n_samples": 10**12}).value for n in (2**10, 2**18))
    # Besides, log(NM) grows.
    assert many / few < math.log(2**18 * 1e12) / math.log(2**10 * 1e12) * (2**8) ** (1 / 5)


def test_a_smooth_conditional_law_takes_the_tokens_out_of_the_bias():
    case = BASE | {"n_samples": 10**14, "score_bound": 3.0, "d": 1, "rank": 1}
    bounded = lambda h: min(1.0, (h / 1.2) ** 2)  # noqa: E731
    few, many = (upper_bound(**case | {"n_tokens": n}, coupling=bounded) for n in (2**10, 2**14))
    plain = [upper_bound(**case | {"n_tokens": n}).value for n in (2**10, 2**14)]
    assert many.value < plain[1]
    assert many.value / few.value < 1.25 < 1.7 < plain[1] / plain[0]
    assert many.degree == 2
    assert 0 < many.coupling < 1e-3


def tail(threshold):
    return bilinear_tail(threshold, coordinate_bound=math.sqrt(3))


@pytest.mark.slow
@pytest.mark.parametrize("d", [1, 5, 60])
def test_tail_of_bilinear_forms(d):
    """Above what is measured on cubes, for dense matrices and for one entry; a tail twice as thin is not."""
    rng = np.random.default_rng(d)
    x, y = rng.uniform(-math.sqrt(3), math.sqrt(3), (2, 40_000, d))
    for kind in ("coordinate", "gaussian"):
        matrix = interaction_matrix(d, 1, 0, kind=kind)
        matrix = matrix / np.linalg.norm(matrix)
        scores = np.abs(np.einsum("ma,ab,mb->m", x, matrix, y))
        for threshold in (0.5, 1.0, 2.0, 4.0, 8.0):
            share = np.mean(scores > threshold)
            assert share <= tail(threshold)
    signs = rng.choice([-1.0, 1.0], (40_000, 2))
    # Two signs: |U| = 1 always. The bound without its factor 2 and 1/2 would say less.
    assert np.mean(np.abs(signs.prod(axis=1)) >= 1) == 1 > math.exp(-0.25)
    assert bilinear_tail(1.0, coordinate_bound=1.0) == 1.0


def test_tail_falls_and_is_continuous():
    edge = math.sqrt(2) * 3
    assert tail(edge * (1 - 1e-9)) == pytest.approx(tail(edge * (1 + 1e-9)), rel=1e-6)
    values = [tail(t) for t in np.geomspace(0.01, 100, 300)]
    assert values[0] == 1.0
    assert values == sorted(values, reverse=True)
    assert bilinear_tail(2.0, coordinate_bound=1.0, frobenius=2.0) == bilinear_tail(1.0, coordinate_bound=1.0)


def wide(d, **change):
    """A dense matrix of rank one on the cube: the scores reach 3 d, though few exceed 10."""
    case = dict(beta=2.0, n_tokens=3, noise_std=0.5, holder_constant=1.0, sup_bound=1.0)
    return case | {"rank": 1, "d": d, "score_bound": 3.0 * d} | change


@pytest.mark.slow
def test_dimension_does_not_enter_the_activation_if_the_scores_are_cut():
    """d = 30 and 300: the same price of the spline and of the bias; uncut, both grow like a power of d."""
    cut, whole = (
        [upper_bound(**wide(d, n_samples=10**10), odd=True, **keywords) for d in (30, 300)]
        for keywords in ({"tail": tail}, {})
    )
    for term in ("spline", "bias"):
        few, many = (getattr(bound, term) for bound in cut)
        # log chi and log abar are left: of log(M) at most a quarter.
        assert many < 1.25 * few
        few, many = (getattr(bound, term) for bound in whole)
        assert many > 0.9 * 10 ** (2 * 2 / 5) * few
    assert cut[1].value < whole[1].value / 3
    assert 0 < cut[1].missed < 1e-5
    assert cut[1].cut < 120 < whole[1].cut == 900


def test_a_tail_never_hurts_and_is_counted():
    for d in (1, 30):
        case = wide(d, n_samples=10**6)
        whole, cut = upper_bound(**case), upper_bound(**case, tail=tail)
        assert cut.value <= whole.value
    # The bias by hand: (N-1) lambda/c (delta^2 + Delta^2 P(|U| > T)), with T in the place of abar in delta.
    setting, _ = split(case | {"score_bound": cut.cut})
    same = up.upper_bound(case["n_samples"], setting, n_intervals=cut.n_intervals)
    assert cut.approximation == same.approximation
    effective = cut.envelope * math.sqrt(cut.spread / cut.amplification)
    _, c = up.exponential_constants(cut.temperature, effective, setting)
    missed = cut.approximation**2 + cut.envelope**2 * tail(cut.cut)
    assert cut.bias == pytest.approx(2 * cut.temperature / c * missed, rel=1e-9)
    with pytest.raises(ValueError, match="bound must be one without a tail"):
        up.losses(cut, split(case)[0])


@pytest.mark.parametrize("power", [1, 4, 16, 64, 256])
def test_zero_mean_on_each_cell_costs_at_most_the_stated_growth(power):
    """A parabola that vanishes at the ends of a cell takes the mean away; the error grows to 5/2 at most."""
    nodes, weights = np.polynomial.legendre.leggauss(2 * power + 2)
    error = lambda t: 1 - 2 * (1 - t**2) ** power  # noqa: E731 (1 but for a dip to -1: the worst there is)
    mean = weights @ error(nodes) / 2
    mended = lambda t: error(t) - 1.5 * mean * (1 - t**2)  # noqa: E731
    # The weights are sums of 2 power + 2 terms of modulus at most 3.
    assert weights @ mended(nodes) == pytest.approx(0, abs=100 * (power + 1) * np.finfo(float).eps)
    assert mended(np.array([-1.0, 1.0])) == pytest.approx(error(np.array([-1.0, 1.0])))
    worst = np.abs(mended(np.linspace(-1, 1, 2001))).max()
    assert worst <= up.ZERO_MEAN_CONNECTED
    if power == 256:
        assert worst > 2.3


@pytest.mark.parametrize("n_intervals", [4, 16, 64])
@pytest.mark.slow
def test_conditional_mean_of_an_error_without_mean_on_the_cells(n_intervals):
    """E m^2 <= ||e||^2 E min(1, hV/2)^2 on the cube, exactly; and an error with a mean breaks it."""
    knots = np.linspace(-3, 3, n_intervals + 1)
    width = 6 / n_intervals

    def wave(u):  # mean zero on each cell, modulus 1: the worst primitive
        return np.where(((u + 3) / width) % 1 < 0.5, 1.0, -1.0)

    breakpoints = np.linspace(-3, 3, 2 * n_intervals + 1)
    cross = product_moments(wave, 3.0, 3, breakpoints).cross
    assert 0 < cross <= product_coupling(width, 3.0)
    assert product_moments(np.ones_like, 3.0, 3, knots).cross > product_coupling(width, 3.0)


def test_terms_add_up_and_k_is_the_best():
    bound = upper_bound(**BASE)
    assert bound.value == bound.bias + bound.spline + bound.matrix + bound.discretisation == float(bound)
    for shift in (-2, -1, 1, 2, 5):
        other = upper_bound(**BASE, n_intervals=max(1, bound.n_intervals + shift))
        assert other.value >= bound.value


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_rate_up_to_one_logarithm(beta):
    """Between M and M^2 the bound falls like (log M / M)^(2 beta / (2 beta + 1))."""
    small = BASE | {"beta": beta, "d": 1, "rank": 1}
    first, second = (upper_bound(**small | {"n_samples": m}).value for m in (10**9, 10**12))
    exponent = minimax_exponent(beta)
    assert math.log(second / first) == pytest.approx(-exponent * math.log(1e3 * 9 / 12), abs=0.25)


def test_dimension_enters_through_the_matrix_alone_and_linearly():
    small, large = (upper_bound(**BASE | {"d": d, "n_samples": 10**7}, n_intervals=10) for d in (10, 40))
    assert small.spline == pytest.approx(large.spline, rel=0.3)
    assert large.matrix / small.matrix == pytest.approx(4, rel=0.3)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"n_tokens": 64, "n_samples": 10**8},
        {"beta": 2.5, "degree": 4, "support_ratio": 1.7, "n_intervals": 7},
        {"coercivity": 0.9, "beta": 0.5, "rank": 5},
        {"odd": True, "n_tokens": 30, "n_intervals": 9},
        {"coupling": lambda h: min(1.0, h**2), "n_tokens": 2000, "n_samples": 10**12},
    ],
)
def test_losses_explain_the_whole_distance_to_the_leading_order(change):
    case = BASE | change
    bound = upper_bound(**case)
    setting, _ = split(case)
    leading = setting.budget(case["n_samples"], bound.n_intervals)
    factors = up.losses(bound, setting, support_ratio=case.get("support_ratio"))
    assert list(factors) == ["bias", "spline", "matrix"]
    assert bound.bias == pytest.approx(leading.bias * math.prod(factors["bias"].values()), rel=1e-9)
    assert bound.spline == pytest.approx(leading.variance * math.prod(factors["spline"].values()), rel=1e-9)
    matrix = leading.parametric * math.prod(factors["matrix"].values())
    assert bound.matrix == pytest.approx(matrix, rel=1e-9)


def test_the_factor_of_coercivity_is_on_the_bias_alone():
    """The leading variance already holds the factor N - 1; the leading bias does not."""
    case = BASE | {"n_tokens": 64}
    factors = up.losses(upper_bound(**case), split(case)[0])
    assert factors["bias"]["coercivity"] == pytest.approx(63)
    assert factors["spline"]["coercivity"] == pytest.approx(1)


@pytest.mark.slow
@given(
    n_tokens=st.integers(1, 3),
    sigma=st.floats(0.2, 2.0),
    envelope=st.floats(0.2, 3.0),
    share=st.floats(0.05, 0.95),
    n_samples=st.integers(2, 10**4),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_bernstein_inequality_of_the_truncated_loss(n_tokens, sigma, envelope, share, n_samples, seed):
    """E exp(-lambda Z) <= exp(-lambda (D/2 - 2 Delta t)), exactly, for noise with two values."""
    rng = np.random.default_rng(seed)
    # Mean zero; Hoeffding: sub-Gaussian with sigma = half of the range.
    values = 2 * sigma * np.array([1 - share, -share])
    chance = np.array([share, 1 - share])
    tau = sigma * math.sqrt(2 * math.log(2 * n_samples**2 * n_tokens))
    tail = chance @ np.maximum(np.abs(values) - tau, 0)
    assert tail <= sigma**2 / (tau * n_samples**2 * n_tokens)
    delta = envelope * rng.uniform(-1, 1, (40, n_tokens)) ** 3
    choices = np.array(np.meshgrid(*[[0, 1]] * n_tokens)).reshape(n_tokens, -1).T
    eta, weight = np.clip(values, -tau, tau)[choices], chance[choices].prod(axis=1)
    z = (delta**2).mean(axis=1)[:, None] - 2 * delta @ eta.T / n_tokens
    temperature = 1 / (2 * (envelope**2 + 2 * envelope * tau + 4 * sigma**2))
    left = (np.exp(-temperature * z) @ weight).mean()
    right = math.exp(-temperature * ((delta**2).mean() / 2 - 2 * envelope * tail))
    assert left <= right * (1 + 1e-12)


@pytest.mark.parametrize("change", [{}, {"n_tokens": 9, "noise_std": 2.0}, {"noise_std": 0.0}])
def test_corollary_by_hand(change):
    """Its temperature put into the theorem gives less than the corollary, which only rounds up."""
    case = BASE | {"n_samples": 10**6} | change
    partners = case["n_tokens"] - 1
    bound, (setting, _) = upper_bound(**case, coercivity=1 / partners), split(case)
    plain = up.plain_upper_bound(bound, 10**6, setting)
    envelope, delta = 2 + bound.approximation, bound.approximation
    cover = log_cover_interactions(
        bound.accuracy,
        d=5,
        rank=2,
        n_intervals=bound.n_intervals,
        degree=1,
        sup_bound=1 + delta,
        support_ratio=5,
    )
    n, sigma = setting.n_tokens, setting.noise_std
    inner = delta**2 + (envelope**2 + 4 * sigma**2 / n) * cover / 1e6
    inner += 2 * bound.accuracy * (sigma + 2 * envelope)
    assert plain == pytest.approx(3.2 * (n - 1) * inner, rel=1e-12)
    by_hand = min(n / (4 * sigma**2) if sigma else math.inf, envelope**-2)
    through = (float(partners),) * 4
    theorem = formula(bound, through, 10**6, n, 5, 2, sigma, 1.0, 5.0, bound.accuracy, by_hand)
    assert 0.4 * plain < theorem <= plain


def test_corollary_needs_a_fine_covering():
    bound = replace(upper_bound(**BASE), accuracy=3.0)
    with pytest.raises(ValueError, match="bound must have an accuracy <= 2"):
        up.plain_upper_bound(bound, 10_000, split(BASE)[0])


def test_price_of_truncation_by_hand():
    setting, _ = split(BASE)
    tau = 0.5 * math.sqrt(2 * math.log(2 * 10**6 * 3))
    expected = (4 + 4 * tau + 1) / (4 + 1 / 3)
    assert up.truncation_price(1000, setting, envelope=2.0) == pytest.approx(expected, rel=1e-12)
    assert up.truncation_price(1000, replace(setting, noise_std=0.0), envelope=2.0) == 1


def test_constants_of_the_exponential_inequality():
    setting, _ = split(BASE)
    mu, c = up.exponential_constants(1.5, 2.0, setting)
    assert mu == pytest.approx(1.5 - 2 * 1.5**2 * 0.25 / 3)
    assert c == pytest.approx((1 - math.exp(-4 * mu)) / 4)
    assert up.exponential_constants(1e9, 2.0, replace(setting, noise_std=0.0))[0] == 1e9
    for temperature in (0.0, 6.0):  # N / (2 sigma^2) = 6
        with pytest.raises(ValueError, match="temperature must be > 0 and < 6"):
            up.exponential_constants(temperature, 2.0, setting)
    with pytest.raises(ValueError, match="envelope must be > 0"):
        up.exponential_constants(1.5, 0.0, setting)


def test_known_coercivity_constant_scales_the_bound():
    half, better = (upper_bound(**BASE, coercivity=c) for c in (0.5, 1.0))
    assert better.value == pytest.approx(half.value / 2)
    assert (better.amplification, half.amplification) == (1.0, 2.0)


@given(
    n_tokens=st.integers(2, 40),
    noise_std=st.just(0.0) | st.floats(0.01, 3.0),
    envelope=st.floats(0.1, 4.0),
    scale=st.floats(0.01, 10.0),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=40)
def test_exponential_inequality_of_the_proof(n_tokens, noise_std, envelope, scale, seed):
    """E exp(-lambda (loss difference)) <= exp(-c D) for bounded residuals and Gaussian noise, exactly."""
    rng = np.random.default_rng(seed)
    v = (envelope * rng.uniform(0, 1, 30) ** scale) ** 2  # values of (1/N) sum_i (R_g - R_*)_i^2
    limit = n_tokens / (2 * noise_std**2) if noise_std > 0 else 10 / envelope**2
    temperature = rng.uniform(0, 1) * min(limit, 10 / envelope**2)
    mu = temperature - 2 * temperature**2 * noise_std**2 / n_tokens
    c = (1 - math.exp(-mu * envelope**2)) / envelope**2
    # Given the tokens, the Gaussian average over the noise is explicit.
    left = np.mean(np.exp(-temperature * v + 2 * temperature**2 * noise_std**2 * v / n_tokens))
    assert left <= math.exp(-c * v.mean()) * (1 + 1e-9)


@pytest.mark.slow
def test_the_search_for_k_goes_on_where_it_pays():
    """For a rough activation and many samples the best K is beyond the first that are tried."""
    case = BASE | {"beta": 0.1, "n_samples": 10**14}
    free, short = upper_bound(**case), upper_bound(**case, n_intervals=2**20)
    assert free.n_intervals > 2**20 and free.value < short.value and not free.at_limit


def test_a_search_that_ends_at_its_limit_says_so(monkeypatch):
    monkeypatch.setattr(up, "MOST_INTERVALS", 2**20)
    bound = upper_bound(**BASE | {"beta": 0.1, "n_samples": 10**14})
    assert (bound.n_intervals, bound.at_limit) == (2**20, True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beta": 0.0}, "beta must be > 0"),
        ({"holder_constant": 0.0}, "holder_constant must be > 0"),
        ({"n_tokens": 1}, "n_tokens must be >= 2"),
        ({"rank": 6}, "rank must be >= 1 and <= 5"),
        ({"n_samples": 0}, "n_samples must be >= 1"),
        ({"sup_bound": 0.0}, "sup_bound must be > 0"),
        ({"score_bound": 0.0}, "score_bound must be > 0"),
        ({"degree": 0}, "degree must be >= 1"),
        ({"beta": 3.5, "degree": 2}, "degree must be >= 3"),
        ({"support_ratio": 0.5}, "support_ratio must be >= 1"),
        ({"coercivity": 0.0}, "coercivity must be > 0"),
        ({"noise_std": -1.0}, "noise_std must be >= 0"),
        ({"n_intervals": 0}, "n_intervals must be >= 1"),
        ({"sup_bound": math.inf}, "sup_bound must be finite for"),
        ({"odd": True, "coupling": 0.1}, "coupling must be 0 or None for odd functions"),
        ({"odd": True, "coupling": product_coupling}, "coupling must be 0 or None for odd functions"),
        ({"coupling": -0.1}, "coupling must be >= 0"),
        ({"coupling": lambda h: 2.0}, r"coupling\(.*\) must be >= 0 and <= 1"),
        ({"coercivity": 0.5, "odd": True}, "coercivity must be None with odd or coupling"),
        ({"tail": tail, "coupling": 0.5}, "coupling must be None with a tail"),
        ({"tail": lambda t: -1.0}, r"tail\(.*\) must be >= 0"),
    ],
)
def test_bad_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        upper_bound(**BASE | change)
