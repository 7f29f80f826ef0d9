"""The price of the matrix from below: exact Bayes risks, the geometry of the hypotheses, limits."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import special

from pairint.model import Sphere, UniformCube
from pairint.theory import Setting
from pairint.theory.lower_matrix import (
    linear_range,
    matrix_lower_bound,
    wave_correlation,
    wave_lower_bound,
)

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


def bound_for(law, n_samples, setting):
    bound = law.coordinate_bound
    return matrix_lower_bound(n_samples, setting, token_bound=law.radius, coordinate_bound=bound)


def largest_score(law, matrix):
    """Return the largest |x'Jy| on the support, exactly for cube (corners) and sphere (operator norm)."""
    if isinstance(law, UniformCube):
        corners = np.array(list(itertools.product([-1, 1], repeat=law.d))) * law.coordinate_bound
        return np.abs(corners @ matrix @ corners.T).max()
    return law.radius**2 * np.linalg.norm(matrix, 2)


@pytest.mark.parametrize(("d", "rank"), [(1, 1), (3, 1), (5, 2), (4, 4), (8, 3)])
@pytest.mark.parametrize("n_samples", [100, 10**4, 10**8])
def test_hypotheses_are_in_the_class(d, rank, n_samples):
    setting = replace(SETTING, d=d, rank=rank)
    rng = np.random.default_rng(0)
    for law in (UniformCube(d), Sphere(d)):
        bound = bound_for(law, n_samples, setting)
        for _ in range(10):
            matrix = hypothesis(bound, d, rank, rng)
            assert np.linalg.matrix_rank(matrix, tol=1e-12 * bound.centre) <= rank
            assert largest_score(law, matrix) <= linear_range(setting) * (1 + 1e-12)


def test_wider_hypotheses_leave_the_class():
    """The family nearly fills the class: 1.7 times as large, and the worst corner of it is outside."""
    bound = bound_for(UniformCube(1), 10**6, replace(SETTING, d=1, rank=1))
    assert 1.7 * 3 * (bound.centre + bound.width) > SETTING.sup_bound


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
    """Half of the price, as soon as M >= 455 sigma^2 min(R_out^4 r d, q^4 (r d)^2) / B_lin^2."""
    for d, rank, n_tokens in [(1, 1, 2), (4, 1, 3), (10, 10, 8), (60, 3, 64)]:
        setting = replace(SETTING, d=d, rank=rank, n_tokens=n_tokens)
        for coordinate, least in [
            (None, math.ceil(455 * 0.25 * (3 * d) ** 2 * rank * d)),
            (math.sqrt(3), math.ceil(455 * 0.25 * 9 * (rank * d) ** 2)),
        ]:
            bound = matrix_lower_bound(
                least, setting, token_bound=math.sqrt(3 * d), coordinate_bound=coordinate
            )
            assert bound.value >= bound.parametric / 2
            assert bound.value >= rank * d * 0.25 / (4 * least)


def test_before_that_the_matrix_may_be_cheaper():
    """On a wide sphere, scores are small and a constant beats the price: the bound must not claim it."""
    d, score, lipschitz = 400, 3.0, 0.3
    setting = Setting(
        beta=1.0,
        holder_constant=lipschitz,
        d=d,
        rank=1,
        n_tokens=3,
        noise_std=0.5,
        score_bound=score,
        sup_bound=1.0,
    )
    n_samples = 10_000
    # |A| <= score / d on this sphere, so E U^2 <= (score / d)^2; the mean of all outputs is the estimator.
    constant = (lipschitz * score / d) ** 2 + (0.25 + 1.0) / n_samples
    bound = matrix_lower_bound(n_samples, setting, token_bound=Sphere(d).radius)
    assert bound.parametric > 10 * constant
    assert bound.value < constant


def least_squares_errors(d, n_tokens, n_samples, noise, repetitions):
    """Return the squared errors of least squares for g(x, y) = x'Jy with all d^2 entries free."""
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(repetitions):
        X = UniformCube(d).sample(n_samples, n_tokens, rng)
        partners = (X.sum(axis=1, keepdims=True) - X) / (n_tokens - 1)
        features = np.einsum("mia,mib->miab", X, partners).reshape(-1, d * d)
        eta = noise * rng.standard_normal(len(features))
        errors.append(float(np.sum(np.linalg.lstsq(features, eta, rcond=None)[0] ** 2)))
    return float(np.mean(errors)), float(np.std(errors) / math.sqrt(repetitions))


