"""The bound for a known matrix: its formula, the inequalities of its proof, and measured errors."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats
from settings_of import split

from pairint.model import Sphere, SplineSpace, UniformCube, interaction_matrix, pair_scores
from pairint.theory import upper_known as up
from pairint.theory.approximation import HolderSum, taylor_error
from pairint.theory.coercivity import product_density
from pairint.theory.fourth_moment import lower_tail_exponent, range_factor
from pairint.theory.setting import Setting

ORACLE = dict(
    n_samples=10_000,
    beta=2.0,
    n_tokens=3,
    noise_std=0.5,
    holder_constant=1.0,
    score_bound=1.0,
    sup_bound=1.0,
    density=lambda u: product_density(u, 1.0),
)


def oracle_upper_bound(**arguments):
    setting, others = split(arguments)
    return up.oracle_upper_bound(setting=setting, **others)


def sphere_density(d):
    """Of the score for the sphere of radius sqrt(d) and A = I / sqrt(d): bounded by sqrt(d)."""

    def density(u):
        t = np.clip(1 - (np.asarray(u) / math.sqrt(d)) ** 2, 1e-300, 1)
        return np.exp((d - 3) / 2 * np.log(t) - special.betaln(0.5, (d - 1) / 2)) / math.sqrt(d)

    return density


SPHERES = {d: sphere_density(d) for d in (3, 10, 30, 300)}


def chernoff(zeta):
    return zeta + (1 - zeta) * math.log(1 - zeta)


@pytest.mark.parametrize("n_samples", [300, 10**4, 10**7])
@pytest.mark.parametrize("n_tokens", [2, 30])
@pytest.mark.parametrize("kind", ["odd", "any", "coupled"])
def test_terms_by_hand_and_the_cells_and_the_threshold_are_nearly_the_best(n_samples, n_tokens, kind):
    k, d = 12, 10
    case = ORACLE | {"density": SPHERES[d], "score_bound": math.sqrt(d), "n_tokens": n_tokens}
    keywords = {"odd": {"odd": True}, "any": {}, "coupled": {"coupling": lambda h: min(1.0, h**2 / 40)}}[kind]
    bound = oracle_upper_bound(**case | keywords | {"n_samples": n_samples}, n_intervals=k)
    kappa, mass = up.cell_christoffel(case["density"], n_intervals=k, degree=1, score_bound=math.sqrt(d))
    sup = (math.sqrt(d) / k) ** 2 / 4  # Taylor's 1/2, and half of it

    def terms(dropped, zeta):
        """The theorem, without the outermost cells: dropped of them at each end."""
        kept = slice(dropped, k - dropped)
        lost = mass.sum() - mass[kept].sum()
        largest, numbers, omega = kappa[kept].max(), 2 * (k - 2 * dropped), n_tokens - 1
        b = sup**2 + lost
        if kind == "odd":
            largest, numbers, omega = largest / 2, numbers // 2, 3 - 2 / (n_tokens - 1)
        else:
            b *= n_tokens - 1
        if kind == "coupled":
            tau = min(1.0, (2 * math.sqrt(d) / k) ** 2 / 40)
            seen = (2 * sup * math.sqrt(tau) + math.sqrt(lost)) ** 2
            b = min(b, 4 * sup**2 + lost + (n_tokens - 2) * seen)
        variance = (n_tokens - 1) / n_tokens * 0.25 * numbers / n_samples / (1 - zeta)
        design = omega * largest * b / n_samples / (1 - zeta) ** 2
        exponent = chernoff(zeta) * n_samples / (omega * largest)
        return b, variance, design, min(1.0, numbers * math.exp(-exponent))

    assert bound.n_dropped % 2 == 0  # the law is even, so mirrored cells have the same kappa
    here = terms(bound.n_dropped // 2, bound.gram_loss)
    assert (bound.bias, bound.variance, bound.design, bound.failure) == pytest.approx(here, rel=1e-6)
    grid = itertools.product(range(k // 2), np.linspace(0.001, 0.989, 400))
    # Steps of 10 % in zeta near 0, and of 1.2 % above: 1/(1 - zeta)^2 changes by at most a few per cent.
    assert bound.value <= 1.05 * min(sum(terms(dropped, zeta)) for dropped, zeta in grid)


def old_bound(n_samples, setting, density, odd, k):
    """The bound with half of the Gram matrix, Taylor's polynomials, every cell, and Minkowski's factors."""
    degree, partners = setting.degree, setting.n_tokens - 1
    kappa = up.christoffel_number(density, n_intervals=k, degree=degree, score_bound=setting.score_bound)
    kappa, numbers = (kappa / 2, k * (degree + 1) // 2) if odd else (kappa, k * (degree + 1))
    size = dict(beta=setting.beta, holder_constant=setting.holder_constant, score_bound=setting.score_bound)
    sup = taylor_error(k, **size)
    b = sup**2 * (1 if odd else partners)
    factor = 4 if odd else 8
    failure = numbers * math.exp(-(1 - math.log(2)) / 2 * n_samples / (partners * kappa))
    bias = sup**2 if odd else 2 * (sup + math.sqrt(b)) ** 2
    variance = factor * partners / setting.n_tokens * setting.noise_std**2 * numbers / n_samples
    return (
        bias + variance + factor * partners * kappa * b / n_samples + setting.sup_bound**2 * min(1, failure)
    )


@pytest.mark.slow
@pytest.mark.parametrize("n_tokens", [2, 3, 32, 512])
@pytest.mark.parametrize("d", [1, 3, 30, 300])
@pytest.mark.parametrize("odd", [False, True])
def test_the_bound_is_below_the_old_one(n_tokens, d, odd):
    """On a grid over six decades of M; d = 1 stands for one entry on the cube, the others for spheres."""
    law, reach = (lambda u: product_density(u, 3.0), 3.0) if d == 1 else (SPHERES[d], math.sqrt(d))
    for beta, n_samples in itertools.product((0.5, 2.5), (10**4, 10**6, 10**8, 10**10)):
        setting, _ = split(ORACLE | {"beta": beta, "n_tokens": n_tokens, "score_bound": reach})
        for k in (2, 8, 32, 128):  # whatever K is: so at the best one, too
            new = up.oracle_upper_bound(n_samples, setting, density=law, odd=odd, n_intervals=k)
            try:
                old = old_bound(n_samples, setting, law, odd, k)
            except ValueError:  # a cell where the density underflows: the old bound said nothing
                continue
            assert new.value < old


@pytest.mark.slow
@pytest.mark.parametrize("d", [1, 3, 30])
@pytest.mark.parametrize("beta", [0.5, 2.0, 2.5])
def test_fourth_moments_take_the_number_of_tokens_out(monkeypatch, d, beta):
    """Against the range N - 1 of the Gram matrix: never worse, better by far for many tokens."""
    law, reach = (lambda u: product_density(u, 3.0), 3.0) if d == 1 else (SPHERES[d], math.sqrt(d))
    samples, tokens = (10**3, 10**5, 10**7, 10**9), (2, 3, 4, 16, 512)
    case = ORACLE | {"beta": beta, "score_bound": reach, "holder_constant": 0.05}
    given = {"density": law, "odd": True, "n_intervals": 8}

    def bounds(factor=1):
        """One row for each number of tokens, one column for each number of samples."""
        rows = [split(case | {"n_tokens": n})[0] for n in tokens]
        return np.array(
            [[up.oracle_upper_bound(factor * m, s, **given).value for m in samples] for s in rows]
        )

    new = bounds()
    # Three times as many samples make up for any number of tokens: omega_N is less than 3.
    assert np.all(bounds(3) <= new[0])
    monkeypatch.setattr(up, "range_factor", lambda n_tokens, *, centred: n_tokens - 1.0)
    old = bounds()
    assert np.array_equal(new[:2], old[:2])  # for two and three tokens omega is N - 1
    assert np.all(new[2:] < old[2:])
    assert np.all(np.diff(new, axis=0) >= 0)
    assert np.max(old[-1] / new[-1]) > 5


class Exact:
    """Tokens on a few points, i.i.d. given Theta, any functions of two tokens: expectations by enumeration.

    ``laws`` are those of a token given each of equally likely Theta; functions are tables over pairs.
    """

    def __init__(self, laws, basis, truth, n_tokens, n_samples):
        self.n_tokens, self.n_samples = n_tokens, n_samples
        laws, basis, truth = (np.asarray(a, dtype=float) for a in (laws, basis, truth))
        self.dimension = len(basis)
        self.pairs = np.mean([np.outer(law, law) for law in laws], axis=0)
        self.mean = lambda h: np.einsum("ab,...ab->...", self.pairs, h)
        gamma = self.mean(basis[:, None] * basis[None])
        seen = [np.einsum("iab,b->ia", basis, law) for law in laws]
        cross = np.mean([s @ (law[:, None] * s.T) for s, law in zip(seen, laws, strict=True)], axis=0)
        gram = (gamma + (n_tokens - 2) * cross) / (n_tokens - 1)
        kappa = np.einsum("iab,ij,jab->ab", basis, np.linalg.inv(gamma), basis)
        self.kappa = kappa[self.pairs > 0].max()
        # The coefficients of the best function of the space in each of the two norms.
        right = self.mean(basis * truth)
        means = [truth @ law for law in laws]
        mixed = np.mean([s @ (law * m) for s, law, m in zip(seen, laws, means, strict=True)], axis=0)
        aggregated = np.linalg.solve(gram, (right + (n_tokens - 2) * mixed) / (n_tokens - 1))
        self.f = truth - np.einsum("i,iab->ab", aggregated, basis)
        self.e = truth - np.einsum("i,iab->ab", np.linalg.solve(gamma, right), basis)
        unseen = np.mean([law @ (self.e @ law) ** 2 for law in laws])
        self.norm = self.mean(self.e**2)
        self.b = self.norm + (n_tokens - 2) * unseen
        # One sample: every word of tokens, its chance, its Gram matrix and its right side, whitened.
        half = np.linalg.cholesky(np.linalg.inv(gram))
        white = np.einsum("ij,iab->jab", half, basis)
        words = np.array(list(itertools.product(range(laws.shape[1]), repeat=n_tokens)))
        chance = np.mean([np.prod(law[words], axis=1) for law in laws], axis=0)
        features = self.aggregate(white, words)
        residual = self.aggregate(self.f, words)
        self.leverage = np.einsum("jwn,jwn->wn", features, features)
        self.spread = float(chance @ (self.leverage * residual**2).mean(axis=1))
        self.residual = float(chance @ (residual**2).mean(axis=1))
        matrices = np.einsum("iwn,jwn->wij", features, features) / n_tokens
        squares = np.einsum("w,wij,wjk->ik", chance, matrices, matrices)
        self.second_moment = float(np.linalg.eigvalsh(squares)[-1])
        vectors = np.einsum("jwn,wn->wj", features, residual) / n_tokens
        # All samples: sums over M of them.
        self.chance = np.ones(1)
        total, moved = np.zeros((1, self.dimension, self.dimension)), np.zeros((1, self.dimension))
        for _ in range(n_samples):
            self.chance = np.outer(self.chance, chance).ravel()
            total = (total[:, None] + matrices).reshape(-1, *matrices.shape[1:])
            moved = (moved[:, None] + vectors).reshape(-1, self.dimension)
        self.matrices, self.vectors = total / n_samples, moved / n_samples
        self.pair_gram = half.T @ gamma @ half
        self.cross_f = self.mean(white * self.f)
        self.smallest = np.linalg.eigvalsh(self.matrices)[:, 0]

    def aggregate(self, h, words):
        """Return the averages over partners, shape (..., words, N)."""
        n = self.n_tokens
        columns = [
            sum(h[..., words[:, i], words[:, j]] for j in range(n) if j != i) / (n - 1) for i in range(n)
        ]
        return np.stack(columns, axis=-1)

    def error(self, zeta, noise_std):
        """Return E ||fit - truth||^2 on the good event, before clipping, and the chance of the other."""
        good = self.smallest >= 1 - zeta
        if not good.any():
            return 0.0, 1.0
        inverse = np.linalg.inv(self.matrices[good])
        move = np.einsum("wij,wj->wi", inverse, self.vectors[good])
        approximation = self.mean(self.f**2) - 2 * move @ self.cross_f
        approximation = approximation + np.einsum("wi,ij,wj->w", move, self.pair_gram, move)
        noise = np.einsum("wij,ij->w", inverse, self.pair_gram)
        noise = noise * noise_std**2 / (self.n_samples * self.n_tokens)
        return float(self.chance[good] @ (approximation + noise)), float(self.chance[~good].sum())

    def bound(self, zeta, noise_std, omega):
        """The theorem, but for the last term; omega is N - 1 or, for a centred space, omega_N."""
        partners, m = self.n_tokens - 1, self.n_samples
        variance = partners / self.n_tokens * noise_std**2 * self.dimension / m / (1 - zeta)
        return self.b + variance + omega * self.kappa * self.b / m / (1 - zeta) ** 2


@st.composite
def finite_problems(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_tokens, points = draw(st.sampled_from([(2, 2), (2, 3), (3, 2), (4, 2)]))
    n_samples = draw(st.integers(1, 4 if points**n_tokens <= 9 else 3))
    laws = rng.dirichlet(np.full(points, draw(st.sampled_from([0.5, 3.0]))), size=draw(st.integers(1, 2)))
    laws = (laws + 0.01) / (1 + 0.01 * points)
    dimension = draw(st.integers(1, 2))
    return Exact(
        laws,
        rng.standard_normal((dimension, points, points)),
        rng.standard_normal((points, points)),
        n_tokens,
        n_samples,
    )


@pytest.mark.slow
@given(finite_problems(), st.floats(0.02, 0.98), st.sampled_from([0.0, 0.3, 2.0]))
@settings(max_examples=120, deadline=None)
def test_every_inequality_of_the_theorem_over_random_laws(exact, zeta, noise_std):
    error, bad = exact.error(zeta, noise_std)
    rounding = 1 + 1e-8  # the Gram matrices have condition numbers up to 10^6 here
    partners = exact.n_tokens - 1
    assert error <= exact.bound(zeta, noise_std, partners) * rounding
    exponent = chernoff(zeta) * exact.n_samples / (partners * exact.kappa)
    assert bad <= exact.dimension * math.exp(-exponent) * rounding
    assert exact.leverage.max() <= partners * exact.kappa * rounding
    assert exact.spread <= partners * exact.kappa * exact.residual * rounding + 1e-12
    assert partners * exact.residual <= exact.b * rounding
    assert exact.mean(exact.f**2) <= partners * exact.residual * rounding + 1e-12


def test_without_a_factor_the_inequalities_are_false():
    """The mutated twins: in the bias the other tokens, in the leverage the partners."""
    rng = np.random.default_rng(0)
    cases = [
        Exact([[0.5, 0.5]], rng.standard_normal((1, 2, 2)), rng.standard_normal((2, 2)), 4, 1)
        for _ in range(30)
    ]
    assert any(case.mean(case.f**2) > 1.05 * case.norm for case in cases)
    assert any(case.leverage.max() > 1.05 * case.kappa for case in cases)
    laws = rng.dirichlet(np.full(3, 0.4), size=200)
    cases = [
        Exact([law], rng.standard_normal((1, 3, 3)), rng.standard_normal((3, 3)), 3, 1)
        for law in (laws + 0.01) / 1.03
    ]
    assert any(case.spread > 1.02 * case.kappa * case.residual for case in cases)


# A centred space: what one token knows of its functions is nothing.


def centred_table(rng, shape, points):
    """Functions of two tokens on points x and -x, odd in the second: tables over pairs of 2 points."""
    half = rng.standard_normal((*shape, 2 * points, points)) * rng.uniform(size=(2 * points, points)) ** 2
    return np.concatenate([half, -half], axis=-1)


@st.composite
def centred_problems(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_tokens, points, n_samples = draw(
        st.sampled_from([(2, 1, 4), (2, 2, 2), (3, 1, 3), (3, 2, 1), (4, 1, 2), (5, 2, 1), (7, 1, 1)])
    )
    laws = rng.dirichlet(np.full(points, draw(st.sampled_from([0.5, 3.0]))), size=draw(st.integers(1, 3)))
    laws = np.tile((laws + 0.01) / (1 + 0.01 * points), 2) / 2
    dimension = draw(st.integers(1, min(3, 2 * points)))
    return Exact(
        laws,
        centred_table(rng, (dimension,), points),
        centred_table(rng, (), points),
        n_tokens,
        n_samples,
    )


@pytest.mark.slow
@given(centred_problems(), st.floats(0.02, 0.98), st.sampled_from([0.0, 0.3, 2.0]))
@settings(max_examples=150, deadline=None)
def test_the_number_of_tokens_disappears_for_centred_spaces(exact, zeta, noise_std):
    """E Z^2 <= omega_N kappa I, the variance of what is not approximated, the lost Gram matrix, all of it."""
    omega, rounding = range_factor(exact.n_tokens, centred=True), 1 + 1e-8
    assert exact.b == pytest.approx(exact.norm, rel=1e-12)
    assert exact.second_moment <= omega * exact.kappa * rounding
    assert exact.spread <= omega * exact.kappa * exact.residual * rounding + 1e-12
    error, bad = exact.error(zeta, noise_std)
    exponent = chernoff(zeta) * exact.n_samples / (omega * exact.kappa)
    assert bad <= exact.dimension * math.exp(-exponent) * rounding
    assert error <= exact.bound(zeta, noise_std, omega) * rounding


def gram_of_signs(n_tokens):
    """Tokens that are signs, h(x, y) = x y: values and chances of the Gram matrix, whose mean is 1."""
    total = n_tokens - 2.0 * np.arange(n_tokens + 1)
    # R_i = X_i (S - X_i) / n; the mean over i of n R_i^2 is ((N - 2) S^2 + N) / (N n).
    values = ((n_tokens - 2) * total**2 + n_tokens) / (n_tokens * (n_tokens - 1))
    return values, stats.binom.pmf(np.arange(n_tokens + 1), n_tokens, 0.5)


@pytest.mark.parametrize("n_tokens", [2, 3, 4, 16, 128, 512])
def test_no_constant_of_the_second_moment_can_go(n_tokens):
    """Signs: kappa = 1. Two instead of three pairings, or the diagonal left out, is refuted."""
    values, chance = gram_of_signs(n_tokens)
    n = n_tokens - 1
    second = chance @ values**2
    assert chance @ values == pytest.approx(1, rel=1e-12)
    assert second <= range_factor(n_tokens, centred=True) * (1 + 1e-12)
    if n_tokens == 2:
        assert second > 3 * (1 - 1 / n)  # without the diagonal
    if n_tokens >= 16:
        assert second > 2 * (1 - 1 / n) + 1 / n  # without one of the three pairings
        assert second > 0.85 * range_factor(n_tokens, centred=True)


def test_the_variance_of_what_is_not_approximated_is_attained_too():
    """Signs again, with an f of the same signs: E |Z|^2 R_f^2 is omega_N kappa |f|_G^2 exactly."""
    for n_tokens in (2, 3, 4, 8):
        sums = n_tokens - 1 - 2.0 * np.arange(n_tokens)  # of the partners
        chance = stats.binom.pmf(np.arange(n_tokens), n_tokens - 1, 0.5)
        z = sums / math.sqrt(n_tokens - 1)
        assert chance @ z**4 == pytest.approx(range_factor(n_tokens, centred=True), rel=1e-12)


def chance_of_a_small_average(values, chance, n_samples, loss):
    """Return P(mean of n_samples copies < 1 - loss), values on a lattice: powers of the law by squaring."""
    step = np.min(np.diff(np.unique(values)))
    level = np.rint((values - values.min()) / step).astype(np.int64)
    assert values.min() + level * step == pytest.approx(values, rel=1e-9)
    top = math.ceil(n_samples * ((1 - loss) - values.min()) / step)  # levels from here on are not small
    if top <= 0:
        return 0.0
    law = np.bincount(level, chance)[:top]
    total = np.ones(1)
    for _ in range(n_samples):
        total = np.convolve(total, law)[:top]
    return float(total.sum())


@pytest.mark.parametrize("n_tokens", [2, 3, 5, 16, 33])
@pytest.mark.parametrize("loss", [0.3, 0.6])
def test_the_lost_gram_matrix_of_signs(n_tokens, loss):
    """The exact chance, against the exponent with omega_N: N - 1 in its place would say nothing."""
    values, chance = gram_of_signs(n_tokens)
    values, inverse = np.unique(np.round(values, 12), return_inverse=True)
    chance = np.bincount(inverse.ravel(), chance)
    if len(values) == 1:
        return  # two signs: the Gram matrix is 1
    for n_samples in (5, 60, 2000):
        exact = chance_of_a_small_average(values, chance, n_samples, loss)
        claimed = math.exp(-chernoff(loss) * n_samples / range_factor(n_tokens, centred=True))
        assert exact <= claimed
        # Squares of nearly Gaussian numbers: the rate is that of chi square, 3/2 times ours for small losses.
        if n_tokens == 33 and loss == 0.3 and n_samples == 2000:
            assert exact > claimed**2 > 0


def test_functions_that_are_not_centred_need_the_number_of_tokens():
    """Symmetric tokens, but phi is not odd: phi(u) = u on signs, and phi = 1 for scores of modulus 4.

    Once in n = N - 1 samples all tokens are +-2, and half of the mean of the Gram matrix comes from there:
    it is lost unless such a sample is seen.
    """
    n_tokens = 256
    n = n_tokens - 1
    values, chance = gram_of_signs(n_tokens)
    gram = (1 - 1 / n) / n + 1 / n
    second = ((1 - 1 / n) * (chance @ (values / n) ** 2) + 1 / n) / gram**2
    assert second > 5 * range_factor(n_tokens, centred=True)
    n_samples, loss = n, 0.4
    unseen = (1 - 1 / n) ** n_samples
    # In samples of signs the Gram matrix has the mean 1/n over gram; Markov's inequality for its size.
    lost = unseen * (1 - (1 / n) / gram / (1 - loss))
    assert lost > 5 * math.exp(-chernoff(loss) * n_samples / range_factor(n_tokens, centred=True))
    assert lost <= math.exp(-chernoff(loss) * n_samples / n)


@st.composite
def random_matrices(draw):
    """Positive matrices of mean I on a few atoms, and their chances."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    atoms, dimension = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    factors = rng.standard_normal((atoms, dimension, draw(st.integers(1, 3))))
    factors *= np.exp(draw(st.floats(0, 3)) * rng.standard_normal((atoms, 1, 1)))
    matrices = factors @ factors.swapaxes(1, 2) + 1e-3 * np.eye(dimension)
    chance = rng.dirichlet(np.full(atoms, 0.5)) + 0.01
    chance /= chance.sum()
    white = np.linalg.inv(np.linalg.cholesky(np.tensordot(chance, matrices, 1)))
    return white @ matrices @ white.T, chance


