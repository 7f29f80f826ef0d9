"""Intervals: against least squares by hand, against finite differences, and what they refuse."""

import pickle

import fake_cupy
import numpy as np
import pytest
from scipy import stats

from pairint.backend import is_cupy
from pairint.estimation import InteractionRegressor, interaction_bands
from pairint.experiments import get, load_results
from pairint.model import (
    AttentionModel,
    GaussianNoise,
    Tanh,
    TruncatedGaussian,
    UniformCube,
    interaction_matrix,
)

needs_compiler = pytest.mark.skipif(
    fake_cupy.compiler() is None, reason="no C++ compiler to emulate the CUDA kernels with"
)


def problem(n_samples=400, d=4, rank=2, n_tokens=3, seed=0):
    rng = np.random.default_rng(seed)
    tokens = TruncatedGaussian(d) if d > 1 else UniformCube(1)
    model = AttentionModel(Tanh(), interaction_matrix(d, rank, rng), tokens, GaussianNoise(0.2))
    X, Y = model.sample(n_samples, n_tokens, rng)
    return model, X, Y


def outputs(activation, X, matrix):
    values = activation(np.einsum("mia,ab,mjb->mij", X, matrix, X))
    n = X.shape[1]
    return (values.sum(axis=2) - values[:, range(n), range(n)]) / (n - 1)


# ------------------------------------------------------------------------------------ the covariance


@pytest.mark.parametrize("weighted", [False, True])
def test_without_a_matrix_they_are_those_of_least_squares(weighted):
    """d = 1: linear regression on 2K + s columns, by hand from the definition of an output."""
    _, X, Y = problem(d=1, rank=1)
    weight = np.random.default_rng(1).uniform(0.5, 2.0, Y.shape) if weighted else None
    fit = InteractionRegressor(n_intervals=3, penalty=0.0, random_state=0).fit(X, Y, weight)
    bands = fit.bands(X, Y, weight)
    space = bands.activation.space
    assert (space.n_intervals, space.lower) == (6, fit.activation_.space.lower)
    columns = [space.spline(row) for row in np.eye(space.dimension)]
    F = np.stack([outputs(spline, X, fit.matrix_).ravel() for spline in columns], axis=1)
    w = np.ones(F.shape[0]) if weight is None else (weight / weight.mean()).ravel()
    information = F.T @ (w[:, None] * F)
    coefficients = np.linalg.solve(information, F.T @ (w * Y.ravel()))
    residual = Y.ravel() - F @ coefficients
    freedom = F.shape[0] - F.shape[1]
    noise = np.sqrt((w * residual**2).sum() / freedom)
    assert bands.freedom == pytest.approx(freedom) and bands.noise_std == pytest.approx(noise)
    x, y = X[:20, 0], X[:20, 1]
    b = space.design((x * y)[:, 0] * fit.matrix_[0, 0])
    error = noise * np.sqrt(np.einsum("nk,nk->n", b, np.linalg.solve(information, b.T).T))
    np.testing.assert_allclose(bands.standard_error(x, y), error, rtol=1e-6)
    np.testing.assert_allclose(bands.interaction(x, y), b @ coefficients, rtol=1e-6, atol=1e-8)
    low, high = bands.interval(x, y, 0.9)
    np.testing.assert_allclose(high - low, 2 * stats.t.ppf(0.95, freedom) * error, rtol=1e-6)


