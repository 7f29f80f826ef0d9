import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from pairint.model import Sphere, TruncatedGaussian, UniformCube, interaction_matrix
from pairint.theory import lower as lo
from pairint.theory.bumps import BumpFamily
from pairint.theory.codes import varshamov_gilbert_code
from pairint.theory.coercivity import product_density, product_moments
from pairint.theory.rates import holder_degree, minimax_exponent
from pairint.theory.setting import Setting

ABAR = 3.0


def density(u):
    return product_density(u, ABAR)


COMMON = dict(interval=(0.2, 2.4), density=density)


def lower(
    n_samples, n_tokens, beta, holder_constant, noise_std, *, sup_bound=math.inf, score_bound=None, **others
):
    setting = Setting(
        beta=beta,
        n_tokens=n_tokens,
        noise_std=noise_std,
        holder_constant=holder_constant,
        sup_bound=sup_bound,
        score_bound=score_bound,
    )
    return lo.lower_bound(n_samples, setting, **others)


def holder_ratio(f, beta, low, high, rng, n_pairs=20_000):
    """Largest |f^(k)(x) - f^(k)(y)| / |x - y|^(beta - k) over random and over close pairs."""
    k = holder_degree(beta)
    x = rng.uniform(low, high, n_pairs)
    y = np.where(rng.uniform(size=n_pairs) < 0.5, rng.uniform(low, high, n_pairs), x)
    y = np.where(x == y, x + rng.choice([-1, 1], n_pairs) * 10 ** rng.uniform(-4, 0, n_pairs), y)
    return np.max(np.abs(f.derivative(x, k) - f.derivative(y, k)) / np.abs(x - y) ** (beta - k))


@pytest.mark.slow
@given(
    beta=st.floats(0.2, 4.0),
    n_bumps=st.integers(1, 20),
    odd=st.booleans(),
    zero_mean=st.booleans(),
    seed=st.integers(0, 2**31),
    holder_constant=st.floats(0.1, 5),
)
@settings(max_examples=60)
def test_hypotheses_are_in_the_class(beta, n_bumps, odd, zero_mean, seed, holder_constant):
    rng = np.random.default_rng(seed)
    family = BumpFamily(
        beta=beta,
        holder_constant=holder_constant,
        n_bumps=n_bumps,
        interval=(0.3, 2.0),
        odd=odd,
        zero_mean=zero_mean,
    )
    f = family.activation(rng.integers(0, 2, n_bumps))
    assert holder_ratio(f, beta, -2.2, 2.2, rng) <= holder_constant * (1 + 1e-6)


@pytest.mark.parametrize("beta", [1.0, 2.0, 3.0])
def test_the_class_is_used_up(beta):
    family = BumpFamily(beta=beta, holder_constant=1.0, n_bumps=4, interval=(0.0, 2.0))
    ratio = holder_ratio(family.activation(np.ones(4)), beta, 0.0, 2.0, np.random.default_rng(0), 200_000)
    assert 0.95 < ratio <= 1 + 1e-9


@pytest.mark.parametrize(("odd", "zero_mean"), [(False, False), (True, False), (False, True)])
def test_profile_integrals(odd, zero_mean):
    family = BumpFamily(
        beta=1.7, holder_constant=2.0, n_bumps=3, interval=(0.3, 2.1), odd=odd, zero_mean=zero_mean
    )
    bump = family.activation([0, 1, 0])
    square = integrate.quad(lambda u: bump(u) ** 2, -3, 3, points=family.knots, limit=200)[0]
    assert family.squared_norm == pytest.approx(square, rel=1e-8)
    mean = integrate.quad(lambda u: float(bump(u)), 0.9, 1.5)[0]
    assert (abs(mean) < 1e-12) == zero_mean
    if zero_mean:
        u = np.linspace(0.9, 1.5, 4001)
        primitive = np.abs(np.cumsum(bump(u)) * (u[1] - u[0])).max()
        scale = family.amplitude * family.width
        assert primitive == pytest.approx(scale * family.profile.sup_primitive, rel=1e-3)
    energy = integrate.quad(lambda u: bump(u) ** 2 * density(u), -3, 3, points=family.knots, limit=200)[0]
    assert family.energies(density)[1] == pytest.approx(energy, rel=1e-7)
    assert np.abs(bump(np.linspace(-3, 3, 3001))).max() == pytest.approx(
        family.amplitude * family.profile.sup, rel=1e-4
    )