def smallest_eigenvalues(matrices, chance, n_samples):
    """Return the smallest eigenvalue of each average of n_samples copies, and its chance."""
    words = np.array(list(itertools.product(range(len(chance)), repeat=n_samples)))
    averages = matrices[words].mean(axis=1)
    return np.linalg.eigvalsh(averages)[:, 0], chance[words].prod(axis=1)


@given(random_matrices(), st.integers(1, 5), st.floats(0.02, 0.98))
@settings(max_examples=150, deadline=None)
def test_lower_tail_of_a_random_matrix_by_its_second_moment(law, n_samples, loss):
    matrices, chance = law
    w = np.linalg.eigvalsh(np.einsum("a,aij,ajk->ik", chance, matrices, matrices))[-1]
    smallest, weight = smallest_eigenvalues(matrices, chance, n_samples)
    bad = weight[smallest < 1 - loss].sum()
    assert bad <= matrices.shape[-1] * math.exp(-lower_tail_exponent(loss) * n_samples / w) * (1 + 1e-9)


def test_the_dimension_is_the_number_of_chances_to_fail():
    """A random coordinate, D times: the coupon collector. Without the factor D the tail is false."""
    dimension, n_samples, loss = 40, 150, 0.9999
    w = dimension  # Z = D e e^T, and Z^2 = D Z
    bound = math.exp(-lower_tail_exponent(loss) * n_samples / w)
    # Bonferroni: at least the sum of the chances of one empty cell, minus that of two.
    one, two = (1 - 1 / dimension) ** n_samples, (1 - 2 / dimension) ** n_samples
    bad = dimension * one - dimension * (dimension - 1) / 2 * two
    assert bound < bad <= dimension * bound


