"""What a fit warns of by itself: nothing for good fits, each doubt in its case, and no number is changed."""

import re
import warnings

import numpy as np
import pytest
from drawn import draw
from sklearn.exceptions import ConvergenceWarning

from pairint.estimation import FitWarning, InteractionRegressor
from pairint.estimation import interaction as module
from pairint.model import (
    PermutedPoints,
    ReLU,
    Tanh,
)


def said(X, Y, rank=1, **parameters):
    """Return the fit and the warnings of its own doubts."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = InteractionRegressor(rank, random_state=0, **parameters).fit(X, Y)
    return fit, [w for w in caught if issubclass(w.category, FitWarning | ConvergenceWarning)]


@pytest.mark.slow
@pytest.mark.parametrize("n_tokens", [2, 3, 8])
@pytest.mark.parametrize("activation", [Tanh(2.0), ReLU(), np.cos])
def test_good_fits_of_good_data_say_nothing(activation, n_tokens):
    for seed in range(4):
        d, rank = ((5, 1), (10, 2))[seed % 2]
        _, X, Y = draw(seed, d, rank, n_tokens, 1500, activation=activation)
        _, caught = said(X, Y, rank)
        assert [str(w.message) for w in caught] == []


def permuted():
    points = np.random.default_rng(3).standard_normal((6, 5))
    return draw(n_tokens=6, law=PermutedPoints(points))[1:]


def far_tokens():
    model, X, _ = draw(d=3, n_samples=200)
    X[:6] *= 30
    return X, model.forward(X) + 0.2 * np.random.default_rng(1).standard_normal(X.shape[:2])


CASES = {
    "few outputs": (
        lambda: draw(n_samples=18)[1:],
        {"n_intervals": 4},
        r"\d\.\d outputs a parameter: .*samples",
    ),
    "few tokens decide": (far_tokens, {}, "of the tokens are so large .*: .*remove samples"),
    "rank too large": (lambda: draw(d=8)[1:], {"rank": 3}, "the last of 3 singular values .*: lower rank"),
    "hidden functions": (permuted, {"n_intervals": 4}, r"hide some functions .*coercivity 0\.\d+.*: vary"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_doubt_is_one_warning_with_what_helps(case):
    data, parameters, message = CASES[case]
    _, caught = said(*data(), **parameters)
    assert len(caught) == 1
    text = str(caught[0].message)
    assert re.search(message, text), text
    assert text.endswith("fit.diagnose(X, Y) says more")
    assert caught[0].filename == __file__


def test_starts_that_end_apart():
    """The risks of the starts, as a fit stores them: one far below all others."""
    from pairint.estimation.diagnosis import excess_of_second

    assert excess_of_second([1.0, 1.5, 2.0], 20, 2000) == pytest.approx(0.5)
    assert excess_of_second([1.0, 1.01, 2.0], 20, 2000) is None
    assert excess_of_second([1.0], 20, 2000) is None
    assert excess_of_second([1.0, 1.5], 600, 2000) is None  # so many parameters explain it


def test_scores_beyond_the_cells():
    """The interval of a fit holds all scores but a few: another matrix stands for a fit that moved away."""
    from dataclasses import replace

    from pairint.estimation.doubts import cheap_doubts
    from pairint.estimation.problem import LeastSquaresProblem

    model, X, Y = draw()
    problem = LeastSquaresProblem(X, Y, 3, 0.1)
    U, s, V = np.linalg.svd(model.matrix)
    left, right = U[:, :1] * s[0], V[:1].T
    state = problem.solve(left, right, problem.space(left, right, 6))
    assert cheap_doubts(problem, state, 0.2, ()) == []
    doubts = cheap_doubts(problem, replace(state, left=2 * left), 0.2, ())
    assert any("of the scores lie beyond the cells" in doubt for doubt in doubts)
    # The curve no longer fits its scores either.
    assert any("what is left is not noise" in doubt for doubt in doubts)


def fitted_at_the_truth(noise, n_samples=15, law=None):
    """Return the data of a model in ten dimensions, and the fit of the spline to its matrix."""
    from pairint.estimation.base import matrix_parameters
    from pairint.estimation.problem import LeastSquaresProblem

    model, X, Y = draw(d=10, n_samples=n_samples, n_tokens=4, noise=noise, law=law)
    problem = LeastSquaresProblem(X, Y, 3, 0.1, n_matrix=matrix_parameters(10, 1))
    U, s, V = np.linalg.svd(model.matrix)
    left, right = U[:, :1] * s[0], V[:1].T
    return problem, problem.solve(left, right, problem.space(left, right, 4))


def test_few_outputs_are_no_doubt_where_they_tell_the_function():
    """60 outputs for 26 numbers, next to no noise: the predicted error is next to nothing."""
    from pairint.estimation.doubts import WELL_KNOWN, cheap_doubts
    from pairint.estimation.rivals import predicted_share

    problem, state = fitted_at_the_truth(1e-4)
    few = "outputs a parameter"
    for noise, known in ((1e-4, True), (0.5, False)):
        share = predicted_share(problem, state.left, state.right, state.spline, noise)
        assert (share <= WELL_KNOWN) is known
        told = [
            any(few in d for d in cheap_doubts(problem, state, noise, (), agreed=a)) for a in (True, False)
        ]
        # Nothing is known where the search has left a question open.
        assert told == [not known, True]
    # Where nothing tells the noise nothing is known either.
    assert any(few in doubt for doubt in cheap_doubts(problem, state, 0.0, (), agreed=True))


def test_large_tokens_are_a_doubt_where_few_others_count():
    """One sample a thousand times as large: the others count for next to nothing, however well g is known."""
    from dataclasses import replace

    from pairint.estimation.doubts import cheap_doubts

    problem, state = fitted_at_the_truth(1e-4, 60)
    large = "so large that the others hardly count"
    # 240 outputs for 26 numbers: nine each; of cubes nearly all tokens count.
    assert not any(large in doubt for doubt in cheap_doubts(problem, state, 1e-4, (), agreed=True))
    X = problem.X.copy()
    X[0] *= 1000.0
    doubts = cheap_doubts(replace(problem, X=X), state, 1e-4, (), agreed=True)
    assert any(large in doubt for doubt in doubts)


@pytest.mark.parametrize(("n_samples", "n_tokens", "told"), [(9, 10, True), (10, 10, False), (9, 9, False)])
def test_fewer_long_samples_than_dimensions_are_a_doubt(n_samples, n_tokens, told):
    from pairint.estimation.doubts import cheap_doubts
    from pairint.estimation.problem import LeastSquaresProblem

    model, X, Y = draw(d=10, n_samples=n_samples, n_tokens=n_tokens)
    problem = LeastSquaresProblem(X, Y, 1, 0.1)
    U, s, V = np.linalg.svd(model.matrix)
    left, right = U[:, :1] * s[0], V[:1].T
    doubts = cheap_doubts(problem, problem.solve(left, right, problem.space(left, right, 2)), 0.2, ())
    found = [doubt for doubt in doubts if f"{n_samples} samples of {n_tokens} tokens of 10 dim" in doubt]
    assert len(found) == told and all("give more samples" in doubt for doubt in found)


@pytest.mark.parametrize("seed", range(3))
def test_few_averages_leave_directions_of_partners_unseen(seed):
    """Why it is a doubt: some direction is seen by a token's own share of the averages only."""
    rng = np.random.default_rng(seed)
    seen = []
    for n_samples in (6, 40):
        X = rng.uniform(-1, 1, (n_samples, 400, 12))
        least = np.linalg.svd(X.mean(axis=1))[2][-1]
        partners = (X.sum(axis=1, keepdims=True) - X) / 399
        seen.append(np.mean((partners @ least) ** 2) / np.mean(partners**2))
    # Orthogonal to all six means a token's own share is left: (1/399)^2 of a variance, where averages have
    # 1/400 (72 squares: known to 17 %). The least of forty is about (1 - sqrt(12/40))^2 = 0.2 of the mean.
    assert seen[0] < 400 / 399**2 / (1 - 3 * np.sqrt(2 / 72)) < 0.02 < seen[1]