@pytest.mark.slow
@pytest.mark.parametrize("n_samples", [10, 10**2, 10**3, 10**4, 10**5, 10**6, 10**7])
def test_code_separation_and_divergence_over_six_decades(n_samples):
    """The ingredients of Fano's argument, measured on the hypotheses themselves."""
    setting = Setting(beta=1.5, n_tokens=3, noise_std=0.5, holder_constant=1.0)
    bound = lo.lower_bound(n_samples, setting, method="fano", **COMMON)
    family = bound.family
    code = varshamov_gilbert_code(family.n_bumps)
    assert code.minimum_distance >= family.n_bumps / 8
    words = code.words(8)
    energies = family.energies(density)
    for other in words[1:]:
        difference = family.activation(words[0].astype(float) - other)
        moments = product_moments(difference, ABAR, 3, family.knots, order=8)
        differing = words[0] != other
        assert moments.second == pytest.approx(energies[differing].sum(), rel=1e-6)
        assert moments.second >= bound.separation * (1 - 1e-9)
    half = family.activation(np.full(family.n_bumps, 0.5))
    aggregated = product_moments(half, ABAR, 3, family.knots, order=8).aggregated
    assert lo.gaussian_kl(n_samples, setting, aggregated) <= bound.kl * (1 + 1e-9)
    assert bound.kl < family.n_bumps * math.log(2) / 8  # the divergence stays below the entropy of the code


@pytest.mark.slow
@pytest.mark.parametrize("n_samples", [10, 10**3, 10**5, 10**7])
@pytest.mark.parametrize("argument", [{}, {"symmetric": True}, {"variation": 1 / 0.4}])
def test_divergence_bounds_of_assouad(n_samples, argument):
    """Jensen, symmetry and variation each bound the exact divergence; symmetry gives it exactly."""
    setting = Setting(beta=1.5, n_tokens=8, noise_std=0.5, holder_constant=2.0)
    bound = lo.lower_bound(n_samples, setting, method="assouad", **COMMON, **argument)
    family = bound.family
    exact = []
    for k in range(family.n_bumps) if "variation" in argument else {0, family.n_bumps - 1}:
        word = np.zeros(family.n_bumps)
        word[k] = 1
        aggregated = product_moments(family.activation(word), ABAR, 8, family.knots, order=12).aggregated
        exact.append(lo.gaussian_kl(n_samples, setting, aggregated))
    largest = np.mean(exact) if "variation" in argument else max(exact)
    assert largest <= bound.kl * (1 + 1e-6)
    if "symmetric" in argument:
        assert max(exact) == pytest.approx(bound.kl, rel=1e-5)


def test_symmetric_bound_forgets_the_number_of_tokens():
    """With M scaled so that M N / (N-1) is the same, the bounds are equal; Jensen's loses N."""
    few, many = (
        lower(m, n, 2.0, 1.0, 0.5, symmetric=True, **COMMON).value for m, n in ((10**6, 2), (1_980_000, 100))
    )
    assert few == pytest.approx(many, rel=1e-6)
    few, many = (lower(10**6, n, 2.0, 1.0, 0.5, **COMMON).value for n in (2, 128))
    assert many == pytest.approx(few * 64 ** -minimax_exponent(2.0), rel=0.15)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0, 3.5])
@pytest.mark.parametrize("method", ["assouad", "fano"])
def test_bounds_decay_at_the_minimax_rate(beta, method):
    # The number of bumps grows like M^(1 / (2 beta + 1)): ten times as many at the second sample size.
    start = 2.5 * (2 * beta + 1)
    sizes = [round(10**e) for e in (start, start + 2 * beta + 1)]
    values = [
        lower(m, 3, beta, 1.0, 0.5, interval=(0.2, 2.4), density=0.1, method=method).value for m in sizes
    ]
    slope = math.log(values[1] / values[0]) / math.log(sizes[1] / sizes[0])
    assert slope == pytest.approx(-minimax_exponent(beta), abs=0.02)