def test_the_price_of_a_number_is_exact_for_many_samples_and_no_factor_of_it_can_go():
    """Signs as tokens, h(x, y) = x y, N = 3: the whitened Gram matrix is 2 or 2/3; binomial sums."""
    signs = Exact([[0.5, 0.5]], [[[1, -1], [-1, 1]]], [[1, -1], [-1, 1]], 3, 1)
    assert sorted(np.unique(np.round(signs.matrices, 12))) == pytest.approx([2 / 3, 2])
    assert signs.kappa == pytest.approx(1) and signs.b == pytest.approx(0, abs=1e-15)
    for n_samples in (20, 2000):
        twos = np.arange(n_samples + 1)
        average = (2 / 3) + (4 / 3) * twos / n_samples
        chance = stats.binom.pmf(twos, n_samples, 0.25)
        zeta = 0.3 if n_samples == 20 else 0.1
        good = average >= 1 - zeta
        # E of the noise part of the error, over sigma^2 / M: the pairwise norm is 2 times the aggregated.
        noise = 2 * float(chance[good] @ (1 / average[good])) / 3
        assert noise <= 2 / 3 / (1 - zeta)
        if n_samples == 2000:
            assert noise > 2 / 3  # without 1/(1 - zeta) it would be false
            assert noise > 1.5 * (1 / 3) / (1 - zeta)  # without N - 1, too


