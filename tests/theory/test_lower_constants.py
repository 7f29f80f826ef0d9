"""The sharper lower bounds: exact Bayes risks, mutated twins, old bounds and measured errors."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, special

from pairint.estimation import OracleRegressor, interaction_error
from pairint.model import AttentionModel, GaussianNoise, Sphere, UniformCube
from pairint.theory import Setting, lower_bound
from pairint.theory.coercivity import product_density
from pairint.theory.lower import sign_risk, weight_risk

INFORMATION = (0.0, 0.01, 0.3, 1.0, 1.5, 3.0, 10.0, 100.0)
W = np.linspace(-1, 1, 401)
PRIORS = {
    "signs": (np.abs(W) == 1).astype(float),
    "cos2": np.cos(np.pi * W / 2) ** 2,
    "uniform": np.ones_like(W),
}


def posterior_mean(prior, information, x):
    weight = prior * np.exp(-((x[:, None] - W * math.sqrt(information)) ** 2) / 2)
    return weight @ W / weight.sum(axis=1)


def risks(prior, information):
    """Return the mean squared errors, at all weights W, of the posterior mean of a prior; by quadrature."""
    x = np.linspace(-9 - math.sqrt(information), 9 + math.sqrt(information), 3001)
    mean = posterior_mean(prior, information, x)
    law = np.exp(-((x - W[:, None] * math.sqrt(information)) ** 2) / 2) / math.sqrt(2 * math.pi)
    return np.sum(law * (mean - W[:, None]) ** 2, axis=1) * (x[1] - x[0])


@pytest.mark.parametrize("information", INFORMATION)
def test_sign_risk_is_the_bayes_risk(information):
    z, weight = special.roots_hermitenorm(120)
    weight = weight / weight.sum()
    exact = 1 - weight @ np.tanh(information + math.sqrt(information) * z)
    if information <= 3:  # beyond, the poles of tanh spoil the quadrature
        assert sign_risk(information) == pytest.approx(exact, abs=1e-6)
    mean = risks(PRIORS["signs"], information)
    assert sign_risk(information) == pytest.approx((mean[0] + mean[-1]) / 2, abs=1e-9)


def test_the_two_formulas_of_the_sign_risk_agree():
    """E e^(-I/2) / cosh(sqrt(I) Z), and the mixture of exponentials."""
    for information in INFORMATION:
        root = math.sqrt(information)
        value = integrate.quad(
            lambda z, root=root: math.exp(-(z**2) / 2) / math.cosh(root * z), -12, 12, points=[0]
        )[0]
        value *= math.exp(-information / 2) / math.sqrt(2 * math.pi)
        assert sign_risk(information) == pytest.approx(value, abs=1e-10)


@pytest.mark.parametrize("gaussian", [True, False])
def test_risks_are_decreasing_and_convex_in_the_information(gaussian):
    grid = np.linspace(0, 20, 4001)
    values = weight_risk(grid, gaussian=gaussian)
    assert np.all(np.diff(values) < 0)
    assert np.all(np.diff(values, 2) > -1e-9)  # the accuracy of the formula


@pytest.mark.parametrize("information", INFORMATION)
def test_no_estimator_beats_the_weight_risk(information):
    """The worst error of any estimator is above; posterior means and the best affine one are tried."""
    bound = float(weight_risk(information))
    for prior in PRIORS.values():
        assert bound <= risks(prior, information).max() + 1e-9
    assert bound <= 1 / (1 + information) + 1e-9
    assert float(weight_risk(information, gaussian=False)) <= bound + 1e-9


def test_up_to_information_one_it_is_the_minimax_risk():
    """Casella and Strawderman: the posterior mean of two signs is minimax. A bound 1 % larger is refuted."""
    for information in (0.1, 0.5, 1.0):
        worst = risks(PRIORS["signs"], information).max()
        assert weight_risk(information) == pytest.approx(worst, rel=1e-8)
        assert 1.01 * weight_risk(information) > worst


def test_van_trees_and_the_constant_of_its_prior():
    """Bayes risk of the cos^2 prior: above 1 / (I + pi^2), below 1 / (I + pi^2 / 2)."""
    for information in INFORMATION:
        prior = PRIORS["cos2"] / PRIORS["cos2"].sum()
        exact = prior @ risks(prior, information)
        assert 1 / (information + math.pi**2) <= exact
        if information < 3:
            assert exact < 1 / (information + math.pi**2 / 2)


def test_the_weight_risk_is_van_trees_for_much_information_and_for_other_noise():
    assert weight_risk(50.0) == pytest.approx(1 / (50 + math.pi**2), rel=1e-14)
    assert weight_risk(50.0, gaussian=False) == pytest.approx(1 / (50 + math.pi**2), rel=1e-14)
    height = np.linspace(0, 1, 10_001)
    for information in (0.09, 0.9, 2.0, 5.0):
        signs = (height**2 * np.exp(-(height**2) * information)).max()
        # The maximum is smooth: a grid misses it by the square of its step.
        assert weight_risk(information, gaussian=False) == pytest.approx(signs, rel=1e-7)


def test_random_information_may_be_averaged():
    """Exact enumeration: tokens are signs, h odd; the information of a weight depends on them."""
    n_tokens, n_samples, sigma = 3, 2, 0.7
    height = 0.8  # h(1) = -h(-1)
    sums = []
    for tokens in itertools.product([-1, 1], repeat=n_tokens * n_samples):
        x = np.reshape(tokens, (n_samples, n_tokens))
        scores = x[:, :, None] * x[:, None, :]
        aggregated = height * (scores.sum(axis=2) - 1) / (n_tokens - 1)
        sums.append(np.sum(aggregated**2) / sigma**2)
    energy = height**2
    mean = n_samples * n_tokens * energy / (sigma**2 * (n_tokens - 1))
    assert np.mean(sums) == pytest.approx(mean, rel=1e-12)
    assert np.ptp(sums) > 0
    exact = energy * np.mean(sign_risk(np.array(sums)))
    assert energy * sign_risk(mean) <= exact
    # A factor dropped: with n - 1 partners counted twice the "bound" exceeds the exact Bayes risk.
    assert energy * sign_risk(mean / (n_tokens - 1)) > exact


def setting(beta, n_tokens, **change):
    return Setting(
        **dict(beta=beta, n_tokens=n_tokens, noise_std=0.5, holder_constant=0.2, score_bound=3.0) | change
    )


def density(u):
    return product_density(u, 3.0)


WHOLE = dict(interval=(0.0, 3.0), density=density, symmetric=True)


def test_bayes_by_hand():
    bound = lower_bound(
        100,
        setting(1.0, 2, holder_constant=1.0, noise_std=1.0),
        interval=(0, 1),
        density=0.5,
        method="bayes",
        n_bumps=1,
    )
    energy = 0.5 / 12
    assert bound.value == pytest.approx(energy * weight_risk(200 * energy))
    assert (bound.separation, bound.kl) == pytest.approx((4 * energy, 4 * 100 * energy))


def test_spline_by_hand():
    """One weight: phi = L w u^2 / 2, uniform score on [-1, 1]: energy L^2 / 20."""
    bound = lower_bound(
        100,
        setting(2.0, 3, holder_constant=1.0, noise_std=1.0, score_bound=1.0),
        interval=(0, 1),
        density=0.5,
        symmetric=True,
        method="spline",
        n_bumps=1,
    )
    energy = 1 / 20
    assert bound.value == pytest.approx(energy / (100 * 3 / 2 * energy + math.pi**2))
    assert (bound.separation, bound.kl) == pytest.approx((4 * energy, 4 * 100 * 3 / 4 * energy))


def test_the_best_linear_estimator_is_above_the_spline_bound():
    """Prior cos^2, linear estimators: sum l v / (n l v + 1), v = 1/3 - 2/pi^2. Half of pi^2 is refuted."""
    for n_samples in (100, 10**5, 10**8):
        bound = lower_bound(n_samples, setting(2.0, 3), method="spline", **WHOLE)
        values = np.linalg.eigvalsh(bound.family.gram(density))
        information = n_samples * 3 / (0.25 * 2)
        variance = 1 / 3 - 2 / math.pi**2
        linear = np.sum(values * variance / (information * values * variance + 1))
        assert bound.value <= linear
        assert np.sum(values / (information * values + math.pi**2 / 2)) > linear


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.5, 1.0, 1.5, 2.0, 3.0])
def test_above_the_old_bounds_below_trivial_errors(beta):
    """Six decades of M, N up to 512: more than twice Assouad's; and no more than what two estimators pay."""
    for n_tokens in (2, 8, 64, 512):
        for n_samples in (10**2, 10**4, 10**6, 10**8):
            here = setting(beta, n_tokens)
            new = lower_bound(n_samples, here, **WHOLE)
            old = max(lower_bound(n_samples, here, method=m, **WHOLE).value for m in ("assouad", "fano"))
            assert new.value > 2 * old
            assert not new.at_limit
            # The centre of the hypotheses as an estimator: its error is at most their largest energy.
            worst = (
                new.family.gram(density).sum()
                if new.method == "spline"
                else new.family.energies(density).sum()
            )
            assert new.value < worst