def test_best_takes_the_best_method_and_the_best_number_of_bumps():
    case = dict(interval=(0.0, ABAR), density=density, symmetric=True, score_bound=ABAR)
    methods = ("best", "assouad", "fano", "bayes", "spline")
    kinds = {method: lower(10**5, 3, 2.0, 1.0, 0.5, method=method, **case) for method in methods}
    assert kinds["best"].value == max(kinds[method].value for method in methods[1:])
    assert [kinds[method].method for method in methods] == ["spline", *methods[1:]]
    for method in ("assouad", "bayes", "spline"):
        chosen = kinds[method]
        for shift in (-3, -1, 1, 3, 10):
            n_bumps = max(1, chosen.family.n_bumps + shift)
            other = lower(10**5, 3, 2.0, 1.0, 0.5, method=method, n_bumps=n_bumps, **case)
            assert other.value <= chosen.value * (1 + 1e-12)


@pytest.mark.slow
def test_the_search_for_bumps_goes_on_where_it_pays(monkeypatch):
    case = (10**10, 3, 0.5, 1.0, 0.5)
    options = dict(interval=(0.2, 2.4), density=0.1, method="assouad")
    free, short = lower(*case, **options), lower(*case, **options, n_bumps=2**14)
    assert free.family.n_bumps > 2**14 and free.value > short.value and not free.at_limit
    # Here the bound underflows to zero up to 2^14 bumps.
    assert lower(10**12, *case[1:], **options).value > 0
    monkeypatch.setattr(lo, "MOST_BUMPS", 2**14)
    bound = lower(*case, **options)
    assert (bound.family.n_bumps, bound.at_limit, bound.value) == (2**14, True, short.value)


def test_assouad_by_hand():
    bound = lower(100, 2, 1.0, 1.0, 1.0, interval=(0, 1), density=0.5, method="assouad", n_bumps=1)
    # beta = 1: profile 1 - 4 t^2 with slope at most 4, amplitude h/4, integral of the square 8/15
    energy = 0.5 * (1 / 4) ** 2 * 8 / 15
    kl = 100 * 2 * energy / 2
    assert bound.kl == pytest.approx(kl)
    assert bound.value == pytest.approx(energy / 2 * stats.norm.cdf(-math.sqrt(kl / 2)))


def test_other_noise_uses_pinsker_or_bretagnolle_huber():
    gaussian = lower(10**4, 3, 1.0, 1.0, 0.5, **COMMON).value
    same = lower(10**4, 3, 1.0, 1.0, 0.5, curvature=4.0, **COMMON).value
    assert 0.3 * gaussian < same < gaussian


@pytest.mark.parametrize("shift", [0.05, 0.5, 2.0, 6.0])
def test_inequalities_for_other_noise(shift):
    """Logistic noise: its divergence, and its overlap, by quadrature, against what the proof says."""
    log_p = stats.logistic.logpdf
    curvature = 0.5  # -(log p)'' = sech^2(x / 2) / 2

    def integral(f):
        return integrate.quad(f, -60, 60, points=[0, shift, shift / 2], limit=300)[0]

    kl = integral(lambda x: np.exp(log_p(x)) * (log_p(x) - log_p(x - shift)))
    assert 0 < kl <= curvature * shift**2 / 2
    overlap = integral(lambda x: np.exp(min(log_p(x), log_p(x - shift))))
    assert lo._affinity(np.array(kl)) <= overlap  # 1 - TV
    assert lo._affinity(np.array(kl)) >= max(1 - math.sqrt(kl / 2), math.exp(-kl) / 2) * (1 - 1e-12)


def test_assouad_for_other_noise_by_hand():
    bound = lower(
        100,
        2,
        1.0,
        1.0,
        1.0,
        interval=(0, 1),
        density=0.5,
        method="assouad",
        n_bumps=1,
        curvature=3.0,
    )
    energy = 0.5 * (1 / 4) ** 2 * 8 / 15
    kl = 3.0 * 100 * 2 * energy / 2
    assert bound.kl == pytest.approx(kl)
    assert bound.value == pytest.approx(energy / 4 * max(1 - math.sqrt(kl / 2), math.exp(-kl) / 2))