def test_the_exponent_of_a_lost_gram_matrix_cannot_be_doubled():
    """A score that is rarely other than zero, N = 2: the empirical Gram matrix is a binomial number."""
    n_samples, chance = 20_000, 0.05
    for zeta in (0.2, 0.5, 0.8):
        lost = stats.binom.cdf(math.ceil((1 - zeta) * n_samples * chance) - 1, n_samples, chance)
        exponent = lower_tail_exponent(zeta) * n_samples * chance  # kappa = 1 / chance
        assert math.exp(-2 * exponent) < lost <= math.exp(-exponent)


@pytest.mark.slow
def test_dropped_cells_take_the_dimension_out_of_the_condition_on_beta():
    """beta = 1, d = 300: the density vanishes to the order 148 at the ends; the exponent is 2/3 still."""
    case = ORACLE | {"beta": 1.0, "density": SPHERES[300], "score_bound": math.sqrt(300), "odd": True}
    few, many = (oracle_upper_bound(**case | {"n_samples": m}) for m in (10**6, 10**9))
    assert few.n_dropped > 0 < few.missed < 1e-3
    # 10^(-3 * 2/3), but for a power of log M, the range that is kept: it moves by less than a half.
    assert 1e-2 / 2 < many.value / few.value < 2e-2
    # Cells where the density underflows are dropped, not refused.
    wide = {"density": lambda u: np.where(np.abs(u) < 1, 0.5, 0.0), "score_bound": 8.0}
    bound = oracle_upper_bound(**ORACLE | wide, n_intervals=16, odd=True)
    assert (bound.n_dropped, bound.missed) == (14, 0.0)
    with pytest.raises(ValueError, match="density must be positive in every cell, as none is dropped"):
        oracle_upper_bound(**ORACLE | wide, n_intervals=16, coupling=0.5)
    with pytest.raises(ValueError, match="density must be positive somewhere in every cell"):
        up.christoffel_number(wide["density"], n_intervals=16, degree=1, score_bound=8.0)