def sphere_density(d):
    """Density of U = T sqrt(3), T a coordinate of a uniform unit vector in dimension d."""
    constant = math.exp(math.lgamma(d / 2) - math.lgamma((d - 1) / 2)) / math.sqrt(math.pi)
    return lambda u: constant * np.maximum(1 - np.asarray(u) ** 2 / 3, 0) ** ((d - 3) / 2) / math.sqrt(3)


@pytest.mark.slow
@pytest.mark.parametrize("d", [3, 10, 30, 100, 300])
def test_dimensions_up_to_300(d):
    for beta in (1.0, 2.0):
        for n_samples in (10**2, 10**4, 10**6, 10**8):
            here = setting(beta, 3, score_bound=3**0.5)
            case = dict(interval=(0.0, 3**0.5), density=sphere_density(d), symmetric=True)
            new = lower_bound(n_samples, here, **case).value
            assert new > 1.5 * lower_bound(n_samples, here, method="assouad", **case).value


@pytest.mark.slow
@pytest.mark.parametrize(("beta", "method"), [(1.0, "bayes"), (2.0, "bayes"), (2.0, "spline")])
@pytest.mark.parametrize(("d", "n_tokens"), [(3, 3), (300, 2)])
def test_measured_errors_averaged_over_the_prior(beta, method, d, n_tokens):
    """What the proof says, for an estimator of the package: its mean error over random hypotheses."""
    n_samples = 500
    here = setting(beta, n_tokens, holder_constant=2.0, score_bound=3**0.5)
    case = dict(interval=(0.0, 3**0.5), density=sphere_density(d), symmetric=True)
    bound = lower_bound(n_samples, here, method=method, **case)
    rng = np.random.default_rng(0)
    matrix = np.eye(d) * 3**0.5 / d  # tokens of norm sqrt(d)
    errors = []
    for _ in range(4):
        phi = bound.family.activation(rng.choice([-1.0, 1.0], bound.family.n_bumps))
        model = AttentionModel(phi, matrix, Sphere(d), GaussianNoise(0.5))
        fit = OracleRegressor(model.matrix, degree=1).fit(*model.sample(n_samples, n_tokens, rng))
        errors.append(interaction_error(fit, model, n_pairs=4000, rng=rng).value)
    assert bound.value < np.mean(errors) < 200 * bound.value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"setting": setting(1.5, 3)}, "beta must be an integer in 2"),
        ({"setting": setting(1.0, 3)}, "beta must be an integer in 2"),
        ({"setting": setting(2.0, 3, score_bound=None, sup_bound=1.0)}, "score_bound must be given"),
        ({"symmetric": False, "variation": 1.0}, "variation must be None"),
        ({"n_bumps": 1000}, "n_bumps must be"),
    ],
)
def test_the_spline_method_names_the_hypothesis_that_is_not_met(change, message):
    arguments = dict(setting=setting(2.0, 3), method="spline") | WHOLE | change
    with pytest.raises(ValueError, match=message):
        lower_bound(1000, **arguments)