def test_the_scale_is_not_lost_and_not_counted_twice():
    """A straight line for the activation: all directions by finite differences of all factors.

    There the ray through the matrix is a combination of the spline's columns, exactly. The derivatives of
    the factors need no tangent space, no whitening and no normalisation.
    """
    _, X, Y = problem()
    fit = InteractionRegressor(2, 1, 1, penalty=0.0, random_state=0).fit(X, Y)
    bands = fit.bands(X, Y, refinement=1)
    left, singular, right = np.linalg.svd(fit.matrix_)
    start = np.concatenate([left[:, :2].ravel(), (singular[:2, None] * right[:2]).ravel()])
    line = fit.activation_
    x, y = X[:10, 0], X[:10, 1]

    def matrix(factors):
        return factors[:8].reshape(4, 2) @ factors[8:].reshape(2, 4)

    def both(function):
        """Return the derivatives of a function of the spline and the matrix."""
        splines = [function(line.space.spline(row), fit.matrix_) for row in np.eye(line.space.dimension)]
        step = 1e-6 * np.eye(16)
        slopes = [
            (function(line, matrix(start + s)) - function(line, matrix(start - s))) / 2e-6 for s in step
        ]
        return np.stack([*splines, *slopes], axis=-1)

    D = both(lambda phi, A: outputs(phi, X, A).ravel())
    b = both(lambda phi, A: phi(np.einsum("na,ab,nb->n", x, A, y)))
    # 16 factors, of which 4 gauge directions of GL(2) and the scale are no parameters.
    covariance = np.linalg.pinv(D.T @ D, rcond=1e-9, hermitian=True)
    assert np.linalg.matrix_rank(D.T @ D, tol=1e-9 * np.linalg.norm(D.T @ D)) == 2 + 11
    error = bands.noise_std * np.sqrt(np.einsum("nk,kl,nl->n", b, covariance, b))
    np.testing.assert_allclose(bands.standard_error(x, y), error, rtol=1e-4)
    known = interaction_bands(fit, X, Y, refinement=1, matrix_known=True)
    assert (known.standard_error(x, y) < bands.standard_error(x, y)).all()


def test_directions_are_derivatives():
    _, X, Y = problem()
    fit = InteractionRegressor(2, random_state=0).fit(X, Y)
    frame = fit.bands(X, Y).frame
    assert frame.n_directions == 2 * (8 - 2) - 1
    x, y = X[:7, 0], X[:7, 1]
    scores = np.einsum("na,ab,nb->n", x, fit.matrix_, y)
    found = frame.directions(x, y, scores)
    # The products with all pairs (x, y) determine the matrices: linear in x and in y.
    basis = np.eye(4) @ np.linalg.inv(frame.back)
    pairs = np.repeat(basis, 4, axis=0), np.tile(basis, (4, 1))
    at_zero = np.zeros(16)
    deltas = frame.directions(*pairs, at_zero) / fit.activation_.derivative(np.zeros(1))
    np.testing.assert_allclose(deltas.T @ deltas, np.eye(11), atol=1e-8)
    root = np.linalg.inv(frame.back)
    white = root @ fit.matrix_ @ root
    np.testing.assert_allclose(deltas.T @ white.ravel(), 0, atol=1e-8)  # not along the matrix
    step = 1e-6
    for k in range(11):
        delta = frame.back @ deltas[:, k].reshape(4, 4) @ frame.back
        ends = [
            fit.activation_(np.einsum("na,ab,nb->n", x, fit.matrix_ + s * delta, y)) for s in (step, -step)
        ]
        np.testing.assert_allclose(found[:, k], (ends[0] - ends[1]) / (2 * step), atol=1e-6)
        # In the tangent space: to first order the rank stays two.
        values = np.linalg.svd(white + 1e-4 * deltas[:, k].reshape(4, 4), compute_uv=False)
        assert values[2] < 1e-6


def test_units_do_not_matter():
    _, X, Y = problem()
    fit = InteractionRegressor(2, n_intervals=4, random_state=0)
    low, high = fit.fit(X, Y).interval(X[:5, 0], X[:5, 1])
    other = fit.fit(1024.0 * X, Y).interval(1024.0 * X[:5, 0], 1024.0 * X[:5, 1])
    np.testing.assert_allclose(other, (low, high), rtol=1e-6, atol=1e-8)


