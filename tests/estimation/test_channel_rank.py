"""The rank of a channel fit, chosen by samples that it does not see."""

import math
import warnings

import fake_cupy
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from pairint.estimation import InteractionRegressor, RankChoice
from pairint.estimation.base import matrix_parameters
from pairint.estimation.channels.rank import largest_channel_rank


def attention(d=8, rank=3, n_samples=200, noise=0.1, seed=0, n_tokens=6, v=4):
    """Outputs of a softmax head of this rank, with values in R^v."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, n_tokens, d))
    left, right = rng.standard_normal((2, d, rank)) / math.sqrt(d)
    values = rng.standard_normal((n_samples, n_tokens, v))
    weights = np.exp(X @ left @ right.T @ X.swapaxes(1, 2))
    outputs = weights / weights.sum(axis=-1, keepdims=True) @ values
    return X, values, outputs + noise * outputs.std() * rng.standard_normal(outputs.shape)


def chosen(X, values, Y, **settings):
    settings = {"channel": "normalised", "activation": "exp", "random_state": 0} | settings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a choice at the bound
        return InteractionRegressor("auto", **settings).fit(X, Y, values=values)


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
@pytest.mark.parametrize("activation", ["exp", None])
def test_the_rank_is_found(rank, activation):
    fit = chosen(*attention(rank=rank, seed=rank), activation=activation)
    low, high = fit.rank_selection_.plausible
    assert fit.rank_ == rank and low <= rank <= high
    assert np.linalg.matrix_rank(fit.matrix_, tol=1e-8) == rank


def test_what_remains_is_the_fit_of_this_rank():
    X, values, Y = attention()
    auto = chosen(X, values, Y)
    known = InteractionRegressor(3, channel="normalised", activation="exp", random_state=1)
    known.fit(X, Y, values=values)
    assert auto.converged_ and auto.risk_ == pytest.approx(known.risk_, rel=1e-3)
    choice = auto.rank_selection_
    assert isinstance(choice, RankChoice) and not choice.at_limit
    tried = choice.candidates.tolist()
    assert tried == sorted(set(tried)) and {2, 3, 4} <= set(tried)
    assert choice.standard_error[tried.index(3)] == 0.0
    # The error on samples left out has the noise in it, which no fit goes below but by chance.
    assert choice.criterion.min() > 0.8 * auto.noise_std_**2


@pytest.mark.parametrize("channel", ["mean", "sum"])
def test_other_channels_and_learned_values(channel):
    X, _, _ = attention(d=5, n_samples=300)
    rng = np.random.default_rng(1)
    left, right = rng.standard_normal((2, 5, 2)) / 2
    off = 1.0 - np.eye(X.shape[1])
    g = np.tanh(X @ left @ right.T @ X.swapaxes(1, 2)) * off
    Y = g @ (X @ rng.standard_normal((5, 4))) / (off.sum(axis=1)[0] if channel == "mean" else 1.0)
    Y = Y + 0.05 * Y.std() * rng.standard_normal(Y.shape)
    fit = chosen(X, "learn", Y, channel=channel, activation=None, n_intervals=8)
    assert fit.rank_ == 2


def test_shuffled_outputs_ask_for_no_rank():
    X, values, Y = attention()
    rng = np.random.default_rng(0)
    fit = chosen(X, values, rng.permutation(Y.reshape(-1, 4)).reshape(Y.shape))
    assert fit.rank_ == 1


def test_a_rank_that_is_bounded_below_the_truth_says_so():
    X, values, Y = attention(rank=4)
    with pytest.warns(UserWarning, match="rank = 2 is the largest rank tried"):
        fit = InteractionRegressor(
            "auto", max_rank=2, channel="normalised", activation="exp", random_state=0
        ).fit(X, Y, values=values)
    assert fit.rank_ == 2 and fit.rank_selection_.at_limit


def test_weights_of_zero_leave_samples_out():
    X, values, Y = attention()
    spoilt = np.concatenate([Y, 1e3 * np.ones_like(Y[:50])])
    more = np.concatenate([X, X[:50]]), np.concatenate([values, values[:50]])
    fit = InteractionRegressor("auto", channel="normalised", activation="exp", random_state=0)
    fit.fit(more[0], spoilt, np.repeat([1.0, 0.0], [200, 50]), values=more[1])
    same = chosen(X, values, Y)
    assert fit.rank_ == same.rank_ == 3
    np.testing.assert_array_equal(fit.matrix_, same.matrix_)


def test_few_data_bound_the_rank():
    d = 8
    for n_rows in (50, 100, 1000):
        largest = largest_channel_rank(n_rows, d, d, 0)
        assert 2 * matrix_parameters(d, largest) <= n_rows * 4 // 5 or largest == 1
        assert largest == d or 2 * matrix_parameters(d, largest + 1) > n_rows * 4 // 5
    assert largest_channel_rank(100, d, d, 1) < largest_channel_rank(100, d, d, 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_heads": 2}, "rank must be an integer with several heads"),
        (
            {"start": (np.ones((8, 1)), np.ones((8, 1)))},
            "rank must be an integer with a start that is factors",
        ),
        ({"max_rank": 9}, "max_rank must be >= 1 and <= 8"),
        ({"max_rank": 0}, "max_rank must be >= 1 and <= 8"),
    ],
)
def test_bad_input(settings, message):
    X, values, Y = attention(n_samples=30)
    with pytest.raises(ValueError, match=message):
        chosen(X, values, Y, **settings)


def test_too_few_samples_are_named():
    X, values, Y = attention(n_samples=19)
    with pytest.raises(ValueError, match="X must have at least 20 samples"):
        chosen(X, values, Y)


def test_a_plain_fit_has_no_standard_errors():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3, 2))
    Y = rng.standard_normal((200, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = InteractionRegressor("auto", random_state=0).fit(X, Y)
    assert fit.rank_selection_.standard_error is None and fit.rank_selection_.plausible is None


def test_a_rank_that_the_channel_does_not_admit_is_worse():
    """Infinite errors and infinite standard errors say nothing for a rank."""
    cells, error = np.full(4, 6), np.array([0.3, 0.1, 0.11, math.inf])
    kept = RankChoice(2, np.array([1, 2, 4, 8]), error, cells, False, np.array([0.02, 0.0, 0.01, math.inf]))
    assert kept.plausible == (2, 4)


def test_on_the_device(monkeypatch):
    cupy = fake_cupy.install(monkeypatch)
    X, values, Y = attention(n_samples=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        here = chosen(X, values, Y)
        there = chosen(*(cupy.asarray(a) for a in (X, values, Y)))
    assert there.rank_ == here.rank_
    np.testing.assert_allclose(there.matrix_.get(), here.matrix_, atol=1e-6)