def test_very_smooth_classes_fall_back_on_smooth_bumps():
    here = setting(12.5, 3)
    assert lower_bound(1000, here, **WHOLE).method == "assouad"
    with pytest.raises(ValueError, match="beta must be at most 10"):
        lower_bound(1000, here, method="bayes", **WHOLE)


def test_noise_that_is_called_other_loses_little():
    gaussian, same = (lower_bound(10**6, setting(1.0, 3), curvature=c, **WHOLE).value for c in (None, 4.0))
    assert 0.8 * gaussian < same < gaussian
    # By splines it loses nothing: van Trees' inequality is the same.
    gaussian, same = (lower_bound(10**6, setting(2.0, 3), curvature=c, **WHOLE) for c in (None, 4.0))
    assert gaussian.method == same.method == "spline" and gaussian.value == same.value


#: log-densities with (log p)'' >= -gamma, and gamma: logistic, a mixture of two normal laws, normal.
NOISES = {
    "logistic": (lambda x: -np.abs(x) - 2 * np.log1p(np.exp(-np.abs(x))), 0.5),
    "two modes": (lambda x: -(x**2) / 2 + np.log(np.cosh(2 * x)) - 2 - math.log(2 * math.pi) / 2, 1.0),
    "normal": (lambda x: -(x**2) / 2 - math.log(2 * math.pi) / 2, 1.0),
}
X = np.linspace(-40, 40, 16_001)  # the trapezoidal rule is exact for such smooth densities