def test_equal_weights_are_none_and_zero_weights_are_no_samples():
    _, X, Y = problem()
    x, y = X[:5, 0], X[:5, 1]
    settings = {"rank": 2, "n_intervals": 4, "random_state": 0}
    plain = InteractionRegressor(**settings).fit(X, Y).interval(x, y)
    equal = InteractionRegressor(**settings).fit(X, Y, np.full(len(X), 3.0)).interval(x, y)
    np.testing.assert_allclose(equal, plain, rtol=1e-6, atol=1e-9)
    some = (np.arange(len(X)) % 4 > 0).astype(float)
    left_out = InteractionRegressor(**settings).fit(X, Y, some).interval(x, y)
    kept = some > 0
    np.testing.assert_allclose(
        left_out, InteractionRegressor(**settings).fit(X[kept], Y[kept]).interval(x, y), rtol=1e-6, atol=1e-9
    )


def test_prediction_intervals_add_the_noise():
    model, X, Y = problem(2000)
    fit = InteractionRegressor(2, random_state=0).fit(X, Y)
    bands = fit.bands(X, Y)
    new, observed = model.sample(2000, 3, np.random.default_rng(5))
    low, high = fit.prediction_interval(new)
    assert low.shape == observed.shape
    share = np.mean((low <= observed) & (observed <= high))
    # 6000 outputs, those of a sample dependent through the fit's error only, a tenth of the variance at most.
    assert share == pytest.approx(0.95, abs=5 * np.sqrt(0.95 * 0.05 / 6000) + 0.005)
    assert ((high - low) / 2 > stats.norm.ppf(0.975) * bands.noise_std).all()
    # Two tokens: the output of the first is one pair.
    pair = new[:50, :2]
    low, high = fit.prediction_interval(pair)
    half = stats.t.ppf(0.975, bands.freedom) * np.hypot(
        bands.standard_error(pair[:, 0], pair[:, 1]), bands.noise_std
    )
    np.testing.assert_allclose((high - low)[:, 0] / 2, half, rtol=1e-8)


def test_where_no_score_was_the_error_is_infinite():
    rng = np.random.default_rng(0)
    X = rng.choice([-1.0, 1.0], (300, 2, 1)) * rng.uniform(0.9, 1.0, (300, 2, 1))
    Y = X[:, ::-1, 0] * X[:, :, 0] + 0.1 * rng.standard_normal((300, 2))
    fit = InteractionRegressor(n_intervals=10, penalty=0.0, random_state=0).fit(X, Y)
    bands = fit.bands(X, Y, refinement=1)
    one = np.ones((1, 1))
    assert np.isinf(bands.standard_error(one, 0.0 * one)).all()  # scores near +-1 were seen, none near 0
    assert np.isfinite(bands.standard_error(0.95 * one, one)).all()


@pytest.mark.parametrize("refinement", [1, 2, 3])
def test_shapes_and_refinement(refinement):
    _, X, Y = problem()
    fit = InteractionRegressor(2, n_intervals=4, random_state=0).fit(X, Y)
    bands = fit.bands(X, Y, refinement=refinement)
    assert bands.activation.space.n_intervals == 4 * refinement
    low, high = bands.interval(X[:3, :, None], X[:3, None])
    assert low.shape == high.shape == (3, 3, 3) and (low < high).all()
    single = bands.interval(X[0, 0], X[0, 1])
    np.testing.assert_allclose([float(end) for end in single], [low[0, 0, 1], high[0, 0, 1]])


# ------------------------------------------------------------------------------------ what is refused


def test_what_is_refused():
    _, X, Y = problem()
    fit = InteractionRegressor(2, n_intervals=4, random_state=0).fit(X, Y)
    x, y = X[:, 0], X[:, 1]
    with pytest.raises(ValueError, match="must be the data that the fit was made from"):
        fit.bands(X, Y + 0.1)
    with pytest.raises(ValueError, match="must be the data that the fit was made from"):
        fit.bands(X[::2], Y[::2])
    with pytest.raises(ValueError, match=r"level must be > 0\.0 and < 1\.0"):
        fit.interval(x, y, 1.0)
    with pytest.raises(ValueError, match=r"y must have shape \(\.\.\., 4\), got"):
        fit.interval(x, y[:, :2])
    with pytest.raises(ValueError, match="x and y must have shapes that broadcast"):
        fit.interval(x[:3], y[:4])
    with pytest.raises(ValueError, match="refinement must be >= 1"):
        fit.bands(X, Y, refinement=0)
    few = InteractionRegressor(2, n_intervals=20, n_starts=0, random_state=0).fit(X[:16], Y[:16])
    with pytest.raises(ValueError, match="need more outputs than the 54 parameters"):
        few.interval(x, y)
    huber = InteractionRegressor(2, n_intervals=4, loss="huber", random_state=0).fit(X, Y)
    with pytest.raises(ValueError, match="loss = 'huber'"):
        huber.interval(x, y)
    with pytest.raises(Exception, match="not fitted yet"):
        InteractionRegressor().interval(x, y)


