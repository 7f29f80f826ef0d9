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