def test_cells_by_hand():
    """Uniform scores: kappa = K (s + 1)^2 on every cell. A line through zero: its own orthogonal lines."""
    kappa, mass = up.cell_christoffel(
        lambda u: np.full_like(u, 0.5), n_intervals=5, degree=2, score_bound=1.0
    )
    assert kappa == pytest.approx(np.full(5, 45.0)) and mass == pytest.approx(np.full(5, 0.2))
    # Density 1 + u on one cell [-1, 1], half of it as a law: at u = -1 the kernel of lines is 6.
    (kappa,), _ = up.cell_christoffel(lambda u: (1 + u) / 2, n_intervals=1, degree=1, score_bound=1.0)
    moments = [1, 1 / 3, 1 / 3]
    gram = np.array([[moments[0], moments[1]], [moments[1], moments[2]]])
    end = np.array([1.0, -1.0])
    assert kappa == pytest.approx(end @ np.linalg.solve(gram, end))


@pytest.mark.slow
@pytest.mark.parametrize("d", [3, 30])
@pytest.mark.parametrize("n_tokens", [2, 16])
def test_error_of_the_estimator_of_the_theorem_is_below_its_bound(d, n_tokens):
    """Its cells, its threshold, its clipping; tanh(u/2) is in C(2, 0.2) and |tanh| <= 1."""
    reach = math.sqrt(d)
    setting = Setting(
        beta=2.0, n_tokens=n_tokens, noise_std=0.5, holder_constant=0.2, score_bound=reach, sup_bound=1.0
    )
    rng = np.random.default_rng([d, n_tokens])
    fresh = pair_scores(Sphere(d).sample(20_000, 2, rng), np.eye(d) / reach)[:, 0, 1]
    off = ~np.eye(n_tokens, dtype=bool)
    for n_samples, replicates in ((500, 8), (10_000, 2)):
        bound = up.oracle_upper_bound(n_samples, setting, density=SPHERES[d], odd=True)
        half, kept = bound.n_intervals // 2, bound.dimension // 2

        def design(u, half=half, kept=kept):
            position = np.minimum(np.abs(u) / reach * half, half * (1 - 1e-12))
            cell = position.astype(np.int64)
            one = np.sign(u)[..., None] * np.eye(half)[cell][..., :kept]
            return np.concatenate([one, one * (position - cell)[..., None]], axis=-1)

        gamma = design(fresh).T @ design(fresh) / len(fresh) / (n_tokens - 1)
        errors = []
        for _ in range(replicates):
            scores = pair_scores(Sphere(d).sample(n_samples, n_tokens, rng), np.eye(d) / reach)
            pairs = scores[:, off].reshape(n_samples * n_tokens, n_tokens - 1)
            y = np.tanh(pairs / 2).mean(axis=1) + 0.5 * rng.standard_normal(len(pairs))
            features = design(pairs).mean(axis=1)
            gram = features.T @ features / len(features)
            theta = np.linalg.solve(gram, features.T @ y / len(y))
            if np.linalg.eigvals(np.linalg.solve(gamma, gram)).real.min() < 1 - bound.gram_loss:
                theta = np.zeros_like(theta)
            fit = np.clip(design(fresh) @ theta, -1, 1)
            errors.append(np.mean((fit - np.tanh(fresh / 2)) ** 2))
        assert np.mean(errors) < bound.value
    # The last one is no empty bound: the estimator zero does not meet it.
    assert bound.value < np.mean(np.tanh(fresh / 2) ** 2)


