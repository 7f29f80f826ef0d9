"""The effective activation: closed forms, the projection property, and what the stored fits say."""

import numpy as np
import pytest

from pairint.experiments import get, load_results
from pairint.model import ReLU, Tanh, UniformCube
from pairint.theory import effective_activation
from pairint.theory.effective import uniform_product_law

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)


def test_closed_forms():
    u = np.linspace(-2, 2, 9)
    cosine = effective_activation(np.cos, 0.7 * NODES, WEIGHTS)(u)
    np.testing.assert_allclose(cosine, np.exp(-(0.7**2) / 2) * np.cos(u), atol=1e-12)
    square = effective_activation(np.square, 0.7 * NODES, WEIGHTS)(u)
    np.testing.assert_allclose(square, u**2 + 0.49, atol=1e-12)
    exponential = effective_activation(np.exp, 0.7 * NODES, WEIGHTS)(u)
    np.testing.assert_allclose(exponential, np.exp(u + 0.49 / 2), rtol=1e-12)
    points = effective_activation(np.exp, [1.0, 2.0], [1.0, 3.0])(u.reshape(3, 3))
    np.testing.assert_allclose(points, np.exp(u.reshape(3, 3)) * (np.e + 3 * np.e**2) / 4)


def test_law_of_a_product_of_coordinates():
    v, w = uniform_product_law(0.6)
    assert w.sum() == pytest.approx(1) and w @ v == pytest.approx(0, abs=1e-14)
    assert w @ v**2 == pytest.approx(0.36) and w @ v**4 == pytest.approx(0.6**4 * 1.8**2)
    X = UniformCube(2).sample(200_000, 2, np.random.default_rng(0))
    product = 0.6 * X[:, 0, 0] * X[:, 1, 0]
    draws = np.maximum(product, 0.2)
    assert w @ np.maximum(v, 0.2) == pytest.approx(draws.mean(), abs=5 * draws.std() / 200_000**0.5 + 1e-4)


def residual_moments(N, share=0.6, independent=True, n=60_000):
    """Return, with standard errors, products of the residual h with directions: of functions and of matrices.

    Each is the derivative of the population risk, E h k + (N - 2) E m_h m_k, in the form E h(x, y) [k(x, y) +
    (N - 2) k(x, z)] with a third token z.
    """
    rng = np.random.default_rng(1)
    X = UniformCube(4).sample(n, 3, rng)
    if not independent:
        signs = np.where(rng.uniform(size=(*X.shape[:2], 2)) < 0.5, 1.0, -1.0)
        X[..., 1], X[..., 3] = X[..., 0] * signs[..., 0], X[..., 2] * signs[..., 1]  # v = +-0.6 u
    x, y, z = X[:, 0], X[:, 1], X[:, 2]
    phi = Tanh(2.0)
    u, v = x[:, 0] * y[:, 2], share * x[:, 1] * y[:, 3]
    law = uniform_product_law(share, 16)
    best = effective_activation(phi, *law)
    h = phi(u + v) - best(u)
    step = 1e-4
    values = {}

    def slope(s):
        return (best(s + step) - best(s - step)) / (2 * step)

    s_y, s_z = slope(u), slope(x[:, 0] * z[:, 2])
    pairs = {
        "cube of the score": (u**3, (x[:, 0] * z[:, 2]) ** 3),
        "sine of the score": (np.sin(u), np.sin(x[:, 0] * z[:, 2])),
        "left": (s_y * x[:, 1] * y[:, 2], s_z * x[:, 1] * z[:, 2]),
        "right": (s_y * x[:, 0] * y[:, 3], s_z * x[:, 0] * z[:, 3]),
        "core": (s_y * u, s_z * x[:, 0] * z[:, 2]),
    }
    for name, (k_y, k_z) in pairs.items():
        product = h * (k_y + (N - 2) * k_z)
        values[name] = product.mean() / (product.std() / n**0.5)
    return values


@pytest.mark.slow
@pytest.mark.parametrize("N", [2, 8])
def test_the_theorem_derivatives_vanish(N):
    """Five directions within five standard errors; with dependent blocks those of functions do not vanish."""
    assert max(map(abs, residual_moments(N, n=60_000).values())) < 5
    broken = residual_moments(N, independent=False, n=60_000)
    assert abs(broken["cube of the score"]) > 8 or abs(broken["core"]) > 8


def test_only_the_exponential_is_level():
    u = np.linspace(-3, 3, 61)

    def unevenness(phi, spread):
        ratio = effective_activation(phi, spread * NODES, WEIGHTS)(u) / phi(u)
        return ratio.max() / ratio.min() - 1

    for spread in (0.5, 1.0):
        assert unevenness(lambda s: 3 * np.exp(0.7 * s), spread) < 1e-10
        assert unevenness(lambda s: np.exp(s) + np.exp(s / 2), spread) > 0.03
        assert unevenness(lambda s: np.logaddexp(0, s), spread) > 0.05


def test_what_is_refused():
    with pytest.raises(TypeError, match="activation must be callable"):
        effective_activation(3.0, [1.0])
    with pytest.raises(ValueError, match="residual must hold at least one point"):
        effective_activation(np.exp, [])
    with pytest.raises(ValueError, match="weights must be >= 0"):
        effective_activation(np.exp, [1.0, 2.0], [1.0, -1.0])
    with pytest.raises(ValueError, match="scale must be > 0"):
        uniform_product_law(0.0)


def test_stored_fits_go_to_the_average():
    table = load_results("effective_activation")
    experiment = get("effective_activation")
    claims = experiment.claims(table)
    assert len(claims) == 10 and {claim.theory_verdict for claim in claims} == {"agrees"}
    # Were the fits to go to the activation itself, every first claim of a pair would differ.
    swapped = experiment.claims(table.assign(averaged=table["plain"], plain=table["averaged"]))
    assert sum(claim.theory_verdict == "differs" for claim in swapped) >= 4
    # And the average over another law of the same variance is told from the right one, but for exp.
    last = table[(table["n_samples"] == 16_000) & (table["law"] == "cube")]
    means = last.groupby("activation")[["averaged", "other_law"]].mean()
    assert (means.loc[["relu", "tanh"], "other_law"] > 3 * means.loc[["relu", "tanh"], "averaged"]).all()
    assert means.loc["exp", "other_law"] == pytest.approx(means.loc["exp", "averaged"], rel=0.05)
    assert float(effective_activation(ReLU(), *uniform_product_law(0.6))(np.zeros(1))[0]) > 0.1