@pytest.mark.slow
def test_least_squares_is_not_beaten_and_nearly_attains_it():
    """Full rank: least squares pays sigma^2 d^2 (N-1)/(MN); three times the bound is refuted by it."""
    d, n_tokens, n_samples = 3, 4, 20_000
    setting = replace(SETTING, d=d, rank=d, n_tokens=n_tokens)
    bound = bound_for(UniformCube(d), n_samples, setting)
    mean, error = least_squares_errors(d, n_tokens, n_samples, 0.5, 40)
    assert mean + 5 * error > bound.value
    # E (F'F)^-1 exceeds (E F'F)^-1 by a share of about (numbers + fourth moments) / (M N).
    assert mean == pytest.approx(bound.parametric, abs=5 * error + 30 / n_samples * bound.parametric)
    # A factor N - 1 dropped in the information.
    assert mean + 5 * error < 3 * bound.value


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


@pytest.mark.parametrize("n_samples", [1, 100, 10**6])
def test_without_a_bound_the_price_is_due_from_the_first_sample_on(n_samples):
    """The limit of the bounds for larger and larger B, from below."""
    free = replace(SETTING, sup_bound=math.inf)
    bound = matrix_lower_bound(n_samples, free, token_bound=3.0, coordinate_bound=3**0.5)
    assert bound.value == bound.parametric == pytest.approx(0.25 * 16 * 2 / (n_samples * 3))
    values = [
        matrix_lower_bound(n_samples, replace(free, sup_bound=b), token_bound=3.0).value
        for b in (1.0, 1e2, 1e4, 1e6, 1e8)
    ]
    assert np.all(np.diff(values) > 0)
    # What is missing is of the order of the square of the tilt, at best 1e-5 here.
    assert (1 - 1e-4) * bound.value < values[-1] < bound.value