@pytest.mark.slow
def test_more_tokens_than_samples():
    """The estimator of the theorem where the range of the Gram matrix, N - 1, would make the bound empty."""
    n_tokens, n_samples, reach = 512, 300, math.sqrt(3.0)
    setting = Setting(
        beta=2.0, n_tokens=n_tokens, noise_std=0.5, holder_constant=0.2, score_bound=reach, sup_bound=1.0
    )
    bound = up.oracle_upper_bound(n_samples, setting, density=SPHERES[3], odd=True)
    assert lower_tail_exponent(bound.gram_loss) * n_samples < (n_tokens - 1) * bound.christoffel
    half = bound.n_intervals // 2
    rng = np.random.default_rng(0)
    off = ~np.eye(n_tokens, dtype=bool)

    def design(u):
        position = np.minimum(np.abs(u) / reach * half, half * (1 - 1e-12))
        cell = position.astype(np.int64)
        one = np.sign(u)[..., None] * np.eye(half)[cell]
        return np.concatenate([one, one * (position - cell)[..., None]], axis=-1)

    fresh = rng.uniform(-reach, reach, 50_000)  # Archimedes
    gamma = design(fresh).T @ design(fresh) / len(fresh) / (n_tokens - 1)
    gram, right = np.zeros_like(gamma), np.zeros(len(gamma))
    for _ in range(n_samples):
        pairs = pair_scores(Sphere(3).sample(1, n_tokens, rng), np.eye(3) / reach)[0][off]
        pairs = pairs.reshape(n_tokens, n_tokens - 1)
        features = design(pairs).mean(axis=1)
        y = np.tanh(pairs / 2).mean(axis=1) + 0.5 * rng.standard_normal(n_tokens)
        gram += features.T @ features / (n_samples * n_tokens)
        right += features.T @ y / (n_samples * n_tokens)
    assert np.linalg.eigvals(np.linalg.solve(gamma, gram)).real.min() > 1 - bound.gram_loss
    fit = np.clip(design(fresh) @ np.linalg.solve(gram, right), -1, 1)
    error = np.mean((fit - np.tanh(fresh / 2)) ** 2)
    assert error < bound.value < np.mean(np.tanh(fresh / 2) ** 2) / 4