def density_condition(law, matrix):
    """Return the interval and the bounds of the density of the score from the proof of the proposition."""
    d = law.d
    singular = np.linalg.svd(matrix, compute_uv=False)
    a, radius = singular[0], law.radius
    if isinstance(law, Sphere) and d == 2:
        scale = a * radius**2
        if singular[1] > 1e-9:
            smaller = singular[1] * radius**2
            return (smaller / 4, smaller / 2), (1 / (np.pi * scale), 2 / (math.sqrt(3) * np.pi * smaller))
        return (scale / 4, scale / 2), (1 / (np.pi * scale), 4 / (np.pi * scale))
    if isinstance(law, Sphere):
        constant = math.exp(math.lgamma(d / 2) - math.lgamma((d - 1) / 2)) / math.sqrt(np.pi)
        upper = a * radius**2 / 4
        chance = stats.beta.sf(1 / 4, 1 / 2, (d - 1) / 2)  # squared coordinate of a unit vector
        low = chance * constant * 0.75 ** ((d - 3) / 2) / (a * radius**2)
        return (upper / 2, upper), (low, constant / (upper / 2))
    if isinstance(law, UniformCube):
        inner, smallest = math.sqrt(3), (2 * math.sqrt(3)) ** -d
        largest = smallest
    else:
        inner = law.radius
        shape = (
            stats.chi2.cdf(law.cutoff**2 * d, d)
            * (2 * np.pi) ** (d / 2)
            * (inner / (law.cutoff * d**0.5)) ** d
        )
        smallest, largest = math.exp(-(law.cutoff**2) * d / 2) / shape, 1 / shape

    def ball(k):
        return np.pi ** (k / 2) / math.gamma(k / 2 + 1)

    upper = a * inner**2 / 4
    chance = smallest * inner**d * ball(d) * stats.beta.sf(1 / 4, 1 / 2, (d + 1) / 2)
    low = chance * smallest * ball(d - 1) * (math.sqrt(3) * inner / 2) ** (d - 1) / (a * inner)
    return (upper / 2, upper), (low, largest * ball(d - 1) * radius**d / (upper / 2))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("law", "d", "rank"),
    [
        (law, d, rank)
        for law in (UniformCube, Sphere, TruncatedGaussian)
        for d in (1, 2, 3, 4)
        for rank in (1, 2)
        if rank <= d and (law is not Sphere or d > 1)  # the sphere in dimension one: two atoms
    ],
)
def test_density_condition_holds_with_the_constants_of_the_proof(law, d, rank):
    tokens, matrix = law(d), interaction_matrix(d, rank, 5)
    (low, high), (smallest, largest) = density_condition(tokens, matrix)
    x, y = tokens.sample(400_000, 2, 1).transpose(1, 0, 2)
    scores = np.einsum("ni,ij,nj->n", x, matrix, y)
    counts = np.histogram(scores, np.linspace(low, high, 6))[0]
    scale = len(scores) * (high - low) / 5
    assert np.all(counts + 4 * np.sqrt(counts + 1) >= smallest * scale)
    assert np.all(counts - 4 * np.sqrt(counts + 1) <= largest * scale)
    assert (
        smallest > 0
        and lower(10**4, 3, 1.0, 1.0, 0.5, interval=(low, high), density=smallest, symmetric=True).value > 0
    )


def test_a_sphere_in_dimension_one_has_two_scores():
    x, y = Sphere(1).sample(1000, 2, 0).transpose(1, 0, 2)
    assert set(np.round((x * y)[:, 0], 12)) == {-1.0, 1.0}


def test_sup_bound_limits_the_height():
    free = lower(10, 3, 1.0, 5.0, 0.5, **COMMON)
    low = lower(10, 3, 1.0, 5.0, 0.5, sup_bound=0.1, **COMMON)
    assert free.family.amplitude * free.family.profile.sup > 0.1
    assert low.family.amplitude * low.family.profile.sup <= 0.1 * (1 + 1e-6)
    assert low.value < free.value


def test_divergence_by_hand():
    setting = Setting(beta=1.0, n_tokens=4, noise_std=0.5, holder_constant=1.0)
    assert lo.gaussian_kl(10, setting, 0.3) == pytest.approx(10 * 4 * 0.3 / (2 * 0.25))
    for case, message in (
        ((0, setting, 0.3), "n_samples must be >= 1"),
        ((10, setting, -0.3), "aggregated must be >= 0"),
        ((10, replace(setting, noise_std=0.0), 0.3), "noise_std must be > 0"),
    ):
        with pytest.raises(ValueError, match=message):
            lo.gaussian_kl(*case)


