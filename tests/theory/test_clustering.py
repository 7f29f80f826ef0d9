"""What clustering hides: the bound of the gap, the rates, and what would break them."""

import numpy as np
import pytest

from pairint.experiments.beyond.clustering import start
from pairint.model import sphere_flow, tangent_weights
from pairint.theory import gap_bound, information_bound, linearised_information, snapshot_information


def gaps(X):
    return (np.sum((X[..., :, None, :] - X[..., None, :, :]) ** 2, axis=-1) / 2).max(axis=(-1, -2))


def scores(X):
    return (X @ X.swapaxes(1, 2))[:, ~np.eye(X.shape[1], dtype=bool)].ravel()


def attraction(beta):
    return lambda u: np.exp(beta * (u - 1))


TIMES = np.array([0.0, 0.5, 1.0, 2.0, 3.0, 4.0])


def test_the_bound_is_logistic_for_a_constant_activation():
    for n, gap in ((2, 1.0), (5, 0.3)):
        a = n / (n - 1)
        wanted = a * gap / (gap + (a - gap) * np.exp(2 * 0.7 * a * TIMES))
        np.testing.assert_allclose(
            gap_bound(TIMES, gap, n, lambda u: 0.7 * np.ones_like(u)), wanted, rtol=1e-7
        )


@pytest.mark.parametrize("n_tokens", [2, 3, 16])
@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_gaps_stay_below_the_bound(n_tokens, beta):
    """For each sample with its own start; two tokens on a great circle attain it."""
    X = start("cap", 40, n_tokens, np.random.default_rng(n_tokens))
    measured = gaps(sphere_flow(X, attraction(beta), TIMES, 0.02))
    bounds = np.array([gap_bound(TIMES, c, n_tokens, attraction(beta)) for c in measured[0]]).T
    assert (measured <= bounds * (1 + 1e-5)).all()
    if n_tokens == 2:
        np.testing.assert_allclose(measured, bounds, rtol=1e-4)
    # The negative control: a rate of a tenth more is refuted by two tokens.
    if n_tokens == 2:
        faster = np.array([gap_bound(1.1 * TIMES, c, 2, attraction(beta)) for c in measured[0]]).T
        assert (measured[-1] > faster[-1]).all()


def test_without_a_hypothesis_the_bound_fails():
    """Tokens more than a right angle apart may wait at a saddle: three of them, nearly at 120 degrees."""
    angle = np.array([0.0, 2 * np.pi / 3, -2 * np.pi / 3]) + np.array([1e-6, 0, 0])
    X = np.stack([np.cos(angle), np.sin(angle)], axis=1)[None]
    film = sphere_flow(X, attraction(0.0), [0.0, 4.0])
    assert gaps(film)[1, 0] > gaps(film)[0, 0] - 0.1
    with pytest.raises(ValueError, match="gap must be"):
        gap_bound(TIMES, float(gaps(film)[0, 0]), 3, attraction(0.0))
    with pytest.raises(ValueError, match="nowhere decreasing"):
        gap_bound(TIMES, 0.5, 3, attraction(-1.0))
    with pytest.raises(ValueError, match="nowhere decreasing"):
        gap_bound(TIMES, 0.5, 3, lambda u: u - 0.7)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_information_is_that_of_moments_and_below_its_bound(degree):
    X = start("cap", 60, 6, np.random.default_rng(1))
    reference = scores(X)
    for now in sphere_flow(X, attraction(1.0), [0.0, 0.3, 1.0]):
        found = snapshot_information(now, degree, reference)
        powers = np.stack([(1 - now @ now.swapaxes(1, 2)) ** k for k in range(degree + 1)], axis=-1)
        features = (np.einsum("mijk,mijv->mivk", powers, tangent_weights(now)) / 5).reshape(-1, degree + 1)
        basis = (1 - reference[:, None]) ** np.arange(degree + 1)
        moments = features.T @ features / (60 * 6)
        values = 5 * np.sort(np.linalg.eigvals(np.linalg.solve(basis.T @ basis / len(basis), moments)).real)
        np.testing.assert_allclose(found.values, values, rtol=1e-5, atol=1e-10)
        assert found.price == pytest.approx(np.mean(1 / found.values))
        size = np.mean((1 - reference) ** (2 * degree))
        assert found.least <= information_bound(gaps(now).max(), 6, degree=degree, reference=size)


def test_a_wrong_power_of_the_gap_is_refuted():
    """c^{2p+2} in place of c^{2p+1}: late enough the information is above it."""
    X = start("cap", 100, 6, np.random.default_rng(2))
    reference = scores(X)
    (now,) = sphere_flow(X, attraction(1.0), [4.0])
    gap = gaps(now).max()
    for degree in (0, 1):
        size = np.mean((1 - reference) ** (2 * degree))
        least = snapshot_information(now, degree, reference).least
        assert least <= information_bound(gap, 6, degree=degree, reference=size)
        assert least > gap * information_bound(gap, 6, degree=degree, reference=size)


@pytest.mark.parametrize("degree", [0, 1, 2])
@pytest.mark.parametrize("n_tokens", [3, 10])
def test_the_flow_forgets_at_the_proved_rate(degree, n_tokens):
    """From time 3 to 3.5: kappa = N/(N-1). What is neglected is of the order of the gap, below 1e-2 there."""
    X = start("cap", 60, n_tokens, np.random.default_rng(3))
    reference = scores(X)
    film = sphere_flow(X, attraction(0.5), [3.0, 3.5])
    least = [snapshot_information(now, degree, reference).least for now in film]
    rate = np.log(least[0] / least[1]) / 0.5
    kappa = n_tokens / (n_tokens - 1)
    assert gaps(film[0]).max() < 0.02
    assert rate == pytest.approx(2 * (2 * degree + 1) * kappa, rel=0.02)
    assert abs(rate - 2 * (2 * degree + 2) * kappa) > 0.1 * rate
    assert abs(rate - 2 * (2 * degree + 1)) > 0.05 * rate  # N / (N - 1) is not one


def test_the_linear_flow_approaches_its_asymptote():
    rng = np.random.default_rng(4)
    Y = rng.normal(size=(200, 5, 2))
    reference = rng.uniform(-1, 1, 500)
    decay = np.exp(-np.arange(8.0))
    for degree in (0, 1, 2):
        exact, limit = linearised_information(Y, degree, reference, decay)
        ratio = np.abs(exact / limit - 1)
        assert ratio[-1] < 1e-4
        if degree:  # the correction is of the order e^{-2 kappa t}
            assert np.log(ratio[4] / ratio[5]) == pytest.approx(2, abs=0.1)
        else:
            np.testing.assert_allclose(exact, limit, rtol=1e-10)


def test_bad_input():
    X = start("sphere", 3, 4, np.random.default_rng(5))
    for call, message in (
        (lambda: snapshot_information(X, 9, [0.0, 1.0]), "degree must be"),
        (lambda: snapshot_information(X, 2, [0.0, 1.0]), "reference must hold more than 2"),
        (lambda: information_bound(3.0, 4, degree=1, reference=1.0), r"gap must be in \[0, 2\]"),
        (lambda: linearised_information(X, 1, [0.0, 0.5, 1.0], [0.0]), r"decay must be in \(0, 1\]"),
        (lambda: gap_bound([1.0, 0.0], 0.5, 4, attraction(1)), "times must increase"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