@pytest.mark.slow
def test_the_search_for_k_goes_on_where_it_pays():
    """For a rough activation and many samples the best K is beyond the first that are tried."""
    case = ORACLE | {"beta": 0.5, "n_samples": 10**9, "odd": True}
    free, short = oracle_upper_bound(**case), oracle_upper_bound(**case, n_intervals=1024)
    assert free.n_intervals > 1024 and free.value < short.value and not free.at_limit


def test_a_search_that_ends_at_its_limit_says_so(monkeypatch):
    case = ORACLE | {"beta": 0.5, "n_samples": 10**9, "odd": True}
    monkeypatch.setattr(up, "MOST_HALVES", 512)
    bound = oracle_upper_bound(**case)
    assert (bound.n_intervals, bound.at_limit) == (1024, True)
    assert not oracle_upper_bound(**case, n_intervals=1024).at_limit  # asked for, not searched


def test_christoffel_number_of_the_uniform_law():
    # Legendre: the sum of (2l+1) P_l^2 at the end of a cell is (s+1)^2, times K.
    uniform = lambda u: np.full_like(u, 0.5)  # noqa: E731
    kappa = up.christoffel_number(uniform, n_intervals=6, degree=2, score_bound=1.0)
    assert kappa == pytest.approx(6 * 9, rel=1e-6)


def test_a_density_that_is_infinite_at_its_ends_is_not_refused():
    """Quadrature misses a sixth of its mass: kappa comes out too large, not too small."""
    steep = lambda u: 0.1 * (1 - np.abs(u)) ** -0.8  # noqa: E731
    kappa, mass = up.cell_christoffel(steep, n_intervals=2, degree=0, score_bound=1.0)
    assert 0.8 < mass.sum() < 0.9
    assert kappa.min() >= 2


def order_at_the_end(density):
    """The power with which a density of the distance from the bound of the score vanishes."""
    near, far = density(1e-4), density(2e-4)
    return math.log2(far / near)


def test_how_fast_the_density_of_the_score_vanishes_at_its_bound():
    """2 r - 1 for r entries on the cube, d - 2 for one on a sphere: what the condition on beta is about."""

    def one(t):
        return float(product_density(3.0 - t, 3.0))

    def two(t):  # the sum of two independent scores, 6 - t
        return integrate.quad(lambda s: one(s) * one(t - s), 0, t)[0]

    assert order_at_the_end(one) == pytest.approx(1, abs=1e-3)
    assert order_at_the_end(two) == pytest.approx(3, abs=1e-3)
    for d in (3, 4, 7):

        def marginal(t, d=d):
            return max(1 - t * t, 0.0) ** ((d - 3) / 2)

        def product(t, marginal=marginal):  # of two coordinates of unit vectors, 1 - t
            w = 1 - t
            return integrate.quad(lambda x: marginal(x) * marginal(w / x) / x, w, 1)[0]

        assert order_at_the_end(product) == pytest.approx(d - 2, abs=1e-2)