def test_a_pickled_fit_is_small_and_asks_for_its_data():
    _, X, Y = problem()
    fit = InteractionRegressor(2, n_intervals=4, random_state=0).fit(X, Y)
    expected = fit.interval(X[:3, 0], X[:3, 1])
    stored = pickle.dumps(fit)
    assert len(stored) < X.nbytes / 2
    again = pickle.loads(stored)
    np.testing.assert_array_equal(again.predict(X), fit.predict(X))
    with pytest.raises(ValueError, match=r"call bands\(X, Y\)"):
        again.interval(X[:3, 0], X[:3, 1])
    np.testing.assert_allclose(again.bands(X, Y).interval(X[:3, 0], X[:3, 1]), expected)


def test_a_refit_forgets_the_last_bands():
    _, X, Y = problem()
    fit = InteractionRegressor(2, n_intervals=4, random_state=0).fit(X, Y)
    first = fit.interval(X[:3, 0], X[:3, 1])
    fit.fit(X, 2 * Y)
    np.testing.assert_allclose(fit.interval(X[:3, 0], X[:3, 1]), 2 * np.array(first), rtol=1e-3, atol=1e-3)


# ------------------------------------------------------------------------------------ the device


@needs_compiler
def test_on_the_device(monkeypatch):
    cupy = fake_cupy.install(monkeypatch)
    _, X, Y = problem(200)
    settings = {"rank": 2, "n_intervals": 4, "random_state": 0}
    expected = InteractionRegressor(**settings).fit(X, Y)
    x, y = cupy.asarray(X), cupy.asarray(Y)
    fit = InteractionRegressor(**settings).fit(x, y)
    for ours, theirs in (
        (fit.interval(x[:, 0], x[:, 1]), expected.interval(X[:, 0], X[:, 1])),
        (fit.prediction_interval(x), expected.prediction_interval(X)),
    ):
        assert all(is_cupy(end) for end in ours)
        np.testing.assert_allclose([end.get() for end in ours], theirs, atol=1e-4)


# ------------------------------------------------------------------------------------ coverage


def test_measured_coverage():
    """The stored table: on 2K cells near 95 %, the shortcuts below it by many standard errors."""
    table = load_results("coverage")
    assert len(table) == 4 * 7 * 2 * 200
    learned = table[table["matrix"] == "learned"]
    for case, part in learned[learned["refinement"] == 2].groupby("case"):
        # The squared bias of the roughest truth falls by four only: it falls short, and the page says so.
        assert part["coverage"].mean() == pytest.approx(0.95, abs=0.05 if case == "rough 1" else 0.02)
        assert part["prediction"].mean() == pytest.approx(0.95, abs=0.005)
    rough = table[table["case"].str.startswith("rough")]
    for refinement, matrix in ((1, "learned"), (2, "as known")):
        part = rough[(rough["refinement"] == refinement) & (rough["matrix"] == matrix)]["coverage"]
        assert part.mean() + 5 * part.std() / np.sqrt(len(part)) < 0.92


def test_claims_see_a_fault():
    table = load_results("coverage")
    experiment = get("coverage")
    good = [claim.theory_verdict for claim in experiment.claims(table)]
    assert len(good) == 2 * 7 + 2 and good.count("differs") <= 1
    worse = experiment.claims(table.assign(coverage=table["coverage"] - 0.1))
    assert [claim.theory_verdict for claim in worse if "g(x, y)" in claim.name] == ["differs"] * 7