def integral(values):
    return values.sum(axis=-1) * (X[1] - X[0])


@pytest.mark.parametrize("noise", NOISES)
def test_affinity_and_sign_risk_of_other_noise(noise):
    log_p, curvature = NOISES[noise]
    assert integral(np.exp(log_p(X))) == pytest.approx(1, abs=1e-9)
    assert np.diff(log_p(X), 2).min() >= -curvature * (X[1] - X[0]) ** 2 * (1 + 1e-3)
    for v in (0.1, 0.5, 1.0, 2.0, 3.0):
        one, two = log_p(X - v), log_p(X + v)  # a sign times v
        affinity = integral(np.exp((one + two) / 2))
        assert affinity >= math.exp(-curvature * (2 * v) ** 2 / 8) * (1 - 1e-9)
        p, q = np.exp(one), np.exp(two)
        exact = integral(2 * p * q / np.maximum(p + q, 1e-300))
        assert exact >= affinity**2 * (1 - 1e-9)
        assert exact >= math.exp(-curvature * v**2) * (1 - 1e-9)
    if noise == "normal":  # mutated: half of the exponent
        assert sign_risk(1.0) < math.exp(-0.5)


@pytest.mark.parametrize("noise", NOISES)
def test_van_trees_for_other_noise(noise):
    """One output, prior cos^2: exact Bayes risk, information of the location, and its bound."""
    log_p, curvature = NOISES[noise]
    p = np.exp(log_p(X))
    information = integral(np.gradient(p, X) ** 2 / np.maximum(p, 1e-300))
    assert 0 < information <= curvature * (1 + 1e-4)
    prior = PRIORS["cos2"] / PRIORS["cos2"].sum()
    for scale in (0.5, 1.0, 3.0):  # the output is scale * w + noise
        joint = prior[:, None] * np.exp(log_p(X - scale * W[:, None]))
        mean = (W @ joint) / np.maximum(joint.sum(axis=0), 1e-300)
        risk = integral(np.sum(joint * (W[:, None] - mean) ** 2, axis=0))
        assert 1 / (curvature * scale**2 + math.pi**2) <= risk * (1 + 1e-9)
        assert 1 / (information * scale**2 + math.pi**2) <= risk * (1 + 1e-4)
        # Mutated: the prior for nothing. It is refuted.
        assert 1 / (curvature * scale**2 + 1) > risk


@pytest.mark.parametrize("gaussian", [True, False])
def test_more_energy_never_lowers_the_bound(gaussian):
    """x R(n x) increases: a lower bound of the density may stand in both places."""
    energy = np.geomspace(1e-4, 1e4, 4001)
    values = energy * weight_risk(energy, gaussian=gaussian)
    # sign_risk is computed to 1e-10, and the height to a rounding error.
    assert np.all(np.diff(values) >= -1e-9 * energy[1:])
    # Mutated: signs of full height have no such property.
    assert np.any(np.diff(energy * sign_risk(energy)) < 0)