def test_guessing_error_bound_values():
    assert lo.guessing_error_bound(0) == pytest.approx(0.5)
    assert lo.guessing_error_bound(2.0) == pytest.approx(stats.norm.cdf(-1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beta": 0}, "beta must be > 0"),
        ({"holder_constant": -1}, "holder_constant must be > 0"),
        ({"noise_std": 0}, "noise_std must be > 0"),
        ({"n_tokens": 1}, "n_tokens must be >= 2"),
        ({"n_samples": 0}, "n_samples must be >= 1"),
        ({"interval": (1.0, 1.0)}, "interval.1. must be"),
        ({"interval": (-1.0, 1.0), "symmetric": True}, "interval.0. must be"),
        ({"density": 0.0}, "density must be > 0"),
        ({"symmetric": True, "variation": 1.0}, "variation must be None"),
        ({"method": "le cam"}, "method must be one of"),
        ({"method": "fano", "n_bumps": 7}, "n_bumps must be >= 8"),
        ({"sup_bound": 1e-3, "n_bumps": 1}, "n_bumps must be in"),
        ({"sup_bound": 0}, "sup_bound must be > 0"),
        ({"sup_bound": math.nan}, "sup_bound must be finite"),
        ({"sup_bound": -math.inf}, "sup_bound must be finite"),
        ({"curvature": 0}, "curvature must be > 0"),
        ({"density": lambda u: np.full_like(u, -1.0)}, "density must be finite and >= 0, got -1"),
        ({"density": lambda u: np.full_like(u, np.nan)}, "density must be finite and >= 0, got nan"),
        ({"density": lambda u: np.full_like(u, 0.5)}, "density must have a mass of at most 1"),
        ({"density": lambda u: np.full_like(u, 0.3), "symmetric": True}, "mass of at most 1"),
        ({"density": 5}, "density must have a mass of at most 1, got at least 11"),
        ({"density": 0.3, "symmetric": True}, "mass of at most 1, got at least 1.32"),
    ],
)
def test_bad_arguments_are_named(change, message):
    arguments = dict(n_samples=100, n_tokens=3, beta=1.0, holder_constant=1.0, noise_std=0.5)
    with pytest.raises(ValueError, match=message):
        lower(**(arguments | COMMON | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"density": None}, "density must be a function of the score or a lower bound"),
        ({"density": (0.1, 0.2)}, "density must be a function of the score or a lower bound"),
        ({"interval": None}, "interval must be a pair of real numbers, got None"),
        ({"interval": (1.0,)}, "interval must be a pair"),
        ({"sup_bound": True}, "sup_bound must be a real number, got True"),
        ({"sup_bound": None}, "sup_bound must be a real number"),
        ({"n_bumps": 2.5}, "n_bumps must be an integer"),
    ],
)
def test_arguments_of_a_wrong_kind_are_named(change, message):
    arguments = dict(n_samples=100, n_tokens=3, beta=1.0, holder_constant=1.0, noise_std=0.5)
    with pytest.raises(TypeError, match=message):
        lower(**(arguments | COMMON | change))


def test_sup_bound_may_be_any_real_number():
    arguments = dict(n_samples=100, n_tokens=3, beta=1.0, holder_constant=1.0, noise_std=0.5, **COMMON)
    reference = lower(**arguments, sup_bound=1.0).value
    assert lower(**arguments, sup_bound=np.float32(1)).value == reference
    assert lower(**arguments, sup_bound=np.float32(np.inf)).value == lower(**arguments).value


@pytest.mark.parametrize("kl", [-1, [0.5, -1e-9], math.nan])
def test_guessing_error_bound_rejects_what_is_no_divergence(kl):
    with pytest.raises(ValueError, match="kl must be >= 0"):
        lo.guessing_error_bound(kl)


def test_energies_reject_a_density_that_is_negative_somewhere():
    family = BumpFamily(beta=1.0, holder_constant=1.0, n_bumps=4, interval=(0.2, 2.4))
    with pytest.raises(ValueError, match="density must be finite and >= 0"):
        family.energies(lambda u: np.where(u > 1.9, -0.1, 0.2))