def test_what_did_not_converge_is_said_in_the_same_warning():
    _, X, Y = draw(n_samples=18)
    _, caught = said(X, Y, n_intervals=4, max_iter=1, tol=1e-12)
    assert len(caught) == 1
    assert caught[0].category is ConvergenceWarning
    assert "max_iter = 1 steps" in str(caught[0].message)
    assert "outputs a parameter" in str(caught[0].message)


@pytest.mark.parametrize("case", CASES)
def test_no_fitted_number_depends_on_the_doubts(case, monkeypatch):
    data, parameters, message = CASES[case]
    X, Y = data()
    first, _ = said(X, Y, **parameters)
    for name in ("cheap_doubts", "search_doubts"):
        monkeypatch.setattr(module, name, lambda *arguments, **named: [])
    second, caught = said(X, Y, **parameters)
    assert not any(re.search(message, str(entry.message)) for entry in caught)
    np.testing.assert_array_equal(first.matrix_, second.matrix_)
    np.testing.assert_array_equal(first.activation_.coefficients, second.activation_.coefficients)
    assert (first.risk_, first.n_iter_) == (second.risk_, second.n_iter_)


@pytest.mark.parametrize("solver", ["gauss-newton", "lbfgs"])
@pytest.mark.parametrize("tokens", ["equal", "in two halves", "mostly zero"])
def test_scores_that_half_of_the_samples_lack_are_no_obstacle(tokens, solver):
    rng = np.random.default_rng(0)
    X = {
        "equal": np.full((100, 3, 2), 0.5),
        "in two halves": np.repeat([1.0, 2.0], 50)[:, None, None] * np.ones((100, 3, 1)),
        "mostly zero": np.where(rng.random((100, 3, 2)) < 0.02, 1.0, 0.0),
    }[tokens]
    fit, _ = said(X, rng.standard_normal(X.shape[:2]), n_intervals=6, solver=solver)
    assert np.isfinite(fit.risk_)


def test_single_precision_and_weights_are_no_obstacle():
    _, X, Y = draw()
    weight = np.ones(Y.shape)
    weight[::7] = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        InteractionRegressor(random_state=0).fit(X.astype(np.float32), Y.astype(np.float32), weight)