@pytest.mark.parametrize("method", ["bayes", "spline"])
@pytest.mark.parametrize("symmetric", [True, False])
def test_a_lower_bound_of_the_density_gives_a_lower_bound(method, symmetric):
    rng = np.random.default_rng(3)
    interval = (0.4, 2.4)
    for n_samples in (30, 10**3, 10**5):
        for n_bumps in (1, 5, 12):
            bump = rng.uniform(0.1, 2.3), rng.uniform(0.02, 0.3)

            def steep(u, bump=bump):
                u = np.abs(u)
                return 0.08 + 0.1 * np.exp(-(((u - bump[0]) / bump[1]) ** 2) / 2)

            case = dict(interval=interval, symmetric=symmetric, method=method, n_bumps=n_bumps)
            here = setting(2.0, 3, holder_constant=1.0)
            known = lower_bound(n_samples, here, density=steep, **case).value
            low = lower_bound(n_samples, here, density=0.08, **case).value
            assert low <= known * (1 + 1e-9)
            # Mutated: with a bound of the density from above it is not.
            assert lower_bound(n_samples, here, density=0.18, **case).value > known


def test_assouad_with_a_lower_bound_makes_bumps_lower():
    """Bits of equal energy p_min e: their exact Bayes risk, whatever the density is."""
    here = setting(1.0, 2, holder_constant=1.0, noise_std=1.0)
    for n_samples in (10, 10**3, 10**5):
        bound = lower_bound(n_samples, here, interval=(0, 1), density=0.3, method="assouad", n_bumps=4)
        energy = 0.3 * bound.family.squared_norm
        exact = 4 * energy * float(sign_risk(2 * n_samples * energy / 4)) / 4
        assert bound.value <= exact
        # Without lowering the bumps, a density that is ten times as large leaves less than the bound.
        if n_samples == 10**5:
            high = 10 * energy
            assert 4 * high * float(sign_risk(2 * n_samples * high / 4)) / 4 < bound.value


@pytest.mark.parametrize(("odd", "interval"), [(True, (0.0, 1.8)), (True, (0.6, 3.0)), (False, (-1.0, 2.0))])
def test_cells_on_a_part_of_the_range(odd, interval):
    """Scores outside speak of the weights, and are judged too: the bound grows with the Gram matrix."""
    law = density if odd else lambda u: np.full_like(u, 1 / 6)
    part = dict(interval=interval, density=law, symmetric=odd, method="spline", n_bumps=6)
    for n_samples in (10**2, 10**4, 10**7):
        bound = lower_bound(n_samples, setting(2.0, 3), **part)
        u = np.linspace(-3, 3, 60_001)
        u = (u[1:] + u[:-1]) / 2
        basis = bound.family.basis(u)
        whole = basis.T @ (basis * law(u)[:, None]) * (u[1] - u[0])
        inside = bound.family.gram(law)
        assert np.linalg.eigvalsh(whole - inside).min() > -1e-6 * np.trace(whole)
        information = n_samples * 3 / (0.25 * (2 if odd else 1))
        values = np.linalg.eigvalsh(whole)
        assert bound.value <= np.sum(values / (information * values + math.pi**2))
        assert bound.value > 0
        # Mutated: information inside only, error everywhere, is refuted by the linear estimators.
        if n_samples == 10**7 and odd and interval[0] == 0:
            wrong = np.trace(np.linalg.solve(information * inside + math.pi**2 * np.eye(6), whole))
            assert wrong > np.sum(values / (information * values + 1))


@pytest.mark.parametrize("information", [-1.0, [0.5, -1e-9], math.nan])
def test_information_is_not_negative(information):
    for function in (sign_risk, weight_risk):
        with pytest.raises(ValueError, match="information must be >= 0"):
            function(information)


def test_the_cube_is_covered_by_its_score_bound():
    """The largest score of one entry of the matrix on the cube is 3, where the density vanishes."""
    assert UniformCube(2).coordinate_bound ** 2 == pytest.approx(3.0)
    assert density(3.0) == pytest.approx(0.0, abs=1e-12)