@pytest.mark.slow
def test_odd_oracle_bound_holds_for_least_squares():
    """The estimator of the corollary, odd piecewise lines for uniform scores; and the bound is near it."""
    n_samples, n_tokens, n_intervals, reach = 2000, 3, 8, math.sqrt(3.0)  # score bound: |x . y| / sqrt 3
    kinks = np.array([0.3, 0.9, 1.4])

    def truth(u):
        return 0.2 * np.sign(u) * (np.maximum(np.abs(u)[..., None] - kinks, 0) ** 2 @ [1.0, -2.0, 2.0])

    def design(u):
        position = np.minimum(np.abs(u) / reach * n_intervals / 2, n_intervals / 2 * (1 - 1e-12))
        cell = position.astype(np.int64)
        one = np.sign(u)[..., None] * np.eye(n_intervals // 2)[cell]
        return np.concatenate([one, one * (position - cell)[..., None]], axis=-1)

    # The second derivative is 0.4 (1, -1, 1) between the kinks; C(2, L) asks for a bound of its modulus.
    setting = Setting(
        beta=2.0, n_tokens=n_tokens, noise_std=0.5, holder_constant=0.4, score_bound=reach, sup_bound=1.0
    )
    uniform = lambda u: np.full_like(u, 0.5 / reach)  # noqa: E731  Archimedes
    bound = up.oracle_upper_bound(n_samples, setting, density=uniform, odd=True, n_intervals=n_intervals)
    rng = np.random.default_rng(4)
    fresh = rng.uniform(-reach, reach, 50_000)
    errors = []
    for _ in range(40):
        scores = pair_scores(Sphere(3).sample(n_samples, n_tokens, rng), np.eye(3) / reach)
        off = ~np.eye(n_tokens, dtype=bool)
        pairs = scores[:, off].reshape(n_samples * n_tokens, n_tokens - 1)
        y = truth(pairs).mean(axis=1) + 0.5 * rng.standard_normal(len(pairs))
        theta = np.linalg.lstsq(design(pairs).mean(axis=1), y, rcond=None)[0]
        fit = np.clip(design(fresh) @ theta, -1, 1)
        errors.append(np.mean((fit - truth(fresh)) ** 2))
    standard_error = np.std(errors, ddof=1) / math.sqrt(len(errors))
    assert np.mean(errors) + 4 * standard_error < bound.value
    # The factor 4 of the variance, and what the bounds of bias and design add.
    assert bound.value < 10 * np.mean(errors)


def test_odd_oracle_bound_does_not_grow_with_the_number_of_tokens():
    cases = [ORACLE | {"n_tokens": n, "n_samples": 10**10} for n in (2, 8, 128)]
    odd = [oracle_upper_bound(**case, odd=True).value for case in cases]
    assert max(odd) / min(odd) < 2.2  # (N - 1)/N alone goes from 1/2 to 1
    general = [oracle_upper_bound(**case, n_intervals=64).bias for case in cases]
    assert general[2] / general[0] > 30  # without symmetry the bias is paid N times


def test_matrix_chernoff_on_real_tokens():
    """The event of the proof: how often the empirical Gram matrix loses half of an eigenvalue."""
    space = SplineSpace(-3.0, 3.0, 3, 1)
    matrix = interaction_matrix(2, 1, 0, kind="coordinate")
    n_samples, n_tokens, rng = 60, 3, np.random.default_rng(1)
    many = space.aggregate(pair_scores(UniformCube(2).sample(60_000, n_tokens, rng), matrix))
    gram = many.T @ many / len(many)
    lost, worst = 0, 0.0
    for _ in range(200):
        features = space.aggregate(pair_scores(UniformCube(2).sample(n_samples, n_tokens, rng), matrix))
        empirical = features.T @ features / len(features)
        lost += np.min(np.linalg.eigvals(np.linalg.solve(gram, empirical)).real) < 0.5
        worst = max(worst, np.einsum("ni,ij,nj->n", features, np.linalg.inv(gram), features).max())
    bound = space.dimension * math.exp(-lower_tail_exponent(0.5) * n_samples / worst)
    assert 0 < lost / 200 <= bound


def test_oracle_bound_holds_for_least_squares():
    """Measured error of the estimator of the theorem, piecewise constants, against its bound."""
    f = HolderSum([-0.9, -0.2, 0.4], [0.5, -1.0, 0.5], 1.0)
    setting = Setting(
        beta=1.0, n_tokens=3, noise_std=0.5, holder_constant=f.holder_constant, score_bound=3.0, sup_bound=3.0
    )
    bound = up.oracle_upper_bound(4000, setting, density=lambda u: product_density(u, 3.0))
    space = SplineSpace(-3.0, 3.0, bound.n_intervals, 0)
    rng = np.random.default_rng(2)
    errors = []
    for _ in range(5):
        scores = pair_scores(UniformCube(1).sample(4000, 3, rng), np.eye(1))
        values = f(scores)
        values[:, np.arange(3), np.arange(3)] = 0
        y = values.sum(axis=2).ravel() / 2 + 0.5 * rng.standard_normal(12_000)
        coefficients = np.linalg.lstsq(space.aggregate(scores), y, rcond=None)[0]
        fresh = rng.uniform(-1, 1, (50_000, 2)).prod(axis=1) * 3
        fit = np.clip(space.design(fresh) @ coefficients, -3, 3)
        errors.append(np.mean((fit - f(fresh)) ** 2))
    assert 1e-4 < np.mean(errors) < bound.value < 3.0**2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_intervals": 3}, "n_intervals must be even"),
        ({"odd": True, "coupling": 0.5}, "coupling must be 0 or None"),
        ({"coupling": 1.5}, "coupling must be"),
        ({"density": np.zeros_like}, "density must have a mass of 1 on .-1, 1., as the theorem asks"),
        ({"density": lambda u: product_density(u, 1.0) / 2}, "all scores are there; got 0.5$"),
        ({"n_tokens": 1}, "n_tokens must be >= 2"),
        ({"sup_bound": math.inf}, "sup_bound must be finite for"),
        ({"density": lambda u: np.full_like(u, np.nan)}, "density must be finite"),
        ({"density": lambda u: np.full_like(u, -0.5)}, "density must be finite and >= 0"),
        ({"density": lambda u: np.full_like(u, 0.6)}, "density must have a mass of at most 1"),
    ],
)
def test_bad_oracle_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        oracle_upper_bound(**ORACLE | change)


@pytest.mark.parametrize("density", [(0.1, 0.2), None])
def test_oracle_density_must_be_a_function(density):
    with pytest.raises(TypeError, match="density must be a function of the score"):
        oracle_upper_bound(**ORACLE | {"density": density})


def test_a_coupling_is_about_an_error_on_all_cells():
    """With cells dropped the error is the function itself there, which need not be centred."""
    setting = Setting(
        beta=2.0, n_tokens=3, noise_std=0.5, holder_constant=0.2, score_bound=math.sqrt(30), sup_bound=1.0
    )
    for coupling, dropped in ((0.0, False), (0.5, False), (None, True)):
        bound = up.oracle_upper_bound(10**6, setting, density=SPHERES[30], coupling=coupling, n_intervals=8)
        assert (bound.n_dropped > 0) == dropped
