"""What a regressor leaves behind: nothing of a fit that failed, no thread limit, and true tags."""

import copy
import threading

import numpy as np
import pytest
from threads import blas_threads

from pairint.backend import one_blas_thread
from pairint.estimation import (
    InteractionRegressor,
    LeastSquaresProblem,
    NetworkRegressor,
    OracleRegressor,
    base,
    choose_intervals,
    quasi_newton,
)
from pairint.estimation.problem import LeastSquaresProblem as Problem

X = np.random.default_rng(0).uniform(-1, 1, (80, 3, 3))
Y = np.tanh(X[..., 0] * X[..., 1])
#: Where fits solve for the spline: those by dense systems, and those by L-BFGS.
SOLVES = [(Problem, "solve"), (quasi_newton, "solved")]


def regressors():
    """Each with the size of tokens of which no fit is possible any more."""
    network = NetworkRegressor(3, n_intervals=2, hidden=(4,), max_rounds=1, epochs=1, network_steps=5)
    return {
        "interaction": InteractionRegressor(3, n_intervals=2, start="linear"),
        "by systems": InteractionRegressor(3, n_intervals=2, start="linear", solver="gauss-newton"),
        "oracle": OracleRegressor(np.eye(3), n_intervals=2),
        "network": network,
    }


def attributes(fit):
    return {name: value for name, value in vars(fit).items() if name.endswith("_")}


@pytest.mark.parametrize("name", ["interaction", "by systems", "oracle", "network"])
def test_a_fit_that_fails_stores_nothing(name):
    fit = regressors()[name]
    with pytest.raises(ValueError, match=r"rank must be|matrix must have shape"):
        fit.fit(X[:, :, :2], Y)
    assert attributes(fit) == {}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ["interaction", "by systems", "oracle", "network"])
def test_a_refit_that_fails_leaves_the_last_fit(name, monkeypatch):
    if name == "network":
        pytest.importorskip("torch", reason="the network baseline needs PyTorch")
    fit = regressors()[name].fit(X, Y)
    before, predicted = copy.deepcopy(attributes(fit)), fit.predict(X)
    with pytest.raises(ValueError, match=r"rank must be|matrix must have shape"):
        fit.fit(X[:, :, :2], Y)

    def broken(*arguments):
        raise MemoryError("no more")

    for owner, solve in SOLVES:  # and one that fails in the middle
        monkeypatch.setattr(owner, solve, broken)
    with pytest.raises(MemoryError, match="no more"):
        fit.fit(2 * X, Y)
    assert attributes(fit).keys() == before.keys()
    assert fit.n_features_in_ == before["n_features_in_"] == 3
    np.testing.assert_array_equal(fit.predict(X), predicted)


@pytest.mark.parametrize("name", ["interaction", "by systems", "oracle", "network"])
def test_tags(name):
    """Tokens have three dimensions, outputs two, in the words of each release of scikit-learn."""
    fit = regressors()[name]
    if hasattr(base.BaseEstimator, "__sklearn_tags__"):
        from sklearn.utils import get_tags

        tags = get_tags(fit)
        assert (tags.input_tags.two_d_array, tags.input_tags.three_d_array) == (False, True)
        assert (tags.target_tags.multi_output, tags.target_tags.single_output) == (True, False)
        assert tags.estimator_type == "regressor" and tags.target_tags.required
    assert fit._more_tags()["X_types"] == ["3darray"]


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: LeastSquaresProblem(1e150 * X, Y, 3, 0.1), r"X must hold numbers of size at most 1e\+60"),
        (lambda: LeastSquaresProblem(X, 1e300 * Y, 3, 0.1), r"Y must hold numbers of size at most 1e\+60"),
        (lambda: choose(1e300 * np.eye(3), np.eye(3)), r"left must hold numbers of size at most 1e\+60"),
        (lambda: choose(np.eye(3), -1e300 * np.eye(3)), r"right must hold numbers of size at most 1e\+60"),
        (
            lambda: oracle().score(X, 1e300 * Y),
            r"Y must hold numbers of size at most 1e\+60, got \d\.\d+e\+299",
        ),
        (
            lambda: oracle().score(1e150 * X, Y),
            r"X must hold numbers of size at most 1e\+60, got 9\.\d+e\+149",
        ),
    ],
    ids=["problem-X", "problem-Y", "left", "right", "score-Y", "score-X"],
)
def test_huge_numbers_are_refused(use, message):
    with pytest.raises(ValueError, match=message):
        use()


def test_large_numbers_are_not():
    """At the limit itself nothing overflows."""
    top = 1e60
    problem = LeastSquaresProblem(top * X / np.abs(X).max(), top * Y / np.abs(Y).max(), 3, 0.1)
    choice = choose_intervals(problem, top * np.eye(3), top * np.eye(3))
    assert np.isfinite(choice.criterion).all()


def choose(left, right):
    return choose_intervals(LeastSquaresProblem(X, Y, 3, 0.1), left, right)


def oracle():
    return OracleRegressor(np.eye(3), n_intervals=2).fit(X, Y)


# ------------------------------------------------------------------------------------------- threads


@pytest.mark.slow
@pytest.mark.parametrize("name", ["interaction", "by systems", "oracle"])
def test_a_fit_of_small_matrices_takes_one_thread(name, allowed, monkeypatch):
    seen = []

    def watched(solve):
        def noted(*arguments):
            seen.append(blas_threads())
            return solve(*arguments)

        return noted

    for owner, solve in SOLVES:
        monkeypatch.setattr(owner, solve, watched(getattr(owner, solve)))
    fit = regressors()[name].fit(X, Y)
    assert seen and all(set(counts) == {1} for counts in seen)
    assert blas_threads() == allowed
    # Large ones may use the cores.
    monkeypatch.setattr(base, "WIDE", 1)
    seen.clear()
    fit.fit(X, Y)
    assert seen and all(counts == allowed for counts in seen)


def test_the_limit_is_taken_back_when_a_fit_fails(allowed):
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        assert set(blas_threads()) == {1}
        1 / 0  # noqa: B018
    assert blas_threads() == allowed


def test_fits_that_overlap_take_the_limit_back(allowed):
    """The first to enter is the first to leave: the other has found one thread, and must not leave that."""
    entered, leave = threading.Event(), threading.Event()

    def first():
        with one_blas_thread():
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(60)
    with one_blas_thread():
        leave.set()
        thread.join(60)
        assert not thread.is_alive()
    assert blas_threads() == allowed
