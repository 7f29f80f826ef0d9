"""What a fit rests on: closed forms, a clean family without doubts, and a case for each doubt."""

import warnings

import numpy as np
import pytest
from drawn import draw
from sklearn.exceptions import NotFittedError

from pairint.estimation import Diagnosis, InteractionRegressor, OracleRegressor
from pairint.estimation.diagnosis import RULES
from pairint.model import (
    AttentionModel,
    GaussianNoise,
    PermutedPoints,
    ReLU,
    Tanh,
    interaction_matrix,
)


def fitted(X, Y, rank=1, **parameters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit may have doubts of its own
        return InteractionRegressor(rank, random_state=0, **parameters).fit(X, Y)


def doubts(found):
    return {finding.name for finding in found.findings}


# ------------------------------------------------------------------------------------------ closed forms


@pytest.mark.parametrize("weighted", [False, True])
def test_leverage_is_the_response_of_a_prediction_to_its_output(weighted):
    """With the matrix given the fit is linear: the leverage is a difference quotient, exactly."""
    model, X, Y = draw(n_samples=30)
    weight = np.random.default_rng(1).uniform(0.5, 2.0, Y.shape) if weighted else None
    oracle = OracleRegressor(model.matrix, n_intervals=4, penalty=0.7)
    before = oracle.fit(X, Y, weight)
    found, prediction = before.diagnose(X, Y, weight), before.predict(X)
    for place in ((0, 0), (17, 2)):
        moved = Y.copy()
        moved[place] += 1.0
        change = oracle.fit(X, moved, weight).predict(X)[place] - prediction[place]
        # Solutions of the normal equations, of condition 1e6 at most here.
        assert found.leverage[place] == pytest.approx(change, abs=1e-9)


@pytest.mark.parametrize(("d", "rank", "n_tokens"), [(4, 1, 3), (4, 2, 5), (6, 3, 2), (1, 1, 4)])
def test_leverages_add_up_to_the_number_of_parameters(d, rank, n_tokens):
    """Without a penalty the trace of a projection: coefficients, and matrices of the rank, scale included.

    The scale is a parameter of its own here: splines on given cells are not all splines of another scale.
    """
    _, X, Y = draw(d=d, rank=rank, n_tokens=n_tokens)
    fit = fitted(X, Y, rank, n_intervals=5, penalty=0.0)
    n_matrix = rank * (2 * d - rank) if d > 1 else 0
    found = fit.diagnose(X, Y)
    assert found.leverage.sum() == pytest.approx(5 + 3 + n_matrix, rel=1e-8)
    assert found.leverage.min() >= 0.0
    assert found.leverage.max() <= 1.0 + 1e-8


def test_leverage_predicts_what_a_refit_does():
    """Where the curvature is small: a small change of one output moves its prediction by the leverage."""
    _, X, Y = draw(d=3, n_samples=300, noise=0.05)
    fit = fitted(X, Y, n_intervals=3, tol=1e-8)
    found, step = fit.diagnose(X, Y), 0.01
    moved = Y.copy()
    place = np.unravel_index(np.argsort(found.leverage.ravel())[-20], Y.shape)
    moved[place] += step
    again = fitted(X, moved, n_intervals=3, tol=1e-8)
    assert again.activation_.space.lower == pytest.approx(fit.activation_.space.lower, rel=0.02)
    response = (again.predict(X)[place] - fit.predict(X)[place]) / step
    # The cells move with the scores, and residuals times curvature are left out: of the order of the noise.
    assert response == pytest.approx(found.leverage[place], rel=0.25)


@pytest.mark.slow
@pytest.mark.parametrize(("d", "rank", "n_tokens"), [(4, 1, 3), (8, 2, 4)])
def test_the_error_of_the_matrix_is_predicted(d, rank, n_tokens):
    squares, predicted = [], []
    for seed in range(12):
        model, X, Y = draw(seed, d, rank, n_tokens, 800)
        fit = fitted(X, Y, rank)
        truth = model.matrix / np.linalg.norm(model.matrix)
        error = min(np.linalg.norm(fit.matrix_ - truth), np.linalg.norm(fit.matrix_ + truth))
        squares.append(error**2)
        predicted.append(fit.diagnose(X, Y).matrix_error ** 2)
    # A mean of 12 chi-squares of k degrees over k: four standard errors.
    k = rank * (2 * d - rank) - 1
    assert np.mean(squares) == pytest.approx(np.mean(predicted), rel=4 * (2 / (12 * k)) ** 0.5)


def test_coercivity_of_two_tokens_is_one_and_of_permuted_points_none():
    model, X, Y = draw(n_tokens=2)
    oracle = OracleRegressor(model.matrix, n_intervals=4).fit(X, Y)
    # With one partner the average is the function itself.
    assert oracle.diagnose(X, Y).coercivity == pytest.approx(1.0, rel=1e-9)
    points = np.random.default_rng(3).standard_normal((6, 5))
    model, X, Y = draw(n_tokens=6, law=PermutedPoints(points))
    oracle = OracleRegressor(model.matrix, n_intervals=4).fit(X, Y)
    assert oracle.diagnose(X, Y).coercivity < 1e-6


def test_scaling_the_outputs_changes_no_verdict():
    _, X, Y = draw()
    one, other = (fitted(X, factor * Y).diagnose(X, factor * Y) for factor in (1.0, 1000.0))
    np.testing.assert_allclose(one.leverage, other.leverage, rtol=1e-5, atol=1e-7)
    assert one.findings == other.findings == ()


# ----------------------------------------------------------------------------------- without and with doubts


@pytest.mark.slow
@pytest.mark.parametrize("n_tokens", [2, 3, 8])
@pytest.mark.parametrize("activation", [Tanh(2.0), ReLU(), np.cos])
def test_good_fits_of_good_data_leave_no_doubt(activation, n_tokens):
    for seed in range(4):
        d, rank = ((5, 1), (10, 2))[seed % 2]
        _, X, Y = draw(seed, d, rank, n_tokens, 1500, activation=activation)
        found = fitted(X, Y, rank).diagnose(X, Y)
        assert doubts(found) == set(), str(found)
        assert str(found).endswith("No reason for doubt was found.")


def test_few_data():
    _, X, Y = draw(n_samples=18)
    assert "data" in doubts(fitted(X, Y, n_intervals=4).diagnose(X, Y))


def test_a_few_samples_that_decide():
    model, X, _ = draw(d=3, n_samples=200)
    X[:6] *= 30
    Y = model.forward(X) + 0.2 * np.random.default_rng(1).standard_normal(X.shape[:2])
    found = fitted(X, Y).diagnose(X, Y)
    assert "leverage" in doubts(found)
    assert np.unravel_index(found.leverage.argmax(), Y.shape)[0] < 6


def test_always_the_same_tokens():
    points = np.random.default_rng(3).standard_normal((6, 3))
    _, X, Y = draw(d=3, n_tokens=6, law=PermutedPoints(points))
    assert {"coercivity", "matrix"} <= doubts(fitted(X, Y, n_intervals=4).diagnose(X, Y))


@pytest.mark.parametrize("rank", [2, 3])
def test_a_rank_too_large(rank):
    _, X, Y = draw(d=8, rank=2, n_samples=2000)
    assert ("rank" in doubts(fitted(X, Y, rank).diagnose(X, Y))) == (rank == 3)


def test_a_rank_too_low_and_a_wrong_model():
    _, X, Y = draw(rank=2, n_samples=2000)
    assert "structure" in doubts(fitted(X, Y, 1).diagnose(X, Y))
    other, _, _ = draw(9, activation=ReLU())
    _, X, Y = draw(n_samples=2000)
    assert "structure" in doubts(fitted(X, Y + other.forward(X)).diagnose(X, Y + other.forward(X)))


def test_too_few_cells():
    _, X, Y = draw(n_samples=2000)
    found = fitted(X, Y, n_intervals=1, degree=1).diagnose(X, Y)
    assert "structure" in doubts(found)
    assert "mean" in next(finding.text for finding in found.findings if finding.name == "structure")


def test_wrong_outputs():
    _, X, Y = draw(n_samples=2000)
    Y[:3, 0] += 20
    found = fitted(X, Y).diagnose(X, Y)
    assert found.n_far == 3
    assert "loss='huber'" in next(finding.text for finding in found.findings if finding.name == "outliers")
    assert doubts(fitted(X, Y, loss="huber").diagnose(X, Y)) == set()


def test_scores_beyond_the_cells():
    model, X, Y = draw()
    assert "extrapolation" in doubts(fitted(X, Y).diagnose(3 * X, model.forward(3 * X)))


def test_starts_that_disagree():
    _, X, Y = draw()
    fit = fitted(X, Y)
    fit.start_risks_ = np.array([0.04, 0.06, 0.07])
    assert "starts" in doubts(fit.diagnose(X, Y))
    fit.start_risks_ = np.array([0.04, 0.0401, 0.07])
    assert "starts" not in doubts(fit.diagnose(X, Y))


def test_a_search_that_ended_at_its_bound():
    _, X, Y = draw(noise=0.0, activation=np.cos)
    fit = fitted(X, Y)
    assert fit.selection_.at_limit
    assert "limit" in doubts(fit.diagnose(X, Y))


def test_rounding_is_no_structure():
    _, X, Y = draw()
    found = fitted(X, np.full_like(Y, 3.0)).diagnose(X, np.full_like(Y, 3.0))
    # A constant says nothing of the matrix; what it leaves is rounding.
    assert doubts(found).isdisjoint({"structure", "outliers"})


def test_what_the_text_says():
    _, X, Y = draw(n_samples=18)
    text = str(fitted(X, Y, n_intervals=4).diagnose(X, Y))
    assert "54 outputs for" in text
    assert "- data: " in text
    assert set(RULES) >= {"data", "leverage", "coercivity", "matrix", "rank", "structure"}


# ------------------------------------------------------------------------------------------------ bad input


def test_bad_input():
    _, X, Y = draw(n_samples=60)
    with pytest.raises(NotFittedError):
        InteractionRegressor().diagnose(X, Y)
    fit = fitted(X, Y, n_intervals=3)
    with pytest.raises(ValueError, match="Y must have shape"):
        fit.diagnose(X, Y[:-1])
    with pytest.raises(ValueError, match=r"X .*5"):
        fit.diagnose(X[..., :2], Y)
    with pytest.raises(TypeError, match="plain mean"):
        fitted(X, Y, channel="sum", n_intervals=3).diagnose(X, Y)
    fit.activation_ = np.tanh
    with pytest.raises(TypeError, match="must be a spline"):
        fit.diagnose(X, Y)


def test_three_samples_have_no_coercivity_and_are_said_to_be_few():
    model, X, Y = draw(n_samples=3, n_tokens=4)
    found = OracleRegressor(model.matrix, n_intervals=2).fit(X, Y).diagnose(X, Y)
    assert np.isnan(found.coercivity)
    assert np.isnan(found.matrix_error)
    assert isinstance(found, Diagnosis)
    assert "data" in doubts(found)


def test_scores_that_end_the_cells_are_not_beyond_them():
    """Six fixed points: each score is met again and again, and the ends of the cells are scores."""
    rng = np.random.default_rng(0)
    points = PermutedPoints(rng.uniform(-1, 1, (6, 5)))
    model = AttentionModel(Tanh(), interaction_matrix(5, 2, rng), points, GaussianNoise(0.1))
    X, Y = model.sample(500, 6, rng)
    fit = OracleRegressor(model.matrix, n_intervals=4).fit(X, Y)
    rounded = X * (1 + 8 * np.finfo(float).eps)  # as another order of additions may round
    assert fit.diagnose(rounded, Y).outside == 0 < fit.diagnose(1.01 * X, Y).outside