@pytest.mark.parametrize(
    ("change", "keywords", "message"),
    [
        ({"noise_std": 0.0}, {}, "noise_std"),
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
    # |B_lin / abar (u - v)| <= L |u - v|^beta at the ends, where it is tightest.
    slope = linear_range(rough) / 3
    assert slope * 6 == pytest.approx(0.01 * 6**0.5)
    assert linear_range(replace(rough, beta=1.0, sup_bound=0.02)) == 0.02


SCALES = np.geomspace(0.3, 3000, 40)


def test_correlation_of_a_wave_by_quadrature():
    """Dimension one: uniform tokens, and tokens with the Laplace law, the worst of the log-concave ones."""
    uniform = np.abs(special.sici(3 * SCALES)[0] / (3 * SCALES))  # E cos(t x y), |x|, |y| <= sqrt 3
    x, weight = np.polynomial.laguerre.laggauss(150)
    # Density exp(-sqrt 2 |y|) / sqrt 2: E cos(s y) = 1 / (1 + s^2 / 2), and x = sqrt(1/2) times exponential.
    laplace = np.array([weight @ (1 / (1 + (t * x) ** 2 / 4)) for t in SCALES[SCALES < 30]])
    for exact, variation in ((uniform, 1 / math.sqrt(3)), (laplace, math.sqrt(2))):
        bounds = np.array([wave_correlation(t, 1.0, variation=variation) for t in SCALES[: len(exact)]])
        assert np.all(exact <= bounds)
        assert bounds[0] == 1.0 or variation < 1
    # Mutated: without its logarithm the bound is refuted.
    z = 1 / (3 * SCALES)
    assert np.any(uniform[SCALES > 1] > z[SCALES > 1])


@pytest.mark.parametrize(("law", "variation"), [(Sphere, 1.0), (UniformCube, math.sqrt(2))])
@pytest.mark.parametrize("d", [3, 5, 20])
def test_correlations_in_more_dimensions(law, variation, d):
    rng = np.random.default_rng(d)
    x, y = law(d).sample(20_000, 2, rng).transpose(1, 0, 2)
    for _ in range(6):
        rank = rng.integers(1, d + 1)
        matrix = rng.standard_normal((d, rank)) @ rng.standard_normal((rank, d))
        norm = np.linalg.norm(matrix, 2)
        scores = np.einsum("ni,ij,nj->n", x, matrix, y)
        for frequency in 10 ** rng.uniform(-1, 2, 4) / norm:
            mean = abs(np.cos(frequency * scores).mean())
            # False alarm of a check: 6e-7, six standard errors of at most 20000^(-1/2).
            assert mean <= wave_correlation(frequency, norm, variation=variation) + 5 * 20_000**-0.5


def test_twenty_six_is_enough():
    assert wave_correlation(26.0, 1.0, variation=1.0) <= 1 / 6 < wave_correlation(25.0, 1.0, variation=1.0)


def packing(bound, setting, size, variation, rng, tries=400):
    """Return matrices [W; 0] near a_0 [I, 0], pairwise apart as the proof asks."""
    d, rank = setting.d, setting.rank
    centre = 2 * setting.score_bound / (3 * size)
    apart = 26 * variation**2 / bound.frequency
    chosen = []
    for _ in range(tries):
        part = rng.standard_normal((rank, d))
        part *= centre / 2 * rng.uniform() ** (1 / (rank * d)) / np.linalg.norm(part, 2)
        part[:, :rank] += centre * np.eye(rank)
        matrix = np.zeros((d, d))
        matrix[:rank] = part
        if all(np.linalg.norm(matrix - other, 2) >= apart for other in chosen):
            chosen.append(matrix)
    return chosen


@pytest.mark.parametrize(("d", "rank"), [(3, 1), (3, 2), (4, 4)])
def test_waves_are_hypotheses_as_the_proof_says(d, rank):
    """In the class; as far apart as claimed; and no more energy than the divergence counts."""
    rng = np.random.default_rng(d + rank)
    setting = replace(SETTING, d=d, rank=rank, beta=1.5)
    law, variation = UniformCube(d), math.sqrt(2)
    size = min(law.radius**2, 3 * math.sqrt(rank * d))
    bound = wave_lower_bound(
        10**14, setting, token_bound=law.radius, coordinate_bound=math.sqrt(3), variation=variation
    )
    assert bound.value > 0
    matrices = packing(bound, setting, size, variation, rng)[:6]
    assert len(matrices) >= 4
    x, y = law.sample(40_000, 2, rng).transpose(1, 0, 2)
    waves = []
    for matrix in matrices:
        assert largest_score(law, matrix) <= setting.score_bound * (1 + 1e-12)
        assert np.linalg.matrix_rank(matrix) <= rank
        waves.append(np.sin(bound.frequency * np.einsum("ni,ij,nj->n", x, matrix, y)))
    error = 5 * 2 / 40_000**0.5  # five standard errors of averages of numbers in [0, 4]
    for one, two in itertools.combinations(waves, 2):
        assert np.mean((one - two) ** 2) >= 0.5 - error
    assert max(np.mean(wave**2) for wave in waves) <= 7 / 12 + error
    # The first derivative a omega cos(omega u) satisfies Hoelder's condition with the exponent 1/2.
    step = np.linspace(1e-3, math.pi, 1000) / bound.frequency
    quotient = bound.height * bound.frequency * 2 * np.sin(bound.frequency * step / 2) / step**0.5
    assert quotient.max() <= setting.holder_constant * (1 + 1e-9)
    assert bound.height <= setting.sup_bound


def test_waves_by_hand():
    """For the frequency that is chosen, the formula of the theorem, and the best height."""
    bound = wave_lower_bound(10**12, SETTING, token_bound=3.0, variation=1.0)
    n = 10**12 * 3 / (0.25 * 2)
    log_packing = 10 * math.log(bound.frequency * 3.0 / (78 * 9.0))
    assert bound.log_packing == pytest.approx(log_packing, rel=1e-9)

    def value(square):
        return square / 8 * (1 - (7 * n * square / 24 + math.log(2)) / log_packing)

    assert bound.value == pytest.approx(value(bound.height**2), rel=1e-9)
    largest = min(1.0, 0.2 * bound.frequency**-2) ** 2
    assert bound.height**2 <= largest * (1 + 1e-12)
    assert bound.value >= max(value(s) for s in np.linspace(0, largest, 500)) * (1 - 1e-9)
    # The zero estimator and what the bound says of it.
    assert bound.value < 7 / 12 * bound.height**2


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_waves_show_a_logarithm(beta):
    """M times the bound grows like log(M) / (2 beta), where that of linear hypotheses is constant."""
    setting = replace(SETTING, beta=beta, d=10, rank=1)
    sizes = [10 ** (20 * k) for k in (1, 2, 3, 4)]
    values = [
        m * wave_lower_bound(m, setting, token_bound=30**0.5, variation=math.sqrt(2)).value for m in sizes
    ]
    steps = np.diff(values)
    # For a given frequency the best value is (3/28) H / n; log omega grows by 20 log(10) / (2 beta).
    expected = 3 / 28 * 10 * 20 * math.log(10) / (2 * beta) * 0.25 * 2 / 3
    assert steps == pytest.approx(expected, rel=0.1)
    parametric = matrix_lower_bound(sizes[-1], setting, token_bound=30**0.5).parametric * sizes[-1]
    assert parametric < values[-1]


def test_waves_prove_nothing_for_few_samples():
    for m in (1, 100, 10**4):
        bound = wave_lower_bound(m, SETTING, token_bound=3.0, variation=1.0)
        assert 0 <= bound.value < matrix_lower_bound(m, SETTING, token_bound=3.0).value


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"variation": 0.3}, "variation must be >= 0.333"),
        ({"token_bound": 0.0}, "token_bound must be > 0"),
        ({"coordinate_bound": -1.0}, "coordinate_bound must be > 0"),
    ],
)
def test_bad_arguments_of_the_waves(keywords, message):
    with pytest.raises(ValueError, match=message):
        wave_lower_bound(1000, SETTING, **{"token_bound": 3.0, "variation": 1.0} | keywords)
    with pytest.raises(ValueError, match="norm must be > 0"):
        wave_correlation(1.0, 0.0, variation=1.0)
